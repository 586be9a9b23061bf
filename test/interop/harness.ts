/**
 * Our stack for interop tests: engines on plain sockets, without the Node adapter. A test gets a {@link Connection} for each peer and
 * says itself what is sent, when, and who closes.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect as connectSocket, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import {
  type ClientOptions,
  type ConnectionInfo,
  createClientConfig,
  createClientEngine,
  createServerConfig,
  createServerEngine,
  type EngineHooks,
  type ExternalPsk,
  type ServerOptions,
  type TlsEngine,
  type TlsEvent,
} from '../../src/connection/index.ts';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import { type ClientTicket, RingCookieSealer, TicketKeyRing } from '../../src/tickets/index.ts';
import { createVerifier } from '../../src/x509/index.ts';
import { makeIdentity, type TestIdentity } from '../support/certificates.ts';
import { DEADLINE_MS, type Scope } from '../support/process.ts';

const clock = { now: (): number => Date.now() };
/** Of received application data this much is kept as text. */
const TEXT_LIMIT = 65_536;
/** Bulk data is written in pieces of this size. */
const CHUNK_LENGTH = 262_144;

/** Identities and their PEM files, made once for the test process. */
export interface Files {
  readonly folder: string;
  readonly server: TestIdentity;
  readonly client: TestIdentity;
  /** Certificate and key of `server` and `client`; each certificate is also its own authority. */
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

let made: Promise<Files> | undefined;

/** A temporary folder with `{server,client}.{crt,key}`, removed when the last test of the file is over. */
export function files(): Promise<Files> {
  made ??= makeFiles();
  return made;
}

after(async () => {
  if (made !== undefined) await rm((await made).folder, { recursive: true, force: true, maxRetries: 5 });
});

async function makeFiles(): Promise<Files> {
  const folder = await mkdtemp(join(tmpdir(), 'tessera-interop-'));
  const server = await makeIdentity('p256');
  const client = await makeIdentity('p256', ['client.example']);
  const at = (name: string): string => join(folder, name);
  await Promise.all([
    writeFile(at('server.crt'), server.certificatePem),
    writeFile(at('server.key'), server.keyPem),
    writeFile(at('client.crt'), client.certificatePem),
    writeFile(at('client.key'), client.keyPem),
  ]);
  return {
    folder,
    server,
    client,
    serverCert: at('server.crt'),
    serverKey: at('server.key'),
    clientCert: at('client.crt'),
    clientKey: at('client.key'),
  };
}

type EventOf<T extends TlsEvent['type']> = Extract<TlsEvent, { type: T }>;

/** An engine on a socket. Nothing is answered or closed by itself, except that a failed connection is torn down. */
export class Connection {
  readonly engine: TlsEngine;
  /** Everything that happened, but for `data`. */
  readonly events: Exclude<TlsEvent, { type: 'data' }>[] = [];
  /** The first 64 KiB of application data, as latin1. */
  text = '';
  receivedLength = 0;
  /** The TCP connection is gone. */
  socketClosed = false;
  /** The peer sent FIN. */
  socketEnded = false;
  readonly #hash = createHash('sha256');
  readonly #socket: Socket;
  readonly #waiting = new Set<() => void>();

  constructor(socket: Socket, createEngine: (hooks: EngineHooks) => TlsEngine) {
    this.#socket = socket;
    socket.setNoDelay(true);
    this.engine = createEngine({ onProgress: () => this.#pump() });
    socket.on('data', (bytes) => {
      this.engine.receive(bytes);
      this.#pump();
    });
    socket.on('end', () => {
      this.socketEnded = true;
      this.engine.transportEnded();
      this.#pump();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.socketClosed = true;
      this.#wake();
    });
    this.#pump();
  }

  /** Resolves with the result of `find` as soon as it is not `undefined` or `false`. */
  until<T>(find: () => T | undefined | false, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const look = (): void => {
        const result = find();
        if (result !== undefined && result !== false) {
          done();
          resolve(result);
        } else if (this.socketClosed) {
          done();
          reject(new Error(`waited for ${what}, but the connection is closed: ${this.#describe()}`));
        }
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`waited for ${what}, but ${DEADLINE_MS} ms passed: ${this.#describe()}`));
      }, DEADLINE_MS);
      this.#waiting.add(look);
      look();
    });
  }

  /** The `count`-th event of a type. */
  event<T extends Exclude<TlsEvent['type'], 'data'>>(type: T, count = 1): Promise<EventOf<T>> {
    return this.until(() => this.eventsOf(type)[count - 1], `${type} ${count}`);
  }

  eventsOf<T extends Exclude<TlsEvent['type'], 'data'>>(type: T): EventOf<T>[] {
    return this.events.filter((event) => event.type === type) as EventOf<T>[];
  }

  async secure(): Promise<ConnectionInfo> {
    return (await this.event('secure')).info;
  }

  /** Waits until `text` has been received. */
  async received(text: string): Promise<void> {
    await this.until(() => this.text.includes(text), JSON.stringify(text));
  }

  /** SHA-256 of all application data so far, in hexadecimal. */
  receivedHash(): string {
    return this.#hash.copy().digest('hex');
  }

  write(data: string | Uint8Array): void {
    this.engine.write(typeof data === 'string' ? Buffer.from(data) : data);
    this.#pump();
  }

  /** Writes bulk data, no faster than the peer reads. */
  async writeAll(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length; at += CHUNK_LENGTH) {
      this.write(data.subarray(at, at + CHUNK_LENGTH));
      if (this.#socket.writableNeedDrain) {
        await new Promise<void>((resolve) => {
          this.#socket.once('drain', resolve);
          this.#socket.once('close', resolve);
        });
      }
    }
  }

  updateKeys(requestPeer = false): void {
    this.engine.updateKeys(requestPeer);
    this.#pump();
  }

  /** Asks for a certificate, on the wire at once; resolves with who it shows. */
  async requestClientCertificate(options?: {
    readonly required?: boolean;
  }): Promise<EventOf<'client_certificate'>['peer']> {
    const count = this.eventsOf('client_certificate').length;
    this.engine.requestClientCertificate(options);
    this.#pump();
    return (await this.event('client_certificate', count + 1)).peer;
  }

  /** Further tickets, on the wire at once. */
  sendTickets(count: number): void {
    this.engine.requestTickets(count);
    this.engine.flush();
    this.#pump();
  }

  /** Sends close_notify, and nothing else: reading goes on. */
  closeWrite(): void {
    this.engine.close();
    this.#pump();
  }

  /** Closes in order: close_notify, FIN, and waits until the TCP connection is gone. */
  async close(): Promise<void> {
    this.closeWrite();
    this.#socket.end();
    if (!this.socketClosed) await new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
  }

  /** Cuts the TCP connection. */
  destroy(): void {
    this.#socket.destroy();
  }

  #pump(): void {
    const bytes = this.engine.pull();
    if (bytes !== undefined && this.#socket.writable) this.#socket.write(bytes);
    for (let event = this.engine.next(); event !== undefined; event = this.engine.next()) {
      if (event.type === 'data') {
        this.receivedLength += event.bytes.length;
        this.#hash.update(event.bytes);
        if (this.text.length < TEXT_LIMIT) this.text += Buffer.from(event.bytes).toString('latin1');
      } else {
        this.events.push(event);
        if (event.type === 'error') this.#socket.end();
      }
    }
    if (this.engine.wantsInput || this.engine.readClosed) this.#socket.resume();
    else this.#socket.pause();
    this.#wake();
  }

  #wake(): void {
    for (const look of [...this.#waiting]) look();
  }

  #describe(): string {
    const events = this.events.map((event) =>
      event.type === 'error' ? `error ${event.error.code} (${event.error.message})` : event.type,
    );
    return `state ${this.engine.state}, events [${events.join(', ')}], text ${JSON.stringify(this.text.slice(-500))}`;
  }
}

/** A server of ours on 127.0.0.1, with the identity `server` and trust in `client`. */
export class OurServer {
  readonly port: number;
  readonly address: string;
  readonly #arrived: Connection[] = [];
  readonly #takers: ((connection: Connection) => void)[] = [];

  constructor(port: number) {
    this.port = port;
    this.address = `127.0.0.1:${port}`;
  }

  /** Connections in the order in which they arrive, each once. */
  accept(): Promise<Connection> {
    const connection = this.#arrived.shift();
    if (connection !== undefined) return Promise.resolve(connection);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no connection within ${DEADLINE_MS} ms`)), DEADLINE_MS);
      this.#takers.push((taken) => {
        clearTimeout(timer);
        resolve(taken);
      });
    });
  }

  /** A connection arrived. */
  arrive(connection: Connection): void {
    const taker = this.#takers.shift();
    if (taker === undefined) this.#arrived.push(connection);
    else taker(connection);
  }
}

/** Listens; closed, with all its connections, when `t` ends. Tickets of servers started apart do not open at each other. */
export async function serve(t: Scope, options: Partial<ServerOptions> = {}): Promise<OurServer> {
  const { server, client } = await files();
  const config = createServerConfig({
    crypto: nodeCrypto,
    clock,
    credentials: [server.credential],
    verifier: createVerifier({ crypto: nodeCrypto, anchors: [client.certificate] }),
    ...options,
  });
  const sockets = new Set<Socket>();
  const listener = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    ours.arrive(new Connection(socket, (hooks) => createServerEngine(config, hooks)));
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const ours = new OurServer((listener.address() as AddressInfo).port);
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => listener.close(() => resolve()));
  });
  return ours;
}

export interface ConnectOptions extends Partial<ClientOptions> {
  readonly serverName?: string;
  readonly tickets?: readonly ClientTicket[];
  readonly earlyData?: boolean;
  readonly psks?: readonly ExternalPsk[];
}

/** A client of ours that trusts `server` and nobody else. Cut when `t` ends. */
export async function connect(t: Scope, port: number, options: ConnectOptions = {}): Promise<Connection> {
  const { server } = await files();
  const { serverName = 'localhost', tickets = [], psks = [], earlyData = false, ...rest } = options;
  const config = createClientConfig({
    crypto: nodeCrypto,
    clock,
    verifier: createVerifier({ crypto: nodeCrypto, anchors: [server.certificate] }),
    ...rest,
  });
  const socket = connectSocket({ port, host: '127.0.0.1', allowHalfOpen: true });
  t.after(async () => {
    socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve();
    });
    socket.once('error', reject);
  });
  return new Connection(socket, (hooks) =>
    createClientEngine(config, { serverName, tickets, psks, earlyData, ...hooks }),
  );
}

/** All cipher suites and groups of ours, by the names the engine takes. */
export const SUITES: readonly string[] = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_CCM_SHA256',
  'TLS_AES_128_CCM_8_SHA256',
];
/** The groups that every peer has. */
export const GROUPS: readonly string[] = ['x25519', 'secp256r1', 'secp384r1', 'secp521r1'];

/** The numbers of tickets that are tried everywhere. */
export const TICKET_COUNTS: readonly number[] = [0, 1, 2, 3, 16];

/** Options of a server that has only this group, and keeps nothing between the two ClientHellos: the cookie holds it. */
export function statelessRetry(group: string): Partial<ServerOptions> {
  const cookieSealer = new RingCookieSealer(new TicketKeyRing({ crypto: nodeCrypto }), nodeCrypto);
  return { groups: [group], cookieSealer };
}
