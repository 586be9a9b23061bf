import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { before, type TestContext, test } from 'node:test';
import { makeIdentity, type TestIdentity } from '../../test/support/certificates.ts';
import { TlsUsageError } from '../errors/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { MemoryTicketStore, StoreSealer, type TicketStore } from '../tickets/index.ts';
import { type ConnectionOptions, connect, createServer, type TLSSocket, type TlsOptions } from './index.ts';

let identity: TestIdentity;
before(async () => {
  identity = await makeIdentity('p256');
});

async function open(
  t: TestContext,
  server: TlsOptions = {},
  client: ConnectionOptions = {},
): Promise<{ readonly server: TLSSocket; readonly client: TLSSocket; readonly reconnect: () => Promise<TLSSocket> }> {
  const listener = createServer({ cert: identity.certificatePem, key: identity.keyPem, ...server });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => listener.close());
  const { port } = listener.address() as AddressInfo;
  const go = async (options: ConnectionOptions): Promise<{ server: TLSSocket; client: TLSSocket }> => {
    const accepted = once(listener, 'secureConnection') as Promise<TLSSocket[]>;
    const socket = connect(port, '127.0.0.1', { ca: identity.certificatePem, servername: 'localhost', ...options });
    const [[other]] = await Promise.all([accepted, once(socket, 'secureConnect')]);
    t.after(() => {
      socket.destroy();
      other!.destroy();
    });
    return { server: other!, client: socket };
  };
  const first = await go(client);
  const reconnect = async (): Promise<TLSSocket> => {
    const session = first.client.takeSession();
    return (await go({ ...client, session })).client;
  };
  return { ...first, reconnect };
}

const states = (socket: TLSSocket): unknown[] => socket.tickets.map((handle) => handle.state(Date.now()));

test('a server issues tickets of its own making, and sees what becomes of them', async (t) => {
  const { server, client, reconnect } = await open(t, { numTickets: 0 });
  assert.match(server.explainTickets(), /^full_handshake/);
  const handles = server.issueTickets([
    { lifetimeSeconds: 60, appData: Buffer.from('alice') },
    { lifetimeSeconds: 90 },
  ]);
  assert.deepEqual(server.tickets, handles);
  assert.equal(client.tickets.length, 0);
  assert.deepEqual(states(server), ['planned', 'planned']);
  const got = once(client, 'session');
  server.flushTickets();
  await got;
  assert.deepEqual(states(server), ['written', 'written']);
  assert.match(server.explainTickets(), /application_request/);
  assert.equal((await reconnect()).isSessionReused(), true);
  assert.deepEqual(states(server), ['written', 'redeemed']);
});

test('tickets are taken back until they are sealed', async (t) => {
  const { server } = await open(t, { numTickets: 0 });
  server.issueTickets([{}, {}]);
  server.newSessionTicket();
  assert.equal(server.cancelTickets(), 3);
  assert.deepEqual(states(server), ['canceled', 'canceled']);
  server.flushTickets();
  assert.equal(server.ticketInfo.issued, 0);
});

test('whoever cannot issue tickets hears why', async (t) => {
  const { server, client } = await open(t);
  const throws = (socket: TLSSocket, code: string, specs = [{}]): void =>
    assert.throws(
      () => socket.issueTickets(specs),
      (error) => error instanceof TlsUsageError && error.code === code,
    );
  throws(client, 'tickets.client');
  throws(server, 'tickets.bad_spec', [{ lifetimeSeconds: -1 }] as never);
  assert.match(client.explainTickets(), /client/);
  assert.equal(client.cancelTickets(), 0);
  server.destroy();
  throws(server, 'socket.not_open');
});

test('a socket that ends while a slow store takes its tickets ends behind them', async (t) => {
  const store = new MemoryTicketStore();
  let end: () => void = () => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  const slow: TicketStore = {
    put: async (...args) => {
      await ended;
      return store.put(...args);
    },
    get: (...args) => store.get(...args),
    take: (...args) => store.take(...args),
    revoke: (...args) => store.revoke(...args),
  };
  const sealer = new StoreSealer({ crypto: nodeCrypto, store: slow });
  const { server, client, reconnect } = await open(t, { tickets: { sealer } });
  server.end('bye', () => assert.equal(server.ticketInfo.issued, 2));
  let text = '';
  client.on('data', (bytes) => {
    text += bytes;
    setImmediate(end); // server.end() has had its turn
  });
  await once(client, 'end');
  assert.deepEqual([text, client.ticketInfo.received, client.truncated], ['bye', 2, false]);
  assert.equal((await reconnect()).isSessionReused(), true);
});
