import type { MaybePromise } from '../crypto/index.ts';

/** What early data came with. Its binder has been verified. */
export interface EarlyDataAttempt {
  /** Of the ticket that the early data is protected with. */
  readonly ticketId: Uint8Array;
  /** The binder of that ticket: different for each ClientHello. */
  readonly binder: Uint8Array;
  /** When the ticket was issued, milliseconds since the epoch. */
  readonly issuedAt: number;
  /** When the client says it sent the ClientHello, by our clock: milliseconds since the epoch. */
  readonly sentAt: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** fresh: not seen before; replay: seen; quarantine: cannot know yet, for it has started just now; unavailable: cannot know. Only `fresh` lets early data in. */
export type ReplayVerdict = 'fresh' | 'replay' | 'quarantine' | 'unavailable';

/**
 * Says whether early data was offered before.
 *
 * @spec rfc9846#section-8
 */
export interface ReplayGuard {
  /** Among whom at most one takes the same early data: this object in this process, all processes of this host, all hosts. */
  readonly guarantee: 'process' | 'host' | 'fleet';
  /** ClientHellos sent longer ago, or more ahead, than this many milliseconds are refused before the guard is asked. */
  readonly windowMs: number;
  /** Records the attempt and answers. A throw or rejection counts as `unavailable`. */
  check(attempt: EarlyDataAttempt): MaybePromise<ReplayVerdict>;
}
