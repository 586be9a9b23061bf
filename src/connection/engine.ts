import type { Secret } from '../bytes/index.ts';
import type { Credential } from '../crypto/index.ts';
import {
  type AlertName,
  alertName,
  peerFault,
  TlsAlertError,
  TlsPeerAlertError,
  TlsUsageError,
} from '../errors/index.ts';
import {
  type ClientConfig,
  type ClientConnected,
  type ClientState,
  type ConnectionInfo,
  checkPsks,
  clientHandlers,
  type EarlyDataDecline,
  type EarlyDataRequest,
  type EarlyDataSession,
  ENDS_ITS_RECORD,
  type Epoch,
  exportKeyingMaterial,
  type HandlerTable,
  identityOf,
  isParked,
  type Next,
  type Output,
  type Parked,
  pointOf,
  type Received,
  requestClientCertificate,
  type ServerConfig,
  type ServerConnected,
  type ServerState,
  sendKeyUpdate,
  serverHandlers,
  startClient,
  type TicketControl,
  type TlsEvent,
  type TrafficKeys,
  ticketMoment,
  ticketsDue,
  ticketsSpecified,
  wipeSecrets,
} from '../handshake/index.ts';
import { checkTicketSpec, type TicketHandle, type TicketSpec } from '../tickets/index.ts';
import { decodeHandshakeMessage } from '../wire/index.ts';
import { IdleTimers } from './idle.ts';
import { type Content, Inbox, type Message } from './inbox.ts';
import { Outbox } from './outbox.ts';
import type { ClientEngineOptions, EarlyDataStatus, EngineHooks, TlsEngine } from './types.ts';

/** A server's side of one connection. */
export function createServerEngine(config: ServerConfig, hooks: EngineHooks = {}): TlsEngine {
  return new Engine(config, hooks, {});
}

/**
 * A client's side of one connection. Its ClientHello is in `pull()` at once, unless the key shares take time.
 * Throws {@link TlsUsageError} `connection.bad_server_name` when `serverName` is not 1 to 255 printable ASCII characters,
 * `tickets.bad_request` when `ticketRequest` asks for fewer than 0 or more than 255, and `psk.…` when one of `psks` cannot be used.
 */
export function createClientEngine(config: ClientConfig, options: ClientEngineOptions = {}): TlsEngine {
  const { serverName } = options;
  if (serverName !== undefined && (serverName === '.' || !/^[!-~]{1,255}$/.test(serverName))) {
    throw new TlsUsageError(
      'connection.bad_server_name',
      `serverName is ${JSON.stringify(serverName)}, but must be 1 to 255 printable ASCII characters (an internationalized name as A-labels, xn--…)`,
    );
  }
  checkPsks(options.psks ?? []);
  const { newSessionCount = 0, resumptionCount = 0 } = options.ticketRequest ?? {};
  for (const count of [newSessionCount, resumptionCount]) {
    if (!Number.isInteger(count) || count < 0 || count > 255)
      throw new TlsUsageError(
        'tickets.bad_request',
        `ticketRequest: ${count} tickets asked for, but it must be an integer from 0 to 255`,
      );
  }
  return new Engine(config, options, options);
}

type State = ClientState | ServerState;
type Context = {
  /** A server's may be replaced when the ClientHello is there. */
  config: ServerConfig | ClientConfig;
  readonly options: {
    readonly serverName: string | undefined;
    readonly tickets: NonNullable<ClientEngineOptions['tickets']>;
    readonly psks: NonNullable<ClientEngineOptions['psks']>;
    readonly ticketRequest: ClientEngineOptions['ticketRequest'];
  };
  readonly out: Output;
  readonly tickets: TicketControl;
};
type Handlers = HandlerTable<State, Context>;

/** Early data on its way. */
interface OpenEarlyData extends EarlyDataSession {
  /** Bytes that may still be written, or read. */
  room: number;
  /** Client: no EndOfEarlyData yet. */
  writable: boolean;
  /** Client: the keys that come after EndOfEarlyData. */
  nextKeys: TrafficKeys | undefined;
}

function writeAfterClose(): TlsUsageError {
  return new TlsUsageError('connection.write_closed', 'cannot write after close');
}

function wipeKeys({ key, iv }: TrafficKeys): void {
  key.wipe();
  iv.fill(0);
}

/**
 * Records on the outside, handshake on the inside. The engine is the handshake's {@link Output}: what handlers send and install
 * ends up here, without a closure for each connection.
 */
class Engine implements TlsEngine, Output {
  onProgress: (() => void) | undefined;
  onEvent: ((event: TlsEvent) => void) | undefined;
  onMessage: TlsEngine['onMessage'];
  info: ConnectionInfo | undefined;
  readClosed = false;
  writeClosed = false;
  closing = false;
  /** close_notify or a fatal alert is queued: nothing may follow it. */
  #silent = false;
  #callOffClosing: (() => void) | undefined;

  readonly #cx: Context;
  readonly #handlers: Handlers;
  #handshake: State | { readonly at: 'start' | 'closed' | 'failed' } = { at: 'start' };
  #parked: Parked<State> | undefined;
  /** The connection is secure, and the client is in the middle of an answer to our request for its certificate. */
  #answering: Extract<State, { readonly connected: ServerConnected }> | undefined;

  readonly #inbox: Inbox;
  /** Both sides have sent record_size_limit. */
  #recordSizeLimited = false;
  earlyData: EarlyDataStatus = 'none';
  /** Of a client that offered early data, or a server that accepted it. */
  #early: OpenEarlyData | undefined;

  readonly #outbox: Outbox;
  #events: TlsEvent[] = [];

  #reading = false;
  #keyUpdateOwed = false;
  #keyUpdateAsked = false;
  #keyUpdatesInARow = 0;
  #emptyRecordsInARow = 0;
  #warningAlerts = 0;
  #requestedTickets = 0;
  /** Tickets wait for the connection to be idle. */
  #idle: IdleTimers | undefined;

  constructor(config: ServerConfig | ClientConfig, hooks: EngineHooks, options: ClientEngineOptions) {
    this.onProgress = hooks.onProgress;
    this.onEvent = hooks.onEvent;
    this.#outbox = new Outbox(config, config.role);
    const isServer = config.role === 'server';
    this.#cx = {
      config,
      // Without the tickets, whose PSKs need not outlive the ClientHello.
      options: {
        serverName: options.serverName,
        tickets: [],
        psks: [],
        ticketRequest: options.ticketRequest,
      },
      out: this,
      tickets: {
        count: undefined,
        appData: new Uint8Array(0),
        generated: 0,
        identity: undefined,
        log: undefined,
        dataReceived: false,
      },
    };
    // The two tables have states and contexts of their own; the engine only passes on what they gave it.
    this.#handlers = (isServer ? serverHandlers : clientHandlers) as unknown as Handlers;
    this.#inbox = new Inbox(config.limits);
    if (config.role === 'server') this.#handshake = { at: 'expect_client_hello' };
    else {
      const { tickets = [], psks = [], earlyData = false } = options;
      const { serverName, sendServerName, ticketRequest, requestOcsp } = options;
      const offer = { serverName, sendServerName, tickets, psks, earlyData, ticketRequest, requestOcsp };
      this.#guard(() => this.#settle(startClient({ config, options: offer, out: this })));
    }
  }

  // ---- what the application sees

  get role(): 'client' | 'server' {
    return this.#cx.config.role;
  }

  get state(): string {
    return this.#parked === undefined ? (this.#answering ?? this.#handshake).at : `parked:${this.#parked.on}`;
  }

  get wantsInput(): boolean {
    return this.#parked === undefined && !this.#over && !this.readClosed;
  }

  get #over(): boolean {
    return this.#handshake.at === 'failed' || this.#handshake.at === 'closed';
  }

  receive(bytes: Uint8Array): void {
    if (this.#over || this.readClosed) return;
    // Node's Buffer is a Uint8Array with other manners (its slice is a view): inside there are plain ones only.
    this.#inbox.push(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
    if (this.#parked === undefined) this.#guard(() => this.#readRecords());
    else if (this.#inbox.buffered > this.#cx.config.limits.parkedInputLength) {
      this.#fail(
        new TlsAlertError('local.failed', 'internal_error', `too much input while waiting for ${this.#parked.on}`),
      );
    }
  }

  transportEnded(): void {
    if (this.#over || this.readClosed) return;
    this.#end('failed', { type: 'error', error: peerFault('connection.truncated') });
  }

  pull(): Uint8Array | undefined {
    const bytes = this.#outbox.pull();
    for (const { id } of this.#cx.tickets.log?.written() ?? []) this.emit({ type: 'ticket_written', id });
    return bytes;
  }

  get hasOutput(): boolean {
    return !this.#outbox.isEmpty;
  }

  next(): TlsEvent | undefined {
    return this.#events.shift();
  }

  write(plaintext: Uint8Array): void {
    if (this.#handshake.at !== 'connected') {
      this.#writeBeforeSecure(plaintext);
      return;
    }
    if (this.writeClosed) throw writeAfterClose();
    this.#idle?.touch();
    this.flush();
    // "Implementations MUST … update keys" before the limit of the cipher (rfc9846#section-5.5); one write may cross it.
    let rest = plaintext;
    do {
      if (this.#outbox.room === 0 && !this.writeClosed) this.updateKeys(false);
      // An event on the way may have closed the connection.
      if (this.writeClosed) throw writeAfterClose();
      const piece = rest.subarray(0, this.#outbox.room);
      this.#outbox.data(piece);
      rest = rest.subarray(piece.length);
    } while (rest.length > 0);
  }

  #writeBeforeSecure(plaintext: Uint8Array): void {
    if (!this.#halfRtt && (this.#over || this.role === 'server' || this.earlyData === 'none'))
      throw new TlsUsageError(
        'connection.not_secure',
        `cannot write in state ${this.state}: wait for the secure event`,
      );
    if (this.writeClosed) throw writeAfterClose();
    if (!this.#halfRtt && !this.#early?.writable)
      throw new TlsUsageError('early_data.closed', 'early data is over: wait for the secure event');
    const room = this.#halfRtt ? this.#outbox.room : this.earlyDataRoom;
    if (plaintext.length > room)
      throw new TlsUsageError(
        'early_data.room',
        `${plaintext.length} bytes before the secure event, but there is room for ${room}: write the rest after it`,
      );
    if (!this.#halfRtt) this.#early!.room -= plaintext.length;
    this.#outbox.data(plaintext);
  }

  /** A server that accepted early data may answer it before the client's Finished: no certificate is asked of a client with a PSK. */
  get #halfRtt(): boolean {
    const { at } = this.#handshake;
    return (
      (at === 'expect_end_of_early_data' || at === 'expect_finished') &&
      this.role === 'server' &&
      this.earlyData === 'accepted'
    );
  }

  /** "It is not possible to perform a KeyUpdate for early data", so the limit of its keys is one too (rfc9846#section-5.5). */
  get earlyDataRoom(): number {
    return this.#early?.writable ? Math.min(this.#early.room, this.#outbox.room) : 0;
  }

  flush(): void {
    if (this.#handshake.at !== 'connected' || this.writeClosed) return;
    this.#guard(() => {
      const requested = this.#requestedTickets;
      this.#requestedTickets = 0;
      const state = this.#handshake;
      if (!('canResume' in state)) return;
      if (requested > 0) ticketsDue(state, 'application_request', this.#serverContext(), requested);
      ticketMoment(state, 'with_next_write', this.#serverContext());
    });
    if (this.#keyUpdateOwed && !this.writeClosed) this.updateKeys(false);
    this.#outbox.flush();
  }

  close(): void {
    if (this.#over || this.writeClosed) return;
    if (this.#handshake.at !== 'connected' && !this.#halfRtt) {
      this.abort('user_canceled');
      return;
    }
    this.#ticketMoment('before_close');
    if (this.#over || this.writeClosed) return;
    this.writeClosed = true;
    const { config, tickets } = this.#cx;
    if (config.role === 'client' || config.clock.after === undefined || !tickets.log?.isSealing) {
      this.#closeNotify();
      return;
    }
    this.closing = true;
    this.#callOffClosing = config.clock.after(config.tickets.deadlineMs, () => {
      this.#closeNotify();
      this.onProgress?.();
    });
  }

  #closeNotify(): void {
    this.#callOffClosing?.();
    this.closing = false;
    this.#sendAlert('close_notify');
    this.#silent = true;
    this.cancelTickets();
    if (this.readClosed) this.#end('closed');
  }

  abort(alert: AlertName): void {
    if (this.#over) return;
    if (alert === 'user_canceled') {
      // "user_canceled … MUST be followed by close_notify" (rfc9846#section-6.1).
      this.#sendAlert('user_canceled');
      this.#sendAlert('close_notify');
    } else {
      this.#sendAlert(alert);
    }
    this.#end('closed');
  }

  updateKeys(requestPeer = false): void {
    const state = this.#handshake;
    if (state.at !== 'connected' || this.writeClosed)
      throw new TlsUsageError(
        'connection.not_secure',
        `cannot update keys in state ${this.state}${this.writeClosed ? ' after close' : ''}`,
      );
    this.#keyUpdateOwed = false;
    // "Until receiving a subsequent KeyUpdate from the peer, the sender MUST NOT send another" request (rfc9846#section-4.7.3).
    const ask = requestPeer && !this.#keyUpdateAsked;
    this.#keyUpdateAsked ||= ask;
    this.#guard(() => sendKeyUpdate(state, ask, this));
  }

  exportKeyingMaterial(length: number, label: string, context: Uint8Array = new Uint8Array(0)): Uint8Array {
    const state = this.#handshake;
    // A server that answers early data has it before the client's Finished.
    const from = state.at === 'connected' ? state : 'flight' in state ? state.flight : undefined;
    if (from === undefined)
      throw new TlsUsageError('connection.not_secure', `no keying material in state ${this.state}`);
    return exportKeyingMaterial(from.kdf, from.exporterSecret as Secret, label, context, length);
  }

  exportEarlyKeyingMaterial(length: number, label: string, context: Uint8Array = new Uint8Array(0)): Uint8Array {
    const early = this.#early;
    if (early === undefined)
      throw new TlsUsageError('early_data.none', `no early keying material: early data is ${this.earlyData}`);
    return exportKeyingMaterial(early.kdf, early.exporterSecret, label, context, length);
  }

  requestClientCertificate({ required }: { readonly required?: boolean } = {}): void {
    const state = this.#handshake;
    if (this.role === 'client')
      throw new TlsUsageError('post_handshake_auth.client', 'only a server can ask for a certificate');
    if (this.writeClosed)
      throw new TlsUsageError('connection.write_closed', 'cannot ask for a certificate after close');
    if (!('canResume' in state))
      throw new TlsUsageError('connection.not_secure', `cannot ask for a certificate in state ${this.state}`);
    if (this.readClosed)
      throw new TlsUsageError('post_handshake_auth.read_closed', 'the client has closed and will not answer');
    requestClientCertificate(state, required, this.#serverContext());
  }

  get postHandshakeAuth(): 'not_offered' | 'offered' | 'requested' {
    const state = this.#handshake;
    const auth = 'canResume' in state ? state.postHandshakeAuth : undefined;
    if (auth === undefined) return 'not_offered';
    return auth.request === undefined ? 'offered' : 'requested';
  }

  get credentials(): readonly Credential[] {
    return this.#cx.config.credentials;
  }

  set credentials(credentials: readonly Credential[]) {
    this.#cx.config = { ...this.#cx.config, credentials };
  }

  get maxSendFragment(): number {
    return this.#outbox.maxSendFragment;
  }

  set maxSendFragment(length: number) {
    if (!Number.isInteger(length) || length < 512 || length > 16_384)
      throw new TlsUsageError(
        'config.out_of_range',
        `maxSendFragment is ${length}, but must be an integer from 512 to 16384`,
      );
    this.#outbox.maxSendFragment = length;
  }

  get numTickets(): number {
    const { config, tickets } = this.#cx;
    return config.role === 'server' ? (tickets.count ?? config.tickets.count) : (tickets.count ?? 0);
  }

  set numTickets(count: number) {
    if (!Number.isInteger(count) || count < 0)
      throw new TlsUsageError('tickets.bad_count', `numTickets is ${count}, but must be an integer of 0 or more`);
    this.#cx.tickets.count = count;
  }

  requestTickets(count = 1): boolean {
    if (!Number.isInteger(count) || count < 0)
      throw new TlsUsageError(
        'tickets.bad_count',
        `${count} tickets requested, but it must be an integer of 0 or more`,
      );
    if (this.role !== 'server' || this.#handshake.at !== 'connected' || this.writeClosed) return false;
    if (this.#owedTickets + count > this.#cx.config.limits.ticketsSent) return false;
    this.#requestedTickets += count;
    return true;
  }

  /** Requested, or waiting for their moment or for the sealer. */
  get #owedTickets(): number {
    return this.#requestedTickets + (this.#cx.tickets.log?.planned ?? 0);
  }

  get requestedTickets(): number {
    return this.#requestedTickets;
  }

  get ticketAppData(): Uint8Array {
    return this.#cx.tickets.appData;
  }

  set ticketAppData(bytes: Uint8Array) {
    this.#cx.tickets.appData = bytes;
  }

  get ticketIdentity(): string | undefined {
    const { config, tickets } = this.#cx;
    return tickets.identity ?? (this.info && identityOf(this.info, config.crypto));
  }

  set ticketIdentity(identity: string | undefined) {
    if (identity !== undefined && (typeof identity !== 'string' || identity === '' || identity.length > 1_024))
      throw new TlsUsageError('tickets.bad_identity', 'ticketIdentity must be a string of 1 to 1,024 characters');
    this.#cx.tickets.identity = identity;
  }

  get tickets(): readonly TicketHandle[] {
    return [...(this.#cx.tickets.log?.handles ?? [])];
  }

  issueTickets(specs: readonly TicketSpec[]): readonly TicketHandle[] {
    const state = this.#handshake;
    if (this.role === 'client') throw new TlsUsageError('tickets.client', 'only a server issues tickets');
    if (this.writeClosed) throw writeAfterClose();
    if (!('canResume' in state))
      throw new TlsUsageError('connection.not_secure', `cannot issue tickets in state ${this.state}`);
    const { ticketsSent } = this.#cx.config.limits;
    if (this.#owedTickets + specs.length > ticketsSent)
      throw new TlsUsageError(
        'tickets.bad_count',
        `${specs.length} tickets beside ${this.#owedTickets} that are not sent yet, but limits.ticketsSent is ${ticketsSent}`,
      );
    for (const spec of specs) checkTicketSpec(spec);
    let handles: readonly TicketHandle[] = [];
    this.#guard(() => {
      handles = ticketsSpecified(state, specs, this.#serverContext());
    });
    return handles;
  }

  cancelTickets(): number {
    const requested = this.#requestedTickets;
    this.#requestedTickets = 0;
    this.#idle?.stop();
    return requested + (this.#cx.tickets.log?.cancel() ?? 0);
  }

  explainTickets(): string {
    const { config, tickets } = this.#cx;
    if (config.role === 'client') return 'this is a client: it gets tickets, and issues none';
    return tickets.log?.explain(config.clock.now()) ?? 'no tickets were due yet';
  }

  // ---- what handlers may do (Output)

  useConfig(config: ServerConfig): void {
    this.#inbox.useLimits(config.limits);
    this.#outbox.useConfig(config);
  }

  send(message: Uint8Array): void {
    if (this.#silent) return;
    this.onMessage?.('sent', message[0]!, message.length);
    this.#outbox.handshake(message);
  }

  endFlight(): void {
    this.#outbox.flush();
  }

  sendChangeCipherSpec(): void {
    if (!this.#silent) this.#outbox.changeCipherSpec();
  }

  setWriteKeys(epoch: Epoch, keys: TrafficKeys): void {
    if (this.#over) wipeKeys(keys);
    else if (epoch === 'handshake' && this.#early?.writable) this.#early.nextKeys = keys;
    else this.#outbox.setKeys(keys);
  }

  setReadKeys(epoch: Epoch, keys: TrafficKeys): void {
    if (this.#over) {
      wipeKeys(keys);
      return;
    }
    // A client that sends early data has not heard of our limit yet.
    const limit = this.#recordSizeLimited && epoch !== 'early' ? this.#cx.config.recordSizeLimit : undefined;
    this.#inbox.setKeys(epoch, keys, limit === undefined ? undefined : limit - 1);
  }

  setPeerRecordSizeLimit(limit: number): void {
    this.#recordSizeLimited = true;
    this.#outbox.setPeerRecordSizeLimit(limit);
  }

  openEarlyData(session: EarlyDataSession): void {
    if (this.#over) {
      session.exporterSecret.wipe();
      return;
    }
    this.earlyData = 'offered';
    this.#early = { ...session, room: session.size, writable: this.role === 'client', nextKeys: undefined };
  }

  endEarlyData(): void {
    const early = this.#early;
    if (!early?.writable) return;
    early.writable = false;
    if (early.nextKeys === undefined) this.#outbox.clearKeys();
    else this.#outbox.setKeys(early.nextKeys);
    early.nextKeys = undefined;
  }

  earlyDataDecided(declined: EarlyDataDecline | undefined, request?: EarlyDataRequest): void {
    if (this.#over) return;
    const accepted = declined === undefined;
    this.earlyData = accepted ? 'accepted' : 'rejected';
    if (!accepted) {
      this.endEarlyData();
      this.#dropEarlyData();
    }
    this.emit({ type: 'early_data_status', accepted, reason: declined, request });
  }

  skipEarlyData(afterRetry: boolean, size: number): void {
    this.#inbox.skipEarlyData(afterRetry, Math.max(this.#cx.config.limits.skippedEarlyDataLength, size));
  }

  peerUpdatedKeys(asksForOurs: boolean): void {
    this.#keyUpdateAsked = false;
    if (asksForOurs) this.#keyUpdateOwed = true;
  }

  defer<T>(promise: Promise<T | undefined>, then: (value: T | undefined) => void): void {
    const finish = (value: T | undefined): void => {
      if (this.#silent) return;
      this.#guard(() => then(value));
      if (this.closing && !this.#cx.tickets.log?.isSealing) this.#closeNotify();
      this.onProgress?.();
    };
    promise.then(finish, () => finish(undefined));
  }

  whenIdle(milliseconds: number, run: () => void): void {
    this.#idle ??= new IdleTimers(this.#cx.config.clock);
    this.#idle.start(milliseconds, () => {
      if (this.#over || this.writeClosed) return;
      this.#guard(run);
      this.onProgress?.();
    });
  }

  emit(event: TlsEvent): void {
    this.#events.push(event);
    this.onEvent?.(event);
  }

  // ---- reading

  #readRecords(): void {
    // `receive` may be called while an event is reported: the loop that reports it goes on with those bytes.
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (this.wantsInput) {
        const incoming = this.#inbox.next();
        if (incoming === undefined) return;
        this.#onIncoming(incoming);
      }
    } finally {
      this.#reading = false;
    }
  }

  #onIncoming(incoming: Message | Content): void {
    switch (incoming.is) {
      case 'handshake':
        this.#onHandshakeMessage(incoming.type, incoming.body, incoming.raw);
        break;
      case 'application_data':
        this.#onApplicationData(incoming.bytes);
        break;
      case 'alert':
        this.#onAlert(incoming.bytes);
        break;
      case 'change_cipher_spec':
        this.#onChangeCipherSpec(incoming.bytes);
    }
  }

  /** @spec rfc9846#section-5 */
  #onChangeCipherSpec(fragment: Uint8Array): void {
    const { config } = this.#cx;
    // With cookies, the first ClientHello may have gone to another engine.
    const isFirst = this.#handshake.at === 'expect_client_hello' && config.role === 'server' && !config.cookieSealer;
    if (isFirst || this.#handshake.at === 'connected' || fragment.length !== 1 || fragment[0] !== 1)
      throw peerFault('record.unexpected_change_cipher_spec');
    this.#countEmpty();
  }

  #onApplicationData(content: Uint8Array): void {
    const { epoch } = this.#inbox;
    const early = epoch === 'early';
    const open = this.#handshake.at === 'connected' && epoch === 'application' && this.#answering === undefined;
    if (!early && !open) {
      throw peerFault('record.unexpected_type', 'application data before Finished');
    }
    if (content.length === 0) {
      this.#countEmpty();
      return;
    }
    this.#emptyRecordsInARow = 0;
    this.#keyUpdatesInARow = 0;
    this.#idle?.touch();
    if (early) {
      this.#cx.tickets.dataReceived = true;
      this.#onEarlyData(content);
      return;
    }
    this.emit({ type: 'data', bytes: content });
    this.#cx.tickets.dataReceived = true;
    if (this.#cx.tickets.log !== undefined) this.#ticketMoment('after_first_data');
  }

  /** "Only Application Data payload (i.e., plaintext but not padding or the inner content type byte) is counted" (rfc9846#section-4.7.1). */
  #onEarlyData(content: Uint8Array): void {
    const early = this.#early!;
    early.room -= content.length;
    if (early.room < 0) throw peerFault('early_data.too_much', `the ticket allows ${early.size} bytes`);
    this.emit({ type: 'early_data', bytes: content });
  }

  #countEmpty(): void {
    if (++this.#emptyRecordsInARow > this.#cx.config.limits.emptyRecordsInARow)
      throw peerFault('record.too_many_empty');
  }

  /** @spec rfc9846#section-6 */
  #onAlert(content: Uint8Array): void {
    if (content.length !== 2) throw peerFault('alert.malformed', `${content.length} bytes`);
    if (content[0] !== 1 && content[0] !== 2) throw peerFault('alert.bad_level', String(content[0]));
    const name = alertName(content[1]!);
    if (name === 'close_notify' && this.#handshake.at !== 'connected') {
      this.#sendAlert('close_notify');
      this.#end('failed', { type: 'error', error: new TlsPeerAlertError(name) });
    } else if (name === 'close_notify') {
      this.readClosed = true;
      this.#inbox.clear();
      this.emit({ type: 'end' });
      if (this.#silent) this.#end('closed');
    } else if (name === 'user_canceled') {
      if (++this.#warningAlerts > this.#cx.config.limits.warningAlerts) throw peerFault('alert.too_many_warnings');
      this.emit({ type: 'alert', alert: name });
    } else {
      // "All the alerts listed in section 6.2 MUST be sent with AlertLevel=fatal … regardless of the AlertLevel in the message."
      this.#end('failed', { type: 'error', error: new TlsPeerAlertError(name) });
    }
  }

  #onHandshakeMessage(type: number, body: Uint8Array, raw: Uint8Array): void {
    this.onMessage?.('received', type, raw.length);
    this.#emptyRecordsInARow = 0;
    const message = decodeHandshakeMessage(type, body);
    if (ENDS_ITS_RECORD.has(message.type) && !this.#inbox.aligned) throw peerFault('record.not_aligned', message.type);
    if (message.type === 'key_update' && ++this.#keyUpdatesInARow > this.#cx.config.limits.keyUpdatesInARow)
      throw peerFault('key_update.too_many');
    const state = this.#answering ?? (this.#handshake as State);
    const handler = this.#handlers[state.at][message.type] as
      | ((s: State, m: Received, cx: Context) => Next<State>)
      | undefined;
    if (handler === undefined) throw peerFault('handshake.unexpected_message', `${message.type} in state ${state.at}`);
    this.#settle(handler(state, { ...message, raw }, this.#cx));
  }

  // ---- moving on, and failing

  #settle(next: Next<State>): void {
    if (isParked(next)) {
      this.#park(next);
    } else if (this.#over) {
      // The application ended the connection while an event was reported.
      wipeSecrets(next);
    } else if ('connected' in next) {
      this.#answering = next;
    } else {
      const before = this.#handshake.at;
      const answered = this.#answering !== undefined;
      this.#handshake = next;
      this.#answering = undefined;
      if (next.at === 'connected' && before !== 'connected') this.#connected(next);
      else if (answered) this.#clientAuthenticated(next as ServerConnected);
    }
  }

  #park(next: Parked<State>): void {
    if (this.#over) wipeSecrets(next.holds);
    else this.#parked = next;
    next.settled.then(
      (resume) => this.#resume(() => this.#settle(resume())),
      (error: unknown) =>
        this.#resume(() => {
          throw error;
        }),
    );
  }

  /** The handshake is done: an application may write from here on, also while it hears of it. */
  #connected(state: ClientConnected | ServerConnected): void {
    this.info = state.info;
    this.emit({ type: 'secure', info: state.info });
    if ('canResume' in state) ticketsDue(state, pointOf(state.info, state.reissue), this.#serverContext());
  }

  /** The client has answered a request of after the handshake. */
  #clientAuthenticated(state: ServerConnected): void {
    this.info = state.info;
    this.emit({ type: 'client_certificate', peer: state.info.peer });
    ticketsDue(state, 'client_authenticated', this.#serverContext());
  }

  #ticketMoment(moment: 'after_first_data' | 'before_close'): void {
    const state = this.#handshake;
    if ('canResume' in state) this.#guard(() => ticketMoment(state, moment, this.#serverContext()));
  }

  #resume(go: () => void): void {
    if (this.#over) return;
    this.#parked = undefined;
    this.#guard(() => {
      go();
      this.#readRecords();
    });
    this.onProgress?.();
  }

  /** Whatever goes wrong inside becomes an alert and an `error` event, never an exception. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (error instanceof TlsAlertError) this.#fail(error);
      else
        this.#fail(
          new TlsAlertError(
            'local.failed',
            'internal_error',
            `this side failed: ${error instanceof Error ? error.message : String(error)}`,
            { cause: error },
          ),
        );
    }
  }

  #fail(error: TlsAlertError): void {
    if (this.#over) return;
    this.#sendAlert(error.alert);
    this.#end('failed', { type: 'error', error });
  }

  /** The connection is over: nothing is kept that could read or forge its records. */
  #end(at: 'closed' | 'failed', event?: TlsEvent): void {
    this.#outbox.end();
    const state = this.#handshake;
    const parked = this.#parked;
    this.#handshake = { at };
    this.#parked = undefined;
    this.#answering = undefined;
    this.readClosed = true;
    this.writeClosed = true;
    this.#callOffClosing?.();
    this.closing = false;
    this.#silent = true;
    this.cancelTickets();
    wipeSecrets(state);
    wipeSecrets(parked?.holds);
    this.#dropEarlyData();
    this.#inbox.end();
    if (event !== undefined) this.emit(event);
  }

  #dropEarlyData(): void {
    const early = this.#early;
    this.#early = undefined;
    early?.exporterSecret.wipe();
    if (early?.nextKeys !== undefined) wipeKeys(early.nextKeys);
  }

  #sendAlert(alert: AlertName): void {
    if (this.#silent) return;
    // "If clients need to send such alerts, they SHOULD first rekey to the handshake keys if possible" (rfc9846#appendix-A.1).
    if (this.earlyData === 'offered' && this.#early?.nextKeys !== undefined) this.endEarlyData();
    this.#outbox.alert(alert);
  }

  #serverContext(): { readonly config: ServerConfig; readonly out: Output; readonly tickets: TicketControl } {
    return { config: this.#cx.config as ServerConfig, out: this, tickets: this.#cx.tickets };
  }
}
