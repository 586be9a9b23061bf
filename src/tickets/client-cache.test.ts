import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nodeCrypto } from '../providers/node/index.ts';
import { ClientTicketCache, originKey, type TicketOrigin, type TrustFacts, trustHash } from './client-cache.ts';
import type { ClientTicket } from './types.ts';

const T0 = 1_790_000_000_000;
const DAY = 86_400;

function ticket(name: number, change: Partial<ClientTicket> = {}): ClientTicket {
  return {
    ticket: Uint8Array.of(name >>> 8, name),
    psk: new Uint8Array(32).fill(0x77),
    cipherSuite: 0x1301,
    lifetimeSeconds: 7_200,
    ageAdd: 0,
    nonce: new Uint8Array(8),
    receivedAt: T0 + name,
    authenticatedAt: T0 + name,
    maxEarlyDataSize: 0,
    server: { chain: [], authorized: true },
    ...change,
  };
}

const nameOf = (held: ClientTicket): number => (held.ticket[0]! << 8) | held.ticket[1]!;
const names = (tickets: ClientTicket[]): number[] => tickets.map(nameOf);

test('tickets come out newest first, each once, and only for their origin', () => {
  const cache = new ClientTicketCache();
  for (const name of [2, 1, 3]) cache.put('a', ticket(name));
  cache.put('b', ticket(9));
  assert.deepEqual(names(cache.take('a', T0 + 10)), [3]);
  assert.deepEqual(names(cache.take('a', T0 + 10, { count: 5 })), [2, 1]);
  assert.deepEqual(cache.take('a', T0 + 10), []);
  assert.deepEqual([cache.size, cache.sizeOf('a'), cache.sizeOf('b')], [1, 0, 1]);
});

test('whatever happens, no ticket is handed out twice, and all limits hold', () => {
  const operation = fc.oneof(
    fc.record({ do: fc.constant('put' as const), origin: fc.nat(6), name: fc.nat(400) }),
    fc.record({ do: fc.constant('take' as const), origin: fc.nat(6), count: fc.nat(4) }),
    fc.record({ do: fc.constant('clear' as const), origin: fc.nat(6) }),
  );
  const limits = fc.record({ maxOrigins: fc.nat(4), maxPerOrigin: fc.nat(4), maxBytes: fc.nat(600) });
  fc.assert(
    fc.property(limits, fc.array(operation, { maxLength: 80 }), (options, operations) => {
      const cache = new ClientTicketCache(options);
      const putIn = new Map<string, Set<number>>();
      const everPut = new Set<number>();
      for (const op of operations) {
        const origin = `o${op.origin}`;
        if (op.do === 'put') {
          // The network gives every ticket once.
          if (everPut.has(op.name)) continue;
          everPut.add(op.name);
          cache.put(origin, ticket(op.name));
          putIn.set(origin, (putIn.get(origin) ?? new Set()).add(op.name));
        } else if (op.do === 'take') {
          const taken = names(cache.take(origin, T0 + 1_000, { count: op.count }));
          assert.ok(taken.length <= op.count);
          assert.deepEqual(
            taken,
            taken.toSorted((a, b) => b - a),
          );
          for (const name of taken) assert.ok(putIn.get(origin)?.delete(name), 'twice, or from another origin');
        } else {
          cache.clear(origin);
          putIn.delete(origin);
        }
        const sizes = [0, 1, 2, 3, 4, 5, 6].map((n) => cache.sizeOf(`o${n}`));
        assert.equal(
          cache.size,
          sizes.reduce((a, b) => a + b),
        );
        assert.ok(sizes.filter((size) => size > 0).length <= options.maxOrigins);
        assert.ok(Math.max(...sizes) <= options.maxPerOrigin);
        assert.ok(cache.size * 42 <= options.maxBytes);
      }
    }),
  );
});

test('the tickets of one session can be dropped, and are wiped', () => {
  const cache = new ClientTicketCache();
  const session = { authenticatedAt: T0 - 5 };
  for (const name of [1, 2]) cache.put('a', ticket(name, session));
  cache.put('a', ticket(3));
  cache.put('b', ticket(4, session));
  cache.dropSession('a', T0 - 5);
  assert.deepEqual([cache.size, cache.sizeOf('a'), cache.sizeOf('b')], [2, 1, 1]);
  assert.deepEqual(names(cache.take('a', T0 + 10, { count: 5 })), [3]);
  cache.dropSession('b', T0 - 5);
  cache.dropSession('c', T0 - 5);
  assert.equal(cache.size, 0);
});

test('a ticket put in twice is held once', () => {
  const cache = new ClientTicketCache();
  cache.put('a', ticket(1));
  cache.put('a', ticket(1, { receivedAt: T0 + 50 }));
  assert.equal(cache.take('a', T0 + 60, { count: 9 }).length, 1);
});

test('too old, too young, and never usable', () => {
  const cases: [string, Partial<ClientTicket>, number, boolean][] = [
    ['fresh', {}, T0, true],
    ['just time to use it', {}, T0 + 7_194_999, true],
    ['it would expire on the way', {}, T0 + 7_195_000, false],
    ['short, and just time', { lifetimeSeconds: 10 }, T0 + 8_999, true],
    ['short, and on the way', { lifetimeSeconds: 10 }, T0 + 9_000, false],
    ['as old as its lifetime', {}, T0 + 7_200_000, false],
    ['lifetime 0', { lifetimeSeconds: 0 }, T0, false],
    ['seven days less a bit', { lifetimeSeconds: 30 * DAY }, T0 + 7 * DAY * 1_000 - 5_001, true],
    ['seven days, whatever it says', { lifetimeSeconds: 30 * DAY }, T0 + 7 * DAY * 1_000, false],
    ['a little in the future', {}, T0 - 5_000, true],
    ['in the future', {}, T0 - 5_001, false],
  ];
  for (const [what, change, now, usable] of cases) {
    const cache = new ClientTicketCache();
    cache.put('a', ticket(1, { receivedAt: T0, ...change }));
    assert.equal(cache.take('a', now).length === 1, usable, what);
    assert.equal(cache.size, 0, `${what}: nothing is left`);
  }
});

test('the least recently used origin goes first', () => {
  const cache = new ClientTicketCache({ maxOrigins: 2 });
  cache.put('a', ticket(1));
  cache.put('a', ticket(2));
  cache.put('b', ticket(3));
  cache.take('a', T0 + 10);
  cache.put('c', ticket(4));
  assert.deepEqual([cache.sizeOf('a'), cache.sizeOf('b'), cache.sizeOf('c')], [1, 0, 1]);
});

test('fault 8: of an origin, the ticket that expires first goes first, else the oldest', () => {
  const cache = new ClientTicketCache({ maxPerOrigin: 2 });
  for (const name of [3, 1, 2]) cache.put('a', ticket(name));
  assert.deepEqual(names(cache.take('a', T0 + 10, { count: 9 })), [3, 2]);
  cache.put('a', ticket(4));
  cache.put('a', ticket(5, { lifetimeSeconds: 60 }));
  cache.put('a', ticket(6));
  assert.deepEqual(names(cache.take('a', T0 + 10, { count: 9 })), [6, 4]);
  for (const name of [7, 8, 9]) cache.put('a', ticket(name, { receivedAt: T0 }));
  assert.deepEqual(names(cache.take('a', T0 + 10, { count: 9 })), [9, 8]);
});

test('fault 8: a server that sends tickets without end drives out its own only', () => {
  const cache = new ClientTicketCache({ maxPerOrigin: 6, maxPerConnection: 2 });
  const [quiet, flood] = [{}, {}];
  cache.put('a', ticket(1), { connection: quiet });
  cache.put('a', ticket(2));
  for (let name = 10; name < 200; name++) cache.put('a', ticket(name), { connection: flood });
  cache.put('a', ticket(3), { connection: quiet });
  assert.deepEqual(names(cache.take('a', T0 + 300, { count: 9 })), [199, 198, 3, 2, 1]);
  // What it has handed out does not count: a long connection goes on bringing fresh tickets.
  cache.put('a', ticket(200), { connection: flood });
  assert.equal(cache.sizeOf('a'), 1);
  cache.put('a', ticket(300), { connection: flood });
  cache.put('b', ticket(301), { connection: flood });
  assert.deepEqual([cache.sizeOf('a'), cache.sizeOf('b')], [2, 1]);
  const none = new ClientTicketCache({ maxPerConnection: 0 });
  none.put('a', ticket(1), { connection: flood });
  assert.equal(none.size, 0);
});

test('fault 8: connections opened in one tick get tickets of their own', async () => {
  const cache = new ClientTicketCache();
  for (let name = 0; name < 5; name++) cache.put('a', ticket(name));
  const taken = await Promise.all(Array.from({ length: 8 }, async () => cache.take('a', T0 + 10)));
  assert.deepEqual(names(taken.flat()), [4, 3, 2, 1, 0]);
});

test('what is lacking is what to ask for', () => {
  const cache = new ClientTicketCache({ maxPerOrigin: 4 });
  assert.equal(cache.lacks('a', 3, T0), 3);
  cache.put('a', ticket(1));
  cache.put('a', ticket(2, { lifetimeSeconds: 10 }));
  cache.put('b', ticket(3));
  assert.deepEqual(
    [0, 1, 2, 3, 4, 50].map((target) => cache.lacks('a', target, T0 + 10)),
    [0, 0, 0, 1, 2, 2],
  );
  assert.equal(cache.lacks('a', 3, T0 + 9_500), 2, 'one expires');
  assert.equal(cache.sizeOf('a'), 2, 'asking changes nothing');
  assert.throws(() => cache.lacks('a', -1, T0), { code: 'ticket_cache.bad_limit' });
});

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i * 7);

test('an export holds what is usable, unreadable without the key, and comes back as it was', () => {
  const cache = new ClientTicketCache();
  const origins = ['a', originKey({ serverName: 'host.example', port: 443, alpn: ['h2'] }), '\ud800"', ''];
  const full = {
    serverName: 'host.example',
    alpn: 'h2',
    group: 29,
    maxEarlyDataSize: 5,
    server: { chain: [new Uint8Array(700).fill(1)], authorized: false, authorizationError: 'CERT_HAS_EXPIRED' },
  };
  for (const [i, origin] of origins.entries()) {
    for (const name of [2, 1, 3]) cache.put(origin, ticket(100 * i + name, i === 1 ? full : {}));
  }
  cache.put('a', ticket(50, { lifetimeSeconds: 20 }));
  cache.put('a', ticket(4, { receivedAt: T0 + 3 }));
  const now = T0 + 30_000;
  const exported = cache.exportEncrypted(KEY, nodeCrypto, now);
  assert.equal(cache.size, 14, 'they stay');
  assert.ok(!Buffer.from(exported).includes('host.example'));
  assert.ok(!Buffer.from(exported).includes(Buffer.alloc(16, 0x77)));
  assert.notDeepEqual(cache.exportEncrypted(KEY, nodeCrypto, now), exported, 'salted');

  const copy = new ClientTicketCache();
  assert.equal(copy.importEncrypted(exported, KEY, nodeCrypto, now), 13);
  assert.equal(copy.importEncrypted(exported, KEY, nodeCrypto, now), 13);
  assert.equal(copy.size, 13, 'twice is once');
  for (const origin of origins) {
    assert.deepEqual(copy.take(origin, now, { count: 9 }), cache.take(origin, now, { count: 9 }));
  }
  const later = new ClientTicketCache();
  assert.equal(later.importEncrypted(exported, KEY, nodeCrypto, T0 + 7_300_000), 0, 'expired meanwhile');
  const small = new ClientTicketCache({ maxOrigins: 2, maxPerOrigin: 1 });
  small.importEncrypted(exported, KEY, nodeCrypto, now);
  // The most recently used ones, and of each the newest.
  assert.deepEqual(
    origins.map((origin) => names(small.take(origin, now, { count: 9 }))),
    [[4], [], [], [303]],
  );
  const empty = new ClientTicketCache();
  cache.put('a', ticket(1, { lifetimeSeconds: 10 }));
  assert.equal(cache.exportEncrypted(KEY, nodeCrypto, now).length, empty.exportEncrypted(KEY, nodeCrypto, now).length);
  assert.equal(copy.importEncrypted(empty.exportEncrypted(KEY, nodeCrypto, now), KEY, nodeCrypto, now), 0);
});

test('what is not an export of this key and version changes nothing', () => {
  const cache = new ClientTicketCache();
  cache.put('a', ticket(1));
  const exported = cache.exportEncrypted(KEY, nodeCrypto, T0);
  const target = new ClientTicketCache();
  const read = (bytes: Uint8Array, key: Uint8Array = KEY) => target.importEncrypted(bytes, key, nodeCrypto, T0);
  for (let i = 0; i < exported.length; i++) {
    const changed = exported.slice();
    changed[i]! ^= 1 << (i % 8);
    const code = i === 0 ? 'ticket_cache.unknown_version' : 'ticket_cache.cannot_open';
    assert.throws(() => read(changed), { name: 'TlsUsageError', code });
    assert.throws(() => read(exported.subarray(0, i)), { name: 'TlsUsageError' });
  }
  assert.throws(() => read(exported, KEY.toReversed()), { code: 'ticket_cache.cannot_open' });
  for (const bad of [KEY.subarray(1), new Uint8Array(32), 'secret' as unknown as Uint8Array]) {
    assert.throws(() => read(exported, bad), { code: 'ticket_cache.bad_key' });
    assert.throws(() => cache.exportEncrypted(bad, nodeCrypto, T0), { code: 'ticket_cache.bad_key' });
  }
  assert.equal(target.size, 0);
});

test('fault 8: whoever trusts or shows anything else has another scope', () => {
  const [one, two] = [Uint8Array.of(1), Uint8Array.of(2)];
  const facts: TrustFacts = { authorities: [one], rejectUnauthorized: true, credentials: [[one, two]] };
  const others: TrustFacts[] = [
    { ...facts, rejectUnauthorized: false },
    { ...facts, authorities: undefined },
    { ...facts, authorities: [] },
    { ...facts, authorities: [one, two] },
    { ...facts, authorities: [two] },
    { ...facts, policy: 'mine' },
    { ...facts, checkServerName: false },
    { ...facts, signatureSchemes: ['ed25519'] },
    { ...facts, credentials: [] },
    { ...facts, credentials: [[one], [two]] },
    { ...facts, credentials: [[two, one]] },
  ];
  const hashes = [facts, ...others].map((each) => trustHash(nodeCrypto, each));
  assert.equal(new Set(hashes).size, hashes.length);
  assert.equal(trustHash(nodeCrypto, { ...facts, checkServerName: true }), hashes[0]);
  assert.match(hashes[0]!, /^[0-9a-f]{64}$/);
});

test('bytes are limited, and a giant does not drive out the others', () => {
  const cache = new ClientTicketCache({ maxBytes: 42 * 3 });
  for (const name of [1, 2, 3]) cache.put(`o${name}`, ticket(name));
  cache.put('giant', ticket(4, { server: { chain: [new Uint8Array(1_000)], authorized: true } }));
  assert.deepEqual([cache.size, cache.sizeOf('giant')], [3, 0]);
  cache.put('o4', ticket(5));
  assert.deepEqual([cache.size, cache.sizeOf('o1'), cache.sizeOf('o4')], [3, 0, 1]);
});

test('the PSK is copied in; dropping a ticket wipes the copy and spares the original', (t) => {
  // Every array that is wiped while it holds our PSK.
  const wiped: Uint8Array[] = [];
  const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array;
  const fill = typedArray.fill;
  t.mock.method(typedArray, 'fill', function (this: Uint8Array, value: number) {
    if (value === 0 && this[0] === 0x77) wiped.push(this);
    return fill.call(this, value);
  });
  const dropped: [string, (cache: ClientTicketCache) => void][] = [
    ['clear', (cache) => cache.clear()],
    ['clear one', (cache) => cache.clear('a')],
    ['per origin', (cache) => cache.put('a', ticket(2))],
    ['LRU', (cache) => cache.put('b', ticket(2))],
    ['expired', (cache) => cache.take('a', T0 + 1e9)],
  ];
  for (const [what, drop] of dropped) {
    const cache = new ClientTicketCache({ maxOrigins: 1, maxPerOrigin: 1 });
    const original = ticket(1, { psk: new Uint8Array(32).fill(0x77) });
    cache.put('a', original);
    drop(cache);
    assert.equal(wiped.length, 1, what);
    assert.notEqual(wiped.pop(), original.psk, what);
    assert.ok(
      original.psk.every((byte) => byte === 0x77),
      what,
    );
  }
  const cache = new ClientTicketCache();
  const mine = ticket(1);
  cache.put('a', mine);
  mine.psk.fill(0);
  assert.ok(cache.take('a', T0 + 1)[0]!.psk.every((byte) => byte === 0x77));
});

test('limits that make no sense are refused', () => {
  for (const bad of [-1, 1.5, Number.NaN]) {
    assert.throws(() => new ClientTicketCache({ maxOrigins: bad }), { code: 'ticket_cache.bad_limit' });
    assert.throws(() => new ClientTicketCache().take('a', T0, { count: bad }), { code: 'ticket_cache.bad_limit' });
  }
});

test('different origins never share a key', () => {
  const nasty = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 4 }),
    fc.constantFrom('', ',', '"', '\\', '\ud800', '\\ud800', ':'),
  );
  const origin: fc.Arbitrary<TicketOrigin> = fc.record(
    {
      serverName: fc.option(nasty, { nil: undefined }),
      port: fc.constantFrom(1, 2, 443),
      alpn: fc.array(nasty, { maxLength: 3 }),
      scope: nasty,
    },
    { requiredKeys: ['serverName', 'port', 'alpn'] },
  );
  const identity = ({ serverName, port, alpn, scope }: TicketOrigin): unknown[] => [
    serverName?.replace(/[A-Z]/g, (c) => c.toLowerCase()),
    port,
    alpn,
    scope,
  ];
  fc.assert(
    fc.property(origin, origin, (a, b) => {
      let same = true;
      try {
        assert.deepEqual(identity(a), identity(b));
      } catch {
        same = false;
      }
      assert.equal(originKey(a) === originKey(b), same);
    }),
    { numRuns: 2_000 },
  );
  const pairs: [TicketOrigin, TicketOrigin][] = [
    [
      { serverName: 'a', port: 1, alpn: ['b', 'c'] },
      { serverName: 'a', port: 1, alpn: ['b","c'] },
    ],
    [
      { serverName: undefined, port: 1, alpn: [] },
      { serverName: 'null', port: 1, alpn: [] },
    ],
    [
      { serverName: 'a', port: 1, alpn: [], scope: '' },
      { serverName: 'a', port: 1, alpn: [] },
    ],
    [
      { serverName: '\u212a.example', port: 1, alpn: [] },
      { serverName: 'k.example', port: 1, alpn: [] },
    ],
  ];
  for (const [a, b] of pairs) assert.notEqual(originKey(a), originKey(b));
  assert.equal(
    originKey({ serverName: 'Host.EXAMPLE', port: 1, alpn: [] }),
    originKey({ serverName: 'host.example', port: 1, alpn: [] }),
  );
});
