import type { MaybePromise } from '../../crypto/index.ts';
import { ticketPsk } from '../../schedule/index.ts';
import {
  MAX_TICKET_LIFETIME_SECONDS,
  type SealRequest,
  TICKET_ID_LENGTH,
  type TicketDecline,
  type TicketSealer,
  type TicketState,
} from '../../tickets/index.ts';
import { encodeHandshakeMessage, Reader, Writer } from '../../wire/index.ts';
import { isPromise } from '../context.ts';
import type { ServerConnected, ServerContext } from './states.ts';

/**
 * The tickets that follow a handshake: the connection's number after a full one, at most one after a resumption or with an external PSK.
 * The verdict `accept_and_reissue` makes a resumption count as a full one.
 * The number is read again before each ticket, so it may change while they are generated.
 *
 * @spec rfc9846#section-4.7.1
 */
export function issueAutomaticTickets(state: ServerConnected, cx: ServerContext): void {
  const { config, tickets } = cx;
  const { info, reissue } = state;
  const brief = (info.resumed && !reissue) || info.pskIdentity !== undefined;
  const most = brief ? 1 : config.limits.ticketsSent;
  for (let sent = 0; sent < Math.min(tickets.count ?? config.tickets.count, most); sent++) {
    if (!issueTicket(state, false, cx)) return;
  }
}

/**
 * Generates one ticket and queues its NewSessionTicket. When the sealer is slow, the message follows when the ticket is there.
 * False when this connection can have no tickets: it is closed, or for a reason that was reported.
 */
export function issueTicket(state: ServerConnected, requested: boolean, cx: ServerContext): boolean {
  const { config, out, tickets } = cx;
  if (out.writeClosed) return false;
  const now = config.clock.now();
  const sealer = config.tickets.sealer;
  const decline = (reason: TicketDecline): false => {
    out.emit({ type: 'ticket_declined', during: 'issue', reason, identityIndex: undefined });
    return false;
  };
  if (sealer === undefined) return decline('disabled');
  if (!state.canResume) return decline('no_usable_psk_mode');
  const longest = longestLifetime(sealer, now);
  if (longest === undefined) return decline('sealer_failed');
  // "It is RECOMMENDED that implementations place limits on the total lifetime" of what one authentication gives (rfc9846#section-4.7.1).
  const authenticatedForSeconds = (now - state.info.authenticatedAt) / 1000;
  const lifetimeSeconds = Math.min(
    config.tickets.lifetimeSeconds,
    longest,
    Math.floor(config.reauthenticateAfterSeconds - authenticatedForSeconds),
    MAX_TICKET_LIFETIME_SECONDS,
  );
  if (lifetimeSeconds < 1) return decline('expired');

  const index = tickets.generated++;
  const nonce = new Writer(8).u64(index).finish();
  const ticketState: TicketState = {
    id: config.crypto.random(TICKET_ID_LENGTH),
    psk: ticketPsk(state.kdf, state.resumptionSecret, nonce),
    cipherSuite: state.info.cipherSuite,
    issuedAt: now,
    authenticatedAt: state.info.authenticatedAt,
    lifetimeSeconds,
    ageAdd: new Reader(config.crypto.random(4)).u32(),
    ...(state.info.serverName !== undefined && { serverName: state.info.serverName }),
    ...(state.info.alpn !== undefined && { alpn: state.info.alpn }),
    ...(state.group !== undefined && { group: state.group }),
    maxEarlyDataSize: config.earlyData?.maxSize ?? 0,
    client: state.info.peer,
    appData: tickets.appData,
  };
  const deliver = (ticket: Uint8Array | undefined): void => {
    if (ticket === undefined || ticket.length === 0 || ticket.length > 0xffff) {
      decline('sealer_failed');
    } else {
      out.send(
        encodeHandshakeMessage({
          type: 'new_session_ticket',
          lifetimeSeconds,
          ageAdd: ticketState.ageAdd,
          nonce,
          ticket,
          ...(ticketState.maxEarlyDataSize > 0 && { maxEarlyDataSize: ticketState.maxEarlyDataSize }),
        }),
      );
      const { psk: _secret, ...open } = ticketState;
      out.emit({ type: 'ticket_issued', index, requested, ticket, nonce, state: open });
    }
  };
  const sealed = seal(sealer, ticketState, now, { scope: config.tickets.scope });
  if (isPromise(sealed)) out.defer(sealed, deliver);
  else deliver(sealed);
  return true;
}

/** Whole seconds, or `undefined` when the sealer fails. */
function longestLifetime(sealer: TicketSealer, now: number): number | undefined {
  try {
    const seconds = Math.floor(sealer.maxLifetimeSeconds(now));
    return Number.isNaN(seconds) ? undefined : seconds;
  } catch {
    return undefined;
  }
}

/** Seals, then wipes the PSK. A sealer that fails costs the ticket, never the connection. */
function seal(
  sealer: TicketSealer,
  state: TicketState,
  now: number,
  request: SealRequest,
): MaybePromise<Uint8Array | undefined> {
  const wipe = (): void => void state.psk.fill(0);
  let sealed: MaybePromise<Uint8Array | undefined>;
  try {
    sealed = sealer.seal(state, now, request);
  } catch {
    sealed = undefined;
  }
  if (isPromise(sealed)) sealed.then(wipe, wipe);
  else wipe();
  return sealed;
}
