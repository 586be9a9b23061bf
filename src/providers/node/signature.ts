import crypto from 'node:crypto';
import { type PublicKey, type Signer, UnsupportedKey } from '../../crypto/index.ts';
import { TlsUsageError } from '../../errors/index.ts';
import { isForClientsOnly, SignatureScheme } from '../../wire/registry.ts';
import { plain } from './hash.ts';

type KeyKind = 'rsa' | 'rsa-pss' | 'ec' | 'ed25519' | 'ed448';

interface Algorithm {
  readonly kind: KeyKind;
  /** `null`: the algorithm hashes by itself. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
  readonly curve?: string;
  readonly padding?: 'pss' | 'pkcs1';
}

/**
 * What each SignatureScheme means for the key; in the order in which a signer offers them.
 *
 * @spec rfc9846#section-4.3.3
 */
const ALGORITHMS: ReadonlyMap<number, Algorithm> = new Map<number, Algorithm>([
  [SignatureScheme.ecdsa_secp256r1_sha256, { kind: 'ec', curve: 'prime256v1', hash: 'sha256' }],
  [SignatureScheme.ecdsa_secp384r1_sha384, { kind: 'ec', curve: 'secp384r1', hash: 'sha384' }],
  [SignatureScheme.ecdsa_secp521r1_sha512, { kind: 'ec', curve: 'secp521r1', hash: 'sha512' }],
  [SignatureScheme.ed25519, { kind: 'ed25519', hash: null }],
  [SignatureScheme.ed448, { kind: 'ed448', hash: null }],
  [SignatureScheme.rsa_pss_rsae_sha256, { kind: 'rsa', padding: 'pss', hash: 'sha256' }],
  [SignatureScheme.rsa_pss_rsae_sha384, { kind: 'rsa', padding: 'pss', hash: 'sha384' }],
  [SignatureScheme.rsa_pss_rsae_sha512, { kind: 'rsa', padding: 'pss', hash: 'sha512' }],
  [SignatureScheme.rsa_pss_pss_sha256, { kind: 'rsa-pss', padding: 'pss', hash: 'sha256' }],
  [SignatureScheme.rsa_pss_pss_sha384, { kind: 'rsa-pss', padding: 'pss', hash: 'sha384' }],
  [SignatureScheme.rsa_pss_pss_sha512, { kind: 'rsa-pss', padding: 'pss', hash: 'sha512' }],
  [SignatureScheme.rsa_pkcs1_sha256, { kind: 'rsa', padding: 'pkcs1', hash: 'sha256' }],
  [SignatureScheme.rsa_pkcs1_sha384, { kind: 'rsa', padding: 'pkcs1', hash: 'sha384' }],
  [SignatureScheme.rsa_pkcs1_sha512, { kind: 'rsa', padding: 'pkcs1', hash: 'sha512' }],
  [SignatureScheme.rsa_pkcs1_sha256_legacy, { kind: 'rsa', padding: 'pkcs1', hash: 'sha256' }],
  [SignatureScheme.rsa_pkcs1_sha384_legacy, { kind: 'rsa', padding: 'pkcs1', hash: 'sha384' }],
  [SignatureScheme.rsa_pkcs1_sha512_legacy, { kind: 'rsa', padding: 'pkcs1', hash: 'sha512' }],
]);

const HASH_LENGTH = { sha256: 32, sha384: 48, sha512: 64 } as const;
/** Orders of the curves, in bits. */
const CURVE_BITS: Readonly<Record<string, number>> = {
  prime256v1: 256,
  secp384r1: 384,
  secp521r1: 521,
  ed25519: 253,
  ed448: 446,
};
const SMALLEST_SIGNING_MODULUS = 2048;

/** The kind, or `undefined` when TLS 1.3 has no scheme for it. */
function kindOf(key: crypto.KeyObject): KeyKind | undefined {
  const type = key.asymmetricKeyType;
  switch (type) {
    case 'rsa':
    case 'rsa-pss':
    case 'ed25519':
    case 'ed448':
      return type;
    case 'ec':
      return CURVE_BITS[key.asymmetricKeyDetails?.namedCurve ?? ''] === undefined ? undefined : type;
    default:
      return undefined;
  }
}

function fits(key: crypto.KeyObject, algorithm: Algorithm): boolean {
  if (key.asymmetricKeyType !== algorithm.kind) return false;
  const details = key.asymmetricKeyDetails ?? {};
  if (algorithm.curve !== undefined && details.namedCurve !== algorithm.curve) return false;
  if (algorithm.padding !== 'pss' || algorithm.hash === null) return true;
  const hashLength = HASH_LENGTH[algorithm.hash];
  // EMSA-PSS needs room for hash, salt and two more bytes (RFC 8017, section 9.1.1).
  if (Math.ceil(((details.modulusLength ?? 0) - 1) / 8) < 2 * hashLength + 2) return false;
  // An RSASSA-PSS key may be limited to one hash and a least salt length (RFC 4055, section 3.3).
  if (details.hashAlgorithm !== undefined && details.hashAlgorithm !== algorithm.hash) return false;
  if (details.mgf1HashAlgorithm !== undefined && details.mgf1HashAlgorithm !== algorithm.hash) return false;
  return details.saltLength === undefined || details.saltLength <= hashLength;
}

function schemesOf(key: crypto.KeyObject): number[] {
  return [...ALGORITHMS].filter(([, algorithm]) => fits(key, algorithm)).map(([scheme]) => scheme);
}

/** The parameters for `crypto.sign` and `crypto.verify`. The salt is as long as the hash, as TLS wants it. */
function parameters(key: crypto.KeyObject, { padding }: Algorithm): crypto.SignKeyObjectInput {
  if (padding === undefined) return { key };
  if (padding === 'pkcs1') return { key, padding: crypto.constants.RSA_PKCS1_PADDING };
  return {
    key,
    padding: crypto.constants.RSA_PKCS1_PSS_PADDING,
    saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST,
  };
}

/** A private key: PEM, DER (PKCS#8, PKCS#1 or SEC 1), or a KeyObject. */
export type PrivateKeyInput = crypto.KeyObject | string | Uint8Array;

/**
 * Reads a private key. A Uint8Array may hold DER or PEM.
 *
 * Throws `TlsUsageError('credential.bad_key')` when it cannot be read, is not a private key, or `passphrase` is missing or wrong.
 */
export function parsePrivateKey(input: PrivateKeyInput, passphrase?: string): crypto.KeyObject {
  if (input instanceof crypto.KeyObject) {
    if (input.type !== 'private') throw badKey(`expected a private key, but this is a KeyObject of type ${input.type}`);
    return input;
  }
  if (typeof input !== 'string' && !(input instanceof Uint8Array)) {
    throw badKey(`expected a private key as PEM, DER or a KeyObject, not a value of type ${typeof input}`);
  }
  const pem = typeof input === 'string' || input[0] !== 0x30;
  const key = Buffer.from(input as Uint8Array);
  const secret = passphrase === undefined ? {} : { passphrase };
  const attempts: crypto.PrivateKeyInput[] = pem
    ? [{ key, format: 'pem', ...secret }]
    : (['pkcs8', 'sec1', 'pkcs1'] as const).map((type) => ({ key, format: 'der', type, ...secret }));
  // The causes are dropped on purpose: nothing about the input belongs in an error.
  for (const attempt of attempts) {
    try {
      return crypto.createPrivateKey(attempt);
    } catch {}
  }
  throw badKey(
    `expected a private key as PEM or DER (PKCS#8, PKCS#1 or SEC 1), or a private KeyObject; this ${pem ? 'PEM' : 'DER'} cannot be read` +
      (passphrase === undefined ? ' (an encrypted key needs a passphrase)' : ' with the given passphrase'),
  );
}

function badKey(message: string): TlsUsageError {
  return new TlsUsageError('credential.bad_key', message);
}

/**
 * A signer over a private key in this process: RSA (2048 bits or more), RSASSA-PSS, ECDSA on P-256, P-384 or P-521, Ed25519, Ed448.
 *
 * The key is parsed once. RSA signs on the thread pool and answers with a promise; the others are cheap and answer at once.
 * Throws `TlsUsageError('credential.bad_key')` when the key cannot be read or TLS 1.3 has no use for it.
 */
export function createSigner(key: PrivateKeyInput, options: { readonly passphrase?: string } = {}): Signer {
  return new NodeSigner(parsePrivateKey(key, options.passphrase));
}

class NodeSigner implements Signer {
  readonly schemes: readonly number[];
  readonly #key: crypto.KeyObject;

  constructor(key: crypto.KeyObject) {
    const kind = kindOf(key);
    const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
    if (kind === undefined) {
      throw badKey(
        `expected RSA, RSASSA-PSS, EC (P-256, P-384, P-521), Ed25519 or Ed448, but the key is ${namedCurve ?? key.asymmetricKeyType ?? 'of an unknown kind'}`,
      );
    }
    if (modulusLength !== undefined && modulusLength < SMALLEST_SIGNING_MODULUS) {
      throw badKey(
        `expected an RSA key of at least ${SMALLEST_SIGNING_MODULUS} bits, but this one has ${modulusLength}`,
      );
    }
    // TLS 1.3 signs nothing with PKCS#1 (rfc9846#section-4.3.3).
    this.schemes = schemesOf(key).filter((scheme) => ALGORITHMS.get(scheme)?.padding !== 'pkcs1');
    if (this.schemes.length === 0) {
      throw badKey('expected an RSASSA-PSS key for SHA-256, SHA-384 or SHA-512 with a salt no longer than the hash');
    }
    this.#key = key;
  }

  sign(scheme: number, data: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const algorithm = ALGORITHMS.get(scheme);
    const signs = this.schemes.includes(scheme) || isForClientsOnly(scheme);
    if (algorithm === undefined || !signs || !fits(this.#key, algorithm)) {
      throw new TlsUsageError(
        'credential.scheme',
        `this key signs with ${this.schemes.map(hex).join(', ')}, not with ${hex(scheme)}`,
      );
    }
    const key = parameters(this.#key, algorithm);
    if (algorithm.padding === undefined) return plain(crypto.sign(algorithm.hash, data, key));
    return new Promise((resolve, reject) => {
      crypto.sign(algorithm.hash, data, key, (error, signature) => {
        if (error === null) resolve(plain(signature));
        else reject(error);
      });
    });
  }
}

function hex(scheme: number): string {
  return `0x${scheme.toString(16).padStart(4, '0')}`;
}

class NodePublicKey implements PublicKey {
  readonly schemes: readonly number[];
  readonly bits: number;
  readonly #key: crypto.KeyObject;

  constructor(key: crypto.KeyObject) {
    const kind = kindOf(key);
    const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
    if (kind === undefined)
      throw new UnsupportedKey(`a public key of an unsupported kind: ${namedCurve ?? key.asymmetricKeyType}`);
    this.bits = modulusLength ?? CURVE_BITS[namedCurve ?? kind] ?? 0;
    this.schemes = schemesOf(key);
    this.#key = key;
  }

  verify(scheme: number, data: Uint8Array, signature: Uint8Array): boolean {
    const algorithm = ALGORITHMS.get(scheme);
    // In a certificate, unlike in CertificateVerify, an ECDSA key of any curve may sign with any hash.
    const fits = algorithm?.kind === 'ec' ? this.#key.asymmetricKeyType === 'ec' : this.schemes.includes(scheme);
    if (algorithm === undefined || !fits) return false;
    // "If the length of the signature S is not k octets, output 'invalid signature'" (RFC 8017, section 8); OpenSSL adds leading zeros.
    if (algorithm.padding !== undefined && signature.length !== Math.ceil(this.bits / 8)) return false;
    return crypto.verify(algorithm.hash, data, parameters(this.#key, algorithm), signature);
  }
}

/** The key of a DER SubjectPublicKeyInfo. Throws an `Error` when it cannot be read or TLS 1.3 has no scheme for its kind. */
export function publicKey(spki: Uint8Array): PublicKey {
  let key: crypto.KeyObject;
  try {
    key = crypto.createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch (cause) {
    throw new Error('not a SubjectPublicKeyInfo', { cause });
  }
  return new NodePublicKey(key);
}

/** The key of a DER certificate. Throws an `Error` as {@link publicKey} does. */
export function certificateKey(certificate: Uint8Array): PublicKey {
  return new NodePublicKey(parseCertificate(certificate).publicKey);
}

/** Reads a DER certificate; Node's own parser would take PEM as well, which has no place on the wire. */
export function parseCertificate(der: Uint8Array): crypto.X509Certificate {
  if (der[0] !== 0x30) throw new Error('not a DER certificate');
  return new crypto.X509Certificate(der);
}
