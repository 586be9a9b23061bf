/** Client authentication after the handshake, against the system's libssl and against ours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as ossl from '../../../src/openssl/index.ts';
import { compare } from './compare.ts';
import { postHandshake } from './scenarios/post-handshake.ts';
import { World } from './support.ts';

compare(postHandshake);

test('a request in the middle of a write leaves with its repetition', () => {
  const world = new World();
  ossl.SSL_CTX_set_post_handshake_auth(world.clientCtx, 1);
  ossl.SSL_CTX_set_verify(world.serverCtx, ossl.SSL_VERIFY_PEER | ossl.SSL_VERIFY_POST_HANDSHAKE, null);
  ossl.SSL_CTX_set_session_id_context(world.serverCtx, Buffer.from('x'));
  const { server, client } = world.connect(null, () => {}, 1_000);
  const data = new Uint8Array(40_000).fill(7);
  assert.equal(ossl.SSL_write(server, data), -1);
  assert.equal(ossl.SSL_verify_client_post_handshake(server), 1);
  const into = new Uint8Array(50_000);
  let received = 0;
  let written = -1;
  for (let round = 0; round < 500 && received < data.length; round++) {
    received += Math.max(0, ossl.SSL_read(client, into));
    if (written < 0) written = ossl.SSL_write(server, data);
    else ossl.SSL_do_handshake(server);
  }
  assert.deepEqual([written, received], [data.length, data.length]);
  const tickets = world.received(() => {
    for (let round = 0; round < 20; round++) {
      ossl.SSL_read(client, into);
      ossl.SSL_read(server, into);
    }
  });
  assert.equal(tickets, 2);
  assert.equal(ossl.SSL_in_init(server), 0);
});

test('NULL and arguments of the wrong type', () => {
  assert.equal(ossl.SSL_verify_client_post_handshake(null), 0);
  ossl.SSL_set_post_handshake_auth(null, 1);
  assert.throws(() => ossl.SSL_set_post_handshake_auth(null, true as never), /val must be an integer/);
});
