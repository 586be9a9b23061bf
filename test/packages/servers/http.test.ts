/** node:http and node:https on our sockets: `attach`, and what node:https lets one do by hand. */
import assert from 'node:assert/strict';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import test from 'node:test';
import { attach, type TLSSocket } from '../../../src/node/index.ts';
import { get, listening, own, raw, rest } from './support.ts';

function hello(request: IncomingMessage, response: ServerResponse): void {
  const { encrypted, remoteAddress, alpnProtocol } = request.socket as unknown as TLSSocket;
  response.end(JSON.stringify({ encrypted, remoteAddress, alpnProtocol, url: request.url }));
}

for (const [name, make] of [
  ['http', () => http.createServer(hello)],
  ['https', () => https.createServer(hello)],
] as const) {
  test(`${name}: a request comes over TLS 1.3`, async (t) => {
    const server = make();
    attach(server, own);
    const port = await listening(t, server);
    const { status, text, socket } = await get(port, '/x');
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(text), {
      encrypted: true,
      remoteAddress: '127.0.0.1',
      alpnProtocol: 'http/1.1',
      url: '/x',
    });
    assert.equal(socket?.getProtocol(), 'TLSv1.3');
  });

  test(`${name}: half a request line is closed with 408`, { timeout: 15_000 }, async (t) => {
    const server = make();
    attach(server, own);
    Object.assign(server, { headersTimeout: 200, requestTimeout: 300 });
    Object.assign(server, { connectionsCheckingInterval: 50 });
    const port = await listening(t, server);
    const socket = await raw(t, port);
    socket.write('GET / HT');
    assert.match(await rest(socket), /^HTTP\/1.1 408 /);
  });
}
