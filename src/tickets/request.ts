import { TlsUsageError } from '../errors/index.ts';

/** How many tickets for one origin a client wants to hold: one for the next connection, one for another beside it. */
const DEFAULT_TARGET = 2;

/**
 * How many tickets a client should ask for (RFC 9149) that wants to hold `target` (1 to 255, default 2) for an origin, and has `usable` left
 * beside the one it offers. After a full handshake it wants all of them anew: "the client SHOULD assume that any other tickets
 * associated with the same session as the presented ticket are also no longer valid". After a resumption, what is missing. A client that
 * `offers` no ticket wants none after a resumption: "A client starting a new connection SHOULD set … resumption_count to 0".
 * Throws {@link TlsUsageError} `tickets.bad_request`.
 *
 * @spec rfc9149#section-3
 */
export function ticketsToRequest(
  usable: number,
  target: number = DEFAULT_TARGET,
  offers: boolean = true,
): { readonly newSessionCount: number; readonly resumptionCount: number } {
  if (!Number.isInteger(target) || target < 1 || target > 255)
    throw new TlsUsageError('tickets.bad_request', `target is ${target}, but must be an integer from 1 to 255`);
  return { newSessionCount: target, resumptionCount: offers ? Math.max(target - usable, 0) : 0 };
}
