/** Session tickets between OpenSSL and us: exactly as many as were asked for, and they open again. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import { RingSealer, TicketKeyRing } from '../../src/tickets/index.ts';
import { needs, peer } from '../support/peers.ts';
import { type Running, start } from '../support/process.ts';
import { tesseraServe } from './cli-server.ts';
import { type Connection, connect, files, type OurServer, SUITES, serve, TICKET_COUNTS } from './harness.ts';
import { countMessages, sClient, sServer } from './openssl-peer.ts';

const TICKET = 'NewSessionTicket';

/** Everything the server wrote before this line has been read by the client when it shows the line. */
async function settle(program: Running, connection: Connection): Promise<void> {
  await connection.secure();
  connection.write('that was all\n');
  await program.waitFor('that was all');
}

async function finish(program: Running, connection: Connection): Promise<void> {
  program.end();
  await connection.event('end');
  await connection.close();
  assert.equal((await program.waitForExit()).code, 0);
}

/** A session file with a ticket of `server`. */
async function session(
  t: test.TestContext,
  server: OurServer,
  name: string,
  args: readonly string[] = [],
): Promise<string> {
  const path = join((await files()).folder, `${name}.pem`);
  const { program, connection } = await sClient(t, server, ['-sess_out', path, ...args]);
  await settle(program, connection);
  await finish(program, connection);
  assert.equal(existsSync(path), true);
  return path;
}

for (const count of TICKET_COUNTS) {
  test(`s_client: ${count} tickets, and ${Math.min(1, count)} after a resumption`, async (t) => {
    if (!needs(t, 'openssl')) return;
    const sealer = new RingSealer(new TicketKeyRing({ crypto: nodeCrypto }), nodeCrypto);
    const server = await serve(t, { tickets: { count, sealer } });
    const full = await sClient(t, server);
    await settle(full.program, full.connection);
    assert.equal(countMessages(full.program, '<<<', TICKET), count);
    assert.equal(full.connection.eventsOf('ticket_issued').length, count);
    const nonces = full.connection.eventsOf('ticket_issued').map(({ nonce }) => Buffer.from(nonce).toString('hex'));
    assert.equal(new Set(nonces).size, count);
    await full.program.waitFor(/^New, TLSv1\.3/m);
    await finish(full.program, full.connection);

    // The ticket comes from a server with the same keys, because this one may give none.
    const ticket = await session(t, await serve(t, { tickets: { count: 1, sealer } }), `count-${count}`);
    const resumed = await sClient(t, server, ['-sess_in', ticket]);
    await settle(resumed.program, resumed.connection);
    assert.equal((await resumed.connection.secure()).resumed, true);
    await resumed.program.waitFor(/^Reused, TLSv1\.3/m);
    assert.equal(countMessages(resumed.program, '<<<', TICKET), Math.min(1, count));
    await finish(resumed.program, resumed.connection);
  });

  test(`s_server: ${count} tickets, and ${Math.min(1, count)} after a resumption`, async (t) => {
    if (!needs(t, 'openssl')) return;
    const { program, port } = await sServer(t, ['-num_tickets', `${count}`, '-rev']);
    const full = await connect(t, port);
    await full.secure();
    full.write('egassem\n');
    await full.received('message\n');
    const tickets = full.eventsOf('ticket').map(({ ticket }) => ticket);
    assert.equal(tickets.length, count);
    await full.close();
    assert.equal(countMessages(program, '>>>', TICKET), count);
    if (count === 0) return;

    const resumed = await connect(t, port, { tickets: [tickets.at(-1)!] });
    const info = await resumed.secure();
    assert.deepEqual([info.resumed, info.group !== undefined, info.peer.authorized], [true, true, true]);
    resumed.write('niaga\n');
    await resumed.received('again\n');
    assert.equal(resumed.eventsOf('ticket').length, 1);
    await resumed.close();
  });
}

test('s_client resumes with every cipher suite, and with another of the same hash', async (t) => {
  if (!needs(t, 'openssl')) return;
  const server = await serve(t, { cipherSuites: SUITES });
  for (const suite of SUITES) {
    const ticket = await session(t, server, suite, ['-ciphersuites', suite]);
    const { connection } = await sClient(t, server, ['-ciphersuites', suite, '-sess_in', ticket]);
    assert.deepEqual(pick(await connection.secure()), [suite, true]);
  }
  const ticket = await session(t, server, 'other', ['-ciphersuites', 'TLS_AES_128_GCM_SHA256']);
  const { connection } = await sClient(t, server, [
    '-ciphersuites',
    'TLS_CHACHA20_POLY1305_SHA256',
    '-sess_in',
    ticket,
  ]);
  assert.deepEqual(pick(await connection.secure()), ['TLS_CHACHA20_POLY1305_SHA256', true]);
});

test('s_server resumes with every cipher suite', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { port } = await sServer(t, ['-ciphersuites', SUITES.join(':')]);
  for (const suite of SUITES) {
    const first = await connect(t, port, { cipherSuites: [suite] });
    const { ticket } = await first.event('ticket');
    await first.close();
    const second = await connect(t, port, { cipherSuites: [suite], tickets: [ticket] });
    assert.deepEqual(pick(await second.secure()), [suite, true]);
    await second.close();
  }
});

function pick(info: { readonly cipherSuiteName: string; readonly resumed: boolean }): unknown[] {
  return [info.cipherSuiteName, info.resumed];
}

test('resumption after a HelloRetryRequest, both ways', async (t) => {
  if (!needs(t, 'openssl')) return;
  const server = await serve(t, { groups: ['secp384r1'] });
  const groups = ['-groups', 'X25519:P-384'];
  const path = await session(t, server, 'retry', groups);
  const theirs = await sClient(t, server, [...groups, '-sess_in', path]);
  const info = await theirs.connection.secure();
  assert.deepEqual([info.resumed, info.helloRetried], [true, true]);
  await theirs.program.waitFor(/^Reused, TLSv1\.3/m);

  const { port } = await sServer(t, ['-groups', 'P-384']);
  const first = await connect(t, port, { keyShareCount: 1 });
  const { ticket } = await first.event('ticket');
  await first.close();
  // The ticket remembers the group; without that there is a retry.
  const { group: _forgotten, ...rest } = ticket;
  const ours = await connect(t, port, { keyShareCount: 1, groups: ['x25519', 'secp384r1'], tickets: [rest] });
  const oursInfo = await ours.secure();
  assert.deepEqual([oursInfo.resumed, oursInfo.helloRetried], [true, true]);
});

test('resumption without a key exchange where both sides allow it', async (t) => {
  if (!needs(t, 'openssl')) return;
  const kex = '-allow_no_dhe_kex';
  const sealer = new RingSealer(new TicketKeyRing({ crypto: nodeCrypto }), nodeCrypto);
  const path = await session(t, await serve(t, { tickets: { sealer } }), 'psk-only');
  for (const allowPskOnly of [false, true]) {
    const server = await serve(t, { tickets: { sealer }, allowPskOnly });
    const { connection } = await sClient(t, server, ['-sess_in', path, kex]);
    const info = await connection.secure();
    assert.deepEqual([info.resumed, info.group], [true, 'x25519'], 'the better mode is preferred');
  }

  const elsewhere = await serve(t, { tickets: { sealer }, allowPskOnly: true, groups: ['secp384r1'] });
  const alone = await sClient(t, elsewhere, ['-sess_in', path, kex, '-groups', 'X25519']);
  const aloneInfo = await alone.connection.secure();
  assert.deepEqual([aloneInfo.resumed, aloneInfo.group], [true, undefined]);
  await settle(alone.program, alone.connection);

  // OpenSSL resumes with the PSK alone when no group fits.
  const { port } = await sServer(t, [kex, '-groups', 'P-384']);
  const first = await connect(t, port, { allowPskOnly: true });
  const { ticket } = await first.event('ticket');
  await first.close();
  const ours = await connect(t, port, { allowPskOnly: true, groups: ['x25519'], tickets: [ticket] });
  const info = await ours.secure();
  assert.deepEqual([info.resumed, info.group], [true, undefined]);
});

test('tickets that s_client did not get from us are declined, and the handshake is a full one', async (t) => {
  if (!needs(t, 'openssl')) return;
  const ticket = await session(t, await serve(t), 'foreign');
  const { program, connection } = await sClient(t, await serve(t), ['-sess_in', ticket]);
  assert.equal((await connection.secure()).resumed, false);
  assert.deepEqual(
    connection.eventsOf('ticket_declined').map(({ reason }) => reason),
    ['no_key'],
  );
  await program.waitFor(/^New, TLSv1\.3/m);
});

test('a resumption restores the client certificate', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { clientCert, clientKey, client } = await files();
  const server = await serve(t, { clientAuth: 'require' });
  const own = ['-cert', clientCert, '-key', clientKey];
  const ticket = await session(t, server, 'client-auth', own);
  const { connection } = await sClient(t, server, [...own, '-sess_in', ticket]);
  const { resumed, peer: identity } = await connection.secure();
  assert.deepEqual([resumed, identity.authorized], [true, true]);
  assert.deepEqual([Buffer.from(identity.chain[0]!)], [Buffer.from(client.certificate)]);
});

test('further tickets on request reach s_client, at once or in front of data', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { program, connection } = await sClient(t, await serve(t, { tickets: 0 }));
  await settle(program, connection);
  assert.equal(countMessages(program, '<<<', TICKET), 0);
  connection.sendTickets(3);
  await program.waitFor(/NewSessionTicket/, { count: 3 });
  connection.engine.requestTickets(2);
  connection.write('after the tickets\n');
  await program.waitFor('after the tickets');
  assert.equal(countMessages(program, '<<<', TICKET), 5);
});

for (const count of TICKET_COUNTS) {
  test(`tessera serve --num-tickets ${count} gives s_client as many, and ${Math.min(1, count)} after a resumption`, async (t) => {
    if (!needs(t, 'openssl')) return;
    const { folder } = await files();
    const { port } = await tesseraServe(t, ['--num-tickets', `${count}`]);
    const path = join(folder, `cli-${count}.pem`);
    const get = async (args: readonly string[]): Promise<Running> => {
      const program = start(t, peer('openssl')!.path, [
        ...['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_3', '-msg', '-sess_out', path, ...args],
      ]);
      program.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
      await program.waitFor(/HTTP\/1\.1 200/);
      program.end();
      await program.waitForExit();
      return program;
    };
    assert.equal(countMessages(await get([]), '<<<', TICKET), count);
    assert.equal(existsSync(path), count > 0);
    if (count > 0) {
      const resumed = await get(['-sess_in', path]);
      assert.match(resumed.stdout, /^Reused, TLSv1\.3/m);
      assert.equal(countMessages(resumed, '<<<', TICKET), 1);
    }
  });
}
