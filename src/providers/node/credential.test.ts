import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { needs, peer } from '../../../test/support/peers.ts';
import { cn, dns, email, ip, make, newKey, pem, san, uri } from '../../../test/x509/forge.ts';
import { latin1 } from '../../bytes/index.ts';
import type { Signer } from '../../crypto/index.ts';
import { SignatureScheme } from '../../wire/registry.ts';
import { createCredential } from './credential.ts';
import { certificateKey, createSigner } from './signature.ts';

function selfSigned(name: string, ...altNames: readonly Uint8Array[]): { cert: string; key: string; der: Uint8Array } {
  const made = make({ subject: cn(name), key: newKey(), extensions: [san(...altNames)] });
  const key = made.key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  return { cert: pem(made.der), key, der: new Uint8Array(made.der) };
}

const leaf = selfSigned(
  'leaf',
  dns('Example.COM'),
  dns('*.example.org'),
  ip('192.0.2.1'),
  ip('2001:DB8::1'),
  email('a@b.example'),
  uri('http://u/'),
);
const issuer = selfSigned('issuer', dns('issuer.example'));

test('the chain is the same from PEM, DER, lists and bytes', () => {
  for (const cert of [
    leaf.cert + issuer.cert,
    `# a comment\r\n${leaf.cert.replaceAll('\n', '\r\n')}\n${issuer.cert}`,
    latin1(leaf.cert + issuer.cert),
    [leaf.cert, issuer.cert],
    [leaf.der, issuer.cert],
    [leaf.der, issuer.der],
  ]) {
    const { chain } = createCredential({ cert, key: leaf.key });
    assert.deepEqual(chain, [leaf.der, issuer.der]);
  }
});

test('a DER buffer may be reused once the credential is made', () => {
  const cert = Buffer.from(leaf.der);
  const { chain } = createCredential({ cert, key: leaf.key });
  cert.fill(0);
  assert.deepEqual(chain, [leaf.der]);
});

test('names are those of the leaf: DNS in lower case, IP addresses in their shortest text', () => {
  const { names } = createCredential({ cert: [leaf.der, issuer.der], key: leaf.key });
  assert.deepEqual(names, ['example.com', '*.example.org', '192.0.2.1', '2001:db8::1']);
});

test('the signer signs for the certificate', async () => {
  const { signer } = createCredential({ cert: leaf.cert, key: leaf.key });
  const data = latin1('transcript');
  const [scheme = 0] = signer.schemes;
  assert.equal(scheme, SignatureScheme.ecdsa_secp256r1_sha256);
  const signature = await signer.sign(scheme, data);
  assert.equal(await certificateKey(leaf.der).verify(scheme, data, signature), true);
});

test('a signer may stand in for the key, and an OCSP response is kept', () => {
  const signer: Signer = { schemes: [SignatureScheme.ed25519], sign: () => new Uint8Array(64) };
  const ocspResponse = Uint8Array.of(1);
  const credential = createCredential({ cert: leaf.der, key: signer, ocspResponse });
  assert.equal(credential.signer, signer);
  assert.equal(credential.ocspResponse, ocspResponse);
  assert.ok(!('ocspResponse' in createCredential({ cert: leaf.der, key: signer })));
});

test('mistakes are named', () => {
  const cases: [Parameters<typeof createCredential>[0], string, RegExp][] = [
    [{ cert: [], key: leaf.key }, 'credential.no_certificate', /empty list/],
    [{ cert: '', key: leaf.key }, 'credential.no_certificate', /BEGIN CERTIFICATE/],
    [{ cert: leaf.key, key: leaf.cert }, 'credential.no_certificate', /swapped/],
    [{ cert: leaf.cert, key: leaf.cert }, 'credential.bad_key', /private key/],
    [{ cert: leaf.cert, key: issuer.key }, 'credential.key_mismatch', /none of them/],
    [{ cert: [issuer.cert, leaf.cert], key: leaf.key }, 'credential.key_mismatch', /number 2/],
    [{ cert: [leaf.cert, Uint8Array.of(0x30, 0)], key: leaf.key }, 'credential.bad_certificate', /number 2/],
    [{ cert: leaf.der.subarray(0, 99), key: leaf.key }, 'credential.bad_certificate', /number 1/],
    [{ cert: leaf.cert, key: { schemes: [], sign: () => leaf.der } }, 'credential.bad_signer', /code points.*got \[\]/],
    [
      { cert: leaf.cert, key: { schemes: ['ed25519'], sign: () => leaf.der } as unknown as Signer },
      'credential.bad_signer',
      /got \["ed25519"\]/,
    ],
    [
      { cert: leaf.cert, key: { schemes: [SignatureScheme.ed25519], sign: undefined } as unknown as Signer },
      'credential.bad_signer',
      /function/,
    ],
  ];
  for (const [options, code, message] of cases) {
    assert.throws(() => createCredential(options), { name: 'TlsUsageError', code, message });
  }
});

test('a certificate on the wire is DER, never PEM', () => {
  assert.throws(() => certificateKey(latin1(leaf.cert)), /DER/);
  assert.throws(() => certificateKey(new Uint8Array(0)), /DER/);
});

test('openssl verifies what RSA-PSS and ECDSA signers make', async (t) => {
  if (!needs(t, 'openssl')) return;
  const folder = mkdtempSync(join(tmpdir(), 'tessera-credential-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const rsa = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = crypto.generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const file = (name: string) => join(folder, name);
  writeFileSync(file('data'), 'data');
  for (const [pair, scheme, args] of [
    [rsa, SignatureScheme.rsa_pss_rsae_sha512, '-sha512 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:64'],
    [ec, SignatureScheme.ecdsa_secp384r1_sha384, '-sha384'],
  ] as const) {
    writeFileSync(file('pub'), pair.publicKey.export({ type: 'spki', format: 'pem' }));
    writeFileSync(file('sig'), await createSigner(pair.privateKey).sign(scheme, latin1('data')));
    const said = execFileSync(peer('openssl')!.path, [
      'dgst',
      ...args.split(' '),
      '-verify',
      file('pub'),
      '-signature',
      file('sig'),
      file('data'),
    ]);
    assert.match(said.toString(), /Verified OK/);
  }
});
