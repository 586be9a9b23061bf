/** Our server and client against Go's crypto/tls. Go has no way to choose suites of TLS 1.3 or to start a KeyUpdate: ours do. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { needs } from '../support/peers.ts';
import { goClient, goServer, report } from './go-peer.ts';
import { type Connection, connect, files, GROUPS, SUITES, serve, statelessRetry, TICKET_COUNTS } from './harness.ts';

/** Go has no CCM. */
const GO_SUITES = SUITES.slice(0, 3);
const GO_GROUPS = ['X25519MLKEM768', ...GROUPS];

function exported(connection: Connection): string {
  return Buffer.from(connection.engine.exportKeyingMaterial(32, 'EXPORTER-tessera', Buffer.from('context'))).toString(
    'hex',
  );
}

test('Go as client: every cipher suite and group, a second connection resumes', async (t) => {
  if (!needs(t, 'go')) return;
  const cases = [
    ...GO_SUITES.map((suite) => [suite, 'x25519'] as const),
    ...GO_GROUPS.map((g) => [SUITES[0]!, g] as const),
  ];
  for (const [suite, group] of cases) {
    const server = await serve(t, { cipherSuites: [suite], alpn: ['two', 'one'] });
    const program = await goClient(t, server.port, ['-curves', group, '-count', '2', '-alpn', 'one,two']);
    for (const count of [1, 2]) {
      const ours = await server.accept();
      const info = await ours.secure();
      ours.write('!');
      const theirs = await report(program, 'secure', count);
      assert.deepEqual([info.cipherSuiteName, info.group, info.resumed, info.alpn], [suite, group, count === 2, 'two']);
      assert.deepEqual([theirs.suite, theirs.group, theirs.resumed, theirs.alpn], [suite, group, count === 2, 'two']);
      assert.equal(theirs.exporter, exported(ours));
      await ours.received('hello from go\n');
      await ours.event('end');
      await ours.close();
    }
    assert.equal((await program.waitForExit()).code, 0);
  }
});

test('Go as server: every cipher suite and group, a second connection resumes', async (t) => {
  if (!needs(t, 'go')) return;
  const { program, port } = await goServer(t, ['-curves', GO_GROUPS.join(), '-close', 'last', '-alpn', 'two']);
  let count = 0;
  const cases = [
    ...GO_SUITES.map((suite) => [suite, 'x25519'] as const),
    ...GO_GROUPS.map((g) => [SUITES[0]!, g] as const),
  ];
  for (const [suite, group] of cases) {
    const options = { cipherSuites: [suite], groups: [group], alpn: ['one', 'two'] };
    const first = await connect(t, port, options);
    const { ticket } = await first.event('ticket');
    await check(first, false);
    await check(await connect(t, port, { ...options, tickets: [ticket] }), true);

    async function check(ours: Connection, resumed: boolean): Promise<void> {
      const info = await ours.secure();
      assert.deepEqual([info.cipherSuiteName, info.group, info.resumed, info.alpn], [suite, group, resumed, 'two']);
      count++;
      const theirs = await report(program, 'secure', count);
      assert.deepEqual([theirs.suite, theirs.group, theirs.resumed], [suite, group, resumed]);
      assert.equal(theirs.exporter, exported(ours));
      await ours.received('hello from go\n');
      ours.closeWrite();
      await ours.event('end');
      await ours.close();
      assert.deepEqual(ours.eventsOf('error'), []);
      await report(program, 'ended', count);
    }
  }
});

test('HelloRetryRequest, both ways, and again when resuming', async (t) => {
  if (!needs(t, 'go')) return;
  const server = await serve(t, statelessRetry('secp384r1'));
  const program = await goClient(t, server.port, ['-curves', 'x25519,secp384r1', '-count', '2']);
  for (const count of [1, 2]) {
    const ours = await server.accept();
    const info = await ours.secure();
    assert.deepEqual([info.helloRetried, info.resumed], [true, count === 2]);
    ours.write('!');
    assert.equal((await report(program, 'secure', count)).retried, true);
    await ours.event('end');
    await ours.close();
  }
  const { port } = await goServer(t, ['-curves', 'secp521r1']);
  const ours = await connect(t, port, { keyShareCount: 1 });
  assert.equal((await ours.secure()).helloRetried, true);
  const { ticket } = await ours.event('ticket');
  const again = await connect(t, (await goServer(t, ['-curves', 'secp521r1'])).port, { tickets: [ticket] });
  assert.equal((await again.secure()).resumed, false, 'another server cannot open the ticket');
});

test('client certificates, both ways', async (t) => {
  if (!needs(t, 'go')) return;
  const { client, clientCert, clientKey } = await files();
  const server = await serve(t, { clientAuth: 'require' });
  await goClient(t, server.port, ['-cert', clientCert, '-key', clientKey]);
  const { peer } = await (await server.accept()).secure();
  assert.deepEqual([peer.authorized, Buffer.from(peer.chain[0]!)], [true, Buffer.from(client.certificate)]);
  const silent = await goClient(t, server.port);
  assert.equal((await (await server.accept()).event('error')).error.alert, 'certificate_required');
  await silent.waitFor('certificate required');

  const { program, port } = await goServer(t, ['-ca', clientCert]);
  const ours = await connect(t, port, { credentials: [client.credential] });
  await ours.secure();
  assert.equal((await report(program, 'secure')).peerCertificates, 1);
  ours.write('!');
  await ours.event('end');
  await ours.close();
  const without = await connect(t, port);
  assert.match((await without.event('error')).error.alert, /^(certificate_required|bad_certificate)$/);
});

test('Go takes any number of tickets, and none', async (t) => {
  if (!needs(t, 'go')) return;
  for (const count of TICKET_COUNTS) {
    const server = await serve(t, { tickets: count });
    const program = await goClient(t, server.port, ['-count', '2']);
    for (const connection of [1, 2]) {
      const ours = await server.accept();
      assert.equal((await ours.secure()).resumed, connection === 2 && count > 0, `${count} tickets`);
      ours.write('!');
      await ours.event('end');
      await ours.close();
    }
    assert.equal((await program.waitForExit()).code, 0);
  }
  const { port } = await goServer(t, ['-tickets=false']);
  const ours = await connect(t, port);
  await ours.received('hello from go\n');
  assert.deepEqual(ours.eventsOf('ticket'), []);
});

test('KeyUpdate of ours is followed and answered, in both roles', async (t) => {
  if (!needs(t, 'go')) return;
  const server = await serve(t);
  const client = await goClient(t, server.port, ['-close', 'last']);
  await follow(await server.accept(), client);
  const { program, port } = await goServer(t, ['-close', 'last']);
  await follow(await connect(t, port), program);

  async function follow(ours: Connection, theirs: Awaited<ReturnType<typeof goClient>>): Promise<void> {
    await ours.received('hello from go\n');
    ours.write('one ');
    ours.updateKeys(false);
    ours.write('two ');
    ours.updateKeys(true);
    ours.write('three');
    await ours.event('key_updated', 3);
    await ours.close();
    assert.equal((await report(theirs, 'ended')).received, 'one two three'.length);
  }
});

test('closing in every order and half close, in both roles', async (t) => {
  if (!needs(t, 'go')) return;
  const server = await serve(t);
  for (const order of ['first', 'half', 'last']) {
    const client = await goClient(t, server.port, ['-close', order]);
    await close(await server.accept(), order, client);
    const { program, port } = await goServer(t, ['-close', order]);
    await close(await connect(t, port), order, program);
  }

  async function close(ours: Connection, order: string, theirs: Awaited<ReturnType<typeof goClient>>): Promise<void> {
    await ours.received('hello from go\n');
    if (order === 'half') {
      await ours.event('end');
      ours.write('the other half\n');
    } else if (order === 'first') {
      ours.write('!');
      await ours.event('end');
    }
    ours.closeWrite();
    if (order === 'last') await ours.event('end');
    await ours.close();
    assert.deepEqual(ours.eventsOf('error'), [], order);
    if (order !== 'first')
      assert.equal((await report(theirs, 'ended')).received, order === 'half' ? 'the other half\n'.length : 0);
  }
});
