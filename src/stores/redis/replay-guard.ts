import { toHex } from '../../bytes/index.ts';
import type { CryptoProvider } from '../../crypto/index.ts';
import type { EarlyDataAttempt, ReplayGuard, ReplayVerdict } from '../../tickets/index.ts';
import { badReply, inRange, RedisLink, type RedisOptions, RedisStoreError } from './client.ts';

export interface RedisReplayGuardOptions extends RedisOptions {
  readonly crypto: CryptoProvider;
  /** {@link ReplayGuard.windowMs}: 1,000 to 600,000. Default 10,000. */
  readonly windowMs?: number | undefined;
  /** How far the clocks of two hosts may lie apart, in milliseconds, 0 to 600,000. Default 10,000. */
  readonly skewMs?: number | undefined;
  /**
   * Take it that Redis never evicts, though it has a memory limit and a policy that lets it. Default false: then the guard answers
   * `unavailable`, for an evicted record is a replay let in.
   */
  readonly assumeNoEviction?: boolean | undefined;
  /** Told why each time the answer is `unavailable`. What it throws is ignored. */
  readonly onUnavailable?: ((error: RedisStoreError) => void) | undefined;
}

/**
 * Records the ClientHello and says what is known of it, in one step.
 * KEYS: record, born. ARGV: milliseconds to keep the record, milliseconds of quarantine, '1' to check for eviction.
 *
 * `born` says since when this very process of Redis has recorded: after a restart, a failover to a replica or a flush it is another one, which may
 * lack what the last one knew.
 */
const CHECK = `
local function field(section, name) return string.match(redis.call('INFO', section), '\\n' .. name .. ':([^\\r\\n]*)') end
if ARGV[3] == '1' then
  local policy = field('memory', 'maxmemory_policy')
  if field('memory', 'maxmemory') ~= '0' and policy ~= 'noeviction' then return 'evicts' end
end
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local run = field('server', 'run_id')
if not run then return 'unknown' end
local id, since = string.match(redis.call('GET', KEYS[2]) or '', '^(%S+) (%d+)$')
if id ~= run then
  since = string.format('%.0f', now)
  redis.call('SET', KEYS[2], run .. ' ' .. since)
end
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then return 'replay' end
local age = now - tonumber(since)
if age < tonumber(ARGV[2]) then return 'quarantine' end
return 'fresh'`;

/**
 * Recognises replayed early data on all hosts that share a Redis or Valkey, by recording the binder of each ClientHello (hashed) for
 * as long as any host would take it.
 *
 * What it promises holds for one Redis that answers, does not evict, and is written to by nobody else. When Redis has started anew, was
 * flushed, or a replica took over (`run_id` of INFO, which it needs to be allowed), early data is refused until no ClientHello of before is fresh any more. Without an answer in time: `unavailable`.
 * Two primaries at once, as after a split network, each let a replay in.
 *
 * @spec rfc9846#section-8.2
 */
export class RedisReplayGuard implements ReplayGuard {
  readonly guarantee = 'fleet' as const;
  readonly windowMs: number;
  readonly #link: RedisLink;
  readonly #crypto: CryptoProvider;
  readonly #keepMs: string;
  readonly #checkEviction: string;
  readonly #onUnavailable: (error: RedisStoreError) => void;

  /** Throws {@link TlsUsageError} `redis.bad_option`. */
  constructor(options: RedisReplayGuardOptions) {
    this.#link = new RedisLink(options);
    this.#crypto = options.crypto;
    this.windowMs = inRange('windowMs', options.windowMs ?? 10_000, 1_000, 600_000);
    const skewMs = inRange('skewMs', options.skewMs ?? 10_000, 0, 600_000);
    // Taken first when it seemed to come from the end of the window ahead, it is fresh until the end of the window behind.
    this.#keepMs = String(Math.ceil(2 * (this.windowMs + skewMs)));
    this.#checkEviction = options.assumeNoEviction === true ? '0' : '1';
    this.#onUnavailable = options.onUnavailable ?? (() => {});
  }

  /** Never rejects. */
  async check({ binder }: EarlyDataAttempt): Promise<ReplayVerdict> {
    // Of the binder only: it is what was verified, and tickets that share an id do not share it.
    const record = this.#link.name(`early:${toHex(this.#crypto.kdf('sha256').hash(binder))}`);
    const args = [this.#keepMs, this.#keepMs, this.#checkEviction];
    try {
      const reply = await this.#link.run(CHECK, [record, this.#link.name('early-born')], args);
      if (reply === 'fresh' || reply === 'replay' || reply === 'quarantine') return reply;
      throw reply === 'evicts' ? evicts() : badReply('EVAL');
    } catch (error) {
      // Whoever does not know must not let early data in.
      try {
        this.#onUnavailable(error as RedisStoreError);
      } catch {
        // The answer is the same.
      }
      return 'unavailable';
    }
  }
}

function evicts(): RedisStoreError {
  return new RedisStoreError(
    'redis.evicts',
    'Redis has a memory limit and may evict records of early data; set maxmemory-policy to noeviction',
  );
}
