import { Secret } from '../bytes/index.ts';
import type { CryptoProvider, Kdf } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import type { EarlyDataAttempt, ReplayGuard, ReplayVerdict } from './replay.ts';
import { ReplayWindow, type ReplayWindowOptions } from './replay-window.ts';

export interface FilterGuardOptions extends ReplayWindowOptions {
  readonly crypto: CryptoProvider;
  /** Attempts within one window, at the busiest: 1 to 100,000,000. Default 10,000. */
  readonly attemptsPerWindow?: number;
  /** The share of first attempts that may be taken for repeats at that load: 0.000001 to 0.5. Default 0.001. */
  readonly falsePositiveRate?: number;
}

/** 2^32 bits are 512 MiB, and the largest index that fits. */
const MAX_BITS = 2 ** 32;

/**
 * Two Bloom filters that take turns: a fixed, small amount of memory whatever the load.
 *
 * It never takes a repeat for a first attempt. It takes some first attempts for repeats, more of them at a higher load than it was made for;
 * they cost a round trip and nothing else. Which ones, nobody can choose: the places in the filter come from an HMAC under a random key.
 * It knows nothing of other processes: N of them that open the same tickets take the same early data up to N times.
 *
 * Sizes: a filter sees n = 2 * attemptsPerWindow attempts, and two are asked, so each may be wrong with p = falsePositiveRate / 2:
 * bits = n * ln(1/p) / ln(2)^2, and bits/n * ln(2) places for each attempt.
 *
 * Throws {@link TlsUsageError} `replay.bad_option`.
 *
 * @spec rfc9846#section-8.2
 */
export class FilterGuard implements ReplayGuard {
  readonly guarantee = 'process';
  /** Of both filters together. */
  readonly bytes: number;
  readonly #kdf: Kdf;
  readonly #key: Secret;
  readonly #bits: number;
  readonly #places: number;
  readonly #window: ReplayWindow<Uint8Array>;

  constructor(options: FilterGuardOptions) {
    const { crypto, attemptsPerWindow = 10_000, falsePositiveRate = 0.001 } = options;
    inRange('attemptsPerWindow', attemptsPerWindow, 1, 100_000_000);
    inRange('falsePositiveRate', falsePositiveRate, 0.000001, 0.5);
    const attempts = 2 * attemptsPerWindow;
    const bits = Math.ceil((attempts * Math.log(2 / falsePositiveRate)) / Math.LN2 ** 2);
    if (bits > MAX_BITS) {
      throw new TlsUsageError(
        'replay.bad_option',
        `attemptsPerWindow ${attemptsPerWindow} and falsePositiveRate ${falsePositiveRate} need more than 512 MiB for a filter`,
      );
    }
    const length = Math.ceil(bits / 8);
    this.bytes = 2 * length;
    this.#bits = bits;
    this.#places = Math.max(1, Math.round((bits / attempts) * Math.LN2));
    this.#kdf = crypto.kdf('sha256');
    this.#key = new Secret(crypto.random(32));
    this.#window = new ReplayWindow(options, () => new Uint8Array(length));
  }

  get windowMs(): number {
    return this.#window.windowMs;
  }

  check(attempt: EarlyDataAttempt): ReplayVerdict {
    const generations = this.#window.admit(attempt);
    if (typeof generations === 'string') return generations;
    const places = this.#placesOf(attempt.binder);
    if (holds(generations.current, places) || holds(generations.previous, places)) return 'replay';
    for (const place of places) generations.current[place >>> 3]! |= 1 << (place & 7);
    return 'fresh';
  }

  /** first + i * step: two hashes serve as well as many (Kirsch and Mitzenmacher, "Less Hashing, Same Performance"). */
  #placesOf(binder: Uint8Array): readonly number[] {
    const hash = this.#kdf.hmac(this.#key.bytes, binder);
    const first = uint48(hash, 0);
    const step = uint48(hash, 6);
    return Array.from({ length: this.#places }, (_, i) => (first + i * step) % this.#bits);
  }
}

function holds(filter: Uint8Array, places: readonly number[]): boolean {
  return places.every((place) => (filter[place >>> 3]! & (1 << (place & 7))) !== 0);
}

/** Small enough that adding 31 of them keeps every bit. */
function uint48(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + 6; i++) value = value * 256 + bytes[i]!;
  return value;
}

function inRange(name: string, value: number, min: number, max: number): void {
  if (value >= min && value <= max) return;
  throw new TlsUsageError('replay.bad_option', `${name} is ${value}, it must be from ${min} to ${max}`);
}
