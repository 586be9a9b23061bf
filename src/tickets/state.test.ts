import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex } from '../bytes/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import {
  decodeClientTicket,
  decodeTicketState,
  encodeClientTicket,
  encodeTicketState,
  MAX_TICKET_STATE_LENGTH,
  WHOLE_CHAIN_STATE_LENGTH,
} from './state.ts';
import { type ClientTicket, MAX_TICKET_LIFETIME_SECONDS, type TicketState } from './types.ts';

const full: TicketState = {
  id: fromHex('000102030405060708090a0b0c0d0e0f'),
  psk: new Uint8Array(32).fill(0xaa),
  cipherSuite: 0x1301,
  issuedAt: 1_790_000_000_123,
  authenticatedAt: 1_789_999_000_456,
  lifetimeSeconds: 7_200,
  ageAdd: 0xdeadbeef,
  serverName: 'host.example',
  alpn: 'h2',
  group: 0x11ec,
  maxEarlyDataSize: 0x4000,
  client: {
    chain: [fromHex('300102'), fromHex('3003')],
    authorized: false,
    authorizationError: 'CERT_HAS_EXPIRED',
  },
  identity: 'user 7',
  appData: fromHex('cafe'),
};

const GOLDEN_STATE = [
  '02', // version
  '20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', // psk
  '1301', // cipher suite
  '00001c20', // lifetime
  'deadbeef', // age_add
  '000001a0c4506c7b', // issued at
  '000001a0c4412b88', // authenticated at
  '000102030405060708090a0b0c0d0e0f', // id
  '0f', // server name, alpn, group, error; neither authorized nor truncated
  '000c686f73742e6578616d706c65',
  '00026832',
  '11ec',
  '0010434552545f4841535f45585049524544',
  '00004000', // early data
  '00000b0000033001020000023003', // chain
  '0006757365722037', // identity
  '0002cafe', // app data
].join('');

const minimal: ClientTicket = {
  ticket: fromHex('0102'),
  psk: new Uint8Array(48).fill(0xbb),
  cipherSuite: 0x1302,
  lifetimeSeconds: 604_800,
  ageAdd: 1,
  nonce: fromHex('0007'),
  receivedAt: 1_790_000_000_123,
  authenticatedAt: 1_790_000_000_000,
  maxEarlyDataSize: 0,
  server: { chain: [], authorized: true },
};

const GOLDEN_CLIENT_TICKET = [
  '01',
  `30${'bb'.repeat(48)}`,
  '1302',
  '00093a80',
  '00000001',
  '000001a0c4506c7b',
  '000001a0c4506c00',
  '020007',
  '00020102',
  '10', // authorized
  '00000000',
  '000000',
].join('');

test('the bytes of version 1 are pinned, because saved tickets outlive an upgrade', () => {
  assert.equal(toHex(encodeTicketState(full)!), GOLDEN_STATE);
  assert.deepEqual(decodeTicketState(fromHex(GOLDEN_STATE)), full);
  assert.equal(toHex(encodeClientTicket(minimal)), GOLDEN_CLIENT_TICKET);
  assert.deepEqual(decodeClientTicket(fromHex(GOLDEN_CLIENT_TICKET)), minimal);
});

const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });
const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffff_ffff);
const time = fc.nat(Number.MAX_SAFE_INTEGER);
const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('', '\ufeffmark', '\u00e9\u00ff'));
const peer = fc.record(
  {
    chain: fc.array(bytes(1, 300), { maxLength: 4 }),
    authorized: fc.boolean(),
    authorizationError: text,
    chainTruncated: fc.constant(true),
  },
  { requiredKeys: ['chain', 'authorized'], noNullPrototype: true },
);
const common = {
  psk: bytes(1, 255),
  cipherSuite: u16,
  lifetimeSeconds: fc.nat(MAX_TICKET_LIFETIME_SECONDS),
  ageAdd: u32,
  serverName: text,
  alpn: text,
  group: u16,
  maxEarlyDataSize: u32,
};
const commonKeys = ['psk', 'cipherSuite', 'lifetimeSeconds', 'ageAdd', 'maxEarlyDataSize'] as const;
const anyState: fc.Arbitrary<TicketState> = fc.record(
  {
    ...common,
    id: bytes(16, 16),
    issuedAt: time,
    authenticatedAt: time,
    client: peer,
    identity: text.filter((identity) => identity !== ''),
    appData: bytes(0, 300),
  },
  { requiredKeys: [...commonKeys, 'id', 'issuedAt', 'authenticatedAt', 'client', 'appData'], noNullPrototype: true },
);
const anyClientTicket: fc.Arbitrary<ClientTicket> = fc.record(
  { ...common, ticket: bytes(1, 300), nonce: bytes(0, 255), receivedAt: time, authenticatedAt: time, server: peer },
  {
    requiredKeys: [...commonKeys, 'ticket', 'nonce', 'receivedAt', 'authenticatedAt', 'server'],
    noNullPrototype: true,
  },
);

test('every ticket comes back as it was saved', () => {
  fc.assert(
    fc.property(anyState, (state) => {
      assert.deepEqual(decodeTicketState(encodeTicketState(state)!), state);
    }),
  );
  fc.assert(
    fc.property(anyClientTicket, (ticket) => {
      assert.deepEqual(decodeClientTicket(encodeClientTicket(ticket)), ticket);
    }),
  );
});

test('decoded secrets and data are copies, so that the plaintext can be wiped', () => {
  const encoded = fromHex(GOLDEN_STATE);
  const state = decodeTicketState(encoded);
  encoded.fill(0);
  assert.deepEqual(state, full);
});

test('junk decodes to undefined, or to ticket.malformed when the program hands it in', () => {
  const malformed = (encoded: Uint8Array) =>
    assert.throws(
      () => decodeClientTicket(encoded),
      (error) => error instanceof TlsUsageError && error.code === 'ticket.malformed',
    );
  for (const golden of [GOLDEN_STATE, GOLDEN_CLIENT_TICKET].map(fromHex)) {
    for (let length = 0; length < golden.length; length++) {
      assert.equal(decodeTicketState(golden.subarray(0, length)), undefined, `cut to ${length}`);
      malformed(golden.subarray(0, length));
    }
    const longer = new Uint8Array([...golden, 0]);
    assert.equal(decodeTicketState(longer), undefined);
    malformed(longer);
    for (const version of [0, 3, 0x30, 255]) {
      const other = golden.slice();
      other[0] = version;
      assert.equal(decodeTicketState(other), undefined);
      malformed(other);
    }
  }
  const golden = fromHex(GOLDEN_STATE);
  fc.assert(
    fc.property(fc.nat(golden.length - 1), fc.nat(255), (at, value) => {
      const changed = golden.slice();
      changed[at] = value;
      const state = decodeTicketState(changed);
      // Strict: what decodes at all has this one encoding.
      if (state !== undefined) assert.deepEqual(encodeTicketState(state), changed);
    }),
    { numRuns: 1_000 },
  );
  for (const flags of ['4f', '8f']) {
    assert.equal(decodeTicketState(fromHex(GOLDEN_STATE.replace('0f000c686f', `${flags}000c686f`))), undefined, flags);
  }
  malformed('01' as unknown as Uint8Array);
});

test('values that no version can hold are refused on the way in, not changed silently', () => {
  const state = (change: object) => () => encodeTicketState({ ...full, ...change });
  const client = (change: object) => () => encodeClientTicket({ ...minimal, ...change });
  const refused: [string, () => unknown][] = [
    ['no psk', state({ psk: new Uint8Array(0) })],
    ['eight days', state({ lifetimeSeconds: MAX_TICKET_LIFETIME_SECONDS + 1 })],
    ['half a second', state({ lifetimeSeconds: 0.5 })],
    ['negative time', state({ issuedAt: -1 })],
    ['no time', state({ authenticatedAt: Number.NaN })],
    ['17 bits', state({ cipherSuite: 0x1_0000 })],
    ['33 bits', state({ ageAdd: 2 ** 32 })],
    ['empty certificate', state({ client: { chain: [new Uint8Array(0)], authorized: true } })],
    ['long name', state({ serverName: 'x'.repeat(65_536) })],
    ['no ticket', client({ ticket: new Uint8Array(0) })],
    ['long ticket', client({ ticket: new Uint8Array(65_536) })],
    ['long nonce', client({ nonce: new Uint8Array(256) })],
  ];
  for (const [what, encode] of refused)
    assert.throws(encode, { name: 'TlsUsageError', code: 'ticket.bad_field' }, what);
});

test('a lifetime above seven days is not believed', () => {
  const encoded = fromHex(GOLDEN_STATE.replace('00001c20', '00093a81'));
  assert.equal(decodeTicketState(encoded), undefined);
});

test('a long client chain is cut to its leaf, and says so also after the next resumption', () => {
  const leaf = new Uint8Array(2_000).fill(1);
  const chain = [leaf, ...Array.from({ length: 8 }, () => new Uint8Array(2_000).fill(2))];
  const long: TicketState = { ...full, client: { chain, authorized: true } };
  const first = decodeTicketState(encodeTicketState(long)!)!;
  assert.deepEqual(first.client, { chain: [leaf], authorized: true, chainTruncated: true });
  const second = decodeTicketState(encodeTicketState(first)!)!;
  assert.deepEqual(second.client, first.client);

  const overhead = encodeTicketState({ ...full, client: { chain: [leaf, leaf], authorized: true } })!.length - 2_000;
  const fitting = [leaf, new Uint8Array(WHOLE_CHAIN_STATE_LENGTH - overhead)];
  assert.equal(encodeTicketState({ ...full, client: { chain: fitting, authorized: true } })!.length, 16_000);
  const oneMore = [leaf, new Uint8Array(WHOLE_CHAIN_STATE_LENGTH - overhead + 1)];
  assert.ok(encodeTicketState({ ...full, client: { chain: oneMore, authorized: true } })!.length < 3_000);
});

test('a state that does not fit even so gives none', () => {
  for (const length of [MAX_TICKET_STATE_LENGTH, 1_000_000]) {
    assert.equal(encodeTicketState({ ...full, appData: new Uint8Array(length) }), undefined);
  }
  const leaf = { chain: [new Uint8Array(100_000)], authorized: true };
  assert.equal(encodeTicketState({ ...full, client: leaf }), undefined);
});
