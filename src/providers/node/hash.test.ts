import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, latin1, toHex } from '../../bytes/index.ts';
import { kdf } from './hash.ts';

test('HKDF with SHA-256 (RFC 5869, A.1 to A.3)', () => {
  const sha256 = kdf('sha256');
  const cases = [
    {
      ikm: '0b'.repeat(22),
      salt: '000102030405060708090a0b0c',
      info: 'f0f1f2f3f4f5f6f7f8f9',
      length: 42,
      prk: '077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5',
      okm: '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    },
    {
      ikm: Array.from({ length: 80 }, (_, i) => i.toString(16).padStart(2, '0')).join(''),
      salt: Array.from({ length: 80 }, (_, i) => (i + 0x60).toString(16)).join(''),
      info: Array.from({ length: 80 }, (_, i) => (i + 0xb0).toString(16)).join(''),
      length: 82,
      prk: '06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244',
      okm: 'b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87',
    },
    {
      ikm: '0b'.repeat(22),
      salt: '',
      info: '',
      length: 42,
      prk: '19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04',
      okm: '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
    },
  ];
  for (const { ikm, salt, info, length, prk, okm } of cases) {
    assert.equal(toHex(sha256.hmac(fromHex(salt), fromHex(ikm))), prk);
    assert.equal(toHex(sha256.expand(fromHex(prk), fromHex(info), length)), okm);
    for (const shorter of [0, 1, 31, 32, 33]) {
      assert.equal(toHex(sha256.expand(fromHex(prk), fromHex(info), shorter)), okm.slice(0, 2 * shorter));
    }
  }
});

test('HKDF-Expand gives at most 255 blocks', () => {
  const sha384 = kdf('sha384');
  assert.equal(sha384.expand(new Uint8Array(48), latin1('x'), 255 * 48).length, 255 * 48);
  assert.throws(() => sha384.expand(new Uint8Array(48), latin1('x'), 255 * 48 + 1), { code: 'crypto.expand_length' });
});

test('a running hash can be read, copied and continued', () => {
  for (const [name, abc] of [
    ['sha256', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    ['sha384', 'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7'],
  ] as const) {
    const hash = kdf(name).createHash();
    hash.update(latin1('a'));
    const before = toHex(hash.digest());
    const copy = hash.copy();
    hash.update(latin1('bc'));
    assert.equal(toHex(hash.digest()), abc);
    assert.equal(toHex(hash.digest()), abc);
    assert.equal(toHex(copy.digest()), before);
    assert.equal(toHex(kdf(name).hash(latin1('abc'))), abc);
  }
});
