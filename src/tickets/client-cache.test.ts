import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ClientTicketCache, originKey, type TicketOrigin } from './client-cache.ts';
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

test('a ticket put in twice is held once', () => {
  const cache = new ClientTicketCache();
  cache.put('a', ticket(1));
  cache.put('a', ticket(1, { receivedAt: T0 + 50 }));
  assert.equal(cache.take('a', T0 + 60, { count: 9 }).length, 1);
});

test('too old, too young, and never usable', () => {
  const cases: [string, Partial<ClientTicket>, number, boolean][] = [
    ['fresh', {}, T0, true],
    ['last millisecond', {}, T0 + 7_199_999, true],
    ['as old as its lifetime', {}, T0 + 7_200_000, false],
    ['lifetime 0', { lifetimeSeconds: 0 }, T0, false],
    ['seven days less a bit', { lifetimeSeconds: 30 * DAY }, T0 + 7 * DAY * 1_000 - 1, true],
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

test('the oldest ticket of an origin goes first', () => {
  const cache = new ClientTicketCache({ maxPerOrigin: 2 });
  for (const name of [3, 1, 2]) cache.put('a', ticket(name));
  assert.deepEqual(names(cache.take('a', T0 + 10, { count: 9 })), [3, 2]);
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
