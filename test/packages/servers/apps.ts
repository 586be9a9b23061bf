/** The same small application in each framework of HTTP/1.1, so that one set of tests can run through all of them. */
import { createHash } from 'node:crypto';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { Readable } from 'node:stream';
import { createAdaptorServer, type HttpBindings } from '@hono/node-server';
import { getConnInfo } from '@hono/node-server/conninfo';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import Koa from 'koa';
import { type AttachableServer, createServer, type TLSSocket, type TlsOptions } from '../../../src/node/index.ts';

/** What an application is asked to do, and what it tells the test. */
export interface Gate {
  /** `/slow` answers when this settles. */
  readonly opened: Promise<void>;
  /** `/slow` was asked for. */
  entered(): void;
  /** Bytes of `/big` that were made so far. */
  produced: number;
}

/** A gate, and the test's side of it. */
export type Open = Gate & {
  open(): void;
  /** Settles when `/slow` was asked for. */
  readonly inside: Promise<void>;
};

export function gate(): Open {
  let open = (): void => {};
  let entered = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const inside = new Promise<void>((resolve) => {
    entered = resolve;
  });
  return { open, opened, entered, inside, produced: 0 };
}

export interface App {
  readonly server: AttachableServer;
  /** The framework's own way to end. */
  close(): unknown;
  /** Where the framework wants to do it itself. */
  readonly listen?: () => Promise<unknown>;
}

/** `secure` makes the server speak TLS. */
export type MakeApp = (secure: Secure, gate: Gate) => App;
/** `create` makes the server for a handler of requests. */
type MakeAppOn = (secure: Secure, gate: Gate, create: typeof http.createServer) => App;
export type Secure = (server: AttachableServer) => void;

export const BIG_LENGTH: number = 64 * 1024 * 1024;
const CHUNK = Buffer.alloc(65_536, 'x');

/** As an application would have it from a file or a database: made when it is asked for. */
export function big(gate: Gate): Readable {
  return Readable.from(
    (function* () {
      while (gate.produced < BIG_LENGTH) {
        gate.produced += CHUNK.length;
        yield CHUNK;
      }
    })(),
    { objectMode: false },
  );
}

export async function digest(body: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of body) hash.update(chunk);
  return hash.digest('hex');
}

/** The names in the certificate of a client that is trusted. */
export function clientOf(socket: object): string | null {
  const { authorized, getPeerX509Certificate } = socket as TLSSocket;
  return authorized ? (getPeerX509Certificate.call(socket)?.subjectAltName ?? null) : null;
}

function plain(gate: Gate): http.RequestListener {
  return async (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    switch (request.url) {
      case '/info': {
        const secure = 'encrypted' in socket;
        const protocol = secure ? 'https' : 'http';
        response.end(JSON.stringify({ protocol, secure, ip: socket.remoteAddress, client: clientOf(socket) }));
        break;
      }
      case '/digest':
        response.end(await digest(request));
        break;
      case '/big':
        big(gate).pipe(response);
        break;
      default:
        gate.entered();
        await gate.opened;
        response.end('slow');
    }
  };
}

const ON: Readonly<Record<string, MakeAppOn>> = {
  node(secure, gate, create) {
    const server = create(plain(gate));
    secure(server);
    return { server, close: () => server.close() };
  },

  express(secure, gate, create) {
    const app = express();
    app.get('/info', (request, response) => {
      const { protocol, secure, ip, socket } = request;
      response.json({ protocol, secure, ip, client: clientOf(socket) });
    });
    app.post('/digest', async (request, response) => void response.send(await digest(request)));
    app.get('/big', (_request, response) => void big(gate).pipe(response));
    app.get('/slow', async (_request, response) => {
      gate.entered();
      await gate.opened;
      response.send('slow');
    });
    const server = create(app);
    secure(server);
    return { server, close: () => server.close() };
  },

  fastify(secure, gate, create) {
    const app = fastify({
      ...(create !== http.createServer && ({ http2: true } as object)),
      serverFactory(handler) {
        const server = create(handler);
        secure(server);
        return server;
      },
    });
    app.addContentTypeParser('application/octet-stream', (_request, _payload, done) => done(null));
    app.get('/info', ({ protocol, ip, socket }) => ({
      ...{ protocol, secure: protocol === 'https', ip, client: clientOf(socket) },
    }));
    app.post('/digest', (request) => digest(request.raw));
    app.get('/big', (_request, reply) => reply.send(big(gate)));
    app.get('/slow', async () => {
      gate.entered();
      await gate.opened;
      return 'slow';
    });
    return { server: app.server, close: () => app.close(), listen: () => app.listen({ host: '127.0.0.1', port: 0 }) };
  },

  koa(secure, gate, create) {
    const app = new Koa();
    app.use(async (context) => {
      switch (context.path) {
        case '/info': {
          const { protocol, secure, ip, socket } = context;
          context.body = { protocol, secure, ip, client: clientOf(socket) };
          break;
        }
        case '/digest':
          context.body = await digest(context.req);
          break;
        case '/big':
          context.body = big(gate);
          break;
        default:
          gate.entered();
          await gate.opened;
          context.body = 'slow';
      }
    });
    const server = create(app.callback());
    secure(server);
    return { server, close: () => server.close() };
  },

  hono(secure, gate, create) {
    const app = new Hono<{ Bindings: HttpBindings }>();
    app.get('/info', (context) => {
      const protocol = new URL(context.req.url).protocol.slice(0, -1);
      const ip = getConnInfo(context).remote.address;
      return context.json({
        protocol,
        secure: protocol === 'https',
        ip,
        client: clientOf(context.env.incoming.socket),
      });
    });
    app.post('/digest', async ({ req, text }) =>
      text(await digest(req.raw.body as unknown as AsyncIterable<Uint8Array>)),
    );
    app.get('/big', ({ body }) => body(Readable.toWeb(big(gate)) as ReadableStream));
    app.get('/slow', async ({ text }) => {
      gate.entered();
      await gate.opened;
      return text('slow');
    });
    const server = createAdaptorServer({
      fetch: app.fetch,
      createServer: ((_options: object, handler: http.RequestListener) => create(handler)) as Create,
    }) as http.Server;
    secure(server);
    return { server, close: () => server.close() };
  },
};

const { node, ...frameworks } = ON as Readonly<Record<'node', MakeAppOn>> & typeof ON;
type Create = typeof http.createServer;

/** Over HTTP/1.1. */
export const APPS: Readonly<Record<string, MakeApp>> = {
  http: (secure, gate) => node(secure, gate, http.createServer),
  https: (secure, gate) => node(secure, gate, https.createServer as Create),
  ...Object.fromEntries(
    Object.entries(frameworks).map(([name, make]) => [
      name,
      (secure: Secure, gate: Gate) => make(secure, gate, http.createServer),
    ]),
  ),
};

const createSecure = ((handler: never) => http2.createSecureServer({ allowHTTP1: true }, handler)) as unknown as Create;
const { express: _http1Only, ...http2Frameworks } = frameworks;

/** Over HTTP/2. */
export const HTTP2_APPS: Readonly<Record<string, MakeApp>> = {
  'http2.createServer': (secure, gate) => node(secure, gate, http2.createServer as unknown as Create),
  'http2.createSecureServer': (secure, gate) =>
    node(secure, gate, ((handler: never) => http2.createSecureServer({}, handler)) as unknown as Create),
  'http2.createSecureServer with allowHTTP1': (secure, gate) => node(secure, gate, createSecure),
  ...Object.fromEntries(
    Object.entries(http2Frameworks).map(([name, make]) => [
      name,
      (secure: Secure, gate: Gate) => make(secure, gate, createSecure),
    ]),
  ),
};

/** Without `attach`: TLS beside an https server, which is told of each connection. */
export function byHand(options: TlsOptions): Secure {
  return (server) => {
    const tls = createServer({ ALPNProtocols: ['http/1.1'], ...options });
    tls.on('secureConnection', (socket) => server.emit('secureConnection', socket));
    tls.on('tlsClientError', (error, socket) => {
      socket.on('error', () => {});
      server.emit('tlsClientError', error, socket);
    });
    server.removeAllListeners('connection').on('connection', (transport) => tls.emit('connection', transport));
  };
}
