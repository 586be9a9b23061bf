import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp, Server as NetServer } from 'node:net';
import { test } from 'node:test';
import * as nodeTls from 'node:tls';
import { makeIdentity } from '../../test/support/certificates.ts';
import { listen } from '../../test/support/visits.ts';
import { createSecureContext, createServer, Server, type TLSSocket } from './index.ts';

test('a Server is made with new and without, and is one of node:net', () => {
  for (const server of [new Server(), Server(), createServer(), createServer({}), new Server({}, () => {})]) {
    assert.ok(server instanceof Server && server instanceof NetServer);
    assert.equal(server.constructor, Server);
  }
  assert.equal(Server.name, 'Server');
  assert.equal(createServer(() => {}).listenerCount('secureConnection'), 1);
  assert.equal(createServer({}, () => {}).listenerCount('secureConnection'), 1);
});

test('a constructor of before classes can be one of ours', async (t) => {
  const { certificatePem: cert, keyPem: key } = await makeIdentity('p256');
  function Old(this: Server): void {
    (Server as unknown as (...args: unknown[]) => void).call(this, { cert, key });
  }
  Object.setPrototypeOf(Old.prototype, Server.prototype);
  const server = new (Old as unknown as new () => Server)();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const accepted = once(server, 'secureConnection');
  const { port } = server.address() as { port: number };
  const client = nodeTls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  const [socket] = (await accepted) as [TLSSocket];
  assert.equal((socket as { server?: unknown }).server, server);
  socket.end();
  client.resume().end();
  await once(client, 'close');
});

test('a handshake that takes too long is reported once, with its code', async (t) => {
  const { server, port } = await listen(t, { handshakeTimeout: 20 });
  const errors: (string | undefined)[] = [];
  server.on('tlsClientError', (error: Error & { code?: string }) => errors.push(error.code));
  const client = connectTcp(port, '127.0.0.1');
  client.resume();
  await once(client, 'close');
  assert.deepEqual(errors, ['ERR_TLS_HANDSHAKE_TIMEOUT']);
});

test('an SNICallback that never answers is a handshake that takes too long', async (t) => {
  const { server, visit } = await listen(t, { handshakeTimeout: 20, SNICallback: () => {} });
  const failed = once(server, 'tlsClientError') as Promise<[Error & { code?: string }]>;
  await assert.rejects(visit(), { code: 'ECONNRESET' });
  assert.equal((await failed)[0].code, 'ERR_TLS_HANDSHAKE_TIMEOUT');
});

test('what asks by callback takes a promise too', async (t) => {
  const other = await makeIdentity('p256', ['other.test']);
  const context = createSecureContext({ cert: other.certificatePem, key: other.keyPem });
  const psk = { identity: Buffer.from('älice'), key: Buffer.alloc(48, 7), hash: 'sha384' as const };
  const { visit } = await listen(t, {
    SNICallback: async (name: string) => (name === 'other.test' ? context : undefined),
    ALPNCallback: async ({ protocols }) => protocols.find((protocol) => protocol === 'b'),
    pskCallback: async (socket, identity) => {
      assert.equal(socket.encrypted, true);
      return identity === 'älice' ? { psk: psk.key, hash: psk.hash } : undefined;
    },
  });
  const ca = other.certificatePem;
  const { client } = await visit({ servername: 'other.test', ca, ALPNProtocols: ['a', 'b'] });
  assert.equal(client.alpnProtocol, 'b');
  await visit();
  await assert.rejects(visit({ ALPNProtocols: ['a'] }), { code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL' });
  const known = await visit({ psks: [psk] });
  assert.deepEqual(known.server.connectionInfo?.pskIdentity, new Uint8Array(psk.identity));
  const unknown = await visit({ psks: [{ ...psk, identity: Buffer.from([0xff, 0xfe]) }] });
  assert.equal(unknown.server.connectionInfo?.pskIdentity, undefined, 'no text, so not asked about');
});

test('a promise that is rejected ends the connection as an error does', async (t) => {
  const reject = (): Promise<never> => Promise.reject(new Error('no'));
  for (const options of [{ SNICallback: reject }, { ALPNCallback: reject }, { pskCallback: reject }]) {
    const { server, visit } = await listen(t, options);
    const failed = once(server, 'tlsClientError') as Promise<[Error]>;
    const psks = [{ identity: Buffer.from('a'), key: Buffer.alloc(16, 7), hash: 'sha256' as const }];
    await assert.rejects(visit({ ALPNProtocols: ['a'], psks }), { code: 'ECONNRESET' });
    assert.equal((await failed)[0].message, 'no');
  }
});

test('tlsClientError tells who it was, of a socket that is destroyed', async (t) => {
  const { server, port } = await listen(t);
  const failed = once(server, 'tlsClientError') as Promise<[Error & { code?: string }, TLSSocket]>;
  const client = connectTcp(port, '127.0.0.1', () => client.write('GET / HTTP/1.1\r\n\r\n'));
  client.on('error', () => {}).resume();
  const [error, socket] = await failed;
  assert.equal(typeof error.code, 'string');
  assert.deepEqual([socket.destroyed, socket.remoteAddress], [true, '127.0.0.1']);
  await once(client, 'close');
});

test('keylog gives the lines of each connection with its socket, also under another context', async (t) => {
  const { server, visit } = await listen(t);
  const { certificatePem: cert, keyPem: key } = await makeIdentity('p256', ['other.test']);
  server.addContext('other.test', { cert, key });
  for (const servername of ['localhost', 'other.test']) {
    const lines: [Buffer, TLSSocket][] = [];
    const listener = (line: Buffer, socket: TLSSocket): void => void lines.push([line, socket]);
    server.on('keylog', listener);
    const { server: socket } = await visit({ servername, rejectUnauthorized: false });
    server.off('keylog', listener);
    assert.ok(lines.some(([line]) => /^CLIENT_TRAFFIC_SECRET_0 [0-9a-f]{64} [0-9a-f]+\n$/.test(String(line))));
    assert.ok(lines.every(([, other]) => other === socket));
  }
});

for (const [form, answer] of [
  ['by callback', (callback: (error: null, response: Buffer) => void, response: Buffer) => callback(null, response)],
  [
    'later',
    (callback: (error: null, response: Buffer) => void, response: Buffer) => setImmediate(callback, null, response),
  ],
  ['by promise', async (_callback: unknown, response: Buffer) => response],
] as const) {
  test(`OCSPRequest is answered ${form}`, async (t) => {
    const { server, port } = await listen(t);
    const response = Buffer.from('a response');
    server.on('OCSPRequest', (certificate: Buffer, issuer: Buffer | null, callback) => {
      assert.equal(new X509Certificate(certificate).subjectAltName?.includes('localhost'), true);
      assert.equal(issuer, null);
      return answer(callback, response);
    });
    const options = { port, host: '127.0.0.1', rejectUnauthorized: false, requestOCSP: true };
    const client = nodeTls.connect(options);
    const [stapled] = await once(client, 'OCSPResponse');
    assert.deepEqual(stapled, response);
    client.destroy();
  });
}

test('OCSPRequest answered with nothing staples nothing', async (t) => {
  const { server, port } = await listen(t);
  server.on('OCSPRequest', (_certificate, _issuer, callback) => callback(null, null));
  const client = nodeTls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, requestOCSP: true } as object);
  client.on('OCSPResponse', (response) => assert.equal(response?.length ?? 0, 0));
  await once(client, 'secureConnect');
  client.destroy();
});

test('pauseOnConnect leaves the data to who resumes', async (t) => {
  const { visit } = await listen(t, { pauseOnConnect: true });
  const { client, server } = await visit();
  assert.equal(server.isPaused(), true);
  let data = '';
  server.on('data', (bytes) => {
    data += bytes;
  });
  client.end('hello');
  await once(client, 'finish');
  await new Promise(setImmediate);
  assert.equal(data, '');
  server.resume();
  await once(server, 'end');
  assert.equal(data, 'hello');
});

test('connections beyond maxConnections are dropped, and the others counted', async (t) => {
  const { server, visit, port } = await listen(t);
  server.maxConnections = 1;
  await visit();
  const count = await new Promise((resolve) => server.getConnections((_error, n) => resolve(n)));
  assert.equal(count, 1);
  const dropped = once(server, 'drop');
  connectTcp(port, '127.0.0.1').on('error', () => {});
  await dropped;
});
