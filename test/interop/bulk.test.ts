/** 64 MiB each way with every peer in every role; what arrives must have the hash of what was sent. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import test from 'node:test';
import tls from 'node:tls';
import { needs, peer } from '../support/peers.ts';
import { freePort, type Scope } from '../support/process.ts';
import { goClient, goServer, report } from './go-peer.ts';
import { type Connection, connect, files, serve } from './harness.ts';

const LENGTH = 64 * 1024 * 1024;
/** Lines of text, because some of the programs look at lines. */
const DATA = Buffer.from(randomBytes((LENGTH * 3) / 4).toString('base64'), 'latin1');
for (let at = 1_023; at < LENGTH; at += 1_024) DATA[at] = 10;
const HASH = createHash('sha256').update(DATA).digest('hex');

/** The hash of a stream's first bytes. */
function sink(stream: Readable, length: number = LENGTH): Promise<string> {
  const hash = createHash('sha256');
  let received = 0;
  return new Promise((resolve, reject) => {
    stream.on('end', () => reject(new Error(`the stream ended after ${received} bytes`)));
    stream.on('error', reject);
    stream.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      received += chunk.length;
      if (received === length) resolve(hash.digest('hex'));
      else if (received > length) reject(new Error(`${received} bytes came, not ${length}`));
    });
  });
}

/** Writes the data, and leaves the stream open. */
async function pour(stream: Writable): Promise<void> {
  for (let at = 0; at < LENGTH; at += 262_144) {
    if (!stream.write(DATA.subarray(at, at + 262_144))) await once(stream, 'drain');
  }
}

/** A program whose stdout is data. */
function pipes(
  t: Scope,
  command: string,
  args: readonly string[],
): ChildProcess & { stdin: Writable; stdout: Readable } {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  child.stdin.on('error', () => {});
  const exited = once(child, 'close');
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  return child;
}

async function allReceived(ours: Connection): Promise<void> {
  await ours.until(() => ours.receivedLength >= LENGTH, '64 MiB');
  assert.equal(ours.receivedHash(), HASH);
}

/** First they to us, then we to them, over a program's stdin and stdout. */
async function bothWays(
  ours: Connection,
  child: { stdin: Writable; stdout: Readable },
  data: Uint8Array = DATA,
): Promise<void> {
  await ours.secure();
  await Promise.all([pour(child.stdin), allReceived(ours)]);
  const [hash] = await Promise.all([sink(child.stdout, data.length), ours.writeAll(data)]);
  assert.equal(hash, data === DATA ? HASH : createHash('sha256').update(data).digest('hex'));
}

test('s_client', async (t) => {
  if (!needs(t, 'openssl')) return;
  const server = await serve(t);
  const child = pipes(t, peer('openssl')!.path, ['s_client', '-quiet', '-tls1_3', '-connect', server.address]);
  await bothWays(await server.accept(), child);
});

test('s_server', async (t) => {
  if (!needs(t, 'openssl')) return;
  const { serverCert, serverKey } = await files();
  const port = await freePort();
  const child = pipes(t, peer('openssl')!.path, [
    ...['s_server', '-quiet', '-tls1_3', '-accept', `127.0.0.1:${port}`, '-cert', serverCert, '-key', serverKey],
  ]);
  await bothWays(await connectWhenUp(t, port), child);
});

/** For programs that do not say on their stdout when they listen. */
async function connectWhenUp(t: Scope, port: number): Promise<Connection> {
  for (;;) {
    try {
      return await connect(t, port);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

test('gnutls-cli', async (t) => {
  if (!needs(t, 'gnutls-cli')) return;
  const { folder } = await files();
  const server = await serve(t);
  const child = pipes(t, peer('gnutls-cli')!.path, [
    ...['--insecure', '--logfile', join(folder, 'gnutls.log'), '-p', `${server.port}`, '127.0.0.1'],
  ]);
  // It prints byte by byte, 2 MB/s whoever the server is, so 64 MiB would take half a minute.
  await bothWays(await server.accept(), child, DATA.subarray(0, 4 * 1024 * 1024));
});

test('gnutls-serv', async (t) => {
  if (!needs(t, 'gnutls-serv')) return;
  const { serverCert, serverKey } = await files();
  const port = await freePort();
  const child = pipes(t, peer('gnutls-serv')!.path, [
    ...['--echo', '--crlf', '-q', '-p', `${port}`, '--x509certfile', serverCert, '--x509keyfile', serverKey],
  ]);
  child.stdout.resume();
  const ours = await connectWhenUp(t, port);
  await ours.secure();
  await Promise.all([ours.writeAll(DATA), allReceived(ours)]);
});

test('Node as client', async (t) => {
  const server = await serve(t);
  const { serverCert } = await files();
  const ca = readFileSync(serverCert);
  const socket = tls.connect({ port: server.port, host: '127.0.0.1', servername: 'localhost', ca });
  const ours = await server.accept();
  await nodeBothWays(ours, socket);
});

test('Node as server', async (t) => {
  const { serverCert, serverKey } = await files();
  const server = tls.createServer({ cert: readFileSync(serverCert), key: readFileSync(serverKey) });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const accepted = once(server, 'secureConnection');
  const ours = await connect(t, (server.address() as AddressInfo).port);
  const [socket] = (await accepted) as [tls.TLSSocket];
  await nodeBothWays(ours, socket);
});

/** Both directions at the same time. */
async function nodeBothWays(ours: Connection, socket: tls.TLSSocket): Promise<void> {
  await ours.secure();
  const [hash] = await Promise.all([sink(socket), pour(socket), ours.writeAll(DATA), allReceived(ours)]);
  assert.equal(hash, HASH);
  socket.destroy();
}

test('Go as client and as server', async (t) => {
  if (!needs(t, 'go')) return;
  const path = join((await files()).folder, 'bulk');
  await writeFile(path, DATA);
  const server = await serve(t);
  const client = await goClient(t, server.port, ['-data', path, '-close', 'half']);
  await exchange(await server.accept(), client);
  const { program, port } = await goServer(t, ['-data', path, '-close', 'half']);
  await exchange(await connect(t, port), program);

  async function exchange(ours: Connection, theirs: Awaited<ReturnType<typeof goClient>>): Promise<void> {
    await ours.secure();
    await Promise.all([ours.writeAll(DATA), allReceived(ours)]);
    ours.closeWrite();
    const { received, hash } = await report(theirs, 'ended');
    assert.deepEqual([received, hash], [LENGTH, HASH]);
  }
});

test('curl', async (t) => {
  if (!needs(t, 'curl')) return;
  const server = await serve(t);
  const child = pipes(t, peer('curl')!.path, [
    ...['-sS', '--insecure', '-H', 'Expect:', '-H', `Content-Length: ${LENGTH}`, '-H', 'Transfer-Encoding:'],
    ...['-T', '-', `https://${server.address}/`],
  ]);
  const ours = await server.accept();
  const body = pipeline([DATA], child.stdin);
  await ours.received('\r\n\r\n');
  const head = ours.text.slice(0, ours.text.indexOf('\r\n\r\n') + 4);
  await ours.until(() => ours.receivedLength >= head.length + LENGTH, '64 MiB');
  await body;
  assert.equal(ours.receivedHash(), createHash('sha256').update(head).update(DATA).digest('hex'));
  const hash = sink(child.stdout);
  ours.write(`HTTP/1.1 200 OK\r\nContent-Length: ${LENGTH}\r\nConnection: close\r\n\r\n`);
  await ours.writeAll(DATA);
  await ours.close();
  assert.equal(await hash, HASH);
});
