import { fromHex, hidden, toHex } from '../../bytes/index.ts';
import type { CryptoProvider, MaybePromise } from '../../crypto/index.ts';
import type { PeerIdentity } from '../../peer-auth/index.ts';
import { ticketPsk } from '../../schedule/index.ts';
import {
  ConnectionTickets,
  type DecisionPoint,
  IssuedTicket,
  MAX_TICKET_LIFETIME_SECONDS,
  type ReachedPoint,
  type SealRequest,
  TICKET_ID_LENGTH,
  type TicketDecline,
  type TicketMoment,
  type TicketSealer,
  type TicketSpec,
  type TicketState,
} from '../../tickets/index.ts';
import { encodeHandshakeMessage, Reader, Writer } from '../../wire/index.ts';
import { isPromise } from '../context.ts';
import type { ConnectionInfo } from '../events.ts';
import { greaseValue } from '../grease.ts';
import { planTickets } from './plan.ts';
import type { ServerConnected, ServerContext } from './states.ts';

/**
 * The tickets of a decision point. The policy is asked again before each, so what it looks at may change while they are generated.
 * `requested`: how many the program asked for.
 *
 * @spec rfc9846#section-4.7.1
 */
export function ticketsDue(state: ServerConnected, point: DecisionPoint, cx: ServerContext, requested = 0): void {
  const { tickets, config, out } = cx;
  const { generated } = tickets;
  const atOnce: TicketMoment = point === 'application_request' ? 'with_next_write' : 'with_handshake';
  const most = config.limits.ticketsSent - log(cx).planned;
  let at: ReachedPoint | undefined;
  for (let index = 0; !out.writeClosed; index++) {
    const plan = planTickets(point, requested, state.info, cx, generated);
    at ??= log(cx).reached(point, plan.why);
    at.why = plan.why;
    const spec = plan.tickets[index];
    if (spec === undefined || index >= most) return;
    const handle = planTicket(spec, at, spec.when ?? atOnce, cx);
    const now = handle.when === 'with_handshake' || handle.when === atOnce;
    if (!now) waitFor(handle, state, cx);
    else if (!issueTicket(state, handle, cx)) return;
  }
}

/**
 * Tickets as the program describes them, as many as the policy lets it have: the rest are declined (`disabled`). What a specification leaves
 * out comes from the policy's plan. They leave with the next write unless they say something else.
 */
export function ticketsSpecified(
  state: ServerConnected,
  specs: readonly TicketSpec[],
  cx: ServerContext,
): readonly IssuedTicket[] {
  const plan = planTickets('application_request', specs.length, state.info, cx);
  const at = log(cx).reached('application_request', plan.why);
  return specs.map((wanted, index) => {
    const planned = plan.tickets[index];
    const spec = { ...planned, ...wanted };
    const handle = planTicket(spec, at, spec.when ?? 'with_next_write', cx);
    if (planned === undefined) decline(handle, 'disabled', cx);
    else if (handle.when === 'with_handshake') issueTicket(state, handle, cx);
    else waitFor(handle, state, cx);
    return handle;
  });
}

/** A moment has come: generates the planned tickets that wait for it. */
export function ticketMoment(state: ServerConnected, moment: TicketMoment, cx: ServerContext): void {
  for (const handle of cx.tickets.log?.waitingFor(moment) ?? []) issueTicket(state, handle, cx);
}

/** Remembered of a connection, also where the limit of tickets at one time is less. */
const FEWEST_REMEMBERED = 64;

function log({ config, tickets }: ServerContext): ConnectionTickets {
  tickets.log ??= new ConnectionTickets(Math.max(config.limits.ticketsSent, FEWEST_REMEMBERED));
  return tickets.log;
}

/** A moment that cannot come by itself is the next write; one that has passed, now. */
function planTicket(spec: TicketSpec, at: ReachedPoint, wanted: TicketMoment, cx: ServerContext): IssuedTicket {
  const { clock, crypto } = cx.config;
  const timed = typeof wanted === 'object';
  const passed = wanted === 'after_first_data' && cx.tickets.dataReceived;
  const when = timed && clock.after === undefined ? 'with_next_write' : passed ? 'with_handshake' : wanted;
  const handle = new IssuedTicket(crypto.random(TICKET_ID_LENGTH), spec, at.point, when);
  log(cx).add(at, handle);
  return handle;
}

function waitFor(handle: IssuedTicket, state: ServerConnected, cx: ServerContext): void {
  if (typeof handle.when === 'object')
    cx.out.whenIdle(handle.when.afterIdleMs, () => void issueTicket(state, handle, cx));
}

function decline(handle: IssuedTicket, reason: TicketDecline, { out }: ServerContext): false {
  handle.declined(reason);
  out.emit({ type: 'ticket_declined', during: 'issue', reason, identityIndex: undefined });
  return false;
}

/**
 * Generates a planned ticket and queues its NewSessionTicket. When the sealer is slow, the message follows when the ticket is there.
 * False when this connection can have no tickets: it is closed, or for a reason that was reported.
 */
function issueTicket(state: ServerConnected, handle: IssuedTicket, cx: ServerContext): boolean {
  const { config, out, tickets } = cx;
  if (out.writeClosed || !handle.isPlanned) return false;
  handle.generated = true;
  const { spec } = handle;
  const now = config.clock.now();
  const sealer = config.tickets.sealer;
  if (sealer === undefined) return decline(handle, 'disabled', cx);
  if (!state.canResume) return decline(handle, 'no_usable_psk_mode', cx);
  const longest = longestLifetime(sealer, now);
  if (longest === undefined) return decline(handle, 'sealer_failed', cx);
  // "It is RECOMMENDED that implementations place limits on the total lifetime" of what one authentication gives (rfc9846#section-4.7.1).
  const authenticatedForSeconds = (now - state.info.authenticatedAt) / 1000;
  const chainSeconds = Math.floor(config.reauthenticateAfterSeconds - authenticatedForSeconds);
  const lifetimeSeconds = Math.min(
    spec.lifetimeSeconds ?? config.tickets.lifetimeSeconds,
    longest,
    chainSeconds,
    MAX_TICKET_LIFETIME_SECONDS,
  );
  if (lifetimeSeconds < 1) return decline(handle, chainSeconds < 1 ? 'chain_too_old' : 'expired', cx);

  const index = tickets.generated++;
  const nonce = new Writer(8).u64(index).finish();
  const identity = tickets.identity ?? identityOf(state.info, config.crypto);
  const ticketState: TicketState = {
    id: fromHex(handle.id),
    psk: hidden(ticketPsk(state.kdf, state.resumptionSecret, nonce)),
    cipherSuite: state.info.cipherSuite,
    issuedAt: now,
    authenticatedAt: state.info.authenticatedAt,
    lifetimeSeconds,
    ageAdd: new Reader(config.crypto.random(4)).u32(),
    ...(state.info.serverName !== undefined && { serverName: state.info.serverName }),
    ...(state.info.alpn !== undefined && { alpn: state.info.alpn }),
    ...(state.group !== undefined && { group: state.group }),
    maxEarlyDataSize: spec.maxEarlyDataSize ?? config.earlyData?.maxSize ?? 0,
    client: state.info.peer,
    ...(identity !== undefined && { identity }),
    appData: spec.appData ?? tickets.appData,
  };
  const { maxEarlyDataSize } = ticketState;
  const deliver = (ticket: Uint8Array | undefined): void => {
    // Taken back while the sealer was at work.
    if (!handle.isPlanned) return;
    if (ticket === undefined || ticket.length === 0) {
      decline(handle, 'sealer_failed', cx);
    } else if (ticket.length > config.tickets.maxLength) {
      decline(handle, 'too_large', cx);
    } else {
      out.send(
        encodeHandshakeMessage({
          type: 'new_session_ticket',
          lifetimeSeconds,
          ageAdd: ticketState.ageAdd,
          nonce,
          ticket,
          ...(maxEarlyDataSize > 0 && { maxEarlyDataSize }),
          ...(config.tickets.acrossNames && { acrossNames: true }),
          ...(config.grease && { otherExtensions: [{ type: greaseValue(config.crypto), data: new Uint8Array(0) }] }),
        }),
      );
      handle.sealed(now, lifetimeSeconds);
      log(cx).sealed(handle);
      config.tickets.ledger.add(handle);
      const { psk: _secret, ...open } = ticketState;
      const requested = handle.point === 'application_request';
      out.emit({ type: 'ticket_issued', id: handle.id, spec, index, requested, ticket, nonce, state: open });
    }
  };
  const scope = spec.scope === undefined ? config.tickets.scope : `${config.tickets.scope}/${spec.scope}`;
  const sealed = seal(sealer, ticketState, now, { scope, ...(spec.stored !== undefined && { stored: spec.stored }) });
  if (isPromise(sealed)) out.defer(sealed, deliver);
  else deliver(sealed);
  return true;
}

/** In front of the hash of an external PSK's identity. */
export const PSK_IDENTITY_PREFIX = 'psk:sha256:';

/** Whom a ticket speaks for unless the application says: the holder of the client's certificate, or of the external PSK. */
export function identityOf({ peer, pskIdentity }: ConnectionInfo, crypto: CryptoProvider): string | undefined {
  if (pskIdentity !== undefined) return `${PSK_IDENTITY_PREFIX}${toHex(crypto.kdf('sha256').hash(pskIdentity))}`;
  return certificateIdentity(peer, crypto);
}

export function certificateIdentity({ chain }: PeerIdentity, crypto: CryptoProvider): string | undefined {
  const leaf = chain[0];
  return leaf && `sha256:${toHex(crypto.kdf('sha256').hash(leaf))}`;
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
