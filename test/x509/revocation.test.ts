/** Certificate revocation lists: forged ones, those of `openssl ca`, and what `openssl verify -crl_check_all` says of them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { CryptoProvider } from '../../src/crypto/index.ts';
import type { PeerVerdict } from '../../src/peer-auth/index.ts';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import { parseCrl } from '../../src/x509/crl.ts';
import * as der from '../../src/x509/der.ts';
import { createVerifier } from '../../src/x509/index.ts';
import { Oid } from '../../src/x509/oids.ts';
import { needs, peer } from '../support/peers.ts';
import type { ChainCase } from './chains.ts';
import {
  ALGORITHMS,
  bc,
  CA,
  type CrlRecipe,
  chain3,
  cn,
  extension,
  ku,
  LEAF,
  type Made,
  make,
  makeCrl,
  NOW,
  newKey,
  uri,
} from './forge.ts';
import { judge, opensslAccepts } from './judge.ts';

const DAY = 86_400_000;
const { root, intermediate, leaf } = chain3();
const stranger = newKey();
const rootCrl = makeCrl({ issuer: root });
const reason = (code: number): Uint8Array =>
  extension(Oid.cRLReasons, der.encode(der.Tag.enumerated, Uint8Array.of(code)));
const entry = (made: Made, ...extensions: Uint8Array[]) => ({ serial: made.serial, extensions });
const issuingDistributionPoint = (...fields: Uint8Array[]): Uint8Array =>
  extension(Oid.issuingDistributionPoint, der.sequence(...fields), true);
const fullName = (...names: Uint8Array[]): Uint8Array => der.context(0, der.context(0, ...names));
/** A certificate with these distribution points, and everything else of a leaf. */
const pointed = (...points: Uint8Array[]) =>
  chain3({ leaf: { extensions: [...LEAF, extension(Oid.cRLDistributionPoints, der.sequence(...points))] } });
const yes = (number: number): Uint8Array => der.contextPrimitive(number, Uint8Array.of(0xff));

/** Leaf, intermediate and root with these lists; the root's is good unless it is among them. */
function listed(
  name: string,
  expected: string,
  crl: Partial<CrlRecipe> | readonly Uint8Array[],
  more: Partial<ChainCase> = {},
): ChainCase {
  const crls = Array.isArray(crl) ? crl : [makeCrl({ issuer: intermediate, ...(crl as Partial<CrlRecipe>) }), rootCrl];
  return { name, expected, chain: [leaf.der, intermediate.der], anchors: [root.der], crls, ...more };
}

const good = makeCrl({ issuer: intermediate });
const others = Array.from({ length: 50 }, (_, i) => ({ serial: Uint8Array.of(0x20, i) }));
const noSign = chain3({ intermediate: { extensions: [bc(true), ku(5)] } });
const rsa = chain3({ intermediate: { key: newKey('rsa2048') } });
const rekeyed = make({ subject: intermediate.subject, key: newKey(), issuer: root, extensions: CA });

const CASES: readonly ChainCase[] = [
  listed('nobody is revoked', 'trusted', {}),
  listed('others are revoked', 'trusted', { revoked: others }),
  listed('the leaf is revoked', 'CERT_REVOKED', { revoked: [...others, leaf] }),
  listed('the leaf is revoked, with a reason', 'CERT_REVOKED', { revoked: [entry(leaf, reason(1))] }),
  listed('the leaf is on hold', 'CERT_REVOKED', { revoked: [entry(leaf, reason(6))] }),
  listed('the leaf was taken off', 'trusted', { revoked: [entry(leaf, reason(8))] }),
  listed('the intermediate is revoked', 'CERT_REVOKED', [good, makeCrl({ issuer: root, revoked: [intermediate] })]),
  listed('the root revokes itself', 'CERT_REVOKED', [good, makeCrl({ issuer: root, revoked: [root] })]),
  listed('the serial number is revoked by another issuer', 'trusted', [
    good,
    makeCrl({ issuer: root, revoked: [leaf] }),
  ]),
  listed('none of the intermediate', 'UNABLE_TO_GET_CRL', [rootCrl]),
  listed('none of the root', 'UNABLE_TO_GET_CRL', [good]),
  listed('of somebody else', 'UNABLE_TO_GET_CRL', [makeCrl({ issuer: { subject: cn('Other'), key: stranger } })]),
  listed('with the name of the intermediate, signed by a stranger', 'CRL_SIGNATURE_FAILURE', {
    issuer: { subject: intermediate.subject, key: stranger },
    keyIdentifiers: false,
  }),
  listed('with the name of the intermediate, and the key identifier of another', 'UNABLE_TO_GET_CRL', {
    issuer: { subject: intermediate.subject, key: stranger },
  }),
  listed('of two keys of one name', 'trusted', [
    good,
    rootCrl,
    makeCrl({ issuer: rekeyed, revoked: [leaf], thisUpdate: NOW }),
  ]),
  listed('with a wrong signature', 'CRL_SIGNATURE_FAILURE', { tamper: (s) => s.with(s.length - 1, s.at(-1)! ^ 1) }),
  listed('not valid yet', 'CRL_NOT_YET_VALID', { thisUpdate: NOW + 1000 }),
  listed('valid from now', 'trusted', { thisUpdate: NOW }),
  listed('expired', 'CRL_HAS_EXPIRED', { nextUpdate: NOW - 1000, thisUpdate: NOW - DAY }),
  listed('without a next update', 'trusted', { nextUpdate: null }),
  listed('two, the newer revokes', 'CERT_REVOKED', [
    makeCrl({ issuer: intermediate, thisUpdate: NOW - DAY }),
    makeCrl({ issuer: intermediate, revoked: [leaf] }),
    rootCrl,
  ]),
  listed('two, the older revokes: a hold that is over', 'trusted', [
    makeCrl({ issuer: intermediate, thisUpdate: NOW - DAY, revoked: [entry(leaf, reason(6))] }),
    good,
    rootCrl,
  ]),
  listed('two, one of them expired', 'trusted', [
    makeCrl({ issuer: intermediate, thisUpdate: NOW - DAY, nextUpdate: NOW - 1000, revoked: [entry(leaf, reason(6))] }),
    good,
    rootCrl,
  ]),
  listed('two, the newer not valid yet', 'trusted', [
    makeCrl({ issuer: intermediate, thisUpdate: NOW + DAY, revoked: [leaf] }),
    good,
    rootCrl,
  ]),
  listed('version 1', 'trusted', { version: 1, revoked: others }),
  listed('version 1, the leaf is revoked', 'CERT_REVOKED', { version: 1, revoked: [leaf] }),
  listed('an unknown extension', 'trusted', { extensions: [extension('1.2.3.4', der.nullValue())] }),
  listed('an unknown critical extension', 'UNHANDLED_CRITICAL_CRL_EXTENSION', {
    extensions: [extension('1.2.3.4', der.nullValue(), true)],
  }),
  listed('an entry with an unknown critical extension', 'UNHANDLED_CRITICAL_CRL_EXTENSION', {
    revoked: [{ serial: Uint8Array.of(5), extensions: [extension('1.2.3.4', der.nullValue(), true)] }],
  }),
  listed('a delta CRL', 'UNABLE_TO_GET_CRL', { extensions: [extension(Oid.deltaCRLIndicator, der.integer(1), true)] }),
  listed('an indirect CRL', 'UNABLE_TO_GET_CRL', { extensions: [issuingDistributionPoint(yes(4))] }),
  listed('for some reasons only', 'UNABLE_TO_GET_CRL', {
    extensions: [issuingDistributionPoint(der.contextPrimitive(3, Uint8Array.of(6, 0x40)))],
  }),
  listed('for attribute certificates', 'UNABLE_TO_GET_CRL', { extensions: [issuingDistributionPoint(yes(5))] }),
  listed('for one distribution point, and the leaf names none', 'UNABLE_TO_GET_CRL', {
    extensions: [issuingDistributionPoint(fullName(uri('http://a/')))],
  }),
  listed('for end entities only', 'trusted', { extensions: [issuingDistributionPoint(yes(1))] }),
  listed('for end entities only, the leaf is revoked', 'CERT_REVOKED', {
    extensions: [issuingDistributionPoint(yes(1))],
    revoked: [leaf],
  }),
  listed('for authorities only, of the one that issued the leaf', 'UNABLE_TO_GET_CRL', {
    extensions: [issuingDistributionPoint(yes(2))],
  }),
  listed('for authorities only, of the root', 'trusted', [
    good,
    makeCrl({ issuer: root, extensions: [issuingDistributionPoint(yes(2))] }),
  ]),
  listed('for end entities only, of the root', 'UNABLE_TO_GET_CRL', [
    good,
    makeCrl({ issuer: root, extensions: [issuingDistributionPoint(yes(1))] }),
  ]),
  ...[
    { what: 'that the leaf names', points: [der.sequence(fullName(uri('http://a/')))], expected: 'trusted' },
    {
      what: 'that the leaf names among others',
      points: [der.sequence(fullName(uri('http://b/'))), der.sequence(fullName(uri('ldap://c/'), uri('http://a/')))],
      expected: 'trusted',
    },
    {
      what: 'and the leaf names another',
      points: [der.sequence(fullName(uri('http://b/')))],
      expected: 'UNABLE_TO_GET_CRL',
    },
    {
      what: 'that the leaf names for some reasons only',
      points: [der.sequence(fullName(uri('http://a/')), der.contextPrimitive(1, Uint8Array.of(6, 0x40)))],
      expected: 'UNABLE_TO_GET_CRL',
    },
    {
      what: 'that the leaf names with another issuer of its lists',
      points: [der.sequence(fullName(uri('http://a/')), der.context(2, der.context(4, cn('Other'))))],
      expected: 'UNABLE_TO_GET_CRL',
    },
    {
      what: 'with a name relative to the issuer',
      points: [der.sequence(fullName(uri('http://a/')))],
      point: der.context(0, der.context(1, der.sequence(der.oid(Oid.commonName), der.utf8String('a')))),
      expected: 'UNABLE_TO_GET_CRL',
    },
    {
      what: 'that the leaf names, and revokes it',
      points: [der.sequence(fullName(uri('http://a/')))],
      expected: 'CERT_REVOKED',
    },
  ].map(({ what, points, point, expected }) => {
    const chain = pointed(...points);
    const extensions = [issuingDistributionPoint(point ?? fullName(uri('http://x/'), uri('http://a/')))];
    const revoked = expected === 'CERT_REVOKED' ? [chain.leaf] : [];
    const crls = [makeCrl({ issuer: chain.intermediate, extensions, revoked }), makeCrl({ issuer: chain.root })];
    const made = { chain: [chain.leaf.der, chain.intermediate.der], anchors: [chain.root.der] };
    return listed(`for one distribution point, ${what}`, expected, crls, made);
  }),
  listed(
    'of an authority that may sign no lists',
    'KEYUSAGE_NO_CRL_SIGN',
    [makeCrl({ issuer: noSign.intermediate }), makeCrl({ issuer: noSign.root })],
    {
      chain: [noSign.leaf.der, noSign.intermediate.der],
      anchors: [noSign.root.der],
    },
  ),
  listed(
    'signed with SHA-1',
    'CRL_SIGNATURE_FAILURE',
    { algorithm: ALGORITHMS.ecdsaSha1 },
    {
      opensslDiffers: 'its security level does not look at lists',
    },
  ),
  listed('signed by RSA', 'trusted', [makeCrl({ issuer: rsa.intermediate }), makeCrl({ issuer: rsa.root })], {
    chain: [rsa.leaf.der, rsa.intermediate.der],
    anchors: [rsa.root.der],
  }),
  listed(
    'signed with RSASSA-PSS',
    'CERT_REVOKED',
    [
      makeCrl({ issuer: rsa.intermediate, algorithm: ALGORITHMS.pssSha256, revoked: [rsa.leaf] }),
      makeCrl({ issuer: rsa.root }),
    ],
    { chain: [rsa.leaf.der, rsa.intermediate.der], anchors: [rsa.root.der] },
  ),
  listed('a path that ends at an intermediate', 'UNABLE_TO_GET_CRL', [good], {
    anchors: [intermediate.der],
    allowPartialChain: true,
  }),
  listed('a path that ends at an intermediate, with the list of the root', 'CRL_SIGNATURE_FAILURE', [good, rootCrl], {
    anchors: [intermediate.der],
    allowPartialChain: true,
  }),
  listed('a path that could end at an intermediate, with the root', 'CRL_SIGNATURE_FAILURE', [good, rootCrl], {
    anchors: [intermediate.der, root.der],
    allowPartialChain: true,
  }),
  listed(
    'an expired leaf that is revoked: expired',
    'CERT_HAS_EXPIRED',
    { revoked: [leaf], nextUpdate: null },
    { now: NOW + 400 * DAY },
  ),
];

describe('verdicts', () => {
  for (const one of CASES)
    test(`${one.name}: ${one.expected}`, () => {
      const verdict = judge(one);
      assert.equal(verdict.trusted ? 'trusted' : verdict.code, one.expected, verdict.trusted ? '' : verdict.message);
    });

  test('a revoked certificate is certificate_revoked to the peer', () => {
    const verdict = judge(listed('', '', { revoked: [leaf] }));
    assert.equal(verdict.trusted ? '' : verdict.alert, 'certificate_revoked');
    assert.match(
      verdict.trusted ? '' : verdict.message,
      /CN=www\.example\.com.*serial number 10[0-9a-f]{2} was revoked/,
    );
  });
});

describe('openssl verify -crl_check_all decides the same', { concurrency: 4 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-crls-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const [index, one] of CASES.entries())
    test(one.name, async (t) => {
      if (!needs(t, 'openssl')) return;
      const accepted = await opensslAccepts(one, join(folder, String(index)));
      const same = accepted === (one.expected === 'trusted');
      assert.equal(same, one.opensslDiffers === undefined, `openssl ${accepted ? 'accepts' : 'refuses'} it`);
    });
});

describe('lists of openssl ca', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-ca-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const openssl = (...args: string[]): string =>
    execFileSync(peer('openssl')!.path, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const bytesOf = (file: string): Uint8Array => {
    const text = readFileSync(join(folder, file), 'latin1').replace(/-----[^-]+-----|\s/g, '');
    return new Uint8Array(Buffer.from(text, 'base64'));
  };

  test('a leaf before and after it was revoked, with each reason', (t) => {
    if (!needs(t, 'openssl')) return;
    mkdirSync(join(folder, 'db'));
    writeFileSync(join(folder, 'db/index.txt'), '');
    for (const file of ['serial', 'crlnumber']) writeFileSync(join(folder, 'db', file), '1000\n');
    writeFileSync(
      join(folder, 'ca.cnf'),
      `[ca]\ndefault_ca=d\n[d]\ndatabase=db/index.txt\nnew_certs_dir=db\nserial=db/serial\ncrlnumber=db/crlnumber
certificate=root.crt\nprivate_key=root.key\ndefault_md=sha256\ndefault_days=30\ndefault_crl_days=7\npolicy=p\ncrl_extensions=c
[p]\ncommonName=supplied\n[c]\nauthorityKeyIdentifier=keyid\n[req]\ndistinguished_name=n\n[n]
[v]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash
[l]\nbasicConstraints=CA:FALSE\nsubjectAltName=DNS:www.example.com\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n`,
    );
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-config', 'ca.cnf'];
    openssl('req', '-x509', ...key, '-keyout', 'root.key', '-out', 'root.crt', '-subj', '/CN=CA', '-extensions', 'v');
    const root = bytesOf('root.crt');
    const gencrl = (): Uint8Array => {
      openssl('ca', '-config', 'ca.cnf', '-gencrl', '-out', 'list.crl');
      return bytesOf('list.crl');
    };
    const now = Date.now();
    const before = gencrl();
    for (const why of ['unspecified', 'keyCompromise', 'superseded', 'cessationOfOperation', 'removeFromCRL']) {
      openssl('req', '-new', ...key, '-keyout', 'leaf.key', '-out', 'leaf.csr', '-subj', `/CN=${why}`);
      openssl(
        'ca',
        '-batch',
        '-config',
        'ca.cnf',
        '-in',
        'leaf.csr',
        '-out',
        'leaf.crt',
        '-extensions',
        'l',
        '-notext',
      );
      const chain = [bytesOf('leaf.crt')];
      openssl('ca', '-config', 'ca.cnf', '-revoke', 'leaf.crt', '-crl_reason', why);
      const after = gencrl();
      const verdict = (crl: Uint8Array): string => {
        const verifier = createVerifier({ crypto: nodeCrypto, anchors: [root], crls: [crl] });
        const question = { chain, role: 'server', serverName: 'www.example.com', now: now + 60_000 } as const;
        const answer = verifier.verify(question) as PeerVerdict;
        return answer.trusted ? 'trusted' : answer.code;
      };
      assert.equal(verdict(before), 'trusted', why);
      assert.equal(verdict(after), why === 'removeFromCRL' ? 'trusted' : 'CERT_REVOKED', why);
    }
  });
});

describe('what the program gave', () => {
  const bad = (crl: Uint8Array): void =>
    assert.throws(() => createVerifier({ crypto: nodeCrypto, anchors: [root.der], crls: [good, crl] }), {
      code: 'verifier.bad_crl',
      message: /crls\[1\]/,
    });

  test('must be lists in DER', () => {
    bad(new Uint8Array(0));
    bad(leaf.der);
    bad(Uint8Array.of(...good, 0));
    bad(makeCrl({ issuer: intermediate, innerAlgorithm: ALGORITHMS.ecdsaSha512.identifier }));
    bad(makeCrl({ issuer: intermediate, revoked: [{ serial: Uint8Array.of(0, 1) }] }));
    bad(makeCrl({ issuer: intermediate, extensions: [extension(Oid.cRLNumber, der.integer(2))] }));
  });

  test('no changed byte makes the parser throw anything else, and none goes unnoticed', () => {
    const crl = makeCrl({ issuer: intermediate, revoked: others });
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const changed = crl.slice();
        changed[at % changed.length]! ^= mask;
        try {
          parseCrl(changed);
        } catch (error) {
          assert.ok(error instanceof der.DerError);
          return;
        }
        assert.equal(judge(listed('', '', [changed, rootCrl])).trusted, false);
      }),
      { numRuns: 1000 },
    );
  });

  test('100,000 entries are read once, and looked up at once', () => {
    const revoked = Array.from({ length: 100_000 }, (_, i) => ({ serial: Uint8Array.of(0x40, i >> 16, i >> 8, i) }));
    const crls = [makeCrl({ issuer: intermediate, revoked: [...revoked, leaf] }), rootCrl];
    const started = performance.now();
    const verifier = createVerifier({ crypto: nodeCrypto, anchors: [root.der], crls });
    const read = performance.now() - started;
    const question = { chain: [leaf.der, intermediate.der], role: 'server', now: NOW } as const;
    const verdicts = Array.from({ length: 100 }, () => verifier.verify(question) as PeerVerdict);
    assert.ok(verdicts.every((verdict) => !verdict.trusted && verdict.code === 'CERT_REVOKED'));
    assert.ok(read < 5_000, `${read} ms`);
  });
});

describe('signatures of lists', () => {
  /** Counts checks of what is no certificate, and may answer later. */
  function counting(later: boolean): { readonly crypto: CryptoProvider; count: () => number } {
    let count = 0;
    const lists = [good, rootCrl].map((crl) => Buffer.from(parseCrl(crl).tbs).toString('hex'));
    const crypto: CryptoProvider = {
      ...nodeCrypto,
      publicKey: (spki) => {
        const key = nodeCrypto.publicKey(spki);
        return {
          ...key,
          verify(scheme, data, signature) {
            if (lists.includes(Buffer.from(data).toString('hex'))) count++;
            const valid = key.verify(scheme, data, signature);
            return later ? Promise.resolve(valid) : valid;
          },
        };
      },
    };
    return { crypto, count: () => count };
  }

  for (const later of [false, true])
    test(`are checked once for each verifier${later ? ', by a provider that answers later' : ''}`, async () => {
      const { crypto, count } = counting(later);
      const verifier = createVerifier({ crypto, anchors: [root.der], crls: [good, rootCrl] });
      const question = { chain: [leaf.der, intermediate.der], role: 'server', now: NOW } as const;
      for (let i = 0; i < 3; i++) assert.deepEqual(await verifier.verify(question), { trusted: true });
      assert.equal(count(), 2);
    });
});

describe('stillValid', () => {
  const identity = { chain: [leaf.der, intermediate.der], authorized: true };
  const verifierOf = (...crls: Uint8Array[]) => createVerifier({ crypto: nodeCrypto, anchors: [root.der], crls });
  const week = (recipe: Partial<CrlRecipe> = {}): Uint8Array =>
    makeCrl({ issuer: intermediate, nextUpdate: NOW + 7 * DAY, ...recipe });

  test('until a list runs out', () => {
    const verifier = verifierOf(week(), rootCrl);
    verifier.verify({ chain: identity.chain, role: 'server', now: NOW });
    assert.equal(verifier.stillValid(identity, NOW), true);
    assert.equal(verifier.stillValid(identity, NOW + 7 * DAY), true);
    assert.equal(verifier.stillValid(identity, NOW + 7 * DAY + 1), false);
    assert.equal(verifier.stillValid(identity, NOW - DAY), false);
  });

  test('not for whom a list of today revokes, at any place of the chain', () => {
    assert.equal(verifierOf(week({ revoked: [leaf] }), rootCrl).stillValid(identity, NOW), false);
    assert.equal(
      verifierOf(week(), makeCrl({ issuer: root, revoked: [intermediate] })).stillValid(identity, NOW),
      false,
    );
    assert.equal(verifierOf(week(), makeCrl({ issuer: root, revoked: [root] })).stillValid(identity, NOW), false);
    assert.equal(verifierOf(week()).stillValid(identity, NOW), false);
  });

  test('not by a list that nobody has checked the signature of, nor by a forged one', () => {
    const question = { chain: identity.chain, role: 'server', now: NOW } as const;
    const later = { thisUpdate: NOW, issuer: { subject: intermediate.subject, key: stranger } };
    for (const lists of [[week()], [week(later)], [week(later), week({ revoked: [leaf] })]]) {
      const verifier = verifierOf(...lists, rootCrl);
      assert.equal(verifier.stillValid(identity, NOW), false);
      const { trusted } = verifier.verify(question) as PeerVerdict;
      assert.equal(verifier.stillValid(identity, NOW), trusted);
    }
  });

  test('not when of the chain only the leaf is known: those above it may be revoked', () => {
    const truncated = { chain: [leaf.der], authorized: true, chainTruncated: true };
    assert.equal(verifierOf(week(), rootCrl).stillValid(truncated, NOW), false);
    assert.equal(createVerifier({ crypto: nodeCrypto, anchors: [root.der] }).stillValid(truncated, NOW), true);
  });

  test('the policy has a name of its own with lists, whichever these are, and with partial chains', () => {
    const anchors = [root.der];
    const plain = createVerifier({ crypto: nodeCrypto, anchors }).policy;
    const partial = createVerifier({ crypto: nodeCrypto, anchors, allowPartialChain: true }).policy;
    assert.equal(verifierOf(week()).policy, verifierOf(rootCrl, good).policy);
    assert.equal(new Set([plain, partial, verifierOf(good).policy]).size, 3);
  });

  test('through an intermediate among the anchors', () => {
    const verifier = createVerifier({ crypto: nodeCrypto, anchors: [intermediate.der, root.der] });
    assert.equal(verifier.stillValid({ chain: [leaf.der], authorized: true }, NOW), true);
    const alone = createVerifier({ crypto: nodeCrypto, anchors: [intermediate.der] });
    assert.equal(alone.stillValid({ chain: [leaf.der], authorized: true }, NOW), false);
    const partial = createVerifier({ crypto: nodeCrypto, anchors: [intermediate.der], allowPartialChain: true });
    assert.equal(partial.stillValid({ chain: [leaf.der], authorized: true }, NOW), true);
  });
});
