/** Members of a fleet as processes of their own, and clients that visit them. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createClientConfig, createClientEngine, createVerifier, decodeClientTicket } from '../../src/index.ts';
import { connect, nodeCrypto } from '../../src/node/index.ts';
import { makeIdentity, type TestIdentity } from '../support/certificates.ts';
import { Running, type Scope } from '../support/process.ts';

const MEMBER = join(import.meta.dirname, '../../examples/fleet/member.ts');

type Fact = Readonly<Record<string, unknown>> & { readonly event: string };

/** One server process. */
export class Member {
  readonly name: string;
  port = 0;
  readonly #args: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  #process: Running | undefined;
  /** Printed by processes that are gone. */
  #past = '';

  constructor(name: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    this.name = name;
    this.#args = args;
    this.#env = env;
  }

  async up(): Promise<void> {
    const args = ['--import', 'tsx', MEMBER, '--name', this.name, '--port', String(this.port), ...this.#args];
    this.#process = new Running(process.execPath, args, { env: this.#env });
    const [, port] = await this.#process.waitFor(/"event":"listening".*"port":(\d+)/);
    this.port = Number(port);
  }

  async down(): Promise<void> {
    this.#past += this.#process?.stdout ?? '';
    await this.#process?.kill();
    this.#process = undefined;
  }

  /** What it has printed, in all its lives. */
  get facts(): readonly Fact[] {
    const lines = `${this.#past}${this.#process?.stdout ?? ''}`.split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Fact);
  }

  get stderr(): string {
    return this.#process?.stderr ?? '';
  }

  count(event: string, facts: Readonly<Record<string, unknown>> = {}): number {
    return this.facts.filter(
      (fact) => fact.event === event && Object.entries(facts).every(([name, value]) => fact[name] === value),
    ).length;
  }
}

export interface Visit {
  readonly resumed: boolean;
  readonly tickets: readonly Uint8Array[];
}

export class Fleet {
  readonly members: readonly Member[];
  readonly #identity: TestIdentity;

  private constructor(members: readonly Member[], identity: TestIdentity) {
    this.members = members;
    this.#identity = identity;
  }

  /** `options` are those of each member; `offsets` sets their clocks wrong, in milliseconds. */
  static async start(t: Scope, options: readonly string[], offsets: readonly number[]): Promise<Fleet> {
    const identity = await makeIdentity('p256');
    const folder = mkdtempSync(join(tmpdir(), 'tessera-fleet-'));
    const cert = join(folder, 'cert.pem');
    const key = join(folder, 'key.pem');
    writeFileSync(cert, identity.certificatePem);
    writeFileSync(key, identity.keyPem);
    const env = { FLEET_SECRET: Buffer.from(nodeCrypto.random(32)).toString('hex') };
    const members = offsets.map((offset, i) => {
      const own = ['--cert', cert, '--key', key, `--clock-offset-ms=${offset}`];
      return new Member(String.fromCharCode(97 + i), [...own, ...options], env);
    });
    t.after(async () => {
      await Promise.all(members.map((member) => member.down()));
      rmSync(folder, { recursive: true, force: true });
    });
    await Promise.all(members.map((member) => member.up()));
    return new Fleet(members, identity);
  }

  /** One connection to a member, with a ticket or without. Rejects with whatever a client would see go wrong. */
  visit(member: Member, session?: Uint8Array): Promise<Visit> {
    return new Promise((resolve, reject) => {
      const tickets: Uint8Array[] = [];
      const socket = connect({
        host: '127.0.0.1',
        port: member.port,
        servername: 'localhost',
        ca: this.#identity.certificatePem,
        session,
      });
      let text = '';
      socket.on('session', (ticket: Buffer) => tickets.push(ticket));
      socket.on('data', (bytes: Buffer) => {
        text += bytes.toString('latin1');
      });
      socket.on('error', reject);
      socket.on('close', () => {
        if (text === `${member.name}\n`) resolve({ resumed: socket.isSessionReused(), tickets });
        else reject(new Error(`${member.name} answered ${JSON.stringify(text)}`));
      });
    });
  }

  /** A ticket of each member, shown to each member: how many of these visits resumed. */
  async exchange(members: readonly Member[] = this.members): Promise<number> {
    let resumed = 0;
    for (const issuer of members) {
      const { tickets } = await this.visit(issuer);
      const more = await this.visit(issuer);
      const all = [...tickets, ...more.tickets];
      for (const [i, redeemer] of members.entries()) {
        const ticket = all[i];
        if (ticket !== undefined && (await this.visit(redeemer, ticket)).resumed) resumed++;
      }
    }
    return resumed;
  }

  /** What a client sends at first: ClientHello and early data, to be offered to any number of members. */
  earlyFlight(session: Uint8Array, text: string): Uint8Array {
    const config = createClientConfig({
      crypto: nodeCrypto,
      clock: { now: Date.now },
      groups: ['x25519'],
      verifier: createVerifier({ crypto: nodeCrypto, anchors: [this.#identity.certificate] }),
    });
    const engine = createClientEngine(config, {
      serverName: 'localhost',
      tickets: [decodeClientTicket(session)],
      earlyData: true,
    });
    engine.write(new TextEncoder().encode(text));
    return engine.pull()!;
  }

  /** Sends the same bytes to all members at once, and waits until each has answered. */
  async replay(flight: Uint8Array): Promise<void> {
    await Promise.all(
      this.members.map(async (member) => {
        const socket = connectTcp(member.port, '127.0.0.1');
        await once(socket, 'connect');
        socket.write(flight);
        await once(socket, 'data');
        socket.destroy();
      }),
    );
  }

  count(event: string, facts?: Readonly<Record<string, unknown>>): number {
    return this.members.reduce((sum, member) => sum + member.count(event, facts), 0);
  }

  /** Asks again and again, until it is true. */
  async until(what: string, isTrue: () => boolean | Promise<boolean>, deadlineMs: number = 30_000): Promise<void> {
    const end = Date.now() + deadlineMs;
    while (!(await isTrue())) {
      if (Date.now() > end) throw new Error(`${what}: not within ${deadlineMs} ms`);
      await pause(50);
    }
  }
}

/** Clients that come and go all the time, with the newest ticket they have. Bounded: some 40 visits a second. */
export class Load {
  readonly errors: Error[] = [];
  visits = 0;
  resumed = 0;
  readonly #fleet: Fleet;
  readonly #tickets: Uint8Array[] = [];
  #members: readonly Member[];
  #running = true;
  readonly #workers: readonly Promise<void>[];

  constructor(fleet: Fleet, workers: number = 2) {
    this.#fleet = fleet;
    this.#members = fleet.members;
    this.#workers = Array.from({ length: workers }, (_, i) => this.#work(i));
  }

  /** From now on only these are visited; resolves when no visit of before is under way. */
  async visitOnly(members: readonly Member[]): Promise<void> {
    this.#members = members;
    const since = this.visits;
    await this.#fleet.until('the load goes on', () => this.visits >= since + 2 * this.#workers.length);
  }

  /** Share of resumed visits since the last call. */
  share(): number {
    const share = this.resumed / Math.max(this.visits, 1);
    this.visits = 0;
    this.resumed = 0;
    return share;
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#workers);
  }

  async #work(start: number): Promise<void> {
    for (let turn = start; this.#running; turn++) {
      try {
        const { resumed, tickets } = await this.#fleet.visit(
          this.#members[turn % this.#members.length]!,
          this.#tickets.pop(),
        );
        if (resumed) this.resumed++;
        this.#tickets.push(...tickets);
        this.#tickets.splice(0, this.#tickets.length - 8);
      } catch (error) {
        this.errors.push(error as Error);
      }
      this.visits++;
      await pause(50);
    }
  }
}
