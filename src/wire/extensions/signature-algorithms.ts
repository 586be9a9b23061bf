import { ExtensionType } from '../registry.ts';
import { readUint16List, writeUint16List } from '../uint16-list.ts';
import type { ExtensionCodec } from './codec.ts';

/**
 * "signature_algorithms" and "signature_algorithms_cert" have the same form.
 *
 * ```
 * struct {
 *     SignatureScheme supported_signature_algorithms<2..2^16-2>;
 * } SignatureSchemeList;
 * ```
 * @spec rfc9846#section-4.3.3
 */
function signatureSchemeList(type: number): ExtensionCodec<readonly number[]> {
  return {
    type,
    read: (r) => readUint16List(r, 2, 2, 0xfffe),
    write: (w, schemes) => writeUint16List(w, 2, schemes),
  };
}

/** Algorithms for signatures in CertificateVerify. */
export const signatureAlgorithms: ExtensionCodec<readonly number[]> = signatureSchemeList(
  ExtensionType.signature_algorithms,
);

/** Algorithms for signatures in certificates. */
export const signatureAlgorithmsCert: ExtensionCodec<readonly number[]> = signatureSchemeList(
  ExtensionType.signature_algorithms_cert,
);
