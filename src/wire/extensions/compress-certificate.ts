import { DecodeError } from '../reader.ts';
import { ExtensionType } from '../registry.ts';
import { readUint16List, writeUint16List } from '../uint16-list.ts';
import type { ExtensionCodec } from './codec.ts';

/**
 * How a peer may compress its certificates, in ClientHello and CertificateRequest. There is no answer to it.
 *
 * ```
 * struct {
 *     CertificateCompressionAlgorithm algorithms<2..2^8-2>;
 * } CertificateCompressionAlgorithms;
 * ```
 * @spec rfc8879#section-3
 */
export const compressCertificate: ExtensionCodec<readonly number[]> = {
  type: ExtensionType.compress_certificate,
  read: (r) => {
    const algorithms = readUint16List(r, 1, 2, 0xfe);
    if (new Set(algorithms).size < algorithms.length) throw new DecodeError('an algorithm twice');
    return algorithms;
  },
  write: (w, algorithms) => writeUint16List(w, 1, algorithms),
};
