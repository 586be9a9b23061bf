/** What is negotiated: cipher suites, groups, signature schemes and versions, in the spellings of node:tls and in those of the RFC. */
import { constants } from 'node:crypto';
import * as nodeTls from 'node:tls';
import type { CertificateCompressionName } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { CipherSuite, NamedGroup, SignatureScheme } from '../wire/registry.ts';
import { typeError, wrongType } from './argument.ts';
import { refuseAsNode } from './as-node.ts';
import { codedError } from './errors.ts';

export type SecureVersion = 'TLSv1.3' | 'TLSv1.2' | 'TLSv1.1' | 'TLSv1';

export interface ProtocolOptions {
  /** Cipher suites in order of preference, `:` between them or as an array. Names of TLS 1.2 among them are for older peers, see `legacy`. Default: {@link DEFAULT_CIPHERS}. */
  readonly ciphers?: string | readonly string[] | undefined;
  /** Key exchange groups in order of preference, `:` between them or as an array. */
  readonly groups?: string | readonly string[] | undefined;
  /** Node's name for `groups`. Names of groups that only TLS 1.2 has are for older peers, see `legacy`. */
  readonly ecdhCurve?: string | undefined;
  /** Signature schemes to accept from the peer and to sign with, `:` between them or as an array. */
  readonly sigalgs?: string | readonly string[] | undefined;
  /** How certificates may be compressed, the peer's and ours, best first: `zlib`, `brotli`, `zstd` where this Node has it. Default: not at all. */
  readonly certificateCompression?: readonly CertificateCompressionName[] | undefined;
  /** TLS 1.3 is all there is here; below it, how old the peers are that node:tls is given, see `legacy`. */
  readonly minVersion?: SecureVersion | undefined;
  /** Only `TLSv1.3`. */
  readonly maxVersion?: 'TLSv1.3' | SecureVersion | undefined;
  /** Node's older way of saying versions. Those methods that have TLS 1.3 have no effect. */
  readonly secureProtocol?: string | undefined;
  /** `SSL_OP_…` of node:crypto. `SSL_OP_NO_TICKET`: no tickets, unless `numTickets` or `tickets` say otherwise. Others are for older peers, see `legacy`. */
  readonly secureOptions?: number | undefined;
  /** For older clients, see `legacy`; with TLS 1.3 the server's order counts. */
  readonly honorCipherOrder?: boolean | undefined;
  /** For older clients, see `legacy`. */
  readonly dhparam?: string | NodeJS.ArrayBufferView | undefined;
  /** For older servers, see `legacy`. */
  readonly minDHSize?: number | undefined;
}

/** For the engine. `undefined`: its own default. */
export interface ProtocolNames {
  readonly cipherSuites: readonly string[] | undefined;
  readonly groups: readonly string[] | undefined;
  readonly signatureSchemes: readonly string[] | undefined;
  readonly certificateCompression: readonly CertificateCompressionName[] | undefined;
}

/** Cipher suites of TLS 1.3 that Node uses by default, in its order; `--tls-cipher-list` of the process counts. */
export const DEFAULT_CIPHERS: string =
  nodeTls.DEFAULT_CIPHERS.split(':')
    .filter((name) => name in CipherSuite)
    .join(':') || 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256';

const VERSIONS: readonly unknown[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

/** Throws Node's errors: for what is not there, and for what leaves TLS 1.3 out. */
export function protocolNames(options: ProtocolOptions): ProtocolNames {
  checkVersions(options);
  checkSecureOptions(options.secureOptions);
  // Without effect, but a program that gives something else made a mistake.
  if (options.dhparam && !ArrayBuffer.isView(options.dhparam) && typeof options.dhparam !== 'string') {
    refuseAsNode({ dhparam: options.dhparam });
  }
  return {
    cipherSuites: cipherSuites(options.ciphers),
    groups: groups(options.groups === undefined ? options.ecdhCurve : options.groups),
    signatureSchemes: signatureSchemes(options.sigalgs),
    certificateCompression: compression(options.certificateCompression),
  };
}

/** Throws Node's errors for versions and methods that it does not know, and for those without TLS 1.3. */
export function checkVersions({ minVersion, maxVersion, secureProtocol }: ProtocolOptions): void {
  for (const [bound, version] of [
    ['minimum', minVersion],
    ['maximum', maxVersion],
  ] as const) {
    if (version === undefined || version === null) continue;
    if (!VERSIONS.includes(version)) refuseAsNode({ minVersion, maxVersion });
    if (bound === 'maximum' && version !== 'TLSv1.3') {
      throw typeError(
        'ERR_TLS_INVALID_PROTOCOL_VERSION',
        `"${version}" is not a valid ${bound} TLS protocol version: there is only TLSv1.3 here`,
      );
    }
  }
  if (!secureProtocol) return;
  refuseAsNode({ minVersion, maxVersion, secureProtocol });
  if (/^TLSv1(_[12])?_/.test(secureProtocol)) {
    throw typeError(
      'ERR_TLS_INVALID_PROTOCOL_METHOD',
      `Unknown method: ${secureProtocol}, for there is only TLSv1.3 here`,
    );
  }
}

function checkSecureOptions(secureOptions: number | undefined): void {
  if (!secureOptions) return;
  refuseAsNode({ secureOptions });
  if (secureOptions & constants.SSL_OP_NO_TLSv1_3) {
    throw typeError(
      'ERR_TLS_INVALID_PROTOCOL_VERSION',
      'secureOptions has SSL_OP_NO_TLSv1_3: there is only TLSv1.3 here',
    );
  }
}

/** Whether `secureOptions` say that there shall be no tickets. */
export function wantsNoTickets({ secureOptions }: ProtocolOptions): boolean {
  return secureOptions !== undefined && (secureOptions & constants.SSL_OP_NO_TICKET) !== 0;
}

function cipherSuites(given: ProtocolOptions['ciphers']): readonly string[] {
  if (given === undefined || given === null || given === '') return DEFAULT_CIPHERS.split(':');
  const names = split('ciphers', given, ':');
  const unknown = names.filter((name) => !(name in CipherSuite));
  const why = noneOf('cipherSuites', unknown, CipherSuite);
  if (unknown.length > 0 || names.length === 0) refuseAsNode({ ciphers: names.join(':') }, why);
  if (unknown.length < names.length) return names.filter((name) => name in CipherSuite);
  throw codedError('ERR_SSL_NO_CIPHER_MATCH', `no cipher match: ${why.message}`, why);
}

function noneOf(option: string, names: readonly string[], table: object): TlsUsageError {
  return new TlsUsageError(
    `config.bad_${option}`,
    `${option}: there is no ${names.join(', ')}; there are ${Object.keys(table).join(', ')}`,
  );
}

const GROUPS: Readonly<Record<string, string>> = {
  prime256v1: 'secp256r1',
  'p-256': 'secp256r1',
  'p-384': 'secp384r1',
  'p-521': 'secp521r1',
  ...Object.fromEntries(Object.keys(NamedGroup).map((name) => [name.toLowerCase(), name])),
};

function groups(given: string | readonly string[] | undefined): readonly string[] | undefined {
  if (given === undefined || given === 'auto') return undefined;
  // As OpenSSL 3.5 has it: `/` begins a new tuple, and marks before a name say that it may be missing, or gets a key share.
  const names = split('ecdhCurve', given, /[:/]/).map((name) => name.replace(/^[?*]+/, ''));
  const unknown = names.filter((name) => GROUPS[name.toLowerCase()] === undefined && name !== 'DEFAULT');
  const why = noneOf('groups', unknown, NamedGroup);
  if (unknown.length > 0) refuseAsNode({ ecdhCurve: unknown.join(':') }, why);
  if (names.includes('DEFAULT')) return undefined;
  const known = names.flatMap((name) => GROUPS[name.toLowerCase()] ?? []);
  if (known.length > 0) return known;
  throw codedError('ERR_CRYPTO_OPERATION_FAILED', `Failed to set ECDH curve: ${why.message}`, why);
}

/** Spellings of OpenSSL, in lower case. What TLS 1.3 signs with no PKCS#1 may be in certificates whatever is said here. */
const SCHEMES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Object.keys(SignatureScheme)
      .filter((name) => !name.startsWith('rsa_pkcs1'))
      .map((name) => [name, name]),
  ),
  ...Object.fromEntries(
    ['256', '384', '512'].flatMap((bits) => [
      [`rsa-pss+sha${bits}`, `rsa_pss_rsae_sha${bits}`],
      [`pss+sha${bits}`, `rsa_pss_rsae_sha${bits}`],
    ]),
  ),
  'ecdsa+sha256': 'ecdsa_secp256r1_sha256',
  'ecdsa+sha384': 'ecdsa_secp384r1_sha384',
  'ecdsa+sha512': 'ecdsa_secp521r1_sha512',
};

function signatureSchemes(given: ProtocolOptions['sigalgs']): readonly string[] | undefined {
  if (given === undefined || given === null) return undefined;
  if (given.length === 0) refuseAsNode({ sigalgs: '' });
  const names = split('sigalgs', given, ':');
  const unknown = names.filter((name) => SCHEMES[name.toLowerCase()] === undefined);
  const why = noneOf('signatureSchemes', unknown, SignatureScheme);
  if (unknown.length > 0) refuseAsNode({ sigalgs: unknown.join(':') }, why);
  const known = names.flatMap((name) => SCHEMES[name.toLowerCase()] ?? []);
  if (known.length > 0) return known;
  throw typeError('ERR_INVALID_ARG_VALUE', `The property 'options.sigalgs' is invalid: ${why.message}`);
}

function compression(given: ProtocolOptions['certificateCompression']): ProtocolNames['certificateCompression'] {
  if (given === undefined || given === null) return undefined;
  if (!Array.isArray(given)) throw wrongType('options.certificateCompression', 'an instance of Array', given);
  for (const [index, name] of given.entries()) {
    if (['zlib', 'brotli', 'zstd'].includes(name)) continue;
    throw typeError(
      'ERR_INVALID_ARG_VALUE',
      `The property 'options.certificateCompression[${index}]' must be 'zlib', 'brotli', or 'zstd'. Received ${String(name)}`,
    );
  }
  if (new Set(given).size < given.length) {
    throw codedError('ERR_CRYPTO_OPERATION_FAILED', 'Failed to set certificate compression preference');
  }
  return given;
}

function split(option: string, given: string | readonly string[], separator: string | RegExp): readonly string[] {
  if (Array.isArray(given)) return given as readonly string[];
  if (typeof given !== 'string') throw wrongType(`options.${option}`, 'of type string', given);
  return given.split(separator).filter((name) => name !== '');
}
