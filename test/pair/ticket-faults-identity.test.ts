import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testCrypto } from '../../src/providers/test/index.ts';
import {
  type ClientTicket,
  decodeClientTicket,
  encodeClientTicket,
  RingSealer,
  TicketKeyRing,
} from '../../src/tickets/index.ts';
import { createVerifier } from '../../src/x509/index.ts';
import { makeIdentity } from '../support/certificates.ts';
import { connect, createWorld, eventsOf, type Pair, type World, type WorldOptions } from './pair.ts';

/** Faults that other stacks had with the identity a ticket stands for. */

const alice = await makeIdentity('p256', ['alice.example']);
const mallory = await makeIdentity('p256', ['mallory.example']);
const identity = await makeIdentity();
const verifier = createVerifier({ crypto: testCrypto({ seed: 'verifier' }), anchors: [alice.certificate] });
const crypto = testCrypto({ seed: 'tickets' });
/** Servers of these tests share keys and scope: what they tell apart is in the ticket. */
const tickets = { sealer: new RingSealer(new TicketKeyRing({ crypto }), crypto), scope: 'one for all' };

function world(options: WorldOptions = {}): Promise<World> {
  return createWorld({ ...options, identity, server: { tickets, verifier, ...options.server } });
}

/** The newest ticket, by way of its saved form. */
function ticketOf(pair: Pair): ClientTicket {
  return decodeClientTicket(encodeClientTicket(eventsOf(pair.client, 'ticket').at(-1)!.ticket));
}

/** Asks for a certificate after the handshake, and waits for the answer. */
async function authenticate(pair: Pair): Promise<void> {
  pair.server.engine.requestClientCertificate();
  await pair.run();
  assert.equal(eventsOf(pair.server, 'client_certificate').length, 1);
}

test('fault 7: what verification said of a client is the same after every resumption', async () => {
  for (const [who, authorized] of [
    [alice, true],
    [mallory, false],
  ] as const) {
    for (const when of ['in the handshake', 'after the handshake']) {
      const w = await world({
        server: { clientAuth: when === 'in the handshake' ? 'request' : 'none', rejectUnauthorized: false },
        client: { credentials: [who.credential], postHandshakeAuth: true },
      });
      let pair = await connect(w);
      if (when === 'after the handshake') await authenticate(pair);
      const first = pair.server.engine.info!.peer;
      assert.equal(first.authorized, authorized);
      assert.equal(first.authorizationError === undefined, authorized);
      for (let i = 0; i < 3; i++) {
        pair = await connect(w, { tickets: [ticketOf(pair)] });
        assert.equal(pair.server.engine.info?.resumed, true);
        assert.deepEqual(pair.server.engine.info?.peer, first, `${when}, resumption ${i}`);
      }
    }
  }
});

test('fault 7: a client that was not authorized is not let in by a server that has become strict', async () => {
  const clientAuth = 'require';
  const client = { credentials: [mallory.credential] };
  const mild = await world({ server: { clientAuth, rejectUnauthorized: false }, client });
  const strict = await world({ server: { clientAuth }, client });
  const pair = await connect(strict, { tickets: [ticketOf(await connect(mild))] });
  assert.equal(eventsOf(pair.server, 'ticket_declined')[0]?.reason, 'client_certificate_required');
  assert.equal(eventsOf(pair.server, 'error')[0]?.error.code, 'certificate.not_trusted');
  assert.deepEqual(eventsOf(pair.server, 'secure'), []);
});

test('fault 7: what verification said of a server is the same after a resumption, and a strict client does not resume', async () => {
  const stranger = createVerifier({ crypto: testCrypto({ seed: 'stranger' }), anchors: [mallory.certificate] });
  const mild = await world({ client: { verifier: stranger, rejectUnauthorized: false } });
  const first = await connect(mild);
  assert.equal(first.client.engine.info?.peer.authorized, false);
  const ticket = ticketOf(first);
  const again = await connect(mild, { tickets: [ticket] });
  assert.equal(again.client.engine.info?.resumed, true);
  assert.deepEqual(again.client.engine.info?.peer, first.client.engine.info?.peer);
  const strict = await connect(await world({ client: { verifier: stranger } }), { tickets: [ticket] });
  assert.equal(eventsOf(strict.client, 'error')[0]?.error.code, 'certificate.not_trusted');
  assert.deepEqual(eventsOf(strict.client, 'secure'), []);
});

test('fault 10: a resumption keeps the certificate of the client, or there is none where one is needed', async () => {
  const client = { credentials: [alice.credential], postHandshakeAuth: true };
  const open = await world({ client });
  const mutual = await world({ server: { clientAuth: 'require' }, client });
  const who = { chain: [alice.certificate], authorized: true };

  // A ticket of a client that showed nothing.
  const anonymous = await connect(open);
  const refused = await connect(mutual, { tickets: [ticketOf(anonymous)] });
  assert.equal(eventsOf(refused.server, 'ticket_declined')[0]?.reason, 'client_certificate_required');
  assert.equal(refused.server.engine.info?.resumed, false);
  assert.deepEqual(refused.server.engine.info?.peer, who);

  // Tickets of one that did, in the handshake or after it.
  const late = await connect(open);
  await authenticate(late);
  for (const ticket of [ticketOf(refused), ticketOf(late)]) {
    const pair = await connect(mutual, { tickets: [ticket] });
    assert.equal(pair.server.engine.info?.resumed, true);
    assert.deepEqual(pair.server.engine.info?.peer, who);
  }

  // One that showed its certificate, and took it back.
  const taken = await connect(open);
  await authenticate(taken);
  const { peer } = taken.server.engine.info!;
  assert.deepEqual(peer, who);
  let asked = 0;
  const forgetful = await world({
    client: { postHandshakeAuth: true, chooseCredential: () => (asked++ === 0 ? alice.credential : undefined) },
  });
  const pair = await connect(forgetful);
  await authenticate(pair);
  assert.deepEqual(pair.server.engine.info?.peer, who);
  pair.server.engine.requestClientCertificate();
  await pair.run();
  const nobody = await connect(mutual, { tickets: [ticketOf(pair)] });
  assert.equal(eventsOf(nobody.server, 'ticket_declined')[0]?.reason, 'client_certificate_required');
});

test('fault 21: a resumed connection knows the server name and the certificates of both sides', async () => {
  const w = await world({
    server: { clientAuth: 'request' },
    client: { credentials: [alice.credential], postHandshakeAuth: true },
  });
  let pair = await connect(w);
  for (let i = 0; i < 3; i++) {
    assert.equal(pair.server.engine.info?.resumed, i > 0);
    assert.equal(pair.server.engine.info?.serverName, 'localhost');
    assert.equal(pair.client.engine.info?.serverName, 'localhost');
    assert.deepEqual(pair.server.engine.info?.peer.chain, [alice.certificate]);
    assert.deepEqual(pair.client.engine.info?.peer.chain, [identity.certificate]);
    assert.equal(pair.client.engine.info?.peer.authorized, true);
    pair = await connect(w, { tickets: [ticketOf(pair)] });
  }
  // Being asked on a resumed connection changes who the client is, and nothing else.
  const { peer: _client, authenticatedAt: _at, ...before } = pair.server.engine.info!;
  await authenticate(pair);
  const { peer, authenticatedAt: _later, ...after } = pair.server.engine.info!;
  assert.deepEqual(after, before);
  assert.deepEqual(peer.chain, [alice.certificate]);
  const last = await connect(w, { tickets: [ticketOf(pair)] });
  assert.equal(last.server.engine.info?.serverName, 'localhost');
  assert.deepEqual(last.server.engine.info?.peer.chain, [alice.certificate]);
  assert.deepEqual(last.client.engine.info?.peer.chain, [identity.certificate]);
});
