import { TlsUsageError } from '../errors/index.ts';
import type { EarlyDataAttempt, ReplayGuard, ReplayVerdict } from './replay.ts';
import { ReplayWindow, type ReplayWindowOptions } from './replay-window.ts';

export interface RecordingGuardOptions extends ReplayWindowOptions {
  /** Attempts remembered at once; each for two to four windows. Default 100,000. */
  readonly maxAttempts?: number;
}

/**
 * Remembers the binder of every attempt for as long as a repeat could be fresh. No false answers.
 *
 * When it is full it takes no early data (`unavailable`) until attempts are forgotten by their age: dropping one would let its repeat in.
 * It knows nothing of other processes: N of them that open the same tickets take the same early data up to N times.
 *
 * Throws {@link TlsUsageError} `replay.bad_option`.
 *
 * @spec rfc9846#section-8.2
 */
export class RecordingGuard implements ReplayGuard {
  readonly guarantee = 'process';
  readonly #maxAttempts: number;
  readonly #window: ReplayWindow<Set<string>>;

  constructor(options: RecordingGuardOptions = {}) {
    const { maxAttempts = 100_000 } = options;
    // A Set of V8 holds 2^24 values.
    if (!Number.isSafeInteger(maxAttempts) || maxAttempts < 1 || maxAttempts > 16_000_000) {
      throw new TlsUsageError(
        'replay.bad_option',
        `maxAttempts is ${maxAttempts}, it must be an integer from 1 to 16,000,000`,
      );
    }
    this.#maxAttempts = maxAttempts;
    this.#window = new ReplayWindow(options, () => new Set());
  }

  get windowMs(): number {
    return this.#window.windowMs;
  }

  check(attempt: EarlyDataAttempt): ReplayVerdict {
    const generations = this.#window.admit(attempt);
    if (typeof generations === 'string') return generations;
    const { current, previous } = generations;
    // The binder is a MAC over the ClientHello and is validated: nobody can make two of them that are the same, or change it.
    const key = String.fromCharCode(...attempt.binder);
    if (current.has(key) || previous.has(key)) return 'replay';
    if (current.size + previous.size >= this.#maxAttempts) return 'unavailable';
    current.add(key);
    return 'fresh';
  }
}
