/** Makes certificates, right ones and wrong ones. */
import {
  constants,
  createHash,
  generateKeyPairSync,
  type KeyObject,
  sign as nodeSign,
  type SignKeyObjectInput,
} from 'node:crypto';
import * as der from '../../src/x509/der.ts';
import { ipBytes } from '../../src/x509/name-match.ts';
import { Oid } from '../../src/x509/oids.ts';

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export type KeyName = 'p256' | 'p384' | 'p521' | 'ed25519' | 'ed448' | 'rsa1024' | 'rsa2048' | 'rsa-pss' | 'p224';

export function newKey(name: KeyName = 'p256'): KeyPair {
  if (name === 'ed25519') return generateKeyPairSync('ed25519');
  if (name === 'ed448') return generateKeyPairSync('ed448');
  if (name === 'rsa-pss') return generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
  if (name.startsWith('rsa')) return generateKeyPairSync('rsa', { modulusLength: Number(name.slice(3)) });
  return generateKeyPairSync('ec', { namedCurve: name.replace('p', 'P-') });
}

/** How a certificate is signed: its AlgorithmIdentifier and what `crypto.sign` needs. */
export interface Algorithm {
  readonly identifier: Uint8Array;
  readonly hash: string | null;
  readonly options?: Omit<SignKeyObjectInput, 'key'>;
}

const bare = (oid: string): Uint8Array => der.sequence(der.oid(oid));
const withNull = (oid: string): Uint8Array => der.sequence(der.oid(oid), der.nullValue());

export function pssIdentifier(hash: string, mask: string, saltLength: number): Uint8Array {
  return der.sequence(
    der.oid(Oid.rsassaPss),
    der.sequence(
      der.context(0, withNull(hash)),
      der.context(1, der.sequence(der.oid(Oid.mgf1), withNull(mask))),
      der.context(2, der.integer(saltLength)),
    ),
  );
}

export type AlgorithmName =
  | `ecdsaSha${1 | 256 | 384 | 512}`
  | `rsaSha${1 | 256 | 384 | 512}`
  | `pssSha${256 | 384 | 512}`
  | 'rsaMd5'
  | 'ed25519'
  | 'ed448';

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };

export const ALGORITHMS: Readonly<Record<AlgorithmName, Algorithm>> = {
  ecdsaSha1: { identifier: bare(Oid.ecdsaWithSHA1), hash: 'sha1' },
  ecdsaSha256: { identifier: bare(Oid.ecdsaWithSHA256), hash: 'sha256' },
  ecdsaSha384: { identifier: bare(Oid.ecdsaWithSHA384), hash: 'sha384' },
  ecdsaSha512: { identifier: bare(Oid.ecdsaWithSHA512), hash: 'sha512' },
  ed25519: { identifier: bare(Oid.ed25519), hash: null },
  ed448: { identifier: bare(Oid.ed448), hash: null },
  rsaMd5: { identifier: withNull(Oid.md5WithRSAEncryption), hash: 'md5' },
  rsaSha1: { identifier: withNull(Oid.sha1WithRSAEncryption), hash: 'sha1' },
  rsaSha256: { identifier: withNull(Oid.sha256WithRSAEncryption), hash: 'sha256' },
  rsaSha384: { identifier: withNull(Oid.sha384WithRSAEncryption), hash: 'sha384' },
  rsaSha512: { identifier: withNull(Oid.sha512WithRSAEncryption), hash: 'sha512' },
  pssSha256: { identifier: pssIdentifier(Oid.sha256, Oid.sha256, 32), hash: 'sha256', options: PSS },
  pssSha384: { identifier: pssIdentifier(Oid.sha384, Oid.sha384, 48), hash: 'sha384', options: PSS },
  pssSha512: { identifier: pssIdentifier(Oid.sha512, Oid.sha512, 64), hash: 'sha512', options: PSS },
};

function defaultAlgorithm(key: KeyObject): Algorithm {
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return ALGORITHMS.ed25519;
    case 'ed448':
      return ALGORITHMS.ed448;
    case 'rsa':
      return ALGORITHMS.rsaSha256;
    case 'rsa-pss':
      return ALGORITHMS.pssSha256;
    default:
      break;
  }
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (curve === 'secp384r1') return ALGORITHMS.ecdsaSha384;
  return curve === 'secp521r1' ? ALGORITHMS.ecdsaSha512 : ALGORITHMS.ecdsaSha256;
}

export function extension(oid: string, value: Uint8Array, critical = false): Uint8Array {
  return der.sequence(der.oid(oid), critical ? der.boolean(true) : new Uint8Array(0), der.octetString(value));
}

export type Names = readonly string[];

export const bc = (ca: boolean, pathLength?: number): Uint8Array =>
  extension(
    Oid.basicConstraints,
    der.sequence(
      ca ? der.boolean(true) : new Uint8Array(0),
      pathLength === undefined ? new Uint8Array(0) : der.integer(pathLength),
    ),
    true,
  );
/** `digitalSignature`: bit 0, `keyEncipherment`: 2, `keyCertSign`: 5, `cRLSign`: 6. */
export const ku = (...bits: readonly number[]): Uint8Array => {
  const byte = bits.reduce((value, bit) => value | (0x80 >> bit), 0);
  return extension(Oid.keyUsage, der.bitString(Uint8Array.of(byte), byte === 0 ? 0 : 7 - Math.max(...bits)), true);
};
export const eku = (...purposes: readonly string[]): Uint8Array =>
  extension(Oid.extKeyUsage, der.sequence(...purposes.map(der.oid)));
export const dns = (name: string): Uint8Array => der.contextPrimitive(2, Buffer.from(name, 'latin1'));
export const ip = (address: string): Uint8Array => der.contextPrimitive(7, ipBytes(address)!);
export const email = (address: string): Uint8Array => der.contextPrimitive(1, Buffer.from(address));
export const uri = (text: string): Uint8Array => der.contextPrimitive(6, Buffer.from(text));
export const directory = (name: Uint8Array): Uint8Array => der.context(4, name);
/** An address followed by its mask. */
export const ipRange = (address: string, mask: string): Uint8Array =>
  der.contextPrimitive(7, Buffer.concat([ipBytes(address)!, ipBytes(mask)!]));
export const san = (...names: readonly Uint8Array[]): Uint8Array =>
  extension(Oid.subjectAltName, der.sequence(...names));
export const nc = (
  { permitted = [], excluded = [] }: { permitted?: readonly Uint8Array[]; excluded?: readonly Uint8Array[] },
  critical = true,
): Uint8Array =>
  extension(
    Oid.nameConstraints,
    der.sequence(
      permitted.length > 0 ? der.context(0, ...permitted.map((name) => der.sequence(name))) : new Uint8Array(0),
      excluded.length > 0 ? der.context(1, ...excluded.map((name) => der.sequence(name))) : new Uint8Array(0),
    ),
    critical,
  );

/** A Name with one attribute for each pair of type and text. */
export function dn(...attributes: readonly (readonly [string, string])[]): Uint8Array {
  return der.sequence(...attributes.map(([type, text]) => der.set(der.sequence(der.oid(type), der.utf8String(text)))));
}
export const cn = (name: string): Uint8Array => dn([Oid.commonName, name]);

export interface Made {
  readonly der: Uint8Array;
  /** Content of the INTEGER. */
  readonly serial: Uint8Array;
  readonly subject: Uint8Array;
  readonly key: KeyPair;
}

export interface Recipe {
  readonly subject: Uint8Array;
  readonly key: KeyPair;
  /** Absent: self-signed. */
  readonly issuer?: { readonly subject: Uint8Array; readonly key: KeyPair };
  readonly algorithm?: Algorithm;
  /** Signs in place of the issuer, whose key identifier it gets all the same. */
  readonly signer?: KeyPair;
  /** The AlgorithmIdentifier inside of the signed part, when it is to differ. */
  readonly innerAlgorithm?: Uint8Array;
  readonly extensions?: readonly Uint8Array[];
  /** Default true: subjectKeyIdentifier and authorityKeyIdentifier, which strict verifiers ask for. */
  readonly keyIdentifiers?: boolean;
  readonly version?: 1 | 2 | 3;
  /** Content of the INTEGER. Default: the next one. */
  readonly serial?: Uint8Array;
  readonly notBefore?: number;
  readonly notAfter?: number;
  /** Changes the signature before it is put in. */
  readonly tamper?: (signature: Uint8Array) => Uint8Array;
  /** Fields as the bytes that stand in the certificate, right or wrong, instead of those made of the rest. */
  readonly raw?: Partial<RawFields>;
}

/** All DER, or what is passed off as DER; empty: the field is absent. */
export interface RawFields {
  readonly version: Uint8Array;
  readonly serial: Uint8Array;
  readonly issuer: Uint8Array;
  readonly notBefore: Uint8Array;
  readonly notAfter: Uint8Array;
  readonly validity: Uint8Array;
  readonly spki: Uint8Array;
  /** Between the key and the extensions: the unique identifiers. */
  readonly uniqueIds: Uint8Array;
  /** With their tag, [3]. */
  readonly extensions: Uint8Array;
  /** Behind the extensions. */
  readonly tail: Uint8Array;
  /** The AlgorithmIdentifier outside of the signed part. */
  readonly outerAlgorithm: Uint8Array;
  /** The whole BIT STRING. */
  readonly signature: Uint8Array;
  /** Behind the signature. */
  readonly end: Uint8Array;
}

export const NOW: number = Date.UTC(2026, 0, 1);
const YEAR = 365 * 86_400_000;

let serial = 1;

export function make(recipe: Recipe): Made {
  const { subject, key, issuer = recipe, version = 3, keyIdentifiers = true } = recipe;
  const algorithm: Algorithm = recipe.algorithm ?? defaultAlgorithm(issuer.key.privateKey);
  const identifiers = keyIdentifiers
    ? [
        extension(Oid.subjectKeyIdentifier, der.octetString(keyId(key))),
        extension(Oid.authorityKeyIdentifier, der.sequence(der.contextPrimitive(0, keyId(issuer.key)))),
      ]
    : [];
  const extensions = [...(recipe.extensions ?? []), ...identifiers];
  const raw = recipe.raw ?? {};
  const none = new Uint8Array(0);
  const given = recipe.serial === undefined ? undefined : der.encode(der.Tag.integer, recipe.serial);
  const number = raw.serial ?? given ?? der.integer(0x1000 + serial++);
  const notBefore = raw.notBefore ?? der.time(recipe.notBefore ?? NOW - YEAR);
  const notAfter = raw.notAfter ?? der.time(recipe.notAfter ?? NOW + YEAR);
  const tbs = der.sequence(
    raw.version ?? (version === 1 ? none : der.context(0, der.integer(version - 1))),
    number,
    recipe.innerAlgorithm ?? algorithm.identifier,
    raw.issuer ?? issuer.subject,
    raw.validity ?? der.sequence(notBefore, notAfter),
    subject,
    raw.spki ?? spki(key),
    raw.uniqueIds ?? none,
    raw.extensions ?? (version === 3 && extensions.length > 0 ? der.context(3, der.sequence(...extensions)) : none),
    raw.tail ?? none,
  );
  const { privateKey } = recipe.signer ?? issuer.key;
  const signature = nodeSign(algorithm.hash, tbs, { key: privateKey, ...algorithm.options });
  const whole = der.sequence(
    tbs,
    raw.outerAlgorithm ?? algorithm.identifier,
    raw.signature ?? der.bitString(recipe.tamper?.(new Uint8Array(signature)) ?? signature),
    raw.end ?? none,
  );
  return { der: whole, serial: number.subarray(2), subject, key };
}

export function spki(key: KeyPair): Uint8Array {
  return new Uint8Array(key.publicKey.export({ type: 'spki', format: 'der' }));
}

export function keyId(key: KeyPair): Uint8Array {
  return createHash('sha256').update(spki(key)).digest().subarray(0, 20);
}

export const CA: readonly Uint8Array[] = [bc(true), ku(5, 6)];
export const LEAF: readonly Uint8Array[] = [bc(false), ku(0), eku(Oid.serverAuth), san(dns('www.example.com'))];

/** A root, an intermediate and a leaf for www.example.com; each part of the recipes can be replaced. */
export function chain3(
  change: {
    readonly root?: Partial<Recipe>;
    readonly intermediate?: Partial<Recipe>;
    readonly leaf?: Partial<Recipe>;
  } = {},
): { readonly root: Made; readonly intermediate: Made; readonly leaf: Made } {
  const root = make({ subject: cn('Root'), key: newKey(), extensions: CA, ...change.root });
  const intermediate = make({
    subject: cn('Intermediate'),
    key: newKey(),
    issuer: root,
    extensions: CA,
    ...change.intermediate,
  });
  const leaf = make({
    subject: cn('www.example.com'),
    key: newKey(),
    issuer: intermediate,
    extensions: LEAF,
    ...change.leaf,
  });
  return { root, intermediate, leaf };
}

export function pem(bytes: Uint8Array, label = 'CERTIFICATE'): string {
  const base64 = Buffer.from(bytes).toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
  return `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`;
}

export interface CrlRecipe {
  readonly issuer: { readonly subject: Uint8Array; readonly key: KeyPair };
  readonly revoked?: readonly (Made | { readonly serial: Uint8Array; readonly extensions?: readonly Uint8Array[] })[];
  readonly thisUpdate?: number;
  /** `null`: absent. */
  readonly nextUpdate?: number | null;
  readonly algorithm?: Algorithm;
  readonly innerAlgorithm?: Uint8Array;
  readonly extensions?: readonly Uint8Array[];
  /** Default true: authorityKeyIdentifier and cRLNumber. */
  readonly keyIdentifiers?: boolean;
  readonly version?: 1 | 2;
  readonly tamper?: (signature: Uint8Array) => Uint8Array;
}

/** A CertificateList, DER. */
export function makeCrl(recipe: CrlRecipe): Uint8Array {
  const { issuer, revoked = [], keyIdentifiers = true, version = 2, nextUpdate = NOW + YEAR } = recipe;
  const algorithm: Algorithm = recipe.algorithm ?? defaultAlgorithm(issuer.key.privateKey);
  const extensions = [
    ...(keyIdentifiers
      ? [
          extension(Oid.authorityKeyIdentifier, der.sequence(der.contextPrimitive(0, keyId(issuer.key)))),
          extension(Oid.cRLNumber, der.integer(1)),
        ]
      : []),
    ...(recipe.extensions ?? []),
  ];
  const entries = revoked.map((one) => {
    const more = 'extensions' in one && one.extensions !== undefined ? one.extensions : [];
    return der.sequence(
      der.encode(der.Tag.integer, one.serial),
      der.time(NOW - 1000),
      more.length > 0 ? der.sequence(...more) : new Uint8Array(0),
    );
  });
  const tbs = der.sequence(
    version === 1 ? new Uint8Array(0) : der.integer(1),
    recipe.innerAlgorithm ?? algorithm.identifier,
    issuer.subject,
    der.time(recipe.thisUpdate ?? NOW - 1000),
    nextUpdate === null ? new Uint8Array(0) : der.time(nextUpdate),
    entries.length > 0 ? der.sequence(Buffer.concat(entries)) : new Uint8Array(0),
    version === 2 && extensions.length > 0 ? der.context(0, der.sequence(...extensions)) : new Uint8Array(0),
  );
  const signature = nodeSign(algorithm.hash, tbs, { key: issuer.key.privateKey, ...algorithm.options });
  return der.sequence(
    tbs,
    algorithm.identifier,
    der.bitString(recipe.tamper?.(new Uint8Array(signature)) ?? signature),
  );
}
