import type { MaybePromise } from '../crypto/index.ts';
import type { PeerIdentity } from '../peer-auth/index.ts';

/** RFC 9846 section 4.7.1: "Servers MUST NOT use any value greater than 604800 seconds (7 days)." */
export const MAX_TICKET_LIFETIME_SECONDS = 604_800;

/** What a server's ticket restores. Sealed into the ticket, or kept in a store. */
export interface TicketState {
  /** 16 bytes, unique: what revocation, replay guards and handles know a ticket by. */
  readonly id: Uint8Array;
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
  /** Whom the ticket speaks for, for revocation: what the application set, else `sha256:` and the hash of the client's certificate. Absent: nobody. */
  readonly identity?: string;
  /** Whatever the application put in: empty when nothing. */
  readonly appData: Uint8Array;
}

/** Why a ticket was not offered, not taken, not redeemed, or not issued. Each refusal has one of these and is reported as an event. */
export type TicketDecline =
  | 'no_key' //                    no key of ours opens it: another server's, another trust scope's, a destroyed key, or not a ticket at all
  | 'not_found' //                 the store does not have it: never had, evicted, expired
  | 'malformed' //                 opened, but the content makes no sense to this version
  | 'expired'
  | 'chain_too_old' //             the peer's last real authentication is too long ago
  | 'issued_in_the_future'
  | 'hash_mismatch' //             the negotiated cipher suite has another hash than the ticket's
  | 'no_usable_psk_mode' //        the client offers no psk_key_exchange_modes that we accept
  | 'server_name_mismatch'
  | 'client_certificate_required' // the ticket's client was not authenticated as the server now demands
  | 'client_certificate_expired' //  the certificate that the ticket's client was authenticated with is not valid any more
  | 'revoked'
  | 'already_used' //              a single-use ticket that was redeemed before
  | 'application' //               the application's verdict
  | 'verdict_timeout' //           the application took too long
  | 'psk_lookup_failed' //         `findPsk` threw, rejected or took too long
  | 'server_not_trusted' //        client: its server was not authenticated as this client now demands
  | 'server_certificate_expired' // client: the certificate that its server was authenticated with is not valid any more
  | 'not_taken' //                 client: the server chose another one, or a full handshake
  | 'sealer_failed'
  | 'too_large' //                 the NewSessionTicket would be longer than the limit, or the ClientHello with it
  | 'canceled'
  | 'disabled';

/** How a ticket is to be made. */
export interface SealRequest {
  /** The trust scope: a ticket sealed under one must not open under another. */
  readonly scope: string;
  /** The plan wants this one kept in a store, or sealed; `undefined`: the sealer's choice. */
  readonly stored?: boolean;
}

/** What a server asks of a sealer together with a ticket. */
export interface TicketQuestion {
  /** Trust scopes whose tickets are good here, the likeliest first. At least one. */
  readonly scopes: readonly string[];
  /** SNI of the ClientHello, for sub-keys by name. */
  readonly serverName: string | undefined;
}

/**
 * Turns ticket state into the opaque bytes a client keeps, and back. May be slow: a KMS, a database.
 */
export interface TicketSealer {
  /** The longest lifetime, in seconds, that a ticket sealed at `now` may be given: it must not outlive the key that opens it. */
  maxLifetimeSeconds(now: number): number;
  /** The ticket (1 to 65,535 bytes), or `undefined`: none this time. A rejection or throw costs the ticket, never the connection. */
  seal(state: TicketState, now: number, request: SealRequest): MaybePromise<Uint8Array | undefined>;
  /**
   * The state in an object of its own: the caller wipes its PSK after use. A throw or rejection declines the ticket, but a
   * `TlsAlertError` ends the connection with its alert. Must not use the ticket up: anybody can repeat its bytes.
   */
  open(ticket: Uint8Array, now: number, question: TicketQuestion): MaybePromise<TicketState | TicketDecline>;
  /**
   * Called once the binder has proved that the client has the PSK: uses a single-use ticket up. `state` is the object that `open` gave, its PSK
   * wiped. Anything but `true` declines it.
   */
  use?(state: TicketState, now: number): MaybePromise<true | TicketDecline>;
}

/** What a client keeps of a NewSessionTicket, enough to resume with it once. */
export interface ClientTicket {
  /** The opaque ticket, 1 to 65,535 bytes. */
  readonly ticket: Uint8Array;
  readonly psk: Uint8Array;
  readonly cipherSuite: number;
  readonly lifetimeSeconds: number;
  readonly ageAdd: number;
  /** 0 to 255 bytes. */
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
  /** The server says that it resumes the ticket under any name its certificate has. This client offers it for its own name only. */
  readonly acrossNames?: true;
  /** The server's identity as it was verified. Restored verbatim on resumption. */
  readonly server: PeerIdentity;
}

/**
 * Keeps tickets on the server's side, by a key, until they expire. The values are sealed: whoever reads the store learns no PSK.
 * A throw or rejection costs the ticket, never the connection.
 */
export interface TicketStore {
  /** Keeps `value` (at most 65,535 bytes) under `key` (hexadecimal) until `expiresAt` (milliseconds since the epoch). `identity`: for {@link TicketStore.revoke}. */
  put(
    key: string,
    value: Uint8Array,
    options: { readonly expiresAt: number; readonly identity: string | undefined; readonly now: number },
  ): MaybePromise<void>;
  /** Leaves it there. */
  get(key: string, now: number): MaybePromise<Uint8Array | undefined>;
  /** Removes it: of all callers, on all hosts that share the store, one gets it. */
  take(key: string, now: number): MaybePromise<Uint8Array | undefined>;
  /** Removes all of `identity`. How many. */
  revoke(identity: string): MaybePromise<number>;
}

/** What can be taken back: all tickets of an identity, one ticket by its id, or all issued before a time. */
export type Revocation =
  | { readonly identity: string }
  /** {@link TicketState.id} */
  | { readonly ticket: Uint8Array }
  /** Milliseconds since the epoch. */
  | { readonly before: number };

/** Tickets that were taken back though a key still opens them. */
export interface TicketRevocations {
  /** Takes back what was issued up to `now`. */
  revoke(what: Revocation, now: number): MaybePromise<void>;
  /** A throw or rejection counts as revoked: the client gets a full handshake. */
  isRevoked(ticket: Pick<TicketState, 'id' | 'identity' | 'issuedAt'>, now: number): MaybePromise<boolean>;
}
