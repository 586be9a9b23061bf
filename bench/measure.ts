import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import type { Answer, ClientOptions, Command, ServerOptions } from './protocol.ts';

export type Stack = 'tessera' | 'node';
export type Role = 'server' | 'client';

const root = fileURLToPath(new URL('..', import.meta.url));
/** What is measured is the JavaScript that users get, not TypeScript through a loader. */
const built = `${root}node_modules/.cache/tessera-bench`;

export function build(): void {
  buildSync({
    absWorkingDir: root,
    entryPoints: ['bench/servers/*.ts', 'bench/clients/*.ts', 'src/node/index.ts'],
    outbase: '.',
    outdir: built,
    bundle: true,
    splitting: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'warning',
  });
}

/** A process of the bench. */
export class Peer {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;
  port = 0;

  /** With `profile`, a folder, the process leaves a CPU profile there. */
  constructor(kind: 'servers' | 'clients', stack: Stack, profile?: string) {
    const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
    this.#child = fork(`${built}/bench/${kind}/${stack}.js`, { execArgv: ['--expose-gc', ...profiling] });
    this.#ended = once(this.#child, 'exit').then(() => {
      throw new Error('a process of the bench ended early');
    });
    this.#ended.catch(() => {}); // after stop() it is as it should be
  }

  static async server(stack: Stack, options: ServerOptions, profile?: string): Promise<Peer> {
    const peer = new Peer('servers', stack, profile);
    const { port } = await peer.ask({ command: 'serve', options });
    peer.port = port!;
    return peer;
  }

  static async client(stack: Stack, options: ClientOptions, profile?: string): Promise<Peer> {
    const peer = new Peer('clients', stack, profile);
    await peer.ask({ command: 'target', options });
    return peer;
  }

  async ask(command: Command): Promise<Answer> {
    this.#child.send(command);
    const [answer] = await Promise.race([once(this.#child, 'message'), this.#ended]);
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  async stop(): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.disconnect();
    await exit;
  }
}

/** One round: what was done, and how much time it took. */
export interface Round {
  /** Of handshakes, megabytes or tickets, for each second on the clock. */
  readonly perSecond: number;
  /** CPU milliseconds of the measured process for each of them. */
  readonly cpuMs: number;
}

/** Has `client` do `command`, and watches `measured`. `unit`: how many of what it counts make one. */
export async function round(client: Peer, measured: Peer, command: Command, unit: number): Promise<Round> {
  const before = await measured.ask({ command: 'usage' });
  const { count, elapsedMs } = await client.ask(command);
  const after = await measured.ask({ command: 'usage' });
  const done = count! / unit;
  return { perSecond: (done * 1000) / elapsedMs!, cpuMs: (after.cpuMs! - before.cpuMs!) / done };
}

/** Bytes for each of `count` idle connections in the measured process. */
export async function idle(client: Peer, measured: Peer, count: number): Promise<{ rss: number; heap: number }> {
  // Until the heap has the size that the traffic gives it: what comes on top belongs to the connections.
  for (let i = 0; i < 20; i++) {
    await client.ask({ command: 'open', count: 100 });
    await client.ask({ command: 'closeAll' });
  }
  const before = await measured.ask({ command: 'memory' });
  await client.ask({ command: 'open', count });
  const after = await measured.ask({ command: 'memory' });
  return { rss: (after.rss! - before.rss!) / count, heap: (after.heap! - before.heap!) / count };
}

/** Milliseconds that a fresh process needs to import the stack. */
export function importTime(stack: Stack): number {
  const module = stack === 'node' ? 'node:tls' : `file://${built}/src/node/index.js`;
  const script = `const t = performance.now(); await import('${module}'); console.log(performance.now() - t);`;
  return Number(execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' }));
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
