import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import * as nodeTls from 'node:tls';
import { makeIdentity } from '../../test/support/certificates.ts';
import { needs, peer } from '../../test/support/peers.ts';
import { start } from '../../test/support/process.ts';
import { type Listening, listen } from '../../test/support/visits.ts';
import type { Server, TLSSocket, TlsOptions } from './index.ts';

type Callback = (error?: unknown, data?: Buffer | null) => void;

/** A program's store of sessions, as the documentation of node:tls shows it. */
class Store {
  readonly sessions = new Map<string, Buffer>();
  readonly asked: string[] = [];

  serve(server: Server): void {
    server.on('newSession', (id: Buffer, data: Buffer, callback: () => void) => {
      assert.deepEqual([id.length, Buffer.isBuffer(id), Buffer.isBuffer(data)], [32, true, true]);
      this.sessions.set(id.toString('hex'), data);
      setImmediate(callback);
    });
    server.on('resumeSession', (id: Buffer, callback: Callback) => {
      this.asked.push(id.toString('hex'));
      setImmediate(callback, null, this.sessions.get(id.toString('hex')) ?? null);
    });
  }
}

async function withStore(t: TestContext, store: Store, options: TlsOptions = {}): Promise<Listening> {
  const listening = await listen(t, options);
  store.serve(listening.server);
  return listening;
}

test('newSession and resumeSession keep sessions in the program’s store', async (t) => {
  const store = new Store();
  const server = await withStore(t, store);
  const [one, two] = await server.tickets(2);
  assert.equal(store.sessions.size, 2);
  assert.deepEqual(store.asked, []);
  assert.equal(await server.redeems(one), true);
  assert.ok(store.sessions.has(store.asked[0]!), 'by the id it was given under');
  assert.equal(await server.redeems(one), true, 'the program decides how often');
  store.sessions.clear();
  assert.equal(await server.redeems(one), false);
  assert.equal(await server.redeems(two), false);
  assert.equal(store.asked.length, 4);
});

test('a resumption restores who the client is', async (t) => {
  const alice = await makeIdentity('p256', ['alice']);
  const server = await withStore(t, new Store(), { requestCert: true, ca: alice.certificatePem });
  const shown = { cert: alice.certificatePem, key: alice.keyPem };
  const [session] = await server.tickets(1, shown);
  const visit = await server.visit({ session, ...shown });
  assert.deepEqual([visit.resumed, visit.server.authorized], [true, true]);
  assert.deepEqual(Buffer.from(visit.server.getPeerX509Certificate()!.raw), Buffer.from(alice.certificate));
});

test('servers that share store and ticket keys share sessions, and others cannot use them', async (t) => {
  const store = new Store();
  const ticketKeys = randomBytes(48);
  const [a, b, stranger] = await Promise.all([
    withStore(t, store, { ticketKeys }),
    withStore(t, store, { ticketKeys }),
    withStore(t, store),
  ]);
  const [session] = await a.tickets();
  assert.equal(await b.redeems(session), true);
  assert.equal(await stranger.redeems(session), false);
  a.server.setTicketKeys(randomBytes(48));
  assert.equal(await a.redeems(session), true, 'after a rotation');
});

test('the data of one session is of no use under the id of another', async (t) => {
  const store = new Store();
  const server = await withStore(t, store);
  const [session] = await server.tickets(2);
  const [one, two] = [...store.sessions];
  store.sessions.set(one![0], two![1]);
  store.sessions.set(two![0], one![1]);
  assert.equal(await server.redeems(session), false);
});

test('an answer may come late, but not for ever', async (t) => {
  const server = await listen(t, { tickets: { deadlineMs: 30 } });
  const sessions = new Map<string, Buffer>();
  let answers = true;
  server.server.on('newSession', (id: Buffer, data: Buffer, callback: () => void) => {
    sessions.set(id.toString('hex'), data);
    setTimeout(callback, 5);
  });
  server.server.on('resumeSession', (id: Buffer, callback: Callback) => {
    if (answers) setTimeout(callback, 5, null, sessions.get(id.toString('hex')));
  });
  const [session] = await server.tickets();
  assert.equal(await server.redeems(session), true);
  answers = false;
  assert.equal(await server.redeems(session), false, 'a full handshake');
  server.server.removeAllListeners('newSession');
  server.server.on('newSession', () => {});
  const { server: socket } = await server.visit();
  const declined = (await once(socket, 'ticketDeclined')) as [{ during: string }];
  assert.equal(declined[0].during, 'issue');
});

test('without a resumeSession listener, newSession is for information, and tickets carry the session', async (t) => {
  const server = await listen(t);
  let told = 0;
  server.server.on('newSession', (_id, _data, callback: () => void) => {
    told++;
    callback();
  });
  const [session] = await server.tickets(2);
  assert.equal(told, 2);
  assert.equal(await server.redeems(session), true);
});

test('a resumeSession that fails ends the connection with its error, as with node:tls', async (t) => {
  for (const fail of [
    (callback: Callback) => callback(new Error('the store is gone')),
    () => {
      throw new Error('the store is gone');
    },
  ]) {
    const server = await listen(t);
    server.server.on('newSession', (_id, _data, callback: () => void) => callback());
    server.server.on('resumeSession', (_id, callback: Callback) => fail(callback));
    const [session] = await server.tickets();
    const failed = once(server.server, 'tlsClientError') as Promise<[Error, TLSSocket]>;
    await assert.rejects(server.redeems(session), { code: 'ECONNRESET' });
    const [error, socket] = await failed;
    assert.deepEqual([error.message, socket.destroyed], ['the store is gone', true]);
  }
});

test('what the store gives and is no session leads to a full handshake', async (t) => {
  const store = new Store();
  const server = await withStore(t, store);
  const [session] = await server.tickets();
  for (const nonsense of [Buffer.alloc(0), randomBytes(10), randomBytes(240), 'text', {}]) {
    for (const id of store.sessions.keys()) store.sessions.set(id, nonsense as Buffer);
    assert.equal(await server.redeems(session), false);
  }
});

test('clients of node:tls resume sessions of the store', async (t) => {
  const store = new Store();
  const { port } = await withStore(t, store);
  const visit = async (session?: Buffer): Promise<{ reused: boolean; session: Buffer }> => {
    const socket = nodeTls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...(session && { session }) });
    const [[next]] = await Promise.all([once(socket, 'session'), once(socket, 'secureConnect')]);
    const reused = socket.isSessionReused();
    socket.destroy();
    return { reused, session: next };
  };
  const { session } = await visit();
  assert.equal((await visit(session)).reused, true);
  store.sessions.clear();
  assert.equal((await visit(session)).reused, false);
});

test('openssl resumes sessions of the store', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { server, port } = await withStore(t, new Store());
  server.on('secureConnection', (socket: TLSSocket) => socket.on('error', () => {}).end());
  const file = join(tmpdir(), `tessera-session-${process.pid}.pem`);
  t.after(() => rm(file, { force: true }));
  const run = async (...args: readonly string[]): Promise<string> => {
    const client = start(t, peer('openssl')!.path, ['s_client', '-connect', `127.0.0.1:${port}`, '-ign_eof', ...args]);
    await client.waitForExit();
    return client.output;
  };
  assert.match(await run('-sess_out', file), /^New, TLSv1.3/m);
  assert.match(await run('-sess_in', file), /^Reused, TLSv1.3/m);
});
