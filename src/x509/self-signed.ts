import { concat, equal, latin1 } from '../bytes/index.ts';
import type { Signer } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { SignatureScheme } from '../wire/registry.ts';
import { GeneralNameType } from './certificate.ts';
import * as der from './der.ts';
import { dnsLabels, ipBytes } from './name-match.ts';
import { Oid } from './oids.ts';

export interface SelfSignedOptions {
  /** The public key, DER. */
  readonly subjectPublicKeyInfo: Uint8Array;
  /** The private key to it. */
  readonly signer: Signer;
  /** DNS names (`*.` in front is allowed) and IP addresses, at least one. */
  readonly names: readonly string[];
  /** Milliseconds since the epoch, whole seconds are kept. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** 1 to 20 unpredictable bytes; the first bit is cleared to keep the number positive. */
  readonly serial: Uint8Array;
  /** Default: the first name, if it fits into the 64 characters a common name may have. Nobody should match it. */
  readonly commonName?: string;
}

/**
 * A self-signed certificate (DER) for development and tests: to be served, and to be given to clients as the one certificate they trust.
 *
 * It is for servers and clients alike and not a CA, so that who trusts it trusts this key and nothing that the key signs.
 * Throws `TlsUsageError` with `self_signed.names`, `self_signed.validity`, `self_signed.serial` or `self_signed.signer`.
 */
export async function createSelfSigned(options: SelfSignedOptions): Promise<Uint8Array> {
  const { signer, names, notBefore, notAfter } = options;
  if (names.length === 0)
    throw new TlsUsageError('self_signed.names', 'names is empty; give at least one DNS name or IP address');
  if (!(notBefore < notAfter))
    throw new TlsUsageError('self_signed.validity', `notBefore (${notBefore}) must be before notAfter (${notAfter})`);
  const scheme = signer.schemes.find((one) => ALGORITHMS.has(one));
  const algorithm = scheme === undefined ? undefined : ALGORITHMS.get(scheme)?.();
  if (scheme === undefined || algorithm === undefined)
    throw new TlsUsageError('self_signed.signer', 'the signer has no scheme that certificates can be signed with');
  const first = names[0]!;
  const name = distinguishedName(options.commonName ?? (first.length <= 64 ? first : undefined));
  const tbs = der.sequence(
    der.context(0, der.integer(2)),
    der.unsignedInteger(positiveSerial(options.serial)),
    algorithm,
    name,
    der.sequence(der.time(notBefore), der.time(notAfter)),
    name,
    options.subjectPublicKeyInfo,
    der.context(
      3,
      der.sequence(
        extension(Oid.basicConstraints, true, der.sequence()),
        extension(Oid.keyUsage, true, der.bitString(Uint8Array.of(0x80), 7)),
        extension(Oid.extKeyUsage, false, der.sequence(der.oid(Oid.serverAuth), der.oid(Oid.clientAuth))),
        extension(Oid.subjectAltName, false, der.sequence(...names.map(generalName))),
      ),
    ),
  );
  const signature = await signer.sign(scheme, tbs);
  return der.sequence(tbs, algorithm, der.bitString(signature));
}

function extension(oid: string, critical: boolean, value: Uint8Array): Uint8Array {
  const flag = critical ? der.boolean(true) : new Uint8Array(0);
  return der.sequence(der.oid(oid), flag, der.octetString(value));
}

function distinguishedName(commonName: string | undefined): Uint8Array {
  if (commonName === undefined) return der.sequence();
  return der.sequence(der.set(der.sequence(der.oid(Oid.commonName), der.utf8String(commonName))));
}

function generalName(name: string): Uint8Array {
  const address = ipBytes(name);
  if (address !== undefined) return der.contextPrimitive(GeneralNameType.iPAddress, address);
  if (dnsLabels(name.startsWith('*.') ? name.slice(2) : name) === undefined)
    throw new TlsUsageError(
      'self_signed.names',
      `${JSON.stringify(name)} is neither a DNS name in ASCII nor an IP address`,
    );
  return der.contextPrimitive(GeneralNameType.dNSName, latin1(name.toLowerCase()));
}

function positiveSerial(serial: Uint8Array): Uint8Array {
  const positive = serial.slice();
  if (positive.length > 0) positive[0] = positive[0]! & 0x7f;
  if (serial.length > 20 || equal(positive, new Uint8Array(serial.length)))
    throw new TlsUsageError(
      'self_signed.serial',
      `serial has ${serial.length} bytes; 1 to 20 are right, and not all zero`,
    );
  return positive;
}

/** AlgorithmIdentifiers by SignatureScheme. */
const ALGORITHMS: ReadonlyMap<number, () => Uint8Array> = new Map([
  [SignatureScheme.ecdsa_secp256r1_sha256, () => plain(Oid.ecdsaWithSHA256)],
  [SignatureScheme.ecdsa_secp384r1_sha384, () => plain(Oid.ecdsaWithSHA384)],
  [SignatureScheme.ecdsa_secp521r1_sha512, () => plain(Oid.ecdsaWithSHA512)],
  [SignatureScheme.ed25519, () => plain(Oid.ed25519)],
  [SignatureScheme.ed448, () => plain(Oid.ed448)],
  [SignatureScheme.rsa_pkcs1_sha256, () => withNull(Oid.sha256WithRSAEncryption)],
  [SignatureScheme.rsa_pkcs1_sha384, () => withNull(Oid.sha384WithRSAEncryption)],
  [SignatureScheme.rsa_pkcs1_sha512, () => withNull(Oid.sha512WithRSAEncryption)],
  [SignatureScheme.rsa_pss_rsae_sha256, () => pss(Oid.sha256, 32)],
  [SignatureScheme.rsa_pss_rsae_sha384, () => pss(Oid.sha384, 48)],
  [SignatureScheme.rsa_pss_rsae_sha512, () => pss(Oid.sha512, 64)],
  [SignatureScheme.rsa_pss_pss_sha256, () => pss(Oid.sha256, 32)],
  [SignatureScheme.rsa_pss_pss_sha384, () => pss(Oid.sha384, 48)],
  [SignatureScheme.rsa_pss_pss_sha512, () => pss(Oid.sha512, 64)],
]);

function plain(oid: string): Uint8Array {
  return der.sequence(der.oid(oid));
}

function withNull(oid: string): Uint8Array {
  return der.sequence(concat(der.oid(oid), der.nullValue()));
}

function pss(hash: string, saltLength: number): Uint8Array {
  const hashAlgorithm = withNull(hash);
  return der.sequence(
    der.oid(Oid.rsassaPss),
    der.sequence(
      der.context(0, hashAlgorithm),
      der.context(1, der.sequence(der.oid(Oid.mgf1), hashAlgorithm)),
      der.context(2, der.integer(saltLength)),
    ),
  );
}
