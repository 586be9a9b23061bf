import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nodeCrypto } from '../providers/node/index.ts';
import { testCrypto } from '../providers/test/index.ts';
import { TicketKeyRing } from './key-ring.ts';
import type { EarlyDataAttempt, ReplayGuard, ReplayVerdict } from './replay.ts';
import { RecordingGuard } from './replay-exact.ts';
import { FilterGuard } from './replay-filter.ts';
import { ladder } from './replay-ladder.ts';
import { singleUse } from './replay-single-use.ts';
import { RingSealer } from './sealer.ts';
import { HybridSealer, MemoryTicketStore, StoreSealer } from './store.ts';
import type { TicketState, TicketStore } from './types.ts';

const T0 = 1_790_000_000_000;
const WINDOW = 10_000;
const crypto = nodeCrypto;

function binderOf(name: number): Uint8Array {
  const binder = new Uint8Array(32);
  new DataView(binder.buffer).setUint32(28, name);
  return binder;
}

/** `name`: of the ClientHello. */
function attempt(name: number, now: number, sentAt: number = now): EarlyDataAttempt {
  return { ticketId: binderOf(name).subarray(16), binder: binderOf(name), issuedAt: now - 60_000, sentAt, now };
}

interface GuardOptions {
  readonly windowMs?: number;
  readonly startedAt?: number;
}
const recording: [string, (options?: GuardOptions) => ReplayGuard][] = [
  ['exact', (options) => new RecordingGuard(options)],
  ['filter', (options) => new FilterGuard({ crypto, attemptsPerWindow: 1_000, falsePositiveRate: 1e-6, ...options })],
];

for (const [name, create] of recording) {
  test(`${name}: the first is fresh, every other is a replay, at any time while it could be fresh`, () => {
    for (const sent of [-WINDOW, -1, 0, 1, WINDOW]) {
      const guard = create({ startedAt: T0 - 10 * WINDOW });
      assert.equal(guard.check(attempt(1, T0, T0 + sent)), 'fresh');
      assert.equal(guard.check(attempt(2, T0, T0 + sent)), 'fresh');
      for (let now = T0; now <= T0 + sent + WINDOW; now += 500) {
        assert.equal(guard.check(attempt(1, now, T0 + sent)), 'replay', `sent at ${sent}, again after ${now - T0}`);
      }
    }
    assert.deepEqual([create().guarantee, create().windowMs], ['process', WINDOW]);
  });

  test(`${name}: what was sent before it could see everything is in quarantine`, () => {
    const guard = create({ startedAt: T0 });
    // One who ran before us may have accepted, until T0, what was sent up to a window after T0 by its own word.
    for (const [now, sentAt, verdict] of [
      [T0, T0 - 5, 'quarantine'],
      [T0, T0 + WINDOW, 'quarantine'],
      [T0 + WINDOW, T0 + WINDOW, 'quarantine'],
      [T0 + WINDOW, T0 + WINDOW + 1, 'fresh'],
      [T0 + 2 * WINDOW, T0 + WINDOW, 'quarantine'],
      [T0 + WINDOW + 1, T0 + WINDOW + 1, 'replay'],
    ] as const) {
      const same = attempt(1, now, sentAt);
      assert.equal(guard.check(same), verdict satisfies ReplayVerdict, `${sentAt - T0} at ${now - T0}`);
    }
    const lazy = create();
    assert.equal(lazy.check(attempt(1, T0)), 'quarantine', 'without startedAt the first attempt is the start');
    assert.equal(lazy.check(attempt(1, T0 + WINDOW + 1)), 'fresh');
  });

  test(`${name}: a long idle time brings no new quarantine`, () => {
    for (const idle of [1, 2, 3, 4, 5, 100].map((windows) => windows * WINDOW)) {
      const guard = create({ startedAt: T0 - 10 * WINDOW });
      assert.equal(guard.check(attempt(1, T0)), 'fresh');
      assert.equal(guard.check(attempt(2, T0 + idle, T0 + idle - WINDOW)), 'fresh', `${idle}`);
    }
  });

  test(`${name}: a clock that is set back lets nothing in twice`, () => {
    const guard = create({ startedAt: T0 - 10 * WINDOW });
    assert.equal(guard.check(attempt(1, T0)), 'fresh');
    for (const ahead of [2, 5, 9]) guard.check(attempt(ahead, T0 + ahead * WINDOW));
    assert.notEqual(guard.check(attempt(1, T0)), 'fresh');
    assert.equal(guard.check(attempt(1, T0)), 'quarantine', 'forgotten, and known to be forgotten');
  });

  test(`${name}: what is outside the window is not judged`, () => {
    const guard = create({ startedAt: T0 - 10 * WINDOW });
    for (const sentAt of [T0 - WINDOW - 1, T0 + WINDOW + 1, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.equal(guard.check(attempt(1, T0, sentAt)), 'unavailable', `${sentAt}`);
    }
    assert.equal(guard.check(attempt(1, Number.NaN, T0)), 'unavailable');
    assert.equal(guard.check(attempt(1, T0)), 'fresh');
  });

  test(`fault 14, ${name}: whatever comes whenever, at most one of the same is fresh, over restarts too`, () => {
    const step = fc.record({
      which: fc.nat(5),
      wait: fc.oneof(fc.nat(3_000), fc.nat(30_000), fc.integer({ min: -20_000, max: 0 })),
      restart: fc.nat(9).map((n) => n === 0),
    });
    const times = fc.array(fc.nat(40_000), { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(times, fc.array(step, { maxLength: 80 }), fc.boolean(), (sent, steps, lazy) => {
        let now = T0;
        let latest = now;
        const start = (): ReplayGuard => create({ windowMs: 5_000, ...(!lazy && { startedAt: now }) });
        let guard = start();
        const accepted = new Set<number>();
        for (const { which, wait, restart } of steps) {
          now += wait;
          // One that starts while the clock is behind cannot know that it is.
          if (restart && now >= latest) guard = start();
          latest = Math.max(latest, now);
          if (guard.check(attempt(which, now, T0 + sent[which]!)) !== 'fresh') continue;
          assert.ok(!accepted.has(which), 'twice');
          accepted.add(which);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test(`${name}: options that make no sense are refused`, () => {
    for (const bad of [
      { windowMs: 99 },
      { windowMs: 600_001 },
      { windowMs: Number.NaN },
      { startedAt: -1 },
      { startedAt: Number.NaN },
    ]) {
      assert.throws(() => create(bad), { code: 'replay.bad_option' });
    }
  });
}

test('exact: when it is full it takes nothing more, and forgets nothing; age makes room', () => {
  const guard = new RecordingGuard({ maxAttempts: 3, startedAt: T0 - 10 * WINDOW });
  assert.deepEqual(
    [1, 2, 3, 4, 1, 2, 3].map((name) => guard.check(attempt(name, T0))),
    ['fresh', 'fresh', 'fresh', 'unavailable', 'replay', 'replay', 'replay'],
  );
  assert.equal(guard.check(attempt(4, T0 + 4 * WINDOW)), 'fresh');
  for (const maxAttempts of [0, 1.5, 16_000_001, Number.NaN]) {
    assert.throws(() => new RecordingGuard({ maxAttempts }), { code: 'replay.bad_option' });
  }
});

test('filter: at the load it was made for it is wrong as often as it says, and at any load it finds every replay', () => {
  const rate = 0.02;
  const attempts = 2_000;
  const guard = new FilterGuard({
    crypto: testCrypto({ seed: 'filter' }),
    attemptsPerWindow: attempts,
    falsePositiveRate: rate,
    startedAt: T0 - 10 * WINDOW,
  });
  let wrong = 0;
  let asked = 0;
  // Six generations at full load.
  for (let i = 0; i < 12 * attempts; i++) {
    const now = T0 + Math.floor((i * WINDOW) / attempts);
    const verdict = guard.check(attempt(i, now));
    assert.equal(guard.check(attempt(i, now)), 'replay');
    if (now < T0 + 4 * WINDOW) continue;
    asked++;
    if (verdict === 'replay') wrong++;
  }
  // Worst at the end of a generation; on the way there less.
  assert.ok(wrong / asked < rate, `${wrong} of ${asked}`);
  assert.ok(wrong / asked > rate / 20, `${wrong} of ${asked}: larger than it needs to be`);
  for (let i = 0; i < 20 * attempts; i++) {
    const overload = attempt(1_000_000 + i, T0 + 12 * WINDOW);
    guard.check(overload);
    assert.equal(guard.check(overload), 'replay');
  }
});

test('filter: its size is what the formula says, and nobody can aim at another', () => {
  const guard = new FilterGuard({ crypto, attemptsPerWindow: 1_000_000, falsePositiveRate: 0.001 });
  // 2e6 * ln(2000) / ln(2)^2 bits, twice.
  assert.ok(Math.abs(guard.bytes - 7.91e6) < 0.01e6, `${guard.bytes}`);

  // Attempts that another filter takes for repeats are nothing special here.
  const made = (seed: string): FilterGuard =>
    new FilterGuard({
      crypto: testCrypto({ seed }),
      attemptsPerWindow: 50,
      falsePositiveRate: 0.5,
      startedAt: T0 - 10 * WINDOW,
    });
  const [mine, theirs] = [made('mine'), made('theirs')];
  const wrongOf = (filter: FilterGuard): number[] =>
    Array.from({ length: 400 }, (_, i) => i).filter((i) => filter.check(attempt(i, T0)) === 'replay');
  const [here, there] = [wrongOf(mine), new Set(wrongOf(theirs))];
  assert.ok(here.length > 50);
  assert.ok(here.filter((i) => !there.has(i)).length > 10);
});

test('filter: sizes that make no sense are refused', () => {
  for (const bad of [
    { attemptsPerWindow: 0 },
    { attemptsPerWindow: 1e9 },
    { falsePositiveRate: 0 },
    { falsePositiveRate: 1 },
    { attemptsPerWindow: 100_000_000, falsePositiveRate: 0.000001 },
    { attemptsPerWindow: Number.NaN },
  ]) {
    assert.throws(() => new FilterGuard({ crypto, ...bad }), { code: 'replay.bad_option' });
  }
});

function stateOf(change: Partial<TicketState> = {}): TicketState {
  return {
    id: crypto.random(16),
    psk: new Uint8Array(32).fill(3),
    cipherSuite: 0x1301,
    issuedAt: T0,
    authenticatedAt: T0,
    lifetimeSeconds: 7_200,
    ageAdd: 0,
    maxEarlyDataSize: 1_024,
    client: { chain: [], authorized: false },
    appData: new Uint8Array(0),
    ...change,
  };
}
const of = ({ id }: TicketState): EarlyDataAttempt => ({ ...attempt(1, T0), ticketId: id });
const ring = new TicketKeyRing({ crypto });

test('single use: early data once for each ticket that allows it, among all who share the store; resumption as before', async () => {
  const store = new MemoryTicketStore();
  const inner = new RingSealer(ring, crypto);
  const [one, two] = [1, 2].map(() => singleUse({ store, crypto, sealer: inner, guarantee: 'fleet' }));
  const early = stateOf();
  const ticket = one!.sealer.seal(early, T0, { scope: '' }) as Uint8Array;
  const without = stateOf({ maxEarlyDataSize: 0 });
  one!.sealer.seal(without, T0, { scope: '' });
  assert.equal(store.size, 1);
  assert.deepEqual([one!.guard.guarantee, one!.guard.windowMs], ['fleet', WINDOW]);
  const question = { scopes: [''], serverName: undefined };
  assert.deepEqual(two!.sealer.open(ticket, T0, question), early);
  assert.equal(two!.sealer.use!(early, T0), true, 'a sealed ticket resumes as often as it likes');
  assert.deepEqual(
    await Promise.all([two!.guard.check(of(early)), one!.guard.check(of(early)), two!.guard.check(of(early))]),
    ['fresh', 'replay', 'replay'],
  );
  assert.equal(one!.guard.check(of(without)), 'replay', 'never marked');
  assert.deepEqual(two!.sealer.open(ticket, T0, question), early);
  assert.equal(one!.sealer.maxLifetimeSeconds(T0), inner.maxLifetimeSeconds(T0));
});

test('single use: what the store lost or revoked is refused, and a store that fails costs early data only', async () => {
  const store = new MemoryTicketStore();
  const { sealer, guard } = singleUse({ store, crypto, sealer: new RingSealer(ring, crypto) });
  const revoked = stateOf({ identity: 'alice' });
  sealer.seal(revoked, T0, { scope: '' });
  store.revoke('alice');
  assert.equal(guard.check(of(revoked)), 'replay');
  const late = stateOf({ lifetimeSeconds: 60 });
  sealer.seal(late, T0, { scope: '' });
  assert.equal(guard.check({ ...of(late), now: T0 + 60_000 }), 'replay');

  const down = (): never => {
    throw new Error('down');
  };
  const rejects = (): Promise<never> => Promise.reject(new Error('down'));
  for (const fail of [down, rejects]) {
    const broken: TicketStore = { put: fail, get: fail, take: fail, revoke: fail };
    const parts = singleUse({ store: broken, crypto, sealer: new RingSealer(ring, crypto) });
    assert.ok((await parts.sealer.seal(stateOf(), T0, { scope: '' })) instanceof Uint8Array);
    await assert.rejects(async () => parts.guard.check(of(stateOf())), /down/);
  }
  for (const windowMs of [0, Number.NaN, 1e9]) {
    assert.throws(() => singleUse({ store, crypto, sealer, windowMs }), { code: 'replay.bad_option' });
  }
});

test('single use: stored and hybrid tickets in the same store', () => {
  const store = new MemoryTicketStore();
  const stored = new StoreSealer({ store, crypto });
  const hybrid = new HybridSealer({ sealed: new RingSealer(ring, crypto), stored });
  for (const inner of [stored, hybrid]) {
    const { sealer, guard } = singleUse({ store, crypto, sealer: inner });
    const state = stateOf();
    const ticket = sealer.seal(state, T0, { scope: '' }) as Uint8Array;
    assert.equal(store.size, 2);
    const opened = sealer.open(ticket, T0, { scopes: [''], serverName: undefined }) as TicketState;
    assert.deepEqual([sealer.use!(opened, T0), guard.check(of(opened))], [true, 'fresh']);
    assert.deepEqual([sealer.use!(opened, T0), guard.check(of(opened)), store.size], ['already_used', 'replay', 0]);
  }
});

test('ladder: the first that does not say fresh has the last word, and the strongest guarantee holds', async () => {
  const asked: string[] = [];
  const guard = (
    name: string,
    verdict: ReplayVerdict,
    guarantee: ReplayGuard['guarantee'],
    windowMs: number,
    later = false,
  ): ReplayGuard => ({
    guarantee,
    windowMs,
    check: () => {
      asked.push(name);
      return later ? Promise.resolve(verdict) : verdict;
    },
  });
  const both = ladder(guard('a', 'fresh', 'process', 8_000), guard('b', 'fresh', 'fleet', 9_000, true));
  assert.deepEqual([both.guarantee, both.windowMs], ['fleet', 8_000]);
  assert.equal(await both.check(attempt(1, T0)), 'fresh');
  assert.deepEqual(asked.splice(0), ['a', 'b']);
  for (const verdict of ['replay', 'quarantine', 'unavailable'] as const) {
    const stops = ladder(guard('a', verdict, 'host', 1_000), guard('b', 'fresh', 'process', 1_000));
    assert.equal(stops.check(attempt(1, T0)), verdict);
    assert.deepEqual([asked.splice(0), stops.guarantee], [['a'], 'host']);
    const last = ladder(guard('a', 'fresh', 'host', 1_000), guard('b', verdict, 'process', 1_000));
    assert.equal(last.check(attempt(1, T0)), verdict);
    asked.length = 0;
  }
  const local = ladder(new RecordingGuard({ startedAt: T0 - 5 * WINDOW }), guard('far', 'fresh', 'fleet', 10_000));
  assert.deepEqual([local.check(attempt(1, T0)), local.check(attempt(1, T0)), asked], ['fresh', 'replay', ['far']]);
});
