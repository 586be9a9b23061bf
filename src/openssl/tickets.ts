/** The five functions that say how many session tickets a TLS 1.3 server gives. */

import { expectNumber, unwrap } from './arguments.ts';
import { Ssl } from './connection.ts';
import { Context } from './context.ts';
import type { SSL, SSL_CTX } from './types.ts';

const isCount = (count: number): boolean => Number.isSafeInteger(count) && count >= 0;

/**
 * How many tickets each connection made from now on gives after a full handshake. Default 2; 0: none at all, also after a resumption.
 * After a resumption a server gives at most one. On a client's context the number is kept and has no effect.
 *
 * 1; 0 for NULL and for what is not a non-negative integer. Throws a `TypeError` when `num_tickets` is not a number.
 */
export function SSL_CTX_set_num_tickets(ctx: SSL_CTX | null, num_tickets: number): number {
  expectNumber('num_tickets', num_tickets);
  const context = unwrap('ctx', ctx, Context);
  if (context === undefined || !isCount(num_tickets)) return 0;
  context.settings.numTickets = num_tickets;
  return 1;
}

/** The number that {@link SSL_CTX_set_num_tickets} set, or 2. 0 for NULL. */
export function SSL_CTX_get_num_tickets(ctx: SSL_CTX | null): number {
  return unwrap('ctx', ctx, Context)?.settings.numTickets ?? 0;
}

/**
 * The same for one connection, in place of its context's number. It counts until the moment the tickets are generated, which is when
 * the client's Finished has arrived; it may be changed in any callback until then, and between two tickets.
 *
 * 1; 0 for NULL and for what is not a non-negative integer. Throws a `TypeError` when `num_tickets` is not a number.
 */
export function SSL_set_num_tickets(ssl: SSL | null, num_tickets: number): number {
  expectNumber('num_tickets', num_tickets);
  const connection = unwrap('ssl', ssl, Ssl);
  if (connection === undefined || !isCount(num_tickets)) return 0;
  connection.setNumTickets(num_tickets);
  return 1;
}

/** The number of this connection: set for it, or its context's when it was made. 0 for NULL. */
export function SSL_get_num_tickets(ssl: SSL | null): number {
  return unwrap('ssl', ssl, Ssl)?.settings.numTickets ?? 0;
}

/**
 * Asks for one more ticket. Nothing is sent yet: it goes out in front of the next write, or with SSL_do_handshake. Further calls ask
 * for further tickets (at most 1,024 at a time), and all of them go out together.
 *
 * 1: requested. 0: not possible, because this is not the server of a connection that has finished its handshake, or it has begun to
 * close, or a KeyUpdate waits to be sent.
 */
export function SSL_new_session_ticket(ssl: SSL | null): number {
  return unwrap('ssl', ssl, Ssl)?.requestTicket() ? 1 : 0;
}
