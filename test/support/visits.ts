/** Servers and clients of the Node entry for tests: what listens, and what visits it. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import {
  type ConnectionOptions,
  connect,
  createServer,
  type Server,
  type TLSSocket,
  type TlsOptions,
} from '../../src/node/index.ts';
import { makeIdentity, type TestIdentity } from './certificates.ts';

export interface Visit {
  readonly client: TLSSocket;
  readonly server: TLSSocket;
  readonly resumed: boolean;
}

export interface Listening {
  readonly server: Server;
  readonly port: number;
  /** Connects, and lets both ends be secure. Rejects with the error of the client. */
  visit(options?: ConnectionOptions): Promise<Visit>;
  /** As `visit`, then takes `count` tickets (default 1), newest last, and ends. */
  tickets(count?: number, options?: ConnectionOptions): Promise<readonly Buffer[]>;
  /** Whether the server redeems a ticket. */
  redeems(session: Buffer | undefined, options?: ConnectionOptions): Promise<boolean>;
}

/** Of all servers made here: who trusts one trusts all, and sessions are offered to all. */
let shared: Promise<TestIdentity> | undefined;

/** A server on a free port, closed with the test, and its clients. Its certificate is for `localhost`. */
export async function listen(t: TestContext, options: TlsOptions = {}): Promise<Listening> {
  shared ??= makeIdentity('p256');
  const { certificatePem: cert, keyPem: key } = await shared;
  const server = createServer({ cert, key, ...options });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const visit = async (more: ConnectionOptions = {}): Promise<Visit> => {
    const accepted = new Promise<TLSSocket>((resolve) => server.once('secureConnection', resolve));
    const client = connect(port, '127.0.0.1', { ca: cert, servername: 'localhost', ...more });
    t.after(() => client.destroy());
    await once(client, 'secureConnect');
    const other = await accepted;
    t.after(() => other.destroy());
    return { client, server: other, resumed: client.isSessionReused() };
  };
  const end = async ({ client, server: other }: Visit): Promise<void> => {
    other.resume().end();
    client.resume().end();
    await once(client, 'close');
  };
  return {
    server,
    port,
    visit,
    async tickets(count = 1, more = {}) {
      const accepted = await visit(more);
      const { client } = accepted;
      while (client.ticketInfo.received < count) await once(client, 'session');
      await end(accepted);
      return Array.from({ length: count }, () => client.takeSession()!).reverse();
    },
    async redeems(session, more = {}) {
      const accepted = await visit({ session, ...more });
      await end(accepted);
      return accepted.resumed;
    },
  };
}
