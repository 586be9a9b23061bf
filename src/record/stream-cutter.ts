import { MAX_CIPHERTEXT_LENGTH, RECORD_HEADER_LENGTH } from './limits.ts';

/** What is reserved for a unit that was announced only: a record, whole. For a longer one more is reserved as it comes. */
const FIRST_LENGTH = RECORD_HEADER_LENGTH + MAX_CIPHERTEXT_LENGTH;

/**
 * Cuts a stream of chunks into units that begin with a header of fixed length which tells the length of the whole.
 *
 * A unit that lies whole in one chunk comes out as a view on it. Otherwise its bytes are collected in an array of its own, so every
 * byte is copied less than three times on average, however small the chunks are, and no chunk is held on to once `next()` has returned `undefined`.
 * What is reserved is in proportion to what came, and not to what a header announces.
 */
export class StreamCutter {
  readonly #headerLength: number;
  readonly #measure: (bytes: Uint8Array, at: number) => number;
  #chunks: Uint8Array[] = [];
  /** Index of the chunk being read. */
  #head = 0;
  /** Offset of the first unread byte in it. */
  #at = 0;
  /** What there is of a unit being collected, and some room; never longer than the unit. */
  #unit: Uint8Array | undefined;
  /** Of the whole unit; of its header until that is there. */
  #unitLength = 0;
  #unitMeasured = false;
  #collected = 0;
  #buffered = 0;

  /**
   * `measure` gets bytes with a whole header at `at` and returns the length of the unit, header included, or throws when it is not
   * acceptable. It is called once for each unit, as soon as its header is there.
   */
  constructor(headerLength: number, measure: (bytes: Uint8Array, at: number) => number) {
    this.#headerLength = headerLength;
    this.#measure = measure;
  }

  /** Bytes that have been pushed and have not come out. */
  get buffered(): number {
    return this.#buffered;
  }

  /** Keeps a view of `chunk` until `next()` has read it. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
  }

  /** The next whole unit, header included. */
  next(): Uint8Array | undefined {
    for (;;) {
      const chunk = this.#chunks[this.#head];
      if (chunk === undefined) return undefined;
      const at = this.#at;
      const left = chunk.length - at;
      if (this.#unit === undefined) {
        const measured = left >= this.#headerLength;
        const length = measured ? this.#measure(chunk, at) : this.#headerLength;
        if (left >= length) {
          this.#advance(chunk, length);
          this.#buffered -= length;
          return chunk.subarray(at, at + length);
        }
        this.#unit = new Uint8Array(Math.min(length, FIRST_LENGTH));
        this.#unitLength = length;
        this.#unitMeasured = measured;
      }
      const unit = this.#fill(this.#unit, chunk);
      if (unit !== undefined) return unit;
    }
  }

  clear(): void {
    this.#chunks = [];
    this.#head = 0;
    this.#at = 0;
    this.#unit = undefined;
    this.#collected = 0;
    this.#buffered = 0;
  }

  /** Moves bytes of `chunk` into `unit`; the unit, when that makes it whole. */
  #fill(unit: Uint8Array, chunk: Uint8Array): Uint8Array | undefined {
    const taken = Math.min(this.#unitLength - this.#collected, chunk.length - this.#at);
    const end = this.#collected + taken;
    const whole = end > unit.length ? this.#grow(unit, Math.max(end, 4 * unit.length)) : unit;
    whole.set(chunk.subarray(this.#at, this.#at + taken), this.#collected);
    this.#collected = end;
    this.#advance(chunk, taken);
    if (end < this.#unitLength) return undefined;
    if (!this.#unitMeasured) {
      this.#unitMeasured = true;
      this.#unitLength = this.#measure(whole, 0);
      const measured = this.#grow(whole, FIRST_LENGTH);
      if (end < this.#unitLength) return undefined;
      return this.#finish(measured);
    }
    return this.#finish(whole);
  }

  /** Room for `length` bytes of the unit, if it has so many. */
  #grow(unit: Uint8Array, length: number): Uint8Array {
    const grown = new Uint8Array(Math.min(length, this.#unitLength));
    grown.set(unit.subarray(0, this.#collected));
    this.#unit = grown;
    return grown;
  }

  #finish(unit: Uint8Array): Uint8Array {
    this.#buffered -= this.#collected;
    this.#unit = undefined;
    this.#collected = 0;
    return unit;
  }

  #advance(chunk: Uint8Array, length: number): void {
    this.#at += length;
    if (this.#at < chunk.length) return;
    this.#at = 0;
    this.#head++;
    if (this.#head < this.#chunks.length) return;
    this.#head = 0;
    this.#chunks = [];
  }
}
