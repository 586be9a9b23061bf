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
  'resumed' | 'ticketRequest' | 'peer' | 'serverName' | 'alpn' | 'authenticatedAt'
>;

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
    resumed: connection.resumed,
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
    // A plan of equal tickets repeats one object: each is looked at once.
    let last: TicketSpec | undefined;
    for (const spec of plan.tickets) {
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
export function ticketsToExpect(connection: PlannedFor, canResume: boolean, cx: ServerContext): number | undefined {
  const { policy, sealer } = cx.config.tickets;
  if (connection.ticketRequest === undefined || policy.answersTicketRequests !== true) return undefined;
  if (!canResume || sealer === undefined) return 0;
  const plan = planTickets(connection.resumed ? 'resumption' : 'full_handshake', 0, connection, cx);
  return Math.min(plan.tickets.length, cx.config.limits.ticketsSent, MOST_EXPECTED);
}
