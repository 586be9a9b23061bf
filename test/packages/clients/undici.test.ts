import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import { connect as connectTcp, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Agent, Client, fetch, Pool, request } from 'undici';
import { type UndiciConnectorOptions, undiciConnector } from '../../../src/node/index.ts';
import { echoServer, listening, own, type Reached, RecordingCache, WRONG_CA, wrongCa } from './support.ts';

function agentOf(t: TestContext, options: UndiciConnectorOptions = {}): Agent {
  const agent = new Agent({
    connect: undiciConnector({ ca: own.cert, ...options }),
    connections: 1,
  });
  t.after(() => agent.destroy());
  return agent;
}

async function get(dispatcher: Agent | Pool | Client, port: number, path: string = '/'): Promise<Reached> {
  const { body } = await request(`https://localhost:${port}${path}`, { dispatcher });
  return (await body.json()) as Reached;
}

/** fetch hides what went wrong behind `fetch failed`. */
const causeOf = async (answer: Promise<unknown>): Promise<unknown> => {
  try {
    await answer;
  } catch (error) {
    return (error as Error).cause;
  }
  throw new Error('the request went through');
};

for (const tls of ['ours', 'node'] as const) {
  test(`request and fetch over ${tls}: verified, resumed, refused, and again after a drop`, async (t) => {
    const port = await echoServer(t, tls);
    const url = `https://localhost:${port}/`;
    const ticketCache = new RecordingCache();
    const dispatcher = agentOf(t, { ticketCache });
    const posted = await fetch(url, { dispatcher, method: 'POST', body: 'y'.repeat(200_000) });
    const first = (await posted.json()) as Reached;
    assert.deepEqual(first, {
      resumed: false,
      connection: 0,
      method: 'POST',
      servername: 'localhost',
      alpn: 'http/1.1',
      body: '200000 bytes',
    });
    assert.equal((await get(dispatcher, port)).connection, 0);
    assert.equal(
      ((await causeOf(fetch(`${url}close`, { dispatcher }))) as NodeJS.ErrnoException).code,
      'UND_ERR_SOCKET',
    );
    const again = (await (await fetch(url, { dispatcher })).json()) as Reached;
    assert.deepEqual([again.connection, again.resumed], [1, true]);
    assert.equal(ticketCache.taken.length, 1);
    await assert.rejects(get(agentOf(t, { ca: wrongCa }), port), WRONG_CA);
    const cause = (await causeOf(fetch(url, { dispatcher: agentOf(t, { ca: wrongCa }) }))) as NodeJS.ErrnoException;
    assert.equal(cause.code, WRONG_CA.code);
  });
}

test('the global fetch takes an Agent as its dispatcher', async (t) => {
  const port = await echoServer(t, 'ours');
  const dispatcher = agentOf(t);
  const answer = await globalThis.fetch(`https://localhost:${port}/`, { dispatcher } as unknown as RequestInit);
  assert.equal(((await answer.json()) as Reached).alpn, 'http/1.1');
  const refused = agentOf(t, { ca: wrongCa });
  const cause = await causeOf(
    globalThis.fetch(`https://localhost:${port}/`, { dispatcher: refused } as unknown as RequestInit),
  );
  assert.equal((cause as NodeJS.ErrnoException).code, WRONG_CA.code);
});

test('parallel connections of a Pool each take a ticket of their own', async (t) => {
  const port = await echoServer(t, 'ours');
  const ticketCache = new RecordingCache();
  const connect = undiciConnector({ ca: own.cert, ticketCache });
  const parallel = async (count: number): Promise<boolean[]> => {
    const pool = new Pool(`https://localhost:${port}`, { connect, connections: count, pipelining: 1 });
    const answers = await Promise.all(Array.from({ length: count }, () => get(pool, port)));
    await pool.destroy();
    return answers.map(({ resumed }) => resumed);
  };
  assert.deepEqual(await parallel(3), [false, false, false]);
  assert.deepEqual(await parallel(6), Array(6).fill(true));
  assert.equal(new Set(ticketCache.taken).size, 6);
});

test('HTTP/2 where the server speaks it, HTTP/1.1 where it does not', async (t) => {
  const server = http2.createSecureServer({ ...own, allowHTTP1: true });
  server.on('request', (request, response) => {
    const { socket } = request.stream?.session ?? request;
    const { httpVersion } = request;
    const resumed = (socket as unknown as { isSessionReused(): boolean }).isSessionReused();
    request.resume().on('end', () => response.end(JSON.stringify({ httpVersion, resumed })));
  });
  const port = await listening(t, server);
  const ask = async (dispatcher: Agent): Promise<unknown> => {
    const answer = await fetch(`https://localhost:${port}/`, { dispatcher, method: 'POST', body: 'z'.repeat(100_000) });
    return answer.json();
  };
  const ticketCache = new RecordingCache();
  const first = agentOf(t, { allowH2: true, ticketCache });
  const answers = await Promise.all([ask(first), ask(first)]);
  assert.deepEqual(answers[0], { httpVersion: '2.0', resumed: false });
  await first.destroy();
  assert.deepEqual(await ask(agentOf(t, { allowH2: true, ticketCache })), { httpVersion: '2.0', resumed: true });
  assert.deepEqual(await ask(agentOf(t, { ticketCache })), { httpVersion: '1.1', resumed: false });
});

test('a Client, a plain target, and one that does not answer', async (t) => {
  const port = await echoServer(t, 'ours');
  const client = new Client(`https://127.0.0.1:${port}`, { connect: undiciConnector({ ca: own.cert }) });
  t.after(() => client.destroy());
  assert.equal((await get(client, port)).servername, false);

  const plain = http.createServer((_request, response) => void response.end('"plain"'));
  const plainPort = await listening(t, plain);
  const { body } = await request(`http://127.0.0.1:${plainPort}/`, { dispatcher: agentOf(t) });
  assert.equal(await body.json(), 'plain');

  const silent = createServer((socket) => socket.on('error', () => {}).resume());
  const silentPort = await listening(t, silent);
  await assert.rejects(get(agentOf(t, { timeout: 30 }), silentPort), {
    name: 'ConnectTimeoutError',
    code: 'UND_ERR_CONNECT_TIMEOUT',
  });
  await assert.rejects(get(agentOf(t, { servername: 'not a name' }), port), { code: 'option.bad_servername' });
  assert.throws(() => undiciConnector({ cert: 'no certificate' }), { code: 'ERR_OSSL_PEM_NO_START_LINE' });
});

test('in a tunnel that somebody else has opened', async (t) => {
  const port = await echoServer(t, 'ours');
  const tls = undiciConnector({ ca: own.cert });
  const client = new Client(`https://localhost:${port}`, {
    connect(target, callback) {
      const httpSocket = connectTcp(port, '127.0.0.1', () => tls({ ...target, port: '1', httpSocket }, callback));
    },
  });
  t.after(() => client.destroy());
  assert.equal((await get(client, port)).servername, 'localhost');
});
