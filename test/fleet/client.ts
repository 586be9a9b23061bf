/** A client of a fleet, and many of them at once. */
import { connect, type Socket } from 'node:net';
import type { ClientConfig, TlsEngine, TlsEvent } from '../../src/index.ts';
import { type ClientTicket, createClientConfig, createClientEngine, createVerifier } from '../../src/index.ts';
import { nodeCrypto, TLSSocket } from '../../src/node/index.ts';
import type { Member } from './member.ts';

export interface Visit {
  readonly member: string;
  readonly offered: boolean;
  /** The handshake was done. */
  readonly secure: boolean;
  readonly resumed: boolean;
  /** `accepted`, a reason, or `none`: none was offered. */
  readonly early: string;
  readonly answer: string;
  readonly tickets: readonly ClientTicket[];
  readonly error: Error | undefined;
}

/** Patience of a client, milliseconds: slow machines must not make tests fail. */
const PATIENCE_MS = 15_000;

export class Client {
  readonly #config: ClientConfig;

  /** Trusts this certificate and nobody else. */
  constructor(certificate: Uint8Array) {
    this.#config = createClientConfig({
      crypto: nodeCrypto,
      clock: { now: () => Date.now() },
      verifier: createVerifier({ crypto: nodeCrypto, anchors: [certificate] }),
      groups: ['x25519'],
    });
  }

  /** A whole connection, to the answer of the member and its end. Never rejects. */
  visit(member: Member, ticket?: ClientTicket): Promise<Visit> {
    return this.#run(member, ticket, (hooks) => ({ engine: this.#engine(ticket, false, hooks), sent: undefined }));
  }

  /** The first flight of a client that resumes with early data, and the engine to go on with. */
  flight(ticket: ClientTicket, early: string): Flight {
    const events: TlsEvent[] = [];
    let listener: ((event: TlsEvent) => void) | undefined;
    const engine = this.#engine(ticket, true, {
      onEvent: (event) => (listener === undefined ? events.push(event) : listener(event)),
    });
    engine.write(new TextEncoder().encode(early));
    const bytes = engine.pull()!;
    return {
      bytes,
      finish: (member) =>
        this.#run(member, ticket, ({ onEvent }) => {
          listener = onEvent;
          for (const event of events) onEvent(event);
          return { engine, sent: bytes };
        }),
    };
  }

  #engine(ticket: ClientTicket | undefined, earlyData: boolean, hooks: Hooks): TlsEngine {
    return createClientEngine(this.#config, {
      serverName: 'localhost',
      tickets: ticket === undefined ? [] : [ticket],
      earlyData,
      ...hooks,
    });
  }

  #run(
    member: Member,
    ticket: ClientTicket | undefined,
    make: (hooks: Hooks) => { readonly engine: TlsEngine; readonly sent: Uint8Array | undefined },
  ): Promise<Visit> {
    const tickets: ClientTicket[] = [];
    let early = 'none';
    let answer = '';
    let secure = false;
    let resumed = false;
    let error: Error | undefined;
    const transport = connect({ port: member.port, host: '127.0.0.1', allowHalfOpen: true });
    const { engine, sent } = make({
      onEvent: (event) => {
        if (event.type === 'ticket') tickets.push(event.ticket);
        if (event.type === 'early_data_status') early = event.accepted ? 'accepted' : String(event.reason);
      },
    });
    if (sent !== undefined) transport.write(sent);
    const socket = new TLSSocket(transport, { engine, handshakeTimeout: PATIENCE_MS });
    return new Promise((resolve) => {
      const timer = setTimeout(() => socket.destroy(new Error('no end')), PATIENCE_MS);
      socket.on('secure', () => {
        secure = true;
        resumed = engine.info?.resumed === true;
      });
      socket.on('data', (data: Buffer) => {
        answer += data.toString('latin1');
      });
      socket.on('error', (cause: Error) => {
        error = cause;
      });
      socket.on('close', () => {
        clearTimeout(timer);
        resolve({ member: member.name, offered: ticket !== undefined, secure, resumed, early, answer, tickets, error });
      });
    });
  }
}

interface Hooks {
  readonly onEvent: (event: TlsEvent) => void;
}

export interface Flight {
  /** ClientHello and early data. */
  readonly bytes: Uint8Array;
  /** Sends them to `member` and goes on as an honest client does. Once. */
  readonly finish: (member: Member) => Promise<Visit>;
}

/** Sends bytes, as somebody does who recorded them and knows no key. Close it when the member has said what it makes of them. */
export function replay(member: Member, bytes: Uint8Array): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect({ port: member.port, host: '127.0.0.1' });
    socket.on('error', () => {}); // the member may have had enough
    socket.resume();
    socket.write(bytes, () => resolve(socket));
    socket.once('close', () => resolve(socket));
  });
}
