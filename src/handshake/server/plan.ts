import {
  checkTicketSpec,
  type DecisionPoint,
  type TicketFacts,
  type TicketPlan,
  type TicketSpec,
} from '../../tickets/index.ts';
import type { ConnectionInfo } from '../events.ts';
import type { ServerContext } from './states.ts';

/** What a policy may know of a connection, complete or about to be. */
export type PlannedFor = Pick<
  ConnectionInfo,
  'resumed' | 'ticketRequest' | 'peer' | 'serverName' | 'alpn' | 'authenticatedAt' | 'pskIdentity'
>;

/** Whose handshake it was. An external PSK spares the certificates, as a resumption does; the verdict `accept_and_reissue` counts as a full one. */
export function pointOf(
  { resumed, pskIdentity }: Pick<PlannedFor, 'resumed' | 'pskIdentity'>,
  reissue: boolean,
): 'full_handshake' | 'resumption' {
  return (resumed && !reissue) || pskIdentity !== undefined ? 'resumption' : 'full_handshake';
}

/** Asks the policy. One that fails costs the tickets, never the connection. `generated`: as at the point, when that is past. */
export function planTickets(
  point: DecisionPoint,
  requested: number,
  connection: PlannedFor,
  { config, tickets }: ServerContext,
  generated: number = tickets.generated,
): TicketPlan {
  const facts: TicketFacts = {
    point,
    count: tickets.count ?? config.tickets.count,
    requested,
    resumed: point !== 'full_handshake' && (connection.resumed || connection.pskIdentity !== undefined),
    ticketRequest: connection.ticketRequest,
    client: connection.peer,
    serverName: connection.serverName,
    alpn: connection.alpn,
    generated,
    now: config.clock.now(),
    authenticatedAt: connection.authenticatedAt,
  };
  try {
    const plan = config.tickets.policy.plan(facts);
    // A plan of equal tickets repeats one object: each is looked at once. What is over the limit is not looked at.
    let last: TicketSpec | undefined;
    for (const spec of plan.tickets.slice(0, config.limits.ticketsSent)) {
      if (spec !== last) checkTicketSpec(spec);
      last = spec;
    }
    return plan;
  } catch (error) {
    return { tickets: [], why: `the policy failed: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** RFC 9149: expected_count is one byte. */
const MOST_EXPECTED = 255;

/**
 * How many tickets to tell a client to expect, or `undefined`: it did not ask, or the policy does not listen.
 *
 * @spec rfc9149#section-3
 */
export function ticketsToExpect(
  connection: PlannedFor,
  reissue: boolean,
  canResume: boolean,
  cx: ServerContext,
): number | undefined {
  const { policy, sealer } = cx.config.tickets;
  if (connection.ticketRequest === undefined || policy.answersTicketRequests !== true) return undefined;
  if (!canResume || sealer === undefined) return 0;
  const plan = planTickets(pointOf(connection, reissue), 0, connection, cx);
  return Math.min(plan.tickets.length, cx.config.limits.ticketsSent, MOST_EXPECTED);
}
