/** Faults that other stacks had when they redeemed tickets. Each must stay impossible here. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { ClientOptions, ServerConfig, ServerOptions } from '../../src/connection/index.ts';
import type { Credential } from '../../src/crypto/index.ts';
import { createSigner, nodeCrypto } from '../../src/providers/node/index.ts';
import { type ClientTicket, RingSealer, type TicketDecline, TicketKeyRing } from '../../src/tickets/index.ts';
import { createSelfSigned, createVerifier } from '../../src/x509/index.ts';
import { keyPair, makeIdentity, TEST_NOW } from '../support/certificates.ts';
import { connect, createWorld, errorOf, eventsOf, Pair, type World } from './pair.ts';

const sealer = (): RingSealer => new RingSealer(new TicketKeyRing({ crypto: nodeCrypto }), nodeCrypto);

async function ticketOf(world: World, serverName = 'localhost'): Promise<ClientTicket> {
  return eventsOf((await connect(world, { serverName })).client, 'ticket')[0]!.ticket;
}

const reasonsOf = (pair: Pair): TicketDecline[] =>
  eventsOf(pair.server, 'ticket_declined').map((event) => event.reason as TicketDecline);

/** A client's certificate, its own authority, that is valid until `notAfter`. */
async function clientUntil(notAfter: number): Promise<Credential> {
  const { publicKey, privateKey } = keyPair('p384');
  const signer = createSigner(privateKey);
  const certificate = await createSelfSigned({
    subjectPublicKeyInfo: publicKey.export({ type: 'spki', format: 'der' }),
    signer,
    names: ['client.example'],
    notBefore: Date.UTC(2020, 0, 1),
    notAfter,
    serial: randomBytes(16),
  });
  return { chain: [certificate], signer, names: ['client.example'] };
}

const trusting = (...credentials: Credential[]): ServerOptions['verifier'] =>
  createVerifier({ crypto: nodeCrypto, anchors: credentials.map((one) => one.chain[0]!) });

test('fault 4: a ticket of one virtual host is not good at another that shares its keys', async () => {
  const identity = await makeIdentity('p256', ['open.test', 'mtls.test', 'other.test']);
  const alice = await clientUntil(Date.UTC(2049, 0, 1));
  const bob = await clientUntil(Date.UTC(2049, 0, 2));
  const shared = sealer();
  const hosts = new Map<string, Partial<ServerOptions>>([
    ['open.test', {}],
    ['mtls.test', { clientAuth: 'require', verifier: trusting(alice) }],
    ['other.test', { clientAuth: 'require', verifier: trusting(bob) }],
  ]);
  const configs = new Map<string, ServerConfig>();
  for (const [name, server] of hosts) {
    const world = await createWorld({ identity, server: { ...server, tickets: { sealer: shared } } });
    configs.set(name, world.serverConfig);
  }
  const client: Partial<ClientOptions> = { credentials: [alice] };
  const world = await createWorld({
    identity,
    client,
    server: { chooseConfig: ({ serverName }) => configs.get(serverName ?? '') },
  });
  // An attacker's client says the name of the other host, in the ticket and in SNI.
  const carry = async (from: string, to: string): Promise<Pair> => {
    const ticket = await ticketOf(world, from);
    return connect(world, { serverName: to, tickets: [{ ...ticket, serverName: to }] });
  };
  for (const [from, to] of [
    ['open.test', 'mtls.test'],
    ['mtls.test', 'open.test'],
    ['mtls.test', 'other.test'],
  ] as const) {
    const pair = await carry(from, to);
    assert.equal(pair.server.engine.info?.resumed ?? false, false, `${from} to ${to}`);
    assert.deepEqual(reasonsOf(pair), ['no_key']);
  }
  const refused = await carry('mtls.test', 'other.test');
  assert.equal(errorOf(refused.server)?.code, 'certificate.not_trusted', 'alice is a stranger there');
  const home = await carry('mtls.test', 'mtls.test');
  assert.equal(home.server.engine.info?.resumed, true);
  assert.equal(home.server.engine.info?.peer.authorized, true);
});

test('fault 4: nor where both verify by functions, which cannot be compared; a label vouches for them', async () => {
  const alice = await clientUntil(Date.UTC(2049, 0, 1));
  const lax = { verify: () => ({ trusted: true }) as const };
  const strict = { verify: () => ({ trusted: false, code: 'X', message: 'x', alert: 'unknown_ca' }) as const };
  const shared = sealer();
  const host = (verifier: NonNullable<ServerOptions['verifier']>, label?: string): Promise<World> =>
    createWorld({
      client: { credentials: [alice] },
      server: { crypto: nodeCrypto, clientAuth: 'require', verifier, tickets: { sealer: shared, label } },
    });
  const redeem = async (from: World, to: World): Promise<Pair> => connect(to, { tickets: [await ticketOf(from)] });
  const refused = await redeem(await host(lax), await host(strict));
  assert.equal(errorOf(refused.server)?.code, 'certificate.not_trusted');
  assert.deepEqual(reasonsOf(refused), ['no_key']);
  assert.equal((await redeem(await host(lax), await host(lax))).server.engine.info?.resumed, true, 'the same verifier');
  const named = await redeem(await host(lax, 'one'), await host({ ...lax }, 'one'));
  assert.equal(named.server.engine.info?.resumed, true);
});

test('fault 4: hosts of one policy keep their tickets apart by name', async () => {
  const identity = await makeIdentity('p256', ['a.test', 'b.test']);
  const world = await createWorld({ identity });
  const ticket = await ticketOf(world, 'a.test');
  const pair = await connect(world, { serverName: 'b.test', tickets: [{ ...ticket, serverName: 'b.test' }] });
  assert.equal(pair.server.engine.info?.resumed, false);
  assert.deepEqual(reasonsOf(pair), ['server_name_mismatch']);
});

test('fault 5: a client certificate that expired since does not resume', async () => {
  const credential = await clientUntil(TEST_NOW + 60_000);
  const world = await createWorld({
    client: { credentials: [credential] },
    server: { clientAuth: 'require', verifier: trusting(credential) },
  });
  const ticket = await ticketOf(world);
  world.clock.advance(60_000);
  const inTime = await connect(world, { tickets: [ticket] });
  assert.equal(inTime.server.engine.info?.resumed, true);
  world.clock.advance(1_000);
  const late = await connect(world, { tickets: [ticket] });
  assert.deepEqual(reasonsOf(late), ['client_certificate_expired']);
  assert.equal(errorOf(late.server)?.code, 'certificate.not_trusted');
  assert.equal(errorOf(late.client)?.alert, 'certificate_expired');
});

test('fault 5: nor does a client whose ticket was revoked', async () => {
  const world = await createWorld();
  const first = await connect(world);
  const ticket = eventsOf(first.client, 'ticket')[0]!.ticket;
  const { state } = eventsOf(first.server, 'ticket_issued')[0]!;
  const keys = world.serverConfig.tickets.sealer!;
  const asked: unknown[] = [];
  for (const revoked of [false, true]) {
    const strict = await createWorld({
      server: {
        tickets: {
          sealer: keys,
          revocations: {
            revoke: () => {},
            isRevoked: ({ id, identity, issuedAt }, now) => {
              asked.push({ id, identity, issuedAt, now });
              return Promise.resolve(revoked);
            },
          },
        },
      },
    });
    const pair = await connect(strict, { tickets: [ticket] });
    assert.equal(pair.server.engine.info?.resumed, !revoked);
    assert.deepEqual(reasonsOf(pair), revoked ? ['revoked'] : []);
  }
  const { id, identity, issuedAt } = state;
  assert.deepEqual(asked, new Array(2).fill({ id, identity, issuedAt, now: TEST_NOW }));
});

test('fault 5: a server certificate that expired since is not resumed with, either', async () => {
  const { publicKey, privateKey } = keyPair('p256');
  const signer = createSigner(privateKey);
  const certificate = await createSelfSigned({
    subjectPublicKeyInfo: publicKey.export({ type: 'spki', format: 'der' }),
    signer,
    names: ['localhost'],
    notBefore: Date.UTC(2020, 0, 1),
    notAfter: TEST_NOW + 60_000,
    serial: randomBytes(16),
  });
  const credential = { chain: [certificate], signer, names: ['localhost'] };
  const world = await createWorld({
    identity: { credential, certificate, certificatePem: '', keyPem: '' },
  });
  const ticket = await ticketOf(world);
  assert.equal((await connect(world, { tickets: [ticket] })).client.engine.info?.resumed, true);
  world.clock.advance(61_000);
  const pair = await connect(world, { tickets: [ticket] });
  assert.deepEqual(
    eventsOf(pair.client, 'ticket_declined').map((event) => event.reason),
    ['server_certificate_expired'],
  );
  assert.equal(errorOf(pair.client)?.code, 'certificate.not_trusted');
});

test('fault 8: a ticket is not offered to another server name', async () => {
  const identity = await makeIdentity('p256', ['localhost', 'other.test', '127.0.0.1']);
  const world = await createWorld({ identity });
  const ticket = await ticketOf(world);
  for (const serverName of ['other.test', '127.0.0.1']) {
    const pair = await connect(world, { serverName, tickets: [ticket] });
    assert.equal(pair.client.engine.info?.resumed, false);
    assert.deepEqual(
      eventsOf(pair.client, 'ticket_declined').map((event) => [event.reason, event.identityIndex]),
      [['server_name_mismatch', undefined]],
    );
    assert.deepEqual(reasonsOf(pair), [], 'the server never sees it');
  }
  const same = await connect(world, { serverName: 'LocalHost', tickets: [ticket] });
  assert.equal(same.client.engine.info?.resumed, true, 'names are compared without case');
});

test('fault 21: server name, certificates and their verdict are there after a resumption, and after that one', async () => {
  const credential = await clientUntil(Date.UTC(2049, 0, 1));
  for (const trusted of [true, false]) {
    const verifier = trusted ? trusting(credential) : trusting(await clientUntil(Date.UTC(2049, 0, 3)));
    const world = await createWorld({
      client: { credentials: [credential], alpn: ['h2'] },
      server: { clientAuth: 'require', verifier, rejectUnauthorized: trusted, alpn: ['h2'] },
    });
    const first = await connect(world);
    const full = { client: first.client.engine.info!, server: first.server.engine.info! };
    assert.equal(full.server.serverName, 'localhost');
    assert.equal(full.server.peer.authorized, trusted);
    let [ticket] = eventsOf(first.client, 'ticket').map((event) => event.ticket);
    for (let round = 0; round < 2; round++) {
      const pair = new Pair(world, { tickets: [ticket!] });
      await pair.run();
      for (const role of ['client', 'server'] as const) {
        const info = pair[role].engine.info!;
        assert.equal(info.resumed, true);
        assert.equal(info.serverName, 'localhost');
        assert.equal(info.alpn, 'h2');
        assert.deepEqual(info.peer, full[role].peer);
        assert.equal(info.peer.chain.length, 1);
      }
      [ticket] = eventsOf(pair.client, 'ticket').map((event) => event.ticket);
    }
  }
});
