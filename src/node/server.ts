import { Server as NetServer, type ServerOpts } from 'node:net';

import type { Duplex } from 'node:stream';
import {
  createServerEngine,
  type EarlyDataOptions,
  type ServerConfig,
  type TicketOptions,
  type TlsEngine,
} from '../connection/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { MAX_TICKET_LIFETIME_SECONDS, type TicketKeyRing } from '../tickets/index.ts';
import { createKeyRing, SecureContext, type SecureContextOptions } from './context.ts';
import { publishKeys } from './diagnostics.ts';
import type { EarlyDataOutcome } from './early-data.ts';
import { alpnNames, checkRange, MAX_TIMEOUT, refuseUnsupported } from './options.ts';
import { type DeclinedTicket, type IssuedTicket, type SocketOwner, TLSSocket } from './socket.ts';

export interface TlsOptions extends SecureContextOptions, Omit<ServerOpts, 'pauseOnConnect'> {
  /** Used instead of the options it is made from. */
  readonly secureContext?: SecureContext | undefined;
  /** In order of preference. A client that offers others only is refused; one that offers none is served without. */
  readonly ALPNProtocols?: readonly string[] | Uint8Array | undefined;
  /** Ask clients for a certificate in the handshake. Default false; with `ca` or `verifyPeer`, {@link TLSSocket.requestClientCertificate} can ask later. */
  readonly requestCert?: boolean | undefined;
  /** With `requestCert`: refuse clients without a trusted certificate. Default true. */
  readonly rejectUnauthorized?: boolean | undefined;
  /** Tickets after a full handshake; a resumption gets at most one. 0: none on the wire. Default 2. */
  readonly numTickets?: number | undefined;
  /** Seconds, 1 to 604,800. Default 7,200. */
  readonly ticketLifetime?: number | undefined;
  /** Node's name for `ticketLifetime`. */
  readonly sessionTimeout?: number | undefined;
  /** Milliseconds. Default 120,000. */
  readonly handshakeTimeout?: number | undefined;
  /** Tickets issued under one value are not redeemed under another. Default: none. */
  readonly sessionIdContext?: string | undefined;
  /** A number is shorthand for `numTickets`. Everything else about tickets: policy, sealer or store, revocations, verdict, scope. The options above win over the same ones here. */
  readonly tickets?: number | TicketOptions | undefined;
  /** Accept early data (0-RTT), which can be replayed. Default: off. */
  readonly earlyData?: ServerEarlyData | undefined;
  /**
   * The external PSK of an identity that a client offers, now or later; `undefined`: not known. Its holder is let in without a certificate,
   * whatever `requestCert` says. With it the server may be without `cert` and `key`. `targetHash`: what the identity was imported for (RFC 9258).
   */
  readonly findPsk?: ServerConfig['findPsk'];
  /** The keys that seal tickets, to be shared by servers of this process or kept in step by a key source. Default: keys of this server alone, which rotate. */
  readonly ticketKeyRing?: TicketKeyRing | undefined;
}

/**
 * Early data comes before the client has proved that it is there, so that whoever recorded it can send it again, within what the guard
 * promises. Let nothing happen through it that must not happen twice; of HTTP, only safe methods, and 425 (Too Early) to others. RFC 8470
 */
export interface ServerEarlyData extends EarlyDataOptions {
  /**
   * `event` (default): as `earlyData` events, apart from other data, in front of `secureConnection`; with no listener on the server there is
   * nobody to hear it, and it is rejected, so that clients send it again. `stream`: the first early data makes the `secureConnection`, and is
   * read as what comes first; what is written then reaches the client a round trip sooner. Until the socket's event `secure`,
   * `socket.secureConnecting` is true.
   */
  readonly deliver?: 'event' | 'stream' | undefined;
}

type ConnectionListener = (socket: TLSSocket) => void;

/**
 * A TCP server that speaks TLS 1.3.
 *
 * Events beside those of `net.Server`: `secureConnection(socket)`, `tlsClientError(error, socket)`, `keylog(line, socket)`,
 * `ticketIssued(ticket, socket)`, `ticketDeclined(ticket, socket)`, `earlyData(bytes, socket)`, `earlyDataStatus(outcome, socket)`.
 */
export class Server extends NetServer implements SocketOwner {
  readonly #socketOptions: {
    readonly allowHalfOpen: boolean;
    readonly highWaterMark: number | undefined;
    readonly handshakeTimeout: number;
    readonly deliverEarlyData: ServerEarlyData['deliver'];
  };
  readonly #options: TlsOptions;
  readonly #ring: TicketKeyRing;
  #config: ServerConfig;

  constructor(options: TlsOptions = {}, listener?: ConnectionListener) {
    // The transport stays half open: TLS ends each direction by itself. Sockets of the program get the `allowHalfOpen` it asked for.
    super({ ...options, allowHalfOpen: true, noDelay: options.noDelay ?? true });
    refuseUnsupported(options);
    checkRange('handshakeTimeout', options.handshakeTimeout, 0, MAX_TIMEOUT);
    checkRange('ticketLifetime', options.ticketLifetime ?? options.sessionTimeout, 1, MAX_TICKET_LIFETIME_SECONDS);
    const { allowHalfOpen = false, handshakeTimeout = 120_000 } = options;
    const { highWaterMark } = options as { readonly highWaterMark?: number };
    const deliverEarlyData = deliveryOf(options.earlyData);
    this.#socketOptions = { allowHalfOpen, highWaterMark, handshakeTimeout, deliverEarlyData };
    this.#options = options;
    this.#ring = options.ticketKeyRing ?? createKeyRing(options.ticketLifetime ?? options.sessionTimeout);
    publishKeys(this.#ring);
    this.#config = this.#configFor(options);
    this.on('connection', Server.#onConnection);
    if (listener !== undefined) this.on('secureConnection', listener);
  }

  static readonly #onConnection = function (this: Server, transport: Duplex): void {
    const config = this.#config;
    let socket: TLSSocket | undefined;
    const engine = createServerEngine(
      this.listenerCount('keylog') === 0
        ? config
        : { ...config, keyLog: (line) => void this.emit('keylog', Buffer.from(`${line}\n`), socket) },
    );
    socket = new TLSSocket(transport, { engine, owner: this, ...this.#socketOptions });
    this.onAccept(socket);
  };

  /** For subclasses: the handshake of `socket` begins. */
  protected onAccept(_socket: TLSSocket): void {}

  /** The protocol of a socket that was not accepted here, but is to be as if it were. */
  engineOf(socket: TLSSocket): TlsEngine {
    const keyLog = (line: string): void => void this.emit('keylog', Buffer.from(`${line}\n`), socket);
    return createServerEngine(this.listenerCount('keylog') === 0 ? this.#config : { ...this.#config, keyLog });
  }

  #configFor(options: TlsOptions): ServerConfig {
    const context = options.secureContext ?? new SecureContext(options);
    const { ALPNProtocols, requestCert, numTickets, ticketLifetime, sessionTimeout, sessionIdContext } = this.#options;
    const tickets =
      typeof this.#options.tickets === 'number' ? { count: this.#options.tickets } : this.#options.tickets;
    const rejectUnauthorized = this.#options.rejectUnauthorized ?? true;
    return context.serverConfig({
      alpn: alpnNames(ALPNProtocols),
      clientAuth: requestCert ? (rejectUnauthorized ? 'require' : 'request') : 'none',
      rejectUnauthorized,
      tickets: {
        ...tickets,
        count: numTickets ?? tickets?.count,
        lifetimeSeconds: ticketLifetime ?? sessionTimeout ?? tickets?.lifetimeSeconds,
        label: sessionIdContext ?? tickets?.label,
      },
      ring: this.#ring,
      earlyData: this.#earlyDataOptions(),
      findPsk: this.#options.findPsk,
    });
  }

  #earlyDataOptions(): EarlyDataOptions | undefined {
    const { earlyData } = this.#options;
    if (earlyData === undefined || earlyData.deliver === 'stream') return earlyData;
    const { allow } = earlyData;
    return { ...earlyData, allow: (request) => this.listenerCount('earlyData') > 0 && (allow?.(request) ?? true) };
  }

  /** New connections use these certificates, keys and authorities; tickets of before stay valid. */
  setSecureContext(options: SecureContextOptions): void {
    this.#config = this.#configFor(options);
  }

  /** The keys that seal this server's tickets. */
  get ticketKeyRing(): TicketKeyRing {
    return this.#ring;
  }

  onSecure(socket: TLSSocket): void {
    this.emit('secureConnection', socket);
  }

  onFailure(socket: TLSSocket, error: Error): undefined {
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

function deliveryOf(earlyData: ServerEarlyData | undefined): ServerEarlyData['deliver'] {
  const deliver = earlyData?.deliver;
  if (deliver === undefined || deliver === 'event' || deliver === 'stream') return deliver;
  throw new TlsUsageError(
    'option.bad_early_data',
    `earlyData.deliver is ${String(deliver)}, but must be event or stream`,
  );
}

/** As in node:tls. `listener` is added to `secureConnection`. Throws {@link TlsUsageError} when options make no sense. */
export function createServer(options: TlsOptions | ConnectionListener = {}, listener?: ConnectionListener): Server {
  if (typeof options !== 'function') return new Server(options, listener);
  throw new TlsUsageError('server.no_options', 'a TLS server needs options with at least cert and key');
}
