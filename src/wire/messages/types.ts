/** The handshake messages as values, field by field as in rfc9846#section-4. Codecs are beside this file, one per message. */

export interface KeyShareEntry {
  readonly group: number;
  readonly keyExchange: Uint8Array;
}

export interface PskIdentity {
  readonly identity: Uint8Array;
  readonly obfuscatedTicketAge: number;
}

export interface OfferedPsks {
  readonly identities: readonly PskIdentity[];
  readonly binders: readonly Uint8Array[];
}

/** `true` stands for an extension whose body is empty. Absent: not sent. */
export interface ClientHelloExtensions {
  /** The `host_name`, as sent. */
  readonly serverName?: string;
  readonly statusRequest?: true;
  readonly supportedGroups?: readonly number[];
  readonly signatureAlgorithms?: readonly number[];
  readonly signatureAlgorithmsCert?: readonly number[];
  /** Protocol names, one Latin-1 character a byte. */
  readonly alpn?: readonly string[];
  readonly recordSizeLimit?: number;
  /** Distinguished names in DER. */
  readonly certificateAuthorities?: readonly Uint8Array[];
  readonly postHandshakeAuth?: true;
  /** Code points, in the client's order. */
  readonly compressCertificate?: readonly number[];
  readonly keyShare?: readonly KeyShareEntry[];
  readonly pskKeyExchangeModes?: readonly number[];
  readonly earlyData?: true;
  /** RFC 9149: how many tickets the client wants, 0 to 255 each. */
  readonly ticketRequest?: { readonly newSessionCount: number; readonly resumptionCount: number };
  readonly cookie?: Uint8Array;
  readonly supportedVersions?: readonly number[];
  /** Must be last on the wire; the writer takes care of it. */
  readonly preSharedKey?: OfferedPsks;
}

/**
 * `legacyVersion`, `legacySessionId` and `legacyCompressionMethods` are kept as sent, because they have rules of their own.
 */
export interface ClientHello {
  readonly type: 'client_hello';
  readonly legacyVersion: number;
  /** 32 bytes. */
  readonly random: Uint8Array;
  /** 0 to 32 bytes. */
  readonly legacySessionId: Uint8Array;
  readonly cipherSuites: readonly number[];
  readonly legacyCompressionMethods: Uint8Array;
  readonly extensions: ClientHelloExtensions;
  /** Extension types in the order of the wire, unknown ones included. */
  readonly extensionTypes: readonly number[];
  /** Extensions to write that this stack does not interpret (GREASE). Always empty on a received message. */
  readonly otherExtensions?: readonly { readonly type: number; readonly data: Uint8Array }[];
}

export interface ServerHelloExtensions {
  readonly supportedVersions?: number;
  readonly keyShare?: KeyShareEntry;
  /** Index into the identities that were offered. */
  readonly preSharedKey?: number;
}

export interface ServerHello {
  readonly type: 'server_hello';
  readonly legacyVersion: number;
  readonly random: Uint8Array;
  readonly legacySessionIdEcho: Uint8Array;
  readonly cipherSuite: number;
  readonly legacyCompressionMethod: number;
  readonly extensions: ServerHelloExtensions;
}

export interface HelloRetryRequestExtensions {
  readonly supportedVersions?: number;
  /** The group the client shall send a share for. */
  readonly keyShare?: number;
  readonly cookie?: Uint8Array;
}

/** A ServerHello whose random is the one of rfc9846#section-4.2.3. */
export interface HelloRetryRequest {
  readonly type: 'hello_retry_request';
  readonly legacyVersion: number;
  readonly legacySessionIdEcho: Uint8Array;
  readonly cipherSuite: number;
  readonly legacyCompressionMethod: number;
  readonly extensions: HelloRetryRequestExtensions;
}

export interface EncryptedExtensionsValues {
  /** The server used the name that was sent. */
  readonly serverName?: true;
  readonly supportedGroups?: readonly number[];
  readonly alpn?: string;
  readonly recordSizeLimit?: number;
  readonly earlyData?: true;
  /** RFC 9149: how many tickets the server means to send, 0 to 255. */
  readonly expectedTickets?: number;
}

export interface EncryptedExtensions {
  readonly type: 'encrypted_extensions';
  readonly extensions: EncryptedExtensionsValues;
  readonly extensionTypes: readonly number[];
}

export interface CertificateRequestExtensions {
  readonly statusRequest?: true;
  readonly signatureAlgorithms?: readonly number[];
  readonly signatureAlgorithmsCert?: readonly number[];
  readonly certificateAuthorities?: readonly Uint8Array[];
  readonly compressCertificate?: readonly number[];
}

export interface CertificateRequest {
  readonly type: 'certificate_request';
  readonly context: Uint8Array;
  readonly extensions: CertificateRequestExtensions;
}

export interface CertificateEntry {
  /** DER. */
  readonly certificate: Uint8Array;
  /** A DER OCSP response, from `status_request`. */
  readonly ocspResponse?: Uint8Array;
  readonly extensionTypes: readonly number[];
}

export interface Certificate {
  readonly type: 'certificate';
  readonly context: Uint8Array;
  readonly entries: readonly CertificateEntry[];
}

/** A Certificate in fewer bytes. */
export interface CompressedCertificate {
  readonly type: 'compressed_certificate';
  readonly algorithm: number;
  /** Of the Certificate without its header, in bytes. */
  readonly uncompressedLength: number;
  readonly compressed: Uint8Array;
}

export interface CertificateVerify {
  readonly type: 'certificate_verify';
  readonly algorithm: number;
  readonly signature: Uint8Array;
}

export interface Finished {
  readonly type: 'finished';
  readonly verifyData: Uint8Array;
}

export interface NewSessionTicketExtensions {
  /** From "early_data"; absent when the ticket may not carry 0-RTT. In bytes. */
  readonly maxEarlyDataSize?: number;
  /** From "tls_flags": the server resumes it under any name that its certificate has. */
  readonly acrossNames?: true;
}

export interface NewSessionTicket extends NewSessionTicketExtensions {
  readonly type: 'new_session_ticket';
  /** `ticket_lifetime`, in seconds. */
  readonly lifetimeSeconds: number;
  readonly ageAdd: number;
  readonly nonce: Uint8Array;
  readonly ticket: Uint8Array;
  /** Extensions to write that this stack does not interpret (GREASE). Always empty on a received message. */
  readonly otherExtensions?: readonly { readonly type: number; readonly data: Uint8Array }[];
}

export interface KeyUpdate {
  readonly type: 'key_update';
  readonly requestUpdate: boolean;
}

export interface EndOfEarlyData {
  readonly type: 'end_of_early_data';
}

export type HandshakeMessage =
  | ClientHello
  | ServerHello
  | HelloRetryRequest
  | EncryptedExtensions
  | CertificateRequest
  | Certificate
  | CompressedCertificate
  | CertificateVerify
  | Finished
  | NewSessionTicket
  | KeyUpdate
  | EndOfEarlyData;

export type MessageType = HandshakeMessage['type'];
