/**
 * TCP connections that are reset (RST) or ended (FIN) after any byte of either side, by a relay in between, in every way through a handshake. Each must end
 * at each side once, with a code that is documented, and leave nothing.
 *
 *     npx tsx bench/hostile/faults-resets.ts [--step 1] [--scene NAME]
 */
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  createServer,
  type TLSSocket,
  type TlsOptions,
} from '../../src/node/index.ts';
import { makeIdentity } from '../../test/support/certificates.ts';
import { inParallel, memoryText, type Row, sampleOf, show } from './faults-common.ts';

type Side = 'client' | 'server';
type Fault = 'reset' | 'fin';

/** What the relay is told in front of a connection: it forwards so many bytes of one side. */
interface Break {
  readonly from: Side;
  readonly after: number;
  readonly fault: Fault;
}

const ORDER_LENGTH = 6;

function orderOf({ from, after, fault }: Break): Buffer {
  const order = Buffer.alloc(ORDER_LENGTH);
  order.writeUInt8(from === 'client' ? 0 : 1, 0);
  order.writeUInt8(fault === 'reset' ? 0 : 1, 1);
  order.writeUInt32BE(after, 2);
  return order;
}

/** Forwards both ways, counts, and breaks as it was ordered. */
class Relay {
  readonly #server = createTcpServer({ allowHalfOpen: true }, (near) => this.#accept(near));
  readonly #upstream: number;
  /** Of the last connection that was not to break. */
  readonly forwarded: Record<Side, number> = { client: 0, server: 0 };

  constructor(upstream: number) {
    this.#upstream = upstream;
  }

  async listen(): Promise<number> {
    await once(this.#server.listen(0, '127.0.0.1', 1_024), 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
  }

  #accept(near: Socket): void {
    near.on('error', () => {}).setNoDelay();
    near.once('readable', () => {
      const order = near.read(ORDER_LENGTH) as Buffer | null;
      if (order === null) {
        near.destroy();
        return;
      }
      const at: Break = {
        from: order.readUInt8(0) === 0 ? 'client' : 'server',
        fault: order.readUInt8(1) === 0 ? 'reset' : 'fin',
        after: order.readUInt32BE(2),
      };
      const far = connectTcp({ port: this.#upstream, host: '127.0.0.1', allowHalfOpen: true });
      far.on('error', () => {}).setNoDelay();
      this.#join(near, far, at);
    });
  }

  #join(near: Socket, far: Socket, at: Break): void {
    const seen = { client: 0, server: 0 };
    let broken = false;
    const snap = (): void => {
      broken = true;
      for (const socket of [near, far]) {
        if (at.fault === 'reset') socket.resetAndDestroy();
        else socket.end(() => setTimeout(() => socket.destroy(), 1_000).unref());
      }
    };
    const pass = (from: Side, source: Socket, sink: Socket): void => {
      source.on('data', (bytes) => {
        const before = seen[from];
        seen[from] += bytes.length;
        if (broken) return;
        const breaks = at.from === from && seen[from] >= at.after;
        const passed = breaks ? bytes.subarray(0, at.after - before) : bytes;
        if (!breaks) sink.write(passed);
        else if (passed.length === 0) snap();
        else sink.write(passed, snap);
      });
      source.on('end', () => {
        if (!broken) sink.end();
      });
      source.on('close', () => {
        if (!broken) sink.destroySoon();
        if (at.after === NEVER) Object.assign(this.forwarded, seen);
      });
    };
    pass('client', near, far);
    pass('server', far, near);
    if (at.after === 0 && at.from === 'server') far.once('connect', snap);
  }
}

const NEVER = 0xffff_ffff;

interface Scene {
  readonly name: string;
  readonly server?: TlsOptions;
  readonly client?: ConnectionOptions;
  readonly resumes?: boolean;
}

const identity = await makeIdentity('ed25519', ['localhost']);
const own = { cert: identity.certificatePem, key: identity.keyPem };
const early = (deliver: 'event' | 'stream'): TlsOptions => ({
  earlyData: { maxSize: 1_000, deliver, guard: { guarantee: 'process', windowMs: 10_000, check: () => 'fresh' } },
});
const SCENES: readonly Scene[] = [
  { name: 'full' },
  { name: 'HelloRetryRequest', server: { groups: ['secp256r1'] } },
  { name: 'client certificate', server: { ca: own.cert, requestCert: true }, client: own },
  { name: 'resumption', resumes: true },
  { name: 'early data as events', resumes: true, server: early('event'), client: { earlyData: 'early' } },
  { name: 'early data as a stream', resumes: true, server: early('stream'), client: { earlyData: 'early' } },
];

const listenersOf = (socket: Socket): number =>
  ['data', 'end', 'error', 'close', 'timeout', 'drain'].reduce((sum, event) => sum + socket.listenerCount(event), 0);

/** What a program may be told. */
const DOCUMENTED: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);

/** Hears, for each connection by its server's port number at the relay, what the server's program is told. */
async function play(scene: Scene, step: number): Promise<Row> {
  const faults: string[] = [];
  const onRejection = (reason: unknown): void => void faults.push(`unhandled rejection: ${String(reason)}`);
  process.on('unhandledRejection', onRejection);
  const told = { secure: 0, failed: 0, closed: 0, errors: 0 };
  const codes: Record<string, number> = {};
  const count = (code: string | undefined): void => {
    const key = code ?? 'none';
    codes[key] = (codes[key] ?? 0) + 1;
    if (!DOCUMENTED.has(key)) faults.push(`code ${key}`);
  };
  const server = createServer({ ...own, groups: ['x25519'], handshakeTimeout: 20_000, ...scene.server });
  server.on('earlyData', () => {});
  server.on('tlsClientError', (error: Error & { code?: string }) => {
    told.failed++;
    count(error.code);
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    told.secure++;
    let errors = 0;
    socket.on('data', (bytes: Buffer) => void socket.write(bytes));
    socket.on('error', (error: Error & { code?: string }) => {
      errors++;
      count(error.code);
      if (errors > 1) faults.push('two errors at one socket of the server');
    });
    socket.on('close', () => told.closed++);
  });
  let accepted = 0;
  server.on('connection', () => accepted++);
  await once(server.listen(0, '127.0.0.1', 1_024), 'listening');
  const relay = new Relay((server.address() as AddressInfo).port);
  const port = await relay.listen();
  const groups = scene.name === 'HelloRetryRequest' ? ['x25519', 'secp256r1'] : ['x25519'];
  const secureContext = createSecureContext({ ca: own.cert, groups, ...(scene.client?.cert !== undefined && own) });
  let session: Buffer | undefined;

  const one = async (at: Break): Promise<void> => {
    const where = `${at.fault} after ${at.after} bytes of the ${at.from}`;
    const transport = connectTcp(port, '127.0.0.1');
    const ofItself = listenersOf(transport);
    const gone = new Promise((resolve) => transport.once('close', resolve));
    transport.write(orderOf(at));
    const socket = connect({
      socket: transport,
      servername: 'localhost',
      secureContext,
      ...(scene.client?.earlyData !== undefined && { earlyData: scene.client.earlyData }),
      ...(session && { session }),
    });
    const log = { secure: 0, errors: 0, closed: 0, written: 0 };
    socket.on('secureConnect', () => log.secure++);
    socket.on('data', () => socket.end());
    socket.on('error', (error: Error & { code?: string }) => {
      log.errors++;
      count(error.code);
    });
    socket.write('ping', () => log.written++);
    if (scene.resumes && session === undefined) socket.once('session', (given: Buffer) => (session = given));
    const over = await Promise.race([
      new Promise<true>((resolve) => socket.once('close', () => resolve(true))),
      sleep(10_000, false, { ref: false }),
    ]);
    if (over) await gone;
    await new Promise(setImmediate);
    if (!over) faults.push(`${where}: no end`);
    if (log.errors > 1 || (log.secure === 0 && log.errors !== 1)) faults.push(`${where}: ${log.errors} errors`);
    if (log.written !== 1) faults.push(`${where}: ${log.written} answers to a write`);
    if (listenersOf(transport) > ofItself) faults.push(`${where}: listeners left on the transport`);
    if (!transport.destroyed) faults.push(`${where}: the transport is left`);
  };

  const never: Break = { from: 'client', after: NEVER, fault: 'fin' };
  await one(never);
  if (scene.resumes) await one(never);
  await sleep(200);
  const whole = { ...relay.forwarded };
  const before = await sampleOf();
  const breaks: Break[] = [];
  for (const fault of ['reset', 'fin'] as const)
    for (const from of ['client', 'server'] as const)
      for (let after = 0; after < whole[from]; after += step) breaks.push({ fault, from, after });
  const begun = performance.now();
  await inParallel(breaks.length, 16, (i) => one(breaks[i]!));
  const seconds = (performance.now() - begun) / 1_000;
  await sleep(1_500);
  const after = await sampleOf();
  const open = await new Promise<number>((resolve) => server.getConnections((_, connections) => resolve(connections)));
  relay.close();
  server.close();
  process.off('unhandledRejection', onRejection);
  // Each connection is told of once, whatever became of it, and each that was secure has ended.
  if (told.secure + told.failed !== accepted)
    faults.push(`${accepted} connections, told of ${told.secure + told.failed}`);
  if (told.closed !== told.secure) faults.push(`${told.secure} were secure, ${told.closed} ended`);
  if (open !== 0) faults.push(`the server holds ${open}`);
  if (after.resources > before.resources) faults.push(`${after.resources - before.resources} resources are left`);
  const said = Object.entries(codes)
    .map(([code, times]) => `${code} ${times}`)
    .join(', ');
  return {
    attack: `RST and FIN after every ${step === 1 ? '' : `${step}th `}byte: ${scene.name}`,
    counted: `${breaks.length} connections (${whole.client} bytes of the client, ${whole.server} of the server) in ${seconds.toFixed(0)} s; codes: ${said}; ${told.secure} secure, ${told.failed} failed at the server`,
    limit: 'one end, one code',
    memory: `both sides ${memoryText(before, before, after)}; resources ${before.resources} → ${after.resources}`,
    others: '',
    faults: [...new Set(faults)].slice(0, 20),
  };
}

export async function run(step: number = 1, only?: string): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const scene of SCENES) if (only === undefined || scene.name === only) rows.push(await play(scene, step));
  return rows;
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({ options: { step: { type: 'string', default: '1' }, scene: { type: 'string' } } });
  show(await run(Number(values.step), values.scene));
}
