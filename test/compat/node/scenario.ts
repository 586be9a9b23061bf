/** What the scenario programs share. They see a TLS module through the API of node:tls only, so that either can be in its place. */
import { readFileSync } from 'node:fs';
import {
  type AddressInfo,
  connect as connectTcp,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from 'node:net';
import { Duplex } from 'node:stream';
import type * as nodeTls from 'node:tls';
import { inspect } from 'node:util';

/** What the types of Node 20 leave out. */
export type Tls = typeof nodeTls & { SecureContext: new () => nodeTls.SecureContext };
export type TLSSocket = nodeTls.TLSSocket;
export type UntypedSocket = TLSSocket & {
  setSession(session: Buffer): void;
  setServername(name: string): void;
};
export type UntypedOptions = nodeTls.ConnectionOptions & { requestOCSP?: boolean; allowHalfOpen?: boolean };
export type Server = nodeTls.Server;

/** What each side saw, in order. What the sides saw is not ordered against each other: that is up to the network. */
export interface Log {
  readonly client: readonly string[];
  readonly server: readonly string[];
}

export interface Scenario {
  readonly name: string;
  run(world: World): Promise<void> | void;
  /** Also run with node:tls at one end and ours at the other: 'all'; or not, as where one module is all there is. Default true. */
  readonly across?: boolean;
  /**
   * Where we differ on purpose: why, and the lines in which we do. All other lines must be the same, and these must differ, or the row goes.
   */
  readonly differs?: {
    readonly reason: string;
    readonly lines: RegExp;
    /** A line that ours logs. */
    readonly ours: RegExp;
    /** Releases of Node that do so; others do as we do. Default: all. */
    readonly in?: (release: number) => boolean;
  };
  /** Releases that can be compared, where older ones did something else, and why. */
  readonly releases?: { readonly from: number; readonly reason: string };
}

const FIXTURES = new URL('./fixtures/', import.meta.url);
const files = new Map<string, Buffer>();

/** A file of fixtures/. */
export function fixture(name: string): Buffer {
  let bytes = files.get(name);
  if (bytes === undefined) {
    bytes = readFileSync(new URL(name, FIXTURES));
    files.set(name, bytes);
  }
  return bytes;
}

/** `cert` and `key` options of a certificate in fixtures/. */
export function identity(name: string): { cert: string; key: string } {
  return { cert: fixture(`${name}.pem`).toString(), key: fixture(`${name}-key.pem`).toString() };
}

export const ca: string = fixture('ca.pem').toString();
const SIDES = ['client', 'server'] as const;
export type Side = (typeof SIDES)[number];

/** A step that waits longer than this is a finding. */
const STEP_TIMEOUT_MS: number = Number(process.env['COMPAT_STEP_MS'] ?? 5_000);

/** How long the servers' ends may take after those of the clients. */
const SETTLE_MS = 300;

/** One run: the module at each end, what they logged, and what is to be closed at last. */
export class World {
  readonly client: Tls;
  readonly server: Tls;
  readonly #log: Record<Side, string[]> = { client: [], server: [] };
  readonly #watched: Record<Side, TLSSocket[]> = { client: [], server: [] };
  readonly #open = new Set<{ destroy(): unknown } | { close(): unknown }>();
  #over = false;

  constructor(client: Tls, server: Tls) {
    this.client = client;
    this.server = server;
  }

  get log(): Log {
    return this.#log;
  }

  /** What happened at the client, or where there are no sides. */
  c(what: string, ...values: unknown[]): void {
    this.#add('client', what, values);
  }

  s(what: string, ...values: unknown[]): void {
    this.#add('server', what, values);
  }

  #add(side: Side, what: string, values: readonly unknown[]): void {
    if (!this.#over) this.#log[side].push([what, ...values.map(show)].join(' '));
  }

  /** Logs what `call` gives, or the error it throws. */
  try(what: string, call: () => unknown, side: Side = 'client'): void {
    let result: unknown;
    try {
      result = call();
    } catch (error) {
      this.#add(side, `${what} throws`, [error]);
      return;
    }
    this.#add(side, what, [result]);
  }

  keep<T extends { destroy(): unknown } | { close(): unknown }>(thing: T): T {
    this.#open.add(thing);
    return thing;
  }

  async end(): Promise<void> {
    if (this.#watched.client.every(({ closed: over }) => over)) await this.#serversToo();
    this.#over = true;
    for (const thing of this.#open) {
      if (thing instanceof Duplex) thing.on('error', () => {});
      try {
        if ('destroy' in thing) thing.destroy();
        else thing.close();
      } catch {
        // It is closed already.
      }
    }
  }

  /** Where all clients are closed, the other ends soon are; some never. */
  async #serversToo(): Promise<void> {
    const deadline = Date.now() + SETTLE_MS;
    while (Date.now() < deadline && this.#watched.server.some(({ closed: over }) => !over)) await turns(1);
    await turns(2);
  }

  /** A server that listens, with the certificate `server` unless `options` have another, and whose every event is logged. */
  async listen(options: nodeTls.TlsOptions = {}, onSocket?: (socket: TLSSocket) => void): Promise<Server> {
    const server = this.server.createServer({ ...identity('server'), ...options });
    return this.serve(server, onSocket);
  }

  async serve(server: Server, onSocket?: (socket: TLSSocket) => void): Promise<Server> {
    this.keep(server);
    server.on('connection', (socket: Socket) => {
      this.keep(socket);
      socket.on('error', () => {});
    });
    server.on('secureConnection', (socket) => {
      this.s('secureConnection');
      this.watch(socket, 's');
      onSocket?.(socket);
    });
    server.on('tlsClientError', (error, socket) => {
      this.s('tlsClientError', error);
      socket.on('error', () => {});
      socket.destroy();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server;
  }

  port(server: TcpServer | Server): number {
    return (server.address() as AddressInfo).port;
  }

  /** A client of `server`, which trusts the authority and expects `localhost` unless `options` say otherwise, and whose every event is logged. */
  connect(server: TcpServer | Server | number, options: UntypedOptions = {}): UntypedSocket {
    const socket = this.client.connect({
      port: typeof server === 'number' ? server : this.port(server),
      host: '127.0.0.1',
      servername: 'localhost',
      ca,
      ...options,
    });
    return this.watch(this.keep(socket), 'c') as UntypedSocket;
  }

  /** Logs the events of a socket; tickets not, for when they arrive is up to the network. */
  watch(socket: TLSSocket, side: 'c' | 's', events: readonly string[] = EVENTS): TLSSocket {
    this.#watched[side === 'c' ? 'client' : 'server'].push(socket);
    for (const event of events) {
      socket.on(event, (...values: unknown[]) => {
        const shown = event === 'error' || event === 'close' || event === 'lookup' ? values : [];
        if (side === 'c') this.c(event, ...shown);
        else this.s(event, ...shown);
      });
    }
    return socket;
  }

  /** What a socket says of its connection. */
  state(socket: TLSSocket, side: Side = 'client'): void {
    const { authorized, authorizationError, encrypted, servername, alpnProtocol } = socket as TLSSocket & {
      servername: unknown;
    };
    this.#add(side, 'state', [{ authorized, authorizationError, encrypted, servername, alpnProtocol }]);
  }

  /** A TCP server that does as told, for what no TLS server would do. */
  async tcp(onSocket: (socket: Socket) => void): Promise<TcpServer> {
    const server = this.keep(
      createTcpServer((socket) => {
        this.keep(socket);
        socket.on('error', () => {});
        onSocket(socket);
      }),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server;
  }

  /** A port that leads to `server`, and what can be done in between: end or reset the client's connection, or write to the server. */
  async between(server: Server): Promise<{ port: number; end(): void; reset(): void; write(bytes: Buffer): void }> {
    let front: Socket | undefined;
    let back: Socket | undefined;
    const proxy = await this.tcp((socket) => {
      front = socket;
      back = this.keep(connectTcp(this.port(server), '127.0.0.1')).on('error', () => {});
      front.on('data', (bytes) => back!.write(bytes));
      back.on('data', (bytes) => front!.write(bytes));
    });
    return {
      port: this.port(proxy),
      end: () => front?.end(),
      reset: () => front?.resetAndDestroy(),
      write: (bytes) => back?.write(bytes),
    };
  }

  /** A TCP connection. */
  async raw(server: TcpServer | Server): Promise<Socket> {
    const socket = this.keep(connectTcp(this.port(server), '127.0.0.1'));
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  }

  /** A connection that is secure at both ends. */
  async pair(
    server: nodeTls.TlsOptions = {},
    client: UntypedOptions = {},
  ): Promise<{ client: TLSSocket; server: TLSSocket; listener: Server }> {
    const listener = await this.listen(server);
    const accepted = once(listener, 'secureConnection');
    const socket = this.connect(listener, client);
    await Promise.all([accepted, once(socket, 'secureConnect')]);
    await turns(10); // tickets that nobody has read would make a reset of a close
    return { client: socket, server: (await accepted)[0] as TLSSocket, listener };
  }
}

const EVENTS = ['connect', 'ready', 'secureConnect', 'end', 'finish', 'timeout', 'error', 'close'] as const;

interface Emitter {
  on(event: string, listener: (...values: unknown[]) => void): unknown;
  removeListener(event: string, listener: (...values: unknown[]) => void): unknown;
}

/** The values of the next such event. Unlike events.once an `error` does not end it. */
export function once(emitter: object, event: string): Promise<unknown[]> {
  const from = emitter as Emitter;
  return within(
    `event ${event}`,
    new Promise((resolve) => {
      const listener = (...values: unknown[]): void => {
        from.removeListener(event, listener);
        resolve(values);
      };
      from.on(event, listener);
    }),
  );
}

/** The values of whichever comes first. */
export function either(emitter: object, one: string, other: string): Promise<unknown[]> {
  const first = Promise.race([once(emitter, one), once(emitter, other)]);
  first.catch(() => {}); // a scenario that fails meanwhile does not ask
  return first;
}

/** Rejects when nothing comes of it. */
export function within<T>(what: string, promise: Promise<T>): Promise<T> {
  const inTime = race(what, promise);
  inTime.catch(() => {});
  return inTime;
}

async function race<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), STEP_TIMEOUT_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** All of them are closed, and their listeners were told. */
export async function closed(...sockets: readonly TLSSocket[]): Promise<void> {
  await Promise.all(sockets.map((socket) => (socket.closed ? undefined : once(socket, 'close'))));
  await turns(2); // a socket is closed a little before it says so
}

/** All that is read until the end, as text. */
export async function textOf(socket: TLSSocket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks).toString();
}

/** Turns of the event loop: what was due has happened. */
export async function turns(count: number = 3): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Two ends of a stream that is no net.Socket. */
export function duplexPair(): [Duplex, Duplex] {
  const ends: Duplex[] = [];
  const waiting: (((error?: Error | null) => void) | undefined)[] = [];
  for (const at of [0, 1]) {
    ends.push(
      new Duplex({
        read() {
          const resume = waiting[at];
          waiting[at] = undefined;
          resume?.();
        },
        write(chunk: Buffer, _encoding, callback) {
          if (chunk.length === 0) {
            process.nextTick(callback);
            return;
          }
          ends[1 - at]!.push(chunk);
          waiting[1 - at] = callback;
        },
        final(callback) {
          ends[1 - at]!.once('end', callback);
          ends[1 - at]!.push(null);
        },
      }),
    );
  }
  return ends as [Duplex, Duplex];
}

/** How many words of a message must be the same. */
const FIRST_WORDS = 3;

/** As text in which two runs of one program are the same: only ports and random bytes differ. */
function show(value: unknown): string {
  if (value instanceof Error) return showError(value);
  if (typeof value === 'string') return JSON.stringify(value);
  const text = inspect(value, {
    depth: 8,
    breakLength: Number.POSITIVE_INFINITY,
    maxArrayLength: 40,
    maxStringLength: 400,
    sorted: false,
  });
  return text.replace(/\n\s*/g, ' ');
}

/** OpenSSL's messages begin with the thread's number and its own file and line. Node's own are the same up to numbers. */
function showError(error: Error & { code?: string; syscall?: string; reason?: string; host?: string }): string {
  const { name, code, syscall } = error;
  const message = code?.startsWith('ERR_SSL_') || code?.startsWith('ERR_OSSL') ? '' : firstWords(error.message);
  return [name, code, message, syscall].filter((part) => part !== undefined && part !== '').join(', ');
}

function firstWords(message: string): string {
  return message
    .split(/[:;] /)[0]!
    .split(/\s+/)
    .slice(0, FIRST_WORDS)
    .join(' ')
    .replace(/\d{4,}/g, 'N');
}
