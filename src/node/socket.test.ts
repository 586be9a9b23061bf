import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { get } from 'node:https';
import {
  type AddressInfo,
  connect as connectTcp,
  createServer as createTcpServer,
  type Server as NetServer,
} from 'node:net';
import { Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { before, describe, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import nodeTls from 'node:tls';
import { makeIdentity, type TestIdentity } from '../../test/support/certificates.ts';
import {
  ClientTicketCache,
  type ConnectionOptions,
  connect,
  createServer,
  TLSSocket,
  type TlsError,
  type TlsOptions,
} from './index.ts';

type AnySocket = TLSSocket | nodeTls.TLSSocket;
interface Roles {
  readonly server: 'node' | 'ours';
  readonly client: 'node' | 'ours';
}
/** Every pair that has at least one end of ours. */
const PAIRS: readonly Roles[] = [
  { server: 'ours', client: 'node' },
  { server: 'node', client: 'ours' },
  { server: 'ours', client: 'ours' },
];
const nameOf = ({ server, client }: Roles): string => `server ${server}, client ${client}`;

let identity: TestIdentity;
let stranger: TestIdentity;
before(async () => {
  identity = await makeIdentity('p256');
  stranger = await makeIdentity('p384', ['stranger.example']);
});

async function listen(t: TestContext, server: NetServer): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

function serverOf(kind: 'node' | 'ours', options: TlsOptions): NetServer {
  const all = { cert: identity.certificatePem, key: identity.keyPem, ...options };
  const server =
    kind === 'ours' ? createServer(all) : nodeTls.createServer({ ...all, minVersion: 'TLSv1.3' } as nodeTls.TlsOptions);
  // A client that is destroyed at the end of a test may reset the connection.
  return server.on('secureConnection', (socket: AnySocket) => socket.on('error', () => {}));
}

function clientOf(kind: 'node' | 'ours', port: number, options: ConnectionOptions): AnySocket {
  const all = { host: '127.0.0.1', port, servername: 'localhost', ca: identity.certificatePem, ...options };
  return kind === 'ours' ? connect(all) : nodeTls.connect(all as nodeTls.ConnectionOptions);
}

interface Both {
  readonly client: AnySocket;
  readonly server: AnySocket;
  readonly port: number;
  readonly listener: NetServer;
}

async function open(
  t: TestContext,
  roles: Roles,
  server: TlsOptions = {},
  client: ConnectionOptions = {},
): Promise<Both> {
  const listener = serverOf(roles.server, server);
  const port = await listen(t, listener);
  return { ...(await reopen(t, roles, listener, port, client)), port, listener };
}

async function reopen(
  t: TestContext,
  roles: Roles,
  listener: NetServer,
  port: number,
  options: ConnectionOptions = {},
) {
  const accepted = once(listener, 'secureConnection');
  const client = clientOf(roles.client, port, options);
  const [[server]] = (await Promise.all([accepted, once(client, 'secureConnect')])) as [[AnySocket], unknown];
  t.after(() => {
    client.destroy();
    server.destroy();
  });
  return { client, server };
}

/** Not `for await`, which would destroy a Duplex whose other direction is still open. */
async function readAll(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk) => chunks.push(chunk));
  await once(stream, 'end');
  return Buffer.concat(chunks);
}

/** Two ends of a pipe in memory. Each counts the writes it was given. */
class Pipe extends Duplex {
  other: Pipe | undefined;
  writes: Buffer[] = [];
  override _read(): void {}
  override _write(chunk: Buffer, _: BufferEncoding, callback: () => void): void {
    this.writes.push(chunk);
    this.other?.push(chunk);
    callback();
  }
  override _final(callback: () => void): void {
    this.other?.push(null);
    callback();
  }
  static pair(): readonly [Pipe, Pipe] {
    const [a, b] = [new Pipe(), new Pipe()];
    a.other = b;
    b.other = a;
    return [a, b];
  }
}

/** Our server's side of a connection over memory, and what its client wrote. */
async function openInMemory(t: TestContext, early?: string) {
  const [near, far] = Pipe.pair();
  const listener = createServer({ cert: identity.certificatePem, key: identity.keyPem });
  const accepted = once(listener, 'secureConnection') as Promise<[TLSSocket]>;
  listener.emit('connection', far);
  const client = connect({ socket: near, servername: 'localhost', ca: identity.certificatePem });
  if (early !== undefined) client.write(early);
  const [[server]] = await Promise.all([accepted, once(client, 'secureConnect')]);
  t.after(() => {
    client.destroy();
    server.destroy();
  });
  return { client, server, near, far };
}

describe('data', () => {
  for (const roles of PAIRS) {
    test(`4 MB each way at the same time (${nameOf(roles)})`, async (t) => {
      const { client, server } = await open(t, roles, { allowHalfOpen: true }, { allowHalfOpen: true });
      const up = randomBytes(4 << 20);
      const down = randomBytes(4 << 20);
      const pieces = function* (all: Buffer) {
        for (let at = 0, size = 1; at < all.length; at += size, size = ((size * 7) % 70_001) + 1)
          yield all.subarray(at, at + size);
      };
      const [received, sent] = await Promise.all([
        readAll(server),
        readAll(client),
        pipeline(Readable.from(pieces(up)), client),
        pipeline(Readable.from(pieces(down)), server),
      ]);
      assert.ok(received.equals(up));
      assert.ok(sent.equals(down));
    });
  }

  test('a slow reader holds up the writer, and nothing piles up', async (t) => {
    const { client, server } = await open(t, { server: 'ours', client: 'ours' });
    const all = randomBytes(16 << 20);
    const hash = createHash('sha256');
    const written = pipeline(
      Readable.from(
        (function* () {
          for (let at = 0; at < all.length; at += 65_536) yield all.subarray(at, at + 65_536);
        })(),
      ),
      client,
    );
    let most = 0;
    for await (const chunk of server) {
      hash.update(chunk);
      await turn();
      most = Math.max(most, server.readableLength, client.writableLength);
    }
    await written;
    assert.equal(hash.digest('hex'), createHash('sha256').update(all).digest('hex'));
    assert.ok(most < 512 * 1024, `${most} bytes were buffered`);
  });

  test('what was written before the handshake leaves with its last flight', async (t) => {
    const { server, near } = await openInMemory(t, 'early');
    const [data] = (await once(server, 'data')) as [Buffer];
    assert.equal(data.toString(), 'early');
    assert.equal(near.writes.length, 2); // ClientHello, then Finished and data
  });

  test('corked writes share one record and one write', async (t) => {
    const { client, server, near } = await openInMemory(t);
    near.writes.length = 0;
    client.cork();
    for (const part of ['a', 'b', 'c']) client.write(part);
    client.uncork();
    assert.equal(String(await once(server, 'data')), 'abc');
    assert.deepEqual(
      near.writes.map((bytes) => bytes.length),
      [5 + 3 + 1 + 16],
    );
  });

  test('a write is done when the transport took it', async (t) => {
    const { client, near } = await openInMemory(t);
    near._write = (_chunk, _encoding, callback) => process.nextTick(() => (release = callback));
    let release: (() => void) | undefined;
    let done = false;
    client.write('x', () => {
      done = true;
    });
    await turn();
    assert.equal(done, false);
    release?.();
    await turn();
    assert.equal(done, true);
  });
});

describe('closing', () => {
  for (const roles of PAIRS) {
    test(`end() inside a data listener still says close_notify first (${nameOf(roles)})`, async (t) => {
      const { client, server } = await open(t, roles);
      for (const socket of [client, server]) {
        socket.on('error', (error) => assert.fail(error));
        socket.once('data', () => socket.end('bye')).resume();
      }
      client.write('hello');
      await Promise.all([once(client, 'close'), once(server, 'close')]);
    });
  }

  for (const roles of PAIRS) {
    for (const first of ['client', 'server'] as const) {
      test(`${first} ends first, the other still answers (${nameOf(roles)})`, async (t) => {
        const both = await open(t, roles, { allowHalfOpen: true }, { allowHalfOpen: true });
        const [a, b] = first === 'client' ? [both.client, both.server] : [both.server, both.client];
        const closed = Promise.all([once(a, 'close'), once(b, 'close')]);
        a.end('question');
        assert.equal(String(await readAll(b)), 'question');
        b.end('answer');
        assert.equal(String(await readAll(a)), 'answer');
        assert.deepEqual(await closed, [[false], [false]]);
      });
    }

    test(`both end at once (${nameOf(roles)})`, async (t) => {
      const { client, server } = await open(t, roles);
      const closed = Promise.all([once(client, 'close'), once(server, 'close')]);
      client.end('1');
      server.end('2');
      const texts = await Promise.all([readAll(server), readAll(client)]);
      assert.deepEqual(texts.map(String), ['1', '2']);
      await closed;
    });

    test(`without allowHalfOpen the other side ends too (${nameOf(roles)})`, async (t) => {
      const { client, server } = await open(t, roles);
      server.resume();
      client.resume().end();
      await Promise.all([once(server, 'close'), once(client, 'close')]);
    });
  }

  test('over a socket of the program, which is not half open by itself', async (t) => {
    const listener = serverOf('ours', { allowHalfOpen: true });
    const port = await listen(t, listener);
    const accepted = once(listener, 'secureConnection') as Promise<[TLSSocket]>;
    const socket = connectTcp(port, '127.0.0.1');
    const client = clientOf('ours', port, { socket, allowHalfOpen: true });
    const [server] = await accepted;
    const ended = once(socket, 'end');
    server.end('question');
    assert.equal(String(await readAll(client)), 'question');
    await ended;
    await turn();
    client.end('answer');
    assert.equal(String(await readAll(server)), 'answer');
  });

  test('what arrived before the connection closed can still be read after', async (t) => {
    const { client, server } = await open(t, { server: 'ours', client: 'ours' });
    client.end();
    server.resume().on('end', () => server.end('late'));
    await once(server, 'close');
    for (let i = 0; i < 10; i++) await turn();
    assert.equal(String(await readAll(client)), 'late');
  });

  test('a transport that ends without close_notify is an end, and marked', async (t) => {
    const { client, server } = await open(t, { server: 'ours', client: 'ours' });
    server.write('x');
    await once(client, 'data'); // the tickets are read too: else TCP would reset the connection
    client.destroy();
    assert.equal((await readAll(server)).length, 0);
    assert.equal((server as TLSSocket).truncated, true);
  });

  test('destroy(error) reports it once and closes', async (t) => {
    const { client, server } = await open(t, { server: 'node', client: 'ours' });
    server.on('error', () => {});
    const errors: Error[] = [];
    client.on('error', (error) => errors.push(error));
    const closed = once(server.resume(), 'close');
    client.destroy(new Error('enough'));
    client.destroy(new Error('again'));
    assert.deepEqual(await once(client, 'close').catch(() => [true]), [true]);
    await closed;
    assert.deepEqual(
      errors.map((error) => error.message),
      ['enough'],
    );
  });

  test('a write after destroy fails in its callback', async (t) => {
    const { client } = await open(t, { server: 'node', client: 'ours' });
    client.destroy();
    const error = await new Promise<Error | null | undefined>((resolve) => client.write('x', resolve));
    assert.equal((error as TlsError).code, 'ERR_STREAM_DESTROYED');
  });

  test('timeout', async (t) => {
    const { client } = await open(t, { server: 'node', client: 'ours' });
    client.setTimeout(5);
    await once(client, 'timeout');
    assert.equal(client.destroyed, false);
  });
});

/** All errors that a failing connection gives on both sides, once both are closed. */
async function failure(t: TestContext, roles: Roles, server: TlsOptions, client: ConnectionOptions) {
  const listener = serverOf(roles.server, server);
  const port = await listen(t, listener);
  const serverErrors: TlsError[] = [];
  const refused = new Promise<void>((resolve) => {
    listener.on('tlsClientError', (error: TlsError) => {
      serverErrors.push(error);
      resolve();
    });
  });
  const socket = clientOf(roles.client, port, client);
  const clientErrors: TlsError[] = [];
  socket.on('error', (error: Error) => clientErrors.push(error as TlsError));
  socket.resume();
  await Promise.all([refused, new Promise((resolve) => socket.once('close', resolve))]);
  return { server: serverErrors, client: clientErrors };
}

describe('failing', () => {
  const CASES: readonly {
    readonly name: string;
    readonly server: () => TlsOptions;
    readonly client: () => ConnectionOptions;
    readonly codes: readonly [server: string, client: string];
  }[] = [
    {
      name: 'no protocol in common',
      server: () => ({ ALPNProtocols: ['a'] }),
      client: () => ({ ALPNProtocols: ['b'] }),
      codes: ['ERR_SSL_NO_APPLICATION_PROTOCOL', 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL'],
    },
    {
      name: 'no client certificate',
      server: () => ({ requestCert: true, ca: identity.certificatePem }),
      client: () => ({}),
      codes: ['ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE', 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'],
    },
    {
      name: 'the server is not trusted',
      server: () => ({}),
      client: () => ({ ca: stranger.certificatePem }),
      codes: ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    },
  ];
  for (const { name, server, client, codes } of CASES) {
    test(`${name}: one error on each side`, async (t) => {
      const errors = await failure(t, { server: 'ours', client: 'ours' }, server(), client());
      assert.deepEqual(
        [errors.server.map((e) => e.code), errors.client.map((e) => e.code)],
        codes.map((code) => [code]),
      );
    });
  }

  test('our code for a missing client certificate is the one of Node, on both sides', async (t) => {
    const options = { requestCert: true, ca: identity.certificatePem };
    for (const roles of PAIRS) {
      const errors = await failure(t, roles, options, {});
      assert.deepEqual(
        errors.server.map((e) => e.code),
        ['ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'],
        nameOf(roles),
      );
      assert.deepEqual(
        errors.client.map((e) => e.code),
        ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'],
        nameOf(roles),
      );
    }
  });

  test('the alert leaves before the transport is destroyed, however slow that is', async (t) => {
    const [near, far] = Pipe.pair();
    const write = far._write.bind(far);
    far._write = (chunk, encoding, callback) =>
      void setImmediate(() => !far.destroyed && write(chunk, encoding, callback));
    const listener = serverOf('ours', {});
    listener.emit('connection', far);
    near.write('GET / HTTP/1.1\r\n\r\n');
    const [alert] = (await once(near, 'data')) as [Buffer];
    assert.deepEqual([...alert.subarray(0, 1), ...alert.subarray(5)], [21, 2, 10]); // alert: fatal, unexpected_message
    t.after(() => void near.destroy());
  });

  test('a TLS 1.2 client is told protocol_version', async (t) => {
    const errors = await failure(t, { server: 'ours', client: 'node' }, { legacy: false }, {
      maxVersion: 'TLSv1.2',
      minVersion: 'TLSv1.2',
    } as ConnectionOptions);
    assert.deepEqual(
      errors.server.map((e) => [e.code, e.alert, e.side]),
      [['ERR_SSL_UNSUPPORTED_PROTOCOL', 'protocol_version', 'local']],
    );
    assert.equal(errors.client[0]?.code, 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
  });

  test('a server that hangs up before the handshake is ECONNRESET', async (t) => {
    const port = await listen(
      t,
      createTcpServer((socket) => socket.end()),
    );
    const socket = connect({ port, host: '127.0.0.1' });
    const [error] = (await once(socket, 'error')) as [TlsError & { port: number }];
    assert.equal(error.code, 'ECONNRESET');
    assert.equal(error.message, 'Client network socket disconnected before secure TLS connection was established');
    assert.equal(error.port, port);
  });

  test('a client that hangs up before the handshake is a tlsClientError ECONNRESET', async (t) => {
    const server = serverOf('ours', {});
    const port = await listen(t, server);
    connectTcp(port, '127.0.0.1').end();
    const [error] = (await once(server, 'tlsClientError')) as [TlsError];
    assert.equal(error.code, 'ECONNRESET');
  });

  test('a server that speaks something else', async (t) => {
    const port = await listen(
      t,
      createTcpServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
    );
    const [error] = (await once(connect({ port, host: '127.0.0.1' }), 'error')) as [TlsError];
    assert.equal(error.code, 'ERR_SSL_WRONG_VERSION_NUMBER');
  });

  test('nobody listens', async (t) => {
    const server = createTcpServer();
    const port = await listen(t, server);
    await new Promise((resolve) => server.close(resolve));
    const [error] = (await once(connect({ port, host: '127.0.0.1' }), 'error')) as [TlsError];
    assert.equal(error.code, 'ECONNREFUSED');
  });

  test('a handshake that does not go on', async (t) => {
    const server = serverOf('ours', { handshakeTimeout: 5 });
    const port = await listen(t, server);
    const socket = connectTcp(port, '127.0.0.1');
    const [error] = (await once(server, 'tlsClientError')) as [TlsError];
    assert.equal(error.code, 'ERR_TLS_HANDSHAKE_TIMEOUT');
    await once(socket.resume(), 'close');
  });
});

describe('tickets', () => {
  for (const client of ['node', 'ours'] as const) {
    for (const numTickets of [0, 1, 2, 3]) {
      test(`numTickets ${numTickets} (client ${client})`, async (t) => {
        const listener = serverOf('ours', { numTickets });
        const port = await listen(t, listener);
        listener.on('secureConnection', (socket: TLSSocket) => socket.write('x'));
        let count = 0;
        const socket = clientOf(client, port, {}).on('session', () => count++);
        t.after(() => socket.destroy());
        await once(socket, 'data');
        assert.equal(count, numTickets);
      });
    }
  }

  for (const roles of PAIRS) {
    test(`resumption (${nameOf(roles)})`, async (t) => {
      const listener = serverOf(roles.server, { ALPNProtocols: ['one'] });
      const port = await listen(t, listener);
      listener.on('secureConnection', (socket: AnySocket) => socket.end('x'));
      const options: ConnectionOptions = { ALPNProtocols: ['one'] };
      const first = clientOf(roles.client, port, options);
      const [session] = (await once(first, 'session')) as [Buffer];
      await readAll(first);
      assert.equal(first.isSessionReused(), false);
      const second = clientOf(roles.client, port, { ...options, session });
      await once(second, 'secureConnect');
      assert.equal(second.isSessionReused(), true);
      assert.deepEqual([second.authorized, second.alpnProtocol], [true, 'one']);
      if (second instanceof TLSSocket) assert.ok(second.getPeerX509Certificate()?.raw.equals(identity.certificate));
      await readAll(second);
    });
  }

  test('a cache hands out each ticket once, and a resumption brings one more', async (t) => {
    const ticketCache = new ClientTicketCache();
    const listener = serverOf('ours', { numTickets: 2 });
    const port = await listen(t, listener);
    const accepted: TLSSocket[] = [];
    listener.on('secureConnection', (socket: TLSSocket) => accepted.push(socket.end('x') as TLSSocket));
    for (const expected of [2, 2, 2]) {
      const socket = clientOf('ours', port, { ticketCache });
      await readAll(socket);
      assert.equal(ticketCache.size, expected);
    }
    assert.deepEqual(
      accepted.map((socket) => socket.ticketInfo.resumed),
      [false, true, true],
    );
    assert.deepEqual(
      accepted.map((socket) => socket.ticketInfo.issued),
      [2, 1, 1],
    );
  });

  test('RFC 9149: a session that a server does not resume from takes its other tickets along', async (t) => {
    const ticketCache = new ClientTicketCache();
    const listener = serverOf('ours', { tickets: 3 }) as ReturnType<typeof createServer>;
    const port = await listen(t, listener);
    listener.on('secureConnection', (socket: TLSSocket) => socket.end('x'));
    await readAll(clientOf('ours', port, { ticketCache }));
    assert.equal(ticketCache.size, 3, 'a plain number is numTickets');
    const resumed = clientOf('ours', port, { ticketCache });
    await readAll(resumed);
    assert.deepEqual([resumed.isSessionReused(), ticketCache.size], [true, 3]);
    listener.ticketKeyRing.destroy('all');
    const refused = clientOf('ours', port, { ticketCache });
    await readAll(refused);
    assert.deepEqual([refused.isSessionReused(), ticketCache.size], [false, 3], 'three new ones, no old one');
    const again = clientOf('ours', port, { ticketCache });
    await readAll(again);
    assert.equal(again.isSessionReused(), true);
  });

  test('fault 8: tickets count from the moment they arrive, also when the connection then breaks', async (t) => {
    const ticketCache = new ClientTicketCache();
    const listener = serverOf('ours', { numTickets: 2 });
    const port = await listen(t, listener);
    const resumed: boolean[] = [];
    listener.on('secureConnection', (socket: TLSSocket) => {
      resumed.push(socket.isSessionReused());
      socket.write('x');
    });
    for (let i = 0; i < 2; i++) {
      const transport = connectTcp(port, '127.0.0.1');
      const socket = clientOf('ours', port, { ticketCache, socket: transport });
      socket.on('error', () => {});
      await once(socket, 'data');
      transport.destroy();
      await once(socket, 'close');
      assert.equal(ticketCache.size, 2);
    }
    assert.deepEqual(resumed, [false, true]);
  });

  test('fault 8: tickets go only to connections that trust and show the same', async (t) => {
    const ticketCache = new ClientTicketCache();
    const listener = serverOf('ours', { numTickets: 8 });
    const port = await listen(t, listener);
    const resumed: boolean[] = [];
    listener.on('secureConnection', (socket: TLSSocket) => {
      resumed.push(socket.isSessionReused());
      socket.end('x');
    });
    const connectWith = async (options: ConnectionOptions) =>
      readAll(clientOf('ours', port, { ticketCache, rejectUnauthorized: false, ...options }));
    await connectWith({});
    const others: ConnectionOptions[] = [
      { rejectUnauthorized: true },
      { ca: [identity.certificatePem, stranger.certificatePem] },
      { ca: undefined },
      { cert: stranger.certificatePem, key: stranger.keyPem },
      { verifyPeer: () => ({ trusted: true }) },
      { sigalgs: 'ecdsa_secp256r1_sha256' },
      { servername: '' },
    ];
    for (const other of others) await connectWith(other);
    assert.deepEqual(resumed.splice(0), [false, ...others.map(() => false)]);
    await connectWith({});
    assert.deepEqual(resumed, [true]);
  });

  test('only what verifyPeer calls trusted is trusted, and an answer that says too little is named', async (t) => {
    const { port } = await open(t, { server: 'ours', client: 'ours' });
    for (const [answer, message] of [
      [undefined, /neither/],
      [{ ok: true }, /neither/],
      [{ trusted: 'yes' }, /neither/],
      [{ trusted: false }, /does not trust it/],
    ] as const) {
      const verifyPeer = (() => answer) as unknown as NonNullable<ConnectionOptions['verifyPeer']>;
      const client = connect({ host: '127.0.0.1', port, servername: 'localhost', verifyPeer });
      await assert.rejects(once(client, 'secureConnect'), { code: 'CERT_REJECTED', message });
    }
  });

  test('a session is not offered to another name', async (t) => {
    const { client, listener, port, server } = await open(t, { server: 'ours', client: 'ours' });
    server.write('x');
    await once(client, 'data');
    const session = (client as TLSSocket).takeSession();
    const other = { servername: '', session } as ConnectionOptions;
    const again = await reopen(t, { server: 'ours', client: 'ours' }, listener, port, other);
    assert.equal(again.client.isSessionReused(), false);
  });

  test('tickets on request leave in front of the next write', async (t) => {
    const { client, server } = await open(t, { server: 'ours', client: 'node' }, { numTickets: 0 });
    let count = 0;
    client.on('session', () => count++);
    const issued: number[] = [];
    server.on('ticketIssued', ({ index, requested }) => requested && issued.push(index));
    assert.equal((server as TLSSocket).newSessionTicket(2), true);
    assert.equal((server as TLSSocket).newSessionTicket(), true);
    assert.equal((server as TLSSocket).ticketInfo.requested, 3);
    server.write('x');
    await once(client, 'data');
    assert.equal(count, 3);
    assert.deepEqual(issued, [0, 1, 2]);
  });

  test('takeSession gives each ticket once', async (t) => {
    const { client, server } = await open(t, { server: 'ours', client: 'ours' });
    server.write('x');
    await once(client, 'data');
    const ours = client as TLSSocket;
    const taken = [ours.takeSession(), ours.takeSession(), ours.takeSession()];
    assert.equal(new Set(taken.map((session) => session?.toString('hex'))).size, 3);
    assert.equal(taken[2], undefined);
  });

  test('a ticket of another server is declined with a reason', async (t) => {
    const first = await open(t, { server: 'ours', client: 'ours' });
    first.server.write('x');
    await once(first.client, 'data');
    const session = (first.client as TLSSocket).takeSession();
    const listener = serverOf('ours', {});
    const declined = once(listener, 'ticketDeclined');
    const port = await listen(t, listener);
    const { server } = await reopen(t, { server: 'ours', client: 'ours' }, listener, port, { session });
    assert.equal((await declined)[0].reason, 'no_key');
    assert.equal((server as TLSSocket).ticketInfo.declined, 'no_key');
    assert.equal(server.isSessionReused(), false);
  });
});

describe('what is negotiated', () => {
  for (const roles of PAIRS) {
    test(`properties (${nameOf(roles)})`, async (t) => {
      const { client, server } = await open(
        t,
        roles,
        { ALPNProtocols: ['two', 'one'] },
        { ALPNProtocols: ['one', 'two'] },
      );
      for (const socket of [client, server]) {
        assert.equal(socket.encrypted, true);
        assert.equal(socket.alpnProtocol, roles.server === 'ours' ? 'two' : socket.alpnProtocol);
        assert.equal(socket.servername, 'localhost');
        assert.equal(socket.getProtocol(), 'TLSv1.3');
        assert.match(socket.getCipher()?.name ?? '', /^TLS_/);
        assert.equal(socket.remoteAddress, '127.0.0.1');
      }
      assert.equal(client.authorized, true);
      assert.deepEqual(
        server.exportKeyingMaterial(32, 'EXPORTER-test', Buffer.from('c')),
        client.exportKeyingMaterial(32, 'EXPORTER-test', Buffer.from('c')),
      );
    });

    test(`client certificate (${nameOf(roles)})`, async (t) => {
      const server: TlsOptions = { requestCert: true, ca: identity.certificatePem };
      const client: ConnectionOptions = { cert: identity.certificatePem, key: identity.keyPem };
      const both = await open(t, roles, server, client);
      assert.equal(both.server.authorized, true);
      assert.ok(both.server.getPeerX509Certificate()?.raw.equals(identity.certificate));
    });

    test(`an untrusted client certificate, when that is allowed (${nameOf(roles)})`, async (t) => {
      const server: TlsOptions = { requestCert: true, rejectUnauthorized: false, ca: identity.certificatePem };
      const both = await open(t, roles, server, { cert: stranger.certificatePem, key: stranger.keyPem });
      assert.equal(both.server.authorized, false);
      assert.equal(String(both.server.authorizationError), 'DEPTH_ZERO_SELF_SIGNED_CERT');
    });
  }

  test('no protocol is false', async (t) => {
    const { client, server } = await open(t, { server: 'ours', client: 'ours' });
    assert.deepEqual([client.alpnProtocol, server.alpnProtocol], [false, false]);
  });

  test('key log lines name the same secrets on both sides', async (t) => {
    const listener = serverOf('ours', {});
    const port = await listen(t, listener);
    const lines = { ours: new Set<string>(), theirs: new Set<string>() };
    listener.on('keylog', (line: Buffer) => lines.ours.add(String(line)));
    const socket = clientOf('node', port, {}).on('keylog', (line: Buffer) => lines.theirs.add(String(line)));
    t.after(() => socket.destroy());
    await Promise.all([once(socket, 'secureConnect'), once(listener, 'secureConnection')]);
    assert.deepEqual([...lines.ours].sort(), [...lines.theirs].sort());
  });

  test('key updates both ways', async (t) => {
    const { client, server } = await open(t, { server: 'ours', client: 'ours' });
    const updates: string[] = [];
    client.on('keyUpdate', (direction) => updates.push(direction));
    (server as TLSSocket).updateKeys(true);
    server.write('ping');
    await once(client, 'data');
    client.write('pong');
    await once(server, 'data');
    assert.deepEqual(updates, ['read', 'write']);
  });
});

test('an HTTP server over our sockets', async (t) => {
  const http = createHttpServer((request, response) =>
    response.end(`${request.method} ${(request.socket as nodeTls.TLSSocket).encrypted}`),
  );
  const listener = serverOf('ours', { ALPNProtocols: ['http/1.1'] });
  listener.on('secureConnection', (socket) => http.emit('connection', socket));
  const port = await listen(t, listener);
  const body = await new Promise<Buffer>((resolve, reject) => {
    get({ port, host: '127.0.0.1', servername: 'localhost', ca: identity.certificatePem, agent: false }, (response) => {
      readAll(response as unknown as Duplex).then(resolve, reject);
    }).on('error', reject);
  });
  assert.equal(String(body), 'GET true');
});

test('options that make no sense are named', () => {
  const cert = (): string => identity.certificatePem;
  const CASES: readonly (readonly [() => unknown, RegExp])[] = [
    [() => createServer({ cert: cert(), key: stranger.keyPem }), /key values mismatch/],
    [() => createServer({ cert: cert(), key: identity.keyPem, groups: 'curve25519' }), /curve25519/],
  ];
  for (const [make, message] of CASES) assert.throws(make, { message });
  assert.throws(() => connect({}), { name: 'TypeError', code: 'ERR_MISSING_ARGS' }); // as node:tls
});
