/**
 * A hundred thousand connections, good and bad, to one server from one client: does either of them keep anything?
 *
 *     npx tsx bench/soak.ts [--connections 100000] [--stack tessera|node]
 *
 * Prints what both processes hold after each tenth of them, and fails if something was left behind that should not be.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import * as nodeTls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as tessera from '../src/node/index.ts';
import { makeIdentity } from '../test/support/certificates.ts';

type Tls = Pick<typeof nodeTls, 'connect' | 'createServer'>;

/** What a process holds, after a garbage collection. */
interface Sample {
  readonly rssMB: number;
  readonly heapMB: number;
  readonly externalMB: number;
  /** Sockets, timers and whatever else keeps a process alive, beside what it had at the start. */
  readonly resources: number;
  readonly connections: number;
  /** Rejections that nobody handled, and warnings, such as that of an emitter with too many listeners. */
  readonly complaints: readonly string[];
}

type Request =
  | { readonly do: 'serve'; readonly key: string; readonly cert: string }
  | { readonly do: 'connect'; readonly port: number; readonly from: number; readonly count: number }
  | { readonly do: 'sample' };

const CONCURRENCY = 16;
/** Memory of V8 and of the allocator goes up and down; what is kept for each connection would show as far more than this. */
const MAX_KEPT_BYTES_PER_CONNECTION = 100;

const { values: args } = parseArgs({
  options: {
    connections: { type: 'string', default: '100000' },
    stack: { type: 'string', default: 'tessera' },
  },
});
const tls = (args.stack === 'node' ? nodeTls : tessera) as unknown as Tls;

if (process.send === undefined) await parent(Number(args.connections));
else child();

async function parent(connections: number): Promise<void> {
  const { keyPem: key, certificatePem: cert } = await makeIdentity();
  const [server, client] = [spawn(), spawn()];
  const port = (await ask(server, { do: 'serve', key, cert })) as number;
  const step = Math.max(1, Math.floor(connections / 10));
  const samples: { readonly server: Sample; readonly client: Sample }[] = [];
  console.log('connections | server: rss heap external MB, resources, open | client: the same');
  for (let from = 0; from < connections; from += step) {
    await ask(client, { do: 'connect', port, from, count: Math.min(step, connections - from) });
    const sample = {
      server: (await ask(server, { do: 'sample' })) as Sample,
      client: (await ask(client, { do: 'sample' })) as Sample,
    };
    samples.push(sample);
    console.log(`${from + step} | ${line(sample.server)} | ${line(sample.client)}`);
  }
  for (const process of [server, client]) process.kill();
  for (const side of ['server', 'client'] as const)
    judge(
      side,
      samples.map((sample) => sample[side]),
      connections,
    );
}

function line({ rssMB, heapMB, externalMB, resources, connections }: Sample): string {
  const memory = [rssMB, heapMB, externalMB].map((value) => value.toFixed(1).padStart(6)).join(' ');
  return `${memory} ${resources} ${connections}`;
}

/** From the second sample on: by then everything that is made once is there. */
function judge(side: string, samples: readonly Sample[], connections: number): void {
  const [first, last] = [samples[1] ?? samples[0]!, samples.at(-1)!];
  const kept = ((last.heapMB - first.heapMB) * 1e6) / (connections * 0.8);
  const faults = [...last.complaints];
  if (kept > MAX_KEPT_BYTES_PER_CONNECTION) faults.push(`keeps ${kept.toFixed(0)} bytes of heap for each connection`);
  if (last.resources > 0) faults.push(`${last.resources} resources are left`);
  if (last.connections > 0) faults.push(`${last.connections} connections are left`);
  console.log(
    `${side}: ${kept.toFixed(1)} bytes of heap kept per connection; ${faults.join('; ') || 'nothing left behind'}`,
  );
  if (faults.length > 0) process.exitCode = 1;
}

function spawn(): ChildProcess {
  const execArgv = [...process.execArgv, '--expose-gc'];
  return fork(fileURLToPath(import.meta.url), ['--stack', args.stack], { execArgv });
}

async function ask(process: ChildProcess, request: Request): Promise<unknown> {
  process.send(request);
  const [answer] = (await once(process, 'message')) as [unknown];
  return answer;
}

function child(): void {
  const complaints: string[] = [];
  process.on('unhandledRejection', (reason) => complaints.push(`unhandled rejection: ${String(reason)}`));
  process.on('warning', (warning) => complaints.push(String(warning)));
  let server: nodeTls.Server | undefined;
  let atStart = 0;
  process.on('message', async (request: Request) => {
    if (request.do === 'serve') {
      server = serve(request.key, request.cert);
      await once(server, 'listening');
      process.send!((server.address() as AddressInfo).port);
      atStart = resources();
    } else if (request.do === 'connect') {
      if (request.from === 0) atStart = resources();
      await connectMany(request.port, request.from, request.count);
      process.send!('done');
    } else {
      await settled(() => resources() <= atStart);
      globalThis.gc!();
      const { rss, heapUsed, external } = process.memoryUsage();
      const sample: Sample = {
        rssMB: rss / 1e6,
        heapMB: heapUsed / 1e6,
        externalMB: external / 1e6,
        resources: resources() - atStart,
        connections: server === undefined ? 0 : await connectionsOf(server),
        complaints,
      };
      process.send!(sample);
    }
  });
}

function resources(): number {
  return process.getActiveResourcesInfo().filter((name) => name !== 'Immediate' && name !== 'TickObject').length;
}

/** What the last connections leave behind is gone after a few rounds of the event loop; two seconds are more than enough. */
async function settled(done: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !done(); i++) await new Promise((resolve) => setTimeout(resolve, 10).unref());
}

function connectionsOf(server: nodeTls.Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
  });
}

/** Answers a line with a line; some connections it just drops. */
function serve(key: string, cert: string): nodeTls.Server {
  let count = 0;
  const server = tls.createServer({ key, cert, minVersion: 'TLSv1.3' }, (socket) => {
    socket.on('error', () => {});
    if (++count % 10 === 9) socket.destroy();
    else socket.on('data', () => socket.end('good day\n'));
  });
  server.on('tlsClientError', () => {});
  return server.listen(0, '127.0.0.1');
}

async function connectMany(port: number, from: number, count: number): Promise<void> {
  const sessions: Buffer[] = [];
  let next = from;
  const worker = async (): Promise<void> => {
    while (next < from + count) await connectOnce(port, next++, sessions);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}

/** One of ten leaves during the handshake, one says nothing of TLS, half of the rest come with a ticket. */
async function connectOnce(port: number, n: number, sessions: Buffer[]): Promise<void> {
  if (n % 10 === 3) {
    const socket = connectTcp(port, '127.0.0.1', () => socket.end('GET / HTTP/1.0\r\n\r\n')).resume();
    socket.on('error', () => {});
    await closed(socket);
    return;
  }
  const session = n % 2 === 0 ? sessions.pop() : undefined;
  const socket = tls.connect({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ...(session !== undefined && { session }),
  });
  socket.on('error', () => {});
  if (n % 10 === 7) {
    socket.on('connect', () => setImmediate(() => socket.destroy()));
  } else {
    socket.on('session', (ticket: Buffer) => sessions.length < CONCURRENCY && sessions.push(ticket));
    socket.on('secureConnect', () => socket.write('hello\n')).resume();
  }
  await closed(socket);
}

function closed(socket: { once(event: 'close', listener: () => void): unknown }): Promise<void> {
  return new Promise((resolve) => void socket.once('close', resolve));
}
