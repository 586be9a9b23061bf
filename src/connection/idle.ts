import type { Clock } from '../handshake/index.ts';

/** Runs things once a connection has been idle for a while. Needs a clock with `after`. */
export class IdleTimers {
  readonly #clock: Clock;
  readonly #stops = new Set<() => void>();
  #touched: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#touched = clock.now();
  }

  /** Something was read or written. */
  touch(): void {
    this.#touched = this.#clock.now();
  }

  /** Calls `run` once, as soon as nothing has been read or written for so many milliseconds from now on. */
  start(milliseconds: number, run: () => void): void {
    this.touch();
    const waitFor = (rest: number): void => {
      const stop = this.#clock.after!(rest, () => {
        this.#stops.delete(stop);
        const now = this.#clock.now();
        // The clock may have been set back.
        this.#touched = Math.min(this.#touched, now);
        const missing = this.#touched + milliseconds - now;
        if (missing > 0) waitFor(missing);
        else run();
      });
      this.#stops.add(stop);
    };
    waitFor(milliseconds);
  }

  stop(): void {
    for (const stop of this.#stops) stop();
    this.#stops.clear();
  }
}
