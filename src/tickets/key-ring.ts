import { Secret } from '../bytes/index.ts';
import type { CryptoProvider } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { type DerivedTicketKeys, EpochKeys } from './epoch-keys.ts';
import { checkSecret, checkTimes, fingerprintOf, MAX_KEYS_HELD, period } from './key-material.ts';
import { TenantGenerations } from './tenants.ts';

/** A key given by the application. All times in milliseconds since the epoch. */
export interface TicketKey {
  /** 32 to 1,024 unpredictable bytes. The ring keeps a copy; wipe yours. */
  readonly secret: Uint8Array;
  /** From here on it seals new tickets. Before, it only opens: give other hosts time to learn it. */
  readonly sealFrom: number;
  /** From here on it only opens. */
  readonly sealUntil: number;
  /** From here on it is destroyed, and with it every ticket it sealed. */
  readonly openUntil: number;
}

/** pending: opens, does not seal yet; sealing: both; opening: opens only; destroyed: wiped, and stays so. */
export type TicketKeyState = 'pending' | 'sealing' | 'opening' | 'destroyed';

/** What may be known of a key: for logs and status pages. */
export interface TicketKeyInfo {
  /** Eight hexadecimal digits derived from the secret, one way. The same on every host that has the key. */
  readonly id: string;
  readonly state: TicketKeyState;
  readonly sealFrom: number;
  readonly sealUntil: number;
  readonly openUntil: number;
}

/** A live key, for a sealer. */
export interface HeldTicketKey extends Omit<TicketKeyInfo, 'state'> {
  readonly secret: Secret;
}

/** A key came, or went into another state. Noticed while the ring answers a question, for it has no timer. */
export interface TicketKeyEvent {
  readonly type: 'added' | 'sealing' | 'opening' | 'destroyed';
  readonly key: TicketKeyInfo;
}

/** What {@link TicketKeyRing.sync} did. Ids, and indices into the keys given; no secret. */
export interface TicketKeySyncReport {
  readonly added: readonly string[];
  readonly destroyed: readonly string[];
  /** Bad keys, which changed nothing: `code` as {@link TicketKeyRing.add} throws it. */
  readonly refused: readonly { readonly index: number; readonly code: string; readonly message: string }[];
}

export interface TicketKeyRingOptions {
  readonly crypto: CryptoProvider;
  /** How long a generated key seals, in seconds. Default 12 hours. */
  readonly sealForSeconds?: number;
  /** How long a generated key opens after it stopped sealing, in seconds: so long may every ticket live. Default 24 hours, at most 14 times `sealForSeconds`. */
  readonly openForSeconds?: number;
  /** Use these keys, and those given to {@link TicketKeyRing.add} or {@link TicketKeyRing.sync}, instead of generating any. `[]` is allowed: no tickets until a key is added. */
  readonly keys?: readonly TicketKey[];
  /** Derive the keys from a master secret and the time instead. */
  readonly derive?: DerivedTicketKeys;
  /** Ids of keys that this ring never takes: those destroyed before a restart, or by other hosts. See {@link TicketKeyRing.destroyedIds}. */
  readonly destroyed?: readonly string[];
  /** See {@link TicketKeyRing.tenantGenerations}. */
  readonly tenantGenerations?: Iterable<readonly [tenant: string, generation: number]>;
  /** As {@link TicketKeyRing.observe}, from the start. */
  readonly onChange?: (event: TicketKeyEvent) => void;
}

const MAX_KEYS_REMEMBERED = 64;
const MAX_IDS_REMEMBERED = 1_024;
const EXTRACT_SALT = new TextEncoder().encode('tessera ticket key');

interface Entry {
  readonly key: HeldTicketKey;
  /** The long form of `id`: tells keys apart. */
  readonly fingerprint: string;
  /** What listeners know. */
  announced: TicketKeyState | undefined;
}

interface Destroyed {
  readonly info: TicketKeyInfo;
  readonly fingerprint: string;
  /** Its source took it away, and may bring it back. */
  readonly mayReturn: boolean;
}

/**
 * The keys that seal and open tickets, each going pending -> sealing -> opening -> destroyed by explicit times.
 *
 * It has no clock and no timer: every question comes with `now` (milliseconds since the epoch), and rotation happens while
 * answering. A ring generates all its keys, is given all of them, or derives all from a master secret; never two of these: two owners
 * would fight over the times. It holds at most 16 live keys. Share one ring between all configs whose tickets may be mixed, and only
 * between those.
 *
 * A clock that is set back does not bring a destroyed key back (except a derived one that only ran out: its master gives it anyway).
 * A generated key whose time has not come, because the clock was set back, goes on sealing; by more than `sealForSeconds`, it is
 * destroyed, for it would otherwise live too long.
 */
export class TicketKeyRing {
  readonly #crypto: CryptoProvider;
  readonly #generates: boolean;
  readonly #epochs: EpochKeys | undefined;
  /** The epoch whose keys were derived last. */
  #epoch: number | undefined;
  readonly #sealForMs: number;
  readonly #openForMs: number;
  /** Live keys, newest (by `sealFrom`) first. */
  #held: Entry[] = [];
  /** Destroyed keys, without their secrets: listed, and not taken again. */
  #destroyed: Destroyed[] = [];
  /** Ids of keys that somebody destroyed, oldest first. */
  readonly #banned: Set<string>;
  readonly #tenants = new TenantGenerations();
  readonly #listeners: Set<(event: TicketKeyEvent) => void> = new Set();
  #owner: string | undefined;

  /** Throws {@link TlsUsageError}: `ticket_key.bad_period`, `ticket_key.two_owners`, or what {@link TicketKeyRing.add} throws. */
  constructor(options: TicketKeyRingOptions) {
    const { crypto, keys, derive, sealForSeconds, openForSeconds } = options;
    if (derive !== undefined && (keys ?? sealForSeconds ?? openForSeconds) !== undefined) {
      throw new TlsUsageError(
        'ticket_key.two_owners',
        'a ring that derives its keys takes no `keys`, and its periods are `derive.epochSeconds` and `derive.openForSeconds`',
      );
    }
    this.#crypto = crypto;
    this.#generates = keys === undefined && derive === undefined;
    this.#epochs = derive && new EpochKeys(crypto, derive);
    this.#sealForMs = 1_000 * period('sealForSeconds', sealForSeconds ?? 12 * 3_600);
    this.#openForMs = 1_000 * period('openForSeconds', openForSeconds ?? 24 * 3_600);
    if (this.#openForMs > (MAX_KEYS_HELD - 2) * this.#sealForMs) {
      throw new TlsUsageError(
        'ticket_key.bad_period',
        `openForSeconds may be at most ${MAX_KEYS_HELD - 2} times sealForSeconds: the ring holds at most ${MAX_KEYS_HELD} keys`,
      );
    }
    this.#banned = new Set(options.destroyed);
    this.raiseTenantGenerations(options.tenantGenerations ?? []);
    if (options.onChange !== undefined) this.#listeners.add(options.onChange);
    for (const key of keys ?? []) this.#add(key);
  }

  /**
   * Adds a key to a ring that was made with `keys`.
   *
   * Throws {@link TlsUsageError}: `ticket_key.ring_generates` (this ring makes its own), `ticket_key.two_owners` (a source keeps this
   * ring), `ticket_key.short`, `ticket_key.long`, `ticket_key.constant` (all bytes the same, such as all zero), `ticket_key.duplicate`,
   * `ticket_key.destroyed` (this ring destroyed it before), `ticket_key.bad_times`, `ticket_key.too_many`.
   */
  add(key: TicketKey): void {
    this.#mustBeGiven();
    if (this.#owner !== undefined) this.#refuseOwner('add');
    this.#add(key);
  }

  /**
   * Makes the keys of a ring that was made with `keys` exactly these: adds what is new, takes over changed times, destroys what is
   * gone. The same keys again change nothing. A key that ran out is not added, and one that {@link TicketKeyRing.destroy} destroyed
   * never is; one that was only gone may come back. A bad key does not lose the good ones: it is in the report. Of more than 16, those
   * are taken whose tickets open longest.
   *
   * Throws {@link TlsUsageError}: `ticket_key.ring_generates`, `ticket_key.bad_times` for a bad `now`; nothing for a bad key.
   */
  sync(keys: readonly TicketKey[], now: number): TicketKeySyncReport {
    this.#mustBeGiven();
    this.#advance(now);
    const refused: { index: number; code: string; message: string }[] = [];
    let wanted: { readonly key: TicketKey; readonly fingerprint: string; readonly index: number }[] = [];
    keys.forEach((key, index) => {
      try {
        checkSecret('a ticket key', key.secret);
        checkTimes(key);
        const fingerprint = fingerprintOf(this.#crypto, key.secret);
        if (wanted.some((other) => other.fingerprint === fingerprint)) throw duplicateKey();
        if (this.#refuses(fingerprint, 'mayReturn')) throw destroyedKey();
        if (key.openUntil > now) wanted.push({ key, fingerprint, index });
      } catch (error) {
        if (!(error instanceof TlsUsageError)) throw error;
        refused.push({ index, code: error.code, message: error.message });
      }
    });
    wanted.sort((a, b) => b.key.openUntil - a.key.openUntil);
    for (const { index } of wanted.splice(MAX_KEYS_HELD)) {
      const { code, message } = tooManyKeys();
      refused.push({ index, code, message });
    }
    wanted = wanted.sort((a, b) => a.index - b.index);
    const isWanted = (entry: Entry): boolean => wanted.some(({ fingerprint }) => fingerprint === entry.fingerprint);
    const destroyed = this.#drop((entry) => !isWanted(entry), 'mayReturn');
    const added: string[] = [];
    for (const { key, fingerprint } of wanted) {
      const at = this.#held.findIndex((entry) => entry.fingerprint === fingerprint);
      if (at < 0) added.push(this.#hold(key, fingerprint).id);
      else this.#held[at] = { ...this.#held[at]!, key: { ...this.#held[at]!.key, ...timesOf(key) } };
    }
    this.#sort();
    this.#announce(now);
    return { added, destroyed: destroyed.map(({ key }) => key.id), refused };
  }

  /**
   * Says that a source, called `owner`, keeps this ring from now on; returns the function that ends this. Two sources would destroy
   * each other's keys. Throws {@link TlsUsageError}: `ticket_key.ring_generates`, `ticket_key.two_owners`.
   */
  claim(owner: string): () => void {
    this.#mustBeGiven();
    if (this.#owner !== undefined) this.#refuseOwner(owner);
    this.#owner = owner;
    let ended = false;
    return () => {
      if (!ended) this.#owner = undefined;
      ended = true;
    };
  }

  /** The key that seals at `now`: the newest one in the state `sealing`. `undefined`: none, so no tickets. */
  sealingKey(now: number): HeldTicketKey | undefined {
    this.#advance(now);
    const sealing = this.#held.find((entry) => this.#stateOf(entry.key, now) === 'sealing');
    if (sealing !== undefined) return sealing.key;
    if (!this.#generates || this.#held.length >= MAX_KEYS_HELD) return undefined;
    const secret = this.#crypto.random(32);
    const sealUntil = now + this.#sealForMs;
    const key = this.#add({ secret, sealFrom: now, sealUntil, openUntil: sealUntil + this.#openForMs });
    secret.fill(0);
    this.#announce(now);
    return key;
  }

  /** The keys that open at `now`, newest first: all that are not destroyed. At most 16. */
  openingKeys(now: number): readonly HeldTicketKey[] {
    this.#advance(now);
    return this.#held.map((entry) => entry.key);
  }

  /** All keys, newest first, then the last destroyed ones (at most 64), latest first. Holds no secret. */
  keys(now: number): readonly TicketKeyInfo[] {
    this.#advance(now);
    return [
      ...this.#held.map(({ key }) => infoOf(key, this.#stateOf(key, now))),
      ...this.#destroyed.map((gone) => gone.info),
    ];
  }

  /**
   * Destroys the live key with this `id`, or every key, at once: the tickets it sealed open no more, and it cannot be added again.
   * A ring that generates its keys makes a new one when next asked to seal. A ring that derives them does not derive a destroyed one
   * again, so that after `all` there are no tickets until the epoch after the next one: make a ring with a new master secret.
   * Returns how many keys were destroyed.
   */
  destroy(id: string | 'all'): number {
    const destroyed = this.#drop(({ key }) => id === 'all' || key.id === id, 'never returns');
    for (const { key } of destroyed) this.#banned.add(key.id);
    for (const oldest of this.#banned) {
      if (this.#banned.size <= MAX_IDS_REMEMBERED) break;
      this.#banned.delete(oldest);
    }
    return destroyed.length;
  }

  /** Ids of the keys that {@link TicketKeyRing.destroy} destroyed (the last 1,024), to be given as `destroyed` to the ring after a restart, and to other hosts. */
  get destroyedIds(): readonly string[] {
    return [...this.#banned];
  }

  /**
   * Destroys all tickets of one tenant at once, and no others: raises its generation, which goes into the derivation of its sub-keys.
   * Only tickets of a sealer with `subKeys` belong to a tenant. Returns the new generation, which other hosts need.
   * Throws {@link TlsUsageError}: `ticket_key.too_many_tenants`, above 10,000.
   */
  destroyTenant(tenant: string): number {
    this.#tenants.raise(tenant, this.#tenants.of(tenant) + 1);
    return this.#tenants.of(tenant);
  }

  /** How often each tenant was destroyed, for those that were. A copy. */
  get tenantGenerations(): ReadonlyMap<string, number> {
    return this.#tenants.all();
  }

  /** The generation of one tenant; 0 when it was never destroyed. */
  tenantGeneration(tenant: string): number {
    return this.#tenants.of(tenant);
  }

  /**
   * Takes over generations of other hosts, or of the time before a restart. None is ever lowered, so that the order does not matter.
   * Throws {@link TlsUsageError}: `ticket_key.bad_generation`, `ticket_key.too_many_tenants`.
   */
  raiseTenantGenerations(generations: Iterable<readonly [tenant: string, generation: number]>): void {
    for (const [tenant, generation] of generations) this.#tenants.raise(tenant, generation);
  }

  /**
   * Calls `listener` for each change, until the function returned is called; the keys there already count as added at the first question
   * with a listener. Without one nothing is computed. What it throws is ignored: it must not cost anybody a ticket.
   */
  observe(listener: (event: TicketKeyEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #mustBeGiven(): void {
    if (!this.#generates && this.#epochs === undefined) return;
    throw new TlsUsageError(
      'ticket_key.ring_generates',
      `this ring ${this.#generates ? 'generates' : 'derives'} its own keys; make it with the option \`keys\` (\`[]\` will do) to give it yours`,
    );
  }

  #refuseOwner(other: string): never {
    throw new TlsUsageError(
      'ticket_key.two_owners',
      `the keys of this ring come from ${this.#owner}, not from ${other}: give each source a ring of its own`,
    );
  }

  #add(given: TicketKey): HeldTicketKey {
    checkSecret('a ticket key', given.secret);
    checkTimes(given);
    const fingerprint = fingerprintOf(this.#crypto, given.secret);
    if (this.#held.some((entry) => entry.fingerprint === fingerprint)) throw duplicateKey();
    if (this.#refuses(fingerprint, 'never returns')) throw destroyedKey();
    if (this.#held.length >= MAX_KEYS_HELD) throw tooManyKeys();
    const key = this.#hold(given, fingerprint);
    this.#sort();
    return key;
  }

  #refuses(fingerprint: string, destroyed: 'mayReturn' | 'never returns'): boolean {
    const gone = this.#destroyed.find((entry) => entry.fingerprint === fingerprint);
    const returns = gone === undefined || (gone.mayReturn && destroyed === 'mayReturn');
    return !returns || this.#banned.has(fingerprint.slice(0, 8));
  }

  #hold(given: TicketKey, fingerprint: string): HeldTicketKey {
    // HKDF-Extract: whatever a program gave, what seals is uniform.
    const secret = new Secret(this.#crypto.kdf('sha256').hmac(EXTRACT_SALT, given.secret));
    const key = { id: fingerprint.slice(0, 8), secret, ...timesOf(given) };
    this.#held.push({ key, fingerprint, announced: undefined });
    this.#destroyed = this.#destroyed.filter((gone) => gone.fingerprint !== fingerprint);
    return key;
  }

  #sort(): void {
    this.#held.sort((a, b) => b.key.sealFrom - a.key.sealFrom);
  }

  #stateOf(key: HeldTicketKey, now: number): TicketKeyState {
    if (now >= key.openUntil) return 'destroyed';
    if (now >= key.sealUntil) return 'opening';
    // A generated key began to seal when it was made; an earlier `now` only says that the clock was set back.
    return now >= key.sealFrom || this.#generates ? 'sealing' : 'pending';
  }

  #advance(now: number): void {
    if (!(now >= 0 && now <= Number.MAX_SAFE_INTEGER)) {
      throw new TlsUsageError('ticket_key.bad_times', `now is ${now}, it must be milliseconds since the epoch`);
    }
    this.#drop(
      ({ key }) => this.#stateOf(key, now) === 'destroyed' || (this.#generates && now < key.sealFrom - this.#sealForMs),
      this.#epochs === undefined ? 'never returns' : 'mayReturn',
    );
    if (this.#epochs !== undefined && this.#epoch !== this.#epochs.epochOf(now)) this.#deriveAll(this.#epochs, now);
    this.#announce(now);
  }

  #deriveAll(epochs: EpochKeys, now: number): void {
    const keys = epochs.keysAt(now);
    // Of a clock that was far ahead: they would take the places of those that are due.
    const last = keys.at(-1)!.sealFrom;
    this.#drop(({ key }) => key.sealFrom > last, 'mayReturn');
    for (const key of keys) {
      const fingerprint = fingerprintOf(this.#crypto, key.secret);
      const held = this.#held.some((entry) => entry.fingerprint === fingerprint);
      if (!held && !this.#refuses(fingerprint, 'mayReturn')) this.#hold(key, fingerprint);
      key.secret.fill(0);
    }
    this.#sort();
    this.#epoch = epochs.epochOf(now);
  }

  #drop(condition: (entry: Entry) => boolean, then: 'mayReturn' | 'never returns'): readonly Entry[] {
    const doomed = this.#held.filter(condition);
    if (doomed.length === 0) return doomed;
    this.#held = this.#held.filter((entry) => !doomed.includes(entry));
    for (const { key, fingerprint } of doomed) {
      key.secret.wipe();
      const info = infoOf(key, 'destroyed');
      this.#destroyed.unshift({ info, fingerprint, mayReturn: then === 'mayReturn' });
    }
    this.#destroyed.splice(MAX_KEYS_REMEMBERED);
    for (const { key } of doomed) this.#emit('destroyed', infoOf(key, 'destroyed'));
    return doomed;
  }

  /** Tells the listeners what they do not know yet. */
  #announce(now: number): void {
    if (this.#listeners.size === 0) return;
    for (const entry of this.#held) {
      const state = this.#stateOf(entry.key, now);
      if (state === entry.announced) continue;
      const isNew = entry.announced === undefined;
      entry.announced = state;
      const info = infoOf(entry.key, state);
      if (isNew) this.#emit('added', info);
      if (state === 'sealing' || state === 'opening') this.#emit(state, info);
    }
  }

  #emit(type: TicketKeyEvent['type'], key: TicketKeyInfo): void {
    for (const listener of this.#listeners) {
      try {
        listener({ type, key });
      } catch {
        // A metric must not cost a ticket.
      }
    }
  }
}

function infoOf({ id, sealFrom, sealUntil, openUntil }: HeldTicketKey, state: TicketKeyState): TicketKeyInfo {
  return { id, state, sealFrom, sealUntil, openUntil };
}

function timesOf({ sealFrom, sealUntil, openUntil }: TicketKey): Omit<TicketKey, 'secret'> {
  return { sealFrom, sealUntil, openUntil };
}

function duplicateKey(): TlsUsageError {
  return new TlsUsageError(
    'ticket_key.duplicate',
    'this ticket key is in the ring already; every key must be different',
  );
}

function destroyedKey(): TlsUsageError {
  return new TlsUsageError('ticket_key.destroyed', 'this ticket key was destroyed; make a new one');
}

function tooManyKeys(): TlsUsageError {
  return new TlsUsageError('ticket_key.too_many', `a ring holds at most ${MAX_KEYS_HELD} keys; destroy one first`);
}
