import { Outbox } from '../../src/connection/outbox.ts';
import type { AeadKey } from '../../src/crypto/index.ts';
import type { Output } from '../../src/handshake/index.ts';
import { Transcript } from '../../src/schedule/index.ts';
import type { Side } from '../pair/pair.ts';

/** What becomes of a message: others in its place, perhaps none. */
export type Lie = (message: Uint8Array) => readonly Uint8Array[];

/**
 * A peer that has the keys and lies: it sends other messages than its engine wants to, under the right keys, and lets its own transcript
 * and Finished follow the lie, so that the other side is led on. It can also send records of any content type.
 */
export class Liar {
  readonly side: Side;
  readonly #lie: Lie;
  /** What the other side said, which is no lie when it comes by. */
  readonly #heard: Set<string> = new Set();
  readonly #replaced: WeakMap<Uint8Array, readonly Uint8Array[]> = new WeakMap();
  #outbox: Outbox | undefined;
  #innerType: number | undefined;
  /** It is this side whose code runs. */
  #active = false;

  constructor(side: Side, other: Side, lie: Lie) {
    this.side = side;
    this.#lie = lie;
    const output = side.engine as unknown as Output;
    const real = Object.getPrototypeOf(output) as Output;
    const others = other.engine as unknown as Output;
    const otherReal = Object.getPrototypeOf(others) as Output;
    output.send = (raw) => {
      const messages = this.#replaced.get(raw) ?? this.#lie(raw);
      for (const message of messages) this.#learn(() => real.send.call(output, message));
    };
    output.setWriteKeys = (epoch, keys) => {
      const key = this.#withInnerType(keys.key);
      real.setWriteKeys.call(output, epoch, { ...keys, key });
    };
    others.send = (raw) => {
      this.#heard.add(nameOf(raw));
      otherReal.send.call(others, raw);
    };
    hook();
  }

  /** Runs code of this side's engine. */
  act<T>(run: () => T): T {
    const before = current;
    current = this;
    this.#active = true;
    try {
      return run();
    } finally {
      current = before;
      this.#active = false;
    }
  }

  /** Runs code of the other side's engine, from within {@link Liar.act} or not. */
  pause(run: () => void): void {
    const before = { current, active: this.#active };
    current = undefined;
    this.#active = false;
    try {
      run();
    } finally {
      current = before.current;
      this.#active = before.active;
    }
  }

  /** Records of at most so many bytes from here on, with the content type: as after a record_size_limit. */
  fragment(limit: number): void {
    this.#outbox?.setPeerRecordSizeLimit(limit);
  }

  /** A protected record of a content type of one's choice; nothing when there are no keys yet. */
  record(type: number, content: Uint8Array): void {
    const outbox = this.#outbox;
    if (outbox === undefined || outbox.room === 0) return;
    outbox.flush();
    this.#innerType = type;
    try {
      outbox.data(content);
    } finally {
      this.#innerType = undefined;
    }
  }

  /** For {@link hook}: what goes into the transcript. */
  added(message: Uint8Array): readonly Uint8Array[] {
    const type = message[0]!;
    const theirs = type === MESSAGE_HASH || (this.side.engine.role === 'server' ? type === 1 : SERVERS_ONLY.has(type));
    if (!this.#active || theirs || this.#heard.has(nameOf(message))) return [message];
    const replaced = this.#lie(message);
    this.#replaced.set(message, replaced);
    return replaced;
  }

  /** For {@link hook}. */
  uses(outbox: Outbox): void {
    this.#outbox = outbox;
  }

  /** Which outbox this side has shows when it sends. */
  #learn(run: () => void): void {
    const before = current;
    current = this;
    try {
      run();
    } finally {
      current = before;
    }
  }

  #withInnerType(key: AeadKey): AeadKey {
    const real = key.sealRecord.bind(key);
    key.sealRecord = (nonce, header, plaintext, type, zeros, out, offset) =>
      real(nonce, header, plaintext, this.#innerType ?? type, zeros, out, offset);
    return key;
  }
}

/** The synthetic message of a transcript. */
const MESSAGE_HASH = 254;
/** new_session_ticket, server_hello, encrypted_extensions, certificate_request. */
const SERVERS_ONLY: ReadonlySet<number> = new Set([4, 2, 8, 13]);

let current: Liar | undefined;
let firstHello: Lie | undefined;
const firstHellos = new WeakMap<Uint8Array, readonly Uint8Array[]>();

/** Runs `make`, in which a client is made whose ClientHello is to be a lie: it leaves before the client can be given to a {@link Liar}. */
export async function withFirstHello<T>(lie: Lie | undefined, make: () => Promise<T>): Promise<T> {
  hook();
  firstHello = lie;
  try {
    return await make();
  } finally {
    firstHello = undefined;
  }
}

let hooked = false;

/** Transcripts and outboxes belong to nobody that can be asked, so it is seen who calls them. */
function hook(): void {
  if (hooked) return;
  hooked = true;
  const { add } = Transcript.prototype;
  Transcript.prototype.add = function (message) {
    if (firstHello !== undefined) firstHellos.set(message, firstHello(message));
    for (const one of firstHellos.get(message) ?? current?.added(message) ?? [message]) add.call(this, one);
  };
  const { handshake } = Outbox.prototype;
  Outbox.prototype.handshake = function (message) {
    current?.uses(this);
    for (const one of (firstHello && firstHellos.get(message)) ?? [message]) handshake.call(this, one);
  };
}

function nameOf(message: Uint8Array): string {
  return Buffer.from(message).toString('latin1');
}
