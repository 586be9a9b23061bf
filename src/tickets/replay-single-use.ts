import { concat, latin1, toHex } from '../bytes/index.ts';
import type { CryptoProvider, Kdf, MaybePromise } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { andThen, isPromise } from './maybe-promise.ts';
import type { EarlyDataAttempt, ReplayGuard, ReplayVerdict } from './replay.ts';
import {
  MAX_TICKET_LIFETIME_SECONDS,
  type SealRequest,
  type TicketDecline,
  type TicketQuestion,
  type TicketSealer,
  type TicketState,
  type TicketStore,
} from './types.ts';

export interface SingleUseOptions {
  /** Where the markers are. */
  readonly store: TicketStore;
  readonly crypto: CryptoProvider;
  /** Makes the tickets, of whatever kind. */
  readonly sealer: TicketSealer;
  /** Who shares the store. Default `process`. A store that may bring back what was taken, such as a replica that lags, guarantees less than it says. */
  readonly guarantee?: ReplayGuard['guarantee'];
  /** How much older or newer than it should be a ClientHello may be, in milliseconds: 100 to 604,800,000. Default 10,000. */
  readonly windowMs?: number;
}

const MARKER_LABEL = latin1('tessera early data marker');
const MARKER = new Uint8Array(1);

/**
 * Early data at most once for each ticket: a marker goes into the store with each ticket that allows early data, and whoever takes it out may
 * accept. Use both parts together: `sealer` for `tickets.sealer`, `guard` for `earlyData.guard`.
 *
 * It needs no quarantine, and no window for its own sake: what the store has lost, or never had, is refused. When the store fails while
 * a ticket is made, the ticket is good for resumption all the same, without early data.
 *
 * Throws {@link TlsUsageError} `replay.bad_option`.
 *
 * @spec rfc9846#section-8.1
 */
export function singleUse(options: SingleUseOptions): { readonly sealer: TicketSealer; readonly guard: ReplayGuard } {
  const { store, crypto, sealer, guarantee = 'process', windowMs = 10_000 } = options;
  const maxWindowMs = 1_000 * MAX_TICKET_LIFETIME_SECONDS;
  if (!(windowMs >= 100 && windowMs <= maxWindowMs)) {
    throw new TlsUsageError('replay.bad_option', `windowMs is ${windowMs}, it must be from 100 to ${maxWindowMs}`);
  }
  const kdf = crypto.kdf('sha256');
  return {
    sealer: new MarkingSealer(sealer, store, kdf),
    guard: {
      guarantee,
      windowMs,
      check: ({ ticketId, now }: EarlyDataAttempt): MaybePromise<ReplayVerdict> =>
        andThen(store.take(markerKey(kdf, ticketId), now), (marker) => (marker === undefined ? 'replay' : 'fresh')),
    },
  };
}

class MarkingSealer implements TicketSealer {
  readonly #inner: TicketSealer;
  readonly #store: TicketStore;
  readonly #kdf: Kdf;

  constructor(inner: TicketSealer, store: TicketStore, kdf: Kdf) {
    this.#inner = inner;
    this.#store = store;
    this.#kdf = kdf;
  }

  maxLifetimeSeconds(now: number): number {
    return this.#inner.maxLifetimeSeconds(now);
  }

  seal(state: TicketState, now: number, request: SealRequest): MaybePromise<Uint8Array | undefined> {
    return andThen(this.#inner.seal(state, now, request), (ticket) => {
      if (ticket === undefined || state.maxEarlyDataSize === 0) return ticket;
      return andThen(this.#mark(state, now), () => ticket);
    });
  }

  open(ticket: Uint8Array, now: number, question: TicketQuestion): MaybePromise<TicketState | TicketDecline> {
    return this.#inner.open(ticket, now, question);
  }

  use(state: TicketState, now: number): MaybePromise<true | TicketDecline> {
    return this.#inner.use?.(state, now) ?? true;
  }

  #mark({ id, identity, issuedAt, lifetimeSeconds }: TicketState, now: number): MaybePromise<void> {
    try {
      const expiresAt = issuedAt + 1_000 * lifetimeSeconds;
      const put = this.#store.put(markerKey(this.#kdf, id), MARKER, { expiresAt, identity, now });
      return isPromise(put) ? put.catch(() => {}) : put;
    } catch {
      // No marker, no early data.
    }
  }
}

/** Hashed, so that a marker never has the key of anything else in the store. */
function markerKey(kdf: Kdf, ticketId: Uint8Array): string {
  return toHex(kdf.hash(concat(MARKER_LABEL, ticketId)));
}
