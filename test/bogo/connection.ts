import { connect, type Socket } from 'node:net';
import type { TlsEngine, TlsEvent } from '../../src/index.ts';

/** What a connection gives: the engine's events, and that the peer ended the transport without close_notify. */
export type ShimEvent = TlsEvent | { readonly type: 'eof' };

/** One engine over one TCP connection, read event by event. */
export class Connection {
  readonly engine: TlsEngine;
  readonly #socket: Socket;
  readonly #input: Uint8Array[] = [];
  readonly #events: ShimEvent[] = [];
  readonly #pieces: number;
  readonly #endIsError: () => boolean;
  #ended = false;
  #isStopped = false;
  #held: Uint8Array | undefined;
  #wake: (() => void) | undefined;
  #stopAfter: number | undefined;
  #stopped: (() => void) | undefined;

  /** `pieces`: how many bytes the engine is fed at a time. `endIsError`: whether an end without close_notify is a fault. */
  constructor(
    socket: Socket,
    makeEngine: (onProgress: () => void) => TlsEngine,
    { pieces, endIsError }: { readonly pieces: number; readonly endIsError: () => boolean },
  ) {
    this.#socket = socket;
    this.#pieces = pieces;
    this.#endIsError = endIsError;
    this.engine = makeEngine(() => this.#work());
    this.engine.onMessage = (direction, type) => {
      if (direction !== 'received' || type !== this.#stopAfter) return;
      this.#isStopped = true;
      this.#stopped?.();
    };
    socket.on('data', (bytes: Buffer) => {
      this.#input.push(new Uint8Array(bytes));
      this.#work();
    });
    const ended = (): void => {
      this.#ended = true;
      this.#work();
    };
    socket.on('end', ended);
    socket.on('error', ended);
    this.#work();
  }

  /** The next event; waits for it. An error is thrown. */
  async next(): Promise<ShimEvent> {
    for (;;) {
      this.#work();
      const event = this.#events.shift();
      if (event?.type === 'error') throw event.error;
      if (event !== undefined) return event;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Reads until a handshake message of this type has come, and no further until `flush` is called. */
  async untilMessage(type: number): Promise<void> {
    this.#stopAfter = type;
    await new Promise<void>((resolve) => {
      this.#stopped = resolve;
    });
  }

  /** Sends what the engine has to say. */
  flush(): void {
    this.#isStopped = false;
    this.#stopAfter = undefined;
    this.#send();
    this.#work();
  }

  #send(): void {
    for (let bytes = this.engine.pull(); bytes !== undefined; bytes = this.engine.pull()) {
      this.release();
      this.#socket.write(bytes);
    }
  }

  /** Of what the engine has to say now, only the first byte leaves; the rest does with the next that is sent, or by `release`. */
  hold(): void {
    const bytes = this.engine.pull()!;
    this.#socket.write(bytes.subarray(0, 1));
    this.#held = bytes.subarray(1);
  }

  release(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#socket.write(held);
  }

  /** Says the last words, and reads until the peer has ended too: else the peer may lose them. */
  async shut(): Promise<void> {
    this.flush();
    this.release();
    this.#socket.removeAllListeners('data');
    this.#socket.resume();
    await new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve());
      this.#socket.end();
      if (this.#socket.destroyed) resolve();
    });
  }

  #work(): void {
    while (this.engine.wantsInput && this.#input.length > 0 && !this.#isStopped) {
      const bytes = this.#input.shift()!;
      if (bytes.length > this.#pieces) this.#input.unshift(bytes.subarray(this.#pieces));
      this.engine.receive(bytes.subarray(0, this.#pieces));
      this.#collect();
    }
    if (this.#ended && this.#input.length === 0) {
      this.#ended = false;
      if (!this.engine.readClosed && this.#endIsError()) this.engine.transportEnded();
      else if (!this.engine.readClosed) this.#events.push({ type: 'eof' });
    }
    this.#collect();
    if (this.#events.length > 0) this.#wake?.();
  }

  #collect(): void {
    for (let event = this.engine.next(); event !== undefined; event = this.engine.next()) this.#events.push(event);
    this.#send();
  }
}

/** Connects to the runner and says which shim this is. */
export function dial(port: number, ipv6: boolean, shimId: bigint): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: ipv6 ? '::1' : '127.0.0.1', allowHalfOpen: true, noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      const id = Buffer.alloc(8);
      id.writeBigUInt64LE(shimId);
      socket.write(id);
      resolve(socket);
    });
  });
}
