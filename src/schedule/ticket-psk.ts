import type { Secret } from '../bytes/index.ts';
import type { Kdf } from '../crypto/index.ts';
import { expandLabel } from './expand-label.ts';

/**
 * The PSK that belongs to a ticket, as long as the hash. `nonce` is the ticket_nonce, 0 to 255 bytes, unique on its connection.
 *
 * @spec rfc9846#section-4.7.1
 */
export function ticketPsk(kdf: Kdf, resumptionSecret: Secret, nonce: Uint8Array): Uint8Array {
  return expandLabel(kdf, resumptionSecret.bytes, 'resumption', nonce, kdf.hashLength);
}
