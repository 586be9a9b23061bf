import type { AeadKey } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { ContentType, ProtocolVersion } from '../wire/index.ts';
import { MAX_PLAINTEXT_LENGTH, RECORD_HEADER_LENGTH } from './limits.ts';
import { NonceSequence } from './nonce.ts';

export interface ProtectorOptions {
  /** The most bytes of content and padding in one record, 1 to 2^14: the peer's record_size_limit minus 1. */
  readonly maxFragment: number;
  /** How many zero bytes to add to a record with so much content. What does not fit the record is not added. Default: none. */
  readonly padding?: (contentLength: number) => number;
}

/** Records that stay free for the KeyUpdate itself, and for alerts, when {@link RecordProtector.room} is 0. */
const RESERVED_RECORDS = 16;

const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * Protects the records of one direction under one key. Make another one for each new key.
 *
 * @spec rfc9846#section-5.2
 */
export class RecordProtector {
  readonly #key: AeadKey;
  readonly #nonces: NonceSequence;
  readonly #padding: ((contentLength: number) => number) | undefined;
  #maxFragment: number;

  /** Takes ownership of `keys`. Throws a {@link TlsUsageError} `record.bad_max_fragment`. */
  constructor(keys: { readonly key: AeadKey; readonly iv: Uint8Array }, options: ProtectorOptions) {
    this.#key = keys.key;
    this.#nonces = new NonceSequence(keys.iv);
    this.#padding = options.padding;
    this.#maxFragment = checkedMaxFragment(options.maxFragment);
  }

  /** Records protected so far. */
  get sealed(): number {
    return this.#nonces.sequence;
  }

  /** Records that may be protected under this key. */
  get limit(): number {
    return this.#key.aead.recordLimit;
  }

  /**
   * Records that may be sealed before the key must be changed; a KeyUpdate and alerts fit in after them.
   *
   * @spec rfc9846#section-5.5
   */
  get room(): number {
    return Math.max(0, this.limit - RESERVED_RECORDS - this.sealed);
  }

  /** The most content of one record, in bytes. */
  get maxFragment(): number {
    return this.#maxFragment;
  }

  /** From now on. Throws a {@link TlsUsageError} `record.bad_max_fragment`. */
  setMaxFragment(maxFragment: number): void {
    this.#maxFragment = checkedMaxFragment(maxFragment);
  }

  /**
   * The records of `content`, one after the other in one array. Empty content makes one record when it is application data, and
   * none otherwise: "Implementations MUST NOT send zero-length fragments of Handshake types" (rfc9846#section-5.1).
   */
  protect(type: number, content: Uint8Array): Uint8Array {
    if (content.length === 0 && type !== ContentType.application_data) return NOTHING;
    const count = Math.max(1, Math.ceil(content.length / this.#maxFragment));
    if (this.sealed + count > this.limit) throw new Error(`${count} more records are too many for this key`);
    const max = this.#maxFragment;
    const padding = this.#padding && this.#paddingOf(count, content.length);
    const overhead = RECORD_HEADER_LENGTH + 1 + this.#key.aead.tagLength;
    let length = content.length + count * overhead;
    if (padding !== undefined) for (const zeros of padding) length += zeros;

    const out = new Uint8Array(length);
    let offset = 0;
    for (let i = 0; i < count; i++) {
      const fragment = count === 1 ? content : content.subarray(i * max, (i + 1) * max);
      const zeros = padding?.[i] ?? 0;
      const body = offset + RECORD_HEADER_LENGTH;
      const end = offset + overhead + fragment.length + zeros;
      writeHeader(out, offset, ContentType.application_data, ProtocolVersion.tls12, end - body);
      this.#key.sealRecord(this.#nonces.nonce, out.subarray(offset, body), fragment, type, zeros, out, body);
      this.#nonces.advance();
      offset = end;
    }
    return out;
  }

  wipe(): void {
    this.#key.wipe();
    this.#nonces.wipe();
  }

  /** Asked once for each record, for the answers may be random. */
  #paddingOf(count: number, contentLength: number): readonly number[] {
    return Array.from({ length: count }, (_, i) => {
      const fragmentLength = Math.min(this.#maxFragment, contentLength - i * this.#maxFragment);
      const zeros = this.#padding!(fragmentLength);
      if (!Number.isInteger(zeros) || zeros < 0) {
        throw new TlsUsageError('record.bad_padding', `padding gave ${zeros}, it must give an integer from 0`);
      }
      return Math.min(zeros, this.#maxFragment - fragmentLength);
    });
  }
}

/**
 * Unprotected records of `content`, none when it is empty. `legacyVersion` should be 0x0301 for an initial ClientHello.
 *
 * @spec rfc9846#section-5.1
 */
export function plaintextRecords(
  type: number,
  content: Uint8Array,
  maxFragment: number = MAX_PLAINTEXT_LENGTH,
  legacyVersion: number = ProtocolVersion.tls12,
): Uint8Array {
  const max = checkedMaxFragment(maxFragment);
  const count = Math.ceil(content.length / max);
  const out = new Uint8Array(content.length + count * RECORD_HEADER_LENGTH);
  let offset = 0;
  for (let at = 0; at < content.length; at += max) {
    const fragment = content.subarray(at, at + max);
    writeHeader(out, offset, type, legacyVersion, fragment.length);
    out.set(fragment, offset + RECORD_HEADER_LENGTH);
    offset += RECORD_HEADER_LENGTH + fragment.length;
  }
  return out;
}

function writeHeader(out: Uint8Array, at: number, type: number, legacyVersion: number, length: number): void {
  out[at] = type;
  out[at + 1] = legacyVersion >>> 8;
  out[at + 2] = legacyVersion;
  out[at + 3] = length >>> 8;
  out[at + 4] = length;
}

function checkedMaxFragment(maxFragment: number): number {
  if (Number.isInteger(maxFragment) && maxFragment >= 1 && maxFragment <= MAX_PLAINTEXT_LENGTH) return maxFragment;
  const message = `maxFragment is ${maxFragment}, it must be an integer from 1 to ${MAX_PLAINTEXT_LENGTH}`;
  throw new TlsUsageError('record.bad_max_fragment', message);
}
