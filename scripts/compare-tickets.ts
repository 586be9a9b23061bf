/**
 * What node:tls gives of tickets, and what this library gives: each row of the README's table, measured on real connections.
 *
 *     npm run compare
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import * as https from 'node:https';
import type { AddressInfo } from 'node:net';
import * as nodeTls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { MemoryTicketStore, StoreSealer } from '../src/index.ts';
import * as tessera from '../src/node/index.ts';
import { makeIdentity, type TestIdentity } from '../test/support/certificates.ts';

/** What both modules have. */
type Tls = typeof nodeTls;

/** What node:tls does not know, it ignores. */
type ServerOptions = nodeTls.TlsOptions & Pick<tessera.TlsOptions, 'numTickets' | 'tickets'>;

export interface ComparedRow {
  readonly what: string;
  readonly node: string;
  readonly tessera: string;
}

type Measure = (tls: Tls, identity: TestIdentity) => Promise<string | number>;

/** In each the other side is the same for both, so that what differs is the side that the row is about: the last two are about clients. */
const ROWS: Readonly<Record<string, Measure>> = {
  'tickets after a full handshake': (tls, identity) => count(tls, identity, {}, 'full'),
  'tickets after a resumption': (tls, identity) => count(tls, identity, {}, 'resumed'),
  'tickets with `numTickets: 5`': (tls, identity) => count(tls, identity, { numTickets: 5 }, 'full'),
  'tickets with `numTickets: 0`': (tls, identity) => count(tls, identity, { numTickets: 0 }, 'full'),
  'three more, asked for on the open connection': requested,
  'a ticket from before `setTicketKeys` resumes': newKeys,
  '`newSession` and `resumeSession` resume': programStore,
  'resumptions from one ticket shown five times to a single-use store': singleUse,
  'an untrusted client stays untrusted when it comes back': untrusted,
  'of ten parallel requests of one https agent, with single-use tickets, resumed': parallel,
  'a ticket of one server name resumes under another': otherName,
};

export async function compareTickets(): Promise<readonly ComparedRow[]> {
  const identity = await makeIdentity('p256', ['localhost', 'example.test', 'other.test']);
  const ours = tessera as unknown as Tls;
  const rows: ComparedRow[] = [];
  for (const [what, measure] of Object.entries(ROWS)) {
    rows.push({ what, node: String(await measure(nodeTls, identity)), tessera: String(await measure(ours, identity)) });
  }
  return rows;
}

export function asMarkdown(rows: readonly ComparedRow[]): string {
  const lines = rows.map(({ what, node, tessera }) => `| ${what} | ${node} | **${tessera}** |`);
  return [`| | \`node:tls\` | \`tessera-tls/node\` |`, '|---|---|---|', ...lines].join('\n');
}

/** Connects to `server`, reads to the end, and gives the tickets that came, and whether the one shown was taken. */
async function visit(
  server: nodeTls.Server,
  session?: Buffer,
  { tls = nodeTls, ...options }: nodeTls.ConnectionOptions & { readonly tls?: Tls } = {},
): Promise<{ readonly resumed: boolean; readonly tickets: readonly Buffer[] }> {
  const tickets: Buffer[] = [];
  const { port } = server.address() as AddressInfo;
  const resume = session === undefined ? {} : { session };
  const socket = tls.connect({ port, servername: 'localhost', rejectUnauthorized: false, ...resume, ...options });
  socket.on('session', (ticket: Buffer) => tickets.push(ticket)).resume();
  await once(socket, 'end');
  const resumed = socket.isSessionReused();
  socket.destroy();
  return { resumed, tickets };
}

/** A server that says `ok` and ends, for as long as `use` takes. */
async function serving<T>(
  tls: Tls,
  { certificatePem: cert, keyPem: key }: TestIdentity,
  options: ServerOptions,
  use: (server: nodeTls.Server) => Promise<T>,
  greet: (socket: nodeTls.TLSSocket) => void = (socket) => void socket.end('ok'),
): Promise<T> {
  const server = tls.createServer({ cert, key, minVersion: 'TLSv1.3', ...options }, greet);
  server.on('tlsClientError', () => {}).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await use(server);
  } finally {
    server.close();
  }
}

function count(tls: Tls, identity: TestIdentity, options: ServerOptions, after: 'full' | 'resumed'): Promise<number> {
  return serving(tls, identity, options, async (server) => {
    const { tickets } = await visit(server);
    return after === 'full' ? tickets.length : (await visit(server, tickets.at(-1))).tickets.length;
  });
}

function requested(tls: Tls, identity: TestIdentity): Promise<string | number> {
  const greet = (socket: nodeTls.TLSSocket): void => {
    if (socket instanceof tessera.TLSSocket) socket.newSessionTicket(3);
    socket.end('ok');
  };
  return serving(
    tls,
    identity,
    { numTickets: 0 },
    async (server) => ('numTickets' in tls.TLSSocket.prototype ? (await visit(server)).tickets.length : 'no such call'),
    greet,
  );
}

function newKeys(tls: Tls, identity: TestIdentity): Promise<string> {
  return serving(tls, identity, {}, async (server) => {
    const { tickets } = await visit(server);
    server.setTicketKeys(randomBytes(48));
    return yes((await visit(server, tickets.at(-1))).resumed);
  });
}

function programStore(tls: Tls, identity: TestIdentity): Promise<string> {
  return serving(tls, identity, {}, async (server) => {
    const store = new Map<string, Buffer>();
    server.on('newSession', (id: Buffer, data: Buffer, done: () => void) => {
      store.set(id.toString('hex'), data);
      done();
    });
    server.on('resumeSession', (id: Buffer, done: (error: null, data: Buffer | null) => void) =>
      done(null, store.get(id.toString('hex')) ?? null),
    );
    const { tickets } = await visit(server);
    server.setTicketKeys(randomBytes(48)); // so that it is the store that knows the session
    return yes((await visit(server, tickets.at(-1))).resumed);
  });
}

function singleUse(tls: Tls, identity: TestIdentity): Promise<number> {
  const sealer = new StoreSealer({ store: new MemoryTicketStore(), crypto: tessera.nodeCrypto });
  return serving(tls, identity, { tickets: { sealer } }, async (server) => {
    const { tickets } = await visit(server);
    let resumptions = 0;
    for (let i = 0; i < 5; i++) if ((await visit(server, tickets.at(-1))).resumed) resumptions++;
    return resumptions;
  });
}

/** The client shows no certificate, and is let in all the same. */
async function untrusted(tls: Tls, identity: TestIdentity): Promise<string> {
  const seen: boolean[] = [];
  const greet = (socket: nodeTls.TLSSocket): void => {
    seen.push(socket.authorized);
    socket.end('ok');
  };
  const options = { requestCert: true, rejectUnauthorized: false, ca: identity.certificatePem };
  return serving(
    tls,
    identity,
    options,
    async (server) => {
      const { tickets } = await visit(server);
      const { resumed } = await visit(server, tickets.at(-1));
      return resumed ? yes(seen.at(-1) === false) : 'does not resume';
    },
    greet,
  );
}

/** Tickets that work once, and ten requests at the same time by an agent that has been here before. */
function parallel(tls: Tls, identity: TestIdentity): Promise<string> {
  const sealer = new StoreSealer({ store: new MemoryTicketStore(), crypto: tessera.nodeCrypto });
  let resumed = 0;
  const greet = (socket: nodeTls.TLSSocket): void => {
    if (socket.isSessionReused()) resumed++;
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'));
  };
  const options = { numTickets: 10, tickets: { sealer } };
  return serving(
    tessera as unknown as Tls,
    identity,
    options,
    async (server) => {
      const agent = tls === nodeTls ? new https.Agent() : new tessera.Agent();
      const { port } = server.address() as AddressInfo;
      const get = async (): Promise<void> => {
        const request = https.get({ agent, port, host: 'localhost', ca: identity.certificatePem });
        const [response] = (await once(request, 'response')) as [IncomingMessage];
        await once(response.resume(), 'end');
      };
      await get();
      await Promise.all(Array.from({ length: 10 }, get));
      return `${resumed} of 10`;
    },
    greet,
  );
}

async function otherName(tls: Tls, identity: TestIdentity): Promise<string> {
  return serving(nodeTls, identity, {}, async (server) => {
    const options = { tls, ca: identity.certificatePem, rejectUnauthorized: true };
    const { tickets } = await visit(server, undefined, { ...options, servername: 'example.test' });
    return yes((await visit(server, tickets.at(-1), { ...options, servername: 'other.test' })).resumed);
  });
}

function yes(it: boolean): string {
  return it ? 'yes' : 'no';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(asMarkdown(await compareTickets()));
