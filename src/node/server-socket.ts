import type { TlsEngine } from '../connection/index.ts';
import type { TicketKeyRing } from '../tickets/index.ts';
import { createKeyRing } from './context.ts';
import { Server, type TlsOptions } from './server.ts';
import type { TLSSocket } from './socket.ts';

/** What the server's side of a socket can say: all that a `Server` can, of TLS. */
export interface ServerSocketOptions extends Omit<TlsOptions, 'allowHalfOpen' | 'highWaterMark' | 'pauseOnConnect'> {
  /** Where the options say nothing about TLS, its own are used. Else its ticket keys are. It is also a property of the socket. */
  readonly server?: object | undefined;
}

/** Options that, when given, make a socket's TLS another one than its server's. */
const OWN = [
  ...['secureContext', 'cert', 'key', 'pfx', 'ca', 'verifyPeer', 'requestCert', 'rejectUnauthorized', 'ALPNProtocols'],
  ...['SNICallback', 'ALPNCallback', 'pskCallback', 'findPsk', 'tickets', 'numTickets', 'earlyData'],
  ...['sessionIdContext', 'limits'],
] as const;
/** Options of the socket itself, which say nothing about its TLS. */
const OF_SOCKET: ReadonlySet<string> = new Set([
  ...['server', 'isServer', 'allowHalfOpen', 'highWaterMark', 'handshakeTimeout'],
  ...['enableTrace', 'pauseOnConnect', 'signal'],
]);
type Given = Readonly<Record<string, unknown>>;

/** What a server made for these options depends on: whatever is not known to be harmless. */
function givenBy(options: ServerSocketOptions): Given {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => value !== undefined && !OF_SOCKET.has(name)),
  );
}

function isSame(one: Given, other: Given): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

/** So that a ticket of one socket is good for the next one: the keys go with the context or the server that both have. */
const rings = new WeakMap<object, TicketKeyRing>();
/** Of a context, the last server that was made for a socket, and what its options were. */
const servers = new WeakMap<object, { readonly server: Server; readonly options: Given }>();

/** The protocol of a server's socket that no `Server` has accepted. Throws what is wrong with options. */
export function serverEngine(options: ServerSocketOptions): (socket: TLSSocket) => TlsEngine {
  const server = serverOf(options);
  return (socket) => {
    // Once, for all the sockets that share the server.
    if (
      server !== options.server &&
      socket.listenerCount('keylog') > 0 &&
      !server.listeners('keylog').includes(sayKeys)
    )
      server.on('keylog', sayKeys);
    return server.engineOf(socket);
  };
}

function sayKeys(line: Buffer, socket: TLSSocket): void {
  socket.emit('keylog', line);
}

function serverOf(options: ServerSocketOptions): Server {
  const given = givenBy(options);
  if (OWN.every((name) => given[name] === undefined) && options.server instanceof Server) return options.server;
  const shared = options.secureContext ?? options.server;
  const made = shared && servers.get(shared);
  if (made && isSame(made.options, given)) return made.server;
  const { server: _server, ...rest } = options;
  const ticketKeyRing = options.ticketKeyRing ?? ringOf(options);
  const server = new Server({ ...rest, ...(ticketKeyRing && { ticketKeyRing }) });
  if (shared !== undefined) servers.set(shared, { server, options: given });
  return server;
}

function ringOf({
  server,
  secureContext,
  ticketKeys,
}: ServerSocketOptions & { ticketKeys?: unknown }): TicketKeyRing | undefined {
  if (ticketKeys !== undefined) return undefined;
  if (server instanceof Server) return server.ticketKeyRing;
  const shared = secureContext ?? server;
  if (shared === undefined) return undefined;
  let ring = rings.get(shared);
  if (ring === undefined) {
    ring = createKeyRing();
    rings.set(shared, ring);
  }
  return ring;
}
