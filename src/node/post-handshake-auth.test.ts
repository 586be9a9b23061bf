import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { before, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { makeIdentity, type TestIdentity } from '../../test/support/certificates.ts';
import { TlsUsageError } from '../errors/index.ts';
import type { PeerVerdict } from '../peer-auth/index.ts';
import { type ConnectionOptions, connect, createServer, type TLSSocket, type TlsOptions } from './index.ts';

let identity: TestIdentity;
let alice: TestIdentity;
before(async () => {
  identity = await makeIdentity('p256');
  alice = await makeIdentity('p256', ['alice.example']);
});

const shows = (who: TestIdentity): ConnectionOptions => ({ cert: who.certificatePem, key: who.keyPem });

async function open(
  t: TestContext,
  server: TlsOptions,
  client: ConnectionOptions,
): Promise<{ readonly server: TLSSocket; readonly client: TLSSocket }> {
  const listener = createServer({ cert: identity.certificatePem, key: identity.keyPem, ...server });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const accepted = once(listener, 'secureConnection') as Promise<TLSSocket[]>;
  const { port } = listener.address() as AddressInfo;
  const options = { postHandshakeAuth: true, ca: identity.certificatePem, servername: 'localhost', ...client };
  const socket = connect(port, '127.0.0.1', options);
  socket.on('error', () => {});
  const [[other]] = await Promise.all([accepted, once(socket, 'secureConnect')]);
  t.after(() => {
    socket.destroy();
    other!.destroy();
    listener.close();
  });
  return { server: other!, client: socket };
}

const rejectsWith = (code: string) => (error: unknown) =>
  error instanceof TlsUsageError && error.code === `post_handshake_auth.${code}`;

test('a server asks for a certificate, and gets it with the event and the new identity', async (t) => {
  const { server, client } = await open(t, { ca: alice.certificatePem }, shows(alice));
  assert.deepEqual([server.authorized, server.getPeerX509Certificate()], [false, undefined]);
  const event = once(server, 'clientCertificate');
  const asked = server.requestClientCertificate();
  await assert.rejects(server.requestClientCertificate(), rejectsWith('outstanding'));
  const certificate = await asked;
  assert.deepEqual(certificate?.raw, Buffer.from(alice.certificate));
  assert.deepEqual((await event)[0].raw, certificate?.raw);
  assert.equal(server.authorized, true);
  assert.deepEqual(server.getPeerX509Certificate()?.raw, certificate?.raw);
  client.write('hello');
  assert.equal(String((await once(server, 'data'))[0]), 'hello');
  assert.notEqual(await server.requestClientCertificate(), undefined);
});

test('a client without one says so, which may be an error', async (t) => {
  const { server, client } = await open(t, { ca: alice.certificatePem }, {});
  assert.equal(await server.requestClientCertificate(), undefined);
  const failed = once(client, 'error');
  server.on('error', () => {});
  await assert.rejects(server.requestClientCertificate({ required: true }), {
    code: 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE',
  });
  assert.equal((await failed)[0].alert, 'certificate_required');
});

test('a client that is not trusted is refused, or known as such', async (t) => {
  const strict = await open(t, { ca: alice.certificatePem }, shows(identity));
  strict.server.on('error', () => {});
  await assert.rejects(strict.server.requestClientCertificate(), { fault: 'certificate.not_trusted' });
  const mild = await open(t, { ca: alice.certificatePem, rejectUnauthorized: false }, shows(identity));
  assert.notEqual(await mild.server.requestClientCertificate(), undefined);
  assert.equal(mild.server.authorized, false);
  assert.equal(mild.server.authorizationError !== undefined, true);
});

test('whoever cannot be asked is not, and the connection goes on', async (t) => {
  const silent = await open(t, { ca: alice.certificatePem }, { ...shows(alice), postHandshakeAuth: false });
  await assert.rejects(silent.server.requestClientCertificate(), rejectsWith('not_offered'));
  const blind = await open(t, {}, shows(alice));
  await assert.rejects(blind.server.requestClientCertificate(), rejectsWith('no_verifier'));
  await assert.rejects(blind.client.requestClientCertificate(), rejectsWith('client'));
  blind.client.write('hello');
  assert.equal(String((await once(blind.server, 'data'))[0]), 'hello');
});

test('a client that ends instead of answering', async (t) => {
  for (const how of ['end', 'destroy'] as const) {
    const never = { schemes: [0x0403], sign: () => new Promise<Uint8Array>(() => {}) };
    const { server, client } = await open(t, { ca: alice.certificatePem }, { cert: alice.certificatePem, key: never });
    server.on('error', () => {}).resume();
    const asked = server.requestClientCertificate();
    client[how]();
    await assert.rejects(asked, { code: 'ECONNRESET' });
  }
});

test('what a client sends behind its answer waits for the verifier, also when the client is gone by then', async (t) => {
  let decide: ((verdict: PeerVerdict) => void) | undefined;
  const verifyPeer = (): Promise<PeerVerdict> =>
    new Promise((resolve) => {
      decide = resolve;
    });
  const { server, client } = await open(t, { verifyPeer }, shows(alice));
  const order: string[] = [];
  server.on('data', (bytes) => order.push(String(bytes))).on('clientCertificate', () => order.push('alice'));
  const asked = server.requestClientCertificate();
  while (decide === undefined) await turn();
  client.end('bye');
  for (let i = 0; i < 50; i++) await turn();
  assert.deepEqual(order, []);
  decide({ trusted: true });
  await asked;
  await once(server, 'end');
  assert.deepEqual(order, ['alice', 'bye']);
  assert.equal(server.truncated, false);
});
