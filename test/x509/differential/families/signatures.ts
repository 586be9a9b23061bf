import { constants, generateKeyPairSync } from 'node:crypto';
import * as der from '../../../../src/x509/der.ts';
import { Oid } from '../../../../src/x509/oids.ts';
import { ALGORITHMS, type Algorithm, type KeyName, type KeyPair, pssIdentifier } from '../../forge.ts';
import { bad, type Case, type Change, EMPTY, good, key, PLACES, type Place, tree, UNKNOWN } from '../case.ts';

const flip = (at: number) => (signature: Uint8Array) =>
  signature.with(at < 0 ? signature.length + at : at, signature.at(at)! ^ 1);
const identifier = (oid: string, ...parameters: Uint8Array[]): Uint8Array => der.sequence(der.oid(oid), ...parameters);
const ecdsa = ALGORITHMS.ecdsaSha256;

/** The two numbers of an ECDSA signature. */
function split(signature: Uint8Array): [Uint8Array, Uint8Array] {
  const reader = new der.DerReader(signature).enter();
  return [reader.integer(), reader.integer()];
}
const joined = (...contents: Uint8Array[]): Uint8Array =>
  der.sequence(...contents.map((content) => der.encode(der.Tag.integer, content)));

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** The other of the two signatures that every ECDSA signature stands for. */
function negated(signature: Uint8Array): Uint8Array {
  const [r, s] = split(signature);
  const number = ORDER - BigInt(`0x${Buffer.from(s).toString('hex')}`);
  return der.sequence(
    der.encode(der.Tag.integer, r),
    der.unsignedInteger(Buffer.from(number.toString(16).padStart(64, '0'), 'hex')),
  );
}

export function signatures(): Case[] {
  const stranger = key('stranger');
  const rsaLower = { key: key('rsa', 'rsa2048') };
  const other = tree().leaf;
  const tampered = (name: string, tamper: (signature: Uint8Array) => Uint8Array): Case =>
    bad(name, { leaf: { tamper } });
  const rsaTampered = (name: string, tamper: (signature: Uint8Array) => Uint8Array): Case =>
    bad(name, { lower: rsaLower, leaf: { tamper } });
  return [
    ...PLACES.slice(0, 3).flatMap((place) => [
      bad(`the last bit of the signature of the ${place}`, { [place]: { tamper: flip(-1) } }),
      bad(`the signature of the ${place} empty`, { [place]: { tamper: () => EMPTY } }),
      bad(`${place} signed by a stranger`, { [place]: { signer: stranger } }),
    ]),
    good('the last bit of the signature of the root, which nobody checks', { root: { tamper: flip(-1) } }),
    good('the signature of the root empty', { root: { tamper: () => EMPTY } }),
    tampered('the first bit', flip(0)),
    tampered('the length of r', flip(3)),
    tampered('cut off', (signature) => signature.subarray(0, -1)),
    tampered('a byte behind it', (signature) => Buffer.concat([signature, Buffer.alloc(1)])),
    tampered('of another certificate', () => signatureOf(other.der)),
    tampered('all zero', (signature) => signature.fill(0)),
    tampered('r and s zero', () => joined(Uint8Array.of(0), Uint8Array.of(0))),
    tampered('r and s one', () => joined(Uint8Array.of(1), Uint8Array.of(1))),
    tampered('r and s exchanged', (signature) => joined(...(split(signature).reverse() as [Uint8Array, Uint8Array]))),
    tampered('r negative', (signature) => joined(Uint8Array.of(0xff), split(signature)[1])),
    tampered('r with zeros before it', (signature) => {
      const [r, s] = split(signature);
      return joined(Buffer.concat([Buffer.alloc(2), r]), s);
    }),
    tampered('a third number', (signature) => joined(...split(signature), Uint8Array.of(1))),
    tampered('r and s without DER around them', (signature) => Buffer.concat(split(signature))),
    good('s negated', { leaf: { tamper: negated } }),
    rsaTampered('RSA with a zero before it', (signature) => Buffer.concat([Buffer.alloc(1), signature])),
    rsaTampered('RSA cut off', (signature) => signature.subarray(1)),
    rsaTampered('RSA, one', (signature) => signature.fill(0).with(signature.length - 1, 1)),
    rsaTampered('RSA, above the modulus', (signature) => signature.fill(0xff)),
    rsaTampered('RSA with the wrong padding', () => Buffer.alloc(256, 1)),
    bad('a BIT STRING that is not whole bytes', {
      leaf: { raw: { signature: der.bitString(new Uint8Array(70), 4) } },
    }),
    bad('no BIT STRING', { leaf: { raw: { signature: der.octetString(new Uint8Array(70)) } } }),
    bad('no signature at all', { leaf: { raw: { signature: EMPTY } } }),
  ];
}

function signatureOf(certificate: Uint8Array): Uint8Array {
  const reader = new der.DerReader(certificate).enter();
  reader.any();
  reader.any();
  return reader.bitStringBytes();
}

export function signatureAlgorithms(): Case[] {
  const rsa = { key: key('rsa', 'rsa2048') };
  const underRsa = (algorithm: Partial<Algorithm>): Change => ({
    lower: rsa,
    leaf: { algorithm: { ...ALGORITHMS.pssSha256, ...algorithm } },
  });
  const pss = (saltLength: number): NonNullable<Algorithm['options']> => ({
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength,
  });
  const withNull = (oid: string): Uint8Array => identifier(oid, der.nullValue());
  const mgf = (oid: string): Uint8Array => der.context(1, identifier(Oid.mgf1, withNull(oid)));
  const pssFields = (...fields: Uint8Array[]): Uint8Array => identifier(Oid.rsassaPss, der.sequence(...fields));
  const [hash256, mask256, salt32] = [
    der.context(0, withNull(Oid.sha256)),
    mgf(Oid.sha256),
    der.context(2, der.integer(32)),
  ];
  const labelled = (name: string, label: Uint8Array, change: Change = {}, extra = {}): Case =>
    bad(
      name,
      { ...change, leaf: { ...change.leaf, algorithm: { ...ecdsa, ...change.leaf?.algorithm, identifier: label } } },
      extra,
    );
  return [
    ...PLACES.map((place) =>
      bad(`inner and outer identifier of the ${place} differ`, {
        [place]: { innerAlgorithm: ALGORITHMS.ecdsaSha384.identifier },
      }),
    ),
    bad('inner and outer identifier differ in a NULL', { leaf: { innerAlgorithm: withNull(Oid.ecdsaWithSHA256) } }),
    bad('inner and outer identifier differ in the NULL of RSA', {
      lower: rsa,
      leaf: { innerAlgorithm: identifier(Oid.sha256WithRSAEncryption) },
    }),
    bad('RSA inside, ECDSA outside', { leaf: { innerAlgorithm: ALGORITHMS.rsaSha256.identifier } }),
    ...(['rsaSha256', 'rsaSha384', 'rsaSha512', 'pssSha256', 'pssSha384', 'pssSha512'] as const).map((name) =>
      good(`${name}`, { lower: rsa, leaf: { algorithm: ALGORITHMS[name] } }),
    ),
    ...(['ecdsaSha384', 'ecdsaSha512'] as const).map((name) =>
      good(`${name} by P-256`, { leaf: { algorithm: ALGORITHMS[name] } }),
    ),
    ...PLACES.slice(0, 3).map((place) =>
      bad(`SHA-1 in the ${place}`, { [place]: { algorithm: ALGORITHMS.ecdsaSha1 } }),
    ),
    good('SHA-1 in the root, which nobody checks', { root: { algorithm: ALGORITHMS.ecdsaSha1 } }),
    bad('SHA-1 with RSA', { lower: rsa, leaf: { algorithm: ALGORITHMS.rsaSha1 } }),
    bad('MD5 with RSA', { lower: rsa, leaf: { algorithm: ALGORITHMS.rsaMd5 } }),
    bad(
      'ECDSA with SHA-224',
      { leaf: { algorithm: { identifier: identifier('1.2.840.10045.4.3.1'), hash: 'sha224' } } },
      { differs: 'rare hash' },
    ),
    bad(
      'RSA with SHA-224',
      { lower: rsa, leaf: { algorithm: { identifier: withNull('1.2.840.113549.1.1.14'), hash: 'sha224' } } },
      { differs: 'rare hash' },
    ),
    bad('ECDSA with SHA3-256', {
      leaf: { algorithm: { identifier: identifier('2.16.840.1.101.3.4.3.10'), hash: 'sha3-256' } },
    }),
    bad('RSA with SHA-512/256', {
      lower: rsa,
      leaf: { algorithm: { identifier: withNull('1.2.840.113549.1.1.16'), hash: 'sha512-256' } },
    }),
    good('RSA without the NULL', {
      lower: rsa,
      leaf: { algorithm: { ...ALGORITHMS.rsaSha256, identifier: identifier(Oid.sha256WithRSAEncryption) } },
    }),
    bad(
      'RSA with other parameters',
      {
        lower: rsa,
        leaf: {
          algorithm: { ...ALGORITHMS.rsaSha256, identifier: identifier(Oid.sha256WithRSAEncryption, der.integer(1)) },
        },
      },
      { differs: 'parameters' },
    ),
    bad('RSA with a NULL that holds a byte', {
      lower: rsa,
      leaf: {
        algorithm: {
          ...ALGORITHMS.rsaSha256,
          identifier: identifier(Oid.sha256WithRSAEncryption, Uint8Array.of(5, 1, 0)),
        },
      },
    }),
    labelled('ECDSA with a NULL', withNull(Oid.ecdsaWithSHA256), {}, { differs: 'parameters' }),
    labelled('ECDSA that calls itself RSA', ALGORITHMS.rsaSha256.identifier),
    labelled('ECDSA that calls itself Ed25519', ALGORITHMS.ed25519.identifier),
    labelled('ECDSA with SHA-256 that calls itself SHA-384', ALGORITHMS.ecdsaSha384.identifier),
    labelled('ECDSA that calls itself PSS', ALGORITHMS.pssSha256.identifier),
    labelled('RSA that calls itself ECDSA', ecdsa.identifier, { lower: rsa }),
    labelled('PKCS #1 that calls itself PSS', ALGORITHMS.pssSha256.identifier, {
      lower: rsa,
      leaf: { algorithm: ALGORITHMS.rsaSha256 },
    }),
    labelled('PSS that calls itself PKCS #1', ALGORITHMS.rsaSha256.identifier, {
      lower: rsa,
      leaf: { algorithm: ALGORITHMS.pssSha256 },
    }),
    labelled('an unknown algorithm', identifier(UNKNOWN)),
    labelled('the identifier of the key', identifier(Oid.ecPublicKey, der.oid(Oid.secp256r1))),
    labelled('the identifier of a hash', identifier(Oid.sha256)),
    labelled('an identifier without an OBJECT IDENTIFIER', der.sequence()),
    good('Ed25519', { lower: { key: key('ed25519', 'ed25519') } }),
    bad(
      'Ed25519 with a NULL',
      {
        lower: { key: key('ed25519', 'ed25519') },
        leaf: { algorithm: { ...ALGORITHMS.ed25519, identifier: withNull(Oid.ed25519) } },
      },
      { differs: 'parameters' },
    ),
    good('Ed448', { lower: { key: key('ed448', 'ed448') } }),
    bad('PSS with two hashes', underRsa({ identifier: pssIdentifier(Oid.sha256, Oid.sha384, 32) })),
    bad(
      'PSS with a salt of 20 bytes',
      underRsa({ identifier: pssIdentifier(Oid.sha256, Oid.sha256, 20), options: pss(20) }),
      { differs: 'PSS salt' },
    ),
    bad('PSS without salt', underRsa({ identifier: pssIdentifier(Oid.sha256, Oid.sha256, 0), options: pss(0) }), {
      differs: 'PSS salt',
    }),
    bad('PSS with a salt that is not as long as it says', underRsa({ options: pss(20) })),
    bad(
      'PSS with a negative length of salt',
      underRsa({ identifier: pssFields(hash256, mask256, der.context(2, Uint8Array.of(2, 1, 0xff))) }),
    ),
    bad('PSS with SHA-1 by default', underRsa({ identifier: pssFields(), hash: 'sha1', options: pss(20) })),
    bad('PSS with the mask of SHA-1 by default', underRsa({ identifier: pssFields(hash256, salt32) })),
    bad('PSS without parameters', underRsa({ identifier: identifier(Oid.rsassaPss) })),
    bad('PSS with a NULL', underRsa({ identifier: withNull(Oid.rsassaPss) })),
    good(
      'PSS with hashes without NULL',
      underRsa({
        identifier: pssFields(
          der.context(0, identifier(Oid.sha256)),
          der.context(1, identifier(Oid.mgf1, identifier(Oid.sha256))),
          salt32,
        ),
      }),
    ),
    bad(
      'PSS with its default trailer field written out',
      underRsa({ identifier: pssFields(hash256, mask256, salt32, der.context(3, der.integer(1))) }),
      { differs: 'default written out' },
    ),
    bad(
      'PSS with another trailer field',
      underRsa({ identifier: pssFields(hash256, mask256, salt32, der.context(3, der.integer(2))) }),
    ),
    bad('PSS with its fields in disorder', underRsa({ identifier: pssFields(mask256, hash256, salt32) })),
    bad(
      'PSS with an unknown mask generation',
      underRsa({ identifier: pssFields(hash256, der.context(1, identifier(UNKNOWN, withNull(Oid.sha256))), salt32) }),
    ),
  ];
}

const ec = (...parameters: Uint8Array[]): Uint8Array => identifier(Oid.ecPublicKey, ...parameters);
const p256 = ec(der.oid(Oid.secp256r1));

export function keys(): Case[] {
  const { publicKey } = key('leaf');
  const jwk = publicKey.export({ format: 'jwk' });
  const [x, y] = [Buffer.from(jwk.x!, 'base64url'), Buffer.from(jwk.y!, 'base64url')];
  const point = (first: number, ...rest: Uint8Array[]): Uint8Array => Buffer.concat([Uint8Array.of(first), ...rest]);
  const leafKey = (name: string, info: Uint8Array, extra = {}): Case =>
    bad(name, { leaf: { raw: { spki: info } } }, extra);
  const modulus = Buffer.from(key('rsa', 'rsa2048').publicKey.export({ format: 'jwk' }).n!, 'base64url');
  const rsaKey = (n: Uint8Array, e: Uint8Array, parameters = der.nullValue()): Uint8Array =>
    der.sequence(identifier(Oid.rsaEncryption, parameters), der.bitString(der.sequence(n, e)));
  const rsa2048 = der.unsignedInteger(modulus);
  const f4 = der.integer(65537);
  const inPlace = (place: Place, name: KeyName): Change => ({ [place]: { key: key(name, name) } });
  const small = { key: key('rsa1024', 'rsa1024') };
  const withCurve = (namedCurve: string): KeyPair => generateKeyPairSync('ec', { namedCurve });
  const k1 = withCurve('secp256k1');
  const brainpool = withCurve('brainpoolP256r1');
  // The declarations of Node lack this option.
  const options: { namedCurve: string } = Object.assign({ namedCurve: 'P-256' }, { paramEncoding: 'explicit' });
  const explicit = generateKeyPairSync('ec', options);
  const dsa = generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 });
  const x25519 = generateKeyPairSync('x25519');
  const odd = generateKeyPairSync('rsa', { modulusLength: 2040 });
  const three = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 });
  const bound = der.sequence(pssIdentifier(Oid.sha256, Oid.sha256, 32), der.bitString(der.sequence(rsa2048, f4)));
  const restricted = { key: key('rsa', 'rsa2048'), raw: { spki: bound } };
  return [
    ...PLACES.map((place) => bad(`RSA-1024 in the ${place}`, { [place]: small })),
    ...PLACES.map((place) => bad(`P-224 in the ${place}`, inPlace(place, 'p224'), { differs: 'curves' })),
    ...PLACES.flatMap((place) =>
      (['p384', 'p521', 'ed25519', 'rsa2048', 'rsa-pss'] as const).map((name) =>
        good(`${name} in the ${place}`, inPlace(place, name)),
      ),
    ),
    ...(['leaf', 'lower'] as const).flatMap((place) => [
      bad(`secp256k1 in the ${place}`, { [place]: { key: k1 } }, { differs: 'curves' }),
      bad(`brainpoolP256r1 in the ${place}`, { [place]: { key: brainpool } }, { differs: 'curves' }),
      bad(`RSA-2040 in the ${place}`, { [place]: { key: odd } }, { differs: 'RSA size' }),
      good(`RSA with the exponent 3 in the ${place}`, { [place]: { key: three } }),
      bad(`a curve given by its parameters in the ${place}`, { [place]: { key: explicit } }),
    ]),
    good('Ed448 in the leaf', inPlace('leaf', 'ed448')),
    bad('DSA in the leaf', { leaf: { key: dsa } }, { differs: 'kinds of keys' }),
    bad('X25519 in the leaf', { leaf: { key: x25519 } }, { differs: 'kinds of keys' }),
    good('a PSS key that is bound to SHA-256', { lower: restricted, leaf: { algorithm: ALGORITHMS.pssSha256 } }),
    bad('a PSS key that is bound to SHA-256 signs with SHA-512', {
      lower: restricted,
      leaf: { algorithm: ALGORITHMS.pssSha512 },
    }),
    leafKey('an unknown kind of key', der.sequence(identifier(UNKNOWN), der.bitString(x))),
    leafKey('an unknown curve', der.sequence(ec(der.oid(UNKNOWN)), der.bitString(point(4, x, y)))),
    leafKey('no curve', der.sequence(ec(), der.bitString(point(4, x, y)))),
    leafKey('a NULL for a curve', der.sequence(ec(der.nullValue()), der.bitString(point(4, x, y)))),
    good('a compressed point', {
      leaf: { raw: { spki: der.sequence(p256, der.bitString(point(2 + (y.at(-1)! & 1), x))) } },
    }),
    good(
      'a point that is not on the curve',
      { leaf: { raw: { spki: der.sequence(p256, der.bitString(point(4, y, x))) } } },
      { differs: 'point off the curve' },
    ),
    leafKey('the point at infinity', der.sequence(p256, der.bitString(Uint8Array.of(0))), {
      differs: 'point at infinity',
    }),
    leafKey('a point cut off', der.sequence(p256, der.bitString(point(4, x, y.subarray(1))))),
    leafKey('an empty point', der.sequence(p256, der.bitString(EMPTY))),
    leafKey('a point with unused bits', der.sequence(p256, der.bitString(point(4, x, y.with(31, 0)), 4))),
    leafKey('bytes behind the point', der.sequence(p256, der.bitString(point(4, x, y)), der.nullValue())),
    leafKey('RSA without the NULL', rsaKey(rsa2048, f4, EMPTY), { differs: 'parameters' }),
    leafKey('RSA with a negative modulus', rsaKey(der.encode(der.Tag.integer, modulus), f4), {
      differs: 'RSA integers',
    }),
    leafKey('RSA with the modulus zero', rsaKey(der.integer(0), f4)),
    leafKey('RSA with the exponent 1', rsaKey(rsa2048, der.integer(1)), { differs: 'RSA exponent' }),
    leafKey('RSA with an even exponent', rsaKey(rsa2048, der.integer(65536)), { differs: 'RSA exponent' }),
    leafKey('RSA with a negative exponent', rsaKey(rsa2048, Uint8Array.of(2, 1, 0xff)), { differs: 'RSA exponent' }),
    leafKey('RSA with a long exponent', rsaKey(rsa2048, rsa2048), { differs: 'RSA exponent' }),
    leafKey('RSA with 16384 bits', rsaKey(der.unsignedInteger(Buffer.alloc(2048, 0xff)), f4), {
      differs: 'largest RSA key',
    }),
    leafKey('RSA without an exponent', rsaKey(rsa2048, EMPTY)),
    leafKey('RSA with a third number', rsaKey(rsa2048, Buffer.concat([f4, f4]))),
    leafKey(
      'RSA with a modulus not in its shortest form',
      rsaKey(der.encode(der.Tag.integer, Buffer.alloc(2), modulus), f4),
      { differs: 'RSA integers' },
    ),
    leafKey('an Ed25519 key of 31 bytes', der.sequence(identifier(Oid.ed25519), der.bitString(x.subarray(1)))),
    leafKey('an Ed25519 key with a NULL', der.sequence(identifier(Oid.ed25519, der.nullValue()), der.bitString(x))),
    leafKey('no key', EMPTY),
    leafKey('a key that is a SET', der.set(p256, der.bitString(point(4, x, y)))),
  ];
}
