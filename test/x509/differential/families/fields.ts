import * as der from '../../../../src/x509/der.ts';
import { Oid } from '../../../../src/x509/oids.ts';
import { bc, CA, cn, dn, dns, extension, ku, LEAF, make, nc, san } from '../../forge.ts';
import {
  ALL_OF_LEAF,
  AUTHORITIES,
  authority,
  bad,
  type Case,
  type Change,
  ders,
  EMPTY,
  endEntity,
  good,
  key,
  only,
  PLACES,
  plus,
  UNKNOWN,
} from '../case.ts';

const ORGANIZATION = '2.5.4.10';

/** Extensions that RFC 5280 and others define, whose values are right. */
const DEFINED: readonly (readonly [
  name: string,
  oid: string,
  value: Uint8Array,
  known: 'ours' | 'both' | 'OpenSSL' | 'nobody',
])[] = [
  ['certificatePolicies', Oid.certificatePolicies, der.sequence(der.sequence(der.oid('2.23.140.1.2.1'))), 'both'],
  ['policyConstraints', '2.5.29.36', der.sequence(der.contextPrimitive(0, Uint8Array.of(0))), 'OpenSSL'],
  ['inhibitAnyPolicy', '2.5.29.54', der.integer(0), 'both'],
  ['policyMappings', '2.5.29.33', der.sequence(der.sequence(der.oid('1.2.3'), der.oid('1.2.4'))), 'both'],
  [
    'cRLDistributionPoints',
    Oid.cRLDistributionPoints,
    der.sequence(der.sequence(der.context(0, der.context(0, der.contextPrimitive(6, Buffer.from('http://a/')))))),
    'OpenSSL',
  ],
  [
    'freshestCRL',
    '2.5.29.46',
    der.sequence(der.sequence(der.context(0, der.context(0, der.contextPrimitive(6, Buffer.from('http://a/')))))),
    'nobody',
  ],
  ['issuerAltName', '2.5.29.18', der.sequence(dns('ca.example')), 'nobody'],
  [
    'authorityInfoAccess',
    '1.3.6.1.5.5.7.1.1',
    der.sequence(der.sequence(der.oid('1.3.6.1.5.5.7.48.1'), der.contextPrimitive(6, Buffer.from('http://a/')))),
    'nobody',
  ],
  [
    'subjectDirectoryAttributes',
    '2.5.29.9',
    der.sequence(der.sequence(der.oid('2.5.4.3'), der.set(der.utf8String('x')))),
    'nobody',
  ],
  [
    'privateKeyUsagePeriod',
    '2.5.29.16',
    der.sequence(der.contextPrimitive(0, Buffer.from('20200101000000Z'))),
    'nobody',
  ],
  ['precertificate poison', '1.3.6.1.4.1.11129.2.4.3', der.nullValue(), 'nobody'],
  ['signed certificate timestamps', '1.3.6.1.4.1.11129.2.4.2', der.octetString(Uint8Array.of(0, 0)), 'nobody'],
  ['netscapeCertType', '2.16.840.1.113730.1.1', der.bitString(Uint8Array.of(0x47), 0), 'OpenSSL'],
  ['netscapeComment', '2.16.840.1.113730.1.13', der.encode(der.Tag.ia5String, Buffer.from('x')), 'nobody'],
];

export function criticalExtensions(): Case[] {
  const unknown = extension(UNKNOWN, der.nullValue(), true);
  return [
    ...PLACES.flatMap((place) => [
      bad(`an unknown one in the ${place}`, plus(place, unknown)),
      good(`an unknown one in the ${place}, not critical`, plus(place, extension(UNKNOWN, Uint8Array.of(1, 2, 3)))),
    ]),
    bad('an unknown one before all others', only('leaf', unknown, ...LEAF)),
    bad('two unknown ones', plus('leaf', unknown, extension(`${UNKNOWN}.1`, EMPTY, true))),
    bad('an unknown one in a client', plus('leaf', unknown), { role: 'client' }),
    bad(
      'an unknown one with a long identifier',
      plus('leaf', extension(`${UNKNOWN}.${2 ** 30}.1.2.3.4.5.6.7.8.9`, EMPTY, true)),
    ),
    ...DEFINED.flatMap(([name, oid, value, known]) => [
      good(`${name} in the leaf, not critical`, plus('leaf', extension(oid, value))),
      (known === 'both' ? good : bad)(
        `${name} in the leaf`,
        plus('leaf', extension(oid, value, true)),
        known === 'OpenSSL' ? { differs: 'extensions that are not acted on' } : {},
      ),
      (known === 'both' ? good : bad)(
        `${name} in the lower`,
        plus('lower', extension(oid, value, true)),
        known === 'OpenSSL' ? { differs: 'extensions that are not acted on' } : {},
      ),
    ]),
  ];
}

export function duplicates(): Case[] {
  return [
    bad('subjectAltName', plus('leaf', san(dns('www.example.com')))),
    bad('subjectAltName, another', plus('leaf', san(dns('example.org')))),
    bad('key usage in the leaf', plus('leaf', ku(0))),
    bad('extended key usage in the leaf', plus('leaf', LEAF[2]!)),
    bad('unknown extension in the leaf', plus('leaf', extension(UNKNOWN, EMPTY), extension(UNKNOWN, EMPTY)), {
      differs: 'an extension twice',
    }),
    bad('unknown extension, once critical', plus('leaf', extension(UNKNOWN, EMPTY), extension(UNKNOWN, EMPTY, true))),
    bad(
      'certificatePolicies',
      plus(
        'leaf',
        ...[1, 2].map(() => extension(Oid.certificatePolicies, der.sequence(der.sequence(der.oid('1.2.3'))))),
      ),
      { differs: 'an extension twice' },
    ),
    bad('authorityKeyIdentifier', plus('leaf', extension(Oid.authorityKeyIdentifier, der.sequence()))),
    bad('subjectKeyIdentifier', plus('leaf', extension(Oid.subjectKeyIdentifier, der.octetString(Uint8Array.of(1))))),
    ...AUTHORITIES.flatMap((place) => [
      bad(`basicConstraints in the ${place}`, plus(place, bc(true))),
      bad(`basicConstraints in the ${place}, one says no`, plus(place, bc(false))),
      bad(`key usage in the ${place}`, plus(place, ku(5))),
    ]),
    bad(
      'name constraints in the lower',
      plus('lower', nc({ permitted: [dns('com')] }), nc({ permitted: [dns('com')] })),
    ),
  ];
}

const explicitVersion = (value: number): Uint8Array => der.context(0, Uint8Array.of(2, 1, value & 0xff));

export function versions(): Case[] {
  const plain = { keyIdentifiers: false, extensions: [] };
  const block = der.context(3, der.sequence(...ALL_OF_LEAF));
  const ids = (...numbers: number[]): Uint8Array =>
    Buffer.concat(numbers.map((number) => der.contextPrimitive(number, Uint8Array.of(0, 1))));
  const client = { role: 'client' as const };
  const v1Root = authority('v1', 'v1', undefined, { version: 1 });
  const v2Root = authority('v2', 'v2', undefined, { version: 2 });
  const v1 = (place: string): Change => ({ [place]: { version: 1 } });
  return [
    good('a client of version 1', v1('leaf'), client),
    good('a client of version 2', { leaf: { version: 2 } }, client),
    bad('a server of version 1', v1('leaf'), { differs: 'common name' }),
    good('a client of version 3 without extensions', { leaf: plain }, { ...client, differs: 'duties of authorities' }),
    bad('the lower of version 1', v1('lower')),
    bad('the upper of version 1', v1('upper')),
    bad('the lower of version 2', { lower: { version: 2 } }),
    good(
      'a root of version 1',
      {},
      { chain: ders(endEntity(v1Root)), anchors: [v1Root.der], differs: 'roots of version 1' },
    ),
    good(
      'a root of version 2',
      {},
      { chain: ders(endEntity(v2Root)), anchors: [v2Root.der], differs: 'roots of version 1' },
    ),
    bad('version 1 with extensions', { leaf: { version: 1, raw: { extensions: block } } }),
    bad('version 2 with extensions', { leaf: { version: 2, raw: { extensions: block } } }),
    bad('a lower of version 1 with extensions', {
      lower: { version: 1, raw: { extensions: der.context(3, der.sequence(...CA)) } },
    }),
    bad('version 1 written out', { leaf: { raw: { version: explicitVersion(0) } } }),
    bad(
      'version 1 written out, without extensions',
      { leaf: { version: 1, raw: { version: explicitVersion(0) } } },
      { ...client, differs: 'default written out' },
    ),
    bad('version 4', { leaf: { raw: { version: explicitVersion(3) } } }, { differs: 'unknown versions' }),
    bad('version 128', { leaf: { raw: { version: explicitVersion(127) } } }, { differs: 'unknown versions' }),
    bad('version 0', { leaf: { raw: { version: explicitVersion(-1) } } }),
    bad('a version of two numbers', { leaf: { raw: { version: der.context(0, der.integer(2), der.integer(2)) } } }),
    bad('a version that is no number', {
      leaf: { raw: { version: der.context(0, der.octetString(Uint8Array.of(2))) } },
    }),
    bad('a version without its tag', { leaf: { raw: { version: der.integer(2) } } }),
    bad('an empty version', { leaf: { raw: { version: der.context(0) } } }),
    good('unique identifiers', { leaf: { raw: { uniqueIds: ids(1, 2) } } }),
    good('unique identifiers in version 2', { leaf: { version: 2, raw: { uniqueIds: ids(1) } } }, client),
    bad(
      'unique identifiers in version 1',
      { leaf: { version: 1, raw: { uniqueIds: ids(1) } } },
      { ...client, differs: 'unique identifiers in version 1' },
    ),
    bad('unique identifiers in disorder', { leaf: { raw: { uniqueIds: ids(2, 1) } } }),
    bad('a unique identifier twice', { leaf: { raw: { uniqueIds: ids(1, 1) } } }),
    bad(
      'an empty list of extensions',
      { leaf: { raw: { extensions: der.context(3, der.sequence()) } } },
      { ...client },
    ),
    bad('extensions without a list', { leaf: { raw: { extensions: der.context(3) } } }),
    bad('extensions without their tag', { leaf: { raw: { extensions: der.sequence(...ALL_OF_LEAF) } } }),
    bad('extensions twice', { leaf: { raw: { tail: block } } }),
    bad('bytes behind the extensions', { leaf: { raw: { tail: der.nullValue() } } }),
  ];
}

export function serials(): Case[] {
  const serial = (...content: number[]): Uint8Array => der.encode(der.Tag.integer, Uint8Array.from(content));
  const withSerial = (value: Uint8Array): Change => ({ leaf: { raw: { serial: value } } });
  const long = (length: number): Uint8Array => serial(...new Array<number>(length).fill(0x55));
  const same = { raw: { serial: serial(7) } };
  return [
    good('0', withSerial(serial(0))),
    good('1', withSerial(serial(1))),
    bad('-1', withSerial(serial(0xff)), { differs: 'serial numbers' }),
    good('20 bytes', withSerial(long(20))),
    bad('21 bytes', withSerial(long(21)), { differs: 'serial numbers' }),
    bad('200 bytes', withSerial(long(200)), { differs: 'serial numbers' }),
    good('the highest bit set', withSerial(serial(0, 0x80))),
    bad('with a zero before it', withSerial(serial(0, 0x55))),
    bad('with ff before it', withSerial(serial(0xff, 0xff))),
    bad('empty', withSerial(serial())),
    bad('an OCTET STRING', withSerial(der.octetString(Uint8Array.of(1)))),
    bad('an ENUMERATED', withSerial(der.encode(der.Tag.enumerated, Uint8Array.of(1)))),
    bad('none', withSerial(EMPTY)),
    good('the same in all certificates', { leaf: same, lower: same, upper: same, root: same }),
  ];
}

const typed = (tag: number, text: string | Uint8Array, type: string = Oid.commonName): Uint8Array =>
  der.sequence(der.oid(type), der.encode(tag, typeof text === 'string' ? Buffer.from(text) : text));
const one = (...attributes: Uint8Array[]): Uint8Array =>
  der.sequence(...attributes.map((attribute) => der.set(attribute)));

export function names(): Case[] {
  const { printableString, utf8String, ia5String } = der.Tag;
  /** The lower authority with one name as its subject, called by another in the leaf. */
  const called = (subject: Uint8Array, issuer: Uint8Array): Change => ({
    lower: { subject },
    leaf: { raw: { issuer } },
  });
  const two = [typed(utf8String, 'a'), typed(utf8String, 'b', ORGANIZATION)] as const;
  const subjectOf = (subject: Uint8Array): Change => ({ leaf: { subject } });
  const client = { role: 'client' as const };
  const nameless = make({ subject: dn(), key: key('nameless'), extensions: CA });
  return [
    bad('the issuer is another name', called(cn('Lower'), cn('Another'))),
    bad('the issuer is another type', called(cn('Lower'), dn([ORGANIZATION, 'Lower']))),
    bad('the issuer has one part more', called(cn('Lower'), dn([Oid.commonName, 'Lower'], [ORGANIZATION, 'x']))),
    bad('the issuer has one part less', called(dn([ORGANIZATION, 'x'], [Oid.commonName, 'Lower']), cn('Lower'))),
    bad(
      'the issuer in another order',
      called(dn([ORGANIZATION, 'x'], [Oid.commonName, 'Lower']), dn([Oid.commonName, 'Lower'], [ORGANIZATION, 'x'])),
    ),
    bad('the issuer has a zero byte behind it', called(cn('Lower'), cn('Lower\0'))),
    good('the issuer in another type of string', called(one(typed(printableString, 'Lower')), cn('Lower'))),
    good('the issuer in capitals', called(cn('Lower'), cn('LOWER'))),
    good('the issuer with more spaces', called(cn('Lower one'), cn(' Lower  one '))),
    good('the issuer in UTF-16', called(cn('Lower'), one(typed(0x1e, Buffer.from('\0L\0o\0w\0e\0r', 'latin1'))))),
    bad('the issuer composed otherwise', called(cn('é'), cn('e\u0301'))),
    good(
      'several parts',
      called(dn([ORGANIZATION, 'x'], [Oid.commonName, 'Lower']), dn([ORGANIZATION, 'x'], [Oid.commonName, 'Lower'])),
    ),
    good('two attributes in one part', called(der.sequence(der.set(...two)), der.sequence(der.set(...two)))),
    good(
      'two attributes in one part, exchanged',
      called(der.sequence(der.set(two[0], two[1])), der.sequence(der.set(two[1], two[0]))),
    ),
    bad('an empty issuer', { leaf: { raw: { issuer: dn() } } }),
    bad('a lower authority without a name', called(dn(), dn()), {}),
    bad('a root without a name', {}, { chain: ders(endEntity(nameless)), anchors: [nameless.der] }),
    ...(
      [
        ['T61String', 0x14],
        ['BMPString', 0x1e, '\0x'],
        ['UniversalString', 0x1c, '\0\0\0x'],
        ['PrintableString', printableString],
        ['IA5String', ia5String],
        ['NumericString', 0x12],
        ['UTF8String', utf8String],
      ] as const
    ).map(([name, tag, text = '1234']) => good(`a subject in ${name}`, subjectOf(one(typed(tag, text))))),
    good('a subject with an OCTET STRING', subjectOf(one(typed(der.Tag.octetString, 'x'))), {
      differs: 'texts in names',
    }),
    good('a subject in VisibleString', subjectOf(one(typed(0x1a, '1234'))), { differs: 'texts in names' }),
    good('a subject with an empty text', subjectOf(one(typed(utf8String, '')))),
    good('a subject of 64 parts', subjectOf(one(...Array.from({ length: 64 }, (_, i) => typed(utf8String, `${i}`))))),
    good('a subject with a text of 3000 letters', subjectOf(cn('x'.repeat(3000)))),
    good('a subject with control characters', subjectOf(cn('a\r\nb\0c'))),
    good('a subject with an unknown attribute', subjectOf(one(typed(utf8String, 'x', UNKNOWN)))),
    bad('a subject with UTF-8 that is none', subjectOf(one(typed(utf8String, Uint8Array.of(0xc3, 0x28))))),
    bad('a subject in UTF-16 of three bytes', subjectOf(one(typed(0x1e, 'abc')))),
    bad('a part without attributes', subjectOf(der.sequence(der.set())), client),
    bad('an attribute without a value', subjectOf(one(der.sequence(der.oid(Oid.commonName))))),
    bad(
      'an attribute with two values',
      subjectOf(one(der.sequence(der.oid(Oid.commonName), der.utf8String('a'), der.utf8String('b')))),
    ),
    bad('a subject that is a SET', subjectOf(der.set(der.set(typed(utf8String, 'x'))))),
    bad('a subject without sets', subjectOf(der.sequence(typed(utf8String, 'x')))),
    bad('no subject', subjectOf(EMPTY)),
    good('the leaf has the name of its issuer', { leaf: { subject: cn('Lower') } }),
    good('the leaf has the name of the root', { leaf: { subject: cn('Root') } }),
    good('all authorities have one name', {
      root: { subject: cn('CA') },
      upper: { subject: cn('CA') },
      lower: { subject: cn('CA') },
    }),
  ];
}
