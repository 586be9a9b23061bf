import * as zlib from 'node:zlib';
import type { Compression } from '../../crypto/index.ts';
import { CertificateCompressionAlgorithm } from '../../wire/registry.ts';

interface Bounds {
  readonly chunkSize: number;
  readonly maxOutputLength: number;
  readonly info: true;
}

/** What `info: true` makes of the answer: the engine says how much of the input it took. */
interface Decompressed {
  readonly buffer: Uint8Array;
  readonly engine: { readonly bytesWritten: number };
}

type Decompress = (data: Uint8Array, bounds: Bounds) => unknown;

/** The least that node:zlib takes. */
const MIN_CHUNK = 64;

function compression(
  name: Compression['name'],
  compress: (data: Uint8Array) => Uint8Array,
  decompress: Decompress,
): Compression {
  return {
    name,
    id: CertificateCompressionAlgorithm[name],
    compress: (data) => plain(compress(data)),
    decompress(data, length) {
      let result: Decompressed;
      try {
        // One chunk holds what is allowed, so that a bomb gets no second one.
        const bounds: Bounds = { maxOutputLength: length, chunkSize: Math.max(length, MIN_CHUNK), info: true };
        result = decompress(data, bounds) as Decompressed;
      } catch {
        return undefined;
      }
      // node:zlib ignores what comes behind the end of the compressed data.
      const whole = result.buffer.length === length && result.engine.bytesWritten === data.length;
      return whole ? plain(result.buffer) : undefined;
    },
  };
}

function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The best quality, 11, takes 4 to 8 ms for a chain and saves 4 % more. */
const BROTLI_QUALITY = 6;

const { zstdCompressSync, zstdDecompressSync } = zlib as {
  readonly zstdCompressSync?: (data: Uint8Array) => Uint8Array;
  readonly zstdDecompressSync?: Decompress;
};

const COMPRESSIONS: readonly Compression[] = [
  compression('zlib', (data) => zlib.deflateSync(data, { level: 9 }), zlib.inflateSync as Decompress),
  compression(
    'brotli',
    (data) =>
      zlib.brotliCompressSync(data, {
        params: {
          [zlib.constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
          [zlib.constants.BROTLI_PARAM_SIZE_HINT]: data.length,
        },
      }),
    zlib.brotliDecompressSync as Decompress,
  ),
  ...(zstdCompressSync && zstdDecompressSync ? [compression('zstd', zstdCompressSync, zstdDecompressSync)] : []),
];

/** zlib and brotli, and zstd where this Node has it (22.15, 23.8 and later). */
export function certificateCompression(algorithm: number): Compression | undefined {
  return COMPRESSIONS.find(({ id }) => id === algorithm);
}
