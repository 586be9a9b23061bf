import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { before, type TestContext, test } from 'node:test';
import { makeIdentity, type TestIdentity } from '../../test/support/certificates.ts';
import { createKeyRing } from './context.ts';
import { Agent, connect, createSecureContext, createServer, TLSSocket, type TLSSocketOptions } from './index.ts';

let identity: TestIdentity;
let stranger: TestIdentity;
before(async () => {
  identity = await makeIdentity('p256');
  stranger = await makeIdentity('p256');
});

const credentials = () => ({ cert: identity.certificatePem, key: identity.keyPem });

async function listenTcp(t: TestContext, accept: (socket: Socket) => void): Promise<number> {
  const server = createTcpServer((socket) => accept(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Connects once to each socket made with one of `options`, offering the first's ticket to the others. */
async function visit(t: TestContext, options: readonly Partial<TLSSocketOptions>[], log = (_line: Buffer): void => {}) {
  let visits = 0;
  const port = await listenTcp(t, (transport) => {
    const socket = new TLSSocket(transport, { isServer: true, ...options[visits++] });
    socket.on('error', () => {}).on('keylog', log);
    socket.on('secure', () => socket.end('.'));
  });
  const resumed: boolean[] = [];
  let session: Buffer | undefined;
  for (const _ of options) {
    const to = { host: '127.0.0.1', port, servername: 'localhost', ca: identity.certificatePem };
    const client = connect({ ...to, ...(session && { session }) });
    client.once('session', (bytes: Buffer) => {
      session ??= bytes;
    });
    await once(client.resume(), 'close');
    resumed.push(client.isSessionReused());
  }
  return resumed;
}

test('sockets of one context share tickets, but not with those of another key ring', async (t) => {
  const secureContext = createSecureContext(credentials());
  const own = { secureContext, ticketKeyRing: createKeyRing() };
  const other = { secureContext, ticketKeyRing: createKeyRing() };
  assert.deepEqual(await visit(t, [own, other, own]), [false, false, true]);
});

test('sockets of one context say each key once', async (t) => {
  const lines: string[] = [];
  const options = { secureContext: createSecureContext(credentials()) };
  await visit(t, [options, options, options], (line) => void lines.push(line.toString()));
  assert.ok(lines.length > 0);
  assert.equal(new Set(lines).size, lines.length);
});

test('setKeyCert of a client says what it shows, not whom it trusts', async (t) => {
  const server = createServer({ ...credentials(), requestCert: true, rejectUnauthorized: false });
  server.listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const shown = { cert: stranger.certificatePem, key: stranger.keyPem };
  const go = (ca: string, context: object): TLSSocket => {
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca });
    socket.setKeyCert(context);
    t.after(() => socket.destroy());
    return socket;
  };
  const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  await once(go(identity.certificatePem, shown), 'secureConnect');
  const [peer] = await accepted;
  assert.ok(peer.getPeerX509Certificate()?.raw.equals(Buffer.from(stranger.certificate)));
  // The authorities of what is shown are nobody's business.
  const refused = go(stranger.certificatePem, { ...shown, ca: identity.certificatePem });
  const [error] = await once(refused, 'error');
  assert.match((error as { code: string }).code, /CERT|ISSUER|SELF_SIGNED|VERIFY/);
});

test('whatever beforeTls throws or rejects with ends the socket with an error', async (t) => {
  const port = await listenTcp(t, (socket) => socket.resume());
  const ways = [
    () => {
      throw new Error('no STARTTLS');
    },
    () => Promise.reject('no STARTTLS'),
    () => Promise.reject(undefined),
  ];
  for (const beforeTls of ways) {
    const socket = connect({ port, host: '127.0.0.1', beforeTls });
    const [error] = await once(socket, 'error');
    assert.ok(error instanceof Error);
  }
});

test('connections that trust partial chains are apart from those that do not', () => {
  const agent = new Agent();
  const to = { host: 'localhost', port: 443, ca: identity.certificatePem };
  assert.notEqual(agent.getName({ ...to, allowPartialTrustChain: true } as object), agent.getName(to));
});

test('a server that ends before TLS begins is no endless handshake', async (t) => {
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => {}).end('go')).listen(0);
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const beforeTls = async (transport: Duplex): Promise<void> => {
    await once(transport.resume(), 'end');
  };
  const socket = connect({ port, host: '127.0.0.1', beforeTls });
  t.after(() => socket.destroy());
  const [error] = await once(socket.resume(), 'error', { signal: AbortSignal.timeout(5_000) });
  assert.equal((error as { code: string }).code, 'ECONNRESET');
});

test('only a verifier that says true has said that it trusts', async (t) => {
  const server = createServer(credentials());
  server.listen(0, '127.0.0.1').on('tlsClientError', () => {});
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  for (const trusted of ['yes', 1, {}]) {
    for (const more of [{}, { checkServerIdentity: () => undefined }]) {
      const socket = connect({ port, host: '127.0.0.1', verifyPeer: () => ({ trusted }) as never, ...more });
      const [error] = await once(socket, 'error');
      assert.ok(error instanceof Error);
    }
  }
});
