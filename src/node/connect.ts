import { connect as connectTcp, type IpcSocketConnectOpts, type Socket, type TcpSocketConnectOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import { toHex } from '../bytes/index.ts';
import { type ClientEngineOptions, createClientEngine, type ExternalPsk, type TlsEngine } from '../connection/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import {
  type ClientTicket,
  ClientTicketCache,
  decodeClientTicket,
  originKey,
  ticketsToRequest,
} from '../tickets/index.ts';
import { defaultContext, SecureContext, type SecureContextOptions } from './context.ts';
import { checkSource, type EarlyDataSource, EarlySender } from './early-data.ts';
import { alpnNames, checkRange, hostName, MAX_TIMEOUT, refuseUnsupported } from './options.ts';
import { type SocketOwner, TLSSocket } from './socket.ts';

export interface ConnectionOptions
  extends SecureContextOptions,
    Partial<Omit<TcpSocketConnectOpts & IpcSocketConnectOpts, 'timeout'>> {
  /** Used instead of the options it is made from. Making it once saves parsing keys and authorities for each connection. */
  readonly secureContext?: SecureContext | undefined;
  /** A stream that is connected, or about to be, to be used instead of a new TCP connection. */
  readonly socket?: Duplex | undefined;
  /**
   * What the protocol says in the clear before TLS begins (STARTTLS), on a socket that may still be connecting: resolves when the server has
   * agreed, and must then have read that answer and nothing behind it. Bytes that came along with the answer are not protected: refuse them.
   */
  readonly beforeTls?: ((transport: Duplex) => Promise<void>) | undefined;
  /** Name or address that the certificate must have; a name is also sent as SNI. Default: `host`. */
  readonly servername?: string | undefined;
  /** End the handshake when the server is not trusted. Default true; `false` leaves the decision to who reads `authorized`. */
  readonly rejectUnauthorized?: boolean | undefined;
  /** Let the server ask for `cert` after the handshake, any time. Default false. */
  readonly postHandshakeAuth?: boolean | undefined;
  /** Offered, in order of preference. */
  readonly ALPNProtocols?: readonly string[] | Uint8Array | undefined;
  /** What `getSession`, `takeSession` or a `session` event gave. Offered only to the name it came from. */
  readonly session?: Uint8Array | undefined;
  /** Where tickets are taken from and put into, each used once. `true`: one cache for the whole process. Default: none. */
  readonly ticketCache?: ClientTicketCache | boolean | undefined;
  /**
   * How many tickets to ask the server for (RFC 9149), 0 to 255 each. `auto`: what the `ticketCache` lacks of two for this origin.
   * Default: `auto` with a `ticketCache`, else `false`: nothing is said, and the server gives as many as it likes.
   */
  readonly ticketRequest?:
    | 'auto'
    | { readonly newSessionCount: number; readonly resumptionCount: number }
    | false
    | undefined;
  /**
   * External PSKs to offer, best first, behind the tickets. A server that knows one is authenticated by it and shows no certificate; one that
   * knows none shows its certificate as ever. One that cannot be used is an `error` of the socket, a {@link TlsUsageError} `psk.…`.
   */
  readonly psks?: readonly ExternalPsk[] | undefined;
  /**
   * Sent before the server has answered, when a ticket allows so much (0-RTT). Whoever records it can send it again, so let it ask only for
   * what may be done twice. What was not offered, or was rejected, leaves as the first ordinary data; the event `earlyDataStatus` tells.
   */
  readonly earlyData?: EarlyDataSource | undefined;
  /** `false`: what was not offered, or was rejected, is not sent. Nor is it, whatever this says, when the server chose another protocol. Default true. */
  readonly earlyDataRetry?: boolean | undefined;
  /** Milliseconds without traffic until a `timeout` event. */
  readonly timeout?: number | undefined;
  /** `false` (default): when the server ends, this side ends too. */
  readonly allowHalfOpen?: boolean | undefined;
  readonly highWaterMark?: number | undefined;
  /** Milliseconds from now until a connection that is not secure fails. Default 0: never. */
  readonly handshakeTimeout?: number | undefined;
}

/** Tickets to hold for one origin: one for the next connection, one for another beside it. */
const TARGET = 2;

let processCache: ClientTicketCache | undefined;

/** As in node:tls: `connect(options)`, `connect(port, host?, options?)`; `listener` is added to `secureConnect`. */
export function connect(options: ConnectionOptions, listener?: () => void): TLSSocket;
export function connect(port: number, options?: ConnectionOptions, listener?: () => void): TLSSocket;
export function connect(port: number, host?: string, options?: ConnectionOptions, listener?: () => void): TLSSocket;
export function connect(port: number, listener?: () => void): TLSSocket;
export function connect(port: number, host: string, listener?: () => void): TLSSocket;
export function connect(...args: readonly unknown[]): TLSSocket {
  const { options, listener } = normalize(args);
  refuseUnsupported(options);
  checkRange('handshakeTimeout', options.handshakeTimeout, 0, MAX_TIMEOUT);
  checkSource(options.earlyData);
  const psks = options.psks ?? [];
  const rejectUnauthorized = options.rejectUnauthorized ?? true;
  const context = options.secureContext ?? contextOf(options);
  const alpn = alpnNames(options.ALPNProtocols) ?? [];
  const config = context.clientConfig(alpn, rejectUnauthorized, options.postHandshakeAuth);
  const serverName = hostName(options.servername || options.host || 'localhost');
  const cache = cacheOf(options.ticketCache);
  const origin = originKey({
    serverName,
    port: options.port ?? 0,
    alpn: config.alpn,
    scope: scopeOf(context.scope(rejectUnauthorized), psks),
  });
  const tickets: ClientTicket[] = options.session === undefined ? [] : [decodeClientTicket(options.session)];
  if (tickets.length === 0 && cache !== undefined) tickets.push(...cache.take(origin, config.clock.now()));
  const ticketRequest = requestOf(
    options.ticketRequest,
    cache && TARGET - cache.lacks(origin, TARGET, config.clock.now()),
    tickets.length > 0,
  );

  const earlySender = earlySenderOf(options, tickets.length > 0 ? tickets[0]!.alpn : config.alpn[0]);
  const engine = (socket: TLSSocket): TlsEngine =>
    createClientEngine(
      socket.listenerCount('keylog') === 0
        ? config
        : { ...config, keyLog: (line) => void socket.emit('keylog', Buffer.from(`${line}\n`)) },
      { serverName, tickets, psks, ticketRequest, earlyData: earlySender !== undefined },
    );
  const transport = options.socket ?? openTransport(options);
  const { allowHalfOpen, highWaterMark, handshakeTimeout } = options;
  const owner = new ClientOwner(cache, origin, tickets[0]?.authenticatedAt, options);
  const socket = new TLSSocket(transport, {
    engine,
    ready: options.beforeTls?.(transport),
    allowHalfOpen,
    highWaterMark,
    handshakeTimeout,
    owner,
    earlySender,
  });
  if (options.timeout) socket.setTimeout(options.timeout);
  if (listener !== undefined) socket.once('secureConnect', listener);
  return socket;
}

/** Puts tickets into a cache, and says of a lost connection where it was going, as Node does. */
class ClientOwner implements SocketOwner {
  readonly #cache: ClientTicketCache | undefined;
  readonly #origin: string;
  /** The session whose ticket was offered, by when its server was authenticated. */
  readonly #session: number | undefined;
  readonly #target: { readonly [K in 'host' | 'port' | 'path']: ConnectionOptions[K] | undefined };

  constructor(
    cache: ClientTicketCache | undefined,
    origin: string,
    session: number | undefined,
    { host, port, path }: ConnectionOptions,
  ) {
    this.#cache = cache;
    this.#origin = origin;
    this.#session = session;
    this.#target = { host, port, path };
  }

  onResumption(resumed: boolean): void {
    if (!resumed && this.#session !== undefined) this.#cache?.dropSession(this.#origin, this.#session);
  }

  onTicket(socket: TLSSocket, ticket: ClientTicket): boolean {
    this.#cache?.put(this.#origin, ticket, { connection: socket });
    return this.#cache !== undefined;
  }

  onFailure(socket: TLSSocket, error: Error): Error {
    const { localAddress } = socket;
    // Whatever it was that the server, or we, did not like: the next attempt is to be another one.
    if (this.#session !== undefined && !('syscall' in error)) this.#cache?.dropSession(this.#origin, this.#session);
    return 'syscall' in error || !('code' in error && error.code === 'ECONNRESET')
      ? error
      : Object.assign(error, this.#target, { localAddress });
  }
}

/** `alpn`: the protocol that the program must have in mind. */
function earlySenderOf(
  { earlyData, earlyDataRetry = true }: ConnectionOptions,
  alpn: string | undefined,
): EarlySender | undefined {
  return earlyData === undefined || (earlyData.length === 0 && typeof earlyData !== 'function')
    ? undefined
    : new EarlySender(earlyData, earlyDataRetry, alpn);
}

function openTransport(options: ConnectionOptions): Socket {
  const { path, host = 'localhost', port, noDelay = true } = options;
  if (path !== undefined) return connectTcp({ ...options, path } as IpcSocketConnectOpts);
  if (port === undefined) throw new TlsUsageError('connect.no_address', 'connect needs a port, a path or a socket');
  const { timeout: _idle, ...rest } = options;
  return connectTcp({ ...rest, host, port, noDelay, allowHalfOpen: true } as TcpSocketConnectOpts);
}

function contextOf(options: ConnectionOptions): SecureContext {
  const { cert, key, ca, verifyPeer, ciphers, groups, ecdhCurve, sigalgs } = options;
  const own = [cert, key, ca, verifyPeer, ciphers, groups, ecdhCurve, sigalgs].some((value) => value !== undefined);
  return own ? new SecureContext(options) : defaultContext();
}

function cacheOf(option: ConnectionOptions['ticketCache']): ClientTicketCache | undefined {
  if (typeof option === 'object') return option;
  if (!option) return undefined;
  processCache ??= new ClientTicketCache();
  return processCache;
}

/** A ticket may come from a server that showed no certificate, but knew a PSK: it is for whoever would take that PSK again. */
function scopeOf(scope: string, psks: readonly ExternalPsk[]): string {
  return psks.length === 0 ? scope : JSON.stringify([scope, ...psks.map(({ identity }) => toHex(identity))]);
}

/** `left`: tickets that the cache holds still, beside the one taken out. */
function requestOf(
  option: ConnectionOptions['ticketRequest'],
  left: number | undefined,
  offers: boolean,
): ClientEngineOptions['ticketRequest'] {
  if (typeof option === 'object') return option;
  return option === false || left === undefined ? undefined : ticketsToRequest(left, TARGET, offers);
}

function normalize(args: readonly unknown[]): {
  readonly options: ConnectionOptions;
  readonly listener: (() => void) | undefined;
} {
  const rest = [...args];
  const listener = typeof rest.at(-1) === 'function' ? (rest.pop() as () => void) : undefined;
  let options: ConnectionOptions = {};
  for (const arg of rest) {
    if (typeof arg === 'number') options = { ...options, port: arg };
    else if (typeof arg === 'string') options = { ...options, host: arg };
    else if (typeof arg === 'object' && arg !== null) options = { ...options, ...arg };
  }
  return { options, listener };
}
