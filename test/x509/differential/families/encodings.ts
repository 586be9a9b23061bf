import * as der from '../../../../src/x509/der.ts';
import { Oid } from '../../../../src/x509/oids.ts';
import { bc, CA, dns, extension, ku, LEAF, san } from '../../forge.ts';
import {
  ALL_OF_LEAF,
  bad,
  type Case,
  type Change,
  EMPTY,
  type Extra,
  good,
  only,
  plus,
  tree,
  UNKNOWN,
} from '../case.ts';

/** The value with its length in more bytes than needed. */
function longLength(value: Uint8Array): Uint8Array {
  const content = new der.DerReader(value).any().content;
  return Buffer.concat([Uint8Array.of(value[0]!, 0x83, 0, content.length >> 8, content.length & 0xff), content]);
}

/** The value without a length, up to an end mark. */
function indefinite(value: Uint8Array): Uint8Array {
  const content = new der.DerReader(value).any().content;
  return Buffer.concat([Uint8Array.of(value[0]!, 0x80), content, Uint8Array.of(0, 0)]);
}

/** A certificate in whose second field the length is not in its shortest form. */
function longAlgorithm(certificate: Uint8Array): Uint8Array {
  const reader = new der.DerReader(certificate).enter();
  return der.sequence(reader.any().whole, longLength(reader.any().whole), reader.any().whole);
}

const FALSE = Uint8Array.of(1, 1, 0);

/** An extension of these fields, which are not put in order. */
const fields = (...parts: Uint8Array[]): Uint8Array => der.sequence(...parts);
const value = (...parts: Uint8Array[]): Uint8Array => der.octetString(der.sequence(...parts));

export function encodings(): Case[] {
  const { root, upper, lower, leaf } = tree();
  const as = (name: string, bytes: Uint8Array, extra: Extra = {}): Case => ({
    name,
    expected: 'refused',
    chain: [bytes, lower.der, upper.der],
    anchors: [root.der],
    ...extra,
  });
  const ber: Extra = { differs: 'BER' };
  const outer = new der.DerReader(leaf.der).enter();
  const [tbs, algorithm, signature] = [outer.any().whole, outer.any().whole, outer.any().whole];
  const extended = (name: string, oid: string, bytes: Uint8Array, extra?: Extra): Case =>
    good(name, plus('leaf', extension(oid, bytes)), extra);
  const leafWith = (...extensions: Uint8Array[]): Change => only('leaf', ...LEAF, ...extensions);
  const names = san(dns('www.example.com'));
  const oid = der.oid(UNKNOWN);
  const nested = (depth: number): Uint8Array => {
    let bytes = der.nullValue();
    for (let i = 0; i < depth; i++) bytes = der.sequence(bytes);
    return bytes;
  };
  return [
    as('nothing', EMPTY),
    as('one byte', Uint8Array.of(0x30)),
    as('an empty SEQUENCE', der.sequence()),
    as('a NULL', der.nullValue()),
    as('a text', Buffer.from('hello')),
    as('the signed part alone', tbs),
    as('without a signature', der.sequence(tbs, algorithm)),
    as('a fourth field', der.sequence(tbs, algorithm, signature, der.nullValue())),
    as('fields in disorder', der.sequence(algorithm, tbs, signature)),
    as('a SET', der.set(tbs, algorithm, signature)),
    as('a byte behind it', Buffer.concat([leaf.der, Uint8Array.of(0)]), { differs: 'bytes behind the certificate' }),
    as('another certificate behind it', Buffer.concat([leaf.der, leaf.der]), {
      differs: 'bytes behind the certificate',
    }),
    as('a byte before it', Buffer.concat([Uint8Array.of(0), leaf.der])),
    as(
      'a length too large',
      Buffer.concat([leaf.der.subarray(0, 3), Uint8Array.of(leaf.der[3]! + 1), leaf.der.subarray(4)]),
    ),
    as(
      'a length too small',
      Buffer.concat([leaf.der.subarray(0, 3), Uint8Array.of(leaf.der[3]! - 1), leaf.der.subarray(4)]),
    ),
    as('a length of 2^32', Buffer.concat([Uint8Array.of(0x30, 0x85, 1, 0, 0, 0, 0), leaf.der.subarray(4)])),
    as('a negative length', Buffer.concat([Uint8Array.of(0x30, 0x84, 0xff, 0xff, 0xff, 0xff), leaf.der.subarray(4)])),
    as('a length in 127 bytes', Buffer.concat([Uint8Array.of(0x30, 0xff), leaf.der.subarray(4)])),
    ...[1, 2, 10, 50, 100, 200].map((bytes) => as(`cut off by ${bytes} bytes`, leaf.der.subarray(0, -bytes))),
    as('a length not in its shortest form', longLength(leaf.der), ber),
    as('an indefinite length', indefinite(leaf.der), ber),
    as('an indefinite length of the signed part', der.sequence(indefinite(tbs), algorithm, signature), {}),
    as('a length of the signed part not in its shortest form', der.sequence(longLength(tbs), algorithm, signature), {}),
    as('a length of the algorithm not in its shortest form', der.sequence(tbs, longLength(algorithm), signature), ber),
    as('a length of the signature not in its shortest form', der.sequence(tbs, algorithm, longLength(signature)), ber),
    as('a constructed signature', der.sequence(tbs, algorithm, der.encode(0x23, signature)), ber),
    as(
      'a signature in a universal tag of two bytes',
      der.sequence(tbs, algorithm, Buffer.concat([Uint8Array.of(0x1f, 0x03), signature.subarray(1)])),
      ber,
    ),

    bad(
      'the extensions with a long length',
      { leaf: { raw: { extensions: longLength(der.context(3, der.sequence(...ALL_OF_LEAF))) } } },
      ber,
    ),
    bad(
      'the extensions with an indefinite length',
      { leaf: { raw: { extensions: indefinite(der.context(3, der.sequence(...ALL_OF_LEAF))) } } },
      ber,
    ),
    bad(
      'the list of extensions with an indefinite length',
      { leaf: { raw: { extensions: der.context(3, indefinite(der.sequence(...ALL_OF_LEAF))) } } },
      ber,
    ),
    bad('an extension with a long length', leafWith(longLength(extension(UNKNOWN, EMPTY))), ber),
    bad(
      'subjectAltName with a long length',
      only(
        'leaf',
        ...LEAF.slice(0, 3),
        extension(Oid.subjectAltName, longLength(der.sequence(dns('www.example.com')))),
      ),
      ber,
    ),
    bad(
      'subjectAltName with an indefinite length',
      only(
        'leaf',
        ...LEAF.slice(0, 3),
        extension(Oid.subjectAltName, indefinite(der.sequence(dns('www.example.com')))),
      ),
      ber,
    ),
    bad(
      'bytes behind subjectAltName',
      only(
        'leaf',
        ...LEAF.slice(0, 3),
        extension(Oid.subjectAltName, Buffer.concat([der.sequence(dns('www.example.com')), der.nullValue()])),
      ),
      { differs: 'bytes behind an extension' },
    ),
    bad(
      'bytes behind basicConstraints',
      only(
        'lower',
        extension(Oid.basicConstraints, Buffer.concat([der.sequence(der.boolean(true)), der.nullValue()]), true),
        ku(5),
      ),
      { differs: 'bytes behind an extension' },
    ),
    bad(
      'bytes behind key usage',
      only('lower', bc(true), extension(Oid.keyUsage, Uint8Array.of(3, 2, 2, 4, 5, 0), true)),
      { differs: 'bytes behind an extension' },
    ),
    bad(
      'bytes behind extended key usage',
      only(
        'leaf',
        bc(false),
        ku(0),
        extension(Oid.extKeyUsage, Buffer.concat([der.sequence(der.oid(Oid.serverAuth)), der.nullValue()])),
        names,
      ),
      { differs: 'bytes behind an extension' },
    ),
    bad(
      'bytes behind name constraints',
      plus(
        'lower',
        extension(
          Oid.nameConstraints,
          Buffer.concat([der.sequence(der.context(0, der.sequence(dns('com')))), der.nullValue()]),
          true,
        ),
      ),
      { differs: 'bytes behind an extension' },
    ),
    bad(
      'name constraints that are cut off',
      plus('lower', extension(Oid.nameConstraints, Uint8Array.of(0x30, 5, 0xa0), true)),
    ),
    bad(
      'key usage of a wrong type in an authority',
      only('lower', bc(true), extension(Oid.keyUsage, der.integer(4), true)),
    ),

    bad('critical FALSE written out', leafWith(fields(oid, FALSE, der.octetString(EMPTY))), {
      differs: 'default written out',
    }),
    bad('critical in 1 instead of ff', leafWith(fields(oid, Uint8Array.of(1, 1, 1), der.octetString(EMPTY)))),
    bad(
      'critical in 1 instead of ff, a known extension',
      only(
        'leaf',
        ...LEAF.slice(0, 3),
        fields(der.oid(Oid.subjectAltName), Uint8Array.of(1, 1, 1), value(dns('www.example.com'))),
      ),
      ber,
    ),
    bad('critical of two bytes', leafWith(fields(oid, Uint8Array.of(1, 2, 0, 0), der.octetString(EMPTY)))),
    bad('critical twice', leafWith(fields(oid, FALSE, FALSE, der.octetString(EMPTY)))),
    bad('critical behind the value', leafWith(fields(oid, der.octetString(EMPTY), FALSE))),
    bad('an extension without a value', leafWith(fields(oid))),
    bad('an extension without an identifier', leafWith(fields(der.octetString(EMPTY)))),
    bad('an extension with two values', leafWith(fields(oid, der.octetString(EMPTY), der.octetString(EMPTY)))),
    bad('an extension whose value is a BIT STRING', leafWith(fields(oid, der.bitString(EMPTY)))),
    bad(
      'an extension whose value is constructed',
      leafWith(fields(oid, der.encode(0x24, der.octetString(EMPTY)))),
      ber,
    ),
    bad('an extension that is a SET', leafWith(der.set(oid, der.octetString(EMPTY)))),
    good('an extension with an empty value', leafWith(extension(UNKNOWN, EMPTY))),
    good('an extension with a value that is no DER', leafWith(extension(UNKNOWN, Uint8Array.of(0xff, 0xff)))),
    good('an extension of 20,000 bytes', leafWith(extension(UNKNOWN, new Uint8Array(20_000)))),
    good('60 extensions', leafWith(...Array.from({ length: 60 }, (_, i) => extension(`${UNKNOWN}.${i}`, EMPTY)))),
    good('an extension with a value of 1000 levels', leafWith(extension(UNKNOWN, nested(1000)))),
    bad('an identifier that is empty', leafWith(fields(der.encode(der.Tag.oid), der.octetString(EMPTY)))),
    bad(
      'an identifier not in its shortest form',
      leafWith(fields(der.encode(der.Tag.oid, Uint8Array.of(0x2a, 0x80, 0x03)), der.octetString(EMPTY))),
    ),
    bad(
      'an identifier cut off',
      leafWith(fields(der.encode(der.Tag.oid, Uint8Array.of(0x2a, 0x83)), der.octetString(EMPTY))),
    ),
    good(
      'an identifier with an arc of 100 bits',
      leafWith(
        fields(
          der.encode(der.Tag.oid, Uint8Array.of(0x2a, ...new Array<number>(14).fill(0x81), 1)),
          der.octetString(EMPTY),
        ),
      ),
    ),
    good(
      'an identifier of 100 arcs',
      leafWith(fields(der.encode(der.Tag.oid, new Uint8Array(100).fill(0x2a)), der.octetString(EMPTY))),
    ),
    good(
      'an identifier that begins like that of subjectAltName',
      leafWith(extension(`${Oid.subjectAltName}.1`, EMPTY)),
    ),
    extended('certificatePolicies that cannot be read', Oid.certificatePolicies, Uint8Array.of(0x30, 5)),
    good(
      'certificatePolicies that cannot be read, critical',
      plus('leaf', extension(Oid.certificatePolicies, Uint8Array.of(0x30, 5), true)),
    ),
    extended('cRLDistributionPoints that cannot be read', Oid.cRLDistributionPoints, Uint8Array.of(0x30, 5), {
      differs: 'extensions that are not read',
    }),
    extended('authorityInfoAccess that cannot be read', '1.3.6.1.5.5.7.1.1', Uint8Array.of(0x30, 5)),
    extended('issuerAltName that cannot be read', '2.5.29.18', Uint8Array.of(0x30, 5)),
    bad('the lower with a long length', {}, { chain: [leaf.der, longLength(lower.der), upper.der], ...ber }),
    bad('the lower cut off', {}, { chain: [leaf.der, lower.der.subarray(0, -1), upper.der] }),
    bad(
      'the lower with a byte behind it',
      {},
      {
        chain: [leaf.der, Buffer.concat([lower.der, Uint8Array.of(0)]), upper.der],
        differs: 'bytes behind the certificate',
      },
    ),
    bad('the root with a long length inside', {}, { anchors: [longAlgorithm(root.der)], ...ber }),
    bad(
      'an authority with an extension that cannot be read',
      only('lower', ...CA, extension(Oid.subjectAltName, Uint8Array.of(0x30, 5))),
    ),
  ];
}
