import { Secret, toHex } from '../bytes/index.ts';
import type { CryptoProvider } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';

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

export interface TicketKeyRingOptions {
  readonly crypto: CryptoProvider;
  /** How long a generated key seals, in seconds. Default 12 hours. */
  readonly sealForSeconds?: number;
  /** How long a generated key opens after it stopped sealing, in seconds: so long may every ticket live. Default 24 hours, at most 14 times `sealForSeconds`. */
  readonly openForSeconds?: number;
  /** Use these keys, and those given to {@link TicketKeyRing.add}, instead of generating any. `[]` is allowed: no tickets until a key is added. */
  readonly keys?: readonly TicketKey[];
}

const MIN_SECRET_LENGTH = 32;
const MAX_SECRET_LENGTH = 1_024;
const MAX_KEYS_HELD = 16;
const MAX_KEYS_REMEMBERED = 64;
const EXTRACT_SALT = new TextEncoder().encode('tessera ticket key');
const FINGERPRINT_LABEL = new TextEncoder().encode('tessera ticket key id');

interface Entry {
  readonly key: HeldTicketKey;
  /** The long form of `id`: tells keys apart. */
  readonly fingerprint: string;
}

/**
 * The keys that seal and open tickets, each going pending -> sealing -> opening -> destroyed by explicit times.
 *
 * It has no clock and no timer: every question comes with `now` (milliseconds since the epoch), and rotation happens while
 * answering. A ring either generates all its keys or is given all of them, never both: two owners would fight over the times.
 * It holds at most 16 live keys. Share one ring between all configs whose tickets may be mixed, and only between those.
 *
 * A clock that is set back does not bring a destroyed key back. A generated key whose time has not come, because the clock was set
 * back, goes on sealing; by more than `sealForSeconds`, it is destroyed, for it would otherwise live too long.
 */
export class TicketKeyRing {
  readonly #crypto: CryptoProvider;
  readonly #generates: boolean;
  readonly #sealForMs: number;
  readonly #openForMs: number;
  /** Live keys, newest (by `sealFrom`) first. */
  #held: Entry[] = [];
  /** Destroyed keys, without their secrets: listed, and not taken again. */
  #destroyed: { readonly info: TicketKeyInfo; readonly fingerprint: string }[] = [];

  /** Throws {@link TlsUsageError}: `ticket_key.bad_period`, or what {@link TicketKeyRing.add} throws. */
  constructor(options: TicketKeyRingOptions) {
    this.#crypto = options.crypto;
    this.#generates = options.keys === undefined;
    this.#sealForMs = 1_000 * period('sealForSeconds', options.sealForSeconds ?? 12 * 3_600);
    this.#openForMs = 1_000 * period('openForSeconds', options.openForSeconds ?? 24 * 3_600);
    if (this.#openForMs > (MAX_KEYS_HELD - 2) * this.#sealForMs) {
      throw new TlsUsageError(
        'ticket_key.bad_period',
        `openForSeconds may be at most ${MAX_KEYS_HELD - 2} times sealForSeconds: the ring holds at most ${MAX_KEYS_HELD} keys`,
      );
    }
    for (const key of options.keys ?? []) this.#add(key);
  }

  /**
   * Adds a key to a ring that was made with `keys`.
   *
   * Throws {@link TlsUsageError}: `ticket_key.ring_generates` (this ring makes its own), `ticket_key.short`, `ticket_key.long`,
   * `ticket_key.constant` (all bytes the same, such as all zero), `ticket_key.duplicate`, `ticket_key.destroyed` (this ring destroyed
   * it before), `ticket_key.bad_times`, `ticket_key.too_many`.
   */
  add(key: TicketKey): void {
    if (this.#generates) {
      throw new TlsUsageError(
        'ticket_key.ring_generates',
        'this ring generates its own keys; make it with the option `keys` (`[]` will do) to give it yours',
      );
    }
    this.#add(key);
  }

  /** The key that seals at `now`: the newest one in the state `sealing`. `undefined`: none, so no tickets. */
  sealingKey(now: number): HeldTicketKey | undefined {
    this.#advance(now);
    const sealing = this.#held.find((entry) => this.#stateOf(entry.key, now) === 'sealing');
    if (sealing !== undefined) return sealing.key;
    if (!this.#generates || this.#held.length >= MAX_KEYS_HELD) return undefined;
    const secret = this.#crypto.random(MIN_SECRET_LENGTH);
    const sealUntil = now + this.#sealForMs;
    const key = this.#add({ secret, sealFrom: now, sealUntil, openUntil: sealUntil + this.#openForMs });
    secret.fill(0);
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
   * A ring that generates its keys makes a new one when next asked to seal. Returns how many keys were destroyed.
   */
  destroy(id: string | 'all'): number {
    return this.#destroyIf((key) => id === 'all' || key.id === id);
  }

  #add(given: TicketKey): HeldTicketKey {
    checkSecret(given.secret);
    checkTimes(given);
    const fingerprint = this.#fingerprint(given.secret);
    if (this.#held.some((entry) => entry.fingerprint === fingerprint)) {
      throw new TlsUsageError(
        'ticket_key.duplicate',
        'this ticket key is in the ring already; every key must be different',
      );
    }
    if (this.#destroyed.some((gone) => gone.fingerprint === fingerprint)) {
      throw new TlsUsageError('ticket_key.destroyed', 'this ticket key was destroyed; make a new one');
    }
    if (this.#held.length >= MAX_KEYS_HELD) {
      throw new TlsUsageError('ticket_key.too_many', `a ring holds at most ${MAX_KEYS_HELD} keys; destroy one first`);
    }
    const { sealFrom, sealUntil, openUntil } = given;
    // HKDF-Extract: whatever a program gave, what seals is uniform.
    const secret = new Secret(this.#crypto.kdf('sha256').hmac(EXTRACT_SALT, given.secret));
    const key = { id: fingerprint.slice(0, 8), secret, sealFrom, sealUntil, openUntil };
    this.#held.push({ key, fingerprint });
    this.#held.sort((a, b) => b.key.sealFrom - a.key.sealFrom);
    return key;
  }

  #fingerprint(secret: Uint8Array): string {
    const kdf = this.#crypto.kdf('sha256');
    return toHex(kdf.hmac(secret, FINGERPRINT_LABEL).subarray(0, 16));
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
    this.#destroyIf(
      (key) => this.#stateOf(key, now) === 'destroyed' || (this.#generates && now < key.sealFrom - this.#sealForMs),
    );
  }

  #destroyIf(condition: (key: HeldTicketKey) => boolean): number {
    const doomed = this.#held.filter((entry) => condition(entry.key));
    if (doomed.length === 0) return 0;
    this.#held = this.#held.filter((entry) => !doomed.includes(entry));
    for (const { key, fingerprint } of doomed) {
      key.secret.wipe();
      this.#destroyed.unshift({ info: infoOf(key, 'destroyed'), fingerprint });
    }
    this.#destroyed.splice(MAX_KEYS_REMEMBERED);
    return doomed.length;
  }
}

function infoOf({ id, sealFrom, sealUntil, openUntil }: HeldTicketKey, state: TicketKeyState): TicketKeyInfo {
  return { id, state, sealFrom, sealUntil, openUntil };
}

function period(name: string, seconds: number): number {
  // A year is plainly a mistake in the unit.
  if (Number.isFinite(seconds) && seconds >= 1 && seconds <= 31_536_000) return seconds;
  throw new TlsUsageError('ticket_key.bad_period', `${name} is ${seconds}, it must be from 1 to 31,536,000 seconds`);
}

function checkSecret(secret: Uint8Array): void {
  if (!(secret instanceof Uint8Array) || secret.length < MIN_SECRET_LENGTH) {
    throw new TlsUsageError(
      'ticket_key.short',
      `a ticket key must be a Uint8Array of at least ${MIN_SECRET_LENGTH} random bytes`,
    );
  }
  if (secret.length > MAX_SECRET_LENGTH) {
    throw new TlsUsageError(
      'ticket_key.long',
      `a ticket key has ${secret.length} bytes, allowed are ${MAX_SECRET_LENGTH}`,
    );
  }
  // An all-zero key is what uninitialised memory looks like (CVE-2020-13777).
  if (secret.every((byte) => byte === secret[0])) {
    throw new TlsUsageError('ticket_key.constant', 'all bytes of a ticket key are the same; it must be random');
  }
}

function checkTimes({ sealFrom, sealUntil, openUntil }: TicketKey): void {
  const finite = [sealFrom, sealUntil, openUntil].every(Number.isFinite);
  if (finite && sealFrom < sealUntil && sealUntil <= openUntil) return;
  throw new TlsUsageError(
    'ticket_key.bad_times',
    `a ticket key needs sealFrom < sealUntil <= openUntil (milliseconds), not ${sealFrom}, ${sealUntil}, ${openUntil}`,
  );
}
