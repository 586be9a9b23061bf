/** Application data of a connection between the program and the engine. */

/** What came and was not read yet. */
export class Inbox {
  #pieces: Uint8Array[] = [];

  get empty(): boolean {
    return this.#pieces.length === 0;
  }

  get length(): number {
    return this.#pieces.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  push(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
  }

  /** Fills `into` from one record at most, as OpenSSL does. How many bytes. */
  read(into: Uint8Array, peek: boolean): number {
    const first = this.#pieces[0];
    if (first === undefined) return 0;
    const part = first.subarray(0, into.length);
    into.set(part);
    if (!peek) {
      if (part.length === first.length) this.#pieces.shift();
      else this.#pieces[0] = first.subarray(part.length);
    }
    return part.length;
  }
}

/** A write that the transport did not take whole, and that has to be repeated. */
export class PendingWrite {
  readonly #data: Uint8Array;
  /** Bytes that are in records already. */
  readonly sealed: number;

  constructor(data: Uint8Array, sealed: number) {
    this.#data = data;
    this.sealed = sealed;
  }

  /** `data` must be this write again: at least as long, and the same buffer unless buffers may move. */
  faultOf(data: Uint8Array, mayMove: boolean): 'too short' | 'another buffer' | undefined {
    const isSame = data.buffer === this.#data.buffer && data.byteOffset === this.#data.byteOffset;
    if (!mayMove && !isSame) return 'another buffer';
    return data.length < this.#data.length ? 'too short' : undefined;
  }
}
