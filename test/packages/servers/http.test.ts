/** What `attach` does to servers of node:http and node:https, and to the `allowHTTP1` side of node:http2. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http, { type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net, { connect as connectTcp } from 'node:net';
import test, { type TestContext } from 'node:test';
import tls from 'node:tls';
import { TlsUsageError } from '../../../src/errors/index.ts';
import { attach, connect, createSecureContext, createServer, TLSSocket } from '../../../src/node/index.ts';
import { makeIdentity } from '../../support/certificates.ts';
import { Trickle } from '../../support/trickle.ts';
import { get, listening, own, raw, rest, resume } from './support.ts';

function hello(request: IncomingMessage, response: ServerResponse): void {
  response.end(request.url);
}

/** However it ended. */
const over = (socket: net.Socket): Promise<unknown> =>
  new Promise((resolve) => socket.on('error', () => {}).once('close', resolve));

const eager = <T extends object>(server: T): T => Object.assign(server, { connectionsCheckingInterval: 30 });
const SERVERS: Readonly<Record<string, () => HttpServer>> = {
  http: () => eager(http.createServer(hello)),
  https: () => eager(https.createServer(hello)),
  'http2 with allowHTTP1': () =>
    eager(
      http2.createSecureServer({ allowHTTP1: true }, (request, response) => response.end(request.url)),
    ) as unknown as HttpServer,
};

for (const [name, make] of Object.entries(SERVERS)) {
  const old = { ALPNProtocols: ['http/1.1'] };

  test(`${name}: half a request line is answered with 408`, async (t) => {
    const server = make();
    attach(server, own);
    Object.assign(server, { headersTimeout: 200, requestTimeout: 300 });
    const socket = await raw(t, await listening(t, server), old);
    socket.write('GET / HT');
    assert.match(await rest(socket), /^HTTP\/1.1 408 /);
  });

  test(`${name}: half a body is answered with 408`, async (t) => {
    const server = make();
    attach(server, own);
    Object.assign(server, { headersTimeout: 200, requestTimeout: 300 });
    server.removeAllListeners('request').on('request', (request: IncomingMessage) => request.resume());
    const socket = await raw(t, await listening(t, server), old);
    socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf');
    assert.match(await rest(socket), /^HTTP\/1.1 408 /);
  });

  test(`${name}: given its connections by hand, it watches over them too`, async (t) => {
    const server = make();
    attach(server, own);
    Object.assign(server, { headersTimeout: 200, requestTimeout: 300 });
    const front = net.createServer((socket) => server.emit('connection', socket));
    t.after(() => server.close());
    const socket = await raw(t, await listening(t, front), old);
    socket.write('GET / HT');
    assert.match(await rest(socket), /^HTTP\/1.1 408 /);
  });

  test(`${name}: keepAliveTimeout and timeout end connections`, async (t) => {
    const server = make();
    attach(server, own);
    Object.assign(server, { keepAliveTimeout: 150 });
    const port = await listening(t, server);
    const idle = await raw(t, port, old);
    idle.write('GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n');
    assert.match(await rest(idle), /^HTTP\/1.1 200 OK\r\n.*\/a/s);
    if (name.startsWith('http2')) return; // core sets no timeout there
    server.setTimeout(150);
    const silent = await raw(t, port, old);
    assert.equal(await rest(silent), '');
  });

  test(`${name}: half a record now and then does not keep an idle connection`, async (t) => {
    const server = make();
    attach(server, own);
    Object.assign(server, { keepAliveTimeout: 100 });
    const tcp = connectTcp(await listening(t, server), '127.0.0.1');
    const slow = new Trickle(tcp);
    const socket = tls.connect({ socket: slow, servername: 'localhost', ca: own.cert, ...old }).on('error', () => {});
    const request = 'GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n';
    socket.write(request);
    await once(socket, 'data');
    slow.everyMs = 20;
    socket.resume().write(request.repeat(20));
    await over(tcp); // long before the record is whole
    assert.ok(tcp.bytesWritten < 5_000);
  });

  test(`${name}: closeIdleConnections spares what is busy, closeAllConnections nothing`, async (t) => {
    const server = make();
    attach(server, own);
    server.removeAllListeners('request').on('request', (request: IncomingMessage, response: ServerResponse) => {
      if (request.url === '/now') response.end('now');
      else response.write('…');
    });
    const port = await listening(t, server);
    const idle = await raw(t, port, old);
    idle.write('GET /now HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(idle, 'data');
    const busy = await raw(t, port, old);
    busy.write('GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(busy, 'data');
    const begun = connectTcp(port, '127.0.0.1').on('error', () => {});
    await once(begun, 'connect');
    let busyEnded = false;
    busy.once('close', () => {
      busyEnded = true;
    });
    const idleEnded = once(idle.resume(), 'close');
    server.closeIdleConnections();
    await idleEnded;
    assert.equal(busyEnded, false);
    if (server.closeAllConnections === undefined) {
      begun.destroy();
      return; // node:http2 has none
    }
    const ended = [once(busy.resume(), 'close'), once(begun.resume(), 'close')];
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await Promise.all(ended);
    await closed;
  });

  for (const stage of ['before', 'in', 'at the end of'] as const) {
    test(`${name}: close and closeAllConnections ${stage} a handshake`, async (t) => {
      const server = make();
      const failures: unknown[] = [];
      attach(server, own);
      server.on('tlsClientError', (error) => failures.push(error));
      const tcp = connectTcp(await listening(t, server), '127.0.0.1');
      const accepted = once(server, 'connection').catch(() => {});
      await once(tcp, 'connect');
      if (stage === 'in') tcp.write(Buffer.from('16030100c8010000c40303', 'hex'));
      if (stage === 'at the end of') {
        const slow = new Trickle(tcp);
        const socket = tls
          .connect({ socket: slow, servername: 'localhost', ca: own.cert, ...old })
          .on('error', () => {});
        await once(tcp, 'data');
        slow.everyMs = 60_000; // the rest of the client's flight
        socket.resume();
      }
      const ended = over(tcp.resume());
      const closed = once(server, 'close');
      await Promise.race([accepted, new Promise(setImmediate)]);
      server.close();
      if (server.closeAllConnections === undefined)
        tcp.destroy(); // node:http2 has none
      else server.closeAllConnections();
      await Promise.all([ended, closed]);
    });
  }

  test(`${name}: a handshake that is going on when the server closes is served, and then it is closed`, async (t) => {
    const server = make();
    attach(server, own);
    const tcp = connectTcp(await listening(t, server), '127.0.0.1');
    await once(tcp, 'connect');
    const slow = new Trickle(tcp);
    const socket = tls.connect({ socket: slow, servername: 'localhost', ca: own.cert, ...old });
    await once(tcp, 'data');
    const closed = once(server, 'close');
    server.close();
    socket.write('GET /late HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    assert.match(await rest(socket), /^HTTP\/1.1 200 OK\r\n.*\/late/s);
    await closed;
  });

  test(`${name}: a handshake that takes too long is a clientError, and the connection is over`, async (t) => {
    const server = make();
    attach(server, { ...own, handshakeTimeout: 100 });
    const failed = once(server, 'clientError');
    const tcp = connectTcp(await listening(t, server), '127.0.0.1');
    assert.equal(await rest(tcp), '');
    assert.equal((await failed)[0].code, 'ERR_TLS_HANDSHAKE_TIMEOUT');
  });

  test(`${name}: a listener to clientError may answer, or destroy with the error`, async (t) => {
    const server = make();
    attach(server, own);
    const port = await listening(t, server);
    for (const answer of [
      (error: Error, socket: TLSSocket) => socket.destroy(error),
      (_error: Error, socket: TLSSocket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    ]) {
      server.once('clientError', answer);
      const tcp = connectTcp(port, '127.0.0.1');
      tcp.write('no TLS at all, but long enough to tell');
      assert.doesNotMatch(await rest(tcp), /400/);
    }
  });

  test(`${name}: a request that is no HTTP is answered with 400`, async (t) => {
    const server = make();
    attach(server, own);
    const socket = await raw(t, await listening(t, server), old);
    socket.write('\0\0\0\0\r\n\r\n');
    assert.match(await rest(socket), /^HTTP\/1.1 400 /);
  });

  test(`${name}: certificates change, and tickets of before stay valid`, async (t) => {
    const server = make();
    const side = attach(server, own);
    const port = await listening(t, server);
    const before = await raw(t, port, old);
    const [session] = await once(before, 'session');
    const other = await makeIdentity('p384', ['localhost']);
    const context = { cert: other.certificatePem, key: other.keyPem };
    if ('setSecureContext' in server) (server as unknown as tls.Server).setSecureContext(context);
    else side.setSecureContext(context);
    await assert.rejects(raw(t, port, old), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    await raw(t, port, { ...old, ca: other.certificatePem });
    assert.equal((await raw(t, port, { ...old, session })).isSessionReused(), true);
  });

  test(`${name}: what happens to tickets and keys is heard on both`, async (t) => {
    const server = make();
    const side = attach(server, { ...own, numTickets: 1 });
    const heard: string[] = [];
    side.on('ticketIssued', () => heard.push('ticket here'));
    server.on('ticketIssued', () => heard.push('ticket there'));
    server.on('keylog', (line: Buffer) => heard.push(line.toString().split(' ')[0]!));
    await resume(t, await listening(t, server), 1, old);
    for (const one of ['ticket here', 'ticket there', 'SERVER_HANDSHAKE_TRAFFIC_SECRET'])
      assert.ok(heard.includes(one), one);
  });
}

test('http: whoever listens to connection, before or after, gets the secure socket, once', async (t) => {
  const seen: unknown[] = [];
  const server = http.createServer(hello);
  server.on('connection', (socket) => seen.push(socket));
  attach(server, own);
  server.on('connection', (socket) => seen.push(socket));
  const port = await listening(t, server);
  await get(port);
  assert.equal(seen.length, 2);
  assert.ok(seen[0] instanceof TLSSocket);
  assert.equal(seen[0], seen[1]);
});

test('https: it goes on as it was made', async (t) => {
  const client = await makeIdentity('p256', ['client.example']);
  const server = https.createServer({ ...own, requestCert: true, ca: client.certificatePem }, hello);
  attach(server);
  const port = await listening(t, server);
  await assert.rejects(get(port), { code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' });
  assert.equal((await get(port, '/in', { cert: client.certificatePem, key: client.keyPem })).text, '/in');
});

test('https: its own SNICallback, pskCallback and handshakeTimeout are asked still', async (t) => {
  const other = await makeIdentity('p384', ['other.example']);
  const context = createSecureContext({ cert: other.certificatePem, key: other.keyPem });
  const psk = randomBytes(32);
  const server = https.createServer(
    {
      ...own,
      SNICallback: ((name: string, done: (error: null, context: unknown) => void) =>
        done(null, name === 'other.example' ? context : null)) as never,
      pskCallback: (_socket, identity) => (identity === 'me' ? psk : null),
    },
    hello,
  );
  attach(server);
  const port = await listening(t, server);
  await raw(t, port);
  await raw(t, port, { servername: 'other.example', ca: other.certificatePem });
  const side = connect({ port, psks: [{ identity: Buffer.from('me'), key: psk, hash: 'sha256' }] });
  t.after(() => side.destroy());
  await once(side, 'secureConnect');
  assert.equal(side.getPeerX509Certificate(), undefined);
});

test('https: addContext before attach would be lost, so it is refused; afterwards it works', async (t) => {
  const other = await makeIdentity('p384', ['other.example']);
  const context = { cert: other.certificatePem, key: other.keyPem };
  const early = https.createServer(own);
  early.addContext('other.example', context);
  assert.throws(() => attach(early), { code: 'attach.contexts' });
  const server = https.createServer(own);
  attach(server);
  server.addContext('other.example', context);
  await raw(t, await listening(t, server), { servername: 'other.example', ca: other.certificatePem });
});

test('ticket keys are those of the HTTP server, for whoever asks it', async (t) => {
  const [one, two] = [http.createServer(hello), https.createServer(own, hello)];
  const side = attach(one, own);
  attach(two);
  two.setTicketKeys(side.getTicketKeys());
  assert.deepEqual(two.getTicketKeys(), side.getTicketKeys());
  const first = await raw(t, await listening(t, one));
  const [session] = await once(first, 'session');
  assert.equal((await raw(t, await listening(t, two), { session })).isSessionReused(), true);
});

test('a client that breaks off does not end a program that listens to no error, as with node:tls', async (t) => {
  for (const create of [tls.createServer, createServer]) {
    const server = create({ ...own });
    const port = await listening(t, server as net.Server);
    const accepted = once(server, 'secureConnection');
    const client = await raw(t, port);
    const [socket] = (await accepted) as [tls.TLSSocket];
    const closed = new Promise((resolve) => socket.on('close', resolve).resume());
    socket.write(Buffer.alloc(10_000_000)); // what nobody reads makes a reset of the end
    await once(client, 'readable');
    client.destroy();
    assert.equal(await closed, true);
  }
});

test('ALPN is what the server speaks', async (t: TestContext) => {
  for (const [make, good, bad] of [
    [() => http.createServer(hello), 'http/1.1', 'h2'],
    [() => https.createServer(hello), 'http/1.1', 'h2'],
    [() => http2.createServer(), 'h2', 'http/1.1'],
    [() => http2.createSecureServer(), 'h2', 'http/1.1'],
  ] as const) {
    const server = make() as HttpServer;
    attach(server, own);
    const port = await listening(t, server);
    assert.equal((await raw(t, port, { ALPNProtocols: [bad, good] })).alpnProtocol, good);
    await assert.rejects(raw(t, port, { ALPNProtocols: [bad] }), {
      code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    });
  }
});

test('attach refuses what it cannot do, in words', () => {
  const server = http.createServer();
  const side = attach(server, own);
  const refusals: readonly (readonly [string, () => unknown])[] = [
    ['attach.twice', () => attach(server, own)],
    ['attach.listen', () => side.listen()],
    ['attach.not_http', () => attach(net.createServer() as never, own)],
    ['attach.not_http', () => attach(undefined as never, own)],
    ['attach.http1_fallback', () => attach(http2.createServer({ allowHTTP1: true } as http2.ServerOptions), own)],
  ];
  for (const [code, refused] of refusals) {
    assert.throws(refused, (error) => error instanceof TlsUsageError && error.code === code);
  }
});
