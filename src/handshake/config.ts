import type {
  Aead,
  Compression,
  Credential,
  CryptoProvider,
  HashName,
  KeyExchange,
  MaybePromise,
} from '../crypto/index.ts';
import type { CertificateVerifier } from '../peer-auth/index.ts';
import type {
  ClientTicket,
  PresentedTicket,
  ReplayGuard,
  TicketLedger,
  TicketPolicy,
  TicketRevocations,
  TicketSealer,
  TicketState,
  TicketVerdict,
} from '../tickets/index.ts';
import type { ExternalPsk } from './external-psk.ts';

/** Milliseconds since the epoch; the only clock of the protocol. */
export interface Clock {
  now(): number;
  /** Calls `run` once after so many milliseconds, unless the function it returns is called before. Without it nothing has a deadline. */
  after?(milliseconds: number, run: () => void): () => void;
}

/** A TLS cipher suite, resolved against the crypto provider. */
export interface Suite {
  /** Code point. */
  readonly id: number;
  readonly name: string;
  readonly aead: Aead;
  readonly hash: HashName;
}

/** What a peer may make us hold or do. All in bytes or counts. */
export interface Limits {
  /** A ClientHello. Default 65,536 bytes. */
  readonly clientHelloLength: number;
  /** A Certificate message, as it is and uncompressed. Default 131,072 bytes. */
  readonly certificateLength: number;
  /** Any other handshake message. Default 65,536 + 1,024 bytes, which holds the largest ticket. */
  readonly handshakeMessageLength: number;
  /** Certificates in one chain. Default 16. */
  readonly certificateChainLength: number;
  /** PSK identities of one ClientHello that are looked at; the rest are ignored. Default 8. */
  readonly pskIdentities: number;
  /** NewSessionTicket messages a client accepts on one connection. Default 4,096. */
  readonly ticketsReceived: number;
  /** KeyUpdate messages in a row without application data between them. Default 32. */
  readonly keyUpdatesInARow: number;
  /** Warning alerts on one connection. Default 4. */
  readonly warningAlerts: number;
  /** Empty application data records in a row. Default 32. */
  readonly emptyRecordsInARow: number;
  /** Early data, in bytes with padding, that a server skips after it refused it; more where its tickets allow more. Default 20,480. */
  readonly skippedEarlyDataLength: number;
  /** Input held back while the handshake waits for an answer (a signer, a verifier), in bytes. Default 1,048,576. */
  readonly parkedInputLength: number;
  /** Tickets sent automatically after one handshake, and tickets requested at one time. Default 1,024. */
  readonly ticketsSent: number;
  /** CertificateRequest messages after the handshake that a client answers, each with a signature, on one connection. Default 64. */
  readonly certificateRequestsReceived: number;
  /** Of these, as many as may wait for a signer or a choice at one time. Default 8. */
  readonly certificateRequestsPending: number;
}

/** What both roles share. Frozen; may be used by any number of connections. Made by `createServerConfig` and `createClientConfig`. */
export interface CommonConfig {
  readonly crypto: CryptoProvider;
  readonly clock: Clock;
  /** In order of preference. */
  readonly cipherSuites: readonly Suite[];
  /** In order of preference. */
  readonly groups: readonly KeyExchange[];
  /** SignatureSchemes accepted from the peer in CertificateVerify, in order of preference. */
  readonly signatureSchemes: readonly number[];
  /** Further SignatureSchemes accepted inside certificates only (PKCS#1). */
  readonly certificateSignatureSchemes: readonly number[];
  /** How certificates may be compressed (RFC 8879), the peer's and ours, in order of preference. Empty: not at all, the default. */
  readonly certificateCompression: readonly Compression[];
  /** Largest plaintext of a record we are willing to receive, with its content type byte (RFC 8449): 64 to 16,385. `undefined`: extension not sent. */
  readonly recordSizeLimit: number | undefined;
  /** Largest plaintext we put in a record: 512 to 16,384. */
  readonly maxSendFragment: number;
  /** Zero bytes to add to a record of `contentLength` bytes of plaintext. */
  readonly padding: ((contentLength: number) => number) | undefined;
  /** How long after a full handshake its tickets, and those of the resumptions that follow from it, may resume. Default 86,400: 24 hours. */
  readonly reauthenticateAfterSeconds: number;
  /** Receives lines of RFC 9850. Off unless given. */
  readonly keyLog: ((line: string) => void) | undefined;
  readonly limits: Limits;
}

/** The parts of a ClientHello that an application may decide by. */
export interface ClientHelloInfo {
  readonly serverName: string | undefined;
  readonly alpn: readonly string[];
  readonly cipherSuites: readonly number[];
  readonly signatureSchemes: readonly number[];
  readonly supportedGroups: readonly number[];
  /** Distinguished names (DER) of the authorities the client trusts; empty when it does not say. */
  readonly certificateAuthorities: readonly Uint8Array[];
}

/** The parts of a CertificateRequest that an application may decide by. */
export interface CertificateRequestInfo {
  readonly signatureSchemes: readonly number[];
  /** Distinguished names (DER) of the authorities the server accepts; empty when it does not say. */
  readonly certificateAuthorities: readonly Uint8Array[];
}

export interface ServerTicketConfig {
  /** The number the policy works with. {@link openssl}: tickets after a full handshake; a resumption gets at most one. 0: none on the wire. Default 2. */
  readonly count: number;
  readonly policy: TicketPolicy;
  readonly lifetimeSeconds: number;
  /** What decides about trust here, in one string. Tickets are sealed under it; `scopes` are those that are opened: this one, then others that the application trusts as much. */
  readonly scope: string;
  readonly scopes: readonly string[];
  /** Longest ticket that is sent, in bytes. Default 65,535; below about 16,000 NewSessionTicket fits one record. */
  readonly maxLength: number;
  /** Redeem tickets under other names than they were issued for, and say so in them. */
  readonly acrossNames: boolean;
  /** Tells handles when their tickets are redeemed. */
  readonly ledger: TicketLedger;
  /** `undefined`: tickets are neither issued nor redeemed. */
  readonly sealer: TicketSealer | undefined;
  readonly revocations: TicketRevocations | undefined;
  readonly onPresented: ((ticket: PresentedTicket) => MaybePromise<TicketVerdict>) | undefined;
  /** For each question about a ticket or an external PSK, in milliseconds. Needs a clock with `after`. */
  readonly deadlineMs: number;
}

/** Early data as a server may judge it. Its binder and its freshness have been verified. */
export interface EarlyDataRequest {
  readonly hello: ClientHelloInfo;
  /** The protocol of the early data, which is also this connection's. */
  readonly alpn: string | undefined;
  /** What the ticket restores: who the client was then, and what the application put in. */
  readonly ticket: Omit<TicketState, 'psk'>;
  /** When the client says it sent the ClientHello, by our clock: milliseconds since the epoch. */
  readonly sentAt: number;
}

/** @spec rfc9846#section-8 */
export interface ServerEarlyDataConfig {
  /** Bytes of early data that a ticket allows, 1 to 2^32-1. */
  readonly maxSize: number;
  /** Asked about every ClientHello whose early data could be accepted. A failure rejects the early data, never the connection. */
  readonly guard: ReplayGuard;
  /** Asked last. Anything but `true`, a throw or rejection included, rejects the early data. Default: all is allowed. */
  readonly allow: ((request: EarlyDataRequest) => MaybePromise<boolean>) | undefined;
  /** How long `guard` and `allow` may take, each, in milliseconds. Default 250. Needs a clock with `after`. */
  readonly deadlineMs: number;
}

export type ClientAuth = 'none' | 'request' | 'require';

export interface ServerConfig extends CommonConfig {
  readonly role: 'server';
  /** Asked about the first ClientHello: go on with another config, or with this one. A `TlsAlertError` refuses with its alert. */
  readonly chooseConfig: ((hello: ClientHelloInfo) => MaybePromise<ServerConfig | undefined>) | undefined;
  readonly credentials: readonly Credential[];
  /** Asked first; `undefined` falls back to `credentials`. `'unrecognized_name'` refuses the connection with that alert. */
  readonly chooseCredential:
    | ((hello: ClientHelloInfo) => MaybePromise<Credential | 'unrecognized_name' | undefined>)
    | undefined;
  /**
   * Asked for a fresh OCSP response (DER) when the client wants one and is shown `credential`, so not when it resumes. `undefined`, a failure
   * and an empty answer leave it at {@link Credential.ocspResponse}; a `TlsAlertError` refuses with its alert.
   */
  readonly stapleOcsp:
    | ((credential: Credential, hello: ClientHelloInfo) => MaybePromise<Uint8Array | undefined>)
    | undefined;
  /** Names in order of preference; empty: the extension is ignored. */
  readonly alpn: readonly string[];
  /** Replaces `alpn`; `null` goes on without a protocol, `undefined` refuses with `no_application_protocol`. */
  readonly chooseAlpn: ((hello: ClientHelloInfo) => MaybePromise<string | null | undefined>) | undefined;
  readonly clientAuth: ClientAuth;
  /** Needed unless `clientAuth` is `none`, and to ask for a certificate after the handshake. */
  readonly verifier: CertificateVerifier | undefined;
  /** Whether an untrusted client certificate ends the handshake. Default true. */
  readonly rejectUnauthorized: boolean;
  readonly tickets: ServerTicketConfig;
  /** `undefined`: tickets allow no early data, and none is accepted. */
  readonly earlyData: ServerEarlyDataConfig | undefined;
  /**
   * Asked for each identity a client offers, before it is taken for a ticket; `undefined`: not known. `targetHash` is the hash that an
   * identity was imported for (RFC 9258), absent when it reads as none that was: the PSK must be of the same kind to be used.
   */
  readonly findPsk:
    | ((identity: Uint8Array, targetHash: HashName | undefined) => MaybePromise<ExternalPsk | undefined>)
    | undefined;
  /** Accept psk_ke (no forward secrecy) when the client offers nothing better. Default false. */
  readonly allowPskOnly: boolean;
  /** Send change_cipher_spec also to clients that do not ask for it by a session id. Default false. rfc9846#appendix-E.4 */
  readonly middleboxCompatibility: boolean;
  /** Whether the client is told that its server name was used. Default true. rfc6066#section-3 */
  readonly acknowledgeServerName: boolean;
  /** Put a GREASE extension into each NewSessionTicket (RFC 8701). Default false. */
  readonly grease: boolean;
  /** Put a sealed cookie in HelloRetryRequest, so that any server with the same key can take the second ClientHello. */
  readonly cookieSealer: CookieSealer | undefined;
}

/** Seals the state of a HelloRetryRequest into its cookie. Synchronous. */
export interface CookieSealer {
  seal(content: Uint8Array, now: number): Uint8Array;
  open(cookie: Uint8Array, now: number): Uint8Array | undefined;
}

export interface ClientConfig extends CommonConfig {
  readonly role: 'client';
  /** Names offered, in order of preference. Empty: the extension is not sent. */
  readonly alpn: readonly string[];
  readonly verifier: CertificateVerifier;
  /** Whether an untrusted server ends the handshake. Default true. */
  readonly rejectUnauthorized: boolean;
  /** Certificates to show when the server asks; the first whose key fits is used. */
  readonly credentials: readonly Credential[];
  /** Asked first when the server asks for a certificate; `undefined` falls back to `credentials`. */
  readonly chooseCredential: ((request: CertificateRequestInfo) => MaybePromise<Credential | undefined>) | undefined;
  /** Distinguished names (DER) to send as `certificate_authorities`. Empty: the extension is not sent. */
  readonly certificateAuthorities: readonly Uint8Array[];
  /** How many key shares the first ClientHello carries, from the front of `groups`. Default 2: a hybrid and a classical one. */
  readonly keyShareCount: number;
  /** These in their place, whatever a ticket says about the server. */
  readonly keyShares: readonly KeyExchange[] | undefined;
  /** Offer psk_ke beside psk_dhe_ke. Default false. */
  readonly allowPskOnly: boolean;
  /** Send GREASE values (RFC 8701). Default true. */
  readonly grease: boolean;
  /** Send a session id and change_cipher_spec for middleboxes (rfc9846#appendix-E.4). Default true. */
  readonly middleboxCompatibility: boolean;
  /** Ask for an OCSP staple. Default true. */
  readonly requestOcsp: boolean;
  /** Let the server ask for a certificate after the handshake, any time (post_handshake_auth). Default false. */
  readonly postHandshakeAuth: boolean;
}

/** What one client connection adds to its config. */
export interface ClientConnectionOptions {
  /** Host name or IP address of the server: checked against the certificate, and sent as SNI when it is a DNS name. */
  readonly serverName: string | undefined;
  /** Tickets to offer, best first; each is used at most once, so the caller takes them out of its cache. */
  readonly tickets: readonly ClientTicket[];
  /** Offer early data when the first ticket that is offered allows it. Default false. */
  readonly earlyData?: boolean;
  /** External PSKs to offer behind the tickets, best first. */
  readonly psks: readonly ExternalPsk[];
  /** RFC 9149: how many tickets to ask for. `undefined`: the extension is not sent. */
  readonly ticketRequest?: { readonly newSessionCount: number; readonly resumptionCount: number } | undefined;
  /** Ask for an OCSP staple, or do not. `undefined`: as the config says. */
  readonly requestOcsp?: boolean | undefined;
  readonly sendServerName?: boolean | undefined;
}
