import assert from 'node:assert/strict';
import * as ossl from '../../../src/openssl/index.ts';
import { makeIdentity, type TestIdentity } from '../../support/certificates.ts';

export const identity: TestIdentity = await makeIdentity();

/** What a function gave, which must not be NULL. */
export function must<T>(value: T | null): T {
  assert.notEqual(value, null);
  return value as T;
}

export function serverContext(who: TestIdentity = identity): ossl.SSL_CTX {
  const ctx = must(ossl.SSL_CTX_new(ossl.TLS_server_method()));
  assert.equal(ossl.SSL_CTX_use_certificate(ctx, certificateOf(who)), 1);
  const key = ossl.PEM_read_bio_PrivateKey(ossl.BIO_new_mem_buf(Buffer.from(who.keyPem)));
  assert.equal(ossl.SSL_CTX_use_PrivateKey(ctx, key), 1);
  return ctx;
}

export function certificateOf(who: TestIdentity): ossl.X509 {
  return must(ossl.PEM_read_bio_X509(ossl.BIO_new_mem_buf(Buffer.from(who.certificatePem))));
}

/** A client context that trusts `identity`. */
export function clientContext(): ossl.SSL_CTX {
  const ctx = must(ossl.SSL_CTX_new(ossl.TLS_client_method()));
  assert.equal(ossl.X509_STORE_add_cert(ossl.SSL_CTX_get_cert_store(ctx), certificateOf(identity)), 1);
  ossl.SSL_CTX_set_verify(ctx, ossl.SSL_VERIFY_PEER, null);
  ossl.SSL_CTX_set_session_cache_mode(ctx, ossl.SSL_SESS_CACHE_CLIENT | ossl.SSL_SESS_CACHE_NO_INTERNAL);
  return ctx;
}

export interface Pair {
  readonly server: ossl.SSL;
  readonly client: ossl.SSL;
}

/** A connection not yet begun, over a pair with room for `size` bytes each way (0: 17 KiB). */
export function newPair(serverCtx: ossl.SSL_CTX, clientCtx: ossl.SSL_CTX, size = 0): Pair {
  const server = must(ossl.SSL_new(serverCtx));
  const client = must(ossl.SSL_new(clientCtx));
  const { ret, bio1, bio2 } = ossl.BIO_new_bio_pair(size, size);
  assert.equal(ret, 1);
  ossl.SSL_set_bio(server, bio1, bio1);
  ossl.SSL_set_bio(client, bio2, bio2);
  ossl.SSL_set_accept_state(server);
  ossl.SSL_set_connect_state(client);
  return { server, client };
}

/** Both handshakes, in turns; then the client reads whatever tickets there are. */
export function shakeHands(pair: Pair): Pair {
  for (let round = 0; round < 2_000; round++) {
    const client = step(pair.client, ossl.SSL_do_handshake(pair.client));
    const server = step(pair.server, ossl.SSL_do_handshake(pair.server));
    if (client) readNothing(pair.client);
    if (client && server) return pair;
  }
  assert.fail('the handshake does not come to an end');
}

function step(ssl: ossl.SSL, ret: number): boolean {
  if (ret === 1) return true;
  const error = ossl.SSL_get_error(ssl, ret);
  assert.ok(
    error === ossl.SSL_ERROR_WANT_READ || error === ossl.SSL_ERROR_WANT_WRITE,
    `${error}: ${ossl.ERR_error_string(ossl.ERR_get_error())}`,
  );
  return false;
}

/** Reads where no application data is: tickets are taken on the way. */
export function readNothing(ssl: ossl.SSL): void {
  const ret = ossl.SSL_read(ssl, new Uint8Array(100));
  assert.equal(ret, -1);
  assert.equal(ossl.SSL_get_error(ssl, ret), ossl.SSL_ERROR_WANT_READ);
}

/** A world that counts: tickets the server's callback saw, and sessions the client's callback got. */
export class World {
  readonly serverCtx: ossl.SSL_CTX;
  readonly clientCtx: ossl.SSL_CTX;
  issued = 0;
  readonly sessions: ossl.SSL_SESSION[] = [];

  constructor(who: TestIdentity = identity) {
    this.serverCtx = serverContext(who);
    this.clientCtx = clientContext();
    ossl.SSL_CTX_sess_set_new_cb(this.serverCtx, () => {
      this.issued++;
      return 0;
    });
    ossl.SSL_CTX_sess_set_new_cb(this.clientCtx, (_ssl, session) => {
      this.sessions.push(session);
      return 1;
    });
  }

  /** A connection after its handshake, offering `session`. */
  connect(session: ossl.SSL_SESSION | null = null, prepare: (pair: Pair) => void = () => {}, size = 0): Pair {
    const pair = newPair(this.serverCtx, this.clientCtx, size);
    if (session !== null) assert.equal(ossl.SSL_set_session(pair.client, session), 1);
    prepare(pair);
    return shakeHands(pair);
  }

  /** How many tickets reached the client while `run` ran. */
  received(run: () => void): number {
    const before = this.sessions.length;
    run();
    return this.sessions.length - before;
  }
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

/** Carries `message` from one side to the other. */
export function deliver(from: ossl.SSL, to: ossl.SSL, message: string): void {
  assert.equal(ossl.SSL_write(from, Buffer.from(message)), Buffer.byteLength(message));
  const into = new Uint8Array(1_000);
  const count = ossl.SSL_read(to, into);
  assert.equal(text(into.subarray(0, Math.max(count, 0))), message);
}

/** The texts of all errors in the queue, oldest first; it is empty afterwards. */
export function errors(): (string | null)[] {
  const texts: (string | null)[] = [];
  for (let code = ossl.ERR_get_error(); code !== 0; code = ossl.ERR_get_error()) {
    texts.push(ossl.ERR_reason_error_string(code));
  }
  return texts;
}
