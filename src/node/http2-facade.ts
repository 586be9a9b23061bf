/**
 * What node:http2 and a few packages need to believe in our socket.
 *
 * node:http2 reads from a native handle. A Duplex without one it wraps in a class of its own, JSStreamSocket, and then sees only the wrapper:
 * `session.encrypted` is false, `session.alpnProtocol` is `h2c`, addresses and ciphers are gone, and so is `socket instanceof tls.TLSSocket`,
 * by which it, grpc-js and others tell TLS from TCP. So we make the wrapper before core does: the same class, with a prototype that inherits
 * from node:tls' TLSSocket and asks our socket for everything about TLS and TCP. The class is not public; where it cannot be had, or does not
 * work as expected, core gets our socket as it is, and HTTP/2 runs all the same.
 */
import { type Duplex, PassThrough, Duplex as StreamDuplex } from 'node:stream';
import { TLSSocket as NodeTLSSocket } from 'node:tls';
import type { TLSSocket } from './socket.ts';

type Wrapper = new (stream: Duplex) => Duplex & { readonly stream: TLSSocket };

/** Stays with the wrapper: how it streams, ends and times out. */
const OF_THE_WRAPPER: ReadonlySet<string> = new Set(['constructor', 'setTimeout', 'timeout', 'destroySoon', 'server']);

let wrapper: Wrapper | undefined;
/** The class whose names the wrapper forwards; a program may have subclassed it, and what it added is not for core. */
let looked = false;

/**
 * A socket for `http2.connect`'s `createConnection`, and for `connection` listeners of HTTP/2 servers: to them it is a `tls.TLSSocket`, and what it
 * is asked is what `socket` answers. It owns reading and writing of `socket` from now on. Where this runtime has no way to make one: `socket`.
 */
export function http2Socket(socket: TLSSocket | NodeTLSSocket): Duplex {
  if (socket instanceof NodeTLSSocket) return socket; // of an older client
  if (!looked) {
    looked = true;
    wrapper = makeWrapper(socket);
  }
  if (wrapper === undefined) return socket;
  const facade = new wrapper(socket);
  facade.on('error', ignore); // what still goes wrong when the session is over, and does not listen any more, is nobody's error
  if (socket.secureConnecting) {
    for (const event of ['connect', 'ready', 'secureConnect', 'secure']) socket.once(event, () => facade.emit(event));
  }
  return facade;
}

function ignore(): void {}

function makeWrapper(socket: TLSSocket): Wrapper | undefined {
  try {
    const JSStreamSocket = coreWrapper();
    const Facade = function (this: unknown, stream: Duplex): Duplex {
      return Reflect.construct(JSStreamSocket, [stream], Facade);
    } as unknown as Wrapper;
    Facade.prototype = Object.create(NodeTLSSocket.prototype, {
      ...forwarders(socket),
      ...Object.getOwnPropertyDescriptors(JSStreamSocket.prototype),
      constructor: { value: NodeTLSSocket, writable: true, configurable: true },
    });
    return works(Facade) ? Facade : undefined;
  } catch {
    return undefined;
  }
}

/** node:tls wraps streams that are not sockets in the same class, and keeps the wrapper where it can be found. */
function coreWrapper(): Wrapper {
  const probe = new NodeTLSSocket(new PassThrough() as never) as unknown as {
    readonly _handle: { readonly _parentWrap: { readonly constructor: Wrapper } };
    on(event: 'error', listener: () => void): void;
    destroy(): void;
  };
  const found = probe._handle._parentWrap.constructor;
  probe.on('error', () => {});
  probe.destroy();
  if (typeof found !== 'function' || !(found.prototype instanceof StreamDuplex))
    throw new TypeError('no wrapper class');
  return found;
}

/** All that our socket's class has beyond a stream, asked of the wrapped socket. */
function forwarders(socket: TLSSocket): PropertyDescriptorMap {
  const found: PropertyDescriptorMap = {};
  for (
    let prototype: object = Object.getPrototypeOf(socket);
    prototype !== StreamDuplex.prototype && prototype !== null;
    prototype = Object.getPrototypeOf(prototype)
  ) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (name.startsWith('_') || OF_THE_WRAPPER.has(name) || name in found || name in StreamDuplex.prototype) continue;
      found[name] = typeof value === 'function' ? method(name) : property(name);
    }
  }
  return found;
}

type Asked = { readonly stream?: Record<string, unknown> };

function method(name: string): PropertyDescriptor {
  return {
    configurable: true,
    writable: true,
    value(this: Asked, ...args: unknown[]): unknown {
      const { stream } = this;
      if (stream === undefined) return undefined;
      const result = (stream[name] as (...args: unknown[]) => unknown).apply(stream, args);
      return result === stream ? this : result;
    },
  };
}

function property(name: string): PropertyDescriptor {
  return {
    configurable: true,
    get(this: Asked): unknown {
      return this.stream?.[name];
    },
    // net.Socket's constructor sets some of them, such as `connecting`, before there is anything to ask.
    set(this: Asked, value: unknown): void {
      if (this.stream !== undefined) Reflect.set(this.stream, name, value);
    },
  };
}

/** Core looks at exactly these when it decides whether to wrap a socket once more, and what it is. */
function works(Facade: Wrapper): boolean {
  const stream = new PassThrough();
  const facade: Duplex & { readonly _handle?: { readonly isStreamBase?: boolean } } = new Facade(stream);
  facade.on('error', () => {});
  const good = facade._handle?.isStreamBase === true && facade instanceof NodeTLSSocket;
  facade.destroy();
  return good;
}
