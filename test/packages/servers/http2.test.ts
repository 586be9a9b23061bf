/** node:http2, and fastify, koa and hono over it, on our sockets: sessions that know their TLS, and the fallback to HTTP/1.1. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http2, { type Http2ServerRequest } from 'node:http2';
import type { Duplex } from 'node:stream';
import test, { type TestContext } from 'node:test';
import tls from 'node:tls';
import { Agent, fetch } from 'undici';
import { type AttachOptions, attach, connect, http2Socket } from '../../../src/node/index.ts';
import { needs, peer } from '../../support/peers.ts';
import { freePort, run, start } from '../../support/process.ts';
import { type App, BIG_LENGTH, gate, HTTP2_APPS, type Open } from './apps.ts';
import { get, h2, h2Get, listening, ofClient, own, raw, rest, resume } from './support.ts';

const alpn = { ALPNProtocols: ['h2'] };

for (const [name, make] of Object.entries(HTTP2_APPS)) {
  const serve = async (
    t: TestContext,
    options: AttachOptions = {},
  ): Promise<{ readonly app: App; readonly port: number; readonly door: Open }> => {
    const door = gate();
    const app = make((server) => void attach(server, { ...own, ...options }), door);
    return { app, door, port: await listening(t, app.server, app.listen) };
  };
  const post = { ':path': '/digest', 'content-type': 'application/octet-stream' };

  test(`${name}: sees https and its client's address`, async (t) => {
    const { port } = await serve(t);
    const { status, text } = await h2Get(await h2(t, port), { ':path': '/info' });
    assert.equal(status, 200, text);
    assert.deepEqual(JSON.parse(text), { protocol: 'https', secure: true, ip: '127.0.0.1', client: null });
  });

  test(`${name}: a session knows how it is encrypted and with whom`, async (t) => {
    const { app, port } = await serve(t);
    const begun = once(app.server, 'session');
    const session = await h2(t, port);
    const [{ encrypted, alpnProtocol, socket }] = (await begun) as [
      http2.ServerHttp2Session & { socket: tls.TLSSocket },
    ];
    assert.deepEqual([encrypted, alpnProtocol], [true, 'h2']);
    assert.ok(socket instanceof tls.TLSSocket);
    const { remoteAddress, remotePort, servername, authorized } = socket;
    assert.deepEqual(
      { encrypted: socket.encrypted, remoteAddress, remotePort, servername, authorized, alpn: socket.alpnProtocol },
      ...[
        {
          encrypted: true,
          remoteAddress: '127.0.0.1',
          remotePort: session.socket.localPort,
          servername: 'localhost',
          authorized: false,
          alpn: 'h2',
        },
      ],
    );
    assert.deepEqual([socket.getProtocol(), socket.getCipher().version], ['TLSv1.3', 'TLSv1.3']);
  });

  test(`${name}: takes megabytes on many streams at once`, async (t) => {
    const { port } = await serve(t);
    const session = await h2(t, port);
    const bodies = [1, 3_000_000, 17, 1_000_000].map((length) => randomBytes(length));
    const answers = await Promise.all(bodies.map((body) => h2Get(session, post, body)));
    assert.deepEqual(
      answers.map(({ text }) => text),
      bodies.map((body) => createHash('sha256').update(body).digest('hex')),
    );
  });

  test(`${name}: gives the tickets it is told to, and resumes`, async (t) => {
    const { port } = await serve(t, { numTickets: 3 });
    await resume(t, port, 3, alpn);
  });

  test(`${name}: knows the client by its certificate, and shuts out who has none`, async (t) => {
    const { app, port } = await serve(t, { requestCert: true, ca: ofClient.cert });
    const { text } = await h2Get(await h2(t, port, ofClient), { ':path': '/info' });
    assert.equal(JSON.parse(text).client, 'DNS:client.example');
    const refused = once(app.server, 'clientError');
    await assert.rejects(rest(await raw(t, port, alpn)), { code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' });
    assert.equal((await refused)[0].code, 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE');
  });

  test(`${name}: makes no more than a slow reader takes`, async (t) => {
    const { port, door } = await serve(t);
    const session = await h2(t, port);
    const stream = session.request({ ':path': '/big' });
    await once(stream, 'readable');
    for (let i = 0; i < 20; i++) await h2Get(session, { ':path': '/info' }); // time enough to make it all
    assert.ok(door.produced < BIG_LENGTH / 2, `${door.produced} bytes wait`);
    let length = 0;
    for await (const chunk of stream) length += chunk.length;
    assert.equal(length, BIG_LENGTH);
  });

  test(`${name}: outlives who goes away in the middle`, async (t) => {
    const { port } = await serve(t);
    for (const method of ['destroy', 'close'] as const) {
      const session = await h2(t, port);
      const stream = session.request({ ':path': '/big' });
      stream.on('error', () => {});
      await once(stream, 'readable');
      stream[method]();
      session.destroy();
    }
    assert.equal((await h2Get(await h2(t, port), { ':path': '/info' })).status, 200);
  });

  test(`${name}: ends when what was begun is done`, async (t) => {
    const { app, port, door } = await serve(t);
    const session = await h2(t, port);
    const answer = h2Get(session, { ':path': '/slow' });
    await door.inside;
    const closed = once(app.server, 'close');
    const done = app.close();
    door.open();
    assert.equal((await answer).text, 'slow');
    session.close();
    await closed;
    await done;
  });

  test(`${name}: curl and undici`, async (t) => {
    const { port } = await serve(t);
    const dispatcher = new Agent({ allowH2: true, connect: { ca: own.cert } });
    t.after(() => dispatcher.destroy());
    const answer = await fetch(`https://localhost:${port}/info`, { dispatcher });
    assert.equal(((await answer.json()) as { protocol: string }).protocol, 'https');
    if (!needs(t, 'curl')) return;
    const { stdout } = await run(t, peer('curl')!.path, [
      ...['-ksS', '--http2', '--tlsv1.3', '-w', ' %{http_version}', `https://127.0.0.1:${port}/info`],
    ]);
    assert.match(stdout, /"ip":"127.0.0.1".* 2$/);
  });

  if (!/createS/.test(name) || name.endsWith('allowHTTP1')) {
    test(`${name}: falls back to HTTP/1.1 for clients that ask for it, or for nothing`, async (t) => {
      const { port } = await serve(t);
      for (const ALPNProtocols of [['http/1.1'], []]) {
        const { text } = await get(port, '/info', { ALPNProtocols });
        assert.deepEqual(JSON.parse(text), { protocol: 'https', secure: true, ip: '127.0.0.1', client: null });
      }
      if (!needs(t, 'curl')) return;
      const { stdout } = await run(t, peer('curl')!.path, ['-ksS', '--http1.1', `https://127.0.0.1:${port}/info`]);
      assert.equal(JSON.parse(stdout).protocol, 'https');
    });
  }
}

test('without allowHTTP1, who asks for nothing is told so in HTTP/1', async (t) => {
  for (const server of [http2.createServer(), http2.createSecureServer()]) {
    attach(server, own);
    const port = await listening(t, server);
    await assert.rejects(
      get(port, '/', { ALPNProtocols: [] }).then(({ status }) => Promise.reject({ status })),
      {
        status: 403,
      },
    );
  }
});

test('our own client too: http2.connect over http2Socket', async (t) => {
  const server = http2.createSecureServer({}, (request: Http2ServerRequest, response) => response.end(request.url));
  attach(server, own);
  const port = await listening(t, server);
  const session = http2.connect(`https://localhost:${port}`, {
    createConnection: (): Duplex =>
      http2Socket(connect({ port, host: '127.0.0.1', servername: 'localhost', ca: own.cert, ...alpn })),
  });
  t.after(() => session.destroy());
  const answer = h2Get(session, { ':path': '/mine' });
  await once(session, 'connect');
  assert.equal((await answer).text, '/mine');
  const { encrypted, alpnProtocol, originSet, socket } = session as typeof session & { socket: tls.TLSSocket };
  assert.deepEqual([encrypted, alpnProtocol], [true, 'h2']);
  assert.deepEqual(originSet, [`https://localhost:${port}`]);
  assert.deepEqual([socket instanceof tls.TLSSocket, socket.authorized, socket.getProtocol()], [true, true, 'TLSv1.3']);
});

test('http2.connect over http2Socket fails as our socket does', async (t) => {
  const server = http2.createSecureServer();
  attach(server, own);
  const port = await listening(t, server);
  const gone = await freePort();
  for (const [to, code] of [
    [port, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    [gone, 'ECONNREFUSED'],
  ] as const) {
    const session = http2.connect(`https://localhost:${to}`, {
      createConnection: (): Duplex =>
        http2Socket(connect({ port: to, host: '127.0.0.1', servername: 'localhost', ...alpn })),
    });
    const closed = once(session, 'close').catch(() => {});
    assert.equal((await once(session, 'error'))[0].code, code);
    await closed;
  }
});

test('http2 sessions without traffic end after the timeout of the server', async (t) => {
  const server = http2.createSecureServer();
  attach(server, own);
  server.setTimeout(100);
  const session = await h2(t, await listening(t, server));
  await once(session, 'close');
});

test('where core has no wrapper to be had, HTTP/2 runs on our socket as it is', async (t) => {
  const program = `
    import http2 from 'node:http2';
    import { syncBuiltinESMExports } from 'node:module';
    import tls from 'node:tls';
    tls.TLSSocket = class {};
    syncBuiltinESMExports();
    const { attach } = await import('./src/node/index.ts');
    const server = http2.createSecureServer({ allowHTTP1: true }, (request, response) => response.end('as it is'));
    attach(server, ${JSON.stringify(own)});
    server.listen(0, '127.0.0.1', () => console.log('port ' + server.address().port));
    server.on('session', ({ encrypted }) => console.log('encrypted: ' + encrypted));
  `;
  const running = start(t, process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program]);
  const [, port] = await running.waitFor(/port (\d+)/);
  assert.equal((await h2Get(await h2(t, Number(port)))).text, 'as it is');
  await running.waitFor('encrypted: false');
});
