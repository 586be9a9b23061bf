import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeIdentity } from '../support/certificates.ts';
import { connect, createWorld, errorOf, eventsOf, Pair } from './pair.ts';

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const received = (side: Parameters<typeof eventsOf>[0]): string =>
  Buffer.concat(eventsOf(side, 'data').map((e) => e.bytes)).toString();

test('a full handshake authenticates the server, and data flows both ways', async () => {
  const pair = await connect(await createWorld());
  assert.equal(errorOf(pair.client)?.message, undefined);
  assert.equal(errorOf(pair.server)?.message, undefined);
  const info = pair.client.engine.info!;
  assert.equal(info.resumed, false);
  assert.equal(info.peer.authorized, true);
  assert.equal(info.group, 'x25519');
  pair.client.engine.write(text('ping'));
  pair.server.engine.write(text('pong'));
  await pair.run();
  assert.equal(received(pair.server), 'ping');
  assert.equal(received(pair.client), 'pong');
});

test('both sides derive the same keying material', async () => {
  const { client, server } = await connect(await createWorld());
  const a = client.engine.exportKeyingMaterial(32, 'EXPORTER-test', text('context'));
  assert.deepEqual(a, server.engine.exportKeyingMaterial(32, 'EXPORTER-test', text('context')));
  assert.notDeepEqual(a, server.engine.exportKeyingMaterial(32, 'EXPORTER-test', text('other')));
});

test('the same seeds give the same first flight', async () => {
  const [a, b] = [new Pair(await createWorld()), new Pair(await createWorld())];
  assert.deepEqual(a.client.engine.pull(), b.client.engine.pull());
});

for (const count of [0, 1, 2, 3, 16]) {
  test(`numTickets ${count}: ${count} after a full handshake, ${Math.min(1, count)} after a resumption`, async () => {
    const world = await createWorld({ server: { tickets: count } });
    const first = await connect(world);
    const tickets = eventsOf(first.client, 'ticket').map((e) => e.ticket);
    assert.equal(tickets.length, count);
    assert.equal(eventsOf(first.server, 'ticket_issued').length, count);
    assert.equal(new Set(tickets.map((t) => Buffer.from(t.nonce).toString('hex'))).size, count, 'nonces differ');
    assert.equal(new Set(tickets.map((t) => t.ageAdd)).size, count, 'ticket_age_add differs');
    if (count === 0) return;
    for (const ticket of tickets.slice(0, 3)) {
      const again = await connect(world, { tickets: [ticket] });
      assert.equal(again.client.engine.info?.resumed, true);
      assert.equal(again.server.engine.info?.resumed, true);
      assert.equal(again.client.engine.info?.peer.authorized, true);
      assert.equal(eventsOf(again.client, 'ticket').length, 1);
    }
  });
}

test('the number of tickets may change until each one is generated', async () => {
  const world = await createWorld({ server: { tickets: 1 } });
  const pair = new Pair(world);
  pair.server.engine.onEvent = (event) => {
    if (event.type === 'ticket_issued' && event.index === 0) pair.server.engine.numTickets = 4;
  };
  await pair.run();
  assert.equal(eventsOf(pair.client, 'ticket').length, 4);
});

test('requested tickets wait for the next write and go in front of it', async () => {
  const pair = await connect(await createWorld({ server: { tickets: 0 } }));
  assert.equal(pair.client.engine.requestTickets(), false, 'a client issues none');
  assert.equal(pair.server.engine.requestTickets(), true);
  assert.equal(pair.server.engine.requestTickets(2), true);
  assert.equal(pair.server.engine.hasOutput, false, 'nothing is sent by the request itself');
  pair.server.engine.write(text('data'));
  await pair.run();
  const order = pair.client.events.map((e) => e.type).filter((t) => t === 'ticket' || t === 'data');
  assert.deepEqual(order, ['ticket', 'ticket', 'ticket', 'data']);
  assert.equal(pair.server.engine.requestTickets(), true);
  pair.server.engine.flush();
  await pair.run();
  assert.equal(eventsOf(pair.client, 'ticket').length, 4);
  const nonces = eventsOf(pair.client, 'ticket').map((e) => Buffer.from(e.ticket.nonce).toString('hex'));
  assert.equal(new Set(nonces).size, 4);
});

test('no tickets are requested before the handshake or after close', async () => {
  const pair = new Pair(await createWorld());
  assert.equal(pair.server.engine.requestTickets(), false);
  await pair.run();
  pair.server.engine.close();
  assert.equal(pair.server.engine.requestTickets(), false);
});

test('a ticket dies at its lifetime, and the refusal has a name', async () => {
  const world = await createWorld({ server: { tickets: { count: 1, lifetimeSeconds: 60 } } });
  const [ticket] = eventsOf((await connect(world)).client, 'ticket').map((e) => e.ticket);
  world.clock.advance(59_999);
  assert.equal((await connect(world, { tickets: [ticket!] })).client.engine.info?.resumed, true);
  world.clock.advance(1);
  // A client that does not look at the clock.
  const pair = await connect(world, { tickets: [{ ...ticket!, lifetimeSeconds: 600 }] });
  assert.equal(pair.client.engine.info?.resumed, false);
  assert.deepEqual(
    eventsOf(pair.server, 'ticket_declined').map((e) => [e.during, e.reason, e.identityIndex]),
    [['redeem', 'expired', 0]],
  );
});

test('a ticket of another server name is declined, and the handshake goes on in full', async () => {
  const world = await createWorld({ identity: await makeIdentity('p256', ['localhost', 'other.test']) });
  const [ticket] = eventsOf((await connect(world)).client, 'ticket').map((e) => e.ticket);
  const pair = await connect(world, { serverName: 'other.test', tickets: [{ ...ticket!, serverName: 'other.test' }] });
  assert.equal(pair.client.engine.info?.resumed, false);
  assert.equal(eventsOf(pair.server, 'ticket_declined')[0]?.reason, 'server_name_mismatch');
});

test('a ticket that no key opens is declined, and the second identity is taken', async () => {
  const world = await createWorld();
  const [a, b] = eventsOf((await connect(world)).client, 'ticket').map((e) => e.ticket);
  const broken = { ...a!, ticket: a!.ticket.map((byte, i) => (i === 40 ? byte ^ 1 : byte)) };
  const pair = await connect(world, { tickets: [broken, b!] });
  assert.equal(pair.client.engine.info?.resumed, true);
  assert.deepEqual(
    eventsOf(pair.server, 'ticket_declined').map((e) => [e.reason, e.identityIndex]),
    [['no_key', 0]],
  );
});

test('a wrong PSK is caught by the binder', async () => {
  const world = await createWorld();
  const [ticket] = eventsOf((await connect(world)).client, 'ticket').map((e) => e.ticket);
  const pair = await connect(world, { tickets: [{ ...ticket!, psk: ticket!.psk.map((b) => b ^ 1) }] });
  assert.equal(errorOf(pair.server)?.code, 'client_hello.bad_binder');
  assert.equal(errorOf(pair.client)?.alert, 'decrypt_error');
});

test('a sealer that fails costs the ticket, never the connection', async () => {
  const sealer = {
    maxLifetimeSeconds: () => 3600,
    seal: () => Promise.reject(new Error('the KMS is down')),
    open: () => {
      throw new Error('the KMS is down');
    },
  };
  const good = await createWorld();
  const [ticket] = eventsOf((await connect(good)).client, 'ticket').map((e) => e.ticket);
  const world = await createWorld({ server: { tickets: { sealer } }, identity: good.identity });
  const pair = await connect(world, { tickets: [ticket!] });
  await new Promise((resolve) => setImmediate(resolve));
  await pair.run();
  assert.equal(pair.client.engine.info?.resumed, false);
  assert.equal(errorOf(pair.server), undefined);
  assert.deepEqual(
    eventsOf(pair.server, 'ticket_declined').map((e) => `${e.during} ${e.reason}`),
    ['redeem sealer_failed', 'issue sealer_failed', 'issue sealer_failed'],
  );
});

for (const stateless of [false, true]) {
  test(`HelloRetryRequest${stateless ? ' with a cookie' : ''}, and a resumption through one`, async () => {
    const { RingCookieSealer, TicketKeyRing } = await import('../../src/tickets/index.ts');
    const { testCrypto } = await import('../../src/providers/test/index.ts');
    const crypto = testCrypto({ seed: 'cookie' });
    const cookieSealer = new RingCookieSealer(new TicketKeyRing({ crypto }), crypto);
    const world = await createWorld({
      server: { groups: ['secp256r1'], ...(stateless && { cookieSealer }) },
      client: { keyShareCount: 1 },
    });
    const first = await connect(world);
    assert.equal(errorOf(first.server)?.message, undefined);
    assert.equal(first.client.engine.info?.helloRetried, true);
    assert.equal(first.client.engine.info?.group, 'secp256r1');
    const [ticket] = eventsOf(first.client, 'ticket').map((e) => e.ticket);
    const again = await connect(world, { tickets: [ticket!] });
    assert.equal(again.client.engine.info?.resumed, true);
    assert.equal(again.client.engine.info?.helloRetried, false, 'the ticket remembers the group');
    // A client that does not know the group goes through the retry with its ticket.
    const { group: _forgotten, ...rest } = ticket!;
    const retried = await connect(world, { tickets: [rest] });
    assert.equal(retried.client.engine.info?.resumed, true);
    assert.equal(retried.client.engine.info?.helloRetried, true);
  });
}

test('the second ClientHello of a stateless retry may reach another engine', async () => {
  const { RingCookieSealer, TicketKeyRing } = await import('../../src/tickets/index.ts');
  const { testCrypto } = await import('../../src/providers/test/index.ts');
  const crypto = testCrypto({ seed: 'cookie' });
  const cookieSealer = new RingCookieSealer(new TicketKeyRing({ crypto }), crypto);
  const world = await createWorld({ server: { groups: ['secp256r1'], cookieSealer }, client: { keyShareCount: 1 } });
  const [a, b] = [new Pair(world), new Pair(world)];
  a.carry(a.client, a.server);
  a.carry(a.server, a.client);
  // The client of pair a goes on with the server of pair b, which has seen nothing.
  for (let i = 0; i < 6; i++) {
    a.carry(a.client, b.server);
    a.carry(b.server, a.client);
  }
  assert.equal(errorOf(b.server)?.message, undefined);
  assert.equal(a.client.engine.info?.helloRetried, true);
  assert.equal(b.server.engine.info?.helloRetried, true);
});

for (const kind of ['p256', 'p384', 'p521', 'rsa2048', 'rsa-pss', 'ed25519', 'ed448'] as const) {
  test(`server and client certificates with ${kind} keys`, async () => {
    const identity = await makeIdentity(kind);
    const { createVerifier } = await import('../../src/x509/index.ts');
    const { nodeCrypto } = await import('../../src/providers/node/index.ts');
    const verifier = createVerifier({ crypto: nodeCrypto, anchors: [identity.certificate] });
    const world = await createWorld({
      identity,
      server: { clientAuth: 'require', verifier },
      client: { credentials: [identity.credential] },
    });
    const pair = await connect(world);
    // The test certificate is for servers; what matters here is the signature, so a refusal may only be about its purpose.
    const error = errorOf(pair.server);
    if (error !== undefined) assert.match(error.message, /purpose|clientAuth/i);
    else assert.equal(pair.server.engine.info?.peer.authorized, true);
  });
}

test('an untrusted server is refused with the right alert', async () => {
  const world = await createWorld();
  const stranger = await createWorld({ identity: await makeIdentity('p384') });
  const pair = await connect({ ...world, serverConfig: stranger.serverConfig });
  assert.equal(errorOf(pair.client)?.code, 'certificate.not_trusted');
  assert.equal(errorOf(pair.server)?.alert, errorOf(pair.client)?.alert);
});

test('KeyUpdate both ways, answered when asked for', async () => {
  const pair = await connect(await createWorld());
  for (let round = 0; round < 3; round++) {
    pair.client.engine.updateKeys(true);
    pair.client.engine.write(text('a'));
    await pair.run();
    pair.server.engine.write(text('b'));
    pair.server.engine.updateKeys(false);
    pair.server.engine.write(text('c'));
    await pair.run();
  }
  assert.equal(received(pair.server), 'aaa');
  assert.equal(received(pair.client), 'bcbcbc');
  const updates = eventsOf(pair.server, 'key_updated').map((e) => e.direction);
  assert.deepEqual(updates, ['read', 'write', 'write', 'read', 'write', 'write', 'read', 'write', 'write']);
});

test('half close: each side may go on writing after the other closed', async () => {
  const pair = await connect(await createWorld());
  pair.client.engine.close();
  await pair.run();
  assert.equal(eventsOf(pair.server, 'end').length, 1);
  pair.server.engine.write(text('still here'));
  pair.server.engine.close();
  await pair.run();
  assert.equal(received(pair.client), 'still here');
  assert.equal(pair.client.engine.state, 'closed');
  assert.equal(pair.server.engine.state, 'closed');
});

test('a transport that ends without close_notify is an error', async () => {
  const pair = await connect(await createWorld());
  pair.client.engine.transportEnded();
  await pair.run();
  assert.equal(errorOf(pair.client)?.code, 'connection.truncated');
});

test('ALPN: the first of the server that the client offers, or a refusal', async () => {
  const world = await createWorld({ server: { alpn: ['h2', 'http/1.1'] }, client: { alpn: ['http/1.1', 'h2'] } });
  assert.equal((await connect(world)).client.engine.info?.alpn, 'h2');
  const none = await connect(await createWorld({ server: { alpn: ['h2'] }, client: { alpn: ['smtp'] } }));
  assert.equal(errorOf(none.client)?.alert, 'no_application_protocol');
});

test('record_size_limit of the peer bounds every record', async () => {
  const pair = await connect(await createWorld({ client: { recordSizeLimit: 100 } }));
  const before = pair.server.sent.length;
  pair.server.engine.write(new Uint8Array(1000).fill(7));
  await pair.run();
  const wire = Buffer.concat(pair.server.sent.slice(before));
  for (let at = 0; at < wire.length; at += 5 + wire.readUInt16BE(at + 3)) {
    assert.ok(wire.readUInt16BE(at + 3) <= 100 + 16, 'content, type byte and tag');
  }
  assert.equal(Buffer.concat(eventsOf(pair.client, 'data').map((e) => e.bytes)).length, 1000);
});

test('psk_ke alone resumes without a key exchange when both sides allow it', async () => {
  const world = await createWorld({ server: { allowPskOnly: true }, client: { allowPskOnly: true } });
  const [ticket] = eventsOf((await connect(world)).client, 'ticket').map((e) => e.ticket);
  assert.equal((await connect(world, { tickets: [ticket!] })).client.engine.info?.resumed, true);
});

test('answers may come late: signing, choosing and verifying park the handshake by name', async () => {
  const identity = await makeIdentity();
  const later = <T>(value: T): Promise<T> => new Promise((resolve) => setImmediate(() => resolve(value)));
  const { signer } = identity.credential;
  const slow = {
    ...identity.credential,
    signer: { schemes: signer.schemes, sign: async (s: number, d: Uint8Array) => later(await signer.sign(s, d)) },
  };
  const world = await createWorld({
    identity,
    server: { credentials: [slow], chooseCredential: () => later(slow), chooseAlpn: () => later('h2') },
    client: { alpn: ['h2'], verifier: { verify: () => later({ trusted: true as const }) } },
  });
  const pair = new Pair(world);
  pair.carry(pair.client, pair.server);
  assert.equal(pair.server.engine.state, 'parked:chooseAlpn');
  await pair.run();
  assert.equal(pair.client.engine.info?.alpn, 'h2');
});

test('a signer that fails ends the handshake with internal_error', async () => {
  const identity = await makeIdentity();
  const broken = {
    ...identity.credential,
    signer: { schemes: identity.credential.signer.schemes, sign: () => Promise.reject(new Error('HSM unplugged')) },
  };
  const pair = await connect(await createWorld({ identity, server: { credentials: [broken] } }));
  assert.equal(errorOf(pair.server)?.code, 'local.failed');
  assert.match(errorOf(pair.server)!.message, /HSM unplugged/);
  assert.equal(errorOf(pair.client)?.alert, 'internal_error');
});

test('certificate_authorities reach the other side both ways, and both may choose their certificate later', async () => {
  const name = (text: string): Uint8Array =>
    Uint8Array.from([0x30, text.length, ...text].map((c) => (typeof c === 'string' ? c.charCodeAt(0) : c)));
  const identity = await makeIdentity();
  const seen: string[] = [];
  const show = (names: readonly Uint8Array[]): void =>
    void seen.push(...names.map((n) => Buffer.from(n.subarray(2)).toString()));
  const world = await createWorld({
    identity,
    server: {
      clientAuth: 'require',
      verifier: { verify: () => ({ trusted: true }), authorities: [name('ours')] },
      chooseCredential: async (hello) => {
        show(hello.certificateAuthorities);
        return identity.credential;
      },
    },
    client: {
      certificateAuthorities: [name('theirs')],
      chooseCredential: async (request) => {
        show(request.certificateAuthorities);
        return identity.credential;
      },
    },
  });
  const pair = await connect(world);
  assert.deepEqual(seen, ['theirs', 'ours']);
  assert.deepEqual(pair.server.engine.info?.peer.chain, [identity.certificate]);
});
