/** SSL_*: one connection. */

import { copyOf } from '../bytes/index.ts';
import { expectBytes, expectInteger, expectString, unwrap } from './arguments.ts';
import { bioOf } from './bio.ts';
import { Ssl } from './connection.ts';
import * as c from './constants.ts';
import { contextOf } from './ctx.ts';
import { pushError } from './error-queue.ts';
import { SSL_REASON } from './reasons.ts';
import { sessionOf } from './session.ts';
import type { BIO, SSL, SSL_CTX, SSL_SESSION, X509 } from './types.ts';
import { Certificate } from './x509.ts';

function sslOf(ssl: SSL | null): Ssl | undefined {
  return unwrap('ssl', ssl, Ssl);
}

/** A connection with its context's settings of this moment. `null` for NULL. */
export function SSL_new(ctx: SSL_CTX | null): SSL | null {
  const context = contextOf(ctx);
  if (context !== undefined) return new Ssl(context);
  pushError(c.ERR_R_PASSED_NULL_PARAMETER);
  return null;
}

export function SSL_up_ref(ssl: SSL | null): number {
  const connection = sslOf(ssl);
  if (connection === undefined) return 0;
  connection.references++;
  return 1;
}

/**
 * Gives back a reference. The last one frees the BIOs and, when no close_notify was sent after a finished handshake, spoils the
 * connection's current session: it is not resumed.
 */
export function SSL_free(ssl: SSL | null): void {
  const connection = sslOf(ssl);
  if (connection === undefined || --connection.references !== 0) return;
  connection.reset();
  connection.setSession(undefined);
  setBios(connection, undefined, undefined);
  connection.ctx.release();
  connection.sessionCtx.release();
}

/**
 * Another connection with the settings of this one, its session and its number of tickets; without BIOs. Of a connection that has begun
 * its handshake, the same one with one more reference.
 */
export function SSL_dup(ssl: SSL | null): SSL | null {
  const connection = sslOf(ssl);
  if (connection === undefined) return null;
  if (connection.engine !== undefined) {
    connection.references++;
    return connection;
  }
  const copy = new Ssl(connection.ctx, connection.settings);
  copy.role = connection.role;
  copy.shutdown = connection.shutdown;
  copy.serverName = connection.serverName;
  copy.verifyHost = connection.verifyHost;
  copy.setSession(connection.session);
  for (const [index, data] of connection.exData) copy.exData.set(index, data);
  return copy;
}

/**
 * Takes another context's certificates and callbacks, as a servername callback does; `null`: those of the context it was made with. Number
 * of tickets, options, verification, ticket keys, session cache and its callbacks stay; the session id context follows if it was the old
 * context's.
 */
export function SSL_set_SSL_CTX(ssl: SSL | null, ctx: SSL_CTX | null): SSL_CTX | null {
  const connection = sslOf(ssl);
  const context = contextOf(ctx) ?? connection?.sessionCtx;
  if (connection === undefined || context === undefined) return null;
  connection.changeContext(context);
  return context;
}

/**
 * Makes the connection ready for another handshake over the same BIOs. Its number of tickets stays; tickets asked for are forgotten.
 * From inside a callback of this connection: 0, and nothing happens.
 */
export function SSL_clear(ssl: SSL | null): number {
  const connection = sslOf(ssl);
  if (connection === undefined) return 0;
  if (connection.reset()) return 1;
  pushError(c.ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED);
  return 0;
}

export function SSL_get_SSL_CTX(ssl: SSL | null): SSL_CTX | null {
  return sslOf(ssl)?.ctx ?? null;
}

// ---- BIOs

function setBios(connection: Ssl, rbio: ReturnType<typeof bioOf>, wbio: ReturnType<typeof bioOf>): void {
  const { transport } = connection;
  const { rbio: oldRead, wbio: oldWrite } = transport;
  transport.rbio = rbio;
  transport.wbio = wbio;
  // Each place holds a reference of its own, unless one BIO has both.
  for (const old of new Set([oldRead, oldWrite])) if (old !== rbio && old !== wbio) old?.release();
}

/** Where the connection reads and writes; it owns them from now on. One BIO for both needs one reference only. */
export function SSL_set_bio(ssl: SSL | null, rbio: BIO | null, wbio: BIO | null): void {
  const connection = sslOf(ssl);
  const [read, write] = [bioOf('rbio', rbio), bioOf('wbio', wbio)];
  if (connection !== undefined) setBios(connection, read, write);
}

export function SSL_set0_rbio(ssl: SSL | null, rbio: BIO | null): void {
  const connection = sslOf(ssl);
  const read = bioOf('rbio', rbio);
  if (connection !== undefined) setBios(connection, read, connection.transport.wbio);
}

export function SSL_set0_wbio(ssl: SSL | null, wbio: BIO | null): void {
  const connection = sslOf(ssl);
  const write = bioOf('wbio', wbio);
  if (connection !== undefined) setBios(connection, connection.transport.rbio, write);
}

export function SSL_get_rbio(ssl: SSL | null): BIO | null {
  return sslOf(ssl)?.transport.rbio ?? null;
}

export function SSL_get_wbio(ssl: SSL | null): BIO | null {
  return sslOf(ssl)?.transport.wbio ?? null;
}

// ---- the handshake

function setRole(ssl: SSL | null, role: 'server' | 'client'): Ssl | undefined {
  const connection = sslOf(ssl);
  if (connection === undefined) return undefined;
  if (connection.engine !== undefined && !connection.reset()) return connection;
  connection.role = role;
  return connection;
}

/** This side is the server. */
export function SSL_set_accept_state(ssl: SSL | null): void {
  setRole(ssl, 'server');
}

/** This side is the client. */
export function SSL_set_connect_state(ssl: SSL | null): void {
  setRole(ssl, 'client');
}

/** The handshake of a server: 1 when it is done and its tickets are written, else -1 and SSL_get_error. */
export function SSL_accept(ssl: SSL | null): number {
  const connection = sslOf(ssl);
  if (connection?.role === undefined) SSL_set_accept_state(ssl);
  return connection?.handshake() ?? -1;
}

/** The handshake of a client. */
export function SSL_connect(ssl: SSL | null): number {
  const connection = sslOf(ssl);
  if (connection?.role === undefined) SSL_set_connect_state(ssl);
  return connection?.handshake() ?? -1;
}

/** The handshake, and after it whatever is queued: requested tickets, a KeyUpdate. */
export function SSL_do_handshake(ssl: SSL | null): number {
  return sslOf(ssl)?.handshake() ?? -1;
}

/** 1 during the handshake, and while requested tickets or a KeyUpdate wait to be sent. */
export function SSL_in_init(ssl: SSL | null): number {
  return sslOf(ssl)?.inInit ? 1 : 0;
}

export function SSL_is_init_finished(ssl: SSL | null): number {
  const connection = sslOf(ssl);
  return connection === undefined || connection.inInit ? 0 : 1;
}

export function SSL_is_server(ssl: SSL | null): number {
  return sslOf(ssl)?.isServer ? 1 : 0;
}

export function SSL_version(ssl: SSL | null): number {
  return sslOf(ssl) === undefined ? 0 : c.TLS1_3_VERSION;
}

export function SSL_get_version(ssl: SSL | null): string {
  return sslOf(ssl) === undefined ? 'unknown' : 'TLSv1.3';
}

/** Asks for a KeyUpdate of ours, and with SSL_KEY_UPDATE_REQUESTED one of the peer. It goes out like a requested ticket. */
export function SSL_key_update(ssl: SSL | null, type: number): number {
  expectInteger('type', type);
  return sslOf(ssl)?.requestKeyUpdate(type) ? 1 : 0;
}

/** What {@link SSL_key_update} queued and was not sent yet, or SSL_KEY_UPDATE_NONE. */
export function SSL_get_key_update_type(ssl: SSL | null): number {
  return sslOf(ssl)?.keyUpdate ?? c.SSL_KEY_UPDATE_NONE;
}

// ---- data

/** Bytes read; 0 after the peer's close_notify; -1: see SSL_get_error. */
export function SSL_read(ssl: SSL | null, into: Uint8Array): number {
  expectBytes('into', into);
  return sslOf(ssl)?.read(into, false) ?? -1;
}

export function SSL_read_ex(ssl: SSL | null, into: Uint8Array): { ret: number; readbytes: number } {
  return withCount(SSL_read(ssl, into));
}

/** As SSL_read, but what is read can be read again. */
export function SSL_peek(ssl: SSL | null, into: Uint8Array): number {
  expectBytes('into', into);
  return sslOf(ssl)?.read(into, true) ?? -1;
}

export function SSL_peek_ex(ssl: SSL | null, into: Uint8Array): { ret: number; readbytes: number } {
  return withCount(SSL_peek(ssl, into));
}

function withCount(result: number): { ret: number; readbytes: number } {
  return result > 0 ? { ret: 1, readbytes: result } : { ret: 0, readbytes: 0 };
}

/** Bytes written, all or (SSL_MODE_ENABLE_PARTIAL_WRITE) some; requested tickets go first. -1: see SSL_get_error, and repeat. */
export function SSL_write(ssl: SSL | null, data: Uint8Array): number {
  expectBytes('data', data);
  return sslOf(ssl)?.write(data) ?? -1;
}

export function SSL_write_ex(ssl: SSL | null, data: Uint8Array): { ret: number; written: number } {
  const result = SSL_write(ssl, data);
  return result < 0 ? { ret: 0, written: 0 } : { ret: 1, written: result };
}

/** Bytes that SSL_read gives without touching the BIO. */
export function SSL_pending(ssl: SSL | null): number {
  return sslOf(ssl)?.pending ?? 0;
}

/** 1 when there are such bytes, or part of a record has been read. */
export function SSL_has_pending(ssl: SSL | null): number {
  return sslOf(ssl)?.hasPending ? 1 : 0;
}

/** Closes: 0 when our close_notify is sent, 1 when the peer's has come too, -1: see SSL_get_error. */
export function SSL_shutdown(ssl: SSL | null): number {
  return sslOf(ssl)?.close() ?? -1;
}

/** SSL_SENT_SHUTDOWN and SSL_RECEIVED_SHUTDOWN. */
export function SSL_get_shutdown(ssl: SSL | null): number {
  return sslOf(ssl)?.shutdown ?? 0;
}

export function SSL_set_shutdown(ssl: SSL | null, mode: number): void {
  expectInteger('mode', mode);
  const connection = sslOf(ssl);
  if (connection !== undefined) connection.shutdown |= mode;
}

/** Why the last call, which returned `ret`, did not succeed. */
export function SSL_get_error(ssl: SSL | null, ret: number): number {
  expectInteger('ret', ret);
  if (ret > 0) return c.SSL_ERROR_NONE;
  const connection = sslOf(ssl);
  if (connection === undefined || connection.cause === 'ssl') return c.SSL_ERROR_SSL;
  if (connection.cause === 'syscall') return c.SSL_ERROR_SYSCALL;
  if (connection.want === c.SSL_READING) return c.SSL_ERROR_WANT_READ;
  if (connection.want === c.SSL_WRITING) return c.SSL_ERROR_WANT_WRITE;
  if (connection.want === c.SSL_ASYNC_PAUSED) return c.SSL_ERROR_WANT_ASYNC;
  if (connection.want === c.SSL_X509_LOOKUP) return c.SSL_ERROR_WANT_X509_LOOKUP;
  if (connection.want === c.SSL_CLIENT_HELLO_CB) return c.SSL_ERROR_WANT_CLIENT_HELLO_CB;
  return connection.shutdown & c.SSL_RECEIVED_SHUTDOWN ? c.SSL_ERROR_ZERO_RETURN : c.SSL_ERROR_SYSCALL;
}

/** What the last call waits for: SSL_NOTHING, SSL_READING, SSL_WRITING, SSL_ASYNC_PAUSED, SSL_X509_LOOKUP or SSL_CLIENT_HELLO_CB. */
export function SSL_want(ssl: SSL | null): number {
  return sslOf(ssl)?.want ?? c.SSL_NOTHING;
}

// ---- the session

/** 1 also for an external PSK. */
export function SSL_session_reused(ssl: SSL | null): number {
  const info = sslOf(ssl)?.info;
  return info?.resumed || info?.pskIdentity ? 1 : 0;
}

/** The connection's session: on a server that of the ticket issued last, on a client that of the ticket that came last. */
export function SSL_get_session(ssl: SSL | null): SSL_SESSION | null {
  return sslOf(ssl)?.session ?? null;
}

export function SSL_get0_session(ssl: SSL | null): SSL_SESSION | null {
  return SSL_get_session(ssl);
}

/** The same with a reference of its own. */
export function SSL_get1_session(ssl: SSL | null): SSL_SESSION | null {
  const session = sslOf(ssl)?.session;
  if (session === undefined) return null;
  session.references++;
  return session;
}

/** Client: the session to offer, if it is resumable; `null` for none. Before the handshake. */
export function SSL_set_session(ssl: SSL | null, session: SSL_SESSION | null): number {
  const connection = sslOf(ssl);
  const known = sessionOf(session);
  if (connection === undefined) return 0;
  if (connection.session !== known) connection.spoilSession();
  connection.setSession(known);
  if (known !== undefined) connection.verifyResult = known.fields.verifyResult;
  return 1;
}

// ---- the peer

/** X509_V_OK or why the peer's certificate is not good; known also when SSL_VERIFY_NONE let it pass. */
export function SSL_get_verify_result(ssl: SSL | null): number {
  return sslOf(ssl)?.verifyResult ?? c.X509_V_ERR_UNSPECIFIED;
}

/** The peer's certificate, also of a session that was resumed; `null` when it showed none. */
export function SSL_get1_peer_certificate(ssl: SSL | null): X509 | null {
  const leaf = sslOf(ssl)?.info?.peer.chain[0];
  return leaf === undefined ? null : new Certificate(leaf);
}

export function SSL_get0_peer_certificate(ssl: SSL | null): X509 | null {
  return SSL_get1_peer_certificate(ssl);
}

/** The peer's certificates, leaf first; `null` when it showed none. */
export function SSL_get_peer_cert_chain(ssl: SSL | null): X509[] | null {
  const chain = sslOf(ssl)?.info?.peer.chain ?? [];
  return chain.length === 0 ? null : chain.map((der) => new Certificate(der));
}

/** Client: the DNS name or IP address that the server's certificate must be for. */
export function SSL_set1_host(ssl: SSL | null, name: string | null): number {
  if (name !== null) expectString('name', name);
  const connection = sslOf(ssl);
  if (connection === undefined) return 0;
  connection.verifyHost = name || undefined;
  return 1;
}

/** Client: the server_name to send, which is not checked against the certificate by itself. */
export function SSL_set_tlsext_host_name(ssl: SSL | null, name: string | null): number {
  if (name !== null) expectString('name', name);
  const connection = sslOf(ssl);
  if (connection === undefined) return 0;
  // What is no host name cannot be sent: an internationalized one is xn--…
  const isName = name !== null && name !== '.' && /^[!-~]{1,255}$/.test(name);
  connection.serverName = isName ? name : undefined;
  if (isName || name === null) return 1;
  pushError(SSL_REASON.SSL3_EXT_INVALID_SERVERNAME);
  return 0;
}

/** The server_name of the connection: TLSEXT_NAMETYPE_host_name is the only type. */
export function SSL_get_servername(ssl: SSL | null, type: number): string | null {
  expectInteger('type', type);
  const connection = sslOf(ssl);
  if (connection === undefined || type !== c.TLSEXT_NAMETYPE_host_name) return null;
  return connection.info?.serverName ?? connection.serverName ?? null;
}

/** The application protocol, `null` without one. */
export function SSL_get0_alpn_selected(ssl: SSL | null): Uint8Array | null {
  const alpn = sslOf(ssl)?.info?.alpn;
  return alpn === undefined ? null : Uint8Array.from(Buffer.from(alpn, 'latin1'));
}

/** Keying material for `label` and `context` (RFC 9846, section 7.5). */
export function SSL_export_keying_material(
  ssl: SSL | null,
  outLength: number,
  label: string,
  context: Uint8Array | null,
): { ret: number; out: Uint8Array } {
  expectInteger('outLength', outLength);
  expectString('label', label);
  if (context !== null) expectBytes('context', context);
  const connection = sslOf(ssl);
  const nothing = { ret: 0, out: new Uint8Array(0) };
  if (connection?.info === undefined) return nothing;
  try {
    return {
      ret: 1,
      out: connection.engine!.exportKeyingMaterial(outLength, label, context ? copyOf(context) : undefined),
    };
  } catch {
    pushError(SSL_REASON.UNINITIALIZED);
    return nothing;
  }
}

// ---- application data of the program

let nextIndex = 1;

/** An index for SSL_set_ex_data that nobody else has. 0 is for the application. */
export function SSL_get_ex_new_index(): number {
  return nextIndex++;
}

export function SSL_set_ex_data(ssl: SSL | null, index: number, data: unknown): number {
  expectInteger('index', index);
  return sslOf(ssl)?.exData.set(index, data) === undefined ? 0 : 1;
}

export function SSL_get_ex_data(ssl: SSL | null, index: number): unknown {
  expectInteger('index', index);
  return sslOf(ssl)?.exData.get(index) ?? null;
}

export function SSL_set_app_data(ssl: SSL | null, data: unknown): number {
  return SSL_set_ex_data(ssl, 0, data);
}

export function SSL_get_app_data(ssl: SSL | null): unknown {
  return SSL_get_ex_data(ssl, 0);
}
