import type { CryptoProvider } from '../../crypto/index.ts';
import { TlsUsageError } from '../../errors/index.ts';
import { type TicketKey, TicketKeyRing } from '../../tickets/index.ts';
import { badOption, badReply, inRange, RedisLink, type RedisOptions, runtimeTimers, type Timers } from './client.ts';
import {
  describe,
  formatDocument,
  type KeyDocument,
  type KeyRecord,
  type KeySchedule,
  KeyWrap,
  MAX_KEYS,
  nextKeyTimes,
  parseDocument,
  type Tombstone,
} from './key-document.ts';

/** What happened to the keys of a fleet, for logs and counters. Holds no secret. */
export type TicketKeyReport =
  /** This host published a key. `sealFrom`: milliseconds since the epoch. */
  | { readonly type: 'published'; readonly id: string; readonly epoch: number; readonly sealFrom: number }
  /** This host learned a key from the store. */
  | { readonly type: 'learned'; readonly id: string; readonly epoch: number; readonly sealFrom: number }
  /** The store had lost what this host knew, and has it again. */
  | { readonly type: 'restored'; readonly count: number }
  | { readonly type: 'destroyed'; readonly id: string }
  /** Entries of the store that are damaged, forged, or under another shared secret. They are not used. */
  | { readonly type: 'bad_record'; readonly count: number }
  /** Nothing in the store opens with the shared secret of this host. It leaves the store as it is, and seals nothing. */
  | { readonly type: 'foreign' }
  /** The clocks of this host and of the store lie too far apart for this host to publish. Milliseconds; positive: the store is ahead. */
  | { readonly type: 'clock_skew'; readonly ms: number }
  /** A key is due, but there are 16 already. */
  | { readonly type: 'too_many' }
  | { readonly type: 'unavailable'; readonly error: unknown }
  /** After `unavailable`. */
  | { readonly type: 'available' };

export interface RedisTicketKeysOptions extends RedisOptions {
  readonly crypto: CryptoProvider;
  /**
   * Wraps the keys, so that Redis never sees one: 32 to 1,024 random bytes, the same on all hosts. Of an array (at most 4) the first
   * wraps and all unwrap: to change the secret, add the new one behind the old one on all hosts, then put it first.
   */
  readonly secret: Uint8Array | readonly Uint8Array[];
  /** Made with `keys: []`, and given keys by nobody else. Default: a ring of its own. */
  readonly ring?: TicketKeyRing | undefined;
  readonly clock: { now(): number };
  /** Seconds between looks at the store, 0.05 to 3,600. Default 10. Each wait is up to a quarter shorter, at random. */
  readonly pollSeconds?: number | undefined;
  /** From publishing a key to sealing with it: at least twice `pollSeconds`, at most half of `sealForSeconds`. Default 60, or more where `pollSeconds` or the skew demands it. */
  readonly propagationSeconds?: number | undefined;
  /** How long a key seals before the next one does. Default 12 hours. */
  readonly sealForSeconds?: number | undefined;
  /** How much longer it seals when there is no next one, since the store is away; then no tickets. At most `openForSeconds`. Default `sealForSeconds`, or `openForSeconds` if that is less. */
  readonly outageSeconds?: number | undefined;
  /** How long a key opens after `sealForSeconds`: at most 12 times that. Default 24 hours. */
  readonly openForSeconds?: number | undefined;
  /** How far the clocks of this host and of the store may lie apart for this host to publish. Default 10. */
  readonly maxClockSkewSeconds?: number | undefined;
  /** What it throws is ignored. */
  readonly onReport?: ((report: TicketKeyReport) => void) | undefined;
}

/** The text, and the time by the clock of Redis in milliseconds. */
const READ = `
local t = redis.call('TIME')
return {redis.call('GET', KEYS[1]) or '', t[1] .. string.sub('00000' .. t[2], -6, -4)}`;

/**
 * Compare and set. A client may hold a command back until its connection is there again: one that was made on older knowledge than
 * ARGV[4] allows must not publish a key whose time to spread is over.
 */
const WRITE = `
local t = redis.call('TIME')
local age = tonumber(t[1] .. string.sub('00000' .. t[2], -6, -4)) - tonumber(ARGV[3])
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] or age < 0 or age > tonumber(ARGV[4]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[5])
return 1`;

/** How often {@link RedisTicketKeys.destroy} tries again when other hosts write at the same time. */
const DESTROY_TRIES = 8;

interface Known {
  readonly record: KeyRecord;
  readonly id: string;
}

interface Snapshot {
  readonly text: string;
  /** By the clock of Redis. */
  readonly time: string;
}

/**
 * Keeps a {@link TicketKeyRing} in step with all hosts that share a Redis or Valkey.
 *
 * Every host looks at the store every `pollSeconds`. When a key is due, each may publish one; by compare-and-set exactly one succeeds,
 * and the others read the winner's. A key is published before it seals, so that wherever its tickets turn up they open; only the
 * first key in an empty store seals at once. While the store is away the ring goes on with what it has: the newest key seals until its `sealUntil`
 * and not a moment longer, all open until their `openUntil`. A store that lost its memory is given everything back by
 * the first host that looks, so it needs no persistence, and should have none: keys are to be forgotten.
 *
 * A presented ticket never causes a command. A look costs one command, a look that changes something at most three.
 */
export class RedisTicketKeys {
  readonly ring: TicketKeyRing;
  readonly #crypto: CryptoProvider;
  readonly #clock: { now(): number };
  readonly #timers: Timers;
  readonly #link: RedisLink;
  readonly #name: string;
  readonly #wrap: KeyWrap;
  readonly #schedule: KeySchedule;
  readonly #pollMs: number;
  readonly #skewMs: number;
  readonly #onReport: (report: TicketKeyReport) => void;
  /** By their box, as far as this host could read them. */
  readonly #known = new Map<string, Known>();
  /** By the id of the key. */
  readonly #gone = new Map<string, Tombstone>();
  /** The generations of tenants as this host last saw or wrote them. */
  #tenants: { readonly box: string; readonly generations: string } | undefined;
  #release: (() => void) | undefined;
  /** Boxes that were reported as bad, so as to report each once. */
  #bad = new Set<string>();
  #available = true;
  #lastRefreshAt: number | undefined;
  #refreshing: Promise<boolean> | undefined;
  #timer: unknown;
  #running = false;

  /** Throws {@link TlsUsageError}: `redis.bad_option`, `ticket.no_aead`. */
  constructor(options: RedisTicketKeysOptions) {
    const { crypto, secret, clock, ring, timers, onReport } = options;
    this.#link = new RedisLink(options);
    this.#name = this.#link.name('ticket-keys:1');
    this.#wrap = new KeyWrap(crypto, secret instanceof Uint8Array ? [secret] : secret, this.#name);
    this.#crypto = crypto;
    this.#clock = clock;
    this.#timers = timers ?? runtimeTimers;
    this.#onReport = onReport ?? (() => {});
    this.ring = ring ?? new TicketKeyRing({ crypto, keys: [] });

    const poll = inRange('pollSeconds', options.pollSeconds ?? 10, 0.05, 3_600);
    const skew = inRange('maxClockSkewSeconds', options.maxClockSkewSeconds ?? 10, 0, 31_536_000);
    const sealFor = inRange('sealForSeconds', options.sealForSeconds ?? 12 * 3_600, 0.2, 31_536_000);
    const openFor = inRange('openForSeconds', options.openForSeconds ?? 24 * 3_600, 0, (MAX_KEYS - 4) * sealFor);
    const outage = inRange('outageSeconds', options.outageSeconds ?? Math.min(sealFor, openFor), 0, openFor);
    const propagation = options.propagationSeconds ?? Math.max(60, 2 * poll + 2 * skew);
    inRange('propagationSeconds', propagation, 2 * poll, sealFor / 2);
    this.#pollMs = 1_000 * poll;
    this.#skewMs = 1_000 * skew;
    this.#schedule = {
      sealForMs: 1_000 * sealFor,
      openForMs: 1_000 * openFor,
      outageMs: 1_000 * outage,
      propagationMs: 1_000 * propagation,
      // Early enough that a store which is away for a while holds nothing up.
      leadMs: 1_000 * Math.max(propagation, sealFor / 4),
    };
  }

  /** When this host last saw the store, milliseconds since the epoch; `undefined`: never. */
  get lastRefreshAt(): number | undefined {
    return this.#lastRefreshAt;
  }

  /**
   * Looks at the store, and then regularly. Resolves after the first look: whether the ring is in step. Never rejects.
   * Throws {@link TlsUsageError}: `ticket_key.two_owners`, `ticket_key.ring_generates`.
   */
  start(): Promise<boolean> {
    if (this.#running) return this.refresh();
    this.#release = this.ring.claim('RedisTicketKeys');
    this.#running = true;
    return this.#tick();
  }

  /** Stops looking. The ring keeps its keys, each until its time is over. */
  close(): void {
    this.#running = false;
    this.#release?.();
    this.#stopTimer();
  }

  /** Looks at the store now; calls at the same time share one look. Resolves to whether the ring is in step with the store. Never rejects. */
  refresh(): Promise<boolean> {
    this.#refreshing ??= this.#round().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /**
   * Destroys the key with this id, or every key, here at once and on every other host at its next look. A new key is published; it
   * seals after `propagationSeconds`, and until then there are no tickets.
   * `count`: how many keys. `published` is false when the store cannot be reached: they are destroyed here, and the others will be told as
   * soon as it can. Never rejects.
   */
  async destroy(id: string | 'all'): Promise<{ readonly count: number; readonly published: boolean }> {
    const doomed = new Set<string>();
    const bury = (): void => {
      const now = this.#clock.now();
      for (const known of [...this.#known.values()]) {
        if ((id !== 'all' && known.id !== id) || this.#gone.has(known.id)) continue;
        doomed.add(known.id);
        this.#dig(this.#wrap.bury({ id: known.id, until: known.record.openUntil }));
      }
      this.#syncRing(now);
    };
    try {
      bury();
      for (let tries = 0; tries < DESTROY_TRIES; tries++) {
        const snapshot = await this.#read();
        this.#learn(snapshot.text, this.#clock.now());
        bury();
        // Whoever else wrote in between may have published one more key.
        const outcome = await this.#writeIfNeeded(snapshot, 'destroy');
        if (outcome !== 'changed') return { count: doomed.size, published: outcome === 'done' };
      }
    } catch (error) {
      this.#failed(error);
    }
    return { count: doomed.size, published: false };
  }

  /**
   * Destroys all tickets of one tenant, here at once and on every other host at its next look; so does `ring.destroyTenant`, which does
   * not wait. False when the store cannot be reached: the others will be told as soon as it can. Never rejects.
   */
  async destroyTenant(tenant: string): Promise<boolean> {
    try {
      this.ring.destroyTenant(tenant);
      for (let tries = 0; tries < DESTROY_TRIES; tries++) {
        const snapshot = await this.#read();
        this.#learn(snapshot.text, this.#clock.now());
        const outcome = await this.#writeIfNeeded(snapshot, 'destroy');
        if (outcome !== 'changed') return outcome === 'done';
      }
    } catch (error) {
      this.#failed(error);
    }
    return false;
  }

  async #tick(): Promise<boolean> {
    try {
      return await this.refresh();
    } finally {
      // Whatever went wrong, there is a next time.
      if (this.#running) {
        this.#stopTimer();
        this.#timer = this.#timers.set(
          () => void this.#tick().catch(() => {}),
          this.#pollMs * (1 - this.#fraction() / 4),
        );
      }
    }
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.#timers.clear(this.#timer);
    this.#timer = undefined;
  }

  /** 0 to 1, so that hosts started together do not look together. */
  #fraction(): number {
    try {
      return this.#crypto.random(1)[0]! / 256;
    } catch {
      return 0;
    }
  }

  async #round(): Promise<boolean> {
    try {
      const snapshot = await this.#read();
      this.#learn(snapshot.text, this.#clock.now());
      if ((await this.#writeIfNeeded(snapshot, 'publish')) === 'changed') {
        // Somebody was faster: the winner's key is the one to have.
        this.#learn((await this.#read()).text, this.#clock.now());
      }
      this.#lastRefreshAt = this.#clock.now();
      if (!this.#available) this.#report({ type: 'available' });
      this.#available = true;
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  #failed(error: unknown): void {
    if (this.#available) this.#report({ type: 'unavailable', error });
    this.#available = false;
  }

  async #read(): Promise<Snapshot> {
    const reply = await this.#link.run(READ, [this.#name], []);
    const [text, time] = Array.isArray(reply) ? reply : [];
    if (typeof text !== 'string' || !/^\d{13,15}$/.test(String(time))) throw badReply('EVAL');
    return { text, time: String(time) };
  }

  /** Takes what it can read out of the store's text, and brings the ring up to date. */
  #learn(text: string, now: number): void {
    const { keys, gone, tenants, malformed } =
      text === '' ? { keys: [], gone: [], tenants: undefined, malformed: 0 } : parseDocument(text);
    const bad = new Set<string>();
    if (tenants !== undefined && tenants !== this.#tenants?.box) {
      const generations = this.#wrap.unwrapTenants(tenants);
      if (generations === undefined) bad.add(tenants);
      else {
        this.ring.raiseTenantGenerations(generations);
        this.#tenants = { box: tenants, generations: JSON.stringify(generations) };
      }
    }
    for (const tombstone of gone) {
      if (this.#gone.has(tombstone.id) || this.#isOver(tombstone.until, now)) continue;
      if (this.#wrap.isGenuine(tombstone)) this.#dig(tombstone);
      else bad.add(tombstone.box);
    }
    for (const record of keys) {
      if (this.#isOver(record.openUntil, now)) continue;
      const known = this.#known.get(record.box)?.record;
      if (known !== undefined) {
        if (describe(record) !== describe(known)) bad.add(`${record.box} ${describe(record)}`);
        continue;
      }
      const secret = this.#wrap.unwrap(record);
      const id = secret && this.#idOf({ ...record, secret });
      secret?.fill(0);
      if (id === undefined) {
        bad.add(record.box);
      } else if (!this.#gone.has(id)) {
        this.#known.set(record.box, { record, id });
        this.#report({ type: 'learned', id, epoch: record.epoch, sealFrom: record.sealFrom });
      }
    }
    if (malformed > 0) bad.add(`malformed ${text.length}`);
    const count = [...bad].filter((box) => !this.#bad.has(box)).length;
    if (count > 0) this.#report({ type: 'bad_record', count });
    if (count > 0 && this.#known.size === 0) this.#report({ type: 'foreign' });
    this.#bad = bad;
    this.#syncRing(now);
  }

  /** Of a key as the ring shows it; `undefined` when no ring would take it. */
  #idOf(key: TicketKey): string | undefined {
    try {
      const ring = new TicketKeyRing({ crypto: this.#crypto, keys: [key] });
      const id = ring.keys(0)[0]?.id;
      ring.destroy('all');
      return id;
    } catch (error) {
      if (error instanceof TlsUsageError) return undefined;
      throw error;
    }
  }

  #dig(tombstone: Tombstone): void {
    this.#gone.set(tombstone.id, tombstone);
    for (const [box, { id }] of this.#known) if (id === tombstone.id) this.#known.delete(box);
    this.#report({ type: 'destroyed', id: tombstone.id });
  }

  #syncRing(now: number): void {
    for (const [box, { record }] of this.#known) if (this.#isOver(record.openUntil, now)) this.#known.delete(box);
    for (const [id, { until }] of this.#gone) if (this.#isOver(until, now)) this.#gone.delete(id);
    // A key that the program destroyed in the ring itself stays destroyed.
    const destroyed = new Set(this.ring.keys(now).flatMap(({ id, state }) => (state === 'destroyed' ? [id] : [])));
    const keys: TicketKey[] = [];
    for (const { record, id } of this.#known.values()) {
      if (destroyed.has(id) || now >= record.openUntil) continue;
      const secret = this.#wrap.unwrap(record);
      if (secret !== undefined) keys.push({ ...record, secret });
    }
    try {
      keys.sort((a, b) => b.sealFrom - a.sealFrom);
      this.ring.sync(keys.slice(0, MAX_KEYS), now);
    } finally {
      for (const { secret } of keys) secret.fill(0);
    }
  }

  /** By every clock of the fleet, of which two may be on either side of the store's: so that no host puts back what another took out. */
  #isOver(until: number, now: number): boolean {
    return until + 2 * this.#skewMs <= now;
  }

  /**
   * Publishes a key that is due, gives back what the store lost, and takes out what is over. `done`: the store now holds what it
   * should; `changed`: it is not as in `snapshot` any more; `refused`: this host must not write.
   */
  async #writeIfNeeded(snapshot: Snapshot, why: 'publish' | 'destroy'): Promise<'done' | 'changed' | 'refused'> {
    const now = this.#clock.now();
    const stored = snapshot.text === '' ? { keys: [], gone: [], malformed: 0 } : parseDocument(snapshot.text);
    const isForeign = snapshot.text !== '' && this.#known.size === 0 && this.#gone.size === 0;
    const isUnreadable = stored.malformed > 0 || stored.keys.some(({ openUntil }) => !this.#isOver(openUntil, now));
    if (isForeign && isUnreadable) return 'refused';

    const skew = Number(snapshot.time) - now;
    if (why === 'publish' && Math.abs(skew) > this.#skewMs) {
      this.#report({ type: 'clock_skew', ms: skew });
      return 'refused';
    }

    const wanted = this.#wanted(stored, now);
    const added = why === 'publish' ? this.#dueKey(snapshot, wanted, now) : undefined;
    const next: KeyDocument = added === undefined ? wanted : { ...wanted, keys: [...wanted.keys, added.record] };
    const text = formatDocument(next);
    if (text === snapshot.text || (snapshot.text === '' && next.keys.length + next.gone.length === 0)) return 'done';

    if (!(await this.#write(snapshot, text, next, now))) return 'changed';
    const before = new Set(stored.keys.map(({ box }) => box));
    const restored = wanted.keys.filter(({ box }) => !before.has(box)).length;
    if (restored > 0) this.#report({ type: 'restored', count: restored });
    if (added !== undefined) {
      const { record, id } = added;
      this.#known.set(record.box, added);
      this.#syncRing(now);
      this.#report({ type: 'published', id, epoch: record.epoch, sealFrom: record.sealFrom });
    }
    return 'done';
  }

  /** What the store should hold of the keys there are: what of it is good, and what only this host still has. */
  #wanted(stored: KeyDocument, now: number): KeyDocument {
    const inStore = new Set([...stored.keys.map(({ box }) => box), ...stored.gone.map(({ box }) => box)]);
    // What is over by this clock is not put back: a host whose clock is ahead may have taken it out.
    const keep = (box: string, until: number): boolean => inStore.has(box) || until > now;
    const keys = [...this.#known.values()].map(({ record }) => record);
    const gone = [...this.#gone.values()];
    // In one order on all hosts, so that the same content is the same text.
    return {
      keys: keys
        .filter(({ box, openUntil }) => keep(box, openUntil))
        .sort((a, b) => a.sealFrom - b.sealFrom || compare(a.box, b.box)),
      tenants: this.#wrappedTenants(),
      gone: gone
        .filter(({ box, until }) => keep(box, until))
        .sort((a, b) => a.until - b.until || compare(a.box, b.box)),
    };
  }

  #wrappedTenants(): string | undefined {
    const tenants = this.ring.tenantGenerations;
    if (tenants.size === 0) return undefined;
    const sorted = new Map([...tenants].sort(([a], [b]) => compare(a, b)));
    const generations = JSON.stringify([...sorted]);
    // The same again stays the same text.
    if (this.#tenants?.generations !== generations) {
      this.#tenants = { box: this.#wrap.wrapTenants(sorted), generations };
    }
    return this.#tenants.box;
  }

  #dueKey(snapshot: Snapshot, { keys, gone }: KeyDocument, now: number): Known | undefined {
    const empty = snapshot.text === '' && keys.length + gone.length === 0;
    const live = keys.filter(({ openUntil }) => now < openUntil);
    const times = nextKeyTimes(live, empty, now, this.#schedule);
    if (times === undefined) return undefined;
    if (keys.length >= MAX_KEYS) {
      this.#report({ type: 'too_many' });
      return undefined;
    }
    const secret = this.#crypto.random(32);
    const epoch = 1 + keys.reduce((latest, key) => Math.max(latest, key.epoch), 0);
    const rounded = {
      epoch,
      sealFrom: Math.ceil(times.sealFrom),
      sealUntil: Math.floor(times.sealUntil),
      openUntil: Math.floor(times.openUntil),
    };
    const id = this.#idOf({ ...rounded, secret });
    const record = this.#wrap.wrap(rounded, secret);
    secret.fill(0);
    if (id === undefined) throw badOption('crypto', 'gives no usable randomness');
    return { record, id };
  }

  async #write(snapshot: Snapshot, text: string, { keys, gone }: KeyDocument, now: number): Promise<boolean> {
    const until = Math.max(...keys.map(({ openUntil }) => openUntil), ...gone.map((tombstone) => tombstone.until));
    const expiresInMs = Math.max(1, Math.ceil(until - now + 2 * this.#skewMs));
    const freshForMs = 1_000 + 2 * this.#link.deadlineMs;
    const args = [snapshot.text, text, snapshot.time, String(freshForMs), String(expiresInMs)];
    const reply = await this.#link.run(WRITE, [this.#name], args);
    if (reply !== 0 && reply !== 1) throw badReply('EVAL');
    return reply === 1;
  }

  #report(report: TicketKeyReport): void {
    try {
      this.#onReport(report);
    } catch {
      // A log that fails must not stop the keys.
    }
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
