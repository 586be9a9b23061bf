/** Writes the presentation language of rfc9846#section-3 into a buffer that grows. */
export class Writer {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 512) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  #reserve(length: number): number {
    const at = this.#length;
    const needed = at + length;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
    }
    this.#length = needed;
    return at;
  }

  u8(value: number): this {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#reserve(2);
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
    return this;
  }

  u24(value: number): this {
    const at = this.#reserve(3);
    this.#bytes[at] = value >>> 16;
    this.#bytes[at + 1] = value >>> 8;
    this.#bytes[at + 2] = value;
    return this;
  }

  u32(value: number): this {
    const at = this.#reserve(4);
    this.#bytes[at] = value >>> 24;
    this.#bytes[at + 1] = value >>> 16;
    this.#bytes[at + 2] = value >>> 8;
    this.#bytes[at + 3] = value;
    return this;
  }

  /** A number from 0 to 2^53-1 in eight bytes. */
  u64(value: number): this {
    return this.u32(Math.floor(value / 0x1_0000_0000)).u32(value >>> 0);
  }

  raw(bytes: Uint8Array): this {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** A vector: a length field of `lengthBytes` bytes, patched in after `body` has written. */
  vector(lengthBytes: 1 | 2 | 3, body: (w: this) => void): this {
    const at = this.#reserve(lengthBytes);
    body(this);
    const length = this.#length - at - lengthBytes;
    if (length >= 256 ** lengthBytes)
      throw new RangeError(`a vector of ${length} bytes does not fit ${lengthBytes} length bytes`);
    for (let i = 0; i < lengthBytes; i++) this.#bytes[at + i] = length >>> (8 * (lengthBytes - 1 - i));
    return this;
  }

  /** `opaque x<0..2^(8*lengthBytes)-1>`. */
  opaque(lengthBytes: 1 | 2 | 3, bytes: Uint8Array): this {
    return this.vector(lengthBytes, (w) => w.raw(bytes));
  }

  /** What was written, in an array of its own. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}
