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
