/** What the tests of HTTP servers share: an identity, servers that close with their test, and clients of Node's own TLS. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2, { type ClientHttp2Session } from 'node:http2';
import https, { type RequestOptions as HttpsOptions } from 'node:https';
import type { AddressInfo, Server as NetServer } from 'node:net';
import type { TestContext } from 'node:test';
import tls from 'node:tls';
import { makeIdentity, type TestIdentity } from '../../support/certificates.ts';

/** Of node:https, whose types lack what it passes on to node:tls. */
export type RequestOptions = HttpsOptions & Pick<tls.ConnectionOptions, 'ALPNProtocols' | 'session'>;

export interface Own {
  readonly cert: string;
  readonly key: string;
}

const server: TestIdentity = await makeIdentity('p256');
const client: TestIdentity = await makeIdentity('p256', ['client.example']);
/** Of the server; clients trust it as `ca`. */
export const own: Own = { cert: server.certificatePem, key: server.keyPem };
/** Of a client that authenticates itself. */
export const ofClient: Own = { cert: client.certificatePem, key: client.keyPem };

/** Listens on a free port of 127.0.0.1 until the test ends; the answer is the port. */
export async function listening(t: TestContext, server: NetServer, listen?: () => Promise<unknown>): Promise<number> {
  t.after(() => shut(server));
  if (listen === undefined) await once(server.listen(0, '127.0.0.1'), 'listening');
  else await listen();
  return (server.address() as AddressInfo).port;
}

function shut(server: NetServer & { closeAllConnections?: () => void }): void {
  server.close();
  server.closeAllConnections?.();
}

export interface Answer {
  readonly status: number | undefined;
  readonly headers: NodeJS.Dict<string | string[] | number>;
  readonly text: string;
  readonly socket: tls.TLSSocket | undefined;
}

/** One request with node:https, which trusts the server's certificate. */
export async function get(
  port: number,
  path: string = '/',
  options: RequestOptions = {},
  body?: string | Uint8Array,
): Promise<Answer> {
  const alpn: RequestOptions = { ALPNProtocols: ['http/1.1'] }; // which an https.Agent asks for only when it pools
  const request = https.request({
    host: 'localhost',
    family: 4,
    port,
    path,
    ca: own.cert,
    agent: false,
    ...alpn,
    ...options,
  });
  request.end(body);
  const [response] = await once(request, 'response');
  const socket = response.socket as tls.TLSSocket;
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString(), socket };
}

/** A session of node:http2, which trusts the server's certificate. */
export async function h2(
  t: TestContext,
  port: number,
  options: http2.SecureClientSessionOptions = {},
): Promise<ClientHttp2Session> {
  const session = http2.connect(`https://localhost:${port}`, { ca: own.cert, ...options });
  t.after(() => session.destroy());
  session.on('error', () => {});
  await once(session, 'connect');
  return session;
}

export async function h2Get(
  session: ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders = {},
  body?: string | Uint8Array,
): Promise<Answer> {
  const stream = session.request({ ':path': '/', ':method': body === undefined ? 'GET' : 'POST', ...headers });
  stream.end(body);
  const [answered] = await once(stream, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return { status: answered[':status'], headers: answered, text: Buffer.concat(chunks).toString(), socket: undefined };
}

/** A connection of node:tls, without HTTP on it. */
export async function raw(t: TestContext, port: number, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  const socket = tls.connect({ host: '127.0.0.1', servername: 'localhost', port, ca: own.cert, ...options });
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  return socket;
}

/** All that `stream` still says, until it ends. */
export async function rest(stream: AsyncIterable<Buffer | string>): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk.toString('latin1' as never);
  return text;
}

/** As `raw`, resumed: waits for the number of tickets that must come, and connects again with the last. */
export async function resume(
  t: TestContext,
  port: number,
  tickets: number,
  options: tls.ConnectionOptions = {},
): Promise<void> {
  const sessions: Buffer[] = [];
  const first = tls.connect({ host: '127.0.0.1', servername: 'localhost', port, ca: own.cert, ...options });
  t.after(() => first.destroy());
  await new Promise<void>((resolve, reject) => {
    first.on('error', reject);
    first.on('session', (session: Buffer) => {
      sessions.push(session);
      if (sessions.length === tickets) resolve();
    });
  });
  const second = await raw(t, port, { ...options, session: sessions.at(-1)! });
  assert.equal(second.isSessionReused(), true);
  assert.equal(sessions.length, tickets);
}
