import { connect as connectTcp, type IpcSocketConnectOpts, type Socket, type TcpSocketConnectOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ClientOptions, ClientOwner } from './client.ts';
import { secondAttempt } from './legacy-client.ts';
import { TLSSocket } from './socket.ts';
import { duplexOf } from './transport-socket.ts';

export interface ConnectionOptions
  extends ClientOptions,
    Partial<Omit<TcpSocketConnectOpts & IpcSocketConnectOpts, 'timeout' | 'onread'>> {
  /** A stream that is connected, or about to be, to be used instead of a new TCP connection; or a `{ readable, writable }` pair of web streams. */
  readonly socket?: Duplex | undefined;
  /**
   * What the protocol says in the clear before TLS begins (STARTTLS), on a socket that may still be connecting: resolves when the server has
   * agreed, and must then have read that answer and nothing behind it. Bytes that came along with the answer are not protected: refuse them.
   */
  readonly beforeTls?: ((transport: Duplex) => Promise<void>) | undefined;
  /**
   * What to do when the server does not speak TLS 1.3. `false` (default): fail, with node:tls's code for it. `true`: connect anew and let node:tls speak with
   * it, as old as its own `minVersion` allows; {@link TLSSocket.getProtocol} tells. There are no tickets, no early data and no PSKs of ours then. Not with `socket`.
   */
  readonly legacy?: boolean | undefined;
  /** Milliseconds without traffic until a `timeout` event. */
  readonly timeout?: number | undefined;
  /** `false` (default): when the server ends, this side ends too. */
  readonly allowHalfOpen?: boolean | undefined;
  readonly highWaterMark?: number | undefined;
  /** Write to stderr what goes to and fro, for people. */
  readonly enableTrace?: boolean | undefined;
  /** Destroys the socket when it is aborted. */
  readonly signal?: AbortSignal | undefined;
  /** As in net.connect: what is read goes into `buffer`, and `callback` is called with how much; `false` pauses the socket. */
  readonly onread?:
    | {
        readonly buffer: Uint8Array | (() => Uint8Array);
        readonly callback: (length: number, buffer: Uint8Array) => boolean | undefined;
      }
    | undefined;
}

/** As in node:tls: `connect(options)`, `connect(path, options?)`, `connect(port, host?, options?)`; `listener` is added to `secureConnect`. */
export function connect(options: ConnectionOptions, listener?: () => void): TLSSocket;
export function connect(port: number, options?: ConnectionOptions, listener?: () => void): TLSSocket;
export function connect(port: number, host?: string, options?: ConnectionOptions, listener?: () => void): TLSSocket;
export function connect(port: number, listener?: () => void): TLSSocket;
export function connect(port: number, host: string, listener?: () => void): TLSSocket;
export function connect(path: string, options?: ConnectionOptions, listener?: () => void): TLSSocket;
export function connect(...args: readonly unknown[]): TLSSocket {
  const { options, listener } = normalize(args);
  const given = options.socket ? duplexOf(options.socket) : undefined;
  const owner = new ClientOwner(options, given, true);
  const again = secondAttempt(options, owner, () => openTransport(options));
  const transport = given ?? openTransport(options);
  const { allowHalfOpen, highWaterMark, handshakeTimeout, signal, enableTrace } = options;
  const engine = owner.engine.bind(owner);
  const { beforeTls } = options;
  // What it throws ends the socket, as what it rejects with.
  const ready = beforeTls && (async () => beforeTls(transport))();
  const settings = { engine, ready, owner, again, allowHalfOpen, highWaterMark, handshakeTimeout, signal, enableTrace };
  const socket = new TLSSocket(transport, settings);
  try {
    if (options.timeout) socket.setTimeout(options.timeout);
    if (options.onread) deliverInto(socket, options.onread);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  if (listener !== undefined) socket.once('secureConnect', listener);
  return socket;
}

/** What is missing, or is no port, net.connect says. */
function openTransport(options: ConnectionOptions): Socket {
  const { timeout: _idle, signal: _signal, onread: _onread, socket: _socket, noDelay = true, ...rest } = options;
  return connectTcp({ ...rest, noDelay, allowHalfOpen: true } as TcpSocketConnectOpts);
}

function deliverInto(socket: TLSSocket, { buffer, callback }: NonNullable<ConnectionOptions['onread']>): void {
  socket.on('data', (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; ) {
      const into = typeof buffer === 'function' ? buffer() : buffer;
      const length = Math.min(into.length, chunk.length - at);
      into.set(chunk.subarray(at, at + length));
      at += length;
      if (callback(length, into) !== false) continue;
      socket.pause();
      if (at < chunk.length) socket.unshift(chunk.subarray(at));
      return;
    }
  });
}

function normalize(args: readonly unknown[]): {
  readonly options: ConnectionOptions;
  readonly listener: (() => void) | undefined;
} {
  const rest = [...args];
  const last = rest.at(-1);
  const listener = typeof last === 'function' ? (rest.pop() as () => void) : undefined;
  const [first, second] = rest;
  const options: { -readonly [K in keyof ConnectionOptions]: ConnectionOptions[K] } = {};
  if (typeof first === 'number' || (typeof first === 'string' && Number(first) >= 0)) options.port = Number(first);
  else if (typeof first === 'string') options.path = first;
  else if (first === null || typeof first === 'boolean') options.port = first as never; // of which net.connect knows what to say
  if (typeof second === 'string') options.host = second;
  for (const arg of rest) if (typeof arg === 'object' && arg !== null) Object.assign(options, arg);
  return { options, listener };
}
