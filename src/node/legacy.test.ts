/** Old clients of our server, and of a server of node:tls: both must do the same. The clients are those of node:tls. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { get } from 'node:https';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { Duplex } from 'node:stream';
import { before, describe, test } from 'node:test';
import * as nodeTls from 'node:tls';
import { makeIdentity, type TestIdentity } from '../../test/support/certificates.ts';
import type { Scope } from '../../test/support/process.ts';
import { createSigner } from '../providers/node/index.ts';
import * as ourTls from './index.ts';
import { nodeOptions } from './legacy.ts';

type Tls = typeof nodeTls;
const OURS = ourTls as unknown as Tls;
const OLD: nodeTls.ConnectionOptions = { maxVersion: 'TLSv1.2' };

let own: TestIdentity;
let other: TestIdentity;
let known: TestIdentity;
before(async () => {
  own = await makeIdentity('p256', ['localhost']);
  other = await makeIdentity('rsa2048', ['other.test']);
  known = await makeIdentity('p256', ['client.test']);
});

const pem = ({ certificatePem, keyPem }: TestIdentity): { cert: string; key: string } => ({
  cert: certificatePem,
  key: keyPem,
});

async function listen(t: Scope, server: nodeTls.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => void server.close());
  return (server.address() as AddressInfo).port;
}

/** A client that says `hi`, waits for the answer, and closes. What it saw, in order. */
async function visit(
  port: number,
  options: nodeTls.ConnectionOptions = {},
): Promise<{ log: string[]; session: Buffer | undefined }> {
  const log: string[] = [];
  const socket = nodeTls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...OLD, ...options });
  let session: Buffer | undefined;
  socket.on('session', (given) => {
    session = given;
  });
  socket.on('OCSPResponse', (response: Buffer) => log.push(`staple ${response === null ? null : String(response)}`));
  socket.on('secureConnect', () => {
    const { subjectaltname } = socket.getPeerCertificate();
    log.push(
      `secure ${socket.getProtocol()} ${socket.alpnProtocol} ${subjectaltname} reused=${socket.isSessionReused()}`,
    );
    socket.write('hi');
  });
  socket.on('data', (data) => log.push(String(data)));
  socket.on('error', (error: NodeJS.ErrnoException) => log.push(`error ${error.code}`));
  await new Promise((resolve) => socket.on('end', resolve).on('close', resolve));
  socket.destroy();
  return { log, session };
}

interface Scenario {
  readonly name: string;
  readonly server?: (tls: Tls) => object;
  readonly prepare?: (server: nodeTls.Server, tls: Tls, log: string[]) => void;
  readonly clients?: () => readonly nodeTls.ConnectionOptions[];
}

/** What a server and its clients see. */
async function play(t: Scope, tls: Tls, { server: options, prepare, clients }: Scenario): Promise<readonly string[][]> {
  const seen: string[] = [];
  const server = tls.createServer({ ...pem(own), ...options?.(tls) });
  prepare?.(server, tls, seen);
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    const own = error.code?.startsWith('ERR_SSL_') ? '' : error.message;
    seen.push(
      `tlsClientError ${error.code} ${own} ${socket instanceof nodeTls.TLSSocket} destroyed=${socket.destroyed}`,
    );
  });
  server.on('secureConnection', (socket) => {
    const isOf = (socket as { server?: unknown }).server === server;
    const { subject } = socket.getPeerCertificate() ?? {};
    seen.push(
      `secureConnection ${socket instanceof nodeTls.TLSSocket} ${socket.getProtocol()} ${socket.servername} ${socket.alpnProtocol} ` +
        `${socket.authorized} ${socket.authorizationError} ${subject?.CN} paused=${socket.isPaused()} half=${socket.allowHalfOpen} server=${isOf}`,
    );
    socket.on('data', (data) => socket.end(`${data} there`));
    socket.resume();
  });
  const port = await listen(t, server);
  const logs: string[][] = [];
  for (const client of clients?.() ?? [{}]) logs.push((await visit(port, client)).log);
  return [seen, ...logs];
}

const SCENARIOS: readonly Scenario[] = [
  { name: 'nothing special' },
  { name: 'a name', clients: () => [{ servername: 'localhost' }, { servername: 'nobody.test' }] },
  {
    name: 'ALPNProtocols, in common or not',
    server: () => ({ ALPNProtocols: ['b', 'a'] }),
    clients: () => [{ ALPNProtocols: ['a', 'b'] }, { ALPNProtocols: ['c'] }, {}],
  },
  {
    name: 'ALPNCallback',
    server: () => ({
      ALPNCallback: ({ servername, protocols }: { servername: string; protocols: string[] }) =>
        servername === 'localhost' ? protocols[1] : undefined,
    }),
    clients: () => [{ servername: 'localhost', ALPNProtocols: ['a', 'b'] }, { ALPNProtocols: ['a', 'b'] }],
  },
  {
    name: 'ALPNCallback that gives what was not offered',
    server: () => ({ ALPNCallback: () => 'x' }),
    clients: () => [{ ALPNProtocols: ['a'] }],
  },
  {
    name: 'SNICallback',
    server: (tls) => ({
      SNICallback: (name: string, done: (error: Error | null, context?: unknown) => void) =>
        name === 'bad.test'
          ? done(new Error('unknown'))
          : setImmediate(done, null, name === 'other.test' ? tls.createSecureContext(pem(other)) : undefined),
    }),
    clients: () => [{ servername: 'other.test' }, { servername: 'localhost' }, {}, { servername: 'bad.test' }],
  },
  {
    name: 'addContext',
    prepare: (server) => server.addContext('*.test', pem(other)),
    clients: () => [{ servername: 'other.test' }, { servername: 'localhost' }],
  },
  {
    name: 'a certificate is asked for and must be trusted',
    server: () => ({ requestCert: true, ca: known.certificatePem }),
    clients: () => [pem(known), pem(other), {}],
  },
  {
    name: 'a certificate is asked for, and the program decides',
    server: () => ({ requestCert: true, rejectUnauthorized: false, ca: known.certificatePem }),
    clients: () => [pem(known), pem(other), {}],
  },
  { name: 'allowHalfOpen', server: () => ({ allowHalfOpen: true }) },
  {
    name: 'pauseOnConnect',
    server: () => ({ pauseOnConnect: true }),
  },
  {
    name: 'keylog',
    prepare: (server, _tls, log) =>
      server.on('keylog', (line, socket) =>
        log.push(`${String(line).split(' ')[0]} ${socket instanceof nodeTls.TLSSocket}`),
      ),
  },
  {
    name: 'OCSPRequest',
    prepare: (server, _tls, log) =>
      server.on('OCSPRequest', (certificate, issuer, done) => {
        log.push(`OCSPRequest ${certificate.equals(own.certificate)} ${issuer}`);
        done(null, Buffer.from('fresh'));
      }),
    clients: () => [{ requestOCSP: true } as nodeTls.ConnectionOptions, {}],
  },
  {
    name: 'no cipher suite in common',
    clients: () => [{ ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }],
  },
  { name: 'no TLS 1.1', clients: () => [{ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }] },
  {
    name: 'TLS 1.1 where minVersion says so',
    server: () => ({ minVersion: 'TLSv1.1' }),
    clients: () => [{ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }],
  },
  { name: 'nothing below TLS 1.3', server: () => ({ minVersion: 'TLSv1.3' }) },
];

describe('an old client sees what it sees with node:tls, and so does the program', () => {
  for (const scenario of SCENARIOS) {
    test(scenario.name, async (t) => {
      const theirs = await play(t, nodeTls, scenario);
      const ours = await play(t, OURS, scenario);
      if (scenario.name === 'nothing below TLS 1.3') theirs[0]![0] = theirs[0]![0]!.replace(' true ', ' false ');
      assert.deepEqual(ours, theirs);
    });
  }
});

test('old and new clients on one port; the new ones are ours', async (t) => {
  const server = OURS.createServer(pem(own));
  const sockets: unknown[] = [];
  server.on('secureConnection', (socket) => {
    sockets.push([socket instanceof nodeTls.TLSSocket, socket.getProtocol()]);
    socket.end('bye');
  });
  const port = await listen(t, server);
  await visit(port);
  await visit(port, { maxVersion: 'TLSv1.3' });
  assert.deepEqual(sockets, [
    [true, 'TLSv1.2'],
    [false, 'TLSv1.3'],
  ]);
});

test('their sessions: tickets outlive setSecureContext, and newSession and resumeSession keep them for the program', async (t) => {
  const echo = (socket: nodeTls.TLSSocket): void => void socket.end('there');
  const server = OURS.createServer(pem(own), echo);
  const port = await listen(t, server);
  const first = await visit(port);
  server.setSecureContext(pem(own));
  const second = await visit(port, { session: first.session! });
  assert.match(first.log[0]!, /reused=false/);
  assert.match(second.log[0]!, /reused=true/);

  const kept = new Map<string, Buffer>();
  const asked: boolean[] = [];
  // Without tickets, which would do without the program.
  const keeping = OURS.createServer(pem(own), echo);
  keeping.on('newSession', (id: Buffer, data: Buffer, done: () => void) => {
    kept.set(id.toString('hex'), data);
    done();
  });
  keeping.on('resumeSession', (id: Buffer, done: (error: null, data: Buffer | null) => void) => {
    asked.push(kept.has(id.toString('hex')));
    done(null, kept.get(id.toString('hex')) ?? null);
  });
  const keepingPort = await listen(t, keeping);
  const noTickets = { secureOptions: 0x4000 };
  const third = await visit(keepingPort, noTickets);
  const fourth = await visit(keepingPort, { ...noTickets, session: third.session! });
  assert.deepEqual([kept.size, asked], [1, [true]]);
  assert.match(fourth.log[0]!, /reused=true/);
});

test('their tickets are good at another server that has the same keys, until they are revoked', async (t) => {
  const echo = (socket: nodeTls.TLSSocket): void => void socket.end('there');
  const one = OURS.createServer(pem(own), echo);
  const two = OURS.createServer({ ...pem(own), ticketKeys: one.getTicketKeys() }, echo);
  const [onePort, twoPort] = [await listen(t, one), await listen(t, two)];
  const reused = async (port: number, session: Buffer): Promise<boolean> =>
    (await visit(port, { session })).log[0]!.endsWith('reused=true');
  const session = (await visit(onePort)).session!;
  assert.deepEqual([await reused(onePort, session), await reused(twoPort, session)], [true, true]);
  two.setTicketKeys(randomBytes(48));
  assert.deepEqual([await reused(onePort, session), await reused(twoPort, session)], [true, false]);
  // Of node:tls these bytes are the keys themselves; here they are not.
  assert.notDeepEqual((one as unknown as ourTls.Server).oldTicketKeys, one.getTicketKeys());
});

/** A client whose first bytes leave one by one. */
function dripping(port: number): Duplex {
  const tcp = connectTcp({ port, host: '127.0.0.1', noDelay: true });
  let drips = true;
  const stream = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      const next = (at: number): void => {
        if (at === chunk.length) done();
        else tcp.write(chunk.subarray(at, at + 1), () => setImmediate(next, at + 1));
      };
      if (drips) next(0);
      else tcp.write(chunk, () => done());
      drips = false;
    },
    destroy(error, done) {
      tcp.destroy();
      done(error);
    },
  });
  tcp.on('data', (data) => stream.push(data)).on('end', () => stream.push(null));
  return stream;
}

test('a ClientHello that comes byte by byte, of an old client and of a new one', async (t) => {
  const server = OURS.createServer(pem(own), (socket) => void socket.end('there'));
  const port = await listen(t, server);
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const { log } = await visit(port, { socket: dripping(port), maxVersion });
    assert.equal(log.at(-1), 'there');
    assert.match(log[0]!, new RegExp(maxVersion));
  }
});

test('a ClientHello in more records than are waited for is one for our engine, which has limits of its own', async (t) => {
  const server = OURS.createServer(pem(own));
  const port = await listen(t, server);
  const tcp = connectTcp({ port, host: '127.0.0.1' });
  tcp.on('error', () => {});
  // A message of 60,000 bytes, one in each record.
  const start = [1, 0, 0xea, 0x60].map((byte) => Buffer.from([22, 3, 1, 0, 1, byte]));
  tcp.write(Buffer.concat([...start, ...Array.from({ length: 60_000 }, () => Buffer.from([22, 3, 1, 0, 1, 0]))]));
  const [error] = (await once(server, 'tlsClientError')) as [ourTls.TlsError];
  assert.deepEqual([error.side, error.fault], ['local', 'handshake.malformed']);
  tcp.destroy();
});

test('a transport that is no TCP socket', async (t) => {
  const server = OURS.createServer(pem(own), (socket) => void socket.end('there'));
  t.after(async () => void server.close());
  const pipe = (give: (chunk: Buffer | null) => void): Duplex =>
    new Duplex({
      read() {},
      write(chunk, _encoding, done) {
        setImmediate(() => {
          give(chunk);
          done();
        });
      },
      final(done) {
        give(null);
        done();
      },
    });
  const near: Duplex = pipe((chunk) => far.push(chunk));
  const far: Duplex = pipe((chunk) => near.push(chunk));
  server.emit('connection', far);
  const { log } = await visit(0, { socket: near });
  assert.equal(log.at(-1), 'there');
});

test('a client that came down from TLS 1.3 by an attack can tell', async (t) => {
  const server = OURS.createServer(pem(own));
  const port = await listen(t, server);
  server.on('tlsClientError', () => {});
  /** The ServerHello, or the alert, that answers the ClientHello of an old client with these changes. */
  const answer = async (change: (hello: Buffer) => Buffer): Promise<Buffer> => {
    const tcp = connectTcp({ port, host: '127.0.0.1' });
    const client = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        tcp.write(change(chunk), () => done());
      },
    });
    nodeTls.connect({ socket: client, ...OLD }).on('error', () => {});
    const [data] = (await once(tcp, 'data')) as [Buffer];
    tcp.destroy();
    return data;
  };
  // The last eight bytes of the random. rfc9846#section-4.2.3
  assert.equal((await answer((hello) => hello)).subarray(11 + 24, 11 + 32).toString('latin1'), 'DOWNGRD\x01');
  // One more cipher suite, TLS_FALLBACK_SCSV: the client says that it could do better. RFC 7507
  const scsv = await answer((hello) => {
    const at = 5 + 4 + 2 + 32 + 1 + hello[43]!;
    const changed = Buffer.concat([hello.subarray(0, at + 2), Buffer.from('5600', 'hex'), hello.subarray(at + 2)]);
    for (const [offset, size] of [
      [3, 2],
      [7, 2],
      [at, 2],
    ] as const) {
      changed.writeUIntBE(changed.readUIntBE(offset, size) + 2, offset, size);
    }
    return changed;
  });
  assert.deepEqual([...scsv], [21, 3, 3, 0, 2, 2, 86]);
});

/** How an old client is refused, and what the server says of it. */
async function refusal(
  t: Scope,
  options: ourTls.TlsOptions,
): Promise<{ client: string; code: unknown; message: string }> {
  const server = ourTls.createServer(options);
  const failed = once(server, 'tlsClientError');
  const port = await listen(t, server as unknown as nodeTls.Server);
  const { log } = await visit(port);
  const [{ code, message }] = (await failed) as [Error & { code: unknown }];
  return { client: log[0]!, code, message };
}

test('refused with protocol_version: where the program says so, and where node:tls cannot do what ours does', async (t) => {
  const signer = createSigner(known.keyPem);
  const remote = { cert: known.certificatePem, key: { schemes: signer.schemes, sign: signer.sign.bind(signer) } };
  const refused = { client: 'error ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', code: 'ERR_SSL_UNSUPPORTED_PROTOCOL' };
  const message = 'the client does not offer TLS 1.3';
  assert.deepEqual(await refusal(t, { ...pem(own), legacy: false }), { ...refused, message });
  assert.deepEqual(await refusal(t, remote), {
    ...refused,
    message: `${message}, and node:tls does not serve it: node:tls cannot sign with the key of this server`,
  });
  const judged = { ...pem(own), requestCert: true, verifyPeer: () => ({ authorized: true }) as never };
  assert.match((await refusal(t, judged)).message, /verifyPeer/);
  assert.match((await refusal(t, {})).message, /no certificate/);
});

test('handshakeTimeout counts from the beginning of the connection', async (t) => {
  const server = OURS.createServer({ ...pem(own), handshakeTimeout: 400 });
  const port = await listen(t, server);
  const startedAt = performance.now();
  const tcp = connectTcp({ port, host: '127.0.0.1' });
  tcp.on('error', () => {});
  let sent = false;
  const client = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      // The ClientHello when most of the time is over, and nothing after it.
      if (!sent) setTimeout(() => tcp.write(chunk), 300);
      sent = true;
      done();
    },
  });
  nodeTls.connect({ socket: client, ...OLD }).on('error', () => {});
  const [error] = (await once(server, 'tlsClientError')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ERR_TLS_HANDSHAKE_TIMEOUT');
  assert.ok(performance.now() - startedAt < 650);
  // Whoever listens need not close it.
  await once(tcp.resume(), 'close');
});

test('an attached http server: old clients, with keep-alive timeouts and closing as ever', async (t) => {
  const http = createHttpServer((request, response) => {
    const { encrypted } = request.socket as nodeTls.TLSSocket;
    response.end(`${request.url} ${encrypted}`);
  });
  ourTls.attach(http, pem(own));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  t.after(async () => void http.close());
  const { port } = http.address() as AddressInfo;
  const answer = await new Promise<string>((resolve, reject) => {
    get({ port, host: '127.0.0.1', path: '/old', ...OLD, rejectUnauthorized: false, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (data) => {
        body += data;
      });
      response.on('end', () => resolve(body));
    }).on('error', reject);
  });
  assert.equal(answer, '/old true');
  // In the middle of a handshake, which is not waited for.
  const half = connectTcp({ port, host: '127.0.0.1' });
  half.on('error', () => {});
  const stream = new Duplex({ read() {}, write: (chunk, _encoding, done) => void half.write(chunk, () => done()) });
  nodeTls.connect({ socket: stream, ...OLD }).on('error', () => {});
  await once(half, 'data');
  http.closeAllConnections();
  await once(half, 'close');
});

test('what node:tls is given: keys and certificates in PEM, groups that it knows', () => {
  const signer = createSigner(other.keyPem);
  const { key, cert, ecdhCurve, ca } = nodeOptions(
    ourTls.createSecureContext({
      key: [known.keyPem, signer],
      cert: [known.certificate, other.certificate],
      ca: own.certificate,
      groups: ['X25519MLKEM768', 'x25519', 'secp256r1'],
    }),
  ) as Record<string, unknown>;
  assert.deepEqual(
    (cert as string[]).map((text) => text.trim()),
    [known.certificatePem.trim()],
  );
  assert.deepEqual([(key as string[]).length, (ca as string[])[0]!.trim()], [1, own.certificatePem.trim()]);
  assert.equal(ecdhCurve, 'x25519:secp256r1');
});

test('what is only ours may be called on the socket of an old client', async (t) => {
  const server = ourTls.createServer({ ...pem(own), numTickets: 4 });
  const port = await listen(t, server as unknown as nodeTls.Server);
  const client = nodeTls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...OLD });
  t.after(async () => void client.destroy());
  const [socket] = (await once(server, 'secureConnection')) as [ourTls.TLSSocket];
  assert.ok(socket instanceof ourTls.TLSSocket && socket instanceof nodeTls.TLSSocket);
  assert.ok(!(client instanceof ourTls.TLSSocket));
  assert.equal(socket.getProtocol(), 'TLSv1.2');
  socket.numTickets = 3;
  socket.flushTickets();
  socket.updateKeys();
  assert.deepEqual([socket.numTickets, socket.newSessionTicket(2), socket.issueTickets([{}])], [0, false, []]);
  assert.deepEqual([socket.tickets, socket.cancelTickets(), socket.takeSession()], [[], 0, undefined]);
  assert.deepEqual([socket.earlyDataState, socket.truncated, socket.connectionInfo], ['none', false, undefined]);
  assert.equal(socket.explainTickets(), 'TLSv1.2: its tickets are an affair of node:tls');
  assert.deepEqual([socket.ticketInfo.issued, socket.ticketInfo.resumed], [0, false]);
  assert.ok(socket.transferred.received > 0);
  await assert.rejects(socket.requestClientCertificate(), { code: 'socket.legacy' });
});
