/** What the `faults-*.ts` share: the victim, honest clients that keep asking it, and how results are shown. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
  type TlsOptions,
} from '../../src/node/index.ts';
import { makeIdentity, type TestIdentity } from '../../test/support/certificates.ts';
import type { Behaviour, Request } from './faults-server.ts';

/** What a process holds, after a garbage collection. */
export interface Memory {
  readonly rssMB: number;
  /** Of V8 and of buffers. */
  readonly heapMB: number;
  /** What keeps it alive: sockets, timers. */
  readonly resources: number;
}

export interface Sample extends Memory {
  readonly connections: number;
  readonly secure: number;
  /** Bytes that wait to be sent, in JavaScript. */
  readonly queued: number;
  /** Handshakes that failed, by code. */
  readonly failures: Readonly<Record<string, number>>;
  /** The longest that the event loop was kept busy since the last sample. */
  readonly lagMs: number;
}

/** One line of the table. */
export interface Row {
  readonly attack: string;
  readonly counted: string;
  readonly limit: string;
  readonly memory: string;
  readonly others: string;
  /** What is not as it must be. Empty: all is well. */
  readonly faults: readonly string[];
}

export async function sampleOf(): Promise<Memory> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await sleep(20);
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  const resources = process.getActiveResourcesInfo().length;
  return { rssMB: rss / 2 ** 20, heapMB: (heapUsed + external) / 2 ** 20, resources };
}

export class Victim {
  readonly identity: TestIdentity;
  readonly context: SecureContext;
  readonly #child: ChildProcess;
  port = 0;

  private constructor(identity: TestIdentity, child: ChildProcess) {
    this.identity = identity;
    this.context = createSecureContext({ ca: identity.certificatePem });
    this.#child = child;
  }

  static async start(behaviour: Behaviour, options: TlsOptions = {}, http?: object): Promise<Victim> {
    const file = fileURLToPath(new URL('./faults-server.ts', import.meta.url));
    const child = withManyFiles(['--expose-gc', '--import', 'tsx', file], ['inherit', 'inherit', 'inherit', 'ipc']);
    const victim = new Victim(await makeIdentity(), child);
    const { keyPem: key, certificatePem: cert } = victim.identity;
    victim.port = (await victim.#ask({
      do: 'serve',
      behaviour,
      options: { key, cert, ...options },
      ...(http && { http }),
    })) as number;
    return victim;
  }

  async #ask(request: Request): Promise<unknown> {
    this.#child.send(request);
    const [answer] = await once(this.#child, 'message');
    return answer;
  }

  sample(): Promise<Sample> {
    return this.#ask({ do: 'sample' }) as Promise<Sample>;
  }

  /** Every connection that is secure. */
  destroy(): Promise<unknown> {
    return this.#ask({ do: 'destroy' });
  }

  tcp(): Socket {
    return connectTcp(this.port, '127.0.0.1').on('error', () => {});
  }

  connect(socket?: ConnectionOptions['socket']): TLSSocket {
    const over = socket === undefined ? { host: '127.0.0.1', port: this.port } : { socket };
    return connect({ servername: 'localhost', secureContext: this.context, ...over }).on('error', () => {});
  }

  /** To another server. */
  connectTo(port: number, handshakeTimeout: number): TLSSocket {
    return connect({ host: '127.0.0.1', port, servername: 'localhost', secureContext: this.context, handshakeTimeout });
  }

  stop(): void {
    this.#child.kill();
  }
}

/** A process of Node that may have as many sockets as this system allows. */
export function withManyFiles(args: readonly string[], stdio: 'inherit' | ('inherit' | 'ipc')[]): ChildProcess {
  return spawn('sh', ['-c', 'ulimit -n "$(ulimit -H -n)"; exec "$0" "$@"', process.execPath, ...args], { stdio });
}

/** Honest clients, one after the other, for as long as an attack goes on: how long each waits for a handshake and an echo. */
export class Others {
  readonly #victim: Victim;
  readonly #ask: string;
  readonly #times: number[] = [];
  #failed = 0;
  #going = true;
  readonly #done: Promise<void>;

  constructor(victim: Victim, ask: string = 'ping') {
    this.#victim = victim;
    this.#ask = ask;
    this.#done = this.#go();
  }

  async #go(): Promise<void> {
    while (this.#going) {
      const begun = performance.now();
      const socket = this.#victim.connect();
      socket.write(this.#ask);
      const answered = await Promise.race([
        new Promise<boolean>((resolve) => socket.once('data', () => resolve(true)).once('close', () => resolve(false))),
        sleep(10_000, false, { ref: false }),
      ]);
      socket.destroy();
      if (answered) this.#times.push(performance.now() - begun);
      else this.#failed++;
      await sleep(20);
    }
  }

  async end(): Promise<{ readonly text: string; readonly faults: readonly string[] }> {
    this.#going = false;
    await this.#done;
    const times = this.#times.sort((a, b) => a - b);
    const at = (part: number): string => (times[Math.floor((times.length - 1) * part)] ?? 0).toFixed(1);
    return {
      text: `${times.length} of ${times.length + this.#failed} served, median ${at(0.5)} ms, worst ${at(1)} ms`,
      faults: this.#failed === 0 && times.length > 0 ? [] : [`${this.#failed} others were not served`],
    };
  }
}

export const memoryText = (before: Memory, during: Memory, after: Memory): string =>
  [before, during, after].map(({ rssMB, heapMB }) => `${rssMB.toFixed(0)}/${heapMB.toFixed(1)}`).join(' → ');

/** Runs `task` for each number below `count`, so many at a time. */
export async function inParallel(count: number, atOnce: number, task: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker));
}

/** Waits for it, at most so long. */
export async function until(done: () => boolean | Promise<boolean>, atMostMs: number): Promise<boolean> {
  const end = performance.now() + atMostMs;
  while (!(await done())) {
    if (performance.now() > end) return false;
    await sleep(25);
  }
  return true;
}

export function show(rows: readonly Row[]): void {
  console.log('| attack | counted | limit | server before → during → after, rss/heap+buffers MB | others meanwhile |');
  console.log('|---|---|---|---|---|');
  for (const { attack, counted, limit, memory, others } of rows)
    console.log(`| ${attack} | ${counted} | ${limit} | ${memory} | ${others} |`);
  const faults = rows.flatMap(({ attack, faults: found }) => found.map((fault) => `${attack}: ${fault}`));
  for (const fault of faults.slice(0, 20)) console.error(`FAULT ${fault}`);
  if (faults.length > 0) process.exitCode = 1;
}
