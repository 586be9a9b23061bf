/**
 * Thousands of connections at one time: all shake hands, all get their echo, and both sides tell what one of them costs.
 *
 *     npx tsx bench/hostile/faults-parallel.ts [--connections 5000]
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { TLSSocket } from '../../src/node/index.ts';
import {
  inParallel,
  type Memory,
  memoryText,
  Others,
  type Row,
  sampleOf,
  show,
  until,
  Victim,
  withManyFiles,
} from './faults-common.ts';

const AT_ONCE = 100;

/** The clients; of them all, those that got their echo. */
async function attackWith(connections: number): Promise<readonly Row[]> {
  const victim = await Victim.start('echo');
  const warmUp = new Others(victim);
  await sleep(1_000);
  await warmUp.end();
  const [before, ownBefore] = [await victim.sample(), await sampleOf()];
  const others = new Others(victim);
  const sockets: TLSSocket[] = [];
  let failed = 0;
  const begun = performance.now();
  await inParallel(connections, AT_ONCE, async () => {
    const socket = victim.connect();
    sockets.push(socket);
    if (!(await echoes(socket))) failed++;
  });
  const handshakesMs = performance.now() - begun;
  const worst = (await victim.sample()).lagMs;
  const [during, ownDuring] = [await victim.sample(), await sampleOf()];
  const again = performance.now();
  let deaf = 0;
  await inParallel(sockets.length, 500, async (i) => {
    if (!(await echoes(sockets[i]!))) deaf++;
  });
  const echoMs = performance.now() - again;
  const { text, faults } = await others.end();
  for (const socket of sockets) socket.destroy();
  sockets.length = 0;
  await until(async () => (await victim.sample()).connections === 0, 10_000);
  const [after, ownAfter] = [await victim.sample(), await sampleOf()];
  victim.stop();
  const each = (of: (memory: Memory) => number): string =>
    [
      [before, during],
      [ownBefore, ownDuring],
    ]
      .map(([a, b]) => `${(((of(b!) - of(a!)) * 1_024) / connections).toFixed(1)} KiB`)
      .join(' at the server, ');
  const perSecond = (connections / (handshakesMs / 1_000)).toFixed(0);
  return [
    {
      attack: `${connections} connections at one time, ${AT_ONCE} handshakes at once`,
      counted: `${connections - failed} secure and answered in ${(handshakesMs / 1_000).toFixed(1)} s (${perSecond}/s, both sides here); all answered again in ${(echoMs / 1_000).toFixed(2)} s; heap and buffers of one: ${each(({ heapMB }) => heapMB)} at the client; rss: ${each(({ rssMB }) => rssMB)} at the client; the server's loop busy for at most ${worst.toFixed(0)} ms`,
      limit: 'files of the process; `maxConnections`',
      memory: `${memoryText(before, during, after)}; client ${memoryText(ownBefore, ownDuring, ownAfter)}`,
      others: text,
      faults: [
        ...faults,
        ...(failed + deaf === 0 ? [] : [`${failed} failed, ${deaf} were deaf`]),
        ...(during.secure >= connections ? [] : [`the server has ${during.secure} secure connections`]),
        ...(after.connections === 0 ? [] : [`the server holds ${after.connections}`]),
        ...(ownAfter.resources <= ownBefore.resources ? [] : [`the client holds ${ownAfter.resources} resources`]),
      ],
    },
    await refused(),
  ];
}

async function echoes(socket: TLSSocket): Promise<boolean> {
  socket.write('ping');
  return new Promise((resolve) => {
    const [yes, no] = [(): void => done(true), (): void => done(false)];
    const done = (echoed: boolean): void => {
      socket.off('data', yes).off('close', no);
      resolve(echoed);
    };
    socket.once('data', yes).once('close', no);
  });
}

/** As many as may come, and no more. */
async function refused(): Promise<Row> {
  const [most, count] = [100, 500];
  const victim = await Victim.start('echo', {}, { maxConnections: most });
  const before = await victim.sample();
  const sockets: TLSSocket[] = [];
  let served = 0;
  await inParallel(count, 50, async () => {
    const socket = victim.connect();
    sockets.push(socket);
    if (await echoes(socket)) served++;
  });
  const during = await victim.sample();
  for (const socket of sockets) socket.destroy();
  await until(async () => (await victim.sample()).connections === 0, 10_000);
  const socket = victim.connect();
  const servedAgain = await echoes(socket);
  socket.destroy();
  const after = await victim.sample();
  victim.stop();
  return {
    attack: `${count} connections where ${most} may come`,
    counted: `${served} served, ${count - served} closed before their handshake`,
    limit: `maxConnections ${most}`,
    memory: memoryText(before, during, after),
    others: servedAgain ? 'served again as soon as the first are gone' : 'not served',
    faults: [
      ...(served === most ? [] : [`${served} were served`]),
      ...(servedAgain ? [] : ['nobody is served afterwards']),
    ],
  };
}

export async function run(connections: number = 5_000): Promise<readonly Row[]> {
  return attackWith(connections);
}

if (process.argv[1] === import.meta.filename) {
  if (globalThis.gc === undefined) {
    // Again, with as many files as there may be, and with a garbage collection to be asked for.
    const args = ['--expose-gc', '--import', 'tsx', fileURLToPath(import.meta.url), ...process.argv.slice(2)];
    const [code] = await once(withManyFiles(args, 'inherit'), 'exit');
    process.exitCode = code as number;
  } else {
    const { values } = parseArgs({ options: { connections: { type: 'string', default: '5000' } } });
    show(await run(Number(values.connections)));
  }
}
