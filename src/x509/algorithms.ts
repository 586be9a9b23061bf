import { SignatureScheme } from '../wire/registry.ts';
import { DerError, DerReader, Tag } from './der.ts';
import { Oid } from './oids.ts';

export type KeyKind = 'rsa' | 'rsa-pss' | 'ec' | 'ed25519' | 'ed448';

export interface KeyFacts {
  readonly kind: KeyKind;
  /** RSA modulus or curve order, in bits. */
  readonly bits: number;
}

/** A key or an algorithm that this verifier does not know or does not want. */
export class UnsupportedAlgorithm extends Error {
  override readonly name = 'UnsupportedAlgorithm';
  /** MD5 or SHA-1. */
  readonly weakHash: boolean;

  constructor(message: string, weakHash = false) {
    super(message);
    this.weakHash = weakHash;
  }
}

const CURVE_BITS: Readonly<Record<string, number>> = {
  [Oid.secp256r1]: 256,
  [Oid.secp384r1]: 384,
  [Oid.secp521r1]: 521,
};

/** Larger keys, and exponents longer than these bits, only make a verifier work: nobody signs with them. */
const MAX_RSA_BITS = 8192;
const MAX_RSA_EXPONENT_BITS = 33;

/** What a SubjectPublicKeyInfo holds, without importing the key. Throws {@link DerError} or {@link UnsupportedAlgorithm}. */
export function keyFacts(spki: Uint8Array): KeyFacts {
  const reader = new DerReader(spki).enter();
  const algorithm = reader.enter();
  const key = reader.bitStringBytes();
  reader.end();
  const oid = algorithm.oid();
  switch (oid) {
    case Oid.rsaEncryption:
      algorithm.null();
      algorithm.end();
      return { kind: 'rsa', bits: rsaBits(key) };
    case Oid.rsassaPss:
      return { kind: 'rsa-pss', bits: rsaBits(key) };
    case Oid.ecPublicKey: {
      if (algorithm.nextTag !== Tag.oid) throw new UnsupportedAlgorithm('an elliptic curve given by its parameters');
      const curve = algorithm.oid();
      algorithm.end();
      const bits = CURVE_BITS[curve];
      if (bits === undefined) throw new UnsupportedAlgorithm(`a key on the curve ${curve}`);
      checkPoint(key, Math.ceil(bits / 8));
      return { kind: 'ec', bits };
    }
    case Oid.ed25519:
      algorithm.end();
      checkLength(key, 32);
      return { kind: 'ed25519', bits: 253 };
    case Oid.ed448:
      algorithm.end();
      checkLength(key, 57);
      return { kind: 'ed448', bits: 446 };
    default:
      throw new UnsupportedAlgorithm(`a key of the kind ${oid}`);
  }
}

/** What checking one signature of such a key takes, in units of the most common ones (P-256, RSA of 2048 bits). */
export function verifyCost({ kind, bits }: KeyFacts): number {
  if (kind === 'ec') return bits > 384 ? 4 : bits > 256 ? 3 : 1;
  return bits > 4096 ? 4 : 1;
}

/** RFC 5480, section 2.2: uncompressed or compressed, never the point at infinity. Whether it is on the curve, the provider finds out. */
function checkPoint(key: Uint8Array, fieldBytes: number): void {
  const [form] = key;
  const coordinates = form === 4 ? 2 : form === 2 || form === 3 ? 1 : 0;
  if (coordinates === 0) throw new DerError('not a point on a curve');
  checkLength(key, 1 + coordinates * fieldBytes);
}

function checkLength(key: Uint8Array, length: number): void {
  if (key.length !== length) throw new DerError(`a public key of ${key.length} bytes instead of ${length}`);
}

function rsaBits(key: Uint8Array): number {
  const reader = new DerReader(key).enter();
  const bits = bitLength(reader.integer());
  const exponent = reader.integer();
  reader.end();
  if (bits > MAX_RSA_BITS) throw new UnsupportedAlgorithm(`an RSA key of ${bits} bits, more than ${MAX_RSA_BITS}`);
  const exponentBits = bitLength(exponent);
  if (exponentBits < 2 || exponentBits > MAX_RSA_EXPONENT_BITS || exponent[exponent.length - 1]! % 2 === 0)
    throw new UnsupportedAlgorithm('an RSA key with an unusual public exponent');
  return bits;
}

/** Of the content of a positive INTEGER; 0 when it is negative. */
function bitLength(content: Uint8Array): number {
  if (content[0]! >= 0x80) return 0;
  const start = content.findIndex((byte) => byte !== 0);
  return start < 0 ? 0 : 8 * (content.length - start) - (Math.clz32(content[start]!) - 24);
}

/** A signature algorithm: the SignatureScheme by the kind of key that made the signature. */
export type SchemeByKey = Partial<Readonly<Record<KeyKind, number>>>;

const PKCS1: Readonly<Record<string, number>> = {
  [Oid.sha256WithRSAEncryption]: SignatureScheme.rsa_pkcs1_sha256,
  [Oid.sha384WithRSAEncryption]: SignatureScheme.rsa_pkcs1_sha384,
  [Oid.sha512WithRSAEncryption]: SignatureScheme.rsa_pkcs1_sha512,
};

/** In a certificate the hash does not tell the curve: a P-384 key may well sign with SHA-256. */
const ECDSA: Readonly<Record<string, number>> = {
  [Oid.ecdsaWithSHA256]: SignatureScheme.ecdsa_secp256r1_sha256,
  [Oid.ecdsaWithSHA384]: SignatureScheme.ecdsa_secp384r1_sha384,
  [Oid.ecdsaWithSHA512]: SignatureScheme.ecdsa_secp521r1_sha512,
};

const PSS: Readonly<Record<string, { readonly saltLength: number; readonly scheme: SchemeByKey }>> = {
  [Oid.sha256]: {
    saltLength: 32,
    scheme: { rsa: SignatureScheme.rsa_pss_rsae_sha256, 'rsa-pss': SignatureScheme.rsa_pss_pss_sha256 },
  },
  [Oid.sha384]: {
    saltLength: 48,
    scheme: { rsa: SignatureScheme.rsa_pss_rsae_sha384, 'rsa-pss': SignatureScheme.rsa_pss_pss_sha384 },
  },
  [Oid.sha512]: {
    saltLength: 64,
    scheme: { rsa: SignatureScheme.rsa_pss_rsae_sha512, 'rsa-pss': SignatureScheme.rsa_pss_pss_sha512 },
  },
};

const WEAK: readonly string[] = [
  Oid.md5WithRSAEncryption,
  Oid.sha1WithRSAEncryption,
  Oid.ecdsaWithSHA1,
  '1.2.840.113549.1.1.2', // md2WithRSAEncryption
  '1.3.14.3.2.29', // sha1WithRSASignature
  '1.2.840.10040.4.3', // dsa-with-sha1
];

/** Reads an AlgorithmIdentifier (DER). Throws {@link DerError} or {@link UnsupportedAlgorithm}. */
export function signatureAlgorithm(identifier: Uint8Array): SchemeByKey {
  const outer = new DerReader(identifier);
  const reader = outer.enter();
  outer.end();
  const oid = reader.oid();
  const pkcs1 = PKCS1[oid];
  if (pkcs1 !== undefined) {
    optionalNull(reader);
    return { rsa: pkcs1 };
  }
  const ecdsa = ECDSA[oid];
  if (ecdsa !== undefined) {
    reader.end();
    return { ec: ecdsa };
  }
  if (oid === Oid.ed25519 || oid === Oid.ed448) {
    reader.end();
    return oid === Oid.ed25519 ? { ed25519: SignatureScheme.ed25519 } : { ed448: SignatureScheme.ed448 };
  }
  if (oid === Oid.rsassaPss) {
    const scheme = pssScheme(reader.enter());
    reader.end();
    return scheme;
  }
  const weak = WEAK.includes(oid);
  throw new UnsupportedAlgorithm(weak ? 'a signature with MD5 or SHA-1' : `the signature algorithm ${oid}`, weak);
}

/** RSASSA-PSS-params (RFC 4055): absent fields mean SHA-1; the trailer field must be absent. */
function pssScheme(parameters: DerReader): SchemeByKey {
  const hash = parameters.enterOptional(0xa0);
  const hashOid = hash === undefined ? Oid.sha1 : hashAlgorithm(hash);
  const mask = parameters.enterOptional(0xa1);
  const maskOid = mask === undefined ? Oid.sha1 : maskAlgorithm(mask);
  const salt = parameters.enterOptional(0xa2);
  const saltLength = salt?.smallInteger() ?? 20;
  salt?.end();
  parameters.end();
  if (hashOid === Oid.sha1 || maskOid === Oid.sha1) throw new UnsupportedAlgorithm('RSASSA-PSS with SHA-1', true);
  const known = PSS[hashOid];
  if (known === undefined) throw new UnsupportedAlgorithm(`RSASSA-PSS with the hash ${hashOid}`);
  if (maskOid !== hashOid) throw new UnsupportedAlgorithm('RSASSA-PSS with two different hashes');
  if (saltLength !== known.saltLength)
    throw new UnsupportedAlgorithm(`RSASSA-PSS with a salt of ${saltLength} bytes instead of ${known.saltLength}`);
  return known.scheme;
}

function hashAlgorithm(outer: DerReader): string {
  const reader = outer.enter();
  outer.end();
  const oid = reader.oid();
  optionalNull(reader);
  return oid;
}

function maskAlgorithm(outer: DerReader): string {
  const reader = outer.enter();
  outer.end();
  const oid = reader.oid();
  if (oid !== Oid.mgf1) throw new UnsupportedAlgorithm(`RSASSA-PSS with the mask generation ${oid}`);
  return hashAlgorithm(reader);
}

/** RFC 4055 section 2.1: NULL and absent parameters must both be accepted. */
function optionalNull(reader: DerReader): void {
  if (!reader.done) reader.null();
  reader.end();
}
