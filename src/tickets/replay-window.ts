import { TlsUsageError } from '../errors/index.ts';
import type { EarlyDataAttempt } from './replay.ts';

/** "windows on the order of ten seconds" (rfc9846#section-8.3). */
const DEFAULT_WINDOW_MS = 10_000;

export interface ReplayWindowOptions {
  /** How much older or newer than it should be a ClientHello may be, in milliseconds: 100 to 600,000. Default 10,000. */
  readonly windowMs?: number | undefined;
  /** When this guard began to see all early data that it speaks for, in milliseconds since the epoch. Default: at the first attempt. */
  readonly startedAt?: number | undefined;
}

/** What a guard that records attempts knows: everything since its start, kept in two generations for as long as a repeat may come. */
export interface Generations<T> {
  /** Attempts are recorded here. */
  readonly current: T;
  /** Repeats are looked for here as well. */
  readonly previous: T;
}

/**
 * The times of a recording guard.
 *
 * An attempt that is recorded at time t was sent at most one window after t, by its own word, so a repeat of it is fresh until two windows
 * after t at the latest. A generation is two windows long, and the last one is kept besides the current one: nothing is forgotten too early.
 *
 * Whatever may have come before the oldest generation began is not known: that is what was sent up to one window after that time. It is in
 * quarantine, at the start ("reject 0-RTT as long as any portion of their recording window overlaps the startup time") and when the clock is
 * set back after generations were forgotten.
 *
 * @spec rfc9846#section-8.2
 */
export class ReplayWindow<T> {
  readonly windowMs: number;
  readonly #create: () => T;
  #generations: Generations<T>;
  /** When the current generation began. `undefined`: nothing was seen yet. */
  #began: number | undefined;
  /** All that was sent from here on, by the ClientHello's own word, is on record. */
  #knownFrom = Number.POSITIVE_INFINITY;

  /** `create`: an empty generation. Throws {@link TlsUsageError} `replay.bad_option`. */
  constructor({ windowMs = DEFAULT_WINDOW_MS, startedAt }: ReplayWindowOptions, create: () => T) {
    if (!(windowMs >= 100 && windowMs <= 600_000)) {
      throw new TlsUsageError('replay.bad_option', `windowMs is ${windowMs}, it must be from 100 to 600,000`);
    }
    if (startedAt !== undefined && !(startedAt >= 0 && startedAt <= Number.MAX_SAFE_INTEGER)) {
      throw new TlsUsageError(
        'replay.bad_option',
        `startedAt is ${startedAt}, it must be milliseconds since the epoch; without it, the first attempt is the start`,
      );
    }
    this.windowMs = windowMs;
    this.#create = create;
    this.#generations = { current: create(), previous: create() };
    if (startedAt !== undefined) this.#start(startedAt);
  }

  /** Where to look for repeats and where to record this attempt, or why it cannot be judged. */
  admit({ sentAt, now }: EarlyDataAttempt): Generations<T> | 'quarantine' | 'unavailable' {
    if (!(now >= 0 && Math.abs(now - sentAt) <= this.windowMs)) return 'unavailable';
    if (this.#began === undefined) this.#start(now);
    else this.#rotate(now, this.#began);
    return sentAt >= this.#knownFrom ? this.#generations : 'quarantine';
  }

  /** A millisecond more, for whoever was here before may have taken one last attempt in this very millisecond. */
  #start(now: number): void {
    this.#began = now;
    this.#knownFrom = now + this.windowMs + 1;
  }

  #rotate(now: number, began: number): void {
    const length = 2 * this.windowMs;
    if (now < began + length) return;
    // Long idle: what is on record is too old altogether, and nothing came since.
    const idle = now >= began + 2 * length;
    this.#generations = {
      current: this.#create(),
      previous: idle ? this.#create() : this.#generations.current,
    };
    this.#knownFrom = Math.max(this.#knownFrom, (idle ? now - length : began) + this.windowMs);
    this.#began = now;
  }
}
