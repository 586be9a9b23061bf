/** What node:tls has beside connections. */
import * as nodeTls from 'node:tls';
import type { CertificateCompressionName } from '../crypto/index.ts';
import { CipherSuite } from '../wire/registry.ts';

/** As in node:tls: what is wrong with a certificate for a host, or nothing. */
export const checkServerIdentity: typeof nodeTls.checkServerIdentity = nodeTls.checkServerIdentity;

/** As in node:tls: the names of protocols, each behind its length, become a property of `out`. */
export const convertALPNProtocols: (protocols: unknown, out: { ALPNProtocols?: Buffer }) => void = (
  nodeTls as unknown as { readonly convertALPNProtocols: (protocols: unknown, out: { ALPNProtocols?: Buffer }) => void }
).convertALPNProtocols;

/** The certificates that Node is shipped with, PEM. */
export const rootCertificates: readonly string[] = nodeTls.rootCertificates;

/** `auto`: X25519MLKEM768, x25519, secp256r1, secp384r1, secp521r1. */
export const DEFAULT_ECDH_CURVE: string = 'auto';
/** There is no other. */
export const DEFAULT_MIN_VERSION: 'TLSv1.3' = 'TLSv1.3';
/** There is no other. */
export const DEFAULT_MAX_VERSION: 'TLSv1.3' = 'TLSv1.3';

/** Of TLS 1.2, so without effect. */
export const CLIENT_RENEG_LIMIT: number = 3;
/** Of TLS 1.2, so without effect. */
export const CLIENT_RENEG_WINDOW: number = 600;

/** The cipher suites there are, in lower case. */
export function getCiphers(): string[] {
  return Object.keys(CipherSuite)
    .map((name) => name.toLowerCase())
    .sort();
}

/** How this Node can compress certificates. */
export function getCertificateCompressionAlgorithms(): CertificateCompressionName[] {
  const { constants } = process.getBuiltinModule('node:zlib');
  return 'ZSTD_CLEVEL_DEFAULT' in constants ? ['zlib', 'brotli', 'zstd'] : ['zlib', 'brotli'];
}
