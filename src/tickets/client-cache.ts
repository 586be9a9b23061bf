import { copyOf, equal } from '../bytes/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { type ClientTicket, MAX_TICKET_LIFETIME_SECONDS } from './types.ts';

export interface ClientTicketCacheOptions {
  /** Origins remembered; the one not used for the longest time goes first. Default 1,000. 0: keep nothing. */
  readonly maxOrigins?: number;
  /** Tickets for one origin; the oldest goes first. Default 16. 0: keep nothing. */
  readonly maxPerOrigin?: number;
  /** Bytes of tickets, PSKs and certificates in all. Default 16 MiB. */
  readonly maxBytes?: number;
}

/** What a ticket is bound to. */
export interface TicketOrigin {
  /** As checked against the certificate. Letters A to Z count as a to z. */
  readonly serverName: string | undefined;
  readonly port: number;
  /** The names offered, in order. */
  readonly alpn: readonly string[];
  /** Whatever else must not be mixed: a hash of the trusted authorities and client certificate, a browser profile, a proxy. */
  readonly scope?: string;
}

/**
 * The name of an origin in a {@link ClientTicketCache}. Different origins have different keys, whatever characters are in them.
 *
 * A ticket restores the identity of the server without showing a certificate again, so two connections may share tickets only if they would
 * have accepted the same servers: put what decides that into `scope`.
 */
export function originKey(origin: TicketOrigin): string {
  // ASCII only: Unicode folding would give the Kelvin sign and "k" the same key.
  const serverName = origin.serverName?.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return JSON.stringify([serverName ?? null, origin.port, origin.alpn, origin.scope ?? null]);
}

/** How far in the future, in milliseconds, a ticket may have been received: clocks are adjusted. */
const CLOCK_STEP_MS = 5_000;

/**
 * A client's tickets, by origin. Each is handed out at most once, so that an observer cannot link connections by a repeated ticket
 * (rfc9846#appendix-C.4). It keeps copies of the PSKs and wipes those it drops.
 */
export class ClientTicketCache {
  readonly #maxOrigins: number;
  readonly #maxPerOrigin: number;
  readonly #maxBytes: number;
  /** Least recently used first; tickets newest first; no empty lists. */
  readonly #origins = new Map<string, ClientTicket[]>();
  #size = 0;
  #bytes = 0;

  /** Throws {@link TlsUsageError} `ticket_cache.bad_limit` when a limit is not a non-negative integer. */
  constructor(options: ClientTicketCacheOptions = {}) {
    this.#maxOrigins = limit('maxOrigins', options.maxOrigins ?? 1_000);
    this.#maxPerOrigin = limit('maxPerOrigin', options.maxPerOrigin ?? 16);
    this.#maxBytes = limit('maxBytes', options.maxBytes ?? 16 * 1_024 * 1_024);
  }

  /** Tickets held, expired ones included until somebody asks for them. */
  get size(): number {
    return this.#size;
  }

  /** Tickets held for `origin`, expired ones included. */
  sizeOf(origin: string): number {
    return this.#origins.get(origin)?.length ?? 0;
  }

  /**
   * Keeps `ticket` for `origin` (see {@link originKey}), dropping others when a limit is reached. The PSK is copied: the caller may wipe his.
   * Does nothing when the lifetime is 0, the ticket is larger than `maxBytes`, or the same ticket is held for `origin` already.
   */
  put(origin: string, ticket: ClientTicket): void {
    const bytes = bytesOf(ticket);
    if (ticket.lifetimeSeconds === 0 || bytes > this.#maxBytes) return;
    const held = this.#origins.get(origin) ?? [];
    if (held.some((other) => equal(other.ticket, ticket.ticket))) return;

    const older = held.findIndex((other) => other.receivedAt <= ticket.receivedAt);
    held.splice(older === -1 ? held.length : older, 0, { ...ticket, psk: copyOf(ticket.psk) });
    this.#size += 1;
    this.#bytes += bytes;
    this.#touch(origin, held);
    while (held.length > this.#maxPerOrigin) this.#dropOldest(origin, held);
    while (this.#origins.size > this.#maxOrigins || this.#bytes > this.#maxBytes) this.#shrink();
  }

  /**
   * Removes and returns up to `count` (default 1) usable tickets of `origin`, newest first. They are the caller's: wipe the PSKs after use.
   * Expired ones are dropped on the way: as old as their lifetime or seven days, or received more than five seconds after `now`
   * (milliseconds since the epoch), which means that the clock was set back and their age is not known.
   */
  take(origin: string, now: number, options: { readonly count?: number } = {}): ClientTicket[] {
    const count = limit('count', options.count ?? 1);
    const held = this.#origins.get(origin);
    if (held === undefined) return [];
    const taken: ClientTicket[] = [];
    const kept: ClientTicket[] = [];
    for (const ticket of held) {
      if (!isUsable(ticket, now)) this.#forget(ticket);
      else if (taken.length < count) taken.push(ticket);
      else kept.push(ticket);
    }
    for (const ticket of taken) this.#release(ticket);
    this.#touch(origin, kept);
    return taken;
  }

  /** Drops the tickets of `origin`, or all. */
  clear(origin?: string): void {
    const keys = origin === undefined ? [...this.#origins.keys()] : [origin];
    for (const key of keys) {
      for (const ticket of this.#origins.get(key) ?? []) this.#forget(ticket);
      this.#origins.delete(key);
    }
  }

  /** Makes `origin` the most recently used one, with these tickets. */
  #touch(origin: string, tickets: ClientTicket[]): void {
    this.#origins.delete(origin);
    if (tickets.length > 0) this.#origins.set(origin, tickets);
  }

  /** One origin fewer when there are too many of them, else one ticket fewer. */
  #shrink(): void {
    for (const [origin, tickets] of this.#origins) {
      if (this.#origins.size > this.#maxOrigins) this.clear(origin);
      else this.#dropOldest(origin, tickets);
      return;
    }
  }

  #dropOldest(origin: string, tickets: ClientTicket[]): void {
    const oldest = tickets.pop();
    if (oldest !== undefined) this.#forget(oldest);
    if (tickets.length === 0) this.#origins.delete(origin);
  }

  #forget(ticket: ClientTicket): void {
    this.#release(ticket);
    ticket.psk.fill(0);
  }

  #release(ticket: ClientTicket): void {
    this.#size -= 1;
    this.#bytes -= bytesOf(ticket);
  }
}

/** Counts shared certificates each time: an upper bound. */
function bytesOf({ ticket, psk, nonce, server }: ClientTicket): number {
  return server.chain.reduce((sum, certificate) => sum + certificate.length, ticket.length + psk.length + nonce.length);
}

function isUsable(ticket: ClientTicket, now: number): boolean {
  const age = now - ticket.receivedAt;
  return age >= -CLOCK_STEP_MS && age < Math.min(ticket.lifetimeSeconds, MAX_TICKET_LIFETIME_SECONDS) * 1_000;
}

function limit(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new TlsUsageError('ticket_cache.bad_limit', `${name} is ${value}, it must be a non-negative integer`);
}
