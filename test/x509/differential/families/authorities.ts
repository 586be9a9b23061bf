import * as der from '../../../../src/x509/der.ts';
import { Oid } from '../../../../src/x509/oids.ts';
import { bc, CA, cn, dns, eku, extension, keyId, ku, LEAF, make, san } from '../../forge.ts';
import {
  AUTHORITIES,
  authority,
  bad,
  type Case,
  type Change,
  ders,
  EMPTY,
  type Extra,
  endEntity,
  good,
  key,
  only,
  PLACES,
  type Place,
  plus,
} from '../case.ts';

const FALSE = Uint8Array.of(1, 1, 0);
const TRUE = der.boolean(true);
const SIGN = ku(5, 6);
const basic = (critical: boolean, ...fields: Uint8Array[]): Uint8Array =>
  extension(Oid.basicConstraints, der.sequence(...fields), critical);

export function basicConstraints(): Case[] {
  const rest = LEAF.slice(1);
  const leafWith = (constraints: Uint8Array): Change => only('leaf', constraints, ...rest);
  const lowerWith = (constraints: Uint8Array): Change => only('lower', constraints, SIGN);
  const zero = authority('Zero', 'zero', undefined, { extensions: [bc(true, 0), SIGN] });
  const selfIssued = authority('Zero', 'zero 2', zero);
  const selfIssuedOne = authority('Zero', 'zero 2', zero, { extensions: [bc(true, 0), SIGN] });
  const underSelf = endEntity(selfIssued);
  const selfLeaf = endEntity(selfIssued, { subject: cn('Zero') });
  const other = authority('Other', 'other', selfIssued);
  const selfIssuedTwice = authority('Zero', 'zero 3', selfIssued);
  return [
    ...AUTHORITIES.flatMap((place) => [
      bad(`none in the ${place}`, only(place, SIGN)),
      bad(`no authority: ${place}`, only(place, bc(false), SIGN)),
      good(`not critical in the ${place}`, only(place, basic(false, TRUE), SIGN), { differs: 'duties of authorities' }),
      bad(`no extensions in the ${place}`, { [place]: { keyIdentifiers: false, extensions: [] } }),
      bad(`an authority in 1 instead of ff: ${place}`, only(place, basic(true, Uint8Array.of(1, 1, 1)), SIGN), {
        differs: 'BER',
      }),
    ]),
    good('leaf without', only('leaf', ...rest)),
    good('leaf that is an authority', leafWith(bc(true))),
    good('leaf that is an authority with a path length', leafWith(bc(true, 0)), { differs: 'duties of authorities' }),
    good('leaf, not critical', leafWith(basic(false))),
    good('leaf, FALSE written out', leafWith(basic(true, FALSE)), {}),
    bad('leaf with a path length and no authority', leafWith(bc(false, 0))),
    bad('lower with a path length and no authority', lowerWith(bc(false, 0))),
    bad('a path length of -1', lowerWith(basic(true, TRUE, Uint8Array.of(2, 1, 0xff)))),
    bad('a path length of -128', lowerWith(basic(true, TRUE, Uint8Array.of(2, 1, 0x80)))),
    bad('a path length not in its shortest form', lowerWith(basic(true, TRUE, Uint8Array.of(2, 2, 0, 5)))),
    bad('an empty path length', lowerWith(basic(true, TRUE, Uint8Array.of(2, 0)))),
    good('a path length of 2^31 - 1', lowerWith(basic(true, TRUE, der.integer(2 ** 31 - 1)))),
    bad('a path length of 2^31', lowerWith(basic(true, TRUE, Uint8Array.of(2, 5, 0, 0x80, 0, 0, 0))), {
      differs: 'largest path length',
    }),
    bad('a path length of 2^64', lowerWith(basic(true, TRUE, Uint8Array.of(2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0))), {
      differs: 'largest path length',
    }),
    bad('a path length that is an OCTET STRING', lowerWith(basic(true, TRUE, der.octetString(Uint8Array.of(1))))),
    bad('a field behind the path length', lowerWith(basic(true, TRUE, der.integer(1), der.integer(1)))),
    bad('the fields in disorder', lowerWith(basic(true, der.integer(1), TRUE))),
    bad('an empty value', lowerWith(extension(Oid.basicConstraints, EMPTY, true))),
    bad('a SET', lowerWith(extension(Oid.basicConstraints, der.set(TRUE), true))),
    bad('a BOOLEAN of two bytes', lowerWith(basic(true, Uint8Array.of(1, 2, 0xff, 0xff)))),
    bad('an empty BOOLEAN', lowerWith(basic(true, Uint8Array.of(1, 0)))),
    ...[0, 1, 2, 3].map((length) =>
      (length >= 2 ? good : bad)(`path length ${length} in the root`, only('root', bc(true, length), SIGN)),
    ),
    ...[0, 1, 2].map((length) =>
      (length >= 1 ? good : bad)(`path length ${length} in the upper`, only('upper', bc(true, length), SIGN)),
    ),
    good('path length 0 in the lower', only('lower', bc(true, 0), SIGN)),
    good('path lengths that grow downwards', {
      ...only('upper', bc(true, 1), SIGN),
      ...only('lower', bc(true, 9), SIGN),
    }),
    good('path lengths just enough', {
      ...only('root', bc(true, 2), SIGN),
      ...only('upper', bc(true, 1), SIGN),
      ...only('lower', bc(true, 0), SIGN),
    }),
    bad('a leaf that is an authority counts for no path length, its issuer does', {
      ...only('upper', bc(true, 0), SIGN),
      ...leafWith(bc(true)),
    }),
    good('a leaf that is an authority under path length 0', {
      ...only('lower', bc(true, 0), SIGN),
      ...leafWith(bc(true)),
    }),
    good('a self-issued intermediate is not counted', {}, { chain: ders(underSelf, selfIssued), anchors: [zero.der] }),
    good(
      'two self-issued intermediates are not counted',
      {},
      { chain: ders(endEntity(selfIssuedTwice), selfIssuedTwice, selfIssued), anchors: [zero.der] },
    ),
    good(
      'a self-issued intermediate with path length 0',
      {},
      { chain: ders(endEntity(selfIssuedOne), selfIssuedOne), anchors: [zero.der] },
    ),
    good(
      'a self-issued leaf',
      {},
      { chain: ders(endEntity(selfIssued, { subject: cn('Zero') }), selfIssued), anchors: [zero.der] },
    ),
    good(
      'a self-issued leaf under the root',
      {},
      { chain: ders(endEntity(zero, { subject: cn('Zero') })), anchors: [zero.der] },
    ),
    bad(
      'one under a self-issued intermediate is counted',
      {},
      { chain: ders(endEntity(other), other, selfIssued), anchors: [zero.der] },
    ),
    good('a self-issued leaf sent twice', {}, { chain: ders(selfLeaf, selfLeaf, selfIssued), anchors: [zero.der] }),
  ];
}

const keyUsage = (bytes: readonly number[], unused = 0, critical = true): Uint8Array =>
  extension(Oid.keyUsage, der.encode(der.Tag.bitString, Uint8Array.of(unused, ...bytes)), critical);

export function keyUsages(): Case[] {
  const leafWith = (usage: Uint8Array): Change => only('leaf', bc(false), usage, ...LEAF.slice(2));
  const strict: Extra = { differs: 'duties of authorities' };
  return [
    ...AUTHORITIES.flatMap((place) => [
      bad(`without keyCertSign: ${place}`, only(place, bc(true), ku(0, 6))),
      good(`none in the ${place}`, only(place, bc(true)), strict),
      good(`not critical in the ${place}`, only(place, bc(true), keyUsage([0x06], 1, false))),
      good(`keyCertSign alone in the ${place}`, only(place, bc(true), ku(5))),
      bad(`no bits in the ${place}`, only(place, bc(true), keyUsage([]))),
    ]),
    good('all bits in the lower', only('lower', bc(true), keyUsage([0xff, 0x80], 7))),
    good('leaf without', only('leaf', bc(false), ...LEAF.slice(2))),
    good('leaf with digitalSignature and keyEncipherment', leafWith(ku(0, 2))),
    bad('leaf with keyEncipherment alone', leafWith(ku(2)), { differs: 'digitalSignature' }),
    bad('leaf with keyAgreement alone', leafWith(ku(4)), { differs: 'digitalSignature' }),
    bad('leaf with nonRepudiation alone', leafWith(ku(1))),
    bad('leaf with dataEncipherment alone', leafWith(ku(3))),
    bad('leaf with decipherOnly alone', leafWith(keyUsage([0, 0x80], 7))),
    bad('leaf with no bits', leafWith(keyUsage([]))),
    bad('leaf with a bit that is zero', leafWith(keyUsage([0], 7))),
    good('leaf with zeros behind the last bit, which DER omits', leafWith(keyUsage([0x80, 0], 0))),
    bad('leaf with unused bits that are set', leafWith(keyUsage([0x81], 7)), { differs: 'BER' }),
    bad('leaf with 8 unused bits', leafWith(keyUsage([0x80], 8))),
    bad('leaf with unused bits of nothing', leafWith(keyUsage([], 7))),
    bad('leaf with an empty BIT STRING', leafWith(extension(Oid.keyUsage, Uint8Array.of(3, 0), true))),
    bad('leaf with an OCTET STRING', leafWith(extension(Oid.keyUsage, der.octetString(Uint8Array.of(0x80)), true))),
    good('leaf with an undefined bit', leafWith(keyUsage([0x80, 0x40], 6))),
    good('leaf with keyCertSign, no authority', leafWith(ku(0, 5)), { differs: 'duties of authorities' }),
    good('leaf with cRLSign, no authority', leafWith(ku(0, 6))),
    bad('client without digitalSignature', only('leaf', bc(false), ku(2), eku(Oid.clientAuth)), { role: 'client' }),
    good('client with digitalSignature', only('leaf', bc(false), ku(0), eku(Oid.clientAuth)), { role: 'client' }),
    good('client with keyAgreement', only('leaf', bc(false), ku(0, 4), eku(Oid.clientAuth)), { role: 'client' }),
  ];
}

const PURPOSES = {
  codeSigning: '1.3.6.1.5.5.7.3.3',
  emailProtection: '1.3.6.1.5.5.7.3.4',
  timeStamping: '1.3.6.1.5.5.7.3.8',
  ocspSigning: '1.3.6.1.5.5.7.3.9',
  netscapeStepUp: '2.16.840.1.113730.4.1',
  microsoftStepUp: '1.3.6.1.4.1.311.10.3.3',
} as const;

const CERT_TYPE = '2.16.840.1.113730.1.1';

export function extendedKeyUsages(): Case[] {
  const leafFor = (...purposes: string[]): Change =>
    only('leaf', bc(false), ku(0), eku(...purposes), san(dns('www.example.com')));
  const critical = (...purposes: string[]): Uint8Array =>
    extension(Oid.extKeyUsage, der.sequence(...purposes.map(der.oid)), true);
  const { serverAuth, clientAuth, anyExtendedKeyUsage: any } = Oid;
  const leafRest = LEAF.filter((_, index) => index !== 2);
  const client = { role: 'client' as const };
  const certType = (place: Place, ...bits: number[]): Change =>
    plus(
      place,
      extension(
        CERT_TYPE,
        der.bitString(Uint8Array.of(bits.reduce((byte, bit) => byte | (0x80 >> bit), 0)), 7 - Math.max(...bits)),
      ),
    );
  return [
    good('leaf without', only('leaf', ...leafRest)),
    good('client without', only('leaf', ...leafRest), client),
    good('leaf for servers', leafFor(serverAuth)),
    bad('leaf for clients', leafFor(clientAuth)),
    good('leaf for both', leafFor(clientAuth, serverAuth)),
    good('client for both', leafFor(serverAuth, clientAuth), client),
    good('client for clients', leafFor(clientAuth), client),
    bad('client for servers', leafFor(serverAuth), client),
    good('leaf for anything', leafFor(any), { differs: 'anyExtendedKeyUsage' }),
    good('client for anything', leafFor(any), { ...client, differs: 'anyExtendedKeyUsage' }),
    good('leaf for anything and servers', leafFor(any, serverAuth)),
    ...Object.entries(PURPOSES).map(([name, oid]) =>
      bad(`leaf for ${name}`, leafFor(oid), name.endsWith('StepUp') ? { differs: 'step-up' } : {}),
    ),
    bad('leaf for something unknown', leafFor('1.2.3.4')),
    good('leaf for servers and something unknown', leafFor('1.2.3.4', serverAuth)),
    good('leaf for servers twice', leafFor(serverAuth, serverAuth)),
    good('leaf, critical', only('leaf', ...leafRest, critical(serverAuth))),
    bad('leaf for clients, critical', only('leaf', ...leafRest, critical(clientAuth))),
    bad('leaf for nothing', only('leaf', ...leafRest, critical())),
    bad(
      'leaf with a purpose that is no OBJECT IDENTIFIER',
      only('leaf', ...leafRest, extension(Oid.extKeyUsage, der.sequence(der.utf8String(serverAuth)))),
    ),
    bad(
      'leaf with a purpose not in a list',
      only('leaf', ...leafRest, extension(Oid.extKeyUsage, der.oid(serverAuth))),
    ),
    ...AUTHORITIES.flatMap((place) => [
      good(`${place} for servers`, plus(place, eku(serverAuth))),
      bad(`${place} for clients`, plus(place, eku(clientAuth))),
      good(`${place} for both`, plus(place, eku(serverAuth, clientAuth))),
      good(`${place} for anything`, plus(place, eku(any)), { differs: 'anyExtendedKeyUsage' }),
      bad(`${place} for codeSigning`, plus(place, eku(PURPOSES.codeSigning))),
      bad(
        `${place} for servers, the leaf a client`,
        { ...plus(place, eku(serverAuth)), ...leafFor(clientAuth) },
        client,
      ),
      bad(`${place} for clients, critical`, plus(place, critical(clientAuth))),
    ]),
    bad('upper for clients, lower for servers', {
      ...plus('upper', eku(clientAuth)),
      ...plus('lower', eku(serverAuth)),
    }),
    good('netscapeCertType of the leaf for servers', certType('leaf', 1)),
    good('netscapeCertType of the leaf for clients', certType('leaf', 0), { differs: 'netscapeCertType' }),
    good('netscapeCertType of the lower for TLS authorities', certType('lower', 5)),
    good('netscapeCertType of the lower for mail authorities', certType('lower', 6)),
  ];
}

const skid = (bytes: Uint8Array, critical = false): Uint8Array =>
  extension(Oid.subjectKeyIdentifier, der.octetString(bytes), critical);
const akid = (...fields: Uint8Array[]): Uint8Array => extension(Oid.authorityKeyIdentifier, der.sequence(...fields));

export function keyIdentifiers(): Case[] {
  const strict: Extra = { differs: 'duties of authorities' };
  const own = (place: Place): Uint8Array => keyId(key(place));
  const above = { leaf: 'lower', lower: 'upper', upper: 'root', root: 'root' } as const;
  const base = (place: Place): readonly Uint8Array[] => (place === 'leaf' ? LEAF : CA);
  /** Only these identifiers at the place. */
  const with_ = (place: Place, ...identifiers: Uint8Array[]): Change => ({
    [place]: { keyIdentifiers: false, extensions: [...base(place), ...identifiers] },
  });
  const ours = (place: Place): Uint8Array => der.contextPrimitive(0, own(place));
  const wrong = Buffer.alloc(20, 0xaa);
  const numbered = make({ subject: cn('Numbered'), key: key('numbered'), extensions: CA });
  const issuerAndSerial = (name: Uint8Array, serial: Uint8Array): Uint8Array[] => [
    der.context(1, der.context(4, name)),
    der.contextPrimitive(2, serial),
  ];
  const under = (...fields: Uint8Array[]): Uint8Array[] => [
    endEntity(numbered, { keyIdentifiers: false, extensions: [...LEAF, skid(own('leaf')), akid(...fields)] }).der,
  ];
  const anchors = [numbered.der];
  return [
    ...PLACES.map((place) => good(`none in the ${place}`, with_(place), strict)),
    good('none anywhere', Object.fromEntries(PLACES.map((place) => [place, { keyIdentifiers: false }])), strict),
    ...AUTHORITIES.map((place) =>
      good(`no subject key identifier in the ${place}`, with_(place, akid(ours(above[place]))), strict),
    ),
    good('no subject key identifier in the leaf', with_('leaf', akid(ours('lower')))),
    ...PLACES.slice(0, 3).map((place) =>
      good(`no authority key identifier in the ${place}`, with_(place, skid(own(place))), strict),
    ),
    good('no authority key identifier in the root', with_('root', skid(own('root')))),
    ...PLACES.slice(0, 3).map((place) =>
      good(
        `authority key identifier of the ${place} names another key`,
        with_(place, skid(own(place)), akid(der.contextPrimitive(0, wrong))),
        { differs: 'key identifiers are hints' },
      ),
    ),
    good(
      'authority key identifier of the root names another key',
      with_('root', skid(own('root')), akid(der.contextPrimitive(0, wrong))),
      { differs: 'key identifiers are hints' },
    ),
    ...AUTHORITIES.map((place) =>
      good(`subject key identifier of the ${place} is another`, with_(place, skid(wrong), akid(ours(above[place]))), {
        differs: 'key identifiers are hints',
      }),
    ),
    good('an empty subject key identifier in the lower', with_('lower', skid(EMPTY), akid(ours('upper'))), {
      differs: 'key identifiers are hints',
    }),
    good('an empty authority key identifier in the leaf', with_('leaf', skid(own('leaf')), akid()), strict),
    good('subject key identifier critical', with_('lower', skid(own('lower'), true), akid(ours('upper'))), strict),
    good(
      'authority key identifier critical',
      with_('leaf', skid(own('leaf')), extension(Oid.authorityKeyIdentifier, der.sequence(ours('lower')), true)),
      strict,
    ),
    good(
      'issuer and serial number of the issuer',
      {},
      {
        chain: under(
          der.contextPrimitive(0, keyId(numbered.key)),
          ...issuerAndSerial(numbered.subject, numbered.serial),
        ),
        anchors,
      },
    ),
    good(
      'issuer and serial number without the key',
      {},
      { chain: under(...issuerAndSerial(numbered.subject, numbered.serial)), anchors, ...strict },
    ),
    good(
      'another serial number of the issuer',
      {},
      {
        chain: under(
          der.contextPrimitive(0, keyId(numbered.key)),
          ...issuerAndSerial(numbered.subject, Uint8Array.of(1)),
        ),
        anchors,
        differs: 'key identifiers are hints',
      },
    ),
    good(
      'another issuer of the issuer',
      {},
      {
        chain: under(der.contextPrimitive(0, keyId(numbered.key)), ...issuerAndSerial(cn('Other'), numbered.serial)),
        anchors,
        differs: 'key identifiers are hints',
      },
    ),
    good(
      'a serial number without an issuer',
      {},
      { chain: under(der.contextPrimitive(0, keyId(numbered.key)), der.contextPrimitive(2, numbered.serial)), anchors },
    ),
    bad(
      'fields in disorder',
      with_('leaf', skid(own('leaf')), akid(der.contextPrimitive(2, Uint8Array.of(1)), ours('lower'))),
    ),
    bad(
      'a field of an unknown number',
      with_('leaf', skid(own('leaf')), akid(ours('lower'), der.contextPrimitive(5, EMPTY))),
    ),
    bad(
      'a constructed key identifier',
      with_('leaf', skid(own('leaf')), akid(der.context(0, der.octetString(own('lower'))))),
      { differs: 'BER' },
    ),
    bad(
      'a serial number that is no INTEGER',
      with_('leaf', skid(own('leaf')), akid(ours('lower'), ...issuerAndSerial(cn('Lower'), EMPTY))),
    ),
    bad(
      'an authority key identifier that is an OCTET STRING',
      with_('leaf', skid(own('leaf')), extension(Oid.authorityKeyIdentifier, der.octetString(own('lower')))),
    ),
    bad(
      'a subject key identifier that is no OCTET STRING',
      with_('lower', extension(Oid.subjectKeyIdentifier, own('lower')), akid(ours('upper'))),
    ),
    bad(
      'bytes behind the subject key identifier',
      with_(
        'lower',
        extension(Oid.subjectKeyIdentifier, Buffer.concat([der.octetString(own('lower')), der.nullValue()])),
        akid(ours('upper')),
      ),
      { differs: 'bytes behind an extension' },
    ),
  ];
}
