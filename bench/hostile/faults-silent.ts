/**
 * Peers that never read: what is meant for them waits in the program, not in us, and `destroy` sets it free. In both roles.
 *
 *     node --expose-gc --import tsx bench/hostile/faults-silent.ts
 */
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from '../../src/node/index.ts';
import { inParallel, memoryText, Others, type Row, sampleOf, show, until, Victim } from './faults-common.ts';
import { pour } from './faults-server.ts';

const COUNT = 300;
/** What one connection may hold: what net.Socket holds back of one write, its encryption, and the pieces around it. */
const MOST_QUEUED = 4 * 65_536;

const kib = (bytes: number): string => `${(bytes / 1_024).toFixed(0)} KiB`;

/** A server that writes as long as it may, to clients that read nothing. */
async function serverWrites(): Promise<Row> {
  const victim = await Victim.start('flood');
  const before = await victim.sample();
  const sockets: TLSSocket[] = [];
  await inParallel(COUNT, 50, async () => {
    const tcp = victim.tcp();
    const socket = victim.connect(tcp);
    sockets.push(socket);
    await new Promise((resolve) => socket.once('secureConnect', resolve).once('close', resolve));
    tcp.pause();
  });
  await sleep(2_000);
  const others = new Others(victim);
  await sleep(1_000);
  const during = await victim.sample();
  const { text, faults } = await others.end();
  await victim.destroy();
  const gone = await until(async () => (await victim.sample()).connections === 0, 5_000);
  const after = await victim.sample();
  for (const socket of sockets) socket.destroy();
  victim.stop();
  const each = during.queued / COUNT;
  return {
    attack: `${COUNT} clients that never read, while the server writes without end`,
    counted: `${kib(each)} wait for each; ${during.secure} connections before destroy(), ${after.connections} after`,
    limit: 'highWaterMark, and one write of the program',
    memory: memoryText(before, during, after),
    others: text,
    faults: [
      ...faults,
      ...(each < MOST_QUEUED ? [] : [`${each} bytes wait for each`]),
      ...(gone && after.queued === 0 ? [] : ['destroy() left something behind']),
    ],
  };
}

/** Clients of ours that write as long as they may, to a server whose program reads nothing. */
async function clientsWrite(): Promise<Row> {
  const victim = await Victim.start('sink');
  const [before, ownBefore] = [await victim.sample(), await sampleOf()];
  const sockets: TLSSocket[] = [];
  await inParallel(COUNT, 50, async () => {
    const socket = victim.connect();
    sockets.push(socket);
    await new Promise((resolve) => socket.once('secureConnect', resolve).once('close', resolve));
    pour(socket);
  });
  await sleep(3_000);
  const [during, ownDuring] = [await victim.sample(), await sampleOf()];
  const queued = sockets.reduce(
    (sum, { writableLength, _parent }) => sum + writableLength + (_parent?.writableLength ?? 0),
    0,
  );
  for (const socket of sockets) socket.destroy();
  sockets.length = 0;
  // A program that never reads never sees the end either, as with node:tls: it has an idle timeout for that, or destroys.
  await sleep(500);
  await victim.destroy();
  const gone = await until(async () => (await victim.sample()).connections === 0, 10_000);
  const [after, ownAfter] = [await victim.sample(), await sampleOf()];
  victim.stop();
  return {
    attack: `${COUNT} clients that write without end, to a server that never reads`,
    counted: `${kib(queued / COUNT)} wait at each client; the server's program was given nothing; ${after.connections} connections after its destroy()`,
    limit: 'highWaterMark, and one write of the program',
    memory: `${memoryText(before, during, after)}; client ${memoryText(ownBefore, ownDuring, ownAfter)}`,
    others: '',
    faults: [
      ...(queued / COUNT < MOST_QUEUED ? [] : [`${queued / COUNT} bytes wait at each`]),
      ...(gone ? [] : [`the server holds ${after.connections}`]),
    ],
  };
}

/** A peer that takes no byte at all from the beginning: the ClientHello leaves, and nothing comes back. */
async function silentServer(): Promise<Row> {
  const silent = createTcpServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
  const victim = await Victim.start('echo');
  const own = await sampleOf();
  const { port } = silent.address() as AddressInfo;
  const codes: Record<string, number> = {};
  await inParallel(COUNT, COUNT, async () => {
    const socket = victim.connectTo(port, 2_000);
    socket.write('x'.repeat(10_000));
    const [error] = await Promise.all([
      new Promise<Error & { code?: string }>((resolve) => socket.once('error', resolve)),
      new Promise((resolve) => socket.once('close', resolve)),
    ]);
    codes[error.code ?? ''] = (codes[error.code ?? ''] ?? 0) + 1;
  });
  const after = await sampleOf();
  silent.close();
  victim.stop();
  const expected = codes['ERR_TLS_HANDSHAKE_TIMEOUT'] === COUNT;
  return {
    attack: `${COUNT} of our clients at a server that accepts and says nothing`,
    counted: JSON.stringify(codes),
    limit: 'handshakeTimeout 2000 ms (a client has none unless told)',
    memory: `client ${memoryText(own, own, after)}`,
    others: '',
    faults: expected ? [] : ['other codes'],
  };
}

export async function run(): Promise<readonly Row[]> {
  return [await serverWrites(), await clientsWrite(), await silentServer()];
}

if (process.argv[1] === import.meta.filename) show(await run());
