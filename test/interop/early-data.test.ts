/** Early data (0-RTT) with OpenSSL and GnuTLS, in both roles. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import type { ServerOptions } from '../../src/connection/index.ts';
import { needs } from '../support/peers.ts';
import type { Running } from '../support/process.ts';
import { type Connection, connect, files, type OurServer, SUITES, serve } from './harness.ts';
import { sClient, sServer } from './openssl-peer.ts';

const EARLY = 'said before anything was agreed\n';
const MAX_SIZE = 16_384;

const early = (
  options: Partial<NonNullable<ServerOptions['earlyData']>> = {},
): NonNullable<ServerOptions['earlyData']> => ({
  maxSize: MAX_SIZE,
  guard: { guarantee: 'process', windowMs: 10_000, check: () => 'fresh' },
  ...options,
});

const earlyText = (connection: Connection): string =>
  Buffer.concat(connection.eventsOf('early_data').map(({ bytes }) => bytes)).toString('latin1');

const statusOf = (connection: Connection): string[] =>
  connection.eventsOf('early_data_status').map(({ accepted, reason }) => (accepted ? 'accepted' : reason!));

/** A file with early data. */
async function earlyFile(name: string, content: string): Promise<string> {
  const path = join((await files()).folder, name);
  await writeFile(path, content);
  return path;
}

async function finish(program: Running, connection: Connection): Promise<void> {
  program.end();
  await connection.event('end');
  await connection.close();
  assert.equal((await program.waitForExit()).code, 0);
}

/** A session file of `s_client` with a ticket of `server`. */
async function session(t: test.TestContext, server: OurServer, name: string, args: string[] = []): Promise<string> {
  const path = join((await files()).folder, `early-${name}.pem`);
  const { program, connection } = await sClient(t, server, ['-sess_out', path, ...args]);
  await connection.secure();
  connection.write('that was all\n');
  await program.waitFor('that was all');
  await program.waitFor(`Max Early Data: ${MAX_SIZE}`);
  await finish(program, connection);
  return path;
}

for (const suite of SUITES) {
  test(`s_client sends early data under ${suite}, and gets its answer`, async (t) => {
    if (!needs(t, 'openssl')) return;
    const server = await serve(t, { cipherSuites: SUITES, earlyData: early() });
    const ciphers = ['-ciphersuites', suite];
    const file = await earlyFile('early.txt', EARLY);
    const args = [...ciphers, '-sess_in', await session(t, server, suite, ciphers), '-early_data', file];
    const { program, connection } = await sClient(t, server, args);
    const info = await connection.secure();
    assert.deepEqual([info.resumed, info.cipherSuiteName, statusOf(connection)], [true, suite, ['accepted']]);
    assert.equal(earlyText(connection), EARLY);
    connection.write('heard you\n');
    await program.waitFor('heard you');
    await program.waitFor('Early data was accepted');
    await finish(program, connection);
  });
}

test('s_client: as much as a ticket allows, in many records', async (t) => {
  if (!needs(t, 'openssl')) return;
  const server = await serve(t, { earlyData: early() });
  const content = 'x'.repeat(MAX_SIZE);
  const args = ['-sess_in', await session(t, server, 'much'), '-max_send_frag', '512'];
  const { program, connection } = await sClient(t, server, [
    ...args,
    '-early_data',
    await earlyFile('much.txt', content),
  ]);
  await connection.secure();
  assert.equal(earlyText(connection), content);
  await program.waitFor('Early data was accepted');
  await finish(program, connection);
});

for (const [what, options, reason] of [
  ['by the program', { earlyData: early({ allow: () => false }) }, 'application'],
  [
    'as a replay',
    { earlyData: early({ guard: { ...early().guard, check: async () => 'replay' as const } }) },
    'replay',
  ],
  ['with a HelloRetryRequest', { earlyData: early(), groups: ['secp521r1'] }, 'hello_retry_request'],
] as const) {
  test(`s_client: early data refused ${what}, and the connection is as good as any`, async (t) => {
    if (!needs(t, 'openssl')) return;
    const server = await serve(t, options);
    const ticket = await session(t, server, reason);
    const args = ['-sess_in', ticket, '-early_data', await earlyFile('refused.txt', EARLY.repeat(100))];
    const { program, connection } = await sClient(t, server, args);
    assert.equal((await connection.secure()).resumed, true);
    assert.deepEqual(statusOf(connection), [reason]);
    connection.write('hello\n');
    await program.waitFor('hello');
    await program.waitFor('Early data was rejected');
    program.write('and hello to you\n');
    await connection.received('and hello to you');
    assert.equal(earlyText(connection), '');
    await finish(program, connection);
  });
}

for (const suite of SUITES) {
  test(`s_server takes our early data under ${suite}`, async (t) => {
    if (!needs(t, 'openssl')) return;
    const { program, port } = await sServer(t, ['-early_data', '-ciphersuites', SUITES.join(':')]);
    const options = { cipherSuites: [suite], groups: ['x25519'] };
    const first = await connect(t, port, options);
    const { ticket } = await first.event('ticket');
    assert.equal(ticket.maxEarlyDataSize, MAX_SIZE);
    await first.close();

    const second = await connect(t, port, { ...options, tickets: [ticket], earlyData: true });
    second.write(EARLY);
    const label = 'EXPORTER-early';
    assert.equal(second.engine.exportEarlyKeyingMaterial(32, label).length, 32);
    assert.equal((await second.secure()).resumed, true);
    assert.deepEqual(statusOf(second), ['accepted']);
    await program.waitFor('Early data received:');
    await program.waitFor(EARLY.trim());
    second.write('and this later\n');
    await program.waitFor('and this later');
    await second.close();
  });
}

test('s_server refuses a ticket it has seen: a full handshake, and our early data is skipped', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { program, port } = await sServer(t, ['-early_data']);
  const first = await connect(t, port, { groups: ['x25519'] });
  const { ticket } = await first.event('ticket');
  await first.close();
  for (const [round, status] of ['accepted', 'not_resumed'].entries()) {
    const again = await connect(t, port, { groups: ['x25519'], tickets: [ticket], earlyData: true });
    again.write(EARLY);
    await again.secure();
    assert.deepEqual(statusOf(again), [status]);
    again.write(`line ${round}\n`);
    await program.waitFor(`line ${round}`);
    await again.close();
  }
});

test('s_server asks for another group: our early data is lost, the handshake is not', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { program, port } = await sServer(t, ['-early_data', '-groups', 'P-384']);
  const options = { groups: ['x25519', 'secp384r1'], keyShareCount: 1 };
  const first = await connect(t, port, options);
  const { ticket } = await first.event('ticket');
  await first.close();
  // Without the group it would send a share for.
  const { group: _known, ...unknowing } = ticket;
  const again = await connect(t, port, { ...options, tickets: [unknowing], earlyData: true });
  again.write(EARLY);
  const info = await again.secure();
  assert.deepEqual([info.helloRetried, statusOf(again)], [true, ['hello_retry_request']]);
  again.write('after all\n');
  await program.waitFor('after all');
  await again.close();
});

test('s_client and we log the same early secrets', async (t) => {
  if (!needs(t, 'openssl')) return;
  const ours: string[] = [];
  const server = await serve(t, { earlyData: early(), keyLog: (line) => void ours.push(line) });
  const log = join((await files()).folder, 'early-keys.txt');
  const args = ['-sess_in', await session(t, server, 'log'), '-early_data', await earlyFile('log.txt', EARLY)];
  const { program, connection } = await sClient(t, server, [...args, '-keylogfile', log]);
  await connection.secure();
  await finish(program, connection);
  const earlyLines = (lines: string[]): string[] => lines.filter((line) => line.includes('EARLY')).sort();
  const theirs = earlyLines((await readFile(log, 'latin1')).split('\n'));
  assert.equal(theirs.length, 2);
  assert.deepEqual(earlyLines(ours), theirs);
});
