import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { rootCertificates } from 'node:tls';
import { CA, chain3, cn, make, NOW, newKey } from '../../test/x509/forge.ts';
import type { CryptoProvider } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import type { PeerVerdict } from '../peer-auth/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { keyFacts } from './algorithms.ts';
import { parseCertificate, readSubject } from './certificate.ts';
import { createVerifier } from './verifier.ts';

const { root, intermediate, leaf } = chain3();
const question = {
  chain: [leaf.der, intermediate.der],
  role: 'server',
  now: NOW,
  serverName: 'www.example.com',
} as const;

/** A provider whose signature checks answer later, as `verify` of WebCrypto does. */
function slowCrypto(fail?: 'reject' | 'throw'): CryptoProvider {
  return {
    ...nodeCrypto,
    publicKey: (spki) => {
      if (fail === 'throw') throw new Error('cannot read this key');
      const key = nodeCrypto.publicKey(spki);
      return {
        schemes: key.schemes,
        bits: key.bits,
        verify: async (...args) => {
          if (fail === 'reject') throw new Error('cannot read this signature');
          return key.verify(...args);
        },
      };
    },
  };
}

describe('a provider that answers later', () => {
  test('leads to the same verdicts', async () => {
    const verifier = createVerifier({ crypto: slowCrypto(), anchors: [root.der] });
    assert.deepEqual(await verifier.verify(question), { trusted: true });
    const bad = await verifier.verify({ ...question, serverName: 'other.example.com' });
    assert.equal(bad.trusted ? '' : bad.code, 'ERR_TLS_CERT_ALTNAME_INVALID');
    const missing = await verifier.verify({ ...question, chain: [leaf.der] });
    assert.equal(missing.trusted ? '' : missing.code, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  });

  for (const fail of ['reject', 'throw'] as const)
    test(`a ${fail} of the provider is a signature that is not valid`, async () => {
      const verifier = createVerifier({ crypto: slowCrypto(fail), anchors: [root.der] });
      const verdict = await verifier.verify(question);
      assert.equal(verdict.trusted ? '' : verdict.code, 'CERT_SIGNATURE_FAILURE');
    });
});

describe('anchors', () => {
  test('one that is no certificate is the mistake of the program, and named', () => {
    assert.throws(
      () => createVerifier({ crypto: nodeCrypto, anchors: [root.der, Uint8Array.of(1, 2, 3)] }),
      (error) =>
        error instanceof TlsUsageError && error.code === 'verifier.bad_anchor' && /anchors\[1\]/.test(error.message),
    );
  });

  test('their names are given for certificate_authorities, each once', () => {
    const verifier = createVerifier({ crypto: nodeCrypto, anchors: [root.der, root.der, intermediate.der] });
    assert.deepEqual(verifier.authorities, [root.subject, intermediate.subject]);
  });

  test('every root that Node trusts can be read, and as Node reads it', () => {
    assert.ok(rootCertificates.length > 100);
    for (const pem of rootCertificates) {
      const theirs = new X509Certificate(pem);
      const ours = parseCertificate(new Uint8Array(theirs.raw));
      assert.equal(ours.notBefore, Date.parse(theirs.validFrom));
      assert.equal(ours.notAfter, Date.parse(theirs.validTo));
      assert.equal(BigInt(`0x${Buffer.from(ours.serial).toString('hex')}`), BigInt(`0x${theirs.serialNumber}`));
      assert.equal(ours.extensions.basicConstraints?.ca, theirs.ca);
      assert.deepEqual(ours.extensions.unknownCritical, []);
      assert.deepEqual(readSubject(ours.der), ours.subject);
      const { modulusLength } = theirs.publicKey.asymmetricKeyDetails ?? {};
      const facts = keyFacts(ours.subjectPublicKeyInfo);
      assert.equal(facts.kind, theirs.publicKey.asymmetricKeyType);
      if (modulusLength !== undefined) assert.equal(facts.bits, modulusLength);
    }
  });
});

describe('refusals', () => {
  const verifier = createVerifier({ crypto: nodeCrypto, anchors: [root.der] });
  const cases: readonly [string, Partial<Parameters<typeof verifier.verify>[0]>, string, RegExp][] = [
    [
      'expired',
      { now: Date.UTC(2040, 0, 1) },
      'certificate_expired',
      /CN=www\.example\.com expired at 2027-01-01T00:00:00Z/,
    ],
    ['not yet', { now: Date.UTC(2000, 0, 1) }, 'certificate_expired', /not valid before 2025-01-01T00:00:00Z/],
    ['unknown issuer', { chain: [leaf.der] }, 'unknown_ca', /issuer CN=Intermediate/],
    ['name', { serverName: 'example.net' }, 'certificate_unknown', /not for example\.net: .*DNS:www\.example\.com/],
    ['purpose', { role: 'client' }, 'unsupported_certificate', /clientAuth/],
    ['corrupt', { chain: [leaf.der.subarray(1)] }, 'bad_certificate', /cannot be read/],
  ];
  for (const [name, change, alert, message] of cases)
    test(`${name}: the alert ${alert} and a message that helps`, () => {
      const verdict = verifier.verify({ ...question, ...change }) as PeerVerdict;
      assert.ok(!verdict.trusted);
      assert.equal(verdict.alert, alert);
      assert.match(verdict.message, message);
    });
});

describe('whether a chain that was verified before is still valid', () => {
  const year = (n: number): number => Date.UTC(n, 0, 1);
  const long = { notBefore: year(2020), notAfter: year(2049) };
  const made = chain3({ root: long, intermediate: { ...long, notAfter: year(2030) }, leaf: long });
  const chain = [made.leaf.der, made.intermediate.der];
  const still = (now: number, shown = chain, anchors = [made.root.der], chainTruncated = false): boolean =>
    createVerifier({ crypto: nodeCrypto, anchors }).stillValid(
      { chain: shown, authorized: true, ...(chainTruncated && { chainTruncated }) },
      now,
    );

  test('the leaf, what is between, and the anchor must all be valid', () => {
    assert.equal(still(NOW), true);
    assert.equal(still(year(2030)), true, 'to the last millisecond');
    assert.equal(still(year(2030) + 1), false, 'the intermediate');
    assert.equal(still(year(2019)), false, 'not yet');
    assert.equal(still(Number.NaN), false);
    const brief = chain3({ root: { ...long, notAfter: year(2030) }, intermediate: long, leaf: long });
    assert.equal(still(year(2031), [brief.leaf.der, brief.intermediate.der], [brief.root.der]), false, 'the anchor');
    assert.equal(still(year(2050)), false, 'all');
  });

  test('what was found once is not believed longer than it holds', () => {
    const verifier = createVerifier({ crypto: nodeCrypto, anchors: [made.root.der] });
    const identity = { chain, authorized: true };
    const answers = [NOW, year(2030), year(2030) + 1, year(2019), NOW].map((now) => verifier.stillValid(identity, now));
    assert.deepEqual(answers, [true, true, false, false, true]);
  });

  test('an anchor that is trusted no more ends it', () => {
    const other = make({ subject: cn('Another root'), key: newKey(), extensions: CA, ...long });
    assert.equal(still(NOW, chain, [other.der]), false);
    assert.equal(still(NOW, chain, []), false);
  });

  test('a certificate that is not on the way does not matter', () => {
    assert.equal(still(NOW, [made.leaf.der, Uint8Array.of(1), leaf.der, made.intermediate.der, root.der]), true);
  });

  test('a truncated chain is judged by its leaf alone', () => {
    assert.equal(still(year(2040), [made.leaf.der], [made.root.der], true), true);
    assert.equal(still(year(2050), [made.leaf.der], [made.root.der], true), false);
    assert.equal(still(NOW, [made.leaf.der]), false);
  });

  test('nothing that a peer can have shown makes it throw or take long', () => {
    assert.equal(still(NOW, []), false);
    assert.equal(still(NOW, [Uint8Array.of(48, 0)]), false);
    const rings = Array.from({ length: 31 }, () => make({ subject: cn('Intermediate'), key: newKey(), ...long }).der);
    const started = process.hrtime.bigint();
    assert.equal(still(NOW, [made.leaf.der, ...rings]), false);
    assert.ok(process.hrtime.bigint() - started < 1_000_000_000n);
  });
});
