import type { HashName } from '../../crypto/index.ts';
import { type ClientTicket, MAX_TICKET_LIFETIME_SECONDS, type TicketDecline } from '../../tickets/index.ts';
import type { ClientConfig } from '../config.ts';
import { importedPsk, offeredLength, plainPsk, type ReadyPsk } from '../external-psk.ts';
import { hashOfSuite } from '../suites.ts';
import type { ClientContext, Offer } from './states.ts';

/** Room for PSKs in the extensions of a ClientHello, which have 2^16-1 bytes in all and must hold the others too. In bytes. */
const MAX_PSKS_LENGTH = 62_000;

/**
 * Tickets that can be offered now: alive, for this name, of a hash we offer, of a server we trusted as we would today, as many as fit.
 * The others are reported.
 */
export function usableTickets({ config, options, out }: ClientContext): readonly ClientTicket[] {
  let room = MAX_PSKS_LENGTH - options.psks.reduce((sum, psk) => sum + offeredLength(psk), 0);
  return options.tickets.filter((ticket) => {
    // The length fields, the age and the longest binder come on top.
    const length = ticket.ticket.length + 64;
    const reason = whyNot(ticket, config, options) ?? (length > room ? 'too_large' : undefined);
    if (reason === undefined) room -= length;
    else reportTicket(ticket, reason, undefined, out);
    return reason === undefined;
  });
}

/** Why a ticket is of no use for this connection. Pure. */
export function whyNot(
  ticket: ClientTicket,
  config: ClientConfig,
  { serverName, psks }: Pick<ClientContext['options'], 'serverName' | 'psks'>,
): TicketDecline | undefined {
  const now = config.clock.now();
  const age = now - ticket.receivedAt;
  const lifetimeMs = Math.min(ticket.lifetimeSeconds, MAX_TICKET_LIFETIME_SECONDS) * 1000;
  const { server } = ticket;
  if (age < 0) return 'issued_in_the_future';
  if (!(age < lifetimeMs)) return 'expired';
  if (!(now - ticket.authenticatedAt < config.reauthenticateAfterSeconds * 1000)) return 'chain_too_old';
  if (!config.cipherSuites.some((s) => s.hash === hashOfSuite(ticket.cipherSuite))) return 'hash_mismatch';
  if (ticket.serverName?.toLowerCase() !== serverName?.toLowerCase()) return 'server_name_mismatch';
  if (!server.authorized) return config.rejectUnauthorized ? 'server_not_trusted' : undefined;
  // Authorized without a certificate: by an external PSK. A client without any wants to see certificates.
  if (server.chain.length === 0) return psks.length === 0 ? 'server_not_trusted' : undefined;
  return config.verifier.stillValid?.(server, now) === false ? 'server_certificate_expired' : undefined;
}

export function reportTicket(
  { ticket }: ClientTicket,
  reason: TicketDecline,
  identityIndex: number | undefined,
  out: ClientContext['out'],
): void {
  out.emit({ type: 'ticket_declined', during: 'offer', reason, identityIndex, ticket });
}

/** The external PSKs of a connection, with copies of their keys; imported ones once for each hash that is offered. */
export function readyPsks({ config, options }: ClientContext): readonly ReadyPsk[] {
  const hashes = [...new Set(config.cipherSuites.map((suite) => suite.hash))];
  return options.psks.flatMap((psk) => {
    if (psk.import !== undefined) return hashes.map((hash) => importedPsk(psk, hash, config.crypto));
    return hashes.includes(psk.hash) ? [plainPsk(psk)] : [];
  });
}

/** What a HelloRetryRequest with a suite of this hash leaves of an offer: it removes "any PSKs which are incompatible" (rfc9846#section-4.2.2). */
export function keepHash(
  { tickets, psks }: Offer,
  hash: HashName,
  out: ClientContext['out'],
): Pick<Offer, 'tickets' | 'psks'> {
  const fits = (ticket: ClientTicket): boolean => hashOfSuite(ticket.cipherSuite) === hash;
  for (const [index, ticket] of tickets.entries()) if (!fits(ticket)) reportTicket(ticket, 'hash_mismatch', index, out);
  for (const psk of psks) if (psk.hash !== hash) psk.wipe();
  return { tickets: tickets.filter(fits), psks: psks.filter((psk) => psk.hash === hash) };
}
