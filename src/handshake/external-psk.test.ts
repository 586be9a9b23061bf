import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHex, latin1, toHex } from '../bytes/index.ts';
import type { HashName } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { EarlyStage } from '../schedule/index.ts';
import { decodeImportedIdentity, encodeImportedIdentity } from '../wire/index.ts';
import { checkPsk, checkPsks, type ExternalPsk, importedPsk, offeredLength, plainPsk } from './external-psk.ts';

const key = Uint8Array.from({ length: 32 }, (_, i) => i);

/**
 * RFC 9258 has no test vectors. These were computed with Python's `hmac` and `hashlib` alone, from the formulas of its section 5.1:
 * hash of the PSK, hash imported for, ImportedIdentity, ipskx, binder key ("imp binder").
 */
const VECTORS: readonly (readonly [HashName, HashName, string, string, string])[] = [
  [
    'sha256',
    'sha256',
    '0009636c69656e742d3432000c726f6c653a20636c69656e7403040001',
    'b0c40d2e06227f0c2f182e2e62dafb6d048524256a5b495cab323a38c9fc1a50',
    '8cd24bc105372ca25dea6d3b3467bc28d295e84c83b46b8dbd3824e895cf2811',
  ],
  [
    'sha256',
    'sha384',
    '0009636c69656e742d3432000c726f6c653a20636c69656e7403040002',
    '8917bdbc9e8dfbb0b10e0d3f2e4a425c51212a1b6440f3637420a07104608a039d6ce83b5667591fe46cb2896e066873',
    '3bd7ba6e9fc38a103a0cfd2ea8df524cf3dfc7099936b1821a8de0364254a1f6889409aae1d733dbab3fca4cf792541c',
  ],
  [
    'sha384',
    'sha256',
    '0009636c69656e742d3432000c726f6c653a20636c69656e7403040001',
    'bb03e33dc01aa2a8d50d9f4f4236dc047107f14eb4b3639fee43d63bcc2b6365',
    'a1d5076ba1d0c20a490efbb47a4fad5418cdaec7af3fc7b28fd21a59ceeba9be',
  ],
  [
    'sha384',
    'sha384',
    '0009636c69656e742d3432000c726f6c653a20636c69656e7403040002',
    '468aa65cf7b9b3a51f697b09d7c6fa51aa16fc74e943b7e32702ab922c37d2efab8a91b8592d11bcda061e6358b65b3f',
    '505c5dc4893dbb6991c4408cb1c3171f1bc7431186b64abacf7d45db589621718b2fc0aac2b3fa183b7823cd1b7880f6',
  ],
];

for (const [hash, target, identity, imported, binderKey] of VECTORS) {
  test(`a PSK of ${hash} imported for ${target}`, () => {
    const psk: ExternalPsk = {
      identity: latin1('client-42'),
      key,
      hash,
      import: { context: latin1('role: client') },
    };
    const ready = importedPsk(psk, target, nodeCrypto);
    assert.equal(toHex(ready.wireIdentity), identity);
    assert.equal(toHex(ready.key.bytes), imported);
    assert.deepEqual([ready.kind, ready.hash], ['imp', target]);
    const early = new EarlyStage(nodeCrypto.kdf(target), ready.key.bytes);
    assert.equal(toHex(early.binderKey(ready.kind).bytes), binderKey);
  });
}

test('keys are copied, and wiping a copy leaves the key of the program', () => {
  const psk: ExternalPsk = { identity: latin1('a'), key: key.slice(), hash: 'sha256' };
  const ready = plainPsk(psk);
  psk.key.fill(9);
  assert.deepEqual(ready.key.bytes, key);
  ready.wipe();
  assert.ok(ready.key.wiped);
  assert.deepEqual(psk.key, new Uint8Array(32).fill(9));
});

test('an ImportedIdentity is read as it was written, and nothing else is one', () => {
  const identity = fc.record({
    externalIdentity: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    context: fc.uint8Array({ maxLength: 40 }),
    targetProtocol: fc.nat(0xffff),
    targetKdf: fc.nat(0xffff),
  });
  fc.assert(
    fc.property(identity, fc.uint8Array({ minLength: 1, maxLength: 3 }), (value, more) => {
      const encoded = encodeImportedIdentity(value);
      assert.deepEqual({ ...decodeImportedIdentity(encoded) }, { ...value });
      assert.equal(decodeImportedIdentity(encoded.subarray(0, -1)), undefined);
      assert.equal(decodeImportedIdentity(new Uint8Array([...encoded, ...more])), undefined);
    }),
  );
  assert.equal(decodeImportedIdentity(fromHex('0000000003040001')), undefined, 'an empty external identity');
});

const good: ExternalPsk = { identity: latin1('a'), key, hash: 'sha256' };

for (const [code, change] of [
  ['psk.bad_identity', { identity: new Uint8Array(0) }],
  ['psk.bad_identity', { identity: new Uint8Array(65_536) }],
  ['psk.bad_identity', { identity: new Uint8Array(61_000), import: { context: new Uint8Array(441) } }],
  ['psk.bad_key', { key: new Uint8Array(15) }],
  ['psk.bad_hash', { hash: 'sha512' as HashName }],
  ['psk.bad_hash', { hash: 'toString' as HashName }],
] as const) {
  test(`${code}: ${JSON.stringify(Object.keys(change))}`, () => {
    const bad = { ...good, ...change };
    const isIt = (error: unknown): boolean => error instanceof TlsUsageError && error.code === code;
    assert.throws(() => checkPsk('it', bad), isIt);
    assert.throws(() => checkPsks([good, bad]), isIt);
  });
}

test('no more PSKs than a ClientHello has room for', () => {
  const large = { ...good, identity: new Uint8Array(30_000) };
  checkPsks([large, large]);
  assert.throws(() => checkPsks([large, large, large]), { code: 'psk.too_many' });
});

test('the length of an offer is counted with the longest binders', () => {
  for (const psk of [good, { ...good, import: {} }, { ...good, import: { context: new Uint8Array(300) } }]) {
    const identities =
      psk.import === undefined
        ? [plainPsk(psk)]
        : (['sha256', 'sha384'] as const).map((hash) => importedPsk(psk, hash, nodeCrypto));
    // Length field and age of the identity; length field and 48 bytes of the binder.
    const length = identities.reduce((sum, one) => sum + 2 + one.wireIdentity.length + 4 + 1 + 48, 0);
    assert.ok(length <= offeredLength(psk));
  }
});
