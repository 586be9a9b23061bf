import { TestClock } from './pair.ts';

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** A clock that moves only when told to, and runs what is due then. */
export class WaitingClock extends TestClock {
  #timers: Timer[] = [];

  after = (milliseconds: number, run: () => void): (() => void) => {
    const timer = { at: this.now() + milliseconds, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  /** Timers that are neither due nor called off. */
  get waiting(): number {
    return this.#timers.length;
  }

  override advance(milliseconds: number): void {
    super.advance(milliseconds);
    const due = this.#timers.filter(({ at }) => at <= this.now());
    this.#timers = this.#timers.filter(({ at }) => at > this.now());
    for (const { run } of due) run();
  }
}
