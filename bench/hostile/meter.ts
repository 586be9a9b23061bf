import type { TLSSocket } from '../../src/node/index.ts';

/** How a client in earnest fared. */
export interface Service {
  readonly served: number;
  readonly failed: number;
  readonly medianMs: number;
  readonly worstMs: number;
}

const PAUSE_MS = 10;
const PATIENCE_MS = 10_000;

/** A client in earnest: connects, asks, is answered, leaves; and again. Every request is on a connection of its own. */
export class Meter {
  #going = false;
  #done: Promise<void> = Promise.resolve();
  #times: number[] = [];
  #failed = 0;

  start(connect: () => TLSSocket): void {
    this.#going = true;
    this.#times = [];
    this.#failed = 0;
    this.#done = this.#run(connect);
  }

  async stop(): Promise<Service> {
    this.#going = false;
    await this.#done;
    const times = this.#times.sort((a, b) => a - b);
    return {
      served: times.length,
      failed: this.#failed,
      medianMs: times[times.length >> 1] ?? 0,
      worstMs: times.at(-1) ?? 0,
    };
  }

  async #run(connect: () => TLSSocket): Promise<void> {
    while (this.#going) {
      const start = performance.now();
      if (await ask(connect())) this.#times.push(performance.now() - start);
      else this.#failed++;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

function ask(socket: TLSSocket): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => end(false), PATIENCE_MS);
    const end = (served: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(served);
    };
    socket.on('error', () => end(false)).on('close', () => end(false));
    socket.on('secureConnect', () => socket.write('ping')).on('data', () => end(true));
  });
}
