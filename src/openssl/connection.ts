import type { ConnectionInfo, TlsEngine, TlsEvent } from '../connection/index.ts';
import { AlertDescription, type AlertName, TlsAlertError } from '../errors/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import type { TicketState } from '../tickets/index.ts';
import { asksInHandshake, whyNoRequest } from './client-auth.ts';
import * as c from './constants.ts';
import { createEngine } from './engine.ts';
import { pushError } from './error-queue.ts';
import { reasonOfAlert, reasonOfFault, SSL_REASON } from './reasons.ts';
import { SessionHolder } from './session-holder.ts';
import { connectionSealer, type SealerHost } from './session-tickets.ts';
import { Transport } from './transport.ts';
import { type TrustStore, type VerifyCallback, type VerifyTarget, verifyCode } from './verify.ts';

/** Application data given to one record at a time, so that a blocked transport stops a write early. */
const WRITE_STEP = 16_384;
/** What the engine takes at one time. */
const MOST_QUEUED_TICKETS = 1_024;

/** A write that the transport did not take whole, and that has to be repeated. */
interface PendingWrite {
  readonly data: Uint8Array;
  /** Bytes of `data` that are in records already. */
  readonly sealed: number;
}

/** One connection: an engine between two BIOs. I/O methods return as the C functions do. */
export class Ssl extends SessionHolder implements SealerHost, VerifyTarget {
  references = 1;
  readonly transport: Transport = new Transport();
  readonly exData: Map<number, unknown> = new Map();
  /** Client: the name sent to the server. */
  serverName: string | undefined;
  /** Client: the name its certificate must have. */
  verifyHost: string | undefined;

  /** What the last I/O call waits for. */
  want: number = c.SSL_NOTHING;
  /** Why the last I/O call failed, unless it only waits. */
  cause: 'ssl' | 'syscall' | undefined;
  keyUpdate: number = c.SSL_KEY_UPDATE_NONE;

  engine: TlsEngine | undefined;
  #plaintext: Uint8Array[] = [];
  #inDoneCallback = false;
  #failed = false;
  /** Failed by a fatal alert of the peer. */
  #alerted = false;
  #contextMissing = false;
  #sealedState: TicketState | undefined;
  #ticketsIssued = 0;
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

  get #hasQueued(): boolean {
    return this.#requested > 0 || this.keyUpdate !== c.SSL_KEY_UPDATE_NONE;
  }

  /** Bytes that can be read without touching the transport. */
  get pending(): number {
    return this.#plaintext.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  get hasPending(): boolean {
    return this.#plaintext.length > 0 || this.transport.midRecord;
  }

  // ---- tickets

  setNumTickets(count: number): void {
    this.settings.numTickets = count;
    this.#updateTicketCount();
  }

  /** The number as the engine is to see it now: none where they could never be redeemed. */
  #updateTicketCount(): void {
    if (this.engine === undefined || this.role !== 'server') return;
    const { settings, sessionCtx } = this;
    const useless = settings.has(c.SSL_OP_NO_TICKET) && (sessionCtx.cacheMode & c.SSL_SESS_CACHE_SERVER) === 0;
    this.engine.numTickets = useless || settings.sidContextMissing ? 0 : settings.numTickets;
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

  onSeal(state: TicketState): void {
    this.#sealedState = state;
  }

  onMissingContext(): void {
    this.#contextMissing = true;
  }

  // ---- I/O

  /** SSL_do_handshake: 1 when there is nothing left to do. */
  handshake(): number {
    if (!this.#begin()) return -1;
    return this.handshakeDone ? this.#sendQueued() : this.#runHandshake();
  }

  read(into: Uint8Array, peek: boolean): number {
    if (!this.#begin()) return this.#failed && this.#plaintext.length > 0 ? this.#takePlaintext(into, peek) : -1;
    if (this.#plaintext.length === 0 && (this.shutdown & c.SSL_RECEIVED_SHUTDOWN) !== 0) return 0;
    let blocked = false;
    if (this.inInit) {
      const done = this.handshake();
      // Tickets that the peer does not read yet must not keep us from reading what it says.
      blocked = done <= 0 && this.#flushing && this.want === c.SSL_WRITING;
      if (done <= 0 && !blocked) return done;
    }
    while (this.#plaintext.length === 0) {
      if ((this.shutdown & c.SSL_RECEIVED_SHUTDOWN) !== 0) return 0;
      if (!this.#readRecord()) return this.#alerted ? 0 : -1;
      this.#sendAnswer();
      if (this.#plaintext.length === 0 && (this.settings.mode & c.SSL_MODE_AUTO_RETRY) === 0 && this.shutdown === 0) {
        this.want = c.SSL_READING;
        return -1;
      }
    }
    this.want = c.SSL_NOTHING;
    return this.#takePlaintext(into, peek);
  }

  write(data: Uint8Array): number {
    if (!this.#begin()) return -1;
    if ((this.shutdown & c.SSL_SENT_SHUTDOWN) !== 0) return this.fail(SSL_REASON.PROTOCOL_IS_SHUTDOWN);
    const pending = this.#pendingWrite;
    if (pending !== undefined && !this.#isRepetition(data, pending)) return this.fail(SSL_REASON.BAD_WRITE_RETRY);
    if (pending === undefined && this.inInit) {
      const done = this.handshake();
      if (done <= 0) return done;
    }
    let sealed = pending?.sealed ?? 0;
    for (;;) {
      const flushed = this.#flush();
      if (flushed === 'broken') return this.#syscall();
      if (flushed === 'blocked') {
        if (sealed > 0) this.#pendingWrite = { data, sealed };
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
      if (this.#plaintext.length > 0) return this.fail(SSL_REASON.APPLICATION_DATA_AFTER_CLOSE_NOTIFY);
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

  /** Queues the reason and gives what a failing I/O call returns. */
  fail(reason: number): -1 {
    pushError(reason);
    this.cause = 'ssl';
    return -1;
  }

  /** Calls the program back. What it throws ends the C function that is running, once the engine is at rest. */
  callBack<T>(run: () => T): T | undefined {
    try {
      return run();
    } catch (error) {
      this.#thrown ??= { error };
      return undefined;
    }
  }

  /** SSL_clear: ready for another connection with the same settings. */
  reset(): void {
    if (this.spoilSession() || this.role !== 'client') this.setSession(undefined);
    this.engine = undefined;
    this.transport.reset();
    this.#plaintext = [];
    this.handshakeDone = this.#failed = this.#alerted = this.#contextMissing = this.#flushing = false;
    this.#ticketsIssued = this.#requested = this.#certificatesAsked = this.shutdown = 0;
    this.#pendingWrite = undefined;
    this.want = c.SSL_NOTHING;
    this.cause = undefined;
    this.keyUpdate = c.SSL_KEY_UPDATE_NONE;
    this.verifyResult = c.X509_V_OK;
  }

  // ---- inside

  /** Whether I/O is possible: a role, BIOs, no failure. Makes the engine when the first call comes. */
  #begin(): boolean {
    this.want = c.SSL_NOTHING;
    this.cause = this.#failed ? 'ssl' : undefined;
    if (this.#failed) return false;
    // From inside a callback of its own a connection does no I/O.
    if (this.#busy) return this.#syscall() > 0;
    if (this.role === undefined) return this.#refuse(SSL_REASON.CONNECTION_TYPE_NOT_SET);
    if (this.transport.rbio === undefined || this.transport.wbio === undefined) {
      return this.#refuse(SSL_REASON.BIO_NOT_SET);
    }
    if (this.engine === undefined) {
      const { info } = this.ctx;
      if (info) this.callBack(() => info(this, c.SSL_CB_HANDSHAKE_START, 1));
      this.engine = createEngine(this, connectionSealer(this), (event) => this.#onEvent(event));
      this.#updateTicketCount();
    }
    return true;
  }

  #refuse(reason: number): false {
    this.fail(reason);
    return false;
  }

  #runHandshake(): number {
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
      if (flushed === 'blocked') return -1;
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
    if (!engine.wantsInput && !engine.readClosed) {
      this.want = c.SSL_ASYNC_PAUSED;
      return false;
    }
    const outcome = this.transport.readRecord((bytes) => {
      this.#call((one) => one.receive(bytes));
      return !this.#failed;
    });
    if (this.#contextMissing && !this.#failed) {
      this.#call((one) => one.abort('internal_error'));
      this.#end(SSL_REASON.SESSION_ID_CONTEXT_UNINITIALIZED);
    }
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

  /** Lets the engine do something, collects what it has to send, and throws what a callback threw. */
  #call(run: (engine: TlsEngine) => void): void {
    const engine = this.engine!;
    this.#busy = true;
    try {
      run(engine);
    } finally {
      this.#busy = false;
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
        this.#plaintext.push(event.bytes);
        break;
      case 'secure':
        this.#onSecure(event.info);
        break;
      case 'ticket': {
        const { ticket } = event;
        this.issue({ ticket, id: nodeCrypto.kdf('sha256').hash(ticket.ticket) }, c.SSL_SESS_CACHE_CLIENT, true);
        break;
      }
      case 'ticket_issued': {
        // Each ticket in a record of its own, as OpenSSL does it.
        this.transport.send(this.engine!.pull());
        if (this.#generating !== undefined) this.#generating--;
        const id = this.settings.has(c.SSL_OP_NO_TICKET) ? event.ticket : nodeCrypto.random(32);
        const replaces = this.#ticketsIssued++ > 0 || this.info?.resumed === true;
        this.issue({ id, state: this.#sealedState }, c.SSL_SESS_CACHE_SERVER, replaces);
        this.#updateTicketCount();
        break;
      }
      case 'client_certificate':
        this.replaceSession({ id: nodeCrypto.random(32) }, this.info!);
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
    const { sessionCtx } = this;
    if (info.resumed) {
      const code = info.peer.authorizationError;
      this.verifyResult = code === undefined ? c.X509_V_OK : verifyCode(code);
    }
    if (this.role === 'client') {
      // A session of a client's cache is offered once.
      if (info.resumed && this.session && (sessionCtx.cacheMode & c.SSL_SESS_CACHE_CLIENT) !== 0) {
        this.session.notResumable = true;
      }
      if (!info.resumed) this.replaceSession({ id: new Uint8Array(0) }, info);
    } else {
      if (!info.resumed && asksInHandshake(this.settings)) this.#certificatesAsked = 1;
      this.replaceSession({ id: nodeCrypto.random(32) }, info);
    }
    this.#updateTicketCount();
    const { info: onInfo } = this.ctx;
    if (onInfo === null) return;
    this.#inDoneCallback = true;
    this.callBack(() => onInfo(this, c.SSL_CB_HANDSHAKE_DONE, 1));
    this.#inDoneCallback = false;
  }

  #onError(error: Extract<TlsEvent, { type: 'error' }>['error']): void {
    const local = error instanceof TlsAlertError;
    this.#alerted = !local;
    this.#end(local ? reasonOfFault(error.code, error.alert) : reasonOfAlert(error.alert));
    const { info } = this.ctx;
    const number = AlertDescription[error.alert as AlertName] ?? 0;
    const where = local ? c.SSL_CB_WRITE_ALERT : c.SSL_CB_READ_ALERT;
    if (info) this.callBack(() => info(this, where, 0x200 | number));
  }

  /** The connection is over, and its session with it. */
  #end(reason: number): void {
    this.#failed = true;
    if (this.session !== undefined && this.handshakeDone) {
      this.session.notResumable = true;
      this.sessionCtx.cache.remove(this.session.fields.id);
    }
    this.fail(reason);
  }

  #syscall(): -1 {
    this.cause = 'syscall';
    return -1;
  }

  #isRepetition(data: Uint8Array, pending: PendingWrite): boolean {
    if (data.length < pending.data.length) return false;
    if ((this.settings.mode & c.SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER) !== 0) return true;
    return data.buffer === pending.data.buffer && data.byteOffset === pending.data.byteOffset;
  }

  #takePlaintext(into: Uint8Array, peek: boolean): number {
    const first = this.#plaintext[0]!;
    const part = first.subarray(0, into.length);
    into.set(part);
    if (!peek) {
      if (part.length === first.length) this.#plaintext.shift();
      else this.#plaintext[0] = first.subarray(part.length);
    }
    return part.length;
  }
}
