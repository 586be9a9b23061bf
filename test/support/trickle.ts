/** Connections that are as slow as an attacker wants them to be. */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** A stream over TCP that sends one byte every `everyMs`, once it is told to. TLS can be spoken over it. */
export class Trickle extends Duplex {
  readonly #socket: Socket;
  /** Milliseconds between two bytes; 0: as fast as it goes. */
  everyMs: number;

  constructor(socket: Socket, everyMs: number = 0) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    this.everyMs = everyMs;
    socket.on('data', (bytes) => {
      if (!this.push(bytes)) socket.pause();
    });
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(bytes: Buffer, _: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.everyMs === 0) this.#socket.write(bytes, callback);
    else this.#sendOne(bytes, 0, callback);
  }

  #sendOne(bytes: Buffer, at: number, callback: (error?: Error | null) => void): void {
    if (this.destroyed || this.#socket.destroyed || at === bytes.length) {
      callback();
      return;
    }
    this.#socket.write(bytes.subarray(at, at + 1));
    setTimeout(() => this.#sendOne(bytes, at + 1, callback), this.everyMs).unref();
  }

  override _final(callback: () => void): void {
    this.#socket.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#socket.destroy();
    callback(error);
  }
}
