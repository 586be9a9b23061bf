import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as nodeTls from 'node:tls';
import { inspect } from 'node:util';
import { TlsUsageError } from '../errors/index.ts';
import { typeError, wrongType } from './argument.ts';
import { refuseAsNode } from './as-node.ts';
import { codedError } from './errors.ts';

/** A PEM text, or PEM or DER in bytes. */
export type PemOrDer = string | NodeJS.ArrayBufferView;

const PEM_CERTIFICATE =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]+?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/** All certificates in `input`, as DER. Throws {@link TlsUsageError} naming `option` when there is none or one cannot be read. */
export function certificatesOf(input: PemOrDer | readonly PemOrDer[], option: string): readonly Uint8Array[] {
  const inputs = Array.isArray(input) ? (input as readonly PemOrDer[]) : [input as PemOrDer];
  return inputs.flatMap((one) => {
    const blocks = blocksOf(one, option, PEM_CERTIFICATE);
    if (blocks.length === 0) throw unreadable(option);
    return blocks.map((block) => toDer(block, option));
  });
}

/** As {@link certificatesOf}, but as node:tls does it: what cannot be read is trusted by nobody, and no error. There is a warning. */
export function authoritiesOf(input: PemOrDer | readonly PemOrDer[]): readonly Uint8Array[] {
  const inputs = Array.isArray(input) ? (input as readonly PemOrDer[]) : [input as PemOrDer];
  return inputs.flatMap((one) => {
    const found = blocksOf(one, 'ca', PEM_CERTIFICATE).flatMap((block) => {
      try {
        return [toDer(block, 'ca')];
      } catch {
        return [];
      }
    });
    if (found.length === 0)
      process.emitWarning('ca: there is no certificate that can be read, so it makes nobody trusted');
    return found;
  });
}

const PEM_CRL = /-----BEGIN X509 CRL-----[\s\S]+?-----END X509 CRL-----/g;

/** All revocation lists in `input`, as DER. Throws what node:tls throws where there is none. */
export function crlsOf(input: PemOrDer | readonly PemOrDer[]): readonly Uint8Array[] {
  const inputs = Array.isArray(input) ? (input as readonly PemOrDer[]) : [input as PemOrDer];
  return inputs.flatMap((one) => {
    const lists = blocksOf(one, 'crl', PEM_CRL).map((block) => (typeof block === 'string' ? pemToDer(block) : block));
    if (lists.length === 0) refuseAsNode({ crl: one });
    return lists;
  });
}

/** The PEM blocks of a kind in `input`; bytes without any are taken for DER. Throws Node's error for what is neither text nor bytes. */
function blocksOf(input: unknown, option: string, kind: RegExp): readonly (string | Uint8Array)[] {
  if (typeof input === 'string') return input.match(kind) ?? [];
  if (!ArrayBuffer.isView(input)) {
    throw wrongType(
      `options.${option.replace(':', '')}`,
      'of type string or an instance of Buffer, TypedArray, or DataView',
      input,
    );
  }
  const bytes = bytesIn(input);
  if (bytes[0] === 0x30) return [bytes];
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1').match(kind) ?? [];
}

export function bytesIn(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function toDer(block: string | Uint8Array, option: string): Uint8Array {
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

/** What is younger than the oldest Node we run on. */
interface NewerTls {
  readonly getCACertificates?: (type: CertificateStore) => readonly string[];
  readonly setDefaultCACertificates?: (certificates: readonly PemOrDer[]) => void;
}

const { getCACertificates: nodeStore, setDefaultCACertificates: setNodeDefault } = nodeTls as NewerTls;

export type CertificateStore = 'default' | 'system' | 'bundled' | 'extra';

/** As Node read it when it started. */
const extraFile = process.env.NODE_EXTRA_CA_CERTS;
let extra: readonly string[] | undefined;
let ownDefault: readonly string[] | undefined;

/**
 * As in node:tls, PEM: `default` (what clients without `ca` trust), `bundled` with Node, of the `system`, or `extra` (`NODE_EXTRA_CA_CERTS`).
 * Before Node 22.15 there are none of the system.
 */
export function getCACertificates(type: CertificateStore = 'default'): readonly string[] {
  if (type === 'default' && ownDefault !== undefined) return ownDefault;
  if (nodeStore !== undefined) return nodeStore(type);
  switch (type) {
    case 'default':
      ownDefault = Object.freeze([...nodeTls.rootCertificates, ...extraCertificates()]);
      return ownDefault;
    case 'bundled':
      return nodeTls.rootCertificates;
    case 'extra':
      return extraCertificates();
    case 'system':
      return [];
    default:
      throw typeError('ERR_INVALID_ARG_VALUE', `The argument 'type' is invalid. Received ${inspect(type)}`);
  }
}

/** As in node:tls: what clients without `ca` trust from now on, here and in node:tls. Before Node 22.19 here alone. */
export function setDefaultCACertificates(certificates: readonly PemOrDer[]): void {
  if (setNodeDefault !== undefined) {
    setNodeDefault(certificates);
    return;
  }
  if (!Array.isArray(certificates)) throw wrongType('certs', 'an instance of Array', certificates);
  const ders = certificates.flatMap((one) => {
    try {
      return certificatesOf(one, 'certs');
    } catch {
      return [];
    }
  });
  if (ders.length === 0 && certificates.length > 0) {
    throw codedError('ERR_CRYPTO_OPERATION_FAILED', 'No valid certificates found in the provided array');
  }
  ownDefault = Object.freeze([...new Set(ders.map((der) => new X509Certificate(der).toString()))]);
}

function extraCertificates(): readonly string[] {
  if (extra === undefined) {
    try {
      extra = extraFile ? (readFileSync(extraFile, 'latin1').match(PEM_CERTIFICATE) ?? []) : [];
    } catch {
      extra = []; // Node has warned of it when it started.
    }
  }
  return extra;
}

let anchors: { readonly of: readonly string[]; readonly ders: readonly Uint8Array[] } | undefined;

/** What clients without `ca` trust now, DER; the same array until that changes. */
export function defaultAnchors(): readonly Uint8Array[] {
  const pems = getCACertificates('default');
  if (anchors?.of !== pems) anchors = { of: pems, ders: pems.map(pemToDer) };
  return anchors.ders;
}

/** Of a PEM text that is known to be one certificate. Parsing 140 of them just to convert them would take longer than a handshake. */
function pemToDer(pem: string): Uint8Array {
  return Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
}
