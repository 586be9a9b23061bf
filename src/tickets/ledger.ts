import { TlsUsageError } from '../errors/index.ts';
import type { IssuedTicket } from './handle.ts';

export interface TicketLedgerOptions {
  /** 1 to 16,777,216. Default 10,000: about 2 MiB. */
  readonly size?: number | undefined;
}

/**
 * The tickets that connections of this process issued last, so that their handles learn when they are redeemed. Keeps no secret.
 * What falls out, or was issued elsewhere, is redeemed all the same; only its handle does not say so.
 */
export class TicketLedger {
  readonly #size: number;
  readonly #handles = new Map<string, IssuedTicket>();
  /** The ids, each in the place of the one it drives out: looking for the oldest key of a map takes long where many were deleted. */
  readonly #ids: string[] = [];
  #at = 0;

  /** Throws {@link TlsUsageError} `tickets.bad_ledger_size`. */
  constructor({ size = 10_000 }: TicketLedgerOptions = {}) {
    if (!Number.isInteger(size) || size < 1 || size > 2 ** 24)
      throw new TlsUsageError(
        'tickets.bad_ledger_size',
        `size is ${size}, but must be an integer from 1 to 16,777,216`,
      );
    this.#size = size;
  }

  get size(): number {
    return this.#handles.size;
  }

  add(handle: IssuedTicket): void {
    const oldest = this.#ids[this.#at];
    if (oldest !== undefined) this.#handles.delete(oldest);
    this.#handles.set(handle.id, handle);
    this.#ids[this.#at] = handle.id;
    this.#at = (this.#at + 1) % this.#size;
  }

  /** A ticket was accepted; `id` in hexadecimal. True when it is known here. */
  redeemed(id: string): boolean {
    const handle = this.#handles.get(id);
    handle?.redeemed();
    return handle !== undefined;
  }
}
