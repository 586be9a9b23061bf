/** curl against our engine, and against `tessera serve`. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { needs, peer } from '../support/peers.ts';
import { type Running, run, type Scope, start } from '../support/process.ts';
import { tesseraServe } from './cli-server.ts';
import { type Connection, files, GROUPS, type OurServer, SUITES, serve, TICKET_COUNTS } from './harness.ts';

const CURVES: Readonly<Record<string, string>> = {
  x25519: 'X25519',
  secp256r1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};
const COMBINATIONS: readonly (readonly [suite: string, group: string])[] = [
  ...SUITES.map((suite) => [suite, GROUPS[0]!] as const),
  ...GROUPS.slice(1).map((group) => [SUITES[0]!, group] as const),
];

/** curl for one URL or several, which share a session cache; it trusts nobody else. */
async function curl(t: Scope, server: OurServer, args: readonly string[] = [], requests = 1): Promise<Running> {
  const { serverCert } = await files();
  const urls = Array.from({ length: requests }, (_, i) => `https://localhost:${server.port}/${i}`);
  return start(t, peer('curl')!.path, [
    ...['-sS', '--no-keepalive', '--ipv4', '--tlsv1.3', '--cacert', serverCert, ...args, ...urls],
  ]);
}

/** Answers one request and closes, with a close_notify. */
async function answer(connection: Connection): Promise<void> {
  await connection.received('\r\n\r\n');
  connection.write('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\nhello\n');
  await connection.close();
  assert.deepEqual(connection.eventsOf('error'), []);
}

test('every cipher suite and group', async (t) => {
  if (!needs(t, 'curl')) return;
  const server = await serve(t, { cipherSuites: SUITES, alpn: ['http/1.1'] });
  for (const [suite, group] of COMBINATIONS) {
    const program = await curl(t, server, ['--tls13-ciphers', suite, '--curves', CURVES[group]!]);
    const ours = await server.accept();
    const info = await ours.secure();
    assert.deepEqual(
      [info.cipherSuiteName, info.group, info.serverName, info.alpn],
      [suite, group, 'localhost', 'http/1.1'],
    );
    await answer(ours);
    assert.equal((await program.waitForExit()).code, 0);
    assert.equal(program.stdout, 'hello\n');
  }
});

test('HelloRetryRequest, resumption, and any number of tickets', async (t) => {
  if (!needs(t, 'curl')) return;
  for (const count of TICKET_COUNTS) {
    const server = await serve(t, { groups: ['secp384r1'], tickets: count });
    const program = await curl(t, server, ['--curves', 'X25519:P-384'], 3);
    for (const request of [0, 1, 2]) {
      const ours = await server.accept();
      const info = await ours.secure();
      assert.deepEqual([info.helloRetried, info.resumed], [true, request > 0 && count > 0]);
      assert.equal(ours.eventsOf('ticket_issued').length, info.resumed ? 1 : count);
      await answer(ours);
    }
    assert.equal((await program.waitForExit()).code, 0);
    assert.equal(program.stdout, 'hello\nhello\nhello\n');
  }
});

test('client certificate', async (t) => {
  if (!needs(t, 'curl')) return;
  const { client, clientCert, clientKey } = await files();
  const server = await serve(t, { clientAuth: 'require' });
  const known = await curl(t, server, ['--cert', clientCert, '--key', clientKey]);
  const ours = await server.accept();
  const { peer: identity } = await ours.secure();
  assert.deepEqual([identity.authorized, Buffer.from(identity.chain[0]!)], [true, Buffer.from(client.certificate)]);
  await answer(ours);
  assert.equal((await known.waitForExit()).code, 0);

  const silent = await curl(t, server);
  assert.equal((await (await server.accept()).event('error')).error.alert, 'certificate_required');
  assert.notEqual((await silent.waitForExit()).code, 0);
});

test('KeyUpdate and tickets between the pieces of a response', async (t) => {
  if (!needs(t, 'curl')) return;
  const server = await serve(t);
  const program = await curl(t, server);
  const ours = await server.accept();
  await ours.received('\r\n\r\n');
  ours.write('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\none');
  ours.updateKeys(false);
  ours.write('two');
  ours.sendTickets(3);
  ours.updateKeys(true);
  ours.write('six');
  await ours.close();
  assert.equal((await program.waitForExit()).code, 0);
  assert.equal(program.stdout, 'onetwosix');
});

test('an untrusted server is refused by curl with an alert', async (t) => {
  if (!needs(t, 'curl')) return;
  const { clientCert } = await files();
  const server = await serve(t);
  const program = await curl(t, server, ['--cacert', clientCert]);
  assert.equal((await (await server.accept()).event('error')).error.alert, 'unknown_ca');
  assert.equal((await program.waitForExit()).code, 60);
});

test('tessera serve: status, resumption, further tickets, key update', async (t) => {
  if (!needs(t, 'curl')) return;
  const { program, port, cert } = await tesseraServe(t, ['--num-tickets', '3']);
  const base = `https://localhost:${port}`;
  const get = (...paths: string[]): ReturnType<typeof run> =>
    run(t, peer('curl')!.path, ['-sS', '--ipv4', '--cacert', cert, ...paths.map((path) => `${base}${path}`)]);
  const status = await get('/', '/', '/');
  assert.equal(status.code, 0, status.stderr);
  assert.deepEqual(
    [...status.stdout.matchAll(/^Handshake: +(\S+)/gm)].map(([, how]) => how),
    ['full', 'resumed', 'resumed'],
  );
  await program.waitFor(/ ticket /, { count: 5 });
  const more = await get('/tickets?n=3', '/keyupdate', '/tickets?n=0');
  assert.equal(more.code, 0, more.stderr);
  assert.match(more.stdout, /^3 more tickets.*changed its keys.*0 more tickets/s);
});
