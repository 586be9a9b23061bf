import { type Secret, toHex } from '../bytes/index.ts';

/** Labels of RFC 9850. */
export type KeyLogLabel =
  | 'CLIENT_EARLY_TRAFFIC_SECRET'
  | 'EARLY_EXPORTER_SECRET'
  | 'CLIENT_HANDSHAKE_TRAFFIC_SECRET'
  | 'SERVER_HANDSHAKE_TRAFFIC_SECRET'
  | 'CLIENT_TRAFFIC_SECRET_0'
  | 'SERVER_TRAFFIC_SECRET_0'
  | 'EXPORTER_SECRET';

/** Writes one line of the key log, when there is one. The only way a secret leaves this stack as text. */
export function logSecret(
  keyLog: ((line: string) => void) | undefined,
  label: KeyLogLabel,
  clientRandom: Uint8Array,
  secret: Secret,
): void {
  keyLog?.(`${label} ${toHex(clientRandom)} ${toHex(secret.bytes)}`);
}
