import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat, toHex } from '../bytes/index.ts';
import type { CryptoProvider } from '../crypto/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { TicketKeyRing } from './key-ring.ts';
import { RingSealer } from './sealer.ts';
import { HybridSealer, MemoryTicketStore, STORED_TICKET_LENGTH, StoreSealer } from './store.ts';
import type { TicketQuestion, TicketSealer, TicketState, TicketStore } from './types.ts';

const T0 = 1_790_000_000_000;
const crypto = nodeCrypto;
const question = (...scopes: string[]): TicketQuestion => ({ scopes, serverName: undefined });

function stateOf(change: Partial<TicketState> = {}): TicketState {
  return {
    id: crypto.random(16),
    psk: Uint8Array.from({ length: 32 }, (_, i) => 0xa0 ^ i),
    cipherSuite: 0x1301,
    issuedAt: T0,
    authenticatedAt: T0 - 5,
    lifetimeSeconds: 7_200,
    ageAdd: 77,
    maxEarlyDataSize: 0,
    client: { chain: [], authorized: false },
    appData: new Uint8Array(0),
    ...change,
  };
}

/** A store that shows what is in it, and answers later. */
function openStore(): TicketStore & {
  readonly values: Map<string, Uint8Array>;
  readonly identities: Map<string, string>;
} {
  const values = new Map<string, Uint8Array>();
  const identities = new Map<string, string>();
  return {
    values,
    identities,
    async put(key, value, { identity }) {
      values.set(key, value);
      if (identity !== undefined) identities.set(key, identity);
    },
    async get(key) {
      return values.get(key);
    },
    async take(key) {
      const value = values.get(key);
      values.delete(key);
      return value;
    },
    async revoke(identity) {
      const keys = [...identities].filter(([, owner]) => owner === identity).map(([key]) => key);
      return keys.filter((key) => values.delete(key)).length;
    },
  };
}

test('memory store: whatever happens, it gives what a list of all that was put in would give, and limits hold', () => {
  interface Model {
    readonly key: string;
    readonly value: number[];
    readonly expiresAt: number;
    readonly identity: string | undefined;
  }
  const size = ({ key, value, identity }: Model): number => key.length + value.length + (identity?.length ?? 0);
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
  const identity = fc.option(fc.constantFrom('alice', 'bob'), { nil: undefined });
  const operation = fc.oneof(
    fc.record({
      do: fc.constant('put' as const),
      key,
      length: fc.nat(30),
      life: fc.integer({ min: -2, max: 9 }),
      identity,
    }),
    fc.record({ do: fc.constantFrom('get' as const, 'take' as const), key }),
    fc.record({ do: fc.constant('revoke' as const), identity: fc.constantFrom('alice', 'bob', 'carol') }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.nat(4) }),
  );
  const limits = fc.record({ maxTickets: fc.integer({ min: 1, max: 5 }), maxBytes: fc.integer({ min: 40, max: 90 }) });
  fc.assert(
    fc.property(limits, fc.array(operation, { maxLength: 100 }), (options, operations) => {
      const store = new MemoryTicketStore(options);
      // Least recently used first.
      let model: Model[] = [];
      let now = 0;
      let count = 0;
      const total = (): number => model.reduce((sum, entry) => sum + size(entry), 0);
      for (const op of operations) {
        if (op.do === 'wait') now += op.ms;
        else if (op.do === 'put') {
          const value = new Uint8Array(op.length).fill(++count);
          const expiresAt = now + op.life;
          store.put(op.key, value, { expiresAt, identity: op.identity, now });
          model = model.filter((entry) => entry.key !== op.key);
          if (op.life > 0) {
            model.push({ key: op.key, value: [...value], expiresAt, identity: op.identity });
            while (model.length > options.maxTickets || total() > options.maxBytes || model[0]!.expiresAt <= now)
              model.shift();
          }
          value.fill(0);
        } else if (op.do === 'revoke') {
          const mine = model.filter((entry) => entry.identity === op.identity);
          assert.equal(store.revoke(op.identity), mine.length);
          model = model.filter((entry) => !mine.includes(entry));
        } else {
          const found = model.find((entry) => entry.key === op.key);
          const expected = found !== undefined && found.expiresAt > now ? found.value : undefined;
          const got = op.do === 'get' ? store.get(op.key, now) : store.take(op.key, now);
          assert.deepEqual(got === undefined ? undefined : [...got], expected);
          model = model.filter((entry) => entry !== found);
          if (op.do === 'get' && found !== undefined && expected !== undefined) model.push(found);
        }
        assert.deepEqual([store.size, store.bytes], [model.length, total()]);
      }
      store.clear();
      assert.deepEqual([store.size, store.bytes], [0, 0]);
    }),
    { numRuns: 500 },
  );
});

test('memory store: what it drops is overwritten, what it gives is a copy', (t) => {
  const wiped: Uint8Array[] = [];
  const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array;
  const fill = typedArray.fill;
  t.mock.method(typedArray, 'fill', function (this: Uint8Array, value: number) {
    if (value === 0 && this[0] === 0x77) wiped.push(this);
    return fill.call(this, value);
  });
  const options = { expiresAt: T0 + 10, identity: 'me', now: T0 };
  const dropped: [string, (store: MemoryTicketStore) => void][] = [
    ['take', (store) => assert.equal(store.take('a', T0)?.[0], 0x77)],
    ['expired', (store) => assert.equal(store.get('a', T0 + 10), undefined)],
    ['revoked', (store) => assert.equal(store.revoke('me'), 1)],
    ['LRU', (store) => store.put('b', Uint8Array.of(1), options)],
    ['put again', (store) => store.put('a', Uint8Array.of(1), options)],
    ['clear', (store) => assert.equal(store.clear(), 1)],
  ];
  for (const [what, drop] of dropped) {
    const store = new MemoryTicketStore({ maxTickets: 1 });
    const original = Uint8Array.of(0x77, 0x77);
    store.put('a', original, options);
    store.get('a', T0)!.fill(1);
    drop(store);
    assert.equal(wiped.length, 1, what);
    assert.notEqual(wiped.pop(), original);
    assert.equal(original[0], 0x77, what);
  }
});

test('memory store: what cannot be kept is refused, and bad limits too', () => {
  const options = { expiresAt: T0 + 10, identity: undefined, now: T0 };
  for (const store of [new MemoryTicketStore({ maxTickets: 0 }), new MemoryTicketStore({ maxBytes: 10 })]) {
    assert.throws(() => store.put('a', new Uint8Array(10), options), { code: 'ticket_store.too_large' });
  }
  assert.throws(() => new MemoryTicketStore().put('a', new Uint8Array(65_536), options), {
    code: 'ticket_store.too_large',
  });
  for (const bad of [-1, 0.5, Number.NaN]) {
    assert.throws(() => new MemoryTicketStore({ maxTickets: bad }), { code: 'ticket_store.bad_limit' });
    assert.throws(() => new MemoryTicketStore({ maxBytes: bad }), { code: 'ticket_store.bad_limit' });
  }
  const store = new MemoryTicketStore();
  store.put('a', Uint8Array.of(1), { ...options, expiresAt: Number.NaN });
  assert.equal(store.size, 0);
});

const withoutGcm: CryptoProvider = {
  ...crypto,
  aead: (name) => (name === 'chacha20-poly1305' ? crypto.aead(name) : undefined),
};

for (const provider of [crypto, withoutGcm]) {
  test(`store sealer: what was sealed opens until it is used, on all hosts once (${provider === crypto ? 'GCM' : 'ChaCha20'})`, async () => {
    const store = openStore();
    const [here, there] = [new StoreSealer({ store, crypto: provider }), new StoreSealer({ store, crypto: provider })];
    const state = stateOf({ serverName: 'host.example', identity: 'alice', appData: Uint8Array.of(1, 2) });
    const ticket = (await here.seal(state, T0, { scope: 'shop' }))!;
    assert.equal(ticket.length, STORED_TICKET_LENGTH);
    // Anybody can repeat the bytes of a ticket, so opening it must not use it up.
    for (const sealer of [there, here, there]) {
      assert.deepEqual(await sealer.open(ticket, T0 + 1, question('other', 'shop')), state);
    }
    const [value] = [...store.values.values()];
    const uses = await Promise.all([here.use(state, T0 + 1), there.use(state, T0 + 1), here.use(state, T0 + 1)]);
    assert.deepEqual(uses, [true, 'already_used', 'already_used']);
    assert.equal(await here.open(ticket, T0 + 1, question('shop')), 'not_found');
    assert.equal(store.values.size, 0);
    assert.ok(
      value!.every((byte) => byte === 0),
      'what gave the PSK is overwritten',
    );
  });
}

test('store sealer: the store never sees a PSK or enough to make a ticket, and the log never a byte of one', async () => {
  const store = openStore();
  const sealer = new StoreSealer({ store, crypto });
  const state = stateOf();
  const ticket = (await sealer.seal(state, T0, { scope: '' }))!;
  const [[key, value]] = [...store.values] as [[string, Uint8Array]];
  const seen = key + toHex(value);
  for (let i = 0; i + 8 <= ticket.length; i += 8) assert.ok(!seen.includes(toHex(ticket.subarray(i, i + 8))));
  assert.ok(!seen.includes(toHex(state.psk)));
  assert.match(key, /^[0-9a-f]{64}$/);
  assert.ok(!toHex(ticket).includes(toHex(state.id.subarray(0, 4))), 'the id stands in events');
});

test('store sealer: every way to be none of ours', async () => {
  const store = openStore();
  const sealer = new StoreSealer({ store, crypto });
  const ticket = (await sealer.seal(stateOf(), T0, { scope: 'shop' }))!;
  const open = (bytes: Uint8Array, now = T0 + 1, ...scopes: string[]) =>
    sealer.open(bytes, now, question(...(scopes.length === 0 ? ['shop'] : scopes)));
  assert.equal(await open(ticket, T0 + 1, 'bank'), 'no_key');
  assert.equal(await open(ticket, T0 + 7_200_000), 'expired');
  assert.equal(typeof (await open(ticket, T0 + 7_199_999)), 'object');
  for (let length = 0; length < 48; length++) assert.equal(await open(ticket.subarray(0, length)), 'no_key');
  assert.equal(await open(concat(ticket, Uint8Array.of(0))), 'no_key');
  for (let i = 0; i < ticket.length; i++) {
    const changed = ticket.slice();
    changed[i]! ^= 1 << (i % 8);
    assert.equal(await open(changed), i < 16 ? 'not_found' : 'no_key', `byte ${i}`);
  }
  assert.equal(typeof (await open(ticket)), 'object', 'none of this used it up');
  // A store that swaps or changes values gets nowhere.
  const other = (await sealer.seal(stateOf(), T0, { scope: 'shop' }))!;
  const [one, two] = [...store.values.keys()] as [string, string];
  store.values.set(one, store.values.get(two)!);
  assert.equal(await open(ticket), 'no_key');
  store.values.get(two)![20]! ^= 1;
  assert.equal(await open(other), 'no_key');
});

test('store sealer: the bytes of the ticket may change while the store is slow', async () => {
  const sealer = new StoreSealer({ store: openStore(), crypto });
  const state = stateOf();
  const buffer = (await sealer.seal(state, T0, { scope: '' }))!;
  const opened = sealer.open(buffer, T0, question(''));
  buffer.fill(0);
  assert.deepEqual(await opened, state);
});

test('store sealer: single use for all, for early data, for none', () => {
  const early = { maxEarlyDataSize: 1 };
  const table = [
    ['always', {}, 'already_used'],
    ['always', early, 'already_used'],
    ['early_data', {}, true],
    ['early_data', early, 'already_used'],
    ['never', {}, true],
    ['never', early, true],
  ] as const;
  for (const [singleUse, change, second] of table) {
    const sealer = new StoreSealer({ store: new MemoryTicketStore(), crypto, singleUse });
    const state = stateOf(change);
    const ticket = sealer.seal(state, T0, { scope: '' }) as Uint8Array;
    assert.equal(sealer.use(state, T0), true);
    assert.equal(sealer.use(state, T0), second, `${singleUse}, ${state.maxEarlyDataSize}`);
    assert.equal(typeof sealer.open(ticket, T0, question('')) === 'object', second === true);
  }
});

test('store sealer: a revoked identity has no tickets, and a failing store costs the ticket only', async () => {
  const store = new MemoryTicketStore();
  const sealer = new StoreSealer({ store, crypto });
  const ticket = sealer.seal(stateOf({ identity: 'alice' }), T0, { scope: '' }) as Uint8Array;
  const kept = sealer.seal(stateOf({ identity: 'bob' }), T0, { scope: '' }) as Uint8Array;
  assert.equal(store.revoke('alice'), 1);
  assert.equal(sealer.open(ticket, T0, question('')), 'not_found');
  assert.equal(typeof sealer.open(kept, T0, question('')), 'object');
  const broken = { ...openStore(), put: () => Promise.reject(new Error('down')) };
  await assert.rejects(
    async () => new StoreSealer({ store: broken, crypto }).seal(stateOf(), T0, { scope: '' }),
    /down/,
  );
});

test('store sealer: options that make no sense are refused', () => {
  const store = new MemoryTicketStore();
  for (const maxLifetimeSeconds of [0, 604_801, Number.NaN]) {
    assert.throws(() => new StoreSealer({ store, crypto, maxLifetimeSeconds }), { code: 'ticket_store.bad_option' });
  }
  assert.throws(() => new StoreSealer({ store, crypto, singleUse: 'sometimes' as 'never' }), {
    code: 'ticket_store.bad_option',
  });
  assert.equal(new StoreSealer({ store, crypto }).maxLifetimeSeconds(), 604_800);
  assert.throws(() => new StoreSealer({ store, crypto: { ...crypto, aead: () => undefined } }), {
    code: 'ticket.no_aead',
  });
});

function hybrid(keep?: (state: TicketState) => boolean): { sealer: HybridSealer; store: MemoryTicketStore } {
  const store = new MemoryTicketStore();
  const sealed = new RingSealer(ring, crypto);
  return {
    store,
    sealer: new HybridSealer({ sealed, stored: new StoreSealer({ store, crypto }), ...(keep && { keep }) }),
  };
}
const ring = new TicketKeyRing({ crypto });

test('hybrid sealer: the plan decides, else the function, else early data; both kinds open', () => {
  const table: [Partial<TicketState>, boolean | undefined, ((state: TicketState) => boolean) | undefined, boolean][] = [
    [{}, undefined, undefined, false],
    [{ maxEarlyDataSize: 1 }, undefined, undefined, true],
    [{ maxEarlyDataSize: 1 }, false, undefined, false],
    [{}, true, undefined, true],
    [{}, undefined, () => true, true],
    [{ identity: 'x' }, undefined, (state) => state.identity === undefined, false],
    [{}, false, () => true, false],
  ];
  for (const [change, stored, keep, expected] of table) {
    const { sealer, store } = hybrid(keep);
    const state = stateOf(change);
    const request = { scope: 'shop', ...(stored !== undefined && { stored }) };
    const ticket = sealer.seal(state, T0, request) as Uint8Array;
    assert.deepEqual([store.size === 1, ticket.length === STORED_TICKET_LENGTH], [expected, expected]);
    const opened = sealer.open(ticket, T0 + 1, question('shop')) as TicketState;
    assert.deepEqual(opened, state);
    assert.equal(sealer.use(opened, T0 + 1), true);
    assert.equal(sealer.use(opened, T0 + 1), expected ? 'already_used' : true, 'sealed ones are not single use');
    assert.equal(typeof sealer.open(ticket, T0 + 1, question('bank')), 'string');
  }
});

test('hybrid sealer: a change of kind loses no ticket', () => {
  const stored = new StoreSealer({ store: new MemoryTicketStore(), crypto });
  const sealed = new RingSealer(ring, crypto);
  const before = new HybridSealer({ sealed, stored, keep: () => false });
  const after = new HybridSealer({ sealed, stored, keep: () => true });
  for (const [maker, reader] of [
    [before, after],
    [after, before],
    [sealed, after],
    [stored, before],
  ] as const) {
    const state = stateOf();
    const ticket = (maker as TicketSealer).seal(state, T0, { scope: '' }) as Uint8Array;
    assert.deepEqual(reader.open(ticket, T0, question('')), state);
  }
});

test('hybrid sealer: a sealed ticket as long as a stored one opens too; refusals keep their reason', () => {
  const state = stateOf();
  const odd: TicketSealer = {
    maxLifetimeSeconds: () => 60,
    seal: () => new Uint8Array(STORED_TICKET_LENGTH).fill(9),
    open: (ticket) => (ticket[0] === 9 ? { ...state, psk: state.psk.slice() } : 'no_key'),
    use: () => 'already_used',
  };
  const sealer = new HybridSealer({ sealed: odd, stored: new StoreSealer({ store: new MemoryTicketStore(), crypto }) });
  const opened = sealer.open(new Uint8Array(STORED_TICKET_LENGTH).fill(9), T0, question(''));
  assert.deepEqual(opened, state);
  assert.equal(sealer.use(opened as TicketState, T0), 'already_used', 'asked the one who opened it');
  assert.equal(sealer.use({ ...(opened as TicketState) }, T0), 'sealer_failed', 'an unknown state is not used');
  assert.equal(sealer.open(new Uint8Array(STORED_TICKET_LENGTH), T0, question('')), 'not_found');
  assert.equal(sealer.open(new Uint8Array(5), T0, question('')), 'no_key');
  assert.equal(sealer.maxLifetimeSeconds(T0), 60);
});
