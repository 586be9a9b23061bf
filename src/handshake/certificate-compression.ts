import type { CertificateCompressionName, Compression } from '../crypto/index.ts';
import { peerFault } from '../errors/index.ts';
import {
  type Certificate,
  CertificateCompressionAlgorithm,
  type CompressedCertificate,
  decodeHandshakeMessage,
  encodeHandshakeMessage,
  HandshakeType,
  nameOf,
} from '../wire/index.ts';
import type { CommonConfig } from './config.ts';
import type { Received } from './context.ts';

/** A Certificate message as it is sent. */
export interface PackedCertificate {
  /** Certificate or CompressedCertificate, with its header. */
  readonly message: Uint8Array;
  readonly compression: CertificateCompressionName | undefined;
}

const HEADER_LENGTH = 4;
/** By Certificate message and algorithm. The messages of a credential are kept too, so that each is compressed once. */
const packed = new WeakMap<Uint8Array, Map<number, PackedCertificate>>();

/**
 * A Certificate message, compressed when the peer allows it in a way we know and that makes it shorter.
 *
 * @spec rfc8879#section-4
 */
export function packCertificate(
  message: Uint8Array,
  allowed: readonly number[] | undefined,
  config: CommonConfig,
): PackedCertificate {
  const compression = config.certificateCompression.find(({ id }) => allowed?.includes(id));
  if (compression === undefined) return { message, compression: undefined };
  const ways = packed.get(message) ?? new Map<number, PackedCertificate>();
  packed.set(message, ways);
  const result = ways.get(compression.id) ?? pack(message, compression);
  ways.set(compression.id, result);
  return result;
}

function pack(message: Uint8Array, compression: Compression): PackedCertificate {
  const structure = message.subarray(HEADER_LENGTH);
  const shorter = encodeHandshakeMessage({
    type: 'compressed_certificate',
    algorithm: compression.id,
    uncompressedLength: structure.length,
    compressed: compression.compress(structure),
  });
  const compressed = shorter.length < message.length;
  return compressed ? { message: shorter, compression: compression.name } : { message, compression: undefined };
}

/**
 * The Certificate in a CompressedCertificate. It keeps the bytes of the latter, for the transcript has these.
 * "Implementations MUST limit the size of the resulting decompressed chain": to the same length as without compression.
 *
 * @spec rfc8879#section-5
 */
export function unpackCertificate(
  message: Received<CompressedCertificate>,
  { certificateCompression, limits }: CommonConfig,
): Received<Certificate> & { readonly compression: CertificateCompressionName } {
  const { algorithm, uncompressedLength, compressed } = message;
  if (certificateCompression.length === 0)
    throw peerFault('handshake.unexpected_message', 'compressed_certificate, but compress_certificate was not sent');
  const compression = certificateCompression.find(({ id }) => id === algorithm);
  if (compression === undefined)
    throw peerFault('certificate.compression_not_offered', nameOf(CertificateCompressionAlgorithm, algorithm));
  if (uncompressedLength > limits.certificateLength)
    throw peerFault(
      'certificate.too_long_uncompressed',
      `${uncompressedLength} bytes, allowed are ${limits.certificateLength}`,
    );
  const structure = uncompressedLength === 0 ? undefined : compression.decompress(compressed, uncompressedLength);
  if (structure?.length !== uncompressedLength)
    throw peerFault('certificate.bad_compression', `${uncompressedLength} bytes by ${compression.name}`);
  // "After decompression, the Certificate message MUST be processed as if it were encoded without being compressed."
  const certificate = decodeHandshakeMessage(HandshakeType.certificate, structure) as Certificate;
  return { ...certificate, raw: message.raw, compression: compression.name };
}
