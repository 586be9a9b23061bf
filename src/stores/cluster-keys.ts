import type { CryptoProvider } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import {
  type TicketKey,
  type TicketKeyPeriods,
  TicketKeyRing,
  type TicketKeyRingOptions,
  type TicketKeySyncReport,
  ticketKeySchedule,
} from '../tickets/index.ts';
import { wipeKeys } from './key-file.ts';

/** One end of a channel between two threads or processes that trust each other. */
export interface KeyPort {
  /** Sends a message; one that cannot be sent, because the other end is gone, is lost without a throw. */
  post(message: unknown): void;
  /** Calls `listener` with each message, also those of others that use the channel. Returns the function that ends this. */
  listen(listener: (message: unknown) => void): () => void;
}

/** A `Worker` of node:cluster, a child process with an IPC channel, or `process` in one of those. */
interface ProcessLike {
  send?(message: never, callback: (error: Error | null) => void): boolean;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  removeListener(event: 'message', listener: (message: unknown) => void): unknown;
}

/** A `MessagePort` or `Worker` of node:worker_threads. */
interface MessagePortLike {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  removeListener(event: 'message', listener: (message: unknown) => void): unknown;
}

/** What a primary needs of node:cluster. */
interface ClusterLike {
  readonly workers?: NodeJS.Dict<ProcessLike> | undefined;
  on(event: 'fork', listener: (worker: ProcessLike) => void): unknown;
  on(event: 'exit', listener: (worker: ProcessLike) => void): unknown;
  removeListener(event: 'fork' | 'exit', listener: (worker: ProcessLike) => void): unknown;
}

/** The channel behind `process`, a worker of node:cluster, a child process, or a `MessagePort` or `Worker` of node:worker_threads. */
export function keyPort(end: ProcessLike | MessagePortLike): KeyPort {
  return {
    post(message) {
      try {
        if ('postMessage' in end) end.postMessage(message);
        else end.send?.(message as never, () => {}); // the callback takes the error of a channel that is closed
      } catch {
        // The same, thrown.
      }
    },
    listen(listener) {
      end.on('message', listener);
      return () => void end.removeListener('message', listener);
    },
  };
}

interface SharedKeysOptions {
  readonly crypto: CryptoProvider;
  /** Tells rings apart that share a channel. Default `default`. */
  readonly name?: string;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
  /** Other options of the ring. */
  readonly ring?: Omit<TicketKeyRingOptions, 'crypto' | 'keys' | 'derive' | 'sealForSeconds' | 'openForSeconds'>;
}

export interface PrimaryTicketKeysOptions extends SharedKeysOptions, TicketKeyPeriods {}

export interface WorkerTicketKeysOptions extends SharedKeysOptions {
  readonly port: KeyPort;
  /** How often to ask the primary until it answers, in seconds: it may start later. 0.01 to 3,600, default 1. */
  readonly askSeconds?: number;
  /** Called after each message with keys. What it throws is ignored. */
  readonly onSync?: (report: TicketKeySyncReport) => void;
}

/*
 * Messages, each with `tessera: 'ticket keys'` and the `name` of the ring. Secrets are base64, for node:cluster sends JSON: they are
 * in strings and in the kernel for a moment, and only ever between processes of one program.
 *
 *   worker -> primary    { type: 'ask' }
 *                        { type: 'destroy', id } | { type: 'destroy', tenant }
 *   primary -> worker    { type: 'keys', keys: [{ secret, sealFrom, sealUntil, openUntil }], destroyed: [id], generations: [[tenant, n]] }
 */
const MARK = 'ticket keys';

type WorkerMessage = { type: 'ask' } | { type: 'destroy'; id: string } | { type: 'destroy'; tenant: string };

interface KeysMessage {
  readonly type: 'keys';
  readonly keys: readonly {
    readonly secret: string;
    readonly sealFrom: number;
    readonly sealUntil: number;
    readonly openUntil: number;
  }[];
  readonly destroyed: readonly string[];
  readonly generations: readonly (readonly [string, number])[];
}

/**
 * The process or thread that makes the ticket keys for all the others of a program. It hands out each key before it seals, by
 * `propagationSeconds` (here 10 by default; the first key seals at once), to all who are attached, and to a new one when it asks.
 * Keys live in memory only, and end with this process, unless the workers outlive it: they use what they have to the end of its times.
 */
export class PrimaryTicketKeys {
  /** For this process's own tickets, and to look at. */
  readonly ring: TicketKeyRing;
  readonly #crypto: CryptoProvider;
  readonly #periods: TicketKeyPeriods;
  readonly #name: string;
  readonly #now: () => number;
  readonly #release: () => void;
  readonly #ports: Map<KeyPort, () => void> = new Map();
  readonly #onClose: (() => void)[] = [];
  #keys: readonly TicketKey[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** Throws {@link TlsUsageError} `ticket_key.bad_period`. */
  constructor(options: PrimaryTicketKeysOptions) {
    const { crypto, name, now, ring, ...periods } = options;
    this.#crypto = crypto;
    this.#periods = { propagationSeconds: 10, ...periods };
    this.#name = name ?? 'default';
    this.#now = now ?? Date.now;
    this.ring = new TicketKeyRing({ ...ring, crypto, keys: [] });
    this.#release = this.ring.claim('the primary process');
    this.rotate();
  }

  /**
   * Makes the keys that are due, and tells everybody of changes. A timer calls it in time; call it after setting an injected clock.
   * With `next`, the key that seals is replaced as soon as everybody knows another.
   */
  rotate(next: 'when due' | 'next' = 'when due'): void {
    if (this.#closed) return;
    const now = this.#now();
    try {
      const before = this.#keys;
      this.#keys = ticketKeySchedule(this.#crypto, before, now, { ...this.#periods, rotate: next === 'next' });
      const changed = this.#keys.length !== before.length || this.#keys.some((key, i) => key !== before[i]);
      if (changed) this.#publish(now);
    } finally {
      this.#schedule(now);
    }
  }

  /** Serves the worker behind `port`, until the function returned is called. */
  attach(port: KeyPort): () => void {
    const stop = port.listen((message) => {
      const asked = messageFrom<WorkerMessage>(message, this.#name);
      if (asked?.type === 'ask') this.#send(port);
      else if (asked?.type !== 'destroy') return;
      else if ('tenant' in asked && typeof asked.tenant === 'string') this.destroyTenant(asked.tenant);
      else if ('id' in asked && typeof asked.id === 'string') this.destroy(asked.id);
    });
    this.#ports.set(port, stop);
    this.#send(port);
    return () => {
      stop();
      this.#ports.delete(port);
    };
  }

  /** Serves all workers of node:cluster, those there and those to come: `attachCluster(cluster)` in the primary. */
  attachCluster(cluster: ClusterLike): void {
    const detach = new Map<ProcessLike, () => void>();
    const onFork = (worker: ProcessLike): void => void detach.set(worker, this.attach(keyPort(worker)));
    const onExit = (worker: ProcessLike): void => {
      detach.get(worker)?.();
      detach.delete(worker);
    };
    for (const worker of Object.values(cluster.workers ?? {})) if (worker !== undefined) onFork(worker);
    cluster.on('fork', onFork);
    cluster.on('exit', onExit);
    this.#onClose.push(() => {
      cluster.removeListener('fork', onFork);
      cluster.removeListener('exit', onExit);
    });
  }

  /** Destroys one key or all, here and at all workers, and makes a new one when none seals. Returns how many. */
  destroy(id: string | 'all'): number {
    const destroyed = this.ring.destroy(id);
    this.#keep();
    const now = this.#now();
    this.rotate();
    if (destroyed > 0) this.#publish(now);
    return destroyed;
  }

  /** {@link TicketKeyRing.destroyTenant}, here and at all workers. */
  destroyTenant(tenant: string): number {
    const generation = this.ring.destroyTenant(tenant);
    this.#publish(this.#now());
    return generation;
  }

  /** Ends serving, and wipes the keys that could be handed out. The rings keep theirs to the end of their times. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const stop of this.#ports.values()) stop();
    this.#ports.clear();
    for (const end of this.#onClose.splice(0)) end();
    this.#release();
    wipeKeys(this.#keys);
    this.#keys = [];
  }

  /** Drops what the ring does not take, as it was destroyed. */
  #keep(): void {
    const report = this.ring.sync(this.#keys, this.#now());
    const refused = new Set(report.refused.map(({ index }) => index));
    wipeKeys(this.#keys.filter((_, index) => refused.has(index)));
    this.#keys = this.#keys.filter((_, index) => !refused.has(index));
  }

  #publish(now: number): void {
    this.ring.sync(this.#keys, now);
    for (const port of this.#ports.keys()) this.#send(port);
  }

  #send(port: KeyPort): void {
    const message: KeysMessage = {
      type: 'keys',
      keys: this.#keys.map(({ secret, ...times }) => ({ secret: base64Of(secret), ...times })),
      destroyed: this.ring.destroyedIds,
      generations: [...this.ring.tenantGenerations],
    };
    port.post({ tessera: MARK, name: this.#name, ...message });
  }

  /** Looks again when the next key is due. At least every hour: clocks are set, and timers are late after a sleep. */
  #schedule(now: number): void {
    clearTimeout(this.#timer);
    const newest = Math.max(...this.#keys.map((key) => key.sealUntil));
    const due = newest - 2_000 * (this.#periods.propagationSeconds ?? 0) - now;
    const wait = Math.min(Math.max(due, 1_000), 3_600_000);
    this.#timer = setTimeout(() => this.#tick(), wait).unref();
  }

  /** A failure must not end the rotation: `rotate` has set the next timer even then, and the workers go on with what they have. */
  #tick(): void {
    try {
      this.rotate();
    } catch {
      // Only randomness can fail here, and it is tried again.
    }
  }
}

/** The ring of a worker process or thread, with the keys of the primary. Without any, there are no tickets, and full handshakes. */
export class WorkerTicketKeys {
  readonly ring: TicketKeyRing;
  /** Resolves when the first keys are there. Never rejects; without a primary it waits for ever. */
  readonly ready: Promise<void>;
  readonly #options: WorkerTicketKeysOptions;
  readonly #name: string;
  readonly #now: () => number;
  readonly #stop: () => void;
  readonly #release: () => void;
  #timer: NodeJS.Timeout | undefined;
  #isReady: () => void = () => {};

  /** Throws {@link TlsUsageError} `cluster_keys.bad_option`. */
  constructor(options: WorkerTicketKeysOptions) {
    const { crypto, port, ring, askSeconds = 1 } = options;
    if (!(askSeconds >= 0.01 && askSeconds <= 3_600)) {
      throw new TlsUsageError('cluster_keys.bad_option', `askSeconds is ${askSeconds}, it must be from 0.01 to 3,600`);
    }
    this.#options = options;
    this.#name = options.name ?? 'default';
    this.#now = options.now ?? Date.now;
    this.ring = new TicketKeyRing({ ...ring, crypto, keys: [] });
    this.#release = this.ring.claim('the primary process');
    this.ready = new Promise((resolve) => {
      this.#isReady = resolve;
    });
    this.#stop = port.listen((message) => this.#receive(message));
    this.#timer = setInterval(() => this.#post({ type: 'ask' }), 1_000 * askSeconds).unref();
    this.#post({ type: 'ask' });
  }

  /** Destroys one key or all: here at once, and through the primary everywhere. */
  destroy(id: string | 'all'): void {
    this.ring.destroy(id);
    this.#post({ type: 'destroy', id });
  }

  /** {@link TicketKeyRing.destroyTenant}: here at once, and through the primary everywhere. */
  destroyTenant(tenant: string): void {
    // The primary raises by one as well: whoever is behind takes over its number.
    this.ring.destroyTenant(tenant);
    this.#post({ type: 'destroy', tenant });
  }

  /** Ends listening. The ring keeps its keys to the end of their times. */
  close(): void {
    clearInterval(this.#timer);
    this.#stop();
    this.#release();
  }

  #post(message: WorkerMessage): void {
    this.#options.port.post({ tessera: MARK, name: this.#name, ...message });
  }

  #receive(message: unknown): void {
    const sent = messageFrom<KeysMessage>(message, this.#name);
    if (sent?.type !== 'keys') return;
    clearInterval(this.#timer);
    for (const id of sent.destroyed) this.ring.destroy(id);
    const keys = sent.keys.map(({ secret, ...times }) => ({ secret: bytesOf(secret), ...times }));
    const report = this.ring.sync(keys, this.#now());
    wipeKeys(keys);
    this.ring.raiseTenantGenerations(sent.generations);
    this.#isReady();
    try {
      this.#options.onSync?.(report);
    } catch {
      // A log must not stop the keys.
    }
  }
}

/** A message of ours, for the ring `name`. It comes from this program, so that its shape is not checked further. */
function messageFrom<T extends { readonly type: string }>(message: unknown, name: string): T | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const found = message as { readonly tessera?: unknown; readonly name?: unknown } & T;
  return found.tessera === MARK && found.name === name ? found : undefined;
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}

/** In memory of its own, not in Node's pool. */
function bytesOf(base64: string): Uint8Array {
  const pooled = Buffer.from(base64, 'base64');
  const bytes = new Uint8Array(pooled);
  pooled.fill(0);
  return bytes;
}
