import type { Credential } from '../crypto/index.ts';
import type { AlertName } from '../errors/index.ts';
import type { ConnectionInfo, TlsEvent } from '../handshake/events.ts';
import type { ExternalPsk } from '../handshake/external-psk.ts';
import type { ClientTicket, TicketHandle, TicketSpec } from '../tickets/index.ts';

/**
 * A TLS connection without a socket: bytes in, bytes out, facts out.
 *
 * After every call that can produce something (`receive`, `transportEnded`, `write`, `flush`, `updateKeys`, `close`) and whenever
 * `onProgress` is called, drain `pull()` to the transport and then `next()` for what happened.
 */
export interface TlsEngine {
  readonly role: 'client' | 'server';
  /** For logs: `expect_finished`, `parked:sign`, `connected`, `closed`, … */
  readonly state: string;
  /** Set once the handshake is done. */
  readonly info: ConnectionInfo | undefined;
  /** The peer's close_notify has arrived. */
  readonly readClosed: boolean;
  /** {@link TlsEngine.close} was called, or the connection failed. */
  readonly writeClosed: boolean;
  /** Server: closed, but close_notify still waits for tickets that the sealer is at work on. `onProgress` says when it does no more. */
  readonly closing: boolean;

  /** False while the handshake waits for an answer: stop reading the transport until `onProgress`, or at most 1 MiB is held. */
  readonly wantsInput: boolean;

  /** Whatever arrived from the transport. Keeps views of `bytes`: do not modify them afterwards. Throws nothing that a peer can cause. */
  receive(bytes: Uint8Array): void;
  /** The transport ended: an `error` event `connection.truncated` follows unless close_notify came before. */
  transportEnded(): void;
  /** Bytes for the transport, all there are, or `undefined`. */
  pull(): Uint8Array | undefined;
  /** Whether `pull()` would give something. */
  readonly hasOutput: boolean;
  next(): TlsEvent | undefined;
  /**
   * Protects and queues application data, behind tickets that were requested. Throws {@link TlsUsageError} `connection.not_secure` before
   * `secure`, and `connection.write_closed` after `close`.
   *
   * Before `secure`, a client with {@link TlsEngine.earlyDataRoom} sends early data; beyond it it throws `early_data.room`, and once early
   * data is over `early_data.closed`. A server that accepted early data may answer it: the client is not known to be there yet, nor that
   * it is not a replay.
   */
  write(plaintext: Uint8Array): void;
  /**
   * Queues close_notify, behind tickets that the sealer is at work on: for those it waits up to `tickets.deadlineMs`, if the clock has
   * `after`, see {@link TlsEngine.closing}. Reading goes on. Before `secure` it cancels the handshake: user_canceled, close_notify, and all is over; but not
   * where a server may write already.
   */
  close(): void;
  /** Ends the connection with a fatal alert of ours, such as `user_canceled` or `internal_error`, and wipes its secrets. */
  abort(alert: AlertName): void;
  /** Called when an answer that was waited for has arrived and made progress. */
  onProgress: (() => void) | undefined;
  /** Called with the type and the length of each handshake message, for traces. */
  onMessage: ((direction: 'sent' | 'received', type: number, length: number) => void) | undefined;
  /** What this side may show, best first, of a config that was chosen by now. Set before one of them is chosen, it counts in place of the config's. */
  credentials: readonly Credential[];
  /** Called with each event at the moment it happens, inside the call that caused it; `next()` gives it too. May call the engine. */
  onEvent: ((event: TlsEvent) => void) | undefined;

  /**
   * Changes our traffic keys, and asks the peer to change its own when `requestPeer`, unless an earlier request is still unanswered.
   * Throws {@link TlsUsageError} before `secure` and after `close`. rfc9846#section-4.7.3
   */
  updateKeys(requestPeer?: boolean): void;
  /**
   * Server: asks the client for a certificate, now or again; leaves with the next `pull()`. The answer is the event `client_certificate`,
   * with new tickets behind it; until then, any amount of other data may come. `required`: a client that has none to show is refused with
   * certificate_required. Default: when `clientAuth` is `require` and `rejectUnauthorized` is set.
   * Throws {@link TlsUsageError} `connection.not_secure`, `connection.write_closed`, or `post_handshake_auth.` and: `client` (we are one),
   * `no_verifier`, `not_offered` (by the client), `outstanding` (an earlier request is unanswered), `read_closed`. rfc9846#section-4.7.2
   */
  requestClientCertificate(options?: { readonly required?: boolean }): void;
  /** Server, once secure: whether the client takes such requests, and whether one is unanswered. */
  readonly postHandshakeAuth: 'not_offered' | 'offered' | 'requested';
  /**
   * Keying material of `length` bytes for `label` (ASCII) and `context`. Before `secure` only a server has it, once its own flight is out:
   * the client is not known to be there yet. rfc9846#section-7.5
   */
  exportKeyingMaterial(length: number, label: string, context?: Uint8Array): Uint8Array;

  /** As {@link TlsEngine.write} before `secure`: `offered` until the server has answered. An `early_data_status` event says when it changes. */
  readonly earlyData: EarlyDataStatus;
  /** Client: bytes of early data that may be written now, before `secure`. */
  readonly earlyDataRoom: number;
  /**
   * Keying material that is there with early data: the same for each replay of the ClientHello, so no proof of anything. A client has it
   * while early data is offered and once it is accepted, a server once it has accepted; else {@link TlsUsageError} `early_data.none`.
   * rfc9846#section-7.5
   */
  exportEarlyKeyingMaterial(length: number, label: string, context?: Uint8Array): Uint8Array;

  /**
   * The most plaintext bytes of one record from now on, 512 to 16,384, unless the peer takes less. Default: the config's. Throws
   * {@link TlsUsageError} `config.out_of_range`.
   */
  maxSendFragment: number;

  /** Server: how many tickets this connection gets. May be changed until the moment they are generated. Overrides the config. */
  numTickets: number;
  /** Server: queues `count` further tickets (default 1), written together in front of the next `write` or by `flush`. False when not possible. */
  requestTickets(count?: number): boolean;
  /** Server: tickets requested and not generated yet. */
  readonly requestedTickets: number;
  /** Writes what is queued without application data: requested tickets, a pending KeyUpdate answer. */
  flush(): void;
  /** Server: bytes that the application wants in every ticket generated from now on. Restored from a redeemed ticket. */
  ticketAppData: Uint8Array;
  /**
   * Server: whom tickets generated from now on speak for, for revocation: 1 to 1,024 characters. Default: `sha256:` and the hash of the client's
   * certificate, or nobody. What was set is restored from a redeemed ticket; `undefined` goes back to the default.
   */
  ticketIdentity: string | undefined;
  /** Server: the tickets of this connection, oldest first: all that are planned, and the last 1,024. */
  readonly tickets: readonly TicketHandle[];
  /**
   * Server: plans tickets of one's own, which leave with the next write unless they say something else. The policy is asked how many of them
   * may be (point `application_request`), and gives what they leave out; those that are too many are declined (`disabled`).
   * Throws {@link TlsUsageError} `tickets.client`, `connection.not_secure`, `connection.write_closed`, `tickets.bad_spec`,
   * and `tickets.bad_count` for more than `limits.ticketsSent`, those included that are requested or planned already.
   */
  issueTickets(specs: readonly TicketSpec[]): readonly TicketHandle[];
  /** Server: takes back all tickets that are requested or planned, and says how many. Those that are sealed leave. */
  cancelTickets(): number;
  /** In words: why this connection gets how many tickets, and what became of each. */
  explainTickets(): string;
}

/** `none`: not offered, or (server) not decided yet. */
export type EarlyDataStatus = 'none' | 'offered' | 'accepted' | 'rejected';

export interface EngineHooks {
  readonly onProgress?: () => void;
  readonly onEvent?: (event: TlsEvent) => void;
}

export interface ClientEngineOptions extends EngineHooks {
  /** Host name (internationalized ones as A-labels) or IP address: 1 to 255 printable ASCII characters. */
  readonly serverName?: string;
  readonly tickets?: readonly ClientTicket[];
  /**
   * Offer early data (0-RTT) when the first usable ticket allows it; see {@link TlsEngine.write}. Whoever records it can send it again, so
   * send only what may be done twice. What the server rejects is not sent again by itself. Default false. rfc9846#section-2.3
   */
  readonly earlyData?: boolean;
  /** External PSKs to offer, best first, behind the tickets; the keys are copied. A server that takes one shows no certificate. */
  readonly psks?: readonly ExternalPsk[];
  /**
   * How many tickets to ask the server for (RFC 9149), 0 to 255 each: after a full handshake, and after a resumption. A server may not listen.
   * Default: not said. {@link ConnectionInfo.expectedTickets} is the server's answer.
   */
  readonly ticketRequest?: { readonly newSessionCount: number; readonly resumptionCount: number } | undefined;
  /** Ask for an OCSP staple, or do not. Default: as the config says. */
  readonly requestOcsp?: boolean | undefined;
  /** `false`: `serverName` is what the certificate must have and tickets are for, but is not sent. Default true. */
  readonly sendServerName?: boolean | undefined;
}
