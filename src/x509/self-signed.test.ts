import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { needs, peer } from '../../test/support/peers.ts';
import { type KeyName, newKey, pem, spki } from '../../test/x509/forge.ts';
import { TlsUsageError } from '../errors/index.ts';
import type { PeerVerdict } from '../peer-auth/index.ts';
import { createSigner, nodeCrypto } from '../providers/node/index.ts';
import { createSelfSigned, type SelfSignedOptions } from './self-signed.ts';
import { createVerifier } from './verifier.ts';

const NAMES = ['localhost', '*.Example.com', '127.0.0.1', '::1'];
const NOT_BEFORE = Date.UTC(2026, 0, 1);
const NOT_AFTER = Date.UTC(2026, 1, 1);

function optionsFor(kind: KeyName, change: Partial<SelfSignedOptions> = {}): SelfSignedOptions {
  const key = newKey(kind);
  return {
    subjectPublicKeyInfo: spki(key),
    signer: createSigner(key.privateKey),
    names: NAMES,
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
    serial: Uint8Array.of(0xff, 1, 2, 3, 4, 5, 6, 7),
    ...change,
  };
}

for (const kind of ['p256', 'p384', 'p521', 'ed25519', 'ed448', 'rsa2048', 'rsa-pss'] as const)
  describe(`self-signed with ${kind}`, () => {
    test('Node reads what was asked for', async () => {
      const certificate = new X509Certificate(await createSelfSigned(optionsFor(kind)));
      assert.equal(
        certificate.subjectAltName,
        'DNS:localhost, DNS:*.example.com, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
      );
      assert.equal(Date.parse(certificate.validFrom), NOT_BEFORE);
      assert.equal(Date.parse(certificate.validTo), NOT_AFTER);
      assert.equal(certificate.serialNumber, '7F01020304050607');
      assert.equal(certificate.ca, false);
      assert.ok(certificate.verify(certificate.publicKey));
    });

    test('it is trusted, for its names and both roles, by who has it as an anchor', async () => {
      const certificate = await createSelfSigned(optionsFor(kind));
      const verifier = createVerifier({ crypto: nodeCrypto, anchors: [certificate] });
      const verify = (role: 'server' | 'client', serverName: string): PeerVerdict =>
        verifier.verify({ chain: [certificate], role, now: NOT_BEFORE, serverName }) as PeerVerdict;
      for (const name of ['localhost', 'a.example.com', '127.0.0.1', '0:0::1'])
        assert.ok(verify('server', name).trusted);
      assert.equal(verify('server', 'example.org').trusted, false);
      assert.ok(verify('client', '').trusted);
    });

    test('openssl accepts it, strictly', async (t) => {
      if (!needs(t, 'openssl')) return;
      const folder = mkdtempSync(join(tmpdir(), 'tessera-self-signed-'));
      try {
        const file = join(folder, 'certificate.pem');
        writeFileSync(file, pem(await createSelfSigned(optionsFor(kind))));
        const time = String(NOT_BEFORE / 1000 + 1);
        const args = ['verify', '-x509_strict', '-check_ss_sig', '-auth_level', '2', '-attime', time, '-CAfile', file];
        for (const purpose of ['sslserver', 'sslclient'])
          execFileSync(peer('openssl')!.path, [...args, '-purpose', purpose, '-verify_ip', '127.0.0.1', file], {
            stdio: 'pipe',
          });
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });

describe('mistakes of the program are named', () => {
  const cases: readonly [string, Partial<SelfSignedOptions>][] = [
    ['self_signed.names', { names: [] }],
    ['self_signed.names', { names: ['bücher.example'] }],
    ['self_signed.names', { names: ['a b'] }],
    ['self_signed.validity', { notAfter: NOT_BEFORE }],
    ['self_signed.validity', { notAfter: Number.NaN }],
    ['self_signed.serial', { serial: new Uint8Array(0) }],
    ['self_signed.serial', { serial: Uint8Array.of(0x80) }],
    ['self_signed.serial', { serial: new Uint8Array(21).fill(1) }],
    ['self_signed.signer', { signer: { schemes: [0x0201], sign: () => new Uint8Array(0) } }],
  ];
  for (const [code, change] of cases)
    test(`${code}: ${JSON.stringify(change)}`, async () => {
      const isIt = (error: unknown): boolean => error instanceof TlsUsageError && error.code === code;
      await assert.rejects(createSelfSigned(optionsFor('p256', change)), isIt);
    });
});
