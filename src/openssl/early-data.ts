/** Early data (0-RTT, RFC 9846, section 2.3). Whoever records it can send it again: it is for what may be done twice. */

import { copyOf } from '../bytes/index.ts';
import { expectBytes, expectCallback, expectInteger, expectString, unwrap } from './arguments.ts';
import { Ssl } from './connection.ts';
import * as c from './constants.ts';
import { contextOf } from './ctx.ts';
import { pushError } from './error-queue.ts';
import { SSL_REASON } from './reasons.ts';
import type { Settings } from './settings.ts';
import type { SSL, SSL_CTX } from './types.ts';

/** 1: allow the early data of this ClientHello. */
export type AllowEarlyDataCallback = (ssl: SSL) => number;

const MOST = 0xffff_ffff;

function sslOf(ssl: SSL | null): Ssl | undefined {
  return unwrap('ssl', ssl, Ssl);
}

/**
 * Client, before SSL_connect: sends data with the ClientHello, under the session that was set, if that allows it. May be called again until
 * SSL_connect, SSL_do_handshake or SSL_write goes on with the handshake; then SSL_get_early_data_status says whether the server took it.
 * Server, after SSL_read_early_data accepted some: answers before the handshake is done. Nothing proves by then that the client is there.
 *
 * `ret` 1, or 0 and SSL_get_error; what waits for the transport is repeated with the same data.
 */
export function SSL_write_early_data(ssl: SSL | null, data: Uint8Array): { ret: number; written: number } {
  expectBytes('data', data);
  return sslOf(ssl)?.writeEarly(data) ? { ret: 1, written: data.length } : { ret: 0, written: 0 };
}

/**
 * Server, in place of SSL_accept: begins the handshake and reads early data. Early data is accepted inside this function only.
 *
 * `ret`: SSL_READ_EARLY_DATA_SUCCESS with `readbytes`, and there may be more; SSL_READ_EARLY_DATA_FINISH: there is no more, or was none,
 * go on with SSL_accept; SSL_READ_EARLY_DATA_ERROR: see SSL_get_error, and call again when it only waits. Going on before FINISH fails
 * when the client has sent more.
 */
export function SSL_read_early_data(ssl: SSL | null, into: Uint8Array): { ret: number; readbytes: number } {
  expectBytes('into', into);
  return sslOf(ssl)?.readEarly(into) ?? { ret: c.SSL_READ_EARLY_DATA_ERROR, readbytes: 0 };
}

/** SSL_EARLY_DATA_NOT_SENT, _REJECTED (a client has not heard of it yet, or it was) or _ACCEPTED. */
export function SSL_get_early_data_status(ssl: SSL | null): number {
  const { engine } = sslOf(ssl) ?? {};
  if (engine === undefined || engine.earlyData === 'none') return c.SSL_EARLY_DATA_NOT_SENT;
  return engine.earlyData === 'accepted' ? c.SSL_EARLY_DATA_ACCEPTED : c.SSL_EARLY_DATA_REJECTED;
}

type Limit = 'maxEarlyData' | 'recvMaxEarlyData';

function setLimit(settings: Settings | undefined, limit: Limit, bytes: number): number {
  expectInteger('bytes', bytes);
  if (settings === undefined || bytes < 0 || bytes > MOST) return 0;
  settings[limit] = bytes;
  return 1;
}

/**
 * Server: how many bytes of early data tickets allow, 0 (default, none) to 2^32-1. Above 0 each ticket is good for one resumption and kept
 * in the cache, unless SSL_OP_NO_ANTI_REPLAY is set. Before the handshake.
 */
export function SSL_CTX_set_max_early_data(ctx: SSL_CTX | null, bytes: number): number {
  return setLimit(contextOf(ctx)?.settings, 'maxEarlyData', bytes);
}

export function SSL_CTX_get_max_early_data(ctx: SSL_CTX | null): number {
  return contextOf(ctx)?.settings.maxEarlyData ?? 0;
}

/** As {@link SSL_CTX_set_max_early_data}, for one connection. */
export function SSL_set_max_early_data(ssl: SSL | null, bytes: number): number {
  return setLimit(sslOf(ssl)?.settings, 'maxEarlyData', bytes);
}

export function SSL_get_max_early_data(ssl: SSL | null): number {
  return sslOf(ssl)?.settings.maxEarlyData ?? 0;
}

/** Server: how many bytes of early data are taken of one client, whatever its ticket allows, and at least skipped when they are rejected. Default 16,384. */
export function SSL_CTX_set_recv_max_early_data(ctx: SSL_CTX | null, bytes: number): number {
  return setLimit(contextOf(ctx)?.settings, 'recvMaxEarlyData', bytes);
}

export function SSL_CTX_get_recv_max_early_data(ctx: SSL_CTX | null): number {
  return contextOf(ctx)?.settings.recvMaxEarlyData ?? 0;
}

/** As {@link SSL_CTX_set_recv_max_early_data}, for one connection. */
export function SSL_set_recv_max_early_data(ssl: SSL | null, bytes: number): number {
  return setLimit(sslOf(ssl)?.settings, 'recvMaxEarlyData', bytes);
}

export function SSL_get_recv_max_early_data(ssl: SSL | null): number {
  return sslOf(ssl)?.settings.recvMaxEarlyData ?? 0;
}

/** Server: asked last about early data that could be accepted. */
export function SSL_CTX_set_allow_early_data_cb(ctx: SSL_CTX | null, callback: AllowEarlyDataCallback | null): void {
  expectCallback('callback', callback);
  const context = contextOf(ctx);
  if (context !== undefined) context.settings.allowEarlyData = callback;
}

/** As {@link SSL_CTX_set_allow_early_data_cb}, for one connection. */
export function SSL_set_allow_early_data_cb(ssl: SSL | null, callback: AllowEarlyDataCallback | null): void {
  expectCallback('callback', callback);
  const connection = sslOf(ssl);
  if (connection !== undefined) connection.settings.allowEarlyData = callback;
}

/**
 * Keying material that is there with early data, for `label` and `context` (RFC 9846, section 7.5): the same for each replay of it. On a
 * client while early data is offered and when it was accepted, on a server when it was accepted; else 0.
 */
export function SSL_export_keying_material_early(
  ssl: SSL | null,
  outLength: number,
  label: string,
  context: Uint8Array | null,
): { ret: number; out: Uint8Array } {
  expectInteger('outLength', outLength);
  expectString('label', label);
  if (context !== null) expectBytes('context', context);
  const connection = sslOf(ssl);
  if (connection?.engine === undefined) return { ret: 0, out: new Uint8Array(0) };
  try {
    const out = connection.engine.exportEarlyKeyingMaterial(outLength, label, context ? copyOf(context) : undefined);
    return { ret: 1, out };
  } catch {
    pushError(SSL_REASON.UNINITIALIZED);
    return { ret: 0, out: new Uint8Array(0) };
  }
}
