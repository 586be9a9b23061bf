import type { Secret } from '../bytes/index.ts';
import type { AeadKey, Kdf, MaybePromise } from '../crypto/index.ts';
import type { HandshakeMessage, MessageType } from '../wire/index.ts';
import type { EarlyDataRequest, ServerConfig } from './config.ts';
import type { EarlyDataDecline, TlsEvent } from './events.ts';
import { wipeSecrets } from './wipe.ts';

/** A key and IV for one direction, ready for the record layer. */
export interface TrafficKeys {
  readonly key: AeadKey;
  /** 12 bytes. */
  readonly iv: Uint8Array;
}

/** `initial`: no protection yet. */
export type Epoch = 'initial' | 'early' | 'handshake' | 'application';

/** What early data needs beside its keys. */
export interface EarlyDataSession {
  /** Bytes of early data that the ticket allows. */
  readonly size: number;
  readonly kdf: Kdf;
  /** early_exporter_secret */
  readonly exporterSecret: Secret;
}

/** Everything a handler may do to the outside world. No I/O, no clock, no globals. */
export interface Output {
  /** Server: from here on the limits, padding and record size of another config count. Nothing was sent yet. */
  useConfig(config: ServerConfig): void;
  /** Nothing more may be sent: what is, is dropped. An application may close while an event is reported. */
  readonly writeClosed: boolean;
  /** Queues one encoded handshake message under the current write keys. Messages of one flight leave in one piece. */
  send(message: Uint8Array): void;
  /** Ends the flight: what is sent from here on goes into another record. */
  endFlight(): void;
  /** Queues the change_cipher_spec record of rfc9846#appendix-E.4. */
  sendChangeCipherSpec(): void;
  /** A client's handshake keys wait for {@link Output.endEarlyData} while early data may be written. */
  setWriteKeys(epoch: Epoch, keys: TrafficKeys): void;
  setReadKeys(epoch: Epoch, keys: TrafficKeys): void;
  /** The peer's record_size_limit (RFC 8449), content type byte included. Takes effect at once for protected records. */
  setPeerRecordSizeLimit(limit: number): void;
  /** Client: early data may be written from here on. Server: it was accepted and comes in under the keys `early`. Takes over the secret. */
  openEarlyData(session: EarlyDataSession): void;
  /** Client: EndOfEarlyData has been sent. */
  endEarlyData(): void;
  /** What became of early data that was offered. A client that hears `declined` is done with it: what it writes next is under handshake keys, or in the clear. */
  earlyDataDecided(declined: EarlyDataDecline | undefined, request?: EarlyDataRequest): void;
  /**
   * Server: the client sends early data that was refused, perhaps `size` bytes of it; records that do not open, or (after a retry) are
   * unprotected application data, are skipped within limits.
   */
  skipEarlyData(afterRetry: boolean, size: number): void;
  /** The peer changed its keys. When it `asksForOurs`, a KeyUpdate goes out in front of the next application data. */
  peerUpdatedKeys(asksForOurs: boolean): void;
  /** Runs `then` when `promise` settles, unless the connection is over by then. The handshake does not wait. `undefined` when it was rejected. */
  defer<T>(promise: Promise<T | undefined>, then: (value: T | undefined) => void): void;
  /** Runs `run` once nothing was read or written for so many milliseconds, unless writing is over by then. Needs a clock with `after`. */
  whenIdle(milliseconds: number, run: () => void): void;
  emit(event: TlsEvent): void;
}

/** What a handshake may have to wait for. The engine's state then reads `parked:<question>`. */
export type Question =
  | 'chooseConfig'
  | 'generateKeyShare'
  | 'deriveSharedSecret'
  | 'chooseCredential'
  | 'stapleOcsp'
  | 'chooseAlpn'
  | 'findPsk'
  | 'openTicket'
  | 'useTicket'
  | 'checkRevocation'
  | 'judgeTicket'
  | 'checkReplay'
  | 'allowEarlyData'
  | 'sign'
  | 'verifySignature'
  | 'verifyPeer';

/** The handshake waits; `resume` continues it with the answer. */
export interface Parked<S> {
  readonly at: 'parked';
  readonly on: Question;
  /** Secrets that `settled` will go on with: wiped when the connection ends before. */
  readonly holds: unknown;
  readonly settled: Promise<() => Next<S>>;
}

export type Next<S> = S | Parked<S>;

/** A received message with the bytes it came in, header included, for the transcript. Never re-encoded. */
export type Received<M extends HandshakeMessage = HandshakeMessage> = M & { readonly raw: Uint8Array };
export type MessageOf<T extends MessageType> = Extract<HandshakeMessage, { type: T }>;

/** The receive side of a role as one table: state, then message, then handler. What is not in it is `unexpected_message`. */
export type HandlerTable<S extends { readonly at: string }, Cx> = {
  readonly [A in S['at']]: {
    readonly [T in MessageType]?: (state: Extract<S, { at: A }>, message: Received<MessageOf<T>>, cx: Cx) => Next<S>;
  };
};

/**
 * Continues at once when the answer is a value, and parks the handshake when it is a promise.
 * `holds` are secrets that `then` needs and no state holds. They are wiped when there is no answer or `then` throws.
 * A rejected promise reaches the engine as a failure of this side (`internal_error`), unless it is a TlsAlertError.
 */
export function ask<S, T>(
  on: Question,
  answer: MaybePromise<T>,
  then: (answer: T) => Next<S>,
  holds?: unknown,
): Next<S> {
  const go = (value: T): Next<S> => holding(holds, () => then(value));
  if (!isPromise(answer)) return go(answer);
  const fail = (error: unknown): never => {
    wipeSecrets(holds);
    throw error;
  };
  return { at: 'parked', on, holds, settled: answer.then((value) => () => go(value), fail) };
}

/** Runs `run`, which needs `secrets` that no state holds: when it throws, nobody needs them any more, and they are wiped. */
export function holding<R>(secrets: unknown, run: () => R): R {
  try {
    return run();
  } catch (error) {
    wipeSecrets(secrets);
    throw error;
  }
}

export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof (value as { then?: unknown } | undefined)?.then === 'function';
}

export function isParked<S>(next: Next<S>): next is Parked<S> {
  return (next as { at?: unknown }).at === 'parked';
}

/**
 * Messages after which the sender's keys change: they must end their record. After HelloRetryRequest a server has nothing to say before the
 * second ClientHello.
 *
 * @spec rfc9846#section-5.1
 */
export const ENDS_ITS_RECORD: ReadonlySet<MessageType> = new Set<MessageType>([
  'client_hello',
  'server_hello',
  'hello_retry_request',
  'end_of_early_data',
  'finished',
  'key_update',
]);
