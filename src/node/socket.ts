import { X509Certificate } from 'node:crypto';
import { isIP, Socket } from 'node:net';
import { addAbortSignal, type Duplex } from 'node:stream';
import type {
  CipherNameAndProtocol,
  DetailedPeerCertificate,
  SecureContext as NodeContext,
  TLSSocket as NodeSocket,
  PeerCertificate,
} from 'node:tls';
import type { ConnectionInfo, EarlyDataStatus, TlsEngine, TlsEvent } from '../connection/index.ts';
import { TlsAlertError, type TlsPeerAlertError, TlsUsageError } from '../errors/index.ts';
import type { EarlyDataRequest } from '../handshake/index.ts';
import type { ClientTicket, TicketDecline, TicketHandle, TicketSpec } from '../tickets/index.ts';
import { outOfRange, wrongType } from './argument.ts';
import { type ClientOptions, ClientOwner } from './client.ts';
import { contextFrom, type SecureContext, type SecureContextOptions } from './context.ts';
import { publishEvent } from './diagnostics.ts';
import { type EarlyDataOutcome, type EarlySender, earlyInfo } from './early-data.ts';
import { codedError, type Phase, type TlsError, toNodeError } from './errors.ts';
import { type LegacyCertificate, legacyCertificate, legacyChain } from './legacy-certificate.ts';
import { PlainEngine, type SecondAttempt } from './legacy-client.ts';
import { isAdopted } from './legacy-socket.ts';
import { type EphemeralKeyInfo, ephemeralKeyInfo, sigalgName } from './negotiated.ts';
import { errorOf, ProgramFailure } from './program-answer.ts';
import { type ServerSocketOptions, serverEngine } from './server-socket.ts';
import { checkSession, encodeSession } from './session.ts';
import { trace } from './trace.ts';
import { duplexOf, ownerOf, type Transport, TransportSocket } from './transport-socket.ts';

/** How `@types/node` calls a Buffer of its own memory, where it has a name for it. */
type NodeBuffer = Exclude<ReturnType<NodeSocket['getFinished']>, undefined>;

/** What a `ticketIssued` event tells about one NewSessionTicket message. The ticket itself stays out of logs. */
export interface IssuedTicket {
  /** Counts from 0 on this connection. */
  readonly index: number;
  readonly lifetimeSeconds: number;
  /** ticket_nonce, distinct for every ticket of the connection. */
  readonly nonce: Uint8Array;
  /** Length of the ticket in bytes. */
  readonly length: number;
  /** Whether the program asked for it with {@link TLSSocket.newSessionTicket}. */
  readonly requested: boolean;
}

/** What a `ticketDeclined` event tells. */
export interface DeclinedTicket {
  /** Server: `redeem`: the client offered it; `issue`: it was due and could not be made. Client: `offer`: it was not offered, or not taken. */
  readonly during: 'redeem' | 'issue' | 'offer';
  readonly reason: TicketDecline;
  /** Which of the client's offers, from 0; `undefined` for `issue`, and when it was not offered. */
  readonly identityIndex: number | undefined;
}

/** What happened with tickets on a connection so far. */
export interface TicketInfo {
  /** Server: tickets that were sent. */
  readonly issued: number;
  /** Server: tickets that were asked for and wait for the next write. */
  readonly requested: number;
  /** Client: tickets that arrived. */
  readonly received: number;
  /** Whether this connection itself came from a ticket. */
  readonly resumed: boolean;
  /** The ticket that it came from, as far as this side knows; `undefined` when there was none. */
  readonly resumedFrom: ResumedTicket | undefined;
  /** Why the last ticket was declined, if any was. */
  readonly declined: TicketDecline | undefined;
}

/** The ticket that a connection was resumed from. */
export interface ResumedTicket {
  /** Server: 32 hexadecimal digits, as of its handle when it was issued. */
  readonly id: string | undefined;
  /** Milliseconds from its issuing, or for clients from its arrival, to its use. */
  readonly ageMs: number;
  /** Server: when it was issued; client: when it arrived. Milliseconds since the epoch. */
  readonly issuedAt: number;
  /** When the peer was last authenticated by a full handshake, milliseconds since the epoch. */
  readonly authenticatedAt: number;
}

/** What {@link TLSSocket.newSessionTicket} can say about the tickets it asks for. */
export interface NewSessionTicketOptions {
  /** Default 1. */
  readonly count?: number;
  /** Seconds, 1 to 604,800. Default: the server's. */
  readonly lifetime?: number;
  /** Bytes of early data that it allows; `true`: as many as the server allows, `false`: none. Default: as the server has it. */
  readonly earlyData?: number | boolean;
  /** Default: those of the connection. */
  readonly appData?: Uint8Array;
}

/** Who made the socket and wants to know first. One object for many sockets where possible. */
export interface SocketOwner {
  onSecure?(socket: TLSSocket): void;
  /** The handshake is done, or will never be. */
  onHandshakeOver?(socket: TLSSocket): void;
  /** The handshake is done, and this is how. */
  onResumption?(resumed: boolean): void;
  /** The connection failed before it was secure. Returns the error to destroy the socket with, or `undefined` when it was reported. */
  onFailure?(socket: TLSSocket, error: Error): Error | undefined;
  /** A client's ticket arrived; true when the owner keeps it. */
  onTicket?(socket: TLSSocket, ticket: ClientTicket): boolean;
  onTicketIssued?(socket: TLSSocket, ticket: IssuedTicket): void;
  onTicketDeclined?(socket: TLSSocket, ticket: DeclinedTicket): void;
  onEarlyData?(socket: TLSSocket, bytes: Buffer): void;
  onEarlyDataStatus?(socket: TLSSocket, outcome: EarlyDataOutcome): void;
}

/** As in node:tls, for a stream of any kind that TLS is to be spoken over: STARTTLS, tunnels, tests. */
export interface TLSSocketOptions extends ClientOptions, Omit<ServerSocketOptions, keyof ClientOptions> {
  /** Default false. */
  readonly isServer?: boolean | undefined;
  readonly secureContext?: SecureContext | undefined;
  /** `false` (default): when the peer ends, this side ends too. */
  readonly allowHalfOpen?: boolean | undefined;
  /** Bytes to buffer in each direction before the other side is slowed down. Default: Node's. */
  readonly highWaterMark?: number | undefined;
  /** Milliseconds until a handshake that is not done fails. Default 0: never. */
  readonly handshakeTimeout?: number | undefined;
  /** Write to stderr what goes to and fro, for people. */
  readonly enableTrace?: boolean | undefined;
  /** Paused until the program resumes it. */
  readonly pauseOnConnect?: boolean | undefined;
  /** Destroys the socket when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** Of sockets that have their protocol made for them. */
export interface EngineSocketOptions
  extends Pick<TLSSocketOptions, 'allowHalfOpen' | 'highWaterMark' | 'handshakeTimeout' | 'enableTrace' | 'signal'> {
  /** The protocol, or a function that makes it on the next tick, when the program had the chance to add its listeners. */
  readonly engine: TlsEngine | ((socket: TLSSocket) => TlsEngine);
  /** With an `engine` that is a function: when to call it, instead of on the next tick. A rejection ends the socket. */
  readonly ready?: Promise<void> | undefined;
  readonly owner?: SocketOwner | undefined;
  /** Server: `event` (default): as `earlyData` events; `stream`: as what is read first, before the client is known to be there. */
  readonly deliverEarlyData?: 'event' | 'stream' | undefined;
  /** Server: looks at what the client says first, and gives what is for the engine. It may take the transport, see {@link TLSSocket.handOver}. */
  readonly gate?: Gate | undefined;
  /** Client: how to begin anew when the handshake has failed with this error, if at all. */
  readonly again?: ((error: TlsAlertError | TlsPeerAlertError) => SecondAttempt | undefined) | undefined;
}

interface Gate {
  pass(socket: TLSSocket, bytes: Uint8Array): Uint8Array | undefined;
}

/** Of a client: what is there to be changed until its handshake begins. */
interface ClientSide extends SocketOwner {
  readonly earlySender: EarlySender | undefined;
  readonly announces: boolean;
  readonly opened: boolean;
  readonly asksForOcsp: boolean;
  readonly resumedFrom: ClientTicket | undefined;
  readonly startedAt: number;
  servername: string | undefined;
  session: Uint8Array | string | undefined;
  readonly context: SecureContext;
  shown: SecureContext | undefined;
  scope(): string;
  engine(socket: TLSSocket): TlsEngine;
}

type WriteCallback = (error?: Error | null) => void;
/** Chunks of this mean length fill records by themselves, and copying them together would only cost time. */
const LARGE_CHUNK_LENGTH = 8_192;
/** How long an alert may take to leave. */
const ALERT_PATIENCE_MS = 1_000;
/** In bytes. Pieces of data below this wait together, where they have to wait. */
const SMALL_PIECE_LENGTH = 512;
/** Tickets that wait on the socket for {@link TLSSocket.takeSession}; older ones make room for newer ones. */
const KEPT_TICKETS = 16;

/**
 * A TLS 1.3 connection as a Node stream, over a `net.Socket` or any other Duplex, which it then owns.
 *
 * Events beside those of a Duplex: `secure`; `secureConnect` and `session` (a Buffer, once per ticket) on clients; `ticketIssued`
 * ({@link IssuedTicket}), `ticketDeclined` ({@link DeclinedTicket}) and `clientCertificate` (an X509Certificate or `undefined`, the answer to
 * {@link TLSSocket.requestClientCertificate}) on servers; `keyUpdate` (`'read' | 'write'`), `keylog`, `timeout`; where early data was
 * offered `earlyDataStatus` ({@link EarlyDataOutcome}), on servers at once, and `earlyData` (Buffer, in order), on clients before `secure`.
 */
export class TLSSocket extends TransportSocket {
  /** Also of the sockets that a server of ours serves old clients on. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore-start lint/complexity/noThisInStatic: a subclass comes here too
    return Function.prototype[Symbol.hasInstance].call(this, value) || (this === TLSSocket && isAdopted(value));
    // biome-ignore-end lint/complexity/noThisInStatic: a subclass comes here too
  }

  /** As in node:tls: the server that it was given, if any. */
  declare server?: object;
  #transport: Transport;
  readonly #owner: SocketOwner | undefined;
  readonly #client: ClientSide | undefined;
  /** Makes the engine; gone once it has. */
  #make: ((socket: TLSSocket) => TlsEngine) | undefined;
  #engine: TlsEngine | undefined;
  #info: ConnectionInfo | undefined;
  /** Whether `secure` is still to come. `#info` may be there before it: of a server that reads early data as a stream. */
  #handshaking = true;
  #earlySender: EarlySender | undefined;
  readonly #streamsEarlyData: boolean;
  #gate: Gate | undefined;
  #again: EngineSocketOptions['again'];
  #handedOver = false;
  #earlyRequest: EarlyDataRequest | undefined;
  /** Written before there could be any writing. */
  #held: readonly Uint8Array[] | undefined;
  /** Of the write in progress, to be called when the transport took the bytes. */
  #written: WriteCallback | undefined;
  /** Of the last write, in bytes. */
  #writing = 0;
  #bytesRead = 0;
  #bytesWritten = 0;
  /** Of an `end` that came before the handshake was done, or before tickets were sealed. */
  #final: WriteCallback | undefined;
  /** Of a request for the client's certificate, until there is an answer. */
  #asked:
    | { readonly resolve: (certificate: X509Certificate | undefined) => void; readonly reject: WriteCallback }
    | undefined;
  #timer: NodeJS.Timeout | undefined;
  #tickets: ClientTicket[] | undefined;
  #issued = 0;
  #ticketsReceived = 0;
  #declined: TicketDecline | undefined;
  /** What there is to say was said, perhaps by the server. */
  #failed = false;
  /** Of a peer that was refused. */
  #authorizationError: string | undefined;
  #resumedFrom: ResumedTicket | undefined;
  #maxSendFragment: number | undefined;
  #traces: boolean;
  #progressing = false;
  /** Taken from the engine, and still to be reported. */
  #ahead: TlsEvent | undefined;
  /** Bytes that are being looked at. */
  #received: Uint8Array | undefined;
  #paused = false;
  #alertSent = false;
  #truncated = false;
  /** The transport ended while the engine waited for an answer. */
  #endedEarly = false;
  /**
   * `transport`: any Duplex, or a `{ readable, writable }` pair of web streams, which must not be read or written by anybody else from now on.
   * Without one, {@link TLSSocket.connect} makes it. The handshake begins on the next tick, or when the transport is connected.
   *
   * As in node:tls, except that a client ends the handshake when it does not trust the server unless `rejectUnauthorized` is `false`, as
   * {@link connect} does.
   */
  constructor(transport?: Duplex | undefined, options: TLSSocketOptions | EngineSocketOptions = {}) {
    const stream = transport === undefined ? new Socket({ allowHalfOpen: true }) : duplexOf(transport);
    const { allowHalfOpen = false, highWaterMark, handshakeTimeout } = options;
    super(stream, { allowHalfOpen, ...(highWaterMark !== undefined && { highWaterMark }) });
    this.#transport = this._transport;
    this.#traces = options.enableTrace === true;
    const { server } = options as TLSSocketOptions;
    if (server !== undefined) this.server = server;
    let { engine, owner, deliverEarlyData } = options as Partial<EngineSocketOptions>;
    if (engine === undefined) {
      if ((options as TLSSocketOptions).isServer) {
        engine = serverEngine(options as ServerSocketOptions);
      } else {
        owner = new ClientOwner(options as TLSSocketOptions, transport && stream, false);
        engine = (socket) => socket.#client!.engine(socket);
      }
    }
    this.#owner = owner;
    this.#client = owner instanceof ClientOwner ? owner : undefined;
    this.#streamsEarlyData = deliverEarlyData === 'stream';
    this.#gate = (options as EngineSocketOptions).gate;
    this.#again = (options as EngineSocketOptions).again;
    stream.allowHalfOpen = true; // close_notify decides which direction is over, not the FIN beneath it
    this.#transport.setNoDelay?.(true);
    stream.on('error', TLSSocket.#onTransportError).on('close', TLSSocket.#onTransportClose);
    if (handshakeTimeout) this.#timer = setTimeout(TLSSocket.#onHandshakeTimeout, handshakeTimeout, this);
    if (typeof engine !== 'function') {
      this.#start(engine);
    } else {
      this.#make = engine;
      stream.on('connect', TLSSocket.#onTransportConnect);
      if (this.#client?.opened) this.followConnecting();
      const { ready } = options as EngineSocketOptions;
      if (ready === undefined) process.nextTick(TLSSocket.#startLater, this);
      else this.#startWhen(ready);
    }
    if ((options as TLSSocketOptions).pauseOnConnect) this.pause();
    if (options.signal !== undefined) addAbortSignal(options.signal, this);
  }

  // The transport's listeners are shared by all sockets: an idle connection has no closures of its own.
  static readonly #onTransportData = function (this: Transport, bytes: Uint8Array): void {
    (ownerOf(this) as TLSSocket).#receive(bytes);
  };
  static readonly #onTransportEnd = function (this: Transport): void {
    (ownerOf(this) as TLSSocket).#transportEnded();
  };
  static readonly #onTransportError = function (this: Transport, error: Error): void {
    (ownerOf(this) as TLSSocket).#transportFailed(error);
  };
  static readonly #onTransportClose = function (this: Transport): void {
    const socket = ownerOf(this) as TLSSocket;
    if (socket.#handshaking) socket.#fail(socket.#disconnected());
    else if (!this.readableEnded) socket.destroy(); // after an end, what has not been read yet still can be
    socket.#letGo();
  };
  static readonly #onTransportConnect = function (this: Transport): void {
    const socket = ownerOf(this) as TLSSocket;
    socket.emit('connect');
    TLSSocket.#startLater(socket);
  };
  static readonly #onHandshakeTimeout = (socket: TLSSocket): void => {
    socket.#fail(codedError('ERR_TLS_HANDSHAKE_TIMEOUT', 'TLS handshake timeout'));
  };
  static readonly #startLater = (socket: TLSSocket): void => {
    const make = socket.#make;
    const transport = socket.#transport;
    if (socket.destroyed || make === undefined) return;
    if (transport.destroyed) {
      socket.destroy(transport.errored ?? undefined);
      return;
    }
    // A net.Socket that nobody has told yet where to go.
    if (transport.pending === true && !transport.connecting) return;
    socket.#make = undefined;
    try {
      socket.#start(make(socket));
    } catch (error) {
      socket.destroy(errorOf(error));
    }
  };

  /** Nothing else begins the handshake before. */
  #startWhen(ready: Promise<void>): void {
    const make = this.#make;
    this.#make = undefined;
    ready.then(
      () => {
        if (this.destroyed) return;
        this.#make = make;
        TLSSocket.#startLater(this);
      },
      (reason: unknown) => this.#fail(reason instanceof Error ? reason : new Error(`beforeTls: ${String(reason)}`)),
    );
  }

  #start(engine: TlsEngine): void {
    this.#engine = engine;
    this.#earlySender = this.#client?.earlySender;
    engine.onProgress = () => TLSSocket.#onProgress(this);
    if (this.#maxSendFragment !== undefined) engine.maxSendFragment = this.#maxSendFragment;
    if (this.#traces) trace(engine);
    if (this.#transport.isPaused()) this.#transport.resume();
    this.#transport.on('data', TLSSocket.#onTransportData).on('end', TLSSocket.#onTransportEnd);
    this.#progress();
    // It will not say so again: it ended while there was something to be said in the clear.
    if (this.#transport.readableEnded) this.#transportEnded();
  }

  #receive(bytes: Uint8Array): void {
    if (this.destroyed) return;
    if (this.#gate === undefined) this.#receiveNow(bytes);
    else {
      const passed = this.#gate.pass(this, bytes);
      if (passed === undefined) return;
      this.#gate = undefined;
      this.#receiveNow(passed);
    }
  }

  #receiveNow(bytes: Uint8Array): void {
    const engine = this.#engine!;
    // While the engine waits for an answer, say of a key in an HSM, the peer's bytes had better wait in the kernel.
    if (!engine.wantsInput && !engine.readClosed) this.#pause();
    this.#received = bytes;
    engine.receive(bytes);
    try {
      this.#progress();
    } finally {
      this.#received = undefined;
    }
  }

  /** Called by a promise of the engine, which is not where the program looks for what its listeners throw. */
  static readonly #onProgress = (socket: TLSSocket): void => {
    try {
      socket.#continue();
    } catch (error) {
      process.nextTick(rethrow, error);
    }
  };

  /** An answer that the engine waited for has arrived. */
  #continue(): void {
    this.#progress();
    const final = this.#final;
    if (final !== undefined && !this.#handshaking && !this.#engine!.closing) {
      this.#final = undefined;
      this._final(final);
    }
    if (this.#endedEarly) this.#transportEnded();
    else if (this.#engine!.wantsInput && this.readableLength < this.readableHighWaterMark) this._read();
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#transport.pause();
  }

  /**
   * Without close_notify the end of the transport may be an attack, so it is marked; but many peers close like this, and one that only
   * stopped sending can still read: as in node:tls it is no error.
   */
  #transportEnded(): void {
    if (this.destroyed || this.#truncated || this.#engine?.readClosed) return;
    if (this.#engine !== undefined && !this.#engine.wantsInput) {
      this.#endedEarly = true; // what came before counts, once the engine goes on
    } else if (!this.#handshaking) {
      this.#truncated = this.#ofNode === undefined; // node:tls does not tell
      this.#unanswered();
      this.#endReading();
    } else {
      this.#endedInHandshake();
    }
  }

  /** As in node:tls, at a client `end` comes first. */
  #endedInHandshake(): void {
    if (this.#client === undefined) {
      this.#fail(this.#disconnected());
    } else {
      this.prependOnceListener('end', TLSSocket.#onEarlyEnd);
      this.#endReading();
    }
  }

  /** As in node:tls: the error is on its way, and node:http need not report an end of its own. */
  declare _hadError?: boolean;

  static readonly #onEarlyEnd = function (this: TLSSocket): void {
    this._hadError = true;
    this.#fail(this.#disconnected());
  };

  /**
   * Reports what happened, then sends what there is in one write: what listeners wrote leaves together with the last flight of the handshake.
   * A listener that calls back into the socket only queues.
   */
  #progress(): void {
    if (this.#progressing || this.destroyed) return;
    const engine = this.#engine!;
    this.#progressing = true;
    try {
      this.#ofProgram(() => this.#earlySender?.offer(engine));
      if (this.destroyed) return;
      for (let event = this.#next(engine); event !== undefined; event = this.#next(engine)) {
        this.#handle(event);
        if (this.destroyed) return;
      }
    } finally {
      this.#progressing = false;
      if (!this.destroyed && this.#engine === engine) this.#flush();
    }
  }

  /**
   * What to report next. Small pieces of data that nobody reads yet wait as one: kept one by one, each would cost some hundred bytes, and a
   * peer that sends records of one byte would have us hold megabytes.
   */
  #next(engine: TlsEngine): TlsEvent | undefined {
    const first = this.#ahead ?? engine.next();
    this.#ahead = undefined;
    if (!isSmall(first) || this.readableLength === 0) return first;
    const pieces = [first.bytes];
    for (;;) {
      const next = engine.next();
      if (!isSmall(next)) {
        this.#ahead = next;
        return pieces.length === 1 ? first : { type: 'data', bytes: Buffer.concat(pieces) };
      }
      pieces.push(next.bytes);
    }
  }

  /**
   * A peer that is gone before it got tickets, or an alert, is no error of a write of the program, which did not write: as in node:tls, where
   * reading tells.
   */
  #transportFailed(error: NodeJS.ErrnoException): void {
    const unasked = error.syscall === 'write' && !this.#handshaking && this.writableLength === 0 && !this.writableEnded;
    if (unasked) this.destroy();
    else this.#fail(error);
  }

  /** As in net.Socket, `end` comes to whoever does not read too, when there is nothing to be read. */
  #endReading(): void {
    this.push(null);
    this.read(0);
  }

  /** What a function of the program gives; when it throws, that ends the connection. */
  #ofProgram<T>(call: () => T): T | undefined {
    try {
      return call();
    } catch (error) {
      this.destroy(errorOf(error));
      return undefined;
    }
  }

  #flush(): void {
    const written = this.#written;
    const bytes = this.#engine!.pull();
    if (bytes === undefined) {
      if (written === undefined || this.#held !== undefined) return;
      this.#written = undefined;
      written();
      return;
    }
    if (this.#held !== undefined || written === undefined) {
      this.#transport.write(bytes);
    } else {
      this.#written = undefined;
      this.#transport.write(bytes, written);
    }
    this.touch();
    this.#progress(); // tickets that were among the bytes are reported by `pull`
  }

  #handle(event: TlsEvent): void {
    publishEvent(event, this.#engine!);
    switch (event.type) {
      case 'data':
        this.touch();
        this.#bytesRead += event.bytes.length;
        if (!this.push(event.bytes)) this.#pause();
        break;
      case 'early_data':
        this.touch();
        this.#earlyDataReceived(event.bytes);
        break;
      case 'early_data_status':
        this.#earlyDataDecided(event);
        break;
      case 'secure':
        this.#secured(event.info);
        break;
      case 'ticket':
        this.#ticketReceived(event.ticket);
        break;
      case 'ticket_issued':
        this.#ticketIssued(event);
        break;
      case 'ticket_redeemed': {
        const { id, ageMs, issuedAt } = event;
        this.#resumedFrom = { id, ageMs, issuedAt, authenticatedAt: 0 };
        break;
      }
      case 'ticket_declined':
        this.#declined = event.reason;
        this.#owner?.onTicketDeclined?.(this, event);
        this.emit('ticketDeclined', event);
        break;
      case 'key_updated':
        this.emit('keyUpdate', event.direction);
        break;
      case 'alert':
        break; // a warning, such as user_canceled: close_notify follows
      case 'client_certificate':
        this.#clientAnswered();
        break;
      case 'end':
        this.#unanswered();
        this.#endReading();
        break;
      case 'error':
        this.#engineFailed(event.error);
    }
  }

  #secured(info: ConnectionInfo): void {
    this.#handshaking = false;
    this.#owner?.onHandshakeOver?.(this);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const begun = this.#info !== undefined; // with early data
    this.#info = info;
    this.#owner?.onResumption?.(info.resumed);
    if (this.#client?.asksForOcsp && this.#ofNode === undefined) {
      const { ocspResponse } = info;
      this.emit('OCSPResponse', ocspResponse === undefined ? null : Buffer.from(ocspResponse));
      if (this.destroyed) return;
    }
    if (!begun) this.#writeHeld();
    if (this.destroyed) return;
    const final = this.#final;
    this.#final = undefined;
    // As in node:tls, whose own listener of `secure` says `secureConnect`.
    if (this.#client !== undefined) this.#begin();
    if (!this.destroyed) this.emit('secure');
    if (!begun && this.#client === undefined) this.#begin();
    if (final !== undefined && !this.destroyed) this._final(final);
  }

  /** What is to be sent first of all, now that it can be. */
  #writeHeld(): void {
    const settled = this.#ofProgram(() => this.#earlySender?.settle(this.#info!.alpn));
    if (this.destroyed) return;
    if (settled?.bytes !== undefined) this.#protect([settled.bytes]);
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#protect(held);
    if (settled?.outcome !== undefined) this.emit('earlyDataStatus', settled.outcome);
  }

  /** The program reads and writes from here on. */
  #begin(): void {
    this.#owner?.onSecure?.(this);
    if (this.#client?.announces) this.emit('secureConnect');
  }

  #earlyDataDecided({ accepted, reason, request }: Extract<TlsEvent, { type: 'early_data_status' }>): void {
    if (this.#engine!.role === 'client') {
      if (reason !== undefined) this.#earlySender?.declined(reason);
      return;
    }
    this.#earlyRequest = request;
    const outcome: EarlyDataOutcome = { accepted, reason, resent: false, request };
    this.#owner?.onEarlyDataStatus?.(this, outcome);
    this.emit('earlyDataStatus', outcome);
  }

  #earlyDataReceived(bytes: Uint8Array): void {
    if (!this.#streamsEarlyData) {
      const early = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      this.#owner?.onEarlyData?.(this, early);
      this.emit('earlyData', early);
      return;
    }
    if (this.#info === undefined) {
      this.#info = earlyInfo(this.#earlyRequest!, this.#engine!);
      this.#writeHeld();
      this.#begin();
    }
    if (!this.destroyed && !this.push(bytes)) this.#pause();
  }

  #ticketReceived(ticket: ClientTicket): void {
    this.#ticketsReceived++;
    if (!this.#owner?.onTicket?.(this, ticket)) {
      this.#tickets ??= [];
      this.#tickets.push(ticket);
      if (this.#tickets.length > KEPT_TICKETS) this.#tickets.shift();
    }
    if (this.listenerCount('session') > 0) this.emit('session', this.#sessionOf(ticket));
  }

  #sessionOf(ticket: ClientTicket): Buffer {
    return encodeSession(ticket, this.#client!.scope());
  }

  #ticketIssued(event: Extract<TlsEvent, { type: 'ticket_issued' }>): void {
    this.#issued++;
    if (this.#owner?.onTicketIssued === undefined && this.listenerCount('ticketIssued') === 0) return;
    const { index, nonce, requested } = event;
    const { lifetimeSeconds } = event.state;
    const issued: IssuedTicket = { index, lifetimeSeconds, nonce, length: event.ticket.length, requested };
    this.#owner?.onTicketIssued?.(this, issued);
    this.emit('ticketIssued', issued);
  }

  #clientAnswered(): void {
    this.#info = this.#engine!.info;
    const certificate = this.getPeerX509Certificate();
    this.#asked?.resolve(certificate);
    this.#asked = undefined;
    this.emit('clientCertificate', certificate);
  }

  /** The client will not answer any more. */
  #unanswered(error?: Error): void {
    // Making an error costs more than most of what happens at the end of a connection.
    if (this.#asked === undefined) return;
    this.#asked.reject(error ?? codedError('ECONNRESET', 'the client ended without showing a certificate'));
    this.#asked = undefined;
  }

  #engineFailed(error: TlsAlertError | TlsPeerAlertError): void {
    if (error instanceof ProgramFailure) {
      this.#fail(error.given);
      return;
    }
    if (error.alert === 'close_notify') {
      this.#endedInHandshake();
      return;
    }
    const attempt = this.#handshaking ? this.#again?.(error) : undefined;
    if (attempt !== undefined) {
      this.#beginAnew(attempt);
      return;
    }
    if (error instanceof TlsAlertError) this.#authorizationError = error.verdict;
    const alert = this.#engine!.pull();
    if (alert !== undefined && this.#transport.writable) {
      this.#transport.write(alert);
      this.#alertSent = true;
    }
    this.#fail(toNodeError(error, this.#phase, this.#received));
  }

  /** The server does not speak TLS 1.3: node:tls takes over, on another transport, and becomes the transport once it is secure. */
  #beginAnew({ transport, ready, secure }: SecondAttempt): void {
    const before = this.#transport;
    const alert = this.#engine!.pull();
    this.#again = undefined;
    this.#engine = undefined;
    if (this.#earlySender?.sent) this.#earlySender.declined('declined_by_server');
    this.#moveTo(transport);
    before.on('error', ignore).end(alert, () => before.destroy());
    const begin = (): void => {
      if (this.destroyed) return;
      const secured = secure(this);
      let staple: Buffer | undefined;
      secured.on('OCSPResponse', (response: Buffer | null) => {
        staple = response ?? undefined;
        this.emit('OCSPResponse', response);
      });
      secured.on('secureConnect', () => {
        if (!this.destroyed) this.#start(new PlainEngine(secured, this.#client!.context.credentials, staple));
      });
      this.#moveTo(secured);
    };
    if (ready === undefined) begin();
    else ready.then(begin).catch((error: Error) => this.#fail(error));
  }

  #moveTo(transport: Duplex): void {
    const before = this.#transport;
    this.release();
    before.off('data', TLSSocket.#onTransportData).off('end', TLSSocket.#onTransportEnd);
    before.off('connect', TLSSocket.#onTransportConnect);
    this.#letGo();
    this.useTransport(transport);
    this.#transport = this._transport;
    transport.on('error', TLSSocket.#onTransportError).on('close', TLSSocket.#onTransportClose);
  }

  /** Of a connection that node:tls has. */
  get #ofNode(): PlainEngine['socket'] | undefined {
    return this.#engine instanceof PlainEngine ? this.#engine.socket : undefined;
  }

  get #phase(): Phase {
    return this.#handshaking ? 'handshake' : 'open';
  }

  #fail(error: Error): void {
    if (this.destroyed) return;
    this.#failed = true;
    const { onFailure } = this.#owner ?? {};
    const secure = this.#info !== undefined;
    const report = secure || onFailure === undefined ? error : onFailure.call(this.#owner, this, error);
    if (!this.destroyed) this.destroy(report);
  }

  #disconnected(): TlsError {
    const message =
      this.#engine?.role === 'server'
        ? 'socket hang up'
        : 'Client network socket disconnected before secure TLS connection was established';
    return Object.assign(codedError('ECONNRESET', message), { phase: this.#phase });
  }

  /** Gives plaintext to the engine, small pieces together so that they share records. */
  #protect(chunks: readonly Uint8Array[]): void {
    const engine = this.#engine!;
    let length = 0;
    for (const chunk of chunks) length += chunk.length;
    this.#bytesWritten += length;
    this.#writing = length;
    if (chunks.length > 1 && length < chunks.length * LARGE_CHUNK_LENGTH) engine.write(Buffer.concat(chunks, length));
    else for (const chunk of chunks) engine.write(chunk);
  }

  #writeChunks(chunks: readonly Uint8Array[], callback: WriteCallback): void {
    if (this.#info === undefined) {
      this.#held = chunks;
      this.#written = callback;
      TLSSocket.#startLater(this);
      return;
    }
    if (this.#engine!.writeClosed) {
      callback(codedError('EPIPE', 'write after the connection ended'));
      return;
    }
    this.#protect(chunks);
    this.#written = callback;
    this.#progress();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: WriteCallback): void {
    this.#writeChunks([chunk], callback);
  }

  override _writev(chunks: { readonly chunk: Uint8Array }[], callback: WriteCallback): void {
    this.#writeChunks(
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  /** close_notify, then the end of the transport's writable side. Reading goes on. */
  override _final(callback: WriteCallback): void {
    // Not sooner than the Finished of the client: its tickets come before the end, and what it still sends must find us here.
    if (this.#handshaking) {
      this.#final = callback;
      return;
    }
    this.#engine!.close();
    // Called from a listener, progress is being made already; but close_notify must leave before the end.
    if (this.#progressing) this.#flush();
    else this.#progress();
    if (this.#engine!.closing) {
      this.#final = callback; // behind tickets that are being sealed
      return;
    }
    if (this.#transport.writable) this.#transport.end(callback);
    else callback();
  }

  override _read(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#transport.resume();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    if (this.#handshaking) this.#owner?.onHandshakeOver?.(this);
    clearTimeout(this.#timer);
    if (this.#engine !== undefined) {
      this.#engine.onProgress = undefined;
      this.#engine.abort('internal_error'); // wipes the secrets; its alert is not sent, as the program asked for silence
    }
    const transport = this.#transport;
    this.#make = undefined;
    this.release();
    transport
      .off('data', TLSSocket.#onTransportData)
      .off('end', TLSSocket.#onTransportEnd)
      .off('connect', TLSSocket.#onTransportConnect);
    if (this.#handedOver) this.#letGo();
    else if (this.#alertSent && !transport.writableNeedDrain) TLSSocket.#endSoon(transport);
    else transport.destroy();
    const waiting = this.#written ?? this.#final;
    this.#written = undefined;
    this.#final = undefined;
    this.#unanswered(error ?? undefined);
    waiting?.(error ?? codedError('ERR_STREAM_DESTROYED', 'Cannot call write after a stream was destroyed'));
    callback(error);
    process.nextTick(TLSSocket.#emitClose, this, this.#failed || error !== null); // after `error`, and saying whether there was one, as net.Socket does
  }

  /** Ends the transport behind the alert. A peer that does not read would keep the alert, and with it the transport, waiting for ever. */
  static readonly #endSoon = (transport: Transport): void => {
    const timer = setTimeout(() => transport.destroy(), ALERT_PATIENCE_MS).unref();
    transport.end(() => {
      clearTimeout(timer);
      transport.destroy();
    });
  };

  /** Not for programs: gives the transport, as it was and paused, to somebody else. Nothing but `close` comes from this socket any more. */
  handOver(): Duplex {
    const transport = this.#transport;
    this.#handedOver = true;
    transport.allowHalfOpen = this.allowHalfOpen;
    transport.pause();
    this.destroy();
    return transport;
  }

  /** Nothing of ours stays on a stream of the program. Until it is closed, an error of its own must find somebody. */
  #letGo(): void {
    this.#transport.off('error', TLSSocket.#onTransportError).off('close', TLSSocket.#onTransportClose);
  }

  static readonly #emitClose = (socket: TLSSocket, hadError: boolean): void => {
    socket.emit('close', hadError);
  };

  /** Always true: the way to tell this from a `net.Socket`. */
  get encrypted(): true {
    return true;
  }

  /** Whether the peer proved an identity that the verifier trusts, in this handshake or in the one that its ticket came from. */
  get authorized(): boolean {
    return this.#info?.peer.authorized ?? false;
  }

  /**
   * Why not, as Node's code string; `null` when there is nothing to say. `@types/node` says `Error`, which it never is, there or here: the type
   * suits both.
   */
  get authorizationError(): string & Error {
    return (this.#info?.peer.authorizationError ?? this.#authorizationError ?? this.#nothingShown) as string & Error;
  }

  /** What node:tls says of a client that was asked for a certificate and has none. */
  get #nothingShown(): string | null {
    const { requestCert } = (this.server ?? {}) as { readonly requestCert?: unknown };
    const asked = requestCert === true && this.#info?.role === 'server' && !this.#info.peer.authorized;
    return asked && this.#info!.peer.chain.length === 0 ? 'UNABLE_TO_GET_ISSUER_CERT' : null;
  }

  /** The negotiated protocol; `false` when none was, `null` before the handshake. */
  get alpnProtocol(): string | false | null {
    return this.#info === undefined ? null : (this.#info.alpn ?? false);
  }

  /** The server name the client sent; `false` when it sent none, `null` before the handshake. */
  get servername(): string | false | null {
    if (this.#info === undefined) return null;
    if (this.#client !== undefined) return this.#client.servername || false;
    const { serverName } = this.#info;
    return serverName === undefined || isIP(serverName) !== 0 ? false : serverName;
  }

  /** `TLSv1.3`, also before the handshake; what was agreed on with an old server, after `connect` with `legacy`; `null` once destroyed. */
  getProtocol(): string | null {
    return this.destroyed ? null : (this.#ofNode?.getProtocol() ?? 'TLSv1.3');
  }

  /** `{ name, standardName, version }` of the cipher suite; `undefined` before the handshake, `null` once destroyed. */
  getCipher(): CipherNameAndProtocol;
  getCipher(): CipherNameAndProtocol | null | undefined {
    if (this.destroyed) return null;
    if (this.#ofNode !== undefined) return this.#ofNode.getCipher();
    const name = this.#info?.cipherSuiteName;
    return name === undefined ? undefined : { name, standardName: name, version: 'TLSv1.3' };
  }

  /**
   * Client: `{ type: 'ECDH', name, size }` of the key exchange, or `{ type: 'TLSGroup', name }` of one that is no curve; empty before the
   * handshake and with a PSK alone. Server, and once destroyed: `null`.
   */
  getEphemeralKeyInfo(): EphemeralKeyInfo | null {
    if (this.destroyed || this.#engine?.role === 'server') return null;
    if (this.#ofNode !== undefined) return this.#ofNode.getEphemeralKeyInfo() as EphemeralKeyInfo;
    return ephemeralKeyInfo(this.#info?.group);
  }

  /** `ECDSA+SHA256`, …: signature algorithms that both sides take. Empty where nobody was asked for a signature. `null` once destroyed. */
  getSharedSigalgs(): string[];
  getSharedSigalgs(): string[] | null {
    if (this.destroyed) return null;
    return this.#ofNode?.getSharedSigalgs() ?? (this.#info?.sharedSignatureSchemes ?? []).map(sigalgName);
  }

  /** The verify_data of the Finished that this side sent; `undefined` before the handshake, `null` once destroyed. */
  getFinished(): NodeBuffer | undefined;
  getFinished(): Buffer | null | undefined {
    return this.#proof('finished');
  }

  /** The verify_data of the Finished of the peer; `undefined` before the handshake, `null` once destroyed. */
  getPeerFinished(): NodeBuffer | undefined;
  getPeerFinished(): Buffer | null | undefined {
    return this.#proof('peerFinished');
  }

  #proof(which: 'finished' | 'peerFinished'): Buffer | null | undefined {
    if (this.destroyed) return null;
    const bytes = this.#info?.[which];
    return bytes === undefined || bytes.length === 0 ? undefined : Buffer.from(bytes);
  }

  /**
   * The peer's certificate as `X509Certificate.toLegacyObject()` gives it, also after a resumption; with `detailed` also `issuerCertificate`,
   * and so on to the root. `{}` when it showed none or before the handshake, `null` once destroyed.
   */
  getPeerCertificate(detailed: true): DetailedPeerCertificate;
  getPeerCertificate(detailed?: false): PeerCertificate;
  getPeerCertificate(detailed?: boolean): PeerCertificate | DetailedPeerCertificate;
  getPeerCertificate(detailed: boolean = false): LegacyCertificate | null {
    if (this.destroyed) return null;
    const chain = this.#info?.peer.chain ?? [];
    if (chain.length === 0) return {} as LegacyCertificate;
    if (!detailed) return legacyCertificate(chain[0]!);
    return legacyChain(chain, () => this.#context?.authorities ?? []);
  }

  /** Of a server's socket, the one that the server began with. */
  get #context(): SecureContext | undefined {
    if (this.#client !== undefined) return this.#client.context;
    const { _sharedCreds } = (this.server ?? {}) as { readonly _sharedCreds?: SecureContext };
    return _sharedCreds;
  }

  /** The certificate of this side, as {@link TLSSocket.getPeerCertificate} gives that of the peer. */
  getCertificate(): LegacyCertificate;
  getCertificate(): LegacyCertificate | null {
    if (this.destroyed) return null;
    const own = this.#ownCertificate;
    return own === undefined ? ({} as LegacyCertificate) : legacyCertificate(own);
  }

  /** The certificate of this side; `undefined` when there is none, or once destroyed. */
  getX509Certificate(): X509Certificate | undefined {
    const own = this.destroyed ? undefined : this.#ownCertificate;
    return own === undefined ? undefined : new X509Certificate(own);
  }

  get #ownCertificate(): Uint8Array | undefined {
    const credentials = this.#engine?.credentials ?? [];
    const { role, signatureScheme } = this.#info ?? {};
    const shown =
      role === 'server' && signatureScheme !== undefined
        ? credentials.find(({ signer }) => signer.schemes.includes(signatureScheme))
        : undefined;
    return (shown ?? credentials[0])?.chain[0];
  }

  /** The peer's certificate, also after a resumption; `undefined` when it showed none, and once destroyed. */
  getPeerX509Certificate(): X509Certificate | undefined {
    if (this.destroyed) return undefined;
    const leaf = this.#info?.peer.chain[0];
    return leaf === undefined ? undefined : new X509Certificate(leaf);
  }

  /** Everything that is known of the connection; `undefined` before the handshake. */
  get connectionInfo(): ConnectionInfo | undefined {
    return this.#info;
  }

  isSessionReused(): boolean {
    return this.#info?.resumed ?? false;
  }

  /** Client: the newest ticket as an opaque, secret Buffer for the `session` option; it stays on the socket. `undefined` until one has arrived, `null` once destroyed. */
  getSession(): NodeBuffer | undefined;
  getSession(): Buffer | null | undefined {
    if (this.destroyed) return null;
    const ticket = this.#tickets?.at(-1);
    return ticket === undefined ? undefined : this.#sessionOf(ticket);
  }

  /** Client: the newest ticket, taken away, so that every call gives another one. With a `ticketCache` the tickets are there instead. */
  takeSession(): Buffer | undefined {
    const ticket = this.#tickets?.pop();
    return ticket === undefined ? undefined : this.#sessionOf(ticket);
  }

  /** Client: the newest ticket as it came over the wire; of no use to resume with. `null` once destroyed. */
  getTLSTicket(): NodeBuffer | undefined;
  getTLSTicket(): Buffer | null | undefined {
    if (this.destroyed) return null;
    const ticket = this.#tickets?.at(-1)?.ticket;
    return ticket === undefined ? undefined : Buffer.from(ticket);
  }

  /** Client: what `getSession` or a `session` event gave, to be offered. As the option `session`; later than the next tick it has no effect. */
  setSession(session: Uint8Array | string): void {
    checkSession(session);
    if (this.#client !== undefined) this.#client.session = session;
  }

  /** Client: the name to ask the server for and to find in its certificate. Throws `ERR_TLS_INVALID_STATE` later than the next tick. */
  setServername(name: string): void {
    if (typeof name !== 'string') throw wrongType('name', 'of type string', name);
    if (this.#client === undefined) {
      throw codedError('ERR_TLS_SNI_FROM_SERVER', 'Cannot issue SNI from a TLS server-side socket');
    }
    if (this.#engine !== undefined) {
      throw codedError('ERR_TLS_INVALID_STATE', 'the server name is sent already');
    }
    this.#client.servername = name;
  }

  /** The most bytes of one record that is sent, 512 to 16,384: true. Others: false. */
  setMaxSendFragment(size: number): boolean {
    if (typeof size !== 'number') throw wrongType('size', 'of type number', size);
    if (!Number.isInteger(size) || size < 512 || size > 16_384) return false;
    if (this.#engine === undefined) this.#maxSendFragment = size;
    else this.#engine.maxSendFragment = size;
    return true;
  }

  /**
   * The certificates and keys to show, in place of those of the context: a server's `SNICallback` or `ALPNCallback` may say so, or whoever has
   * the socket before its handshake. Later it has no effect. A context of node:tls, which the type allows so that this is a `tls.TLSSocket`, is refused.
   */
  setKeyCert(context: SecureContext | SecureContextOptions | NodeContext): void {
    if (this.destroyed) return;
    const chosen = contextFrom(context as SecureContext | SecureContextOptions);
    if (this.#engine === undefined) {
      if (this.#client !== undefined) this.#client.shown = chosen;
    } else if (this.#handshaking) {
      this.#engine.credentials = chosen.credentials;
    }
  }

  /** Writes to stderr what goes to and fro from now on, for people. Names and lengths, no secrets and no data. */
  enableTrace(): void {
    if (this.#traces) return;
    this.#traces = true;
    if (this.#engine !== undefined) trace(this.#engine);
  }

  get ticketInfo(): TicketInfo {
    return {
      issued: this.#issued,
      requested: this.#engine?.requestedTickets ?? 0,
      received: this.#ticketsReceived,
      resumed: this.isSessionReused(),
      resumedFrom: this.#ticketResumedFrom,
      declined: this.#declined,
    };
  }

  get #ticketResumedFrom(): ResumedTicket | undefined {
    const info = this.#info;
    if (!info?.resumed) return undefined;
    const { authenticatedAt } = info;
    const offered = this.#client?.resumedFrom;
    if (offered === undefined) return this.#resumedFrom && { ...this.#resumedFrom, authenticatedAt };
    const { receivedAt } = offered;
    return { id: undefined, ageMs: this.#client!.startedAt - receivedAt, issuedAt: receivedAt, authenticatedAt };
  }

  /** Server: how many tickets this connection gets. May be changed until they are generated. */
  get numTickets(): number {
    return this.#engine?.numTickets ?? 0;
  }

  set numTickets(count: number) {
    this.#connected('numTickets').numTickets = count;
  }

  /**
   * Server: asks for further tickets, so many (default 1) or such. They leave together, in front of the next write or with {@link flushTickets}.
   * False when the connection cannot have any: not a server, not yet secure, closed, or a client without use for tickets.
   */
  newSessionTicket(request: number | NewSessionTicketOptions = 1): boolean {
    if (this.#info === undefined || this.destroyed) return false;
    const engine = this.#engine!;
    if (typeof request === 'number') return engine.requestTickets(request);
    const { count = 1, lifetime, earlyData, appData } = request;
    if (lifetime === undefined && earlyData === undefined && appData === undefined) return engine.requestTickets(count);
    if (!Number.isInteger(count) || count < 0) throw outOfRange('count', 'an integer of 0 or more', count);
    if (engine.role !== 'server' || engine.writeClosed || this.#handshaking) return false;
    const spec: TicketSpec = {
      ...(lifetime !== undefined && { lifetimeSeconds: lifetime }),
      ...(earlyData !== undefined && earlyData !== true && { maxEarlyDataSize: earlyData === false ? 0 : earlyData }),
      ...(appData !== undefined && { appData }),
    };
    const handles = this.issueTickets(new Array<TicketSpec>(count).fill(spec));
    return handles.every(({ reason }) => reason === undefined);
  }

  /** Sends requested tickets now. */
  flushTickets(): void {
    if (this.destroyed || this.#engine === undefined) return;
    this.#engine.flush();
    this.#progress();
  }

  /**
   * Server: issues tickets of one's own making, each with its lifetime, data, early data, scope and moment. They leave in front of the next
   * write, or with {@link flushTickets}, unless they say something else. How many of them may be is asked of the policy (point
   * `application_request`), which also gives what they leave out; those that are too many are declined (`disabled`).
   * Throws {@link TlsUsageError} `tickets.client`, `connection.not_secure`, `connection.write_closed`, `tickets.bad_spec`,
   * `tickets.bad_count` for more than 1,024, and `socket.not_open`.
   */
  issueTickets(specs: readonly TicketSpec[]): readonly TicketHandle[] {
    const handles = this.#connected('issueTickets').issueTickets(specs);
    this.#progress();
    return handles;
  }

  /** Server: the tickets of this connection and what became of each, oldest first: all that are planned, and the last 1,024. */
  get tickets(): readonly TicketHandle[] {
    return this.#engine?.tickets ?? [];
  }

  /** Server: takes back all tickets that are requested or planned, and says how many. Those that are sealed leave. */
  cancelTickets(): number {
    return this.#engine?.cancelTickets() ?? 0;
  }

  /** In words, for people to read: why this connection gets how many tickets, and what became of each. */
  explainTickets(): string {
    return this.#engine?.explainTickets() ?? 'this connection has not begun';
  }

  /** Changes our traffic keys, and asks the peer to change its own when `requestPeer`. rfc9846#section-4.7.3 */
  updateKeys(requestPeer: boolean = false): void {
    this.#connected('updateKeys').updateKeys(requestPeer);
    this.#progress();
  }

  /**
   * Server: asks the client for a certificate, now or again; needs `requestCert`, `ca` or `verifyPeer`. Resolves with it when it was verified
   * as in the handshake, see {@link TLSSocket.authorized}, and with `undefined` when the client has none to show; `required` makes that an
   * error. Rejects when the connection ends before, and at once with a {@link TlsUsageError} when this client cannot be asked:
   * `post_handshake_auth.not_offered` and others. rfc9846#section-4.7.2
   */
  requestClientCertificate(options: { readonly required?: boolean } = {}): Promise<X509Certificate | undefined> {
    try {
      this.#connected('requestClientCertificate').requestClientCertificate(options);
    } catch (error) {
      return Promise.reject(error);
    }
    const answer = new Promise<X509Certificate | undefined>((resolve, reject) => {
      this.#asked = { resolve, reject };
    });
    answer.catch(() => {}); // a program that waits for the event hears of a failure by `error` or `close`
    this.#progress();
    return answer;
  }

  /**
   * `length` bytes of keying material for `label` and `context`. Throws `ERR_TLS_INVALID_STATE` before the handshake is done, and Node's errors
   * for arguments. rfc9846#section-7.5
   */
  exportKeyingMaterial(length: number, label: string, context?: NodeJS.ArrayBufferView): NodeBuffer;
  exportKeyingMaterial(length: unknown, label: unknown, context?: NodeJS.ArrayBufferView): Buffer {
    if (typeof length !== 'number') throw wrongType('length', 'of type number', length);
    if (!Number.isInteger(length) || length < 1 || length > 0xffff_ffff) {
      throw outOfRange('length', '>= 1 && <= 4294967295', length);
    }
    if (typeof label !== 'string') throw wrongType('label', 'of type string', label);
    if (context !== undefined && !ArrayBuffer.isView(context)) {
      throw wrongType('context', 'an instance of Buffer, TypedArray, or DataView', context);
    }
    if (this.#engine === undefined || this.destroyed || this.#handshaking) {
      throw codedError('ERR_TLS_INVALID_STATE', 'TLS socket connection must be securely established');
    }
    const bound = context && new Uint8Array(context.buffer, context.byteOffset, context.byteLength);
    const material = this.#engine.exportKeyingMaterial(length, label, bound);
    return Buffer.from(material.buffer, material.byteOffset, material.length);
  }

  #connected(what: string): TlsEngine {
    if (this.#engine !== undefined && !this.destroyed) return this.#engine;
    throw new TlsUsageError('socket.not_open', `${what} needs a connection that has begun and is not destroyed`);
  }

  /** Whether the transport ended without close_notify after the handshake: what was read may not be all that was sent. */
  get truncated(): boolean {
    return this.#truncated;
  }

  /** True until the handshake is done. While it is, what was read as a stream is early data, which may be a replay: answer with care. */
  get secureConnecting(): boolean {
    return this.#handshaking;
  }

  /**
   * Client: what became of the `earlyData` that was sent, `offered` until the server has answered. Server: whether early data came with the
   * ClientHello, and whether it counts. `none`: there was none.
   */
  get earlyDataState(): EarlyDataStatus {
    if (this.#engine === undefined || this.#earlySender?.sent === false) return 'none';
    return this.#engine.earlyData;
  }

  /** Bytes that were decrypted, as in node:tls. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Bytes that the program wrote, as in node:tls. */
  get bytesWritten(): number {
    return this.#bytesWritten + Math.max(0, this.writableLength - this.#writing);
  }

  /** The stream that TLS is spoken over, where the program brought it. */
  get _parent(): Duplex | undefined {
    return this.#client?.opened ? undefined : this.#transport;
  }

  /** Begins the handshake now instead of on the next tick, as in node:tls. */
  _start(): void {
    TLSSocket.#startLater(this);
  }

  /**
   * As `net.Socket.connect`, for a socket that was made without a transport. One whose transport is connected, or about to be, stays as it is,
   * and says `connect` once more: drivers that were given the socket call this.
   */
  connect(...args: unknown[]): this {
    const transport = this.#transport;
    if (transport instanceof Socket && transport.pending && !transport.connecting && !this.destroyed) {
      Reflect.apply(
        transport.connect,
        transport,
        args.filter((arg) => typeof arg !== 'function'),
      );
      process.nextTick(TLSSocket.#startLater, this);
    } else if (!this.connecting) {
      process.nextTick(TLSSocket.#sayConnected, this);
    }
    const listener = args.at(-1);
    if (typeof listener === 'function') this.once('connect', listener as () => void);
    return this;
  }

  static readonly #sayConnected = (socket: TLSSocket): void => {
    if (socket.destroyed) return;
    socket.emit('connect');
    socket.emit('ready');
  };

  /** TLS 1.3 has no renegotiation: false, and `callback` gets the error that node:tls gives. */
  renegotiate(options: object, callback?: (error: Error | null) => void): boolean | undefined {
    if (typeof options !== 'object' || options === null) throw wrongType('options', 'of type object', options);
    if (callback !== undefined && typeof callback !== 'function') {
      throw wrongType('callback', 'of type function', callback);
    }
    if (this.destroyed) return undefined;
    if (callback !== undefined) process.nextTick(callback, noRenegotiation());
    return false;
  }

  /** Does nothing: TLS 1.3 has no renegotiation. */
  disableRenegotiation(): void {}
}

function ignore(): void {}

function rethrow(error: unknown): never {
  throw error;
}

function isSmall(event: TlsEvent | undefined): event is Extract<TlsEvent, { type: 'data' }> {
  return event?.type === 'data' && event.bytes.length < SMALL_PIECE_LENGTH;
}

function noRenegotiation(): TlsError {
  return codedError('ERR_SSL_WRONG_SSL_VERSION', 'TLS 1.3 has no renegotiation: wrong ssl version');
}
