import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { toHex } from '../bytes/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { ticketKeyId, ticketKeyMaterial } from './key-material.ts';
import { type TicketKey, type TicketKeyEvent, TicketKeyRing } from './key-ring.ts';
import { ticketKeySchedule } from './key-schedule.ts';
import { RingCookieSealer, RingSealer } from './sealer.ts';
import type { TicketState } from './types.ts';

const HOUR = 3_600_000;
const T0 = 1_790_000_000_000;
const crypto = nodeCrypto;
const usage = (code: string) => ({ name: 'TlsUsageError', code });

function secret(seed: number, length = 32): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (seed * 31 + i * 7 + (i >> 5)) & 0xff);
}
function key(seed: number, sealFrom = T0, sealUntil = T0 + HOUR, openUntil = T0 + 2 * HOUR): TicketKey {
  return { secret: secret(seed), sealFrom, sealUntil, openUntil };
}
const idOf = (seed: number): string => ticketKeyId(crypto, secret(seed));
const live = (ring: TicketKeyRing, now: number): string[] => ring.openingKeys(now).map(({ id }) => id);

function ticketState(changes: Partial<TicketState> = {}): TicketState {
  return {
    id: new Uint8Array(16).fill(1),
    psk: secret(99),
    cipherSuite: 0x1301,
    issuedAt: T0,
    authenticatedAt: T0,
    lifetimeSeconds: 600,
    ageAdd: 7,
    maxEarlyDataSize: 0,
    client: { chain: [], authorized: false },
    appData: new Uint8Array(0),
    ...changes,
  };
}

// ------------------------------------------------------------------------------------------------ derived keys

const derive = { master: secret(5), epochSeconds: 3_600, openForSeconds: 7_200 };

test('the key of an epoch is HKDF of the master, the length of epochs and the number of the epoch', () => {
  const ring = new TicketKeyRing({ crypto, derive });
  const kdf = crypto.kdf('sha256');
  const info = Buffer.alloc(24 + 16);
  info.write('tessera ticket epoch key');
  info.writeBigUInt64BE(3_600_000n, 24);
  info.writeBigUInt64BE(BigInt(Math.floor(T0 / HOUR)), 32);
  const prk = kdf.hmac(Buffer.from('tessera ticket master secret'), derive.master);
  const epochKey = kdf.hmac(prk, Buffer.concat([info, Buffer.of(1)]));
  assert.equal(ring.sealingKey(T0)!.id, ticketKeyId(crypto, epochKey));
});

test('hosts with one master agree without talking, from the start, with clocks apart by up to an epoch', () => {
  fc.assert(
    fc.property(fc.nat(1_000 * HOUR), fc.integer({ min: -HOUR, max: HOUR }), (offset, skew) => {
      const [a, b] = [new TicketKeyRing({ crypto, derive }), new TicketKeyRing({ crypto, derive })];
      const now = T0 + offset;
      const sealing = a.sealingKey(now)!;
      assert.ok(sealing.openUntil - now > 2 * HOUR);
      assert.ok(live(b, now + skew).includes(sealing.id));
      const ticket = new RingSealer(a, crypto).seal(ticketState({ issuedAt: now }), now)!;
      // The other's clock may be ahead of the whole life of the ticket: what counts is that its key is there.
      assert.notEqual(new RingSealer(b, crypto).open(ticket, now + skew), 'no_key');
    }),
    { numRuns: 100 },
  );
  const other = new TicketKeyRing({ crypto, derive: { ...derive, master: secret(6) } });
  assert.notDeepEqual(live(other, T0), live(new TicketKeyRing({ crypto, derive }), T0));
});

test('a derived ring holds the keys of live tickets, of this epoch and the next, and never more than 16', () => {
  const ring = new TicketKeyRing({ crypto, derive });
  const start = Math.ceil(T0 / HOUR) * HOUR;
  assert.deepEqual(
    ring.keys(start).map(({ state, sealFrom }) => [state, (sealFrom - start) / HOUR]),
    [
      ['pending', 1],
      ['sealing', 0],
      ['opening', -1],
      ['opening', -2],
    ],
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 14 * 60 }), fc.array(fc.nat(3_000), { maxLength: 40 }), (open, minutes) => {
      const most = new TicketKeyRing({ crypto, derive: { ...derive, openForSeconds: open * 60 } });
      for (const minute of minutes) {
        const now = T0 + minute * 60_000;
        const keys = most.openingKeys(now);
        assert.ok(keys.length <= 16);
        const sealing = most.sealingKey(now)!;
        assert.equal(sealing.sealFrom, Math.floor(now / HOUR) * HOUR);
        assert.equal(keys[0]!.sealFrom, sealing.sealFrom + HOUR);
      }
    }),
    { numRuns: 40 },
  );
});

test('a destroyed derived key stays destroyed, on this host and where its id is told, until its epoch is over', () => {
  const ring = new TicketKeyRing({ crypto, derive });
  const doomed = ring.sealingKey(T0)!.id;
  const next = live(ring, T0)[0]!;
  assert.equal(ring.destroy(doomed), 1);
  assert.equal(ring.sealingKey(T0), undefined);
  assert.equal(ring.sealingKey(T0 + HOUR)!.id, next);
  for (const now of [T0 + HOUR, T0, T0 + 2 * HOUR, T0 - HOUR]) assert.ok(!live(ring, now).includes(doomed));
  const restarted = new TicketKeyRing({ crypto, derive, destroyed: ring.destroyedIds });
  assert.ok(!live(restarted, T0).includes(doomed));
  assert.equal(restarted.sealingKey(T0), undefined);
  assert.ok(live(new TicketKeyRing({ crypto, derive }), T0).includes(doomed));
});

test('a clock that was far off once costs a derived ring nothing afterwards', () => {
  const ring = new TicketKeyRing({ crypto, derive });
  const before = live(ring, T0);
  ring.openingKeys(T0 + 5_000 * HOUR);
  assert.deepEqual(live(ring, T0), before);
  ring.openingKeys(5);
  assert.deepEqual(live(ring, T0), before);
});

test('a derived ring says what does not go with it', () => {
  const bad: [string, ConstructorParameters<typeof TicketKeyRing>[0]][] = [
    ['ticket_key.short', { crypto, derive: { master: secret(1, 31) } }],
    ['ticket_key.constant', { crypto, derive: { master: new Uint8Array(32) } }],
    ['ticket_key.bad_period', { crypto, derive: { ...derive, epochSeconds: 0 } }],
    ['ticket_key.bad_period', { crypto, derive: { ...derive, openForSeconds: 14 * 3_600 + 1 } }],
    ['ticket_key.two_owners', { crypto, derive, keys: [] }],
    ['ticket_key.two_owners', { crypto, derive, sealForSeconds: 60 }],
  ];
  for (const [code, options] of bad) assert.throws(() => new TicketKeyRing(options), usage(code));
  assert.throws(() => new TicketKeyRing({ crypto, derive }).add(key(1)), usage('ticket_key.ring_generates'));
});

test('the master is not kept, and nothing that is can be printed', () => {
  const master = secret(5);
  const ring = new TicketKeyRing({ crypto, derive: { ...derive, master } });
  const ids = live(ring, T0);
  master.fill(0);
  assert.deepEqual(live(new TicketKeyRing({ crypto, derive }), T0 + HOUR).slice(1), live(ring, T0 + HOUR).slice(1));
  assert.equal(ids.length, 4);
  const text = inspect(ring, { depth: 9, showHidden: true });
  assert.ok(!text.includes(toHex(secret(5)).slice(0, 16)) && !text.includes(secret(5).slice(0, 6).join(', ')));
});

// ------------------------------------------------------------------------------------------------ sync

test('sync makes the keys exactly these, and the same again changes nothing', () => {
  const ring = new TicketKeyRing({ crypto, keys: [] });
  assert.deepEqual(ring.sync([key(1), key(2)], T0), { added: [idOf(1), idOf(2)], destroyed: [], refused: [] });
  const held = ring.openingKeys(T0);
  assert.deepEqual(ring.sync([key(2), key(1)], T0), { added: [], destroyed: [], refused: [] });
  assert.deepEqual(
    ring.openingKeys(T0).map(({ secret: bytes }) => bytes),
    held.map(({ secret: bytes }) => bytes),
  );
  assert.deepEqual(ring.sync([key(2), key(3)], T0), { added: [idOf(3)], destroyed: [idOf(1)], refused: [] });
  assert.ok(held.find(({ id }) => id === idOf(1))!.secret.wiped);
  assert.deepEqual(live(ring, T0).toSorted(), [idOf(2), idOf(3)].toSorted());
  // Gone is not destroyed by hand: a file may have been missing for a moment.
  assert.deepEqual(ring.sync([key(1), key(2)], T0), { added: [idOf(1)], destroyed: [idOf(3)], refused: [] });
  assert.deepEqual(ring.sync([], T0).destroyed.length, 2);
  assert.equal(ring.sealingKey(T0), undefined);
});

test('sync takes over changed times', () => {
  const ring = new TicketKeyRing({ crypto, keys: [key(1)] });
  ring.sync([key(1, T0, T0 + 10, T0 + 20)], T0);
  assert.deepEqual([ring.keys(T0 + 9)[0]?.state, ring.keys(T0 + 10)[0]?.state], ['sealing', 'opening']);
  assert.equal(live(ring, T0 + 20).length, 0);
});

test('sync does not take what was destroyed or ran out, and one bad key does not lose the good ones', () => {
  const ring = new TicketKeyRing({ crypto, keys: [key(1), key(2)] });
  ring.destroy(idOf(1));
  const bad = [key(1), key(2), { ...key(3), secret: new Uint8Array(32) }, { ...key(4), sealUntil: T0 }, key(2), key(5)];
  const report = ring.sync(bad, T0);
  assert.deepEqual(report.added, [idOf(5)]);
  assert.deepEqual(
    report.refused.map(({ index, code }) => [index, code]),
    [
      [0, 'ticket_key.destroyed'],
      [2, 'ticket_key.constant'],
      [3, 'ticket_key.bad_times'],
      [4, 'ticket_key.duplicate'],
    ],
  );
  assert.equal(live(ring, T0 + 2 * HOUR).length, 0);
  // The clock is set back: what ran out stays destroyed.
  assert.deepEqual(ring.sync([key(5)], T0).refused[0]?.code, 'ticket_key.destroyed');
  assert.deepEqual(ring.sync([key(6, T0, T0 + 1, T0 + 2)], T0 + 2), { added: [], destroyed: [], refused: [] });
});

test('of more than 16 keys sync takes those that open longest', () => {
  const ring = new TicketKeyRing({ crypto, keys: [] });
  const keys = Array.from({ length: 18 }, (_, i) => key(i + 1, T0, T0 + HOUR, T0 + HOUR + i));
  const report = ring.sync(keys, T0);
  assert.equal(report.added.length, 16);
  assert.deepEqual(
    report.refused.map(({ index, code }) => [index, code]),
    [
      [1, 'ticket_key.too_many'],
      [0, 'ticket_key.too_many'],
    ],
  );
});

test('fault 18: a ring has one owner: no source beside the generator, and no two sources', () => {
  for (const ring of [new TicketKeyRing({ crypto }), new TicketKeyRing({ crypto, derive })]) {
    assert.throws(() => ring.sync([key(1)], T0), usage('ticket_key.ring_generates'));
    assert.throws(() => ring.add(key(1)), usage('ticket_key.ring_generates'));
    assert.throws(() => ring.claim('a file'), usage('ticket_key.ring_generates'));
  }
  const ring = new TicketKeyRing({ crypto, keys: [] });
  const release = ring.claim('a file');
  assert.throws(() => ring.claim('redis'), { code: 'ticket_key.two_owners', message: /a file, not from redis/ });
  assert.throws(() => ring.add(key(1)), usage('ticket_key.two_owners'));
  release();
  const second = ring.claim('redis');
  release(); // again: nothing of the other's
  assert.throws(() => ring.claim('a file'), usage('ticket_key.two_owners'));
  second();
});

// ------------------------------------------------------------------------------------------------ observe

test('a listener hears of each key and each state once, and cannot break the ring', () => {
  const events: string[] = [];
  const note = ({ type, key: info }: TicketKeyEvent): void => void events.push(`${type} ${info.id} ${info.state}`);
  const ring = new TicketKeyRing({ crypto, keys: [key(1, T0 + 1)], onChange: note });
  ring.observe(() => {
    throw new Error('a metric is broken');
  });
  const a = idOf(1);
  for (const now of [T0, T0, T0 + 1, T0 + 2, T0 + HOUR, T0 + HOUR, T0 + 2 * HOUR, T0 + 2 * HOUR]) ring.sealingKey(now);
  assert.deepEqual(events.splice(0), [
    `added ${a} pending`,
    `sealing ${a} sealing`,
    `opening ${a} opening`,
    `destroyed ${a} destroyed`,
  ]);
  ring.sync([key(2, T0, T0 + 9 * HOUR, T0 + 9 * HOUR)], T0 + 3 * HOUR);
  ring.destroy('all');
  const b = idOf(2);
  assert.deepEqual(events.splice(0), [`added ${b} sealing`, `sealing ${b} sealing`, `destroyed ${b} destroyed`]);
  const generating = new TicketKeyRing({ crypto });
  const stop = generating.observe(note);
  const { id } = generating.sealingKey(T0)!;
  assert.deepEqual(events.splice(0), [`added ${id} sealing`, `sealing ${id} sealing`]);
  stop();
  generating.destroy('all');
  assert.deepEqual(events, []);
});

// ------------------------------------------------------------------------------------------------ sub-keys

const ask = (serverName: string | undefined) => ({ scopes: [''], serverName });

test('with sub-keys by server name a ticket of one name does not open under another', () => {
  const ring = new TicketKeyRing({ crypto, keys: [key(1)] });
  const sealer = new RingSealer(ring, crypto, { subKeys: 'server_name' });
  const plain = new RingSealer(ring, crypto);
  const names = ['a.example', 'b.example', undefined];
  for (const sealed of names) {
    const ticket = sealer.seal(ticketState(sealed === undefined ? {} : { serverName: sealed }), T0)!;
    for (const asked of names) {
      const opened = sealer.open(ticket, T0, ask(asked));
      assert.equal(typeof opened === 'object', sealed === asked, `${sealed} under ${asked}`);
    }
    assert.equal(plain.open(ticket, T0, ask(sealed)), 'no_key');
    assert.equal(sealer.open(plain.seal(ticketState(), T0)!, T0, ask(sealed)), 'no_key');
  }
  const ticket = sealer.seal(ticketState({ serverName: 'A.Example' }), T0)!;
  assert.equal(typeof sealer.open(ticket, T0, ask('a.eXAMPLE')), 'object');
  assert.equal(new RingCookieSealer(ring, crypto).open(ticket, T0), undefined);
});

test('tenants of the application share what they are said to share, and no odd answer falls back to the common key', () => {
  const ring = new TicketKeyRing({ crypto, keys: [key(1)] });
  const sealer = new RingSealer(ring, crypto, { subKeys: (name) => name?.split('.').slice(1).join('.') ?? '' });
  const ticket = sealer.seal(ticketState({ serverName: 'one.shop.example' }), T0)!;
  assert.equal(typeof sealer.open(ticket, T0, ask('two.shop.example')), 'object');
  assert.equal(sealer.open(ticket, T0, ask('one.bank.example')), 'no_key');
  const broken = new RingSealer(ring, crypto, { subKeys: () => undefined as unknown as string });
  assert.throws(() => broken.seal(ticketState(), T0), usage('ticket.bad_sub_keys'));
  assert.throws(() => new RingSealer(ring, crypto, { subKeys: 'sni' as 'none' }), usage('ticket.bad_sub_keys'));
});

test('destroying a tenant kills its tickets at once, everybody else lives, and hosts can share it in any order', () => {
  const make = () => {
    const ring = new TicketKeyRing({ crypto, keys: [key(1)] });
    return { ring, sealer: new RingSealer(ring, crypto, { subKeys: 'server_name' }) };
  };
  const [one, two] = [make(), make()];
  const a = one.sealer.seal(ticketState({ serverName: 'a' }), T0)!;
  const b = one.sealer.seal(ticketState({ serverName: 'b' }), T0)!;
  assert.equal(one.ring.destroyTenant('a'), 1);
  assert.equal(one.sealer.open(a, T0, ask('a')), 'no_key');
  assert.equal(typeof one.sealer.open(b, T0, ask('b')), 'object');
  const fresh = one.sealer.seal(ticketState({ serverName: 'a' }), T0)!;
  assert.equal(typeof one.sealer.open(fresh, T0, ask('a')), 'object');
  // The other host learns it late: then it takes the new tickets, and no longer the old ones.
  assert.equal(typeof two.sealer.open(a, T0, ask('a')), 'object');
  two.ring.raiseTenantGenerations(one.ring.tenantGenerations);
  assert.equal(two.sealer.open(a, T0, ask('a')), 'no_key');
  assert.equal(typeof two.sealer.open(fresh, T0, ask('a')), 'object');
  two.ring.raiseTenantGenerations([['a', 0]]);
  assert.deepEqual([...two.ring.tenantGenerations], [['a', 1]]);
  const restarted = new TicketKeyRing({ crypto, keys: [key(1)], tenantGenerations: one.ring.tenantGenerations });
  assert.equal(restarted.tenantGeneration('a'), 1);
  assert.throws(() => two.ring.raiseTenantGenerations([['a', 1.5]]), usage('ticket_key.bad_generation'));
});

test('generations are bounded, and none is forgotten to make room', () => {
  const ring = new TicketKeyRing({ crypto, keys: [] });
  for (let i = 0; i < 10_000; i++) ring.destroyTenant(`t${i}`);
  assert.throws(() => ring.destroyTenant('one more'), usage('ticket_key.too_many_tenants'));
  assert.equal(ring.destroyTenant('t0'), 2);
});

test('the derivation of sub-keys is pinned: tickets survive an upgrade of the server', () => {
  const ring = new TicketKeyRing({ crypto, keys: [key(1)], tenantGenerations: [['a.example', 3]] });
  const sealer = new RingSealer(ring, crypto, { subKeys: 'server_name' });
  const ticket = sealer.seal(ticketState({ serverName: 'a.example' }), T0)!;
  const kdf = crypto.kdf('sha256');
  const salt = ticket.subarray(0, 32);
  const ringKey = kdf.hmac(Buffer.from('tessera ticket key'), secret(1));
  const one = Buffer.of(1);
  const name = Buffer.concat([
    Buffer.from('tessera ticket sub-key|'),
    Buffer.of(0, 0, 0, 0, 0, 0, 0, 3),
    Buffer.from('a.example'),
  ]);
  const subKey = kdf.hmac(ringKey, Buffer.concat([name, one]));
  const ticketKey = kdf.hmac(subKey, Buffer.concat([Buffer.from('tessera ticket state|aes-256-gcm|'), salt, one]));
  const opened = crypto
    .aead('aes-256-gcm')!
    .withKey(ticketKey)
    .open(new Uint8Array(12), new Uint8Array(0), ticket.subarray(32));
  assert.equal(opened?.[2], 2, 'the version of the state');
});

// ------------------------------------------------------------------------------------------------ imports, schedule

test('keys of Node and OpenSSL are taken whole, and refused when a part was never filled in', () => {
  for (const length of [48, 80]) {
    const bytes = crypto.random(length);
    const taken = ticketKeyMaterial(bytes);
    assert.deepEqual(taken, new Uint8Array(bytes));
    assert.notEqual(taken.buffer, bytes.buffer);
    new TicketKeyRing({ crypto, keys: [{ ...key(1), secret: taken }] });
    for (let block = 0; block < length / 16; block++) {
      for (const value of [0, 0xff]) {
        const holed = bytes.slice().fill(value, 16 * block, 16 * block + 16);
        assert.throws(() => ticketKeyMaterial(holed), usage('ticket_key.constant'), `block ${block}`);
      }
    }
    assert.throws(() => ticketKeyMaterial(bytes.slice().copyWithin(16, 0, 16)), usage('ticket_key.constant'));
  }
  for (const length of [0, 32, 47, 49, 64, 81]) {
    assert.throws(() => ticketKeyMaterial(crypto.random(length)), usage('ticket_key.bad_length'));
  }
  assert.throws(() => ticketKeyMaterial('x'.repeat(48) as unknown as Uint8Array), usage('ticket_key.bad_length'));
});

test('a schedule always has a key that seals, and each is there for the time of propagation before it seals', () => {
  const periods = { sealForSeconds: 3_600, openForSeconds: 7_200, propagationSeconds: 60 };
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 300 }),
      fc.nat(4),
      (steps, rotation) => {
        let keys: readonly TicketKey[] = [];
        let now = T0;
        const seen = new Set<TicketKey['secret']>();
        for (const [i, step] of steps.entries()) {
          const first = keys.length === 0 && seen.size === 0;
          keys = ticketKeySchedule(crypto, keys, now, { ...periods, rotate: rotation > 0 && i % 97 === rotation });
          for (const { secret: bytes, sealFrom } of keys) {
            if (!seen.has(bytes) && !first) assert.ok(sealFrom >= now + 60_000, 'no time to propagate');
            seen.add(bytes);
          }
          const ring = new TicketKeyRing({ crypto, keys });
          assert.ok(ring.sealingKey(now) !== undefined, 'nobody seals');
          now += step * 1_000;
        }
      },
    ),
    { numRuns: 30 },
  );
});

test('a schedule goes on after a long sleep, wipes what ran out, and refuses periods that do not fit', () => {
  const [first] = ticketKeySchedule(crypto, [], T0);
  assert.equal(first!.sealFrom, T0);
  const late = ticketKeySchedule(crypto, [first!], T0 + 20 * HOUR);
  assert.equal(late[0]!.sealFrom, T0 + 20 * HOUR + 60_000);
  const later = ticketKeySchedule(crypto, late, T0 + 40 * HOUR);
  assert.ok(first!.secret.every((byte) => byte === 0));
  assert.equal(later.length, 2);
  for (const periods of [{ propagationSeconds: 21_600 }, { sealForSeconds: 130, openForSeconds: 1_700 }]) {
    assert.throws(() => ticketKeySchedule(crypto, [], T0, periods), usage('ticket_key.bad_period'));
  }
});
