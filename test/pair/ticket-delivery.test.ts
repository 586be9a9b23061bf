import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TlsUsageError } from '../../src/errors/index.ts';
import {
  none,
  openssl,
  type SealRequest,
  type TicketMoment,
  type TicketPolicy,
  type TicketSealer,
  type TicketSpec,
} from '../../src/tickets/index.ts';
import { connect, createWorld, eventsOf, Pair, type Side, TestClock, type World } from './pair.ts';

const text = (s: string): Uint8Array => new TextEncoder().encode(s);

/** A clock whose timers run when it is moved past them. */
class TimerClock extends TestClock {
  readonly #timers: { at: number; run: () => void }[] = [];
  after = (milliseconds: number, run: () => void): (() => void) => {
    const timer = { at: this.now() + milliseconds, run };
    this.#timers.push(timer);
    return () => void this.#timers.splice(0, Infinity, ...this.#timers.filter((t) => t !== timer));
  };
  get pending(): number {
    return this.#timers.length;
  }
  override advance(milliseconds: number): void {
    const end = this.now() + milliseconds;
    for (;;) {
      const next = this.#timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers.splice(this.#timers.indexOf(next), 1);
      super.advance(next.at - this.now());
      next.run();
    }
    super.advance(end - this.now());
  }
}

/** A policy that always plans the same tickets. */
const fixed = (...tickets: TicketSpec[]): TicketPolicy => ({ name: 'fixed', plan: () => ({ tickets, why: 'always' }) });
const worldOf = (policy: TicketPolicy, clock: TestClock = new TestClock()): Promise<World> =>
  createWorld({ clock, server: { tickets: { policy } } });
/** What a client saw, in order: tickets and data. */
const seen = (side: Side): string[] =>
  side.events.filter((e) => ['ticket', 'data', 'end'].includes(e.type)).map((e) => e.type);
const statesOf = ({ server }: Pair, world: World): string[] =>
  server.engine.tickets.map((t) => t.state(world.clock.now()));

describe('moments', () => {
  test('with the next write: in front of it', async () => {
    const pair = await connect(await worldOf(fixed({ when: 'with_next_write' })));
    assert.deepEqual(seen(pair.client), []);
    pair.server.engine.write(text('hello'));
    await pair.run();
    assert.deepEqual(seen(pair.client), ['ticket', 'data']);
    pair.server.engine.write(text('again'));
    await pair.run();
    assert.equal(eventsOf(pair.client, 'ticket').length, 1);
  });

  test('after the first data of the client, once', async () => {
    const pair = await connect(await worldOf(fixed({ when: 'after_first_data' })));
    pair.server.engine.write(text('hello'));
    await pair.run();
    assert.deepEqual(seen(pair.client), ['data']);
    for (let i = 0; i < 2; i++) {
      pair.client.engine.write(text('ping'));
      await pair.run();
      assert.deepEqual(seen(pair.client), ['data', 'ticket']);
    }
  });

  test('after the first data: at once when that is past', async () => {
    const pair = await connect(await worldOf(openssl()));
    pair.client.engine.write(text('ping'));
    await pair.run();
    const [handle] = pair.server.engine.issueTickets([{ when: 'after_first_data' }]);
    assert.equal(handle?.state(0), 'sealed');
  });

  test('before close: in front of close_notify', async () => {
    const pair = await connect(await worldOf(fixed({ when: 'before_close' })));
    pair.server.engine.write(text('hello'));
    pair.server.engine.close();
    await pair.run();
    assert.deepEqual(seen(pair.client), ['data', 'ticket', 'end']);
  });

  test('a ticket of before close resumes', async () => {
    const world = await worldOf(fixed({ when: 'before_close' }));
    const pair = await connect(world);
    pair.server.engine.close();
    await pair.run();
    const tickets = eventsOf(pair.client, 'ticket').map((e) => e.ticket);
    assert.equal((await connect(world, { tickets })).client.engine.info?.resumed, true);
  });

  test('idle: once nothing was read or written for so long', async () => {
    const clock = new TimerClock();
    const pair = await connect(await worldOf(fixed({ when: { afterIdleMs: 1_000 } }), clock));
    clock.advance(900);
    pair.server.engine.write(text('hello'));
    clock.advance(900);
    pair.client.engine.write(text('ping'));
    await pair.run();
    clock.advance(999);
    await pair.run();
    assert.deepEqual(seen(pair.client), ['data']);
    clock.advance(1);
    await pair.run();
    assert.deepEqual(seen(pair.client), ['data', 'ticket']);
    assert.equal(clock.pending, 0);
  });

  test('idle: no timer outlives the connection', async () => {
    for (const end of [
      (pair: Pair) => pair.server.engine.close(),
      (pair: Pair) => pair.server.engine.abort('internal_error'),
      (pair: Pair) => pair.server.engine.transportEnded(),
    ]) {
      const clock = new TimerClock();
      const world = await worldOf(fixed({ when: { afterIdleMs: 1_000 } }), clock);
      const pair = await connect(world);
      end(pair);
      assert.equal(clock.pending, 0);
      assert.deepEqual(statesOf(pair, world), ['canceled']);
    }
  });

  test('idle without a clock that has timers: with the next write', async () => {
    const pair = await connect(await worldOf(fixed({ when: { afterIdleMs: 1_000 } })));
    pair.server.engine.write(text('hello'));
    await pair.run();
    assert.deepEqual(seen(pair.client), ['ticket', 'data']);
  });

  const late: TicketMoment[] = ['with_next_write', 'after_first_data', { afterIdleMs: 5 }];
  for (const when of late) {
    test(`nothing follows close_notify: ${JSON.stringify(when)}`, async () => {
      const clock = new TimerClock();
      const world = await worldOf(fixed({ when }), clock);
      const pair = await connect(world);
      pair.server.engine.close();
      pair.client.engine.write(text('ping'));
      clock.advance(10);
      await pair.run();
      assert.deepEqual(seen(pair.client), ['end']);
      assert.deepEqual(statesOf(pair, world), ['canceled']);
      assert.equal(pair.server.engine.cancelTickets(), 0);
    });
  }
});

describe('the terms of each ticket', () => {
  test('lifetime, early data, application data', async () => {
    const pair = await connect(
      await worldOf(fixed({ lifetimeSeconds: 60, maxEarlyDataSize: 100, appData: text('mine') }, {})),
    );
    const [special, plain] = eventsOf(pair.client, 'ticket').map((e) => e.ticket);
    assert.equal(special?.lifetimeSeconds, 60);
    assert.equal(special?.maxEarlyDataSize, 100);
    assert.equal(plain?.lifetimeSeconds, 7_200);
    assert.equal(plain?.maxEarlyDataSize, 0);
    const [issued, other] = eventsOf(pair.server, 'ticket_issued');
    assert.deepEqual(issued?.state.appData, text('mine'));
    assert.deepEqual(other?.state.appData, new Uint8Array(0));
    assert.equal(issued?.spec.lifetimeSeconds, 60);
  });

  test('a ticket of a narrower scope is good only where that scope is accepted', async () => {
    const world = await createWorld({ server: { tickets: { scope: 'shop', policy: fixed({ scope: 'admin' }) } } });
    const sealer = world.serverConfig.tickets.sealer!;
    const tickets = eventsOf((await connect(world)).client, 'ticket').map((e) => e.ticket);
    const resumesAt = async (alsoAccept: string[]): Promise<boolean | undefined> => {
      const other = await createWorld({
        identity: world.identity,
        server: { tickets: { scope: 'shop', alsoAccept, sealer } },
      });
      return (await connect(other, { tickets })).client.engine.info?.resumed;
    };
    assert.equal(await resumesAt([]), false);
    assert.equal(await resumesAt(['shop/admin']), true);
  });

  test('the sealer hears where to keep it', async () => {
    const requests: SealRequest[] = [];
    const sealer: TicketSealer = {
      maxLifetimeSeconds: () => 10_000,
      open: () => 'no_key',
      seal: (_state, _now, request) => {
        requests.push(request);
        return Uint8Array.of(1);
      },
    };
    const policy = fixed({ stored: true }, { stored: false }, {});
    await connect(await createWorld({ server: { tickets: { scope: 's', policy, sealer } } }));
    assert.deepEqual(requests, [{ scope: 's', stored: true }, { scope: 's', stored: false }, { scope: 's' }]);
  });

  test('a policy that fails, or plans nonsense, costs the tickets and not the connection', async () => {
    const bad: TicketPolicy[] = [
      fixed({ lifetimeSeconds: -1 }),
      {
        name: 'broken',
        plan: () => {
          throw new Error('out of ideas');
        },
      },
    ];
    for (const policy of bad) {
      const pair = await connect(await worldOf(policy));
      assert.equal(pair.server.engine.state, 'connected');
      assert.deepEqual(seen(pair.client), []);
      assert.match(pair.server.engine.explainTickets(), /the policy failed/);
    }
  });

  test('numTickets may change between two tickets', async () => {
    const world = await createWorld({ server: { tickets: 5 } });
    const pair = new Pair(world);
    const { engine } = pair.server;
    engine.onEvent = (event) => {
      if (event.type === 'ticket_issued' && event.index === 1) engine.numTickets = 3;
    };
    await pair.run();
    assert.equal(eventsOf(pair.client, 'ticket').length, 3);
  });
});

describe('handles', () => {
  test('planned, sealed, written, redeemed, each in its turn', async () => {
    const world = await worldOf(openssl());
    const pair = await connect(world);
    const [handle] = pair.server.engine.issueTickets([{ lifetimeSeconds: 100 }]);
    const state = (): string => handle!.state(world.clock.now());
    assert.equal(state(), 'planned');
    assert.equal(handle!.issuedAt, undefined);
    pair.server.engine.flush();
    assert.equal(state(), 'sealed');
    assert.equal(handle!.cancel(), false);
    assert.equal(handle!.expiresAt! - handle!.issuedAt!, 100_000);
    await pair.run();
    assert.equal(state(), 'written');
    assert.ok(eventsOf(pair.server, 'ticket_written').some((e) => e.id === handle!.id));
    assert.ok(eventsOf(pair.server, 'ticket_issued').some((e) => e.id === handle!.id && e.requested));
    const ticket = eventsOf(pair.client, 'ticket').at(-1)!.ticket;
    await connect(world, { tickets: [ticket] });
    assert.equal(state(), 'redeemed');
    assert.deepEqual(statesOf(pair, world), ['written', 'written', 'redeemed']);
  });

  test('expired when its time is over', async () => {
    const world = await worldOf(openssl());
    const pair = await connect(world);
    world.clock.advance(7_200_000 - 1);
    assert.deepEqual(statesOf(pair, world), ['written', 'written']);
    world.clock.advance(1);
    assert.deepEqual(statesOf(pair, world), ['expired', 'expired']);
  });

  test('a planned ticket can be taken back, also while the sealer is at work', async () => {
    const pair = await connect(await worldOf(fixed({ when: 'with_next_write' }, { when: 'with_next_write' })));
    const [first] = pair.server.engine.tickets;
    assert.equal(first!.cancel(), true);
    assert.equal(first!.cancel(), false);
    pair.server.engine.write(text('hello'));
    await pair.run();
    assert.deepEqual(seen(pair.client), ['ticket', 'data']);

    let deliver: ((ticket: Uint8Array) => void) | undefined;
    const sealer: TicketSealer = {
      maxLifetimeSeconds: () => 10_000,
      open: () => 'no_key',
      seal: () =>
        new Promise((resolve) => {
          deliver = resolve;
        }),
    };
    const slow = await connect(await createWorld({ server: { tickets: { count: 1, sealer } } }));
    assert.equal(slow.server.engine.cancelTickets(), 1);
    deliver!(Uint8Array.of(1, 2, 3));
    await new Promise((resolve) => setImmediate(resolve));
    await slow.run();
    assert.deepEqual(seen(slow.client), []);
    assert.equal(slow.server.engine.tickets[0]?.state(0), 'canceled');
  });

  test('cancelTickets counts what was requested and what is planned', async () => {
    const pair = await connect(await worldOf(fixed({ when: 'before_close' })));
    pair.server.engine.requestTickets(3);
    assert.equal(pair.server.engine.cancelTickets(), 4);
    pair.server.engine.close();
    await pair.run();
    assert.deepEqual(seen(pair.client), ['end']);
  });

  test('a policy without tickets grants none to the program either, and says so', async () => {
    const world = await worldOf(none());
    const pair = await connect(world);
    const handles = pair.server.engine.issueTickets([{}, {}]);
    assert.deepEqual(
      handles.map((h) => [h.state(0), h.reason]),
      [
        ['declined', 'disabled'],
        ['declined', 'disabled'],
      ],
    );
    assert.equal(pair.server.engine.requestTickets(2), true);
    pair.server.engine.write(text('hello'));
    await pair.run();
    assert.deepEqual(seen(pair.client), ['data']);
  });

  test('explainTickets says why, and what became of each', async () => {
    const world = await createWorld();
    const { client, server } = await connect(world);
    const lines = server.engine.explainTickets().split('\n');
    assert.equal(lines.length, 3);
    assert.match(lines[0]!, /^full_handshake: numTickets is 2/);
    assert.match(lines[1]!, /^ {2}ticket [0-9a-f]{8}: written, 7200 s left$/);
    assert.match(client.engine.explainTickets(), /client/);
    const tickets = eventsOf(client, 'ticket').map((e) => e.ticket);
    const resumed = await connect(world, { tickets });
    assert.match(resumed.server.engine.explainTickets(), /^resumption: .* gets 1 after a resumption/);
    assert.match(server.engine.explainTickets(), /redeemed/);
  });

  test('issueTickets refuses what cannot be', async () => {
    const { client, server } = await connect(await createWorld());
    const refused = (run: () => void, code: string): void =>
      assert.throws(run, (e) => e instanceof TlsUsageError && e.code === code, code);
    refused(() => client.engine.issueTickets([{}]), 'tickets.client');
    refused(() => server.engine.issueTickets([{ lifetimeSeconds: 0 }]), 'tickets.bad_spec');
    refused(() => server.engine.issueTickets(new Array(1_025).fill({})), 'tickets.bad_count');
    server.engine.close();
    refused(() => server.engine.issueTickets([{}]), 'connection.write_closed');
  });

  test('a long connection remembers a bounded number', async () => {
    const pair = await connect(await createWorld());
    for (let i = 0; i < 12; i++) {
      pair.server.engine.requestTickets(100);
      pair.server.engine.flush();
      pair.server.engine.pull();
    }
    assert.equal(pair.server.engine.tickets.length, 1_024);
  });
});

describe('whom a ticket speaks for', () => {
  test('what the application says, restored on resumption', async () => {
    const world = await createWorld();
    const pair = await connect(world);
    assert.equal(pair.server.engine.ticketIdentity, undefined);
    assert.equal(eventsOf(pair.server, 'ticket_issued')[0]?.state.identity, undefined);
    pair.server.engine.ticketIdentity = 'user:42';
    pair.server.engine.issueTickets([{}]);
    pair.server.engine.flush();
    await pair.run();
    assert.equal(eventsOf(pair.server, 'ticket_issued').at(-1)?.state.identity, 'user:42');
    const ticket = eventsOf(pair.client, 'ticket').at(-1)!.ticket;
    const resumed = await connect(world, { tickets: [ticket] });
    assert.equal(resumed.server.engine.ticketIdentity, 'user:42');
    assert.equal(eventsOf(resumed.server, 'ticket_issued')[0]?.state.identity, 'user:42');
    assert.throws(() => {
      pair.server.engine.ticketIdentity = '';
    }, TlsUsageError);
  });
});
