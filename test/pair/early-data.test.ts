/** Early data between our own two sides: accepted, rejected for each reason, too much of it, and misbehaviour about it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Secret } from '../../src/bytes/index.ts';
import type { ServerOptions } from '../../src/connection/index.ts';
import type { EarlyDataDecline, EarlyDataRequest } from '../../src/handshake/index.ts';
import { testCrypto } from '../../src/providers/test/index.ts';
import { type ClientTicket, type ReplayVerdict, RingSealer, TicketKeyRing } from '../../src/tickets/index.ts';
import { TEST_NOW } from '../support/certificates.ts';
import { corrupt } from './corrupt.ts';
import {
  bytesOf,
  earlyWorld,
  newSealer,
  offer,
  received,
  statusOf,
  TestGuard,
  TimerClock,
  ticketsOf,
} from './early.ts';
import {
  connect,
  createWorld,
  errorOf,
  eventsOf,
  Pair,
  type Side,
  TestClock,
  type World,
  type WorldOptions,
} from './pair.ts';
import { secretsUsed } from './secrets.ts';

const orderOf = (side: Side): string[] => side.events.map(({ type }) => type);
const ccsCount = (side: Side): number => Buffer.concat(side.sent).toString('hex').split('140303000101').length - 1;

describe('accepted', () => {
  test('early data arrives before secure, in order; tickets only after it', async () => {
    const world = await earlyWorld({ maxSize: 50_000 });
    const big = new Uint8Array(40_000).map((_, i) => i % 251);
    const pair = await (await offer(world, ['one,', 'two,', big])).run();
    assert.equal(errorOf(pair.server)?.message, undefined);
    assert.deepEqual(received(pair.server, 'early_data'), Buffer.concat([bytesOf('one,two,'), big]));
    assert.equal(received(pair.server, 'data').length, 0);
    assert.deepEqual([statusOf(pair.client), statusOf(pair.server)], [['accepted'], ['accepted']]);
    assert.deepEqual([pair.client.engine.earlyData, pair.server.engine.earlyData], ['accepted', 'accepted']);
    assert.deepEqual(
      [...new Set(orderOf(pair.server))],
      ['ticket_redeemed', 'early_data_status', 'early_data', 'secure', 'ticket_issued', 'ticket_written'],
    );
    assert.deepEqual([pair.client.engine.info?.resumed, pair.server.engine.info?.resumed], [true, true]);
    pair.client.engine.write(bytesOf('late'));
    await pair.run();
    assert.equal(received(pair.server, 'data').toString(), 'late');
    assert.equal(world.guard.attempts.length, 1);
  });

  test('all of it in one flight: the ClientHello, one change_cipher_spec, early data', async () => {
    const pair = await offer(await earlyWorld(), 'now');
    const flight = pair.client.engine.pull()!;
    const types = [];
    for (let at = 0; at < flight.length; at += 5 + ((flight[at + 3]! << 8) | flight[at + 4]!)) types.push(flight[at]);
    assert.deepEqual(types, [22, 20, 23]);
    pair.client.sent.push(flight);
    pair.server.engine.receive(flight);
    await pair.run();
    assert.equal(ccsCount(pair.client), 1, 'rfc9846#appendix-E.4');
  });

  test('without compatibility mode there is no change_cipher_spec', async () => {
    const pair = await (await offer(await earlyWorld({}, { client: { middleboxCompatibility: false } }), 'x')).run();
    assert.equal(ccsCount(pair.client), 0);
    assert.equal(received(pair.server, 'early_data').toString(), 'x');
  });

  test('none at all, and an empty write', async () => {
    const world = await earlyWorld();
    for (const writes of [[], ['']]) {
      const pair = await (await offer(world, writes)).run();
      assert.deepEqual([statusOf(pair.client), statusOf(pair.server)], [['accepted'], ['accepted']]);
      assert.equal(eventsOf(pair.server, 'early_data').length, 0);
      assert.equal(eventsOf(pair.server, 'secure').length, 1);
    }
  });

  test('it may be streamed until the Finished of the server', async () => {
    const pair = await offer(await earlyWorld(), 'first ');
    pair.carry(pair.client, pair.server);
    assert.equal(pair.server.engine.state, 'expect_end_of_early_data');
    pair.client.engine.write(bytesOf('second'));
    pair.carry(pair.client, pair.server);
    assert.equal(received(pair.server, 'early_data').toString(), 'first second');
    assert.equal(pair.server.engine.info, undefined);
    await pair.run();
    assert.equal(eventsOf(pair.server, 'secure').length, 1);
  });

  test('a half-RTT answer reaches the client before the server hears its Finished', async () => {
    const pair = await offer(await earlyWorld(), 'ask');
    pair.carry(pair.client, pair.server);
    pair.server.engine.write(bytesOf('answer'));
    pair.carry(pair.server, pair.client);
    assert.equal(received(pair.client, 'data').toString(), 'answer');
    assert.deepEqual(
      orderOf(pair.client).filter((type) => type !== 'ticket_declined'),
      ['early_data_status', 'secure', 'data'],
    );
    assert.deepEqual(orderOf(pair.server), ['ticket_redeemed', 'early_data_status', 'early_data']);
    assert.throws(() => pair.server.engine.updateKeys(), { code: 'connection.not_secure' });
    await pair.run();
    pair.server.engine.write(bytesOf(' and more'));
    await pair.run();
    assert.equal(received(pair.client, 'data').toString(), 'answer and more');
  });

  test('the answer may be written while the early data is reported, and be the last word', async () => {
    const pair = await offer(await earlyWorld(), 'ask');
    const { engine } = pair.server;
    engine.onEvent = (event) => {
      if (event.type !== 'early_data') return;
      engine.write(bytesOf('bye'));
      engine.close();
    };
    await pair.run();
    assert.equal(received(pair.client, 'data').toString(), 'bye');
    assert.equal(eventsOf(pair.client, 'end').length, 1);
    assert.equal(eventsOf(pair.server, 'secure').length, 1, 'it still reads');
    assert.equal(eventsOf(pair.server, 'ticket_issued').length, 0);
    assert.throws(() => engine.write(bytesOf('x')), { code: 'connection.write_closed' });
    pair.client.engine.close();
    await pair.run();
    assert.deepEqual([engine.state, errorOf(pair.server)], ['closed', undefined]);
  });

  test('an ordinary server still may not write before the Finished of the client', async () => {
    for (const tickets of [[], await ticketsOf(await earlyWorld())]) {
      const pair = new Pair(await earlyWorld(), { tickets });
      pair.carry(pair.client, pair.server);
      assert.equal(pair.server.engine.state, 'expect_finished');
      assert.throws(() => pair.server.engine.write(bytesOf('x')), { code: 'connection.not_secure' });
    }
  });

  test('early exporter: there at once, the same on both sides, and not the other exporter', async () => {
    const world = await earlyWorld();
    const pair = await offer(world, 'x');
    const label = 'EXPORTER-test';
    const ours = pair.client.engine.exportEarlyKeyingMaterial(32, label, bytesOf('context'));
    assert.throws(() => pair.server.engine.exportEarlyKeyingMaterial(32, label), { code: 'early_data.none' });
    pair.carry(pair.client, pair.server);
    assert.deepEqual(pair.server.engine.exportEarlyKeyingMaterial(32, label, bytesOf('context')), ours);
    assert.notDeepEqual(pair.server.engine.exportEarlyKeyingMaterial(32, label), ours);
    await pair.run();
    assert.deepEqual(pair.client.engine.exportEarlyKeyingMaterial(32, label, bytesOf('context')), ours);
    assert.notDeepEqual(pair.client.engine.exportKeyingMaterial(32, label, bytesOf('context')), ours);
    pair.client.engine.abort('internal_error');
    assert.throws(() => pair.client.engine.exportEarlyKeyingMaterial(32, label), { code: 'early_data.none' });
  });

  test('both sides log the same early secrets (RFC 9850)', async () => {
    const lines = { client: [] as string[], server: [] as string[] };
    const world = await earlyWorld(
      {},
      {
        server: { keyLog: (line) => void lines.server.push(line) },
        client: { keyLog: (line) => void lines.client.push(line) },
      },
    );
    await (await offer(world, 'x')).run();
    const early = (all: string[]): string[] => all.filter((line) => /EARLY/.test(line));
    assert.deepEqual(early(lines.client), early(lines.server));
    assert.deepEqual(
      early(lines.client).map((line) => line.split(' ')[0]),
      ['CLIENT_EARLY_TRAFFIC_SECRET', 'EARLY_EXPORTER_SECRET'],
    );
  });

  test('a server with a small record_size_limit takes full early records: the client cannot know it yet (RFC 8449)', async () => {
    const world = await earlyWorld({ maxSize: 20_000 }, { server: { recordSizeLimit: 64 } });
    const pair = await (await offer(world, [new Uint8Array(20_000)])).run();
    assert.equal(errorOf(pair.server)?.message, undefined);
    assert.equal(received(pair.server, 'early_data').length, 20_000);
  });

  test('the client can be asked for a certificate later: EndOfEarlyData counts in both transcripts', async () => {
    const verifier = { verify: () => ({ trusted: true as const }) };
    const { identity } = await createWorld();
    const world = await earlyWorld(
      {},
      { identity, server: { verifier }, client: { postHandshakeAuth: true, credentials: [identity.credential] } },
    );
    const pair = await (await offer(world, 'x')).run();
    pair.server.engine.requestClientCertificate();
    pair.server.engine.flush();
    await pair.run();
    assert.deepEqual([errorOf(pair.client)?.message, errorOf(pair.server)?.message], [undefined, undefined]);
    assert.equal(eventsOf(pair.server, 'client_certificate').length, 1);
  });

  test('the guard and the program learn whose it is', async () => {
    const requests: EarlyDataRequest[] = [];
    const clock = new TestClock();
    const world = await earlyWorld(
      { allow: (request) => requests.push(request) > 0 },
      { clock, server: { alpn: ['h2'] }, client: { alpn: ['h2'] } },
    );
    const first = await connect(world);
    const [ticket] = eventsOf(first.client, 'ticket');
    const [issued] = eventsOf(first.server, 'ticket_issued');
    clock.advance(2_000);
    const pair = await (await offer(world, 'x', { tickets: [ticket!.ticket] })).run();
    const [attempt] = world.guard.attempts;
    assert.deepEqual(attempt?.ticketId, issued!.state.id);
    assert.deepEqual([attempt?.sentAt, attempt?.now], [clock.now(), clock.now()]);
    assert.equal(attempt?.issuedAt, clock.now() - 2_000);
    assert.deepEqual(requests.length, 1);
    assert.deepEqual(
      [requests[0]!.alpn, requests[0]!.hello.serverName, requests[0]!.sentAt],
      ['h2', 'localhost', clock.now()],
    );
    assert.ok(!('psk' in requests[0]!.ticket));
    assert.equal(eventsOf(pair.server, 'early_data_status')[0]?.request, requests[0]);
  });

  test('any writes in any chunks arrive whole, in order, before secure', async () => {
    const world = await earlyWorld({ maxSize: 100_000 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 30_000 }), { maxLength: 3 }),
        fc.integer({ min: 1, max: 5_000 }),
        async (writes, step) => {
          const pair = await offer(world, writes);
          const wire = pair.client.engine.pull()!;
          for (let at = 0; at < wire.length; at += step) pair.server.engine.receive(wire.subarray(at, at + step));
          await pair.run();
          assert.ok(received(pair.server, 'early_data').equals(Buffer.concat(writes)));
          assert.equal(eventsOf(pair.server, 'secure').length, 1);
        },
      ),
      { numRuns: 20 },
    );
  });
});

/** A server that rejects, for each reason, and what the client can see of it. */
interface Rejection {
  readonly server: EarlyDataDecline;
  readonly client: EarlyDataDecline;
  /** The world that the ticket comes from. */
  readonly first?: WorldOptions;
  readonly firstEarly?: Partial<NonNullable<ServerOptions['earlyData']>> | false;
  readonly second?: WorldOptions;
  readonly early?: Partial<NonNullable<ServerOptions['earlyData']>> | false;
  readonly sameKeys?: boolean;
  readonly tickets?: (tickets: ClientTicket[]) => ClientTicket[] | Promise<ClientTicket[]>;
  readonly asked?: number;
}

const guardSays = (
  answer: () => ReplayVerdict | Promise<ReplayVerdict>,
): Partial<NonNullable<ServerOptions['earlyData']>> => ({
  guard: new TestGuard(answer),
});
const fail = (): never => {
  throw new Error('store is gone');
};
const BOTH_SUITES = ['TLS_AES_128_GCM_SHA256', 'TLS_CHACHA20_POLY1305_SHA256'];

const REJECTIONS: Readonly<Record<string, Rejection>> = {
  'the server has it off by now': { server: 'off', client: 'declined_by_server', early: false },
  'a ticket of unknown keys': { server: 'not_resumed', client: 'not_resumed', sameKeys: false },
  'only the second ticket opens': {
    server: 'not_first_identity',
    client: 'not_first_identity',
    tickets: ([a, b]) => [{ ...a!, ticket: new Uint8Array(100) }, b!],
  },
  'a ticket that the client thinks more of than it is': {
    server: 'ticket_without_early_data',
    client: 'declined_by_server',
    firstEarly: false,
    tickets: (tickets) => tickets.map((ticket) => ({ ...ticket, maxEarlyDataSize: 1_000 })),
  },
  'another suite of the same hash': {
    server: 'cipher_suite_mismatch',
    client: 'cipher_suite_mismatch',
    first: { server: { cipherSuites: BOTH_SUITES } },
    second: { server: { cipherSuites: BOTH_SUITES.toReversed() } },
  },
  'another protocol': {
    server: 'alpn_mismatch',
    client: 'alpn_mismatch',
    first: { server: { alpn: ['a', 'b'] }, client: { alpn: ['a', 'b'] } },
    second: { server: { alpn: ['b', 'a'] }, client: { alpn: ['a', 'b'] } },
  },
  'a HelloRetryRequest': {
    server: 'hello_retry_request',
    client: 'hello_retry_request',
    second: { server: { groups: ['secp384r1'] }, client: { groups: ['x25519', 'secp384r1'], keyShareCount: 1 } },
  },
  'a ticket older than its owner thinks': {
    server: 'ticket_age',
    client: 'declined_by_server',
    tickets: (tickets) => tickets.map((ticket) => ({ ...ticket, receivedAt: ticket.receivedAt - 10_001 })),
  },
  'a ticket whose age was not masked': {
    server: 'ticket_age',
    client: 'declined_by_server',
    tickets: (tickets) => tickets.map((ticket) => ({ ...ticket, ageAdd: ticket.ageAdd ^ 0x4000_0000 })),
  },
  'a replay': { server: 'replay', client: 'declined_by_server', early: guardSays(() => 'replay'), asked: 1 },
  'a guard that has just started': {
    server: 'quarantine',
    client: 'declined_by_server',
    early: guardSays(() => 'quarantine'),
    asked: 1,
  },
  'a guard that cannot tell': {
    server: 'guard_unavailable',
    client: 'declined_by_server',
    early: guardSays(() => 'unavailable'),
    asked: 1,
  },
  'a guard that talks nonsense': {
    server: 'guard_unavailable',
    client: 'declined_by_server',
    early: guardSays(() => 'FRESH' as ReplayVerdict),
    asked: 1,
  },
  'a guard that throws': {
    server: 'guard_unavailable',
    client: 'declined_by_server',
    early: guardSays(fail),
    asked: 1,
  },
  'a guard that rejects': {
    server: 'guard_unavailable',
    client: 'declined_by_server',
    early: guardSays(async () => fail()),
    asked: 1,
  },
  'the program says no': {
    server: 'application',
    client: 'declined_by_server',
    early: { allow: () => false },
    asked: 1,
  },
  'the program says no later': {
    server: 'application',
    client: 'declined_by_server',
    early: { allow: async () => false },
    asked: 1,
  },
  'the program throws': { server: 'application', client: 'declined_by_server', early: { allow: fail }, asked: 1 },
};

async function rejecting({
  sameKeys = true,
  ...case_
}: Rejection): Promise<{ world: World & { guard: TestGuard }; tickets: ClientTicket[] }> {
  const clock = new TestClock();
  const sealer = newSealer();
  const withSealer = (options: WorldOptions = {}, same = true): WorldOptions => ({
    ...options,
    clock,
    server: { tickets: { sealer: same ? sealer : newSealer() }, ...options.server },
  });
  const first = await earlyWorld(case_.firstEarly, withSealer(case_.first));
  const world = await earlyWorld(case_.early, withSealer(case_.second, sameKeys));
  const tickets = await ticketsOf(first);
  return { world, tickets: (await case_.tickets?.(tickets)) ?? tickets };
}

describe('rejected, and the handshake goes on without it', () => {
  for (const [what, case_] of Object.entries(REJECTIONS)) {
    test(`${what}: ${case_.server}`, async () => {
      const { world, tickets } = await rejecting(case_);
      const pair = await (await offer(world, ['lost ', 'data'], { tickets })).run();
      assert.deepEqual([errorOf(pair.client)?.message, errorOf(pair.server)?.message], [undefined, undefined]);
      assert.deepEqual([statusOf(pair.server), statusOf(pair.client)], [[case_.server], [case_.client]]);
      assert.deepEqual([pair.server.engine.earlyData, pair.client.engine.earlyData], ['rejected', 'rejected']);
      assert.equal(world.guard.attempts.length, case_.asked ?? 0);
      pair.client.engine.write(bytesOf('again'));
      await pair.run();
      assert.equal(received(pair.server, 'early_data').length, 0);
      assert.equal(received(pair.server, 'data').toString(), 'again', 'the engine resends nothing');
      for (const { engine } of [pair.client, pair.server])
        assert.throws(() => engine.exportEarlyKeyingMaterial(16, 'EXPORTER-x'), { code: 'early_data.none' });
      assert.ok(ccsCount(pair.client) <= 1);
    });

    test(`${what}: the client does not put up with an acceptance`, async () => {
      // What only the server can know, the client has to believe.
      if (case_.client === 'declined_by_server' || case_.client === 'hello_retry_request') return;
      const { world, tickets } = await rejecting(case_);
      const pair = await offer(world, 'x', { tickets });
      corrupt(pair.server, (m) =>
        m.type === 'encrypted_extensions' ? { ...m, extensions: { ...m.extensions, earlyData: true } } : m,
      );
      await pair.run();
      assert.equal(errorOf(pair.client)?.code, 'encrypted_extensions.bad_early_data');
      assert.equal(errorOf(pair.client)?.alert, 'illegal_parameter');
      assert.equal(errorOf(pair.server)?.alert, 'illegal_parameter', 'under handshake keys, which the server can read');
    });
  }

  test('the same first flight twice: once at most', async () => {
    const world = await earlyWorld();
    const pair = await offer(world, 'pay 100');
    const flight = pair.client.engine.pull()!;
    const servers = [new Pair(world).server, new Pair(world).server];
    for (const { engine, events } of servers) {
      engine.receive(flight);
      for (let event = engine.next(); event !== undefined; event = engine.next()) events.push(event);
    }
    assert.deepEqual(servers.map(statusOf), [['accepted'], ['replay']]);
    assert.deepEqual(
      servers.map((side) => received(side, 'early_data').toString()),
      ['pay 100', ''],
    );
  });

  test('the second ClientHello has no early_data, and may not have', async () => {
    const { world, tickets } = await rejecting(REJECTIONS['a HelloRetryRequest']!);
    const pair = await offer(world, 'x', { tickets });
    let hellos = 0;
    corrupt(pair.client, (m) => {
      if (m.type !== 'client_hello') return m;
      hellos++;
      assert.equal(m.extensions.earlyData, undefined);
      return { ...m, extensions: { ...m.extensions, earlyData: true } };
    });
    await pair.run();
    assert.equal(hellos, 1);
    assert.equal(errorOf(pair.server)?.code, 'client_hello.changed_after_retry');
  });

  test('early_data in EncryptedExtensions after a HelloRetryRequest was not asked for', async () => {
    const { world, tickets } = await rejecting(REJECTIONS['a HelloRetryRequest']!);
    const pair = await offer(world, 'x', { tickets });
    corrupt(pair.server, (m) =>
      m.type === 'encrypted_extensions' ? { ...m, extensions: { ...m.extensions, earlyData: true } } : m,
    );
    await pair.run();
    assert.equal(errorOf(pair.client)?.alert, 'unsupported_extension');
  });

  test('early_data without pre_shared_key is rejected', async () => {
    const pair = new Pair(await earlyWorld());
    const { engine } = pair.client;
    const { decodeHandshakeMessage, encodeHandshakeMessage } = await import('../../src/wire/index.ts');
    const { plaintextRecords } = await import('../../src/record/index.ts');
    const hello = decodeHandshakeMessage(1, engine.pull()!.subarray(9));
    assert.ok(hello.type === 'client_hello');
    const early = encodeHandshakeMessage({ ...hello, extensions: { ...hello.extensions, earlyData: true } });
    pair.server.engine.receive(plaintextRecords(22, early));
    pair.carry(pair.server, pair.client);
    assert.deepEqual(statusOf(pair.server), ['not_resumed']);
  });
});

describe('what the client offers', () => {
  const notOffered = async (pair: Pair): Promise<void> => {
    assert.deepEqual([pair.client.engine.earlyData, pair.client.engine.earlyDataRoom], ['none', 0]);
    assert.throws(() => pair.client.engine.write(bytesOf('x')), { code: 'connection.not_secure' });
    await pair.run();
    assert.deepEqual([statusOf(pair.client), statusOf(pair.server)], [[], []]);
    assert.equal(eventsOf(pair.client, 'secure').length, 1);
  };

  test('nothing unless it is asked to', async () => {
    const world = await earlyWorld();
    await notOffered(new Pair(world, { tickets: await ticketsOf(world) }));
  });

  test('nothing without a ticket, or when the first one does not allow it', async () => {
    const world = await earlyWorld();
    const [a, b] = await ticketsOf(world);
    await notOffered(new Pair(world, { earlyData: true }));
    await notOffered(new Pair(world, { earlyData: true, tickets: [{ ...a!, maxEarlyDataSize: 0 }, b!] }));
  });

  test('nothing when the suite or the protocol of the ticket is not on offer any more', async () => {
    const world = await earlyWorld({}, { server: { alpn: ['a', 'b'] }, client: { alpn: ['a'] } });
    const tickets = await ticketsOf(world);
    const { clock } = world;
    const others = [{ alpn: ['b'] }, { alpn: ['a'], cipherSuites: ['TLS_CHACHA20_POLY1305_SHA256'] }];
    for (const client of others) {
      const other = await earlyWorld({}, { clock, client });
      await notOffered(new Pair({ ...world, clientConfig: other.clientConfig }, { earlyData: true, tickets }));
    }
  });

  test('as much as the ticket allows, and not a byte more', async () => {
    const pair = await offer(await earlyWorld({ maxSize: 10 }), '1234567');
    assert.deepEqual([pair.client.engine.earlyData, pair.client.engine.earlyDataRoom], ['offered', 3]);
    assert.throws(() => pair.client.engine.write(bytesOf('8901')), { code: 'early_data.room', message: /4 bytes.*3/ });
    pair.client.engine.write(bytesOf('890'));
    assert.equal(pair.client.engine.earlyDataRoom, 0);
    await pair.run();
    assert.equal(received(pair.server, 'early_data').toString(), '1234567890');
    assert.equal(pair.client.engine.earlyDataRoom, 0);
  });

  test('once it is rejected, writing waits for secure', async () => {
    const { world, tickets } = await rejecting(REJECTIONS['a ticket of unknown keys']!);
    const pair = await offer(world, 'x', { tickets });
    const { engine } = pair.client;
    let seen = 0;
    engine.onEvent = (event) => {
      if (event.type !== 'early_data_status') return;
      seen++;
      assert.equal(engine.earlyDataRoom, 0);
      assert.throws(() => engine.write(bytesOf('y')), { code: 'early_data.closed' });
    };
    await pair.run();
    assert.equal(seen, 1);
  });

  test('a ticket keeps its own limit: it is never inherited', async () => {
    const sealer = newSealer();
    const clock = new TestClock();
    const options = { clock, server: { tickets: { sealer } } };
    const generous = await earlyWorld({ maxSize: 5_000 }, options);
    const strict = await earlyWorld(false, options);
    const tickets = await ticketsOf(generous);
    assert.deepEqual(
      tickets.map((t) => t.maxEarlyDataSize),
      [5_000, 5_000],
    );
    const pair = await new Pair(strict, { tickets }).run();
    assert.equal(pair.client.engine.info?.resumed, true);
    assert.deepEqual(
      eventsOf(pair.client, 'ticket').map(({ ticket }) => ticket.maxEarlyDataSize),
      [0],
    );
  });
});

const ringCrypto = testCrypto({ seed: 'ring' });
const ring = new TicketKeyRing({ crypto: ringCrypto });
const ringOptions = { server: { tickets: { sealer: new RingSealer(ring, ringCrypto) } } };

describe('asynchronous guard and program', () => {
  test('the handshake waits, and the early data with it', async () => {
    let answer: ((verdict: ReplayVerdict) => void) | undefined;
    const guard = new TestGuard(() => new Promise((resolve) => (answer = resolve)));
    const world = await earlyWorld({ guard, allow: async () => true });
    const pair = await offer(world, 'patience');
    pair.carry(pair.client, pair.server);
    assert.equal(pair.server.engine.state, 'parked:checkReplay');
    assert.equal(pair.server.engine.hasOutput, false, 'nothing is promised before the answer');
    answer!('fresh');
    await pair.run();
    assert.equal(received(pair.server, 'early_data').toString(), 'patience');
    assert.deepEqual(statusOf(pair.client), ['accepted']);
  });

  for (const [what, early, state, reason] of [
    ['guard', { guard: new TestGuard(() => new Promise(() => {})) }, 'parked:checkReplay', 'guard_unavailable'],
    ['program', { allow: () => new Promise<boolean>(() => {}) }, 'parked:allowEarlyData', 'application'],
  ] as const) {
    test(`a ${what} that never answers costs the early data, after the deadline`, async () => {
      const clock = new TimerClock();
      const world = await earlyWorld({ ...early, deadlineMs: 40 }, { clock });
      const pair = await offer(world, 'x');
      pair.carry(pair.client, pair.server);
      assert.equal(pair.server.engine.state, state);
      assert.deepEqual(
        [...clock.timers].map(({ milliseconds }) => milliseconds),
        [40],
      );
      clock.fire();
      await pair.run();
      assert.deepEqual(statusOf(pair.server), [reason]);
      assert.equal(eventsOf(pair.client, 'secure').length, 1);
    });
  }

  test('an answer in time cancels the deadline, one after it is dropped', async () => {
    const clock = new TimerClock();
    const answers: ((verdict: ReplayVerdict) => void)[] = [];
    const guard = new TestGuard(() => new Promise((resolve) => void answers.push(resolve)));
    const world = await earlyWorld({ guard }, { clock });
    const [inTime, late] = [await offer(world, 'a'), await offer(world, 'b')];
    inTime.carry(inTime.client, inTime.server);
    answers[0]!('fresh');
    await inTime.run();
    assert.equal(clock.timers.size, 0);
    assert.deepEqual(statusOf(inTime.server), ['accepted']);
    late.carry(late.client, late.server);
    clock.fire();
    answers[1]!('fresh');
    await late.run();
    assert.deepEqual(statusOf(late.server), ['guard_unavailable']);
  });

  test('a connection that ends meanwhile: no event, nothing left of the secrets', async () => {
    let answer: ((verdict: ReplayVerdict) => void) | undefined;
    const guard = new TestGuard(() => new Promise((resolve) => (answer = resolve)));
    const world = await earlyWorld({ guard }, ringOptions);
    const pair = await offer(world, 'x');
    const secrets = await secretsUsedBy(async () => {
      pair.carry(pair.client, pair.server);
      pair.server.engine.abort('internal_error');
      answer!('fresh');
      await new Promise((resolve) => setImmediate(resolve));
    });
    assert.deepEqual(statusOf(pair.server), []);
    assert.ok(secrets.length > 0 && secrets.every((secret) => secret.wiped));
  });
});

/** But for the key of the tickets, which outlives connections. */
const secretsUsedBy = (run: () => Promise<void>): Promise<Secret[]> =>
  secretsUsed(run, (secret) => ring.openingKeys(TEST_NOW).some((key) => key.secret === secret));

describe('the end comes early', () => {
  test('secrets are wiped when either side ends it at any point', async () => {
    const world = await earlyWorld({}, ringOptions);
    const tickets: ClientTicket[] = [];
    while (tickets.length < 8) tickets.push(...(await ticketsOf(world)));
    for (const who of ['client', 'server'] as const) {
      for (let steps = 0; steps < 4; steps++) {
        const secrets = await secretsUsedBy(async () => {
          const pair = await offer(world, 'x', { tickets: [tickets.pop()!] });
          for (let i = 0; i < steps; i++)
            i % 2 === 0 ? pair.carry(pair.client, pair.server) : pair.carry(pair.server, pair.client);
          pair.client.engine.exportEarlyKeyingMaterial(16, 'EXPORTER-x');
          pair[who].engine.abort('internal_error');
          const other = pair[who === 'client' ? 'server' : 'client'];
          other.engine.abort('internal_error');
        });
        assert.ok(secrets.length > 0);
        assert.deepEqual(secrets.filter((secret) => !secret.wiped).length, 0, `${who} after ${steps} steps`);
      }
    }
  });

  test('the client closes before the server answers: what it sent is there, then the cancellation', async () => {
    const pair = await offer(await earlyWorld(), 'only this');
    pair.client.engine.close();
    pair.carry(pair.client, pair.server);
    assert.equal(received(pair.server, 'early_data').toString(), 'only this');
    assert.deepEqual(
      eventsOf(pair.server, 'alert').map(({ alert }) => alert),
      ['user_canceled'],
    );
    assert.equal(errorOf(pair.server)?.alert, 'close_notify');
    assert.equal(eventsOf(pair.server, 'secure').length, 0);
    assert.throws(() => pair.client.engine.write(bytesOf('x')), { code: 'connection.not_secure' });
  });

  test('the transport ends in the middle of early data: an error, not a quiet end', async () => {
    const pair = await offer(await earlyWorld(), 'half of');
    pair.carry(pair.client, pair.server);
    pair.server.engine.transportEnded();
    pair.carry(pair.server, pair.client);
    assert.equal(errorOf(pair.server)?.code, 'connection.truncated');
  });

  test('a client that leaves out EndOfEarlyData is not understood', async () => {
    const pair = await offer(await earlyWorld(), 'x');
    corrupt(pair.client, (m) => (m.type === 'end_of_early_data' ? [] : m));
    await pair.run();
    assert.equal(errorOf(pair.server)?.alert, 'bad_record_mac');
  });

  test('an early record that does not open ends an accepted connection (rfc9846#section-4.3.10)', async () => {
    const pair = await offer(await earlyWorld(), 'x');
    const flight = pair.client.engine.pull()!;
    flight[flight.length - 1]! ^= 1;
    pair.server.engine.receive(flight);
    pair.carry(pair.server, pair.client);
    assert.equal(errorOf(pair.server)?.code, 'record.bad_mac');
    assert.equal(received(pair.server, 'early_data').length, 0);
  });
});

test('a server config: sizes, and a guard that is mandatory', async () => {
  const guard = new TestGuard();
  for (const maxSize of [0, -1, 1.5, 2 ** 32])
    await assert.rejects(createWorld({ server: { earlyData: { maxSize, guard } } }), { code: 'config.out_of_range' });
  for (const deadlineMs of [0, 60_001])
    await assert.rejects(createWorld({ server: { earlyData: { maxSize: 1, guard, deadlineMs } } }), {
      code: 'config.out_of_range',
    });
  for (const bad of [undefined, {}, { ...guard, check: () => 'fresh', windowMs: 0 }])
    await assert.rejects(createWorld({ server: { earlyData: { maxSize: 1, guard: bad as unknown as TestGuard } } }), {
      code: 'config.no_replay_guard',
    });
  const { serverConfig } = await createWorld({ server: { earlyData: { maxSize: 2 ** 32 - 1, guard } } });
  assert.deepEqual([serverConfig.earlyData?.maxSize, serverConfig.earlyData?.deadlineMs], [2 ** 32 - 1, 250]);
  assert.equal((await createWorld()).serverConfig.earlyData, undefined, 'off unless asked for');
});
