import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { before, type TestContext, test } from 'node:test';
import { makeIdentity, type TestIdentity } from '../../test/support/certificates.ts';
import { latin1 } from '../bytes/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import {
  ClientTicketCache,
  type ConnectionOptions,
  connect,
  createServer,
  type ExternalPsk,
  type TLSSocket,
  type TlsOptions,
} from './index.ts';

let identity: TestIdentity;
before(async () => {
  identity = await makeIdentity('p256');
});

const alice: ExternalPsk = { identity: latin1('alice'), key: Buffer.alloc(32, 0xa1), hash: 'sha256' };
const bob: ExternalPsk = { identity: latin1('bob'), key: Buffer.alloc(48, 0xb0), hash: 'sha384' };

const findPsk: TlsOptions['findPsk'] = async (wanted) =>
  [alice, bob].find((psk) => Buffer.compare(psk.identity, wanted) === 0);

/** What connects to a new server and settles with both ends. */
async function listen(
  t: TestContext,
  options: TlsOptions,
): Promise<(options: ConnectionOptions) => Promise<{ readonly server: TLSSocket; readonly client: TLSSocket }>> {
  const listener = createServer(options);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => listener.close());
  const { port } = listener.address() as AddressInfo;
  return async (more) => {
    const accepted = once(listener, 'secureConnection') as Promise<TLSSocket[]>;
    const client = connect(port, '127.0.0.1', { servername: 'localhost', ...more });
    t.after(() => client.destroy());
    await once(client, 'secureConnect');
    const [server] = await accepted;
    t.after(() => server!.destroy());
    return { server: server!, client };
  };
}

test('a server without a certificate knows its clients by their keys', async (t) => {
  const go = await listen(t, { findPsk });
  for (const psk of [alice, bob]) {
    const { server, client } = await go({ psks: [psk] });
    for (const socket of [server, client]) {
      assert.deepEqual(socket.connectionInfo?.pskIdentity, psk.identity);
      assert.deepEqual([socket.authorized, socket.getPeerX509Certificate()], [true, undefined]);
    }
    client.write('hello');
    assert.equal(String((await once(server, 'data'))[0]), 'hello');
  }
  const stranger = { ...alice, identity: Buffer.from('mallory') };
  await assert.rejects(go({ psks: [stranger] }), { alert: 'decrypt_error' });
});

test('who has no key that the server knows gets its certificate', async (t) => {
  const go = await listen(t, { findPsk, cert: identity.certificatePem, key: identity.keyPem });
  const { client } = await go({ psks: [{ ...alice, identity: Buffer.from('mallory') }], ca: identity.certificatePem });
  assert.equal(client.connectionInfo?.pskIdentity, undefined);
  assert.notEqual(client.getPeerX509Certificate(), undefined);
});

test('a ticket that a key was good for is not offered by who relies on certificates, or on another key', async (t) => {
  const go = await listen(t, { findPsk, cert: identity.certificatePem, key: identity.keyPem });
  const options = { ca: identity.certificatePem, ticketCache: new ClientTicketCache() };
  const shown: unknown[] = [];
  const visit = async (psks: readonly ExternalPsk[]): Promise<TLSSocket> => {
    const { server, client } = await go({ ...options, psks });
    shown.push(client.getPeerX509Certificate());
    client.resume().end();
    await Promise.all([once(client, 'close'), once(server.resume(), 'close')]);
    return client;
  };
  assert.equal((await visit([alice])).isSessionReused(), false);
  const withCertificate = await visit([]);
  assert.equal(withCertificate.isSessionReused(), false);
  assert.notEqual(shown.at(-1), undefined);
  assert.equal((await visit([bob])).isSessionReused(), false);
  assert.equal((await visit([alice])).isSessionReused(), true);
});

test('a key that cannot be used is refused', async (t) => {
  const go = await listen(t, { findPsk });
  const short = { ...alice, key: Buffer.alloc(15) };
  await assert.rejects(
    go({ psks: [short] }),
    (error: Error) => error instanceof TlsUsageError && error.code === 'psk.bad_key',
  );
});
