import type { Socket } from 'node:net';
import type { TlsOptions } from '../../src/node/index.ts';
import type { TestIdentity } from '../../test/support/certificates.ts';

/** What the process under attack is told to do; only what JSON can carry. */
export interface VictimOptions
  extends Pick<
    TlsOptions,
    | 'handshakeTimeout'
    | 'maxHandshakes'
    | 'legacy'
    | 'requestCert'
    | 'rejectUnauthorized'
    | 'numTickets'
    | 'ALPNProtocols'
    | 'certificateCompression'
  > {
  /** Server: bytes of early data that tickets allow. It is never accepted. */
  readonly earlyDataSize?: number;
  readonly groups?: string;
  /** The program reads nothing of what a hostile peer sends, and closes a connection after a second of silence. */
  readonly deaf?: boolean;
  /** Client: answers requests for its certificate after the handshake. */
  readonly postHandshakeAuth?: boolean;
}

/** One way to be hostile. */
export interface Attack {
  readonly name: string;
  /** Who is attacked. */
  readonly side: 'server' | 'client';
  /** What the victim counts. */
  readonly counted: string;
  /** What stops it, by the name of the option and its default; or why nothing needs to. */
  readonly limit: string;
  /** The fault that the victim must report, where it is to report one. */
  readonly fault?: string;
  /** Connections at one time. Default 8. A client makes as many by itself. */
  readonly parallel?: number;
  readonly victim?: VictimOptions;
  /** One connection to the victim, or from it. When it returns, the connection is reset; then comes the next one. */
  run(peer: Peer): Promise<void>;
}

/** What the attacker did, over all connections. */
export interface Damage {
  connections: number;
  bytesSent: number;
  /** Records, messages or whatever the attack counts. */
  sent: number;
  /** Connections that the victim ended. */
  ended: number;
}

/** The attacker's end of one TCP connection. */
export class Peer {
  readonly socket: Socket;
  readonly identity: TestIdentity;
  readonly damage: Damage;
  /** Of `performance.now()`: when it is over. */
  readonly deadline: number;
  #over = false;

  constructor(socket: Socket, identity: TestIdentity, damage: Damage, deadline: number) {
    this.socket = socket;
    this.identity = identity;
    this.damage = damage;
    this.deadline = deadline;
    damage.connections++;
    socket.setNoDelay(true);
    const end = (): void => {
      if (this.#over) return;
      this.#over = true;
      if (!this.late) damage.ended++;
    };
    socket.on('error', end).on('end', end).on('close', end);
  }

  get late(): boolean {
    return performance.now() >= this.deadline;
  }

  /** The victim has ended the connection, or the time is up. */
  get over(): boolean {
    return this.#over || this.late;
  }

  /** Sends as fast as the victim reads. False once there is no more to be done. */
  async write(bytes: Uint8Array, count = 1): Promise<boolean> {
    if (this.over) return false;
    this.damage.bytesSent += bytes.length;
    this.damage.sent += count;
    if (!this.socket.write(bytes)) await this.#until('drain');
    // The answer of the victim, or its alert, is to be seen.
    else if (this.damage.sent % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
    return !this.over;
  }

  /** Until the victim says something, ends, or the time is up. */
  async read(): Promise<void> {
    if (!this.over) await this.#until('data');
  }

  /** Holds the connection until the victim ends it, or the time is up. Without `reading`, whatever it sends stays where it is. */
  async hold(reading = true): Promise<void> {
    if (reading) this.socket.resume();
    while (!this.over) await this.#until('close');
  }

  /** The attacker ends it. */
  leave(): void {
    this.#over = true;
    this.socket.resetAndDestroy();
  }

  #until(event: 'drain' | 'data' | 'close'): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        for (const name of [event, 'end', 'error', 'close']) this.socket.off(name, done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(0, this.deadline - performance.now()));
      for (const name of [event, 'end', 'error', 'close']) this.socket.once(name, done);
    });
  }
}
