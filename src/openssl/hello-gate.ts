import { concat } from '../bytes/index.ts';

/** The parts of a ClientHello, as they came. */
export interface ClientHello {
  readonly legacyVersion: number;
  readonly random: Uint8Array;
  readonly sessionId: Uint8Array;
  readonly ciphers: Uint8Array;
  readonly compressionMethods: Uint8Array;
  /** By type, in the client's order. */
  readonly extensions: ReadonlyMap<number, Uint8Array>;
}

const RECORD_HEADER_LENGTH = 5;
const MESSAGE_HEADER_LENGTH = 4;
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
/** As much as the engine takes for one. */
const MOST = 65_536;

/**
 * Holds what arrives until it is a whole ClientHello, for the program to look at before the engine does. It judges nothing: what does not
 * look like one goes on to the engine, which refuses it.
 */
export class HelloGate {
  readonly #held: Uint8Array[] = [];
  /** Of records not looked at yet. */
  #fresh: Uint8Array[] = [];
  #message: Uint8Array[] = [];
  #length = 0;
  /** Bytes of the whole message, once its header is there. */
  #wanted: number | undefined;

  push(bytes: Uint8Array): void {
    this.#held.push(bytes);
    this.#fresh.push(bytes);
  }

  /** To be asked after whole records. The ClientHello, `'more'` when it is not complete, `undefined` when it will never be one. */
  look(): ClientHello | 'more' | undefined {
    const wire = concat(...this.#fresh);
    this.#fresh = [];
    for (let at = 0; at < wire.length; ) {
      const end = at + RECORD_HEADER_LENGTH + ((wire[at + 3]! << 8) | wire[at + 4]!);
      if (wire[at] !== HANDSHAKE || end > wire.length) return undefined;
      this.#message.push(wire.subarray(at + RECORD_HEADER_LENGTH, end));
      this.#length += end - at - RECORD_HEADER_LENGTH;
      at = end;
    }
    if (this.#length < (this.#wanted ?? MESSAGE_HEADER_LENGTH)) return 'more';
    const message = concat(...this.#message);
    this.#message = [message];
    if (message[0] !== CLIENT_HELLO) return undefined;
    this.#wanted = MESSAGE_HEADER_LENGTH + ((message[1]! << 16) | (message[2]! << 8) | message[3]!);
    if (this.#wanted > message.length) return this.#wanted > MOST ? undefined : 'more';
    return parse(message.subarray(MESSAGE_HEADER_LENGTH, this.#wanted));
  }

  /** Everything that was held, in order. */
  *release(): Iterable<Uint8Array> {
    while (this.#held.length > 0) yield this.#held.shift()!;
  }
}

function parse(body: Uint8Array): ClientHello | undefined {
  let at = 0;
  const take = (length: number): Uint8Array | undefined => {
    if (at + length > body.length) return undefined;
    at += length;
    return body.subarray(at - length, at);
  };
  const vector = (lengthBytes: number): Uint8Array | undefined => {
    const length = take(lengthBytes)?.reduce((sum, byte) => sum * 256 + byte, 0);
    return length === undefined ? undefined : take(length);
  };
  const version = take(2);
  const random = take(32);
  const sessionId = vector(1);
  const ciphers = vector(2);
  const compressionMethods = vector(1);
  const list = vector(2);
  if (!version || !random || !sessionId || !ciphers || !compressionMethods || !list || at !== body.length)
    return undefined;
  const extensions = new Map<number, Uint8Array>();
  for (let from = 0; from < list.length; ) {
    if (from + 4 > list.length) return undefined;
    const end = from + 4 + ((list[from + 2]! << 8) | list[from + 3]!);
    if (end > list.length) return undefined;
    extensions.set((list[from]! << 8) | list[from + 1]!, list.subarray(from + 4, end));
    from = end;
  }
  return {
    legacyVersion: (version[0]! << 8) | version[1]!,
    random,
    sessionId,
    ciphers,
    compressionMethods,
    extensions,
  };
}
