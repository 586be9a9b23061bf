import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { makeIdentity } from '../../test/support/certificates.ts';
import { type Listening, listen } from '../../test/support/visits.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { MemoryTicketStore, TicketKeyRing } from '../tickets/index.ts';
import { createSecureContext, createServer } from './index.ts';

const pair = (t: TestContext): Promise<[Listening, Listening]> => Promise.all([listen(t), listen(t)]);

test('servers with the same 48 bytes redeem each other’s tickets', async (t) => {
  const [a, b] = await pair(t);
  const [before] = await a.tickets();
  const keys = a.server.getTicketKeys();
  assert.equal(keys.length, 48);
  assert.deepEqual(a.server.getTicketKeys(), keys);
  const [ticket] = await a.tickets();
  assert.equal(await b.redeems(ticket), false);
  b.server.setTicketKeys(keys);
  assert.deepEqual(b.server.getTicketKeys(), keys);
  assert.equal(await b.redeems(ticket), true);
  assert.equal(await a.redeems((await b.tickets())[0]), true);
  assert.deepEqual([await a.redeems(before), await b.redeems(before)], [true, true], 'from before anybody asked');
  const c = await listen(t, { ticketKeys: keys });
  assert.equal(await c.redeems(ticket), true);
});

test('new ticket keys do not cost a ticket that is out there, unless they are to', async (t) => {
  const [a, b] = await pair(t);
  const [own] = await a.tickets();
  const [first, second] = [randomBytes(48), randomBytes(80)];
  a.server.setTicketKeys(first);
  const [old] = await a.tickets();
  a.server.setTicketKeys(second);
  const [young] = await a.tickets();
  for (const ticket of [own, old, young]) assert.equal(await a.redeems(ticket), true);
  b.server.setTicketKeys(second);
  assert.deepEqual([await b.redeems(old), await b.redeems(young)], [false, true]);
  a.server.setTicketKeys(first, { revoke: true });
  for (const [ticket, good] of [
    [own, false],
    [old, true],
    [young, false],
  ] as const) {
    assert.equal(await a.redeems(ticket), good);
  }
});

test('of several keys, the first seals and all open', async (t) => {
  const [a, b] = await pair(t);
  const [next, now] = [randomBytes(48), randomBytes(48)];
  a.server.setTicketKeys([now, next]);
  b.server.setTicketKeys([next, now]);
  assert.deepEqual([a.server.getTicketKeys(), b.server.getTicketKeys()], [now, next]);
  assert.equal(await b.redeems((await a.tickets())[0]), true);
  assert.equal(await a.redeems((await b.tickets())[0]), true);
});

test('keys rotate by themselves on servers that share them, and old tickets are redeemed everywhere', async (t) => {
  const [a, b] = await pair(t);
  b.server.setTicketKeys(a.server.getTicketKeys());
  const sealing = (): readonly (string | undefined)[] =>
    [a, b].map(({ server }) => server.ticketKeyRing.sealingKey(Date.now())?.id);
  const [first] = sealing();
  const [ticket] = await a.tickets(1);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 12 * 3_600_000 });
  const [later, same] = sealing();
  assert.notEqual(later, first);
  assert.equal(later, same);
  t.mock.timers.reset();
  assert.equal(await b.redeems(ticket), true);
});

test('keys that are nobody else’s are made anew each half day, and destroyed with their last ticket', async (t) => {
  const { server, tickets, redeems } = await listen(t);
  const start = Date.now();
  const [ticket] = await tickets();
  const at = (hours: number): readonly (string | undefined)[] => {
    t.mock.timers.reset();
    t.mock.timers.enable({ apis: ['Date'], now: start + hours * 3_600_000 });
    const ring = server.ticketKeyRing;
    return [ring.sealingKey(Date.now())?.id, ...ring.openingKeys(Date.now()).map(({ id }) => id)];
  };
  const [first] = at(0);
  const [second, ...opening] = at(12);
  assert.notEqual(second, first);
  assert.ok(opening.includes(first!));
  assert.ok(!at(48).includes(first));
  t.mock.timers.reset();
  assert.equal(await redeems(ticket), false);
  server.ticketKeyRing.destroy('all');
  const [next] = await tickets();
  assert.equal(await redeems(next), true, 'after all keys were destroyed there are new ones');
});

test('a ring of the program is left to it', async (t) => {
  const ring = new TicketKeyRing({ crypto: nodeCrypto });
  const { server } = await listen(t, { ticketKeyRing: ring });
  assert.equal(server.ticketKeyRing, ring);
  assert.throws(() => server.getTicketKeys(), { code: 'ticket_key.two_owners' });
  assert.throws(() => server.setTicketKeys(randomBytes(48)), { code: 'ticket_key.two_owners' });
  assert.deepEqual(server._getServerData(), {});
  server._setServerData({ ticketKeys: randomBytes(48).toString('hex') });
  assert.equal(server.ticketKeyRing, ring);
});

test('ticket keys that make no sense are named', () => {
  const server = createServer();
  const half = Buffer.concat([randomBytes(32), Buffer.alloc(16)]);
  for (const [keys, code] of [
    [5, 'ERR_INVALID_ARG_TYPE'],
    ['x'.repeat(48), 'ERR_INVALID_ARG_TYPE'],
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [null, 'ERR_INVALID_ARG_TYPE'],
    [[5], 'ERR_INVALID_ARG_TYPE'],
    [[], 'ERR_INVALID_ARG_VALUE'],
    [Array.from({ length: 9 }, () => randomBytes(48)), 'ERR_INVALID_ARG_VALUE'],
    [randomBytes(47), 'ERR_INVALID_ARG_VALUE'],
    [randomBytes(96), 'ERR_INVALID_ARG_VALUE'],
    [[randomBytes(48), randomBytes(49)], 'ERR_INVALID_ARG_VALUE'],
    [Buffer.alloc(48), 'ERR_INVALID_ARG_VALUE'],
    [half, 'ERR_INVALID_ARG_VALUE'],
  ] as const) {
    assert.throws(() => server.setTicketKeys(keys as never), { code, name: 'TypeError' });
    if (keys) assert.throws(() => createServer({ ticketKeys: keys as never }), { code });
  }
});

test('new certificates come without a restart, and tickets of before stay good', async (t) => {
  const server = await listen(t);
  const [ticket] = await server.tickets();
  const { certificatePem: cert, keyPem: key } = await makeIdentity('p256');
  server.server.setSecureContext({ cert, key });
  await assert.rejects(server.visit(), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  assert.equal(await server.redeems(ticket), true);
  assert.equal((await server.visit({ ca: cert })).resumed, false);
  for (const bad of [5, 'x', undefined, null, []]) {
    assert.throws(() => server.server.setSecureContext(bad as never), { code: 'ERR_INVALID_ARG_TYPE' });
  }
  assert.throws(() => server.server.setSecureContext({ cert, key: 'nonsense' }));
  const other = await makeIdentity('p256');
  const half = { cert: other.certificatePem, key: other.keyPem, ciphers: 'TLS_NONSENSE' };
  assert.throws(() => server.server.setSecureContext(half), { code: 'ERR_SSL_NO_CIPHER_MATCH' });
  assert.equal((await server.visit({ ca: cert })).resumed, false, 'after a mistake the last good ones count');
});

test('a context says how many tickets its connections get, and where they are kept', async (t) => {
  const { certificatePem: cert, keyPem: key } = await makeIdentity('p256', ['a.test', 'b.test', 'c.test']);
  const store = new MemoryTicketStore();
  const server = await listen(t, { numTickets: 1 });
  server.server.addContext('a.test', createSecureContext({ cert, key, numTickets: 3 }));
  server.server.addContext('b.test', { cert, key, tickets: { count: 2, store } });
  server.server.addContext('c.test', { cert, key, tickets: 0 });
  const count = async (servername: string): Promise<number> =>
    (await server.visit({ servername, ca: cert, rejectUnauthorized: false })).server.numTickets;
  assert.deepEqual(await Promise.all([count('localhost')]), [1]);
  assert.equal(await count('a.test'), 3);
  assert.equal(await count('b.test'), 2);
  assert.equal(await count('c.test'), 0);
  server.server.numTickets = 4;
  assert.equal(server.server.numTickets, 4);
  assert.equal(await count('localhost'), 4);
  assert.equal(await count('a.test'), 3);
  assert.throws(() => {
    server.server.numTickets = -1;
  }, /tickets.count/);
  assert.equal(server.server.numTickets, 4);
  store.clear();
  const [kept] = await server.tickets(2, { servername: 'b.test', ca: cert });
  assert.equal(store.size, 2);
  assert.equal(await server.redeems(kept, { servername: 'b.test', ca: cert }), true);
  assert.equal(await server.redeems(kept, { servername: 'b.test', ca: cert }), false, 'good once');
  assert.throws(() => createSecureContext({ tickets: { store, sealer: false } }), { code: 'ticket_key.two_owners' });
});

test('a ticket is not redeemed under another policy than it was given under', async (t) => {
  const [{ certificatePem: one, keyPem: oneKey }, { certificatePem: two }] = await Promise.all([
    makeIdentity('p256'),
    makeIdentity('p256'),
  ]);
  const ours = await makeIdentity('p256', ['localhost']);
  const server = await listen(t, { requestCert: true, ca: one, cert: ours.certificatePem, key: ours.keyPem });
  const client = { cert: one, key: oneKey, ca: ours.certificatePem };
  const [ticket] = await server.tickets(1, client);
  const redeems = (): Promise<boolean> => server.redeems(ticket, { ca: ours.certificatePem, cert: one, key: oneKey });
  assert.equal(await redeems(), true);
  const options = { cert: ours.certificatePem, key: ours.keyPem };
  // Another name for the same context does not matter, another authority does.
  server.server.addContext('localhost', { ...options, ca: one });
  assert.equal(await redeems(), true);
  server.server.addContext('localhost', { ...options, ca: [one, two] });
  assert.equal(await redeems(), false);
  server.server.addContext('localhost', { ...options, ca: one, sessionIdContext: 'another' });
  assert.equal(await redeems(), false);
  server.server.addContext('localhost', { ...options, ca: one });
  server.server.rejectUnauthorized = false;
  assert.equal(await redeems(), false);
  server.server.rejectUnauthorized = true;
  assert.equal(await redeems(), true);
});
