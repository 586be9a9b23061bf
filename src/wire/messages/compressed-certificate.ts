import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';
import type { CompressedCertificate } from './types.ts';

/**
 * What is compressed is the Certificate structure, without the 4-byte header of a handshake message.
 *
 * ```
 * struct {
 *     CertificateCompressionAlgorithm algorithm;
 *     uint24 uncompressed_length;
 *     opaque compressed_certificate_message<1..2^24-1>;
 * } CompressedCertificate;
 * ```
 * @spec rfc8879#section-4
 */
export function readCompressedCertificate(r: Reader): CompressedCertificate {
  return {
    type: 'compressed_certificate',
    algorithm: r.u16(),
    uncompressedLength: r.u24(),
    compressed: r.opaque(3, 1, 0xffffff),
  };
}

export function writeCompressedCertificate(w: Writer, m: CompressedCertificate): void {
  w.u16(m.algorithm).u24(m.uncompressedLength).opaque(3, m.compressed);
}
