import type { HashName } from '../../crypto/index.ts';
import { MAX_TICKET_LIFETIME_SECONDS, type TicketDecline, type TicketState } from '../../tickets/index.ts';
import type { ClientHello } from '../../wire/index.ts';
import type { ServerConfig, Suite } from '../config.ts';
import { hashOfSuite } from '../suites.ts';
import type { Decision } from './negotiate.ts';

type Go = Extract<Decision, { kind: 'go' }>;

/** How far the clocks of two servers that share keys may differ. */
const CLOCK_SKEW_MS = 10_000;

/** What can be said about a ticket by its content alone: the suite to resume with, or why not. Pure. */
export function judge(
  ticket: TicketState,
  hello: ClientHello,
  decision: Go,
  config: ServerConfig,
): Suite | TicketDecline {
  const suite = suiteFor(hashOfSuite(ticket.cipherSuite), decision);
  if (typeof suite === 'string') return suite;
  const now = config.clock.now();
  const lifetimeMs = Math.min(ticket.lifetimeSeconds, MAX_TICKET_LIFETIME_SECONDS) * 1000;
  if (now - ticket.issuedAt >= lifetimeMs) return 'expired';
  if (now - ticket.authenticatedAt >= config.reauthenticateAfterSeconds * 1000) return 'chain_too_old';
  if (ticket.issuedAt > now + CLOCK_SKEW_MS) return 'issued_in_the_future';
  // Another name may mean another certificate, another tenant: what the ticket authenticated does not hold there.
  const isOtherName = ticket.serverName?.toLowerCase() !== hello.extensions.serverName?.toLowerCase();
  if (isOtherName && !config.tickets.acrossNames) return 'server_name_mismatch';
  if (!isGoodEnough(ticket, config)) return 'client_certificate_required';
  return suite;
}

/** The suite for a PSK of this hash: "The server MUST ensure that it selects a compatible PSK … and cipher suite" (rfc9846#section-4.3.11). */
export function suiteFor(hash: HashName, { suites, pskMode, exchange }: Go): Suite | TicketDecline {
  if (pskMode === undefined || (pskMode === 'psk_dhe_ke' && exchange === undefined)) return 'no_usable_psk_mode';
  return suites.find((suite) => suite.hash === hash) ?? 'hash_mismatch';
}

/** Whether a full handshake would let this client in today. */
function isGoodEnough({ client }: TicketState, { clientAuth, rejectUnauthorized, findPsk }: ServerConfig): boolean {
  // Authorized without a certificate: by an external PSK, which counts as long as this server takes any.
  if (client.chain.length === 0 && client.authorized) return findPsk !== undefined;
  if (clientAuth === 'none') return true;
  if (client.chain.length === 0) return clientAuth === 'request';
  return client.authorized || !rejectUnauthorized;
}
