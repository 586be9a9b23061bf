import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import type { TicketOptions } from '../../src/connection/index.ts';
import { TlsAlertError } from '../../src/errors/index.ts';
import { testCrypto } from '../../src/providers/test/index.ts';
import {
  type ClientTicket,
  type PresentedTicket,
  RingSealer,
  TicketKeyRing,
  type TicketSealer,
  type TicketState,
  type TicketVerdict,
} from '../../src/tickets/index.ts';
import { makeIdentity } from '../support/certificates.ts';
import { WaitingClock } from './clock.ts';
import { corrupt } from './corrupt.ts';
import { bytesOf, earlyWorld, offer, received, statusOf } from './early.ts';
import { connect, createWorld, errorOf, eventsOf, Pair, type Side, type World } from './pair.ts';

const crypto = testCrypto({ seed: 'redeeming' });

async function ticketsOf(world: World): Promise<ClientTicket[]> {
  return eventsOf((await connect(world)).client, 'ticket').map((event) => event.ticket);
}

const reasons = (side: Side): (readonly [string, number | undefined])[] =>
  eventsOf(side, 'ticket_declined').map((event) => [event.reason, event.identityIndex] as const);

/** A sealer that remembers what was asked of it, in order. */
function recording(change: Partial<TicketSealer> = {}): { readonly sealer: TicketSealer; readonly calls: string[] } {
  const inner = new RingSealer(new TicketKeyRing({ crypto }), crypto);
  const calls: string[] = [];
  const sealer: TicketSealer = {
    maxLifetimeSeconds: (now) => inner.maxLifetimeSeconds(now),
    seal: (state, now, request) => inner.seal(state, now, request),
    open: (ticket, now, question) => {
      calls.push('open');
      return inner.open(ticket, now, question);
    },
    use: () => {
      calls.push('use');
      return true;
    },
    ...change,
  };
  return { sealer, calls };
}

/** What the server has been asked after a handshake that offers a ticket. */
const never = (): Promise<never> => new Promise(() => {});

describe('the order of checks', () => {
  const setting = async (tickets: TicketOptions = {}) => {
    const { sealer, calls } = recording();
    const world = await createWorld({
      server: {
        tickets: {
          sealer,
          revocations: {
            revoke: () => {},
            isRevoked: async () => {
              calls.push('revocation');
              return false;
            },
          },
          onPresented: async (): Promise<TicketVerdict> => {
            calls.push('verdict');
            return 'accept';
          },
          ...tickets,
        },
      },
    });
    return { world, calls, tickets: await ticketsOf(world) };
  };

  test('open, use, revocation, verdict', async () => {
    const { world, calls, tickets } = await setting();
    const pair = await connect(world, { tickets: [tickets[0]!] });
    assert.equal(pair.server.engine.info?.resumed, true);
    assert.deepEqual(calls, ['open', 'use', 'revocation', 'verdict']);
    assert.deepEqual(reasons(pair.server), []);
  });

  test('a wrong binder ends the connection before anything is used up, recorded or asked', async () => {
    const { world, calls, tickets } = await setting();
    const pair = new Pair(world, { tickets: [{ ...tickets[0]!, psk: new Uint8Array(32) }] });
    await pair.run();
    assert.equal(errorOf(pair.server)?.code, 'client_hello.bad_binder');
    assert.equal(errorOf(pair.client)?.alert, 'decrypt_error');
    assert.deepEqual(calls, ['open']);
  });

  test('a ticket that its own content speaks against is not used up', async () => {
    const { world, calls, tickets } = await setting();
    const ticket = { ...tickets[0]!, serverName: '127.0.0.1' };
    const pair = await connect(world, { tickets: [ticket], serverName: '127.0.0.1' });
    assert.deepEqual(reasons(pair.server), [['server_name_mismatch', 0]]);
    assert.deepEqual(calls, ['open']);
  });

  test('one binder is verified at most: what is declined after it leads to a full handshake', async () => {
    const { world, calls, tickets } = await setting({
      revocations: { revoke: () => {}, isRevoked: () => true },
    });
    const pair = await connect(world, { tickets });
    assert.equal(pair.client.engine.info?.resumed, false);
    assert.equal(errorOf(pair.server), undefined);
    assert.deepEqual(reasons(pair.server), [['revoked', 0]]);
    assert.deepEqual(calls, ['open', 'use']);
  });
});

test('a ticket redeemed is reported, with its age by both clocks', async () => {
  const world = await createWorld();
  const first = await connect(world);
  const { state } = eventsOf(first.server, 'ticket_issued')[0]!;
  const [ticket] = eventsOf(first.client, 'ticket').map((event) => event.ticket);
  world.clock.advance(5_000);
  const pair = await connect(world, { tickets: [{ ...ticket!, receivedAt: ticket!.receivedAt + 1_000 }] });
  assert.deepEqual(eventsOf(pair.server, 'ticket_redeemed'), [
    {
      type: 'ticket_redeemed',
      id: Buffer.from(state.id).toString('hex'),
      identityIndex: 0,
      ageMs: 5_000,
      claimedAgeMs: 4_000,
      issuedAt: state.issuedAt,
    },
  ]);
  assert.deepEqual(eventsOf(first.server, 'ticket_redeemed'), []);
});

describe('verdicts of the application', () => {
  const present = async (
    onPresented: TicketOptions['onPresented'],
    numTickets = 3,
  ): Promise<{ pair: Pair; world: World }> => {
    const { sealer } = recording();
    const full = await createWorld({ server: { tickets: { sealer } } });
    const [ticket] = await ticketsOf(full);
    const clock = new WaitingClock();
    const world = await createWorld({ clock, server: { tickets: { sealer, count: numTickets, onPresented } } });
    return { pair: new Pair(world, { tickets: [ticket!] }), world };
  };

  test('the facts', async () => {
    const seen: PresentedTicket[] = [];
    const { sealer } = recording();
    const identity = await makeIdentity('p256', ['localhost']);
    const world = await createWorld({
      server: {
        alpn: ['h2', 'http/1.1'],
        clientAuth: 'require',
        verifier: { verify: () => ({ trusted: true }) },
        tickets: {
          sealer,
          onPresented: (facts) => {
            seen.push(facts);
            return 'accept';
          },
        },
      },
      client: { alpn: ['h2'], credentials: [identity.credential] },
    });
    const first = new Pair(world);
    first.server.engine.ticketAppData = Uint8Array.of(1, 2, 3);
    await first.run();
    const { state } = eventsOf(first.server, 'ticket_issued')[0]!;
    world.clock.advance(1_500);
    await connect(world, { tickets: [eventsOf(first.client, 'ticket')[0]!.ticket] });
    assert.deepEqual(seen, [
      {
        id: state.id,
        identity: `sha256:${createHash('sha256').update(identity.credential.chain[0]!).digest('hex')}`,
        issuedAt: state.issuedAt,
        authenticatedAt: state.issuedAt,
        ageMs: 1_500,
        claimedAgeMs: 1_500,
        cipherSuite: 0x1301,
        serverName: 'localhost',
        alpn: 'h2',
        client: { chain: [identity.certificate], authorized: true },
        appData: Uint8Array.of(1, 2, 3),
        identityIndex: 0,
        earlyDataAsked: false,
      },
    ]);
  });

  for (const [verdict, resumed, tickets] of [
    ['accept', true, 1],
    ['accept_without_early_data', true, 1],
    ['accept_and_reissue', true, 3],
    ['full_handshake', false, 3],
  ] as const) {
    for (const how of ['at once', 'later'] as const) {
      test(`${verdict}, ${how}`, async () => {
        const { pair } = await present(() => (how === 'later' ? Promise.resolve(verdict) : verdict));
        await pair.run();
        assert.equal(pair.client.engine.info?.resumed, resumed);
        assert.equal(pair.server.engine.info?.resumed, resumed);
        assert.equal(eventsOf(pair.client, 'ticket').length, tickets);
        assert.deepEqual(reasons(pair.server), resumed ? [] : [['application', 0]]);
        assert.equal(eventsOf(pair.server, 'ticket_redeemed').length, resumed ? 1 : 0);
      });
    }
  }

  test('accept_and_reissue gives no ticket where a full handshake gives none', async () => {
    const { pair } = await present(() => 'accept_and_reissue', 0);
    await pair.run();
    assert.equal(pair.server.engine.info?.resumed, true);
    assert.equal(eventsOf(pair.client, 'ticket').length, 0);
  });

  test('abort ends the connection with the alert of the application', async () => {
    for (const verdict of [{ abort: 'access_denied' }, Promise.resolve({ abort: 'access_denied' })] as const) {
      const { pair } = await present(() => verdict as TicketVerdict | Promise<TicketVerdict>);
      await pair.run();
      assert.equal(errorOf(pair.server)?.code, 'ticket.refused');
      assert.equal(errorOf(pair.client)?.alert, 'access_denied');
    }
  });

  test('abort with what is no fatal alert ends the connection all the same', async () => {
    for (const abort of ['close_notify', 'user_canceled', 'no_such_alert', 'toString']) {
      const { pair } = await present(() => ({ abort }) as TicketVerdict);
      await pair.run();
      assert.equal(errorOf(pair.client)?.alert, 'internal_error', abort);
    }
  });

  test('a throw or rejection means a full handshake, and a TlsAlertError its alert', async () => {
    const alert = new TlsAlertError('local.failed', 'certificate_revoked', 'this account is closed');
    for (const fail of [
      (error: Error): never => {
        throw error;
      },
      (error: Error): Promise<never> => Promise.reject(error),
    ]) {
      const broken = await present(() => fail(new Error('the database is down')));
      await broken.pair.run();
      assert.equal(broken.pair.client.engine.info?.resumed, false);
      assert.deepEqual(reasons(broken.pair.server), [['application', 0]]);
      const refused = await present(() => fail(alert));
      await refused.pair.run();
      assert.equal(errorOf(refused.pair.client)?.alert, 'certificate_revoked');
    }
  });

  test('a word that is no verdict means a full handshake', async () => {
    for (const word of ['yes', undefined, null, true]) {
      const { pair } = await present(() => word as unknown as TicketVerdict);
      await pair.run();
      assert.deepEqual(reasons(pair.server), [['application', 0]], String(word));
    }
  });

  test('a verdict that is late is dropped: a full handshake after the deadline', async () => {
    let answer: (verdict: TicketVerdict) => void = () => {};
    const { pair, world } = await present(() => new Promise((resolve) => (answer = resolve)));
    pair.carry(pair.client, pair.server);
    await Promise.resolve();
    assert.equal(pair.server.engine.state, 'parked:judgeTicket');
    world.clock.advance(999);
    assert.equal(pair.server.engine.state, 'parked:judgeTicket');
    world.clock.advance(1);
    await pair.run();
    answer('accept');
    await pair.run();
    assert.equal(pair.client.engine.info?.resumed, false);
    assert.deepEqual(reasons(pair.server), [['verdict_timeout', 0]]);
    assert.equal(errorOf(pair.server), undefined);
  });

  test('a verdict in time calls the deadline off', async () => {
    const { pair, world } = await present(async (): Promise<TicketVerdict> => 'accept');
    await pair.run();
    assert.equal((world.clock as WaitingClock).waiting, 0);
    world.clock.advance(10_000);
    assert.equal(pair.client.engine.info?.resumed, true);
  });

  test('without a clock that waits there is no deadline', async () => {
    const { sealer } = recording();
    const [ticket] = await ticketsOf(await createWorld({ server: { tickets: { sealer } } }));
    let answer: (verdict: TicketVerdict) => void = () => {};
    const world = await createWorld({
      server: { tickets: { sealer, onPresented: () => new Promise((resolve) => (answer = resolve)) } },
    });
    const pair = new Pair(world, { tickets: [ticket!] });
    pair.carry(pair.client, pair.server);
    await Promise.resolve();
    world.clock.advance(60_000);
    answer('accept');
    await pair.run();
    assert.equal(pair.client.engine.info?.resumed, true);
  });
});

describe('what is slow or fails declines the ticket, never the connection', () => {
  const broken = (): never => {
    throw new Error('down');
  };
  const rejected = (): Promise<never> => Promise.reject(new Error('down'));
  const revoke = (): void => {};
  const CASES: readonly [string, string, Partial<TicketSealer>, TicketOptions][] = [
    ['open throws', 'sealer_failed', { open: broken }, {}],
    ['open rejects', 'sealer_failed', { open: rejected }, {}],
    ['open never answers', 'sealer_failed', { open: never }, {}],
    ['open gives nothing', 'sealer_failed', { open: () => undefined as never }, {}],
    ['open gives null, later', 'sealer_failed', { open: async () => null as never }, {}],
    ['use throws', 'sealer_failed', { use: broken }, {}],
    ['use rejects', 'sealer_failed', { use: rejected }, {}],
    ['use never answers', 'sealer_failed', { use: never }, {}],
    ['use says no', 'already_used', { use: () => 'already_used' }, {}],
    ['revocation throws', 'revoked', {}, { revocations: { revoke, isRevoked: broken } }],
    ['revocation rejects', 'revoked', {}, { revocations: { revoke, isRevoked: rejected } }],
    ['revocation never answers', 'sealer_failed', {}, { revocations: { revoke, isRevoked: never } }],
    ['revoked', 'revoked', {}, { revocations: { revoke, isRevoked: async () => true } }],
  ];
  for (const [what, reason, change, options] of CASES) {
    test(what, async () => {
      const { sealer } = recording();
      const [ticket] = await ticketsOf(await createWorld({ server: { tickets: { sealer } } }));
      const clock = new WaitingClock();
      const world = await createWorld({
        clock,
        server: { tickets: { sealer: { ...sealer, ...change }, deadlineMs: 50, ...options } },
      });
      const pair = new Pair(world, { tickets: [ticket!] });
      pair.carry(pair.client, pair.server);
      for (let i = 0; i < 20; i++) await Promise.resolve();
      clock.advance(50);
      await pair.run();
      assert.equal(pair.client.engine.info?.resumed, false);
      assert.deepEqual(reasons(pair.server), [[reason, 0]]);
      assert.deepEqual(
        eventsOf(pair.client, 'ticket_declined').map((event) => [event.during, event.reason]),
        [['offer', 'not_taken']],
      );
    });
  }

  /** A server that has asked its sealer to open a ticket; what it opened, once it was released. */
  const opening = async () => {
    const { sealer } = recording();
    const [ticket] = await ticketsOf(await createWorld({ server: { tickets: { sealer } } }));
    let release: () => void = () => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    let opened: TicketState | undefined;
    const slow: TicketSealer = {
      ...sealer,
      open: async (bytes, now, question) => {
        await gate;
        opened = (await sealer.open(bytes, now, question)) as TicketState;
        return opened;
      },
    };
    const clock = new WaitingClock();
    const world = await createWorld({ clock, server: { tickets: { sealer: slow } } });
    const pair = new Pair(world, { tickets: [ticket!] });
    pair.carry(pair.client, pair.server);
    assert.equal(pair.server.engine.state, 'parked:openTicket');
    return { pair, clock, release, opened: () => opened! };
  };
  const microtasks = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await Promise.resolve();
  };

  test('a sealer that gives nothing, too late or to a connection that is over, harms nobody', async () => {
    const { sealer } = recording();
    const tickets = await ticketsOf(await createWorld({ server: { tickets: { sealer } } }));
    for (const end of [
      (clock: WaitingClock) => clock.advance(1_000),
      (_: WaitingClock, p: Pair) => p.server.engine.abort('internal_error'),
    ]) {
      let release: (nothing: never) => void = () => {};
      const open = (): Promise<never> => new Promise((resolve) => (release = resolve));
      const clock = new WaitingClock();
      const pair = new Pair(await createWorld({ clock, server: { tickets: { sealer: { ...sealer, open } } } }), {
        tickets,
      });
      pair.carry(pair.client, pair.server);
      end(clock, pair);
      release(undefined as never);
      // A rejection that nobody handles would fail this test.
      await new Promise((resolve) => setImmediate(resolve));
    }
  });

  test('the PSK of a ticket that opens too late is wiped', async () => {
    const { pair, clock, release, opened } = await opening();
    clock.advance(1_000);
    await pair.run();
    release();
    await microtasks(20);
    assert.equal(pair.client.engine.info?.resumed, false);
    assert.deepEqual(opened().psk, new Uint8Array(32));
  });

  test('so is the PSK of one that opens when the connection is over, however close by', async () => {
    for (let between = -1; between < 12; between++) {
      const { pair, release, opened } = await opening();
      if (between >= 0) release();
      await microtasks(between);
      pair.server.engine.abort('internal_error');
      release();
      await microtasks(20);
      assert.deepEqual(opened().psk, new Uint8Array(32), `${between} turns between`);
    }
  });
});

test('a session that began too long ago has a reason of its own', async () => {
  const { sealer } = recording();
  const world = await createWorld({ server: { tickets: { sealer } } });
  const [ticket] = await ticketsOf(world);
  world.clock.advance(60_000);
  const strict = await createWorld({
    clock: world.clock,
    server: { reauthenticateAfterSeconds: 60, tickets: { sealer } },
  });
  const pair = await connect(strict, { tickets: [ticket!] });
  assert.deepEqual(reasons(pair.server), [['chain_too_old', 0]]);
});

describe('the client says why a ticket was not offered or not taken', () => {
  const offer = async (change: Partial<ClientTicket>, serverName = 'localhost'): Promise<Pair> => {
    const world = await createWorld();
    const [ticket] = await ticketsOf(world);
    world.clock.advance(1_000);
    return connect(world, { serverName, tickets: [{ ...ticket!, ...change }] });
  };
  const future = Date.UTC(2030, 0, 1);
  const CASES: readonly [string, Partial<ClientTicket>][] = [
    ['expired', { lifetimeSeconds: 1 }],
    ['issued_in_the_future', { receivedAt: future }],
    ['chain_too_old', { authenticatedAt: 0 }],
    ['server_name_mismatch', { serverName: 'other.test' }],
    ['server_not_trusted', { server: { chain: [Uint8Array.of(1)], authorized: false } }],
    ['server_not_trusted', { server: { chain: [], authorized: true } }],
    ['server_certificate_expired', { server: { chain: [Uint8Array.of(1)], authorized: true } }],
    ['too_large', { ticket: new Uint8Array(62_000) }],
  ];
  for (const [reason, change] of CASES) {
    test(reason, async () => {
      const pair = await offer(change);
      assert.equal(pair.client.engine.info?.resumed, false);
      assert.deepEqual(
        eventsOf(pair.client, 'ticket_declined').map((event) => [event.during, event.reason, event.identityIndex]),
        [['offer', reason, undefined]],
      );
      assert.deepEqual(reasons(pair.server), [], 'nothing was offered');
    });
  }

  test('hash_mismatch', async () => {
    const world = await createWorld({ client: { cipherSuites: ['TLS_AES_256_GCM_SHA384'] } });
    const tickets = await ticketsOf(world);
    const other = await createWorld({ client: { cipherSuites: ['TLS_AES_128_GCM_SHA256'] } });
    assert.deepEqual(reasons((await connect(other, { tickets })).client), [
      ['hash_mismatch', undefined],
      ['hash_mismatch', undefined],
    ]);
  });

  test('not_taken: each one but that which the server chose', async () => {
    const world = await createWorld();
    const tickets = await ticketsOf(world);
    const pair = await connect(world, { tickets });
    assert.equal(pair.client.engine.info?.resumed, true);
    assert.deepEqual(reasons(pair.client), [['not_taken', 1]]);
    const [event] = eventsOf(pair.client, 'ticket_declined');
    assert.ok(event?.during === 'offer');
    assert.deepEqual(event.ticket, tickets[1]!.ticket);
  });

  test('after a HelloRetryRequest for another hash', async () => {
    const [ticket] = await ticketsOf(await createWorld({ server: { cipherSuites: ['TLS_AES_256_GCM_SHA384'] } }));
    const { group: _unknown, ...rest } = ticket!;
    const world = await createWorld({ server: { groups: ['secp256r1'] }, client: { keyShareCount: 1 } });
    const pair = await connect(world, { tickets: [rest] });
    assert.deepEqual(reasons(pair.client), [['hash_mismatch', 0]]);
    assert.deepEqual(reasons(pair.server), []);
  });
});

test('a server that names a PSK that was not offered is refused, and no ticket counts as redeemed', async () => {
  const world = await createWorld();
  const [ticket] = await ticketsOf(world);
  const pair = new Pair(world, { tickets: [ticket!] });
  corrupt(pair.server, (m) =>
    m.type === 'server_hello' ? { ...m, extensions: { ...m.extensions, preSharedKey: 1 } } : m,
  );
  await pair.run();
  assert.equal(errorOf(pair.client)?.code, 'server_hello.psk_not_offered');
});

test('deadlineMs is checked', async () => {
  for (const deadlineMs of [0, 1.5, 60_001, Number.NaN])
    await assert.rejects(createWorld({ server: { tickets: { deadlineMs } } }), /tickets\.deadlineMs/);
});

describe('early data and verdicts', () => {
  for (const [verdict, early, resumed] of [
    ['accept', 'accepted', true],
    ['accept_and_reissue', 'accepted', true],
    ['accept_without_early_data', 'application', true],
    ['full_handshake', 'not_resumed', false],
  ] as const) {
    test(verdict, async () => {
      const asked: boolean[] = [];
      const onPresented = (ticket: PresentedTicket): TicketVerdict => {
        asked.push(ticket.earlyDataAsked);
        return verdict;
      };
      const world = await earlyWorld({}, { server: { tickets: { onPresented } } });
      const pair = await (await offer(world, 'early')).run();
      assert.deepEqual(asked, [true]);
      assert.deepEqual(statusOf(pair.server), [early]);
      assert.equal(received(pair.server, 'early_data').toString(), early === 'accepted' ? 'early' : '');
      assert.equal(world.guard.attempts.length, early === 'accepted' ? 1 : 0, 'no guard remembers what is refused');
      assert.equal(pair.server.engine.info?.resumed, resumed);
      pair.client.engine.write(bytesOf('late'));
      await pair.run();
      assert.equal(received(pair.server, 'data').toString(), 'late');
    });
  }
});
