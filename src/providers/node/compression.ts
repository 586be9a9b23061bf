import type * as Zlib from 'node:zlib';
import type { Compression } from '../../crypto/index.ts';
import { CertificateCompressionAlgorithm } from '../../wire/registry.ts';

interface Bounds {
  readonly chunkSize: number;
  readonly maxOutputLength: number;
  readonly info: true;
  readonly params?: Readonly<Record<number, number>>;
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

/**
 * A decoder of brotli fills its window before it gives anything: one of 2^24 bytes takes 30 ms, for a bomb of 53 bytes. Where all that may
 * come out fits a smaller window, no reference can reach further back in a larger one, so that WBITS (RFC 7932 section 9.1), the low four
 * bits from 18 on, can say the smaller.
 */
function withSmallWindow(data: Uint8Array, length: number): Uint8Array {
  const code = (data[0] ?? 0) & 0x0f;
  // Even: 2^16 bytes. 1: at most 2^17.
  if (code % 2 === 0 || code === 1) return data;
  let bits = 18;
  while (2 ** bits - 16 < length) bits++;
  const smaller = ((bits - 17) << 1) | 1;
  if (code <= smaller) return data;
  const changed = new Uint8Array(data);
  changed[0] = (data[0]! & 0xf0) | smaller;
  return changed;
}

/** 8 MiB, which RFC 8878 section 3.1.1.1.2 wants every decoder to take; without it a peer could make this one reserve 128 MiB. */
const ZSTD_WINDOW_LOG = 23;
const ZSTD_d_windowLogMax = 100;

let compressions: readonly Compression[] | undefined;

/** Made when first needed: loading node:zlib takes as long as half of the rest of us. */
function all(): readonly Compression[] {
  if (compressions !== undefined) return compressions;
  const zlib = process.getBuiltinModule('node:zlib') as typeof Zlib & {
    readonly zstdCompressSync?: (data: Uint8Array) => Uint8Array;
    readonly zstdDecompressSync?: Decompress;
  };
  const { zstdCompressSync, zstdDecompressSync } = zlib;
  compressions = [
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
      (data, bounds) =>
        zlib.brotliDecompressSync(withSmallWindow(data, bounds.maxOutputLength), bounds as Zlib.BrotliOptions),
    ),
    ...(zstdCompressSync && zstdDecompressSync
      ? [
          compression('zstd', zstdCompressSync, (data, bounds) =>
            zstdDecompressSync(data, { ...bounds, params: { [ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } }),
          ),
        ]
      : []),
  ];
  return compressions;
}

/** zlib and brotli, and zstd where this Node has it (22.15, 23.8 and later). */
export function certificateCompression(algorithm: number): Compression | undefined {
  return all().find(({ id }) => id === algorithm);
}
