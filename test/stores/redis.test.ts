/** The stores on a real server, through the clients of both packages. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import {
  type RedisCommands,
  type RedisOptions,
  RedisReplayGuard,
  RedisRevocations,
  RedisStoreError,
  RedisTicketKeys,
  type RedisTicketKeysOptions,
  RedisTicketStore,
  type TicketKeyReport,
} from '../../src/stores/redis/index.ts';
import { type EarlyDataAttempt, RingSealer, type TicketState } from '../../src/tickets/index.ts';
import { needs } from '../support/peers.ts';
import { CLIENT_PACKAGES, connectTo, type RedisServer, startRedis } from './redis-server.ts';

const crypto = nodeCrypto;
const SECRET = Uint8Array.from({ length: 32 }, (_, i) => (i * 11 + 5) & 0xff);
const NOW = 1_790_000_000_000;
const clock = { now: Date.now };
/** For tests that are not about deadlines, on machines that are busy. */
const patient = { crypto, deadlineMs: 5_000 };

/** A condition that comes true soon, asked again and again. */
async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 15_000;
  while (!(await condition())) {
    assert.ok(Date.now() < end, `waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Runs with a client of each package on a server of its own. */
function withRedis(
  name: string,
  body: (t: TestContext, client: RedisCommands, server: RedisServer) => Promise<void>,
  args: readonly string[] = [],
): void {
  for (const which of CLIENT_PACKAGES) {
    test(`${name} (${which})`, async (t) => {
      if (!needs(t, 'redis-server')) return;
      const server = await startRedis(t, args);
      await body(t, await connectTo(t, server, which), server);
    });
  }
}

/** A new key every 1.6 seconds, looked for every 50 ms. */
function quick(t: TestContext, options: RedisOptions & Partial<RedisTicketKeysOptions>) {
  const reports: TicketKeyReport[] = [];
  const keys = new RedisTicketKeys({
    ...patient,
    secret: SECRET,
    clock,
    pollSeconds: 0.05,
    propagationSeconds: 0.8,
    sealForSeconds: 1.6,
    openForSeconds: 4,
    onReport: (report) => reports.push(report),
    ...options,
  });
  t.after(() => keys.close());
  const seals = (): string | undefined => keys.ring.sealingKey(clock.now())?.id;
  const opens = (): string[] => keys.ring.openingKeys(clock.now()).map(({ id }) => id);
  return { keys, reports, seals, opens };
}

function ticketState(now: number): TicketState {
  return {
    id: new Uint8Array(16).fill(7),
    psk: new Uint8Array(32).fill(9),
    cipherSuite: 0x1301,
    issuedAt: now,
    authenticatedAt: now,
    lifetimeSeconds: 2,
    ageAdd: 1,
    maxEarlyDataSize: 0,
    client: { chain: [], authorized: false, reason: undefined } as unknown as TicketState['client'],
    appData: new Uint8Array(0),
  };
}

withRedis('keys: hosts agree, rotate, and open each other’s tickets', async (t, client, server) => {
  const other = await connectTo(t, server, 'ioredis');
  const hosts = [quick(t, { client }), quick(t, { client: other }), quick(t, { client, maxClockSkewSeconds: 11 })];
  assert.deepEqual(await Promise.all(hosts.map(({ keys }) => keys.start())), [true, true, true]);
  const [a, b, c] = hosts as [(typeof hosts)[0], (typeof hosts)[0], (typeof hosts)[0]];
  const first = a.seals();
  assert.notEqual(first, undefined);
  assert.equal(b.seals(), first);
  assert.equal(c.seals(), first);

  const sealed = new RingSealer(a.keys.ring, crypto).seal(ticketState(clock.now()), clock.now());
  for (let rotations = 0, before = first; rotations < 2; rotations++, before = a.seals()) {
    await until('the next key seals', () => a.seals() !== before);
    assert.ok(b.opens().includes(a.seals()!) && c.opens().includes(a.seals()!), 'the others had it before');
  }
  assert.notEqual(new RingSealer(b.keys.ring, crypto).open(sealed!, clock.now()), 'no_key');
  const published = hosts.flatMap(({ reports }) => reports.filter(({ type }) => type === 'published'));
  const epochs = published.map((report) => (report as { epoch: number }).epoch);
  assert.equal(new Set(epochs).size, epochs.length, 'one writer for each epoch');
});

withRedis(
  'fault 16: keys go on while the server is away, and rotate again when it is back with its memory lost',
  async (t, client, server) => {
    const options = { client, deadlineMs: 100, outageSeconds: 4, openForSeconds: 8 };
    const [a, b] = [quick(t, options), quick(t, options)];
    await a.keys.start();
    await b.keys.start();
    await until('the first key', () => a.seals() !== undefined && b.seals() === a.seals());
    const first = a.seals()!;
    await server.down();
    await until('noticed', () => a.reports.some(({ type }) => type === 'unavailable'));
    assert.ok(a.seals() !== undefined && a.opens().includes(first));
    await server.up();
    await until('back', () => [a, b].every(({ reports }) => reports.some(({ type }) => type === 'available')));
    assert.ok([a, b].some(({ reports }) => reports.some(({ type }) => type === 'restored')));
    const before = a.seals();
    await until('rotated', () => a.seals() !== before);
    assert.ok(b.opens().includes(first) && b.opens().includes(a.seals()!));
  },
);

withRedis('keys: the server holds no secret in clear, and forgets by itself', async (t, client) => {
  const a = quick(t, { client, prefix: 'my.fleet' });
  await a.keys.refresh();
  assert.deepEqual(await client.send(['KEYS', '*']), ['{my.fleet}:ticket-keys:1']);
  const left = Number(await client.send(['PTTL', '{my.fleet}:ticket-keys:1']));
  assert.ok(left > 15_000 && left <= 26_000, `${left} ms`);
  const text = String(await client.send(['GET', '{my.fleet}:ticket-keys:1']));
  const secret = Buffer.from(a.keys.ring.sealingKey(clock.now())!.secret.bytes);
  assert.ok(!text.includes(secret.toString('base64').slice(0, 20)) && !text.includes(secret.toString('hex')));
});

withRedis('keys: destroyed on one host, destroyed on all', async (t, client) => {
  const [a, b] = [quick(t, { client }), quick(t, { client })];
  await a.keys.start();
  await b.keys.start();
  const old = a.seals()!;
  const { published } = await a.keys.destroy('all');
  assert.ok(published);
  assert.ok(!a.opens().includes(old));
  await until('told', () => !b.opens().includes(old));
  await until('a new key', () => b.seals() !== undefined && b.seals() === a.seals());
});

withRedis('keys: a write on old knowledge is refused by the server', async (t, client) => {
  const scripts: (readonly string[])[] = [];
  const spy: RedisCommands = {
    send: (command) => {
      scripts.push(command);
      return client.send(command);
    },
  };
  await quick(t, { client: spy }).keys.refresh();
  const write = scripts.find((command) => command[1]?.includes("'SET'"))!;
  const [, , , , expected, , time] = write as [string, string, string, string, string, string, string];
  assert.equal(expected, '');
  assert.equal(await client.send(write), 0, 'not empty any more');
  await client.send(['FLUSHALL']);
  const old = write.with(6, String(Number(time) - 20_000));
  assert.equal(await client.send(old), 0, 'too old');
  assert.equal(await client.send(write), 1);
});

withRedis('tickets: put, get, take once, expire', async (_t, client) => {
  const store = new RedisTicketStore({ client, ...patient });
  const value = Uint8Array.from({ length: 300 }, (_, i) => i & 0xff);
  const options = { expiresAt: NOW + 60_000, identity: undefined, now: NOW };
  await store.put('ab01', value, options);
  assert.deepEqual(await store.get('AB01'), value);
  const taken = await Promise.all([store.take('ab01'), store.take('ab01'), store.take('ab01')]);
  assert.deepEqual(
    taken.filter((ticket) => ticket !== undefined),
    [value],
  );
  assert.equal(await store.get('ab01'), undefined);
  await store.put('ab02', value, { ...options, expiresAt: NOW });
  assert.equal(await store.get('ab02'), undefined);
  await store.put('ab03', value, { ...options, expiresAt: NOW + 30 });
  await until('forgotten', async () => (await store.get('ab03')) === undefined);
  await store.put('ab04', new Uint8Array(65_535), options);
  assert.equal((await store.get('ab04'))?.length, 65_535);
  await assert.rejects(store.put('ab05', new Uint8Array(65_536), options), { code: 'ticket_store.bad_value' });
  await assert.rejects(store.put('ab 5', value, options), { code: 'ticket_store.bad_key' });
  const another = new RedisTicketStore({ client, ...patient, prefix: 'another' });
  assert.equal(await another.get('ab04'), undefined);
});

withRedis(
  'tickets: revoked by identity, at most so many of one, and no name of anybody in the store',
  async (_t, client) => {
    const store = new RedisTicketStore({ client, ...patient, maxPerIdentity: 3 });
    const value = new Uint8Array([1, 2, 3]);
    const put = (key: string, identity: string, expiresAt: number) =>
      store.put(key, value, { expiresAt, identity, now: NOW });
    await put('01', 'alice', NOW + 50_000);
    await put('02', 'alice', NOW + 60_000);
    await put('03', 'bob', NOW + 60_000);
    await put('04', 'alice', NOW + 70_000);
    assert.notEqual(await store.get('01'), undefined);
    await put('05', 'alice', NOW + 40_000); // expires before all others: there is no room for it
    assert.equal(await store.get('05'), undefined);
    await put('06', 'alice', NOW + 80_000);
    assert.equal(await store.get('01'), undefined);
    const names = (await client.send(['KEYS', '*'])) as string[];
    assert.ok(!names.join().includes('alice'));
    for (const name of names) assert.ok(Number(await client.send(['PTTL', name])) > 0, `${name} expires`);
    assert.notEqual(await store.take('02'), undefined);
    assert.equal(await store.revoke('alice'), 2);
    assert.equal(await store.revoke('alice'), 0);
    for (const key of ['01', '02', '04', '06']) assert.equal(await store.get(key), undefined);
    assert.deepEqual(await store.get('03'), value);
  },
);

function attempt(seed: number): EarlyDataAttempt {
  return { ticketId: new Uint8Array(16), binder: new Uint8Array(32).fill(seed), issuedAt: NOW, sentAt: NOW, now: NOW };
}

/** Makes the server believe that it has recorded for an hour. */
async function outOfQuarantine(client: RedisCommands): Promise<void> {
  const [run, since] = String(await client.send(['GET', '{tessera}:early-born'])).split(' ');
  await client.send(['SET', '{tessera}:early-born', `${run} ${Number(since) - 3_600_000}`]);
}

withRedis('replays: quarantine first, then each ClientHello once on all hosts', async (t, client, server) => {
  const guard = new RedisReplayGuard({ client, ...patient });
  const twin = new RedisReplayGuard({ client: await connectTo(t, server, 'redis'), ...patient });
  assert.equal(guard.guarantee, 'fleet');
  assert.equal(await guard.check(attempt(1)), 'quarantine');
  assert.equal(await twin.check(attempt(1)), 'replay');
  await outOfQuarantine(client);
  assert.equal(await guard.check(attempt(1)), 'replay', 'recorded in quarantine too');
  const verdicts = await Promise.all([2, 2, 2, 2].map((seed, i) => (i % 2 ? guard : twin).check(attempt(seed))));
  assert.deepEqual(verdicts.sort(), ['fresh', 'replay', 'replay', 'replay']);
  // From the earliest moment a host takes it to the latest: both windows and both skews.
  const names = ((await client.send(['KEYS', '*'])) as string[]).filter((name) => !name.endsWith('early-born'));
  assert.equal(names.length, 2);
  for (const name of names) {
    const left = Number(await client.send(['PTTL', name]));
    assert.ok(left > 30_000 && left <= 40_000, `${left} ms`);
  }
});

withRedis(
  'replays: flushed or restarted, with or without its data, the server is in quarantine again',
  async (_t, client, server) => {
    const guard = new RedisReplayGuard({ client, ...patient });
    await guard.check(attempt(1));
    await outOfQuarantine(client);
    assert.equal(await guard.check(attempt(2)), 'fresh');
    await client.send(['FLUSHALL']);
    assert.equal(await guard.check(attempt(2)), 'quarantine');

    await outOfQuarantine(client);
    assert.equal(await guard.check(attempt(3)), 'fresh');
    const marker = String(await client.send(['GET', '{tessera}:early-born']));
    await server.down();
    assert.equal(await guard.check(attempt(4)), 'unavailable');
    await server.up();
    await until('the client is back', async () => (await guard.check(attempt(5))) !== 'unavailable');
    assert.equal(await guard.check(attempt(6)), 'quarantine');
    // A replica that took over, or a server that read an old dump: it has the marker of another process.
    await client.send(['SET', '{tessera}:early-born', marker]);
    assert.equal(await guard.check(attempt(3)), 'quarantine');
  },
);

withRedis(
  'replays: a server that may evict its records vouches for nothing',
  async (_t, client) => {
    const errors: unknown[] = [];
    const onUnavailable = (error: RedisStoreError): void => {
      errors.push(error.code);
      throw new Error('the log is full');
    };
    const guard = new RedisReplayGuard({ client, ...patient, onUnavailable });
    assert.equal(await guard.check(attempt(1)), 'unavailable');
    assert.deepEqual(errors, ['redis.evicts']);
    await client.send(['CONFIG', 'SET', 'maxmemory-policy', 'noeviction']);
    assert.equal(await guard.check(attempt(1)), 'quarantine');
    await client.send(['CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru']);
    assert.equal(await guard.check(attempt(2)), 'unavailable');
    const trusting = new RedisReplayGuard({ client, ...patient, assumeNoEviction: true });
    assert.equal(await trusting.check(attempt(3)), 'quarantine');
  },
  ['--maxmemory', '100mb', '--maxmemory-policy', 'volatile-lru'],
);

withRedis('revocations: by ticket, identity and time, seen by all hosts at once', async (t, client, server) => {
  const here = new RedisRevocations({ client, ...patient, skewMs: 5_000 });
  const there = new RedisRevocations({ client: await connectTo(t, server, 'ioredis'), ...patient, skewMs: 5_000 });
  const ticket = (seed: number, issuedAt: number, identity?: string) => ({
    id: new Uint8Array(16).fill(seed),
    issuedAt,
    ...(identity !== undefined && { identity }),
  });
  await here.revoke({ before: NOW - 1_000_000 }, NOW - 1_000_000); // the first command: from here on it knows all
  const later = NOW + 60_000;
  assert.equal(await there.isRevoked(ticket(1, NOW, 'alice'), later), false);

  await here.revoke({ ticket: ticket(1, NOW).id }, later);
  assert.equal(await there.isRevoked(ticket(1, NOW, 'alice'), later), true);
  assert.equal(await there.isRevoked(ticket(2, NOW, 'alice'), later), false);

  await here.revoke({ identity: 'alice' }, later);
  assert.equal(await there.isRevoked(ticket(2, later, 'alice'), later), true);
  assert.equal(
    await there.isRevoked(ticket(2, later + 5_000, 'alice'), later),
    true,
    'issued by a host whose clock is ahead',
  );
  assert.equal(await there.isRevoked(ticket(2, later + 5_001, 'alice'), later + 5_001), false);
  assert.equal(await there.isRevoked(ticket(2, NOW, 'bob'), later), false);
  assert.equal(await there.isRevoked(ticket(2, NOW), later), false);
  // By a host whose clock is behind: nothing comes back.
  await there.revoke({ identity: 'alice' }, NOW);
  assert.equal(await here.isRevoked(ticket(2, later, 'alice'), later), true);

  await here.revoke({ before: later + 1e9 }, later);
  assert.equal(await there.isRevoked(ticket(3, later, 'bob'), later), true);
  assert.equal(
    await there.isRevoked(ticket(3, later + 5_001, 'bob'), later + 5_001),
    false,
    'the future is not revoked',
  );

  for (const name of (await client.send(['KEYS', '*'])) as string[]) {
    if (name.endsWith('revoked-born')) continue;
    assert.ok(Number(await client.send(['PTTL', name])) > 604_800_000 - 60_000, name);
    assert.ok(!name.includes('alice'));
  }
});

withRedis('revocations: what was issued before the server lost its memory counts as revoked', async (_t, client) => {
  const revocations = new RedisRevocations({ client, ...patient, skewMs: 5_000 });
  const old = { id: new Uint8Array(16), issuedAt: NOW - 60_000 };
  const fresh = { id: new Uint8Array(16), issuedAt: NOW + 5_001 };
  await revocations.revoke({ before: NOW - 1e6 }, NOW - 1e6);
  assert.equal(await revocations.isRevoked(old, NOW), false);
  await client.send(['FLUSHALL']);
  assert.equal(await revocations.isRevoked(old, NOW), true);
  assert.equal(await revocations.isRevoked(old, NOW), true);
  assert.equal(await revocations.isRevoked(fresh, NOW + 5_001), false);
});

withRedis(
  'without an answer every operation fails in time, with a code, and nothing is left unhandled',
  async (t, client, server) => {
    const unhandled: unknown[] = [];
    const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', onUnhandled);
    t.after(() => process.off('unhandledRejection', onUnhandled));
    await server.down();
    const options = { client, crypto, deadlineMs: 30, maxPending: 4 };
    const store = new RedisTicketStore(options);
    const codes = ['redis.deadline', 'redis.failed', 'redis.busy'];
    const fails = (error: unknown): boolean => error instanceof RedisStoreError && codes.includes(error.code);
    const put = { expiresAt: NOW + 60_000, identity: 'alice', now: NOW };
    const started = Date.now();
    await assert.rejects(store.put('01', new Uint8Array(1), put), fails);
    await assert.rejects(store.get('01'), fails);
    await assert.rejects(store.take('01'), fails);
    await assert.rejects(store.revoke('alice'), fails);
    await assert.rejects(store.get('01'), fails);
    const revocations = new RedisRevocations(options);
    await assert.rejects(async () => revocations.isRevoked({ id: new Uint8Array(16), issuedAt: NOW }, NOW), fails);
    await assert.rejects(async () => revocations.revoke({ identity: 'alice' }, NOW), fails);
    assert.equal(await new RedisReplayGuard(options).check(attempt(1)), 'unavailable');
    assert.equal(await quick(t, options).keys.start(), false);
    assert.ok(Date.now() - started < 5_000);
    await server.up();
    await until('back', async () => {
      const reply = await store.get('01').catch(() => 'no');
      return reply !== 'no';
    });
    assert.deepEqual(unhandled, []);
  },
);

test('a client that never answers is not asked without end', async () => {
  let asked = 0;
  const client: RedisCommands = {
    send: () => {
      asked++;
      return new Promise(() => {});
    },
  };
  const store = new RedisTicketStore({ client, crypto, deadlineMs: 1, maxPending: 3 });
  const errors = await Promise.all(
    [1, 2, 3, 4, 5].map(() => store.get('01').catch((error: RedisStoreError) => error.code)),
  );
  assert.deepEqual(errors.sort(), ['redis.busy', 'redis.busy', 'redis.deadline', 'redis.deadline', 'redis.deadline']);
  await assert.rejects(store.get('01'), { code: 'redis.busy' });
  assert.equal(asked, 3);
});

test('replies that make no sense are failures, not answers', async () => {
  for (const reply of [undefined, 17, {}, [], 'odd', [null], true]) {
    const client: RedisCommands = { send: async () => reply };
    const bad = { code: 'redis.bad_reply' };
    const store = new RedisTicketStore({ client, crypto });
    if (typeof reply !== 'string') await assert.rejects(store.get('01'), bad);
    if (reply !== 17) await assert.rejects(store.revoke('alice'), bad);
    assert.equal(await new RedisReplayGuard({ client, crypto }).check(attempt(1)), 'unavailable');
    const revocations = new RedisRevocations({ client, crypto });
    await assert.rejects(revocations.isRevoked({ id: new Uint8Array(16), issuedAt: NOW }, NOW), bad);
    const keys = new RedisTicketKeys({ client, crypto, secret: SECRET, clock });
    assert.equal(await keys.refresh(), false);
    assert.equal(keys.ring.sealingKey(clock.now()), undefined);
  }
});
