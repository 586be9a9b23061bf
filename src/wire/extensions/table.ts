import type {
  CertificateRequestExtensions,
  ClientHelloExtensions,
  EncryptedExtensionsValues,
  HelloRetryRequestExtensions,
  NewSessionTicketExtensions,
  ServerHelloExtensions,
} from '../messages/types.ts';
import { ExtensionType } from '../registry.ts';
import { alpn, alpnSelected } from './application-layer-protocol-negotiation.ts';
import { certificateAuthorities } from './certificate-authorities.ts';
import type { ExtensionCodec } from './codec.ts';
import { compressCertificate } from './compress-certificate.ts';
import { cookie } from './cookie.ts';
import { earlyData, maxEarlyDataSize } from './early-data.ts';
import { keyShareEntry, keyShareGroup, keyShareList } from './key-share.ts';
import { postHandshakeAuth } from './post-handshake-auth.ts';
import { offeredPsks, selectedIdentity } from './pre-shared-key.ts';
import { pskKeyExchangeModes } from './psk-key-exchange-modes.ts';
import { recordSizeLimit } from './record-size-limit.ts';
import { serverName, serverNameAcknowledgement } from './server-name.ts';
import { signatureAlgorithms, signatureAlgorithmsCert } from './signature-algorithms.ts';
import { certificateStatus, statusRequest, statusRequestEmpty } from './status-request.ts';
import { supportedGroups } from './supported-groups.ts';
import { selectedVersion, supportedVersions } from './supported-versions.ts';
import { expectedTickets, ticketRequest } from './ticket-request.ts';
import { ticketFlags } from './tls-flags.ts';

/** The messages that have extensions, abbreviated as in the table of rfc9846#section-4.3. */
export type ExtensionMessage = 'CH' | 'SH' | 'HRR' | 'EE' | 'CR' | 'CT' | 'NST';

/**
 * Which extension may appear in which message: the table of rfc9846#section-4.3, and from the IANA registry the two
 * extensions that it leaves out because they are no longer recommended (max_fragment_length, signed_certificate_timestamp).
 * An extension of this table in another message than those of its row is an `illegal_parameter`.
 * @spec rfc9846#section-4.3
 */
export const ALLOWED_IN: ReadonlyMap<number, readonly ExtensionMessage[]> = new Map<
  number,
  readonly ExtensionMessage[]
>([
  [ExtensionType.server_name, ['CH', 'EE', 'CR']],
  [ExtensionType.max_fragment_length, ['CH', 'EE']],
  [ExtensionType.status_request, ['CH', 'CR', 'CT']],
  [ExtensionType.supported_groups, ['CH', 'EE']],
  [ExtensionType.signature_algorithms, ['CH', 'CR']],
  [ExtensionType.use_srtp, ['CH', 'EE']],
  [ExtensionType.heartbeat, ['CH', 'EE']],
  [ExtensionType.application_layer_protocol_negotiation, ['CH', 'EE']],
  [ExtensionType.signed_certificate_timestamp, ['CH', 'CR', 'CT']],
  [ExtensionType.client_certificate_type, ['CH', 'EE']],
  [ExtensionType.server_certificate_type, ['CH', 'EE']],
  [ExtensionType.padding, ['CH']],
  [ExtensionType.compress_certificate, ['CH', 'CR']],
  [ExtensionType.record_size_limit, ['CH', 'EE']],
  [ExtensionType.delegated_credential, ['CH', 'CR', 'CT']],
  [ExtensionType.supported_ekt_ciphers, ['CH', 'EE']],
  [ExtensionType.pre_shared_key, ['CH', 'SH']],
  [ExtensionType.early_data, ['CH', 'EE', 'NST']],
  [ExtensionType.supported_versions, ['CH', 'SH', 'HRR']],
  [ExtensionType.cookie, ['CH', 'HRR']],
  [ExtensionType.psk_key_exchange_modes, ['CH']],
  [ExtensionType.certificate_authorities, ['CH', 'CR']],
  [ExtensionType.oid_filters, ['CR']],
  [ExtensionType.post_handshake_auth, ['CH']],
  [ExtensionType.signature_algorithms_cert, ['CH', 'CR']],
  [ExtensionType.key_share, ['CH', 'SH', 'HRR']],
  [ExtensionType.transparency_info, ['CH', 'CR', 'CT']],
  [ExtensionType.external_id_hash, ['CH', 'EE']],
  [ExtensionType.external_session_id, ['CH', 'EE']],
  [ExtensionType.quic_transport_parameters, ['CH', 'EE']],
  [ExtensionType.ticket_request, ['CH', 'EE']],
  [ExtensionType.tls_flags, ['CH', 'SH', 'HRR', 'EE', 'CR', 'CT', 'NST']],
  [ExtensionType.ech_outer_extensions, ['CH']],
  [ExtensionType.encrypted_client_hello, ['CH', 'HRR', 'EE']],
]);

/** One codec for each field of the extensions of a message. */
export type ExtensionFields<V> = { readonly [K in keyof V]-?: ExtensionCodec<NonNullable<V[K]>> };

/** What {@link readExtensions} and {@link writeExtensions} need to know about the extensions of a message. */
export interface ExtensionTable<V> {
  readonly message: ExtensionMessage;
  /**
   * What to do with an extension that may be in this message but that this stack does not interpret. Requests and
   * NewSessionTicket: ignore. Responses: refuse, because it cannot have been asked for (rfc9846#section-4.3).
   */
  readonly uninterpreted: 'ignore' | 'refuse';
  /** In the order in which they are written. */
  readonly fields: ExtensionFields<V>;
}

export const CLIENT_HELLO: ExtensionTable<ClientHelloExtensions> = {
  message: 'CH',
  uninterpreted: 'ignore',
  fields: {
    serverName,
    supportedVersions,
    supportedGroups,
    keyShare: keyShareList,
    signatureAlgorithms,
    signatureAlgorithmsCert,
    alpn,
    statusRequest,
    recordSizeLimit,
    certificateAuthorities,
    postHandshakeAuth,
    compressCertificate,
    ticketRequest,
    cookie,
    pskKeyExchangeModes,
    earlyData,
    // Last: rfc9846#section-4.3.11.
    preSharedKey: offeredPsks,
  },
};

export const SERVER_HELLO: ExtensionTable<ServerHelloExtensions> = {
  message: 'SH',
  uninterpreted: 'refuse',
  fields: { preSharedKey: selectedIdentity, keyShare: keyShareEntry, supportedVersions: selectedVersion },
};

export const HELLO_RETRY_REQUEST: ExtensionTable<HelloRetryRequestExtensions> = {
  message: 'HRR',
  uninterpreted: 'refuse',
  fields: { keyShare: keyShareGroup, cookie, supportedVersions: selectedVersion },
};

export const ENCRYPTED_EXTENSIONS: ExtensionTable<EncryptedExtensionsValues> = {
  message: 'EE',
  uninterpreted: 'refuse',
  fields: {
    supportedGroups,
    alpn: alpnSelected,
    recordSizeLimit,
    serverName: serverNameAcknowledgement,
    earlyData,
    expectedTickets,
  },
};

export const CERTIFICATE_REQUEST: ExtensionTable<CertificateRequestExtensions> = {
  message: 'CR',
  uninterpreted: 'ignore',
  fields: {
    signatureAlgorithms,
    signatureAlgorithmsCert,
    certificateAuthorities,
    statusRequest: statusRequestEmpty,
    compressCertificate,
  },
};

export const CERTIFICATE_ENTRY: ExtensionTable<{ readonly ocspResponse?: Uint8Array }> = {
  message: 'CT',
  uninterpreted: 'refuse',
  fields: { ocspResponse: certificateStatus },
};

export const NEW_SESSION_TICKET: ExtensionTable<NewSessionTicketExtensions> = {
  message: 'NST',
  uninterpreted: 'ignore',
  fields: { maxEarlyDataSize, acrossNames: ticketFlags },
};
