import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { copyOf, fromLatin1 } from '../bytes/index.ts';
import { expectBytes, unwrap } from './arguments.ts';
import { bioOf } from './bio.ts';
import { ERR_LIB_ASN1, ERR_LIB_EVP, ERR_LIB_PEM } from './constants.ts';
import { pushError } from './error-queue.ts';
import { ASN1_REASON, EVP_REASON, PEM_REASON } from './reasons.ts';
import { type BIO, type EVP_PKEY, Opaque, type X509 } from './types.ts';

export class Certificate extends Opaque<'X509'> {
  readonly der: Uint8Array;
  readonly parsed: X509Certificate;

  constructor(der: Uint8Array) {
    super();
    this.der = copyOf(der);
    this.parsed = new X509Certificate(this.der);
  }
}

export class PrivateKey extends Opaque<'EVP_PKEY'> {
  readonly key: KeyObject;

  constructor(key: KeyObject) {
    super();
    this.key = key;
  }
}

export function certificateOf(name: string, x509: X509 | null): Certificate | undefined {
  return unwrap(name, x509, Certificate);
}

export function keyOf(name: string, pkey: EVP_PKEY | null): PrivateKey | undefined {
  return unwrap(name, pkey, PrivateKey);
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----\r?\n?/g;
const CERTIFICATE_LABELS = ['CERTIFICATE', 'X509 CERTIFICATE', 'TRUSTED CERTIFICATE'];

/** The PEM blocks of one kind in a text. */
export function pemBlocks(text: Uint8Array, isWanted: (label: string) => boolean): string[] {
  return [...fromLatin1(text).matchAll(BLOCK)].filter((match) => isWanted(match[1]!)).map((match) => match[0]);
}

export const isCertificate = (label: string): boolean => CERTIFICATE_LABELS.includes(label);
export const isPrivateKey = (label: string): boolean => label.endsWith('PRIVATE KEY');

/** The certificate in one PEM block; the reason is queued when it is `undefined`. */
export function parseCertificate(bytes: Uint8Array | string): Certificate | undefined {
  try {
    if (typeof bytes !== 'string') return new Certificate(bytes);
    const base64 = bytes.replace(/-----[^-]*-----/g, '');
    return new Certificate(Buffer.from(base64, 'base64'));
  } catch {
    pushError(ASN1_REASON.BAD_OBJECT_HEADER, ERR_LIB_ASN1);
    return undefined;
  }
}

/** The private key in a PEM block or in DER (PKCS#8, SEC 1 or PKCS#1); the reason is queued when it is `undefined`. */
export function parsePrivateKey(bytes: Uint8Array | string): PrivateKey | undefined {
  const attempts =
    typeof bytes === 'string'
      ? [{ key: bytes, format: 'pem' as const }]
      : (['pkcs8', 'sec1', 'pkcs1'] as const).map((type) => ({
          key: Buffer.from(bytes),
          format: 'der' as const,
          type,
        }));
  for (const attempt of attempts) {
    try {
      return new PrivateKey(createPrivateKey(attempt));
    } catch {}
  }
  pushError(EVP_REASON.DECODE_ERROR, ERR_LIB_EVP);
  return undefined;
}

/** Takes the next PEM block of a kind out of a BIO, with all that stands before it. */
function readBlock(bio: BIO | null, isWanted: (label: string) => boolean): string | undefined {
  const known = bioOf('bio', bio);
  if (known !== undefined) {
    for (const match of fromLatin1(known.data.peek()).matchAll(BLOCK)) {
      if (!isWanted(match[1]!)) continue;
      known.data.read(new Uint8Array(match.index + match[0].length));
      return match[0];
    }
    known.data.clear();
  }
  pushError(PEM_REASON.NO_START_LINE, ERR_LIB_PEM);
  return undefined;
}

/** The next certificate in a memory BIO; `null` when there is none, with PEM's `no start line` in the queue. */
export function PEM_read_bio_X509(bio: BIO | null): X509 | null {
  const block = readBlock(bio, isCertificate);
  return (block && parseCertificate(block)) || null;
}

/** The next private key in a memory BIO. */
export function PEM_read_bio_PrivateKey(bio: BIO | null): EVP_PKEY | null {
  const block = readBlock(bio, isPrivateKey);
  return (block && parsePrivateKey(block)) || null;
}

/** A certificate from DER. */
export function d2i_X509(der: Uint8Array): X509 | null {
  expectBytes('der', der);
  return parseCertificate(der) ?? null;
}

/** The DER of a certificate. */
export function i2d_X509(x509: X509 | null): Uint8Array | null {
  const certificate = certificateOf('x509', x509);
  return certificate === undefined ? null : copyOf(certificate.der);
}

/** A private key from DER: PKCS#8, SEC 1 or PKCS#1. */
export function d2i_AutoPrivateKey(der: Uint8Array): EVP_PKEY | null {
  expectBytes('der', der);
  return parsePrivateKey(der) ?? null;
}

/** Nothing to do: certificates hold no secret and nothing a program can observe. */
export function X509_free(x509: X509 | null): void {
  certificateOf('x509', x509);
}

export function X509_up_ref(x509: X509 | null): number {
  return certificateOf('x509', x509) === undefined ? 0 : 1;
}

/** Nothing to do: the key is wiped by the runtime with the last object that uses it. */
export function EVP_PKEY_free(pkey: EVP_PKEY | null): void {
  keyOf('pkey', pkey);
}

export function EVP_PKEY_up_ref(pkey: EVP_PKEY | null): number {
  return keyOf('pkey', pkey) === undefined ? 0 : 1;
}
