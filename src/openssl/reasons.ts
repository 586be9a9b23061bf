import { AlertDescription, type AlertName, type PeerFault } from '../errors/index.ts';
import { ERR_LIB_ASN1, ERR_LIB_BIO, ERR_LIB_EVP, ERR_LIB_PEM, ERR_LIB_X509 } from './constants.ts';

/** Reasons of the SSL library; the name in lower case with spaces is OpenSSL's text for it. */
export const SSL_REASON = {
  APPLICATION_DATA_AFTER_CLOSE_NOTIFY: 291,
  BAD_CERTIFICATE: 348,
  BAD_CHANGE_CIPHER_SPEC: 103,
  BAD_DATA: 390,
  BAD_EXTENSION: 110,
  BAD_KEY_SHARE: 108,
  BAD_KEY_UPDATE: 122,
  BAD_LENGTH: 271,
  BAD_PSK: 219,
  BAD_SIGNATURE: 123,
  BAD_SSL_FILETYPE: 124,
  BAD_VALUE: 384,
  BAD_WRITE_RETRY: 127,
  BINDER_DOES_NOT_VERIFY: 253,
  BIO_NOT_SET: 128,
  CALLBACK_FAILED: 234,
  CERT_CB_ERROR: 377,
  CERTIFICATE_VERIFY_FAILED: 134,
  CONNECTION_TYPE_NOT_SET: 144,
  COOKIE_MISMATCH: 308,
  DECRYPTION_FAILED_OR_BAD_RECORD_MAC: 281,
  DIGEST_CHECK_FAILED: 149,
  EXCESSIVE_MESSAGE_SIZE: 152,
  EXTENSION_NOT_RECEIVED: 279,
  HTTPS_PROXY_REQUEST: 155,
  HTTP_REQUEST: 156,
  INAPPROPRIATE_FALLBACK: 373,
  INCONSISTENT_EARLY_DATA_ALPN: 222,
  INCONSISTENT_EARLY_DATA_SNI: 231,
  INVALID_ALERT: 205,
  INVALID_CONFIG: 283,
  INVALID_KEY_UPDATE_TYPE: 120,
  INVALID_NULL_CMD_NAME: 385,
  INVALID_TICKET_KEYS_LENGTH: 325,
  LENGTH_MISMATCH: 159,
  MISSING_PSK_KEX_MODES_EXTENSION: 310,
  MISSING_SIGALGS_EXTENSION: 112,
  NOT_ON_RECORD_BOUNDARY: 182,
  NOT_SERVER: 284,
  NO_APPLICATION_PROTOCOL: 235,
  NO_CERTIFICATE_ASSIGNED: 177,
  NO_CIPHER_MATCH: 185,
  NO_PRIVATE_KEY_ASSIGNED: 190,
  NO_SHARED_CIPHER: 193,
  NO_SUITABLE_KEY_SHARE: 101,
  NO_SUITABLE_SIGNATURE_ALGORITHM: 118,
  PACKET_LENGTH_TOO_LONG: 198,
  PEER_DID_NOT_RETURN_A_CERTIFICATE: 199,
  PROTOCOL_IS_SHUTDOWN: 207,
  REQUEST_PENDING: 285,
  REQUEST_SENT: 286,
  SESSION_ID_CONTEXT_UNINITIALIZED: 277,
  SHUTDOWN_WHILE_IN_INIT: 407,
  SSL3_EXT_INVALID_SERVERNAME: 319,
  SSL_SESSION_ID_CONTEXT_TOO_LONG: 273,
  SSL_SESSION_ID_TOO_LONG: 408,
  STILL_IN_INIT: 121,
  TOO_MANY_KEY_UPDATES: 132,
  TOO_MUCH_EARLY_DATA: 164,
  TOO_MANY_WARN_ALERTS: 409,
  UNEXPECTED_EOF_WHILE_READING: 294,
  UNEXPECTED_MESSAGE: 244,
  UNEXPECTED_RECORD: 245,
  UNINITIALIZED: 276,
  UNKNOWN_CERTIFICATE_TYPE: 247,
  UNKNOWN_CMD_NAME: 386,
  UNSOLICITED_EXTENSION: 217,
  UNSUPPORTED_ELLIPTIC_CURVE: 315,
  UNSUPPORTED_PROTOCOL: 258,
  WRONG_CIPHER_RETURNED: 261,
  WRONG_SIGNATURE_TYPE: 370,
  WRONG_SSL_VERSION: 266,
  WRONG_VERSION_NUMBER: 267,
} as const;

/** What the peer's fatal alerts are called. The reason number is 1000 plus the alert's. */
const ALERT_TEXTS: Readonly<Record<number, string>> = {
  10: 'ssl/tls alert unexpected message',
  20: 'ssl/tls alert bad record mac',
  22: 'tlsv1 alert record overflow',
  40: 'ssl/tls alert handshake failure',
  42: 'ssl/tls alert bad certificate',
  43: 'ssl/tls alert unsupported certificate',
  44: 'ssl/tls alert certificate revoked',
  45: 'ssl/tls alert certificate expired',
  46: 'ssl/tls alert certificate unknown',
  47: 'ssl/tls alert illegal parameter',
  48: 'tlsv1 alert unknown ca',
  49: 'tlsv1 alert access denied',
  50: 'tlsv1 alert decode error',
  51: 'tlsv1 alert decrypt error',
  70: 'tlsv1 alert protocol version',
  71: 'tlsv1 alert insufficient security',
  80: 'tlsv1 alert internal error',
  86: 'tlsv1 alert inappropriate fallback',
  90: 'tlsv1 alert user cancelled',
  109: 'tlsv13 alert missing extension',
  110: 'tlsv1 unsupported extension',
  112: 'tlsv1 unrecognized name',
  113: 'tlsv1 bad certificate status response',
  115: 'tlsv1 alert unknown psk identity',
  116: 'tlsv13 alert certificate required',
  120: 'tlsv1 alert no application protocol',
};
const ALERT_REASON_OFFSET = 1000;

/** Reasons of other libraries, by library and number. */
export const BIO_REASON = {
  BROKEN_PIPE: 124,
  IN_USE: 123,
  NO_SUCH_FILE: 128,
  UNINITIALIZED: 120,
  UNSUPPORTED_METHOD: 121,
  WRITE_TO_READ_ONLY_BIO: 126,
} as const;
export const PEM_REASON = { BAD_BASE64_DECODE: 100, NO_START_LINE: 108 } as const;
export const X509_REASON = { KEY_VALUES_MISMATCH: 116, UNKNOWN_KEY_TYPE: 117 } as const;
export const ASN1_REASON = { BAD_OBJECT_HEADER: 102 } as const;
export const EVP_REASON = { DECODE_ERROR: 114 } as const;

const COMMON_TEXTS: Readonly<Record<number, string>> = {
  524290: 'system lib',
  786689: 'called a function you should not call',
  786690: 'passed a null parameter',
  786691: 'internal error',
  524550: 'passed invalid argument',
};

const TEXTS: ReadonlyMap<number, Readonly<Record<string, number>>> = new Map<number, Readonly<Record<string, number>>>([
  [20, SSL_REASON],
  [ERR_LIB_BIO, BIO_REASON],
  [ERR_LIB_PEM, PEM_REASON],
  [ERR_LIB_X509, X509_REASON],
  [ERR_LIB_ASN1, ASN1_REASON],
  [ERR_LIB_EVP, EVP_REASON],
]);

/** OpenSSL's text of a reason, or `undefined`. */
export function reasonText(library: number, reason: number): string | undefined {
  const common = COMMON_TEXTS[reason];
  if (common !== undefined) return common;
  if (library === 20 && reason >= ALERT_REASON_OFFSET) return ALERT_TEXTS[reason - ALERT_REASON_OFFSET];
  for (const [name, number] of Object.entries(TEXTS.get(library) ?? {})) {
    if (number === reason) return TEXT_EXCEPTIONS[name] ?? name.toLowerCase().replaceAll('_', ' ');
  }
  return undefined;
}

const TEXT_EXCEPTIONS: Readonly<Record<string, string>> = {
  BIO_NOT_SET: 'bio not set',
  WRITE_TO_READ_ONLY_BIO: 'write to read only BIO',
};

const FAULT_REASONS: Partial<Record<PeerFault, number>> = {
  'record.too_long': SSL_REASON.PACKET_LENGTH_TOO_LONG,
  'record.unknown_type': SSL_REASON.WRONG_VERSION_NUMBER,
  'record.not_tls': SSL_REASON.WRONG_VERSION_NUMBER,
  'record.bad_mac': SSL_REASON.DECRYPTION_FAILED_OR_BAD_RECORD_MAC,
  'record.unexpected_type': SSL_REASON.UNEXPECTED_RECORD,
  'record.interleaved': SSL_REASON.UNEXPECTED_RECORD,
  'record.unexpected_change_cipher_spec': SSL_REASON.BAD_CHANGE_CIPHER_SPEC,
  'record.not_aligned': SSL_REASON.NOT_ON_RECORD_BOUNDARY,
  'alert.malformed': SSL_REASON.INVALID_ALERT,
  'alert.too_many_warnings': SSL_REASON.TOO_MANY_WARN_ALERTS,
  'handshake.malformed': SSL_REASON.LENGTH_MISMATCH,
  'handshake.too_long': SSL_REASON.EXCESSIVE_MESSAGE_SIZE,
  'handshake.unknown_type': SSL_REASON.UNEXPECTED_MESSAGE,
  'handshake.unexpected_message': SSL_REASON.UNEXPECTED_MESSAGE,
  'handshake.finished_mismatch': SSL_REASON.DIGEST_CHECK_FAILED,
  'handshake.bad_signature': SSL_REASON.BAD_SIGNATURE,
  'handshake.signature_scheme_not_offered': SSL_REASON.WRONG_SIGNATURE_TYPE,
  'handshake.signature_scheme_wrong_for_key': SSL_REASON.WRONG_SIGNATURE_TYPE,
  'handshake.bad_key_share': SSL_REASON.BAD_KEY_SHARE,
  'extension.not_requested': SSL_REASON.UNSOLICITED_EXTENSION,
  'client_hello.unsupported_version': SSL_REASON.UNSUPPORTED_PROTOCOL,
  'client_hello.bad_legacy_version': SSL_REASON.UNSUPPORTED_PROTOCOL,
  'client_hello.no_common_cipher_suite': SSL_REASON.NO_SHARED_CIPHER,
  'client_hello.no_common_group': SSL_REASON.NO_SUITABLE_KEY_SHARE,
  'client_hello.no_usable_certificate': SSL_REASON.NO_SUITABLE_SIGNATURE_ALGORITHM,
  'client_hello.no_application_protocol': SSL_REASON.NO_APPLICATION_PROTOCOL,
  'client_hello.unrecognized_name': SSL_REASON.CALLBACK_FAILED,
  'client_hello.bad_binder': SSL_REASON.BINDER_DOES_NOT_VERIFY,
  'client_hello.bad_key_share': SSL_REASON.BAD_KEY_SHARE,
  'client_hello.bad_cookie': SSL_REASON.COOKIE_MISMATCH,
  'server_hello.unsupported_version': SSL_REASON.UNSUPPORTED_PROTOCOL,
  'server_hello.bad_selected_version': SSL_REASON.UNSUPPORTED_PROTOCOL,
  'server_hello.downgrade': SSL_REASON.INAPPROPRIATE_FALLBACK,
  'server_hello.cipher_suite_not_offered': SSL_REASON.WRONG_CIPHER_RETURNED,
  'server_hello.group_not_offered': SSL_REASON.BAD_KEY_SHARE,
  'certificate.required': SSL_REASON.PEER_DID_NOT_RETURN_A_CERTIFICATE,
  'certificate.not_trusted': SSL_REASON.CERTIFICATE_VERIFY_FAILED,
  'certificate.unparsable': SSL_REASON.BAD_CERTIFICATE,
  'certificate.too_many': SSL_REASON.BAD_CERTIFICATE,
  'certificate.unsupported_key': SSL_REASON.UNKNOWN_CERTIFICATE_TYPE,
  'key_update.bad_value': SSL_REASON.BAD_KEY_UPDATE,
  'key_update.too_many': SSL_REASON.TOO_MANY_KEY_UPDATES,
  'early_data.too_much': SSL_REASON.TOO_MUCH_EARLY_DATA,
  'connection.truncated': SSL_REASON.UNEXPECTED_EOF_WHILE_READING,
  'local.failed': 0xc0103,
};

const BY_ALERT: Partial<Record<AlertName, number>> = {
  unexpected_message: SSL_REASON.UNEXPECTED_MESSAGE,
  decode_error: SSL_REASON.LENGTH_MISMATCH,
  illegal_parameter: SSL_REASON.BAD_EXTENSION,
  missing_extension: SSL_REASON.BAD_EXTENSION,
  internal_error: 0xc0103,
};

/** The reason OpenSSL would give for a fault of the peer. */
export function reasonOfFault(code: PeerFault, alert: AlertName): number {
  return FAULT_REASONS[code] ?? BY_ALERT[alert] ?? SSL_REASON.BAD_DATA;
}

/** The reason for a fatal alert of the peer, by the name {@link alertName} gives. */
export function reasonOfAlert(name: string): number {
  const number = AlertDescription[name as AlertName] ?? Number(name.replace('unknown_', ''));
  return ALERT_REASON_OFFSET + (Number.isInteger(number) ? number : 0);
}
