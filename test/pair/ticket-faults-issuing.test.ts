import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../src/bytes/index.ts';
import type { ClientEngineOptions } from '../../src/connection/index.ts';
import { testCrypto } from '../../src/providers/test/index.ts';
import { rfc9149, type TicketSealer, type TicketState } from '../../src/tickets/index.ts';
import { PskKeyExchangeMode } from '../../src/wire/index.ts';
import { createVerifier } from '../../src/x509/index.ts';
import { makeIdentity } from '../support/certificates.ts';
import { corrupt } from './corrupt.ts';
import { connect, createWorld, errorOf, eventsOf, Pair, type World } from './pair.ts';

/** Faults that other stacks had with issuing tickets. */

const text = (s: string): Uint8Array => new TextEncoder().encode(s);

/** Keeps a copy of what it is given, and seals it into a ticket of `length` bytes that nobody opens. */
function recorder(length = 16): { readonly sealer: TicketSealer; readonly states: TicketState[] } {
  const states: TicketState[] = [];
  const sealer: TicketSealer = {
    maxLifetimeSeconds: () => 604_800,
    open: () => 'no_key',
    seal: (state) => {
      states.push({ ...state, psk: state.psk.slice() });
      return new Uint8Array(length).fill(1);
    },
  };
  return { sealer, states };
}

test('fault 1: every ticket of a connection has a nonce, an id and a PSK of its own, also of 100,000', async () => {
  const { sealer, states } = recorder();
  const world = await createWorld({ server: { tickets: { sealer } } });
  const pair = await connect(world);
  const nonces = new Set<string>();
  pair.server.engine.onEvent = (event) => {
    if (event.type === 'ticket_issued') nonces.add(toHex(event.nonce));
  };
  for (let i = 0; i < 100; i++) {
    assert.equal(pair.server.engine.requestTickets(1_000), true);
    pair.server.engine.flush();
    pair.server.engine.pull();
    while (pair.server.engine.next() !== undefined);
  }
  assert.equal(nonces.size, 100_000);
  assert.equal(states.length, 100_002);
  assert.equal(new Set(states.map((s) => toHex(s.psk))).size, states.length);
  assert.equal(new Set(states.map((s) => toHex(s.id))).size, states.length);
});

test('fault 1: tickets at different decision points do not share a nonce', async () => {
  const client = await makeIdentity('p256', ['client.example']);
  const verifier = createVerifier({ crypto: testCrypto({ seed: 'v' }), anchors: [client.certificate] });
  const world = await createWorld({
    server: { verifier },
    client: { credentials: [client.credential], postHandshakeAuth: true },
  });
  const pair = await connect(world);
  pair.server.engine.requestClientCertificate();
  await pair.run();
  pair.server.engine.requestTickets(2);
  pair.server.engine.flush();
  await pair.run();
  const tickets = eventsOf(pair.client, 'ticket').map((e) => e.ticket);
  assert.equal(tickets.length, 6);
  assert.equal(new Set(tickets.map((t) => toHex(t.nonce))).size, 6);
  assert.equal(new Set(tickets.map((t) => toHex(t.psk))).size, 6);
});

test('fault 2: what is sealed holds the PSK of one ticket, not the secret that all follow from', async () => {
  const { sealer, states } = recorder();
  const pair = await connect(await createWorld({ server: { tickets: { sealer, count: 3 } } }));
  const clients = eventsOf(pair.client, 'ticket').map((e) => toHex(e.ticket.psk));
  const sealed = states.map((s) => JSON.stringify(s, (_, v) => (v instanceof Uint8Array ? toHex(v) : v)));
  for (const [index, content] of sealed.entries()) {
    for (const [other, psk] of clients.entries()) assert.equal(content.includes(psk), index === other);
  }
  // The only field of the state that is secret is its own PSK.
  const bytes = Object.entries(states[0]!).filter(([, value]) => value instanceof Uint8Array);
  assert.deepEqual(bytes.map(([name]) => name).sort(), ['appData', 'id', 'psk']);
});

test('fault 9: no ticket before the Finished of the client, with and without client authentication', async () => {
  const client = await makeIdentity('p256', ['client.example']);
  const verifier = createVerifier({ crypto: testCrypto({ seed: 'v' }), anchors: [client.certificate] });
  for (const clientAuth of ['none', 'require'] as const) {
    const { sealer, states } = recorder();
    const pair = new Pair(
      await createWorld({
        server: { tickets: { sealer }, clientAuth, verifier },
        client: { credentials: [client.credential] },
      }),
    );
    const order: string[] = [];
    corrupt(pair.client, (m) => {
      order.push(`client ${m.type}, ${states.length} tickets`);
      return m;
    });
    await pair.run();
    assert.equal(order.at(-1), 'client finished, 0 tickets');
    assert.equal(states.length, 2);
    if (clientAuth === 'require') assert.deepEqual(states[0]!.client.chain, [client.certificate]);
  }
});

test('fault 11: a client that never reads hinders nothing: its data arrives, and the server can close', async () => {
  const pair = await connect(await createWorld({ server: { tickets: 0 } }));
  pair.server.engine.requestTickets(1_000);
  pair.server.engine.flush();
  for (let i = 0; i < 10; i++) {
    pair.client.engine.write(text('ping'));
    pair.carry(pair.client, pair.server);
  }
  assert.equal(eventsOf(pair.server, 'data').length, 10);
  assert.equal(eventsOf(pair.server, 'ticket_written').length, 0);
  assert.equal(pair.server.engine.tickets.at(-1)?.state(0), 'sealed');
  pair.server.engine.close();
  // The client resets the connection with all tickets unread: no error comes of them.
  pair.client.engine.close();
  pair.carry(pair.client, pair.server);
  assert.equal(pair.server.engine.state, 'closed');
  assert.equal(errorOf(pair.server), undefined);
});

test('fault 12: a ticket larger than any record arrives in pieces, and resumes', async () => {
  const world = await createWorld({ client: { recordSizeLimit: 512 } });
  const pair = await connect(world);
  pair.server.engine.issueTickets([{ appData: new Uint8Array(30_000).fill(7) }]);
  pair.server.engine.flush();
  await pair.run();
  const ticket = eventsOf(pair.client, 'ticket').at(-1)!.ticket;
  assert.ok(ticket.ticket.length > 30_000);
  const resumed = await connect(world, { tickets: [ticket] });
  assert.equal(resumed.server.engine.info?.resumed, true);
  assert.equal(resumed.server.engine.ticketAppData.length, 30_000);
});

test('fault 12: a ticket over the limit is not sent, the connection goes on', async () => {
  for (const [length, reason] of [
    [1_000, undefined],
    [1_001, 'too_large'],
    [70_000, 'too_large'],
  ] as const) {
    const { sealer } = recorder(length);
    const pair = await connect(await createWorld({ server: { tickets: { sealer, maxLength: 1_000, count: 1 } } }));
    assert.equal(eventsOf(pair.server, 'ticket_declined')[0]?.reason, reason);
    assert.equal(eventsOf(pair.client, 'ticket').length, reason === undefined ? 1 : 0);
    assert.equal(pair.server.engine.tickets[0]?.reason, reason);
    pair.server.engine.write(text('hello'));
    await pair.run();
    assert.equal(eventsOf(pair.client, 'data').length, 1);
  }
});

test('fault 13: no tickets for a client that could not use them', async () => {
  const world = await createWorld({ server: { tickets: { policy: rfc9149() } } });
  for (const [mode, tickets] of [
    [1, 3],
    [0, 0],
    [0x1b, 0],
  ] as const) {
    const pair = clientOfMode(world, mode, { ticketRequest: { newSessionCount: 3, resumptionCount: 3 } });
    await pair.run();
    assert.equal(pair.server.engine.state, 'connected');
    assert.equal(pair.client.engine.info?.expectedTickets, tickets);
    pair.server.engine.requestTickets(2);
    pair.server.engine.write(text('hello'));
    await pair.run();
    assert.equal(eventsOf(pair.client, 'ticket').length, tickets && tickets + 2);
    if (tickets === 0) assert.equal(eventsOf(pair.server, 'ticket_declined')[0]?.reason, 'no_usable_psk_mode');
  }
});

test('fault 19: off means none on the wire', async () => {
  const sealed = recorder();
  for (const tickets of [0, { count: 0, sealer: sealed.sealer }, { sealer: false as const }]) {
    const world = await createWorld({ server: { tickets } });
    const pair = new Pair(world, { ticketRequest: { newSessionCount: 9, resumptionCount: 9 } });
    let sent = 0;
    corrupt(pair.server, (m) => {
      if (m.type === 'new_session_ticket') sent++;
      return m;
    });
    await pair.run();
    pair.server.engine.write(text('hello'));
    pair.client.engine.write(text('ping'));
    await pair.run();
    pair.server.engine.close();
    await pair.run();
    assert.equal(sent, 0);
  }
  assert.equal(sealed.states.length, 0);
});

test('fault 19: off means none after a resumption, either', async () => {
  const world = await createWorld();
  const tickets = eventsOf((await connect(world)).client, 'ticket').map((e) => e.ticket);
  const pair = new Pair(world, { tickets });
  pair.server.engine.numTickets = 0;
  await pair.run();
  assert.equal(pair.server.engine.info?.resumed, true);
  assert.equal(eventsOf(pair.client, 'ticket').length, 0);
});

test('fault 20: a client works with any number of tickets', async () => {
  for (const count of [0, 1, 2, 3, 7, 100]) {
    const pair = await connect(await createWorld({ server: { tickets: count } }));
    pair.server.engine.write(text('hello'));
    await pair.run();
    assert.equal(eventsOf(pair.client, 'ticket').length, count);
    assert.equal(eventsOf(pair.client, 'data').length, 1);
  }
});

test('fault 22: a chain of resumptions ends 24 hours after the client was really authenticated, by default', async () => {
  const world = await createWorld({ server: { tickets: { lifetimeSeconds: 7_200 } } });
  let pair = await connect(world);
  const began = world.clock.now();
  let links = 0;
  for (;;) {
    const tickets = eventsOf(pair.client, 'ticket').map((e) => e.ticket);
    const age = (world.clock.now() - began) / 1000;
    for (const { lifetimeSeconds } of tickets) assert.ok(age + lifetimeSeconds <= 86_400);
    world.clock.advance(3_600_000);
    pair = await connect(world, { tickets: tickets.slice(0, 1) });
    if (pair.server.engine.info?.resumed !== true) break;
    links++;
    assert.ok(links < 100, 'endless');
  }
  assert.equal(links, 23);
});

test('fault 22: a program gets no ticket past the end of the chain', async () => {
  const world = await createWorld();
  const pair = await connect(world);
  world.clock.advance(86_400_000);
  const [handle] = pair.server.engine.issueTickets([{ when: 'with_handshake' }]);
  assert.equal(handle?.reason, 'chain_too_old');
});

/** A client that says it can use tickets in one mode only. The code point lies while its ClientHello is made. */
function clientOfMode(world: World, mode: number, options: ClientEngineOptions): Pair {
  const codes: { psk_dhe_ke: number } = PskKeyExchangeMode;
  const real = codes.psk_dhe_ke;
  codes.psk_dhe_ke = mode;
  try {
    return new Pair(world, options);
  } finally {
    codes.psk_dhe_ke = real;
  }
}
