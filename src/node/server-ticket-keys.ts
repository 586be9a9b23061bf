import { randomBytes } from 'node:crypto';
import { equal, fromHex, toHex } from '../bytes/index.ts';
import type { MaybePromise } from '../crypto/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import {
  RingSealer,
  type SealRequest,
  type TicketDecline,
  TicketKeyRing,
  type TicketQuestion,
  type TicketSealer,
  type TicketState,
  ticketKeyMaterial,
} from '../tickets/index.ts';
import { bytesOf, typeError } from './argument.ts';
import { createKeyRing } from './context.ts';
import { publishKeys } from './diagnostics.ts';

/** What `setTicketKeys` takes: 48 bytes as from `getTicketKeys`, 80 as OpenSSL makes them, or several of these, of which the first seals. */
export type TicketKeyInput = NodeJS.ArrayBufferView | readonly NodeJS.ArrayBufferView[];

/** Master secrets, the first of which seals. */
export type TicketMasters = readonly Uint8Array[];

/** Keys as they travel between processes: secrets, in hexadecimal. */
export interface KeySnapshot {
  /** Those in use; the first seals. */
  readonly keys: readonly string[];
  /** Those of before, until (milliseconds since the epoch) the last of their tickets has run out. */
  readonly former?: readonly (readonly [key: string, until: number])[];
}

/** Rings whose keys are tried on each ticket. */
const MAX_RINGS = 8;

interface Held {
  readonly ring: TicketKeyRing;
  readonly sealer: RingSealer;
  /** `undefined`: the ring makes its own keys, or is the program's. */
  readonly master: Uint8Array | undefined;
  /** When the last of its tickets has run out, in milliseconds since the epoch; `undefined`: it is in use, or destroys its keys by itself. */
  readonly until: number | undefined;
}

/**
 * The ticket keys of a server: those that seal, and those that earlier tickets were sealed with.
 *
 * At first they are random, rotate, and are destroyed. Once they are to be shared, be it through `getTicketKeys`, `setTicketKeys` or node:cluster,
 * each 48 bytes are a master secret from which every server derives the same keys for the same time: they rotate everywhere without a word.
 */
export class ServerTicketKeys implements TicketSealer {
  readonly #openForSeconds: number;
  readonly #isOfProgram: boolean;
  /** The first seals. */
  #held: readonly Held[];

  /** `given`: a ring of the program, which is then the only one. */
  constructor(lifetimeSeconds: number, given: TicketKeyRing | undefined) {
    this.#openForSeconds = Math.max(lifetimeSeconds, 86_400);
    this.#isOfProgram = given !== undefined;
    this.#held = [holding(given ?? createKeyRing(lifetimeSeconds))];
  }

  /** Whether the program keeps the ring, and with whom to share it. */
  get isOfProgram(): boolean {
    return this.#isOfProgram;
  }

  /** The one that seals. */
  get ring(): TicketKeyRing {
    return this.#held[0]!.ring;
  }

  /** The one that seals, of 48 or 80 bytes; made when first asked for. `undefined` where the program keeps the ring. */
  get master(): Uint8Array | undefined {
    if (this.#isOfProgram) return undefined;
    if (this.#held[0]!.master === undefined) this.set([new Uint8Array(randomBytes(48))]);
    return this.#held[0]!.master;
  }

  /** Seals with the first from now on. Tickets of before stay good, unless `revoke`. */
  set(masters: TicketMasters, revoke: boolean = false): void {
    const chosen = masters.map((master) => this.#holding(master, undefined));
    const gone = this.#held.filter(({ ring }) => !chosen.some((held) => held.ring === ring));
    if (revoke) for (const { ring } of gone) ring.destroy('all');
    const former = gone.map((held) =>
      held.master === undefined ? held : { ...held, until: held.until ?? lastOf(held) },
    );
    this.#held = [...chosen, ...(revoke ? [] : former)].slice(0, MAX_RINGS);
  }

  /** For other processes. */
  snapshot(): KeySnapshot {
    const known = this.#held.filter(({ master }) => master !== undefined);
    return {
      keys: known.filter(({ until }) => until === undefined).map(({ master }) => toHex(master!)),
      former: known.flatMap(({ master, until }) => (until === undefined ? [] : [[toHex(master!), until] as const])),
    };
  }

  /** Takes over what another process has. */
  follow({ keys, former = [] }: KeySnapshot, revoke: boolean = false): void {
    this.set(keys.map(fromHex), revoke);
    const also = former
      .map(([key, until]) => this.#holding(fromHex(key), until))
      .filter(({ ring }) => !this.#held.some((held) => held.ring === ring));
    this.#held = [...this.#held, ...also].slice(0, MAX_RINGS);
  }

  maxLifetimeSeconds(now: number): number {
    return this.#held[0]!.sealer.maxLifetimeSeconds(now);
  }

  seal(state: TicketState, now: number, request: SealRequest): Uint8Array | undefined {
    return this.#held[0]!.sealer.seal(state, now, request);
  }

  open(ticket: Uint8Array, now: number, question: TicketQuestion): MaybePromise<TicketState | TicketDecline> {
    if (this.#held.length > 1) this.#dropOld(now);
    for (const { sealer } of this.#held) {
      const opened = sealer.open(ticket, now, question);
      if (opened !== 'no_key') return opened;
    }
    return 'no_key';
  }

  #dropOld(now: number): void {
    const [first, ...others] = this.#held;
    const alive = others.filter(({ ring, until }) => (until ?? now + 1) > now && ring.openingKeys(now).length > 0);
    if (alive.length < others.length) this.#held = [first!, ...alive];
  }

  /** The ring of a master, the one there is if there is one. */
  #holding(master: Uint8Array, until: number | undefined): Held {
    const known = this.#held.find((held) => held.master !== undefined && equal(held.master, master));
    if (known !== undefined) return { ...known, until };
    const derive = { master, openForSeconds: this.#openForSeconds };
    return { ...holding(new TicketKeyRing({ crypto: nodeCrypto, derive }), master), until };
  }
}

/** When the last ticket that it sealed has run out. */
function lastOf({ ring }: Held): number {
  const now = Date.now();
  return ring.sealingKey(now)?.openUntil ?? now;
}

function holding(ring: TicketKeyRing, master?: Uint8Array): Held {
  publishKeys(ring);
  return { ring, sealer: new RingSealer(ring, nodeCrypto), master, until: undefined };
}

/**
 * Copies of the keys that a program gives. Throws `ERR_INVALID_ARG_TYPE` for what is no bytes, and `ERR_INVALID_ARG_VALUE` for another length than
 * 48 or 80, for a key of which a part was never filled in, for none, and for more than 8. `name` is that of the argument or option.
 */
export function mastersOf(name: string, keys: TicketKeyInput): TicketMasters {
  const list: readonly unknown[] = Array.isArray(keys) ? keys : [keys];
  if (list.length === 0 || list.length > MAX_RINGS) {
    throw typeError(
      'ERR_INVALID_ARG_VALUE',
      `The argument '${name}' must hold 1 to ${MAX_RINGS} keys. Received ${list.length}`,
    );
  }
  return list.map((key) => {
    const bytes = bytesOf(name, key);
    if (bytes.length !== 48 && bytes.length !== 80) {
      const where = name.includes('.') ? 'property' : 'argument';
      const message = `The ${where} '${name}' must be exactly 48 bytes, or 80. Received ${bytes.length}`;
      throw typeError('ERR_INVALID_ARG_VALUE', message);
    }
    try {
      return ticketKeyMaterial(bytes);
    } catch (error) {
      throw typeError('ERR_INVALID_ARG_VALUE', (error as Error).message);
    }
  });
}
