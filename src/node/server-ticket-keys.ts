import { hkdfSync, randomBytes } from 'node:crypto';
import { equalConstantTime, fromHex, toHex } from '../bytes/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { EpochKeys } from '../tickets/epoch-keys.ts';
import {
  RingSealer,
  type SealRequest,
  type TicketDecline,
  type TicketKey,
  TicketKeyRing,
  type TicketQuestion,
  type TicketSealer,
  type TicketState,
  ticketKeyMaterial,
} from '../tickets/index.ts';
import { bytesOf, typeError } from './argument.ts';
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

/** Master secrets in use at one time. */
const MAX_MASTERS = 8;
const EPOCH_SECONDS = 12 * 3_600;

interface Master {
  readonly bytes: Uint8Array;
  readonly epochs: EpochKeys;
  /** From here on it sealed, in milliseconds since the epoch. */
  readonly since: number;
  /** Of one that is not in use any more: when that was, and when the last ticket under it has run out. */
  readonly ended?: { readonly at: number; readonly until: number } | undefined;
}

/**
 * The ticket keys of a server, in one ring: those that seal, and those that earlier tickets were sealed with.
 *
 * They are derived from a random master secret and the time, in epochs of 12 hours. While it is nobody else's, each epoch has a new one, and the
 * old ones are destroyed with the last of their tickets. Once it is shared, be it through `getTicketKeys`, `setTicketKeys` or node:cluster, it
 * stays, and every server derives the same keys for the same time: they rotate everywhere without a word.
 */
export class ServerTicketKeys implements TicketSealer {
  readonly #ring: TicketKeyRing;
  readonly #sealer: RingSealer;
  readonly #openForSeconds: number;
  readonly #isOfProgram: boolean;
  #isShared = false;
  /** The first seals. */
  #masters: readonly Master[] = [];
  /** From when until when the ring has the keys that it should. */
  #valid: readonly [from: number, until: number] = [0, 0];

  /** `given`: a ring of the program, whose keys are then the only ones. */
  constructor(lifetimeSeconds: number, given: TicketKeyRing | undefined) {
    this.#openForSeconds = Math.max(lifetimeSeconds, 86_400);
    this.#isOfProgram = given !== undefined;
    this.#ring = given ?? new TicketKeyRing({ crypto: nodeCrypto, keys: [] });
    this.#sealer = new RingSealer(this.#ring, nodeCrypto);
    publishKeys(this.#ring);
  }

  /** Whether the program keeps the ring, and with whom to share it. */
  get isOfProgram(): boolean {
    return this.#isOfProgram;
  }

  get ring(): TicketKeyRing {
    this.#advance(Date.now());
    return this.#ring;
  }

  /** What the keys that seal are derived from, of 48 or 80 bytes; shared from now on. `undefined` where the program keeps the ring. */
  get master(): Uint8Array | undefined {
    if (this.#isOfProgram) return undefined;
    this.#advance(Date.now());
    this.#isShared = true;
    return this.#masters[0]!.bytes;
  }

  /**
   * 48 bytes for node:tls, which seals the sessions of older clients itself: the same at whoever has the same keys, and others in the next epoch.
   * `undefined` where the program keeps the ring.
   */
  get forOldClients(): Buffer | undefined {
    if (this.#isOfProgram) return undefined;
    const now = Date.now();
    this.#advance(now);
    const epoch = Math.floor(now / (EPOCH_SECONDS * 1_000));
    const label = `tessera older clients ${epoch}`;
    return Buffer.from(hkdfSync('sha256', this.#masters[0]!.bytes, new Uint8Array(0), label, 48));
  }

  /** Seals with the first from now on. Tickets of before stay good, unless `revoke`. */
  set(masters: TicketMasters, revoke: boolean = false): void {
    const now = Date.now();
    this.#advance(now);
    this.#isShared = true;
    this.#use(
      masters.map((bytes) => this.#masterOf(bytes, 0)),
      now,
      revoke,
    );
  }

  /** For other processes. */
  snapshot(): KeySnapshot {
    return {
      keys: this.#masters.flatMap(({ bytes, ended }) => (ended === undefined ? [toHex(bytes)] : [])),
      former: this.#masters.flatMap(({ bytes, ended }) =>
        ended === undefined ? [] : [[toHex(bytes), ended.until] as const],
      ),
    };
  }

  /** Takes over what another process has. */
  follow({ keys, former = [] }: KeySnapshot, revoke: boolean = false): void {
    this.set(keys.map(fromHex), revoke);
    const now = Date.now();
    const also = former
      .filter(([key]) => this.#known(fromHex(key)) === undefined)
      .map(([key, until]) => ({ ...this.#masterOf(fromHex(key), 0), ended: { at: now, until } }));
    this.#masters = [...this.#masters, ...also];
    this.#fill(now);
  }

  maxLifetimeSeconds(now: number): number {
    this.#advance(now);
    return this.#sealer.maxLifetimeSeconds(now);
  }

  seal(state: TicketState, now: number, request: SealRequest): Uint8Array | undefined {
    this.#advance(now);
    return this.#sealer.seal(state, now, request);
  }

  open(ticket: Uint8Array, now: number, question: TicketQuestion): TicketState | TicketDecline {
    this.#advance(now);
    return this.#sealer.open(ticket, now, question);
  }

  /** Sees to it that the ring has the keys for `now`, and of those that are nobody else's a new one for each epoch. */
  #advance(now: number): void {
    if (this.#isOfProgram) return;
    const [from, until] = this.#valid;
    const isFilled = now >= from && now < until;
    if (isFilled && (this.#isShared || this.#ring.sealingKey(now) !== undefined)) return;
    if (this.#isShared) this.#fill(now);
    else this.#use([this.#masterOf(new Uint8Array(randomBytes(48)), now)], now, false);
  }

  #use(chosen: readonly Master[], now: number, revoke: boolean): void {
    const isChosen = ({ bytes }: Master): boolean => chosen.some((master) => equalConstantTime(master.bytes, bytes));
    const former = revoke ? [] : this.#masters.filter((master) => !isChosen(master));
    const last = (Math.floor(now / EPOCH_MS) + 1) * EPOCH_MS + 1_000 * this.#openForSeconds;
    this.#masters = [
      ...chosen,
      ...former.map((master) => ({ ...master, ended: master.ended ?? { at: now, until: last } })),
    ];
    this.#fill(now);
  }

  /** Gives the ring its keys, until the next epoch. */
  #fill(now: number): void {
    this.#masters = this.#masters.filter(({ ended }) => ended === undefined || ended.until > now);
    const keys = this.#masters.flatMap((master, index) => keysOf(master, index === 0, now));
    this.#ring.sync(keys, now);
    for (const { secret } of keys) secret.fill(0);
    const from = Math.floor(now / EPOCH_MS) * EPOCH_MS;
    this.#valid = [from, from + EPOCH_MS];
  }

  #known(bytes: Uint8Array): Master | undefined {
    return this.#masters.find((master) => equalConstantTime(master.bytes, bytes));
  }

  #masterOf(bytes: Uint8Array, since: number): Master {
    const known = this.#known(bytes);
    if (known !== undefined) return { ...known, ended: undefined };
    const options = { master: bytes, epochSeconds: EPOCH_SECONDS, openForSeconds: this.#openForSeconds };
    return { bytes, epochs: new EpochKeys(nodeCrypto, options), since };
  }
}

const EPOCH_MS = 1_000 * EPOCH_SECONDS;

/** The keys with which tickets may have been sealed that are alive, and for the first master those that seal now and next. */
function keysOf({ epochs, since, ended }: Master, seals: boolean, now: number): readonly TicketKey[] {
  return epochs
    .keysAt(now)
    .filter(({ sealFrom, sealUntil }) => sealUntil > since && (ended === undefined || sealFrom <= ended.at))
    .map((key) => (seals ? key : { ...key, sealFrom: 0, sealUntil: 1 }));
}

/**
 * Copies of the keys that a program gives. Throws `ERR_INVALID_ARG_TYPE` for what is no bytes, and `ERR_INVALID_ARG_VALUE` for another length than
 * 48 or 80, for a key of which a part was never filled in, for none, and for more than 8. `name` is that of the argument or option.
 */
export function mastersOf(name: string, keys: TicketKeyInput): TicketMasters {
  const list: readonly unknown[] = Array.isArray(keys) ? keys : [keys];
  if (list.length === 0 || list.length > MAX_MASTERS) {
    throw typeError(
      'ERR_INVALID_ARG_VALUE',
      `The argument '${name}' must hold 1 to ${MAX_MASTERS} keys. Received ${list.length}`,
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
