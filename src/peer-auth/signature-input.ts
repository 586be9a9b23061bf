import { concat, latin1 } from '../bytes/index.ts';

const PREFIX = new Uint8Array(64).fill(0x20);
const CONTEXT = {
  server: latin1('TLS 1.3, server CertificateVerify\0'),
  client: latin1('TLS 1.3, client CertificateVerify\0'),
} as const;

/**
 * What a CertificateVerify of `role` signs: 64 spaces, a context string, a zero byte, the transcript hash.
 *
 * @spec rfc9846#section-4.5.2
 */
export function signatureInput(role: 'server' | 'client', transcriptHash: Uint8Array): Uint8Array {
  return concat(PREFIX, CONTEXT[role], transcriptHash);
}
