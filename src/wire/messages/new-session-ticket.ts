import { readExtensions, writeExtensions } from '../extensions/block.ts';
import { NEW_SESSION_TICKET } from '../extensions/table.ts';
import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';
import type { NewSessionTicket } from './types.ts';

/**
 * ```
 * struct {
 *     uint32 ticket_lifetime;
 *     uint32 ticket_age_add;
 *     opaque ticket_nonce<0..255>;
 *     opaque ticket<1..2^16-1>;
 *     Extension extensions<0..2^16-1>;
 * } NewSessionTicket;
 * ```
 * @spec rfc9846#section-4.7.1
 */
export function readNewSessionTicket(r: Reader): NewSessionTicket {
  return {
    type: 'new_session_ticket',
    lifetimeSeconds: r.u32(),
    ageAdd: r.u32(),
    nonce: r.opaque(1, 0, 255),
    ticket: r.opaque(2, 1, 0xffff),
    ...readExtensions(r, NEW_SESSION_TICKET).values,
  };
}

export function writeNewSessionTicket(w: Writer, m: NewSessionTicket): void {
  w.u32(m.lifetimeSeconds).u32(m.ageAdd).opaque(1, m.nonce).opaque(2, m.ticket);
  writeExtensions(w, NEW_SESSION_TICKET, m, m.otherExtensions);
}
