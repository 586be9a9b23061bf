import { toHex } from '../../bytes/index.ts';
import type { CryptoProvider } from '../../crypto/index.ts';
import {
  MAX_TICKET_LIFETIME_SECONDS,
  type Revocation,
  type TicketRevocations,
  type TicketState,
} from '../../tickets/index.ts';
import { badReply, inRange, RedisLink, type RedisOptions } from './client.ts';
import { hashOf } from './ticket-store.ts';

export interface RedisRevocationsOptions extends RedisOptions {
  readonly crypto: CryptoProvider;
  /** How far the clocks of two hosts may lie apart, in milliseconds, 0 to 600,000. Default 10,000. */
  readonly skewMs?: number | undefined;
}

/** The later of two times stays. KEYS: entry, born. ARGV: time, milliseconds to keep it, now. */
const REVOKE = `
redis.call('SET', KEYS[2], ARGV[3], 'NX')
local before = tonumber(redis.call('GET', KEYS[1]) or '0')
if before < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return 1`;

/**
 * Revocations that all hosts which share a Redis or Valkey see at once: a presented ticket costs one command.
 *
 * Clocks may differ, so what was issued up to `skewMs` after a revocation counts as issued before it: one full handshake too many is
 * better than one too few. For the same reason everything issued before Redis lost its memory, or first saw this, counts as
 * revoked: what was taken back then is not known any more. `isRevoked` rejects when Redis does not answer, which counts as
 * revoked; `revoke` rejects then too, and has to be called again.
 */
export class RedisRevocations implements TicketRevocations {
  readonly #link: RedisLink;
  readonly #crypto: CryptoProvider;
  readonly #skewMs: number;

  /** Throws {@link TlsUsageError} `redis.bad_option`. */
  constructor(options: RedisRevocationsOptions) {
    this.#link = new RedisLink(options);
    this.#crypto = options.crypto;
    this.#skewMs = inRange('skewMs', options.skewMs ?? 10_000, 0, 600_000);
  }

  /** `before` counts as `now` when it lies ahead. */
  async revoke(what: Revocation, now: number): Promise<void> {
    const [entry, time] =
      'before' in what
        ? [this.#before, Math.min(what.before, now)]
        : ['ticket' in what ? this.#ticket(what.ticket) : this.#identity(what.identity), now];
    // No ticket that is affected lives longer.
    const keepMs = MAX_TICKET_LIFETIME_SECONDS * 1_000 + 2 * this.#skewMs;
    const args = [String(Math.floor(time)), String(keepMs), String(Math.floor(now))];
    await this.#link.run(REVOKE, [entry, this.#born], args);
  }

  async isRevoked(ticket: Pick<TicketState, 'id' | 'identity' | 'issuedAt'>, now: number): Promise<boolean> {
    const { id, identity, issuedAt } = ticket;
    const names = [this.#born, this.#before, this.#ticket(id)];
    if (identity !== undefined) names.push(this.#identity(identity));
    const times = await this.#link.send('MGET', ...names);
    if (!Array.isArray(times) || times.length !== names.length) throw badReply('MGET');
    const [born, before, ticketAt, identityAt = null] = times.map(timeOf);
    if (born === null) {
      await this.#link.send('SET', this.#born, String(Math.floor(now)), 'NX');
      return true;
    }
    if (ticketAt !== null) return true;
    return [born, before, identityAt].some((time) => time != null && issuedAt <= time + this.#skewMs);
  }

  get #born(): string {
    return this.#link.name('revoked-born');
  }

  get #before(): string {
    return this.#link.name('revoked-before');
  }

  #ticket(id: Uint8Array): string {
    return this.#link.name(`revoked-ticket:${toHex(id)}`);
  }

  #identity(identity: string): string {
    return this.#link.name(`revoked-identity:${hashOf(this.#crypto, identity)}`);
  }
}

function timeOf(reply: unknown): number | null {
  if (reply === null) return null;
  if (typeof reply !== 'string' || !/^\d{1,16}$/.test(reply)) throw badReply('MGET');
  return Number(reply);
}
