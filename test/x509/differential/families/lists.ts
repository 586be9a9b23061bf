import * as der from '../../../../src/x509/der.ts';
import { Oid } from '../../../../src/x509/oids.ts';
import {
  ALGORITHMS,
  bc,
  type CrlRecipe,
  cn,
  extension,
  keyId,
  ku,
  LEAF,
  type Made,
  makeCrl,
  NOW,
  uri,
} from '../../forge.ts';
import { authority, type Case, DAY, ders, EMPTY, type Extra, endEntity, key, SECOND, tree, UNKNOWN } from '../case.ts';

const yes = (number: number): Uint8Array => der.contextPrimitive(number, Uint8Array.of(0xff));
const point = (...fields: Uint8Array[]): Uint8Array =>
  extension(Oid.issuingDistributionPoint, der.sequence(...fields), true);
const fullName = (...names: Uint8Array[]): Uint8Array => der.context(0, der.context(0, ...names));
const flip = (signature: Uint8Array): Uint8Array => signature.with(signature.length - 1, signature.at(-1)! ^ 1);

export function lists(): Case[] {
  const usual = tree();
  const { root, upper, lower, leaf } = usual;
  const fine = [makeCrl({ issuer: lower }), makeCrl({ issuer: upper }), makeCrl({ issuer: root })] as const;

  /** With these lists; those of authorities that are not among them are good. */
  const listed = (name: string, expected: Case['expected'], crls: readonly Uint8Array[], extra: Extra = {}): Case => ({
    name,
    expected,
    chain: ders(leaf, lower, upper),
    anchors: [root.der],
    crls,
    ...extra,
  });
  const ofLower = (name: string, expected: Case['expected'], recipe: Partial<CrlRecipe>, extra?: Extra): Case =>
    listed(name, expected, [makeCrl({ issuer: lower, ...recipe }), fine[1], fine[2]], extra);
  const good = (name: string, recipe: Partial<CrlRecipe>, extra?: Extra): Case =>
    ofLower(name, 'trusted', recipe, extra);
  const bad = (name: string, recipe: Partial<CrlRecipe>, extra?: Extra): Case =>
    ofLower(name, 'refused', recipe, extra);
  const entry = (made: Made, ...extensions: Uint8Array[]) => ({ serial: made.serial, extensions });
  const reason = (code: number): Uint8Array =>
    extension(Oid.cRLReasons, der.encode(der.Tag.enumerated, Uint8Array.of(code)));
  const stranger = { subject: lower.subject, key: key('stranger') };
  const others = Array.from({ length: 40 }, (_, i) => ({ serial: Uint8Array.of(0x20, i) }));
  const onlyLeaf = { crlCheck: 'leaf' as const };
  const noSign = tree({ lower: { extensions: [bc(true), ku(5)] } });
  const noSignRoot = tree({ root: { extensions: [bc(true), ku(5)] } });
  const rsa = tree({ lower: { key: key('rsa', 'rsa2048') } });
  const ofRsa = (recipe: Partial<CrlRecipe>): Partial<Case> & { crls: Uint8Array[] } => ({
    chain: ders(rsa.leaf, rsa.lower, rsa.upper),
    crls: [makeCrl({ issuer: rsa.lower, ...recipe }), fine[1], fine[2]],
  });
  const renewed = authority('Lower', 'lower again', upper);
  const crossLower = authority('Lower', 'lower', authority('Other root', 'other root'));
  const otherRoot = authority('Other root', 'other root');
  const pointed = (...points: Uint8Array[]): Made =>
    endEntity(lower, { extensions: [...LEAF, extension(Oid.cRLDistributionPoints, der.sequence(...points))] });
  const here = fullName(uri('http://a/'));
  const atPoint = (
    name: string,
    expected: Case['expected'],
    points: readonly Uint8Array[],
    field: Uint8Array,
    extra?: Extra,
  ): Case => {
    const made = pointed(...points);
    return ofLower(name, expected, { extensions: [point(field)] }, { chain: ders(made, lower, upper), ...extra });
  };
  const withAlgorithm = (name: string, expected: Case['expected'], recipe: Partial<CrlRecipe>, extra?: Extra): Case => {
    const { crls, ...more } = ofRsa(recipe);
    return listed(name, expected, crls, { ...more, ...extra });
  };
  return [
    listed('nobody is revoked', 'trusted', fine),
    good('others are revoked', { revoked: others }),
    bad('the leaf is revoked', { revoked: [leaf] }),
    bad('the leaf is revoked, among others', { revoked: [...others, leaf, { serial: Uint8Array.of(1) }] }),
    ...[0, 1, 2, 3, 4, 5, 6, 9, 10].map((code) =>
      bad(`the leaf is revoked for reason ${code}`, { revoked: [entry(leaf, reason(code))] }),
    ),
    good('the leaf was taken off the list', { revoked: [entry(leaf, reason(8))] }),
    bad('the leaf is revoked twice', { revoked: [entry(leaf, reason(6)), entry(leaf, reason(1))] }),
    listed('the lower is revoked', 'refused', [fine[0], makeCrl({ issuer: upper, revoked: [lower] }), fine[2]]),
    listed('the upper is revoked', 'refused', [fine[0], fine[1], makeCrl({ issuer: root, revoked: [upper] })]),
    listed('the root revokes itself', 'refused', [fine[0], fine[1], makeCrl({ issuer: root, revoked: [root] })]),
    listed('another authority revokes the serial number of the leaf', 'trusted', [
      fine[0],
      makeCrl({ issuer: upper, revoked: [leaf] }),
      fine[2],
    ]),
    listed('a stranger revokes the leaf too', 'trusted', [...fine, makeCrl({ issuer: stranger, revoked: [leaf] })]),
    listed('none of the lower', 'refused', [fine[1], fine[2]]),
    listed('none of the upper', 'refused', [fine[0], fine[2]]),
    listed('none of the root', 'refused', [fine[0], fine[1]]),
    listed('none of the lower, only the leaf is asked about', 'refused', [fine[1], fine[2]], onlyLeaf),
    listed('none of the upper and root, only the leaf is asked about', 'refused', [fine[0]], {
      ...onlyLeaf,
      differs: 'lists for the whole path',
    }),
    listed(
      'the lower is revoked, only the leaf is asked about',
      'refused',
      [fine[0], makeCrl({ issuer: upper, revoked: [lower] }), fine[2]],
      { ...onlyLeaf, differs: 'lists for the whole path' },
    ),
    bad('the leaf is revoked, only the leaf is asked about', { revoked: [leaf] }, onlyLeaf),
    listed('of somebody else', 'refused', [makeCrl({ issuer: { subject: cn('Other'), key: key('other') } })]),
    listed('in another order', 'trusted', [...fine].reverse()),
    listed('each twice', 'trusted', [...fine, ...fine]),
    listed('the leaf sent with more than its path', 'trusted', fine, {
      chain: ders(leaf, renewed, lower, upper, root),
    }),

    bad('a broken signature', { tamper: flip }),
    bad('an empty signature', { tamper: () => EMPTY }),
    bad('signed by a stranger', { issuer: stranger, keyIdentifiers: false }),
    bad('signed by a stranger with his key identifier', { issuer: stranger }),
    bad('signed by a stranger with the key identifier of the lower', {
      issuer: stranger,
      keyIdentifiers: false,
      extensions: [
        extension(Oid.authorityKeyIdentifier, der.sequence(der.contextPrimitive(0, keyId(lower.key)))),
        extension(Oid.cRLNumber, der.integer(1)),
      ],
    }),
    listed('the list of the root broken', 'refused', [fine[0], fine[1], makeCrl({ issuer: root, tamper: flip })]),
    good('without key identifiers', { keyIdentifiers: false }),
    bad('with SHA-1', { algorithm: ALGORITHMS.ecdsaSha1 }, { differs: 'lists with SHA-1' }),
    good('with SHA-384', { algorithm: ALGORITHMS.ecdsaSha384 }),
    bad('another algorithm than it says', {
      algorithm: { ...ALGORITHMS.ecdsaSha256, identifier: ALGORITHMS.ecdsaSha384.identifier },
    }),
    bad('an unknown algorithm', {
      algorithm: { ...ALGORITHMS.ecdsaSha256, identifier: der.sequence(der.oid(UNKNOWN)) },
    }),
    withAlgorithm('with RSA', 'trusted', {}),
    withAlgorithm('with RSASSA-PSS', 'trusted', { algorithm: ALGORITHMS.pssSha256 }),
    withAlgorithm('with RSA and SHA-1', 'refused', { algorithm: ALGORITHMS.rsaSha1 }, { differs: 'lists with SHA-1' }),
    withAlgorithm('with RSA and MD5', 'refused', { algorithm: ALGORITHMS.rsaMd5 }, { differs: 'lists with SHA-1' }),

    bad('valid from the next second', { thisUpdate: NOW + SECOND }),
    good('valid from now', { thisUpdate: NOW }, {}),
    bad('expired a second ago', { thisUpdate: NOW - DAY, nextUpdate: NOW - SECOND }),
    good('in its last second', { thisUpdate: NOW - DAY, nextUpdate: NOW }, { differs: 'last second' }),
    good('valid a second more', { nextUpdate: NOW + SECOND }),
    good('without a next update', { nextUpdate: null }),
    bad('without a next update, the leaf is revoked', { nextUpdate: null, revoked: [leaf] }),
    bad('that ends before it begins', { thisUpdate: NOW + DAY, nextUpdate: NOW - DAY }),
    listed('the list of the root expired', 'refused', [
      fine[0],
      fine[1],
      makeCrl({ issuer: root, thisUpdate: NOW - DAY, nextUpdate: NOW - SECOND }),
    ]),
    listed('an old one expired, a new one', 'trusted', [
      makeCrl({ issuer: lower, thisUpdate: NOW - 2 * DAY, nextUpdate: NOW - DAY, revoked: [leaf] }),
      ...fine,
    ]),
    listed('an old one revokes, a new one does not', 'trusted', [
      makeCrl({ issuer: lower, thisUpdate: NOW - DAY, revoked: [leaf] }),
      ...fine,
    ]),
    listed('a new one revokes, an old one does not', 'refused', [
      makeCrl({ issuer: lower, thisUpdate: NOW - 500, revoked: [leaf] }),
      makeCrl({ issuer: lower, thisUpdate: NOW - DAY }),
      fine[1],
      fine[2],
    ]),
    listed('one of the future revokes', 'trusted', [
      makeCrl({ issuer: lower, thisUpdate: NOW + DAY, revoked: [leaf] }),
      ...fine,
    ]),

    good('version 1', { version: 1 }),
    bad('version 1, the leaf is revoked', { version: 1, revoked: [leaf] }),
    good('an unknown extension', { extensions: [extension(UNKNOWN, der.nullValue())] }),
    bad('an unknown critical extension', { extensions: [extension(UNKNOWN, der.nullValue(), true)] }),
    good('an entry with an unknown extension', {
      revoked: [{ serial: Uint8Array.of(5), extensions: [extension(UNKNOWN, EMPTY)] }],
    }),
    bad('an entry with an unknown critical extension', {
      revoked: [{ serial: Uint8Array.of(5), extensions: [extension(UNKNOWN, EMPTY, true)] }],
    }),
    bad('a critical cRLNumber and an unknown critical extension', {
      keyIdentifiers: false,
      extensions: [extension(Oid.cRLNumber, der.integer(1), true), extension(UNKNOWN, EMPTY, true)],
    }),
    good('the entry of another with an invalidity date', {
      revoked: [
        {
          serial: Uint8Array.of(5),
          extensions: [
            extension(Oid.invalidityDate, der.encode(der.Tag.generalizedTime, Buffer.from('20250101000000Z'))),
          ],
        },
      ],
    }),
    bad('a delta CRL', { extensions: [extension(Oid.deltaCRLIndicator, der.integer(1), true)] }),
    bad('an indirect CRL', { extensions: [point(yes(4))] }),
    bad('for some reasons only', { extensions: [point(der.contextPrimitive(3, Uint8Array.of(6, 0x40)))] }),
    bad('for attribute certificates', { extensions: [point(yes(5))] }),
    good('for end entities', { extensions: [point(yes(1))] }),
    bad('for end entities, the leaf is revoked', { extensions: [point(yes(1))], revoked: [leaf] }),
    bad('for authorities', { extensions: [point(yes(2))] }),
    bad('for end entities and authorities', { extensions: [point(yes(1), yes(2))] }),
    good('for everybody', { extensions: [point()] }, {}),
    listed('the list of the root for authorities', 'trusted', [
      fine[0],
      fine[1],
      makeCrl({ issuer: root, extensions: [point(yes(2))] }),
    ]),
    listed('the list of the root for end entities', 'refused', [
      fine[0],
      fine[1],
      makeCrl({ issuer: root, extensions: [point(yes(1))] }),
    ]),
    bad('for a distribution point, the leaf names none', { extensions: [point(here)] }),
    atPoint('for a distribution point that the leaf names', 'trusted', [der.sequence(here)], here),
    atPoint(
      'for a distribution point, the leaf names another',
      'refused',
      [der.sequence(fullName(uri('http://b/')))],
      here,
    ),
    atPoint(
      'for a distribution point that the leaf names for some reasons',
      'refused',
      [der.sequence(here, der.contextPrimitive(1, Uint8Array.of(6, 0x40)))],
      here,
    ),
    atPoint(
      'for a distribution point that the leaf names with another issuer',
      'refused',
      [der.sequence(here, der.context(2, der.context(4, cn('Other'))))],
      here,
    ),
    listed('the leaf names a distribution point, the list is for all', 'trusted', fine, {
      chain: ders(pointed(der.sequence(here)), lower, upper),
    }),

    listed(
      'of an authority that may not sign lists',
      'refused',
      [makeCrl({ issuer: noSign.lower }), fine[1], fine[2]],
      { chain: ders(noSign.leaf, noSign.lower, noSign.upper) },
    ),
    listed('of a root that may not sign lists', 'refused', fine, { anchors: [noSignRoot.root.der] }),
    listed('of two authorities of one name', 'trusted', [
      makeCrl({ issuer: renewed, revoked: [leaf], thisUpdate: NOW }),
      ...fine,
    ]),
    listed('a cross-signed path', 'trusted', [fine[0], makeCrl({ issuer: otherRoot })], {
      chain: ders(leaf, crossLower),
      anchors: [otherRoot.der],
    }),
    listed('a path that ends at the lower', 'refused', [fine[0]], {
      chain: [leaf.der],
      anchors: [lower.der],
      allowPartialChain: true,
    }),
    listed('a client', 'refused', [makeCrl({ issuer: lower, revoked: [leaf] }), fine[1], fine[2]], {
      role: 'client',
      chain: ders(leaf, lower, upper),
    }),
  ];
}
