import assert from 'node:assert/strict';
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
