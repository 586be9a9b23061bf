import { fromLatin1 } from '../bytes/index.ts';
import { peerFault } from '../errors/index.ts';
import { ContentType } from '../wire/index.ts';
import { MAX_CIPHERTEXT_LENGTH, MAX_PLAINTEXT_LENGTH, RECORD_HEADER_LENGTH } from './limits.ts';
import { StreamCutter } from './stream-cutter.ts';

/** A record as it came, protected or not. Views on what was pushed, or on a buffer of its own. */
export interface PlainRecord {
  /** A ContentType: 20 to 23. */
  readonly type: number;
  /** The five bytes of the header: the additional data of the AEAD. */
  readonly header: Uint8Array;
  readonly fragment: Uint8Array;
}

/**
 * Finds the records in the bytes of a transport, and refuses what cannot be one as soon as its header is there.
 *
 * @spec rfc9846#section-5.1
 */
export class RecordDeframer {
  #protected = false;
  #atStart = true;
  readonly #cutter: StreamCutter = new StreamCutter(RECORD_HEADER_LENGTH, (bytes, at) => this.#measure(bytes, at));

  /** Bytes that have been pushed and not come out of {@link RecordDeframer.next}. */
  get buffered(): number {
    return this.#cutter.buffered;
  }

  /**
   * Whether records are protected from here on, so that each may have 2^14 + 256 bytes. Before that only those of type
   * application_data may, for they can be early data that this side will skip; all others have at most 2^14.
   */
  setProtected(isProtected: boolean): void {
    this.#protected = isProtected;
  }

  /** Keeps a view of `bytes`: do not modify them afterwards. */
  push(bytes: Uint8Array): void {
    this.#cutter.push(bytes);
  }

  /**
   * The next whole record. Throws `record.not_tls`, `record.unknown_type`, `record.too_long`, or `record.empty`.
   */
  next(): PlainRecord | undefined {
    const bytes = this.#cutter.next();
    if (bytes === undefined) return undefined;
    return {
      type: bytes[0]!,
      header: bytes.subarray(0, RECORD_HEADER_LENGTH),
      fragment: bytes.subarray(RECORD_HEADER_LENGTH),
    };
  }

  /** Drops everything that has not come out. */
  clear(): void {
    this.#cutter.clear();
  }

  #measure(bytes: Uint8Array, at: number): number {
    if (this.#atStart) {
      checkFirstHeader(bytes.subarray(at, at + RECORD_HEADER_LENGTH));
      this.#atStart = false;
    }
    const type = bytes[at]!;
    if (type < ContentType.change_cipher_spec || type > ContentType.application_data) {
      throw peerFault('record.unknown_type', `type ${type}`);
    }
    const length = (bytes[at + 3]! << 8) | bytes[at + 4]!;
    const ciphertext = this.#protected || type === ContentType.application_data;
    const limit = ciphertext ? MAX_CIPHERTEXT_LENGTH : MAX_PLAINTEXT_LENGTH;
    if (length > limit) throw peerFault('record.too_long', `${length} bytes, allowed are ${limit}`);
    if (length === 0 && (type === ContentType.handshake || type === ContentType.alert)) throw peerFault('record.empty');
    return RECORD_HEADER_LENGTH + length;
  }
}

/**
 * A connection begins with a handshake message or an alert. legacy_record_version "MUST be ignored for all purposes", but a first
 * record whose major version is not 3 comes from something that does not speak TLS at all.
 */
function checkFirstHeader(header: Uint8Array): void {
  const type = header[0]!;
  // change_cipher_spec may come first where the ClientHello before it went to another, stateless server.
  if (type >= ContentType.change_cipher_spec && type <= ContentType.handshake && header[1] === 3) return;
  const text = fromLatin1(header);
  const http = /^(GET |POST|HEAD|PUT |DELE|OPTI|PATC|CONN|TRAC|PRI |HTTP)/.test(text);
  throw peerFault('record.not_tls', http ? 'they look like plain HTTP' : undefined);
}
