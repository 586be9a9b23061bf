/** node:http2 on our sockets: sessions that know their TLS, and the fallback to HTTP/1.1. */
import assert from 'node:assert/strict';
import http2, { type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import test from 'node:test';
import tls from 'node:tls';
import { attach } from '../../../src/node/index.ts';
import { get, h2, h2Get, listening, own } from './support.ts';

function hello(request: Http2ServerRequest, response: Http2ServerResponse): void {
  const socket = request.socket as tls.TLSSocket;
  response.end(
    JSON.stringify({
      version: request.httpVersion,
      encrypted: [socket.encrypted, request.stream?.session?.encrypted],
      alpn: [socket.alpnProtocol, request.stream?.session?.alpnProtocol],
      address: [socket.remoteAddress, request.stream?.session?.socket.remoteAddress],
      servername: socket.servername,
      cipher: socket.getCipher().version,
      isTls: socket instanceof tls.TLSSocket,
    }),
  );
}

for (const [name, make] of [
  ['createServer', () => http2.createServer(hello)],
  ['createSecureServer', () => http2.createSecureServer({}, hello)],
  ['createSecureServer with allowHTTP1', () => http2.createSecureServer({ allowHTTP1: true }, hello)],
] as const) {
  test(`http2.${name}: a session knows how it is encrypted and with whom`, async (t) => {
    const server = make();
    attach(server, own);
    const port = await listening(t, server);
    const session = await h2(t, port);
    const { status, text } = await h2Get(session);
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(text), {
      version: '2.0',
      encrypted: [true, true],
      alpn: ['h2', 'h2'],
      address: ['127.0.0.1', '127.0.0.1'],
      servername: 'localhost',
      cipher: 'TLSv1.3',
      isTls: true,
    });
  });
}

test('http2.createSecureServer with allowHTTP1: HTTP/1.1 for clients that want it, or say nothing', async (t) => {
  const server = http2.createSecureServer({ allowHTTP1: true }, hello);
  attach(server, own);
  const port = await listening(t, server);
  for (const [ALPNProtocols, alpn] of [
    [['http/1.1'], 'http/1.1'],
    [[], false],
  ] as const) {
    const { text } = await get(port, '/', { ALPNProtocols: [...ALPNProtocols] });
    const { version, encrypted, alpn: seen, address } = JSON.parse(text);
    assert.deepEqual([version, encrypted[0], seen[0], address[0]], ['1.1', true, alpn, '127.0.0.1']);
  }
});
