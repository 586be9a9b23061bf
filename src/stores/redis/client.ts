import { TlsUsageError } from '../../errors/index.ts';

/**
 * What the stores need of a client of Redis 6.2 or later, or Valkey: to send one command and give back the reply. Commands and
 * replies are text only. {@link redisCommands} makes one of a client of the package `redis` or `ioredis`; any other client, a cluster
 * or a sentinel, is a function away. Connecting, authenticating and reconnecting are the client's business.
 */
export interface RedisCommands {
  /** Sends `command`, its name first. Replies are strings, numbers, `null` and arrays of these. */
  send(command: readonly string[]): Promise<unknown>;
}

/** Of the package `redis`: a client of one server. */
export interface NodeRedisLike {
  sendCommand(command: string[]): Promise<unknown>;
}

/** Of the package `ioredis`: a client of one server, of sentinels, or of a cluster. */
export interface IoRedisLike {
  call(command: string, args: string[]): Promise<unknown>;
}

/** The commands of a client of `redis` or `ioredis`. */
export function redisCommands(client: NodeRedisLike | IoRedisLike): RedisCommands {
  // Both have `sendCommand`, but that of ioredis takes something else.
  if ('call' in client) return { send: ([name = '', ...args]) => client.call(name, args) };
  return { send: (command) => client.sendCommand([...command]) };
}

/**
 * Redis did not do what was asked, or did not say so in time. `redis.deadline`: no answer in time, and it may still be done;
 * `redis.busy`: too many commands wait for an answer; `redis.failed`: the client or the server refused (`cause` tells);
 * `redis.bad_reply`: an answer that makes no sense; `redis.evicts`: it may forget what it must not.
 */
export class RedisStoreError extends Error {
  override readonly name = 'RedisStoreError';
  readonly code: 'redis.deadline' | 'redis.busy' | 'redis.failed' | 'redis.bad_reply' | 'redis.evicts';

  constructor(code: RedisStoreError['code'], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** Timers, for programs and tests that have their own. A handle is whatever `set` gave. */
export interface Timers {
  set(callback: () => void, ms: number): unknown;
  clear(handle: unknown): void;
}

export interface RedisOptions {
  readonly client: RedisCommands;
  /**
   * The names of all keys in Redis begin with `{prefix}:`. The braces put them on one node of a cluster. 1 to 64 letters, digits, `.`, `_`, `-`.
   * Default `tessera`. Hosts that share tickets share it; others must not.
   */
  readonly prefix?: string | undefined;
  /** Milliseconds after which an unanswered command has failed, 1 to 60,000. Default 250. */
  readonly deadlineMs?: number | undefined;
  /** Commands that may wait for an answer, those past their deadline included: while the server is away, clients queue. 1 to 1,000,000. Default 1,000. */
  readonly maxPending?: number | undefined;
  /** Default: those of the runtime, which do not keep the process alive. */
  readonly timers?: Timers | undefined;
}

export const runtimeTimers: Timers = {
  set: (callback, ms) => setTimeout(callback, ms).unref(),
  clear: (handle) => clearTimeout(handle as NodeJS.Timeout),
};

/** Commands with a deadline and a limit on their number; every failure is a {@link RedisStoreError}. */
export class RedisLink {
  readonly deadlineMs: number;
  readonly #client: RedisCommands;
  readonly #prefix: string;
  readonly #maxPending: number;
  readonly #timers: Timers;
  #pending = 0;

  /** Throws {@link TlsUsageError} `redis.bad_option`. */
  constructor({ client, prefix = 'tessera', deadlineMs = 250, maxPending = 1_000, timers }: RedisOptions) {
    if (typeof client?.send !== 'function') {
      throw badOption('client', 'must be what redisCommands() gives, or have a method send');
    }
    if (!/^[\w.-]{1,64}$/.test(prefix)) throw badOption('prefix', 'must be 1 to 64 letters, digits, dots, _ or -');
    this.#client = client;
    this.#prefix = `{${prefix}}:`;
    this.deadlineMs = inRange('deadlineMs', deadlineMs, 1, 60_000);
    this.#maxPending = inRange('maxPending', maxPending, 1, 1_000_000);
    this.#timers = timers ?? runtimeTimers;
  }

  /** The name of a key in Redis. */
  name(part: string): string {
    return this.#prefix + part;
  }

  send(...command: readonly string[]): Promise<unknown> {
    if (this.#pending >= this.#maxPending) {
      return Promise.reject(new RedisStoreError('redis.busy', `${this.#pending} commands to Redis wait for an answer`));
    }
    this.#pending++;
    return new Promise((resolve, reject) => {
      const timer = this.#timers.set(
        () => reject(new RedisStoreError('redis.deadline', `Redis did not answer within ${this.deadlineMs} ms`)),
        this.deadlineMs,
      );
      const settle = (): void => {
        this.#pending--;
        this.#timers.clear(timer);
      };
      // A client may throw at once; and what comes after the deadline must not be an unhandled rejection.
      Promise.resolve()
        .then(() => this.#client.send(command))
        .then(
          (reply) => {
            settle();
            resolve(reply);
          },
          (cause: unknown) => {
            settle();
            reject(new RedisStoreError('redis.failed', `Redis refused ${command[0]}: ${messageOf(cause)}`, cause));
          },
        );
    });
  }

  /** Runs a script of Lua, in one step for all who share the server. */
  run(script: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.send('EVAL', script, String(keys.length), ...keys, ...args);
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message.slice(0, 200) : 'unknown error';
}

export function badReply(command: string): RedisStoreError {
  return new RedisStoreError('redis.bad_reply', `Redis gave an unexpected reply to ${command}`);
}

export function badOption(name: string, why: string): TlsUsageError {
  return new TlsUsageError('redis.bad_option', `${name} ${why}`);
}

/** Throws {@link TlsUsageError} `redis.bad_option`. */
export function inRange(name: string, value: number, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value;
  throw badOption(name, `is ${String(value)}, it must be from ${min} to ${max}`);
}
