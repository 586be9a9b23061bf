import { readExtensions, writeExtensions } from '../extensions/block.ts';
import { CERTIFICATE_ENTRY } from '../extensions/table.ts';
import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';
import type { Certificate, CertificateEntry } from './types.ts';

/**
 * Certificates are X.509 only: no other type is negotiated.
 *
 * ```
 * struct {
 *     select (certificate_type) {
 *         case X509:
 *           opaque cert_data<1..2^24-1>;
 *     };
 *     Extension extensions<0..2^16-1>;
 * } CertificateEntry;
 *
 * struct {
 *     opaque certificate_request_context<0..2^8-1>;
 *     CertificateEntry certificate_list<0..2^24-1>;
 * } Certificate;
 * ```
 * @spec rfc9846#section-4.5.1
 */
export function readCertificate(r: Reader): Certificate {
  const context = r.opaque(1, 0, 255);
  const list = r.vector(3, 0, 0xffffff);
  const entries: CertificateEntry[] = [];
  while (list.left > 0) {
    const certificate = list.opaque(3, 1, 0xffffff);
    const { values, types } = readExtensions(list, CERTIFICATE_ENTRY);
    entries.push({ certificate, ...values, extensionTypes: types });
  }
  return { type: 'certificate', context, entries };
}

export function writeCertificate(w: Writer, m: Certificate): void {
  w.opaque(1, m.context).vector(3, (w) => {
    for (const entry of m.entries) {
      w.opaque(3, entry.certificate);
      writeExtensions(w, CERTIFICATE_ENTRY, entry);
    }
  });
}
