import { TlsUsageError } from '../errors/index.ts';
import type { PeerIdentity } from '../peer-auth/index.ts';
import { MAX_TICKET_LIFETIME_SECONDS } from './types.ts';

/** Where a server may owe a client tickets. */
export type DecisionPoint =
  | 'full_handshake'
  | 'resumption'
  /** A client answered a certificate request after the handshake, with a certificate or without. */
  | 'client_authenticated'
  /** The program asked. */
  | 'application_request';

/** When a ticket is generated and leaves. What the connection's end overtakes is not sent. */
export type TicketMoment =
  /** As soon as it is planned: after the handshake, in one piece. The default of automatic tickets. */
  | 'with_handshake'
  /** In front of the next application data. The default of requested tickets. */
  | 'with_next_write'
  /** Once the client has sent application data; early data counts, and then it is after the handshake. */
  | 'after_first_data'
  /** In front of our close_notify. */
  | 'before_close'
  /** Once nothing was read or written for so many milliseconds. Needs a clock with `after`; without one, with the next write. */
  | { readonly afterIdleMs: number };

/** One ticket of a plan. What is left out comes from the config or the connection. */
export interface TicketSpec {
  /** Seconds, 1 to 604,800; shortened to what the sealing key and the age of the authentication allow. Default: the config's. */
  readonly lifetimeSeconds?: number;
  /** Bytes; 0: no early data. Default: the config's. */
  readonly maxEarlyDataSize?: number;
  /** Default: the connection's `ticketAppData`. */
  readonly appData?: Uint8Array;
  /** A trust scope inside the config's own: good only where the config accepts it too. Default none. */
  readonly scope?: string;
  /** True: in the store, false: sealed. Default: the sealer's choice. */
  readonly stored?: boolean;
  readonly when?: TicketMoment;
}

/** What a policy may decide by. */
export interface TicketFacts {
  readonly point: DecisionPoint;
  /** The connection's number: `numTickets`. */
  readonly count: number;
  /** `application_request`: how many were asked for. */
  readonly requested: number;
  /** Whether this connection was resumed, whatever the point. */
  readonly resumed: boolean;
  /** What the client asked for by RFC 9149. */
  readonly ticketRequest: { readonly newSessionCount: number; readonly resumptionCount: number } | undefined;
  readonly client: PeerIdentity;
  readonly serverName: string | undefined;
  readonly alpn: string | undefined;
  /** Tickets generated on this connection so far, at all points. */
  readonly generated: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** When the client was last really authenticated, by a full handshake. Milliseconds since the epoch. */
  readonly authenticatedAt: number;
}

export interface TicketPlan {
  readonly tickets: readonly TicketSpec[];
  /** For people: why so many. */
  readonly why: string;
}

/**
 * Decides about tickets. Pure: the same facts, the same plan. Asked again before each ticket of a plan is generated, with `generated` as
 * it was when the point was reached, so that a number that changes in between counts.
 */
export interface TicketPolicy {
  readonly name: string;
  /** Whether the plan follows what clients ask for by RFC 9149: only then are they told how many to expect. Default false. */
  readonly answersTicketRequests?: boolean;
  plan(facts: TicketFacts): TicketPlan;
}

/**
 * OpenSSL's contract, and the default: the connection's number after a full handshake and again after a client authenticated later,
 * at most one after a resumption, and as many as the program asks for.
 *
 * @spec https://docs.openssl.org/3.0/man3/SSL_CTX_set_num_tickets/
 */
export function openssl(): TicketPolicy {
  return {
    name: 'openssl',
    plan({ point, count, requested, resumed }) {
      if (point === 'application_request') return same(requested, `the program asked for ${requested}`);
      const after =
        point === 'client_authenticated'
          ? 'after the client authenticated'
          : `after a ${resumed ? 'resumption' : 'full handshake'}`;
      if (resumed && count > 1) return same(1, `numTickets is ${count}, but a resumed connection gets 1 ${after}`);
      return same(count, `numTickets is ${count}, ${after}`);
    },
  };
}

/** No tickets at all, not even on request. What was issued before is still redeemed; `sealer: false` ends that too. */
export function none(): TicketPolicy {
  return {
    name: 'none',
    plan: () => same(0, 'the policy issues no tickets'),
  };
}

export interface Rfc9149Options {
  /** Tickets after a full handshake for a client that does not say how many it wants, 0 to 255. Default: the connection's number. */
  readonly default?: number | undefined;
  /** The most that a client gets by asking, 1 to 255. Default 4. */
  readonly max?: number | undefined;
}

/**
 * Gives a client what it asks for by RFC 9149, up to `max`: `new_session_count` after a full handshake and after the client authenticated
 * in one, `resumption_count` after a resumption. Zero is obeyed. A client that does not ask gets `default`, and at most one after a
 * resumption. On request of the program as many as it says. A connection whose `numTickets` is 0 gets none by itself, whatever it asks.
 * Throws {@link TlsUsageError} `tickets.bad_policy` for numbers out of range.
 *
 * @spec rfc9149#section-3
 */
export function rfc9149({ default: unasked, max = 4 }: Rfc9149Options = {}): TicketPolicy {
  if (unasked !== undefined) checkByte('default', unasked, 0);
  checkByte('max', max, 1);
  return {
    name: 'rfc9149',
    answersTicketRequests: true,
    plan({ point, count, requested, resumed, ticketRequest }) {
      if (point === 'application_request') return same(requested, `the program asked for ${requested}`);
      const after =
        point === 'client_authenticated'
          ? 'after the client authenticated'
          : resumed
            ? 'after a resumption'
            : 'after a full handshake';
      if (count === 0) return same(0, `numTickets is 0, ${after}`);
      if (ticketRequest !== undefined) {
        const asked = resumed ? ticketRequest.resumptionCount : ticketRequest.newSessionCount;
        return same(Math.min(asked, max), `the client asked for ${asked} ${after}, allowed are ${max}`);
      }
      const most = unasked ?? count;
      return same(
        resumed ? Math.min(most, 1) : most,
        `the client did not ask; ${resumed ? 'at most 1' : most} ${after}`,
      );
    },
  };
}

function checkByte(name: string, value: number, min: number): void {
  if (!Number.isInteger(value) || value < min || value > 255)
    throw new TlsUsageError(
      'tickets.bad_policy',
      `rfc9149: ${name} is ${value}, but must be an integer from ${min} to 255`,
    );
}

/**
 * Checks what a policy or a program wants of one ticket. Throws {@link TlsUsageError} `tickets.bad_spec`.
 */
export function checkTicketSpec(spec: TicketSpec): TicketSpec {
  const { lifetimeSeconds, maxEarlyDataSize, appData, scope, when } = spec;
  checkField('lifetimeSeconds', lifetimeSeconds, 1, MAX_TICKET_LIFETIME_SECONDS);
  checkField('maxEarlyDataSize', maxEarlyDataSize, 0, 0xffff_ffff);
  if (appData !== undefined && !(appData instanceof Uint8Array)) throw badSpec('appData must be a Uint8Array');
  if (scope !== undefined && (typeof scope !== 'string' || scope === ''))
    throw badSpec('scope must be a string, and not empty');
  if (typeof when === 'object') checkField('when.afterIdleMs', when.afterIdleMs, 1, MAX_TICKET_LIFETIME_SECONDS * 1000);
  else if (when !== undefined && !MOMENTS.has(when))
    throw badSpec(`when is ${String(when)}, but must be one of ${[...MOMENTS].join(', ')}`);
  return spec;
}

const MOMENTS: ReadonlySet<string> = new Set<TicketMoment & string>([
  'with_handshake',
  'with_next_write',
  'after_first_data',
  'before_close',
]);

function checkField(name: string, value: number | undefined, min: number, max: number): void {
  if (value !== undefined && (!Number.isInteger(value) || value < min || value > max))
    throw badSpec(`${name} is ${value}, but must be an integer from ${min} to ${max}`);
}

function badSpec(what: string): TlsUsageError {
  return new TlsUsageError('tickets.bad_spec', `ticket: ${what}`);
}

/** More than any limit lets out at once. */
const MOST_TICKETS = 65_535;

/** `count` tickets with nothing special. */
function same(count: number, why: string): TicketPlan {
  return { tickets: new Array<TicketSpec>(Math.min(count, MOST_TICKETS)).fill({}), why };
}
