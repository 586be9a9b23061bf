import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat, type Secret } from '../../src/bytes/index.ts';
import { type ClientOptions, createClientEngine } from '../../src/connection/index.ts';
import type { Output, TlsEvent } from '../../src/handshake/index.ts';
import { negotiate, whatChangedAfterRetry } from '../../src/handshake/server/negotiate.ts';
import { plaintextRecords } from '../../src/record/index.ts';
import { HandshakeStage, MainStage } from '../../src/schedule/index.ts';
import { type ClientTicket, RingSealer, TicketKeyRing, type TicketSealer } from '../../src/tickets/index.ts';
import {
  type ClientHello,
  ContentType,
  decodeHandshakeMessage,
  encodeHandshakeMessage,
  type HandshakeMessage,
} from '../../src/wire/index.ts';
import { connect, createWorld, errorOf, eventsOf, Pair, type Side, type World, type WorldOptions } from './pair.ts';

/** Rules that are easily forgotten, each with the section that states it. */

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const received = (side: Side): string => Buffer.concat(eventsOf(side, 'data').map((e) => e.bytes)).toString();

/** Calls `act` once, from inside `onEvent`, at the first event of a type. */
function during(side: Side, type: TlsEvent['type'], act: () => void): void {
  let done = false;
  side.engine.onEvent = (event) => {
    if (done || event.type !== type) return;
    done = true;
    act();
  };
}

/** The content types of the records in some bytes; what is protected shows as 23. */
function recordTypes(wire: Uint8Array): number[] {
  const types: number[] = [];
  for (let at = 0; at < wire.length; at += 5 + ((wire[at + 3]! << 8) | wire[at + 4]!)) types.push(wire[at]!);
  return types;
}

/** The first ClientHello of a pair, taken off the wire. */
function takeHello(pair: Pair): ClientHello {
  const hello = decodeHandshakeMessage(1, pair.client.engine.pull()!.subarray(9));
  assert.ok(hello.type === 'client_hello');
  return hello;
}

const record = (message: HandshakeMessage): Uint8Array =>
  plaintextRecords(ContentType.handshake, encodeHandshakeMessage(message));

/** Lets `side` send something else in place of one kind of message. */
function replace(side: Side, type: HandshakeMessage['type'], change: (m: never) => HandshakeMessage): void {
  const output = side.engine as unknown as Output;
  const real = Object.getPrototypeOf(output) as Output;
  output.send = (raw) => {
    const message = decodeHandshakeMessage(raw[0]!, raw.subarray(4));
    real.send.call(output, message.type === type ? encodeHandshakeMessage(change(message as never)) : raw);
  };
}

const ticketsOf = async (world: World): Promise<ClientTicket[]> =>
  eventsOf((await connect(world)).client, 'ticket').map((e) => e.ticket);

describe('legacy_version', () => {
  test('a server refuses a ClientHello with another than 0x0303 (rfc9846#section-4.2.2)', async () => {
    for (const legacyVersion of [0x0300, 0x0301, 0x0302, 0x0304]) {
      const pair = new Pair(await createWorld());
      pair.server.engine.receive(record({ ...takeHello(pair), legacyVersion }));
      await pair.run();
      assert.equal(errorOf(pair.server)?.code, 'client_hello.bad_legacy_version');
      assert.equal(errorOf(pair.server)?.alert, 'protocol_version');
    }
  });
});

describe('after a HelloRetryRequest (rfc9846#section-4.2.2)', () => {
  const retrying: WorldOptions = { server: { groups: ['secp256r1'] }, client: { keyShareCount: 1 } };
  const changes: [what: string, change: (m: ClientHello) => ClientHello][] = [
    ['record_size_limit', (m) => ({ ...m, extensions: { ...m.extensions, recordSizeLimit: 100 } })],
    [
      'signature_algorithms_cert',
      (m) => ({ ...m, extensions: { ...m.extensions, signatureAlgorithmsCert: [0x0804] } }),
    ],
    [
      'certificate_authorities',
      (m) => ({ ...m, extensions: { ...m.extensions, certificateAuthorities: [text('x')] } }),
    ],
    [
      'a PSK that was not there before',
      (m) => ({
        ...m,
        extensions: {
          ...m.extensions,
          preSharedKey: {
            identities: [{ identity: text('new'), obfuscatedTicketAge: 0 }],
            binders: [new Uint8Array(32)],
          },
        },
      }),
    ],
  ];
  for (const [what, change] of changes) {
    test(`a server refuses a second ClientHello that changes ${what}`, async () => {
      const pair = new Pair(await createWorld(retrying));
      pair.carry(pair.client, pair.server);
      replace(pair.client, 'client_hello', change);
      await pair.run();
      assert.equal(errorOf(pair.server)?.code, 'client_hello.changed_after_retry');
    });
  }

  test('early_data, cookie, key_share and fewer PSKs are no change', async () => {
    const pair = new Pair(await createWorld());
    const hello = takeHello(pair);
    const psk = { identities: [{ identity: text('x'), obfuscatedTicketAge: 0 }], binders: [new Uint8Array(32)] };
    const first = { ...hello, extensions: { ...hello.extensions, earlyData: true as const, preSharedKey: psk } };
    const second = { ...hello, extensions: { ...hello.extensions, keyShare: [], cookie: text('y') } };
    assert.equal(whatChangedAfterRetry(first, second), undefined);
  });

  test('a ticket of another hash than the suite of the retry is declined, and nothing breaks (rfc9846#section-4.3.11)', async () => {
    const sha384 = await createWorld({ client: { cipherSuites: ['TLS_AES_256_GCM_SHA384'] } });
    const [ticket] = await ticketsOf(sha384);
    const ring = sha384.serverConfig.tickets.sealer as RingSealer;
    const world = await createWorld({
      identity: sha384.identity,
      server: { groups: ['secp256r1'], tickets: { sealer: ring } },
      client: { keyShareCount: 1 },
    });
    const pair = new Pair(world, { tickets: [ticket!] });
    // A client that offers it again although the suite of the HelloRetryRequest has SHA-256.
    pair.carry(pair.client, pair.server);
    replace(pair.client, 'client_hello', (m: ClientHello) => ({
      ...m,
      extensions: {
        ...m.extensions,
        preSharedKey: {
          identities: [{ identity: ticket!.ticket, obfuscatedTicketAge: 0 }],
          binders: [new Uint8Array(48)],
        },
      },
    }));
    await pair.run();
    assert.deepEqual(
      eventsOf(pair.server, 'ticket_declined').map((e) => e.reason),
      ['hash_mismatch'],
    );
  });
});

test('a PSK without the key exchange that was asked for is illegal_parameter (rfc9846#section-4.3.11)', async () => {
  const world = await createWorld();
  const [ticket] = await ticketsOf(world);
  const pair = new Pair(world, { tickets: [ticket!] });
  replace(pair.server, 'server_hello', (m: Extract<HandshakeMessage, { type: 'server_hello' }>) => {
    const { keyShare: _gone, ...extensions } = m.extensions;
    return { ...m, extensions };
  });
  await pair.run();
  assert.equal(errorOf(pair.client)?.code, 'server_hello.psk_without_key_share');
  assert.equal(errorOf(pair.client)?.alert, 'illegal_parameter');
});

test('lists sent to the peer have no duplicates (rfc9846#section-4.3.7, #section-4.3.8)', async () => {
  const world = await createWorld({ client: { groups: ['x25519', 'x25519', 'secp256r1'], grease: false } });
  const { keyShare, supportedGroups } = takeHello(new Pair(world)).extensions;
  assert.deepEqual(supportedGroups, [0x001d, 0x0017]);
  assert.equal(new Set(keyShare!.map((s) => s.group)).size, keyShare!.length);
});

test('judging a ClientHello with thousands of groups and shares takes linear time', async () => {
  const world = await createWorld();
  const hello = takeHello(new Pair(world));
  const groups = Array.from({ length: 9_000 }, (_, i) => 0x4000 + i);
  const big: ClientHello = {
    ...hello,
    extensions: {
      ...hello.extensions,
      supportedGroups: groups,
      keyShare: groups.map((group) => ({ group, keyExchange: Uint8Array.of(1) })),
    },
  };
  const before = process.cpuUsage();
  for (let i = 0; i < 20; i++) assert.equal(negotiate(big, world.serverConfig).kind, 'refuse');
  const { user } = process.cpuUsage(before);
  assert.ok(user < 400_000, `${user} µs; quadratic time is over a second`);
});

describe('server_name (RFC 6066 section 3)', () => {
  for (const serverName of ['', '.', 'bücher.example', 'a b', 'x'.repeat(256)]) {
    test(`${JSON.stringify(serverName.slice(0, 20))} is refused before anything is sent`, async () => {
      const { clientConfig } = await createWorld();
      assert.throws(() => createClientEngine(clientConfig, { serverName }), { code: 'connection.bad_server_name' });
    });
  }
});

describe('KeyUpdate (rfc9846#section-4.7.3)', () => {
  /** How many of the KeyUpdates that `side` sends ask for one in return. */
  function countRequests(side: Side): { readonly requests: boolean[] } {
    const requests: boolean[] = [];
    replace(side, 'key_update', (m: Extract<HandshakeMessage, { type: 'key_update' }>) => {
      requests.push(m.requestUpdate);
      return m;
    });
    return { requests };
  }

  test('no second request before the first is answered', async () => {
    const pair = await connect(await createWorld());
    const { requests } = countRequests(pair.client);
    pair.client.engine.updateKeys(true);
    pair.client.engine.updateKeys(true);
    await pair.run();
    pair.server.engine.flush();
    await pair.run();
    pair.client.engine.updateKeys(true);
    await pair.run();
    assert.deepEqual(requests, [true, false, true]);
    assert.equal(errorOf(pair.server), undefined);
  });

  for (const type of ['key_updated', 'ticket'] as const) {
    test(`keys may be updated from inside the event ${type}`, async () => {
      const pair = new Pair(await createWorld());
      if (type === 'ticket') during(pair.client, 'ticket', () => pair.client.engine.updateKeys(true));
      await pair.run();
      if (type === 'key_updated') during(pair.client, 'key_updated', () => pair.client.engine.updateKeys());
      pair.server.engine.updateKeys();
      await pair.run();
      for (let round = 0; round < 3; round++) {
        pair.client.engine.updateKeys();
        pair.server.engine.updateKeys();
        pair.client.engine.write(text('a'));
        pair.server.engine.write(text('b'));
        await pair.run();
      }
      assert.equal(received(pair.server), 'aaa');
      assert.equal(received(pair.client), 'bbb');
    });
  }
});

describe('an application may call the engine while an event is reported', () => {
  test('write in secure', async () => {
    const pair = new Pair(await createWorld());
    during(pair.client, 'secure', () => pair.client.engine.write(text('ping')));
    during(pair.server, 'secure', () => pair.server.engine.write(text('pong')));
    await pair.run();
    assert.equal(errorOf(pair.server)?.message, undefined);
    assert.equal(received(pair.server), 'ping');
    assert.equal(received(pair.client), 'pong');
    assert.equal(eventsOf(pair.client, 'ticket').length, 2);
  });

  test('abort in secure: nothing leaves after the alert, and nothing unprotected (rfc9846#section-6.2)', async () => {
    const pair = new Pair(await createWorld());
    during(pair.server, 'secure', () => pair.server.engine.abort('access_denied'));
    await pair.run();
    assert.equal(errorOf(pair.client)?.alert, 'access_denied');
    assert.deepEqual(recordTypes(pair.server.sent.at(-1)!), [ContentType.application_data]);
    assert.equal(eventsOf(pair.server, 'ticket_issued').length, 0);
    assert.equal(pair.server.engine.state, 'closed');
  });

  test('close in secure: no tickets behind close_notify (rfc9846#section-6.1)', async () => {
    const pair = new Pair(await createWorld());
    during(pair.server, 'secure', () => pair.server.engine.close());
    await pair.run();
    assert.deepEqual(recordTypes(pair.server.sent.at(-1)!), [ContentType.application_data]);
    assert.equal(eventsOf(pair.server, 'ticket_issued').length, 0);
    assert.equal(eventsOf(pair.client, 'end').length, 1);
  });

  test('abort in key_updated: the connection stays closed', async () => {
    const pair = await connect(await createWorld());
    during(pair.client, 'key_updated', () => pair.client.engine.abort('internal_error'));
    pair.client.engine.updateKeys();
    assert.equal(pair.client.engine.state, 'closed');
    assert.throws(() => pair.client.engine.write(text('x')), { name: 'TlsUsageError' });
  });

  test('abort in ticket_issued during a write: a usage error, not an accident', async () => {
    const pair = await connect(await createWorld());
    during(pair.server, 'ticket_issued', () => pair.server.engine.abort('internal_error'));
    pair.server.engine.requestTickets(3);
    assert.throws(() => pair.server.engine.write(text('x')), { code: 'connection.write_closed' });
    assert.equal(eventsOf(await pair.run().then((p) => p.server), 'ticket_issued').length, 3, 'two at first, one more');
  });

  test('abort in ticket_declined: no ServerHello follows', async () => {
    const world = await createWorld();
    const [ticket] = await ticketsOf(world);
    const broken = { ...ticket!, ticket: ticket!.ticket.map((b) => b ^ 1) };
    const pair = new Pair(world, { tickets: [broken] });
    during(pair.server, 'ticket_declined', () => pair.server.engine.abort('internal_error'));
    await pair.run();
    assert.deepEqual(recordTypes(concat(...pair.server.sent)), [ContentType.alert]);
  });

  test('receive in data: the bytes come after those being read', async () => {
    const pair = await connect(await createWorld());
    pair.client.engine.write(text('one'));
    const one = pair.client.engine.pull()!;
    pair.client.engine.write(text('two'));
    const two = pair.client.engine.pull()!;
    const seen: string[] = [];
    pair.server.engine.onEvent = (event) => {
      if (event.type !== 'data') return;
      if (seen.length === 0) pair.server.engine.receive(two);
      seen.push(Buffer.from(event.bytes).toString());
    };
    pair.server.engine.receive(one);
    assert.deepEqual(seen, ['one', 'two']);
  });
});

describe('closing before the handshake is done (rfc9846#section-6.1)', () => {
  for (const closer of ['client', 'server'] as const) {
    test(`${closer}: user_canceled and close_notify, then silence; the other side fails and does not hang`, async () => {
      const pair = new Pair(await createWorld());
      const other = closer === 'client' ? 'server' : 'client';
      // A server that has sent its Finished has done its part: it closes before that.
      if (closer === 'client') pair.carry(pair.client, pair.server);
      pair[closer].engine.close();
      assert.equal(pair[closer].engine.state, 'closed');
      await pair.run();
      assert.equal(eventsOf(pair.client, 'secure').length + eventsOf(pair.server, 'secure').length, 0);
      assert.equal(pair[other].engine.state, 'failed');
      assert.equal(errorOf(pair[other])?.alert, 'close_notify');
      assert.equal(eventsOf(pair[other], 'alert')[0]?.alert, 'user_canceled');
      assert.equal(pair[closer].engine.hasOutput, false);
    });
  }

  test('while it waits for a signer: the late answer is dropped', async () => {
    const { identity } = await createWorld();
    const answers: ((signature: Uint8Array) => void)[] = [];
    const signer = {
      schemes: identity.credential.signer.schemes,
      sign: () => new Promise<Uint8Array>((resolve) => answers.push(resolve)),
    };
    const world = await createWorld({ identity, server: { credentials: [{ ...identity.credential, signer }] } });
    const pair = new Pair(world);
    pair.carry(pair.client, pair.server);
    assert.equal(pair.server.engine.state, 'parked:sign');
    pair.server.engine.close();
    pair.server.engine.pull();
    answers[0]!(new Uint8Array(70));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(pair.server.engine.state, 'closed');
    assert.equal(pair.server.engine.pull(), undefined);
  });

  test('a lone close_notify of the peer ends a handshake', async () => {
    const pair = new Pair(await createWorld());
    pair.client.engine.receive(plaintextRecords(ContentType.alert, Uint8Array.of(1, 0)));
    assert.equal(pair.client.engine.state, 'failed');
    assert.equal(pair.client.engine.next()?.type, 'error');
  });
});

test('a failed connection forgets its secrets, also those of a handshake that waits (rfc9846#section-6)', async (t) => {
  const secrets: Secret[] = [];
  const real = { client: MainStage.prototype.clientTraffic, hs: HandshakeStage.prototype.clientTraffic };
  t.after(() => {
    MainStage.prototype.clientTraffic = real.client;
    HandshakeStage.prototype.clientTraffic = real.hs;
  });
  MainStage.prototype.clientTraffic = function (hash) {
    secrets.push(real.client.call(this, hash));
    return secrets.at(-1)!;
  };
  HandshakeStage.prototype.clientTraffic = function (hash) {
    secrets.push(real.hs.call(this, hash));
    return secrets.at(-1)!;
  };
  const { identity } = await createWorld();
  const never = { schemes: identity.credential.signer.schemes, sign: () => new Promise<Uint8Array>(() => {}) };
  const slow = { ...identity.credential, signer: never };
  const verifier = { verify: () => ({ trusted: true }) as const };
  for (const slowSide of ['client', 'server'] as const) {
    const pair = new Pair(
      await createWorld({
        identity,
        server: { clientAuth: 'request', verifier, credentials: [slowSide === 'server' ? slow : identity.credential] },
        client: { credentials: [slow] },
      }),
    );
    while (pair.carry(pair.client, pair.server) || pair.carry(pair.server, pair.client));
    assert.equal(pair[slowSide].engine.state, 'parked:sign');
    pair.client.engine.transportEnded();
    pair.server.engine.transportEnded();
  }
  assert.ok(secrets.length >= 5);
  for (const secret of secrets) assert.ok(secret.wiped);
});

describe('a config', () => {
  test('has limits that are numbers', async () => {
    await assert.rejects(createWorld({ server: { limits: { pskIdentities: Number.NaN } } }), {
      code: 'config.out_of_range',
    });
    await assert.rejects(createWorld({ client: { limits: { ticketsReceived: -1 } } }), { code: 'config.out_of_range' });
  });
  test('of a client has a verifier', async () => {
    const client = { verifier: undefined } as unknown as Partial<ClientOptions>;
    await assert.rejects(createWorld({ client }), { code: 'config.no_verifier' });
  });
});

test('refused early data in empty records is bounded too (rfc9846#section-4.3.10)', async () => {
  const pair = new Pair(await createWorld());
  const hello = takeHello(pair);
  pair.server.engine.receive(record({ ...hello, extensions: { ...hello.extensions, earlyData: true } }));
  for (let i = 0; i < 10_000; i++) pair.server.engine.receive(Uint8Array.of(23, 3, 3, 0, 0));
  await pair.run();
  assert.equal(errorOf(pair.server)?.code, 'early_data.too_much');
});

describe('tickets', () => {
  test('tickets that do not fit into a ClientHello are left out, not fatal', async () => {
    const world = await createWorld();
    const [ticket] = await ticketsOf(world);
    const huge = { ...ticket!, ticket: new Uint8Array(65_535) };
    const pair = await connect(world, { tickets: [huge, ...Array<ClientTicket>(100).fill(ticket!)] });
    assert.equal(errorOf(pair.client)?.message, undefined);
    assert.equal(pair.client.engine.info?.resumed, true);
  });

  /** A sealer like the default one, with parts replaced. */
  const sealerWith = async (parts: (real: RingSealer) => Partial<TicketSealer>): Promise<TicketSealer> => {
    const { serverConfig } = await createWorld();
    const real = new RingSealer(new TicketKeyRing({ crypto: serverConfig.crypto }), serverConfig.crypto);
    return {
      maxLifetimeSeconds: (now) => real.maxLifetimeSeconds(now),
      seal: (...args) => real.seal(...args),
      open: (...args) => real.open(...args),
      ...parts(real),
    };
  };

  for (const [what, maxLifetimeSeconds] of [
    ['throws', () => assert.fail('the KMS is down')],
    ['is not a number', () => Number.NaN],
  ] as const) {
    test(`a sealer whose longest lifetime ${what} costs the ticket, never the connection`, async () => {
      const pair = await connect(
        await createWorld({ server: { tickets: { sealer: await sealerWith(() => ({ maxLifetimeSeconds })) } } }),
      );
      assert.equal(errorOf(pair.server)?.message, undefined);
      assert.equal(eventsOf(pair.server, 'ticket_declined')[0]?.reason, 'sealer_failed');
      pair.server.engine.requestTickets();
      pair.server.engine.write(text('still here'));
      await pair.run();
      assert.equal(received(pair.client), 'still here');
    });
  }

  test('a lifetime of a fraction of a second is rounded down', async () => {
    const sealer = await sealerWith(() => ({ maxLifetimeSeconds: () => 100.9 }));
    const [ticket] = await ticketsOf(await createWorld({ server: { tickets: { sealer } } }));
    assert.equal(ticket!.lifetimeSeconds, 100);
  });

  test('PSKs are wiped once they are used, declined, or sealed, also when the connection is gone by then', async () => {
    const psks: Uint8Array[] = [];
    const seals: (() => void)[] = [];
    let slow = false;
    const sealer = await sealerWith((real) => ({
      seal: (state, ...rest) => {
        psks.push(state.psk);
        const ticket = real.seal(state, ...rest);
        return slow ? new Promise((resolve) => seals.push(() => resolve(ticket))) : ticket;
      },
      open: (...args) => {
        const state = real.open(...args);
        if (typeof state !== 'string') psks.push(state.psk);
        return state;
      },
    }));
    const world = await createWorld({ server: { tickets: { sealer } } });
    const [a, b] = await ticketsOf(world);
    await connect(world, { tickets: [a!] });
    await connect(world, { tickets: [{ ...b!, psk: b!.psk.map((x) => x ^ 1) }] });
    world.clock.advance(7_200_000 - 1);
    const other = { ...b!, serverName: 'localhost.' };
    await connect(world, { serverName: 'localhost.', tickets: [other] });
    slow = true;
    const pair = await connect(world);
    pair.server.engine.abort('internal_error');
    for (const seal of seals) seal();
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(psks.length >= 8);
    for (const psk of psks) assert.ok(psk.every((byte) => byte === 0));
  });

  test('resumptions after one another do not outlive the authentication they go back to (rfc9846#section-4.7.1)', async () => {
    const lifetime = { tickets: { lifetimeSeconds: 3_600, count: 1 }, reauthenticateAfterSeconds: 7_200 };
    const world = await createWorld({ server: lifetime });
    const start = world.clock.now();
    let [ticket] = await ticketsOf(world);
    const lifetimes = [ticket!.lifetimeSeconds];
    for (let hour = 0; hour < 2; hour++) {
      world.clock.advance(3_000_000);
      const pair = await connect(world, { tickets: [ticket!] });
      assert.equal(pair.client.engine.info?.resumed, true);
      assert.equal(pair.client.engine.info?.authenticatedAt, start, 'the client knows it, too');
      assert.equal(pair.server.engine.info?.authenticatedAt, start);
      ticket = eventsOf(pair.client, 'ticket')[0]!.ticket;
      lifetimes.push(ticket.lifetimeSeconds);
    }
    assert.deepEqual(lifetimes, [3_600, 3_600, 1_200]);
    world.clock.advance(1_200_000);
    // A client that does not look at the clock.
    const late = { ...ticket!, lifetimeSeconds: 9_000 };
    const pair = await connect(world, { tickets: [late] });
    assert.equal(pair.client.engine.info?.resumed, false);
    assert.equal(eventsOf(pair.server, 'ticket_declined')[0]?.reason, 'expired');
    assert.equal(pair.server.engine.info?.authenticatedAt, world.clock.now());
    const strict = await createWorld({ clock: world.clock, client: { reauthenticateAfterSeconds: 60 } });
    const offered = takeHello(
      new Pair(strict, { tickets: [{ ...late, authenticatedAt: world.clock.now() - 60_000 }] }),
    );
    assert.equal(offered.extensions.preSharedKey, undefined);
  });

  test('a ticket of a client that a full handshake would refuse is not redeemed', async () => {
    const sealer = await sealerWith(() => ({}));
    const { identity } = await createWorld();
    const untrusting = { verify: () => ({ trusted: false, code: 'X', message: 'x', alert: 'unknown_ca' }) as const };
    const common = { clientAuth: 'request', verifier: untrusting, tickets: { sealer, scope: 'shared' } } as const;
    const client = { credentials: [identity.credential] };
    const lax = await createWorld({ identity, client, server: { ...common, rejectUnauthorized: false } });
    const strict = await createWorld({ identity, client, server: { ...common, rejectUnauthorized: true } });
    const [a, b] = await ticketsOf(lax);
    assert.equal((await connect(lax, { tickets: [a!] })).server.engine.info?.resumed, true);
    const pair = await connect(strict, { tickets: [b!] });
    assert.equal(eventsOf(pair.server, 'ticket_declined')[0]?.reason, 'client_certificate_required');
    assert.equal(errorOf(pair.server)?.code, 'certificate.not_trusted');
  });
});
