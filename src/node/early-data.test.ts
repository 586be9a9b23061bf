import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket, connect as tcpConnect } from 'node:net';
import { before, type TestContext, test } from 'node:test';
import { makeIdentity, type TestIdentity } from '../../test/support/certificates.ts';
import type { TlsEngine } from '../connection/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import type { ReplayGuard, ReplayVerdict } from '../tickets/index.ts';
import { EarlySender } from './early-data.ts';
import {
  type ConnectionOptions,
  connect,
  createServer,
  type EarlyDataOutcome,
  Metrics,
  type Server,
  type ServerEarlyData,
  type TLSSocket,
  type TlsOptions,
} from './index.ts';

let identity: TestIdentity;
before(async () => {
  identity = await makeIdentity('p256');
});

const guardSaying = (verdict: () => ReplayVerdict | Promise<ReplayVerdict>): ReplayGuard => ({
  guarantee: 'process',
  windowMs: 10_000,
  check: verdict,
});
const early = (options: Partial<ServerEarlyData> = {}): ServerEarlyData => ({
  maxSize: 1_000,
  guard: guardSaying(() => 'fresh'),
  ...options,
});

interface Site {
  readonly server: Server;
  readonly port: number;
  connect(options?: ConnectionOptions): TLSSocket;
  /** Of a first, full connection. */
  session(options?: ConnectionOptions): Promise<Buffer>;
}

async function site(t: TestContext, options: TlsOptions): Promise<Site> {
  const server = createServer({ cert: identity.certificatePem, key: identity.keyPem, ...options });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const sockets: { destroy(): unknown }[] = [];
  server.on('connection', (socket) => sockets.push(socket));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const open = (more: ConnectionOptions = {}): TLSSocket => {
    const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca: identity.certificatePem, ...more });
    sockets.push(socket);
    return socket;
  };
  return {
    server,
    port,
    connect: open,
    async session(more) {
      const socket = open(more);
      const [session] = (await once(socket, 'session')) as [Buffer];
      socket.destroy();
      return session;
    },
  };
}

/** Collects what the server hears, apart and in order. */
function listenTo(server: Server): { readonly early: string[]; readonly ordinary: string[]; readonly order: string[] } {
  const heard = { early: [] as string[], ordinary: [] as string[], order: [] as string[] };
  server.on('earlyData', (bytes: Buffer) => {
    heard.early.push(String(bytes));
    heard.order.push('earlyData');
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    heard.order.push('secureConnection');
    socket.on('data', (bytes: Buffer) => heard.ordinary.push(String(bytes)));
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
  });
  return heard;
}

/** Says goodbye, and waits until the server did. */
async function finish(socket: TLSSocket): Promise<void> {
  socket.resume().end();
  await once(socket, 'close');
}

async function outcomeOf(socket: TLSSocket): Promise<Pick<EarlyDataOutcome, 'accepted' | 'reason' | 'resent'>> {
  const [{ accepted, reason, resent }] = (await once(socket, 'earlyDataStatus')) as [EarlyDataOutcome];
  return { accepted, reason, resent };
}

test('early data comes as events, apart from other data and in front of the connection', async (t) => {
  const metrics = new Metrics().start();
  t.after(() => metrics.stop());
  const { server, connect, session } = await site(t, { earlyData: early() });
  const heard = listenTo(server);
  const options = { session: await session(), earlyData: 'first words', earlyDataRetry: true };
  heard.order.length = 0;
  const status = once(server, 'earlyDataStatus') as Promise<[EarlyDataOutcome, TLSSocket]>;
  const client = connect(options);
  assert.equal(client.earlyDataState, 'none');
  client.write('and then this');
  assert.deepEqual(await outcomeOf(client), { accepted: true, reason: undefined, resent: false });
  assert.equal(client.earlyDataState, 'accepted');
  const [outcome, socket] = await status;
  assert.deepEqual([outcome.accepted, outcome.request?.hello.serverName], [true, 'localhost']);
  assert.equal(socket.earlyDataState, 'accepted');
  await finish(client);
  assert.deepEqual(heard, {
    early: ['first words'],
    ordinary: ['and then this'],
    order: ['earlyData', 'secureConnection'],
  });
  assert.equal(metrics.count('tessera_early_data_total', { role: 'server', accepted: 'true' }), 1);
  assert.equal(metrics.count('tessera_early_data_total', { role: 'client', accepted: 'true' }), 1);
});

test('early data that nobody would hear is rejected, and comes as ordinary data', async (t) => {
  const { server, connect, session } = await site(t, { earlyData: early() });
  const ordinary: string[] = [];
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.on('data', (bytes) => ordinary.push(String(bytes)));
  });
  const client = connect({ session: await session(), earlyData: 'hello' });
  assert.deepEqual(await outcomeOf(client), { accepted: false, reason: 'declined_by_server', resent: true });
  await finish(client);
  assert.deepEqual(ordinary, ['hello']);
});

test('rejected early data is sent again exactly once, in front of what was written', async (t) => {
  for (const verdict of ['replay', 'quarantine', 'unavailable'] as const) {
    const { server, connect, session } = await site(t, { earlyData: early({ guard: guardSaying(() => verdict) }) });
    const heard = listenTo(server);
    const client = connect({ session: await session(), earlyData: 'early ' });
    client.write('late');
    assert.deepEqual(await outcomeOf(client), { accepted: false, reason: 'declined_by_server', resent: true });
    assert.equal(client.isSessionReused(), true);
    assert.equal(client.earlyDataState, 'rejected');
    await finish(client);
    assert.deepEqual([heard.early, heard.ordinary.join('')], [[], 'early late']);
  }
});

test('earlyDataRetry: false tells only', async (t) => {
  const { server, connect, session } = await site(t, { earlyData: early({ guard: guardSaying(() => 'replay') }) });
  const heard = listenTo(server);
  const never = { resent: false, accepted: false };
  const rejected = connect({ session: await session(), earlyData: 'early', earlyDataRetry: false });
  assert.deepEqual(await outcomeOf(rejected), { ...never, reason: 'declined_by_server' });
  await finish(rejected);
  const unasked = connect({ earlyData: () => assert.fail('there is no room'), earlyDataRetry: false });
  assert.deepEqual(await outcomeOf(unasked), { ...never, reason: 'not_offered' });
  await finish(unasked);
  assert.deepEqual([heard.early, heard.ordinary], [[], []]);
});

test('what the ticket has no room for leaves as ordinary data', async (t) => {
  const { server, connect, session } = await site(t, { earlyData: early({ maxSize: 10 }) });
  const heard = listenTo(server);
  const large = connect({ session: await session(), earlyData: '0123456789a' });
  assert.deepEqual(await outcomeOf(large), { accepted: false, reason: 'too_large', resent: true });
  assert.equal(large.earlyDataState, 'none');
  await finish(large);
  const first = connect({ earlyData: 'no ticket' });
  assert.deepEqual(await outcomeOf(first), { accepted: false, reason: 'not_offered', resent: true });
  await finish(first);
  const rooms: number[] = [];
  const exact = connect({
    session: await session(),
    earlyData: (room) => {
      rooms.push(room);
      return Buffer.alloc(room, 'x');
    },
  });
  assert.equal((await outcomeOf(exact)).accepted, true);
  await finish(exact);
  assert.deepEqual([heard.early, heard.ordinary, rooms], [['xxxxxxxxxx'], ['0123456789a', 'no ticket'], [10]]);
});

test('bytes for one protocol are not sent again in another one', async (t) => {
  const protocols = ['one'];
  const { server, connect, session } = await site(t, { earlyData: early(), ALPNProtocols: ['one', 'two'] });
  const other = createServer({
    cert: identity.certificatePem,
    key: identity.keyPem,
    ticketKeyRing: server.ticketKeyRing,
    earlyData: early(),
    ALPNProtocols: ['two'],
  });
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const heard = listenTo(other);
  const ticket = await session({ ALPNProtocols: protocols });
  const { port } = other.address() as AddressInfo;
  const client = connect({ port, session: ticket, ALPNProtocols: ['one', 'two'], earlyData: 'one!' });
  const { accepted, resent } = await outcomeOf(client);
  assert.deepEqual([client.alpnProtocol, accepted, resent], ['two', false, false]);
  await finish(client);
  assert.deepEqual([heard.early, heard.ordinary], [[], []]);
});

test('a guard that never answers costs a round trip and nothing else', async (t) => {
  const guard = guardSaying(() => new Promise<ReplayVerdict>(() => {}));
  const { server, connect, session } = await site(t, { earlyData: early({ guard, deadlineMs: 20 }) });
  const heard = listenTo(server);
  const status = once(server, 'earlyDataStatus') as Promise<[EarlyDataOutcome]>;
  const client = connect({ session: await session(), earlyData: 'hello' });
  assert.equal((await outcomeOf(client)).resent, true);
  assert.equal((await status)[0].reason, 'guard_unavailable');
  await finish(client);
  assert.deepEqual(heard.ordinary, ['hello']);
});

test('a function that throws ends the connection with its error', async (t) => {
  const { connect, session } = await site(t, { earlyData: early() });
  const failure = new Error('no idea what to say');
  const fail = (): never => {
    throw failure;
  };
  for (const options of [{ earlyData: fail, session: await session() }, { earlyData: fail }]) {
    const [error] = await once(connect(options), 'error');
    assert.equal(error, failure);
  }
});

test('early data is written once, however often the engine makes progress', () => {
  const written: string[] = [];
  const write = (bytes: Uint8Array): unknown => written.push(String(bytes));
  const engine = (earlyData: string) => ({ earlyData, earlyDataRoom: 100, write }) as unknown as TlsEngine;
  const bytes = Buffer.from('mine');
  const sender = new EarlySender(bytes, true, undefined);
  sender.offer(engine('none'));
  assert.deepEqual(written, []);
  sender.offer(engine('offered'));
  sender.offer(engine('offered'));
  bytes.fill(0);
  assert.equal(written.length, 1);
  sender.declined('replay');
  assert.equal(String(Buffer.from(sender.settle(undefined).bytes!)), 'mine', 'the buffer is the program’s again');
});

test('options that make no sense', () => {
  const usage = (code: string) => (error: unknown) => error instanceof TlsUsageError && error.code === code;
  const wrong = { earlyData: 7 } as unknown as ConnectionOptions;
  assert.throws(() => connect({ port: 1, ...wrong }), usage('option.bad_early_data'));
  const { certificatePem: cert, keyPem: key } = identity;
  const serve = (earlyData: object) => createServer({ cert, key, earlyData: earlyData as ServerEarlyData });
  assert.throws(() => serve(early({ deliver: 'pipe' as 'stream' })), usage('option.bad_early_data'));
  assert.throws(() => serve({ maxSize: 1 }), usage('config.no_replay_guard'));
});

/** Passes bytes on, but those of the client behind its first flight only after `release`. */
async function holdSecondFlight(
  t: TestContext,
  port: number,
): Promise<{ readonly port: number; release(): void; cut(): void }> {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const open: Socket[] = [];
  const proxy = createTcpServer((client) => {
    const server = tcpConnect(port, '127.0.0.1');
    server.pipe(client);
    let answered = false;
    server.once('data', () => {
      answered = true;
    });
    client.on('data', (bytes) => {
      if (answered) void released.then(() => server.write(bytes));
      else server.write(bytes);
    });
    for (const socket of [client, server]) socket.on('error', () => {});
    open.push(client, server);
  });
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  t.after(cut);
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => proxy.close());
  return { port: (proxy.address() as AddressInfo).port, release, cut };
}

test('an HTTP server answers early data before the client has finished', async (t) => {
  const { server, port, connect, session } = await site(t, { earlyData: early({ deliver: 'stream' }) });
  const seen: (readonly [string | undefined, boolean])[] = [];
  const http = createHttpServer((request, response) => {
    const { secureConnecting } = request.socket as unknown as TLSSocket;
    seen.push([request.url, secureConnecting]);
    if (request.method === 'POST' && secureConnecting) response.writeHead(425);
    response.end(`you asked for ${request.url}`);
  });
  server.on('secureConnection', (socket: TLSSocket) => http.emit('connection', socket));
  const ask = (method: string, path: string) =>
    `${method} ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n`;

  const ticket = await session();
  const proxy = await holdSecondFlight(t, port);
  const connected = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  const client = connect({
    port: proxy.port,
    session: ticket,
    earlyData: ask('GET', '/early') + ask('POST', '/unsafe'),
  });
  const [socket] = await connected;
  assert.deepEqual([socket.secureConnecting, socket.isSessionReused(), socket.servername], [true, true, 'localhost']);
  assert.equal(socket.getCipher()?.name, 'TLS_AES_256_GCM_SHA384');
  let text = '';
  client.on('data', (bytes) => {
    text += String(bytes);
  });
  while (!text.includes('/unsafe')) await once(client, 'data');
  assert.match(text, /^HTTP\/1.1 200 OK.*you asked for \/early.*HTTP\/1.1 425 Too Early/s);
  assert.equal(socket.secureConnecting, true, 'the answers came before the Finished of the client');
  const secure = once(socket, 'secure');
  proxy.release();
  await secure;
  assert.equal(socket.secureConnecting, false);
  client.write(ask('POST', '/late'));
  while (!text.includes('/late')) await once(client, 'data');
  assert.deepEqual(seen, [
    ['/early', true],
    ['/unsafe', true],
    ['/late', false],
  ]);
  assert.doesNotMatch(text.slice(text.indexOf('/unsafe')), / 425 /);
});

test('a client that never finishes after its early data is an error of the socket', async (t) => {
  const { server, port, connect, session } = await site(t, { earlyData: early({ deliver: 'stream' }) });
  const ticket = await session();
  const proxy = await holdSecondFlight(t, port);
  const connected = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  server.on('tlsClientError', () => assert.fail('the program has the socket already'));
  const client = connect({ port: proxy.port, session: ticket, earlyData: 'half' });
  client.on('error', () => {});
  const [socket] = await connected;
  const failed = once(socket, 'error');
  let ended = false;
  socket
    .on('data', (bytes) => assert.equal(String(bytes), 'half'))
    .on('end', () => {
      ended = true;
    });
  await once(socket, 'data');
  proxy.cut();
  const [error] = await failed;
  assert.equal((error as NodeJS.ErrnoException).code, 'ECONNRESET');
  assert.equal(ended, false);
});

test('a server that ends at the first early data still gives its answer and its tickets', async (t) => {
  const { server, connect, session } = await site(t, { earlyData: early({ deliver: 'stream' }) });
  const ticket = await session();
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.end('goodbye');
    socket.destroySoon();
  });
  const client = connect({ session: ticket, earlyData: 'hello' });
  let text = '';
  let sessions = 0;
  client
    .on('session', () => sessions++)
    .on('data', (bytes) => {
      text += String(bytes);
    });
  await once(client, 'close');
  assert.deepEqual([text, sessions, client.truncated], ['goodbye', 1, false]);
});
