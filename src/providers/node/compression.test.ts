import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import * as zlib from 'node:zlib';
import fc from 'fast-check';
import { concat, equal, fromHex } from '../../bytes/index.ts';
import { CertificateCompressionAlgorithm } from '../../wire/registry.ts';
import { certificateCompression } from './compression.ts';

const names = (['zlib', 'brotli', 'zstd'] as const).filter((name) => name !== 'zstd' || 'zstdCompressSync' in zlib);

it('an algorithm that nobody has heard of is not there', () => {
  for (const id of [0, 4, 0x0a0a, 16_384]) assert.equal(certificateCompression(id), undefined);
  assert.equal(certificateCompression(3) !== undefined, 'zstdCompressSync' in zlib);
});

it('zlib, brotli: written by hand', () => {
  // RFC 1950 with a stored block of RFC 1951; RFC 7932 with an uncompressed meta-block.
  assert.deepEqual(
    certificateCompression(1)!.decompress(fromHex('7801 01 0300fcff 616263 024d0127'), 3),
    fromHex('616263'),
  );
  assert.deepEqual(certificateCompression(2)!.decompress(fromHex('0b0180 616263 03'), 3), fromHex('616263'));
});

for (const name of names) {
  const compression = certificateCompression(CertificateCompressionAlgorithm[name])!;

  describe(name, () => {
    it('gives back what was compressed, and only under its length', () => {
      fc.assert(
        fc.property(
          fc.uint8Array({ minLength: 1, maxLength: 600 }),
          fc.integer({ min: 1, max: 700 }),
          (data, length) => {
            const small = compression.compress(data);
            assert.ok(equal(compression.decompress(small, data.length) ?? new Uint8Array(0), data));
            if (length !== data.length) assert.equal(compression.decompress(small, length), undefined);
          },
        ),
      );
    });

    it('takes nothing that is cut off, and nothing behind the end', () => {
      fc.assert(
        fc.property(
          fc.uint8Array({ minLength: 1, maxLength: 200 }),
          fc.uint8Array({ minLength: 1, maxLength: 20 }),
          fc.nat(),
          (data, tail, at) => {
            const small = compression.compress(data);
            assert.equal(compression.decompress(concat(small, tail), data.length), undefined);
            assert.equal(compression.decompress(small.subarray(0, at % small.length), data.length), undefined);
          },
        ),
      );
    });

    it('anything else comes to nothing or to the length asked for, and throws nothing', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 100 }), fc.integer({ min: 1, max: 1_000 }), (data, length) => {
          const result = compression.decompress(data, length);
          assert.ok(result === undefined || result.length === length);
        }),
      );
    });

    it('a bomb goes off in as much memory as was allowed', () => {
      const bomb = compression.compress(new Uint8Array(64 << 20));
      assert.ok(bomb.length < 100_000);
      const before = process.memoryUsage().arrayBuffers;
      assert.equal(compression.decompress(bomb, 4_096), undefined);
      assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 20);
    });
  });
}

describe('windows', () => {
  const brotli = certificateCompression(CertificateCompressionAlgorithm.brotli)!;
  const packed = (data: Uint8Array, lgwin: number, quality: number): Uint8Array =>
    zlib.brotliCompressSync(data, {
      params: { [zlib.constants.BROTLI_PARAM_LGWIN]: lgwin, [zlib.constants.BROTLI_PARAM_QUALITY]: quality },
    });

  it('brotli: of every size are read, near the ends of smaller ones too', () => {
    // Twice the same noise, as far apart as can be: the second time it is a reference to the first.
    const noise = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * i * 31 + (i >> 3)) & 0xff);
    const text = new TextEncoder().encode('certificate, authority, transparency: ');
    for (let lgwin = 10; lgwin <= 24; lgwin++) {
      for (const length of [1, 5_000, 262_127, 262_128, 262_129, 600_000]) {
        const half = noise(Math.floor(length / 2));
        const data = concat(half, text, half).slice(0, length);
        for (const quality of lgwin % 4 === 0 && length < 10_000 ? [2, 6, 11] : [6])
          assert.ok(equal(brotli.decompress(packed(data, lgwin, quality), data.length) ?? new Uint8Array(0), data));
      }
    }
  });

  it('brotli: a reference that only a larger window allows', () => {
    const head = new TextEncoder().encode('a certificate of');
    const noise = new TextEncoder().encode(createHash('shake256', { outputLength: 131_057 }).update('').digest('hex'));
    // The head again, 262,130 bytes later: a window of 2^18 bytes reaches back 262,128.
    const data = concat(head, noise, head.subarray(0, 14));
    assert.equal(data.length, 2 ** 18);
    const compressed = packed(data, 22, 11);
    assert.ok(compressed.length < packed(data, 18, 11).length, 'the reference is used');
    assert.deepEqual(brotli.decompress(compressed, data.length), data);
  });

  it('brotli: what is received stays as it was', () => {
    const data = packed(new Uint8Array(1_000), 24, 11);
    const before = new Uint8Array(data);
    assert.equal(brotli.decompress(data, 1_000)?.length, 1_000);
    assert.deepEqual(new Uint8Array(data), before);
  });

  it('brotli: a bomb with the largest window takes no longer than one with the smallest', () => {
    const cost = (lgwin: number): number => {
      const bomb = packed(new Uint8Array(64 << 20), lgwin, 5);
      let least = Number.POSITIVE_INFINITY;
      for (let i = 0; i < 8; i++) {
        const { user, system } = process.cpuUsage();
        assert.equal(brotli.decompress(bomb, 131_072), undefined);
        const after = process.cpuUsage();
        least = Math.min(least, after.user + after.system - user - system);
      }
      return least;
    };
    // In microseconds. Without the care that is taken, it is more than 20,000.
    assert.ok(cost(24) < 8 * cost(18) + 4_000);
  });

  it('zstd: of more than 8 MiB are refused', { skip: !names.includes('zstd') && 'this Node has no zstd' }, () => {
    const zstd = certificateCompression(CertificateCompressionAlgorithm.zstd)!;
    // A frame header with a window of 2^wlog bytes and no content size; then one raw block, the last, of 3 bytes.
    const frame = (wlog: number): Uint8Array =>
      concat(fromHex('28b52ffd 00'), Uint8Array.of((wlog - 10) << 3), fromHex('190000 616263'));
    assert.deepEqual(zstd.decompress(frame(23), 3), fromHex('616263'));
    assert.equal(zstd.decompress(frame(24), 3), undefined);
  });
});
