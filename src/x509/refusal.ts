import type { PeerVerdict } from '../peer-auth/index.ts';

/**
 * Why a chain is refused, with the alert for the peer. Names are Node's where it has one, else OpenSSL's; the last group is ours.
 *
 * @spec rfc9846#section-6.2
 */
const REFUSALS = {
  CERT_HAS_EXPIRED: 'certificate_expired',
  CERT_NOT_YET_VALID: 'certificate_expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'unknown_ca',
  SELF_SIGNED_CERT_IN_CHAIN: 'unknown_ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknown_ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknown_ca',
  CERT_SIGNATURE_FAILURE: 'bad_certificate',
  INVALID_CA: 'certificate_unknown',
  PATH_LENGTH_EXCEEDED: 'certificate_unknown',
  INVALID_PURPOSE: 'unsupported_certificate',
  CERT_CHAIN_TOO_LONG: 'certificate_unknown',
  UNABLE_TO_GET_ISSUER_CERT: 'unknown_ca',
  CERT_REVOKED: 'certificate_revoked',
  UNABLE_TO_GET_CRL: 'unknown_ca',
  CRL_SIGNATURE_FAILURE: 'certificate_unknown',
  CRL_NOT_YET_VALID: 'bad_certificate',
  CRL_HAS_EXPIRED: 'certificate_expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate_unknown',

  KEYUSAGE_NO_CERTSIGN: 'certificate_unknown',
  KEYUSAGE_NO_CRL_SIGN: 'certificate_unknown',
  UNHANDLED_CRITICAL_CRL_EXTENSION: 'unsupported_certificate',
  KEYUSAGE_NO_DIGITAL_SIGNATURE: 'unsupported_certificate',
  UNHANDLED_CRITICAL_EXTENSION: 'unsupported_certificate',
  PERMITTED_VIOLATION: 'certificate_unknown',
  EXCLUDED_VIOLATION: 'certificate_unknown',
  UNSUPPORTED_CONSTRAINT_TYPE: 'unsupported_certificate',
  EE_KEY_TOO_SMALL: 'bad_certificate',
  CA_KEY_TOO_SMALL: 'bad_certificate',
  CA_MD_TOO_WEAK: 'bad_certificate',
  UNSUPPORTED_SIGNATURE_ALGORITHM: 'unsupported_certificate',
  UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: 'unsupported_certificate',
  ISSUER_NAME_EMPTY: 'bad_certificate',
  OCSP_VERIFY_NEEDED: 'bad_certificate_status_response',
  OCSP_VERIFY_FAILED: 'bad_certificate_status_response',
  OCSP_CERT_UNKNOWN: 'bad_certificate_status_response',
  OCSP_RESP_INVALID: 'bad_certificate_status_response',
  OCSP_SIGNATURE_FAILURE: 'bad_certificate_status_response',
  OCSP_NOT_YET_VALID: 'bad_certificate_status_response',
  OCSP_HAS_EXPIRED: 'bad_certificate_status_response',
  OCSP_NO_RESPONSE: 'bad_certificate_status_response',

  MALFORMED_CERTIFICATE: 'bad_certificate',
  UNSUPPORTED_PUBLIC_KEY: 'unsupported_certificate',
  TOO_MANY_CHECKS: 'certificate_unknown',
} as const;

export type RefusalCode = keyof typeof REFUSALS;

export interface Refusal {
  readonly code: RefusalCode;
  readonly message: string;
}

export function refuse(code: RefusalCode, message: string): Refusal {
  return { code, message };
}

export function toVerdict({ code, message }: Refusal): PeerVerdict {
  return { trusted: false, code, message, alert: REFUSALS[code] };
}
