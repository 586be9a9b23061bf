/**
 * Alert descriptions and their numbers.
 *
 * @spec rfc9846#section-6
 */
export const AlertDescription = {
  close_notify: 0,
  unexpected_message: 10,
  bad_record_mac: 20,
  record_overflow: 22,
  /** Of older versions; has no use in TLS 1.3. */
  decompression_failure: 30,
  handshake_failure: 40,
  bad_certificate: 42,
  unsupported_certificate: 43,
  certificate_revoked: 44,
  certificate_expired: 45,
  certificate_unknown: 46,
  illegal_parameter: 47,
  unknown_ca: 48,
  access_denied: 49,
  decode_error: 50,
  decrypt_error: 51,
  protocol_version: 70,
  insufficient_security: 71,
  internal_error: 80,
  inappropriate_fallback: 86,
  user_canceled: 90,
  missing_extension: 109,
  unsupported_extension: 110,
  unrecognized_name: 112,
  bad_certificate_status_response: 113,
  unknown_psk_identity: 115,
  certificate_required: 116,
  general_error: 117,
  no_application_protocol: 120,
} as const;

export type AlertName = keyof typeof AlertDescription;

const NAMES: ReadonlyMap<number, AlertName> = new Map(
  (Object.keys(AlertDescription) as AlertName[]).map((name) => [AlertDescription[name], name]),
);

/** The RFC's name of an alert number, or `unknown_<number>`. */
export function alertName(description: number): AlertName | `unknown_${number}` {
  return NAMES.get(description) ?? `unknown_${description}`;
}
