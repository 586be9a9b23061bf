/** Client authentication after the handshake (RFC 9846, section 4.7.2). */

import { expectInteger, unwrap } from './arguments.ts';
import { Ssl } from './connection.ts';
import { contextOf } from './ctx.ts';
import type { SSL, SSL_CTX } from './types.ts';

/**
 * Server: asks the client for a certificate, now or again. Nothing is sent yet: the request goes out with SSL_do_handshake, SSL_write or
 * SSL_read. The answer is taken inside SSL_read, which also writes the new tickets.
 *
 * 1: queued. 0, with a reason in the queue, looked for in this order: `wrong ssl version` (before the handshake), `not server`,
 * `still in init`, `protocol is shutdown`, `extension not received` (the client does not offer it), `request sent` (it has not answered
 * yet), `invalid config` (no SSL_VERIFY_PEER, or SSL_VERIFY_CLIENT_ONCE and asked before).
 */
export function SSL_verify_client_post_handshake(ssl: SSL | null): number {
  return unwrap('ssl', ssl, Ssl)?.requestCertificate() ? 1 : 0;
}

/** Client: lets the server ask for a certificate after the handshake. Before the handshake; default 0. */
export function SSL_set_post_handshake_auth(ssl: SSL | null, val: number): void {
  expectInteger('val', val);
  const connection = unwrap('ssl', ssl, Ssl);
  if (connection !== undefined) connection.settings.postHandshakeAuth = val !== 0;
}

/** As {@link SSL_set_post_handshake_auth}, for connections made from now on. */
export function SSL_CTX_set_post_handshake_auth(ctx: SSL_CTX | null, val: number): void {
  expectInteger('val', val);
  const context = contextOf(ctx);
  if (context !== undefined) context.settings.postHandshakeAuth = val !== 0;
}
