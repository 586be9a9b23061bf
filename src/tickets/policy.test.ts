import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TlsUsageError } from '../errors/index.ts';
import {
  checkTicketSpec,
  none,
  openssl,
  rfc9149,
  type TicketFacts,
  type TicketPolicy,
  type TicketSpec,
} from './policy.ts';

const facts: TicketFacts = {
  point: 'full_handshake',
  count: 2,
  requested: 0,
  resumed: false,
  ticketRequest: undefined,
  client: { chain: [], authorized: false, refusal: undefined } as unknown as TicketFacts['client'],
  serverName: undefined,
  alpn: undefined,
  generated: 0,
  now: 0,
  authenticatedAt: 0,
};
const asks = (newSessionCount: number, resumptionCount: number) => ({
  ticketRequest: { newSessionCount, resumptionCount },
});
const resumption = { point: 'resumption', resumed: true } as const;
const later = { point: 'client_authenticated' } as const;

const table: readonly [string, TicketPolicy, Partial<TicketFacts>, number][] = [
  ['openssl: the number after a full handshake', openssl(), {}, 2],
  ['openssl: a larger number', openssl(), { count: 7 }, 7],
  ['openssl: none when 0', openssl(), { count: 0 }, 0],
  ['openssl: one after a resumption', openssl(), resumption, 1],
  ['openssl: none after a resumption when 0', openssl(), { ...resumption, count: 0 }, 0],
  ['openssl: the number again when the client authenticates', openssl(), later, 2],
  ['openssl: one when it does on a resumed connection', openssl(), { ...later, resumed: true }, 1],
  [
    'openssl: what the program asks for, also when 0 and resumed',
    openssl(),
    { point: 'application_request', requested: 5, count: 0, resumed: true },
    5,
  ],
  ['openssl: deaf to RFC 9149', openssl(), asks(9, 9), 2],
  ['openssl: a silly number has a bound', openssl(), { count: Number.MAX_SAFE_INTEGER }, 65_535],

  ['none: after a full handshake', none(), {}, 0],
  ['none: after a resumption', none(), resumption, 0],
  ['none: when the client authenticates', none(), later, 0],
  ['none: not even on request', none(), { point: 'application_request', requested: 3 }, 0],

  ['rfc9149: what the client asks for', rfc9149({ max: 8 }), asks(3, 1), 3],
  ['rfc9149: fewer than numTickets', rfc9149({ max: 8 }), asks(1, 1), 1],
  ['rfc9149: up to max', rfc9149({ max: 4 }), asks(255, 255), 4],
  [
    'rfc9149: resumption_count after a resumption, also above 1',
    rfc9149({ max: 8 }),
    { ...resumption, ...asks(9, 3) },
    3,
  ],
  ['rfc9149: (0,x) is none after a full handshake', rfc9149(), asks(0, 3), 0],
  ['rfc9149: (x,0) is none after a resumption', rfc9149(), { ...resumption, ...asks(3, 0) }, 0],
  ['rfc9149: new_session_count when the client authenticates', rfc9149(), { ...later, ...asks(3, 1) }, 3],
  ['rfc9149: numTickets 0 means none', rfc9149(), { ...asks(3, 3), count: 0 }, 0],
  ['rfc9149: numTickets 0 means none though there is a default', rfc9149({ default: 3 }), { count: 0 }, 0],
  ['rfc9149: unasked, the default', rfc9149({ default: 3 }), {}, 3],
  ['rfc9149: unasked and no default, numTickets', rfc9149(), {}, 2],
  ['rfc9149: unasked, at most one after a resumption', rfc9149({ default: 3 }), resumption, 1],
  ['rfc9149: unasked, none after a resumption when the default is 0', rfc9149({ default: 0 }), resumption, 0],
  [
    'rfc9149: the program gets what it asks for',
    rfc9149(),
    { point: 'application_request', requested: 9, ...asks(0, 0) },
    9,
  ],
];

for (const [title, policy, changed, expected] of table) {
  test(title, () => {
    const plan = policy.plan({ ...facts, ...changed });
    assert.equal(plan.tickets.length, expected);
    assert.notEqual(plan.why, '');
  });
}

test('rfc9149 refuses numbers that do not fit the extension', () => {
  for (const bad of [
    { max: 0 },
    { max: 256 },
    { max: 1.5 },
    { default: -1 },
    { default: 256 },
    { default: Number.NaN },
  ])
    assert.throws(
      () => rfc9149(bad),
      (e) => e instanceof TlsUsageError && e.code === 'tickets.bad_policy',
      JSON.stringify(bad),
    );
});

test('a ticket specification out of range is refused, and says which part', () => {
  const bad: readonly [TicketSpec, string][] = [
    [{ lifetimeSeconds: 0 }, 'lifetimeSeconds'],
    [{ lifetimeSeconds: 604_801 }, 'lifetimeSeconds'],
    [{ maxEarlyDataSize: -1 }, 'maxEarlyDataSize'],
    [{ maxEarlyDataSize: 2 ** 32 }, 'maxEarlyDataSize'],
    [{ scope: '' }, 'scope'],
    [{ when: { afterIdleMs: 0 } }, 'afterIdleMs'],
    [{ when: 'soon' as 'before_close' }, 'when'],
    [{ appData: 'text' as unknown as Uint8Array }, 'appData'],
  ];
  for (const [spec, word] of bad)
    assert.throws(
      () => checkTicketSpec(spec),
      (e) => e instanceof TlsUsageError && e.message.includes(word),
      word,
    );
  const good: TicketSpec = {
    lifetimeSeconds: 604_800,
    maxEarlyDataSize: 2 ** 32 - 1,
    scope: 'admin',
    stored: true,
    when: { afterIdleMs: 1 },
  };
  assert.equal(checkTicketSpec(good), good);
});
