/** Certificates asked for after the handshake, with OpenSSL, GnuTLS and curl, in both roles. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import type { TlsUsageError } from '../../src/errors/index.ts';
import { needs, peer } from '../support/peers.ts';
import { freePort, type Running, run, start } from '../support/process.ts';
import { tesseraServe } from './cli-server.ts';
import { type Connection, connect, files, type OurServer, SUITES, serve } from './harness.ts';
import { countMessages, sClient, toServer } from './openssl-peer.ts';

/** The certificate of the test client, as the server knows it. */
async function known(): Promise<{ chain: Buffer[]; authorized: boolean }> {
  return { chain: [Buffer.from((await files()).client.certificate)], authorized: true };
}

const plain = ({ chain, ...rest }: { chain: readonly Uint8Array[]; authorized: boolean }) => ({
  chain: chain.map((certificate) => Buffer.from(certificate)),
  ...rest,
});

async function exchange(program: Running, connection: Connection, word: string): Promise<void> {
  connection.write(`ours ${word}\n`);
  await program.waitFor(`ours ${word}`);
  program.write(`theirs ${word}\n`);
  await connection.received(`theirs ${word}\n`);
}

test('s_client shows its certificate, again and again, under every suite, and its tickets remember it', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { clientCert, clientKey, folder } = await files();
  const own = ['-enable_pha', '-cert', clientCert, '-key', clientKey];
  for (const suite of SUITES) {
    const server = await serve(t, { cipherSuites: [suite] });
    const session = join(folder, `pha-${suite}.pem`);
    const { program, connection } = await sClient(t, server, [...own, '-ciphersuites', suite, '-sess_out', session]);
    await connection.secure();
    await exchange(program, connection, 'before');
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(plain(await connection.requestClientCertificate()), await known());
      await exchange(program, connection, `after ${i}`);
      connection.updateKeys(true);
    }
    assert.equal(countMessages(program, '<<<', 'NewSessionTicket'), 2 * 4);
    program.end();
    await connection.event('end');
    await connection.close();
    assert.deepEqual(connection.eventsOf('error'), []);
    await program.waitForExit();

    const again = await sClient(t, server, [...own, '-ciphersuites', suite, '-sess_in', session]);
    const info = await again.connection.secure();
    assert.deepEqual([info.resumed, plain(info.peer)], [true, await known()]);
    assert.deepEqual(plain(await again.connection.requestClientCertificate()), await known());
    await exchange(again.program, again.connection, 'resumed');
    assert.equal(countMessages(again.program, '<<<', 'NewSessionTicket'), 2);
  }
});

test('s_client without a certificate, or without -enable_pha', async (t) => {
  if (!needs(t, 'openssl')) return;
  const server = await serve(t);
  const { program, connection } = await sClient(t, server, ['-enable_pha']);
  await connection.secure();
  assert.deepEqual(plain(await connection.requestClientCertificate()), { chain: [], authorized: false });
  await exchange(program, connection, 'nobody');
  await assert.rejects(connection.requestClientCertificate({ required: true }), /certificate\.required/);
  await program.waitFor(/alert certificate required/i);

  const silent = await sClient(t, server);
  await silent.connection.secure();
  await assert.rejects(
    silent.connection.requestClientCertificate(),
    (error: TlsUsageError) => error.code === 'post_handshake_auth.not_offered',
  );
  await exchange(silent.program, silent.connection, 'as before');
});

test('s_client with a certificate that we do not trust', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { serverCert, serverKey } = await files();
  const { program, connection } = await sClient(t, await serve(t), [
    ...['-enable_pha', '-cert', serverCert, '-key', serverKey],
  ]);
  await connection.secure();
  await assert.rejects(connection.requestClientCertificate(), /certificate\.not_trusted/);
  await program.waitFor(/SSL alert number/);
});

test('s_server asks, and we show what we have', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { client, clientCert } = await files();
  for (const credentials of [[client.credential], []]) {
    const { program, connection } = await toServer(t, ['-CAfile', clientCert, '-verify_return_error'], {
      postHandshakeAuth: true,
      credentials,
    });
    await connection.secure();
    await connection.event('ticket', 2);
    for (let i = 1; i <= 3; i++) {
      program.write('c\n');
      await program.waitFor(/<<< TLS 1\.3, Handshake \[length [0-9a-f]+\], Finished/, { count: 1 + i });
      connection.write(`line ${i}\n`);
      await program.waitFor(`line ${i}`);
      await connection.event('ticket', 2 + 2 * i);
      connection.updateKeys();
    }
    assert.equal(countMessages(program, '<<<', 'CertificateVerify'), 3 * credentials.length);
    assert.deepEqual(connection.eventsOf('error'), []);
  }
});

test('s_server does not ask when we have not offered it', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { client } = await files();
  const { program, connection } = await toServer(t, [], { credentials: [client.credential] });
  await connection.secure();
  program.write('c\n');
  await program.waitFor(/extension not received/);
  program.write('still here\n');
  await connection.received('still here\n');
});

async function gnutlsClient(
  t: test.TestContext,
  server: OurServer,
  args: readonly string[],
): Promise<{ readonly program: Running; readonly connection: Connection }> {
  const { serverCert } = await files();
  const program = start(t, peer('gnutls-cli')!.path, [
    ...['-p', `${server.port}`, '--x509cafile', serverCert, '--sni-hostname', 'localhost'],
    ...['--verify-hostname', 'localhost', '--post-handshake-auth', ...args, '127.0.0.1'],
  ]);
  const connection = await server.accept();
  await connection.secure();
  await program.waitFor('Simple Client Mode');
  return { program, connection };
}

test('gnutls-cli shows its certificate, or none', async (t) => {
  if (!needs(t, 'gnutls-cli')) return;
  const { clientCert, clientKey } = await files();
  const server = await serve(t);
  const own = ['--x509certfile', clientCert, '--x509keyfile', clientKey];
  const { program, connection } = await gnutlsClient(t, server, own);
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(plain(await connection.requestClientCertificate()), await known());
    await exchange(program, connection, `${i}`);
  }
  const nobody = await gnutlsClient(t, server, []);
  assert.deepEqual(plain(await nobody.connection.requestClientCertificate()), { chain: [], authorized: false });
  await exchange(nobody.program, nobody.connection, 'nobody');
});

test('gnutls-serv asks, and we show our certificate', async (t) => {
  if (!needs(t, 'gnutls-serv')) return;
  const { client, clientCert, serverCert, serverKey } = await files();
  const port = await freePort();
  const program = start(t, peer('gnutls-serv')!.path, [
    ...['-p', `${port}`, '--echo', '-d', '4', '--x509certfile', serverCert, '--x509keyfile', serverKey],
    ...['--x509cafile', clientCert],
  ]);
  await program.waitFor(/IPv4.*done/);
  const ours = await connect(t, port, { postHandshakeAuth: true, credentials: [client.credential] });
  await ours.secure();
  for (let i = 0; i < 2; i++) {
    ours.write('**REAUTH**\n'); // what gnutls-serv takes as an order
    // It cannot take data before the answer, so wait for that; the first of each is of the handshake.
    await program.waitFor('verifying TLS 1.3 handshake data', { count: 2 + i });
    await program.waitFor('parsing finished', { count: 2 + i });
    ours.write(`line ${i}\n`);
    await ours.received(`line ${i}\n`);
  }
  assert.deepEqual(ours.eventsOf('error'), []);
});

test('tessera serve: /secret is for curl with a trusted certificate', async (t) => {
  if (!needs(t, 'curl')) return;
  const { clientCert, clientKey, serverCert, serverKey } = await files();
  const { program, port, cert } = await tesseraServe(t, ['--ca', clientCert]);
  const get = async (...args: string[]): Promise<string> => {
    const url = `https://localhost:${port}/secret`;
    const { code, stdout, stderr } = await run(t, peer('curl')!.path, [
      ...['-sS', '--http1.1', '--ipv4', '--cacert', cert, '-w', '%{http_code}', ...args, url],
    ]);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  assert.match(await get('--cert', clientCert, '--key', clientKey), /^welcome, .*client\.example.* \(trusted\)\n200$/);
  await program.waitFor(/client certificate: .*client\.example.*trusted/);
  const twice = await get('--cert', clientCert, '--key', clientKey, `https://localhost:${port}/secret`);
  assert.match(twice, /^welcome.*\n200welcome.*\n200$/);
  assert.match(await get('--cert', serverCert, '--key', serverKey), /yours: .*not trusted: \w+.*\n403$/);
  assert.match(await get(), /^this page .*(yours: none|post_handshake_auth).*\n403$/);
});

test('tessera serve: without --ca nobody gets in', async (t) => {
  if (!needs(t, 'curl')) return;
  const { clientCert, clientKey } = await files();
  const { port, cert } = await tesseraServe(t);
  const { stdout } = await run(t, peer('curl')!.path, [
    ...['-sS', '--ipv4', '--cacert', cert, '--cert', clientCert, '--key', clientKey],
    `https://localhost:${port}/secret`,
  ]);
  assert.match(stdout, /start it with --ca/);
});
