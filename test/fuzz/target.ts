/** Something that takes bytes, and what is to be true whatever the bytes are. */
export interface FuzzTarget {
  readonly name: string;
  /** One line for `npm run fuzz -- list`: what is fed, and which errors are documented. */
  readonly about: string;
  /** Inputs to begin with: valid ones, of every kind. The same each time, but for keys and signatures. */
  seeds(): readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
  /** Throws, or rejects, when an invariant is broken. A documented error is caught inside. Must not change `input`. */
  run(input: Uint8Array): void | Promise<void>;
  /** Tokens to insert beside those that all targets share. */
  readonly dictionary?: readonly Uint8Array[];
  /** A change that knows the format; taken for half of all inputs. */
  mutate?(input: Uint8Array, random: Random): Uint8Array;
  /** Longest input that is made. Default 8,192 bytes. */
  readonly maxLength?: number;
  /** Executions in `npm test`, seeds not counted. Default 300. */
  readonly sliceRuns?: number;
}

/** Reproducible randomness: xoshiro128** seeded by splitmix32. Not for anything secret. */
export class Random {
  readonly #s: Uint32Array = new Uint32Array(4);

  constructor(seed: number) {
    let state = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      state = (state + 0x9e3779b9) >>> 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      this.#s[i] = z ^ (z >>> 16);
    }
  }

  u32(): number {
    const s = this.#s;
    const s1 = s[1]!;
    const x = Math.imul(s1, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    s[2]! ^= s[0]!;
    s[3]! ^= s1;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= s1 << 9;
    s[3] = (s[3]! << 11) | (s[3]! >>> 21);
    return result;
  }

  /** 0 to `bound` - 1; 0 for a bound of 0. */
  below(bound: number): number {
    return bound <= 1 ? 0 : this.u32() % bound;
  }

  /** `min` to `max`. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.u32());
  }
}

/** Reads an input as a program: small numbers and byte strings, zeros behind the end. */
export class InputReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return Math.max(0, this.#bytes.length - this.#at);
  }

  u8(): number {
    return this.#bytes[this.#at++] ?? 0;
  }

  u16(): number {
    return (this.u8() << 8) | this.u8();
  }

  /** As many as there are, at most `length`. */
  bytes(length: number): Uint8Array {
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return bytes;
  }

  rest(): Uint8Array {
    return this.bytes(this.left);
  }
}
