import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex } from '../bytes/index.ts';
import { DecodeError, Reader, Writer } from './index.ts';

describe('Writer and Reader', () => {
  it('numbers are big-endian', () => {
    const bytes = new Writer(1).u8(0x01).u16(0x0203).u24(0x040506).u32(0xf708090a).u64(0x1f_0203_0405_0607).finish();
    assert.equal(toHex(bytes), '010203040506f708090a001f020304050607');
    const r = new Reader(bytes);
    assert.deepEqual(
      [r.u8(), r.u16(), r.u24(), r.u32(), r.u64()],
      [1, 0x0203, 0x040506, 0xf708090a, 0x1f_0203_0405_0607],
    );
    r.finish();
  });

  it('every safe integer fits a u64', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        assert.equal(new Reader(new Writer().u64(value).finish()).u64(), value);
      }),
    );
    assert.throws(() => new Reader(fromHex('0020000000000000')).u64(), DecodeError);
  });

  it('a vector ends where its length says, and stays inside the one around it', () => {
    const r = new Reader(fromHex('03 02aabb cc'));
    const outer = r.vector(1, 0, 255);
    assert.deepEqual(outer.opaque(1, 0, 255), fromHex('aabb'));
    assert.throws(() => outer.u8(), DecodeError);
    assert.equal(r.u8(), 0xcc);
    assert.throws(() => new Reader(fromHex('02 02aa bb')).vector(1, 0, 255).opaque(1, 0, 255), DecodeError);
  });

  it('the writer refuses what does not fit the length field', () => {
    assert.equal(new Writer().opaque(1, new Uint8Array(255)).length, 256);
    assert.throws(() => new Writer().opaque(1, new Uint8Array(256)), RangeError);
    assert.throws(() => new Writer().opaque(2, new Uint8Array(65536)), RangeError);
  });
});
