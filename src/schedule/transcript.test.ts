import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat, toHex } from '../bytes/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { messageHash, Transcript } from './index.ts';

const sha256 = nodeCrypto.kdf('sha256');
const sha384 = nodeCrypto.kdf('sha384');
const reference = (name: string, ...parts: readonly Uint8Array[]): string =>
  createHash(name)
    .update(concat(...parts))
    .digest('hex');

test('the hash is that of all messages, whenever it was started and however often it was asked', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }),
      fc.nat(8),
      fc.uint8Array({ maxLength: 100 }),
      fc.constantFrom(sha256, sha384),
      (messages, startAt, partial, kdf) => {
        const transcript = new Transcript();
        for (let i = 0; i <= messages.length; i++) {
          const soFar = messages.slice(0, i);
          if (i === Math.min(startAt, messages.length)) transcript.start(kdf);
          const withPartial = reference(kdf.hashName, ...soFar, partial);
          assert.equal(toHex(transcript.hashWith(partial, kdf)), withPartial);
          if (i >= startAt || i === messages.length) {
            assert.equal(toHex(transcript.hash()), reference(kdf.hashName, ...soFar));
            assert.equal(toHex(transcript.hash()), reference(kdf.hashName, ...soFar));
          }
          if (i < messages.length) transcript.add(messages[i]!);
        }
      },
    ),
  );
});

test('binders of PSKs with different hashes can be computed before the hash is chosen', () => {
  const hello = new Uint8Array(100).fill(1);
  const transcript = new Transcript();
  assert.equal(toHex(transcript.hashWith(hello, sha256)), reference('sha256', hello));
  assert.equal(toHex(transcript.hashWith(hello, sha384)), reference('sha384', hello));
  assert.throws(() => transcript.hashWith(hello));
  transcript.add(hello);
  transcript.start(sha384);
  assert.equal(toHex(transcript.hash()), reference('sha384', hello));
  assert.throws(() => transcript.hashWith(hello, sha256), /sha384/);
});

test('after a HelloRetryRequest a hash stands for the first ClientHello', () => {
  for (const kdf of [sha256, sha384]) {
    const first = new Uint8Array(100).fill(1);
    const retry = new Uint8Array(50).fill(2);
    const transcript = new Transcript();
    transcript.add(first);
    transcript.start(kdf);
    const firstHash = transcript.hash();
    transcript.replaceWithMessageHash();
    transcript.add(retry);
    const synthetic = concat(Uint8Array.of(0xfe, 0, 0, kdf.hashLength), firstHash);
    assert.equal(toHex(transcript.hash()), reference(kdf.hashName, synthetic, retry));

    // A server that kept nothing but the hash, in a cookie, comes to the same.
    const stateless = new Transcript();
    stateless.start(kdf);
    stateless.add(messageHash(firstHash));
    stateless.add(retry);
    assert.deepEqual(stateless.hash(), transcript.hash());
  }
});

test('a copy goes its own way', () => {
  const [a, b, c] = [1, 2, 3].map((n) => new Uint8Array(10).fill(n)) as [Uint8Array, Uint8Array, Uint8Array];
  for (const startFirst of [true, false]) {
    const original = new Transcript();
    if (startFirst) original.start(sha256);
    original.add(a);
    const copy = original.copy();
    original.add(b);
    copy.add(c);
    if (!startFirst) {
      original.start(sha256);
      copy.start(sha384);
    }
    assert.equal(toHex(original.hash()), reference('sha256', a, b));
    assert.equal(toHex(copy.hash()), reference(startFirst ? 'sha256' : 'sha384', a, c));
  }
});

test('asking before the start, and starting twice, are mistakes', () => {
  const transcript = new Transcript();
  assert.throws(() => transcript.hash(), /not been started/);
  assert.throws(() => transcript.replaceWithMessageHash(), /not been started/);
  transcript.start(sha256);
  assert.throws(() => transcript.start(sha256), /started before/);
});
