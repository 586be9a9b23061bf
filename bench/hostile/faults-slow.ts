/**
 * Clients that say nothing, or one byte at a time: in the handshake, inside records, in HTTP. Each must be gone when its time is over, while others are served.
 *
 *     npx tsx bench/hostile/faults-slow.ts
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Trickle } from '../../test/support/trickle.ts';
import { inParallel, memoryText, Others, type Row, show, until, Victim } from './faults-common.ts';

interface Attack {
  readonly name: string;
  readonly count: number;
  readonly http?: boolean;
  readonly limit: string;
  /** Milliseconds after which nobody may be left; the timers of node:http look once a second. */
  readonly goneAfterMs: number;
  /** Begins one connection; resolves when it does what it is here for. */
  begin(victim: Victim): Promise<Closable>;
}

interface Closable {
  readonly destroyed: boolean;
  destroy(): unknown;
}

const HANDSHAKE_MS = 4_000;
const HEADERS_MS = 3_000;
const REQUEST_MS = 4_000;
const KEEP_ALIVE_MS = 2_000;
const HTTP = {
  headersTimeout: HEADERS_MS,
  requestTimeout: REQUEST_MS,
  keepAliveTimeout: KEEP_ALIVE_MS,
  connectionsCheckingInterval: 500,
};
const REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

/** A connection that is secure, and slow from now on. */
async function secure(
  victim: Victim,
  first?: string,
): Promise<{ readonly slow: Trickle; readonly write: (text: string) => void; readonly socket: Closable }> {
  const slow = new Trickle(victim.tcp());
  const socket = victim.connect(slow);
  if (first !== undefined) socket.write(first);
  await new Promise((resolve) => socket.once(first === undefined ? 'session' : 'data', resolve).once('close', resolve));
  slow.everyMs = 1_000;
  socket.resume();
  return { slow, socket: slow, write: (text) => void socket.write(text) };
}

const ATTACKS: readonly Attack[] = [
  {
    name: 'opened, and never a byte',
    count: 2_000,
    limit: `handshakeTimeout ${HANDSHAKE_MS} ms`,
    goneAfterMs: HANDSHAKE_MS + 1_500,
    async begin(victim) {
      const socket = victim.tcp();
      await once(socket, 'connect');
      return socket;
    },
  },
  {
    name: 'handshake, one byte a second',
    count: 1_000,
    limit: `handshakeTimeout ${HANDSHAKE_MS} ms`,
    goneAfterMs: HANDSHAKE_MS + 1_500,
    async begin(victim) {
      const socket = victim.tcp();
      await once(socket, 'connect');
      const slow = new Trickle(socket, 1_000);
      victim.connect(slow);
      return slow;
    },
  },
  {
    name: 'HTTP: secure, then nothing',
    count: 500,
    http: true,
    limit: `headersTimeout ${HEADERS_MS} ms`,
    goneAfterMs: HEADERS_MS + 1_500,
    begin: async (victim) => (await secure(victim)).socket,
  },
  {
    name: 'HTTP: headers, one byte a second, a record each',
    count: 500,
    http: true,
    limit: `headersTimeout ${HEADERS_MS} ms`,
    goneAfterMs: HEADERS_MS + 1_500,
    async begin(victim) {
      const { slow, socket, write } = await secure(victim);
      slow.everyMs = 0;
      const say = (i: number): void => {
        if (socket.destroyed) return;
        write(REQUEST[i % REQUEST.length]!);
        setTimeout(say, 1_000, i + 1).unref();
      };
      say(0);
      return socket;
    },
  },
  {
    name: 'HTTP: half a record, one byte a second',
    count: 500,
    http: true,
    limit: `headersTimeout ${HEADERS_MS} ms`,
    goneAfterMs: HEADERS_MS + 1_500,
    async begin(victim) {
      const { socket, write } = await secure(victim);
      write(REQUEST);
      return socket;
    },
  },
  {
    name: 'HTTP: half a record after a request, one byte a second',
    count: 500,
    http: true,
    limit: `keepAliveTimeout ${KEEP_ALIVE_MS} ms`,
    goneAfterMs: KEEP_ALIVE_MS + 2_000,
    async begin(victim) {
      const { socket, write } = await secure(victim, REQUEST);
      write(REQUEST);
      return socket;
    },
  },
  {
    name: 'HTTP: a body, one byte a second',
    count: 500,
    http: true,
    limit: `requestTimeout ${REQUEST_MS} ms`,
    goneAfterMs: REQUEST_MS + 1_500,
    async begin(victim) {
      const { slow, socket, write } = await secure(victim);
      slow.everyMs = 0;
      write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n');
      const say = (): void => {
        if (socket.destroyed) return;
        write('x');
        setTimeout(say, 1_000).unref();
      };
      say();
      return socket;
    },
  },
];

async function attackWith({ name, count, http, limit, goneAfterMs, begin }: Attack): Promise<Row> {
  const victim = await Victim.start(
    http ? 'http' : 'echo',
    { handshakeTimeout: HANDSHAKE_MS },
    http ? HTTP : undefined,
  );
  const warmUp = new Others(victim, http ? REQUEST : 'ping');
  await sleep(500);
  await warmUp.end();
  const before = await victim.sample();
  const others = new Others(victim, http ? REQUEST : 'ping');
  const open: Closable[] = [];
  let lastBegun = 0;
  await inParallel(count, 50, async () => {
    open.push(await begin(victim));
    lastBegun = performance.now();
  });
  await sleep(1_000);
  const during = await victim.sample();
  const gone = await until(() => open.every(({ destroyed }) => destroyed), goneAfterMs + 5_000);
  const took = performance.now() - lastBegun;
  const { text, faults } = await others.end();
  const left = open.filter(({ destroyed }) => !destroyed).length;
  for (const one of open) one.destroy();
  await sleep(500);
  const after = await victim.sample();
  victim.stop();
  return {
    attack: name,
    counted: `${count} connections, ${left} left ${(took / 1_000).toFixed(1)} s after the last began`,
    limit,
    memory: memoryText(before, during, after),
    others: text,
    faults: [
      ...faults,
      ...(gone && took <= goneAfterMs ? [] : [`${left} connections left, ${took.toFixed(0)} ms`]),
      ...(after.connections === 0 ? [] : [`the server holds ${after.connections}`]),
    ],
  };
}

export async function run(): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const attack of ATTACKS) rows.push(await attackWith(attack));
  return rows;
}

if (process.argv[1] === import.meta.filename) show(await run());
