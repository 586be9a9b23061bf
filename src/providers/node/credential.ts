import type { X509Certificate } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { copyOf, fromLatin1 } from '../../bytes/index.ts';
import type { Credential, Signer } from '../../crypto/index.ts';
import { TlsUsageError } from '../../errors/index.ts';
import { plain } from './hash.ts';
import { createSigner, type PrivateKeyInput, parseCertificate, parsePrivateKey } from './signature.ts';

type CertificateInput = string | Uint8Array;

export interface CredentialOptions {
  /** The leaf first, then its issuers: PEM with one or more certificates, DER, or a list of either. */
  readonly cert: CertificateInput | readonly CertificateInput[];
  /** The private key of the leaf: PEM, DER or KeyObject; or a signer that has it. Only the former is checked against the leaf. */
  readonly key: PrivateKeyInput | Signer;
  /** For an encrypted `key`. */
  readonly passphrase?: string;
  /** A DER OCSP response to staple. */
  readonly ocspResponse?: Uint8Array;
}

/**
 * What a server or client proves its identity with.
 *
 * Throws `TlsUsageError` with the code `credential.no_certificate`, `credential.bad_certificate`, `credential.bad_key`, `credential.bad_signer`, or
 * `credential.key_mismatch` when the first certificate is not the one of the key.
 */
export function createCredential(options: CredentialOptions): Credential {
  const inputs = Array.isArray(options.cert)
    ? (options.cert as readonly CertificateInput[])
    : [options.cert as CertificateInput];
  const chain = inputs.flatMap(certificatesIn);
  const certificates = chain.map(parseNth);
  const [leaf] = certificates;
  if (leaf === undefined) {
    throw new TlsUsageError(
      'credential.no_certificate',
      'cert: expected at least one certificate, leaf first, but got an empty list',
    );
  }
  const { ocspResponse } = options;
  return {
    chain,
    signer: isSigner(options.key) ? checkSigner(options.key) : signerFor(certificates, options.key, options.passphrase),
    names: namesOf(leaf),
    ...(ocspResponse === undefined ? {} : { ocspResponse }),
  };
}

const PEM_CERTIFICATE = /-----BEGIN (X509 )?CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END \1?CERTIFICATE-----/g;

function certificatesIn(input: CertificateInput): Uint8Array[] {
  if (typeof input !== 'string' && !(input instanceof Uint8Array)) {
    throw new TlsUsageError(
      'credential.bad_certificate',
      `cert: expected PEM or DER, not a value of type ${typeof input}`,
    );
  }
  if (typeof input !== 'string' && input[0] === 0x30) return [copyOf(input)];
  const text = typeof input === 'string' ? input : fromLatin1(input);
  const found = [...text.matchAll(PEM_CERTIFICATE)].map((match) => plain(Buffer.from(match[2] ?? '', 'base64')));
  if (found.length === 0) {
    const hint = /PRIVATE KEY-----/.test(text) ? '; it holds a private key: are cert and key swapped?' : '';
    throw new TlsUsageError(
      'credential.no_certificate',
      `cert: expected PEM ("-----BEGIN CERTIFICATE-----") or DER, but there is no certificate in it${hint}`,
    );
  }
  return found;
}

function parseNth(der: Uint8Array, index: number): X509Certificate {
  try {
    return parseCertificate(der);
  } catch (cause) {
    throw new TlsUsageError(
      'credential.bad_certificate',
      `cert: certificate number ${index + 1} cannot be read`,
      cause,
    );
  }
}

function isSigner(key: PrivateKeyInput | Signer): key is Signer {
  return typeof key === 'object' && key !== null && 'schemes' in key && 'sign' in key;
}

/** Returns the signer, when it is one. */
function checkSigner(signer: Signer): Signer {
  const { schemes, sign } = signer;
  if (typeof sign !== 'function')
    throw new TlsUsageError('credential.bad_signer', 'key: sign of a signer must be a function');
  const isScheme = (scheme: unknown) =>
    Number.isInteger(scheme) && (scheme as number) > 0 && (scheme as number) <= 0xffff;
  if (Array.isArray(schemes) && schemes.length > 0 && schemes.every(isScheme)) return signer;
  throw new TlsUsageError(
    'credential.bad_signer',
    'key: schemes of a signer must be a list of code points, such as SignatureScheme.ecdsa_secp256r1_sha256 of tessera-tls, ' +
      `but got ${JSON.stringify(schemes)}`,
  );
}

function signerFor(
  certificates: readonly X509Certificate[],
  input: PrivateKeyInput,
  passphrase: string | undefined,
): Signer {
  const key = parsePrivateKey(input, passphrase);
  const owner = certificates.findIndex((certificate) => certificate.checkPrivateKey(key));
  if (owner === 0) return createSigner(key);
  throw new TlsUsageError(
    'credential.key_mismatch',
    owner < 0
      ? 'key: expected the private key of the first certificate in cert, but it belongs to none of them'
      : `cert: the certificate of the key must come first, but it is number ${owner + 1}`,
  );
}

/** Node writes `DNS:a.example, IP Address:192.0.2.1`, and quotes values with special characters, which are no host names. */
const ALT_NAME = /(?:^|, )(DNS|IP Address):([^",]+)(?=, |$)/g;

function namesOf(leaf: X509Certificate): string[] {
  // Quoted values go first: what looks like a name inside of one must not count.
  const text = (leaf.subjectAltName ?? '').replace(/"(?:[^"\\]|\\.)*"/g, '""');
  return [...text.matchAll(ALT_NAME)].map(([, , value = '']) =>
    // As the RFC 5952 text, which is how URLs and sockets write the address.
    isIPv6(value) ? new URL(`http://[${value}]/`).hostname.slice(1, -1) : value.toLowerCase(),
  );
}
