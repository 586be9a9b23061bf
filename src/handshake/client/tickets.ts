import { copyOf, hidden } from '../../bytes/index.ts';
import { peerFault } from '../../errors/index.ts';
import { ticketPsk } from '../../schedule/index.ts';
import { type ClientTicket, MAX_TICKET_LIFETIME_SECONDS } from '../../tickets/index.ts';
import type { NewSessionTicket } from '../../wire/index.ts';
import type { Received } from '../context.ts';
import type { ClientConnected, ClientContext } from './states.ts';

/**
 * A ticket of the server, handed to the application. One with a lifetime of zero "should be discarded immediately".
 *
 * @spec rfc9846#section-4.7.1
 */
export function onNewSessionTicket(
  state: ClientConnected,
  message: Received<NewSessionTicket>,
  { config, out }: ClientContext,
): ClientConnected {
  const { kdf, info } = state;
  if (message.lifetimeSeconds > MAX_TICKET_LIFETIME_SECONDS)
    throw peerFault('new_session_ticket.bad_lifetime', `${message.lifetimeSeconds} s`);
  if (++state.ticketsReceived > config.limits.ticketsReceived)
    throw peerFault('new_session_ticket.too_many', String(state.ticketsReceived));
  if (message.lifetimeSeconds === 0) return state;
  const ticket: ClientTicket = {
    ticket: copyOf(message.ticket),
    psk: hidden(ticketPsk(kdf, state.resumptionSecret, message.nonce)),
    cipherSuite: info.cipherSuite,
    lifetimeSeconds: message.lifetimeSeconds,
    ageAdd: message.ageAdd,
    nonce: copyOf(message.nonce),
    receivedAt: config.clock.now(),
    authenticatedAt: info.authenticatedAt,
    ...(info.serverName !== undefined && { serverName: info.serverName }),
    ...(info.alpn !== undefined && { alpn: info.alpn }),
    ...(state.group !== undefined && { group: state.group }),
    maxEarlyDataSize: message.maxEarlyDataSize ?? 0,
    ...(message.acrossNames && { acrossNames: true }),
    server: info.peer,
  };
  out.emit({ type: 'ticket', ticket });
  return state;
}
