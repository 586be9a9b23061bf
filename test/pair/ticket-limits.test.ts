import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equal, toHex } from '../../src/bytes/index.ts';
import { TlsUsageError } from '../../src/errors/index.ts';
import { testCrypto } from '../../src/providers/test/index.ts';
import type { TicketFacts, TicketPolicy } from '../../src/tickets/index.ts';
import { createVerifier } from '../../src/x509/index.ts';
import { makeIdentity } from '../support/certificates.ts';
import { earlyWorld, offer } from './early.ts';
import { connect, createWorld, eventsOf, Pair } from './pair.ts';

/** Tickets at the edges: of the limits, of a callback, of a connection's life. */

test('what is planned is never forgotten: requests beyond the limit are refused instead', async () => {
  const world = await createWorld({ server: { tickets: 0, limits: { ticketsSent: 5 } } });
  const { client, server } = await connect(world);
  const { engine } = server;
  const handles = engine.issueTickets(new Array(4).fill({ when: 'before_close' }));
  assert.equal(engine.requestTickets(1), true);
  assert.equal(engine.requestTickets(1), false);
  assert.throws(
    () => engine.issueTickets([{}]),
    (e) => e instanceof TlsUsageError && e.code === 'tickets.bad_count' && /1 tickets beside 5/.test(e.message),
  );
  // Tickets that go out make room, and push no planned one out of memory.
  for (let i = 0; i < 200; i++) {
    engine.flush();
    assert.equal(engine.requestTickets(1), true);
  }
  assert.deepEqual(
    handles.map((h) => h.state(world.clock.now())),
    ['planned', 'planned', 'planned', 'planned'],
  );
  assert.deepEqual(engine.tickets.slice(0, 4), handles);
  assert.ok(engine.tickets.length <= 70, `${engine.tickets.length} are remembered`);
  assert.equal(
    engine
      .explainTickets()
      .split('\n')
      .filter((line) => line.includes('before_close')).length,
    4,
  );
  engine.close();
  client.engine.receive(engine.pull()!);
  let issued = 0;
  for (let event = engine.next(); event !== undefined; event = engine.next())
    if (event.type === 'ticket_issued') issued++;
  assert.equal(issued, 200 + 4);
});

test('a plan larger than the limit is cut, and none of it is lost at its moment', async () => {
  const policy: TicketPolicy = {
    name: 'many',
    plan: () => ({ tickets: new Array(9).fill({ when: 'with_next_write' }), why: 'many' }),
  };
  const pair = await connect(await createWorld({ server: { tickets: { policy }, limits: { ticketsSent: 6 } } }));
  assert.equal(pair.server.engine.tickets.length, 6);
  pair.server.engine.write(Uint8Array.of(1));
  await pair.run();
  assert.equal(eventsOf(pair.client, 'ticket').length, 6);
});

test('the limit holds across the points of a connection', async () => {
  const identity = await makeIdentity('p256', ['client.example']);
  const verifier = createVerifier({ crypto: testCrypto({ seed: 'v' }), anchors: [identity.certificate] });
  const policy = () => ({ tickets: new Array(2).fill({ when: 'before_close' as const }), why: 'two at the end' });
  const world = await createWorld({
    server: { verifier, tickets: { policy }, limits: { ticketsSent: 3 } },
    client: { credentials: [identity.credential], postHandshakeAuth: true },
  });
  const pair = await connect(world);
  pair.server.engine.requestClientCertificate();
  await pair.run();
  assert.deepEqual(
    pair.server.engine.tickets.map(({ point }) => point),
    ['full_handshake', 'full_handshake', 'client_authenticated'],
  );
  pair.server.engine.close();
  await pair.run();
  assert.equal(eventsOf(pair.client, 'ticket').length, 3);
});

test('tickets issued from within an event are explained at their own point', async () => {
  const pair = new Pair(await createWorld({ server: { tickets: 3 } }));
  const { engine } = pair.server;
  let once = true;
  engine.onEvent = (event) => {
    if (event.type !== 'ticket_issued' || !once) return;
    once = false;
    engine.issueTickets([{ when: 'before_close' }]);
  };
  await pair.run();
  assert.match(
    engine.explainTickets(),
    /^full_handshake: numTickets is 3.*(\n {2}ticket .* written.*){3}\napplication_request: .*\n {2}ticket .* planned, before_close$/,
  );
});

test('what the end of a connection overtakes is canceled, and says so', async () => {
  for (const end of ['close', 'abort', 'peer'] as const) {
    const pair = await connect(await createWorld());
    const [handle] = pair.server.engine.issueTickets([{ when: 'with_next_write' }]);
    if (end === 'close') pair.server.engine.close();
    else if (end === 'abort') pair.server.engine.abort('internal_error');
    else pair.server.engine.transportEnded();
    assert.deepEqual([handle!.state(0), handle!.reason], ['canceled', 'canceled'], end);
    assert.match(pair.server.engine.explainTickets(), /: canceled$/);
  }
});

test('after the first data: early data counts, and the ticket follows the handshake', async () => {
  const policy = (): { tickets: [{ when: 'after_first_data' }]; why: string } => ({
    tickets: [{ when: 'after_first_data' }],
    why: 'once it has said something',
  });
  const world = await earlyWorld({}, { server: { tickets: { policy } } });
  const silent = await connect(world);
  assert.equal(eventsOf(silent.client, 'ticket').length, 0);
  silent.client.engine.write(Uint8Array.of(1));
  await silent.run();
  const tickets = eventsOf(silent.client, 'ticket').map(({ ticket }) => ticket);
  const early = await (await offer(world, 'GET /', { tickets })).run();
  assert.equal(early.server.engine.earlyData, 'accepted');
  assert.equal(eventsOf(early.server, 'data').length, 0);
  assert.equal(eventsOf(early.client, 'ticket').length, 1);
  const types = early.server.events.map((e) => e.type);
  assert.ok(types.indexOf('ticket_issued') > types.indexOf('secure'));
});

test('who holds an external PSK: the engine says what the tickets say', async () => {
  const psk = { identity: new TextEncoder().encode('alice'), key: new Uint8Array(32).fill(7), hash: 'sha256' as const };
  const world = await createWorld({
    server: { findPsk: (identity) => (equal(identity, psk.identity) ? psk : undefined) },
  });
  const pair = await connect(world, { psks: [psk] });
  const expected = `psk:sha256:${toHex(testCrypto({ seed: 'x' }).kdf('sha256').hash(psk.identity))}`;
  assert.equal(pair.server.engine.ticketIdentity, expected);
  const [issued] = eventsOf(pair.server, 'ticket_issued');
  assert.equal(issued?.state.identity, expected);
  const tickets = eventsOf(pair.client, 'ticket').map(({ ticket }) => ticket);
  const resumed = await connect(world, { tickets, psks: [psk] });
  assert.equal(resumed.server.engine.info?.resumed, true);
  assert.equal(resumed.server.engine.ticketIdentity, expected);
});

test('a function is a policy', async () => {
  const asked: TicketFacts[] = [];
  const policy = (facts: TicketFacts) => {
    asked.push(facts);
    return { tickets: [{ lifetimeSeconds: 60 }], why: 'one for a minute' };
  };
  const { client, server } = await connect(await createWorld({ server: { tickets: { policy } } }));
  assert.equal(asked[0]?.point, 'full_handshake');
  assert.deepEqual(
    eventsOf(client, 'ticket').map(({ ticket }) => ticket.lifetimeSeconds),
    [60],
  );
  assert.match(server.engine.explainTickets(), /one for a minute/);
});

test('what is no policy is refused when the config is made, not silently obeyed with no tickets', async () => {
  for (const policy of [{}, 'openssl', 3, { plan: 2 }]) {
    await assert.rejects(
      createWorld({ server: { tickets: { policy: policy as unknown as TicketPolicy } } }),
      (e) => e instanceof TlsUsageError && e.code === 'config.bad_policy',
    );
  }
});
