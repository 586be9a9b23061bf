import { concat, copyOf, latin1, toHex } from '../bytes/index.ts';
import type { CryptoProvider, Kdf, MaybePromise } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { andThen } from './maybe-promise.ts';
import { OnceAead } from './once-aead.ts';
import { decodeTicketState, encodeTicketState } from './state.ts';
import {
  MAX_TICKET_LIFETIME_SECONDS,
  type SealRequest,
  type TicketDecline,
  type TicketQuestion,
  type TicketSealer,
  type TicketState,
  type TicketStore,
} from './types.ts';

export interface MemoryTicketStoreOptions {
  /** Tickets held; the one not asked for for the longest time goes first. Default 100,000. */
  readonly maxTickets?: number;
  /** Bytes of values, keys and identities in all; the maps around them come on top. Default 64 MiB. */
  readonly maxBytes?: number;
}

interface Entry {
  readonly value: Uint8Array;
  readonly expiresAt: number;
  readonly identity: string | undefined;
}

const MAX_VALUE_LENGTH = 0xffff;

/**
 * Tickets in the memory of this process. A restart loses them all, and clients get full handshakes.
 *
 * When it is full, the ticket not asked for for the longest time goes: a flood of new clients costs others a full handshake and nothing else.
 */
export class MemoryTicketStore implements TicketStore {
  readonly #maxTickets: number;
  readonly #maxBytes: number;
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>();
  /** The keys of each identity; no empty sets. */
  readonly #identities = new Map<string, Set<string>>();
  #bytes = 0;

  /** Throws {@link TlsUsageError} `ticket_store.bad_limit` when a limit is not a non-negative integer. */
  constructor(options: MemoryTicketStoreOptions = {}) {
    this.#maxTickets = limit('maxTickets', options.maxTickets ?? 100_000);
    this.#maxBytes = limit('maxBytes', options.maxBytes ?? 64 * 1_024 * 1_024);
  }

  /** Tickets held, expired ones included until they are asked for, or are the least recently used ones when another is put in. */
  get size(): number {
    return this.#entries.size;
  }

  /** Bytes held, as `maxBytes` counts them. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Keeps a copy of `value` instead of what was held under `key`.
   * Throws {@link TlsUsageError} `ticket_store.too_large` when it does not fit even into an empty store, or is longer than 65,535 bytes.
   */
  put(
    key: string,
    value: Uint8Array,
    { expiresAt, identity, now }: { expiresAt: number; identity: string | undefined; now: number },
  ): void {
    const bytes = bytesOf(key, value, identity);
    if (value.length > MAX_VALUE_LENGTH || bytes > this.#maxBytes || this.#maxTickets === 0) {
      throw new TlsUsageError(
        'ticket_store.too_large',
        `a value of ${value.length} bytes does not fit into a store of ${this.#maxTickets} tickets and ${this.#maxBytes} bytes`,
      );
    }
    this.#drop(key);
    // Not "later than now": a time that is not a number is none to keep anything until.
    if (!(expiresAt > now)) return;
    this.#entries.set(key, { value: copyOf(value), expiresAt, identity });
    this.#bytes += bytes;
    if (identity !== undefined) {
      const keys = this.#identities.get(identity);
      if (keys === undefined) this.#identities.set(identity, new Set([key]));
      else keys.add(key);
    }
    for (const [oldest, entry] of this.#entries) {
      const fits = this.#entries.size <= this.#maxTickets && this.#bytes <= this.#maxBytes;
      if (fits && entry.expiresAt > now) break;
      this.#drop(oldest);
    }
  }

  /** A copy of the value. */
  get(key: string, now: number): Uint8Array | undefined {
    const entry = this.#live(key, now);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return copyOf(entry.value);
  }

  take(key: string, now: number): Uint8Array | undefined {
    const entry = this.#live(key, now);
    if (entry === undefined) return undefined;
    const value = copyOf(entry.value);
    this.#drop(key);
    return value;
  }

  revoke(identity: string): number {
    const keys = [...(this.#identities.get(identity) ?? [])];
    for (const key of keys) this.#drop(key);
    return keys.length;
  }

  /** Drops everything. How many. */
  clear(): number {
    const keys = [...this.#entries.keys()];
    for (const key of keys) this.#drop(key);
    return keys.length;
  }

  #live(key: string, now: number): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || now < entry.expiresAt) return entry;
    this.#drop(key);
    return undefined;
  }

  /**
   * Overwrites the value too: together with the ticket, which went over the network in the clear, it gives the PSK
   * ("forward secrecy once all copies of the PSK from the database entry have been deleted", rfc9846#section-8.1).
   */
  #drop(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    const { value, identity } = entry;
    this.#entries.delete(key);
    this.#bytes -= bytesOf(key, value, identity);
    value.fill(0);
    if (identity === undefined) return;
    const keys = this.#identities.get(identity);
    keys?.delete(key);
    if (keys?.size === 0) this.#identities.delete(identity);
  }
}

function bytesOf(key: string, value: Uint8Array, identity: string | undefined): number {
  return key.length + value.length + (identity?.length ?? 0);
}

function limit(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new TlsUsageError('ticket_store.bad_limit', `${name} is ${value}, it must be a non-negative integer`);
}

const LOOKUP_LENGTH = 16;
const SECRET_LENGTH = 32;
/** The length, in bytes, of every ticket of a {@link StoreSealer}. */
export const STORED_TICKET_LENGTH: number = LOOKUP_LENGTH + SECRET_LENGTH;

const STATE_LABEL = 'tessera stored ticket';
const LOOKUP_LABEL = latin1('tessera stored ticket lookup');
const KEY_LABEL = latin1('tessera stored ticket key');

export interface StoreSealerOptions {
  readonly store: TicketStore;
  readonly crypto: CryptoProvider;
  /**
   * Which tickets resume once only: all (default), those that allow early data, or none. Single use keeps an observer from linking
   * connections, and makes the PSK of a finished connection impossible to find again.
   */
  readonly singleUse?: 'always' | 'early_data' | 'never';
  /** The longest lifetime, in seconds: 1 to 604,800. Default 604,800. */
  readonly maxLifetimeSeconds?: number;
}

/**
 * Keeps the state of each ticket in a {@link TicketStore}. The client gets 48 bytes: 16 to look the state up by, and the 32-byte secret
 * that opens it.
 *
 * Neither side has enough: the store holds no secret of any ticket, so that reading it gives no PSK, and the ticket without the store is
 * worthless, so that taking the entry out ends it. The scope goes into the derivation of the key of each ticket.
 *
 * Throws {@link TlsUsageError}: `ticket.no_aead`, `ticket_store.bad_option`.
 *
 * @spec rfc9846#section-8.1
 */
export class StoreSealer implements TicketSealer {
  readonly #store: TicketStore;
  readonly #crypto: CryptoProvider;
  readonly #kdf: Kdf;
  readonly #aead: OnceAead;
  readonly #singleUse: 'always' | 'early_data' | 'never';
  readonly #maxLifetimeSeconds: number;

  constructor(options: StoreSealerOptions) {
    const { store, crypto, singleUse = 'always', maxLifetimeSeconds = MAX_TICKET_LIFETIME_SECONDS } = options;
    if (!['always', 'early_data', 'never'].includes(singleUse)) {
      throw new TlsUsageError(
        'ticket_store.bad_option',
        `singleUse is ${String(singleUse)}, it must be 'always', 'early_data' or 'never'`,
      );
    }
    if (!(maxLifetimeSeconds >= 1 && maxLifetimeSeconds <= MAX_TICKET_LIFETIME_SECONDS)) {
      throw new TlsUsageError(
        'ticket_store.bad_option',
        `maxLifetimeSeconds is ${maxLifetimeSeconds}, it must be from 1 to 604,800`,
      );
    }
    this.#store = store;
    this.#crypto = crypto;
    this.#kdf = crypto.kdf('sha256');
    this.#aead = new OnceAead(crypto);
    this.#singleUse = singleUse;
    this.#maxLifetimeSeconds = Math.floor(maxLifetimeSeconds);
  }

  maxLifetimeSeconds(): number {
    return this.#maxLifetimeSeconds;
  }

  /** The ticket, once the store has its state; `undefined` when the state is too large. */
  seal(state: TicketState, now: number, { scope }: SealRequest): MaybePromise<Uint8Array | undefined> {
    const encoded = encodeTicketState(state);
    if (encoded === undefined) return undefined;
    const lookup = this.#lookupOf(state.id);
    const secret = this.#crypto.random(SECRET_LENGTH);
    const value = this.#aead.seal(secret, labelOf(scope), lookup, encoded);
    encoded.fill(0);
    const ticket = concat(lookup, secret);
    secret.fill(0);
    const { identity } = state;
    const kept = this.#store.put(this.#keyOf(lookup), value, { expiresAt: expiryOf(state), identity, now });
    return andThen(kept, () => ticket);
  }

  /** The state, or why not: `no_key` (not a ticket of ours, or of another scope), `not_found`, `malformed`, `expired`. Uses nothing up. */
  open(ticket: Uint8Array, now: number, { scopes }: TicketQuestion): MaybePromise<TicketState | TicketDecline> {
    if (ticket.length !== STORED_TICKET_LENGTH) return 'no_key';
    // Copies: the caller's buffer may have other content when the store answers.
    const lookup = copyOf(ticket.subarray(0, LOOKUP_LENGTH));
    const secret = copyOf(ticket.subarray(LOOKUP_LENGTH));
    return andThen(this.#store.get(this.#keyOf(lookup), now), (value) => {
      const state = value === undefined ? 'not_found' : this.#stateOf(value, lookup, secret, scopes);
      secret.fill(0);
      if (typeof state === 'string' || now < expiryOf(state)) return state;
      state.psk.fill(0);
      return 'expired';
    });
  }

  /** Takes a single-use ticket out of the store: of all who redeem it, on all hosts, one gets `true`. */
  use(state: TicketState, now: number): MaybePromise<true | TicketDecline> {
    if (this.#singleUse === 'never' || (this.#singleUse === 'early_data' && state.maxEarlyDataSize === 0)) return true;
    return andThen(this.#store.take(this.#keyOf(this.#lookupOf(state.id)), now), (value) => {
      value?.fill(0);
      return value === undefined ? 'already_used' : true;
    });
  }

  #stateOf(
    value: Uint8Array,
    lookup: Uint8Array,
    secret: Uint8Array,
    scopes: readonly string[],
  ): TicketState | 'no_key' | 'malformed' {
    for (const scope of scopes) {
      const encoded = this.#aead.open(secret, labelOf(scope), lookup, value);
      if (encoded === undefined) continue;
      const state = decodeTicketState(encoded);
      encoded.fill(0);
      return state ?? 'malformed';
    }
    return 'no_key';
  }

  /** One way, so that the id, which is in logs and events, is no part of the ticket. */
  #lookupOf(id: Uint8Array): Uint8Array {
    return this.#kdf.hash(concat(LOOKUP_LABEL, id)).slice(0, LOOKUP_LENGTH);
  }

  /** Hashed, so that the time which the store takes does not help to guess what is in it. */
  #keyOf(lookup: Uint8Array): string {
    return toHex(this.#kdf.hash(concat(KEY_LABEL, lookup)));
  }
}

function labelOf(scope: string): string {
  return `${STATE_LABEL}|${scope}`;
}

/** Milliseconds since the epoch. */
function expiryOf({ issuedAt, lifetimeSeconds }: TicketState): number {
  return issuedAt + Math.min(lifetimeSeconds, MAX_TICKET_LIFETIME_SECONDS) * 1_000;
}

export interface HybridSealerOptions {
  /** Makes the tickets that carry their state. */
  readonly sealed: TicketSealer;
  readonly stored: StoreSealer;
  /** Whether the store keeps the state of a ticket about which the plan says nothing. Default: when it allows early data. */
  readonly keep?: (state: TicketState) => boolean;
}

/**
 * Stored and sealed tickets together. Opens both kinds, whatever it makes itself: with `keep: () => true` or `() => false`, clients move
 * from one kind to the other without losing a ticket.
 */
export class HybridSealer implements TicketSealer {
  readonly #sealed: TicketSealer;
  readonly #stored: StoreSealer;
  readonly #keep: (state: TicketState) => boolean;
  /** Who opened a state, to ask the same one to use it up. */
  readonly #openedBy = new WeakMap<TicketState, TicketSealer>();

  constructor({ sealed, stored, keep = (state) => state.maxEarlyDataSize > 0 }: HybridSealerOptions) {
    this.#sealed = sealed;
    this.#stored = stored;
    this.#keep = keep;
  }

  /** The shorter of both: which kind the ticket will be is not known yet. */
  maxLifetimeSeconds(now: number): number {
    return Math.min(this.#sealed.maxLifetimeSeconds(now), this.#stored.maxLifetimeSeconds());
  }

  seal(state: TicketState, now: number, request: SealRequest): MaybePromise<Uint8Array | undefined> {
    const kind = (request.stored ?? this.#keep(state)) ? this.#stored : this.#sealed;
    return kind.seal(state, now, request);
  }

  /** Only what has the length of a stored ticket is looked for in the store, and only what is not there is opened as a sealed one. */
  open(ticket: Uint8Array, now: number, question: TicketQuestion): MaybePromise<TicketState | TicketDecline> {
    const openSealed = (): MaybePromise<TicketState | TicketDecline> =>
      andThen(this.#sealed.open(ticket, now, question), (opened) => this.#remember(opened, this.#sealed));
    if (ticket.length !== STORED_TICKET_LENGTH) return openSealed();
    return andThen(this.#stored.open(ticket, now, question), (opened) =>
      opened === 'not_found' || opened === 'no_key'
        ? andThen(openSealed(), (other) => (other === 'no_key' ? opened : other))
        : this.#remember(opened, this.#stored),
    );
  }

  /** `state`: the very object that {@link HybridSealer.open} returned; any other is declined. */
  use(state: TicketState, now: number): MaybePromise<true | TicketDecline> {
    const sealer = this.#openedBy.get(state);
    if (sealer === undefined) return 'sealer_failed';
    return sealer.use?.(state, now) ?? true;
  }

  #remember(opened: TicketState | TicketDecline, sealer: TicketSealer): TicketState | TicketDecline {
    if (typeof opened !== 'string') this.#openedBy.set(opened, sealer);
    return opened;
  }
}
