import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  type AddressInfo,
  connect as connectTcp,
  createServer as createTcpServer,
  type Server as NetServer,
  Socket,
} from 'node:net';
import { Duplex } from 'node:stream';
import { before, describe, type TestContext, test } from 'node:test';
import nodeTls from 'node:tls';
import { makeIdentity, type TestIdentity } from '../../test/support/certificates.ts';
import { chain3, type Made } from '../../test/x509/forge.ts';
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  createServer,
  TLSSocket,
  type TLSSocketOptions,
  type TlsOptions,
} from './index.ts';

type AnySocket = TLSSocket | nodeTls.TLSSocket;

let identity: TestIdentity;
let stranger: TestIdentity;
before(async () => {
  identity = await makeIdentity('p256');
  stranger = await makeIdentity('p384', ['stranger.example']);
});

async function listen(t: TestContext, server: NetServer): Promise<number> {
  // A client that is destroyed may reset the connection.
  server.on('secureConnection', (socket: AnySocket) => socket.on('error', () => {}));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

const credentials = () => ({ cert: identity.certificatePem, key: identity.keyPem });
const trust = () => ({ host: '127.0.0.1', servername: 'localhost', ca: identity.certificatePem });

/** A server of ours, and what a client of ours gets from it. */
async function open(t: TestContext, options: TlsOptions = {}, client: ConnectionOptions = {}) {
  const listener = createServer({ ...credentials(), ...options });
  const port = await listen(t, listener);
  return { ...(await reopen(t, listener, port, client)), listener, port };
}

async function reopen(t: TestContext, listener: NetServer, port: number, client: ConnectionOptions = {}) {
  const accepted = once(listener, 'secureConnection') as Promise<[TLSSocket]>;
  const socket = connect({ ...trust(), port, ...client });
  const [[server]] = await Promise.all([accepted, once(socket, 'secureConnect')]);
  t.after(() => {
    socket.destroy();
    server.destroy();
  });
  server.on('error', () => {});
  return { client: socket, server };
}

async function read(socket: Duplex): Promise<string> {
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk) => {
    text += chunk;
  });
  await once(socket, 'end');
  return text;
}

describe('on any stream', () => {
  /** Says in plain text that TLS follows, as mail servers do. */
  async function startTls(t: TestContext, upgrade: (socket: Socket) => AnySocket): Promise<number> {
    return await listen(
      t,
      createTcpServer((socket) => {
        socket.once('data', () => {
          socket.write('go ahead\n', () => {
            const secure = upgrade(socket);
            secure.on('error', () => {});
            secure.once('data', (bytes) => secure.end(`you said ${String(bytes)}`));
          });
        });
      }),
    );
  }
  const SERVERS = {
    ours: (socket: Socket) => new TLSSocket(socket, { isServer: true, ...credentials() }),
    node: (socket: Socket) =>
      new nodeTls.TLSSocket(socket, {
        isServer: true,
        secureContext: nodeTls.createSecureContext({ ...credentials(), minVersion: 'TLSv1.3' }),
      }),
  };
  const CLIENTS: Readonly<Record<string, (socket: Socket) => AnySocket>> = {
    'new TLSSocket of ours': (socket) => new TLSSocket(socket, trust()),
    'connect of ours': (socket) => connect({ ...trust(), socket }),
    'connect of node:tls': (socket) => nodeTls.connect({ ...trust(), socket }),
  };
  for (const [serverName, makeServer] of Object.entries(SERVERS)) {
    for (const [clientName, makeClient] of Object.entries(CLIENTS)) {
      if (serverName === 'node' && clientName.includes('node:tls')) continue;
      test(`STARTTLS: ${clientName}, server ${serverName}`, async (t) => {
        const port = await startTls(t, makeServer);
        const plain = connectTcp(port, '127.0.0.1');
        plain.write('STARTTLS\n');
        await once(plain, 'data');
        const client = makeClient(plain);
        client.write('hello');
        assert.equal(await read(client), 'you said hello');
      });
    }
  }

  test('tickets of one socket are good for the next one that has the same context or server', async (t) => {
    const secureContext = createSecureContext(credentials());
    const port = await startTls(t, (socket) => new TLSSocket(socket, { isServer: true, secureContext }));
    const talk = async (session?: Buffer): Promise<{ readonly session: Buffer; readonly reused: boolean }> => {
      const plain = connectTcp(port, '127.0.0.1');
      plain.write('STARTTLS\n');
      await once(plain, 'data');
      const client = connect({ ...trust(), socket: plain, session });
      const got = once(client, 'session') as Promise<[Buffer]>;
      client.write('x');
      client.resume();
      return { session: (await got)[0], reused: client.isSessionReused() };
    };
    const first = await talk();
    assert.equal(first.reused, false);
    assert.equal((await talk(first.session)).reused, true);
  });

  test('a socket without a stream, connected later', async (t) => {
    const listener = createServer(credentials(), (socket) => socket.end('hello'));
    const port = await listen(t, listener);
    const socket = new TLSSocket(undefined, trust());
    assert.deepEqual([socket.pending, socket.readyState, socket.remoteAddress], [true, 'open', undefined]);
    const events: string[] = [];
    for (const event of ['connect', 'ready', 'secure', 'secureConnect']) socket.on(event, () => events.push(event));
    assert.equal(
      socket.connect(port, '127.0.0.1', () => events.push('callback')),
      socket,
    );
    assert.equal(socket.connecting, true);
    assert.equal(await read(socket), 'hello');
    assert.deepEqual(events, ['connect', 'callback', 'ready', 'secure']);
  });

  test('a net.Socket that is not told yet where to go', async (t) => {
    const port = await listen(
      t,
      createServer(credentials(), (socket) => socket.end('hello')),
    );
    const plain = new Socket();
    const socket = connect({ ...trust(), socket: plain });
    await new Promise(setImmediate);
    plain.connect(port, '127.0.0.1');
    assert.equal(await read(socket), 'hello');
  });

  test('a socket that is connected says so once more to whoever connects it', async (t) => {
    const { client } = await open(t);
    const connected = once(client, 'connect');
    assert.equal(client.connect(5432, 'db.example'), client);
    await connected;
    assert.deepEqual([client.readyState, client.getProtocol()], ['open', 'TLSv1.3']);
  });

  test('a pair of web streams', async (t) => {
    const port = await listen(
      t,
      createServer(credentials(), (socket) => socket.end('hello')),
    );
    const pair = Duplex.toWeb(connectTcp(port, '127.0.0.1'));
    const socket = connect({ ...trust(), socket: pair as unknown as Duplex });
    assert.equal(await read(socket), 'hello');
    assert.throws(() => connect({ socket: {} as Duplex }), { code: 'ERR_INVALID_ARG_TYPE' });
  });

  test('the name of a socket that was connected before is what its certificate must have', async (t) => {
    const port = await listen(t, createServer(credentials()));
    const plain = connectTcp({ port, host: 'localhost' });
    const socket = connect({ socket: plain, ca: identity.certificatePem });
    await once(socket, 'secureConnect');
    assert.deepEqual([socket.authorized, socket.servername], [true, false]);
    socket.destroy();
  });

  test('a client that trusts nobody is refused by the constructor too, unless it says otherwise', async (t) => {
    const port = await listen(t, createServer(credentials()));
    const refused = new TLSSocket(connectTcp(port, '127.0.0.1'), { servername: 'localhost' });
    const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'DEPTH_ZERO_SELF_SIGNED_CERT');
    const lenient = new TLSSocket(connectTcp(port, '127.0.0.1'), { rejectUnauthorized: false });
    await once(lenient, 'secure');
    assert.deepEqual([lenient.authorized, lenient.authorizationError], [false, 'DEPTH_ZERO_SELF_SIGNED_CERT']);
    lenient.destroy();
  });
});

describe('as node:tls says it', () => {
  /** One of ours and one of node:tls, to the same server. */
  async function both(t: TestContext, server: NetServer, options: ConnectionOptions = {}) {
    const port = await listen(t, server);
    const ours = connect({ ...trust(), port, ...options });
    const node = nodeTls.connect({ ...trust(), port, ...options } as nodeTls.ConnectionOptions);
    await Promise.all([once(ours, 'secureConnect'), once(node, 'secureConnect')]);
    t.after(() => {
      ours.destroy();
      node.destroy();
    });
    return { ours, node };
  }
  const pem = ({ der }: Made): string =>
    `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`;

  /** Subjects from the leaf on, and where a certificate is its own issuer. */
  function shape(certificate: nodeTls.PeerCertificate | nodeTls.DetailedPeerCertificate | null): unknown[] {
    const links: unknown[] = [];
    const seen = new Set<unknown>();
    let at = certificate as nodeTls.DetailedPeerCertificate | null | undefined;
    for (; at && !seen.has(at); at = at.issuerCertificate) {
      seen.add(at);
      links.push({ ...at, issuerCertificate: undefined });
    }
    return [...links, at === undefined || at === null ? 'end' : 'its own issuer'];
  }

  for (const [name, chainOf, anchorOf] of [
    ['a chain whose root is not sent', (c) => [c.leaf, c.intermediate], (c) => c.root],
    ['a chain with its root', (c) => [c.leaf, c.intermediate, c.root], (c) => c.root],
  ] as readonly (readonly [
    string,
    (c: ReturnType<typeof chain3>) => readonly Made[],
    (c: ReturnType<typeof chain3>) => Made,
  ])[]) {
    test(`getPeerCertificate of ${name}`, async (t) => {
      const made = chain3({});
      const cert = chainOf(made).map(pem).join('');
      const key = made.leaf.key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
      const ca = pem(anchorOf(made));
      const server = nodeTls.createServer({ cert, key, minVersion: 'TLSv1.3' });
      const { ours, node } = await both(t, server, { ca, servername: 'www.example.com', rejectUnauthorized: false });
      assert.deepEqual(shape(ours.getPeerCertificate(true)), shape(node.getPeerCertificate(true)));
      assert.deepEqual(ours.getPeerCertificate(), node.getPeerCertificate());
    });
  }

  test('getPeerCertificate of a self-signed one, and everything else that is negotiated', async (t) => {
    const server = nodeTls.createServer({ ...credentials(), minVersion: 'TLSv1.3', ecdhCurve: 'P-256' });
    const { ours, node } = await both(t, server, credentials());
    assert.deepEqual(shape(ours.getPeerCertificate(true)), shape(node.getPeerCertificate(true)));
    for (const ask of [
      (s: AnySocket) => s.getPeerCertificate(),
      (s: AnySocket) => s.getEphemeralKeyInfo(),
      (s: AnySocket) => s.getProtocol(),
      (s: AnySocket) => s.isSessionReused(),
      (s: AnySocket) => s.servername,
      (s: AnySocket) => s.alpnProtocol,
      (s: AnySocket) => s.getFinished()?.length,
      (s: AnySocket) => s.getCertificate(),
      (s: AnySocket) => [s.bytesRead, s.bytesWritten, s.bufferSize, s.connecting, s.pending, s.readyState],
      (s: AnySocket) => s.setMaxSendFragment(511),
      (s: AnySocket) => s.setMaxSendFragment(512),
      (s: AnySocket) => s.setMaxSendFragment(16_385),
    ]) {
      assert.deepEqual(ask(ours), ask(node), String(ask));
    }
  });

  test('what is asked of a socket that is destroyed', async (t) => {
    const { ours, node } = await both(t, nodeTls.createServer({ ...credentials(), minVersion: 'TLSv1.3' }));
    ours.destroy();
    node.destroy();
    for (const ask of [
      (s: AnySocket) => s.getPeerCertificate(true),
      (s: AnySocket) => s.getCertificate(),
      (s: AnySocket) => s.getEphemeralKeyInfo(),
      (s: AnySocket) => s.getSharedSigalgs(),
      (s: AnySocket) => s.getX509Certificate(),
      (s: AnySocket) => [s.bufferSize, s.pending, s.readyState],
    ]) {
      assert.deepEqual(ask(ours), ask(node), String(ask));
    }
  });

  /** What `call` throws, as far as programs look at it. */
  function thrownBy(call: () => unknown): unknown {
    try {
      call();
    } catch (error) {
      const { name, code, message } = error as NodeJS.ErrnoException;
      return { name, code, message };
    }
    return undefined;
  }

  test('errors of arguments', async (t) => {
    const { ours, node } = await both(t, nodeTls.createServer({ ...credentials(), minVersion: 'TLSv1.3' }));
    const wrong = (value: unknown) => value as never;
    for (const call of [
      (s: AnySocket) => s.exportKeyingMaterial(0, 'label', Buffer.alloc(0)),
      (s: AnySocket) => s.exportKeyingMaterial(wrong('16'), 'label', Buffer.alloc(0)),
      (s: AnySocket) => s.exportKeyingMaterial(16, wrong(5), Buffer.alloc(0)),
      (s: AnySocket) => s.exportKeyingMaterial(16, 'label', wrong('x')),
      (s: AnySocket) => s.setMaxSendFragment(wrong('x')),
      (s: AnySocket) => s.setTimeout(wrong('x')),
      (s: AnySocket) => s.setTimeout(-1),
      (s: AnySocket) => s.setTimeout(1, wrong(5)),
      (s: AnySocket) => s.renegotiate(wrong(undefined), () => {}),
      (s: AnySocket) => s.renegotiate({}, wrong(5)),
      (s: AnySocket) => (s as TLSSocket).setServername(wrong(5)),
    ]) {
      const thrown = thrownBy(() => call(ours));
      assert.notEqual(thrown, undefined, String(call));
      assert.deepEqual(
        thrown,
        thrownBy(() => call(node)),
        String(call),
      );
    }
  });

  test('keying material before the handshake, and renegotiation after it', async (t) => {
    const port = await listen(t, createServer(credentials()));
    const client = connect({ ...trust(), port });
    assert.throws(() => client.exportKeyingMaterial(16, 'label'), {
      code: 'ERR_TLS_INVALID_STATE',
      message: 'TLS socket connection must be securely established',
    });
    await once(client, 'secureConnect');
    const error = await new Promise<Error | null>((resolve) => {
      assert.equal(client.renegotiate({}, resolve), false);
    });
    assert.equal((error as NodeJS.ErrnoException).code, 'ERR_SSL_WRONG_SSL_VERSION');
    client.destroy();
  });
});

test('both sides tell the same about the handshake', async (t) => {
  const { client, server } = await open(t, { requestCert: true, rejectUnauthorized: false });
  assert.deepEqual(client.getFinished(), server.getPeerFinished());
  assert.deepEqual(client.getPeerFinished(), server.getFinished());
  assert.deepEqual(client.exportKeyingMaterial(20, 'EXPORTER-x'), server.exportKeyingMaterial(20, 'EXPORTER-x'));
  assert.equal(server.getX509Certificate()?.subject, client.getPeerX509Certificate()?.subject);
  assert.deepEqual(server.getCertificate(), client.getPeerCertificate());
  assert.ok(client.getSharedSigalgs()?.includes('ECDSA+SHA256'));
  assert.ok(server.getSharedSigalgs()?.includes('RSA-PSS+SHA256'));
  assert.equal(server.getEphemeralKeyInfo(), null);
  assert.deepEqual(server.getPeerCertificate(), {});
});

test('the server name: what is sent, and what the certificate must have', async (t) => {
  const listener = createServer(credentials());
  const port = await listen(t, listener);
  for (const [servername, host, sent] of [
    ['localhost', '127.0.0.1', 'localhost'],
    [undefined, 'localhost', false],
    ['', 'localhost', false],
  ] as const) {
    const { client, server } = await reopen(t, listener, port, { host, servername });
    assert.deepEqual([client.servername, server.servername, client.authorized], [sent, sent, true]);
  }
  const wrong = connect({ port, host: 'localhost', servername: 'other.example', ca: identity.certificatePem });
  const [error] = (await once(wrong, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ERR_TLS_CERT_ALTNAME_INVALID');
  assert.match(error.message, /^Hostname\/IP does not match certificate's altnames/);
  const later = connect({ port, host: '127.0.0.1', ca: identity.certificatePem });
  later.setServername('localhost');
  await once(later, 'secureConnect');
  assert.equal(later.servername, 'localhost');
  assert.throws(() => later.setServername('x'), { code: 'ERR_TLS_INVALID_STATE' });
  later.destroy();
});

describe('sessions', () => {
  test('are not offered under another policy, and others than ours are ignored', async (t) => {
    const { client, listener, port } = await open(t);
    const [session] = (await once(client, 'session')) as [Buffer];
    const CASES: Readonly<Record<string, readonly [ConnectionOptions, boolean]>> = {
      same: [{}, true],
      'another trust': [{ ca: [identity.certificatePem, stranger.certificatePem] }, false],
      'no verification': [{ rejectUnauthorized: false }, false],
      'another own certificate': [credentials(), false],
      'another name': [{ servername: '' }, false],
      'that of another library': [{ session: Buffer.from('30820100', 'hex') }, false],
      'cut off': [{ session: session.subarray(0, 40) }, false],
    };
    for (const [name, [options, reused]] of Object.entries(CASES)) {
      const again = await reopen(t, listener, port, { session, ...options });
      assert.equal(again.client.isSessionReused(), reused, name);
    }
  });

  test('the same, set later', async (t) => {
    const { client, listener, port } = await open(t);
    const [session] = (await once(client, 'session')) as [Buffer];
    assert.ok(client.getTLSTicket()!.length > 0);
    const accepted = once(listener, 'secureConnection');
    const again = connect({ ...trust(), port });
    again.setSession(session);
    await Promise.all([accepted, once(again, 'secureConnect')]);
    assert.equal(again.isSessionReused(), true);
    assert.throws(() => again.setSession(5 as never), { message: 'Session must be a buffer' });
    again.destroy();
  });

  test('identity, authorization and name survive on both sides', async (t) => {
    const options: TlsOptions = { requestCert: true, rejectUnauthorized: false, ca: identity.certificatePem };
    for (const [shown, authorized] of [
      [identity, true],
      [stranger, false],
    ] as const) {
      const mine = { cert: shown.certificatePem, key: shown.keyPem };
      const { client, server, listener, port } = await open(t, options, mine);
      assert.equal(server.authorized, authorized);
      const [session] = (await once(client, 'session')) as [Buffer];
      const again = await reopen(t, listener, port, { ...mine, session });
      assert.equal(again.client.isSessionReused(), true);
      for (const side of ['client', 'server'] as const) {
        const before = side === 'client' ? client : server;
        const after = again[side];
        for (const tell of [
          (s: TLSSocket) => s.authorized,
          (s: TLSSocket) => s.authorizationError,
          (s: TLSSocket) => s.getPeerCertificate(true),
          (s: TLSSocket) => s.servername,
          (s: TLSSocket) => s.alpnProtocol,
        ]) {
          assert.deepEqual(tell(after), tell(before), `${side}: ${String(tell)}`);
        }
      }
      const { resumedFrom } = again.server.ticketInfo;
      assert.equal(
        server.tickets.some(({ id }) => id === resumedFrom?.id),
        true,
      );
      assert.ok(resumedFrom!.ageMs >= 0 && again.client.ticketInfo.resumedFrom!.ageMs >= 0);
      assert.equal(server.ticketInfo.resumedFrom, undefined);
    }
  });

  test('tickets to order', async (t) => {
    const { client, server } = await open(t, { numTickets: 0 });
    const lifetimes: number[] = [];
    server.on('ticketIssued', ({ lifetimeSeconds }) => lifetimes.push(lifetimeSeconds));
    assert.equal(server.newSessionTicket({ count: 2, lifetime: 60 }), true);
    assert.equal(server.newSessionTicket({ lifetime: 61, earlyData: false, appData: Buffer.from('x') }), true);
    assert.equal(server.newSessionTicket(), true);
    assert.equal(client.newSessionTicket({ lifetime: 60 }), false);
    server.flushTickets();
    while (client.ticketInfo.received < 4) await once(client, 'session');
    assert.deepEqual(
      [...lifetimes].sort((a, b) => a - b),
      [60, 60, 61, 7_200],
    );
    server.destroy();
    assert.equal(server.newSessionTicket({ lifetime: 60 }), false);
  });
});

test('pskCallback', async (t) => {
  const key = createHash('sha256').update('a shared key').digest();
  const listener = createServer({
    findPsk: (id) =>
      Buffer.from(id).equals(Buffer.from('me')) ? { identity: id, key, hash: 'sha256' as const } : undefined,
  });
  const port = await listen(t, listener);
  const hints: unknown[] = [];
  const { client, server } = await reopen(t, listener, port, {
    pskCallback(hint) {
      hints.push(hint);
      return { psk: key, identity: 'me' };
    },
  });
  assert.deepEqual(hints, [null]);
  assert.deepEqual([client.authorized, server.authorized], [true, true]);
  const broken = connect({ ...trust(), port, pskCallback: () => ({ psk: 'x' as never, identity: 'me' }) });
  const [error] = (await once(broken, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ERR_INVALID_ARG_TYPE');
});

test('OCSPResponse is emitted whenever it was asked for, and before secure', async (t) => {
  const port = await listen(t, createServer(credentials()));
  const client = connect({ ...trust(), port, requestOCSP: true });
  const events: unknown[] = [];
  client.on('OCSPResponse', (response) => events.push(response)).on('secure', () => events.push('secure'));
  await once(client, 'secureConnect');
  assert.deepEqual(events, [null, 'secure']);
  client.destroy();
});

test('onread', async (t) => {
  const port = await listen(
    t,
    createServer(credentials(), (socket) => socket.end('hello world twelve')),
  );
  const parts: string[] = [];
  const buffer = Buffer.alloc(10);
  const client = connect({
    ...trust(),
    port,
    onread: {
      buffer,
      callback(length) {
        parts.push(buffer.toString('latin1', 0, length));
        if (parts.length === 1) setImmediate(() => client.resume());
        return parts.length > 1;
      },
    },
  });
  await once(client, 'end');
  assert.deepEqual(parts, ['hello worl', 'd twelve']);
});

test('records are no longer than setMaxSendFragment says', async (t) => {
  const { client, server } = await open(t);
  assert.equal(server.setMaxSendFragment(512), true);
  let most = 0;
  client.on('data', (chunk: Buffer) => {
    most = Math.max(most, chunk.length);
  });
  server.end(Buffer.alloc(5_000));
  await once(client, 'end');
  assert.equal(most, 512);
});

test('a trace names what goes to and fro', async (t) => {
  const lines: string[] = [];
  t.mock.method(process.stderr, 'write', (line: string) => lines.push(line) > 0);
  const { client } = await open(t, {}, { enableTrace: true });
  client.destroy();
  t.mock.restoreAll();
  const text = lines.join('');
  for (const name of ['sent client_hello', 'received server_hello', 'received finished', 'sent finished', 'secure']) {
    assert.match(text, new RegExp(`TLS client: ${name}`));
  }
});

test('a server with enableTrace traces its connections', async (t) => {
  const lines: string[] = [];
  t.mock.method(process.stderr, 'write', (line: string) => lines.push(line) > 0);
  const { client } = await open(t, { enableTrace: true });
  client.destroy();
  t.mock.restoreAll();
  assert.match(lines.join(''), /TLS server: received client_hello/);
});

test('what was written for the types of node:tls compiles', async (t) => {
  const { client } = await open(t);
  const takes = (socket: nodeTls.TLSSocket): Socket => socket;
  const certificate: nodeTls.PeerCertificate = takes(client) === client ? client.getPeerCertificate() : assert.fail();
  const detailed: nodeTls.DetailedPeerCertificate = client.getPeerCertificate(true);
  const cipher: nodeTls.CipherNameAndProtocol = client.getCipher();
  const address: string = client.localAddress;
  const session: Buffer | undefined = client.getSession();
  assert.ok(certificate.subject && detailed.issuerCertificate && cipher.name && address);
  assert.ok(session === undefined || Buffer.isBuffer(session));
});

test('a server shows what setKeyCert says', async (t) => {
  const context = createSecureContext({ cert: stranger.certificatePem, key: stranger.keyPem });
  const port = await listen(
    t,
    createTcpServer((socket) => {
      const secure = new TLSSocket(socket, { isServer: true, ...credentials() });
      secure._start();
      secure.setKeyCert(context);
    }),
  );
  const options: TLSSocketOptions = { servername: 'stranger.example', ca: stranger.certificatePem };
  const client = connect({ host: '127.0.0.1', port, ...options } as ConnectionOptions);
  await once(client, 'secureConnect');
  assert.equal(client.authorized, true);
  client.destroy();
});
