import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { TlsUsageError } from '../errors/index.ts';
import type { ServerEarlyData } from './server.ts';
import type { TLSSocket } from './socket.ts';

type Emit = (event: string | symbol, ...args: unknown[]) => boolean;

/** What may be done twice. RFC 9110, section 9.2.1 */
const SAFE_METHODS: ReadonlySet<string | undefined> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);
const REQUEST_EVENTS: ReadonlySet<string | symbol> = new Set(['request', 'checkContinue', 'checkExpectation']);
/** What follows these is not HTTP, so nobody can say whether it may be done twice. */
const TAKEOVER_EVENTS: ReadonlySet<string | symbol> = new Set(['upgrade', 'connect']);

/** Early data for a server of HTTP/1.1: read as what comes first. Throws {@link TlsUsageError} `attach.early_data`. */
export function httpEarlyData(server: object, earlyData: Omit<ServerEarlyData, 'deliver'>): ServerEarlyData {
  // node:http2 waits for the handshake of each session, so its clients would gain nothing.
  if ('updateSettings' in server)
    throw new TlsUsageError('attach.early_data', 'earlyData needs a server of node:http or node:https');
  return { ...earlyData, deliver: 'stream' };
}

/**
 * Between the server and its listeners: a request that came before the handshake was done may be a replay. Those with safe methods pass, with the
 * header `early-data: 1`, so that the program can answer 425 (Too Early) where it does more than the method promises; all others are answered so
 * here, and the client sends them again when the handshake is done. RFC 8470, sections 5.1 and 5.2
 */
export function guardEarlyRequests(server: HttpServer): void {
  const emit = server.emit as Emit;
  const guarded: Emit = (event, ...args) => {
    const asks = REQUEST_EVENTS.has(event);
    if (!asks && !TAKEOVER_EVENTS.has(event)) return emit.call(server, event, ...args);
    const request = args[0] as IncomingMessage;
    if (!(request.socket as unknown as TLSSocket).secureConnecting) return emit.call(server, event, ...args);
    if (asks && SAFE_METHODS.has(request.method)) {
      request.headers['early-data'] = '1';
      return emit.call(server, event, ...args);
    }
    if (asks) (args[1] as ServerResponse).writeHead(425, { 'content-length': 0 }).end();
    else (args[1] as Duplex).end('HTTP/1.1 425 Too Early\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    return true;
  };
  Object.assign(server, { emit: guarded });
}
