/** Compressed certificates against OpenSSL (in a Node that has the option) and BoringSSL (in Chromium), both ways. */
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import tls from 'node:tls';
import type { CertificateCompressionName, CryptoProvider } from '../../src/crypto/index.ts';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import { needs, peer } from '../support/peers.ts';
import { start } from '../support/process.ts';
import { connect, files, serve } from './harness.ts';

const ZSTD = nodeCrypto.compression?.(3) !== undefined;
const NAMES: readonly CertificateCompressionName[] = ZSTD ? ['zlib', 'brotli', 'zstd'] : ['zlib', 'brotli'];

/** A Node whose own TLS compresses certificates: this one, or the one that TESSERA_NODE26 names. */
function compressingNode(t: TestContext): string | undefined {
  const other = process.env['TESSERA_NODE26'];
  if (other !== undefined) return other;
  try {
    // Those that do not know the option ignore it.
    tls.createSecureContext({ certificateCompression: ['gzip'] } as tls.SecureContextOptions);
  } catch {
    return process.execPath;
  }
  t.skip('this Node does not compress certificates, and TESSERA_NODE26 names none that does');
  return undefined;
}

/** Chains of the same certificate three times: long enough for every algorithm to make them shorter. */
const PEER = `
const tls = require('node:tls');
const { readFileSync } = require('node:fs');
const [role, algorithm, port, cert, key, ca] = process.argv.slice(1);
const read = (file) => readFileSync(file, 'utf8');
const options = { cert: read(cert).repeat(3), key: read(key), ca: read(ca), certificateCompression: [algorithm], minVersion: 'TLSv1.3' };
const talk = (socket) => socket.on('error', (e) => console.log('failed', e.message)).on('data', (text) => socket.write(text));
if (role === 'client') {
  const socket = tls.connect({ ...options, port, host: '127.0.0.1', servername: 'localhost' }, () => console.log('secure', socket.authorized));
  talk(socket);
} else {
  const server = tls.createServer({ ...options, requestCert: true, rejectUnauthorized: true }, talk);
  server.on('tlsClientError', (e) => console.log('failed', e.message));
  server.listen(0, '127.0.0.1', () => console.log('port', server.address().port));
}
`;

/** Counts what was decompressed. */
function counting(): { readonly crypto: CryptoProvider; readonly counts: Map<string, number> } {
  const counts = new Map<string, number>();
  const crypto: CryptoProvider = {
    ...nodeCrypto,
    compression(algorithm) {
      const known = nodeCrypto.compression?.(algorithm);
      return (
        known && {
          ...known,
          decompress(data, length) {
            counts.set(known.name, (counts.get(known.name) ?? 0) + 1);
            return known.decompress(data, length);
          },
        }
      );
    },
  };
  return { crypto, counts };
}

for (const name of NAMES) {
  test(`our server, node:tls as client: ${name} both ways`, async (t) => {
    const node = compressingNode(t);
    if (node === undefined) return;
    const { server, serverCert, clientCert, clientKey } = await files();
    const { crypto, counts } = counting();
    const chain = [server.certificate, server.certificate, server.certificate];
    const ours = await serve(t, {
      crypto,
      credentials: [{ ...server.credential, chain }],
      clientAuth: 'require',
      certificateCompression: [name],
    });
    const program = start(t, node, ['-e', PEER, 'client', name, String(ours.port), clientCert, clientKey, serverCert]);
    const connection = await ours.accept();
    const info = await connection.secure();
    assert.equal(info.certificateCompression, name);
    assert.equal(info.peer.authorized, true);
    assert.deepEqual([...counts], [[name, 1]]);
    await program.waitFor(/secure true/);
    connection.write('echo');
    await connection.received('echo');
  });

  test(`our client, node:tls as server: ${name} both ways`, async (t) => {
    const node = compressingNode(t);
    if (node === undefined) return;
    const { client, clientCert, serverCert, serverKey } = await files();
    const program = start(t, node, ['-e', PEER, 'server', name, '0', serverCert, serverKey, clientCert]);
    const [, port] = await program.waitFor(/port (\d+)/);
    const chain = [client.certificate, client.certificate, client.certificate];
    const credentials = [{ ...client.credential, chain }];
    const { crypto, counts } = counting();
    const connection = await connect(t, Number(port), { crypto, credentials, certificateCompression: [name] });
    assert.equal((await connection.secure()).certificateCompression, name);
    assert.deepEqual([...counts], [[name, 1]]);
    connection.write('echo');
    await connection.received('echo');
    assert.doesNotMatch(program.output, /failed/);
  });
}

test('Chromium takes a certificate compressed by brotli', { timeout: 60_000 }, async (t) => {
  if (!needs(t, 'chromium')) return;
  const { folder, server, serverCert } = await files();
  const chain = [server.certificate, server.certificate, server.certificate];
  const certificateCompression = ['zlib', 'brotli'] as const;
  const ours = await serve(t, { credentials: [{ ...server.credential, chain }], certificateCompression });
  const spki = new X509Certificate(readFileSync(serverCert)).publicKey.export({ type: 'spki', format: 'der' });
  const program = start(t, peer('chromium')!.path, [
    ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
    ...['--disable-background-networking', '--disable-component-update', '--dump-dom'],
    `--user-data-dir=${join(folder, 'chromium-compression')}`,
    `--ignore-certificate-errors-spki-list=${createHash('sha256').update(spki).digest('base64')}`,
    `https://localhost:${ours.port}/`,
  ]);
  const page = 'compressed';
  const used: (string | undefined)[] = [];
  const answer = async (): Promise<void> => {
    const connection = await ours.accept();
    used.push((await connection.secure()).certificateCompression);
    await connection.received('\r\n\r\n');
    connection.write(`HTTP/1.1 200 OK\r\ncontent-length: ${page.length}\r\nconnection: close\r\n\r\n${page}`);
    await connection.close();
  };
  await answer();
  await program.waitFor(new RegExp(page));
  assert.deepEqual(used, ['brotli']);
});
