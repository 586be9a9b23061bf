import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import https, { type RequestOptions } from 'node:https';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import axios from 'axios';
import got from 'got';
import { Agent, type AgentOptions, attach } from '../../../src/node/index.ts';
import { echoServer, listening, own, type Reached, RecordingCache, WRONG_CA, wrongCa } from './support.ts';

/** An agent that is gone when the test ends. */
function agentOf(t: TestContext, options: AgentOptions = {}): Agent {
  const agent = new Agent({ ca: own.cert, ...options });
  t.after(() => agent.destroy());
  return agent;
}

async function get(
  agent: https.Agent,
  port: number,
  options: RequestOptions & { body?: string } = {},
): Promise<Reached> {
  const { body, ...rest } = options;
  const request = https.request({ host: 'localhost', family: 4, port, agent, method: body ? 'POST' : 'GET', ...rest });
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return JSON.parse(text) as Reached;
}

for (const tls of ['ours', 'node'] as const) {
  test(`https.request over ${tls}: verified, kept alive, resumed with a ticket of its own`, async (t) => {
    const port = await echoServer(t, tls);
    const ticketCache = new RecordingCache();
    const agent = agentOf(t, { keepAlive: true, maxSockets: 1, ticketCache });
    const first = await get(agent, port, { body: 'x'.repeat(300_000) });
    assert.deepEqual(first, {
      resumed: false,
      connection: 0,
      method: 'POST',
      servername: 'localhost',
      alpn: false,
      body: '300000 bytes',
    });
    assert.equal((await get(agent, port)).connection, 0);
    agent.destroy();
    const second = await get(agent, port);
    assert.deepEqual([second.connection, second.resumed], [1, true]);
    agent.destroy();
    const third = await get(agent, port);
    assert.deepEqual([third.connection, third.resumed], [2, true]);
    assert.equal(new Set(ticketCache.taken).size, 2);
  });

  test(`https.get over ${tls}: reconnects after the server dropped the connection`, async (t) => {
    const port = await echoServer(t, tls);
    const agent = agentOf(t, { keepAlive: true });
    assert.equal((await get(agent, port)).connection, 0);
    await assert.rejects(get(agent, port, { path: '/close' }), { code: 'ECONNRESET', message: 'socket hang up' });
    const again = await get(agent, port);
    assert.deepEqual([again.connection, again.resumed], [1, true]);
  });

  test(`a server over ${tls} that nobody vouches for is refused with Node's code`, async (t) => {
    const port = await echoServer(t, tls);
    const agent = agentOf(t, { ca: wrongCa });
    await assert.rejects(get(agent, port), WRONG_CA);
    await assert.rejects(get(new https.Agent({ ca: wrongCa }), port), WRONG_CA);
    await assert.rejects(get(agentOf(t), port, { servername: 'other.example' }), {
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
    assert.equal((await get(agent, port, { rejectUnauthorized: false })).resumed, false);
  });
}

test('parallel connections each take a ticket of their own, and all come back', async (t) => {
  const port = await echoServer(t, 'ours');
  const ticketCache = new RecordingCache();
  const agent = agentOf(t, { ticketCache });
  const parallel = (count: number): Promise<Reached[]> =>
    Promise.all(Array.from({ length: count }, () => get(agent, port)));
  assert.deepEqual(
    (await parallel(3)).map(({ resumed }) => resumed),
    [false, false, false],
  );
  assert.ok((await parallel(6)).every(({ resumed }) => resumed));
  assert.ok((await parallel(6)).every(({ resumed }) => resumed));
  assert.equal(ticketCache.taken.length, 12);
  assert.equal(new Set(ticketCache.taken).size, 12);
});

test('options of a request part connections and tickets', async (t) => {
  const port = await echoServer(t, 'ours');
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  await assert.rejects(get(agent, port, { ca: wrongCa }), WRONG_CA);
  const trusting = { ca: own.cert };
  assert.equal((await get(agent, port, trusting)).connection, 0);
  assert.equal((await get(agent, port, trusting)).connection, 0);
  // Neither the idle connection nor the tickets of one trust serve another.
  await assert.rejects(get(agent, port, { ca: wrongCa }), WRONG_CA);
  const blind = await get(agent, port, { ca: wrongCa, rejectUnauthorized: false });
  assert.deepEqual([blind.connection, blind.resumed], [1, false]);
  const asked = { ...trusting, verifyPeer: () => ({ trusted: true }) } as RequestOptions;
  const pinned = await get(agent, port, asked);
  assert.deepEqual([pinned.connection, pinned.resumed], [2, false]);
  agent.destroy();
  assert.equal((await get(agent, port, asked)).resumed, true);
  assert.equal((await get(agent, port, trusting)).resumed, true);
});

test('names of connections are those of https.Agent, and tell apart what it cannot', () => {
  const agent = new Agent();
  const plain = { host: 'a.example', port: 443, ca: own.cert, servername: 'b.example' };
  assert.equal(agent.getName(plain), new https.Agent().getName(plain));
  const asked = [() => ({ trusted: true }), () => ({ authorized: true })];
  const names = [
    {},
    { verifyPeer: asked[0] },
    { verifyPeer: asked[1] },
    { ALPNProtocols: ['h2'] },
    { key: { sign: 1 } },
  ];
  assert.equal(new Set(names.map((options) => agent.getName({ ...plain, ...options } as RequestOptions))).size, 5);
});

test('ALPN, a pipe and a proxy', async (t) => {
  const port = await echoServer(t, 'ours');
  const agent = agentOf(t, { ALPNProtocols: ['http/1.1'] });
  assert.equal((await get(agent, port)).alpn, 'http/1.1');

  const server = https.createServer(own, (_request, response) => void response.end('"by a pipe"'));
  const path = process.platform === 'win32' ? '\\\\.\\pipe\\tessera-agent' : `/tmp/tessera-agent-${process.pid}.sock`;
  t.after(() => void server.close());
  server.listen(path);
  await once(server, 'listening');
  assert.equal(await get(agentOf(t), port, { socketPath: path }), 'by a pipe');

  assert.throws(() => new Agent({ proxyEnv: { HTTPS_PROXY: 'http://127.0.0.1:1' } } as AgentOptions), {
    code: 'option.unsupported',
  });
});

test('a handshake that fails takes the tickets of its session along', async (t) => {
  const ticketCache = new RecordingCache();
  const agent = agentOf(t, { ticketCache });
  const server = attach(
    https.createServer(own, (_request, response) => void response.end('{}')),
    own,
  );
  let broken = false;
  // In front of it, a network that can break.
  const front = createServer((socket) => {
    socket.on('error', () => {});
    if (broken) socket.once('data', () => socket.destroy());
    else server.emit('connection', socket);
  });
  const port = await listening(t, front);
  await get(agent, port);
  assert.equal(ticketCache.size, 2);
  broken = true;
  await assert.rejects(get(agent, port), { code: 'ECONNRESET' });
  assert.deepEqual([ticketCache.taken.length, ticketCache.size], [1, 0]);
});

test('the timeout of an agent', async (t) => {
  const silent = createServer((socket) => socket.on('error', () => {}).resume());
  const port = await listening(t, silent);
  const request = https.get({ host: '127.0.0.1', port, agent: agentOf(t, { timeout: 30 }) });
  const failed = new Promise<NodeJS.ErrnoException>((resolve) => request.on('error', resolve));
  await once(request, 'timeout');
  request.destroy();
  assert.equal((await failed).code, 'ECONNRESET');
});

test('got', async (t) => {
  const port = await echoServer(t, 'node');
  const agent = agentOf(t);
  const client = got.extend({ agent: { https: agent }, retry: { limit: 0 }, dnsLookupIpVersion: 4 });
  const url = `https://localhost:${port}/`;
  const posted = await client.post(url, { body: 'by got' });
  const first = JSON.parse(posted.body) as Reached;
  assert.deepEqual([first.body, first.resumed], ['by got', false]);
  assert.ok((posted.timings.phases.tls ?? -1) >= 0);
  assert.equal((await client.get(url).json<Reached>()).resumed, true);
  await assert.rejects(client.get(`${url}close`), { code: 'ECONNRESET' });
  assert.equal((await client.get(url).json<Reached>()).connection, 2);
  await assert.rejects(client.get(url, { agent: { https: agentOf(t, { ca: wrongCa }) } }), WRONG_CA);
});

test('axios', async (t) => {
  const port = await echoServer(t, 'node');
  const agent = agentOf(t);
  const client = axios.create({ baseURL: `https://localhost:${port}`, httpsAgent: agent, proxy: false });
  const { data, status } = await client.post<Reached>('/', 'by axios');
  assert.deepEqual([status, data.body, data.resumed], [200, 'by axios', false]);
  assert.equal((await client.get<Reached>('/')).data.resumed, true);
  await assert.rejects(client.get('/close'), { code: 'ECONNRESET' });
  assert.equal((await client.get<Reached>('/')).data.connection, 2);
  await assert.rejects(client.get('/', { httpsAgent: agentOf(t, { ca: wrongCa }) }), WRONG_CA);
});
