import { type PeerFault, TlsAlertError, type TlsPeerAlertError } from '../errors/index.ts';

/** `handshake`: not secure yet, `open`: afterwards. */
export type Phase = 'handshake' | 'open';

/** What a socket or server of this module reports. `code` is Node's where Node has one, else `ERR_TESSERA_…`. */
export interface TlsError extends Error {
  readonly code: string;
  /** The RFC's name of the alert that ended the connection, when one did. */
  readonly alert?: string;
  /** Who ended it: `local` sent the alert, `remote` is the peer. */
  readonly side?: 'local' | 'remote';
  /** How far the connection was. */
  readonly phase?: Phase;
  /** Our own name of the cause, such as `client_hello.no_common_group`. */
  readonly fault?: PeerFault | 'peer.alert';
}

/** OpenSSL calls alerts that are as old as SSL 3.0 by another name since 3.2, which Node has since 22. */
const OLD_ALERTS: string = hasOpenSsl(3, 2) ? 'SSL/TLS_' : 'SSLV3_';

function hasOpenSsl(major: number, minor: number): boolean {
  const [ourMajor = 0, ourMinor = 0] = process.versions.openssl.split('.').map(Number);
  return ourMajor > major || (ourMajor === major && ourMinor >= minor);
}

/** Codes that OpenSSL, and so Node, gives for an alert of the peer. `ALERT_`: of {@link OLD_ALERTS}. */
const ALERT_CODES: Readonly<Record<string, string>> = {
  unexpected_message: 'ALERT_UNEXPECTED_MESSAGE',
  bad_record_mac: 'ALERT_BAD_RECORD_MAC',
  record_overflow: 'TLSV1_ALERT_RECORD_OVERFLOW',
  handshake_failure: 'ALERT_HANDSHAKE_FAILURE',
  bad_certificate: 'ALERT_BAD_CERTIFICATE',
  unsupported_certificate: 'ALERT_UNSUPPORTED_CERTIFICATE',
  certificate_revoked: 'ALERT_CERTIFICATE_REVOKED',
  certificate_expired: 'ALERT_CERTIFICATE_EXPIRED',
  certificate_unknown: 'ALERT_CERTIFICATE_UNKNOWN',
  illegal_parameter: 'ALERT_ILLEGAL_PARAMETER',
  unknown_ca: 'TLSV1_ALERT_UNKNOWN_CA',
  access_denied: 'TLSV1_ALERT_ACCESS_DENIED',
  decode_error: 'TLSV1_ALERT_DECODE_ERROR',
  decrypt_error: 'TLSV1_ALERT_DECRYPT_ERROR',
  protocol_version: 'TLSV1_ALERT_PROTOCOL_VERSION',
  insufficient_security: 'TLSV1_ALERT_INSUFFICIENT_SECURITY',
  internal_error: 'TLSV1_ALERT_INTERNAL_ERROR',
  inappropriate_fallback: 'TLSV1_ALERT_INAPPROPRIATE_FALLBACK',
  user_canceled: 'TLSV1_ALERT_USER_CANCELLED',
  missing_extension: 'TLSV13_ALERT_MISSING_EXTENSION',
  unsupported_extension: 'TLSV1_UNSUPPORTED_EXTENSION',
  unrecognized_name: 'TLSV1_UNRECOGNIZED_NAME',
  bad_certificate_status_response: 'TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE',
  unknown_psk_identity: 'TLSV1_ALERT_UNKNOWN_PSK_IDENTITY',
  certificate_required: 'TLSV13_ALERT_CERTIFICATE_REQUIRED',
  no_application_protocol: 'TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
};

/** Our causes that Node reports under a code of its own. */
const FAULT_CODES: Partial<Record<PeerFault, string>> = {
  'record.not_tls': 'ERR_SSL_WRONG_VERSION_NUMBER',
  'record.bad_mac': 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC',
  'record.too_long': 'ERR_SSL_ENCRYPTED_LENGTH_TOO_LONG',
  'handshake.finished_mismatch': 'ERR_SSL_DIGEST_CHECK_FAILED',
  'handshake.bad_signature': 'ERR_SSL_BAD_SIGNATURE',
  'handshake.unexpected_message': 'ERR_SSL_UNEXPECTED_MESSAGE',
  'client_hello.unsupported_version': 'ERR_SSL_UNSUPPORTED_PROTOCOL',
  'client_hello.no_common_cipher_suite': 'ERR_SSL_NO_SHARED_CIPHER',
  'client_hello.no_common_group': 'ERR_SSL_NO_SUITABLE_KEY_SHARE',
  'client_hello.no_usable_certificate': 'ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM',
  'client_hello.no_application_protocol': 'ERR_SSL_NO_APPLICATION_PROTOCOL',
  'client_hello.bad_binder': 'ERR_SSL_BINDER_DOES_NOT_VERIFY',
  'server_hello.unsupported_version': 'ERR_SSL_UNSUPPORTED_PROTOCOL',
  'certificate.required': 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE',
};

/** What OpenSSL, and so Node, says of a certificate, by Node's code. */
const VERDICT_WORDS: Readonly<Record<string, string>> = {
  UNABLE_TO_GET_ISSUER_CERT: 'unable to get issuer certificate',
  UNABLE_TO_GET_CRL: 'unable to get certificate CRL',
  CERT_SIGNATURE_FAILURE: 'certificate signature failure',
  CRL_SIGNATURE_FAILURE: 'CRL signature failure',
  CERT_NOT_YET_VALID: 'certificate is not yet valid',
  CERT_HAS_EXPIRED: 'certificate has expired',
  CRL_NOT_YET_VALID: 'CRL is not yet valid',
  CRL_HAS_EXPIRED: 'CRL has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed certificate',
  SELF_SIGNED_CERT_IN_CHAIN: 'self-signed certificate in certificate chain',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unable to get local issuer certificate',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unable to verify the first certificate',
  CERT_CHAIN_TOO_LONG: 'certificate chain too long',
  CERT_REVOKED: 'certificate revoked',
  INVALID_CA: 'invalid CA certificate',
  PATH_LENGTH_EXCEEDED: 'path length constraint exceeded',
  INVALID_PURPOSE: 'unsuitable certificate purpose',
  OCSP_VERIFY_NEEDED: 'OCSP verification needed',
  OCSP_VERIFY_FAILED: 'OCSP verification failed',
  OCSP_CERT_UNKNOWN: 'OCSP unknown cert',
  OCSP_RESP_INVALID: 'OCSP response(s) invalid',
  OCSP_SIGNATURE_FAILURE: 'OCSP response signature verification failure',
  OCSP_NOT_YET_VALID: 'OCSP response not yet valid (contains a date in the future)',
  OCSP_HAS_EXPIRED: 'OCSP response has expired',
  OCSP_NO_RESPONSE: 'no OCSP response available for certificate',
  CERT_UNTRUSTED: 'certificate not trusted',
  CERT_REJECTED: 'certificate rejected',
  ERR_TLS_CERT_ALTNAME_INVALID: "Hostname/IP does not match certificate's altnames",
};

/** An `Error` with Node's `code`. */
export function codedError(code: string, message: string, cause?: Error): TlsError {
  return Object.assign(cause === undefined ? new Error(message) : new Error(message, { cause }), { code });
}

/** A client that speaks HTTP in plain is a mistake that servers like to answer, so OpenSSL gives it a code. */
const HTTP_REQUEST = /^(?:GET |POST |HEAD |PUT )/;

/** The engine's error as Node users expect it: their code strings, with the alert's name beside. `received`: in which it was found. */
export function toNodeError(cause: TlsAlertError | TlsPeerAlertError, phase: Phase, received?: Uint8Array): TlsError {
  if (!(cause instanceof TlsAlertError)) {
    const known = ALERT_CODES[cause.alert];
    const code = known?.startsWith('ALERT_') ? `ERR_SSL_${OLD_ALERTS}${known}` : `ERR_SSL_${known}`;
    return Object.assign(codedError(known ? code : 'ERR_TESSERA_ALERT', cause.message, cause), {
      alert: cause.alert,
      side: 'remote' as const,
      phase,
      fault: 'peer.alert' as const,
    });
  }
  // What the program itself said of a certificate, or Node.
  if (cause.verdict !== undefined && cause.cause !== undefined) {
    const error = cause.cause as TlsError;
    return error instanceof Error && Object.isExtensible(error)
      ? Object.assign(error, localFault(cause, phase))
      : error;
  }
  const http =
    cause.code === 'record.not_tls' && HTTP_REQUEST.test(Buffer.from(received ?? []).toString('latin1', 0, 5));
  const code = http
    ? 'ERR_SSL_HTTP_REQUEST'
    : (cause.verdict ?? FAULT_CODES[cause.code] ?? `ERR_TESSERA_${cause.code.replaceAll('.', '_').toUpperCase()}`);
  const words = cause.verdict === undefined ? undefined : VERDICT_WORDS[cause.verdict];
  const message = words === undefined || cause.message.startsWith(words) ? cause.message : `${words}: ${cause.message}`;
  return Object.assign(codedError(code, message, cause), localFault(cause, phase));
}

function localFault({ alert, code }: TlsAlertError, phase: Phase): Omit<TlsError, keyof Error | 'code'> {
  return { alert, side: 'local', phase, fault: code };
}
