import assert from 'node:assert/strict';
import crypto, { type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { latin1 } from '../../bytes/index.ts';
import { isForClientsOnly, nameOf, SignatureScheme } from '../../wire/registry.ts';
import { createSigner, publicKey } from './signature.ts';

const spki = (key: KeyObject) => key.export({ type: 'spki', format: 'der' });
const rsa = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
const pss = crypto.generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
const pss384 = crypto.generateKeyPairSync('rsa-pss', {
  modulusLength: 2048,
  hashAlgorithm: 'sha384',
  mgf1HashAlgorithm: 'sha384',
});
const p256 = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });

const S = SignatureScheme;
const PKCS1 = [
  S.rsa_pkcs1_sha256,
  S.rsa_pkcs1_sha384,
  S.rsa_pkcs1_sha512,
  S.rsa_pkcs1_sha256_legacy,
  S.rsa_pkcs1_sha384_legacy,
  S.rsa_pkcs1_sha512_legacy,
];
const RSAE = [S.rsa_pss_rsae_sha256, S.rsa_pss_rsae_sha384, S.rsa_pss_rsae_sha512];
const KEYS: readonly [string, { publicKey: KeyObject; privateKey: KeyObject }, number[], number[], number][] = [
  ['RSA', rsa, RSAE, PKCS1, 2048],
  ['RSASSA-PSS', pss, [S.rsa_pss_pss_sha256, S.rsa_pss_pss_sha384, S.rsa_pss_pss_sha512], [], 2048],
  ['RSASSA-PSS for SHA-384', pss384, [S.rsa_pss_pss_sha384], [], 2048],
  ['P-256', p256, [S.ecdsa_secp256r1_sha256], [], 256],
  ['P-384', crypto.generateKeyPairSync('ec', { namedCurve: 'P-384' }), [S.ecdsa_secp384r1_sha384], [], 384],
  ['P-521', crypto.generateKeyPairSync('ec', { namedCurve: 'P-521' }), [S.ecdsa_secp521r1_sha512], [], 521],
  ['Ed25519', crypto.generateKeyPairSync('ed25519'), [S.ed25519], [], 253],
  ['Ed448', crypto.generateKeyPairSync('ed448'), [S.ed448], [], 446],
];
const data = latin1('what is signed');

for (const [name, pair, schemes, certificateOnly, bits] of KEYS) {
  test(`${name}: schemes, sign and verify`, async () => {
    const signer = createSigner(pair.privateKey);
    const verifier = publicKey(spki(pair.publicKey));
    assert.deepEqual(signer.schemes, schemes);
    assert.deepEqual([...verifier.schemes], [...schemes, ...certificateOnly]);
    assert.equal(verifier.bits, bits);
    for (const scheme of schemes) {
      const signature = await signer.sign(scheme, data);
      assert.equal(await verifier.verify(scheme, data, signature), true, nameOf(S, scheme));
      assert.equal(await verifier.verify(scheme, latin1('something else'), signature), false);
      assert.equal(await verifier.verify(scheme, data, signature.subarray(1)), false);
      assert.equal(await verifier.verify(scheme, data, new Uint8Array(0)), false);
      for (const other of Object.values(S)) {
        if (other !== scheme) assert.equal(await verifier.verify(other, data, signature), false, nameOf(S, other));
      }
    }
    // What a signer does not offer by itself it does where a program asks for it: PKCS#1 of clients.
    for (const scheme of Object.values(S).filter((scheme) => !schemes.includes(scheme))) {
      if (isForClientsOnly(scheme) && certificateOnly.includes(scheme)) await signer.sign(scheme, data);
      else assert.throws(() => signer.sign(scheme, data), { code: 'credential.scheme' });
    }
  });
}

test('an RSA signature that begins with a zero byte is not valid without it', async () => {
  const [signer, verifier] = [createSigner(rsa.privateKey), publicKey(spki(rsa.publicKey))];
  for (let i = 0; i < 5_000; i++) {
    const signature = await signer.sign(S.rsa_pss_rsae_sha256, data);
    if (signature[0] !== 0) continue;
    assert.equal(await verifier.verify(S.rsa_pss_rsae_sha256, data, signature), true);
    assert.equal(await verifier.verify(S.rsa_pss_rsae_sha256, data, signature.subarray(1)), false);
    return;
  }
  assert.fail('no signature begins with a zero byte');
});

test('PKCS#1 signatures, as in certificates, are verified', async () => {
  const verifier = publicKey(spki(rsa.publicKey));
  for (const [scheme, hash] of [
    [S.rsa_pkcs1_sha256, 'sha256'],
    [S.rsa_pkcs1_sha384, 'sha384'],
    [S.rsa_pkcs1_sha512, 'sha512'],
  ] as const) {
    const signature = crypto.sign(hash, data, rsa.privateKey);
    assert.equal(await verifier.verify(scheme, data, signature), true);
    assert.equal(await verifier.verify(S.rsa_pss_rsae_sha256, data, signature), false);
  }
});

test('PSS with a salt of another length than the hash is refused', async () => {
  const padding = crypto.constants.RSA_PKCS1_PSS_PADDING;
  const signature = crypto.sign('sha256', data, { key: rsa.privateKey, padding, saltLength: 20 });
  assert.equal(await publicKey(spki(rsa.publicKey)).verify(S.rsa_pss_rsae_sha256, data, signature), false);
});

test('RSA of 1024 bits verifies what fits into it, and does not sign', () => {
  const small = crypto.generateKeyPairSync('rsa', { modulusLength: 1024 });
  const { schemes, bits } = publicKey(spki(small.publicKey));
  assert.equal(bits, 1024);
  assert.deepEqual([...schemes], [S.rsa_pss_rsae_sha256, S.rsa_pss_rsae_sha384, ...PKCS1]);
  assert.throws(() => createSigner(small.privateKey), { code: 'credential.bad_key', message: /2048 bits.*1024/ });
});

test('a private key in every usual encoding', async () => {
  const verifier = publicKey(spki(p256.publicKey));
  const passphrase = 'correct horse';
  const encrypted = { cipher: 'aes-256-cbc', passphrase };
  const key = p256.privateKey;
  for (const [input, options] of [
    [key, {}],
    [key.export({ type: 'pkcs8', format: 'pem' }) as string, {}],
    [key.export({ type: 'sec1', format: 'pem' }) as string, {}],
    [latin1(key.export({ type: 'sec1', format: 'pem' }) as string), {}],
    [key.export({ type: 'pkcs8', format: 'der' }), {}],
    [key.export({ type: 'sec1', format: 'der' }), {}],
    [key.export({ type: 'pkcs8', format: 'pem', ...encrypted }) as string, { passphrase }],
    [key.export({ type: 'pkcs8', format: 'der', ...encrypted }), { passphrase }],
  ] as const) {
    const signature = await createSigner(input, options).sign(S.ecdsa_secp256r1_sha256, data);
    assert.equal(await verifier.verify(S.ecdsa_secp256r1_sha256, data, signature), true);
  }
  const signer = createSigner(rsa.privateKey.export({ type: 'pkcs1', format: 'der' }));
  assert.deepEqual([...signer.schemes], RSAE);
});

test('what is no usable key is refused with a reason, without a word of it', () => {
  const pem = p256.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const locked = p256.privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'right' });
  const cases: [() => unknown, RegExp][] = [
    [() => createSigner(''), /PEM or DER/],
    [() => createSigner(new Uint8Array(0)), /PEM or DER/],
    [() => createSigner('hunter2 hunter2'), /PEM or DER/],
    [() => createSigner(Uint8Array.of(0x30, 0x03, 1, 2, 3)), /PEM or DER/],
    [() => createSigner(pem.replace(/[A-Z]{2}/g, 'AA')), /PEM or DER/],
    [() => createSigner(locked as string), /needs a passphrase/],
    [() => createSigner(locked as string, { passphrase: 'hunter2' }), /passphrase/],
    [() => createSigner(p256.publicKey), /private key.*public/],
    [() => createSigner(crypto.generateKeyPairSync('x25519').privateKey), /x25519/],
    [() => createSigner(crypto.generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey), /secp256k1/],
  ];
  for (const [run, message] of cases) {
    assert.throws(run, (error: Error & { code: string }) => {
      assert.equal(error.code, 'credential.bad_key');
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /hunter2|MIG/);
      assert.equal(error.cause, undefined);
      return true;
    });
  }
});

test('public keys of other kinds, and junk, throw', () => {
  assert.throws(() => publicKey(spki(crypto.generateKeyPairSync('x25519').publicKey)), /unsupported kind: x25519/);
  assert.throws(
    () => publicKey(spki(crypto.generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey)),
    /secp256k1/,
  );
  assert.throws(() => publicKey(new Uint8Array(0)), /SubjectPublicKeyInfo/);
  assert.throws(() => publicKey(latin1('junk')), /SubjectPublicKeyInfo/);
});
