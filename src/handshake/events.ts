import type { CertificateCompressionName } from '../crypto/index.ts';
import type { AlertName, TlsAlertError, TlsPeerAlertError } from '../errors/index.ts';
import type { PeerIdentity } from '../peer-auth/index.ts';
import type { ClientTicket, TicketDecline, TicketSpec, TicketState } from '../tickets/index.ts';
import type { EarlyDataRequest } from './config.ts';

/** What is known of a connection once its handshake is done. */
export interface ConnectionInfo {
  readonly role: 'client' | 'server';
  /** Code point and name of the cipher suite. */
  readonly cipherSuite: number;
  readonly cipherSuiteName: string;
  /** Name of the key exchange group, or `undefined` with a PSK alone. */
  readonly group: string | undefined;
  /** SignatureScheme the server signed with, or `undefined` when resumed. */
  readonly signatureScheme: number | undefined;
  /** SignatureScheme the peer signed with in this handshake, client or server; `undefined` when it showed no certificate. */
  readonly peerSignatureScheme: number | undefined;
  readonly serverName: string | undefined;
  readonly alpn: string | undefined;
  readonly resumed: boolean;
  readonly helloRetried: boolean;
  readonly peer: PeerIdentity;
  /**
   * The identity of the external PSK that both sides authenticated with: then `peer` is authorized and has no certificates, and `resumed`
   * is false. `undefined` also when resumed from a ticket of such a connection.
   */
  readonly pskIdentity: Uint8Array | undefined;
  /** When the peer was last authenticated by a full handshake, milliseconds since the epoch. */
  readonly authenticatedAt: number;
  /** The stapled OCSP response of the server, when there was one. */
  readonly ocspResponse: Uint8Array | undefined;
  /** How many tickets the client asked for (RFC 9149), or `undefined` when it did not say. */
  readonly ticketRequest: { readonly newSessionCount: number; readonly resumptionCount: number } | undefined;
  /** How many tickets the server said to expect: only where the client asked and the server listens. A hint. */
  readonly expectedTickets: number | undefined;
  /** verify_data of the Finished that this side sent, and of the one that it received, in the handshake. Not secret. As long as the suite's hash. */
  readonly finished: Uint8Array;
  readonly peerFinished: Uint8Array;
  /**
   * SignatureSchemes that both sides take. Server: of `signature_algorithms`, in our order. Client: of the server's CertificateRequest, in its
   * order. PKCS#1 counts, although it signs certificates only. Empty when the peer was not asked for a signature: resumed, or by PSK.
   */
  readonly sharedSignatureSchemes: readonly number[];
  /** How the server's certificate was compressed on its way; `undefined` when it was not, or none was sent. */
  readonly certificateCompression: CertificateCompressionName | undefined;
}

/** Why early data that was offered does not count. The handshake goes on without it. */
export type EarlyDataDecline =
  | 'off' //                       the server takes none
  | 'not_resumed' //               a full handshake
  | 'not_first_identity' //        resumed, but not from the ticket that the early data is protected with
  | 'ticket_without_early_data'
  | 'cipher_suite_mismatch'
  | 'alpn_mismatch'
  | 'server_name_mismatch'
  | 'hello_retry_request'
  | 'ticket_age' //                sent too long ago or too far ahead, by the age that the client says its ticket has
  | 'replay'
  | 'quarantine' //                the replay guard has started just now and does not know yet
  | 'guard_unavailable' //         the replay guard failed or took too long
  | 'application' //               the server's program refused, failed or took too long
  | 'declined_by_server'; //       client: the server does not say why

export type TlsEvent =
  /** The handshake is done. The first `data` comes after it. */
  | { readonly type: 'secure'; readonly info: ConnectionInfo }
  | { readonly type: 'data'; readonly bytes: Uint8Array }
  /**
   * Server: application data of the client's first flight, in order and before `secure`. Whoever recorded it can send it again, within what
   * the replay guard promises; the client is not known to be there before `secure`.
   */
  | { readonly type: 'early_data'; readonly bytes: Uint8Array }
  /** What became of early data that was offered; once, on both sides. Rejected early data is lost: the application may send it again. */
  | {
      readonly type: 'early_data_status';
      readonly accepted: boolean;
      /** `undefined` when accepted. */
      readonly reason: EarlyDataDecline | undefined;
      /** Server: what the early data came with, when accepted. */
      readonly request: EarlyDataRequest | undefined;
    }
  /** Client: a ticket arrived. */
  | { readonly type: 'ticket'; readonly ticket: ClientTicket }
  /** Server: a ticket was sealed and put in front of the outgoing bytes. `index` counts from 0 on this connection. */
  | {
      readonly type: 'ticket_issued';
      /** Of its handle. */
      readonly id: string;
      readonly spec: TicketSpec;
      readonly index: number;
      readonly requested: boolean;
      readonly ticket: Uint8Array;
      readonly nonce: Uint8Array;
      readonly state: Omit<TicketState, 'psk'>;
    }
  /** Server: a ticket was handed to the transport by `pull()`. */
  | { readonly type: 'ticket_written'; readonly id: string }
  /** Server: a ticket was offered or due, and not redeemed or not issued. */
  | {
      readonly type: 'ticket_declined';
      readonly during: 'redeem' | 'issue';
      readonly reason: TicketDecline;
      readonly identityIndex: number | undefined;
    }
  /** Client: a ticket it was given was not offered (then without `identityIndex`), or offered and the server resumed without it. */
  | {
      readonly type: 'ticket_declined';
      readonly during: 'offer';
      readonly reason: TicketDecline;
      readonly identityIndex: number | undefined;
      readonly ticket: Uint8Array;
    }
  /** Server: a ticket was accepted. The handshake goes on, and may still fail. */
  | {
      readonly type: 'ticket_redeemed';
      /** {@link TicketState.id}, in hexadecimal. */
      readonly id: string;
      readonly identityIndex: number;
      /** By our clock. */
      readonly ageMs: number;
      /** What the client says, modulo 2^32. */
      readonly claimedAgeMs: number;
      /** Milliseconds since the epoch. */
      readonly issuedAt: number;
    }
  /** Server: the client answered a request of after the handshake. `peer` is who it is now, nobody when it had no certificate to show; also in `info`. */
  | { readonly type: 'client_certificate'; readonly peer: PeerIdentity }
  /** Server: `stapleOcsp` failed; the handshake goes on without its staple. */
  | { readonly type: 'ocsp_failed'; readonly error: unknown }
  | { readonly type: 'key_updated'; readonly direction: 'read' | 'write' }
  /** A warning alert of the peer, such as user_canceled. */
  | { readonly type: 'alert'; readonly alert: AlertName | `unknown_${number}` }
  /** The peer sent close_notify: no more data will come. Writing is still possible. */
  | { readonly type: 'end' }
  /** The connection is over. The alert for the peer, if any, is already in `pull()`: write it before reporting the error. */
  | { readonly type: 'error'; readonly error: TlsAlertError | TlsPeerAlertError };
