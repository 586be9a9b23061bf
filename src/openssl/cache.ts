/** SSL_CTX_sess_* and the session cache of a context. */

import { expectCallback, expectInteger } from './arguments.ts';
import { SSL_SESS_CACHE_SERVER } from './constants.ts';
import type { GetSessionCallback, NewSessionCallback, RemoveSessionCallback, Statistics } from './context.ts';
import { contextOf } from './ctx.ts';
import { sessionOf } from './session.ts';
import type { SSL_CTX, SSL_SESSION } from './types.ts';

/** Which side's sessions are cached and reported to the new-session callback. Gives the mode before. */
export function SSL_CTX_set_session_cache_mode(ctx: SSL_CTX | null, mode: number): number {
  expectInteger('mode', mode);
  const context = contextOf(ctx);
  const before = context?.cacheMode ?? 0;
  if (context !== undefined) context.cacheMode = mode;
  return before;
}

/** Default: SSL_SESS_CACHE_SERVER. */
export function SSL_CTX_get_session_cache_mode(ctx: SSL_CTX | null): number {
  return contextOf(ctx)?.cacheMode ?? SSL_SESS_CACHE_SERVER;
}

/** How many sessions are kept; 0: any number. Gives the size before. */
export function SSL_CTX_sess_set_cache_size(ctx: SSL_CTX | null, size: number): number {
  expectInteger('size', size);
  const context = contextOf(ctx);
  const before = context?.cache.limit ?? 0;
  if (context !== undefined && size >= 0) context.cache.limit = size;
  return before;
}

export function SSL_CTX_sess_get_cache_size(ctx: SSL_CTX | null): number {
  return contextOf(ctx)?.cache.limit ?? 0;
}

/** Sessions in the cache now. */
export function SSL_CTX_sess_number(ctx: SSL_CTX | null): number {
  return contextOf(ctx)?.cache.size ?? 0;
}

/** Puts a session into the cache, which takes a reference. 1; 0 when it was there already. */
export function SSL_CTX_add_session(ctx: SSL_CTX | null, session: SSL_SESSION | null): number {
  const context = contextOf(ctx);
  const known = sessionOf(session);
  return context !== undefined && known !== undefined && context.cache.add(known) ? 1 : 0;
}

/** Takes a session out of the cache; it is not resumed any more. 1 when it was there. */
export function SSL_CTX_remove_session(ctx: SSL_CTX | null, session: SSL_SESSION | null): number {
  const context = contextOf(ctx);
  const known = sessionOf(session);
  return context !== undefined && known !== undefined && context.cache.remove(known) ? 1 : 0;
}

/** Takes out the sessions that have expired at `time`, in seconds since the epoch; 0: all of them. */
export function SSL_CTX_flush_sessions(ctx: SSL_CTX | null, time: number): void {
  expectInteger('time', time);
  contextOf(ctx)?.cache.flush(time === 0 ? undefined : time);
}

/** As {@link SSL_CTX_flush_sessions}. */
export function SSL_CTX_flush_sessions_ex(ctx: SSL_CTX | null, time: number): void {
  SSL_CTX_flush_sessions(ctx, time);
}

/**
 * Called with each new session: on a server as each ticket is generated, on a client as each arrives, when the cache mode has that side.
 * The callback returns 1 to keep the reference it is given, else 0.
 */
export function SSL_CTX_sess_set_new_cb(ctx: SSL_CTX | null, callback: NewSessionCallback | null): void {
  expectCallback('callback', callback);
  const context = contextOf(ctx);
  if (context !== undefined) context.newSession = callback;
}

export function SSL_CTX_sess_get_new_cb(ctx: SSL_CTX | null): NewSessionCallback | null {
  return contextOf(ctx)?.newSession ?? null;
}

/** Called with each session that leaves the cache, or is removed without having been there. With it sealed tickets' sessions are cached too. */
export function SSL_CTX_sess_set_remove_cb(ctx: SSL_CTX | null, callback: RemoveSessionCallback | null): void {
  expectCallback('callback', callback);
  const context = contextOf(ctx);
  if (context !== undefined) context.removeSession = callback;
}

export function SSL_CTX_sess_get_remove_cb(ctx: SSL_CTX | null): RemoveSessionCallback | null {
  return contextOf(ctx)?.removeSession ?? null;
}

/** Server: asked for the session of a ticket that is an id, when the cache does not have it. It keeps its own reference. */
export function SSL_CTX_sess_set_get_cb(ctx: SSL_CTX | null, callback: GetSessionCallback | null): void {
  expectCallback('callback', callback);
  const context = contextOf(ctx);
  if (context !== undefined) context.getSession = callback;
}

export function SSL_CTX_sess_get_get_cb(ctx: SSL_CTX | null): GetSessionCallback | null {
  return contextOf(ctx)?.getSession ?? null;
}

function count(ctx: SSL_CTX | null, what: keyof Statistics): number {
  return contextOf(ctx)?.statistics[what] ?? 0;
}

/** Handshakes begun as a client. */
export function SSL_CTX_sess_connect(ctx: SSL_CTX | null): number {
  return count(ctx, 'connect');
}

/** Handshakes finished as a client. */
export function SSL_CTX_sess_connect_good(ctx: SSL_CTX | null): number {
  return count(ctx, 'connectGood');
}

/** Renegotiations, which TLS 1.3 does not have: 0. */
export function SSL_CTX_sess_connect_renegotiate(ctx: SSL_CTX | null): number {
  contextOf(ctx);
  return 0;
}

/** Handshakes begun as a server. */
export function SSL_CTX_sess_accept(ctx: SSL_CTX | null): number {
  return count(ctx, 'accept');
}

/** Handshakes finished as a server. */
export function SSL_CTX_sess_accept_good(ctx: SSL_CTX | null): number {
  return count(ctx, 'acceptGood');
}

/** Renegotiations, which TLS 1.3 does not have: 0. */
export function SSL_CTX_sess_accept_renegotiate(ctx: SSL_CTX | null): number {
  contextOf(ctx);
  return 0;
}

/** Sessions resumed. */
export function SSL_CTX_sess_hits(ctx: SSL_CTX | null): number {
  return count(ctx, 'hits');
}

/** Sessions that the get callback had. */
export function SSL_CTX_sess_cb_hits(ctx: SSL_CTX | null): number {
  return count(ctx, 'callbackHits');
}

/** Ids that the cache did not have. */
export function SSL_CTX_sess_misses(ctx: SSL_CTX | null): number {
  return count(ctx, 'misses');
}

/** Tickets offered too late. */
export function SSL_CTX_sess_timeouts(ctx: SSL_CTX | null): number {
  return count(ctx, 'timeouts');
}

/** Sessions that had to make room for others. */
export function SSL_CTX_sess_cache_full(ctx: SSL_CTX | null): number {
  return count(ctx, 'cacheFull');
}
