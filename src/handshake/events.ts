import type { AlertName, TlsAlertError, TlsPeerAlertError } from '../errors/index.ts';
import type { PeerIdentity } from '../peer-auth/index.ts';
import type { ClientTicket, TicketDecline, TicketSpec, TicketState } from '../tickets/index.ts';

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
  readonly serverName: string | undefined;
  readonly alpn: string | undefined;
  readonly resumed: boolean;
  readonly helloRetried: boolean;
  readonly peer: PeerIdentity;
  /** When the peer was last authenticated by a full handshake, milliseconds since the epoch. */
  readonly authenticatedAt: number;
  /** The stapled OCSP response of the server, when there was one. */
  readonly ocspResponse: Uint8Array | undefined;
  /** How many tickets the client asked for (RFC 9149), or `undefined` when it did not say. */
  readonly ticketRequest: { readonly newSessionCount: number; readonly resumptionCount: number } | undefined;
  /** How many tickets the server said to expect: only where the client asked and the server listens. A hint. */
  readonly expectedTickets: number | undefined;
}

export type TlsEvent =
  /** The handshake is done. The first `data` comes after it. */
  | { readonly type: 'secure'; readonly info: ConnectionInfo }
  | { readonly type: 'data'; readonly bytes: Uint8Array }
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
  /** Server: the client answered a request of after the handshake. `peer` is who it is now, nobody when it had no certificate to show; also in `info`. */
  | { readonly type: 'client_certificate'; readonly peer: PeerIdentity }
  | { readonly type: 'key_updated'; readonly direction: 'read' | 'write' }
  /** A warning alert of the peer, such as user_canceled. */
  | { readonly type: 'alert'; readonly alert: AlertName | `unknown_${number}` }
  /** The peer sent close_notify: no more data will come. Writing is still possible. */
  | { readonly type: 'end' }
  /** The connection is over. The alert for the peer, if any, is already in `pull()`: write it before reporting the error. */
  | { readonly type: 'error'; readonly error: TlsAlertError | TlsPeerAlertError };
