/** Clients and servers without TLS 1.3 against `tessera-tls/node`, and what real clients say first, read on its way. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect as connectTcp, createServer as createTcp, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import * as nodeTls from 'node:tls';
import {
  connect,
  createServer,
  type ParsedClientHello,
  peekClientHello,
  type TLSSocket,
  type TlsOptions,
} from '../../src/node/index.ts';
import { openPage } from '../support/browser.ts';
import { needs, peer } from '../support/peers.ts';
import { freePort, type Running, run, type Scope, start } from '../support/process.ts';
import { files } from './harness.ts';

async function listen(t: Scope, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

async function ours(t: Scope, answer: (socket: TLSSocket) => void, options: TlsOptions = {}): Promise<number> {
  const { serverCert, serverKey } = await files();
  const identity = { cert: readFileSync(serverCert), key: readFileSync(serverKey) };
  return listen(t, createServer({ ...identity, ...options }, answer));
}

async function sClient(t: Scope, port: number, args: readonly string[]): Promise<Running> {
  const { serverCert } = await files();
  return start(t, peer('openssl')!.path, [
    ...['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'localhost', '-CAfile', serverCert],
    ...['-verify_return_error', '-verify_hostname', 'localhost', ...args],
  ]);
}

test('s_client -tls1_2: a line there and back, and a session', async (t) => {
  if (!needs(t, 'openssl')) return;
  const seen: unknown[] = [];
  const port = await ours(t, (socket) => {
    seen.push([socket.getProtocol(), socket.isSessionReused()]);
    socket.on('data', (data: Buffer) => socket.end(`you said ${data}`));
  });
  const path = join((await files()).folder, 'old.pem');
  for (const session of [
    ['-sess_out', path],
    ['-sess_in', path],
  ]) {
    const program = await sClient(t, port, ['-tls1_2', ...session]);
    program.write('hello\n');
    await program.waitFor('you said hello');
    assert.equal((await program.waitForExit()).code, 0);
  }
  assert.deepEqual(seen, [
    ['TLSv1.2', false],
    ['TLSv1.2', true],
  ]);
});

test('s_client: a fallback that was not needed, TLS 1.1, and a server that wants no old clients', async (t) => {
  if (!needs(t, 'openssl')) return;
  const end = (socket: TLSSocket): void => void socket.end();
  const port = await ours(t, end);
  const strict = await ours(t, end, { legacy: false });
  const cases: readonly [port: number, args: readonly string[], alert: RegExp][] = [
    [port, ['-tls1_2', '-fallback_scsv'], /inappropriate fallback/],
    [port, ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], /alert protocol version/],
    [strict, ['-tls1_2'], /alert protocol version/],
  ];
  for (const [to, args, alert] of cases) await (await sClient(t, to, args)).waitFor(alert);
});

test('curl --tls-max 1.2 and gnutls-cli', async (t) => {
  if (!needs(t, 'curl', 'gnutls-cli')) return;
  const { serverCert } = await files();
  const body = 'old\n';
  const port = await ours(t, (socket) => {
    socket.on('data', () => {
      socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    });
  });
  const curl = await run(t, peer('curl')!.path, [
    ...['-sS', '--ipv4', '--tls-max', '1.2', '--cacert', serverCert, `https://localhost:${port}/`],
  ]);
  assert.deepEqual([curl.code, curl.stdout], [0, body]);
  const gnutls = start(t, peer('gnutls-cli')!.path, [
    ...['-p', `${port}`, '--x509cafile', serverCert, '--sni-hostname', 'localhost', '--verify-hostname', 'localhost'],
    ...['--priority', 'NORMAL:-VERS-ALL:+VERS-TLS1.2', '127.0.0.1'],
  ]);
  await gnutls.waitFor('Handshake was completed');
  gnutls.write('GET / HTTP/1.0\r\n\r\n');
  await gnutls.waitFor('old');
  assert.match(gnutls.output, /TLS1\.2/);
});

/** What came of a `connect`: the protocol, or the code of the error. */
async function outcome(port: number, legacy: boolean): Promise<unknown> {
  const { serverCert } = await files();
  const ca = readFileSync(serverCert);
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca, legacy });
  return new Promise((resolve) => {
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code));
    socket.on('secureConnect', () => {
      resolve(socket.getProtocol());
      socket.end();
      socket.resume();
    });
  });
}

test('s_server -tls1_2', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { serverCert, serverKey } = await files();
  const program = start(t, peer('openssl')!.path, [
    ...['s_server', '-accept', '127.0.0.1:0', '-tls1_2', '-cert', serverCert, '-key', serverKey],
  ]);
  const [, port] = await program.waitFor(/^ACCEPT 127\.0\.0\.1:(\d+)/m);
  assert.equal(await outcome(Number(port), false), 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
  assert.equal(await outcome(Number(port), true), 'TLSv1.2', program.output);
});

test('gnutls-serv without TLS 1.3', async (t) => {
  if (!needs(t, 'gnutls-serv')) return;
  const { serverCert, serverKey } = await files();
  const port = await freePort();
  const program = start(t, peer('gnutls-serv')!.path, [
    ...['-p', `${port}`, '--echo', '--x509certfile', serverCert, '--x509keyfile', serverKey],
    ...['--priority', 'NORMAL:-VERS-ALL:+VERS-TLS1.2'],
  ]);
  await program.waitFor(/Echo Server listening/);
  assert.equal(await outcome(port, false), 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE');
  assert.equal(await outcome(port, true), 'TLSv1.2', program.output);
});

/** A server that reads what clients say first, and passes them on to the port that `route` gives. */
async function router(t: Scope, route: (hello: ParsedClientHello) => number | undefined): Promise<number> {
  const server = createTcp(async (near) => {
    try {
      const port = route(await peekClientHello(near, { timeoutMs: 5_000 }));
      if (port === undefined) {
        near.end(Buffer.of(21, 3, 3, 0, 2, 2, 112)); // unrecognized_name
        return;
      }
      const far = connectTcp(port, '127.0.0.1');
      far.on('error', () => near.destroy());
      near.on('close', () => far.destroy());
      near.pipe(far).pipe(near);
    } catch {
      near.destroy();
    }
  });
  return listen(t, server);
}

test('a router by name passes on clients of any version, and refuses unknown names', async (t) => {
  if (!needs(t, 'openssl', 'curl')) return;
  const { serverCert } = await files();
  const hellos: ParsedClientHello[] = [];
  const backend = await ours(t, (socket) => void socket.end(`served ${socket.getProtocol()}\n`));
  const port = await router(t, (hello) => {
    hellos.push(hello);
    return hello.serverName === 'localhost' ? backend : undefined;
  });
  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
    const program = await sClient(t, port, [version === 'TLSv1.3' ? '-tls1_3' : '-tls1_2']);
    await program.waitFor(`served ${version}`);
  }
  const unknown = await run(t, peer('curl')!.path, [
    ...['-sS', '--cacert', serverCert, '--resolve', `other.test:${port}:127.0.0.1`, `https://other.test:${port}/`],
  ]);
  assert.match(unknown.stderr, /unrecognized name/);
  assert.deepEqual(
    hellos.map(({ serverName, offersTls13 }) => [serverName, offersTls13]),
    [
      ['localhost', true],
      ['localhost', false],
      ['other.test', true],
    ],
  );
});

/** What the first client to come says. The connection then ends. */
async function firstHello(t: Scope): Promise<{ readonly port: number; readonly hello: Promise<ParsedClientHello> }> {
  let tell: (hello: Promise<ParsedClientHello>) => void = () => {};
  const hello = new Promise<ParsedClientHello>((resolve) => {
    tell = resolve;
  });
  const port = await listen(
    t,
    createTcp((socket) => {
      const peeked = peekClientHello(socket);
      tell(peeked);
      peeked.finally(() => socket.destroy()).catch(() => {});
    }),
  );
  return { port, hello };
}

test('GnuTLS, curl and Node tell who they are', async (t) => {
  if (!needs(t, 'gnutls-cli', 'curl')) return;
  const clients: Readonly<Record<string, (port: number) => void>> = {
    t12d: (port) => {
      const priority = ['--priority', 'NORMAL:-VERS-ALL:+VERS-TLS1.2'];
      start(t, peer('gnutls-cli')!.path, ['--insecure', '-p', `${port}`, ...priority, 'localhost']);
    },
    t13d: (port) => void start(t, peer('curl')!.path, ['-sk', '--ipv4', `https://localhost:${port}/`]),
    t13i: (port) => void nodeTls.connect({ port, host: '127.0.0.1' }).on('error', () => {}),
  };
  for (const [fingerprint, begin] of Object.entries(clients)) {
    const { port, hello } = await firstHello(t);
    begin(port);
    const { ja3, ja4 } = await hello;
    assert.match(ja3, /^[0-9a-f]{32}$/);
    assert.match(ja4, new RegExp(`^${fingerprint}\\d{4}(00|h1|h2)_[0-9a-f]{12}_[0-9a-f]{12}$`));
  }
});

test('Chromium: GREASE, and one fingerprint however it shuffles its extensions', { timeout: 60_000 }, async (t) => {
  if (!needs(t, 'chromium')) return;
  const { serverCert } = await files();
  const page = await openPage(t, serverCert);
  const hellos: ParsedClientHello[] = [];
  for (let i = 0; i < 3; i++) {
    const { port, hello } = await firstHello(t);
    await page.load(`https://localhost:${port}/`);
    hellos.push(await hello);
  }
  for (const { versions, alpn, ja4, groups } of hellos) {
    assert.equal(versions[0]! & 0x0f0f, 0x0a0a);
    assert.equal(groups[0]! & 0x0f0f, 0x0a0a);
    assert.deepEqual([alpn, ja4], [['h2', 'http/1.1'], hellos[0]!.ja4]);
  }
  assert.equal(new Set(hellos.map(({ ja3 }) => ja3)).size > 1, true);
});
