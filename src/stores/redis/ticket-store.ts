import { toHex } from '../../bytes/index.ts';
import type { CryptoProvider } from '../../crypto/index.ts';
import { TlsUsageError } from '../../errors/index.ts';
import type { TicketStore } from '../../tickets/index.ts';
import { badReply, inRange, RedisLink, type RedisOptions } from './client.ts';

export interface RedisTicketStoreOptions extends RedisOptions {
  readonly crypto: CryptoProvider;
  /** Tickets kept of one identity; the one that expires first makes room. 1 to 100,000. Default 1,000. */
  readonly maxPerIdentity?: number | undefined;
}

const MAX_VALUE_LENGTH = 0xffff;

/**
 * A ticket and its line in the index of its identity, both or neither. The index is a sorted set by time of expiry.
 * KEYS: ticket, index. ARGV: value, milliseconds to live, expiresAt, now, limit.
 */
const PUT = `
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[3], KEYS[1])
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[5])
if over > 0 then
  local oldest = redis.call('ZPOPMIN', KEYS[2], over)
  for i = 1, #oldest, 2 do redis.call('DEL', oldest[i]) end
end
if redis.call('ZSCORE', KEYS[2], KEYS[1]) then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
return 1`;

const REVOKE = `
local count = 0
for _, ticket in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do count = count + redis.call('DEL', ticket) end
redis.call('DEL', KEYS[1])
return count`;

/**
 * Tickets in Redis or Valkey, which forgets each at its expiry. `take` gives a ticket to one caller of all hosts. Identities appear in
 * Redis as hashes only. Every method rejects with a `RedisStoreError` when the store does not answer in time.
 */
export class RedisTicketStore implements TicketStore {
  readonly #link: RedisLink;
  readonly #crypto: CryptoProvider;
  readonly #maxPerIdentity: string;

  /** Throws {@link TlsUsageError} `redis.bad_option`. */
  constructor(options: RedisTicketStoreOptions) {
    this.#link = new RedisLink(options);
    this.#crypto = options.crypto;
    this.#maxPerIdentity = String(inRange('maxPerIdentity', options.maxPerIdentity ?? 1_000, 1, 100_000));
  }

  /** Nothing when it has expired at `now`. Rejects with {@link TlsUsageError} `ticket_store.bad_value` when `value` is empty or longer than 65,535 bytes. */
  async put(
    key: string,
    value: Uint8Array,
    {
      expiresAt,
      identity,
      now,
    }: { readonly expiresAt: number; readonly identity: string | undefined; readonly now: number },
  ): Promise<void> {
    if (value.length < 1 || value.length > MAX_VALUE_LENGTH) {
      throw new TlsUsageError(
        'ticket_store.bad_value',
        `a ticket has 1 to ${MAX_VALUE_LENGTH} bytes, not ${value.length}`,
      );
    }
    const name = this.#ticket(key);
    const lifetimeMs = Math.floor(expiresAt - now);
    if (!(lifetimeMs > 0)) return;
    const text = Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64');
    if (identity === undefined) {
      await this.#link.send('SET', name, text, 'PX', String(lifetimeMs));
      return;
    }
    const args = [text, String(lifetimeMs), String(expiresAt), String(now), this.#maxPerIdentity];
    await this.#link.run(PUT, [name, this.#index(identity)], args);
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return bytesOf(await this.#link.send('GET', this.#ticket(key)), 'GET');
  }

  async take(key: string): Promise<Uint8Array | undefined> {
    return bytesOf(await this.#link.send('GETDEL', this.#ticket(key)), 'GETDEL');
  }

  async revoke(identity: string): Promise<number> {
    const count = await this.#link.run(REVOKE, [this.#index(identity)], []);
    if (typeof count !== 'number') throw badReply('EVAL');
    return count;
  }

  #ticket(key: string): string {
    if (!/^[0-9a-fA-F]{1,256}$/.test(key)) {
      throw new TlsUsageError('ticket_store.bad_key', 'the key of a ticket must be 1 to 256 hexadecimal digits');
    }
    return this.#link.name(`ticket:${key.toLowerCase()}`);
  }

  #index(identity: string): string {
    return this.#link.name(`tickets-of:${hashOf(this.#crypto, identity)}`);
  }
}

/** An identity as it appears in the name of a key: whoever reads the store learns no names from it. */
export function hashOf(crypto: CryptoProvider, identity: string): string {
  return toHex(crypto.kdf('sha256').hash(new TextEncoder().encode(identity)));
}

function bytesOf(reply: unknown, command: string): Uint8Array | undefined {
  if (reply === null) return undefined;
  if (typeof reply !== 'string') throw badReply(command);
  return new Uint8Array(Buffer.from(reply, 'base64'));
}
