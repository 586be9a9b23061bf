/** What the tests of client packages share: identities, a pool that remembers what it gave away, and Node's own servers. */
import { once } from 'node:events';
import https, { type ServerOptions } from 'node:https';
import type { AddressInfo, Server as NetServer } from 'node:net';
import type { TestContext } from 'node:test';
import { toHex } from '../../../src/bytes/index.ts';
import { attach } from '../../../src/node/index.ts';
import { type ClientTicket, ClientTicketCache } from '../../../src/tickets/index.ts';
import { makeIdentity, type TestIdentity } from '../../support/certificates.ts';

const server: TestIdentity = await makeIdentity('p256');
const stranger: TestIdentity = await makeIdentity('p384');
/** Of the server; clients trust it as `ca`. */
export const own: { readonly cert: string; readonly key: string } = {
  cert: server.certificatePem,
  key: server.keyPem,
};
/** An authority that signed nothing the server shows. */
export const wrongCa: string = stranger.certificatePem;

/** What is ours and what node:tls says of a certificate that nobody we trust has signed. */
export const WRONG_CA: { readonly code: string } = { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' };

/** Listens on a free port of 127.0.0.1 until the test ends; the answer is the port. */
export async function listening(t: TestContext, server: NetServer): Promise<number> {
  t.after(() => {
    server.close();
    if ('closeAllConnections' in server) (server as https.Server).closeAllConnections();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A pool that remembers which tickets it gave away. */
export class RecordingCache extends ClientTicketCache {
  readonly taken: string[] = [];

  override take(...args: Parameters<ClientTicketCache['take']>): ClientTicket[] {
    const tickets = super.take(...args);
    this.taken.push(...tickets.map(({ ticket }) => toHex(ticket)));
    return tickets;
  }
}

/** Answers with how it was reached: whether by a ticket, on which connection, with which body. */
export interface Reached {
  readonly resumed: boolean;
  readonly connection: number;
  readonly method: string;
  readonly servername: string | false;
  readonly alpn: string | false;
  readonly body: string;
}

const CLOSE = '/close';

/** A server of node:https: with `ours` on our TLS, else on Node's. `/close` makes it drop the connection without an answer. */
export async function echoServer(t: TestContext, tls: 'ours' | 'node', options: ServerOptions = {}): Promise<number> {
  const server = https.createServer({ ...own, ...options });
  if (tls === 'ours') attach(server, { ...own, tickets: { count: 4 } });
  const numbers = new Map<object, number>();
  server.on('request', (request, response) => {
    const socket = request.socket as unknown as {
      isSessionReused(): boolean;
      readonly servername: string | false;
      readonly alpnProtocol: string | false;
    };
    if (request.url === CLOSE) {
      request.socket.destroy();
      return;
    }
    if (!numbers.has(socket)) numbers.set(socket, numbers.size);
    let body = '';
    request.setEncoding('latin1').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      const reached: Reached = {
        resumed: socket.isSessionReused(),
        connection: numbers.get(socket)!,
        method: request.method!,
        servername: socket.servername,
        alpn: socket.alpnProtocol,
        body: body.length > 64 ? `${body.length} bytes` : body,
      };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(reached));
    });
  });
  return await listening(t, server);
}
