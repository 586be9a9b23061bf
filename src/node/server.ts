import { captureRejectionSymbol } from 'node:events';
import { Server as NetServer, type ServerOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import * as nodeTls from 'node:tls';
import { createServerEngine, type EarlyDataOptions, type ServerConfig, type TlsEngine } from '../connection/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import type { TicketKeyRing } from '../tickets/index.ts';
import { checkFunction, typeError, wrongType } from './argument.ts';
import { contextFrom, givenContext, SecureContext, type SecureContextOptions } from './context.ts';
import type { EarlyDataOutcome } from './early-data.ts';
import { codedError } from './errors.ts';
import { LegacyServer } from './legacy.ts';
import { alpnNames, checkRange, MAX_TIMEOUT, refuseUnsupported } from './options.ts';
import { ClusterMember, type ServerData, serverData } from './server-cluster.ts';
import { ServerNames } from './server-names.ts';
import {
  type AlpnCallback,
  andThen,
  askAlpn,
  askOcsp,
  askPsk,
  askSni,
  type ServerPskCallback,
  type SniCallback,
} from './server-questions.ts';
import { SessionEvents } from './server-sessions.ts';
import { mastersOf, ServerTicketKeys, type TicketKeyInput, type TicketMasters } from './server-ticket-keys.ts';
import { engineTickets, mergeTickets, type ServerTickets, ticketsOf } from './server-tickets.ts';
import { type DeclinedTicket, type IssuedTicket, type SocketOwner, TLSSocket } from './socket.ts';

export interface TlsOptions extends SecureContextOptions, ServerOpts {
  /** Used instead of the options it is made from. */
  readonly secureContext?: SecureContext | undefined;
  /** Chooses the context for the name that a client asks for; nothing: that of the server. Without it, those of {@link Server.addContext} are looked through. */
  readonly SNICallback?: SniCallback | undefined;
  /** Chooses the protocol from those that a client offers. Not with `ALPNProtocols`. */
  readonly ALPNCallback?: AlpnCallback | undefined;
  /** In order of preference. A client that offers others only is refused; one that offers none is served without. */
  readonly ALPNProtocols?: readonly string[] | Uint8Array | undefined;
  /** Ask clients for a certificate in the handshake. Default false; with `ca` or `verifyPeer`, {@link TLSSocket.requestClientCertificate} can ask later. */
  readonly requestCert?: boolean | undefined;
  /** With `requestCert`: refuse clients without a trusted certificate. Default true. */
  readonly rejectUnauthorized?: boolean | undefined;
  /** Milliseconds. Default 120,000. */
  readonly handshakeTimeout?: number | undefined;
  /**
   * Handshakes under way at one time, 1 or more. When there are more, the oldest is broken off, with `tlsClientError`, code
   * `ERR_TESSERA_TOO_MANY_HANDSHAKES`: a client in earnest is done long before. Old clients count until node:tls has them. Default 10,000.
   */
  readonly maxHandshakes?: number | undefined;
  /** Write to stderr what goes to and fro on every connection, for people. */
  readonly enableTrace?: boolean | undefined;
  /** Accept early data (0-RTT), which can be replayed. Default: off. */
  readonly earlyData?: ServerEarlyData | undefined;
  /**
   * The external PSK of an identity that a client offers, now or later; `undefined`: not known. Its holder is let in without a certificate,
   * whatever `requestCert` says. With it the server may be without `cert` and `key`. `targetHash`: what the identity was imported for (RFC 9258).
   */
  readonly findPsk?: ServerConfig['findPsk'];
  /** As in node:tls, and asked before `findPsk`: the external PSK of an identity that is text. */
  readonly pskCallback?: ServerPskCallback | undefined;
  /** Of TLS 1.2, so without effect. */
  readonly pskIdentityHint?: string | undefined;
  /**
   * `true` (default): clients that do not offer TLS 1.3 are served by node:tls, with the same certificates, names, protocols and events; the socket of
   * `secureConnection` is node's own then, and has nothing of ours. `false`, or a `minVersion` of TLSv1.3: they are refused with protocol_version; so they are,
   * whatever this says, where node:tls cannot sign with the `key`, or clients are asked for certificates that `verifyPeer` judges.
   */
  readonly legacy?: boolean | undefined;
  /** The pauseOnConnect of net.Server: sockets are paused until the program resumes them. The handshake is not. */
  readonly pauseOnConnect?: boolean | undefined;
  /** Shared with others who have the same: 48 bytes as from {@link Server.getTicketKeys}, 80, or several, of which the first seals. */
  readonly ticketKeys?: TicketKeyInput | undefined;
  /** The keys that seal tickets, to be shared by servers of this process or kept in step by a key source. Default: keys of this server alone, which rotate; in node:cluster, of all workers. */
  readonly ticketKeyRing?: TicketKeyRing | undefined;
}

/** What `@types/node` calls so. */
export type CommonConnectionOptions = Pick<
  TlsOptions,
  'secureContext' | 'enableTrace' | 'requestCert' | 'ALPNProtocols' | 'SNICallback' | 'rejectUnauthorized'
>;

/**
 * Early data comes before the client has proved that it is there, so that whoever recorded it can send it again, within what the guard
 * promises. Let nothing happen through it that must not happen twice; of HTTP, only safe methods, and 425 (Too Early) to others. RFC 8470
 */
export interface ServerEarlyData extends Omit<EarlyDataOptions, 'guard'> {
  /** May be left out where `tickets.replayGuard` is given. */
  readonly guard?: EarlyDataOptions['guard'] | undefined;
  /**
   * `event` (default): as `earlyData` events, apart from other data, in front of `secureConnection`; with no listener on the server there is
   * nobody to hear it, and it is rejected, so that clients send it again. `stream`: the first early data makes the `secureConnection`, and is
   * read as what comes first; what is written then reaches the client a round trip sooner. Until the socket's event `secure`,
   * `socket.secureConnecting` is true.
   */
  readonly deliver?: 'event' | 'stream' | undefined;
}

/** Of node:tls, where its types lack it. */
const { convertALPNProtocols } = nodeTls as unknown as {
  readonly convertALPNProtocols: (protocols: unknown, out: { ALPNProtocols?: Buffer }) => void;
};

type ConnectionListener = (socket: TLSSocket) => void;

/** Both `new Server()` and `Server()`; and, for constructors of before classes, `Server.call(this)`, where `self` is `this`. */
const Base = function (this: NetServer, options: ServerOpts, self: NetServer = this): NetServer {
  Reflect.apply(NetServer, self, [options]);
  return self;
} as unknown as new (
  options: ServerOpts,
  self?: NetServer,
) => NetServer;
Object.setPrototypeOf(Base, NetServer);
Base.prototype = NetServer.prototype;

/**
 * A TCP server that speaks TLS 1.3.
 *
 * Events beside those of `net.Server`: `secureConnection(socket)`, `tlsClientError(error, socket)`, `keylog(line, socket)`,
 * `newSession(id, data, callback)` and `resumeSession(id, callback)`, with which the program keeps what tickets stand for,
 * `OCSPRequest(certificate, issuer, callback)`, `ticketIssued(ticket, socket)`, `ticketDeclined(ticket, socket)`, `earlyData(bytes, socket)`,
 * `earlyDataStatus(outcome, socket)`.
 */
class TlsServer extends Base implements SocketOwner {
  readonly #socketOptions: {
    readonly allowHalfOpen: boolean;
    readonly highWaterMark: number | undefined;
    readonly handshakeTimeout: number;
    readonly enableTrace: boolean | undefined;
    readonly deliverEarlyData: ServerEarlyData['deliver'];
  };
  readonly #options: TlsOptions;
  readonly #alpn: readonly string[] | undefined;
  readonly #pausesSockets: boolean;
  readonly #maxHandshakes: number;
  /** Oldest first. */
  readonly #handshakes = new Set<TLSSocket>();
  readonly #names = new ServerNames<SecureContext>();
  readonly #keys: ServerTicketKeys;
  readonly #legacy: LegacyServer | undefined;
  #cluster: ClusterMember | undefined;
  #context: SecureContext;
  #tickets: ServerTickets;
  #requestCert: boolean;
  #rejectUnauthorized: boolean;
  /** Made from all the above, for each context that a connection had. */
  #configs = new WeakMap<SecureContext, ServerConfig>();
  /** As in node:tls: the protocols in the format of the wire. */
  declare ALPNProtocols?: Buffer;
  readonly ALPNCallback: AlpnCallback | undefined;

  constructor(given?: TlsOptions | ConnectionListener | null, listener?: ConnectionListener, self?: NetServer) {
    const options = checkOptions(typeof given === 'function' ? {} : given);
    super(options, self);
    const { allowHalfOpen = false, enableTrace } = options;
    const handshakeTimeout = options.handshakeTimeout || 120_000;
    const { highWaterMark } = options as { readonly highWaterMark?: number };
    const deliverEarlyData = deliveryOf(options.earlyData);
    this.#socketOptions = { allowHalfOpen, highWaterMark, handshakeTimeout, enableTrace, deliverEarlyData };
    this.#options = options;
    this.#pausesSockets = options.pauseOnConnect === true;
    this.#maxHandshakes = options.maxHandshakes ?? 10_000;
    this.#alpn = alpnNames(options.ALPNProtocols);
    if (options.ALPNProtocols) convertALPNProtocols(options.ALPNProtocols, this);
    this.ALPNCallback = options.ALPNCallback;
    this.#requestCert = options.requestCert === true;
    this.#rejectUnauthorized = options.rejectUnauthorized !== false;
    this.#context = givenContext(options.secureContext) ?? new SecureContext(options);
    this.#tickets = mergeTickets(this.#context.tickets, ticketsOf(options));
    const { lifetimeSeconds = 0, keys } = this.#tickets;
    if (options.ticketKeyRing !== undefined && keys !== undefined) this.#refuseKeys('tickets.keys');
    this.#keys = new ServerTicketKeys(lifetimeSeconds, options.ticketKeyRing ?? keys);
    if (options.ticketKeys) this.#setKeys('options.ticketKeys', options.ticketKeys, false);
    this.#configOf(this.#context);
    const { legacy = true, minVersion } = options;
    if (legacy && minVersion !== 'TLSv1.3') this.#legacy = new LegacyServer(this, options, handshakeTimeout);
    this.on('connection', TlsServer.#onConnection).on('close', TlsServer.#onClose);
    const onSecure = typeof given === 'function' ? given : listener;
    if (onSecure) this.on('secureConnection', onSecure);
  }

  static readonly #onConnection = function (this: TlsServer, transport: Duplex): void {
    let socket: TLSSocket | undefined;
    const config = this.#configWith(this.#configOf(this.#context), () => socket!);
    const gate = this.#legacy?.gate();
    socket = new TLSSocket(transport, {
      engine: createServerEngine(config),
      owner: this,
      gate,
      ...this.#socketOptions,
    });
    (socket as { server?: TlsServer }).server = this;
    // As in node:tls: a client that breaks off must not end a program that did not expect it.
    socket.on('error', ignore);
    if (this.#pausesSockets) {
      transport.resume();
      socket.pause();
    }
    this.onAccept(socket, transport);
    this.#handshakes.add(socket);
    if (this.#handshakes.size > this.#maxHandshakes) this.#breakOffOldest();
  };

  #breakOffOldest(): void {
    const [oldest] = this.#handshakes;
    const message = `more than ${this.#maxHandshakes} handshakes at one time, of which this is the oldest`;
    this.onFailure(oldest!, codedError('ERR_TESSERA_TOO_MANY_HANDSHAKES', message));
  }

  onHandshakeOver(socket: TLSSocket): void {
    this.#handshakes.delete(socket);
  }

  /** For subclasses: our handshake on `transport` begins, which `socket` owns from now on. */
  protected onAccept(_socket: TLSSocket, _transport: Duplex): void {}

  /** The protocol of a socket that was not accepted here, but is to be as if it were. */
  engineOf(socket: TLSSocket): TlsEngine {
    return createServerEngine(this.#configWith(this.#configOf(this.#context), () => socket));
  }

  static readonly #onClose = function (this: TlsServer): void {
    this.#cluster?.leave();
    this.#cluster = undefined;
  };

  /** With what the program is asked about a connection, where it wants to be: it is told the socket, of which the engine knows nothing. */
  #configWith(config: ServerConfig, socket: () => TLSSocket): ServerConfig {
    const { SNICallback, pskCallback, findPsk } = this.#options;
    const { ALPNCallback } = this;
    const logs = this.listenerCount('keylog') > 0;
    if (!logs && !SNICallback && !ALPNCallback && !pskCallback) return config;
    const { chooseConfig } = config;
    const chosen = (other: ServerConfig | undefined): ServerConfig | undefined =>
      other && this.#configWith(other, socket);
    return {
      ...config,
      ...(logs && { keyLog: (line) => void this.emit('keylog', Buffer.from(`${line}\n`), socket()) }),
      ...(chooseConfig && { chooseConfig: (hello) => andThen(chooseConfig(hello), chosen) }),
      ...(SNICallback && {
        chooseConfig: ({ serverName }) =>
          andThen(serverName ? askSni(SNICallback, socket(), serverName) : undefined, (context) =>
            chosen(context && this.#configOf(context)),
          ),
      }),
      ...(ALPNCallback && {
        chooseAlpn: ({ serverName, alpn }) => askAlpn(ALPNCallback, socket(), serverName, alpn),
      }),
      ...(pskCallback && {
        findPsk: (identity, hash) =>
          andThen(
            hash === undefined ? askPsk(pskCallback, socket(), identity) : undefined,
            (psk) => psk ?? findPsk?.(identity, hash),
          ),
      }),
    };
  }

  #configOf(context: SecureContext): ServerConfig {
    let config = this.#configs.get(context);
    if (config === undefined) {
      config = this.#makeConfig(context);
      this.#configs.set(context, config);
    }
    return config;
  }

  #makeConfig(context: SecureContext): ServerConfig {
    const { pskCallback, findPsk } = this.#options;
    const tickets = context === this.#context ? this.#tickets : mergeTickets(this.#tickets, context.tickets);
    return context.serverConfig({
      alpn: this.#alpn,
      clientAuth: this.#requestCert ? (this.#rejectUnauthorized ? 'require' : 'request') : 'none',
      rejectUnauthorized: this.#rejectUnauthorized,
      tickets: engineTickets(tickets, this.#keys, (sealer, deadlineMs) => new SessionEvents(this, sealer, deadlineMs)),
      earlyData: this.#earlyDataOptions(tickets),
      // Who asks `pskCallback` needs the socket: see #configWith.
      findPsk: findPsk ?? (pskCallback && (() => undefined)),
      fallback: this.#context.credentials,
      stapleOcsp: ({ chain }) => askOcsp(this, chain, context.ownAuthorities),
      limits: this.#options.limits,
      ...(this.#names.size > 0 && { chooseConfig: ({ serverName }) => this.#configFor(serverName) }),
    });
  }

  /** Of the name's context; `undefined`: that of the server. */
  #configFor(serverName: string | undefined): ServerConfig | undefined {
    const context = serverName ? this.contextFor(serverName) : undefined;
    return context && this.#configOf(context);
  }

  #earlyDataOptions({ replayGuard }: ServerTickets): EarlyDataOptions | undefined {
    const { earlyData } = this.#options;
    if (earlyData === undefined) return undefined;
    // Without one, the engine refuses the options.
    const guard = (earlyData.guard ?? replayGuard)!;
    if (earlyData.deliver === 'stream') return { ...earlyData, guard };
    const { allow } = earlyData;
    return {
      ...earlyData,
      guard,
      allow: (request) => this.listenerCount('earlyData') > 0 && (allow?.(request) ?? true),
    };
  }

  #changed(): void {
    this.#configs = new WeakMap();
    this.#legacy?.changed();
  }

  /** Whether clients are asked for a certificate, from the next connection on. */
  get requestCert(): boolean {
    return this.#requestCert;
  }

  set requestCert(value: boolean) {
    this.#requestCert = value;
    this.#changed();
  }

  /** Whether clients without a trusted certificate are refused when they are asked for one, from the next connection on. */
  get rejectUnauthorized(): boolean {
    return this.#rejectUnauthorized;
  }

  set rejectUnauthorized(value: boolean) {
    this.#rejectUnauthorized = value;
    this.#changed();
  }

  /** Tickets after a full handshake, from the next connection on. Contexts that say otherwise do as they say. */
  get numTickets(): number {
    return this.#configOf(this.#context).tickets.count;
  }

  set numTickets(count: number) {
    const before = this.#tickets;
    this.#tickets = { ...before, count };
    this.#changed();
    try {
      this.#configOf(this.#context);
    } catch (error) {
      this.#tickets = before;
      throw error;
    }
  }

  /** As in node:tls: the context of clients that ask for no name that another one is kept for. */
  get _sharedCreds(): SecureContext {
    return this.#context;
  }

  /**
   * Keeps a context for clients that ask for `servername`, in which `*` stands for any part of one label. The newest that fits counts. With
   * `SNICallback` they are not looked at. The context's own tickets, where it says anything about them, are those of its connections.
   */
  addContext(servername: string, context: SecureContext | SecureContextOptions): void {
    this.#names.add(servername, contextFrom(context));
    this.#changed();
  }

  /** New connections use these certificates, keys and authorities; tickets of before stay valid. When it throws, nothing has changed. */
  setSecureContext(options: SecureContextOptions & Pick<TlsOptions, 'secureContext' | 'ticketKeys'>): void {
    checkObject(options);
    const context = givenContext(options.secureContext) ?? new SecureContext(options);
    const masters = options.ticketKeys && mastersOf('options.ticketKeys', options.ticketKeys);
    const before = [this.#context, this.#tickets, this.#configs] as const;
    this.#context = context;
    this.#tickets = mergeTickets(this.#tickets, context.tickets);
    this.#changed();
    try {
      this.#configOf(context);
    } catch (error) {
      [this.#context, this.#tickets, this.#configs] = before;
      throw error;
    }
    if (masters) this.#useMasters(masters, false);
  }

  /** The keys that seal this server's tickets. In node:cluster it is another one from `listening` on. */
  get ticketKeyRing(): TicketKeyRing {
    return this.#keys.ring;
  }

  /** 48 bytes, from which other servers can derive the keys that seal tickets here: a secret, to be given to `setTicketKeys` there. */
  getTicketKeys(): Buffer {
    return Buffer.from(this.#keys.master ?? this.#refuseKeys('getTicketKeys'));
  }

  /**
   * Seals tickets with keys from these bytes from now on, here and at the other workers of node:cluster: 48 as from {@link Server.getTicketKeys}, 80,
   * or several of these, of which the first seals and all open. Tickets of before stay good until they expire, unless `revoke`.
   * Throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`.
   */
  setTicketKeys(keys: TicketKeyInput, options: { readonly revoke?: boolean } = {}): void {
    this.#setKeys('buffer', keys, options.revoke === true);
  }

  #setKeys(name: string, keys: TicketKeyInput, revoke: boolean): void {
    if (this.#keys.isOfProgram) this.#refuseKeys('setTicketKeys');
    this.#useMasters(mastersOf(name, keys), revoke);
  }

  #useMasters(masters: TicketMasters, revoke: boolean): void {
    this.#keys.set(masters, revoke);
    this.#cluster?.publish(revoke);
  }

  #refuseKeys(what: string): never {
    throw new TlsUsageError(
      'ticket_key.two_owners',
      `${what}: the keys of this server are those of the ticketKeyRing it was given`,
    );
  }

  /** What node:cluster asks of the first worker that listens. */
  _getServerData(): ServerData {
    return serverData(this.#keys);
  }

  /** What the first worker answered, for every worker. */
  _setServerData(data: ServerData | null | undefined): void {
    this.#cluster?.leave();
    this.#cluster = ClusterMember.join(this.#keys, data);
  }

  /** Not for programs: of {@link TlsServer.addContext}. */
  contextFor(serverName: string): SecureContext | undefined {
    return this.#names.find(serverName);
  }

  /** Not for programs: what node:tls seals sessions with. */
  get oldTicketKeys(): Buffer | undefined {
    return this.#keys.forOldClients;
  }

  /** For subclasses: node:tls handshakes with an old client on `transport`, which {@link TlsServer.onAccept} told of before. */
  onHandOver(_transport: Duplex): void {}

  onSecure(socket: TLSSocket): void {
    this.emit('secureConnection', socket);
  }

  onFailure(socket: TLSSocket, error: Error): undefined {
    const reason = this.#legacy?.reasonFor(socket);
    if (reason !== undefined) error.message += `, and node:tls does not serve it: ${reason}`;
    void socket.remoteAddress; // which net.Socket remembers from now on, for logs
    socket.destroy();
    this.emit('tlsClientError', error, socket);
  }

  onTicketIssued(socket: TLSSocket, ticket: IssuedTicket): void {
    this.emit('ticketIssued', ticket, socket);
  }

  onTicketDeclined(socket: TLSSocket, ticket: DeclinedTicket): void {
    this.emit('ticketDeclined', ticket, socket);
  }

  onEarlyData(socket: TLSSocket, bytes: Buffer): void {
    this.emit('earlyData', bytes, socket);
  }

  onEarlyDataStatus(socket: TLSSocket, outcome: EarlyDataOutcome): void {
    this.emit('earlyDataStatus', outcome, socket);
  }
}

function ignore(): void {}

type ServerArguments = [options?: TlsOptions | ConnectionListener | null, listener?: ConnectionListener];

export type Server = TlsServer;
/** As in node:tls: with `new` or without. */
export const Server: {
  new (...args: ServerArguments): Server;
  (...args: ServerArguments): Server;
  readonly prototype: Server;
} = new Proxy(TlsServer, {
  apply: (target, self: unknown, [options, listener]: ServerArguments) =>
    new target(options, listener, self instanceof TlsServer ? self : undefined),
}) as never;
Object.defineProperty(TlsServer, 'name', { value: 'Server' });
Object.defineProperty(TlsServer.prototype, 'constructor', { value: Server, writable: true, configurable: true });

/** As in node:tls: where the program captures rejections, that of an async `secureConnection` listener ends its connection. */
function onRejection(this: TlsServer, error: Error, event: string, ...args: readonly unknown[]): void {
  if (event === 'secureConnection') (args[0] as TLSSocket).destroy(error);
  else this.emit('error', error);
}

Object.defineProperty(TlsServer.prototype, captureRejectionSymbol, { value: onRejection, configurable: true });

/** Throws Node's errors, and {@link TlsUsageError}. */
function checkOptions(options: TlsOptions | null | undefined): TlsOptions {
  if (options === null || options === undefined) return {};
  if (typeof options !== 'object') throw wrongType('options', 'of type object', options);
  refuseUnsupported(options);
  if (options.handshakeTimeout && typeof options.handshakeTimeout !== 'number') {
    throw wrongType('options.handshakeTimeout', 'of type number', options.handshakeTimeout);
  }
  checkRange('handshakeTimeout', options.handshakeTimeout ?? undefined, 0, MAX_TIMEOUT);
  checkRange('maxHandshakes', options.maxHandshakes, 1, Number.POSITIVE_INFINITY);
  for (const name of ['SNICallback', 'ALPNCallback', 'pskCallback'] as const)
    checkFunction(`options.${name}`, options[name]);
  if (options.pskIdentityHint && typeof options.pskIdentityHint !== 'string') {
    throw wrongType('options.pskIdentityHint', 'of type string', options.pskIdentityHint);
  }
  if (options.ALPNCallback && options.ALPNProtocols) {
    throw typeError(
      'ERR_TLS_ALPN_CALLBACK_WITH_PROTOCOLS',
      'The ALPNCallback and ALPNProtocols TLS options are mutually exclusive',
    );
  }
  return options;
}

function checkObject(options: unknown): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw wrongType('options', 'of type object', options);
  }
}

function deliveryOf(earlyData: ServerEarlyData | undefined): ServerEarlyData['deliver'] {
  const deliver = earlyData?.deliver;
  if (deliver === undefined || deliver === 'event' || deliver === 'stream') return deliver;
  throw new TlsUsageError(
    'option.bad_early_data',
    `earlyData.deliver is ${String(deliver)}, but must be event or stream`,
  );
}

/** As in node:tls. `listener` is added to `secureConnection`. Throws Node's errors, and {@link TlsUsageError} when options make no sense. */
export function createServer(...args: ServerArguments): Server {
  return new Server(...args);
}
