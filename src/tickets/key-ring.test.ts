import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nodeCrypto } from '../providers/node/index.ts';
import { type TicketKey, TicketKeyRing } from './key-ring.ts';

const HOUR = 3_600_000;
const T0 = 1_790_000_000_000;

function secret(seed: number): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => (seed * 31 + i) & 0xff);
}

function key(seed: number, sealFrom = T0, sealUntil = T0 + HOUR, openUntil = T0 + 2 * HOUR): TicketKey {
  return { secret: secret(seed), sealFrom, sealUntil, openUntil };
}

const usage = (code: string) => ({ name: 'TlsUsageError', code });

test('a given key goes through its four states at its times', () => {
  const ring = new TicketKeyRing({ crypto: nodeCrypto, keys: [key(1)] });
  const timeline: [number, string, boolean, boolean][] = [
    [T0 - 1, 'pending', false, true],
    [T0, 'sealing', true, true],
    [T0 + HOUR - 1, 'sealing', true, true],
    [T0 + HOUR, 'opening', false, true],
    [T0 + 2 * HOUR - 1, 'opening', false, true],
    [T0 + 2 * HOUR, 'destroyed', false, false],
    // Destroyed is for ever, whatever the clock says afterwards.
    [T0, 'destroyed', false, false],
  ];
  for (const [now, state, seals, opens] of timeline) {
    assert.equal(ring.keys(now)[0]?.state, state);
    assert.equal(ring.sealingKey(now) !== undefined, seals, `seals when ${state}`);
    assert.equal(ring.openingKeys(now).length === 1, opens, `opens when ${state}`);
  }
});

test('a destroyed key is wiped and not taken again', () => {
  const ring = new TicketKeyRing({ crypto: nodeCrypto, keys: [key(1), key(2)] });
  const [first, second] = ring.openingKeys(T0);
  const bytes = first!.secret.bytes;
  assert.equal(ring.destroy(first!.id), 1);
  assert.ok(bytes.every((byte) => byte === 0));
  assert.ok(first!.secret.wiped);
  assert.deepEqual(ring.openingKeys(T0), [second]);
  assert.equal(ring.destroy(first!.id), 0);
  assert.equal(ring.destroy('all'), 1);
  assert.deepEqual(
    ring.keys(T0).map((info) => info.state),
    ['destroyed', 'destroyed'],
  );
  assert.throws(() => ring.add(key(1)), usage('ticket_key.destroyed'));
  assert.throws(() => ring.add(key(2)), usage('ticket_key.destroyed'));
});

test('the newest of several sealing keys seals; newer ones open first', () => {
  const old = key(1, T0);
  const young = key(2, T0 + 10);
  const future = key(3, T0 + 20);
  const ring = new TicketKeyRing({ crypto: nodeCrypto, keys: [young, future, old] });
  const ids = ring.openingKeys(T0 + 15).map((held) => held.sealFrom);
  assert.deepEqual(ids, [T0 + 20, T0 + 10, T0]);
  assert.equal(ring.sealingKey(T0 + 15)?.sealFrom, T0 + 10);
  assert.equal(ring.sealingKey(T0 + 5)?.sealFrom, T0);
});

test('the id is the same wherever the key is, and differs between keys', () => {
  const a = new TicketKeyRing({ crypto: nodeCrypto, keys: [key(1), key(2)] }).keys(T0);
  const b = new TicketKeyRing({ crypto: nodeCrypto, keys: [key(1, T0 + 1)] }).keys(T0);
  assert.match(a[0]!.id, /^[0-9a-f]{8}$/);
  assert.equal(a[0]!.id, b[0]!.id);
  assert.notEqual(a[0]!.id, a[1]!.id);
});

test('keys that protect nothing are refused', () => {
  const ring = new TicketKeyRing({ crypto: nodeCrypto, keys: [key(1)] });
  const bad: [string, Partial<TicketKey>][] = [
    ['short', { secret: secret(9).subarray(0, 31) }],
    ['short', { secret: '0123456789abcdef0123456789abcdef' as unknown as Uint8Array }],
    ['long', { secret: new Uint8Array(1_025) }],
    ['constant', { secret: new Uint8Array(32) }],
    ['constant', { secret: new Uint8Array(48).fill(0x55) }],
    ['duplicate', { secret: secret(1), sealFrom: T0 + 1 }],
    ['bad_times', { sealFrom: Number.NaN }],
    ['bad_times', { sealUntil: T0 }],
    ['bad_times', { openUntil: T0 + HOUR - 1 }],
    ['bad_times', { openUntil: Number.POSITIVE_INFINITY }],
  ];
  for (const [cause, change] of bad) {
    assert.throws(() => ring.add({ ...key(9), ...change }), usage(`ticket_key.${cause}`), JSON.stringify(change));
    assert.throws(() => new TicketKeyRing({ crypto: nodeCrypto, keys: [key(1), { ...key(9), ...change }] }), {
      code: `ticket_key.${cause}`,
    });
  }
  assert.equal(ring.keys(T0).length, 1);
});

test('a provider whose randomness is broken gives no key', () => {
  const ring = new TicketKeyRing({ crypto: { ...nodeCrypto, random: (length) => new Uint8Array(length) } });
  assert.throws(() => ring.sealingKey(T0), usage('ticket_key.constant'));
});

test('the ring keeps its own copy of a secret', () => {
  const mine = key(1);
  const ring = new TicketKeyRing({ crypto: nodeCrypto, keys: [mine] });
  const before = [...ring.sealingKey(T0)!.secret.bytes];
  mine.secret.fill(0);
  assert.deepEqual([...ring.sealingKey(T0)!.secret.bytes], before);
  assert.notDeepEqual(before, new Array(32).fill(0));
});

test('a ring holds at most 16 keys', () => {
  const ring = new TicketKeyRing({ crypto: nodeCrypto, keys: [] });
  assert.equal(ring.sealingKey(T0), undefined);
  for (let seed = 1; seed <= 16; seed++) ring.add(key(seed));
  assert.throws(() => ring.add(key(17)), usage('ticket_key.too_many'));
});

test('a ring that generates keys has one owner', () => {
  assert.throws(() => new TicketKeyRing({ crypto: nodeCrypto }).add(key(1)), usage('ticket_key.ring_generates'));
});

test('periods that cannot work are refused', () => {
  const bad = [{ sealForSeconds: 0 }, { openForSeconds: Number.NaN }, { sealForSeconds: 60, openForSeconds: 841 }];
  for (const periods of bad) {
    assert.throws(() => new TicketKeyRing({ crypto: nodeCrypto, ...periods }), usage('ticket_key.bad_period'));
  }
});

test('by default a key seals for 12 hours and opens for 24 more, and nothing is generated before it is needed', () => {
  const ring = new TicketKeyRing({ crypto: nodeCrypto });
  assert.deepEqual(ring.keys(T0), []);
  const first = ring.sealingKey(T0)!;
  assert.equal(ring.sealingKey(T0 + 12 * HOUR - 1), first);
  const second = ring.sealingKey(T0 + 12 * HOUR)!;
  assert.notEqual(second.id, first.id);
  assert.deepEqual(ring.openingKeys(T0 + 36 * HOUR - 1), [second, first]);
  assert.deepEqual(ring.openingKeys(T0 + 36 * HOUR), [second]);
  assert.ok(first.secret.wiped);
});

test('after destroying all, a generating ring makes a new key', () => {
  const ring = new TicketKeyRing({ crypto: nodeCrypto });
  const first = ring.sealingKey(T0)!;
  ring.destroy('all');
  assert.deepEqual(ring.openingKeys(T0), []);
  assert.notEqual(ring.sealingKey(T0)!.id, first.id);
});

test('a clock set back a little changes nothing, set back a lot it starts afresh', () => {
  const ring = new TicketKeyRing({ crypto: nodeCrypto });
  const first = ring.sealingKey(T0)!;
  assert.equal(ring.sealingKey(T0 - HOUR), first);
  assert.equal(ring.sealingKey(T0 - 12 * HOUR), first);
  const second = ring.sealingKey(T0 - 12 * HOUR - 1)!;
  assert.notEqual(second, first);
  assert.ok(first.secret.wiped);
});

test('whatever the clock does, few keys are held, some key seals, and a destroyed one never comes back', () => {
  const clocks = fc.array(fc.nat(400), { maxLength: 120 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 14 }), clocks, (ratio, hours) => {
      const ring = new TicketKeyRing({ crypto: nodeCrypto, sealForSeconds: 3_600, openForSeconds: 3_600 * ratio });
      const destroyed = new Set<string>();
      for (const hour of hours) {
        const now = T0 + hour * (HOUR / 4);
        const sealing = ring.sealingKey(now);
        assert.ok(sealing !== undefined && sealing.openUntil - now > ratio * HOUR);
        const infos = ring.keys(now);
        const live = infos.filter((info) => info.state !== 'destroyed');
        assert.ok(live.length <= ratio + 2);
        // Two when the clock was set back to before the younger one was made.
        const states = live.filter((info) => info.state === 'sealing');
        assert.ok(states.length === 1 || states.length === 2);
        assert.ok(states.some((info) => info.id === sealing.id));
        for (const info of live) assert.ok(!destroyed.has(info.id), 'a destroyed key is back');
        for (const info of infos) if (info.state === 'destroyed') destroyed.add(info.id);
      }
    }),
    { numRuns: 60 },
  );
});

test('a clock that says nothing is refused', () => {
  const ring = new TicketKeyRing({ crypto: nodeCrypto });
  for (const now of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
    assert.throws(() => ring.sealingKey(now), usage('ticket_key.bad_times'));
  }
});
