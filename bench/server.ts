import type { AddressInfo, Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { answer, CHUNK_LENGTH, CIPHERS, GROUP, type ServerOptions } from './protocol.ts';

export type BenchSocket = Duplex & { newSessionTicket?(count: number): boolean };

/** The part of `tls.createServer` that both stacks have. */
export type CreateServer = (
  options: { readonly cert: string; readonly key: string; readonly ciphers: string; readonly ecdhCurve: string },
  listener: (socket: BenchSocket) => void,
) => Server;

const TICKETS_AT_ONCE = 16;
const chunk = Buffer.alloc(CHUNK_LENGTH, 'tessera ');
const ignore = (): void => {};

/** The server process: the same program for every stack. */
export function runServer(createServer: CreateServer): void {
  answer(async (command) => {
    if (command.command !== 'serve') throw new Error(`a server cannot ${command.command}`);
    const { cert, key, task, amount } = command.options;
    const serve = TASKS[task];
    const server = createServer({ cert, key, ciphers: CIPHERS, ecdhCurve: GROUP }, (socket) => {
      socket.on('error', ignore);
      serve(socket, amount);
    });
    server.on('tlsClientError', (error: Error) => console.error(error));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 4096, resolve));
    return { port: (server.address() as AddressInfo).port };
  });
}

const TASKS: Readonly<Record<ServerOptions['task'], (socket: BenchSocket, amount: number) => void>> = {
  greet(socket) {
    socket.on('data', ignore);
    socket.write('!');
  },
  down(socket, amount) {
    socket.on('data', ignore);
    sendBytes(socket, amount);
  },
  up(socket) {
    socket.on('data', ignore);
  },
  tickets(socket, amount) {
    socket.on('data', ignore);
    let left = amount;
    const issue = (): void => {
      const count = Math.min(left, TICKETS_AT_ONCE);
      if (!socket.newSessionTicket!(count)) throw new Error('no ticket was accepted');
      left -= count;
      if (left > 0) socket.write('!', issue);
      else socket.end('!');
    };
    issue();
  },
};

/** Writes `amount` bytes as fast as the transport takes them, then ends. */
export function sendBytes(socket: Duplex, amount: number): void {
  let left = amount;
  const more = (): void => {
    while (left > 0) {
      const piece = left < chunk.length ? chunk.subarray(0, left) : chunk;
      left -= piece.length;
      if (!socket.write(piece)) {
        socket.once('drain', more);
        return;
      }
    }
    socket.end();
  };
  more();
}
