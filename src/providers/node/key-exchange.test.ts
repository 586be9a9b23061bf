import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { test } from 'node:test';
import { concat, toHex } from '../../bytes/index.ts';
import { InvalidPublicValue, type KeyExchange } from '../../crypto/index.ts';
import { NamedGroup } from '../../wire/registry.ts';
import { hybrid, keyExchange, type SyncKeyExchange } from './key-exchange.ts';
import { loadOnce, ML_KEM_768, mlKem768, portableMlKem } from './ml-kem.ts';

/** Client's and server's share in bytes, and the secret. */
const SIZES: Readonly<Record<keyof typeof NamedGroup, readonly [number, number, number]>> = {
  x25519: [32, 32, 32],
  secp256r1: [65, 65, 32],
  secp384r1: [97, 97, 48],
  secp521r1: [133, 133, 66],
  X25519MLKEM768: [1216, 1120, 64],
  MLKEM1024: [1568, 1568, 32],
};

function get(group: number): KeyExchange {
  const found = keyExchange(group);
  assert.ok(found);
  return found;
}

for (const name of Object.keys(SIZES) as (keyof typeof SIZES)[]) {
  const exchange = get(NamedGroup[name]);
  const [clientLength, serverLength, secretLength] = SIZES[name];

  test(`${name}: both sides get the same secret, a new one each time`, async () => {
    assert.equal(exchange.name, name);
    assert.equal(exchange.id, NamedGroup[name]);
    const seen = new Set<string>();
    for (let i = 0; i < 3; i++) {
      const share = await exchange.generate();
      const answer = await exchange.encapsulate(share.publicValue);
      assert.equal(share.publicValue.length, clientLength);
      assert.equal(answer.publicValue.length, serverLength);
      assert.equal(answer.sharedSecret.length, secretLength);
      assert.deepEqual(await share.derive(answer.publicValue), answer.sharedSecret);
      for (const bytes of [share.publicValue, answer.publicValue, answer.sharedSecret]) seen.add(toHex(bytes));
    }
    assert.equal(seen.size, 9);
  });

  test(`${name}: a public value of the wrong length is invalid`, async () => {
    const share = await exchange.generate();
    const { publicValue } = await exchange.encapsulate(share.publicValue);
    for (const wrong of [new Uint8Array(0), publicValue.subarray(1), concat(publicValue, Uint8Array.of(0))]) {
      await assert.rejects(async () => share.derive(wrong), InvalidPublicValue);
    }
    for (const wrong of [
      new Uint8Array(0),
      share.publicValue.subarray(1),
      concat(share.publicValue, Uint8Array.of(0)),
    ]) {
      await assert.rejects(async () => exchange.encapsulate(wrong), InvalidPublicValue);
    }
  });
}

test('NIST curves: points off the curve, and compressed or hybrid points, are invalid', async () => {
  for (const [name, curve] of [
    ['secp256r1', 'prime256v1'],
    ['secp384r1', 'secp384r1'],
    ['secp521r1', 'secp521r1'],
  ] as const) {
    const exchange = get(NamedGroup[name]);
    const share = await exchange.generate();
    const { publicValue: good } = await exchange.encapsulate(share.publicValue);
    const off = good.slice();
    off[off.length - 1] = (off[off.length - 1] ?? 0) ^ 1;
    const zero = new Uint8Array(good.length);
    zero[0] = 4;
    const big = new Uint8Array(good.length).fill(0xff);
    big[0] = 4;
    const hybridForm = crypto.ECDH.convertKey(good, curve, undefined, undefined, 'hybrid') as Buffer;
    const compressed = crypto.ECDH.convertKey(good, curve, undefined, undefined, 'compressed') as Buffer;
    for (const bad of [off, zero, big, hybridForm, compressed]) {
      await assert.rejects(async () => share.derive(bad), InvalidPublicValue);
      await assert.rejects(async () => exchange.encapsulate(bad), InvalidPublicValue);
    }
  }
});

test('x25519: public values of small order are invalid', async () => {
  const exchange = get(NamedGroup.x25519);
  const share = await exchange.generate();
  const one = new Uint8Array(32);
  one[0] = 1;
  const order8 = Buffer.from('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', 'hex');
  for (const bad of [new Uint8Array(32), one, order8]) {
    await assert.rejects(async () => share.derive(bad), InvalidPublicValue);
    await assert.rejects(async () => exchange.encapsulate(bad), InvalidPublicValue);
  }
});

test('X25519MLKEM768: the native and the portable ML-KEM understand each other', async () => {
  const portable = hybrid(
    get(NamedGroup.x25519) as SyncKeyExchange,
    loadOnce(() => portableMlKem(ML_KEM_768)),
  );
  const standard = get(NamedGroup.X25519MLKEM768);
  for (const [client, server] of [
    [portable, standard],
    [standard, portable],
  ] as const) {
    const share = await client.generate();
    const answer = await server.encapsulate(share.publicValue);
    assert.deepEqual(await share.derive(answer.publicValue), answer.sharedSecret);
  }
});

test('X25519MLKEM768: a coefficient above the modulus and a bad X25519 part are invalid', async () => {
  const portable = hybrid(
    get(NamedGroup.x25519) as SyncKeyExchange,
    loadOnce(() => portableMlKem(ML_KEM_768)),
  );
  for (const exchange of [get(NamedGroup.X25519MLKEM768), portable]) {
    const share = await exchange.generate();
    const unreduced = share.publicValue.slice();
    unreduced.fill(0xff, 0, 3);
    await assert.rejects(async () => exchange.encapsulate(unreduced), InvalidPublicValue);
    const smallOrder = share.publicValue.slice().fill(0, 1184);
    await assert.rejects(async () => exchange.encapsulate(smallOrder), InvalidPublicValue);
    const { publicValue } = await exchange.encapsulate(share.publicValue);
    await assert.rejects(async () => share.derive(publicValue.slice().fill(0, 1088)), InvalidPublicValue);
  }
});

test('X25519MLKEM768: a changed ciphertext gives another secret, not an error (FIPS 203: implicit rejection)', async () => {
  const exchange = get(NamedGroup.X25519MLKEM768);
  const share = await exchange.generate();
  const { publicValue, sharedSecret } = await exchange.encapsulate(share.publicValue);
  const changed = publicValue.slice();
  changed[5] = (changed[5] ?? 0) ^ 1;
  const secret = await share.derive(changed);
  assert.notDeepEqual(secret.slice(0, 32), sharedSecret.slice(0, 32));
  assert.deepEqual(secret.slice(32), sharedSecret.slice(32), 'the X25519 part is the second half');
});

test('ML-KEM answers without a promise once it is loaded', async () => {
  await mlKem768();
  assert.ok(!(mlKem768() instanceof Promise));
  assert.ok(!(get(NamedGroup.X25519MLKEM768).generate() instanceof Promise));
});

test('a group that is not there', () => {
  assert.equal(keyExchange(0x001e), undefined);
});
