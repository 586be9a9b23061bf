/**
 * Cuts a stream of chunks into units that begin with a header of fixed length which tells the length of the whole.
 *
 * A unit that lies whole in one chunk comes out as a view on it. Otherwise its bytes are collected in an array of its own, so every
 * byte is copied at most twice however small the chunks are, and no chunk is held on to once `next()` has returned `undefined`.
 */
export class StreamCutter {
  readonly #headerLength: number;
  readonly #measure: (bytes: Uint8Array, at: number) => number;
  #chunks: Uint8Array[] = [];
  /** Index of the chunk being read. */
  #head = 0;
  /** Offset of the first unread byte in it. */
  #at = 0;
  /** A unit being collected: first as long as the header, then as long as the header says. */
  #unit: Uint8Array | undefined;
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
        this.#collect(new Uint8Array(length), measured);
      }
      const unit = this.#fill(this.#unit!, chunk);
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

  #collect(unit: Uint8Array, measured: boolean): void {
    this.#unit = unit;
    this.#unitMeasured = measured;
  }

  /** Moves bytes of `chunk` into `unit`; the unit, when that makes it whole. */
  #fill(unit: Uint8Array, chunk: Uint8Array): Uint8Array | undefined {
    const taken = Math.min(unit.length - this.#collected, chunk.length - this.#at);
    unit.set(chunk.subarray(this.#at, this.#at + taken), this.#collected);
    this.#collected += taken;
    this.#advance(chunk, taken);
    if (this.#collected < unit.length) return undefined;
    if (!this.#unitMeasured) {
      const whole = new Uint8Array(this.#measure(unit, 0));
      whole.set(unit);
      this.#collect(whole, true);
      if (this.#collected < whole.length) return undefined;
    }
    const whole = this.#unit;
    this.#buffered -= this.#collected;
    this.#unit = undefined;
    this.#collected = 0;
    return whole;
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
