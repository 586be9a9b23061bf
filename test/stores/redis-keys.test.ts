/** The key source on a store in this process: time travel, races and faults. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import {
  type RedisCommands,
  RedisTicketKeys,
  type RedisTicketKeysOptions,
  type TicketKeyReport,
} from '../../src/stores/redis/index.ts';
import { TicketKeyRing } from '../../src/tickets/index.ts';
import { FakeRedis } from './fake-redis.ts';

const T0 = 1_790_000_000_000;
const SECOND = 1_000;
const HOUR = 3_600_000;
const SECRET = Uint8Array.from({ length: 32 }, (_, i) => (i * 7 + 1) & 0xff);

interface Host {
  readonly keys: RedisTicketKeys;
  readonly reports: TicketKeyReport[];
  readonly now: () => number;
  /** The id of the key that seals. */
  readonly seals: () => string | undefined;
  readonly opens: () => readonly string[];
  readonly saw: (type: TicketKeyReport['type']) => number;
}

/** A host whose clock is `skewMs` ahead of the store's. Its timers never fire: tests call `refresh`. */
function host(store: FakeRedis, skewMs = 0, options: Partial<RedisTicketKeysOptions> = {}): Host {
  const reports: TicketKeyReport[] = [];
  const now = (): number => store.now + skewMs;
  const keys = new RedisTicketKeys({
    client: store,
    crypto: nodeCrypto,
    secret: SECRET,
    clock: { now },
    timers: { set: () => 0, clear: () => {} },
    onReport: (report) => reports.push(report),
    ...options,
  });
  return {
    keys,
    reports,
    now,
    seals: () => keys.ring.sealingKey(now())?.id,
    opens: () => keys.ring.openingKeys(now()).map(({ id }) => id),
    saw: (type) => reports.filter((report) => report.type === type).length,
  };
}

async function refreshAll(...hosts: readonly Host[]): Promise<void> {
  for (const { keys } of hosts) assert.equal(await keys.refresh(), true);
}

function stored(store: FakeRedis): { keys: { epoch: number; sealFrom: number; sealUntil: number; box: string }[] } {
  return JSON.parse(store.text);
}

test('the first key of an empty store seals at once, and all hosts have it', async () => {
  const store = new FakeRedis(T0);
  const [a, b] = [host(store), host(store)];
  await Promise.all([a.keys.refresh(), b.keys.refresh()]);
  assert.notEqual(a.seals(), undefined);
  assert.equal(a.seals(), b.seals());
  assert.equal(a.saw('published') + b.saw('published'), 1);
  assert.equal(a.saw('learned') + b.saw('learned'), 1);
});

test('neither the secret of a key nor the shared secret is in what the store sees', async () => {
  const store = new FakeRedis(T0);
  const made: Uint8Array[] = [];
  const random = (length: number): Uint8Array => {
    const bytes = nodeCrypto.random(length);
    made.push(new Uint8Array(bytes));
    return bytes;
  };
  await refreshAll(host(store, 0, { crypto: { ...nodeCrypto, random } }));
  const [secret] = made;
  assert.equal(secret?.length, 32);
  const bytes = Buffer.concat([
    Buffer.from(store.text),
    ...stored(store).keys.map(({ box }) => Buffer.from(box, 'base64')),
  ]);
  for (const hidden of [secret!, SECRET]) {
    assert.equal(bytes.includes(Buffer.from(hidden)), false);
    assert.equal(bytes.includes(Buffer.from(hidden).toString('base64').slice(0, 40)), false);
  }
});

test('a look costs one command, a look that publishes two, and looks at the same time one', async () => {
  const store = new FakeRedis(T0);
  const a = host(store);
  await refreshAll(a);
  assert.equal(store.commands, 2);
  await refreshAll(a);
  assert.equal(store.commands, 3);
  await Promise.all([a.keys.refresh(), a.keys.refresh(), a.keys.refresh()]);
  assert.equal(store.commands, 4);
  // Nothing that comes from a client makes it ask.
  a.keys.ring.openingKeys(store.now);
  assert.equal(store.commands, 4);
});

test('fault 17: a new key is known everywhere before it seals anywhere, with clocks 5 s apart', async () => {
  const store = new FakeRedis(T0);
  const hosts = [-5_000, 0, 5_000].map((skewMs) => host(store, skewMs, { pollSeconds: 60, propagationSeconds: 130 }));
  await refreshAll(...hosts);
  let changes = 0;
  let before = hosts[0]!.seals();
  for (let step = 0; step < 40 * 180; step++) {
    store.now += 20 * SECOND;
    await refreshAll(hosts[step % 3]!); // each once a minute
    for (const one of hosts) {
      const sealing = one.seals();
      assert.notEqual(sealing, undefined, 'there is always a key that seals');
      for (const other of hosts) assert.ok(other.opens().includes(sealing!));
    }
    if (hosts[0]!.seals() !== before) changes++;
    before = hosts[0]!.seals();
  }
  assert.equal(changes, 3, 'one key every 12 hours');
  // The next one is published three hours before it seals.
  assert.equal(
    hosts.map((one) => one.saw('published')).reduce((sum, n) => sum + n, 0),
    4,
  );
});

test('fault 17: a key that was written too late does not seal before it has spread', async () => {
  const store = new FakeRedis(T0);
  const [a, b] = [host(store), host(store)];
  await refreshAll(a, b);
  store.down = true;
  store.now += 13 * HOUR; // the next key was due an hour ago
  assert.equal(await a.keys.refresh(), false);
  const old = a.seals();
  assert.notEqual(old, undefined);
  store.down = false;
  await refreshAll(a);
  assert.equal(a.seals(), old);
  store.now += 59 * SECOND;
  assert.equal(a.seals(), old);
  await refreshAll(b);
  store.now += 1 * SECOND;
  assert.notEqual(a.seals(), old);
  assert.equal(a.seals(), b.seals());
});

test('fault 17: a write that a client held back until its time was over is refused', async () => {
  const store = new FakeRedis(T0);
  const held: (() => void)[] = [];
  const slow: RedisCommands = {
    async send(command) {
      if (command[1]?.includes("'SET'")) await new Promise<void>((resolve) => held.push(resolve));
      return store.send(command);
    },
  };
  const a = host(store, 0, { client: slow });
  const looking = a.keys.refresh();
  while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
  store.now += 5 * SECOND;
  held[0]!();
  await looking;
  assert.equal(store.text, '');
  assert.equal(a.seals(), undefined);
});

test('fault 16: the timer lives through a store that fails, a clock and a log that throw', async () => {
  const store = new FakeRedis(T0);
  const waiting: (() => void)[] = [];
  const delays: number[] = [];
  let broken = false;
  const reports: TicketKeyReport[] = [];
  const keys = new RedisTicketKeys({
    client: {
      send: (command) => {
        if (broken) throw new Error('synchronous');
        return store.send(command);
      },
    },
    crypto: nodeCrypto,
    secret: SECRET,
    clock: {
      now: () => {
        if (broken) throw new Error('no clock');
        return store.now;
      },
    },
    deadlineMs: 1,
    timers: {
      set: (callback, ms) => {
        if (ms > 100) {
          waiting.push(callback);
          delays.push(ms);
        }
        return waiting.length;
      },
      clear: () => {},
    },
    onReport: (report) => {
      reports.push(report);
      throw new Error('the log is full');
    },
  });
  assert.equal(await keys.start(), true);
  for (let i = 1; i <= 30; i++) {
    broken = i % 3 === 0;
    store.down = i % 3 === 1;
    if (i % 3 === 2) store.text = '{"keys":[{}],"gone":"?"}';
    assert.equal(waiting.length, i, 'one wait after each look');
    waiting[i - 1]!();
    while (waiting.length === i) await new Promise((resolve) => setImmediate(resolve));
    store.now += 10 * SECOND;
  }
  broken = store.down = false;
  await keys.refresh();
  assert.notEqual(keys.ring.sealingKey(store.now), undefined);
  assert.ok(reports.some(({ type }) => type === 'unavailable') && reports.some(({ type }) => type === 'available'));
  assert.ok(delays.every((ms) => ms > 7_500 - 1 && ms <= 10_000));
  assert.ok(new Set(delays).size > 5, 'jitter');
  keys.close();
  waiting.at(-1)!();
  await keys.refresh();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(waiting.length, 31, 'closed: no further wait');
});

test('without the store the newest key seals until its hard cap, then nothing does, and opening goes on', async () => {
  const store = new FakeRedis(T0);
  const a = host(store);
  await refreshAll(a);
  const only = a.seals();
  store.down = true;
  store.now = T0 + 24 * HOUR - 1;
  assert.equal(await a.keys.refresh(), false);
  assert.equal(a.seals(), only);
  store.now = T0 + 24 * HOUR;
  assert.equal(await a.keys.refresh(), false);
  assert.equal(a.seals(), undefined);
  assert.deepEqual(a.opens(), [only]);
  store.now = T0 + 36 * HOUR - 1;
  assert.deepEqual(a.opens(), [only]);
  store.now = T0 + 36 * HOUR;
  assert.deepEqual(a.opens(), []);
  assert.equal(a.saw('unavailable'), 1, 'said once');
});

test('fault 18: of hosts that publish at the same time exactly one does, whatever the order of commands', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(fc.constantFrom('look', 'look', 'tick', 'quarter', 'lose answer'), { minLength: 5, maxLength: 25 }),
      async (scheduler, steps) => {
        const store = new FakeRedis(T0);
        const client: RedisCommands = {
          send: (command) => scheduler.schedule(Promise.resolve(), 'command').then(() => store.send(command)),
        };
        const hosts = [-4_000, 0, 4_000].map((skewMs) =>
          host(store, skewMs, { client, sealForSeconds: 3_600, openForSeconds: 7_200 }),
        );
        for (const step of steps) {
          if (step === 'tick') store.now += 20 * SECOND;
          else if (step === 'quarter') store.now += 900 * SECOND;
          else if (step === 'lose answer') store.loseAnswer = true;
          else await scheduler.waitFor(Promise.all(hosts.map(({ keys }) => keys.refresh())));
        }
        store.loseAnswer = false;
        await scheduler.waitFor(Promise.all(hosts.map(({ keys }) => keys.refresh())));
        store.now += 70 * SECOND; // after two hours without a look a new key has to spread first
        await scheduler.waitFor(Promise.all(hosts.map(({ keys }) => keys.refresh())));
        const boxes = new Map<number, Set<string>>();
        for (const text of store.history) {
          for (const { epoch, box } of (JSON.parse(text) as ReturnType<typeof stored>).keys) {
            boxes.set(epoch, (boxes.get(epoch) ?? new Set()).add(box));
          }
        }
        for (const [epoch, set] of boxes) assert.equal(set.size, 1, `epoch ${epoch} has ${set.size} keys`);
        for (const one of hosts) {
          const sealing = one.seals();
          assert.notEqual(sealing, undefined);
          for (const other of hosts) assert.ok(other.opens().includes(sealing!));
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('fault 18: a ring that makes its own keys is refused', async () => {
  const store = new FakeRedis(T0);
  const a = host(store, 0, { ring: new TicketKeyRing({ crypto: nodeCrypto }) });
  assert.equal(await a.keys.refresh(), false);
  assert.match(String((a.reports[0] as { error?: unknown }).error), /generates its own/);
});

test('a host with another shared secret takes nothing, writes nothing, and says so', async () => {
  const store = new FakeRedis(T0);
  const a = host(store);
  await refreshAll(a);
  const before = store.text;
  const stranger = host(store, 0, { secret: Uint8Array.from(SECRET, (byte) => byte ^ 1) });
  await refreshAll(stranger, stranger);
  assert.deepEqual(stranger.opens(), []);
  assert.equal(stranger.seals(), undefined);
  assert.deepEqual(stranger.reports, [{ type: 'bad_record', count: 1 }, { type: 'foreign' }]);
  assert.equal(store.text, before);
  assert.deepEqual(await stranger.keys.destroy('all'), { count: 0, published: false });
  assert.equal(store.text, before);
});

test('the shared secret changes without a gap', async () => {
  const store = new FakeRedis(T0);
  const next = Uint8Array.from(SECRET, (byte) => byte ^ 1);
  const a = host(store, 0, { secret: [SECRET, next] });
  await refreshAll(a);
  const b = host(store, 0, { secret: [next, SECRET] });
  await refreshAll(b);
  assert.equal(b.seals(), a.seals());
  store.now += 10 * HOUR;
  await refreshAll(b, a);
  assert.equal(b.saw('published'), 1);
  assert.deepEqual(a.opens(), b.opens());
});

test('a record that was changed anywhere is not used, and the others are', async () => {
  const original = new FakeRedis(T0);
  const a = host(original);
  await refreshAll(a);
  original.now += 10 * HOUR;
  await refreshAll(a);
  const good = stored(original).keys;
  assert.equal(good.length, 2);
  const changes: Record<string, (key: Record<string, unknown>) => void> = {
    epoch: (key) => Object.assign(key, { epoch: 9 }),
    'earlier sealFrom': (key) => Object.assign(key, { sealFrom: T0 }),
    'later sealUntil': (key) => Object.assign(key, { sealUntil: (key['sealUntil'] as number) + HOUR }),
    'later openUntil': (key) => Object.assign(key, { openUntil: (key['openUntil'] as number) + HOUR }),
    box: (key) => Object.assign(key, { box: (key['box'] as string).replace(/^./, (c) => (c === 'A' ? 'B' : 'A')) }),
    'the box of another': (key) => Object.assign(key, { box: good[0]!.box }),
    'a short box': (key) => Object.assign(key, { box: 'AAAA' }),
    'no box': (key) => Reflect.deleteProperty(key, 'box'),
    'a negative time': (key) => Object.assign(key, { openUntil: -1 }),
  };
  for (const [what, change] of Object.entries(changes)) {
    const store = new FakeRedis(original.now);
    const document = JSON.parse(original.text);
    change(document.keys[1]);
    store.text = JSON.stringify(document);
    store.expiresAt = Number.POSITIVE_INFINITY;
    const b = host(store);
    await refreshAll(b);
    assert.equal(b.seals(), a.seals(), what);
    assert.equal(b.saw('bad_record'), 1, what);
    assert.equal(b.saw('foreign'), 0, what);
    // It takes the place of the damaged one, and does so with time to spread.
    assert.equal(stored(store).keys.length, 2, what);
    assert.equal(b.saw('published'), 1, what);
  }
});

test('nothing that stands in the store makes a look fail', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.json().map((value) => `{"keys":[${value}],"gone":[${value}]}`),
        fc.constant(`{"keys":[${'{},'.repeat(40_000)}{}],"gone":[]}`),
      ),
      async (text) => {
        const store = new FakeRedis(T0);
        const a = host(store);
        await refreshAll(a);
        const sealing = a.seals();
        store.text = text;
        await refreshAll(a, a);
        assert.equal(a.seals(), sealing);
        const b = host(store);
        await refreshAll(b);
        assert.equal(b.seals(), sealing, 'the store was repaired');
      },
    ),
    { numRuns: 60 },
  );
});

test('a store that lost its memory gets everything back, tombstones included', async () => {
  const store = new FakeRedis(T0);
  const [a, b] = [host(store), host(store)];
  await refreshAll(a, b);
  const first = a.seals()!;
  store.now += 10 * HOUR;
  await refreshAll(a, b);
  await a.keys.destroy(first);
  await refreshAll(b);
  const before = store.text;
  store.flush();
  await refreshAll(b, a);
  assert.equal(store.text, before);
  assert.equal(b.saw('restored'), 1);
  assert.ok(!a.opens().includes(first) && !b.opens().includes(first));
  // A host that was away all the time learns of it too.
  const c = host(store);
  await refreshAll(c);
  assert.deepEqual(c.opens(), a.opens());
});

test('a host that starts on a store which just lost its memory ends up with the keys of the others', async () => {
  const store = new FakeRedis(T0);
  const [a, b] = [host(store), host(store)];
  await refreshAll(a, b);
  const old = a.seals()!;
  store.flush();
  store.now += 1 * SECOND;
  const fresh = host(store);
  await refreshAll(fresh, a, b, fresh);
  for (const one of [a, b, fresh]) {
    assert.equal(one.opens().length, 2);
    assert.ok(one.opens().includes(old));
    assert.equal(one.seals(), fresh.seals());
  }
});

test('a key destroyed on one host is destroyed on all, for ever, and the next one waits until it has spread', async () => {
  const store = new FakeRedis(T0);
  const [a, b] = [host(store), host(store)];
  await refreshAll(a, b);
  const old = a.seals()!;
  assert.deepEqual(await b.keys.destroy(old), { count: 1, published: true });
  assert.deepEqual(b.opens(), []);
  await refreshAll(a, b);
  assert.deepEqual(await b.keys.destroy(old), { count: 0, published: true });
  assert.equal(a.saw('destroyed'), 1);
  assert.equal(a.seals(), undefined);
  assert.equal(a.opens().length, 1);
  store.now += 60 * SECOND;
  assert.notEqual(a.seals(), undefined);
  assert.equal(a.seals(), b.seals());
  const [tombstone] = JSON.parse(store.text).gone;
  assert.equal(tombstone.id, old);
});

test('destroyed while the store is away: at once here, and elsewhere when it is back', async () => {
  const store = new FakeRedis(T0);
  const [a, b] = [host(store), host(store)];
  await refreshAll(a, b);
  store.down = true;
  assert.deepEqual(await a.keys.destroy('all'), { count: 1, published: false });
  assert.deepEqual(a.opens(), []);
  store.down = false;
  await refreshAll(b, a, b);
  assert.equal(b.saw('destroyed'), 1);
  assert.deepEqual(a.opens(), b.opens());
});

test('a tenant destroyed on one host is destroyed on all, after a loss of the store too, and its name stays out of it', async () => {
  const store = new FakeRedis(T0);
  const [a, b] = [host(store), host(store)];
  await refreshAll(a, b);
  assert.equal(await a.keys.destroyTenant('a.example'), true);
  b.keys.ring.destroyTenant('b.example');
  await refreshAll(b, a);
  const expected = new Map([
    ['a.example', 1],
    ['b.example', 1],
  ]);
  for (const one of [a, b]) assert.deepEqual(new Map(one.keys.ring.tenantGenerations), expected);
  assert.ok(!store.text.includes('example'));
  const writes = store.history.length;
  await refreshAll(a, b, a, b);
  assert.equal(store.history.length, writes, 'nothing more to say');
  store.flush();
  await refreshAll(b);
  const c = host(store);
  await refreshAll(c);
  assert.deepEqual(new Map(c.keys.ring.tenantGenerations), expected);
  store.down = true;
  assert.equal(await a.keys.destroyTenant('a.example'), false);
  store.down = false;
  await refreshAll(a, c);
  assert.equal(c.keys.ring.tenantGeneration('a.example'), 2);
});

test('fault 18: a ring has one source', () => {
  const ring = new TicketKeyRing({ crypto: nodeCrypto, keys: [] });
  const store = new FakeRedis(T0);
  const [a, b] = [host(store, 0, { ring }), host(store, 0, { ring })];
  void a.keys.start();
  assert.throws(() => b.keys.start(), { code: 'ticket_key.two_owners' });
  a.keys.close();
  void b.keys.start();
  b.keys.close();
});

test('a forged tombstone destroys nothing', async () => {
  const store = new FakeRedis(T0);
  const a = host(store);
  await refreshAll(a);
  const id = a.seals()!;
  const document = JSON.parse(store.text);
  document.gone.push({ id, until: T0 + 48 * HOUR, box: document.keys[0].box });
  store.text = JSON.stringify(document);
  await refreshAll(a);
  assert.equal(a.seals(), id);
  assert.equal(a.saw('bad_record'), 1);
});

test('a key that the program destroyed in the ring does not come back', async () => {
  const store = new FakeRedis(T0);
  const a = host(store);
  await refreshAll(a);
  a.keys.ring.destroy('all');
  await refreshAll(a);
  assert.deepEqual(a.opens(), []);
});

test('a host whose clock is far off reads and does not write', async () => {
  const store = new FakeRedis(T0);
  const wrong = host(store, 3 * HOUR);
  await refreshAll(wrong);
  assert.equal(store.text, '');
  assert.deepEqual(wrong.reports, [{ type: 'clock_skew', ms: -3 * HOUR }]);
  const right = host(store);
  await refreshAll(right, wrong);
  assert.deepEqual(wrong.opens(), right.opens());
});

test('hosts whose clocks differ do not undo what the others tidied away', async () => {
  const store = new FakeRedis(T0);
  const hosts = [host(store, -9_000), host(store, 9_000)];
  await refreshAll(...hosts);
  store.now = T0 + 10 * HOUR;
  await refreshAll(...hosts);
  store.now = T0 + 36 * HOUR - 30 * SECOND;
  await refreshAll(...hosts, ...hosts);
  const writes = store.history.length;
  for (let i = 0; i < 60; i++) {
    store.now += SECOND;
    await refreshAll(...hosts);
  }
  assert.ok(store.history.length - writes <= 1, 'one write takes the old key out');
  assert.equal(
    JSON.parse(store.text).keys.filter((key: { openUntil: number }) => key.openUntil <= store.now).length,
    0,
  );
});

test('the store forgets by itself when nobody is left', async () => {
  const store = new FakeRedis(T0);
  await refreshAll(host(store));
  assert.equal(store.expiresAt, T0 + 36 * HOUR + 20 * SECOND);
});

test('options that cannot work are refused', () => {
  const store = new FakeRedis(T0);
  const bad: Partial<RedisTicketKeysOptions>[] = [
    { secret: SECRET.subarray(1) },
    { secret: new Uint8Array(32) },
    { secret: [] },
    { prefix: 'a b' },
    { prefix: '{x}' },
    { pollSeconds: 0 },
    { pollSeconds: 60, propagationSeconds: 100 },
    { sealForSeconds: 60 },
    { openForSeconds: 13 * 12 * 3_600 },
    { outageSeconds: 25 * 3_600 },
    { deadlineMs: 0 },
    { client: {} as RedisCommands },
  ];
  for (const options of bad) {
    assert.throws(
      () => host(store, 0, options),
      { name: 'TlsUsageError', code: 'redis.bad_option' },
      JSON.stringify(options),
    );
  }
});
