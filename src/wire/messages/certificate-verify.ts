import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';
import type { CertificateVerify } from './types.ts';

/**
 * ```
 * struct {
 *     SignatureScheme algorithm;
 *     opaque signature<0..2^16-1>;
 * } CertificateVerify;
 * ```
 * @spec rfc9846#section-4.5.2
 */
export function readCertificateVerify(r: Reader): CertificateVerify {
  return { type: 'certificate_verify', algorithm: r.u16(), signature: r.opaque(2, 0, 0xffff) };
}

export function writeCertificateVerify(w: Writer, m: CertificateVerify): void {
  w.u16(m.algorithm).opaque(2, m.signature);
}
