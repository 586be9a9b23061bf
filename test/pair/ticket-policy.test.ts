import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { TlsUsageError } from '../../src/errors/index.ts';
import { testCrypto } from '../../src/providers/test/index.ts';
import { rfc9149 } from '../../src/tickets/index.ts';
import { createVerifier } from '../../src/x509/index.ts';
import { makeIdentity } from '../support/certificates.ts';
import { corrupt } from './corrupt.ts';
import { connect, createWorld, errorOf, eventsOf, Pair } from './pair.ts';

const request = (newSessionCount: number, resumptionCount: number) => ({ newSessionCount, resumptionCount });

test('RFC 9149: a client gets what it asks for, up to the maximum, and is told how many', async () => {
  const world = await createWorld({ server: { tickets: { policy: rfc9149({ max: 5 }) } } });
  for (const [asked, given] of [
    [0, 0],
    [1, 1],
    [5, 5],
    [6, 5],
    [255, 5],
  ] as const) {
    const { client, server } = await connect(world, { ticketRequest: request(asked, 1) });
    assert.equal(eventsOf(client, 'ticket').length, given, `asked for ${asked}`);
    assert.equal(client.engine.info?.expectedTickets, given);
    assert.deepEqual(server.engine.info?.ticketRequest, request(asked, 1));
  }
});

test('RFC 9149: after a resumption the other number counts, also above one', async () => {
  const world = await createWorld({ server: { tickets: { policy: rfc9149({ max: 5 }) } } });
  const first = await connect(world, { ticketRequest: request(3, 0) });
  const tickets = eventsOf(first.client, 'ticket').map((e) => e.ticket);
  assert.equal(tickets.length, 3);
  for (const [index, count] of [0, 3].entries()) {
    const { client } = await connect(world, { tickets: [tickets[index]!], ticketRequest: request(1, count) });
    assert.equal(client.engine.info?.resumed, true);
    assert.equal(eventsOf(client, 'ticket').length, count);
    assert.equal(client.engine.info?.expectedTickets, count);
  }
  const { client } = await connect(world, { tickets: [tickets[2]!] });
  assert.equal(eventsOf(client, 'ticket').length, 1, 'unasked');
  assert.equal(client.engine.info?.expectedTickets, undefined);
});

test('RFC 9149: the default policy does not listen, and does not answer', async () => {
  const { client, server } = await connect(await createWorld(), { ticketRequest: request(7, 7) });
  assert.equal(eventsOf(client, 'ticket').length, 2);
  assert.equal(client.engine.info?.expectedTickets, undefined);
  assert.deepEqual(server.engine.info?.ticketRequest, request(7, 7));
});

test('RFC 9149: numTickets 0 is answered with 0; so is a server without tickets', async () => {
  for (const tickets of [
    { count: 0, policy: rfc9149() },
    { sealer: false as const, policy: rfc9149() },
  ]) {
    const { client } = await connect(await createWorld({ server: { tickets } }), { ticketRequest: request(2, 2) });
    assert.equal(client.engine.info?.expectedTickets, 0);
    assert.equal(eventsOf(client, 'ticket').length, 0);
  }
});

test('RFC 9149: the request survives a HelloRetryRequest', async () => {
  const world = await createWorld({
    server: { groups: ['secp256r1'], tickets: { policy: rfc9149() } },
    client: { keyShareCount: 1 },
  });
  const { client, server } = await connect(world, { ticketRequest: request(3, 1) });
  assert.equal(server.engine.info?.helloRetried, true);
  assert.deepEqual(server.engine.info?.ticketRequest, request(3, 1));
  assert.equal(eventsOf(client, 'ticket').length, 3);
});

test('a request out of range is refused at once', async () => {
  const world = await createWorld();
  for (const bad of [-1, 256, 1.5])
    assert.throws(
      () => new Pair(world, { ticketRequest: request(bad, 0) }),
      (e) => e instanceof TlsUsageError && e.code === 'tickets.bad_request',
    );
});

test('RFC 9149: a server refuses a second ClientHello that asks for another number', async () => {
  const world = await createWorld({ server: { groups: ['secp256r1'] }, client: { keyShareCount: 1 } });
  const pair = new Pair(world, { ticketRequest: request(3, 1) });
  pair.carry(pair.client, pair.server);
  corrupt(pair.client, (m) =>
    m.type === 'client_hello' ? { ...m, extensions: { ...m.extensions, ticketRequest: request(4, 1) } } : m,
  );
  await pair.run();
  assert.equal(errorOf(pair.server)?.code, 'client_hello.changed_after_retry');
});

test('RFC 9149: a client refuses an answer to what it did not ask', async () => {
  const pair = new Pair(await createWorld());
  corrupt(pair.server, (m) =>
    m.type === 'encrypted_extensions' ? { ...m, extensions: { ...m.extensions, expectedTickets: 2 } } : m,
  );
  await pair.run();
  assert.equal(errorOf(pair.client)?.code, 'extension.not_requested');
  assert.equal(errorOf(pair.client)?.alert, 'unsupported_extension');
});

test('a client that authenticates later is a decision point of its own: the number may change before it, and RFC 9149 counts again', async () => {
  const alice = await makeIdentity('p256', ['alice.example']);
  const verifier = createVerifier({ crypto: testCrypto({ seed: 'alice' }), anchors: [alice.certificate] });
  const client = { credentials: [alice.credential], postHandshakeAuth: true };
  const authenticate = async (pair: Pair): Promise<void> => {
    pair.server.engine.requestClientCertificate();
    await pair.run();
  };
  const identity = `sha256:${createHash('sha256').update(alice.certificate).digest('hex')}`;

  const first = await connect(await createWorld({ server: { verifier, tickets: 1 }, client }));
  assert.equal(first.server.engine.ticketIdentity, undefined);
  first.server.engine.numTickets = 3;
  await authenticate(first);
  const states = eventsOf(first.server, 'ticket_issued').map((e) => e.state);
  assert.deepEqual(
    states.map((s) => s.identity),
    [undefined, identity, identity, identity],
  );
  assert.deepEqual(states[3]?.client.chain, [alice.certificate]);
  assert.equal(first.server.engine.ticketIdentity, identity);
  assert.match(first.server.engine.explainTickets(), /^client_authenticated: numTickets is 3/m);

  const asked = await connect(await createWorld({ server: { verifier, tickets: { policy: rfc9149() } }, client }), {
    ticketRequest: request(3, 1),
  });
  await authenticate(asked);
  assert.equal(eventsOf(asked.client, 'ticket').length, 6);
});
