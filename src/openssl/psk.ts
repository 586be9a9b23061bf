/** External PSKs (RFC 9846, section 4.3.11): keys that both sides have by other means, in sessions that the program makes. */

import { copyOf } from '../bytes/index.ts';
import { expectBytes, expectCallback, expectInteger, unwrap } from './arguments.ts';
import { SSL_CIPHER_get_protocol_id } from './cipher.ts';
import { Ssl } from './connection.ts';
import { X509_V_ERR_UNSPECIFIED } from './constants.ts';
import { contextOf } from './ctx.ts';
import { Session, sessionOf } from './session.ts';
import type { PskFindCallback, PskUseCallback } from './settings.ts';
import type { SSL, SSL_CIPHER, SSL_CTX, SSL_SESSION } from './types.ts';

/** Seconds, as OpenSSL gives it to a new session. */
const DEFAULT_TIMEOUT = 304;
const MOST_KEY_LENGTH = 512;

/** An empty session, for a key of the program: it needs SSL_SESSION_set1_master_key, _set_cipher and _set_protocol_version. */
export function SSL_SESSION_new(): SSL_SESSION | null {
  const nothing = new Uint8Array(0);
  return new Session({
    id: nothing,
    time: Math.floor(Date.now() / 1000),
    timeout: DEFAULT_TIMEOUT,
    sidContext: nothing,
    cipherSuite: 0,
    verifyResult: X509_V_ERR_UNSPECIFIED,
    peerChain: [],
    hostname: undefined,
    alpn: undefined,
    appData: nothing,
    protocolVersion: 0,
  });
}

/** The key of an external PSK, which is copied: 16 to 512 random bytes. A shorter one is taken here and then not used; for a longer one 0. */
export function SSL_SESSION_set1_master_key(session: SSL_SESSION | null, key: Uint8Array): number {
  expectBytes('key', key);
  const known = sessionOf(session);
  if (known === undefined || key.length > MOST_KEY_LENGTH) return 0;
  known.fields.masterKey?.fill(0);
  known.update({ masterKey: copyOf(key) });
  return 1;
}

/** The suite of a session. An external PSK is used with suites of the same hash. */
export function SSL_SESSION_set_cipher(session: SSL_SESSION | null, cipher: SSL_CIPHER | null): number {
  const cipherSuite = SSL_CIPHER_get_protocol_id(cipher);
  const known = sessionOf(session);
  known?.update({ cipherSuite });
  return known === undefined ? 0 : 1;
}

/** TLS1_3_VERSION is the only one with which the session can be used. */
export function SSL_SESSION_set_protocol_version(session: SSL_SESSION | null, version: number): number {
  expectInteger('version', version);
  const known = sessionOf(session);
  known?.update({ protocolVersion: version });
  return known === undefined ? 0 : 1;
}

/**
 * Server: finds the session of an identity, `null` for none. Asked about each identity of a ClientHello before it is taken for a ticket.
 * The session's reference goes over to the library. Whoever has its key is let in without a certificate.
 */
export function SSL_CTX_set_psk_find_session_callback(ctx: SSL_CTX | null, callback: PskFindCallback | null): void {
  expectCallback('callback', callback);
  const context = contextOf(ctx);
  if (context !== undefined) context.settings.pskFind = callback;
}

/** As {@link SSL_CTX_set_psk_find_session_callback}, for one connection. */
export function SSL_set_psk_find_session_callback(ssl: SSL | null, callback: PskFindCallback | null): void {
  expectCallback('callback', callback);
  const connection = unwrap('ssl', ssl, Ssl);
  if (connection !== undefined) connection.settings.pskFind = callback;
}

/**
 * Client: the session to offer as an external PSK, with its identity, behind a ticket if there is one; `null` for none. Asked once, with
 * `md` null. The session's reference goes over to the library. A server that takes it shows no certificate.
 */
export function SSL_CTX_set_psk_use_session_callback(ctx: SSL_CTX | null, callback: PskUseCallback | null): void {
  expectCallback('callback', callback);
  const context = contextOf(ctx);
  if (context !== undefined) context.settings.pskUse = callback;
}

/** As {@link SSL_CTX_set_psk_use_session_callback}, for one connection. */
export function SSL_set_psk_use_session_callback(ssl: SSL | null, callback: PskUseCallback | null): void {
  expectCallback('callback', callback);
  const connection = unwrap('ssl', ssl, Ssl);
  if (connection !== undefined) connection.settings.pskUse = callback;
}
