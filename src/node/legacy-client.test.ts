/** `connect` to servers that do not speak TLS 1.3. What a client of ours sees with `legacy` is compared with what a client of node:tls sees. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer as createTcp, type Server, type Socket } from 'node:net';
import { before, describe, test } from 'node:test';
import * as nodeTls from 'node:tls';
import { makeIdentity, type TestIdentity } from '../../test/support/certificates.ts';
import type { Scope } from '../../test/support/process.ts';
import { type ConnectionOptions, connect, createServer, type TLSSocket } from './index.ts';

let server: TestIdentity;
let client: TestIdentity;
let stranger: TestIdentity;
before(async () => {
  server = await makeIdentity('p256', ['localhost']);
  client = await makeIdentity('p256', ['client.test']);
  stranger = await makeIdentity('rsa2048', ['stranger.test']);
});

const pem = ({ certificatePem, keyPem }: TestIdentity): { cert: string; key: string } => ({
  cert: certificatePem,
  key: keyPem,
});

async function listen(t: Scope, listener: Server): Promise<number> {
  const sockets = new Set<Socket>();
  listener.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(async () => {
    listener.close();
    for (const socket of sockets) socket.destroy();
  });
  return (listener.address() as AddressInfo).port;
}

/** A server that speaks TLS 1.2 at most, and echoes. */
function oldServer(options: nodeTls.TlsOptions = {}): nodeTls.Server {
  return nodeTls.createServer({ ...pem(server), maxVersion: 'TLSv1.2', ...options }, (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
}

const trusting = (): ConnectionOptions => ({ host: '127.0.0.1', servername: 'localhost', ca: server.certificatePem });

async function failure(socket: TLSSocket): Promise<NodeJS.ErrnoException & { readonly alert?: string }> {
  const [error] = await once(socket, 'error').catch((error: Error) => [error]);
  return error;
}

test('without legacy it fails with the code of node:tls', async (t) => {
  const port = await listen(t, oldServer());
  const error = await failure(connect({ ...trusting(), port }));
  assert.deepEqual([error.code, error.alert], ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'protocol_version']);
});

type Client = nodeTls.TLSSocket;

/** What a program sees of a connection on which it says `hi`. */
async function look(connecting: () => Client): Promise<readonly unknown[]> {
  const log: unknown[] = [];
  const socket = connecting();
  for (const event of ['connect', 'ready', 'secureConnect', 'end', 'finish']) socket.on(event, () => log.push(event));
  socket.on('OCSPResponse', (response: Buffer | null) => log.push(['OCSPResponse', response && String(response)]));
  socket.on('keylog', (line: Buffer) => log.push(String(line).split(' ')[0]));
  socket.on('error', (error: NodeJS.ErrnoException) => log.push(['error', error.code]));
  socket.on('secureConnect', () => {
    log.push({
      encrypted: socket.encrypted,
      protocol: socket.getProtocol(),
      cipher: socket.getCipher(),
      exchange: socket.getEphemeralKeyInfo(),
      sigalgs: socket.getSharedSigalgs(),
      authorized: socket.authorized,
      authorizationError: socket.authorizationError,
      alpn: socket.alpnProtocol,
      servername: (socket as { servername?: unknown }).servername,
      reused: socket.isSessionReused(),
      certificate: socket.getPeerCertificate().fingerprint256,
      detailed: Object.keys(socket.getPeerCertificate(true)).sort(),
      exported: socket.exportKeyingMaterial(20, 'EXPERIMENTAL', Buffer.from('x')).length,
      finished: [socket.getFinished()?.length, socket.getPeerFinished()?.length],
      port: socket.remotePort === undefined,
      own: socket.getX509Certificate()?.subject,
    });
    socket.write('hi');
  });
  socket.on('data', (data) => {
    log.push(String(data));
    socket.end();
  });
  await new Promise<void>((resolve) =>
    socket.on('close', (hadError: boolean) => resolve(void log.push(['close', hadError]))),
  );
  return log;
}

const CASES: readonly {
  readonly name: string;
  readonly server?: () => nodeTls.TlsOptions;
  readonly client?: () => ConnectionOptions;
  readonly prepare?: (listener: nodeTls.Server) => void;
}[] = [
  { name: 'trusted' },
  { name: 'without a name', client: () => ({ servername: undefined, host: 'localhost', family: 4 }) },
  { name: 'nobody is trusted', client: () => ({ ca: stranger.certificatePem }) },
  {
    name: 'nobody is trusted, and the program decides',
    client: () => ({ ca: stranger.certificatePem, rejectUnauthorized: false }),
  },
  { name: 'another name', client: () => ({ servername: 'other.test' }) },
  {
    name: 'another name, and the program decides',
    client: () => ({ servername: 'other.test', rejectUnauthorized: false }),
  },
  {
    name: 'checkServerIdentity',
    client: () => ({ checkServerIdentity: () => Object.assign(new Error('no'), { code: 'E' }) }),
  },
  { name: 'ALPN', server: () => ({ ALPNProtocols: ['b'] }), client: () => ({ ALPNProtocols: ['a', 'b'] }) },
  {
    name: 'a client certificate',
    server: () => ({ requestCert: true, ca: client.certificatePem }),
    client: () => pem(client),
  },
  { name: 'a client certificate that is missing', server: () => ({ requestCert: true, ca: client.certificatePem }) },
  {
    name: 'OCSP',
    client: () => ({ requestOCSP: true }),
    prepare: (listener) =>
      listener.on('OCSPRequest', (_certificate, _issuer, done) => done(null, Buffer.from('fresh'))),
  },
  { name: 'OCSP without an answer', client: () => ({ requestOCSP: true }) },
];

describe('with legacy, a client sees what one of node:tls sees', () => {
  for (const { name, server: options, client: given, prepare } of CASES) {
    test(name, async (t) => {
      const listener = oldServer(options?.());
      prepare?.(listener);
      const port = await listen(t, listener);
      const all = { ...trusting(), port, ...given?.() };
      const theirs = await look(() => nodeTls.connect(all as nodeTls.ConnectionOptions));
      const ours = await look(() => connect({ ...all, legacy: true }) as unknown as Client);
      assert.deepEqual(ours, theirs);
    });
  }
});

test('much data both ways, no faster than it is read', async (t) => {
  const port = await listen(t, oldServer());
  const socket = connect({ ...trusting(), port, legacy: true });
  const chunk = Buffer.alloc(100_000, 'x');
  // Written before anything is secure, and again.
  let written = 0;
  let refused = false;
  while (!refused) {
    refused = !socket.write(chunk);
    written += chunk.length;
  }
  await once(socket, 'secureConnect');
  const more = async (): Promise<void> => {
    while (written < 20_000_000) {
      written += chunk.length;
      if (!socket.write(chunk)) await once(socket, 'drain');
    }
    socket.end();
  };
  const writing = more();
  let read = 0;
  for await (const data of socket) read += (data as Buffer).length;
  await writing;
  assert.equal(read, written);
  assert.deepEqual([socket.bytesRead, socket.truncated], [read, false]);
});

test('a writer whose reader sleeps is held back', async (t) => {
  const listener = nodeTls.createServer({ ...pem(server), maxVersion: 'TLSv1.2' }, (socket) => {
    socket.on('error', () => {});
    socket.pause();
  });
  const port = await listen(t, listener);
  const socket = connect({ ...trusting(), port, legacy: true });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  let written = 0;
  const chunk = Buffer.alloc(65_536);
  for (let idle = 0; idle < 20; ) {
    const full = !socket.write(chunk);
    written += chunk.length;
    if (!full) continue;
    idle = await Promise.race([
      once(socket, 'drain').then(() => 0),
      new Promise<number>((resolve) => setTimeout(resolve, 10, idle + 1)),
    ]);
    if (idle > 0) break;
  }
  assert.ok(written < 32_000_000, `${written} bytes were taken`);
  assert.ok(socket.writableLength > 0);
  socket.destroy();
});

/** What is between a client and a server, and answers the first connection itself. */
async function between(
  t: Scope,
  port: number,
  answer: (hello: Buffer) => Buffer,
): Promise<{ port: number; count: () => number }> {
  let count = 0;
  const proxy = createTcp((near) => {
    near.on('error', () => {});
    if (count++ === 0) near.once('data', (hello) => near.end(answer(hello)));
    else {
      const far = connectTcp(port, '127.0.0.1');
      far.on('error', () => near.destroy());
      near.pipe(far).pipe(near);
    }
  });
  return { port: await listen(t, proxy), count: () => count };
}

const alert = (description: number): Buffer => Buffer.from([21, 3, 3, 0, 2, 2, description]);

test('a forged alert costs our tickets, not TLS 1.3', async (t) => {
  const real = createServer(pem(server), (socket) => void socket.end('there'));
  const port = await listen(t, real as unknown as Server);
  for (const description of [70, 40, 71]) {
    const proxy = await between(t, port, () => alert(description));
    const socket = connect({ ...trusting(), port: proxy.port, legacy: true });
    await once(socket, 'secureConnect');
    assert.deepEqual([socket.getProtocol(), proxy.count()], ['TLSv1.3', 2]);
    socket.destroy();
  }
});

test('there is no second attempt for what does not come from an old server', async (t) => {
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(24, 1),
    Buffer.from('DOWNGRD\x01', 'latin1'),
    Buffer.from([0, 0xc0, 0x2b, 0]),
  ]);
  const hello = Buffer.concat([Buffer.from([22, 3, 3, 0, 4 + body.length, 2, 0, 0, body.length]), body]);
  const cases: readonly [answer: Buffer, options: ConnectionOptions, code: string][] = [
    [hello, {}, 'ERR_TESSERA_SERVER_HELLO_DOWNGRADE'],
    [alert(80), {}, 'ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR'],
    [Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), {}, 'ERR_SSL_WRONG_VERSION_NUMBER'],
    [alert(70), { verifyPeer: () => ({ trusted: true }) }, 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION'],
  ];
  for (const [answer, options, code] of cases) {
    const proxy = await between(t, 1, () => answer);
    const error = await failure(connect({ ...trusting(), port: proxy.port, legacy: true, ...options }));
    assert.deepEqual([error.code, proxy.count()], [code, 1]);
    if (options.verifyPeer) assert.match(error.message, /no second attempt: .*verifyPeer/);
  }
});

test('an old ServerHello, too, is a reason to begin anew', async (t) => {
  const port = await listen(t, oldServer());
  const body = Buffer.concat([Buffer.from([3, 3]), Buffer.alloc(32, 1), Buffer.from([0, 0xc0, 0x2b, 0])]);
  const hello = Buffer.concat([Buffer.from([22, 3, 3, 0, 4 + body.length, 2, 0, 0, body.length]), body]);
  const proxy = await between(t, port, () => hello);
  const socket = connect({ ...trusting(), port: proxy.port, legacy: true });
  await once(socket, 'secureConnect');
  assert.deepEqual([socket.getProtocol(), proxy.count()], ['TLSv1.2', 2]);
  socket.destroy();
});

test('STARTTLS is said again', async (t) => {
  const listener = oldServer();
  const port = await listen(
    t,
    createTcp((socket) => {
      socket.once('data', (data) => {
        assert.equal(String(data), 'STARTTLS\n');
        socket.write('go\n');
        listener.emit('connection', socket);
      });
    }),
  );
  let asked = 0;
  const socket = connect({
    ...trusting(),
    port,
    legacy: true,
    async beforeTls(transport) {
      asked++;
      transport.write('STARTTLS\n');
      await once(transport, 'readable');
      assert.equal(String(transport.read(3)), 'go\n');
    },
  });
  await once(socket, 'secureConnect');
  assert.deepEqual([socket.getProtocol(), asked], ['TLSv1.2', 2]);
  socket.destroy();
});

test('the second connection fails, is destroyed, or takes too long', async (t) => {
  const refused = await between(t, 1, () => alert(70));
  const first = await failure(connect({ ...trusting(), port: refused.port, legacy: true }));
  assert.equal(first.code, 'ECONNRESET');

  const gone = createTcp((socket) => {
    gone.close();
    socket.once('data', () => socket.end(alert(70)));
  });
  const nowhere = await failure(connect({ ...trusting(), port: await listen(t, gone), legacy: true }));
  assert.deepEqual([nowhere.code, nowhere.syscall], ['ECONNREFUSED', 'connect']);

  let second: (() => void) | undefined;
  let connections = 0;
  const silent = createTcp((socket) => {
    socket.on('error', () => {});
    if (connections++ % 2 === 0) socket.once('data', () => socket.end(alert(70)));
    else second?.();
  });
  const port = await listen(t, silent);
  const late = await failure(connect({ ...trusting(), port, legacy: true, handshakeTimeout: 100 }));
  assert.equal(late.code, 'ERR_TLS_HANDSHAKE_TIMEOUT');

  const socket = connect({ ...trusting(), port, legacy: true });
  await new Promise<void>((resolve) => {
    second = resolve;
  });
  const closed = once(socket, 'close');
  socket.destroy();
  assert.deepEqual(await closed, [false]);

  const abort = new AbortController();
  const aborted = connect({ ...trusting(), port, legacy: true, signal: abort.signal });
  second = () => abort.abort();
  assert.equal((await failure(aborted)).name, 'AbortError');
});

test('what an old server does not have', async (t) => {
  const port = await listen(t, oldServer());
  const socket = connect({ ...trusting(), port, legacy: true, earlyData: 'early ' });
  const outcome = once(socket, 'earlyDataStatus');
  await once(socket, 'secureConnect');
  assert.deepEqual((await outcome)[0].resent, true);
  assert.equal(String((await once(socket, 'data'))[0]), 'early ');
  assert.deepEqual([socket.getSession(), socket.takeSession(), socket.ticketInfo.received], [undefined, undefined, 0]);
  assert.equal(socket.newSessionTicket(), false);
  for (const call of [() => socket.updateKeys(), () => socket.issueTickets([])]) {
    assert.throws(call, { code: 'connection.legacy' });
  }
  await assert.rejects(socket.requestClientCertificate(), { code: 'connection.legacy' });
  assert.match(socket.explainTickets(), /does not speak TLS 1\.3/);
  socket.destroy();
  const given = connectTcp(port, '127.0.0.1');
  given.on('error', () => {});
  assert.throws(() => connect({ ...trusting(), socket: given, legacy: true }), { code: 'connect.legacy_socket' });
  given.destroy();
});
