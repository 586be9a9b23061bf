/** What a chain made to exhaust a verifier costs: counted in signatures, keys and values read, not in time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PeerVerdict } from '../../src/peer-auth/index.ts';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import * as der from '../../src/x509/der.ts';
import { DerReader } from '../../src/x509/der.ts';
import { createVerifier } from '../../src/x509/index.ts';
import { Oid } from '../../src/x509/oids.ts';
import { hostileBundles } from './chains.ts';
import {
  bc,
  CA,
  chain3,
  cn,
  directory,
  dn,
  dns,
  eku,
  extension,
  type KeyName,
  type KeyPair,
  ku,
  LEAF,
  make,
  NOW,
  nc,
  newKey,
  type Recipe,
  san,
} from './forge.ts';

interface Work {
  readonly verdict: PeerVerdict;
  /** Signatures that were checked. */
  readonly signatures: number;
  /** Keys that were imported. */
  readonly keys: number;
  /** DER values that were read. */
  readonly values: number;
}

const anchor = chain3().root.der;

function workOf(chain: readonly Uint8Array[], anchors: readonly Uint8Array[] = [anchor]): Work {
  let [signatures, keys, values] = [0, 0, 0];
  const crypto = {
    ...nodeCrypto,
    publicKey(spki: Uint8Array) {
      keys++;
      const key = nodeCrypto.publicKey(spki);
      const verify: typeof key.verify = (...args) => {
        signatures++;
        return key.verify(...args);
      };
      return { schemes: key.schemes, bits: key.bits, verify };
    },
  };
  const verifier = createVerifier({ crypto, anchors });
  const { any } = DerReader.prototype;
  DerReader.prototype.any = function counted(this: DerReader) {
    values++;
    return any.call(this);
  };
  try {
    const question = { chain, role: 'server', now: NOW, serverName: 'www.example.com' } as const;
    return { verdict: verifier.verify(question) as PeerVerdict, signatures, keys, values };
  } finally {
    DerReader.prototype.any = any;
  }
}

const SAME = cn('Same');
const keys = Array.from({ length: 16 }, () => newKey());
/** An authority without key identifiers, which says nothing about who issued it but a name. */
const authority = (key: KeyPair, issuerKey: KeyPair, more: Partial<Recipe> = {}, subject = SAME): Uint8Array =>
  make({ subject, key, issuer: { subject, key: issuerKey }, extensions: CA, keyIdentifiers: false, ...more }).der;
const leafUnder = (key: KeyPair, more: Partial<Recipe> = {}, subject = SAME): Uint8Array =>
  make({
    subject: cn('www.example.com'),
    key: keys[0]!,
    issuer: { subject, key },
    extensions: LEAF,
    keyIdentifiers: false,
    ...more,
  }).der;

/** Each of five keys certifies all others. */
function mesh(kind: KeyName): Uint8Array[] {
  const five = Array.from({ length: 5 }, () => newKey(kind));
  const pairs = five.flatMap((own) => five.filter((other) => other !== own).map((other) => authority(own, other)));
  return [leafUnder(five[0]!), ...pairs];
}

/** Eight authorities, each issued by the next, with these extensions more. */
function ladder(...extensions: Uint8Array[]): Uint8Array[] {
  return Array.from({ length: 8 }, (_, i) => authority(keys[i]!, keys[i + 1]!, { extensions: [...CA, ...extensions] }));
}

const longName = dn(...Array.from({ length: 64 }, (_, i) => [Oid.commonName, `${'x'.repeat(50)}${i}`] as const));
const deepLabel = `${'a.'.repeat(120)}b`;
const deep = Array.from({ length: 200 }, (_, i) => dns(`${i}.${deepLabel}`));
const parts = (count: number, text: string): Uint8Array =>
  directory(dn(...Array.from({ length: count }, (_, i) => [Oid.commonName, `${text}${i}`] as const)));
const withNames = (names: readonly Uint8Array[]): Partial<Recipe> => ({
  extensions: [bc(false), ku(0), san(...names)],
});

const bundles: readonly { readonly name: string; readonly chain: readonly Uint8Array[] }[] = [
  ...hostileBundles(),
  ...(['p256', 'p384', 'p521', 'ed25519'] as const).map((kind) => ({ name: `a mesh of ${kind}`, chain: mesh(kind) })),
  {
    name: '31 expired authorities with names of 64 parts',
    chain: [
      leafUnder(keys[0]!, {}, longName),
      ...Array.from({ length: 31 }, (_, i) =>
        authority(keys[0]!, keys[0]!, { notAfter: NOW - 1000 * (i + 1) }, longName),
      ),
    ],
  },
  {
    name: '15 authorities with names of 64 parts',
    chain: [
      leafUnder(keys[0]!, {}, longName),
      ...Array.from({ length: 15 }, (_, i) => authority(keys[i]!, keys[i + 1]!, {}, longName)),
    ],
  },
  {
    name: 'names of 121 labels under constraints of as many',
    chain: [
      leafUnder(keys[0]!, withNames(deep)),
      ...ladder(nc({ permitted: deep.slice(0, 40), excluded: [dns('x')] })),
    ],
  },
  {
    name: 'names of directories under constraints of directories',
    chain: [
      leafUnder(keys[0]!, withNames(Array.from({ length: 100 }, () => parts(31, 'n')))),
      ...ladder(nc({ excluded: Array.from({ length: 20 }, (_, i) => parts(i + 1, 'z')) })),
    ],
  },
  { name: '30,000 names', chain: [leafUnder(keys[0]!, withNames(new Array(30_000).fill(dns('a')))), ...ladder()] },
  {
    name: '4,000 extensions',
    chain: [
      leafUnder(keys[0]!, {
        extensions: [
          ...LEAF,
          ...Array.from({ length: 4000 }, (_, i) => extension(`1.3.6.1.4.1.${i}`, new Uint8Array(0))),
        ],
      }),
      ...ladder(),
    ],
  },
  {
    name: '10,000 extended key usages',
    chain: [
      leafUnder(keys[0]!, {
        extensions: [bc(false), eku(Oid.serverAuth, ...Array.from({ length: 10_000 }, (_, i) => `1.3.6.1.4.1.${i}`))],
      }),
      ...ladder(),
    ],
  },
  {
    name: 'names of 28 KB',
    chain: [0, 1, 2, 3].map((i) => authority(keys[i]!, keys[i + 1]!, {}, dn([Oid.commonName, 'x y '.repeat(7000)]))),
  },
];

describe('the work that a hostile chain makes', () => {
  for (const { name, chain } of bundles)
    test(name, (t) => {
      const started = process.cpuUsage();
      const { verdict, signatures, keys: imported, values } = workOf(chain);
      const { user, system } = process.cpuUsage(started);
      // For docs/assurance.md; what is asserted are counts.
      t.diagnostic(
        `${signatures} signatures, ${values} values, ${Math.round((user + system) / 1000)} ms of processor time`,
      );
      assert.equal(verdict.trusted, false);
      assert.ok(signatures <= 64, `${signatures} signatures`);
      assert.ok(imported <= 64, `${imported} keys`);
      // Each certificate is read once; what is read again is what 64 checks and messages about them need.
      const once = chain.reduce((sum, one) => sum + valuesIn(one), 0);
      assert.ok(values <= 3 * once + 10_000, `${values} values, and the chain has ${once}`);
    });

  test('the slower the signatures of a kind, the fewer are checked', () => {
    assert.ok(workOf(mesh('p384')).signatures <= 22);
    assert.ok(workOf(mesh('p521')).signatures <= 16);
  });

  test('what is more than 32 certificates is not read at all', () => {
    const { verdict, signatures, values } = workOf(new Array<Uint8Array>(33).fill(anchor));
    assert.equal(verdict.trusted ? '' : verdict.code, 'CERT_CHAIN_TOO_LONG');
    assert.deepEqual([signatures, values], [0, 0]);
  });

  test('junk beside an honest chain costs no more than its reading, and hides nothing', () => {
    const { root, intermediate, leaf } = chain3();
    const junk = [...mesh('p256').slice(1), Uint8Array.of(0x30, 0x80), ...ladder()];
    const { verdict, signatures } = workOf([leaf.der, ...junk, intermediate.der], [root.der]);
    assert.equal(verdict.trusted, true);
    assert.equal(signatures, 2);
  });

  test('a chain of the longest honest kind stays below the limits, with the slowest keys', () => {
    const own = Array.from({ length: 8 }, () => newKey('p521'));
    const name = (i: number): Uint8Array => cn(`Level ${i}`);
    const chain = own.map((key, i) =>
      make({
        subject: i === 0 ? cn('www.example.com') : name(i),
        key,
        issuer: i === 7 ? { subject: name(7), key } : { subject: name(i + 1), key: own[i + 1]! },
        extensions: i === 0 ? LEAF : CA,
      }),
    );
    const ders = chain.map((made) => made.der);
    const { verdict, signatures } = workOf(ders.slice(0, 7), ders.slice(7));
    assert.equal(verdict.trusted, true);
    assert.equal(signatures, 7);
  });
});

/** DER values in a certificate, extensions taken apart as well. */
function valuesIn(bytes: Uint8Array): number {
  let count = 0;
  const descend = (content: Uint8Array): void => {
    const reader = new DerReader(content);
    while (!reader.done) {
      const { tag, content: inner } = reader.any();
      count++;
      if ((tag & 0x20) !== 0) descend(inner);
      else if (tag === der.Tag.octetString) tryDescend(inner);
    }
  };
  const tryDescend = (content: Uint8Array): void => {
    const before = count;
    try {
      descend(content);
    } catch {
      count = before;
    }
  };
  tryDescend(bytes);
  return count;
}
