import { peerFault } from '../errors/index.ts';
import { DecodeError, Reader } from '../wire/index.ts';
import { ContentType, ExtensionType, HandshakeType, ProtocolVersion } from '../wire/registry.ts';

const RECORD_HEADER_LENGTH = 5;
const MESSAGE_HEADER_LENGTH = 4;
const MAX_FRAGMENT_LENGTH = 16_384;
/** Length, msg_type and version. rfc5246#appendix-E.2 */
const SSLV2_HEADER_LENGTH = 5;
const SSLV2_LENGTH_LENGTH = 2;
const SSLV2_CLIENT_HELLO = 1;

/** As much as the engine, too, takes for a ClientHello. */
export const MAX_HELLO_LENGTH = 65_536;

/** `records` as on the wire, `message` without records, `sslv2` as clients sent it that could speak SSL 2.0 too. rfc5246#appendix-E.2 */
export type HelloFormat = 'records' | 'message' | 'sslv2';

/** Bytes behind each other in one array that grows, so that whoever sends them one by one costs no object for each. */
export class Gathered {
  #bytes = new Uint8Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  add(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.#bytes.length, 512));
      grown.set(this.bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = length;
  }

  clear(): void {
    this.#length = 0;
  }
}

/**
 * Finds the ClientHello in what a client sends first, as it arrives: in one record or several, bare, or in the format of SSL 2.0. Each byte is looked at
 * once. Nothing but its frame is judged.
 */
export class HelloReader {
  format: HelloFormat | undefined;
  /** Bytes that it took from all that was pushed, record headers included. */
  taken = 0;
  readonly #header = new Gathered();
  #recordLeft = 0;
  /** Of the message, where it did not come in one piece. */
  #parts: Gathered | undefined;
  #whole: Uint8Array | undefined;
  /** Of the whole message, once its header is there. */
  #length: number | undefined;

  /** The whole message with its own header, of type and length; a view where possible. `undefined` until it is there. */
  get message(): Uint8Array | undefined {
    return this.#whole;
  }

  /** How many more bytes must come at least. 0 once the message is whole. */
  get needed(): number {
    if (this.#whole !== undefined) return 0;
    const left = this.#left;
    if (this.format === 'message' || this.format === 'sslv2' || left <= this.#recordLeft) return left;
    return left + RECORD_HEADER_LENGTH - this.#header.length;
  }

  /**
   * Takes what belongs to the message. Throws `record.not_tls`, `record.unexpected_type`, `record.too_long`, `record.empty`,
   * `handshake.unexpected_message` and `handshake.too_long` as soon as the bytes say so.
   */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && this.#whole === undefined; ) {
      this.format ??= formatOf(bytes[at]!);
      const before = at;
      if (this.format === 'records' && this.#recordLeft === 0) at += this.#takeHeader(bytes.subarray(at));
      else at += this.#takeMessage(bytes.subarray(at));
      this.taken += at - before;
    }
  }

  /** Bytes of the message that have not come, as far as its length is known. */
  get #left(): number {
    return (this.#length ?? this.#headerLength) - (this.#parts?.length ?? 0);
  }

  get #headerLength(): number {
    return this.format === 'sslv2' ? SSLV2_HEADER_LENGTH : MESSAGE_HEADER_LENGTH;
  }

  #takeHeader(bytes: Uint8Array): number {
    const piece = bytes.subarray(0, RECORD_HEADER_LENGTH - this.#header.length);
    this.#header.add(piece);
    const header = this.#header.bytes;
    if (header.length > 0 && header[0] !== ContentType.handshake) {
      throw peerFault('record.unexpected_type', `type ${header[0]} before the ClientHello`);
    }
    if (header.length > 1 && header[1] !== 3) throw peerFault('record.not_tls');
    if (header.length === RECORD_HEADER_LENGTH) {
      this.#recordLeft = (header[3]! << 8) | header[4]!;
      if (this.#recordLeft === 0) throw peerFault('record.empty');
      if (this.#recordLeft > MAX_FRAGMENT_LENGTH) {
        throw peerFault('record.too_long', `${this.#recordLeft} bytes, allowed are ${MAX_FRAGMENT_LENGTH}`);
      }
      this.#header.clear();
    }
    return piece.length;
  }

  #takeMessage(bytes: Uint8Array): number {
    const available = this.format === 'records' ? bytes.subarray(0, this.#recordLeft) : bytes;
    if (this.#parts === undefined && available.length >= this.#headerLength) {
      const length = this.#measure(available);
      if (available.length >= length) {
        this.#whole = available.subarray(0, length);
        return length;
      }
    }
    this.#parts ??= new Gathered();
    const piece = available.subarray(0, this.#left);
    this.#parts.add(piece);
    if (this.format === 'records') this.#recordLeft -= piece.length;
    if (this.#length === undefined && this.#left === 0) this.#measure(this.#parts.bytes);
    if (this.#left === 0) this.#whole = this.#parts.bytes;
    return piece.length;
  }

  /** The length of the whole message, by its header. */
  #measure(header: Uint8Array): number {
    if (this.format === 'sslv2') {
      if (header[2] !== SSLV2_CLIENT_HELLO || (header[3] !== 3 && header[3] !== 0)) throw peerFault('record.not_tls');
      this.#length = SSLV2_LENGTH_LENGTH + (((header[0]! & 0x7f) << 8) | header[1]!);
      if (this.#length < SSLV2_HEADER_LENGTH) throw peerFault('handshake.malformed', 'an SSLv2 ClientHello');
      return this.#length;
    }
    if (header[0] !== HandshakeType.client_hello) {
      throw peerFault('handshake.unexpected_message', `type ${header[0]} in place of a ClientHello`);
    }
    const length = (header[1]! << 16) | (header[2]! << 8) | header[3]!;
    if (length > MAX_HELLO_LENGTH) {
      throw peerFault('handshake.too_long', `a ClientHello of ${length} bytes, allowed are ${MAX_HELLO_LENGTH}`);
    }
    this.#length = MESSAGE_HEADER_LENGTH + length;
    return this.#length;
  }
}

function formatOf(first: number): HelloFormat {
  if (first === ContentType.handshake) return 'records';
  if (first === HandshakeType.client_hello) return 'message';
  if (first >= 0x80) return 'sslv2';
  if (first >= ContentType.change_cipher_spec && first <= ContentType.application_data) {
    throw peerFault('record.unexpected_type', `type ${first} before the ClientHello`);
  }
  throw peerFault('record.not_tls');
}

/**
 * Whether a ClientHello as {@link HelloReader} gives it offers TLS 1.3, by supported_versions alone: `false` also for whoever sends none. `undefined` when it
 * is no ClientHello. Everything else about it is for whoever answers it. rfc9846#section-4.3.1
 */
export function offersTls13(message: Uint8Array, format: HelloFormat): boolean | undefined {
  if (format === 'sslv2') return false;
  try {
    const hello = new Reader(message, MESSAGE_HEADER_LENGTH);
    hello.bytes(34); // legacy_version and random
    hello.opaque(1, 0, 255);
    hello.opaque(2, 0, 0xffff);
    hello.opaque(1, 0, 255);
    if (hello.left === 0) return false;
    const extensions = hello.vector(2, 0, 0xffff);
    let offers = false;
    while (extensions.left > 0) {
      const type = extensions.u16();
      const data = extensions.vector(2, 0, 0xffff);
      if (type !== ExtensionType.supported_versions) continue;
      const versions = data.vector(1, 0, 255);
      while (versions.left > 0) if (versions.u16() === ProtocolVersion.tls13) offers = true;
    }
    return offers;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** The whole ClientHello at the beginning of `bytes`, when it is there in one record. {@link HelloReader} is for all other cases. */
export function helloIn(bytes: Uint8Array): Uint8Array | undefined {
  const start = RECORD_HEADER_LENGTH;
  if (bytes.length < start + MESSAGE_HEADER_LENGTH || bytes[0] !== ContentType.handshake || bytes[1] !== 3)
    return undefined;
  if (bytes[start] !== HandshakeType.client_hello) return undefined;
  const length = MESSAGE_HEADER_LENGTH + ((bytes[start + 1]! << 16) | (bytes[start + 2]! << 8) | bytes[start + 3]!);
  const available = Math.min((bytes[3]! << 8) | bytes[4]!, bytes.length - start);
  return length > available ? undefined : bytes.subarray(start, start + length);
}
