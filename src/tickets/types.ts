import type { MaybePromise } from '../crypto/index.ts';
import type { PeerIdentity } from '../peer-auth/index.ts';

/** RFC 9846 section 4.7.1: "Servers MUST NOT use any value greater than 604800 seconds (7 days)." */
export const MAX_TICKET_LIFETIME_SECONDS = 604_800;

/** What a server's ticket restores. Sealed into the ticket, or kept in a store. */
export interface TicketState {
  /** The PSK of this ticket (never the resumption secret). */
  readonly psk: Uint8Array;
  readonly cipherSuite: number;
  /** Milliseconds since the epoch. */
  readonly issuedAt: number;
  /** When the peer was last really authenticated, by a full handshake. Milliseconds since the epoch. */
  readonly authenticatedAt: number;
  readonly lifetimeSeconds: number;
  readonly ageAdd: number;
  readonly serverName?: string;
  readonly alpn?: string;
  /** Code point of the key exchange group of the handshake. */
  readonly group?: number;
  /** Bytes; 0: the ticket does not allow early data. */
  readonly maxEarlyDataSize: number;
  /** The client's identity and what its verification said. Restored verbatim. */
  readonly client: PeerIdentity;
  /** Whatever the application put in: empty when nothing. */
  readonly appData: Uint8Array;
}

/** Why a ticket was not redeemed. Each refusal has one of these and is reported as an event. */
export type TicketDecline =
  | 'no_key' //                    no key of ours opens it: another server's, a destroyed key, or not a ticket at all
  | 'malformed' //                 opened, but the content makes no sense to this version
  | 'expired'
  | 'issued_in_the_future'
  | 'hash_mismatch' //             the negotiated cipher suite has another hash than the ticket's
  | 'no_usable_psk_mode' //        the client offers no psk_key_exchange_modes that we accept
  | 'server_name_mismatch'
  | 'client_certificate_required' // the ticket's client was not authenticated as the server now demands
  | 'sealer_failed'
  | 'disabled';

/** Turns ticket state into the opaque bytes a client keeps, and back. May be slow: a KMS, a database. */
export interface TicketSealer {
  /** The longest lifetime, in seconds, that a ticket sealed at `now` may be given: it must not outlive the key that opens it. */
  maxLifetimeSeconds(now: number): number;
  /** The ticket (1 to 65,535 bytes), or `undefined`: none this time. A rejection or throw costs the ticket, never the connection. */
  seal(state: TicketState, now: number): MaybePromise<Uint8Array | undefined>;
  /** The state in an object of its own: the caller wipes its PSK after use. */
  open(ticket: Uint8Array, now: number): MaybePromise<TicketState | TicketDecline>;
}

/** What a client keeps of a NewSessionTicket, enough to resume with it once. */
export interface ClientTicket {
  /** The opaque ticket, 1 to 65,535 bytes. */
  readonly ticket: Uint8Array;
  readonly psk: Uint8Array;
  readonly cipherSuite: number;
  readonly lifetimeSeconds: number;
  readonly ageAdd: number;
  readonly nonce: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly receivedAt: number;
  /** When the server was last really authenticated, by a full handshake. Milliseconds since the epoch. */
  readonly authenticatedAt: number;
  readonly serverName?: string;
  readonly alpn?: string;
  readonly group?: number;
  /** Bytes; 0: no early data. */
  readonly maxEarlyDataSize: number;
  /** The server's identity as it was verified. Restored verbatim on resumption. */
  readonly server: PeerIdentity;
}
