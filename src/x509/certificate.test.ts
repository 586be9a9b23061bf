import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rootCertificates } from 'node:tls';
import fc from 'fast-check';
import {
  bc,
  CA,
  chain3,
  cn,
  directory,
  dn,
  dns,
  eku,
  email,
  extension,
  ip,
  ku,
  make,
  nc,
  newKey,
  san,
} from '../../test/x509/forge.ts';
import { concat, equal, latin1 } from '../bytes/index.ts';
import { keyFacts } from './algorithms.ts';
import { parseCertificate } from './certificate.ts';
import * as der from './der.ts';
import { DerError, DerReader } from './der.ts';
import { Oid } from './oids.ts';

const key = newKey();
const empty = new Uint8Array(0);

function withExtension(oid: string, value: Uint8Array): Uint8Array {
  return make({ subject: cn('x'), key, extensions: [extension(oid, value)], keyIdentifiers: false }).der;
}

describe('certificates that are not what RFC 5280 defines', () => {
  const names = (value: Uint8Array): Uint8Array => withExtension(Oid.subjectAltName, value);
  const cases: readonly (readonly [string, Uint8Array])[] = [
    ['no names', names(der.sequence())],
    ['a name with a universal tag', names(der.sequence(der.utf8String('a')))],
    ['a name with a tag above 8', names(der.sequence(der.contextPrimitive(9, empty)))],
    ['a DNS name in pieces', names(der.sequence(der.context(2, der.octetString(latin1('a')))))],
    ['a directory name that is not constructed', names(der.sequence(der.contextPrimitive(4, dn())))],
    ['a directory name that is none', names(der.sequence(der.context(4, der.octetString())))],
    ['bytes behind the names', names(concat(der.sequence(dns('a')), der.nullValue()))],
    ['names in a set', names(der.set(dns('a')))],
    ['no extended key usages', withExtension(Oid.extKeyUsage, der.sequence())],
    ['a key usage that is a number', withExtension(Oid.keyUsage, der.integer(128))],
    [
      'a key usage whose unused bits are set',
      withExtension(Oid.keyUsage, der.encode(der.Tag.bitString, Uint8Array.of(7, 0xc0))),
    ],
    [
      'a negative path length',
      withExtension(Oid.basicConstraints, der.sequence(der.boolean(true), der.encode(2, Uint8Array.of(0xff)))),
    ],
    ['a CA that is 01', withExtension(Oid.basicConstraints, der.sequence(der.encode(1, Uint8Array.of(1))))],
    [
      'something behind the path length',
      withExtension(Oid.basicConstraints, der.sequence(der.boolean(true), der.integer(1), der.integer(1))),
    ],
    ['empty subtrees', withExtension(Oid.nameConstraints, der.sequence(der.context(0)))],
    [
      'subtrees with a maximum',
      withExtension(
        Oid.nameConstraints,
        der.sequence(der.context(0, der.sequence(dns('a'), der.contextPrimitive(1, Uint8Array.of(1))))),
      ),
    ],
    [
      'excluded subtrees before permitted ones',
      withExtension(
        Oid.nameConstraints,
        der.sequence(der.context(1, der.sequence(dns('a'))), der.context(0, der.sequence(dns('b')))),
      ),
    ],
    ['a key identifier that is a string of text', withExtension(Oid.subjectKeyIdentifier, der.utf8String('a'))],
    ['a TLS feature that is negative', withExtension(Oid.tlsFeature, der.sequence(der.encode(2, Uint8Array.of(0xff))))],
    [
      'a time of a certificate without seconds',
      edited((fields) => [
        ...fields.slice(0, 4),
        der.sequence(der.encode(der.Tag.utcTime, latin1('2601010000Z')), der.time(0)),
        ...fields.slice(5),
      ]),
    ],
    [
      'three times',
      edited((fields) => [
        ...fields.slice(0, 4),
        der.sequence(der.time(0), der.time(0), der.time(0)),
        ...fields.slice(5),
      ]),
    ],
    ['version 1 written out', edited((fields) => [der.context(0, der.integer(0)), ...fields.slice(1, 7)])],
    ['version 4', edited((fields) => [der.context(0, der.integer(3)), ...fields.slice(1)])],
    ['extensions in version 2', edited((fields) => [der.context(0, der.integer(1)), ...fields.slice(1)])],
    ['extensions in version 1', edited((fields) => fields.slice(1))],
    ['no extensions, written out', edited((fields) => [...fields.slice(0, 7), der.context(3, der.sequence())])],
    ['two lists of extensions', edited((fields) => [...fields, fields[7]!])],
    ['a field behind the extensions', edited((fields) => [...fields, der.nullValue()])],
    ['no serial number', edited((fields) => [fields[0]!, ...fields.slice(2)])],
  ];
  for (const [name, bytes] of cases)
    test(name, () => {
      assert.throws(() => parseCertificate(bytes), DerError);
    });

  test('and some that are', () => {
    assert.equal(parseCertificate(edited((fields) => [fields[0]!, ...fields.slice(1)])).version, 3);
    assert.equal(parseCertificate(edited((fields) => fields.slice(1, 7))).version, 1);
    assert.equal(
      parseCertificate(edited((fields) => [der.context(0, der.integer(1)), ...fields.slice(1, 7)])).version,
      2,
    );
    assert.deepEqual(
      parseCertificate(withExtension(Oid.tlsFeature, der.sequence(der.integer(5), der.integer(17)))).extensions
        .tlsFeatures,
      [5, 17],
    );
  });
});

/** A certificate whose fields (version, serial number, … extensions) were changed, and whose signature was not. */
function edited(change: (fields: Uint8Array[]) => Uint8Array[]): Uint8Array {
  const outer = new DerReader(make({ subject: cn('x'), key, extensions: CA }).der).enter();
  const tbs = outer.enter();
  const fields: Uint8Array[] = [];
  while (!tbs.done) fields.push(tbs.any().whole);
  return der.sequence(der.sequence(...change(fields)), outer.any().whole, outer.any().whole);
}

interface Node {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Of constructed values, and of OCTET STRINGs that hold DER. */
  readonly children: readonly Node[] | undefined;
}

function treeOf(bytes: Uint8Array): readonly Node[] {
  const reader = new DerReader(bytes);
  const nodes: Node[] = [];
  while (!reader.done) {
    const { tag, content } = reader.any();
    const holds = (tag & 0x20) !== 0 || tag === der.Tag.octetString;
    nodes.push({ tag, content, children: holds ? tryTree(content) : undefined });
  }
  return nodes;
}

function tryTree(content: Uint8Array): readonly Node[] | undefined {
  try {
    return treeOf(content);
  } catch {
    return undefined;
  }
}

function* all(nodes: readonly Node[]): Generator<Node> {
  for (const node of nodes) {
    yield node;
    yield* all(node.children ?? []);
  }
}

/** The tree again, with `wrong` in the place of one node. */
function write(nodes: readonly Node[], at: Node, wrong: (content: Uint8Array, tag: number) => Uint8Array): Uint8Array {
  return concat(
    ...nodes.map((node) => {
      const content = node.children === undefined ? node.content : write(node.children, at, wrong);
      return node === at ? wrong(content, node.tag) : der.encode(node.tag, content);
    }),
  );
}

describe('no BER at any place of a certificate that is looked at', () => {
  const made = make({
    subject: dn([Oid.commonName, 'x'], ['2.5.4.10', 'Example']),
    key,
    issuer: chain3().root,
    extensions: [
      bc(true, 3),
      ku(0, 5),
      eku(Oid.serverAuth, Oid.clientAuth),
      san(dns('a.example'), ip('192.0.2.1'), email('a@example'), directory(cn('y'))),
      nc({ permitted: [dns('example')], excluded: [directory(cn('z'))] }),
      extension(Oid.tlsFeature, der.sequence(der.integer(5))),
      extension(Oid.certificatePolicies, der.sequence()),
    ],
  }).der;
  const tree = treeOf(made);
  const certificate = parseCertificate(made);
  // What is read later, when it is needed, and what is never read.
  const later = [certificate.subjectPublicKeyInfo, certificate.signatureAlgorithm].map((bytes) =>
    [...all(treeOf(bytes))].slice(1).map(({ content }) => content),
  );
  const nodes = [...all(tree)].filter(
    ({ content, tag }) =>
      !later.flat().some((other) => other.length === content.length && equal(other, content)) &&
      !(tag === 0x30 && content.length === 0),
  );

  /** Names, purposes, attributes, subtrees and features, of which there may be more. */
  const LISTED = 19;

  test('the tree is the certificate', () => {
    assert.deepEqual(
      write(tree, tree[0]!, (content, tag) => der.encode(tag, content)),
      made,
    );
    assert.ok(nodes.length > 60);
  });

  const lengths: readonly (readonly [string, (content: Uint8Array, tag: number) => Uint8Array])[] = [
    ['a length in one byte too many', longer(1)],
    ['a length in three bytes too many', longer(3)],
    ['an indefinite length', (content, tag) => concat(Uint8Array.of(tag, 0x80), content, Uint8Array.of(0, 0))],
    ['another tag', (content, tag) => der.encode(tag ^ 0x10, content)],
    [
      'a constructed value for a primitive one, or the other way about',
      (content, tag) => der.encode(tag ^ 0x20, content),
    ],
    ['a value twice', (content, tag) => concat(der.encode(tag, content), der.encode(tag, content))],
  ];
  for (const [name, wrong] of lengths)
    test(name, () => {
      const allowed: string[] = [];
      for (const node of nodes) {
        const bytes = write(tree, node, wrong);
        try {
          const parsed = parseCertificate(bytes);
          allowed.push(Buffer.from(parsed.tbs).toString('hex'));
        } catch (error) {
          assert.ok(error instanceof DerError, String(error));
        }
      }
      const most = name === 'a value twice' ? LISTED : 0;
      assert.equal(allowed.length, most, `${allowed.length} of ${nodes.length} were let pass`);
    });

  test('nor cut off anywhere', () => {
    fc.assert(
      fc.property(fc.nat(made.length - 1), (length) => {
        assert.throws(() => parseCertificate(made.subarray(0, length)), DerError);
      }),
    );
  });
});

/** Lengths with leading zeros, or in the long form where the short one does. */
function longer(by: number): (content: Uint8Array, tag: number) => Uint8Array {
  return (content, tag) => {
    const { length } = content;
    const count = (length < 0x80 ? 0 : length < 0x100 ? 1 : 2) + by;
    const digits = Array.from({ length: count }, (_, i) => (length / 256 ** (count - 1 - i)) & 0xff);
    return concat(Uint8Array.of(tag, 0x80 | count, ...digits), content);
  };
}

test('every root that Node trusts is read', () => {
  for (const [index, text] of rootCertificates.entries()) {
    const bytes = new Uint8Array(Buffer.from(text.replace(/-----[^-]+-----|\s/g, ''), 'base64'));
    assert.doesNotThrow(() => keyFacts(parseCertificate(bytes).subjectPublicKeyInfo), `root ${index}`);
  }
});
