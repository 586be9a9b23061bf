import { copyOf } from '../bytes/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import {
  MAX_TICKET_LIFETIME_SECONDS,
  RingSealer,
  type TicketDecline,
  TicketKeyRing,
  type TicketState,
  ticketKeyMaterial,
} from '../tickets/index.ts';

/** Name, HMAC key and AES key, as OpenSSL lays them out. */
export const TICKET_KEYS_LENGTH = 80;

/** The ticket keys of a context: those of a ring that makes and rotates its own, until the program sets or asks for fixed ones. */
export class TicketKeys {
  #material: Uint8Array | undefined;
  /** Keys open for seven days after they sealed their last ticket, so that no lifetime is cut short. */
  #sealer: RingSealer = new RingSealer(
    new TicketKeyRing({ crypto: nodeCrypto, openForSeconds: MAX_TICKET_LIFETIME_SECONDS }),
    nodeCrypto,
  );
  /** What sealed before the keys were asked for: its tickets stay good. */
  #before: RingSealer | undefined;

  /** Seals under keys derived from 80 bytes from now on; older tickets open no more. False when the bytes cannot be random. */
  set(bytes: Uint8Array): boolean {
    const sealer = fixedSealer(bytes);
    if (sealer === undefined) return false;
    this.#use(bytes, sealer, undefined);
    return true;
  }

  /** The 80 bytes that, set in another context, make the tickets of both good for both. From now on the keys stay the same. */
  get(): Uint8Array {
    if (this.#material === undefined) {
      const bytes = nodeCrypto.random(TICKET_KEYS_LENGTH);
      this.#use(bytes, fixedSealer(bytes)!, this.#sealer);
    }
    return copyOf(this.#material!);
  }

  maxLifetimeSeconds(now: number): number {
    return this.#sealer.maxLifetimeSeconds(now);
  }

  seal(state: TicketState, now: number, scope: string): Uint8Array | undefined {
    return this.#sealer.seal(state, now, { scope });
  }

  open(ticket: Uint8Array, now: number, scope: string): TicketState | TicketDecline {
    const question = { scopes: [scope], serverName: undefined };
    const opened = this.#sealer.open(ticket, now, question);
    return opened === 'no_key' && this.#before !== undefined ? this.#before.open(ticket, now, question) : opened;
  }

  #use(bytes: Uint8Array, sealer: RingSealer, before: RingSealer | undefined): void {
    this.#material?.fill(0);
    this.#material = copyOf(bytes);
    this.#sealer = sealer;
    this.#before = before;
  }
}

function fixedSealer(bytes: Uint8Array): RingSealer | undefined {
  let secret: Uint8Array | undefined;
  try {
    secret = ticketKeyMaterial(bytes);
    const times = { sealFrom: 0, sealUntil: Number.MAX_SAFE_INTEGER, openUntil: Number.MAX_SAFE_INTEGER };
    return new RingSealer(new TicketKeyRing({ crypto: nodeCrypto, keys: [{ secret, ...times }] }), nodeCrypto);
  } catch (error) {
    if (error instanceof TlsUsageError) return undefined;
    throw error;
  } finally {
    secret?.fill(0);
  }
}
