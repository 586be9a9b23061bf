import type { Socket } from 'node:net';
import { Duplex, type DuplexOptions } from 'node:stream';
import { typeError, wrongType } from './argument.ts';
import { MAX_TIMEOUT } from './options.ts';

/** A Duplex, which may be a `net.Socket` and so have more. */
export type Transport = Duplex & {
  [K in Exclude<keyof Socket, keyof Duplex>]?: Socket[K] | undefined;
} & { [OWNER]?: TransportSocket | undefined };

/** Whose transport a stream is. */
const OWNER: unique symbol = Symbol('tessera.owner');
export const ownerOf = (transport: Transport): TransportSocket | undefined => transport[OWNER];

/** What Node tells of a connection that is on its way, beside `connect`. */
const WAY = ['lookup', 'connectionAttempt', 'connectionAttemptFailed', 'connectionAttemptTimeout', 'ready'] as const;
const onWay = WAY.map(
  (event) =>
    function (this: Transport, ...args: unknown[]): void {
      const owner = this[OWNER];
      owner?.emit(event, ...args);
      if (event === 'ready') owner?.connectingIsOver();
    },
);

/** As `net.Socket` has it. */
export interface TransportSocket {
  end(callback?: () => void): this;
  end(buffer: Uint8Array | string, callback?: () => void): this;
  end(text: Uint8Array | string, encoding?: BufferEncoding, callback?: () => void): this;
}

/**
 * A Duplex on top of another one, its transport, with everything of `net.Socket` that makes sense there: what the transport is able to do is
 * its own affair, and what it is not able to do has no effect.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: Duplex has `end`, with a narrower type than net.Socket
export abstract class TransportSocket extends Duplex {
  /** What carries the bytes. Not for programs. */
  protected _transport: Transport;
  #idleTimer: NodeJS.Timeout | undefined;
  /** Bytes on their way out when the idle time began. */
  #queued = 0;
  /** As in net.Socket: what was last given to {@link setTimeout}. */
  timeout: number = 0;

  constructor(transport: Duplex, options: DuplexOptions) {
    super({ ...options, emitClose: false });
    this._transport = transport as Transport;
    this._transport[OWNER] = this;
  }

  /** Another transport in the place of the one that was released. */
  protected useTransport(transport: Duplex): void {
    this._transport = transport as Transport;
    this._transport[OWNER] = this;
    if (this.timeout > 0) this.setTimeout(this.timeout);
  }

  /** Says as its own what the transport says while it connects. */
  protected followConnecting(): void {
    for (const [i, event] of WAY.entries()) this._transport.on(event, onWay[i]!);
  }

  /** Not for programs. */
  connectingIsOver(): void {
    for (const [i, event] of WAY.entries()) this._transport.off(event, onWay[i]!);
  }

  /** Lets go of the transport, which is closed or about to be: nothing of this socket is left on it. */
  protected release(): void {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = undefined;
    this.connectingIsOver();
  }

  /** Something was read or written: idle time begins anew. */
  protected touch(): void {
    if (this.#idleTimer === undefined) return;
    this.#queued = queuedIn(this._transport);
    this.#idleTimer.refresh();
  }

  static readonly #onIdle = (socket: TransportSocket): void => {
    // A large write that goes on is no idleness.
    if (queuedIn(socket._transport) < socket.#queued) socket.touch();
    else socket.emit('timeout');
  };

  get connecting(): boolean {
    return this._transport.connecting ?? false;
  }

  get pending(): boolean {
    return this.destroyed || (this._transport.pending ?? false);
  }

  get readyState(): Socket['readyState'] {
    if (this.connecting) return 'opening';
    if (this.readable) return this.writable ? 'open' : 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }

  /** Bytes that came over the transport and were given to it, encryption included; 0 of a transport that does not count them. */
  get transferred(): { readonly received: number; readonly sent: number } {
    const { bytesRead: received = 0, bytesWritten: sent = 0 } = this._transport;
    return { received, sent };
  }

  /** Bytes that were written and have not gone to the transport yet. `undefined` once destroyed. */
  get bufferSize(): number {
    return (this.destroyed ? undefined : this.writableLength) as number;
  }

  get remoteAddress(): string | undefined {
    return this._transport.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this._transport.remotePort;
  }

  get remoteFamily(): string | undefined {
    return this._transport.remoteFamily;
  }

  /** `undefined` once the connection is gone, as in node:net. */
  get localAddress(): string {
    return this._transport.localAddress as string;
  }

  get localPort(): number {
    return this._transport.localPort as number;
  }

  get localFamily(): string {
    return this._transport.localFamily as string;
  }

  /** `undefined` where no name was looked up, as in node:net. */
  get autoSelectFamilyAttemptedAddresses(): string[] {
    return this._transport.autoSelectFamilyAttemptedAddresses as string[];
  }

  address(): ReturnType<Socket['address']> | Record<string, never> {
    return this._transport.address?.() ?? {};
  }

  /**
   * As `net.Socket.setTimeout`: a `timeout` event after `milliseconds` in which nothing was read or written. 0: never. The transport's own timer
   * would not do: whoever sends one byte of a record now and then would never be idle.
   */
  setTimeout(milliseconds: number, callback?: () => void): this {
    if (typeof milliseconds !== 'number') throw wrongType('msecs', 'of type number', milliseconds);
    if (!(milliseconds >= 0 && milliseconds < Number.POSITIVE_INFINITY)) {
      throw Object.assign(
        new RangeError(
          `The value of "msecs" is out of range. It must be a non-negative finite number. Received ${milliseconds}`,
        ),
        { code: 'ERR_OUT_OF_RANGE' },
      );
    }
    if (callback !== undefined && typeof callback !== 'function') {
      throw wrongType('callback', 'of type function', callback);
    }
    if (this.destroyed) return this;
    this.timeout = milliseconds;
    clearTimeout(this.#idleTimer);
    this.#idleTimer =
      milliseconds > 0
        ? setTimeout(TransportSocket.#onIdle, Math.min(milliseconds, MAX_TIMEOUT), this).unref()
        : undefined;
    this.#queued = queuedIn(this._transport);
    if (callback !== undefined) {
      if (milliseconds > 0) this.once('timeout', callback);
      else this.off('timeout', callback);
    }
    return this;
  }

  setNoDelay(noDelay?: boolean): this {
    this._transport.setNoDelay?.(noDelay);
    return this;
  }

  setKeepAlive(enable?: boolean, initialDelay?: number): this {
    this._transport.setKeepAlive?.(enable, initialDelay);
    return this;
  }

  ref(): this {
    this._transport.ref?.();
    return this;
  }

  unref(): this {
    this._transport.unref?.();
    return this;
  }

  /** Of Node 24 and later. 0 where the transport has none. */
  getTypeOfService(): number {
    return (this._transport as TypeOfService).getTypeOfService?.() ?? 0;
  }

  /** Of Node 24 and later. */
  setTypeOfService(value: number): this {
    (this._transport as TypeOfService).setTypeOfService?.(value);
    return this;
  }

  /** Destroys the socket once everything written is on its way. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', this.destroy);
  }

  /** Destroys the socket with a TCP reset. Throws `ERR_INVALID_HANDLE_TYPE` when the transport is no TCP connection. */
  resetAndDestroy(): this {
    const transport = this._transport;
    if (typeof transport.resetAndDestroy !== 'function') {
      throw typeError('ERR_INVALID_HANDLE_TYPE', 'This handle type cannot be sent');
    }
    transport.resetAndDestroy();
    this.destroy();
    return this;
  }
}

type TypeOfService = { getTypeOfService?(): number; setTypeOfService?(value: number): unknown };

/** Bytes that the transport was given, and those of them that the system has not taken yet. */
function queuedIn(transport: Transport): number {
  const { _handle } = transport as { readonly _handle?: { readonly writeQueueSize?: number } | null };
  return transport.writableLength + (_handle?.writeQueueSize ?? 0);
}

/** A stream of the web, as of `WebSocketStream` or `fetch`, or of Node: as a Duplex. Throws Node's `ERR_INVALID_ARG_TYPE`. */
export function duplexOf(stream: unknown): Duplex {
  const { readable, writable } = (stream ?? {}) as { readonly readable?: unknown; readonly writable?: unknown };
  if (readable instanceof ReadableStream && writable instanceof WritableStream) {
    return Duplex.fromWeb({ readable, writable } as Parameters<typeof Duplex.fromWeb>[0]);
  }
  if (isDuplex(stream)) return stream;
  throw wrongType('socket', 'an instance of stream.Duplex', stream);
}

/** Also those of other copies of the streams of Node. */
function isDuplex(stream: unknown): stream is Duplex {
  const { on, write, pipe } = (stream ?? {}) as Partial<Duplex>;
  return typeof on === 'function' && typeof write === 'function' && typeof pipe === 'function';
}
