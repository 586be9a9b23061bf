import { readExtensions, writeExtensions } from '../extensions/block.ts';
import { CERTIFICATE_REQUEST } from '../extensions/table.ts';
import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';
import type { CertificateRequest } from './types.ts';

/**
 * ```
 * struct {
 *     opaque certificate_request_context<0..2^8-1>;
 *     Extension extensions<0..2^16-1>;
 * } CertificateRequest;
 * ```
 * @spec rfc9846#section-4.4.2
 */
export function readCertificateRequest(r: Reader): CertificateRequest {
  return {
    type: 'certificate_request',
    context: r.opaque(1, 0, 255),
    extensions: readExtensions(r, CERTIFICATE_REQUEST).values,
  };
}

export function writeCertificateRequest(w: Writer, m: CertificateRequest): void {
  w.opaque(1, m.context);
  writeExtensions(w, CERTIFICATE_REQUEST, m.extensions);
}
