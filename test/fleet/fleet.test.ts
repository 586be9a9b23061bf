/**
 * Fleets, really run: three processes of the example, with clocks that lie 5 s apart from the slowest to the fastest, and clients that
 * come all the time. Whatever happens to the keys, no client may get an error. Real time passes here, as little as the periods allow.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { ClientTicket } from '../../src/index.ts';
import { startRedis } from '../stores/redis-server.ts';
import { makeIdentity } from '../support/certificates.ts';
import { needs } from '../support/peers.ts';
import { Client, replay, type Visit } from './client.ts';
import { Load } from './load.ts';
import { Member } from './member.ts';

const CLOCKS_MS: Readonly<Record<string, number>> = { a: -2_500, b: 0, c: 2_500 };
/** In seconds. A key outlives its sealing by more than clocks lie apart. */
const PERIODS: readonly string[] = ['--seal-for', '6', '--open-for', '9'];
/** Generous: what is waited for here takes up to 25 s on an idle machine. */
const DEADLINE_MS = 90_000;
const FLIGHTS = 6;

describe('a fleet', { concurrency: true }, () => {
  test('on Redis', async (t) => {
    if (!needs(t, 'redis-server')) return;
    const redis = await startRedis(t);
    // Early data of a ticket of b, whose clock is in the middle, is within the window of all. The quarantine is 2 * (4 + 5) seconds.
    const fleet = await Fleet.create(t, [
      ...['--redis', redis.url, '--poll', '0.25', '--propagation', '3'],
      ...['--early-data', '1024', '--replay-window', '4', '--replay-skew', '5'],
    ]);
    // Whose clock is ahead begins, as it does with each further key: the others seal when the time of the key has come for them, too.
    await fleet.start('c');
    await Promise.all([fleet.start('a'), fleet.start('b')]);
    await fleet.allGiveTickets();
    const { load } = fleet;

    await t.test('members redeem the tickets of each other, through two rotations', async () => {
      load.enter('two rotations');
      // The quarantine begins here, and is over when the replays come.
      assert.equal(await fleet.early('b', 'c'), 'quarantine');
      await fleet.redeemEverywhere(await fleet.ticketOfEach());
      await fleet.rotate();
      await fleet.rotate();
      await fleet.assertMostlyResumed('two rotations');
    });

    await t.test('a member that is restarted redeems what was issued before', async () => {
      load.enter('a restart');
      const tickets = await fleet.ticketOfEach();
      assert.equal(await fleet.stop('b'), 0);
      await fleet.start('b');
      await fleet.redeem(tickets, [fleet.member('b')]);
      await fleet.assertMostlyResumed('a restart');
    });

    await t.test('early data that is offered to all members at once is accepted at most once', async () => {
      load.enter('replays');
      await until('the end of the quarantine', async () => (await fleet.early('b', 'c')) === 'accepted');
      const recorded: Uint8Array[] = [];
      const start = fleet.accepted();
      for (let round = 0; round < FLIGHTS; round++) {
        const before = fleet.accepted();
        const flight = fleet.client.flight(await fleet.ticketOf('b'), `early ${round}`);
        recorded.push(flight.bytes);
        // Twice to each member, and among them comes the client itself.
        const target = fleet.members[round % 3]!;
        const [honest] = await Promise.all([flight.finish(target), fleet.replay(flight.bytes, 2, target)]);
        assertServed(honest);
        assert.equal(honest.resumed, true);
        assert.ok(fleet.accepted() - before <= 1, 'at most once');
      }
      const accepted = fleet.accepted() - start;
      assert.ok(accepted > 0, 'but not never');
      for (const bytes of recorded) await fleet.replay(bytes, 1);
      assert.equal(fleet.accepted() - start, accepted, 'nor later');
      t.diagnostic(`${FLIGHTS} flights, each offered 7 times at once and 3 times later: ${accepted} accepted`);
      await fleet.redeemEverywhere(await fleet.ticketOfEach());
      await fleet.assertMostlyResumed('replays');
    });

    await t.test('without Redis tickets go on with the keys there are, and early data is refused', async () => {
      load.enter('Redis away');
      await redis.down();
      await fleet.printed('key_unavailable');
      await fleet.redeemEverywhere(await fleet.ticketOfEach());
      assert.equal(await fleet.early('b', 'b'), 'guard_unavailable');
      await fleet.assertMostlyResumed('Redis away');
    });

    await t.test('Redis comes back, empty: it is given the keys back, and who starts learns them', async () => {
      load.enter('Redis refilled');
      await redis.up();
      await Promise.any(fleet.members.map((member) => member.printed('key_restored')));
      await fleet.printed('key_available');
      const tickets = await fleet.ticketOfEach();
      assert.equal(await fleet.stop('b'), 0);
      await fleet.start('b');
      await fleet.redeem(tickets, [fleet.member('b')]);
      assert.equal(await fleet.early('b', 'a'), 'quarantine');
      await fleet.assertMostlyResumed('Redis refilled');
    });

    await t.test('a member that starts without Redis serves with full handshakes', async () => {
      load.enter('a start without Redis');
      await redis.down();
      assert.equal(await fleet.stop('b'), 0);
      const b = await fleet.start('b');
      const ticket = await fleet.ticketOf('a');
      const visit = await fleet.client.visit(b, ticket);
      assertServed(visit);
      assert.deepEqual([visit.resumed, visit.tickets.length], [false, 0]);
      await fleet.redeem([ticket], [fleet.member('c')]);
    });

    await t.test('when all keys have run out there are full handshakes and nothing else', async () => {
      load.enter('keys run out');
      await until('the end of all keys', async () => fleet.members.every((member) => keysOf(member) === 0));
      load.enter('without keys');
      await until('clients', async () => load.visits('without keys').length >= 40);
      // Those that began before may be among them; those that are long over are not.
      const visits = load.visits('without keys');
      assert.equal(visits.filter(({ resumed }) => resumed).length, 0);
      assert.equal(visits.filter(({ tickets }) => tickets.length > 0).length, 0);
    });

    await t.test(
      'Redis comes back when nobody has a key: tickets begin anew, and early data is in quarantine',
      async () => {
        load.enter('Redis back');
        await redis.up();
        await fleet.allGiveTickets();
        load.enter('after all');
        await fleet.redeemEverywhere(await fleet.ticketOfEach());
        assert.equal(await fleet.early('b', 'a'), 'quarantine');
        await fleet.assertMostlyResumed('after all');
      },
    );
    await fleet.finish(t);
  });

  test('on a master secret and the time', async (t) => {
    const fleet = await Fleet.create(t, ['--derive']);
    await Promise.all([fleet.start('a'), fleet.start('b'), fleet.start('c')]);
    const { load } = fleet;

    await t.test('members redeem the tickets of each other, through two epochs', async () => {
      load.enter('two epochs');
      await fleet.redeemEverywhere(await fleet.ticketOfEach());
      await fleet.rotate();
      await fleet.rotate();
      await fleet.assertMostlyResumed('two epochs');
    });

    await t.test('a member that is restarted redeems what was issued before', async () => {
      load.enter('a restart');
      const tickets = await fleet.ticketOfEach();
      assert.equal(await fleet.stop('b'), 0);
      await fleet.start('b');
      await fleet.redeem(tickets, [fleet.member('b')]);
      await fleet.assertMostlyResumed('a restart');
    });

    await t.test('a member with another secret serves with full handshakes', async () => {
      load.enter('another secret');
      const tickets = await fleet.ticketOfEach();
      assert.equal(await fleet.stop('a'), 0);
      const stranger = await fleet.start('a', newSecret());
      for (const ticket of tickets) {
        const visit = await fleet.client.visit(stranger, ticket);
        assertServed(visit);
        assert.equal(visit.resumed, false);
      }
    });
    await fleet.finish(t);
  });
});

class Fleet {
  readonly client: Client;
  readonly load: Load;
  readonly #options: readonly string[];
  readonly #secret: string = newSecret();
  readonly #members = new Map<string, Member>();
  /** Those that were stopped, too. */
  readonly #all: Member[] = [];

  private constructor(client: Client, options: readonly string[]) {
    this.client = client;
    this.load = new Load(client, []);
    this.#options = options;
  }

  static async create(t: TestContext, options: readonly string[]): Promise<Fleet> {
    const folder = await mkdtemp(join(tmpdir(), 'tessera-fleet-'));
    const { certificate, certificatePem, keyPem } = await makeIdentity();
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    await Promise.all([writeFile(cert, certificatePem), writeFile(key, keyPem)]);
    const fleet = new Fleet(new Client(certificate), ['--cert', cert, '--key', key, ...PERIODS, ...options]);
    t.after(async () => {
      await fleet.load.stop();
      await Promise.all(fleet.#all.map((member) => member.kill()));
      await rm(folder, { recursive: true, force: true });
    });
    return fleet;
  }

  get members(): readonly Member[] {
    return [...this.#members.values()];
  }

  member(name: string): Member {
    return this.#members.get(name)!;
  }

  async start(name: string, secret: string = this.#secret): Promise<Member> {
    const args = [...this.#options, `--clock-offset-ms=${CLOCKS_MS[name]}`];
    const member = await Member.start(name, args, secret);
    this.#all.push(member);
    this.#members.set(name, member);
    this.load.members = [...this.load.members, member];
    return member;
  }

  /** Takes it out of service, and lets it finish. Resolves with its exit code. */
  async stop(name: string): Promise<number | null> {
    const member = this.member(name);
    this.#members.delete(name);
    await this.load.drain(member);
    return member.stop();
  }

  /** A new one, of a full handshake. */
  async ticketOf(name: string): Promise<ClientTicket> {
    const visit = await this.client.visit(this.member(name));
    assertServed(visit);
    const [ticket] = visit.tickets;
    assert.ok(ticket, `${name} gave no ticket`);
    return ticket;
  }

  ticketOfEach(): Promise<ClientTicket[]> {
    return Promise.all([...this.#members.keys()].map((name) => this.ticketOf(name)));
  }

  /** Resolves when each of them does. */
  async allGiveTickets(): Promise<void> {
    for (const member of this.members) {
      await until(`tickets of ${member.name}`, async () => (await this.client.visit(member)).tickets.length > 0);
    }
  }

  async redeem(tickets: readonly ClientTicket[], members: readonly Member[]): Promise<void> {
    for (const member of members) {
      for (const [index, ticket] of tickets.entries()) {
        const visit = await this.client.visit(member, ticket);
        assertServed(visit);
        assert.ok(visit.resumed, `${member.name} did not redeem ticket ${index}`);
      }
    }
  }

  redeemEverywhere(tickets: readonly ClientTicket[]): Promise<void> {
    return this.redeem(tickets, this.members);
  }

  /** Waits until each member seals with its next key, and redeems everywhere what it sealed before. */
  async rotate(): Promise<void> {
    await Promise.all(
      this.members.map(async (member) => {
        const keys = member.count('ring_sealing');
        const ticket = await this.ticketOf(member.name);
        await member.printed('ring_sealing', keys + 1);
        await this.redeemEverywhere([ticket]);
      }),
    );
  }

  /** Resumes at `at` with early data and a new ticket of `from`: `accepted`, or why not. */
  async early(from: string, at: string): Promise<string> {
    const member = this.member(at);
    const decisions = member.count('early_data_status');
    const visit = await this.client.flight(await this.ticketOf(from), 'early').finish(member);
    assertServed(visit);
    assert.equal(visit.resumed, true, 'whatever becomes of early data');
    await member.printed('early_data_status', decisions + 1);
    const reason = reasonsOf(member)[decisions]!;
    assert.equal(visit.early, reason === 'accepted' ? reason : 'declined_by_server');
    assert.equal(visit.answer, reason === 'accepted' ? `${at} got 5 early\n${at}\n` : `${at}\n`);
    return reason;
  }

  /** Sends a first flight to all members at once, each so many times; resolves when each has decided, `other` on one more. */
  async replay(bytes: Uint8Array, times: number, other?: Member): Promise<void> {
    const decided = this.members.map((member) => {
      const count = member.count('early_data_status') + times + (member === other ? 1 : 0);
      return member.printed('early_data_status', count);
    });
    const copies = this.members.flatMap((member) => Array.from({ length: times }, () => replay(member, bytes)));
    await Promise.all(decided);
    for (const socket of await Promise.all(copies)) socket.destroy();
  }

  /** How often early data was accepted, by all that ever were members. */
  accepted(): number {
    return this.#all.flatMap(reasonsOf).filter((reason) => reason === 'accepted').length;
  }

  async printed(event: string): Promise<void> {
    await Promise.all(this.members.map((member) => member.printed(event)));
  }

  /** Of the load in this phase. A ticket that was held until its key was over may be among them. */
  async assertMostlyResumed(phase: string): Promise<void> {
    await until(`clients in phase ${phase}`, async () => this.load.visits(phase).length >= 10);
    const visits = this.load.visits(phase);
    const offered = visits.filter((visit) => visit.offered).length;
    const resumed = visits.filter((visit) => visit.resumed).length;
    assert.ok(offered > 0 && resumed >= 0.9 * offered, `${phase}: ${resumed} of ${offered} tickets were redeemed`);
  }

  /** Nobody saw an error, and nobody crashed. */
  async finish(t: TestContext): Promise<void> {
    await this.load.stop();
    for (const line of this.load.summary) t.diagnostic(line);
    for (const visit of this.load.all) assertServed(visit);
    for (const member of this.members) assert.equal(await member.stop(), 0);
    for (const member of this.#all) assert.equal(member.complaints, '');
  }
}

/** What became of early data: `accepted`, or why not. */
function reasonsOf(member: Member): string[] {
  return member
    .lines('early_data_status')
    .map((line) => (line['accepted'] === true ? 'accepted' : String(line['reason'])));
}

/** How many keys it has that open tickets. */
function keysOf(member: Member): number {
  return member.count('ring_added') - member.count('ring_destroyed');
}

function assertServed({ error, secure, answer, member }: Visit): void {
  assert.ifError(error);
  assert.ok(secure && answer.endsWith(`${member}\n`), `${member} did not answer`);
}

function newSecret(): string {
  return randomBytes(32).toString('hex');
}

/** Looks ten times a second. */
async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error(`waited ${DEADLINE_MS} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
