import { constants, type FSWatcher, watch } from 'node:fs';
import { open, readdir, readlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Secret, toHex } from '../bytes/index.ts';
import type { CryptoProvider } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { type TicketKey, type TicketKeyRing, type TicketKeySyncReport, ticketKeyId } from '../tickets/index.ts';
import { type KeyFileContent, MAX_KEY_FILE_LENGTH, parseKeyFile, wipeKeys } from './key-file.ts';

export { type FileKey, formatKeyFile, type KeyFileContent, parseKeyFile } from './key-file.ts';

const MAX_FILES = 64;
/** How often a file that goes on changing is read again before it is left to the next refresh. */
const MAX_READINGS = 10;
/** The end of a key without times: until its file says otherwise. 9999-12-31. */
const FAR_FUTURE = 253_402_214_400_000;

/** A file of keys, in the file system or made up by a test. */
export interface KeyFileSystem {
  /** Up to `limit` bytes, for the caller to wipe, and the time of the last change. Rejects like node:fs. */
  read(path: string, limit: number): Promise<{ readonly bytes: Uint8Array; readonly modifiedAt: number }>;
  /** Names of the files in a directory, in any order; `undefined` when `path` is no directory. Rejects like node:fs. */
  list(path: string): Promise<readonly string[] | undefined>;
  /** Where a symbolic link points, or `undefined`. */
  link(path: string): Promise<string | undefined>;
  /** Calls `changed` when something in `directory` may have changed, until the function returned is called. Throws when it cannot. */
  watch(directory: string, changed: () => void): () => void;
}

export type FileKeyEvent =
  | { readonly type: 'changed'; readonly path: string; readonly report: TicketKeySyncReport }
  /** Something cannot be read or makes no sense. The keys that work stay; it is tried again. Said once until the message changes. */
  | { readonly type: 'error'; readonly path: string; readonly code: string; readonly message: string };

export interface FileKeyOptions {
  /** Made with the option `keys: []`. Nobody else may give it keys while it is watched. */
  readonly ring: TicketKeyRing;
  readonly crypto: CryptoProvider;
  /** A key file, or a directory of them, such as a mounted Kubernetes secret: every file that does not begin with `.`, ordered by name. */
  readonly path: string;
  /** How long a key without times that is newly seen only opens, in seconds, so that other hosts see it before it seals. 0 to 86,400, default 60. */
  readonly propagationSeconds?: number;
  /** Where the newest key without times stands, which is the one that seals: in the `last` line and file (default; appended, as with HAProxy), or the `first` (as in nginx and Envoy). */
  readonly newest?: 'first' | 'last';
  /** How often to look even when nothing tells of a change, in seconds. 1 to 86,400, default 30. */
  readonly pollSeconds?: number;
  /** A change counts when it reads the same twice, so far apart, in milliseconds: somebody may be writing just now. 0 to 60,000, default 100. */
  readonly settleMs?: number;
  readonly onEvent?: (event: FileKeyEvent) => void;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
  readonly fileSystem?: KeyFileSystem;
}

interface Reading {
  /** Empty: the path itself is the file. */
  readonly name: string;
  readonly path: string;
  readonly result: { readonly content: KeyFileContent; readonly modifiedAt: number } | { readonly error: unknown };
}

/** What all files together held at one time. */
interface Snapshot {
  readonly readings: readonly Reading[];
  /** Two with the same are the same. */
  readonly fingerprint: string;
}

/** A key that was read, kept for as long as its file has it. */
interface Known {
  readonly id: string;
  readonly secret: Secret;
  readonly times: Omit<TicketKey, 'secret'> | undefined;
  /** Of a key without times: from when on it seals at the earliest. */
  sealFrom: number;
}

/** What was last good in a file. */
interface Good {
  readonly keys: readonly Known[];
  readonly destroyed: readonly string[];
}

/**
 * Keeps a ring's keys the same as those in a file or directory.
 *
 * A key without times opens as soon as it is seen. The newest of them seals, after `propagationSeconds`; the one before it seals until
 * then. At the start the newest seals at once when it is alone, or when its file has not changed for `propagationSeconds`.
 * A key that is gone from its file is destroyed, and its tickets with it: put a new key beside the old one, not in its place.
 *
 * A file that is missing, unreadable, half-written or wrong changes nothing: its last good keys stay in use, and it is tried again. So
 * no mishap on the disk can take the last keys away; to do that, use `ring.destroy`, or `destroyed` in a JSON file.
 *
 * It holds copies of the secrets until {@link FileTicketKeys.close}; the ring keeps its keys after that.
 */
export class FileTicketKeys {
  readonly #options: FileKeyOptions;
  readonly #path: string;
  readonly #fs: KeyFileSystem;
  readonly #now: () => number;
  readonly #propagationMs: number;
  readonly #settleMs: number;
  readonly #release: () => void;
  readonly #timer: NodeJS.Timeout;
  /** By file name. */
  #good: Map<string, Good> = new Map();
  readonly #errors: Map<string, string> = new Map();
  /** The snapshot that the ring has. */
  #applied = '';
  #unwatch: (() => void) | undefined;
  #refreshing: Promise<void> | undefined;
  #again = false;
  #closed = false;

  /**
   * Reads the keys and begins to watch. Resolves also when there is none yet: see `onEvent`.
   * Rejects with {@link TlsUsageError}: `key_file.bad_option`, `ticket_key.ring_generates`, `ticket_key.two_owners`.
   */
  static async watch(options: FileKeyOptions): Promise<FileTicketKeys> {
    const keys = new FileTicketKeys(options);
    await keys.refresh();
    return keys;
  }

  private constructor(options: FileKeyOptions) {
    this.#propagationMs = 1_000 * inRange('propagationSeconds', options.propagationSeconds ?? 60, 0, 86_400);
    this.#settleMs = inRange('settleMs', options.settleMs ?? 100, 0, 60_000);
    const pollMs = 1_000 * inRange('pollSeconds', options.pollSeconds ?? 30, 1, 86_400);
    if (options.newest !== undefined && options.newest !== 'first' && options.newest !== 'last') {
      throw new TlsUsageError('key_file.bad_option', "newest must be 'first' or 'last'");
    }
    this.#options = options;
    this.#path = resolve(options.path);
    this.#fs = options.fileSystem ?? nodeFileSystem;
    this.#now = options.now ?? Date.now;
    this.#release = options.ring.claim(`the key file ${options.path}`);
    this.#timer = setInterval(() => void this.refresh(), pollMs).unref();
  }

  /** Looks now. Never rejects: what is wrong goes to `onEvent`. A call while it looks makes it look once more. */
  refresh(): Promise<void> {
    if (this.#refreshing !== undefined) this.#again = true;
    this.#refreshing ??= this.#look();
    return this.#refreshing;
  }

  /** Stops watching, and wipes the copies. The ring keeps its keys until their times. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#unwatch?.();
    this.#release();
    for (const { keys } of this.#good.values()) for (const key of keys) key.secret.wipe();
    this.#good.clear();
  }

  async #look(): Promise<void> {
    do {
      this.#again = false;
      try {
        await this.#watchAgain();
        await this.#lookOnce();
      } catch (error) {
        this.#fail(this.#path, error);
      }
      // A directory in which much is written must not keep us busy.
      if (this.#again && this.#settleMs > 0) await delay(this.#settleMs);
    } while (this.#again && !this.#closed);
    this.#refreshing = undefined;
  }

  /** A new watcher each time: the directory of the last one may have been replaced by another of the same name. */
  async #watchAgain(): Promise<void> {
    const names = await this.#fs.list(this.#path).catch(() => undefined);
    const directory = names === undefined ? dirname(this.#path) : this.#path;
    if (this.#closed) return;
    this.#unwatch?.();
    this.#unwatch = undefined;
    try {
      this.#unwatch = this.#fs.watch(directory, () => void this.refresh());
    } catch {
      // No watchers left, or nothing there yet: looking every now and then will do.
    }
  }

  /** Takes over what the files hold, once two readings agree. */
  async #lookOnce(): Promise<void> {
    let previous = '';
    for (let i = 0; i < MAX_READINGS && !this.#closed; i++) {
      const snapshot = await this.#read();
      try {
        if (snapshot.fingerprint === this.#applied || this.#closed) return;
        if (snapshot.fingerprint === previous) return this.#apply(snapshot);
      } finally {
        for (const { result } of snapshot.readings) if ('content' in result) wipeKeys(result.content.keys);
      }
      previous = snapshot.fingerprint;
      if (this.#settleMs > 0) await delay(this.#settleMs);
    }
  }

  async #read(): Promise<Snapshot> {
    const names = await this.#fs.list(this.#path);
    // A Kubernetes volume changes by moving the link `..data`: read all files where it points now, not half here and half there.
    const data = names?.includes('..data') ? await this.#fs.link(join(this.#path, '..data')) : undefined;
    const folder = data === undefined ? this.#path : resolve(this.#path, data);
    const files = names?.filter((name) => !name.startsWith('.')).sort() ?? [''];
    if (files.length === 0) throw new TlsUsageError('key_file.malformed', 'there is no key file in the directory');
    if (files.length > MAX_FILES) {
      throw new TlsUsageError(
        'key_file.too_large',
        `the directory has ${files.length} files, at most ${MAX_FILES} may be`,
      );
    }
    this.#errors.delete(this.#path);
    const hash = this.#options.crypto.kdf('sha256').createHash();
    const readings: Reading[] = [];
    for (const name of files) {
      const path = name === '' ? this.#path : join(folder, name);
      const shown = join(this.#path, name);
      try {
        const { bytes, modifiedAt } = await this.#fs.read(path, MAX_KEY_FILE_LENGTH + 1);
        hash.update(utf8(`${name}\n${bytes.length}\n`));
        hash.update(bytes);
        readings.push({ name, path: shown, result: parsed(bytes, modifiedAt) });
      } catch (error) {
        hash.update(utf8(`${name}\n${messageOf(error)}\n`));
        readings.push({ name, path: shown, result: { error } });
      }
    }
    return { readings, fingerprint: toHex(hash.digest()) };
  }

  #apply({ readings, fingerprint }: Snapshot): void {
    const now = this.#now();
    // Before anything is remembered with this time.
    if (!(now >= 0))
      throw new TlsUsageError('key_file.bad_option', `now() is ${now}, it must be milliseconds since the epoch`);
    const before = new Map([...this.#good.values()].flatMap(({ keys }) => keys.map((key) => [key.id, key])));
    const good = new Map<string, Good>();
    for (const { name, path, result } of readings) {
      const last = this.#good.get(name);
      if ('error' in result) {
        this.#fail(path, result.error);
        if (last !== undefined) good.set(name, last);
        continue;
      }
      this.#errors.delete(path);
      this.#options.ring.raiseTenantGenerations(result.content.tenantGenerations);
      const fresh = before.size === 0 ? Math.min(result.modifiedAt, now) : now;
      const keys = result.content.keys.map((key) => {
        const id = ticketKeyId(this.#options.crypto, key.secret);
        const sealFrom = before.get(id)?.sealFrom ?? fresh + this.#propagationMs;
        return { id, secret: new Secret(new Uint8Array(key.secret)), times: key.times, sealFrom };
      });
      good.set(name, { keys, destroyed: result.content.destroyed });
    }
    const replaced = [...this.#good.values()].filter((old) => ![...good.values()].includes(old));
    for (const { keys } of replaced) for (const key of keys) key.secret.wipe();
    this.#good = good;
    if (before.size === 0) {
      // The others at the start are older: one of them seals until the newest may. Nobody waits for the only one.
      const untimed = this.#newestFirst().filter(({ times }) => times === undefined);
      for (const key of untimed.length === 1 ? untimed : untimed.slice(1)) key.sealFrom = now;
    }
    this.#sync(now);
    this.#applied = fingerprint;
  }

  #newestFirst(): Known[] {
    const known = [...this.#good.values()].flatMap(({ keys }) => keys);
    return this.#options.newest === 'first' ? known : known.reverse();
  }

  #sync(now: number): void {
    const { ring } = this.#options;
    const files = [...this.#good.values()];
    const destroyed = new Set(files.flatMap((file) => file.destroyed));
    for (const id of destroyed) ring.destroy(id);
    const known = this.#newestFirst().filter(({ id }) => !destroyed.has(id));
    // A mishap never empties the ring; that takes a word.
    if (known.length === 0 && destroyed.size === 0) return;
    const keys: TicketKey[] = [];
    // The ring takes the key with the latest `sealFrom` that has come: keep them in the order of the files.
    let latest = Number.POSITIVE_INFINITY;
    for (const { secret, times, sealFrom } of known) {
      if (times === undefined) latest = Math.min(sealFrom, latest - 1);
      keys.push({
        secret: secret.bytes,
        ...(times ?? { sealFrom: latest, sealUntil: FAR_FUTURE, openUntil: FAR_FUTURE }),
      });
    }
    const report = ring.sync(keys, now);
    if (report.added.length + report.destroyed.length + report.refused.length > 0) {
      this.#emit({ type: 'changed', path: this.#path, report });
    }
  }

  #fail(path: string, error: unknown): void {
    const message = messageOf(error);
    if (this.#closed || this.#errors.get(path) === message) return;
    this.#errors.set(path, message);
    const { code } = error as { readonly code?: unknown };
    this.#emit({ type: 'error', path, code: typeof code === 'string' ? code : 'unknown', message });
  }

  #emit(event: FileKeyEvent): void {
    try {
      this.#options.onEvent?.(event);
    } catch {
      // A log must not stop the keys.
    }
  }
}

/** Wipes `bytes`. */
function parsed(bytes: Uint8Array, modifiedAt: number): Reading['result'] {
  try {
    return { content: parseKeyFile(bytes), modifiedAt };
  } catch (error) {
    return { error };
  } finally {
    bytes.fill(0);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function inRange(name: string, value: number, min: number, max: number): number {
  if (value >= min && value <= max) return value;
  throw new TlsUsageError('key_file.bad_option', `${name} is ${value}, it must be from ${min} to ${max}`);
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

const nodeFileSystem: KeyFileSystem = {
  async read(path, limit) {
    // Without blocking: a pipe would wait for its writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw new TlsUsageError('key_file.malformed', 'not a ticket key file: it is no regular file');
      const { mtimeMs, size } = stat;
      const buffer = new Uint8Array(Math.min(size, limit));
      let length = 0;
      while (length < buffer.length) {
        const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
        if (bytesRead === 0) break; // it became shorter
        length += bytesRead;
      }
      return { bytes: buffer.subarray(0, length), modifiedAt: mtimeMs };
    } finally {
      await file.close();
    }
  },
  async list(path) {
    try {
      return await readdir(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
      throw error;
    }
  },
  link: (path) => readlink(path).catch(() => undefined),
  watch(directory, changed) {
    const watcher: FSWatcher = watch(directory, { persistent: false }, changed);
    watcher.on('error', () => watcher.close());
    return () => watcher.close();
  },
};
