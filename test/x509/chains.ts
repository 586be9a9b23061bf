/** Chains of certificates, each with one thing wrong or unusual, and what is to be said about it. */
import * as der from '../../src/x509/der.ts';
import { Oid } from '../../src/x509/oids.ts';
import {
  ALGORITHMS,
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
  ipRange,
  ku,
  LEAF,
  type Made,
  make,
  NOW,
  nc,
  newKey,
  pssIdentifier,
  type Recipe,
  san,
  uri,
} from './forge.ts';

export interface ChainCase {
  readonly name: string;
  /** Leaf first, as the peer sends them. */
  readonly chain: readonly Uint8Array[];
  readonly anchors: readonly Uint8Array[];
  readonly allowPartialChain?: boolean;
  /** DER. */
  readonly crls?: readonly Uint8Array[];
  /** Default: NOW. */
  readonly now?: number;
  readonly role?: 'server' | 'client';
  /** Default: www.example.com for servers. */
  readonly serverName?: string;
  readonly expected: 'trusted' | string;
  /** Why `openssl verify` decides otherwise than we do. */
  readonly opensslDiffers?: string;
}

type Change = NonNullable<Parameters<typeof chain3>[0]>;
type Extra = Partial<Omit<ChainCase, 'name' | 'expected'>>;

const UNKNOWN = '1.3.6.1.4.1.55555.1';
const registered = der.contextPrimitive(8, Uint8Array.of(0x2a, 3));

/** As `dn`, in PrintableString. */
function printableName(...attributes: readonly (readonly [string, string])[]): Uint8Array {
  return der.sequence(
    ...attributes.map(([type, text]) =>
      der.set(der.sequence(der.oid(type), der.encode(der.Tag.printableString, Buffer.from(text)))),
    ),
  );
}
const DAY = 86_400_000;

/** Root, intermediate and leaf with a change; the peer sends leaf and intermediate. */
function usual(name: string, expected: string, change: Change = {}, extra: Extra = {}): ChainCase {
  const { root, intermediate, leaf } = chain3(change);
  return { name, expected, chain: [leaf.der, intermediate.der], anchors: [root.der], ...extra };
}

/** A leaf with this list of names under an intermediate with these constraints. */
function constrained(
  name: string,
  expected: string,
  constraints: Parameters<typeof nc>[0],
  names: readonly Uint8Array[],
  extra: Extra & { readonly subject?: Uint8Array; readonly critical?: boolean } = {},
): ChainCase {
  const { subject = cn('www.example.com'), critical = true, ...rest } = extra;
  const extensions = [bc(false), ku(0), eku(Oid.serverAuth), san(...names)];
  const change = { intermediate: { extensions: [...CA, nc(constraints, critical)] }, leaf: { subject, extensions } };
  return usual(name, expected, change, rest);
}

const leafWith = (...extensions: readonly Uint8Array[]): Change => ({ leaf: { extensions } });
const intermediateWith = (...extensions: readonly Uint8Array[]): Change => ({ intermediate: { extensions } });

function flip(signature: Uint8Array): Uint8Array {
  signature[signature.length - 1]! ^= 1;
  return signature;
}

/** The outer SEQUENCE with its length in one byte more than needed, which is BER. */
function withLongLength(certificate: Uint8Array): Uint8Array {
  return Uint8Array.of(0x30, 0x83, 0, certificate[2]!, certificate[3]!, ...certificate.subarray(4));
}

function long(intermediates: number): Made[] {
  const chain = [make({ subject: cn('Root'), key: newKey(), extensions: CA })];
  for (let i = 0; i < intermediates; i++)
    chain.unshift(make({ subject: cn(`Level ${i}`), key: newKey(), issuer: chain[0]!, extensions: CA }));
  chain.unshift(make({ subject: cn('www.example.com'), key: newKey(), issuer: chain[0]!, extensions: LEAF }));
  return chain;
}

function longChain(name: string, intermediates: number, expected: string, extra: Extra = {}): ChainCase {
  const chain = long(intermediates).map((made) => made.der);
  return { name, expected, chain: chain.slice(0, -1), anchors: chain.slice(-1), ...extra };
}

function shapes(): ChainCase[] {
  const { root, intermediate, leaf } = chain3();
  const other = make({ subject: cn('Other root'), key: newKey(), extensions: CA });
  const sameName = make({ subject: root.subject, key: newKey(), extensions: CA });
  const sameNamePlain = make({ subject: root.subject, key: newKey(), extensions: CA, keyIdentifiers: false });
  const plainIntermediate = make({
    subject: cn('Intermediate'),
    key: intermediate.key,
    issuer: root,
    extensions: CA,
    keyIdentifiers: false,
  });
  const crossSigned = make({ subject: root.subject, key: root.key, issuer: other, extensions: CA });
  const renewed = make({ subject: root.subject, key: root.key, extensions: CA });
  const expired = make({ subject: root.subject, key: root.key, extensions: CA, notAfter: NOW - DAY });
  const expiredIntermediate = make({
    subject: intermediate.subject,
    key: intermediate.key,
    issuer: root,
    extensions: CA,
    notAfter: NOW - DAY,
  });
  const selfSigned = make({ subject: cn('self'), key: newKey(), extensions: LEAF });
  const another = make({ subject: cn('self'), key: newKey(), extensions: LEAF });
  const [a, b] = [newKey(), newKey()];
  const loopA = make({ subject: cn('A'), key: a, issuer: { subject: cn('B'), key: b }, extensions: CA });
  const loopB = make({ subject: cn('B'), key: b, issuer: { subject: cn('A'), key: a }, extensions: CA });
  const loopLeaf = make({ subject: cn('www.example.com'), key: newKey(), issuer: loopA, extensions: LEAF });
  const direct = make({ subject: cn('www.example.com'), key: newKey(), issuer: root, extensions: LEAF });
  const junk = Uint8Array.of(0x30, 0x80, 0, 0);
  return [
    { name: 'good', chain: [leaf.der, intermediate.der], anchors: [root.der], expected: 'trusted' },
    { name: 'good without intermediate', chain: [direct.der], anchors: [root.der], expected: 'trusted' },
    {
      name: 'good with the root',
      chain: [leaf.der, intermediate.der, root.der],
      anchors: [root.der],
      expected: 'trusted',
    },
    {
      name: 'disorder: root first, an extra certificate, one twice',
      chain: [leaf.der, root.der, other.der, intermediate.der, intermediate.der],
      anchors: [root.der],
      expected: 'trusted',
    },
    {
      name: 'an extra certificate that cannot be read',
      chain: [leaf.der, junk, intermediate.der],
      anchors: [root.der],
      expected: 'trusted',
    },
    {
      name: 'several anchors with one name',
      chain: [leaf.der, intermediate.der],
      anchors: [other.der, sameName.der, sameNamePlain.der, root.der],
      expected: 'trusted',
      opensslDiffers: 'it takes the first that fits by name and does not try another when the signature is wrong',
    },
    {
      name: 'cross-signed root, only the other root trusted',
      chain: [leaf.der, intermediate.der, crossSigned.der],
      anchors: [other.der],
      expected: 'trusted',
    },
    {
      name: 'cross-signed root, only its own root trusted',
      chain: [leaf.der, crossSigned.der, intermediate.der],
      anchors: [root.der],
      expected: 'trusted',
    },
    {
      name: 'the root renewed with its key, the peer sends the old one',
      chain: [leaf.der, intermediate.der, expired.der],
      anchors: [renewed.der],
      expected: 'trusted',
    },
    {
      name: 'an expired and a valid intermediate with one key',
      chain: [leaf.der, expiredIntermediate.der, intermediate.der],
      anchors: [root.der],
      expected: 'trusted',
    },
    {
      name: 'an expired and a valid root with one key',
      chain: [leaf.der, intermediate.der],
      anchors: [expired.der, root.der],
      expected: 'trusted',
    },
    {
      name: 'the root expired, a cross-signed one leads further',
      chain: [leaf.der, intermediate.der, crossSigned.der],
      anchors: [expired.der, other.der],
      expected: 'trusted',
      opensslDiffers: 'it does not look for another path when the first has expired',
    },
    {
      name: 'expired root',
      chain: [leaf.der, intermediate.der],
      anchors: [expired.der],
      expected: 'CERT_HAS_EXPIRED',
    },
    {
      name: 'expint: expired intermediate',
      chain: [leaf.der, expiredIntermediate.der],
      anchors: [root.der],
      expected: 'CERT_HAS_EXPIRED',
    },
    {
      name: 'untrusted',
      chain: [leaf.der, intermediate.der],
      anchors: [other.der],
      expected: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    },
    {
      name: 'no anchors',
      chain: [leaf.der, intermediate.der],
      anchors: [],
      expected: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    },
    {
      name: 'untrusted, root sent',
      chain: [leaf.der, intermediate.der, root.der],
      anchors: [other.der],
      expected: 'SELF_SIGNED_CERT_IN_CHAIN',
    },
    {
      name: 'noint: intermediate missing',
      chain: [leaf.der],
      anchors: [root.der],
      expected: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    },
    {
      name: 'another root of the same name, key identifiers differ',
      chain: [leaf.der, intermediate.der],
      anchors: [sameName.der],
      expected: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    },
    {
      name: 'another root of the same name, no key identifiers',
      chain: [leaf.der, plainIntermediate.der],
      anchors: [sameNamePlain.der],
      expected: 'CERT_SIGNATURE_FAILURE',
    },
    {
      name: 'self-signed leaf that is an anchor',
      chain: [selfSigned.der],
      anchors: [selfSigned.der],
      expected: 'trusted',
    },
    {
      name: 'self-signed leaf that is an anchor, wrong name',
      chain: [selfSigned.der],
      anchors: [selfSigned.der],
      serverName: 'other.example.com',
      expected: 'ERR_TLS_CERT_ALTNAME_INVALID',
    },
    { name: 'self-signed leaf', chain: [selfSigned.der], anchors: [root.der], expected: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    {
      name: 'self-signed leaf, an anchor has its name and another key',
      chain: [selfSigned.der],
      anchors: [another.der],
      expected: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    },
    {
      name: 'a leaf among the anchors that is not self-signed',
      chain: [leaf.der],
      anchors: [leaf.der],
      expected: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    },
    {
      name: 'an intermediate as the anchor',
      chain: [leaf.der],
      anchors: [intermediate.der],
      expected: 'UNABLE_TO_GET_ISSUER_CERT',
    },
    {
      name: 'an intermediate as the anchor, which may end a path',
      chain: [leaf.der],
      anchors: [intermediate.der],
      allowPartialChain: true,
      expected: 'trusted',
    },
    {
      name: 'an intermediate and its root among the anchors',
      chain: [leaf.der],
      anchors: [intermediate.der, root.der],
      expected: 'trusted',
    },
    {
      name: 'an intermediate as the anchor, and another root',
      chain: [leaf.der, intermediate.der],
      anchors: [intermediate.der, other.der],
      expected: 'UNABLE_TO_GET_ISSUER_CERT',
    },
    {
      name: 'a leaf as the anchor, which may end a path',
      chain: [leaf.der],
      anchors: [leaf.der],
      allowPartialChain: true,
      expected: 'trusted',
    },
    {
      name: 'another leaf of the name as the anchor, which may end a path',
      chain: [leaf.der],
      anchors: [direct.der],
      allowPartialChain: true,
      expected: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    },
    {
      name: 'a loop',
      chain: [loopLeaf.der, loopA.der, loopB.der],
      anchors: [root.der],
      expected: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    },
    { name: 'no certificate that can be read', chain: [junk], anchors: [root.der], expected: 'MALFORMED_CERTIFICATE' },
    {
      name: 'the intermediate cannot be read',
      chain: [leaf.der, intermediate.der.subarray(0, -1)],
      anchors: [root.der],
      expected: 'MALFORMED_CERTIFICATE',
    },
    ...writtenOtherwise(),
    longChain('6 intermediates', 6, 'trusted'),
    longChain('7 intermediates', 7, 'CERT_CHAIN_TOO_LONG', { opensslDiffers: 'its limit is 100 certificates' }),
  ];
}

/** The leaf names its issuer in another kind of string, case and spacing than the issuer names itself. */
function writtenOtherwise(): ChainCase[] {
  const { root, intermediate } = chain3();
  const of = (issuer: Uint8Array): Uint8Array =>
    make({
      subject: cn('www.example.com'),
      key: newKey(),
      issuer: { subject: issuer, key: intermediate.key },
      extensions: LEAF,
    }).der;
  const chain = (issuer: Uint8Array): Uint8Array[] => [of(issuer), intermediate.der];
  const bmp = der.encode(der.Tag.bmpString, Buffer.from('Intermediate', 'utf16le').swap16());
  const broken = der.encode(der.Tag.utf8String, Uint8Array.of(0xc3, 0x28));
  const name = (value: Uint8Array): Uint8Array => der.sequence(der.set(der.sequence(der.oid(Oid.commonName), value)));
  const many = dn(...Array.from({ length: 65 }, () => [Oid.commonName, 'x'] as const));
  return [
    {
      name: 'the issuer in PrintableString, other case and spaces',
      chain: chain(printableName([Oid.commonName, ' interMEDIATE  '])),
      anchors: [root.der],
      expected: 'trusted',
    },
    { name: 'the issuer in BMPString', chain: chain(name(bmp)), anchors: [root.der], expected: 'trusted' },
    {
      name: 'the issuer in a string that is not what it says',
      chain: chain(name(broken)),
      anchors: [root.der],
      expected: 'MALFORMED_CERTIFICATE',
    },
    {
      name: 'the issuer without a name',
      chain: [
        of(der.sequence()),
        make({ subject: der.sequence(), key: intermediate.key, issuer: root, extensions: CA }).der,
      ],
      anchors: [root.der],
      expected: 'ISSUER_NAME_EMPTY',
    },
    {
      name: 'a name of 65 attributes',
      chain: [make({ subject: many, key: newKey(), issuer: root, extensions: LEAF }).der],
      anchors: [root.der],
      expected: 'MALFORMED_CERTIFICATE',
      opensslDiffers: 'it has no limit',
    },
  ];
}

function authorities(): ChainCase[] {
  const issuerLeaf = make({ subject: cn('v1'), key: newKey(), version: 1 });
  const underV1 = make({ subject: cn('www.example.com'), key: newKey(), issuer: issuerLeaf, extensions: LEAF });
  const rollover = chain3();
  const newKeyOfRoot = make({ subject: rollover.root.subject, key: newKey(), issuer: rollover.root, extensions: CA });
  const zeroRoot = make({ subject: cn('Zero'), key: newKey(), extensions: [bc(true, 0), ku(5)] });
  const selfIssued = make({ subject: cn('Zero'), key: newKey(), issuer: zeroRoot, extensions: CA });
  const underSelfIssued = make({ subject: cn('www.example.com'), key: newKey(), issuer: selfIssued, extensions: LEAF });
  const underRollover = make({ subject: cn('www.example.com'), key: newKey(), issuer: newKeyOfRoot, extensions: LEAF });
  return [
    usual('nonca: issued by a certificate with CA:FALSE', 'INVALID_CA', intermediateWith(bc(false), ku(5))),
    usual('nobc: issued by one without basicConstraints', 'INVALID_CA', intermediateWith(ku(5))),
    usual('noku: issued by one without keyCertSign', 'KEYUSAGE_NO_CERTSIGN', intermediateWith(bc(true), ku(0, 6))),
    usual('issued by a CA without key usage', 'trusted', intermediateWith(bc(true)), {
      opensslDiffers:
        '-x509_strict wants a key usage in every CA; RFC 5280 makes that the duty of the CA, not of the verifier',
    }),
    usual('root without CA:TRUE', 'INVALID_CA', { root: { extensions: [ku(5)] } }),
    usual('root without keyCertSign', 'KEYUSAGE_NO_CERTSIGN', { root: { extensions: [bc(true), ku(6)] } }),
    usual('pathlen: 0 with an intermediate below', 'PATH_LENGTH_EXCEEDED', {
      root: { extensions: [bc(true, 0), ku(5)] },
    }),
    usual('pathlen just enough', 'trusted', {
      root: { extensions: [bc(true, 1), ku(5)] },
      intermediate: { extensions: [bc(true, 0), ku(5)] },
    }),
    {
      name: 'pathlen does not count self-issued certificates',
      chain: [underSelfIssued.der, selfIssued.der],
      anchors: [zeroRoot.der],
      expected: 'trusted',
    },
    {
      name: 'key rollover: the root certifies its next key',
      chain: [underRollover.der, newKeyOfRoot.der],
      anchors: [rollover.root.der],
      expected: 'trusted',
    },
    usual(
      'a path length without CA',
      'MALFORMED_CERTIFICATE',
      leafWith(extension(Oid.basicConstraints, der.sequence(der.integer(0)))),
    ),
    {
      name: 'v1 root',
      chain: [underV1.der],
      anchors: [issuerLeaf.der],
      expected: 'trusted',
      opensslDiffers: '-x509_strict refuses it; who puts such an old root among the anchors means it',
    },
    usual('v1 intermediate', 'INVALID_CA', { intermediate: { version: 1 } }),
    usual(
      'v1 leaf',
      'ERR_TLS_CERT_ALTNAME_INVALID',
      { leaf: { version: 1 } },
      { opensslDiffers: 'it falls back to the common name' },
    ),
  ];
}

function usages(): ChainCase[] {
  const client = [bc(false), ku(0), eku(Oid.clientAuth)];
  return [
    usual('expleaf', 'CERT_HAS_EXPIRED', { leaf: { notAfter: NOW - 1000 } }),
    usual('future', 'CERT_NOT_YET_VALID', { leaf: { notBefore: NOW + 1000 } }),
    usual('first second of the validity', 'trusted', { leaf: { notBefore: NOW } }),
    usual(
      'last second of the validity',
      'trusted',
      { leaf: { notAfter: NOW } },
      { opensslDiffers: 'it counts the last second as over; RFC 5280 does not' },
    ),
    usual('future intermediate', 'CERT_NOT_YET_VALID', { intermediate: { notBefore: NOW + DAY } }),
    usual('valid until after 2049', 'trusted', { leaf: { notAfter: Date.UTC(2100, 1, 28) } }),
    usual(
      'ekuclient: a server with clientAuth only',
      'INVALID_PURPOSE',
      leafWith(...client, san(dns('www.example.com'))),
    ),
    usual('ekuint: intermediate for clientAuth only', 'INVALID_PURPOSE', intermediateWith(...CA, eku(Oid.clientAuth))),
    usual('intermediate for serverAuth', 'trusted', intermediateWith(...CA, eku(Oid.serverAuth))),
    usual('no extended key usage', 'trusted', leafWith(bc(false), ku(0), san(dns('www.example.com')))),
    usual(
      'anyExtendedKeyUsage',
      'trusted',
      leafWith(bc(false), ku(0), eku(Oid.anyExtendedKeyUsage), san(dns('www.example.com'))),
      {
        opensslDiffers: 'it does not know anyExtendedKeyUsage for TLS',
      },
    ),
    usual('client certificate', 'trusted', leafWith(...client), { role: 'client' }),
    usual('client with a server certificate', 'INVALID_PURPOSE', {}, { role: 'client' }),
    usual(
      'client certificate under an intermediate for serverAuth',
      'INVALID_PURPOSE',
      {
        intermediate: { extensions: [...CA, eku(Oid.serverAuth)] },
        leaf: { extensions: client },
      },
      { role: 'client' },
    ),
    usual(
      'kuleaf: key usage without digitalSignature',
      'KEYUSAGE_NO_DIGITAL_SIGNATURE',
      leafWith(bc(false), ku(2), eku(Oid.serverAuth), san(dns('www.example.com'))),
      {
        opensslDiffers: 'keyEncipherment is enough for it, as for RSA key exchange of TLS 1.2',
      },
    ),
    usual('no key usage', 'trusted', leafWith(bc(false), eku(Oid.serverAuth), san(dns('www.example.com')))),
    usual(
      'a leaf that is a CA',
      'trusted',
      leafWith(bc(true), ku(0, 5), eku(Oid.serverAuth), san(dns('www.example.com'))),
    ),
    usual('critleaf', 'UNHANDLED_CRITICAL_EXTENSION', leafWith(...LEAF, extension(UNKNOWN, der.nullValue(), true))),
    usual(
      'critint',
      'UNHANDLED_CRITICAL_EXTENSION',
      intermediateWith(...CA, extension(UNKNOWN, der.nullValue(), true)),
    ),
    usual('critroot', 'UNHANDLED_CRITICAL_EXTENSION', {
      root: { extensions: [...CA, extension(UNKNOWN, der.nullValue(), true)] },
    }),
    usual(
      'unknown extension that is not critical',
      'trusted',
      leafWith(...LEAF, extension(UNKNOWN, Uint8Array.of(1, 2, 3))),
    ),
    usual(
      'critical policyConstraints',
      'UNHANDLED_CRITICAL_EXTENSION',
      intermediateWith(...CA, extension('2.5.29.36', der.sequence(der.contextPrimitive(0, Uint8Array.of(0))), true)),
      {
        opensslDiffers: 'it understands policies, but looks at them only with -policy_check',
      },
    ),
    usual(
      'critical inhibitAnyPolicy',
      'trusted',
      intermediateWith(...CA, extension(Oid.inhibitAnyPolicy, der.integer(0), true)),
    ),
    usual(
      'critical policyMappings',
      'trusted',
      intermediateWith(
        ...CA,
        extension(Oid.certificatePolicies, der.sequence(der.sequence(der.oid('1.2.3')))),
        extension(Oid.policyMappings, der.sequence(der.sequence(der.oid('1.2.3'), der.oid('1.2.4'))), true),
      ),
    ),
    usual(
      'critical TLS features',
      'trusted',
      leafWith(...LEAF, extension(Oid.tlsFeature, der.sequence(der.integer(5)), true)),
      { opensslDiffers: 'it does not act on TLS features' },
    ),
    usual(
      'critical FALSE, written out',
      'MALFORMED_CERTIFICATE',
      leafWith(...LEAF, der.sequence(der.oid(UNKNOWN), der.boolean(false), der.octetString(der.nullValue()))),
      { opensslDiffers: 'it lets defaults be written out, which DER does not' },
    ),
    ...[
      { what: 'negative', content: Uint8Array.of(0x80) },
      { what: 'of 21 bytes', content: new Uint8Array(21).fill(1) },
    ].map(({ what, content }) =>
      usual(
        `a serial number that is ${what}`,
        'MALFORMED_CERTIFICATE',
        { leaf: { serial: content } },
        { opensslDiffers: 'it takes any number' },
      ),
    ),
    usual('a serial number of 20 bytes', 'trusted', { leaf: { serial: new Uint8Array(20).fill(1) } }),
    usual('a serial number of 0', 'trusted', { leaf: { serial: Uint8Array.of(0) } }),
    usual(
      'critical certificatePolicies',
      'trusted',
      leafWith(
        ...LEAF,
        extension(Oid.certificatePolicies, der.sequence(der.sequence(der.oid('2.23.140.1.2.1'))), true),
      ),
    ),
    usual('an extension twice', 'MALFORMED_CERTIFICATE', leafWith(...LEAF, san(dns('www.example.com')))),
    usual(
      'an extension that cannot be read',
      'MALFORMED_CERTIFICATE',
      leafWith(bc(false), ku(0), extension(Oid.subjectAltName, Uint8Array.of(0x30, 5, 0))),
    ),
  ];
}

function names(): ChainCase[] {
  const withNames = (
    name: string,
    expected: string,
    serverName: string,
    list: readonly Uint8Array[],
    extra: Extra = {},
  ): ChainCase =>
    usual(name, expected, leafWith(bc(false), ku(0), eku(Oid.serverAuth), san(...list)), { serverName, ...extra });
  const bad = 'ERR_TLS_CERT_ALTNAME_INVALID';
  return [
    withNames('wronghost', bad, 'www.example.com', [dns('www.example.org')]),
    usual(
      'localhost: a common name without subjectAltName',
      bad,
      { leaf: { subject: cn('localhost'), extensions: [bc(false), ku(0), eku(Oid.serverAuth)] } },
      {
        serverName: 'localhost',
        opensslDiffers: 'it falls back to the common name',
      },
    ),
    withNames('wildcard', 'trusted', 'a.example.com', [dns('*.example.com')]),
    withNames('wildcard for two labels', bad, 'a.b.example.com', [dns('*.example.com')]),
    withNames('wildcard for no label', bad, 'example.com', [dns('*.example.com')]),
    withNames('wildcard over a top-level domain', bad, 'example.com', [dns('*.com')]),
    withNames('wildcard in part of a label', bad, 'www.example.com', [dns('w*.example.com')], {
      opensslDiffers: 'it lets a wildcard stand for part of a label; RFC 9525 does not',
    }),
    withNames('a zero byte in the name', bad, 'www.example.com', [dns('www.example.com\0.evil.org')]),
    withNames('IP address', 'trusted', '192.0.2.1', [ip('192.0.2.1')]),
    withNames('IPv6 address written otherwise', 'trusted', '2001:DB8:0:0::1', [ip('2001:db8::1')]),
    withNames('another IP address', bad, '192.0.2.1', [ip('192.0.2.2')]),
    withNames('IP address as a DNS name', bad, '192.0.2.1', [dns('192.0.2.1')]),
  ];
}

function constraints(): ChainCase[] {
  const www = [dns('www.example.com')];
  const org = '2.5.4.10';
  const ours = dn([org, 'Example'], [Oid.commonName, 'www.example.com']);
  const violated = constrained('nc_violate', 'PERMITTED_VIOLATION', { permitted: [dns('example.org')] }, www);
  return [
    violated,
    constrained('nc_exclude', 'EXCLUDED_VIOLATION', { excluded: [dns('example.com')] }, www),
    constrained('nc permitted', 'trusted', { permitted: [dns('example.com')] }, www),
    constrained('nc permitted, one name of two', 'PERMITTED_VIOLATION', { permitted: [dns('example.com')] }, [
      ...www,
      dns('example.org'),
    ]),
    constrained('nc not critical', 'PERMITTED_VIOLATION', { permitted: [dns('example.org')] }, www, {
      critical: false,
    }),
    constrained('nc permitted, similar ending', 'PERMITTED_VIOLATION', { permitted: [dns('ple.com')] }, www),
    constrained(
      'nc excluded and permitted',
      'EXCLUDED_VIOLATION',
      { permitted: [dns('example.com')], excluded: [dns('www.example.com')] },
      www,
    ),
    constrained(
      'nc excluded in a wildcard',
      'EXCLUDED_VIOLATION',
      { excluded: [dns('secret.example.com')] },
      [dns('*.example.com')],
      {
        opensslDiffers: 'it takes the asterisk for a label like any other',
      },
    ),
    constrained('nc excludes all names', 'EXCLUDED_VIOLATION', { excluded: [dns('')] }, www),
    constrained('nc_ip', 'PERMITTED_VIOLATION', { permitted: [ipRange('10.0.0.0', '255.0.0.0')] }, [ip('192.0.2.1')], {
      serverName: '192.0.2.1',
    }),
    constrained(
      'nc ip permitted',
      'trusted',
      { permitted: [ipRange('192.0.2.0', '255.255.255.0')] },
      [ip('192.0.2.1')],
      { serverName: '192.0.2.1' },
    ),
    constrained(
      'nc ip excluded',
      'EXCLUDED_VIOLATION',
      { excluded: [ipRange('2001:db8::', 'ffff:ffff::')] },
      [ip('2001:db8::1')],
      { serverName: '2001:db8::1' },
    ),
    constrained(
      'nc ip with a mask with holes',
      'PERMITTED_VIOLATION',
      { permitted: [ipRange('192.0.2.1', '255.0.255.255')] },
      [ip('192.0.2.1')],
      {
        serverName: '192.0.2.1',
        opensslDiffers: 'it takes any bits for a mask',
      },
    ),
    constrained('nc of e-mail, none in the leaf', 'trusted', { permitted: [email('example.org')] }, www),
    constrained('nc of e-mail, a host', 'trusted', { permitted: [email('example.com')] }, [
      ...www,
      email('a@example.com'),
    ]),
    constrained('nc of e-mail, another host', 'PERMITTED_VIOLATION', { permitted: [email('example.com')] }, [
      ...www,
      email('a@mail.example.com'),
    ]),
    constrained('nc of e-mail, a domain', 'trusted', { permitted: [email('.example.com')] }, [
      ...www,
      email('a@mail.EXAMPLE.com'),
    ]),
    constrained('nc of e-mail, the name of a domain itself', 'PERMITTED_VIOLATION', { permitted: [email('.a.com')] }, [
      ...www,
      email('a@a.com'),
    ]),
    constrained('nc of e-mail, a mailbox', 'trusted', { permitted: [email('Ann@example.com')] }, [
      ...www,
      email('Ann@Example.com'),
    ]),
    constrained('nc of e-mail, a mailbox in another case', 'PERMITTED_VIOLATION', { permitted: [email('Ann@a.com')] }, [
      ...www,
      email('ann@a.com'),
    ]),
    constrained('nc of e-mail, excluded', 'EXCLUDED_VIOLATION', { excluded: [email('.example.org')] }, [
      ...www,
      email('a@b.example.org'),
    ]),
    constrained('nc of e-mail, no address', 'EXCLUDED_VIOLATION', { excluded: [email('example.org')] }, [
      ...www,
      email('no address'),
    ]),
    constrained('nc of e-mail, one in the subject', 'EXCLUDED_VIOLATION', { excluded: [email('example.org')] }, www, {
      subject: dn([Oid.commonName, 'x'], [Oid.emailAddress, 'a@example.org']),
    }),
    constrained(
      'nc of URIs, one in the leaf',
      'UNSUPPORTED_CONSTRAINT_TYPE',
      { excluded: [uri('example.org')] },
      [...www, uri('https://example.com/')],
      {
        opensslDiffers: 'it understands constraints of URIs',
      },
    ),
    constrained('nc of directory names, fits', 'trusted', { permitted: [directory(dn([org, 'Example']))] }, www, {
      subject: ours,
    }),
    constrained(
      'nc of directory names, does not fit',
      'PERMITTED_VIOLATION',
      { permitted: [directory(dn([org, 'Other']))] },
      www,
      { subject: ours },
    ),
    constrained('nc excludes other directory names', 'trusted', { excluded: [directory(dn([org, 'Other']))] }, www, {
      subject: ours,
    }),
    constrained(
      'nc excludes a directory name, written otherwise',
      'EXCLUDED_VIOLATION',
      { excluded: [directory(printableName([org, ' exAMple ']))] },
      www,
      { subject: ours },
    ),
    constrained(
      'nc permits a directory name, written otherwise',
      'trusted',
      { permitted: [directory(printableName([org, 'EXAMPLE']))] },
      www,
      { subject: ours },
    ),
    constrained(
      'nc of directory names, as a subjectAltName',
      'PERMITTED_VIOLATION',
      { permitted: [directory(dn([org, 'Example']))] },
      [...www, directory(dn([org, 'Other']))],
      { subject: ours },
    ),
    constrained(
      'nc of directory names, one part of the first two',
      'PERMITTED_VIOLATION',
      { permitted: [directory(dn([Oid.commonName, 'www.example.com']))] },
      www,
      { subject: ours },
    ),
    constrained(
      'nc of registered identifiers, one in the leaf',
      'UNSUPPORTED_CONSTRAINT_TYPE',
      { permitted: [registered] },
      [...www, registered],
    ),
    constrained('nc of registered identifiers, none in the leaf', 'trusted', { permitted: [registered] }, www),
    usual('nc in the root', 'PERMITTED_VIOLATION', {
      root: { extensions: [...CA, nc({ permitted: [dns('example.org')] })] },
    }),
    usual(
      'nc with nothing in it',
      'MALFORMED_CERTIFICATE',
      intermediateWith(...CA, extension(Oid.nameConstraints, der.sequence(), true)),
      {
        opensslDiffers: 'it takes empty constraints for none',
      },
    ),
    usual(
      'nc with a minimum',
      'MALFORMED_CERTIFICATE',
      intermediateWith(
        ...CA,
        extension(
          Oid.nameConstraints,
          der.sequence(der.context(0, der.sequence(dns('example.com'), der.contextPrimitive(0, Uint8Array.of(1))))),
          true,
        ),
      ),
    ),
  ];
}

function algorithms(): ChainCase[] {
  const rsa = newKey('rsa2048');
  const small = newKey('rsa1024');
  const pssKey = newKey('rsa-pss');
  const rsaRoot = { key: rsa };
  const rootSigns = (name: string, expected: string, intermediate: Partial<Recipe>, extra: Extra = {}): ChainCase =>
    usual(name, expected, { root: rsaRoot, intermediate }, extra);
  const pss = ALGORITHMS.pssSha256;
  return [
    usual('badsig on the leaf', 'CERT_SIGNATURE_FAILURE', { leaf: { tamper: flip } }),
    usual('badsig on the intermediate', 'CERT_SIGNATURE_FAILURE', { intermediate: { tamper: flip } }),
    usual('badsig on the root, which nobody checks', 'trusted', { root: { tamper: flip } }),
    usual('an empty signature', 'CERT_SIGNATURE_FAILURE', { leaf: { tamper: () => new Uint8Array(0) } }),
    usual('sha1leaf', 'CA_MD_TOO_WEAK', { leaf: { algorithm: ALGORITHMS.ecdsaSha1 } }),
    usual('sha1int', 'CA_MD_TOO_WEAK', { intermediate: { algorithm: ALGORITHMS.ecdsaSha1 } }),
    usual('sha1 on the root, which nobody checks', 'trusted', { root: { algorithm: ALGORITHMS.ecdsaSha1 } }),
    rootSigns('sha1 with RSA', 'CA_MD_TOO_WEAK', { algorithm: ALGORITHMS.rsaSha1 }),
    rootSigns('md5 with RSA', 'CA_MD_TOO_WEAK', { algorithm: ALGORITHMS.rsaMd5 }),
    usual('rsa1024 leaf', 'EE_KEY_TOO_SMALL', { leaf: { key: small } }),
    usual('rsa1024 intermediate', 'CA_KEY_TOO_SMALL', { intermediate: { key: small } }),
    usual('rsa1024 root', 'CA_KEY_TOO_SMALL', { root: { key: small } }),
    usual(
      'P-224 leaf',
      'UNSUPPORTED_PUBLIC_KEY',
      { leaf: { key: newKey('p224') } },
      {
        opensslDiffers: 'it takes any curve with enough bits; TLS 1.3 has no signature scheme for this one',
      },
    ),
    ...(['rsaSha256', 'rsaSha384', 'rsaSha512', 'pssSha256', 'pssSha384', 'pssSha512'] as const).map((name) =>
      rootSigns(`signed with ${name}`, 'trusted', { algorithm: ALGORITHMS[name] }),
    ),
    ...(['p256', 'p384', 'p521', 'ed25519', 'ed448'] as const).map((name) =>
      usual(`signed with ${name}`, 'trusted', { root: { key: newKey(name) }, leaf: { key: newKey(name) } }),
    ),
    usual('P-384 key with SHA-256', 'trusted', {
      root: { key: newKey('p384') },
      intermediate: { algorithm: ALGORITHMS.ecdsaSha256 },
    }),
    usual('P-256 key with SHA-512', 'trusted', { intermediate: { algorithm: ALGORITHMS.ecdsaSha512 } }),
    usual('an RSASSA-PSS key', 'trusted', { root: { key: pssKey }, leaf: { key: pssKey } }),
    rootSigns('PSS with two hashes', 'UNSUPPORTED_SIGNATURE_ALGORITHM', {
      algorithm: { ...pss, identifier: pssIdentifier(Oid.sha256, Oid.sha384, 32) },
    }),
    rootSigns(
      'PSS with a salt of 20 bytes',
      'UNSUPPORTED_SIGNATURE_ALGORITHM',
      {
        algorithm: {
          ...pss,
          identifier: pssIdentifier(Oid.sha256, Oid.sha256, 20),
          options: { ...pss.options, saltLength: 20 },
        },
      },
      { opensslDiffers: 'it takes any length of salt' },
    ),
    rootSigns('PSS with default parameters, which are SHA-1', 'CA_MD_TOO_WEAK', {
      algorithm: { ...pss, identifier: der.sequence(der.oid(Oid.rsassaPss), der.sequence()) },
    }),
    usual('an ECDSA signature that calls itself RSA', 'CERT_SIGNATURE_FAILURE', {
      leaf: { algorithm: { ...ALGORITHMS.ecdsaSha256, identifier: ALGORITHMS.rsaSha256.identifier } },
    }),
    usual('an unknown signature algorithm', 'UNSUPPORTED_SIGNATURE_ALGORITHM', {
      leaf: { algorithm: { ...ALGORITHMS.ecdsaSha256, identifier: der.sequence(der.oid(UNKNOWN)) } },
    }),
    usual('another signature algorithm inside than outside', 'MALFORMED_CERTIFICATE', {
      leaf: { innerAlgorithm: ALGORITHMS.ecdsaSha384.identifier },
    }),
  ];
}

function encodings(): ChainCase[] {
  const { root, intermediate, leaf } = chain3();
  const anchors = [root.der];
  const broken = (name: string, der: Uint8Array, extra: Extra = {}): ChainCase => ({
    name,
    chain: [der, intermediate.der],
    anchors,
    expected: 'MALFORMED_CERTIFICATE',
    ...extra,
  });
  return [
    broken('a length that is not the shortest', withLongLength(leaf.der), {
      opensslDiffers: 'its parser takes BER here',
    }),
    broken('bytes behind the certificate', Uint8Array.of(...leaf.der, 0), {
      opensslDiffers: 'the program ignores what follows in the file',
    }),
    broken('cut off', leaf.der.subarray(0, -1)),
  ];
}

/** An attacker's bundles, which must be refused quickly. */
export function hostileBundles(): { readonly name: string; readonly chain: readonly Uint8Array[] }[] {
  const key = newKey();
  const sameKey = Array.from({ length: 16 }, () => make({ subject: cn('Same'), key, extensions: CA }).der);
  const keys = Array.from({ length: 16 }, () => newKey());
  const everyoneSignsNext = keys.map(
    (own, index) =>
      make({
        subject: cn('Same'),
        key: own,
        issuer: { subject: cn('Same'), key: keys[(index + 1) % 16]! },
        extensions: CA,
        keyIdentifiers: false,
      }).der,
  );
  const mesh = keys.slice(0, 5).flatMap((own) =>
    keys
      .slice(0, 5)
      .filter((other) => other !== own)
      .map(
        (other) =>
          make({
            subject: cn('Same'),
            key: own,
            issuer: { subject: cn('Same'), key: other },
            extensions: CA,
            keyIdentifiers: false,
          }).der,
      ),
  );
  const under = (owner: typeof key): Uint8Array =>
    make({
      subject: cn('www.example.com'),
      key: newKey(),
      issuer: { subject: cn('Same'), key: owner },
      extensions: LEAF,
      keyIdentifiers: false,
    }).der;
  const many = Array.from({ length: 2000 }, (_, i) => dns(`n${i}.example.com`));
  const constrainedCa = make({
    subject: cn('Same'),
    key,
    extensions: [...CA, nc({ excluded: many.map((_, i) => dns(`x${i}.example.org`)) })],
  }).der;
  const manyNames = make({
    subject: cn('www.example.com'),
    key: newKey(),
    issuer: { subject: cn('Same'), key },
    extensions: [bc(false), ku(0), san(...many)],
  }).der;
  return [
    { name: '16 certificates with one name and key', chain: [under(key), ...sameKey] },
    { name: '16 certificates with one name, each signed by the next', chain: [under(keys[0]!), ...everyoneSignsNext] },
    { name: '5 keys that all certify each other', chain: [under(keys[0]!), ...mesh] },
    {
      name: '2000 names under 2000 constraints, 16 times',
      chain: [manyNames, ...new Array<Uint8Array>(16).fill(constrainedCa)],
    },
  ];
}

export function allChains(): readonly ChainCase[] {
  return [...shapes(), ...authorities(), ...usages(), ...names(), ...constraints(), ...algorithms(), ...encodings()];
}
