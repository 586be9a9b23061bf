/** The process under attack: a server, or a client that connects again and again. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { connect, createServer, type Server, type TLSSocket } from '../../src/node/index.ts';
import type { VictimOptions } from './attack.ts';
import { Meter } from './meter.ts';
import { answerWith } from './rpc.ts';

/** What the process holds, and what it has seen so far. */
export interface Sample {
  readonly rss: number;
  /** In use of JavaScript's heap, and buffers outside of it. */
  readonly heap: number;
  readonly external: number;
  readonly cpuMs: number;
  readonly connections: number;
  readonly handshakes: number;
  /** How many connections ended with which fault and alert. */
  readonly faults: Readonly<Record<string, number>>;
}

export interface Peak extends Pick<Sample, 'rss' | 'heap' | 'external' | 'connections'> {
  /** The longest that the event loop was busy with one thing, in milliseconds. */
  readonly stallMs: number;
}

const faults: Record<string, number> = {};
let handshakes = 0;
let open = 0;
let server: Server | undefined;
let peak: Peak = { rss: 0, heap: 0, external: 0, connections: 0, stallMs: 0 };
const delay = monitorEventLoopDelay({ resolution: 10 });
delay.enable();

function sampleNow(): Sample {
  const { rss, heapUsed: heap, external } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return { rss, heap, external, cpuMs: (user + system) / 1_000, connections: open, handshakes, faults };
}

setInterval(() => {
  const { rss, heap, external, connections } = sampleNow();
  peak = {
    rss: Math.max(peak.rss, rss),
    heap: Math.max(peak.heap, heap),
    external: Math.max(peak.external, external),
    connections: Math.max(peak.connections, connections),
    stallMs: delay.max / 1e6,
  };
}, 20).unref();

/** Some of it is ordinary: that peers just go away says nothing of limits. */
function noteFault(error: Error & { fault?: string; alert?: string; code?: string }): void {
  const what = error.fault === undefined ? (error.code ?? error.message) : `${error.fault} (${error.alert})`;
  faults[what] = (faults[what] ?? 0) + 1;
}

/** A socket that nobody reads does not notice that its peer is gone. */
function closeWhenSilent(socket: TLSSocket): void {
  socket.setTimeout(1_000, () => socket.destroy());
}

function watch(socket: TLSSocket): void {
  open++;
  socket.on('close', () => open--);
}

interface ServeOptions extends VictimOptions {
  readonly cert: string;
  readonly key: string;
}

/** Answers `ping` with `pong`. Whatever else comes is read and dropped. */
async function serve({ earlyDataSize, deaf, ...options }: ServeOptions): Promise<number> {
  server = createServer({
    ...options,
    ...(earlyDataSize !== undefined && {
      earlyData: {
        maxSize: earlyDataSize,
        guard: { guarantee: 'process', windowMs: 10_000, check: () => 'replay' },
      },
    }),
  });
  server.on('secureConnection', (socket) => {
    handshakes++;
    socket.on('error', noteFault);
    if (deaf) closeWhenSilent(socket);
    socket.on('data', (bytes: Buffer) => {
      if (bytes.length === 4 && bytes.equals(PING)) socket.write('pong');
      else if (deaf) socket.pause();
    });
  });
  server.on('connection', (socket) => {
    open++;
    socket.on('close', () => open--);
  });
  server.on('tlsClientError', noteFault);
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const PING = Buffer.from('ping');

interface VisitOptions extends VictimOptions {
  readonly hostilePort: number;
  readonly goodPort: number;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly parallel: number;
}

let visiting = false;
const meter = new Meter();

/** Connects to the hostile server again and again, and to a good one beside it. */
function visit({ hostilePort, goodPort, ca, parallel, deaf, earlyDataSize: _, ...options }: VisitOptions): void {
  visiting = true;
  const shared = { ...options, ca, host: '127.0.0.1', servername: 'localhost' };
  const again = async (): Promise<void> => {
    while (visiting) {
      const socket = connect({ ...shared, port: hostilePort });
      watch(socket);
      socket.on('error', noteFault);
      socket.on('secureConnect', () => {
        handshakes++;
        if (deaf) closeWhenSilent(socket);
        else socket.resume();
      });
      await new Promise<void>((resolve) => void socket.once('close', () => resolve()));
    }
  };
  for (let i = 0; i < parallel; i++) void again();
  meter.start(() => connect({ port: goodPort, host: '127.0.0.1', servername: 'localhost', ca }));
}

answerWith({
  serve,
  visit,
  stop: async () => {
    visiting = false;
    return meter.stop();
  },
  /** When there is time. */
  sample: async () => {
    for (let i = 0; i < 3; i++) {
      globalThis.gc!();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return sampleNow();
  },
  /** In the middle of an attack. */
  live: () => {
    globalThis.gc!();
    return sampleNow();
  },
  /** Forgets the peaks. */
  reset: () => {
    const { rss, heap, external, connections } = sampleNow();
    delay.reset();
    peak = { rss, heap, external, connections, stallMs: 0 };
  },
  peak: () => peak,
  connections: () => open,
});
