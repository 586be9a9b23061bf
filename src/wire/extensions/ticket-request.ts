import { ExtensionType } from '../registry.ts';
import type { ExtensionCodec } from './codec.ts';

/** How many tickets a client wants: after a full handshake, and after a resumption. 0 to 255 each. */
export interface TicketRequest {
  readonly newSessionCount: number;
  readonly resumptionCount: number;
}

/**
 * In ClientHello.
 *
 * ```
 * struct {
 *     uint8 new_session_count;
 *     uint8 resumption_count;
 * } ClientTicketRequest;
 * ```
 * @spec rfc9149#section-3
 */
export const ticketRequest: ExtensionCodec<TicketRequest> = {
  type: ExtensionType.ticket_request,
  read: (r) => ({ newSessionCount: r.u8(), resumptionCount: r.u8() }),
  write: (w, { newSessionCount, resumptionCount }) => void w.u8(newSessionCount).u8(resumptionCount),
};

/**
 * In EncryptedExtensions: how many tickets the server means to send. A hint.
 *
 * ```
 * struct {
 *     uint8 expected_count;
 * } ServerTicketRequestHint;
 * ```
 * @spec rfc9149#section-3
 */
export const expectedTickets: ExtensionCodec<number> = {
  type: ExtensionType.ticket_request,
  read: (r) => r.u8(),
  write: (w, count) => void w.u8(count),
};
