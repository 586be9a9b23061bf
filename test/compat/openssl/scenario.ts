/** What the scenario programs share. They see a library through its functions only, so that the real libssl can be in its place. */
import assert from 'node:assert/strict';
import {
  type SSL,
  type SSL_CTX,
  SSL_ERROR_SSL,
  SSL_ERROR_SYSCALL,
  SSL_ERROR_WANT_ASYNC,
  SSL_ERROR_WANT_READ,
  SSL_ERROR_WANT_WRITE,
  SSL_ERROR_ZERO_RETURN,
  SSL_SESS_CACHE_CLIENT,
  SSL_SESS_CACHE_NO_INTERNAL,
  type SSL_SESSION,
} from '../../../src/openssl/index.ts';
import { makeIdentity, type TestIdentity } from '../../support/certificates.ts';
import type { Api } from './libssl.ts';

export type { Api } from './libssl.ts';
export type Ssl = SSL;
export type Ctx = SSL_CTX;
export type Session = SSL_SESSION;

/** What a program saw, in order. Compared as JSON. */
export type Log = readonly unknown[];

export interface Scenario {
  readonly name: string;
  /** The same program for either library. */
  run(api: Api): Log;
  /** When the libraries differ on purpose: the row of docs/openssl-compat.md that says so, and what each of them does. */
  readonly differs?: {
    /** Words of the row's first column. */
    readonly row: string;
    readonly ours: Log;
    /** One for each release that behaves in its own way. */
    readonly libssl: readonly Log[];
    /** Newer releases do as we do. */
    readonly endsWithRelease?: boolean;
  };
  /** What other releases do, where the reference and ours agree. */
  readonly olderReleases?: readonly Log[];
}

export const identity: TestIdentity = await makeIdentity();
/** Another certificate, for a client or a second name. */
export const otherIdentity: TestIdentity = await makeIdentity('p384', ['other.example']);

const ERROR_NAMES: Readonly<Record<number, string>> = {
  [SSL_ERROR_SSL]: 'SSL',
  [SSL_ERROR_WANT_READ]: 'WANT_READ',
  [SSL_ERROR_WANT_WRITE]: 'WANT_WRITE',
  [SSL_ERROR_SYSCALL]: 'SYSCALL',
  [SSL_ERROR_ZERO_RETURN]: 'ZERO_RETURN',
  [SSL_ERROR_WANT_ASYNC]: 'WANT_ASYNC',
};
const FIRST_ALERT_REASON = 1_000;

/** The queue's oldest reason, which is the one that counts; the queue is empty afterwards. Alerts by number: their texts changed. */
export function reason(api: Api): string | null {
  const code = api.ERR_get_error();
  api.ERR_clear_error();
  if (code === 0) return null;
  const number = api.ERR_GET_REASON(code);
  return number >= FIRST_ALERT_REASON && number < FIRST_ALERT_REASON + 256
    ? `alert ${number - FIRST_ALERT_REASON}`
    : api.ERR_reason_error_string(code);
}

/** Calls, and says what came back and why. */
export function outcome(api: Api, ssl: Ssl, call: () => number): unknown {
  api.ERR_clear_error();
  const ret = call();
  if (ret > 0) return ret;
  const error = api.SSL_get_error(ssl, ret);
  const why = reason(api);
  return [ret, ERROR_NAMES[error] ?? error, ...(why === null ? [] : [why])];
}

/** What a function gave, which must not be NULL. */
export function must<T>(value: T | null): T {
  assert.notEqual(value, null);
  return value as T;
}

export function useIdentity(api: Api, ctx: Ctx, who: TestIdentity): void {
  const certificate = api.PEM_read_bio_X509(api.BIO_new_mem_buf(Buffer.from(who.certificatePem)));
  const key = api.PEM_read_bio_PrivateKey(api.BIO_new_mem_buf(Buffer.from(who.keyPem)));
  assert.deepEqual([api.SSL_CTX_use_certificate(ctx, certificate), api.SSL_CTX_use_PrivateKey(ctx, key)], [1, 1]);
}

export function trust(api: Api, ctx: Ctx, who: TestIdentity): void {
  const certificate = api.PEM_read_bio_X509(api.BIO_new_mem_buf(Buffer.from(who.certificatePem)));
  assert.equal(api.X509_STORE_add_cert(api.SSL_CTX_get_cert_store(ctx), certificate), 1);
}

export function serverContext(api: Api, who: TestIdentity = identity): Ctx {
  const ctx = must(api.SSL_CTX_new(api.TLS_server_method()));
  useIdentity(api, ctx, who);
  return ctx;
}

export interface Pair {
  readonly server: Ssl;
  readonly client: Ssl;
}

/** A client's and a server's context, and how many tickets were generated and arrived. */
export class World {
  readonly api: Api;
  readonly serverCtx: Ctx;
  readonly clientCtx: Ctx;
  /** What the server's new-session callback counted. */
  generated = 0;
  /** What the client's new-session callback got. */
  readonly sessions: Session[] = [];

  constructor(api: Api, options: { readonly count?: boolean } = {}) {
    this.api = api;
    this.serverCtx = serverContext(api);
    this.clientCtx = must(api.SSL_CTX_new(api.TLS_client_method()));
    assert.equal(api.SSL_CTX_set_min_proto_version(this.clientCtx, 0x0304), 1);
    api.SSL_CTX_set_session_cache_mode(this.clientCtx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    api.SSL_CTX_sess_set_new_cb(this.clientCtx, (_ssl, session) => {
      this.sessions.push(session);
      return 1;
    });
    if (options.count !== false) {
      api.SSL_CTX_sess_set_new_cb(this.serverCtx, () => {
        this.generated++;
        return 0;
      });
    }
  }

  /** A connection not yet begun, over a pair with room for `size` bytes each way (0: 17 KiB). */
  pair(size: number = 0, serverCtx: Ctx = this.serverCtx, clientCtx: Ctx = this.clientCtx): Pair {
    const { api } = this;
    const server = must(api.SSL_new(serverCtx));
    const client = must(api.SSL_new(clientCtx));
    const { bio1, bio2 } = api.BIO_new_bio_pair(size, size);
    api.SSL_set_bio(server, bio1, bio1);
    api.SSL_set_bio(client, bio2, bio2);
    api.SSL_set_accept_state(server);
    api.SSL_set_connect_state(client);
    return { server, client };
  }

  /** A connection after its handshake, the client having read its tickets. */
  connect(options: { session?: Session | null; prepare?: (pair: Pair) => void; size?: number } = {}): Pair {
    const pair = this.pair(options.size);
    if (options.session) assert.equal(this.api.SSL_set_session(pair.client, options.session), 1);
    options.prepare?.(pair);
    this.finish(pair);
    return pair;
  }

  /** Both handshakes in turns, until they are done or one failed; then the client reads its tickets. The last outcomes. */
  finish({ server, client }: Pair): { server: unknown; client: unknown } {
    const { api } = this;
    const last: { server: unknown; client: unknown } = { server: null, client: null };
    const failed = (one: unknown): boolean => Array.isArray(one) && one[1] === 'SSL';
    for (let round = 0; round < 100; round++) {
      const clientDone = outcome(api, client, () => api.SSL_do_handshake(client));
      const serverDone = outcome(api, server, () => api.SSL_do_handshake(server));
      // Only the first failure tells the reason.
      if (!failed(last.client)) last.client = clientDone;
      if (!failed(last.server)) last.server = serverDone;
      if (clientDone === 1) this.readNothing(client);
      if (clientDone === 1 && serverDone === 1) break;
      if (round > 10 && (failed(last.server) || failed(last.client))) break;
    }
    return last;
  }

  /** Reads where no application data is: tickets are taken on the way. */
  readNothing(ssl: Ssl): unknown {
    return outcome(this.api, ssl, () => this.api.SSL_read(ssl, Buffer.alloc(100)));
  }

  /** How many tickets reached the client while `run` ran. */
  received(run: () => void): number {
    const before = this.sessions.length;
    run();
    return this.sessions.length - before;
  }

  /** Connects with `session`: whether it was resumed, on both sides, and how many tickets came. */
  resume(session: Session | null | undefined, prepare?: (pair: Pair) => void): unknown {
    let pair: Pair | undefined;
    const tickets = this.received(() => {
      pair = this.connect({ session: session ?? null, ...(prepare && { prepare }) });
    });
    const { server, client } = pair!;
    this.close(pair!);
    return { reused: [this.api.SSL_session_reused(server), this.api.SSL_session_reused(client)], tickets };
  }

  /** Closes both sides, so that no session is spoilt. */
  close({ server, client }: Pair): void {
    this.api.SSL_shutdown(client);
    this.api.SSL_shutdown(server);
    this.api.ERR_clear_error();
  }

  /** Sends `text` and says what the other side got. */
  deliver(from: Ssl, to: Ssl, text: string): unknown {
    const { api } = this;
    const written = outcome(api, from, () => api.SSL_write(from, Buffer.from(text)));
    const into = Buffer.alloc(100);
    const read = outcome(api, to, () => api.SSL_read(to, into));
    return [written, typeof read === 'number' ? into.subarray(0, read).toString() : read];
  }
}

/** Lengths of the records that wait for `ssl`, taken out of its BIO. */
export function recordLengths(api: Api, ssl: Ssl): number[] {
  const bio = api.SSL_get_rbio(ssl);
  const wire = Buffer.alloc(Number(api.BIO_ctrl_pending(bio)));
  if (wire.length > 0) api.BIO_read(bio, wire);
  const lengths: number[] = [];
  for (let at = 0; at < wire.length; at += 5 + lengths.at(-1)!) lengths.push(wire.readUInt16BE(at + 3));
  return lengths;
}

/** 0, 1, … count - 1. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** A remove callback that counts. */
export function countRemoved(api: Api, ctx: Ctx): { count: number } {
  const removed = { count: 0 };
  api.SSL_CTX_sess_set_remove_cb(ctx, () => {
    removed.count++;
  });
  return removed;
}
