import { toHex } from '../bytes/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { MAX_TICKET_LIFETIME_SECONDS, type Revocation, type TicketRevocations, type TicketState } from './types.ts';

const MAX_LIFETIME_MS = 1_000 * MAX_TICKET_LIFETIME_SECONDS;

export interface MemoryRevocationsOptions {
  /** Identities and tickets remembered. Default 100,000. */
  readonly maxEntries?: number;
  /** How far, in milliseconds, the clock of a host that issues tickets may be ahead of the clock of the one that revokes. Default 10,000. */
  readonly clockSkewMs?: number;
  /**
   * What was issued before this time, in milliseconds since the epoch, is revoked from the start. The time of the start is right where ticket
   * keys outlive the process but its revocations do not. Default 0.
   */
  readonly before?: number;
}

/**
 * Revocations in the memory of this process, for sealed and stored tickets alike.
 *
 * Revoking an identity takes back what was issued up to now. Hosts whose clocks are ahead have issued tickets with later times, so what is
 * issued to this identity within the next `clockSkewMs` is revoked as well: at worst, a client makes one more full handshake.
 *
 * An entry is forgotten when every ticket it could concern has expired, or, the oldest first, when there are more than `maxEntries`. Forgetting
 * never brings a ticket back: instead, everybody's tickets issued up to the time of the forgotten entry are revoked. This costs nothing
 * after seven days, some full handshakes when the table is too small, and makes up for a clock that was wrong.
 */
export class MemoryRevocations implements TicketRevocations {
  readonly #maxEntries: number;
  readonly #clockSkewMs: number;
  /** From when on nothing of it is revoked; oldest first. Keys: `identity …` and `ticket …`. */
  readonly #entries = new Map<string, number>();
  /** Tickets issued before this are revoked. */
  #before: number;

  /** Throws {@link TlsUsageError} `revocation.bad_option`. */
  constructor({ maxEntries = 100_000, clockSkewMs = 10_000, before = 0 }: MemoryRevocationsOptions = {}) {
    if (!Number.isSafeInteger(maxEntries) || maxEntries < 0) {
      throw new TlsUsageError(
        'revocation.bad_option',
        `maxEntries is ${maxEntries}, it must be a non-negative integer`,
      );
    }
    if (!(clockSkewMs >= 0 && clockSkewMs <= MAX_LIFETIME_MS)) {
      throw new TlsUsageError(
        'revocation.bad_option',
        `clockSkewMs is ${clockSkewMs}, it must be from 0 to ${MAX_LIFETIME_MS}`,
      );
    }
    if (!(before >= 0 && before <= Number.MAX_SAFE_INTEGER)) {
      throw new TlsUsageError('revocation.bad_option', `before is ${before}, it must be milliseconds since the epoch`);
    }
    this.#maxEntries = maxEntries;
    this.#clockSkewMs = clockSkewMs;
    this.#before = before;
  }

  /** Identities and tickets remembered. */
  get size(): number {
    return this.#entries.size;
  }

  /** Everything issued before this time (milliseconds since the epoch) is revoked. */
  get before(): number {
    return this.#before;
  }

  /**
   * `{ before }` may not lie in the future: nothing could be resumed until then, and there is no way back. `clockSkewMs` is added to it too.
   * Throws {@link TlsUsageError} `revocation.bad_time`.
   */
  revoke(what: Revocation, now: number): void {
    if (!(now >= 0 && now <= Number.MAX_SAFE_INTEGER)) {
      throw new TlsUsageError('revocation.bad_time', `now is ${now}, it must be milliseconds since the epoch`);
    }
    this.#forgetExpired(now);
    if ('before' in what) {
      if (!(what.before >= 0 && what.before <= now)) {
        throw new TlsUsageError(
          'revocation.bad_time',
          `before is ${what.before}, it must be milliseconds since the epoch and not later than now, ${now}`,
        );
      }
      this.#raise(what.before + this.#clockSkewMs);
      return;
    }
    const key = 'identity' in what ? identityKey(what.identity) : ticketKey(what.ticket);
    // Up to and with now. A clock that was set back must not take a revocation back.
    const until = Math.max(now + this.#clockSkewMs + 1, this.#entries.get(key) ?? 0);
    this.#entries.delete(key);
    this.#entries.set(key, until);
    while (this.#entries.size > this.#maxEntries) this.#forgetOldest();
  }

  isRevoked({ id, identity, issuedAt }: Pick<TicketState, 'id' | 'identity' | 'issuedAt'>, now: number): boolean {
    this.#forgetExpired(now);
    // Not "before": a time that is not a number is not good.
    if (!(issuedAt >= this.#before)) return true;
    if (this.#entries.size === 0) return false;
    if (this.#entries.has(ticketKey(id))) return true;
    const until = identity === undefined ? undefined : this.#entries.get(identityKey(identity));
    return until !== undefined && issuedAt < until;
  }

  #forgetExpired(now: number): void {
    for (const until of this.#entries.values()) {
      if (!(now >= until + MAX_LIFETIME_MS)) return;
      this.#forgetOldest();
    }
  }

  #forgetOldest(): void {
    for (const [key, until] of this.#entries) {
      this.#entries.delete(key);
      this.#raise(until);
      return;
    }
  }

  #raise(before: number): void {
    this.#before = Math.max(this.#before, before);
  }
}

function identityKey(identity: string): string {
  return `identity ${identity}`;
}

function ticketKey(id: Uint8Array): string {
  return `ticket ${toHex(id)}`;
}
