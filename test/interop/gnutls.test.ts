/** Our server against `gnutls-cli`, and our client against `gnutls-serv`. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { needs, peer } from '../support/peers.ts';
import { freePort, type Running, type Scope, start } from '../support/process.ts';
import {
  type Connection,
  connect,
  files,
  GROUPS,
  type OurServer,
  SUITES,
  serve,
  statelessRetry,
  TICKET_COUNTS,
} from './harness.ts';

const CIPHERS: Readonly<Record<string, string>> = {
  TLS_AES_128_GCM_SHA256: 'AES-128-GCM',
  TLS_AES_256_GCM_SHA384: 'AES-256-GCM',
  TLS_CHACHA20_POLY1305_SHA256: 'CHACHA20-POLY1305',
  TLS_AES_128_CCM_SHA256: 'AES-128-CCM',
  TLS_AES_128_CCM_8_SHA256: 'AES-128-CCM-8',
};
const COMBINATIONS: readonly (readonly [suite: string, group: string])[] = [
  ...SUITES.map((suite) => [suite, GROUPS[0]!] as const),
  ...GROUPS.slice(1).map((group) => [SUITES[0]!, group] as const),
];
const ALL_CIPHERS = Object.values(CIPHERS);

/** GnuTLS's words for TLS 1.3 with these ciphers and groups, in order of preference. */
function priority(ciphers: readonly string[], groups: readonly string[]): string {
  return [
    'NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:-GROUP-ALL',
    ...ciphers.map((name) => `+${name}`),
    ...groups.map((name) => `+GROUP-${name.replace(/r1$/, 'R1').toUpperCase()}`),
  ].join(':');
}

async function gnutlsClient(
  t: Scope,
  server: OurServer,
  args: readonly string[],
): Promise<{ readonly program: Running; readonly connection: Connection }> {
  const { serverCert } = await files();
  const program = start(t, peer('gnutls-cli')!.path, [
    ...['-p', `${server.port}`, '--x509cafile', serverCert, '--sni-hostname', 'localhost'],
    ...['--verify-hostname', 'localhost', ...args, '127.0.0.1'],
  ]);
  return { program, connection: await server.accept() };
}

/** An echo server: it sends back every line. */
async function gnutlsServer(
  t: Scope,
  args: readonly string[] = [],
): Promise<{ readonly program: Running; readonly port: number }> {
  const { serverCert, serverKey } = await files();
  const port = await freePort();
  const program = start(t, peer('gnutls-serv')!.path, [
    ...['--echo', '-p', `${port}`, '--x509certfile', serverCert, '--x509keyfile', serverKey, ...args],
  ]);
  await program.waitFor(/IPv4.*done/);
  return { program, port };
}

async function echo(connection: Connection, line: string): Promise<void> {
  connection.write(`${line}\n`);
  await connection.received(`${line}\n`);
}

test('gnutls-cli: every cipher suite and group', async (t) => {
  if (!needs(t, 'gnutls-cli')) return;
  const server = await serve(t, { cipherSuites: SUITES, alpn: ['two', 'one'] });
  for (const [suite, group] of COMBINATIONS) {
    const { program, connection } = await gnutlsClient(t, server, [
      ...['--priority', priority([CIPHERS[suite]!], [group]), '--alpn', 'one', '--alpn', 'two'],
    ]);
    const info = await connection.secure();
    assert.deepEqual([info.cipherSuiteName, info.group, info.resumed, info.alpn], [suite, group, false, 'two']);
    await program.waitFor('Status: The certificate is trusted');
    await program.waitFor('Simple Client Mode');
    program.write('hello\n');
    await connection.received('hello\n');
    connection.write('good day\n');
    await program.waitFor('good day');
    program.end();
    await connection.event('end');
    await connection.close();
    assert.equal((await program.waitForExit()).code, 0);
  }
});

test('gnutls-serv: every cipher suite and group, and resumption with each', async (t) => {
  if (!needs(t, 'gnutls-serv')) return;
  const { port } = await gnutlsServer(t, ['--priority', priority(ALL_CIPHERS, GROUPS), '--disable-client-cert']);
  for (const [suite, group] of COMBINATIONS) {
    const options = { cipherSuites: [suite], groups: [group] };
    const first = await connect(t, port, options);
    const info = await first.secure();
    assert.deepEqual(
      [info.cipherSuiteName, info.group, info.resumed, info.peer.authorized],
      [suite, group, false, true],
    );
    await echo(first, 'hello');
    const { ticket } = await first.event('ticket');
    await first.close();
    const second = await connect(t, port, { ...options, tickets: [ticket] });
    assert.equal((await second.secure()).resumed, true);
    await echo(second, 'hello again');
    await second.close();
  }
});

test('HelloRetryRequest, both ways', async (t) => {
  if (!needs(t, 'gnutls-cli', 'gnutls-serv')) return;
  const server = await serve(t, statelessRetry('secp384r1'));
  const { connection } = await gnutlsClient(t, server, [
    ...['--single-key-share', '--priority', priority(ALL_CIPHERS, ['x25519', 'secp384r1'])],
  ]);
  assert.equal((await connection.secure()).helloRetried, true);

  const { port } = await gnutlsServer(t, ['--priority', priority(ALL_CIPHERS, ['secp521r1'])]);
  const ours = await connect(t, port, { keyShareCount: 1 });
  const info = await ours.secure();
  assert.deepEqual([info.helloRetried, info.group], [true, 'secp521r1']);
  await echo(ours, 'hello');
});

test('gnutls-cli: the number of tickets, and resumption', async (t) => {
  if (!needs(t, 'gnutls-cli')) return;
  for (const count of TICKET_COUNTS) {
    const server = await serve(t, { tickets: count });
    const { program, connection } = await gnutlsClient(t, server, ['-d', '4', '--inline-commands']);
    await connection.secure();
    await program.waitFor('Simple Client Mode');
    connection.write('that was all\n');
    await program.waitFor('that was all');
    assert.equal(program.output.match(/NEW SESSION TICKET \(4\) was received/g)?.length ?? 0, count);
    if (count === 0) continue;
    program.write('^resume^\n');
    const again = await server.accept();
    assert.equal((await again.secure()).resumed, true);
    await program.waitFor('This is a resumed session');
    again.write('and again\n');
    await program.waitFor('and again');
    assert.equal(program.output.match(/NEW SESSION TICKET \(4\) was received/g)?.length, count + 1);
  }
});

test('client certificates, both ways', async (t) => {
  if (!needs(t, 'gnutls-cli', 'gnutls-serv')) return;
  const { client, clientCert, clientKey } = await files();
  const server = await serve(t, { clientAuth: 'require' });
  const known = await gnutlsClient(t, server, ['--x509certfile', clientCert, '--x509keyfile', clientKey]);
  const { peer: identity } = await known.connection.secure();
  assert.deepEqual([identity.authorized, Buffer.from(identity.chain[0]!)], [true, Buffer.from(client.certificate)]);
  const silent = await gnutlsClient(t, server, []);
  assert.equal((await silent.connection.event('error')).error.alert, 'certificate_required');

  const { port } = await gnutlsServer(t, ['--require-client-cert', '--verify-client-cert', '--x509cafile', clientCert]);
  const ours = await connect(t, port, { credentials: [client.credential] });
  await ours.secure();
  await echo(ours, 'hello');
  const without = await connect(t, port);
  assert.equal((await without.event('error')).error.alert, 'certificate_required');
});

test('KeyUpdate, both ways and both roles', async (t) => {
  if (!needs(t, 'gnutls-cli', 'gnutls-serv')) return;
  const { program, connection } = await gnutlsClient(t, await serve(t), ['--inline-commands']);
  await connection.secure();
  await program.waitFor('Simple Client Mode');
  const exchange = async (word: string): Promise<void> => {
    connection.write(`ours ${word}\n`);
    await program.waitFor(`ours ${word}`);
    program.write(`theirs ${word}\n`);
    await connection.received(`theirs ${word}\n`);
  };
  for (const [i, command] of ['^rekey1^', '^rekey^'].entries()) {
    program.write(`${command}\n`); // rekey1: their keys; rekey: theirs and ours
    await program.waitFor('Rekey was completed', { count: i + 1 });
    await connection.event('key_updated', i + 1);
    await exchange(command);
  }
  connection.updateKeys(false);
  await exchange('1');
  connection.updateKeys(true);
  await exchange('2');
  const directions = connection.eventsOf('key_updated').map(({ direction }) => direction);
  assert.deepEqual(directions, ['read', 'read', 'write', 'write', 'write', 'read']);

  const { port } = await gnutlsServer(t);
  const ours = await connect(t, port);
  await ours.secure();
  ours.updateKeys(false);
  await echo(ours, 'one');
  ours.updateKeys(true);
  await echo(ours, 'two');
  assert.deepEqual(
    ours.eventsOf('key_updated').map(({ direction }) => direction),
    ['write', 'write', 'read'],
  );
});

test('closing in every order', async (t) => {
  if (!needs(t, 'gnutls-cli', 'gnutls-serv')) return;
  const server = await serve(t);
  const dialled = await gnutlsClient(t, server, []);
  await dialled.connection.secure();
  await dialled.program.waitFor('Simple Client Mode');
  dialled.program.end();
  await dialled.connection.event('end');
  await dialled.connection.close();
  assert.equal((await dialled.program.waitForExit()).code, 0);
  assert.deepEqual(dialled.connection.eventsOf('error'), []);

  // When we close first, gnutls-cli just goes, without a close_notify of its own.
  for (const both of [false, true]) {
    const { program, connection } = await gnutlsClient(t, server, []);
    await connection.secure();
    await program.waitFor('Simple Client Mode');
    if (both) program.end();
    connection.closeWrite();
    assert.equal((await program.waitForExit()).code, 0);
    await connection.until(() => connection.engine.readClosed, 'the end');
  }

  const { port } = await gnutlsServer(t);
  const ours = await connect(t, port);
  await ours.secure();
  await echo(ours, 'hello');
  ours.closeWrite();
  await ours.event('end');
  await ours.close();
  assert.deepEqual(ours.eventsOf('error'), []);
});

test('record_size_limit is kept, both ways and both roles', async (t) => {
  if (!needs(t, 'gnutls-cli', 'gnutls-serv')) return;
  const long = 'x'.repeat(10_000);
  const small = { recordSizeLimit: 600 };
  const { program, connection } = await gnutlsClient(t, await serve(t, small), ['--recordsize', '1024']);
  await connection.secure();
  await program.waitFor('Simple Client Mode');
  program.write('short enough: gnutls-cli itself loses what does not fit into one record\n');
  await connection.received('one record\n');
  connection.write(`y${long}\n`);
  await program.waitFor(`y${long}`);

  const { port } = await gnutlsServer(t, ['--recordsize', '1024']);
  const ours = await connect(t, port, small);
  await ours.secure();
  await echo(ours, long);
});

test('early data, both ways', async (t) => {
  if (!needs(t, 'gnutls-cli', 'gnutls-serv')) return;
  const said = 'said before anything was agreed\n';
  const path = join((await files()).folder, 'gnutls-early.txt');
  await writeFile(path, said);
  const server = await serve(t, {
    earlyData: { maxSize: 1_000, guard: { guarantee: 'process', windowMs: 10_000, check: () => 'fresh' } },
  });
  const { program, connection } = await gnutlsClient(t, server, ['--resume', '--waitresumption', '--earlydata', path]);
  await connection.secure();
  const again = await server.accept();
  const status = await again.event('early_data_status');
  assert.deepEqual([status.accepted, status.reason], [true, undefined]);
  assert.equal((await again.secure()).resumed, true);
  const bytes = again.eventsOf('early_data').map((event) => event.bytes);
  assert.equal(Buffer.concat(bytes).toString(), said);
  again.write('heard you\n');
  await program.waitFor('heard you');

  const { port } = await gnutlsServer(t, ['--earlydata', '--maxearlydata', '500']);
  const first = await connect(t, port, { groups: ['x25519'] });
  const { ticket } = await first.event('ticket');
  assert.equal(ticket.maxEarlyDataSize, 500);
  await first.close();
  // GnuTLS rejects a ticket that is older to the client than to itself, as one may be when milliseconds are rounded: claim no age at all.
  const clock = { now: () => ticket.receivedAt };
  const second = await connect(t, port, { clock, groups: ['x25519'], tickets: [ticket], earlyData: true });
  second.write(said);
  await second.secure();
  const answer = await second.event('early_data_status');
  assert.deepEqual([answer.accepted, answer.reason], [true, undefined]);
  await echo(second, 'and this later');
});
