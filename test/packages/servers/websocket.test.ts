/** ws and socket.io on our sockets, beside HTTP/1.1 and beside HTTP/2 with its fallback; and all of it in a browser. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http, { type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import http2 from 'node:http2';
import test from 'node:test';
import type tls from 'node:tls';
import { Server as SocketServer } from 'socket.io';
import { io } from 'socket.io-client';
import WebSocket, { WebSocketServer } from 'ws';
import { attach } from '../../../src/node/index.ts';
import { openPage } from '../../support/browser.ts';
import { needs } from '../../support/peers.ts';
import { digest } from './apps.ts';
import { listening, ofClient, own, raw, resume } from './support.ts';

const SERVERS: Readonly<Record<string, () => HttpServer>> = {
  http: () => http.createServer(),
  'http2 with allowHTTP1': () => http2.createSecureServer({ allowHTTP1: true }) as unknown as HttpServer,
};

for (const [name, make] of Object.entries(SERVERS)) {
  test(`ws beside ${name}: echoes megabytes both ways, and closes with its code`, async (t) => {
    const server = make();
    attach(server, { ...own, requestCert: true, rejectUnauthorized: false, ca: ofClient.cert, numTickets: 3 });
    let seen: unknown;
    const sockets = new WebSocketServer({
      server,
      verifyClient: ({ secure, req }: { secure: boolean; req: IncomingMessage }) => {
        const { encrypted, authorized } = req.socket as tls.TLSSocket;
        seen = { secure, encrypted, authorized, address: req.socket.remoteAddress };
        return req.url !== '/no';
      },
    });
    sockets.on('connection', (socket) => {
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    });
    t.after(() => sockets.close());
    const port = await listening(t, server);
    const client = new WebSocket(`wss://localhost:${port}`, { ca: own.cert, ...ofClient });
    await once(client, 'open');
    assert.deepEqual(seen, { secure: true, encrypted: true, authorized: true, address: '127.0.0.1' });
    for (const length of [0, 1, 5_000_000]) {
      const sent = randomBytes(length);
      client.send(sent);
      const [answer] = await once(client, 'message');
      assert.ok(sent.equals(answer));
    }
    client.ping();
    await once(client, 'pong');
    const [served] = sockets.clients;
    served!.close(4001, 'enough');
    const [code, reason] = await once(client, 'close');
    assert.deepEqual([code, String(reason)], [4001, 'enough']);
    const refused = new WebSocket(`wss://localhost:${port}/no`, { ca: own.cert });
    assert.match((await once(refused, 'error'))[0].message, /401/);
    await resume(t, port, 3, { ALPNProtocols: ['http/1.1'] });
  });

  test(`ws beside ${name}: a peer that does not read slows the sender, and nothing is lost`, async (t) => {
    const server = make();
    attach(server, own);
    const sockets = new WebSocketServer({ server });
    t.after(() => sockets.close());
    const port = await listening(t, server);
    const accepted = once(sockets, 'connection');
    const socket = await raw(t, port, { ALPNProtocols: ['http/1.1'] });
    const key = randomBytes(16).toString('base64');
    socket.write(
      `GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
    const [served] = (await accepted) as [WebSocket];
    const message = Buffer.alloc(32 * 1024 * 1024, 'x');
    served.send(message);
    assert.ok(served.bufferedAmount > message.length / 2);
    let left = message.length;
    for await (const chunk of socket) {
      left -= chunk.length;
      if (left < 0) break;
    }
    assert.equal(served.bufferedAmount, 0);
  });

  for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
    test(`socket.io beside ${name}: events and acknowledgements over ${transports.join(', then ')}`, async (t) => {
      const server = make();
      attach(server, own);
      const sockets = new SocketServer(server, { maxHttpBufferSize: 10_000_000 });
      t.after(() => sockets.close());
      let seen: unknown;
      sockets.on('connection', (socket) => {
        const { secure, address } = socket.handshake;
        seen = { secure, address };
        socket.on('echo', (data: Buffer, answer: (data: Buffer) => void) => answer(data));
      });
      const port = await listening(t, server);
      const client = io(`https://localhost:${port}`, { transports, ca: own.cert } as Parameters<typeof io>[1] & object);
      t.after(() => client.close());
      await new Promise<void>((resolve, reject) => client.on('connect', resolve).on('connect_error', reject));
      assert.deepEqual(seen, { secure: true, address: '127.0.0.1' });
      if (transports.length > 1) {
        const { engine } = client.io;
        if (engine.transport.name !== 'websocket')
          await new Promise<void>((resolve) => engine.once('upgrade', () => resolve()));
      }
      const sent = randomBytes(2_000_000);
      assert.ok(sent.equals(await client.emitWithAck('echo', sent)));
      const gone = new Promise((resolve) => client.on('disconnect', resolve));
      await sockets.close();
      await gone;
    });
  }
}

test('Chromium: a page over HTTP/2 posts, listens to events, and opens a WebSocket', { timeout: 60_000 }, async (t) => {
  if (!needs(t, 'chromium')) return;
  const server = http2.createSecureServer({ allowHTTP1: true }, async (request, response) => {
    const answer = response as unknown as ServerResponse;
    if (request.method === 'POST') {
      answer.end(await digest(request));
    } else if (request.url === '/events') {
      answer.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const event of [1, 2, 3]) answer.write(`data: ${event}\n\n`);
    } else {
      answer.setHeader('content-type', 'text/html');
      answer.end('<title>ready</title>');
    }
  });
  attach(server, own);
  const sockets = new WebSocketServer({ server: server as unknown as HttpServer });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`${data}!`)));
  t.after(() => sockets.close());
  const port = await listening(t, server);
  const page = await openPage(t, own.cert);
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
  });
  const sessions: http2.ServerHttp2Session[] = [];
  server.on('session', (session) => sessions.push(session));
  assert.equal(await page.load(`https://localhost:${port}/`), undefined);
  const seen = await page.evaluate(`(async () => {
    const body = new Uint8Array(3_000_000).fill(120);
    const posted = await (await fetch('/', { method: 'POST', body })).text();
    const events = await new Promise((resolve) => {
      const all = [];
      const source = new EventSource('/events');
      source.onmessage = ({ data }) => {
        if (all.push(data) === 3) resolve(all), source.close();
      };
    });
    const echo = await new Promise((resolve, reject) => {
      const socket = new WebSocket('wss://' + location.host);
      socket.onopen = () => socket.send('hello');
      socket.onmessage = ({ data }) => resolve(data);
      socket.onerror = () => reject(new Error('WebSocket'));
    });
    const [{ nextHopProtocol }] = performance.getEntriesByType('navigation');
    return { title: document.title, nextHopProtocol, posted, events, echo };
  })()`);
  assert.deepEqual(seen, {
    title: 'ready',
    nextHopProtocol: 'h2',
    posted: await digest(
      (async function* () {
        yield new Uint8Array(3_000_000).fill(120);
      })(),
    ),
    events: ['1', '2', '3'],
    echo: 'hello!',
  });
  for (const session of sessions) session.destroy();
});
