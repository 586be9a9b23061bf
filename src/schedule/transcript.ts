import type { Hash, Kdf } from '../crypto/index.ts';

/**
 * The running hash over the handshake messages. Until the hash function is known, messages are kept; do not modify them.
 *
 * @spec rfc9846#section-4.1
 */
export class Transcript {
  /** Messages from before {@link Transcript.start}. */
  #messages: Uint8Array[] = [];
  #running: { readonly kdf: Kdf; readonly hash: Hash } | undefined;
  /** The last digest, valid until the next message: both Finished and the application secrets ask for the same one. */
  #digest: Uint8Array | undefined;

  /** A whole message with its four-byte header, as it was sent or received. */
  add(message: Uint8Array): void {
    if (this.#running === undefined) {
      this.#messages.push(message);
    } else {
      this.#running.hash.update(message);
      this.#digest = undefined;
    }
  }

  /** Fixes the hash function, once. */
  start(kdf: Kdf): void {
    if (this.#running !== undefined) throw new Error('the transcript has been started before');
    this.#running = { kdf, hash: this.#hashKept(kdf) };
    this.#messages = [];
  }

  /** Transcript-Hash of everything added so far. Do not modify it. */
  hash(): Uint8Array {
    this.#digest ??= this.#started().hash.digest();
    return this.#digest;
  }

  /**
   * The hash of everything so far followed by `partial`, which is not added: for binders, over a truncated ClientHello.
   * `kdf` is that of the PSK, and needed before {@link Transcript.start}; afterwards it must have the hash of the transcript.
   */
  hashWith(partial: Uint8Array, kdf?: Kdf): Uint8Array {
    let hash: Hash;
    if (this.#running === undefined) {
      if (kdf === undefined) throw new Error('the transcript has not been started');
      if (this.#messages.length === 0) return kdf.hash(partial);
      hash = this.#hashKept(kdf);
    } else {
      const { hashName } = this.#running.kdf;
      if (kdf !== undefined && kdf.hashName !== hashName) throw new Error(`the transcript is one of ${hashName}`);
      hash = this.#running.hash.copy();
    }
    hash.update(partial);
    return hash.digest();
  }

  /** After a HelloRetryRequest: puts message_hash in place of the first ClientHello, which must be the only message so far. */
  replaceWithMessageHash(): void {
    const { kdf } = this.#started();
    const firstHelloHash = this.hash();
    this.#running = { kdf, hash: kdf.createHash() };
    this.add(messageHash(firstHelloHash));
  }

  /** A transcript of the same messages that goes its own way from here. */
  copy(): Transcript {
    const copy = new Transcript();
    copy.#messages = [...this.#messages];
    copy.#running = this.#running && { kdf: this.#running.kdf, hash: this.#running.hash.copy() };
    copy.#digest = this.#digest;
    return copy;
  }

  #started(): { readonly kdf: Kdf; readonly hash: Hash } {
    if (this.#running === undefined) throw new Error('the transcript has not been started');
    return this.#running;
  }

  #hashKept(kdf: Kdf): Hash {
    const hash = kdf.createHash();
    for (const message of this.#messages) hash.update(message);
    return hash;
  }
}

/** The code point of the synthetic handshake message `message_hash`. */
const MESSAGE_HASH = 254;

/**
 * The synthetic message that stands for ClientHello1 after a HelloRetryRequest, given Hash(ClientHello1).
 *
 * @spec rfc9846#section-4.1
 */
export function messageHash(firstHelloHash: Uint8Array): Uint8Array {
  const message = new Uint8Array(4 + firstHelloHash.length);
  message[0] = MESSAGE_HASH;
  message[3] = firstHelloHash.length;
  message.set(firstHelloHash, 4);
  return message;
}
