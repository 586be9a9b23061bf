import { KeyObject, type webcrypto, X509Certificate } from 'node:crypto';
import { types } from 'node:util';
import type { Credential, Signer } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { createCredential, parsePrivateKey } from '../providers/node/index.ts';
import { SignatureScheme, type SignatureSchemeName } from '../wire/registry.ts';
import { wrongType } from './argument.ts';
import { refuseAsNode } from './as-node.ts';
import { bytesIn, certificatesOf, type PemOrDer } from './certificates.ts';
import { type Pkcs12, type Pkcs12Error, readPkcs12 } from './pkcs12.ts';

/** A private key in a text or bytes (PEM or DER), as an object of Node, or a {@link Signer} that has it, in an HSM or behind a network call. */
export type PrivateKey = PemOrDer | KeyObject | webcrypto.CryptoKey | Signer | PemWithPassphrase;

/** As in node:tls, with a passphrase of its own. */
export interface PemWithPassphrase {
  readonly pem: PemOrDer;
  readonly passphrase?: string | undefined;
}

export interface PfxWithPassphrase {
  readonly buf: PemOrDer;
  readonly passphrase?: string | undefined;
}

export type Pfx = PemOrDer | PfxWithPassphrase;

export interface CredentialOptions {
  /**
   * Certificate chains, each the certificate of a key and then its issuers, in PEM or DER: one, or one for each of `key`. What is missing of a
   * chain that is one certificate is looked for among `ca`.
   */
  readonly cert?: PemOrDer | readonly PemOrDer[] | undefined;
  /** The private key of each chain, in any order. A {@link Signer}, of which nothing else is known, is for the chain at its place. */
  readonly key?: PrivateKey | readonly PrivateKey[] | undefined;
  /** For keys in `key` and `pfx` that are encrypted. */
  readonly passphrase?: string | undefined;
  /** Keys with their chains, PKCS#12. */
  readonly pfx?: Pfx | readonly Pfx[] | undefined;
}

export interface Credentials {
  readonly credentials: readonly Credential[];
  /** Certificates that `pfx` brought beside those of keys, which are trusted, as in node:tls. */
  readonly trusted: readonly Uint8Array[];
}

/** `authorities`: given by the program. Throws Node's errors, and {@link TlsUsageError} for what node:tls takes and TLS 1.3 does not. */
export function credentialsOf(options: CredentialOptions, authorities: readonly Uint8Array[]): Credentials {
  const { cert, key, pfx, passphrase } = options;
  if (!cert && !key && !pfx) return { credentials: [], trusted: [] };
  if (passphrase !== undefined && passphrase !== null && typeof passphrase !== 'string') {
    throw wrongType('options.passphrase', 'of type string', passphrase);
  }
  try {
    return readCredentials(options, authorities);
  } catch (error) {
    if (isForNode(cert) && isForNode(key)) refuseAsNode({ cert, key, passphrase }, error);
    throw error;
  }
}

function readCredentials(options: CredentialOptions, authorities: readonly Uint8Array[]): Credentials {
  const { keyed, trusted } = readKeys(options, authorities);
  return { credentials: keyed.map(([cert, key]) => createCredential({ cert, key })), trusted };
}

type KeyedChain = readonly [chain: readonly Uint8Array[], key: KeyObject | Signer];

/** The chains, each with its key, and what else `pfx` brought. */
export function readKeys(
  { cert, key, pfx, passphrase }: CredentialOptions,
  authorities: readonly Uint8Array[],
): { readonly keyed: readonly KeyedChain[]; readonly trusted: readonly Uint8Array[] } {
  const secret = passphrase ?? undefined;
  const chains = listOf(cert).map((one) => certificatesOf(one, 'cert:'));
  const keys = listOf(key).map((one) => keyOf(one, secret));
  const keyed: KeyedChain[] = pairs(chains, keys).map(([chain, signer]) => [
    chain.length > 1 ? chain : [...chain, ...issuersOf(chain[0]!, authorities)],
    signer,
  ]);
  const trusted: Uint8Array[] = [];
  for (const one of listOf(pfx)) {
    const { key: own, certificates } = pkcs12Of(...pfxOf(one, secret));
    const leaf = certificates.find((der) => new X509Certificate(der).checkPrivateKey(own));
    if (leaf === undefined) throw mismatch();
    const others = certificates.filter((der) => der !== leaf);
    keyed.push([[leaf, ...issuersOf(leaf, others)], own]);
    trusted.push(...others);
  }
  return { keyed, trusted };
}

/** As with OpenSSL, `sigalgs` counts for what is signed too: of the schemes of a key those with these names are left. */
export function limitedTo(
  names: readonly string[] | undefined,
  credentials: readonly Credential[],
): readonly Credential[] {
  if (names === undefined) return credentials;
  const allowed: readonly number[] = names.map((name) => SignatureScheme[name as SignatureSchemeName]);
  return credentials.map((credential) => {
    const { signer } = credential;
    const schemes = signer.schemes.filter((scheme) => allowed.includes(scheme));
    return { ...credential, signer: { schemes, sign: (scheme, data) => signer.sign(scheme, data) } };
  });
}

function listOf<T>(option: T | readonly T[] | undefined): readonly T[] {
  if (!option) return [];
  return (Array.isArray(option) ? option : [option]).filter(Boolean) as T[];
}

/** Whether node:tls could take it: a text, PEM in bytes, or nothing it knows, of which it says so. */
function isForNode(option: unknown): boolean {
  return listOf(option).every(
    (one) => !isSigner(one) && !(one instanceof KeyObject) && !(ArrayBuffer.isView(one) && bytesIn(one)[0] === 0x30),
  );
}

function keyOf(input: unknown, passphrase: string | undefined): KeyObject | Signer {
  if (isSigner(input) || input instanceof KeyObject) return input;
  if (types.isCryptoKey(input)) return KeyObject.from(input);
  if (typeof input === 'string') return parsePrivateKey(input, passphrase);
  if (ArrayBuffer.isView(input)) return parsePrivateKey(bytesIn(input), passphrase);
  const { pem, passphrase: own } = (input ?? {}) as Partial<PemWithPassphrase>;
  if (pem !== undefined) return keyOf(pem, own ?? passphrase);
  throw wrongType('options.key', 'of type string or an instance of Buffer, TypedArray, or DataView', input);
}

function isSigner(key: unknown): key is Signer {
  return typeof key === 'object' && key !== null && 'schemes' in key && 'sign' in key;
}

/** Each chain with its key, chains first. As with OpenSSL, a key and a chain of different kinds go by each other. */
function pairs(
  chains: readonly (readonly Uint8Array[])[],
  keys: readonly (KeyObject | Signer)[],
): readonly KeyedChain[] {
  const leaves = chains.map((chain) => new X509Certificate(chain[0]!));
  const local = keys.filter((key) => key instanceof KeyObject);
  const used = new Set<KeyObject | Signer>();
  const found = leaves.map((leaf) => {
    const key = local.find((one) => leaf.checkPrivateKey(one));
    if (key !== undefined) used.add(key);
    return key;
  });
  for (const key of local) {
    const type = key.asymmetricKeyType;
    if (!used.has(key) && leaves.some((leaf) => leaf.publicKey.asymmetricKeyType === type)) throw mismatch();
  }
  const signers = keys.filter((key) => !(key instanceof KeyObject));
  const inStep = keys.length === chains.length;
  const paired = chains.flatMap((chain, i) => {
    const own = keys[i];
    const key = found[i] ?? (inStep ? (own instanceof KeyObject ? undefined : own) : signers.shift());
    return key === undefined ? [] : [{ pair: [chain, key] as const, rank: rankOf(leaves[i]!) }];
  });
  return paired.sort((a, b) => a.rank - b.rank).map(({ pair }) => pair);
}

/** Kinds of keys as OpenSSL prefers them where a client takes several. */
const KINDS: readonly (string | undefined)[] = ['ec', 'ed25519', 'ed448', 'rsa-pss', 'rsa'];

function rankOf({ publicKey }: X509Certificate): number {
  const rank = KINDS.indexOf(publicKey.asymmetricKeyType);
  return rank < 0 ? KINDS.length : rank;
}

function mismatch(): TlsUsageError {
  return new TlsUsageError(
    'credential.key_mismatch',
    'key: expected the private key of the first certificate in cert, but it belongs to none of them',
  );
}

/** Node's servers send no more. */
const MAX_ISSUERS = 10;

/** Those who issued a certificate, from `candidates`, up to the root, which OpenSSL sends too. */
function issuersOf(leaf: Uint8Array, candidates: readonly Uint8Array[]): readonly Uint8Array[] {
  if (candidates.length === 0) return [];
  const parsed = candidates.map((der) => new X509Certificate(der));
  const found: X509Certificate[] = [];
  let last = new X509Certificate(leaf);
  while (found.length < MAX_ISSUERS && !last.checkIssued(last)) {
    const issuer = parsed.find(
      (one) => !found.includes(one) && last.checkIssued(one) && !one.raw.equals(last.raw) && last.verify(one.publicKey),
    );
    if (issuer === undefined) break;
    found.push(issuer);
    last = issuer;
  }
  return found.map(({ raw }) => new Uint8Array(raw));
}

/** Throws what node:tls throws, and {@link TlsUsageError} `context.bad_pfx` for what it reads and we do not. */
function pkcs12Of(bytes: Uint8Array, passphrase: string | undefined): Pkcs12 {
  try {
    return readPkcs12(bytes, passphrase);
  } catch (cause) {
    const { fault, message } = cause as Pkcs12Error;
    const instead = 'write it anew with "openssl pkcs12 -export", or give key and cert';
    const error = new TlsUsageError('context.bad_pfx', `pfx: ${message}; ${instead}`, cause);
    // Node would do the work that is too much.
    if (fault !== 'limit') refuseAsNode({ pfx: Buffer.from(bytes), passphrase }, error);
    throw error;
  }
}

function pfxOf(input: unknown, passphrase: string | undefined): [bytes: Uint8Array, passphrase: string | undefined] {
  if (typeof input === 'string') return [Buffer.from(input, 'latin1'), passphrase];
  if (ArrayBuffer.isView(input)) return [bytesIn(input), passphrase];
  const { buf, passphrase: own } = (input ?? {}) as Partial<PfxWithPassphrase>;
  if (buf !== undefined) return pfxOf(buf, own ?? passphrase);
  refuseAsNode({ pfx: input, passphrase });
  throw wrongType('options.pfx', 'of type string or an instance of Buffer, TypedArray, or DataView', input);
}
