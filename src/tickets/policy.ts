import type { PeerIdentity } from '../peer-auth/index.ts';

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
  /** Once the client has sent application data. */
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

/** More than any limit lets out at once. */
const MOST_TICKETS = 65_535;

/** `count` tickets with nothing special. */
function same(count: number, why: string): TicketPlan {
  return { tickets: new Array<TicketSpec>(Math.min(count, MOST_TICKETS)).fill({}), why };
}
