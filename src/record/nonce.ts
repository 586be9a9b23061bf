import { copyOf } from '../bytes/index.ts';

/**
 * The nonce of each record: the IV xor the sequence number, which starts at 0.
 *
 * @spec rfc9846#section-5.3
 */
export class NonceSequence {
  readonly #iv: Uint8Array;
  readonly #nonce: Uint8Array;
  #sequence = 0;

  /** `iv` has 12 bytes and is wiped by {@link NonceSequence.wipe}. */
  constructor(iv: Uint8Array) {
    this.#iv = iv;
    this.#nonce = copyOf(iv);
  }

  /** The number of the next record. Below 2^53, since every AEAD's limit is. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The nonce of the next record, in a buffer that is used again for the one after it. */
  get nonce(): Uint8Array {
    return this.#nonce;
  }

  advance(): void {
    this.#sequence++;
    let rest = this.#sequence;
    for (let i = 11; i >= 4; i--) {
      this.#nonce[i] = this.#iv[i]! ^ (rest & 0xff);
      // Higher bytes change with one record in 256: stop when the rest of them is as it was.
      if ((rest & 0xff) !== 0) return;
      rest = Math.floor(rest / 256);
    }
  }

  wipe(): void {
    this.#iv.fill(0);
    this.#nonce.fill(0);
  }
}
