import { connect as connectTcp, isIP, type Socket, type TcpSocketConnectOpts } from 'node:net';
import { ClientTicketCache } from '../tickets/index.ts';
import { type ConnectionOptions, connect } from './connect.ts';
import { ContextPool } from './context-pool.ts';
import { codedError } from './errors.ts';
import type { TLSSocket } from './socket.ts';

/** What undici says of the connection it wants. */
export interface UndiciTarget {
  readonly hostname: string;
  readonly host?: string | undefined;
  readonly protocol: string;
  readonly port: string;
  readonly servername?: string | null | undefined;
  readonly localAddress?: string | null | undefined;
  /** A tunnel through a proxy, to speak TLS in. */
  readonly httpSocket?: Socket | undefined;
}

/** As undici's own connectors are called. The socket is secure, and is typed as undici wants it: what it uses of it is there. */
export type UndiciConnect = (
  target: UndiciTarget,
  callback: (...result: [error: null, socket: Socket] | [error: Error, socket: null]) => void,
) => void;

export interface UndiciConnectorOptions extends Omit<ConnectionOptions, 'ALPNProtocols' | 'host' | 'port' | 'socket'> {
  /** Offer HTTP/2 too, and speak it where the server takes it. Default false. */
  readonly allowH2?: boolean | undefined;
  /** Instead of a TCP connection to the host: a pipe, the name of which is not that of the server. */
  readonly socketPath?: string | undefined;
  /** Milliseconds until a connection that is not ready fails with `UND_ERR_CONNECT_TIMEOUT`. 0: never. Default 10,000, as undici. */
  readonly timeout?: number | undefined;
}

const DEFAULT_TIMEOUT = 10_000;
const DEFAULT_KEEP_ALIVE_DELAY = 60_000;
const HIGH_WATER_MARK = 16_384;

/**
 * What undici's `Agent`, `Pool` and `Client` take as `connect`: `new Agent({ connect: undiciConnector({ ca }) })`, to be used with undici's
 * `request` and `fetch`, and as `dispatcher` of the global one. `http:` targets get a plain TCP connection.
 *
 * The connector keeps a pool of session tickets for all its origins: each connection takes one of its own, and none is used twice.
 * `ticketCache`: another pool, or `false`.
 */
export function undiciConnector(options: UndiciConnectorOptions = {}): UndiciConnect {
  const { allowH2 = false, socketPath, timeout = DEFAULT_TIMEOUT, ticketCache = true, ...rest } = options;
  const cache = ticketCache === true ? new ClientTicketCache() : ticketCache;
  const secureContext = new ContextPool().contextOf(rest);
  const ALPNProtocols = allowH2 ? ['h2', 'http/1.1'] : ['http/1.1'];
  const { keepAlive = true, keepAliveInitialDelay = DEFAULT_KEEP_ALIVE_DELAY } = rest;

  return (target, callback) => {
    const { hostname, protocol, httpSocket } = target;
    const secure = protocol === 'https:';
    const common = {
      highWaterMark: HIGH_WATER_MARK,
      ...rest,
      host: hostname,
      port: Number(target.port) || (secure ? 443 : 80),
      ...(target.localAddress && { localAddress: target.localAddress }),
      ...(socketPath !== undefined && { path: socketPath }),
    };
    const name = target.servername || rest.servername || hostName(target);
    let socket: TLSSocket | Socket;
    try {
      socket = secure
        ? connect({
            ...common,
            // An address is not asked for by name (RFC 6066): the certificate must have the one that is connected to.
            servername: isIP(name) === 0 ? name : undefined,
            secureContext,
            ticketCache: cache,
            ALPNProtocols,
            socket: httpSocket,
          })
        : connectTcp(common as TcpSocketConnectOpts);
    } catch (error) {
      process.nextTick(callback, error as Error, null);
      return;
    }
    if (keepAlive) socket.setKeepAlive(true, keepAliveInitialDelay);
    socket.setNoDelay(true);

    const connected = (): void => settle(null);
    const settle = (error: Error | null): void => {
      clearTimeout(timer);
      socket.off('error', settle).off(secure ? 'secureConnect' : 'connect', connected);
      if (error === null) callback(null, socket as Socket);
      else callback(error, null);
    };
    const timer = timeout > 0 ? setTimeout(() => socket.destroy(tooSlow(target, timeout)), timeout) : undefined;
    socket.once('error', settle).once(secure ? 'secureConnect' : 'connect', connected);
  };
}

/** The name in `host`, which has a port behind it, or the address that the connection goes to. */
function hostName({ host, hostname }: UndiciTarget): string {
  if (host === undefined || host === null || host.startsWith('[')) return hostname;
  return host.replace(/:\d+$/, '') || hostname;
}

function tooSlow({ hostname, port }: UndiciTarget, timeout: number): Error {
  const error = codedError(
    'UND_ERR_CONNECT_TIMEOUT',
    `Connect Timeout Error (attempted address: ${hostname}:${port}, timeout: ${timeout}ms)`,
  );
  error.name = 'ConnectTimeoutError';
  return error;
}
