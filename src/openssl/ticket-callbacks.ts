/** Ticket keys, and callbacks that give keys, look into tickets, and decide about them. */

import { expectBytes, expectCallback } from './arguments.ts';
import { ERR_R_PASSED_INVALID_ARGUMENT } from './constants.ts';
import type { DecryptTicketCallback, GenerateTicketCallback, TicketKeyCallback } from './context.ts';
import { contextOf } from './ctx.ts';
import { pushError } from './error-queue.ts';
import { SSL_REASON } from './reasons.ts';
import { TICKET_KEYS_LENGTH } from './ticket-keys.ts';
import type { SSL_CTX } from './types.ts';

/**
 * Seals tickets under keys derived from these 80 bytes from now on; what was sealed under others opens no more. With `null` nothing is
 * set, and the result is the length. 0 for another length, and for bytes that are not random. Wipe yours after use.
 */
export function SSL_CTX_set_tlsext_ticket_keys(ctx: SSL_CTX | null, keys: Uint8Array | null): number {
  const context = contextOf(ctx);
  if (keys === null) return TICKET_KEYS_LENGTH;
  expectBytes('keys', keys);
  if (context === undefined) return 0;
  if (keys.length !== TICKET_KEYS_LENGTH) {
    pushError(SSL_REASON.INVALID_TICKET_KEYS_LENGTH);
    return 0;
  }
  if (context.keys.set(keys)) return 1;
  pushError(ERR_R_PASSED_INVALID_ARGUMENT);
  return 0;
}

/** The 80 bytes for {@link SSL_CTX_set_tlsext_ticket_keys} of another context. From now on the keys of this one do not rotate. */
export function SSL_CTX_get_tlsext_ticket_keys(ctx: SSL_CTX | null): Uint8Array | null {
  return contextOf(ctx)?.keys.get() ?? null;
}

/**
 * Gives the keys of each ticket, sealed (`enc` 1) or opened (0): it writes or reads the key's name and the IV, and sets cipher and MAC
 * with EVP_CipherInit_ex and EVP_MAC_CTX_set_params. When sealing: 1, 0 (no ticket this time), less: the connection ends. When opening:
 * 2, 1 (good, but no new ticket; also 3 and more), 0 (unknown: full handshake), less: the connection ends.
 */
export function SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx: SSL_CTX | null, callback: TicketKeyCallback | null): number {
  expectCallback('callback', callback);
  const context = contextOf(ctx);
  if (context === undefined) return 0;
  context.ticketKey = callback;
  return 1;
}

/**
 * `generate` is called before each ticket is made, to put SSL_SESSION_set1_ticket_appdata into SSL_get_session; 0 ends the connection.
 * `decrypt` decides about each ticket that is no id, by its `status`: SSL_TICKET_RETURN_USE, _USE_RENEW, _IGNORE, _IGNORE_RENEW, _ABORT.
 */
export function SSL_CTX_set_session_ticket_cb(
  ctx: SSL_CTX | null,
  generate: GenerateTicketCallback | null,
  decrypt: DecryptTicketCallback | null,
): number {
  expectCallback('generate', generate);
  expectCallback('decrypt', decrypt);
  const context = contextOf(ctx);
  if (context === undefined) return 0;
  context.generateTicket = generate;
  context.decryptTicket = decrypt;
  return 1;
}
