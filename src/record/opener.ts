import type { AeadKey } from '../crypto/index.ts';
import { peerFault } from '../errors/index.ts';
import { ContentType } from '../wire/index.ts';
import type { PlainRecord } from './deframer.ts';
import { NonceSequence } from './nonce.ts';

/** The content of a protected record, padding removed. */
export interface OpenedRecord {
  /** The inner ContentType: any byte but 0. */
  readonly type: number;
  readonly content: Uint8Array;
}

/**
 * How far a peer may go past the AEAD's limit, as a factor. "Receiving implementations SHOULD NOT enforce these limits, as future
 * analyses may result in updated values" (rfc9846#section-5.5); so far beyond them nothing is to be gained by going on.
 */
const RECORD_LIMIT_SLACK = 16;

/**
 * Opens the records of one direction under one key. Make another one for each new key.
 *
 * @spec rfc9846#section-5.2
 */
export class RecordOpener {
  readonly #key: AeadKey;
  readonly #nonces: NonceSequence;
  readonly #plaintextLimit: number;
  readonly #recordLimit: number;

  /**
   * Takes ownership of `keys`. `plaintextLimit` is the most bytes of content and padding in one record: 2^14, or our
   * record_size_limit minus 1.
   */
  constructor(keys: { readonly key: AeadKey; readonly iv: Uint8Array }, plaintextLimit: number) {
    this.#key = keys.key;
    this.#nonces = new NonceSequence(keys.iv);
    this.#plaintextLimit = plaintextLimit;
    this.#recordLimit = Math.min(keys.key.aead.recordLimit * RECORD_LIMIT_SLACK, Number.MAX_SAFE_INTEGER);
  }

  /** Records opened so far. */
  get opened(): number {
    return this.#nonces.sequence;
  }

  /**
   * Opens the next record, whose outer type the caller has found to be application_data.
   * Throws `record.bad_mac`, `record.too_long`, `record.no_content_type`, `record.empty`, or `record.too_many`.
   */
  open(record: PlainRecord): OpenedRecord {
    const opened = this.tryOpen(record);
    if (opened === undefined) throw peerFault('record.bad_mac', `record ${this.opened} under this key`);
    return opened;
  }

  /**
   * As {@link RecordOpener.open}, but `undefined` when the record is not under this key, which then does not count: early data that
   * was refused is skipped so.
   *
   * @spec rfc9846#section-4.3.10
   */
  tryOpen(record: PlainRecord): OpenedRecord | undefined {
    if (this.opened >= this.#recordLimit) throw peerFault('record.too_many');
    const inner = this.#key.open(this.#nonces.nonce, record.header, record.fragment);
    if (inner === undefined) return undefined;
    this.#nonces.advance();
    // Content type and padding count too: "the full encoded TLSInnerPlaintext MUST NOT exceed 2^14 + 1 octets" (rfc9846#section-5.4).
    if (inner.length > this.#plaintextLimit + 1) {
      throw peerFault('record.too_long', `${inner.length} bytes inside, allowed are ${this.#plaintextLimit + 1}`);
    }
    let end = inner.length - 1;
    while (end >= 0 && inner[end] === 0) end--;
    if (end < 0) throw peerFault('record.no_content_type');
    const type = inner[end]!;
    if (end === 0 && (type === ContentType.handshake || type === ContentType.alert)) throw peerFault('record.empty');
    return { type, content: inner.subarray(0, end) };
  }

  wipe(): void {
    this.#key.wipe();
    this.#nonces.wipe();
  }
}
