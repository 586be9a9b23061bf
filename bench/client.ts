import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { type Answer, answer, CIPHERS, type ClientOptions, type Command, GROUP } from './protocol.ts';
import { sendBytes } from './server.ts';

export type BenchClientSocket = Duplex & { isSessionReused(): boolean };

/** The part of node:tls that both stacks have. */
export interface ClientModule<Context extends object> {
  createSecureContext(options: { readonly ca: string; readonly ciphers: string; readonly ecdhCurve: string }): Context;
  connect(options: {
    readonly host: string;
    readonly port: number;
    readonly servername: string;
    readonly secureContext: Context;
    readonly session?: Buffer;
  }): BenchClientSocket;
}

const ignore = (): void => {};

/** The client process: the same program for every stack. The server's certificate is verified. */
export function runClient<Context extends object>(tls: ClientModule<Context>): void {
  let open: (session?: Buffer) => BenchClientSocket;
  const kept: Duplex[] = [];

  const target = ({ port, ca }: ClientOptions): void => {
    const secureContext = tls.createSecureContext({ ca, ciphers: CIPHERS, ecdhCurve: GROUP });
    const address = { host: '127.0.0.1', port, servername: 'localhost', secureContext };
    open = (session) => tls.connect(session === undefined ? address : { ...address, session });
  };

  const sessions: Buffer[] = [];
  /** One handshake, up to the server's byte behind its tickets, then an orderly close. Gives the tickets that arrived. */
  const handshake = (session?: Buffer, keepTickets = false): Promise<readonly Buffer[]> =>
    new Promise((resolve, reject) => {
      const socket = open(session);
      const tickets: Buffer[] = [];
      if (keepTickets) socket.on('session', (ticket: Buffer) => tickets.push(ticket));
      socket.on('error', reject);
      socket.on('close', () => resolve(tickets));
      socket.on('data', () => {
        if (session !== undefined && !socket.isSessionReused()) reject(new Error('the session was not resumed'));
        socket.end();
      });
    });

  /** Offers a fresh ticket where there is one: a server of node:tls on Node 20 sends none after a resumption. */
  const resumption = async (): Promise<void> => {
    const session = sessions.shift();
    if (session === undefined) throw new Error('no ticket is left');
    const tickets = await handshake(session, true);
    sessions.push(tickets.at(-1) ?? session);
  };

  const handshakes = async ({
    resume,
    milliseconds,
    concurrency,
  }: Extract<Command, { command: 'handshakes' }>): Promise<number> => {
    while (resume && sessions.length < concurrency) sessions.push(...(await handshake(undefined, true)));
    const until = performance.now() + milliseconds;
    let count = 0;
    const worker = async (): Promise<void> => {
      while (performance.now() < until) {
        await (resume ? resumption() : handshake());
        count++;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
    return count;
  };

  const receive = async (): Promise<number> => {
    const socket = open();
    let count = 0;
    socket.on('data', (bytes: Buffer) => {
      count += bytes.length;
    });
    await once(socket, 'close');
    return count;
  };

  const send = async (amount: number): Promise<number> => {
    const socket = open();
    await once(socket, 'secureConnect');
    socket.on('data', ignore);
    sendBytes(socket, amount);
    await once(socket, 'close');
    return amount;
  };

  const countTickets = async (): Promise<number> => {
    const socket = open();
    let count = 0;
    socket.on('session', () => count++);
    socket.on('data', ignore);
    await once(socket, 'close');
    return count;
  };

  const openAndKeep = async (count: number): Promise<number> => {
    while (kept.length < count) {
      const batch = Array.from({ length: Math.min(20, count - kept.length) }, () => open());
      await Promise.all(batch.map((socket) => once(socket, 'data')));
      for (const socket of batch) socket.removeAllListeners('data').on('data', ignore);
      kept.push(...batch);
    }
    return count;
  };

  const closeAll = async (): Promise<number> => {
    const closed = kept.map((socket) => once(socket.end(), 'close'));
    kept.length = 0;
    await Promise.all(closed);
    return closed.length;
  };

  const perform = (command: Command): Promise<number> => {
    switch (command.command) {
      case 'handshakes':
        return handshakes(command);
      case 'down':
        return receive();
      case 'up':
        return send(command.amount);
      case 'tickets':
        return countTickets();
      case 'open':
        return openAndKeep(command.count);
      case 'closeAll':
        return closeAll();
      default:
        throw new Error(`a client cannot ${command.command}`);
    }
  };

  answer(async (command): Promise<Answer> => {
    if (command.command === 'target') {
      target(command.options);
      return {};
    }
    const start = performance.now();
    const count = await perform(command);
    return { count, elapsedMs: performance.now() - start };
  });
}
