/** Our server against `openssl s_client`, and our client against `openssl s_server`. Tickets are in openssl-tickets.test.ts. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import { nameOf, SignatureScheme } from '../../src/wire/index.ts';
import { createVerifier } from '../../src/x509/index.ts';
import { type KeyKind, makeIdentity, type TestIdentity } from '../support/certificates.ts';
import { needs } from '../support/peers.ts';
import { type Connection, connect, files, GROUPS, SUITES, serve, statelessRetry } from './harness.ts';
import { countMessages, OPENSSL_GROUPS, sClient, sServer, toServer } from './openssl-peer.ts';

/** Every suite with the first group, and every group with the first suite. */
const COMBINATIONS: readonly (readonly [suite: string, group: string])[] = [
  ...SUITES.map((suite) => [suite, GROUPS[0]!] as const),
  ...GROUPS.slice(1).map((group) => [SUITES[0]!, group] as const),
];

const KEYS: readonly (readonly [KeyKind, ...string[]])[] = [
  ['p256', 'ecdsa_secp256r1_sha256'],
  ['p384', 'ecdsa_secp384r1_sha384'],
  ['p521', 'ecdsa_secp521r1_sha512'],
  ['rsa2048', 'rsa_pss_rsae_sha256', 'rsa_pss_rsae_sha384', 'rsa_pss_rsae_sha512'],
  ['rsa-pss', 'rsa_pss_pss_sha256', 'rsa_pss_pss_sha384', 'rsa_pss_pss_sha512'],
  ['ed25519', 'ed25519'],
  ['ed448', 'ed448'],
];

const LABEL = 'EXPORTER-tessera';

function exported(connection: Connection): string {
  return Buffer.from(connection.engine.exportKeyingMaterial(20, LABEL)).toString('hex').toUpperCase();
}

test('s_client: every cipher suite and group, with the same exporter', async (t) => {
  if (!needs(t, 'openssl')) return;
  const server = await serve(t, { cipherSuites: SUITES });
  for (const [suite, group] of COMBINATIONS) {
    const { program, connection } = await sClient(t, server, [
      ...['-ciphersuites', suite, '-groups', OPENSSL_GROUPS[group]!, '-keymatexport', LABEL],
    ]);
    const info = await connection.secure();
    assert.deepEqual(
      [info.cipherSuiteName, info.group, info.resumed, info.helloRetried, info.serverName],
      [suite, group, false, false, 'localhost'],
    );
    await program.waitFor(`Cipher is ${suite}`);
    await program.waitFor(`Keying material: ${exported(connection)}`);
    program.write('hello\n');
    await connection.received('hello\n');
    connection.write('good day\n');
    await program.waitFor('good day');
    program.end();
    await connection.event('end');
    await connection.close();
    assert.equal((await program.waitForExit()).code, 0);
  }
});

test('s_server: every cipher suite and group, with the same exporter', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { program, port } = await sServer(t, ['-ciphersuites', SUITES.join(':'), '-keymatexport', LABEL]);
  let count = 0;
  for (const [suite, group] of COMBINATIONS) {
    count++;
    const connection = await connect(t, port, { cipherSuites: [suite], groups: [group] });
    const info = await connection.secure();
    assert.deepEqual(
      [info.cipherSuiteName, info.group, info.resumed, info.helloRetried, info.peer.authorized],
      [suite, group, false, false, true],
    );
    connection.write(`hello ${count}\n`);
    await program.waitFor(`hello ${count}\n`);
    await program.waitFor(`Keying material: ${exported(connection)}`);
    program.write(`good day ${count}\n`);
    await connection.received(`good day ${count}\n`);
    await connection.close();
    await program.waitFor('shutting down SSL', { count });
  }
});

test('every kind of key, both ways', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { folder } = await files();
  for (const [kind, ...schemes] of KEYS) {
    const identity = await makeIdentity(kind);
    const cert = join(folder, `${kind}.crt`);
    const key = join(folder, `${kind}.key`);
    await Promise.all([writeFile(cert, identity.certificatePem), writeFile(key, identity.keyPem)]);
    const server = await serve(t, { credentials: [identity.credential] });
    const { port } = await sServer(t, ['-cert', cert, '-key', key]);
    for (const scheme of schemes) await signs(t, server, port, { identity, cert, scheme, also: schemes[0]! });
  }

  async function signs(
    scope: typeof t,
    server: Awaited<ReturnType<typeof serve>>,
    port: number,
    { identity, cert, scheme, also }: { identity: TestIdentity; cert: string; scheme: string; also: string },
  ): Promise<void> {
    const sigalgs = scheme.replace(/^ecdsa_secp(\d+)r1_sha(\d+)$/, 'ECDSA+SHA$2');
    const { program, connection } = await sClient(scope, server, ['-CAfile', cert, '-sigalgs', sigalgs]);
    assert.equal(nameOf(SignatureScheme, (await connection.secure()).signatureScheme!), scheme, 'ours signs');
    await program.waitFor('Verify return code: 0 (ok)');
    connection.destroy();

    const ours = await connect(scope, port, {
      signatureSchemes: [scheme, also], // the certificate is signed with the second
      verifier: createVerifier({ crypto: nodeCrypto, anchors: [identity.certificate] }),
    });
    assert.equal(nameOf(SignatureScheme, (await ours.secure()).signatureScheme!), scheme, 'OpenSSL signs');
    await ours.close();
  }
});

test('HelloRetryRequest, both ways', async (t) => {
  if (!needs(t, 'openssl')) return;
  for (const group of ['secp384r1', 'secp521r1']) {
    const server = await serve(t, group === 'secp384r1' ? { groups: [group] } : statelessRetry(group));
    const { program, connection } = await sClient(t, server, ['-groups', `X25519:${OPENSSL_GROUPS[group]}`]);
    const info = await connection.secure();
    assert.deepEqual([info.group, info.helloRetried], [group, true]);
    await program.waitFor('Verify return code: 0 (ok)');
    assert.equal(countMessages(program, '>>>', 'ClientHello'), 2);
    program.write('retried\n');
    await connection.received('retried\n');

    const ours = await toServer(t, ['-groups', OPENSSL_GROUPS[group]!], { keyShareCount: 1 });
    const oursInfo = await ours.connection.secure();
    assert.deepEqual([oursInfo.group, oursInfo.helloRetried], [group, true]);
    ours.connection.write('retried\n');
    await ours.program.waitFor(/^retried$/m);
    assert.equal(countMessages(ours.program, '<<<', 'ClientHello'), 2);
  }
});

test('client certificates: our server asks', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { clientCert, clientKey, client } = await files();
  const requires = await serve(t, { clientAuth: 'require' });

  const known = await sClient(t, requires, ['-cert', clientCert, '-key', clientKey]);
  const { peer } = await known.connection.secure();
  assert.equal(peer.authorized, true);
  assert.deepEqual([Buffer.from(peer.chain[0]!)], [Buffer.from(client.certificate)]);

  const silent = await sClient(t, requires);
  assert.equal((await silent.connection.event('error')).error.alert, 'certificate_required');
  await silent.program.waitFor('alert certificate required');

  const { serverCert, serverKey } = await files();
  const unknown = await sClient(t, requires, ['-cert', serverCert, '-key', serverKey]);
  assert.match(
    (await unknown.connection.event('error')).error.alert,
    /^(unknown_ca|bad_certificate|certificate_unknown)$/,
  );
  await unknown.program.waitFor(/alert (unknown ca|bad certificate|certificate unknown)/);

  const requests = await serve(t, { clientAuth: 'request' });
  const without = await sClient(t, requests);
  assert.deepEqual((await without.connection.secure()).peer.chain, []);
});

test('client certificates: s_server asks', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { clientCert, client } = await files();
  const { program, port } = await sServer(t, ['-Verify', '1', '-verify_return_error', '-CAfile', clientCert]);
  const known = await connect(t, port, { credentials: [client.credential] });
  await known.secure();
  known.write('hello\n');
  await program.waitFor(/^hello$/m);
  assert.match(program.output, /subject=CN = client\.example|Client certificate/);
  await known.close();

  const silent = await connect(t, port);
  const { error } = await silent.event('error');
  assert.equal(error.alert, 'certificate_required');
});

test('KeyUpdate: s_client and our server, from either side', async (t) => {
  if (!needs(t, 'openssl')) return;
  const server = await serve(t);
  const { program, connection } = await sClient(t, server);
  await connection.secure();
  await program.waitFor('read R BLOCK');
  const exchange = makeExchange(program, connection);
  await exchange('1');
  program.write('k\n');
  await connection.event('key_updated', 1);
  assert.deepEqual(directions(connection), ['read']);
  await exchange('2');
  program.write('K\n');
  await connection.event('key_updated', 2);
  await exchange('3');
  assert.deepEqual(directions(connection), ['read', 'read', 'write'], 'we answered a request');
  connection.updateKeys(false);
  await exchange('4');
  connection.updateKeys(true);
  await exchange('5');
  assert.deepEqual(directions(connection).sort(), ['read', 'read', 'read', 'write', 'write', 'write']);
  assert.equal(countMessages(program, '<<<', 'KeyUpdate'), 3);
  assert.equal(countMessages(program, '>>>', 'KeyUpdate'), 3);
});

test('KeyUpdate: s_server and our client, from either side', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { program, connection } = await toServer(t, []);
  await connection.event('ticket', 2);
  const exchange = makeExchange(program, connection);
  await exchange('1');
  program.write('k\n');
  await connection.event('key_updated', 1);
  await exchange('2');
  program.write('K\n');
  await connection.event('key_updated', 2);
  await exchange('3');
  assert.deepEqual(directions(connection), ['read', 'read', 'write'], 'we answered a request');
  connection.updateKeys(false);
  await exchange('4');
  connection.updateKeys(true);
  await exchange('5');
  assert.deepEqual(directions(connection).sort(), ['read', 'read', 'read', 'write', 'write', 'write']);
  assert.equal(countMessages(program, '<<<', 'KeyUpdate'), 3);
  assert.equal(countMessages(program, '>>>', 'KeyUpdate'), 3);
});

/** One line each way, ours first: both sides still read what the other writes. */
function makeExchange(
  program: Awaited<ReturnType<typeof sClient>>['program'],
  connection: Connection,
): (word: string) => Promise<void> {
  return async (word) => {
    connection.write(`ours ${word}\n`);
    await program.waitFor(`ours ${word}\n`);
    program.write(`theirs ${word}\n`);
    await connection.received(`theirs ${word}\n`);
  };
}

function directions(connection: Connection): string[] {
  return connection.eventsOf('key_updated').map((event) => event.direction);
}

test('closing in every order: s_client', async (t) => {
  if (!needs(t, 'openssl')) return;
  const server = await serve(t);
  for (const first of ['client', 'server', 'both']) {
    const { program, connection } = await sClient(t, server);
    await connection.secure();
    await program.waitFor('read R BLOCK');
    if (first !== 'server') program.end();
    if (first === 'client') await connection.event('end');
    connection.closeWrite();
    await connection.event('end');
    await connection.close();
    assert.equal((await program.waitForExit()).code, 0, first);
    assert.deepEqual(connection.eventsOf('error'), [], first);
    assert.equal(connection.engine.state, 'closed', first);
  }
});

test('closing in every order: s_server', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { program, port } = await sServer(t, ['-rev']);
  let count = 0;
  for (const first of ['client', 'server', 'both']) {
    const connection = await connect(t, port);
    await connection.event('ticket', 2);
    if (first !== 'client') connection.write('CLOSE\n'); // its word for closing the connection
    if (first !== 'server') connection.closeWrite();
    await connection.event('end');
    await connection.close();
    assert.deepEqual(connection.eventsOf('error'), [], first);
    await program.waitFor('CONNECTION CLOSED', { count: ++count });
  }
});

test('nothing in common ends with the right alert on both sides', async (t) => {
  if (!needs(t, 'openssl')) return;
  const suites = await sClient(t, await serve(t, { cipherSuites: ['TLS_AES_128_GCM_SHA256'] }), [
    ...['-ciphersuites', 'TLS_AES_256_GCM_SHA384'],
  ]);
  assert.equal((await suites.connection.event('error')).error.alert, 'handshake_failure');
  await suites.program.waitFor('alert handshake failure');

  const old = await sClient(t, await serve(t), ['-tls1_2']);
  assert.equal((await old.connection.event('error')).error.alert, 'protocol_version');
  await old.program.waitFor('alert protocol version');

  const untrusted = await toServer(t, [], { serverName: 'other.example' });
  await untrusted.connection.event('error');
  await untrusted.program.waitFor(/alert (bad certificate|certificate unknown|unknown ca)/);
});
