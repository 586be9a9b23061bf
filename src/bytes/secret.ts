/**
 * Bytes that must be wiped and must never be printed.
 *
 * Wiping overwrites this copy only; what a JavaScript engine may have copied elsewhere it cannot reach (docs/threat-model.md).
 */
export class Secret {
  #bytes: Uint8Array | undefined;

  /** Takes ownership of `bytes`: they are overwritten by {@link Secret.wipe}. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The bytes themselves, not a copy. Throws after {@link Secret.wipe}. */
  get bytes(): Uint8Array {
    if (this.#bytes === undefined) throw new Error('a secret was used after it was wiped');
    return this.#bytes;
  }

  get wiped(): boolean {
    return this.#bytes === undefined;
  }

  wipe(): void {
    this.#bytes?.fill(0);
    this.#bytes = undefined;
  }

  toJSON(): string {
    return '[Secret]';
  }

  toString(): string {
    return '[Secret]';
  }
}

const shown = (): string => '[Secret]';
/** `nodejs.util.inspect.custom` is what Node's console asks for; symbols of this kind need no import. */
const HIDDEN: PropertyDescriptorMap = {
  toJSON: { value: shown },
  toString: { value: shown },
  toLocaleString: { value: shown },
  [Symbol.for('nodejs.util.inspect.custom')]: { value: shown },
};

/**
 * `bytes` itself, which from now on does not show when it is printed, logged or put into JSON: for secrets in objects that a program gets, such
 * as the PSK of a ticket. To whoever reads it, it is as any other; copies show.
 */
export function hidden(bytes: Uint8Array): Uint8Array {
  return Object.defineProperties(bytes, HIDDEN);
}
