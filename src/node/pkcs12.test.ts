import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needs, peer } from '../../test/support/peers.ts';
import { createSecureContext } from './index.ts';
import { readPkcs12 } from './pkcs12.ts';

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../test/compat/node/fixtures/${name}`, import.meta.url));
const LEAF = ['-inkey', fixture('leaf-key.pem'), '-in', fixture('leaf.pem')];
const CHAIN = ['-certfile', fixture('intermediate.pem')];

/** What `openssl pkcs12 -export` makes of `args`. */
function exported(passphrase: string, ...args: readonly string[]): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'pkcs12-'));
  try {
    const out = join(folder, 'out.p12');
    const command = ['pkcs12', '-export', ...args, '-passout', `pass:${passphrase}`, '-out', out];
    execFileSync(peer('openssl')!.path, command, { stdio: 'ignore' });
    return readFileSync(out);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const FORMS: Readonly<Record<string, readonly string[]>> = {
  'as OpenSSL 3 writes it': [],
  'AES-128, AES-192': ['-keypbe', 'AES-128-CBC', '-certpbe', 'AES-192-CBC'],
  'triple DES with PBES2': ['-keypbe', 'DES-EDE3-CBC', '-certpbe', 'DES-EDE3-CBC'],
  'triple DES as of old': ['-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES', '-macalg', 'sha1'],
  'certificates in clear': ['-certpbe', 'NONE'],
  'the key in clear': ['-keypbe', 'NONE'],
  'nothing in clear but the MAC': ['-keypbe', 'NONE', '-certpbe', 'NONE'],
  'many iterations': ['-iter', '50000'],
  'one iteration': ['-iter', '1'],
};

for (const [what, args] of Object.entries(FORMS)) {
  test(`PKCS#12, ${what}`, (t) => {
    if (!needs(t, 'openssl')) return;
    for (const passphrase of ['secret', '', 'pässwörd €']) {
      const pfx = exported(passphrase, ...LEAF, ...CHAIN, ...args);
      const { key, certificates } = readPkcs12(pfx, passphrase);
      const names = certificates.map((der) => new X509Certificate(der).subject);
      assert.deepEqual(names.sort(), ['CN=Intermediate CA', 'CN=localhost']);
      const [credential] = createSecureContext({ pfx, passphrase }).credentials;
      assert.equal(credential!.chain.length, 2);
      assert.ok(new X509Certificate(credential!.chain[0]!).checkPrivateKey(key));
    }
  });
}

test('PKCS#12 in all forms that Node takes, and its certificates are trusted', (t) => {
  if (!needs(t, 'openssl')) return;
  const pfx = exported('secret', ...LEAF, ...CHAIN);
  const passphrase = 'secret';
  const forms = [pfx, [pfx], [{ buf: pfx, passphrase }], { buf: pfx, passphrase }, pfx.toString('latin1')];
  for (const [i, form] of forms.entries()) {
    const own = i === 2 || i === 3; // has a passphrase of its own
    const context = createSecureContext({ pfx: form, passphrase: own ? 'another' : passphrase });
    assert.equal(context.credentials.length, 1);
    assert.ok(context.authorities.length > 1);
  }
  const { ownAuthorities } = createSecureContext({ pfx, passphrase, ca: readFileSync(fixture('ca.pem')) });
  assert.deepEqual(
    ownAuthorities.map((der) => new X509Certificate(der).subject.split('\n').at(-1)),
    ['CN=Test CA', 'CN=Intermediate CA'],
  );
});

test('PKCS#12 that cannot be taken says why, in the words of node:tls', (t) => {
  if (!needs(t, 'openssl')) return;
  const pfx = exported('secret', ...LEAF);
  assert.throws(() => createSecureContext({ pfx, passphrase: 'wrong' }), /mac verify failure/);
  assert.throws(() => createSecureContext({ pfx }), /mac verify failure/);
  assert.throws(() => createSecureContext({ pfx: pfx.subarray(0, 200), passphrase: 'secret' }), /not enough data/);
  const changed = Buffer.from(pfx);
  changed[500]! ^= 1;
  assert.throws(() => createSecureContext({ pfx: changed, passphrase: 'secret' }), /mac verify failure/);
  const alone = exported('secret', '-nokeys', '-in', fixture('leaf.pem'));
  assert.throws(() => createSecureContext({ pfx: alone, passphrase: 'secret' }), /Unable to load private key/);
});
