import { concat, copyOf, equalConstantTime, hidden, toHex } from '../bytes/index.ts';
import type { CryptoProvider } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { Reader } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';
import { OnceAead } from './once-aead.ts';
import { decodeClientTicket, encodeClientTicket } from './state.ts';
import { type ClientTicket, MAX_TICKET_LIFETIME_SECONDS } from './types.ts';

export interface ClientTicketCacheOptions {
  /** Origins remembered; the one not used for the longest time goes first. Default 1,000. 0: keep nothing. */
  readonly maxOrigins?: number;
  /** Tickets for one origin; the one that expires first goes first. Default 32. 0: keep nothing. */
  readonly maxPerOrigin?: number;
  /** Tickets of one connection that are held at once; each one more replaces its own that expires first. Default 16. 0: keep nothing. */
  readonly maxPerConnection?: number;
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

/** What decides which servers a client accepts, and as whom it shows itself. */
export interface TrustFacts {
  /** DER certificates of the trusted authorities. `undefined`: the system's. */
  readonly authorities: readonly Uint8Array[] | undefined;
  /** Names what decides instead of `authorities`: the same name only for what accepts the same servers. */
  readonly policy?: string;
  readonly rejectUnauthorized: boolean;
  /** Whether the certificate must have the origin's name. Default true. */
  readonly checkServerName?: boolean;
  /** Names of the signature schemes accepted; `undefined`: the defaults. */
  readonly signatureSchemes?: readonly string[] | undefined;
  /** The client's own certificate chains, DER, leaf first. */
  readonly credentials: readonly (readonly Uint8Array[])[];
}

/** The `scope` of a {@link TicketOrigin}: connections that trust and show the same have the same, in lower-case hexadecimal. */
export function trustHash(crypto: CryptoProvider, facts: TrustFacts): string {
  const { authorities, policy, rejectUnauthorized, checkServerName = true, signatureSchemes, credentials } = facts;
  const kdf = crypto.kdf('sha256');
  const fingerprint = (certificate: Uint8Array): string => toHex(kdf.hash(certificate));
  const text = JSON.stringify([
    authorities?.map(fingerprint) ?? null,
    policy ?? null,
    rejectUnauthorized,
    checkServerName,
    signatureSchemes ?? null,
    credentials.map((chain) => chain.map(fingerprint)),
  ]);
  return toHex(kdf.hash(utf8.encode(text)));
}

const utf8 = new TextEncoder();

/** How far in the future, in milliseconds, a ticket may have been received: clocks are adjusted. */
const CLOCK_STEP_MS = 5_000;

/** The way to the server takes time, and so does the answer: a ticket with less than this to live, in milliseconds, is not worth offering. */
const ON_THE_WAY_MS = 5_000;

const EXPORT_VERSION = 1;
const EXPORT_LABEL = 'tessera client ticket cache';
const EXPORT_KEY_LENGTH = 32;
const EXPORT_SALT_LENGTH = 32;

interface Held {
  readonly ticket: ClientTicket;
  /** Of the connection it came from; imported ones have none. */
  readonly connection: number | undefined;
}

/**
 * A client's tickets, by origin. Each is handed out at most once, so that an observer cannot link connections by a repeated ticket
 * (rfc9846#appendix-C.4). It keeps copies of the PSKs and wipes those it drops.
 *
 * The newest goes out first: it is the likeliest to open, for the server's key is the youngest, and its age is the least inexact, which
 * counts for early data. The one that expires first is dropped first.
 */
export class ClientTicketCache {
  readonly #maxOrigins: number;
  readonly #maxPerOrigin: number;
  readonly #maxPerConnection: number;
  readonly #maxBytes: number;
  /** Least recently used first; tickets newest first; no empty lists. */
  readonly #origins = new Map<string, Held[]>();
  /** Numbers instead of the connections themselves: a ticket must not keep a connection in memory. */
  readonly #connections = new WeakMap<object, number>();
  #lastConnection = 0;
  #size = 0;
  #bytes = 0;

  /** Throws {@link TlsUsageError} `ticket_cache.bad_limit` when a limit is not a non-negative integer. */
  constructor(options: ClientTicketCacheOptions = {}) {
    this.#maxOrigins = limit('maxOrigins', options.maxOrigins ?? 1_000);
    this.#maxPerOrigin = limit('maxPerOrigin', options.maxPerOrigin ?? 32);
    this.#maxPerConnection = limit('maxPerConnection', options.maxPerConnection ?? 16);
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
   * How many usable tickets `origin` lacks for `target` connections at `now` (milliseconds since the epoch): what to ask a server for,
   * rfc9149#section-3. Never more than the cache keeps for one origin.
   */
  lacks(origin: string, target: number, now: number): number {
    const usable = this.#origins.get(origin)?.filter(({ ticket }) => isUsable(ticket, now)).length ?? 0;
    return Math.max(0, Math.min(limit('target', target), this.#maxPerOrigin) - usable);
  }

  /**
   * Keeps `ticket` for `origin` (see {@link originKey}), dropping others when a limit is reached. The PSK is copied: the caller may wipe his.
   * Does nothing when the lifetime is 0, the ticket is larger than `maxBytes`, or the same ticket is held for `origin` already.
   *
   * Put tickets in as they arrive: a connection that ends without close_notify has left good ones all the same. `connection` is any object
   * that stands for the connection it came from, so that a server which sends tickets without end drives out only its own.
   */
  put(origin: string, ticket: ClientTicket, { connection }: { readonly connection?: object } = {}): void {
    const bytes = bytesOf(ticket);
    if (ticket.lifetimeSeconds === 0 || bytes > this.#maxBytes || this.#maxPerConnection === 0) return;
    const held = this.#origins.get(origin) ?? [];
    if (held.some((other) => equalConstantTime(other.ticket.ticket, ticket.ticket))) return;

    const from = connection === undefined ? undefined : this.#numberOf(connection);
    const older = held.findIndex((other) => other.ticket.receivedAt <= ticket.receivedAt);
    const copy = { ticket: { ...ticket, psk: hidden(copyOf(ticket.psk)) }, connection: from };
    held.splice(older === -1 ? held.length : older, 0, copy);
    this.#size += 1;
    this.#bytes += bytes;
    this.#touch(origin, held);
    const siblings = from === undefined ? [] : held.filter((other) => other.connection === from);
    if (siblings.length > this.#maxPerConnection) this.#dropFirst(origin, held, siblings);
    if (held.length > this.#maxPerOrigin) this.#dropFirst(origin, held, held);
    while (this.#origins.size > this.#maxOrigins || this.#bytes > this.#maxBytes) this.#shrink();
  }

  /**
   * Removes and returns up to `count` (default 1) usable tickets of `origin`, newest first. They are the caller's: wipe the PSKs after use.
   * It is done when it returns: connections that are opened in one tick each get tickets of their own.
   *
   * Expired ones are dropped on the way: as old as their lifetime or seven days, less the few seconds until the server would see it (a
   * tenth of the lifetime, at most five seconds), or received more than five seconds after `now` (milliseconds since the epoch), which
   * means that the clock was set back and their age is not known.
   */
  take(origin: string, now: number, options: { readonly count?: number } = {}): ClientTicket[] {
    const count = limit('count', options.count ?? 1);
    const held = this.#origins.get(origin);
    if (held === undefined) return [];
    const taken: ClientTicket[] = [];
    const kept: Held[] = [];
    for (const entry of held) {
      if (!isUsable(entry.ticket, now)) this.#forget(entry);
      else if (taken.length < count) taken.push(entry.ticket);
      else kept.push(entry);
    }
    for (const ticket of taken) this.#release(ticket);
    this.#touch(origin, kept);
    return taken;
  }

  /**
   * All tickets that are usable at `now` (milliseconds since the epoch), for {@link ClientTicketCache.importEncrypted}: sealed with
   * AES-256-GCM, or ChaCha20-Poly1305 where `crypto` lacks it, under a key that is derived from `key` and a random salt.
   *
   * They stay in the cache. To keep each from being used twice, export when the program ends, or {@link ClientTicketCache.clear} after it.
   * `key`: 32 random bytes. Throws {@link TlsUsageError}: `ticket_cache.bad_key`, `ticket.no_aead`, `ticket.bad_field`.
   */
  exportEncrypted(key: Uint8Array, crypto: CryptoProvider, now: number): Uint8Array {
    checkKey(key);
    const aead = new OnceAead(crypto);
    const tickets: Uint8Array[] = [];
    const parts: Uint8Array[] = [];
    for (const [origin, held] of this.#origins) {
      // As JSON, every string comes back as it was. Oldest first: the order to put them in.
      const name = utf8.encode(JSON.stringify(origin));
      for (const { ticket } of held.toReversed()) {
        if (!isUsable(ticket, now)) continue;
        const encoded = encodeClientTicket(ticket);
        tickets.push(encoded);
        parts.push(new Writer().opaque(3, name).finish(), uint32(encoded.length), encoded);
      }
    }
    const plaintext = concat(...parts);
    const salt = crypto.random(EXPORT_SALT_LENGTH);
    const sealed = aead.seal(key, EXPORT_LABEL, salt, plaintext);
    for (const secret of [...tickets, plaintext]) secret.fill(0);
    return concat(Uint8Array.of(EXPORT_VERSION), salt, sealed);
  }

  /**
   * Puts in what {@link ClientTicketCache.exportEncrypted} gave, as far as it is usable at `now` (milliseconds since the epoch) and the limits of this
   * cache allow. All or nothing is read. Returns how many tickets were put in.
   * Throws {@link TlsUsageError}: `ticket_cache.bad_key`, `ticket_cache.cannot_open` (another key, or changed bytes),
   * `ticket_cache.unknown_version`, `ticket.no_aead`.
   */
  importEncrypted(exported: Uint8Array, key: Uint8Array, crypto: CryptoProvider, now: number): number {
    checkKey(key);
    if (exported[0] !== EXPORT_VERSION) throw unknownVersion();
    const salt = exported.subarray(1, 1 + EXPORT_SALT_LENGTH);
    const plaintext =
      salt.length < EXPORT_SALT_LENGTH
        ? undefined
        : new OnceAead(crypto).open(key, EXPORT_LABEL, salt, exported.subarray(1 + EXPORT_SALT_LENGTH));
    if (plaintext === undefined) {
      throw new TlsUsageError(
        'ticket_cache.cannot_open',
        'these tickets were exported with another key, or changed since; start with an empty cache',
      );
    }
    const imported = readExport(plaintext);
    plaintext.fill(0);
    const usable = imported.filter(({ ticket }) => isUsable(ticket, now));
    for (const { origin, ticket } of usable) this.put(origin, ticket);
    for (const { ticket } of imported) ticket.psk.fill(0);
    return usable.length;
  }

  /**
   * Drops the tickets of one session of `origin`: those that go back to the authentication of the server at `authenticatedAt` (milliseconds
   * since the epoch). For when a server would not resume from one of them: "the client SHOULD assume that any other tickets associated with
   * the same session as the presented ticket are also no longer valid".
   *
   * @spec rfc9149#section-3
   */
  dropSession(origin: string, authenticatedAt: number): void {
    const held = this.#origins.get(origin);
    if (held === undefined) return;
    const kept = held.filter(({ ticket }) => ticket.authenticatedAt !== authenticatedAt);
    for (const entry of held) if (!kept.includes(entry)) this.#forget(entry);
    if (kept.length > 0) this.#origins.set(origin, kept);
    else this.#origins.delete(origin);
  }

  /** Drops the tickets of `origin`, or all. */
  clear(origin?: string): void {
    const keys = origin === undefined ? [...this.#origins.keys()] : [origin];
    for (const key of keys) {
      for (const entry of this.#origins.get(key) ?? []) this.#forget(entry);
      this.#origins.delete(key);
    }
  }

  /** Makes `origin` the most recently used one, with these tickets. */
  #touch(origin: string, held: Held[]): void {
    this.#origins.delete(origin);
    if (held.length > 0) this.#origins.set(origin, held);
  }

  #numberOf(connection: object): number {
    let number = this.#connections.get(connection);
    if (number === undefined) {
      number = ++this.#lastConnection;
      this.#connections.set(connection, number);
    }
    return number;
  }

  /** One origin fewer when there are too many of them, else one ticket fewer. */
  #shrink(): void {
    for (const [origin, held] of this.#origins) {
      if (this.#origins.size > this.#maxOrigins) this.clear(origin);
      else this.#dropFirst(origin, held, held);
      return;
    }
  }

  /** Of `candidates` (newest first; not empty), the one that expires first; of several, the oldest. */
  #dropFirst(origin: string, held: Held[], candidates: readonly Held[]): void {
    const first = candidates.reduce((a, b) => (expiryOf(b.ticket) <= expiryOf(a.ticket) ? b : a));
    held.splice(held.indexOf(first), 1);
    this.#forget(first);
    if (held.length === 0) this.#origins.delete(origin);
  }

  #forget({ ticket }: Held): void {
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

/** Milliseconds since the epoch. */
function expiryOf({ receivedAt, lifetimeSeconds }: ClientTicket): number {
  return receivedAt + 1_000 * Math.min(lifetimeSeconds, MAX_TICKET_LIFETIME_SECONDS);
}

function isUsable(ticket: ClientTicket, now: number): boolean {
  const margin = Math.min(ON_THE_WAY_MS, 100 * ticket.lifetimeSeconds);
  return now >= ticket.receivedAt - CLOCK_STEP_MS && now < expiryOf(ticket) - margin;
}

function checkKey(key: Uint8Array): void {
  // A key of equal bytes is what uninitialised memory looks like.
  if (key instanceof Uint8Array && key.length === EXPORT_KEY_LENGTH && key.some((byte) => byte !== key[0])) return;
  throw new TlsUsageError('ticket_cache.bad_key', `the key must be a Uint8Array of ${EXPORT_KEY_LENGTH} random bytes`);
}

/** What was authenticated is ours; that it cannot be read means that another version wrote it. */
function readExport(plaintext: Uint8Array): readonly { readonly origin: string; readonly ticket: ClientTicket }[] {
  try {
    const r = new Reader(plaintext);
    const read: { origin: string; ticket: ClientTicket }[] = [];
    while (r.left > 0) {
      const origin: unknown = JSON.parse(new TextDecoder().decode(r.opaque(3, 0, 0xff_ffff)));
      const ticket = decodeClientTicket(r.bytes(r.u32()));
      if (typeof origin === 'string') read.push({ origin, ticket });
    }
    return read;
  } catch (error) {
    throw unknownVersion(error);
  }
}

function unknownVersion(cause?: unknown): TlsUsageError {
  return new TlsUsageError(
    'ticket_cache.unknown_version',
    'these bytes are not tickets exported by this version; start with an empty cache',
    cause,
  );
}

function uint32(value: number): Uint8Array {
  return new Writer(4).u32(value).finish();
}

function limit(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new TlsUsageError('ticket_cache.bad_limit', `${name} is ${value}, it must be a non-negative integer`);
}
