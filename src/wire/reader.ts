/** The bytes are not what the presentation language says. Turned into a `decode_error` alert where messages are dispatched. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
}

/**
 * Reads the presentation language of rfc9846#section-3 out of a byte array, without copying.
 * A reader of a vector carries its own end, so it cannot run over it.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  #offset: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, offset = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#offset = offset;
    this.#end = end;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#end - this.#offset;
  }

  #take(length: number): number {
    const at = this.#offset;
    if (length > this.#end - at) throw new DecodeError(`${length} bytes wanted, ${this.#end - at} left`);
    this.#offset = at + length;
    return at;
  }

  u8(): number {
    return this.#bytes[this.#take(1)]!;
  }

  u16(): number {
    const at = this.#take(2);
    return (this.#bytes[at]! << 8) | this.#bytes[at + 1]!;
  }

  u24(): number {
    const at = this.#take(3);
    return (this.#bytes[at]! << 16) | (this.#bytes[at + 1]! << 8) | this.#bytes[at + 2]!;
  }

  u32(): number {
    const at = this.#take(4);
    const b = this.#bytes;
    return ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;
  }

  /** A 64-bit number below 2^53. */
  u64(): number {
    const high = this.u32();
    const value = high * 0x1_0000_0000 + this.u32();
    if (!Number.isSafeInteger(value)) throw new DecodeError('a 64-bit number is too large');
    return value;
  }

  /** `length` bytes as a view, not a copy. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Everything left, as a view. */
  rest(): Uint8Array {
    return this.bytes(this.left);
  }

  /** `opaque x<min..max>` with a length field of `lengthBytes` bytes, as a view. */
  opaque(lengthBytes: 1 | 2 | 3, min: number, max: number): Uint8Array {
    return this.bytes(this.#vectorLength(lengthBytes, min, max));
  }

  /** A reader of the vector `T x<min..max>`. Call {@link Reader.finish} on it when done. */
  vector(lengthBytes: 1 | 2 | 3, min: number, max: number): Reader {
    const length = this.#vectorLength(lengthBytes, min, max);
    const at = this.#take(length);
    return new Reader(this.#bytes, at, at + length);
  }

  #vectorLength(lengthBytes: 1 | 2 | 3, min: number, max: number): number {
    const length = lengthBytes === 1 ? this.u8() : lengthBytes === 2 ? this.u16() : this.u24();
    if (length < min || length > max)
      throw new DecodeError(`a vector of ${length} bytes, allowed are ${min} to ${max}`);
    return length;
  }

  /** Refuses bytes left over. */
  finish(): void {
    if (this.left !== 0) throw new DecodeError(`${this.left} bytes left over`);
  }
}
