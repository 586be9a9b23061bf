import type { ConnectionInfo, TlsEngine, TlsEvent } from '../connection/index.ts';
import { AlertDescription, type AlertName, TlsAlertError } from '../errors/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { Inbox, PendingWrite } from './buffers.ts';
import { asksInHandshake, whyNoRequest } from './client-auth.ts';
import * as c from './constants.ts';
import { EarlyData, earlyDataIsOver } from './early-data-state.ts';
import { createEngine } from './engine.ts';
import { pushError } from './error-queue.ts';
import { Questions } from './questions.ts';
import { reasonOfAlert, reasonOfFault, SSL_REASON } from './reasons.ts';
import { SessionHolder } from './session-holder.ts';
import { SESSION_ID_LENGTH } from './session-tickets.ts';
import { Transport } from './transport.ts';
import { type TrustStore, type VerifyCallback, type VerifyTarget, verifyCode } from './verify.ts';

/** Application data given to one record at a time, so that a blocked transport stops a write early. */
const WRITE_STEP = 16_384;
/** What the engine takes at one time. */
const MOST_QUEUED_TICKETS = 1_024;

/** One connection: an engine between two BIOs. I/O methods return as the C functions do. */
export class Ssl extends SessionHolder implements VerifyTarget {
  references = 1;
  readonly transport: Transport = new Transport();
  readonly exData: Map<number, unknown> = new Map();
  /** The name that the client sends, or sent. */
  serverName: string | undefined;
  /** Client: the name its certificate must have. */
  verifyHost: string | undefined;

  /** What the last I/O call waits for. */
  want: number = c.SSL_NOTHING;
  /** Why the last I/O call failed, unless it only waits. */
  cause: 'ssl' | 'syscall' | undefined;
  keyUpdate: number = c.SSL_KEY_UPDATE_NONE;

  engine: TlsEngine | undefined;
  /** Inside callbacks, and while they are to be asked again. */
  questions: Questions = new Questions(this);
  #inbox = new Inbox();
  #early = new EarlyData();
  #inDoneCallback = false;
  #failed = false;
  /** The peer sent a fatal alert, or its bytes ended. */
  #endOfInput = false;
  /** Server: requests for a certificate. */
  #certificatesAsked = 0;
  #pendingWrite: PendingWrite | undefined;
  /** Tickets requested and not yet generated. */
  #requested = 0;
  /** While requested tickets are generated: how many are still to come. */
  #generating: number | undefined;
  /** Tickets or a KeyUpdate that the transport has not taken yet. */
  #flushing = false;
  /** The engine is at work, so this is inside one of its callbacks. */
  #busy = false;
  /** Callbacks of the program that have not returned. */
  #callbacks = 0;
  #thrown: { readonly error: unknown } | undefined;

  get trust(): TrustStore {
    return this.ctx.trust;
  }

  get verifyCallback(): VerifyCallback | null {
    const { verifyCallback } = this.settings;
    return verifyCallback && ((ok, context) => this.callBack(() => verifyCallback(ok, context)) ?? 0);
  }

  get info(): ConnectionInfo | undefined {
    return this.engine?.info;
  }

  get isServer(): boolean {
    return this.role === undefined ? this.ctx.method.role !== 'client' : this.role === 'server';
  }

  /** The handshake is not over, or tickets or a KeyUpdate wait to be sent. */
  get inInit(): boolean {
    if (!this.handshakeDone) return !this.#inDoneCallback;
    return this.#flushing || (this.#pendingWrite === undefined && this.#hasQueued);
  }

  get phase(): 'before' | 'during' | 'done' | 'failed' {
    if (this.#failed) return 'failed';
    return this.engine === undefined ? 'before' : this.info === undefined ? 'during' : 'done';
  }

  get #hasQueued(): boolean {
    return this.#requested > 0 || this.keyUpdate !== c.SSL_KEY_UPDATE_NONE;
  }

  /** Bytes that can be read without touching the transport. */
  get pending(): number {
    return this.#inbox.length;
  }

  get hasPending(): boolean {
    return !this.#inbox.empty || this.transport.midRecord;
  }

  // ---- tickets

  setNumTickets(count: number): void {
    this.settings.numTickets = count;
    this.#updateTicketCount();
  }

  /** The number as the engine is to see it now. */
  #updateTicketCount(): void {
    if (this.engine !== undefined && this.role === 'server') this.engine.numTickets = this.automaticTickets;
  }

  /** The program wants no tickets after this full handshake. */
  forbidResumption(): void {
    this.notResumable = true;
  }

  /** SSL_new_session_ticket: queues one ticket, if that is possible now. */
  requestTicket(): boolean {
    if (this.role !== 'server' || this.info === undefined || this.#failed) return false;
    if ((this.shutdown & c.SSL_SENT_SHUTDOWN) !== 0 || this.keyUpdate !== c.SSL_KEY_UPDATE_NONE) return false;
    if (!this.handshakeDone && !this.#inDoneCallback) return false;
    // Inside a new-session callback only while more are to come: a callback that always asks for one comes to an end.
    if (this.#generating === 0 || this.#requested >= MOST_QUEUED_TICKETS) return false;
    this.#requested++;
    return true;
  }

  // ---- I/O

  /** SSL_do_handshake: 1 when there is nothing left to do. */
  handshake(): number {
    if (this.#early.phase === 'writing') this.#early.phase = 'over';
    if (!this.#begin(SSL_REASON.CONNECTION_TYPE_NOT_SET)) return -1;
    return this.handshakeDone ? this.#sendQueued() : this.#runHandshake();
  }

  read(into: Uint8Array, peek: boolean): number {
    if (!this.#begin()) return this.#failed && !this.#inbox.empty ? this.#inbox.read(into, peek) : -1;
    if (this.#inbox.empty && (this.shutdown & c.SSL_RECEIVED_SHUTDOWN) !== 0) return 0;
    let blocked = false;
    if (this.inInit) {
      const done = this.handshake();
      // Tickets that the peer does not read yet must not keep us from reading what it says.
      blocked = done <= 0 && this.#flushing && this.want === c.SSL_WRITING;
      if (done <= 0 && !blocked) return done;
    }
    while (this.#inbox.empty) {
      if ((this.shutdown & c.SSL_RECEIVED_SHUTDOWN) !== 0) return 0;
      if (!this.#readRecord()) return this.#endOfInput ? 0 : -1;
      this.#sendAnswer();
      if (this.#inbox.empty && (this.settings.mode & c.SSL_MODE_AUTO_RETRY) === 0 && this.shutdown === 0) {
        this.want = c.SSL_READING;
        return -1;
      }
    }
    this.want = c.SSL_NOTHING;
    return this.#inbox.read(into, peek);
  }

  write(data: Uint8Array): number {
    if (!this.#begin()) return -1;
    if ((this.shutdown & c.SSL_SENT_SHUTDOWN) !== 0) return this.fail(SSL_REASON.PROTOCOL_IS_SHUTDOWN);
    const pending = this.#pendingWrite;
    const mayMove = (this.settings.mode & c.SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER) !== 0;
    const fault = pending?.faultOf(data, mayMove);
    if (fault) return this.fail(fault === 'too short' ? SSL_REASON.BAD_LENGTH : SSL_REASON.BAD_WRITE_RETRY);
    if (pending === undefined && this.inInit) {
      const done = this.handshake();
      if (done <= 0) return done;
    }
    let sealed = pending?.sealed ?? 0;
    for (;;) {
      const flushed = this.#flush();
      if (flushed === 'broken') return this.#syscall();
      if (flushed === 'blocked') {
        if (sealed > 0) this.#pendingWrite = new PendingWrite(data, sealed);
        return -1;
      }
      const partial = (this.settings.mode & c.SSL_MODE_ENABLE_PARTIAL_WRITE) !== 0 && sealed > 0;
      if (partial || sealed === data.length) break;
      const piece = data.subarray(sealed, sealed + WRITE_STEP);
      this.#call((engine) => engine.write(piece));
      sealed += piece.length;
    }
    this.#pendingWrite = undefined;
    return sealed;
  }

  /** SSL_shutdown: 1 both sides closed, 0 our side only. */
  close(): number {
    if (!this.#begin()) return -1;
    if (this.settings.quietShutdown !== 0) {
      this.shutdown = c.SSL_SENT_SHUTDOWN | c.SSL_RECEIVED_SHUTDOWN;
      return 1;
    }
    if (this.inInit) return this.fail(SSL_REASON.SHUTDOWN_WHILE_IN_INIT);
    const alreadySent = (this.shutdown & c.SSL_SENT_SHUTDOWN) !== 0;
    if (!alreadySent) {
      this.shutdown |= c.SSL_SENT_SHUTDOWN;
      this.#requested = 0;
      this.#call((engine) => engine.close());
    }
    const flushed = this.#flush();
    if (flushed === 'broken') return this.#syscall();
    if (flushed === 'blocked') return -1;
    while (alreadySent && (this.shutdown & c.SSL_RECEIVED_SHUTDOWN) === 0) {
      if (!this.#inbox.empty) return this.fail(SSL_REASON.APPLICATION_DATA_AFTER_CLOSE_NOTIFY);
      if (!this.#readRecord()) return -1;
    }
    return (this.shutdown & c.SSL_RECEIVED_SHUTDOWN) === 0 ? 0 : 1;
  }

  /** SSL_key_update: queues a KeyUpdate. */
  requestKeyUpdate(type: number): boolean {
    const refusal =
      this.info === undefined
        ? SSL_REASON.WRONG_SSL_VERSION
        : type !== c.SSL_KEY_UPDATE_REQUESTED && type !== c.SSL_KEY_UPDATE_NOT_REQUESTED
          ? SSL_REASON.INVALID_KEY_UPDATE_TYPE
          : this.#pendingWrite !== undefined
            ? SSL_REASON.BAD_WRITE_RETRY
            : this.inInit
              ? SSL_REASON.STILL_IN_INIT
              : (this.shutdown & c.SSL_SENT_SHUTDOWN) !== 0 || this.#failed
                ? SSL_REASON.PROTOCOL_IS_SHUTDOWN
                : undefined;
    if (refusal !== undefined) {
      this.fail(refusal);
      return false;
    }
    this.keyUpdate = type;
    return true;
  }

  /** SSL_verify_client_post_handshake: queues a request for the client's certificate. */
  requestCertificate(): boolean {
    const refusal = whyNoRequest(this, this.#certificatesAsked > 0);
    if (refusal !== undefined) {
      this.fail(refusal);
      return false;
    }
    const required = (this.settings.verifyMode & c.SSL_VERIFY_FAIL_IF_NO_PEER_CERT) !== 0;
    this.#certificatesAsked++;
    this.#flushing = true;
    this.#call((engine) => engine.requestClientCertificate({ required }));
    return true;
  }

  // ---- early data

  /** The handshake begins with SSL_write_early_data. */
  get writingEarlyData(): boolean {
    return this.#early.phase === 'writing';
  }

  get readingEarlyData(): boolean {
    return this.#early.reading;
  }

  /** SSL_write_early_data: whether all is written. */
  writeEarly(data: Uint8Array): boolean {
    const early = this.#early;
    if (this.isServer && this.info !== undefined && early.phase !== 'none') return this.write(data) >= 0;
    const refusal = early.whyNoWrite(this);
    if (refusal !== undefined) return this.#refuse(refusal);
    if (!this.isServer) early.phase = 'writing';
    this.role ??= 'client';
    if (!this.#begin()) return false;
    // The ClientHello, or what an earlier call left.
    let flushed = this.#flush();
    if (flushed === 'done' && !early.pending) {
      if (!this.isServer && data.length > this.engine!.earlyDataRoom)
        return this.#refuse(SSL_REASON.TOO_MUCH_EARLY_DATA);
      if (data.length > 0) this.#call((engine) => engine.write(data));
      early.pending = true;
      flushed = this.#flush();
    }
    if (flushed === 'done') early.pending = false;
    else if (flushed === 'broken') this.#syscall();
    return flushed === 'done';
  }

  /** SSL_read_early_data. */
  readEarly(into: Uint8Array): { ret: number; readbytes: number } {
    const early = this.#early;
    const error = { ret: c.SSL_READ_EARLY_DATA_ERROR, readbytes: 0 };
    if (!this.isServer || early.phase === 'over' || (early.phase === 'none' && this.engine !== undefined)) {
      this.fail(c.ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED);
      return error;
    }
    early.phase = 'reading';
    this.role ??= 'server';
    if (!this.#begin()) return error;
    for (;;) {
      const flushed = this.#flush();
      if (flushed === 'broken') this.#syscall();
      if (flushed !== 'done' || this.#failed || (this.shutdown & c.SSL_RECEIVED_SHUTDOWN) !== 0) return error;
      if (!early.inbox.empty) return { ret: c.SSL_READ_EARLY_DATA_SUCCESS, readbytes: early.inbox.read(into, false) };
      if (earlyDataIsOver(this.engine!)) {
        early.phase = 'over';
        return { ret: c.SSL_READ_EARLY_DATA_FINISH, readbytes: 0 };
      }
      early.reading = true;
      try {
        if (!this.#readRecord()) return error;
      } finally {
        early.reading = false;
      }
    }
  }

  /** Queues the reason and gives what a failing I/O call returns. */
  fail(reason: number): -1 {
    pushError(reason);
    this.cause = 'ssl';
    return -1;
  }

  /** Calls the program back. What it throws ends the C function that is running, once the engine is at rest. */
  callBack<T>(run: () => T): T | undefined {
    this.#callbacks++;
    try {
      return run();
    } catch (error) {
      this.#thrown ??= { error };
      return undefined;
    } finally {
      this.#callbacks--;
    }
  }

  /** SSL_clear: ready for another connection with the same settings. Not from inside a callback, whose connection goes on afterwards. */
  reset(): boolean {
    if (this.#callbacks > 0) return false;
    this.resetSession();
    if (this.role !== 'client') this.serverName = undefined;
    // An engine wipes its secrets when it ends; its alert goes nowhere.
    this.engine?.abort('internal_error');
    this.engine = undefined;
    this.questions = new Questions(this);
    this.transport.reset();
    this.#inbox = new Inbox();
    this.#early = new EarlyData();
    this.handshakeDone = this.#endOfInput = this.#failed = this.#flushing = false;
    this.#requested = this.#certificatesAsked = this.shutdown = 0;
    this.#pendingWrite = undefined;
    this.want = c.SSL_NOTHING;
    this.cause = undefined;
    this.keyUpdate = c.SSL_KEY_UPDATE_NONE;
    return true;
  }

  // ---- inside

  /** Whether I/O is possible: a role, BIOs, no failure. Makes the engine when the first call comes. */
  #begin(withoutRole: number = SSL_REASON.UNINITIALIZED): boolean {
    this.want = c.SSL_NOTHING;
    this.cause = this.#failed ? 'ssl' : undefined;
    if (this.#failed) return false;
    // From inside a callback of its own a connection does no I/O.
    if (this.#busy) return this.#syscall() > 0;
    if (this.role === undefined) return this.#refuse(withoutRole);
    if (this.transport.rbio === undefined || this.transport.wbio === undefined) {
      return this.#refuse(SSL_REASON.BIO_NOT_SET);
    }
    if (this.engine === undefined) {
      this.#tell(c.SSL_CB_HANDSHAKE_START, 1);
      this.ctx.statistics[this.role === 'server' ? 'accept' : 'connect']++;
      this.#busy = true;
      try {
        this.engine = createEngine(this, (event) => this.#onEvent(event));
      } finally {
        this.#busy = false;
      }
      if (this.role === 'server' && this.ctx.clientHello !== null) this.questions.watchForHello();
      this.#updateTicketCount();
      // What the program was asked on the way may have ended it.
      this.#call(() => {});
      if (this.#failed) this.transport.discard();
    }
    return !this.#failed;
  }

  #refuse(reason: number): false {
    this.fail(reason);
    return false;
  }

  #runHandshake(): number {
    if (!this.#early.inbox.empty) {
      // The program goes on without having read what it accepted.
      this.failLater(SSL_REASON.UNEXPECTED_RECORD);
      this.#call(() => {});
    }
    for (;;) {
      const flushed = this.#flush();
      if (this.#failed) return -1;
      if (flushed === 'blocked') return -1;
      if (this.info === undefined && (this.shutdown & c.SSL_RECEIVED_SHUTDOWN) !== 0) {
        this.want = c.SSL_NOTHING;
        return 0;
      }
      if (this.info !== undefined) {
        // A peer that is gone before it took its tickets may have left data to read.
        if (flushed === 'broken') this.transport.discard();
        this.handshakeDone = true;
        return 1;
      }
      if (flushed === 'broken') return this.#syscall();
      if (!this.#readRecord()) return -1;
    }
  }

  /** Sends a queued KeyUpdate or all tickets queued until now. */
  #sendQueued(): number {
    if (this.#pendingWrite !== undefined) return 1;
    let taken = false;
    for (;;) {
      const flushed = this.#flush();
      if (flushed === 'blocked' || this.#failed) return -1;
      if (flushed === 'broken') this.transport.discard();
      this.#flushing = false;
      if (taken || !this.#hasQueued) return 1;
      taken = true;
      this.#flushing = true;
      if (this.keyUpdate !== c.SSL_KEY_UPDATE_NONE) {
        const askPeer = this.keyUpdate === c.SSL_KEY_UPDATE_REQUESTED;
        this.keyUpdate = c.SSL_KEY_UPDATE_NONE;
        this.#call((engine) => engine.updateKeys(askPeer));
      } else {
        this.#generating = this.#requested;
        this.#requested = 0;
        try {
          this.#call((engine) => {
            engine.requestTickets(this.#generating);
            engine.flush();
          });
        } finally {
          this.#generating = undefined;
        }
      }
    }
  }

  /** What a record of after the handshake made us say leaves at once: our certificate, or tickets for that of the client. */
  #sendAnswer(): void {
    if (!this.handshakeDone || this.#pendingWrite !== undefined) return;
    const flushed = this.#flush();
    if (flushed === 'broken') this.transport.discard();
    this.#flushing ||= flushed === 'blocked';
  }

  #flush(): 'done' | 'blocked' | 'broken' {
    this.transport.send(this.engine?.pull());
    const flushed = this.transport.flush();
    if (flushed === 'blocked') this.want = c.SSL_WRITING;
    return flushed;
  }

  /** Reads one record. False when that is not possible; `want` and `cause` say why. */
  #readRecord(): boolean {
    if (this.#failed) return false;
    const engine = this.engine!;
    if (!this.#ask()) return false;
    if (!engine.wantsInput && !engine.readClosed) {
      this.want = c.SSL_ASYNC_PAUSED;
      return false;
    }
    const outcome = this.transport.readRecord((bytes) => {
      if (!this.questions.hold(bytes)) this.#call((one) => one.receive(bytes));
      return !this.#failed;
    });
    if (outcome === 'record' && !this.#ask()) return false;
    if (outcome === 'blocked') this.want = c.SSL_READING;
    if (outcome === 'broken') this.#syscall();
    if (outcome === 'end') {
      if (this.settings.has(c.SSL_OP_IGNORE_UNEXPECTED_EOF) && this.handshakeDone) {
        this.shutdown |= c.SSL_RECEIVED_SHUTDOWN;
        return true;
      }
      this.#call((one) => one.transportEnded());
    }
    if (this.#failed) this.#flush();
    return outcome === 'record' && !this.#failed;
  }

  /** Asks the program what is to be asked, and lets the engine have what waited for that. False when it is not possible to go on. */
  #ask(): boolean {
    this.#busy = true;
    const { want, input } = this.questions.ask();
    this.#busy = false;
    if (want !== undefined) this.want = want;
    if (this.fatalReason !== undefined) this.#call(() => {});
    else if (input !== undefined) {
      for (const bytes of input) this.#call((engine) => engine.receive(bytes));
      this.#flush();
      return this.#ask();
    }
    if (this.#failed) this.#flush();
    return want === undefined && !this.#failed;
  }

  /** Lets the engine do something, collects what it has to send, ends it if it must, and throws what a callback threw. */
  #call(run: (engine: TlsEngine) => void): void {
    const engine = this.engine!;
    this.#busy = true;
    try {
      run(engine);
    } finally {
      this.#busy = false;
    }
    if (this.fatalReason !== undefined && !this.#failed) {
      engine.abort('internal_error');
      this.#end(this.fatalReason);
      this.#tell(c.SSL_CB_WRITE_ALERT, 0x200 | AlertDescription.internal_error);
    }
    this.transport.send(engine.pull());
    while (engine.next() !== undefined) {} // onEvent has seen them all
    const thrown = this.#thrown;
    this.#thrown = undefined;
    if (thrown !== undefined) throw thrown.error;
  }

  #onEvent(event: TlsEvent): void {
    switch (event.type) {
      case 'data':
        this.#inbox.push(event.bytes);
        break;
      case 'early_data': {
        const refusal = this.#early.take(event.bytes, this.settings.recvMaxEarlyData);
        if (refusal !== undefined) this.failLater(refusal);
        break;
      }
      case 'secure':
        this.#onSecure(event.info);
        break;
      case 'ticket': {
        const { ticket } = event;
        this.ticketReceived({ ticket, id: nodeCrypto.kdf('sha256').hash(ticket.ticket) });
        break;
      }
      case 'ticket_issued': {
        // Each ticket in a record of its own, as OpenSSL does it.
        this.transport.send(this.engine!.pull());
        if (this.#generating !== undefined) this.#generating--;
        this.ticketIssued();
        this.#updateTicketCount();
        break;
      }
      case 'client_certificate':
        this.replaceSession({ id: nodeCrypto.random(SESSION_ID_LENGTH) }, this.info!);
        this.#updateTicketCount();
        break;
      case 'ticket_declined':
        if (event.reason === 'expired' && event.during === 'redeem') this.sessionCtx.statistics.timeouts++;
        this.#updateTicketCount();
        break;
      case 'end':
        this.shutdown |= c.SSL_RECEIVED_SHUTDOWN;
        break;
      case 'error':
        // A peer that leaves during the handshake has closed the connection, and that is all: SSL_ERROR_ZERO_RETURN.
        if (event.error.code === 'peer.alert' && event.error.alert === 'close_notify') {
          this.shutdown |= c.SSL_RECEIVED_SHUTDOWN;
        } else {
          this.#onError(event.error);
        }
        break;
      default:
    }
  }

  #onSecure(info: ConnectionInfo): void {
    if (info.resumed) {
      const code = info.peer.authorizationError;
      this.verifyResult = code === undefined ? c.X509_V_OK : verifyCode(code);
    }
    if (this.role === 'server' && !info.resumed && asksInHandshake(this.settings)) this.#certificatesAsked = 1;
    this.ctx.statistics[this.role === 'server' ? 'acceptGood' : 'connectGood']++;
    this.beginSession(info, this.engine!.ticketAppData);
    this.#updateTicketCount();
    this.#inDoneCallback = true;
    this.#tell(c.SSL_CB_HANDSHAKE_DONE, 1);
    this.#inDoneCallback = false;
  }

  #tell(where: number, value: number): void {
    const info = this.settings.info ?? this.ctx.info;
    if (info !== null) this.callBack(() => info(this, where, value));
  }

  #onError(error: Extract<TlsEvent, { type: 'error' }>['error']): void {
    const local = error instanceof TlsAlertError;
    const reason = local ? reasonOfFault(error.code, error.alert) : reasonOfAlert(error.alert);
    this.#end(this.fatalReason ?? this.#httpReason ?? reason);
    if (!local) this.shutdown |= c.SSL_RECEIVED_SHUTDOWN;
    this.#endOfInput = !local || error.code === 'connection.truncated';
    const number = AlertDescription[error.alert as AlertName] ?? 0;
    this.#tell(local ? c.SSL_CB_WRITE_ALERT : c.SSL_CB_READ_ALERT, 0x200 | number);
  }

  get #httpReason(): number | undefined {
    const { sawHttp } = this.transport;
    if (sawHttp === undefined) return undefined;
    return sawHttp === 'request' ? SSL_REASON.HTTP_REQUEST : SSL_REASON.HTTPS_PROXY_REQUEST;
  }

  /** The connection is over, and its session with it. */
  #end(reason: number): void {
    this.#failed = true;
    const { session } = this;
    if (session !== undefined && this.info !== undefined) this.callBack(() => this.sessionCtx.cache.remove(session));
    this.fail(reason);
  }

  #syscall(): -1 {
    this.cause = 'syscall';
    return -1;
  }
}
