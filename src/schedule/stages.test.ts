import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../bytes/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { EarlyStage } from './index.ts';

const kdf = nodeCrypto.kdf('sha256');
const hash = new Uint8Array(32).fill(9);
const wiped = /used after it was wiped/;

test('a stage is used up by the next one', () => {
  const early = new EarlyStage(kdf, new Uint8Array(32).fill(1));
  const handshake = early.next(new Uint8Array(32).fill(2));
  assert.throws(() => early.binderKey('res'), wiped);
  assert.throws(() => early.next(), wiped);
  const main = handshake.next();
  assert.throws(() => handshake.clientTraffic(hash), wiped);
  assert.throws(() => handshake.next(), wiped);
  assert.equal(main.exporter(hash).bytes.length, 32);
  main.wipe();
  assert.throws(() => main.resumption(hash), wiped);
});

test('what was derived outlives its stage', () => {
  const stage = new EarlyStage(kdf).next(new Uint8Array(32).fill(2));
  const client = stage.clientTraffic(hash);
  const before = toHex(client.bytes);
  stage.wipe();
  assert.equal(toHex(client.bytes), before);
});

test('wiping one handshake leaves the next one as it should be', () => {
  for (const name of ['sha256', 'sha384'] as const) {
    const run = (): string => {
      const early = new EarlyStage(nodeCrypto.kdf(name));
      const earlySecret = toHex(early.earlyExporter(hash).bytes);
      const stage = early.next(new Uint8Array(32).fill(2));
      early.wipe();
      const secret = toHex(stage.serverTraffic(hash).bytes);
      const main = stage.next();
      main.wipe();
      return earlySecret + secret;
    };
    const first = run();
    assert.equal(run(), first);
    const unused = new EarlyStage(nodeCrypto.kdf(name));
    unused.wipe();
    assert.equal(run(), first);
  }
});

test('neither the PSK nor the shared secret of the caller is touched', () => {
  const psk = new Uint8Array(32).fill(1);
  const shared = new Uint8Array(32).fill(2);
  new EarlyStage(kdf, psk).next(shared).next().wipe();
  assert.deepEqual(psk, new Uint8Array(32).fill(1));
  assert.deepEqual(shared, new Uint8Array(32).fill(2));
});

test('an absent PSK or shared secret is a string of zeros as long as the hash', () => {
  for (const name of ['sha256', 'sha384'] as const) {
    const k = nodeCrypto.kdf(name);
    const zeros = new Uint8Array(k.hashLength);
    const secret = (early: EarlyStage, shared?: Uint8Array): string =>
      toHex(early.next(shared).clientTraffic(hash).bytes);
    const absent = secret(new EarlyStage(k));
    assert.equal(secret(new EarlyStage(k, zeros), zeros), absent);
    assert.equal(secret(new EarlyStage(k), zeros), absent);
    assert.notEqual(secret(new EarlyStage(k, zeros.slice(1)), Uint8Array.of(1)), absent);
  }
});

test('every secret has its own label', () => {
  const all = (): string[] => {
    const early = new EarlyStage(kdf, new Uint8Array(32).fill(1));
    const earlySecrets = [
      early.binderKey('res'),
      early.binderKey('ext'),
      early.clientEarlyTraffic(hash),
      early.earlyExporter(hash),
    ];
    const handshake = early.next();
    const handshakeSecrets = [handshake.clientTraffic(hash), handshake.serverTraffic(hash)];
    const main = handshake.next();
    const mainSecrets = [
      main.clientTraffic(hash),
      main.serverTraffic(hash),
      main.exporter(hash),
      main.resumption(hash),
    ];
    return [...earlySecrets, ...handshakeSecrets, ...mainSecrets].map((s) => toHex(s.bytes));
  };
  assert.equal(new Set(all()).size, 10);
  assert.deepEqual(all(), all());
});
