/** Canaries in the Node entry: sockets, servers, contexts, agents and their errors show no secret, however they are printed, and keep none. */
import assert from 'node:assert/strict';
import { createPrivateKey, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Agent, connect, createSecureContext, createServer, type TLSSocket } from '../../src/node/index.ts';
import { makeIdentity } from '../support/certificates.ts';
import { Canaries, plantSecretsOf } from './canaries.ts';

test('sockets, servers, contexts, traces and errors show no secret', async (t) => {
  const canaries = new Canaries();
  const { keyPem, certificatePem } = await makeIdentity();
  const passphrase = `canary ${randomBytes(8).toString('hex')}`;
  const encrypted = createPrivateKey(keyPem).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase,
  });
  const psk = randomBytes(32);
  const ticketKeys = randomBytes(48);
  canaries.plant('private key', Buffer.from(createPrivateKey(keyPem).export({ format: 'jwk' }).d!, 'base64url'));
  // What comes before, and the public key behind, is in the certificate as well.
  canaries.plant('private key in PEM', keyPem.split('\n')[1]!.slice(48));
  canaries.plant('passphrase', passphrase);
  canaries.plant('ticket keys', ticketKeys);
  canaries.plant('external PSK', psk);
  const shown: [what: string, value: unknown][] = [];
  const show = (what: string, value: unknown): void => void shown.push([what, value]);

  const traced: string[] = [];
  const write = process.stderr.write;
  t.after(() => {
    process.stderr.write = write;
  });
  process.stderr.write = ((text: string) => traced.push(String(text)) > 0) as typeof process.stderr.write;

  const secrets = await plantSecretsOf(canaries, async () => {
    const server = createServer({
      key: encrypted,
      passphrase,
      cert: certificatePem,
      ticketKeys,
      requestCert: true,
      rejectUnauthorized: false,
    });
    t.after(() => server.close());
    const failures: Error[] = [];
    server.on('tlsClientError', (error: Error) => failures.push(error));
    server.on('secureConnection', (socket: TLSSocket) => {
      show('socket of a server', socket);
      socket.on('error', () => {}).end('hello');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const options = { port, host: '127.0.0.1', servername: 'localhost', ca: certificatePem } as const;

    const visit = async (more: object = {}): Promise<Buffer | undefined> => {
      const socket = connect({
        ...options,
        enableTrace: true,
        key: encrypted,
        passphrase,
        cert: certificatePem,
        ...more,
      });
      let session: Buffer | undefined;
      socket.on('session', (one: Buffer) => {
        session ??= one;
      });
      socket.resume();
      await once(socket, 'secureConnect');
      show('socket of a client', socket);
      await once(socket, 'close');
      show('a closed socket', socket);
      return session;
    };
    const session = await visit();
    await visit({ session });

    const heard = once(server, 'tlsClientError');
    const [failed] = await once(connect({ ...options, ca: [] }), 'error');
    await heard;
    show('error of a client', failed);
    show('failures of the server', failures);

    show('server', server);
    show('context', createSecureContext({ key: encrypted, passphrase, cert: certificatePem, ticketKeys }));
    show('agent', new Agent({ key: encrypted, passphrase, cert: certificatePem }));
    for (const wrong of [
      () => createSecureContext({ key: encrypted, passphrase: `${passphrase}!`, cert: certificatePem }),
      () => createSecureContext({ key: keyPem.slice(0, -60), cert: certificatePem }),
      () => createServer({ ticketKeys: ticketKeys.subarray(1) as never }),
      () => createServer({ key: keyPem, cert: certificatePem, pskCallback: psk as never }),
    ]) {
      try {
        wrong();
      } catch (error) {
        show('error of a wrong option', error);
      }
    }
  });
  process.stderr.write = write;
  // What is left are the ticket keys of the server; secrets of a connection have 48 bytes here.
  const left = secrets.filter(({ wiped }) => !wiped).map(({ bytes }) => bytes.length);
  assert.deepEqual(new Set(left), new Set([32]));
  assert.ok(secrets.length > 20, `${secrets.length} secrets were used`);
  assert.ok(traced.join('').length > 0);
  show('traces', traced.join(''));
  for (const [what, value] of shown) assert.deepEqual(canaries.seenIn(value), [], what);
});
