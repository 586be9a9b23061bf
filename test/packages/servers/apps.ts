/** The same small application in each framework of HTTP/1.1, so that one set of tests can run through all of them. */
import { createHash } from 'node:crypto';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
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

export interface App {
  readonly server: AttachableServer;
  /** The framework's own way to end. */
  close(): unknown;
  /** Where the framework wants to do it itself. */
  readonly listen?: () => Promise<unknown>;
}

/** `secure` makes the server speak TLS. */
export type MakeApp = (secure: Secure, gate: Gate) => App;
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

export const APPS: Readonly<Record<string, MakeApp>> = {
  http(secure, gate) {
    const server = http.createServer(plain(gate));
    secure(server);
    return { server, close: () => server.close() };
  },

  https(secure, gate) {
    const server = https.createServer(plain(gate));
    secure(server);
    return { server, close: () => server.close() };
  },

  express(secure, gate) {
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
    const server = http.createServer(app);
    secure(server);
    return { server, close: () => server.close() };
  },

  fastify(secure, gate) {
    const app = fastify({
      serverFactory(handler) {
        const server = http.createServer(handler);
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

  koa(secure, gate) {
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
    const server = http.createServer(app.callback());
    secure(server);
    return { server, close: () => server.close() };
  },

  hono(secure, gate) {
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
    const server = createAdaptorServer(app) as http.Server;
    secure(server);
    return { server, close: () => server.close() };
  },
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
