/** A connection in memory that breaks where a test wants it to. */
import { Duplex } from 'node:stream';

/**
 * `reset`: both ends get ECONNRESET. `fin`: both ends see the other one finish, and what they still write is lost. `half`: only whoever was listening sees the
 * other finish, as after a shutdown(). `stall`: nothing arrives any more, and nobody is told.
 */
export type Fault = 'reset' | 'fin' | 'half' | 'stall';

/** Where a wire breaks: behind so many bytes that `from` wrote. */
export interface Break {
  readonly from: 'client' | 'server';
  readonly after: number;
  readonly fault: Fault;
}

/** One end of a {@link Wire}. */
class End extends Duplex {
  readonly #write: (bytes: Buffer) => void;
  readonly #ended: () => void;
  readonly #gone: () => void;

  constructor(write: (bytes: Buffer) => void, ended: () => void, gone: () => void) {
    super({ allowHalfOpen: true });
    this.#write = write;
    this.#ended = ended;
    this.#gone = gone;
  }

  override _read(): void {}

  override _write(bytes: Buffer, _: BufferEncoding, callback: () => void): void {
    this.#write(bytes);
    callback();
  }

  override _final(callback: () => void): void {
    this.#ended();
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#gone();
    callback(error);
  }
}

export class Wire {
  readonly client: Duplex;
  readonly server: Duplex;
  /** Bytes that arrived, or would have. */
  readonly written: { client: number; server: number } = { client: 0, server: 0 };
  /** Whether it broke already. */
  broken = false;
  readonly #at: Break | undefined;

  constructor(at?: Break) {
    this.#at = at;
    const end = (from: 'client' | 'server'): Duplex =>
      new End(
        (bytes) => this.#pass(from, bytes),
        () => this.#finish(from),
        () => this.#finish(from),
      );
    this.client = end('client');
    this.server = end('server');
    if (at?.after === 0 && at.from === 'server') this.#snap(at.fault);
  }

  #other(from: 'client' | 'server'): Duplex {
    return from === 'client' ? this.server : this.client;
  }

  #pass(from: 'client' | 'server', bytes: Buffer): void {
    const before = this.written[from];
    this.written[from] += bytes.length;
    const at = this.#at;
    const open = !this.broken || (at?.fault === 'half' && at.from !== from);
    if (!open) return;
    const breaks = !this.broken && at?.from === from && before + bytes.length >= at.after;
    const passed = breaks ? bytes.subarray(0, at.after - before) : bytes;
    if (passed.length > 0) give(this.#other(from), passed);
    if (breaks) this.#snap(at.fault);
  }

  #finish(from: 'client' | 'server'): void {
    if (this.broken && this.#at?.fault !== 'half') return;
    give(this.#other(from), null);
  }

  #snap(fault: Fault): void {
    this.broken = true;
    if (fault === 'stall') return;
    if (fault === 'reset') for (const end of [this.client, this.server]) end.destroy(reset());
    else if (fault === 'fin') for (const end of [this.client, this.server]) give(end, null);
    else give(this.#other(this.#at!.from), null);
  }
}

function give(end: Duplex, bytes: Buffer | null): void {
  if (!end.destroyed && !end.readableEnded && !ended.has(end)) {
    if (bytes === null) ended.add(end);
    end.push(bytes);
  }
}

const ended = new WeakSet<Duplex>();

/** As net.Socket has it. */
function reset(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', errno: -104, syscall: 'read' });
}
