/** External PSKs between OpenSSL or GnuTLS and us, without any certificate. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { fromLatin1, latin1, toHex } from '../../src/bytes/index.ts';
import type { ExternalPsk, ServerOptions } from '../../src/connection/index.ts';
import { needs, peer } from '../support/peers.ts';
import { freePort, start } from '../support/process.ts';
import { connect, files, serve, statelessRetry } from './harness.ts';
import { sClient, sServer } from './openssl-peer.ts';

/** OpenSSL's tools use a PSK given in hexadecimal with SHA-256; so does GnuTLS. */
const psk: ExternalPsk = {
  identity: latin1('thermometer-7'),
  key: Uint8Array.from({ length: 32 }, (_, i) => 0x40 + i),
  hash: 'sha256',
};
const wrong: ExternalPsk = { ...psk, key: new Uint8Array(32).fill(1) };
const pskOnly: Partial<ServerOptions> = {
  credentials: [],
  findPsk: async (identity) => (fromLatin1(identity) === 'thermometer-7' ? psk : undefined),
};
const ARGS = ['-psk', toHex(psk.key), '-psk_identity', 'thermometer-7'];

test('s_client with a PSK: accepted, also after a HelloRetryRequest; then its ticket is', async (t) => {
  if (!needs(t, 'openssl')) return;
  for (const options of [pskOnly, { ...pskOnly, ...statelessRetry('secp384r1') }]) {
    const server = await serve(t, options);
    const { program, connection } = await sClient(t, server, [...ARGS, '-groups', 'X25519:P-384']);
    const info = await connection.secure();
    assert.deepEqual(info.pskIdentity, psk.identity);
    assert.deepEqual([info.peer.authorized, info.resumed], [true, false]);
    connection.write('that was all\n');
    await program.waitFor('that was all');
    program.write('hello\n');
    await connection.received('hello\n');
    assert.equal(connection.eventsOf('ticket_issued').length, 1);
  }
  const path = join((await files()).folder, 'psk.pem');
  const server = await serve(t, pskOnly);
  const first = await sClient(t, server, [...ARGS, '-sess_out', path]);
  await first.connection.secure();
  first.connection.write('that was all\n');
  await first.program.waitFor('that was all');
  first.program.end();
  await first.connection.event('end');
  await first.connection.close();
  await first.program.waitForExit();
  const second = await sClient(t, server, ['-sess_in', path]);
  const info = await second.connection.secure();
  assert.deepEqual([info.resumed, info.pskIdentity], [true, undefined]);
});

test('s_client with a wrong key or an unknown identity: the same alert', async (t) => {
  if (!needs(t, 'openssl')) return;
  const server = await serve(t, pskOnly);
  for (const args of [
    ['-psk', toHex(wrong.key), '-psk_identity', 'thermometer-7'],
    ['-psk', toHex(psk.key), '-psk_identity', 'nobody'],
  ]) {
    const { program, connection } = await sClient(t, server, args);
    assert.equal((await connection.event('error')).error.alert, 'decrypt_error');
    await program.waitFor(/decrypt error/);
  }
});

test('s_server with a PSK and no certificate', async (t) => {
  if (!needs(t, 'openssl')) return;
  for (const groups of [[], ['-groups', 'P-384']]) {
    const { program, port } = await sServer(t, [...ARGS, '-nocert', '-rev', ...groups]);
    const ours = await connect(t, port, { psks: [{ ...psk, identity: latin1('other'), hash: 'sha384' }, psk] });
    const info = await ours.secure();
    assert.deepEqual(info.pskIdentity, psk.identity);
    assert.deepEqual([info.peer.chain.length, info.peer.authorized, info.resumed], [0, true, false]);
    assert.equal(info.helloRetried, groups.length > 0);
    ours.write('olleh\n');
    await ours.received('hello\n');
    const { ticket } = await ours.event('ticket');
    await ours.close();
    await program.waitFor('CONNECTION CLOSED');
    const again = await connect(t, port, { psks: [psk], tickets: [ticket] });
    assert.equal((await again.secure()).resumed, true);
    await again.close();
    const refused = await connect(t, port, { psks: [wrong] });
    assert.equal((await refused.event('error')).error.code, 'peer.alert');
  }
});

/** GnuTLS's words for a PSK with a key exchange and nothing else. */
const GNUTLS_PRIORITY = 'NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK';

test('gnutls-cli with a PSK', async (t) => {
  if (!needs(t, 'gnutls-cli')) return;
  const server = await serve(t, pskOnly);
  const program = start(t, peer('gnutls-cli')!.path, [
    ...['-p', `${server.port}`, '--priority', GNUTLS_PRIORITY],
    ...['--pskusername', 'thermometer-7', '--pskkey', toHex(psk.key), '127.0.0.1'],
  ]);
  const connection = await server.accept();
  assert.deepEqual((await connection.secure()).pskIdentity, psk.identity);
  connection.write('that was all\n');
  await program.waitFor('that was all');
});

test('gnutls-serv with a PSK', async (t) => {
  if (!needs(t, 'gnutls-serv')) return;
  const passwords = join((await files()).folder, 'passwords.psk');
  await writeFile(passwords, `thermometer-7:${toHex(psk.key)}\n`);
  const port = await freePort();
  const program = start(t, peer('gnutls-serv')!.path, [
    ...['--echo', '-p', `${port}`, '--pskpasswd', passwords, '--priority', GNUTLS_PRIORITY],
  ]);
  await program.waitFor(/IPv4.*done/);
  const ours = await connect(t, port, { psks: [psk] });
  assert.deepEqual((await ours.secure()).pskIdentity, psk.identity);
  ours.write('hello\n');
  await ours.received('hello\n');
  await ours.close();
  const refused = await connect(t, port, { psks: [wrong] });
  assert.equal((await refused.event('error')).error.code, 'peer.alert');
});
