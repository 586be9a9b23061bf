import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { needs, peer } from '../../test/support/peers.ts';
import { integer, octetString, oid, sequence, context as tagged } from '../x509/der.ts';
import { createSecureContext } from './index.ts';
import { Pkcs12Error, readPkcs12 } from './pkcs12.ts';

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

test('nothing is used before the MAC is found to be right', (t) => {
  if (!needs(t, 'openssl')) return;
  const file = exported('secret', ...LEAF, '-keypbe', 'NONE', '-certpbe', 'NONE');
  for (const passphrase of ['Secret', 'secret\0', '', undefined]) {
    assert.throws(() => readPkcs12(file, passphrase), { name: 'Pkcs12Error', fault: 'mac' });
  }
  const changed = Buffer.from(file);
  changed[changed.indexOf(new X509Certificate(readFileSync(fixture('leaf.pem'))).raw) + 100]! ^= 1;
  assert.throws(() => readPkcs12(changed, 'secret'), { fault: 'mac' });
  assert.throws(() => readPkcs12(exported('secret', ...LEAF, '-nomac'), 'secret'), { message: /no MAC/ });
});

for (const mac of ['sha1', 'sha224', 'sha256', 'sha384', 'sha512']) {
  test(`PKCS#12 with a MAC of ${mac}, and one iteration or many`, (t) => {
    if (!needs(t, 'openssl')) return;
    for (const args of [[], ['-nomaciter'], ['-iter', '3000']]) {
      assert.equal(readPkcs12(exported('x', ...LEAF, '-macalg', mac, ...args), 'x').certificates.length, 1);
    }
  });
}

test('a file cannot ask for more work than some seconds, nor for none', () => {
  const asking = (iterations: number): Uint8Array => {
    const digest = sequence(sequence(oid('2.16.840.1.101.3.4.2.1')), octetString(new Uint8Array(32)));
    const mac = sequence(digest, octetString(new Uint8Array(8)), integer(iterations));
    return sequence(integer(3), sequence(oid('1.2.840.113549.1.7.1'), tagged(0, octetString())), mac);
  };
  assert.throws(() => readPkcs12(asking(1), 'x'), { fault: 'mac' });
  assert.throws(() => readPkcs12(asking(0), 'x'), { fault: 'malformed' });
  assert.throws(() => readPkcs12(asking(10_000_001), 'x'), { fault: 'limit' });
  assert.throws(() => readPkcs12(new Uint8Array((4 << 20) + 1), 'x'), { fault: 'limit' });
  // Nor is node:tls asked about such a file.
  assert.throws(() => createSecureContext({ pfx: asking(10_000_001) }), {
    code: 'context.bad_pfx',
    message: /iterations/,
  });
});

test('no bytes make it throw anything but its own error', (t) => {
  const own = (bytes: Uint8Array): boolean => {
    try {
      readPkcs12(bytes, 'secret');
    } catch (error) {
      return error instanceof Pkcs12Error;
    }
    return true;
  };
  const tree = fc.letrec<{ node: Uint8Array }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 6 },
      fc.uint8Array({ maxLength: 20 }).map((bytes) => octetString(bytes)),
      fc.nat(3000).map(integer),
      fc.constantFrom('1.2.840.113549.1.7.1', '1.2.840.113549.1.7.6', '2.16.840.1.101.3.4.2.1').map(oid),
      fc.array(tie('node'), { maxLength: 4 }).map((parts) => sequence(...parts)),
      tie('node').map((part) => tagged(0, part)),
      tie('node').map((part) => octetString(part)),
    ),
  })).node;
  fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), tree), own));
  fc.assert(fc.property(tree, (part) => own(sequence(integer(3), sequence(oid('1.2.840.113549.1.7.1'), part), part))));
  if (!needs(t, 'openssl')) return;
  const file = exported('secret', ...LEAF, '-noiter', '-nomaciter');
  fc.assert(
    fc.property(fc.nat(file.length - 1), fc.integer({ min: 0, max: 255 }), fc.nat(file.length), (at, byte, length) => {
      const changed = Buffer.from(file);
      changed[at] = byte;
      return own(changed) && own(file.subarray(0, length));
    }),
  );
});
