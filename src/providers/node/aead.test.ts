import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat, fromHex, latin1, toHex } from '../../bytes/index.ts';
import type { AeadName } from '../../crypto/index.ts';
import { aead } from './aead.ts';

const NAMES: readonly AeadName[] = ['aes-128-gcm', 'aes-256-gcm', 'chacha20-poly1305', 'aes-128-ccm', 'aes-128-ccm-8'];

function get(name: AeadName) {
  const found = aead(name);
  assert.ok(found, name);
  return found;
}

test('known answers', () => {
  const cases: [AeadName, string, string, string, string, string][] = [
    // RFC 8439, section 2.8.2
    [
      'chacha20-poly1305',
      '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f',
      '070000004041424344454647',
      '50515253c0c1c2c3c4c5c6c7',
      toHex(
        latin1(
          "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
        ),
      ),
      'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691',
    ],
    // The GCM specification, test cases 4 and 16
    [
      'aes-128-gcm',
      'feffe9928665731c6d6a8f9467308308',
      'cafebabefacedbaddecaf888',
      'feedfacedeadbeeffeedfacedeadbeefabaddad2',
      'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
      '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47',
    ],
    [
      'aes-256-gcm',
      'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308',
      'cafebabefacedbaddecaf888',
      'feedfacedeadbeeffeedfacedeadbeefabaddad2',
      'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b',
    ],
    // SP 800-38C, example 3, has a 12-byte nonce and an 8-byte tag
    [
      'aes-128-ccm-8',
      '404142434445464748494a4b4c4d4e4f',
      '101112131415161718191a1b',
      '000102030405060708090a0b0c0d0e0f10111213',
      '202122232425262728292a2b2c2d2e2f3031323334353637',
      'e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951',
    ],
  ];
  for (const [name, key, nonce, additional, plaintext, sealed] of cases) {
    const bound = get(name).withKey(fromHex(key));
    assert.equal(toHex(bound.seal(fromHex(nonce), fromHex(additional), fromHex(plaintext))), sealed, name);
    assert.deepEqual(bound.open(fromHex(nonce), fromHex(additional), fromHex(sealed)), fromHex(plaintext), name);
  }
});

for (const name of NAMES) {
  const algorithm = get(name);
  const key = new Uint8Array(algorithm.keyLength).fill(7);
  const nonce = new Uint8Array(12).fill(9);
  const additional = Uint8Array.of(23, 3, 3, 0, 1);

  test(`${name}: a sealed record opens to content, type and padding, and touches nothing else`, () => {
    const bound = algorithm.withKey(key);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 64 }),
          fc.integer({ min: 2040, max: 2060 }).map((n) => new Uint8Array(n).fill(5)),
        ),
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 0, max: 8 }),
        (plaintext, type, zeros, offset) => {
          const length = plaintext.length + 1 + zeros + algorithm.tagLength;
          const out = new Uint8Array(offset + length + 3).fill(0xee);
          bound.sealRecord(nonce, additional, plaintext, type, zeros, out, offset);
          assert.ok(out.subarray(0, offset).every((byte) => byte === 0xee));
          assert.ok(out.subarray(offset + length).every((byte) => byte === 0xee));
          const sealed = out.subarray(offset, offset + length);
          const inner = concat(plaintext, Uint8Array.of(type), new Uint8Array(zeros));
          assert.deepEqual(bound.seal(nonce, additional, inner), sealed.slice());
          assert.deepEqual(bound.open(nonce, additional, sealed), inner);
        },
      ),
      { numRuns: 60 },
    );
  });

  test(`${name}: any changed bit of ciphertext, tag, nonce or additional data is noticed`, () => {
    const bound = algorithm.withKey(key);
    for (const plaintext of [new Uint8Array(0), latin1('seventeen bytes..')]) {
      const sealed = bound.seal(nonce, additional, plaintext);
      assert.deepEqual(bound.open(nonce, additional, sealed), plaintext);
      const flip = (bytes: Uint8Array, at: number) => bytes.map((byte, i) => (i === at ? byte ^ 0x10 : byte));
      for (let i = 0; i < sealed.length; i++) assert.equal(bound.open(nonce, additional, flip(sealed, i)), undefined);
      for (let i = 0; i < 12; i++) assert.equal(bound.open(flip(nonce, i), additional, sealed), undefined);
      for (let i = 0; i < 5; i++) assert.equal(bound.open(nonce, flip(additional, i), sealed), undefined);
      for (let i = 0; i < sealed.length; i++)
        assert.equal(bound.open(nonce, additional, sealed.subarray(0, i)), undefined);
    }
  });

  test(`${name}: a wiped key, a wrong key length and a wrong nonce length throw`, () => {
    const bound = algorithm.withKey(key);
    const sealed = bound.seal(nonce, additional, key);
    assert.throws(() => bound.seal(nonce.subarray(1), additional, key), { code: 'crypto.nonce_length' });
    bound.wipe();
    assert.throws(() => bound.seal(nonce, additional, key), { code: 'crypto.key_wiped' });
    assert.throws(() => bound.open(nonce, additional, sealed), { code: 'crypto.key_wiped' });
    assert.throws(() => bound.sealRecord(nonce, additional, key, 23, 0, new Uint8Array(99), 0), {
      code: 'crypto.key_wiped',
    });
    assert.throws(() => algorithm.withKey(key.subarray(1)), { code: 'crypto.key_length' });
    assert.equal(key[0], 7, 'the key of the caller is not ours to wipe');
  });
}

test('record limits', () => {
  assert.deepEqual(
    NAMES.map((name) => get(name).recordLimit),
    [23726566, 23726566, Number.MAX_SAFE_INTEGER, 2 ** 23, 2 ** 23],
  );
});
