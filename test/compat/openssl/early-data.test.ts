/** Early data, against the system's libssl and against ours; then what differs, against ours alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as ossl from '../../../src/openssl/index.ts';
import { compare } from './compare.ts';
import { earlyData } from './scenarios/early-data.ts';
import { errors, newPair, type Pair, readNothing, shakeHands, text, World } from './support.ts';

compare(earlyData);

/** A world whose first connection gave tickets for 100 bytes of early data. */
function earlyWorld(prepare: (pair: Pair) => void = () => {}): World {
  const world = new World();
  assert.equal(ossl.SSL_CTX_set_max_early_data(world.serverCtx, 100), 1);
  const pair = world.connect(null, prepare);
  ossl.SSL_shutdown(pair.client);
  return world;
}

function begin(world: World, size = 0): Pair {
  const pair = newPair(world.serverCtx, world.clientCtx, size);
  assert.equal(ossl.SSL_set_session(pair.client, world.sessions[0]!), 1);
  ossl.ERR_clear_error();
  return pair;
}

test('more than the ticket allows is not sent, and the connection goes on', () => {
  const world = earlyWorld();
  const pair = begin(world);
  assert.equal(ossl.SSL_write_early_data(pair.client, new Uint8Array(101)).ret, 0);
  assert.deepEqual(errors(), ['too much early data']);
  assert.deepEqual(ossl.SSL_write_early_data(pair.client, new Uint8Array(100)), { ret: 1, written: 100 });
  assert.equal(ossl.SSL_write_early_data(pair.client, new Uint8Array(1)).ret, 0);
  const into = new Uint8Array(200);
  assert.deepEqual(ossl.SSL_read_early_data(pair.server, into), { ret: 1, readbytes: 100 });
  shakeHands(pair);
  assert.equal(ossl.SSL_get_early_data_status(pair.client), ossl.SSL_EARLY_DATA_ACCEPTED);
});

test('early data for another server name is refused before anything is sent', () => {
  const world = earlyWorld(({ client }) => ossl.SSL_set_tlsext_host_name(client, 'one.example'));
  const pair = begin(world);
  ossl.SSL_set_tlsext_host_name(pair.client, 'two.example');
  assert.equal(ossl.SSL_write_early_data(pair.client, new Uint8Array(1)).ret, 0);
  assert.deepEqual(errors(), ['inconsistent early data sni']);
  assert.equal(ossl.BIO_pending(ossl.SSL_get_rbio(pair.server)), 0);
});

test('over a transport that takes a few bytes at a time nothing is written twice', () => {
  const world = earlyWorld();
  const pair = begin(world, 50);
  const sent = Buffer.from('early, in pieces');
  let received = '';
  let done = false;
  for (let round = 0; round < 200 && !done; round++) {
    if (!done) done = ossl.SSL_write_early_data(pair.client, sent).ret === 1;
    const into = new Uint8Array(100);
    const { ret, readbytes } = ossl.SSL_read_early_data(pair.server, into);
    if (ret === ossl.SSL_READ_EARLY_DATA_SUCCESS) received += text(into.subarray(0, readbytes));
  }
  assert.ok(done);
  for (let round = 0; round < 200; round++) {
    ossl.SSL_connect(pair.client);
    const into = new Uint8Array(100);
    const { ret, readbytes } = ossl.SSL_read_early_data(pair.server, into);
    if (ret === ossl.SSL_READ_EARLY_DATA_FINISH) break;
    received += text(into.subarray(0, readbytes));
  }
  assert.equal(received, 'early, in pieces');
  shakeHands(pair);
  readNothing(pair.client);
});

test('SSL_read never gives early data', () => {
  const world = earlyWorld();
  const pair = begin(world);
  ossl.SSL_write_early_data(pair.client, Buffer.from('first, and long'));
  const { ret } = ossl.SSL_read_early_data(pair.server, new Uint8Array(5));
  assert.equal(ret, ossl.SSL_READ_EARLY_DATA_SUCCESS);
  ossl.SSL_connect(pair.client);
  const into = new Uint8Array(100);
  assert.equal(ossl.SSL_read(pair.server, into), -1);
  assert.equal(
    into.every((byte) => byte === 0),
    true,
  );
  assert.deepEqual(errors(), ['unexpected record']);
});

test('a server answers early only what it accepted early', () => {
  const world = earlyWorld();
  const pair = newPair(world.serverCtx, world.clientCtx);
  ossl.SSL_connect(pair.client);
  assert.equal(ossl.SSL_read_early_data(pair.server, new Uint8Array(5)).ret, ossl.SSL_READ_EARLY_DATA_FINISH);
  ossl.ERR_clear_error();
  assert.equal(ossl.SSL_write_early_data(pair.server, Buffer.from('x')).ret, 0);
  assert.deepEqual(errors(), ['called a function you should not call']);
});

test('SSL_clear forgets early data', () => {
  const world = earlyWorld();
  const pair = begin(world);
  ossl.SSL_write_early_data(pair.client, Buffer.from('x'));
  ossl.SSL_clear(pair.client);
  assert.equal(ossl.SSL_get_early_data_status(pair.client), ossl.SSL_EARLY_DATA_NOT_SENT);
});

test('arguments of the wrong type are named', () => {
  const { client } = newPair(new World().serverCtx, new World().clientCtx);
  assert.throws(() => ossl.SSL_write_early_data(client, 'x' as never), /data must be a Uint8Array/);
  assert.throws(() => ossl.SSL_read_early_data(client, null as never), /into must be a Uint8Array/);
  assert.throws(() => ossl.SSL_set_max_early_data(client, '1' as never), /bytes must be an integer/);
  assert.equal(ossl.SSL_set_max_early_data(client, -1), 0);
  assert.deepEqual(ossl.SSL_write_early_data(null, new Uint8Array(1)), { ret: 0, written: 0 });
  assert.deepEqual(ossl.SSL_read_early_data(null, new Uint8Array(1)), { ret: 0, readbytes: 0 });
});
