import type { AlertName } from '../errors/index.ts';
import type { PeerIdentity } from '../peer-auth/index.ts';

/** A ticket that passed every other check, its binder included, put before the application. */
export interface PresentedTicket {
  /** {@link TicketState.id} */
  readonly id: Uint8Array;
  /** {@link TicketState.identity} */
  readonly identity: string | undefined;
  /** Milliseconds since the epoch. */
  readonly issuedAt: number;
  /** When the client was last really authenticated, by a full handshake. Milliseconds since the epoch. */
  readonly authenticatedAt: number;
  /** By our clock. */
  readonly ageMs: number;
  /** What the client says, modulo 2^32. It may say anything. */
  readonly claimedAgeMs: number;
  readonly serverName: string | undefined;
  /** Code point of the session's cipher suite: this connection's has the same hash, but may be another. */
  readonly cipherSuite: number;
  /** The application protocol of the session that the ticket is from. */
  readonly alpn: string | undefined;
  readonly client: PeerIdentity;
  /** A copy. */
  readonly appData: Uint8Array;
  /** Which of the client's identities, from 0. */
  readonly identityIndex: number;
  /** The client sends early data with it. */
  readonly earlyDataAsked: boolean;
}

/**
 * What becomes of a ticket:
 * - `accept_without_early_data`: the client resumes, its early data is refused.
 * - `accept_and_reissue`: the client resumes and gets tickets as after a full handshake.
 * - `full_handshake`: the client authenticates anew.
 * - `abort`: the connection ends with this alert, a fatal one such as `access_denied`.
 */
export type TicketVerdict =
  | 'accept'
  | 'accept_without_early_data'
  | 'accept_and_reissue'
  | 'full_handshake'
  | { readonly abort: Exclude<AlertName, 'close_notify' | 'user_canceled'> };
