import { X509Certificate } from 'node:crypto';
import { TlsUsageError } from '../errors/index.ts';
import { codedError } from './errors.ts';

/** A PEM text, or PEM or DER in bytes. */
export type PemOrDer = string | Uint8Array;

const PEM_CERTIFICATE =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]+?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/** All certificates in `input`, as DER. Throws {@link TlsUsageError} naming `option` when there is none or one cannot be read. */
export function certificatesOf(input: PemOrDer | readonly PemOrDer[], option: string): readonly Uint8Array[] {
  const inputs = Array.isArray(input) ? (input as readonly PemOrDer[]) : [input as PemOrDer];
  return inputs.flatMap((one) => {
    const text = typeof one === 'string' ? one : Buffer.from(one.buffer, one.byteOffset, one.length).toString('latin1');
    const blocks: readonly PemOrDer[] = text.match(PEM_CERTIFICATE) ?? [];
    if (blocks.length === 0 && typeof one === 'string') throw unreadable(option);
    return (blocks.length > 0 ? blocks : [one]).map((block) => toDer(block, option));
  });
}

function toDer(block: PemOrDer, option: string): Uint8Array {
  try {
    return new X509Certificate(block).raw;
  } catch (error) {
    throw unreadable(option, error);
  }
}

function unreadable(option: string, cause?: unknown): TlsUsageError {
  return new TlsUsageError(
    'context.bad_certificate',
    `${option} holds no certificate that can be read, in PEM or DER`,
    cause,
  );
}

const PEM_CRL = /-----BEGIN X509 CRL-----[\s\S]+?-----END X509 CRL-----/g;

/** All revocation lists in `input`, as DER; what is in them is read by the verifier. */
export function crlsOf(input: PemOrDer | readonly PemOrDer[]): readonly Uint8Array[] {
  const inputs = Array.isArray(input) ? (input as readonly PemOrDer[]) : [input as PemOrDer];
  return inputs.flatMap((one) => {
    const text = typeof one === 'string' ? one : Buffer.from(one.buffer, one.byteOffset, one.length).toString('latin1');
    const blocks = text.match(PEM_CRL);
    if (blocks !== null) return blocks.map(pemToDer);
    if (typeof one === 'string') throw codedError('ERR_CRYPTO_OPERATION_FAILED', 'Failed to parse CRL');
    return [one];
  });
}

let anchors: readonly Uint8Array[] | undefined;

/** What Node trusts, with what its user added (`NODE_EXTRA_CA_CERTS`, `--use-system-ca`) where Node tells us. Converted once, when first needed. */
export function defaultAnchors(): readonly Uint8Array[] {
  const tls: NodeTls = process.getBuiltinModule('node:tls');
  anchors ??= (tls.getCACertificates?.('default') ?? tls.rootCertificates).map(pemToDer);
  return anchors;
}

/** After the authorities of the process have changed. */
export function forgetDefaultAnchors(): void {
  anchors = undefined;
}

/** `getCACertificates` is younger than the oldest Node we run on. */
interface NodeTls {
  readonly rootCertificates: readonly string[];
  readonly getCACertificates?: (type: 'default') => readonly string[];
}

/** Of a PEM text that is known to be one certificate. Parsing 140 of them just to convert them would take longer than a handshake. */
function pemToDer(pem: string): Uint8Array {
  return Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
}
