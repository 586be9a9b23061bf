/**
 * Tessera against node:tls, in pairs: A B A B …, client and server in processes of their own.
 *
 *     npm run bench -- [--quick] [--only full,resumed,bulk,tickets,memory,import] [--role server|client] [--profile DIR] [--no-build]
 *
 * Prints a table and writes bench/results/latest.json. A ratio above 1 says that tessera is better.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { makeIdentity, type TestIdentity } from '../test/support/certificates.ts';
import { build, idle, importTime, median, Peer, type Role, type Round, round, type Stack } from './measure.ts';
import type { Command, ServerOptions } from './protocol.ts';
import { type Figure, table } from './table.ts';

const KINDS = ['full', 'resumed', 'bulk', 'tickets', 'memory', 'import'] as const;
type Kind = (typeof KINDS)[number];

const { values: args } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    role: { type: 'string' },
    profile: { type: 'string' },
    'no-build': { type: 'boolean', default: false },
  },
});
const kinds = choice('only', args.only?.split(','), KINDS);
const roles = choice<Role>('role', args.role === undefined ? undefined : [args.role], ['server', 'client']);
const { quick } = args;

const ROUNDS = quick ? 3 : 7;
/** Rounds that do not count, until the compilers of the JavaScript engine are done with both. */
const WARM_UP = quick ? 3 : 5;
const HANDSHAKES_MS = quick ? 250 : 600;
const CONCURRENCY = 8;
const MB = 1e6;
const BULK_LENGTH = (quick ? 100 : 400) * MB;
const TICKETS = quick ? 2_000 : 10_000;
const IDLE_CONNECTIONS = 1_000;
const IMPORTS = 11;
const BOTH: readonly Stack[] = ['tessera', 'node'];

interface Case {
  readonly kind: Kind;
  readonly what: string;
  readonly unit: string;
  /** How many of what the client counts make one of the unit. */
  readonly size: number;
  readonly identity: TestIdentity;
  readonly server: Pick<ServerOptions, 'task' | 'amount'>;
  readonly command: Command;
}

const figures: Figure[] = [];

await main();

async function main(): Promise<void> {
  if (!args['no-build']) build();
  const p256 = await makeIdentity('p256');
  const rsa = await makeIdentity('rsa2048');
  for (const role of roles) {
    for (const one of cases(p256, rsa)) if (kinds.includes(one.kind)) await compare(role, one);
    if (kinds.includes('memory')) await compareMemory(role, p256);
  }
  if (kinds.includes('tickets') && roles.includes('server')) await measureTickets(p256);
  if (kinds.includes('import')) compareImport();
  report();
}

function cases(p256: TestIdentity, rsa: TestIdentity): readonly Case[] {
  const handshakes = { size: 1, unit: 'handshake', server: { task: 'greet', amount: 0 } } as const;
  const bulk = { kind: 'bulk', size: MB, unit: 'MB', identity: p256 } as const;
  const full: Command = { command: 'handshakes', resume: false, milliseconds: HANDSHAKES_MS, concurrency: CONCURRENCY };
  const up: Command = { command: 'up', amount: BULK_LENGTH };
  return [
    { ...handshakes, kind: 'full', what: 'full, P-256', identity: p256, command: full },
    { ...handshakes, kind: 'full', what: 'full, RSA-2048', identity: rsa, command: full },
    { ...handshakes, kind: 'resumed', what: 'resumed', identity: p256, command: { ...full, resume: true } },
    { ...bulk, what: 'bulk down', server: { task: 'down', amount: BULK_LENGTH }, command: { command: 'down' } },
    { ...bulk, what: 'bulk up', server: { task: 'up', amount: 0 }, command: up },
  ];
}

/** A server or a client of each stack; the other side is node:tls for both. */
async function pair(
  role: Role,
  stack: Stack,
  identity: TestIdentity,
  server: Case['server'],
): Promise<{ client: Peer; measured: Peer; stop(): Promise<void> }> {
  const profile = stack === 'tessera' ? args.profile : undefined;
  const { certificatePem: cert, keyPem: key } = identity;
  const isServer = role === 'server';
  const serving = await Peer.server(
    isServer ? stack : 'node',
    { cert, key, ...server },
    isServer ? profile : undefined,
  );
  const target = { port: serving.port, ca: cert };
  const client = await Peer.client(isServer ? 'node' : stack, target, isServer ? undefined : profile);
  const stop = async (): Promise<void> => {
    await client.stop();
    await serving.stop();
  };
  return { client, measured: isServer ? serving : client, stop };
}

async function compare(role: Role, one: Case): Promise<void> {
  const ours = await pair(role, 'tessera', one.identity, one.server);
  const theirs = await pair(role, 'node', one.identity, one.server);
  const rounds: Record<Stack, Round>[] = [];
  for (let i = -WARM_UP; i < ROUNDS; i++) {
    const tessera = await round(ours.client, ours.measured, one.command, one.size);
    const node = await round(theirs.client, theirs.measured, one.command, one.size);
    if (i >= 0) rounds.push({ tessera, node });
  }
  await ours.stop();
  await theirs.stop();
  const { what } = one;
  const side = (stack: Stack, key: keyof Round): number[] => rounds.map((both) => both[stack][key]);
  add(role, what, `${one.unit}/s`, side('tessera', 'perSecond'), side('node', 'perSecond'), 'more is better');
  add(role, what, `CPU ms/${one.unit}`, side('tessera', 'cpuMs'), side('node', 'cpuMs'), 'less is better');
}

async function compareMemory(role: Role, identity: TestIdentity): Promise<void> {
  const measured: Record<Stack, { rss: number; heap: number }[]> = { tessera: [], node: [] };
  for (let i = 0; i < (quick ? 1 : 3); i++) {
    for (const stack of BOTH) {
      const processes = await pair(role, stack, identity, { task: 'greet', amount: 0 });
      measured[stack].push(await idle(processes.client, processes.measured, IDLE_CONNECTIONS));
      await processes.stop();
    }
  }
  const side = (stack: Stack, key: 'rss' | 'heap'): number[] => measured[stack].map((one) => one[key] / 1000);
  add(role, 'idle connection', 'kB RSS', side('tessera', 'rss'), side('node', 'rss'), 'less is better');
  add(role, 'idle connection', 'kB heap', side('tessera', 'heap'), side('node', 'heap'), 'less is better');
}

/** node:tls cannot issue tickets on request: there is nothing to compare with. */
async function measureTickets(identity: TestIdentity): Promise<void> {
  const { client, measured, stop } = await pair('server', 'tessera', identity, { task: 'tickets', amount: TICKETS });
  const rounds: Round[] = [];
  for (let i = -WARM_UP; i < ROUNDS; i++) {
    const one = await round(client, measured, { command: 'tickets' }, 1);
    if (i >= 0) rounds.push(one);
  }
  await stop();
  add(
    'server',
    'tickets on request',
    'ticket/s',
    rounds.map((one) => one.perSecond),
    undefined,
    'more is better',
  );
  add(
    'server',
    'tickets on request',
    'CPU ms/ticket',
    rounds.map((one) => one.cpuMs),
    undefined,
    'less is better',
  );
}

function compareImport(): void {
  const times: Record<Stack, number[]> = { tessera: [], node: [] };
  for (let i = 0; i < IMPORTS; i++) for (const stack of BOTH) times[stack].push(importTime(stack));
  add('-', 'import', 'ms', times.tessera, times.node, 'less is better');
}

function add(
  role: Figure['role'],
  what: string,
  unit: string,
  tessera: readonly number[],
  node: readonly number[] | undefined,
  better: 'more is better' | 'less is better',
): void {
  const ratios = node?.map((value, i) => (better === 'more is better' ? tessera[i]! / value : value / tessera[i]!));
  figures.push({
    role,
    what,
    unit,
    tessera: median(tessera),
    node: node && median(node),
    ratio: ratios && median(ratios),
  });
  const last = table(figures.slice(-1)).split('\n')[2];
  console.error(last);
}

function report(): void {
  console.log(`\n${table(figures)}`);
  const results = new URL('results/', import.meta.url);
  mkdirSync(results, { recursive: true });
  const { version, platform, arch } = process;
  const machine = { node: version, platform, arch, cpu: cpus()[0]?.model, cores: cpus().length };
  const text = JSON.stringify({ date: new Date().toISOString(), ...machine, quick, figures }, undefined, 2);
  writeFileSync(new URL('latest.json', results), `${text}\n`);
}

function choice<T extends string>(
  option: string,
  given: readonly string[] | undefined,
  allowed: readonly T[],
): readonly T[] {
  const wrong = given?.find((value) => !(allowed as readonly string[]).includes(value));
  if (wrong === undefined) return (given as readonly T[] | undefined) ?? allowed;
  console.error(`--${option} ${wrong}: it must be one or more of ${allowed.join(', ')}`);
  process.exit(2);
}
