/** External PSKs, against the system's libssl and against ours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as ossl from '../../../src/openssl/index.ts';
import { compare } from './compare.ts';
import { psk } from './scenarios/psk.ts';
import { errors, must, newPair, World } from './support.ts';

compare(psk);

function pskSession(key: Uint8Array): ossl.SSL_SESSION {
  const session = must(ossl.SSL_SESSION_new());
  ossl.SSL_SESSION_set1_master_key(session, key);
  ossl.SSL_SESSION_set_cipher(session, ossl.SSL_CIPHER_find(null, Uint8Array.of(0x13, 1)));
  ossl.SSL_SESSION_set_protocol_version(session, ossl.TLS1_3_VERSION);
  return session;
}

test('a key short enough to be guessed is not used', () => {
  const world = new World();
  ossl.SSL_CTX_set_psk_use_session_callback(world.clientCtx, () => ({
    id: Buffer.from('me'),
    sess: pskSession(new Uint8Array(15).fill(1)),
  }));
  const { client } = newPair(world.serverCtx, world.clientCtx);
  ossl.ERR_clear_error();
  assert.equal(ossl.SSL_connect(client), -1);
  assert.deepEqual(errors(), ['bad psk']);
  assert.equal(ossl.SSL_connect(client), -1);
});

test('the key of a session that was given back is gone, and is no key of zeros', () => {
  const world = new World();
  const known = pskSession(new Uint8Array(32).fill(1));
  ossl.SSL_CTX_set_psk_find_session_callback(world.serverCtx, () => known);
  ossl.SSL_CTX_set_psk_use_session_callback(world.clientCtx, () => ({
    id: Buffer.from('me'),
    sess: pskSession(new Uint8Array(32).fill(1)),
  }));
  const first = world.connect();
  assert.equal(ossl.SSL_session_reused(first.server), 1);
  ossl.SSL_CTX_set_psk_use_session_callback(world.clientCtx, () => ({
    id: Buffer.from('me'),
    sess: pskSession(new Uint8Array(32)),
  }));
  const second = world.connect();
  assert.equal(ossl.SSL_session_reused(second.server), 0);
});

test('what the use callback throws comes out of SSL_connect, and I/O inside it is refused', () => {
  const world = new World();
  const inside: number[] = [];
  ossl.SSL_CTX_set_psk_use_session_callback(world.clientCtx, (ssl) => {
    inside.push(ossl.SSL_connect(ssl));
    throw new Error('no key today');
  });
  const { client } = newPair(world.serverCtx, world.clientCtx);
  assert.throws(() => ossl.SSL_connect(client), /no key today/);
  assert.deepEqual(inside, [-1]);
});
