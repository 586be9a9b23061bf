/** The victim of the `faults-*.ts` beside it: a server in a process of its own, which does what its parent asks and tells what it holds. */
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { attach, createServer, type Server, type TLSSocket, type TlsOptions } from '../../src/node/index.ts';
import { type Sample, sampleOf } from './faults-common.ts';

/** `echo`: gives back what comes. `flood`: writes as long as it may, and never reads. `sink`: reads nothing. `http`: answers requests. */
export type Behaviour = 'echo' | 'flood' | 'sink' | 'http';

export type Request =
  | { readonly do: 'serve'; readonly behaviour: Behaviour; readonly options: TlsOptions; readonly http?: object }
  | { readonly do: 'sample' }
  | { readonly do: 'destroy' };

const sockets = new Set<TLSSocket>();
const failures: Record<string, number> = {};
let server: Server | HttpServer;
let lagMs = 0;

/** The longest that anything kept this process from the next thing. */
async function watchLag(): Promise<never> {
  for (;;) {
    const before = performance.now();
    await sleep(10);
    lagMs = Math.max(lagMs, performance.now() - before - 10);
  }
}

function serve({ behaviour, options, http }: Extract<Request, { do: 'serve' }>): Server | HttpServer {
  if (behaviour === 'http') {
    const made = createHttpServer(
      http ?? {},
      (request, response) => void request.resume().on('end', () => response.end('ok')),
    );
    attach(made, options);
    return made;
  }
  const made = createServer(options, (socket) => {
    if (behaviour === 'echo') socket.on('data', (bytes: Buffer) => void socket.write(bytes));
    if (behaviour === 'flood') pour(socket);
    if (behaviour === 'sink') socket.pause();
  });
  return Object.assign(made, http);
}

const CHUNK = Buffer.alloc(65_536);

/** Writes until it is told to wait, and goes on when it is told so. */
export function pour(socket: TLSSocket): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(CHUNK));
  };
  socket.on('drain', more);
  more();
}

async function answer(request: Request): Promise<unknown> {
  switch (request.do) {
    case 'serve':
      server = serve(request);
      server.on('tlsClientError', (error: Error & { code?: string }) => {
        const code = error.code ?? error.message;
        failures[code] = (failures[code] ?? 0) + 1;
      });
      server.on('secureConnection', (socket: TLSSocket) => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
        socket.on('error', () => {});
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 8_192, resolve));
      return (server.address() as AddressInfo).port;
    case 'sample': {
      let queued = 0;
      for (const socket of sockets) queued += socket.writableLength + (socket._parent?.writableLength ?? 0);
      const connections = await new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
      const sample: Sample = { ...(await sampleOf()), connections, secure: sockets.size, queued, failures, lagMs };
      lagMs = 0;
      return sample;
    }
    case 'destroy':
      for (const socket of sockets) socket.destroy();
      return undefined;
  }
}

if (process.send !== undefined) {
  process.on('message', async (request: Request) => process.send!((await answer(request)) ?? null));
  process.on('disconnect', () => process.exit());
  void watchLag();
}
