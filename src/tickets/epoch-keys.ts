import { concat, hidden, Secret } from '../bytes/index.ts';
import type { CryptoProvider } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { Writer } from '../wire/writer.ts';
import { checkSecret, MAX_KEYS_HELD, period } from './key-material.ts';
import type { TicketKey } from './key-ring.ts';

/**
 * Keys that hosts agree on without talking: each is derived, one way, from a master secret and the number of its epoch.
 *
 * The key of the next epoch is there for a whole epoch before it seals: the clocks of hosts may differ by up to that.
 *
 * There is no forward secrecy against loss of the master: whoever has it can derive every key, past and future, and open every ticket
 * ever recorded. With psk_dhe_ke that gives away what tickets hold (client certificates, application data) and early data, not the
 * rest of the connections. Where that is too much, share keys that are really destroyed: a file, a store, Node's cluster.
 */
export interface DerivedTicketKeys {
  /** 32 to 1,024 unpredictable bytes, the same on every host. The ring keeps what it derived from them; wipe yours. */
  readonly master: Uint8Array;
  /** How long each key seals, in seconds; the same on every host. Default 12 hours. */
  readonly epochSeconds?: number;
  /** How long it opens after that, in seconds. Default 24 hours, at most 14 times `epochSeconds`. */
  readonly openForSeconds?: number;
}

const MASTER_SALT = new TextEncoder().encode('tessera ticket master secret');
const EPOCH_LABEL = new TextEncoder().encode('tessera ticket epoch key');

/** Epoch `n` is the time from `n` to `n + 1` times `epochSeconds` since 1970. */
export class EpochKeys {
  readonly #crypto: CryptoProvider;
  readonly #master: Secret;
  readonly #epochMs: number;
  readonly #openForMs: number;

  /** Throws {@link TlsUsageError}: `ticket_key.bad_period`, `ticket_key.short`, `ticket_key.long`, `ticket_key.constant`. */
  constructor(crypto: CryptoProvider, options: DerivedTicketKeys) {
    this.#crypto = crypto;
    this.#epochMs = 1_000 * period('epochSeconds', options.epochSeconds ?? 12 * 3_600);
    this.#openForMs = 1_000 * period('openForSeconds', options.openForSeconds ?? 24 * 3_600);
    if (this.#openForMs > (MAX_KEYS_HELD - 2) * this.#epochMs) {
      throw new TlsUsageError(
        'ticket_key.bad_period',
        `openForSeconds may be at most ${MAX_KEYS_HELD - 2} times epochSeconds: the ring holds at most ${MAX_KEYS_HELD} keys`,
      );
    }
    checkSecret('the master secret', options.master);
    this.#master = new Secret(crypto.kdf('sha256').hmac(MASTER_SALT, options.master));
  }

  epochOf(now: number): number {
    return Math.floor(now / this.#epochMs);
  }

  /** The keys of the epochs whose tickets may be alive at `now`, of this one and of the next: at most 16. Wipe their secrets. */
  keysAt(now: number): readonly TicketKey[] {
    const keys: TicketKey[] = [];
    const last = this.epochOf(now) + 1;
    for (let epoch = Math.max(this.epochOf(now - this.#openForMs), 0); epoch <= last; epoch++) {
      const sealUntil = (epoch + 1) * this.#epochMs;
      const key = { sealFrom: epoch * this.#epochMs, sealUntil, openUntil: sealUntil + this.#openForMs };
      if (key.openUntil > now) keys.push({ secret: hidden(this.#derive(epoch)), ...key });
    }
    return keys;
  }

  #derive(epoch: number): Uint8Array {
    // The length of the epochs goes in, so that hosts that differ in it share no key with other times.
    const info = concat(EPOCH_LABEL, new Writer().u64(this.#epochMs).u64(epoch).finish());
    return this.#crypto.kdf('sha256').expand(this.#master.bytes, info, 32);
  }
}
