import { Duplex } from 'node:stream';

/** Two ends of a pipe in memory. Each counts the writes it was given. */
export class Pipe extends Duplex {
  other: Pipe | undefined;
  writes: Buffer[] = [];
  /** While true, what is written stays here, as with a peer that does not read. */
  stuck = false;
  #waiting: (() => void) | undefined;
  #full: (() => void) | undefined;

  override _read(): void {
    const full = this.#full;
    this.#full = undefined;
    full?.();
  }

  override _write(chunk: Buffer, _: BufferEncoding, callback: () => void): void {
    const pass = (): void => {
      this.writes.push(chunk);
      const { other } = this;
      if (other === undefined || other.destroyed || other.push(chunk)) callback();
      else other.#full = callback;
    };
    if (this.stuck) this.#waiting = pass;
    else pass();
  }

  override _final(callback: () => void): void {
    this.other?.push(null);
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    if (this.other !== undefined && !this.other.destroyed && !this.other.readableEnded) this.other.push(null);
    callback(error);
  }

  /** What was stuck goes on. */
  loosen(): void {
    this.stuck = false;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
  }

  static pair(): readonly [Pipe, Pipe] {
    const [a, b] = [new Pipe(), new Pipe()];
    a.other = b;
    b.other = a;
    return [a, b];
  }
}
