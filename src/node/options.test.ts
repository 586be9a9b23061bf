import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { makeIdentity } from '../../test/support/certificates.ts';
import { connect, createSecureContext, createServer } from './index.ts';

const identity = await makeIdentity();
const good = { cert: identity.certificatePem, key: identity.keyPem };

const REFUSED: readonly [what: string, options: object, code: string, names: RegExp][] = [
  ['a version that excludes TLS 1.3', { maxVersion: 'TLSv1.2' }, 'ERR_TLS_INVALID_PROTOCOL_VERSION', /only TLSv1.3/],
  ['a version that does not exist', { minVersion: 'bogus' }, 'ERR_TLS_INVALID_PROTOCOL_VERSION', /"bogus"/],
  ['a cipher suite that does not exist', { ciphers: 'TLS_NONSENSE' }, 'ERR_SSL_NO_CIPHER_MATCH', /TLS_NONSENSE/],
  ['a broken ALPN buffer', { ALPNProtocols: Buffer.from('\x05h2') }, 'option.bad_alpn', /ALPNProtocols/],
  ['ALPN as a number', { ALPNProtocols: 5 }, 'option.bad_alpn', /ALPNProtocols/],
  ['an ALPN name that is not Latin-1', { ALPNProtocols: ['\u{1f600}'] }, 'config.bad_alpn', /Latin-1/],
  ['too many ALPN names', { ALPNProtocols: new Array(20_000).fill('abcd') }, 'config.bad_alpn', /60,000/],
  ['a timeout that is no number', { handshakeTimeout: Number.NaN }, 'option.out_of_range', /handshakeTimeout/],
  ['a certificate that is a number', { cert: 5, key: 5 }, 'ERR_INVALID_ARG_TYPE', /options.cert/],
  ['a key that is a number', { cert: good.cert, key: 5 }, 'ERR_INVALID_ARG_TYPE', /options.key/],
];

for (const [what, options, code, names] of REFUSED) {
  test(`${what} is refused by name, not ignored`, () => {
    assert.throws(() => createServer({ ...good, ...options }), { code, message: names });
    assert.throws(() => connect({ port: 1, ...options }), { code, message: names });
  });
}

test('tickets and limits that are none are refused by name', () => {
  for (const options of [{ tickets: '3' }, { limits: 5 }, { limits: null }])
    for (const make of [createServer, createSecureContext])
      assert.throws(() => make({ ...good, ...(options as object) }), {
        code: 'ERR_INVALID_ARG_TYPE',
        message: new RegExp(`options.${Object.keys(options)[0]}`),
      });
});

test('connect that throws leaves no connection behind', { timeout: 5_000 }, async () => {
  const server = createServer(good).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const options = { port, host: '127.0.0.1', rejectUnauthorized: false };
  assert.throws(() => connect({ ...options, timeout: -1 }), { code: 'ERR_OUT_OF_RANGE' });
  server.close();
  await once(server, 'close');
});

test('ticketLifetime and servername are checked by their own names', () => {
  assert.throws(() => createServer({ ...good, ticketLifetime: Number.NaN }), {
    code: 'option.out_of_range',
    message: /ticketLifetime/,
  });
  for (const servername of ['a'.repeat(70_000), 'b\u0000']) {
    assert.throws(() => connect({ port: 1, servername }), { code: 'option.bad_servername' });
  }
  assert.throws(() => connect({ port: 1, servername: 5 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
});

test('ALPN as a Buffer, a signer as key, and a verifier that answers later', async (t) => {
  const { signer } = identity.credential;
  const slow = { schemes: signer.schemes, sign: async (scheme: number, data: Uint8Array) => signer.sign(scheme, data) };
  const server = createServer(
    { cert: good.cert, key: slow, ALPNProtocols: Buffer.from('\x02h2\x08http/1.1') },
    (socket) => socket.end(),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const asked: string[] = [];
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ALPNProtocols: Buffer.from('\x08http/1.1'),
    verifyPeer: async ({ role, serverName }) => {
      asked.push(`${role} ${serverName}`);
      return { trusted: true };
    },
  });
  await once(socket, 'secureConnect');
  assert.deepEqual([socket.alpnProtocol, socket.authorized, asked], ['http/1.1', true, ['server localhost']]);
  await once(socket.resume(), 'close');

  const refused = connect({
    port,
    host: '127.0.0.1',
    verifyPeer: async () => ({
      trusted: false,
      code: 'CERT_REVOKED',
      message: 'not today',
      alert: 'certificate_revoked',
    }),
  });
  const [error] = (await once(refused, 'error')) as [Error & { code: string }];
  assert.equal(error.code, 'CERT_REVOKED');
});
