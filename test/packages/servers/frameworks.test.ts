/** http, https, express, fastify, koa and hono on our sockets: each passes the same tests. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import https from 'node:https';
import { connect as connectTcp } from 'node:net';
import test, { type TestContext } from 'node:test';
import { Agent, fetch } from 'undici';
import { type AttachOptions, attach } from '../../../src/node/index.ts';
import { needs, peer } from '../../support/peers.ts';
import { run } from '../../support/process.ts';
import { APPS, type App, BIG_LENGTH, byHand, gate, type MakeApp, type Open, type Secure } from './apps.ts';
import { get, listening, ofClient, own, type RequestOptions, raw, rest, resume } from './support.ts';

const attached =
  (options: AttachOptions): Secure =>
  (server) =>
    void attach(server, options);

const VARIANTS: readonly (readonly [string, MakeApp, (options: AttachOptions) => Secure])[] = [
  ...Object.entries(APPS).map(([name, make]) => [name, make, attached] as const),
  ['https without attach', APPS['https']!, byHand],
];

for (const [name, make, secure] of VARIANTS) {
  const serve = async (
    t: TestContext,
    options: AttachOptions = {},
  ): Promise<{ readonly app: App; readonly port: number; readonly door: Open }> => {
    const door = gate();
    const app = make(secure({ ...own, ...options }), door);
    return { app, door, port: await listening(t, app.server, app.listen) };
  };

  test(`${name}: sees https, its client's address, and TLS 1.3`, async (t) => {
    const { port } = await serve(t);
    const { text, socket } = await get(port, '/info');
    assert.deepEqual(JSON.parse(text), { protocol: 'https', secure: true, ip: '127.0.0.1', client: null });
    assert.deepEqual([socket?.getProtocol(), socket?.alpnProtocol], ['TLSv1.3', 'http/1.1']);
  });

  test(`${name}: takes megabytes, over and over on one connection`, async (t) => {
    const { port } = await serve(t);
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    const ports = new Set<number | undefined>();
    for (const length of [0, 1, 3_000_000, 17]) {
      const body = randomBytes(length);
      const headers = { 'content-type': 'application/octet-stream', 'content-length': length };
      const { status, text, socket } = await get(port, '/digest', { method: 'POST', agent, headers }, body);
      assert.equal(status, 200, text);
      assert.equal(text, createHash('sha256').update(body).digest('hex'));
      ports.add(socket?.localPort);
    }
    assert.equal(ports.size, 1);
  });

  test(`${name}: gives the tickets it is told to, and resumes`, async (t) => {
    const { port } = await serve(t, { numTickets: 3 });
    await resume(t, port, 3);
    let session: Buffer | undefined;
    for (const reused of [false, true]) {
      const options: RequestOptions = {
        host: '127.0.0.1',
        servername: 'localhost',
        port,
        path: '/info',
        ca: own.cert,
        session,
        agent: false,
      };
      const request = https.get(options);
      const [socket] = await once(request, 'socket');
      socket.on('session', (bytes: Buffer) => {
        session = bytes;
      });
      const [response] = await once(request, 'response');
      assert.equal(socket.isSessionReused(), reused);
      response.resume();
      await once(response, 'end');
    }
  });

  test(`${name}: knows the client by its certificate, and shuts out who has none`, async (t) => {
    const { app, port } = await serve(t, { requestCert: true, ca: ofClient.cert });
    const { text } = await get(port, '/info', ofClient);
    assert.equal(JSON.parse(text).client, 'DNS:client.example');
    const refused = once(app.server, 'clientError');
    await assert.rejects(get(port, '/info'), { code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' });
    assert.equal((await refused)[0].code, 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE');
  });

  test(`${name}: outlives who speaks no TLS, or goes away`, async (t) => {
    const { app, port } = await serve(t);
    const failed = once(app.server, 'clientError');
    const tcp = connectTcp(port, '127.0.0.1');
    tcp.end('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    assert.doesNotMatch(await rest(tcp), /HTTP/);
    assert.match((await failed)[0].code, /^ERR_SSL_/);
    const gone = await raw(t, port);
    gone.write('GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(gone, 'data');
    gone.destroy();
    assert.equal((await get(port, '/info')).status, 200);
  });

  test(`${name}: makes no more than a slow reader takes`, async (t) => {
    const { port, door } = await serve(t);
    const socket = await raw(t, port);
    socket.write('GET /big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    await once(socket, 'readable');
    for (let i = 0; i < 20; i++) await get(port, '/info'); // time enough to make it all
    assert.ok(door.produced < BIG_LENGTH / 2, `${door.produced} bytes wait`);
    let length = 0;
    for await (const chunk of socket) length += chunk.length;
    assert.equal(door.produced, BIG_LENGTH);
    assert.ok(length > BIG_LENGTH);
  });

  test(`${name}: ends when what was begun is done`, async (t) => {
    const { app, port, door } = await serve(t);
    const agent = new https.Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    await get(port, '/info', { agent }); // leaves an idle connection
    const answer = get(port, '/slow');
    await door.inside;
    const closed = once(app.server, 'close');
    const done = app.close();
    door.open();
    assert.equal((await answer).text, 'slow');
    await closed;
    await done;
    await assert.rejects(get(port, '/info'), { code: 'ECONNREFUSED' });
  });

  test(`${name}: curl and undici`, async (t) => {
    const { port } = await serve(t);
    const dispatcher = new Agent({ connect: { ca: own.cert } });
    t.after(() => dispatcher.close());
    const answer = await fetch(`https://localhost:${port}/info`, { dispatcher });
    assert.equal(((await answer.json()) as { protocol: string }).protocol, 'https');
    if (!needs(t, 'curl')) return;
    const { stdout } = await run(t, peer('curl')!.path, ['-ksS', '--tlsv1.3', `https://127.0.0.1:${port}/info`]);
    assert.equal(JSON.parse(stdout).ip, '127.0.0.1');
  });
}
