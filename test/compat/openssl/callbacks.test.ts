/** Callbacks of ours where libssl cannot be asked: what they throw, and what they wait for. */
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import * as o from '../../../src/openssl/index.ts';
import { certificateOf, deliver, errors, identity, must, newPair, type Pair, readNothing, World } from './support.ts';

beforeEach(() => o.ERR_clear_error());

/** Turns of both sides, with time for promises between them. Whether both are done. */
async function turns({ server, client }: Pair): Promise<boolean> {
  for (let turn = 0; turn < 20; turn++) {
    const done = [client, server].map((ssl) => o.SSL_do_handshake(ssl) === 1);
    if (done.every(Boolean)) return true;
    await new Promise(setImmediate);
  }
  return false;
}

describe('a certificate callback that waits', () => {
  test('on a server', async () => {
    const world = new World();
    let asked = 0;
    o.SSL_CTX_set_cert_cb(world.serverCtx, () => (++asked < 3 ? -1 : 1));
    const pair = newPair(world.serverCtx, world.clientCtx);
    o.SSL_do_handshake(pair.client);
    const ret = o.SSL_do_handshake(pair.server);
    assert.deepEqual([ret, o.SSL_get_error(pair.server, ret), asked], [-1, o.SSL_ERROR_WANT_X509_LOOKUP, 1]);
    assert.equal(await turns(pair), true);
    assert.equal(asked, 3);
    deliver(pair.server, pair.client, 'hello');
  });

  test('and refuses then', async () => {
    const world = new World();
    let asked = 0;
    o.SSL_CTX_set_cert_cb(world.serverCtx, () => (++asked < 2 ? -1 : 0));
    const pair = newPair(world.serverCtx, world.clientCtx);
    assert.equal(await turns(pair), false);
    assert.deepEqual(errors().slice(0, 2), ['cert cb error', 'tlsv1 alert internal error']);
  });

  test('on a client brings its certificate', async () => {
    const world = new World();
    o.SSL_CTX_set_session_id_context(world.serverCtx, Buffer.from('app'));
    o.SSL_CTX_set_verify(world.serverCtx, o.SSL_VERIFY_PEER | o.SSL_VERIFY_FAIL_IF_NO_PEER_CERT, null);
    o.X509_STORE_add_cert(o.SSL_CTX_get_cert_store(world.serverCtx), certificateOf(identity));
    let asked = 0;
    o.SSL_CTX_set_cert_cb(world.clientCtx, (ssl) => {
      if (++asked < 2) return -1;
      const key = o.PEM_read_bio_PrivateKey(o.BIO_new_mem_buf(Buffer.from(identity.keyPem)));
      return o.SSL_use_certificate(ssl, certificateOf(identity)) && o.SSL_use_PrivateKey(ssl, key);
    });
    const pair = newPair(world.serverCtx, world.clientCtx);
    assert.equal(await turns(pair), true);
    assert.deepEqual(o.i2d_X509(o.SSL_get1_peer_certificate(pair.server)), o.i2d_X509(certificateOf(identity)));
  });
});

describe('what a callback throws comes out of the function that called back', () => {
  const refusals: readonly [string, (ctx: o.SSL_CTX, fail: () => never) => void][] = [
    ['ClientHello', (ctx, fail) => o.SSL_CTX_set_client_hello_cb(ctx, fail)],
    ['servername', (ctx, fail) => void o.SSL_CTX_set_tlsext_servername_callback(ctx, fail)],
    ['certificate', (ctx, fail) => o.SSL_CTX_set_cert_cb(ctx, fail)],
    ['generate ticket', (ctx, fail) => void o.SSL_CTX_set_session_ticket_cb(ctx, fail, null)],
    ['ticket key', (ctx, fail) => void o.SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, fail)],
  ];
  for (const [name, set] of refusals) {
    test(`${name}: and the connection ends`, () => {
      const world = new World();
      set(world.serverCtx, () => {
        throw new Error('from the callback');
      });
      const { server, client } = newPair(world.serverCtx, world.clientCtx);
      assert.throws(() => {
        for (let i = 0; i < 5; i++) {
          o.SSL_do_handshake(client);
          o.SSL_do_handshake(server);
        }
      }, /from the callback/);
      assert.equal(o.SSL_get_error(server, o.SSL_do_handshake(server)), o.SSL_ERROR_SSL);
    });
  }

  test('remove: and the connection goes on', () => {
    const world = new World();
    o.SSL_CTX_set_options(world.serverCtx, o.SSL_OP_NO_TICKET);
    o.SSL_CTX_sess_set_cache_size(world.serverCtx, 1);
    const { server, client } = world.connect();
    o.SSL_CTX_sess_set_remove_cb(world.serverCtx, () => {
      throw new Error('from the callback');
    });
    o.SSL_new_session_ticket(server);
    assert.throws(() => o.SSL_do_handshake(server), /from the callback/);
    o.SSL_CTX_sess_set_remove_cb(world.serverCtx, null);
    assert.equal(o.SSL_do_handshake(server), 1);
    assert.equal(
      world.received(() => readNothing(client)),
      1,
    );
    deliver(server, client, 'hello');
  });
});

test('a ticket under a key callback that was changed in any byte is unknown', () => {
  const world = new World();
  const { serverCtx } = world;
  const [aesKey, macKey] = [Buffer.alloc(32, 'aes key'), Buffer.alloc(32, 'mac key')];
  o.SSL_CTX_set_tlsext_ticket_key_evp_cb(serverCtx, (_ssl, _name, iv, cipherCtx, macCtx, enc) => {
    o.EVP_CipherInit_ex(cipherCtx, o.EVP_aes_256_cbc(), null, aesKey, iv, enc);
    return o.EVP_MAC_CTX_set_params(macCtx, { key: macKey, digest: 'SHA256' });
  });
  world.connect();
  const good = must(o.i2d_SSL_SESSION(world.sessions[0]!));
  const ticket = must(o.SSL_SESSION_get0_ticket(world.sessions[0]!));
  const start = Buffer.from(good).indexOf(ticket);
  for (let at = 0; at < ticket.length; at += 7) {
    const changed = Uint8Array.from(good);
    changed[start + at]! ^= 1;
    const session = must(o.d2i_SSL_SESSION(changed));
    assert.equal(o.SSL_session_reused(world.connect(session).server), 0, `byte ${at}`);
  }
  assert.equal(o.SSL_session_reused(world.connect(o.d2i_SSL_SESSION(good)).server), 1);
});

test('a key callback that sets no key ends the connection instead of sealing under none', () => {
  const world = new World();
  o.SSL_CTX_set_tlsext_ticket_key_evp_cb(world.serverCtx, () => 1);
  const { server, client } = newPair(world.serverCtx, world.clientCtx);
  for (let i = 0; i < 3; i++) {
    o.SSL_do_handshake(client);
    o.SSL_do_handshake(server);
  }
  assert.deepEqual(errors().slice(0, 1), ['callback failed']);
  assert.equal(world.sessions.length, 0);
});

test('a ClientHello in records of one byte is shown once, whole', () => {
  const world = new World();
  const seen: unknown[] = [];
  o.SSL_CTX_set_client_hello_cb(world.serverCtx, (ssl) => {
    seen.push(o.SSL_client_hello_get0_random(ssl)?.length);
    return seen.length < 2 ? o.SSL_CLIENT_HELLO_RETRY : o.SSL_CLIENT_HELLO_SUCCESS;
  });
  const { server, client } = newPair(world.serverCtx, world.clientCtx);
  o.SSL_do_handshake(client);
  const bio = must(o.SSL_get_rbio(server));
  const wire = new Uint8Array(o.BIO_ctrl_pending(bio));
  o.BIO_read(bio, wire);
  const pieces = o.BIO_new(o.BIO_s_mem());
  for (const byte of wire.subarray(5)) o.BIO_write(pieces, Uint8Array.of(22, 3, 1, 0, 1, byte));
  o.SSL_set_bio(server, pieces, o.BIO_new(o.BIO_s_mem()));
  const first = o.SSL_do_handshake(server);
  assert.deepEqual([first, o.SSL_get_error(server, first)], [-1, o.SSL_ERROR_WANT_CLIENT_HELLO_CB]);
  const second = o.SSL_do_handshake(server);
  assert.deepEqual([second, o.SSL_get_error(server, second), seen], [-1, o.SSL_ERROR_WANT_READ, [32, 32]]);
  assert.ok(o.BIO_ctrl_pending(o.SSL_get_wbio(server)) > 500); // its flight
});
