/** Faults that other stacks had with early data, one test each, so that ours never gets them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientTicket } from '../../src/tickets/index.ts';
import { encodeHandshakeMessage } from '../../src/wire/index.ts';
import { corrupt } from './corrupt.ts';
import { earlyWorld, newSealer, offer, received, statusOf, ticketsOf } from './early.ts';
import { errorOf, eventsOf, Pair, TestClock, type WorldOptions } from './pair.ts';

const RETRY: WorldOptions = { server: { groups: ['secp256r1'] }, client: { keyShareCount: 1 } };

/** A client that believes its tickets allow 1,000,000 bytes. */
const boastful = (tickets: ClientTicket[]): ClientTicket[] =>
  tickets.map((ticket) => ({ ...ticket, maxEarlyDataSize: 1_000_000 }));

test('fault 14: whoever has a ticket but not its PSK cannot fill the memory of the replay guard', async () => {
  const world = await earlyWorld();
  const [ticket] = await ticketsOf(world);
  const stolen = { ...ticket!, psk: new Uint8Array(32) };
  const pair = await (await offer(world, 'x', { tickets: [stolen] })).run();
  assert.equal(errorOf(pair.server)?.code, 'client_hello.bad_binder');
  assert.equal(errorOf(pair.server)?.alert, 'decrypt_error');
  assert.deepEqual(world.guard.attempts, []);
});

test('fault 14: the guard is not asked about what is stale, or not the first ticket, or after a retry', async () => {
  const clock = new TestClock();
  const sealer = newSealer();
  const options = { clock, server: { tickets: { sealer } } };
  const world = await earlyWorld({}, options);
  const retrying = await earlyWorld({}, { ...options, ...RETRY, server: { ...options.server, ...RETRY.server } });
  const tickets = await ticketsOf(world);
  const junk = { ...tickets[0]!, ticket: new Uint8Array(192) };
  const stale = { ...tickets[1]!, receivedAt: clock.now() - 60_000 };
  for (const [asked, offered] of [
    [world, [stale]],
    [world, [junk, tickets[0]!]],
    [retrying, [tickets[0]!]],
  ] as const) {
    const pair = await (await offer(asked, 'x', { tickets: offered })).run();
    assert.equal(eventsOf(pair.server, 'secure').length, 1);
    assert.equal(statusOf(pair.server).length, 1);
    assert.deepEqual(asked.guard.attempts, []);
  }
});

test('fault 14: what the guard knows an attempt by is the binder that was verified', async () => {
  const world = await earlyWorld();
  const [a, b] = await ticketsOf(world);
  const pair = await offer(world, 'x', { tickets: [a!, b!] });
  const flight = pair.client.engine.pull()!;
  // The binder of the second ticket is at the end of the ClientHello. Nobody verifies it, so an attacker can change it.
  const helloLength = 5 + ((flight[3]! << 8) | flight[4]!);
  const changed = flight.slice();
  changed[helloLength - 1]! ^= 1;
  const take = (bytes: Uint8Array): string[] => {
    const { server } = new Pair(world);
    server.engine.receive(bytes);
    for (let event = server.engine.next(); event !== undefined; event = server.engine.next()) server.events.push(event);
    return [...statusOf(server), received(server, 'early_data').toString()];
  };
  assert.deepEqual(take(flight), ['accepted', 'x']);
  assert.deepEqual(take(changed), ['replay', '']);
});

test('fault 15: more than the ticket allows ends the connection, and the rest is not delivered', async () => {
  const world = await earlyWorld({ maxSize: 100 });
  const tickets = boastful(await ticketsOf(world));
  const pair = await (await offer(world, [new Uint8Array(60), new Uint8Array(40), 'x'], { tickets })).run();
  assert.equal(received(pair.server, 'early_data').length, 100);
  assert.equal(errorOf(pair.server)?.code, 'early_data.too_much');
  assert.equal(errorOf(pair.server)?.alert, 'unexpected_message');
  assert.equal(errorOf(pair.client)?.alert, 'unexpected_message');
});

test('fault 15: it is the limit of the ticket that counts, not of the config that opens it', async () => {
  const clock = new TestClock();
  const options = { clock, server: { tickets: { sealer: newSealer() } } };
  const [small, large] = [await earlyWorld({ maxSize: 10 }, options), await earlyWorld({ maxSize: 50_000 }, options)];
  const tooMuch = await (await offer(large, [new Uint8Array(11)], { tickets: boastful(await ticketsOf(small)) })).run();
  assert.equal(errorOf(tooMuch.server)?.code, 'early_data.too_much');
  const allowed = await (await offer(small, [new Uint8Array(50_000)], { tickets: await ticketsOf(large) })).run();
  assert.equal(received(allowed.server, 'early_data').length, 50_000);
  assert.equal(errorOf(allowed.server), undefined);
});

test('fault 15: plaintext is counted, so padding is free and many records are as good as one', async () => {
  const world = await earlyWorld({ maxSize: 300 }, { client: { padding: () => 1_000 } });
  const pair = await (await offer(world, new Array(300).fill('x'))).run();
  assert.equal(received(pair.server, 'early_data').length, 300);
  assert.equal(errorOf(pair.server), undefined);
});

for (const [what, options] of [
  ['at once', {}],
  ['after a retry', RETRY],
] as const) {
  const rejecting = async (): Promise<[Awaited<ReturnType<typeof earlyWorld>>, ClientTicket[]]> => {
    const clock = new TestClock();
    const sealer = newSealer();
    const limits = { skippedEarlyDataLength: 0 };
    const server = { tickets: { sealer }, limits };
    const first = await earlyWorld({ maxSize: 50_000 }, { clock, server });
    const world = await earlyWorld(
      { maxSize: 50_000, allow: () => false },
      { clock, ...options, server: { ...server, ...options.server } },
    );
    return [world, boastful(await ticketsOf(first))];
  };

  test(`fault 15: refused early data is skipped as far as tickets allow, ${what}`, async () => {
    const [world, tickets] = await rejecting();
    for (const writes of [[new Uint8Array(50_000)], new Array(2_000).fill('.')]) {
      const pair = await (await offer(world, writes, { tickets: [tickets.pop()!] })).run();
      assert.equal(errorOf(pair.server)?.message, undefined);
      assert.equal(eventsOf(pair.server, 'secure').length, 1);
    }
  });

  test(`fault 15: and no further, ${what}`, async () => {
    const [world, tickets] = await rejecting();
    const pair = await (await offer(world, [new Uint8Array(50_100)], { tickets })).run();
    assert.equal(errorOf(pair.server)?.code, 'early_data.too_much');
    assert.equal(errorOf(pair.server)?.alert, 'unexpected_message');
  });
}

test('fault 15: EndOfEarlyData that was not asked for is not a way around it', async () => {
  const world = await earlyWorld({ allow: () => false });
  const pair = await offer(world, 'x');
  corrupt(pair.client, (m) => (m.type === 'finished' ? [encodeHandshakeMessage({ type: 'end_of_early_data' }), m] : m));
  await pair.run();
  assert.equal(errorOf(pair.server)?.code, 'record.not_aligned');
  assert.equal(errorOf(pair.server)?.alert, 'unexpected_message');
});
