import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../bytes/index.ts';
import { NamedGroup } from '../../wire/registry.ts';
import { nodeCrypto } from '../node/index.ts';
import { testCrypto } from './index.ts';

const GROUPS = Object.values(NamedGroup);

async function everything(seed: string): Promise<string[]> {
  const crypto = testCrypto({ seed });
  const seen = [toHex(crypto.random(32)), toHex(crypto.random(5)), toHex(crypto.random(100))];
  for (const group of [...GROUPS, ...GROUPS]) {
    const exchange = crypto.keyExchange(group);
    assert.ok(exchange);
    const share = await exchange.generate();
    const answer = await exchange.encapsulate(share.publicValue);
    assert.deepEqual(await share.derive(answer.publicValue), answer.sharedSecret);
    seen.push(toHex(share.publicValue), toHex(answer.publicValue));
  }
  return seen;
}

test('the same seed gives the same bytes, another seed others, and nothing repeats', async () => {
  const first = await everything('seed');
  assert.deepEqual(await everything('seed'), first);
  assert.equal(new Set([...first, ...(await everything('other'))]).size, 2 * first.length);
});

test('its key shares work against the node provider', async () => {
  const crypto = testCrypto({ seed: Uint8Array.of(1) });
  for (const group of GROUPS) {
    const share = await crypto.keyExchange(group)?.generate();
    assert.ok(share);
    const answer = await nodeCrypto.keyExchange(group)?.encapsulate(share.publicValue);
    assert.ok(answer);
    assert.deepEqual(await share.derive(answer.publicValue), answer.sharedSecret);
  }
});

test('the key pairs of RFC 8448, section 3', async () => {
  const group = NamedGroup.x25519;
  const client = fromHex('49af42ba7f7994852d713ef2784bcbcaa7911de26adc5642cb634540e7ea5005');
  const server = fromHex('b1580eeadf6dd589b8ef4f2d5652578cc810e9980191ec8d058308cea216a21e');
  const crypto = testCrypto({
    seed: '',
    keyShares: [
      { group, privateKey: client },
      { group, privateKey: server },
    ],
  });
  const share = await crypto.keyExchange(group)?.generate();
  assert.ok(share);
  assert.equal(toHex(share.publicValue), '99381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c');
  const answer = await crypto.keyExchange(group)?.encapsulate(share.publicValue);
  assert.ok(answer);
  assert.equal(toHex(answer.publicValue), 'c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f');
  assert.equal(toHex(answer.sharedSecret), '8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d');
});

test('preset scalars of a NIST curve and presets of a wrong length', async () => {
  const group = NamedGroup.secp256r1;
  const one = new Uint8Array(32);
  one[31] = 1;
  const crypto = testCrypto({
    seed: '',
    keyShares: [
      { group, privateKey: one },
      { group, privateKey: one.subarray(1) },
    ],
  });
  const share = await crypto.keyExchange(group)?.generate();
  assert.ok(share);
  // The base point (FIPS 186-5).
  assert.equal(
    toHex(share.publicValue.slice(1, 33)),
    '6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296',
  );
  assert.throws(() => crypto.keyExchange(group)?.generate(), { code: 'test_crypto.preset' });
});
