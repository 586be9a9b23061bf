/** SSL_CTX_set_client_hello_cb and what its callback may ask: the ClientHello before anything was decided about it. */

import { copyOf } from '../bytes/index.ts';
import { expectCallback, expectInteger, unwrap } from './arguments.ts';
import { Ssl } from './connection.ts';
import type { ClientHelloCallback } from './context.ts';
import { contextOf } from './ctx.ts';
import type { ClientHello } from './hello-gate.ts';
import type { SSL, SSL_CTX } from './types.ts';

/**
 * Server: called with each connection's ClientHello before anything else. SSL_CLIENT_HELLO_SUCCESS goes on, SSL_CLIENT_HELLO_ERROR ends
 * the connection, SSL_CLIENT_HELLO_RETRY gives SSL_ERROR_WANT_CLIENT_HELLO_CB and is called again with the next I/O.
 */
export function SSL_CTX_set_client_hello_cb(ctx: SSL_CTX | null, callback: ClientHelloCallback | null): void {
  expectCallback('callback', callback);
  const context = contextOf(ctx);
  if (context !== undefined) context.clientHello = callback;
}

/** Known inside the callback only. */
function helloOf(ssl: SSL | null): ClientHello | undefined {
  return unwrap('ssl', ssl, Ssl)?.clientHello;
}

function bytes(part: Uint8Array | undefined): Uint8Array | null {
  return part === undefined ? null : copyOf(part);
}

/** There is no SSLv2: 0. */
export function SSL_client_hello_isv2(ssl: SSL | null): number {
  helloOf(ssl);
  return 0;
}

/** `legacy_version`: 0x0303. 0 outside the callback. */
export function SSL_client_hello_get0_legacy_version(ssl: SSL | null): number {
  return helloOf(ssl)?.legacyVersion ?? 0;
}

/** 32 bytes. `null` outside the callback, here and in what follows. */
export function SSL_client_hello_get0_random(ssl: SSL | null): Uint8Array | null {
  return bytes(helloOf(ssl)?.random);
}

export function SSL_client_hello_get0_session_id(ssl: SSL | null): Uint8Array | null {
  return bytes(helloOf(ssl)?.sessionId);
}

/** The suites, two bytes each. */
export function SSL_client_hello_get0_ciphers(ssl: SSL | null): Uint8Array | null {
  return bytes(helloOf(ssl)?.ciphers);
}

export function SSL_client_hello_get0_compression_methods(ssl: SSL | null): Uint8Array | null {
  return bytes(helloOf(ssl)?.compressionMethods);
}

/** The content of the extension of a type, `null` when it is not there. */
export function SSL_client_hello_get0_ext(ssl: SSL | null, type: number): Uint8Array | null {
  expectInteger('type', type);
  return bytes(helloOf(ssl)?.extensions.get(type));
}

/** The types of the extensions that are there, in the client's order. */
export function SSL_client_hello_get1_extensions_present(ssl: SSL | null): { ret: number; out: number[] } {
  const hello = helloOf(ssl);
  return hello === undefined ? { ret: 0, out: [] } : { ret: 1, out: [...hello.extensions.keys()] };
}
