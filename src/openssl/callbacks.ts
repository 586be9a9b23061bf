/** Callbacks of contexts and connections, apart from those of sessions and tickets. */

import { expectCallback, unwrap } from './arguments.ts';
import { Ssl } from './connection.ts';
import type { AlpnSelectCallback, KeylogCallback, ServernameCallback } from './context.ts';
import { contextOf } from './ctx.ts';
import type { InfoCallback, Settings } from './settings.ts';
import type { SSL, SSL_CTX } from './types.ts';

function settingsOf(ssl: SSL | null): Settings | undefined {
  return unwrap('ssl', ssl, Ssl)?.settings;
}

/** Receives the lines of a key log file. */
export function SSL_CTX_set_keylog_callback(ctx: SSL_CTX | null, callback: KeylogCallback | null): void {
  expectCallback('callback', callback);
  const context = contextOf(ctx);
  if (context !== undefined) context.keylog = callback;
}

export function SSL_CTX_get_keylog_callback(ctx: SSL_CTX | null): KeylogCallback | null {
  return contextOf(ctx)?.keylog ?? null;
}

/** Called when a handshake starts and is done, and with fatal alerts. */
export function SSL_CTX_set_info_callback(ctx: SSL_CTX | null, callback: InfoCallback | null): void {
  expectCallback('callback', callback);
  const context = contextOf(ctx);
  if (context !== undefined) context.info = callback;
}

export function SSL_CTX_get_info_callback(ctx: SSL_CTX | null): InfoCallback | null {
  return contextOf(ctx)?.info ?? null;
}

/** In place of the context's, for one connection. */
export function SSL_set_info_callback(ssl: SSL | null, callback: InfoCallback | null): void {
  expectCallback('callback', callback);
  const settings = settingsOf(ssl);
  if (settings !== undefined) settings.info = callback;
}

export function SSL_get_info_callback(ssl: SSL | null): InfoCallback | null {
  return settingsOf(ssl)?.info ?? null;
}

/** Server: chooses the application protocol out of what the client offers, which is in wire format; `selected` is one name. */
export function SSL_CTX_set_alpn_select_cb(ctx: SSL_CTX | null, callback: AlpnSelectCallback | null): void {
  expectCallback('callback', callback);
  const context = contextOf(ctx);
  if (context !== undefined) context.alpnSelect = callback;
}

/**
 * Server: called with each ClientHello, with a server name or without; SSL_get_servername tells it. It may choose another context
 * ({@link SSL_set_SSL_CTX}) and change the connection's settings. SSL_TLSEXT_ERR_ALERT_FATAL refuses with unrecognized_name.
 */
export function SSL_CTX_set_tlsext_servername_callback(
  ctx: SSL_CTX | null,
  callback: ServernameCallback | null,
): number {
  expectCallback('callback', callback);
  const context = contextOf(ctx);
  if (context === undefined) return 0;
  context.servername = callback;
  return 1;
}

/** What the servername callback gets as its second argument. */
export function SSL_CTX_set_tlsext_servername_arg(ctx: SSL_CTX | null, arg: unknown): number {
  const context = contextOf(ctx);
  if (context === undefined) return 0;
  context.servernameArg = arg;
  return 1;
}

/**
 * Called before a certificate is chosen: on a server in a full handshake, on a client that is asked for one. 1 goes on with what is set
 * then; 0 ends the connection with internal_error; less gives SSL_ERROR_WANT_X509_LOOKUP, and it is called again with the next I/O.
 */
export function SSL_CTX_set_cert_cb(ctx: SSL_CTX | null, callback: ((ssl: SSL) => number) | null): void {
  expectCallback('callback', callback);
  const context = contextOf(ctx);
  if (context !== undefined) context.settings.certCallback = callback;
}

/** As {@link SSL_CTX_set_cert_cb}, for one connection. */
export function SSL_set_cert_cb(ssl: SSL | null, callback: ((ssl: SSL) => number) | null): void {
  expectCallback('callback', callback);
  const settings = settingsOf(ssl);
  if (settings !== undefined) settings.certCallback = callback;
}

type NotResumableCallback = (ssl: SSL, isForwardSecure: number) => number;

/** Server: asked in each full handshake; 1: this session is not to be resumed, so no tickets follow. `isForwardSecure` is 0, as in OpenSSL. */
export function SSL_CTX_set_not_resumable_session_callback(
  ctx: SSL_CTX | null,
  callback: NotResumableCallback | null,
): void {
  expectCallback('callback', callback);
  const context = contextOf(ctx);
  if (context !== undefined) context.settings.notResumable = callback;
}

/** As {@link SSL_CTX_set_not_resumable_session_callback}, for one connection. */
export function SSL_set_not_resumable_session_callback(ssl: SSL | null, callback: NotResumableCallback | null): void {
  expectCallback('callback', callback);
  const settings = settingsOf(ssl);
  if (settings !== undefined) settings.notResumable = callback;
}
