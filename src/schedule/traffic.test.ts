import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { concat, fromHex, latin1, Secret, toHex } from '../bytes/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { expandLabel, nextTrafficSecret } from './index.ts';

/** HKDF-Expand of one block by hand: HMAC(secret, length || label || context || 01). */
function byHand(hash: string, secret: Uint8Array, infoHead: string, label: string): string {
  const info = concat(fromHex(infoHead), latin1(label), fromHex('00'), fromHex('01'));
  return createHmac(hash, secret).update(info).digest('hex');
}

test('KeyUpdate: the next secret is HKDF-Expand-Label(secret, "traffic upd", "", Hash.length)', () => {
  for (const [hash, length] of [
    ['sha256', '0020'],
    ['sha384', '0030'],
  ] as const) {
    const kdf = nodeCrypto.kdf(hash);
    const bytes = new Uint8Array(kdf.hashLength).map((_, i) => i);
    const secret = new Secret(bytes);
    const next = nextTrafficSecret(kdf, secret);
    assert.equal(toHex(next.bytes), byHand(hash, bytes, `${length}11`, 'tls13 traffic upd'));
    // The old one is still there for its owner to wipe.
    assert.equal(secret.wiped, false);
    const after = nextTrafficSecret(kdf, next);
    assert.notEqual(toHex(after.bytes), toHex(next.bytes));
  }
});

test('the same label at another length, with another hash or with a context gives other bytes', () => {
  const secret = new Uint8Array(32).fill(1);
  const kdf = nodeCrypto.kdf('sha256');
  const none = new Uint8Array(0);
  const results = [
    expandLabel(kdf, secret, 'key', none, 16),
    expandLabel(kdf, secret, 'key', none, 32),
    expandLabel(nodeCrypto.kdf('sha384'), secret, 'key', none, 32),
    expandLabel(kdf, secret, 'key', Uint8Array.of(1), 32),
    expandLabel(kdf, secret, 'iv', none, 12),
  ];
  const heads = results.map((bytes) => toHex(bytes.subarray(0, 12)));
  assert.equal(new Set(heads).size, heads.length);
  assert.deepEqual(
    results.map((bytes) => bytes.length),
    [16, 32, 32, 32, 12],
  );
});

test('a length above 255 is encoded in two bytes', () => {
  const secret = new Uint8Array(32).fill(1);
  const long = expandLabel(nodeCrypto.kdf('sha256'), secret, 'x', new Uint8Array(0), 300);
  assert.equal(toHex(long.subarray(0, 32)), byHand('sha256', secret, '012c07', 'tls13 x'));
});

test('what does not fit an HkdfLabel is refused', () => {
  const kdf = nodeCrypto.kdf('sha256');
  const secret = new Uint8Array(32);
  assert.equal(expandLabel(kdf, secret, 'x'.repeat(249), new Uint8Array(255), 1).length, 1);
  assert.throws(() => expandLabel(kdf, secret, 'x'.repeat(250), new Uint8Array(0), 1), RangeError);
  assert.throws(() => expandLabel(kdf, secret, 'x', new Uint8Array(256), 1), RangeError);
});
