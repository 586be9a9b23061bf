import type { Server as HttpServer } from 'node:http';
import type { Http2SecureServer, Http2Server } from 'node:http2';
import type { Server as HttpsServer } from 'node:https';
import type { Server as NetServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { TlsUsageError } from '../errors/index.ts';
import { guardEarlyRequests, httpEarlyData } from './attach-early.ts';
import { http2Socket } from './http2-facade.ts';
import { Server, type ServerEarlyData, type TlsOptions } from './server.ts';
import type { TLSSocket } from './socket.ts';

/** What {@link attach} works on: a server of node:http, node:https or node:http2. */
export type AttachableServer = HttpServer | HttpsServer | Http2Server | Http2SecureServer;

/** As for {@link Server}, without what concerns listening. `ALPNProtocols` is by default what the server speaks. */
export interface AttachOptions
  extends Omit<TlsOptions, 'allowHalfOpen' | 'noDelay' | 'keepAlive' | 'keepAliveInitialDelay' | 'earlyData'> {
  /**
   * node:http and node:https: accept requests in early data (0-RTT), which can be replayed. Those with a safe method (GET, HEAD, OPTIONS, TRACE) get
   * the header `early-data: 1`, all others the answer 425 (Too Early), until the handshake is done. RFC 8470. Default: off.
   */
  readonly earlyData?: Omit<ServerEarlyData, 'deliver'> | undefined;
}

type Emit = (event: string | symbol, ...args: unknown[]) => boolean;

/** What of an https or secure http2 server says how it was made, under the names of the options. */
const KEPT_OPTIONS: readonly string[] = [
  ...['pfx', 'key', 'passphrase', 'cert', 'ca', 'crl', 'allowPartialTrustChain', 'sigalgs', 'ciphers', 'ecdhCurve'],
  ...['minVersion', 'maxVersion', 'certificateCompression', 'requestCert', 'rejectUnauthorized', 'sessionTimeout'],
  ...['ALPNProtocols', 'ALPNCallback'],
];
/** The same, where it is under a symbol. */
const KEPT_SYMBOLS: Readonly<Record<string, string>> = {
  snicallback: 'SNICallback',
  pskcallback: 'pskCallback',
  'handshake-timeout': 'handshakeTimeout',
};
/** What such a server lets one change afterwards. */
const KEPT_METHODS: readonly string[] = ['setSecureContext', 'addContext', 'getTicketKeys', 'setTicketKeys'];
/** Events of transports and of listening: each server has its own. */
const OWN_EVENTS: ReadonlySet<string | symbol> = new Set([
  ...['connection', 'listening', 'close', 'drop', 'error', 'newListener', 'removeListener'],
]);

const attachedServers = new WeakSet<object>();

/**
 * The TLS side of an HTTP server, made by {@link attach}. It does not listen: the HTTP server does. Its events are emitted here, then on the
 * HTTP server, so that `ticketIssued`, `keylog` and the others can be listened to where it suits; what expects an answer, such as `resumeSession`,
 * is asked of one of them.
 */
export class AttachedServer extends Server {
  readonly #http: AttachableServer;
  readonly #serve: (socket: TLSSocket) => void;
  /** Connections whose handshake is not done: the HTTP server knows nothing of them yet. */
  readonly #handshaking: Set<Duplex> = new Set();
  readonly #forget: (this: Duplex) => void;

  /** `serve` is called with each connection that is secure. */
  constructor(http: AttachableServer, options: TlsOptions, serve: (socket: TLSSocket) => void) {
    super(options);
    this.#http = http;
    this.#serve = serve;
    const handshaking = this.#handshaking;
    this.#forget = function (this: Duplex): void {
      handshaking.delete(this);
    };
  }

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event === 'connection') this.#begun(args[0] as Duplex);
    if (event === 'secureConnection') this.#secured(args[0] as TLSSocket);
    const heard = (super.emit as Emit).call(this, event, ...args);
    if (OWN_EVENTS.has(event)) return heard;
    const answered = heard && typeof args.at(-1) === 'function';
    const heardThere = !answered && (this.#http.emit as Emit)(event, ...args);
    if (event === 'secureConnection') this.#serve(args[0] as TLSSocket);
    return heard || heardThere;
  }

  override listenerCount(event: string | symbol): number {
    const own = super.listenerCount(event);
    return OWN_EVENTS.has(event) ? own : own + this.#http.listenerCount(event);
  }

  #begun(transport: Duplex): void {
    this.#handshaking.add(transport);
    transport.on('close', this.#forget);
  }

  #done(stream: Duplex): void {
    this.#handshaking.delete(stream);
    stream.off('close', this.#forget);
  }

  protected override onAccept(socket: TLSSocket, transport: Duplex): void {
    this.#done(transport);
    this.#begun(socket);
  }

  override onHandOver(transport: Duplex): void {
    this.#begun(transport);
  }

  #secured(socket: TLSSocket): void {
    this.#done(socket);
    Object.assign(socket, { server: this.#http }); // node:http2 before Node 24 reads it when it falls back to HTTP/1.1
  }

  /** Ends the handshakes that are not done. The HTTP server's `closeAllConnections` calls it. */
  closeHandshakes(): void {
    for (const stream of this.#handshaking) stream.destroy();
  }

  /** Throws: it is the HTTP server that listens, so that its timeouts work. */
  override listen(): never {
    throw new TlsUsageError('attach.listen', 'call listen of the HTTP server, not of what is attached to it');
  }
}

/**
 * Makes an HTTP server speak TLS 1.3 with our sockets, in place: `listen`, `close`, its timeouts and everything that is built on it work as before,
 * and requests come as over https. `options` are those of {@link createServer}; what an https or secure http2 server was made with (`key`, `cert`, `ca`,
 * `requestCert`, …) counts where they are silent. An http2 server made with `allowHTTP1` goes on falling back.
 *
 * `connection` of a server of node:http, or of `http2.createServer`, is from now on emitted with the TLSSocket, once it is secure; of node:https and
 * `http2.createSecureServer` with the transport, as ever. A `Duplex` that the program emits as a `connection` is secured like any other.
 *
 * Returns the TLS side: certificates can be changed there, and it has the events about tickets and handshakes, which the HTTP server emits too.
 * Failed handshakes are `tlsClientError` and `clientError` of the HTTP server. Throws {@link TlsUsageError} `attach.not_http`, `attach.twice`,
 * `attach.http1_fallback`, `attach.contexts`, `attach.early_data`, and what {@link createServer} throws.
 */
export function attach(server: AttachableServer, options: AttachOptions = {}): AttachedServer {
  if (typeof server?.emit !== 'function' || !('updateSettings' in server || 'closeIdleConnections' in server))
    throw new TlsUsageError('attach.not_http', 'attach needs a server of node:http, node:https or node:http2');
  if (attachedServers.has(server))
    throw new TlsUsageError('attach.twice', 'this server speaks TLS already: attach was called with it before');
  const earlyData = options.earlyData && httpEarlyData(server, options.earlyData);
  const all: TlsOptions = { ...options, earlyData };
  const tls = 'setSecureContext' in server ? attachSecure(server, all) : attachPlain(server, all);
  if (earlyData) guardEarlyRequests(server as HttpServer);
  attachedServers.add(server);
  server.on('close', () => tls.emit('close'));
  // By these, node:cluster gives the workers' servers one set of ticket keys. It knows only what listens.
  Object.assign(server, {
    _getServerData: () => tls._getServerData(),
    _setServerData: (data: Parameters<typeof tls._setServerData>[0]) => tls._setServerData(data),
  });
  const { closeAllConnections } = server as Partial<HttpServer>;
  if (closeAllConnections !== undefined) {
    Object.assign(server, {
      closeAllConnections(): void {
        tls.closeHandshakes();
        closeAllConnections.call(server as HttpServer);
      },
    });
  }
  return tls;
}

/** Its connections are kept from it until they are secure. Whatever listens to `connection`, core or a package, goes on listening. */
function attachPlain(server: HttpServer | Http2Server, options: TlsOptions): AttachedServer {
  const http2 = 'updateSettings' in server;
  if (http2 && fallsBack(server)) {
    throw new TlsUsageError(
      'attach.http1_fallback',
      'allowHTTP1 needs http2.createSecureServer: what http2.createServer makes has no timeouts for HTTP/1.1',
    );
  }
  const emit = server.emit as Emit;
  const tls = new AttachedServer(
    server,
    {
      ...(options.ALPNCallback === undefined && { ALPNProtocols: [http2 ? 'h2' : 'http/1.1'] }),
      allowHalfOpen: true,
      ...options,
    },
    (socket) => emit.call(server, 'connection', http2 ? http2Socket(socket) : socket),
  );
  const emitSecured: Emit = (event, ...args) => {
    if (event !== 'connection') return emit.call(server, event, ...args);
    armTimeouts(server);
    return tls.emit('connection', ...args);
  };
  Object.assign(server, { emit: emitSecured });
  server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
    if (!server.emit('clientError', error, socket)) socket.destroy(error);
  });
  return tls;
}

/** Core's handshake is taken out, and ours put in. What comes after, it has itself. */
function attachSecure(server: HttpsServer | Http2SecureServer, options: TlsOptions): AttachedServer {
  const tls = new AttachedServer(server, { ...madeWith(server, options), ...options }, () => {});
  replaceListener(server, 'connection', 'tlsConnectionListener', () => (transport) => {
    armTimeouts(server);
    tls.emit('connection', transport);
  });
  if ('updateSettings' in server) {
    replaceListener(server, 'secureConnection', 'connectionListener', (core) => (socket) => {
      core.call(server, (socket as TLSSocket).alpnProtocol === 'h2' ? http2Socket(socket as TLSSocket) : socket);
    });
  }
  delegate(server, tls, KEPT_METHODS);
  return tls;
}

/** The options that a server was made with, as far as it still knows. */
function madeWith(server: HttpsServer | Http2SecureServer, given: TlsOptions): TlsOptions {
  const made = server as unknown as Readonly<Record<string | symbol, unknown>>;
  // They are contexts of OpenSSL. Clients must not get another certificate than the one meant for their name.
  if (Array.isArray(made['_contexts']) && made['_contexts'].length > 0) {
    throw new TlsUsageError('attach.contexts', 'addContext was called before attach: call it afterwards');
  }
  const kept = new Map<string, unknown>(KEPT_OPTIONS.map((name) => [name, made[name]]));
  for (const symbol of Object.getOwnPropertySymbols(made)) {
    const name = KEPT_SYMBOLS[symbol.description ?? ''];
    if (name !== undefined) kept.set(name, made[symbol]);
  }
  if (given.ALPNCallback !== undefined) kept.delete('ALPNProtocols');
  return Object.fromEntries([...kept].filter(([, value]) => value !== undefined));
}

function delegate(server: object, tls: AttachedServer, names: readonly string[]): void {
  const methods = tls as unknown as Readonly<Record<string, (...args: unknown[]) => unknown>>;
  for (const name of names) Object.assign(server, { [name]: (...args: unknown[]) => methods[name]!(...args) });
}

type Listener = (socket: unknown) => void;

/** Core adds its listener when the server is made, so it is the first, whatever it is called. */
function replaceListener(server: NetServer, event: string, name: string, make: (core: Listener) => Listener): void {
  const listeners = server.listeners(event) as Listener[];
  const core = listeners.find((listener) => listener.name === name) ?? listeners[0];
  if (core === undefined) throw new TlsUsageError('attach.not_http', `the server does not listen to ${event} itself`);
  server.off(event, core);
  server.prependListener(event, make(core));
}

/**
 * Core watches over `headersTimeout` and `requestTimeout` only once the server listens. One that is given its connections by the program never does,
 * and half a request line would keep such a connection open for ever.
 */
function armTimeouts(server: NetServer & { [ARMED]?: true }): void {
  if (server[ARMED]) return;
  server[ARMED] = true;
  if (server.listening) return;
  for (const listener of server.listeners('listening'))
    if (listener.name === 'setupConnectionsTracking') listener.call(server);
}

const ARMED: unique symbol = Symbol('tessera.armed');

/** `http2.createServer` takes `allowHTTP1` too, undocumented, and keeps its options under a symbol. */
function fallsBack(server: Http2Server): boolean {
  const symbol = Object.getOwnPropertySymbols(server).find(({ description }) => description === 'options');
  const options =
    symbol && (server as unknown as Record<symbol, { readonly allowHTTP1?: boolean } | undefined>)[symbol];
  return options?.allowHTTP1 === true;
}
