import { peerFault } from '../errors/index.ts';
import { HandshakeType, nameOf } from '../wire/index.ts';
import { StreamCutter } from './stream-cutter.ts';

/** A whole handshake message. Views on the fragment it came in, or on a buffer of its own. */
export interface JoinedMessage {
  /** A HandshakeType. */
  readonly type: number;
  readonly body: Uint8Array;
  /** Header and body, for the transcript. */
  readonly raw: Uint8Array;
}

/** Length of msg_type and length in front of every handshake message. */
const MESSAGE_HEADER_LENGTH = 4;

/**
 * Makes whole handshake messages of the fragments in records, which may hold several messages or a part of one.
 *
 * @spec rfc9846#section-5.1
 */
export class HandshakeJoiner {
  readonly #cutter: StreamCutter;

  /**
   * `limitOf` gives the longest body in bytes that a message of a type may have. It is asked, and `handshake.too_long` thrown, when
   * the header of a message is there, before anything of its length is reserved.
   */
  constructor(limitOf: (handshakeType: number) => number) {
    this.#cutter = new StreamCutter(MESSAGE_HEADER_LENGTH, (bytes, at) => {
      const type = bytes[at]!;
      const length = (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
      const limit = limitOf(type);
      if (length > limit) {
        const name = nameOf(HandshakeType, type);
        throw peerFault('handshake.too_long', `${name} of ${length} bytes, allowed are ${limit}`);
      }
      return MESSAGE_HEADER_LENGTH + length;
    });
  }

  /** No byte is left over: the last message that came out ended its record. Keys may change here. */
  get aligned(): boolean {
    return this.#cutter.buffered === 0;
  }

  /** Bytes of a message wait that has not come out: no other kind of record may come in between. */
  get pending(): boolean {
    return this.#cutter.buffered !== 0;
  }

  /** Keeps a view of `fragment`: do not modify it afterwards. */
  push(fragment: Uint8Array): void {
    this.#cutter.push(fragment);
  }

  next(): JoinedMessage | undefined {
    const raw = this.#cutter.next();
    if (raw === undefined) return undefined;
    return { type: raw[0]!, body: raw.subarray(MESSAGE_HEADER_LENGTH), raw };
  }
}
