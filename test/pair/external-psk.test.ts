import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromLatin1, latin1 } from '../../src/bytes/index.ts';
import type { ClientOptions, ExternalPsk, ServerOptions } from '../../src/connection/index.ts';
import type { CryptoProvider, HashName, Kdf } from '../../src/crypto/index.ts';
import { TlsAlertError } from '../../src/errors/index.ts';
import { testCrypto } from '../../src/providers/test/index.ts';
import { decodeHandshakeMessage } from '../../src/wire/index.ts';
import { makeIdentity } from '../support/certificates.ts';
import { WaitingClock } from './clock.ts';
import { corrupt } from './corrupt.ts';
import { earlyWorld, offer, received, statusOf, ticketsOf } from './early.ts';
import { connect, createWorld, errorOf, eventsOf, Pair, type World } from './pair.ts';

const alice: ExternalPsk = { identity: latin1('alice'), key: new Uint8Array(32).fill(0xa1), hash: 'sha256' };
const bob: ExternalPsk = { identity: latin1('bob'), key: new Uint8Array(48).fill(0xb0), hash: 'sha384' };
const carol: ExternalPsk = {
  identity: latin1('carol'),
  key: new Uint8Array(16).fill(0xca),
  hash: 'sha256',
  import: { context: latin1('client carol, server localhost') },
};

type FindPsk = NonNullable<ServerOptions['findPsk']>;

/** Knows these and nobody else. */
function among(...known: readonly ExternalPsk[]): FindPsk {
  return (identity) => known.find((psk) => fromLatin1(psk.identity) === fromLatin1(identity));
}

async function pskWorld(
  findPsk: FindPsk,
  server: Partial<ServerOptions> = {},
  client: Partial<ClientOptions> = {},
): Promise<World> {
  return createWorld({ server: { findPsk, ...server }, client });
}

const noCertificate = { credentials: [] };

describe('a handshake with an external PSK', () => {
  for (const [what, findPsk] of [
    ['found at once', among(alice, bob, carol)],
    ['found later', async (identity: Uint8Array) => among(alice, bob, carol)(identity, undefined)],
  ] as const) {
    for (const psk of [alice, bob, carol]) {
      test(`${fromLatin1(psk.identity)}, ${what}`, async () => {
        const pair = await connect(await pskWorld(findPsk, noCertificate), { psks: [psk] });
        assert.equal(errorOf(pair.server)?.message, undefined);
        for (const { engine } of [pair.client, pair.server]) {
          const info = engine.info!;
          assert.deepEqual(info.pskIdentity, psk.identity);
          assert.deepEqual(info.peer, { chain: [], authorized: true });
          assert.equal(info.resumed, false);
          assert.equal(info.group, 'x25519', 'with forward secrecy');
          assert.equal(info.signatureScheme, undefined);
        }
        pair.client.engine.write(latin1('hello'));
        await pair.run();
        assert.equal(fromLatin1(eventsOf(pair.server, 'data')[0]!.bytes), 'hello');
      });
    }
  }

  test('the suite follows the hash of the PSK, whatever suite the server prefers', async () => {
    const pair = await connect(await pskWorld(among(bob)), { psks: [bob] });
    assert.equal(pair.server.engine.info?.cipherSuiteName, 'TLS_AES_256_GCM_SHA384');
  });

  test('an imported PSK is offered for each hash, and the server takes one that fits', async () => {
    const asked: unknown[] = [];
    const find: FindPsk = (identity, targetHash) => {
      asked.push([fromLatin1(identity), targetHash]);
      return among(carol)(identity, targetHash);
    };
    for (const suite of ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384']) {
      const world = await pskWorld(find, { ...noCertificate, cipherSuites: [suite] });
      const pair = await connect(world, { psks: [carol] });
      assert.deepEqual(pair.server.engine.info?.pskIdentity, carol.identity);
      assert.equal(pair.client.engine.info?.cipherSuiteName, suite);
    }
    assert.deepEqual(asked, [
      ['carol', 'sha256'],
      ['carol', 'sha256'],
      ['carol', 'sha384'],
    ]);
  });

  test('after a HelloRetryRequest the binders are made again, and other hashes are left out', async () => {
    for (const psk of [alice, carol]) {
      const world = await pskWorld(
        among(alice, carol),
        { ...noCertificate, groups: ['secp256r1'] },
        { keyShareCount: 1 },
      );
      const pair = new Pair(world, { psks: [bob, psk] });
      await pair.run();
      assert.deepEqual(pair.server.engine.info?.pskIdentity, psk.identity);
      assert.equal(pair.client.engine.info?.helloRetried, true);
      const hellos = pair.client.sent.flatMap(clientHellos);
      assert.equal(hellos.length, 2);
      assert.deepEqual(
        hellos.map((hello) => hello.extensions.preSharedKey?.identities.length),
        psk === carol ? [3, 1] : [2, 1],
      );
      assert.deepEqual(
        hellos[1]!.extensions.preSharedKey!.identities.map((one) => one.obfuscatedTicketAge),
        [0],
      );
    }
  });

  test('without a key exchange where both sides allow it', async () => {
    const world = await pskWorld(
      among(alice),
      { ...noCertificate, allowPskOnly: true, groups: ['secp384r1'] },
      { allowPskOnly: true, groups: ['x25519'] },
    );
    const pair = await connect(world, { psks: [alice] });
    assert.deepEqual(pair.server.engine.info?.pskIdentity, alice.identity);
    assert.equal(pair.server.engine.info?.group, undefined);
  });

  test('the keys are copied: the program may wipe its own at once', async () => {
    const psk = { ...alice, key: alice.key.slice() };
    const world = await pskWorld(among(alice), { ...noCertificate, groups: ['secp256r1'] }, { keyShareCount: 1 });
    const pair = new Pair(world, { psks: [psk] });
    psk.key.fill(0);
    await pair.run();
    assert.deepEqual(pair.client.engine.info?.pskIdentity, alice.identity);
  });

  test('the copies of both sides are wiped, also when the binder is wrong', async () => {
    const used: Uint8Array[] = [];
    const watched = (seed: string): CryptoProvider => {
      const crypto = testCrypto({ seed });
      const kdf = (name: HashName): Kdf => {
        const real = crypto.kdf(name);
        return {
          hashName: real.hashName,
          hashLength: real.hashLength,
          createHash: () => real.createHash(),
          hash: (data) => real.hash(data),
          expand: (...args) => real.expand(...args),
          hmac: (key, data) => {
            // HKDF-Extract of the external PSK: nothing else has such bytes.
            if (data.length > 0 && data.every((byte) => byte === 0xa1)) used.push(data);
            return real.hmac(key, data);
          },
        };
      };
      return { ...crypto, kdf };
    };
    const wrong = { ...alice, key: new Uint8Array(48).fill(0xa1) };
    for (const psk of [alice, wrong]) {
      const world = await pskWorld(
        among(alice),
        { ...noCertificate, crypto: watched('server') },
        { crypto: watched('client') },
      );
      const pair = await connect(world, { psks: [psk] });
      assert.equal(errorOf(pair.server)?.code, psk === wrong ? 'client_hello.bad_binder' : undefined);
    }
    assert.ok(used.length >= 4);
    assert.deepEqual(
      used.filter((key) => key.some((byte) => byte !== 0)),
      [],
    );
  });

  test('what the server finds is copied, too, and left as it is', async () => {
    const psk = { ...alice, key: alice.key.slice() };
    await connect(await pskWorld(among(psk), noCertificate), { psks: [alice] });
    assert.deepEqual(psk.key, alice.key);
  });
});

/** The ClientHellos among these records, which are not protected. */
function clientHellos(records: Uint8Array) {
  const found: Extract<ReturnType<typeof decodeHandshakeMessage>, { type: 'client_hello' }>[] = [];
  for (let at = 0; at < records.length; ) {
    const length = (records[at + 3]! << 8) | records[at + 4]!;
    const body = records.subarray(at + 5, at + 5 + length);
    if (records[at] === 22 && body[0] === 1) {
      const message = decodeHandshakeMessage(1, body.subarray(4));
      if (message.type === 'client_hello') found.push(message);
    }
    at += 5 + length;
  }
  return found;
}

describe('who is let in', () => {
  test('a PSK stands for the certificate that clientAuth demands; without one a certificate is demanded', async () => {
    const server: Partial<ServerOptions> = {
      clientAuth: 'require',
      verifier: { verify: () => ({ trusted: true }), policy: 'all' },
    };
    const world = await pskWorld(among(alice), server);
    assert.deepEqual((await connect(world, { psks: [alice] })).server.engine.info?.pskIdentity, alice.identity);
    assert.equal(errorOf((await connect(world)).server)?.code, 'certificate.required');
  });

  test('an identity that is not known leads to the next one, then to certificates', async () => {
    const world = await pskWorld(among(alice));
    const second = await connect(world, { psks: [{ ...alice, identity: latin1('mallory') }, alice] });
    assert.deepEqual(second.server.engine.info?.pskIdentity, alice.identity);
    assert.deepEqual(
      eventsOf(second.server, 'ticket_declined').map((event) => [event.reason, event.identityIndex]),
      [['no_key', 0]],
    );
    const none = await connect(world, { psks: [bob] });
    assert.equal(none.client.engine.info?.pskIdentity, undefined);
    assert.equal(none.client.engine.info?.peer.chain.length, 1);
  });

  test('null from a database means that the identity is not known', async () => {
    const world = await pskWorld((() => Promise.resolve(null)) as unknown as FindPsk);
    const pair = await connect(world, { psks: [alice] });
    assert.equal(pair.client.engine.info?.peer.chain.length, 1);
  });

  test('a known identity of a hash that is not negotiated is passed over', async () => {
    const world = await pskWorld(among(alice, bob), { cipherSuites: ['TLS_AES_256_GCM_SHA384'] });
    const pair = await connect(world, { psks: [alice, bob] });
    assert.deepEqual(pair.client.engine.info?.pskIdentity, bob.identity);
    assert.deepEqual(
      eventsOf(pair.server, 'ticket_declined').map((event) => event.reason),
      ['hash_mismatch'],
    );
  });

  test('a wrong key is caught by the binder', async () => {
    for (const psk of [alice, carol]) {
      const world = await pskWorld(among(alice, carol));
      const pair = await connect(world, { psks: [{ ...psk, key: new Uint8Array(32).fill(1) }] });
      assert.equal(errorOf(pair.server)?.code, 'client_hello.bad_binder');
      assert.equal(errorOf(pair.client)?.alert, 'decrypt_error');
    }
  });

  test('without certificates nobody learns which identities there are: the alert is that of a wrong key', async () => {
    const world = await pskWorld(among(alice), noCertificate);
    const unknown = await connect(world, { psks: [bob] });
    assert.equal(errorOf(unknown.server)?.code, 'client_hello.unknown_psk');
    assert.equal(errorOf(unknown.client)?.alert, 'decrypt_error');
    const none = await connect(world);
    assert.equal(errorOf(none.server)?.code, 'client_hello.no_usable_certificate');
    assert.equal(errorOf(none.client)?.alert, 'handshake_failure');
  });

  test('a PSK is either imported or not, and its context must be the same', async () => {
    const world = await pskWorld(among(alice, carol), noCertificate);
    const { import: _none, ...plainCarol } = carol;
    for (const psk of [{ ...alice, import: {} }, plainCarol, { ...carol, import: { context: latin1('another') } }]) {
      const pair = await connect(world, { psks: [psk] });
      assert.equal(errorOf(pair.server)?.code, 'client_hello.unknown_psk');
    }
  });

  test('an identity that looks imported may be a plain one all the same', async () => {
    const looksImported = { ...alice, identity: Uint8Array.of(0, 1, 65, 0, 0, 3, 4, 0, 1) };
    const pair = await connect(await pskWorld(among(looksImported), noCertificate), { psks: [looksImported] });
    assert.deepEqual(pair.server.engine.info?.pskIdentity, looksImported.identity);
  });

  test('a lookup that fails or is late makes the identity unknown; a TlsAlertError ends the connection', async () => {
    const down = (): never => {
      throw new Error('the database is down');
    };
    const never = (): Promise<undefined> => new Promise(() => {});
    for (const findPsk of [down, (): Promise<undefined> => Promise.reject(new Error('down')), never]) {
      const clock = new WaitingClock();
      const world = await createWorld({ clock, server: { findPsk } });
      const pair = new Pair(world, { psks: [alice] });
      pair.carry(pair.client, pair.server);
      clock.advance(1_000);
      await pair.run();
      assert.equal(pair.client.engine.info?.peer.chain.length, 1);
      assert.deepEqual(
        eventsOf(pair.server, 'ticket_declined').map((event) => event.reason),
        ['psk_lookup_failed', 'no_key'],
      );
    }
    const refuse = (): never => {
      throw new TlsAlertError('local.failed', 'access_denied', 'no');
    };
    const pair = await connect(await createWorld({ server: { findPsk: refuse } }), { psks: [alice] });
    assert.equal(errorOf(pair.client)?.alert, 'access_denied');
  });

  test('a PSK that cannot be one is a mistake of the program, and ends the connection', async () => {
    const pair = await connect(await pskWorld(() => ({ ...alice, key: new Uint8Array(8) })), { psks: [alice] });
    assert.equal(errorOf(pair.server)?.code, 'local.failed');
    assert.match(errorOf(pair.server)!.message, /8 bytes/);
    const world = await createWorld();
    assert.throws(() => new Pair(world, { psks: [{ ...alice, key: new Uint8Array(15) }] }), { code: 'psk.bad_key' });
  });

  test('a server needs a certificate, a way to choose one, or PSKs', async () => {
    await assert.rejects(createWorld({ server: noCertificate }), { code: 'config.no_credential' });
  });

  test('a client is not held to a PSK: it sees certificates where the server prefers them, and verifies them', async () => {
    const stranger = await makeIdentity('p256', ['localhost']);
    const world = await createWorld({ server: { credentials: [stranger.credential] } });
    const pair = await connect(world, { psks: [alice] });
    assert.equal(errorOf(pair.client)?.code, 'certificate.not_trusted');
  });

  test('nobody is asked for a certificate after the handshake, either', async () => {
    const identity = await makeIdentity();
    const verifier = { verify: () => ({ trusted: true }) as const, policy: 'all' };
    const world = await pskWorld(
      among(alice),
      { verifier },
      { postHandshakeAuth: true, credentials: [identity.credential] },
    );
    const pair = await connect(world, { psks: [alice] });
    assert.deepEqual(pair.server.engine.info?.pskIdentity, alice.identity);
    assert.throws(() => pair.server.engine.requestClientCertificate(), { code: 'post_handshake_auth.not_offered' });
    const certified = await connect(world);
    certified.server.engine.requestClientCertificate();
    await certified.run();
    assert.equal(eventsOf(certified.server, 'client_certificate').length, 1);
  });

  test('the server may not choose a PSK of another hash than its suite', async () => {
    const pair = new Pair(await pskWorld(among(alice), noCertificate), { psks: [alice] });
    corrupt(pair.server, (m) => (m.type === 'server_hello' ? { ...m, cipherSuite: 0x1302 } : m));
    await pair.run();
    assert.equal(errorOf(pair.client)?.code, 'server_hello.psk_hash_mismatch');
  });
});

describe('tickets and external PSKs', () => {
  test('one ticket follows, as after a resumption, and resumes what the PSK authenticated', async () => {
    const world = await pskWorld(among(alice), { ...noCertificate, tickets: 3 });
    const first = await connect(world, { psks: [alice] });
    const tickets = eventsOf(first.client, 'ticket').map((event) => event.ticket);
    assert.equal(tickets.length, 1);
    const pair = await connect(world, { psks: [alice], tickets });
    for (const { engine } of [pair.client, pair.server]) {
      assert.equal(engine.info?.resumed, true, 'the ticket is offered first');
      assert.equal(engine.info?.pskIdentity, undefined);
      assert.deepEqual(engine.info?.peer, { chain: [], authorized: true });
    }
  });

  test('early data is for tickets: with a PSK that takes over from one, it is refused', async () => {
    const world = await earlyWorld({}, { server: { findPsk: among(alice) } });
    const tickets = await ticketsOf(world);
    const other = await earlyWorld({}, { server: { findPsk: among(alice) } });
    const pair = await (await offer(other, 'early', { tickets, psks: [alice] })).run();
    assert.deepEqual(pair.server.engine.info?.pskIdentity, alice.identity);
    assert.deepEqual([statusOf(pair.server), statusOf(pair.client)], [['not_resumed'], ['not_resumed']]);
    assert.equal(received(pair.server, 'early_data').length, 0);
    pair.client.engine.write(latin1('late'));
    await pair.run();
    assert.equal(received(pair.server, 'data').toString(), 'late');
  });

  test('a PSK takes over where the ticket is of no use', async () => {
    const world = await pskWorld(among(alice), noCertificate);
    const tickets = eventsOf((await connect(world, { psks: [alice] })).client, 'ticket').map((event) => event.ticket);
    const other = await pskWorld(among(alice), noCertificate);
    const pair = await connect(other, { psks: [alice], tickets });
    assert.deepEqual(pair.server.engine.info?.pskIdentity, alice.identity);
    assert.deepEqual(
      eventsOf(pair.client, 'ticket_declined').map((event) => event.reason),
      ['not_taken'],
    );
  });

  test('a server that takes no PSKs does not redeem what a PSK authenticated, whatever it asks of clients', async () => {
    const verifier = { verify: () => ({ trusted: true }) as const, policy: 'all' };
    for (const clientAuth of ['none', 'request', 'require'] as const) {
      const server: Partial<ServerOptions> = { clientAuth, verifier };
      const withPsks = await pskWorld(among(alice), { ...server, tickets: { scope: 'one' } });
      const { sealer } = withPsks.serverConfig.tickets;
      const [ticket] = eventsOf((await connect(withPsks, { psks: [alice] })).client, 'ticket').map((e) => e.ticket);
      const same = await connect(withPsks, { psks: [alice], tickets: [ticket!] });
      assert.equal(same.server.engine.info?.resumed, true);
      const without = await createWorld({ server: { ...server, tickets: { scope: 'one', sealer: sealer! } } });
      const pair = await connect(without, { psks: [alice], tickets: [ticket!] });
      assert.notEqual(pair.server.engine.info?.peer.authorized, true, clientAuth);
      assert.deepEqual(
        eventsOf(pair.server, 'ticket_declined').map((event) => event.reason),
        ['client_certificate_required', 'no_key'],
      );
    }
  });

  test('once the client shows a certificate, tickets speak for its holder and not for the PSK any more', async () => {
    const identity = await makeIdentity();
    const verifier = { verify: () => ({ trusted: true }) as const, policy: 'all' };
    const client = { postHandshakeAuth: true, credentials: [identity.credential] };
    const world = await pskWorld(among(alice), { verifier }, client);
    const [ticket] = eventsOf((await connect(world, { psks: [alice] })).client, 'ticket').map((e) => e.ticket);
    const pair = await connect(world, { psks: [alice], tickets: [ticket!] });
    assert.match(pair.server.engine.ticketIdentity!, /^psk:sha256:/);
    pair.server.engine.requestClientCertificate();
    await pair.run();
    const { state } = eventsOf(pair.server, 'ticket_issued').at(-1)!;
    assert.deepEqual(state.client.chain, [identity.certificate]);
    assert.match(state.identity!, /^sha256:/, 'who revokes the certificate revokes the ticket');
  });

  test('tickets may be off altogether', async () => {
    const world = await pskWorld(among(alice), { ...noCertificate, tickets: { sealer: false } });
    const pair = await connect(world, { psks: [bob, alice] });
    assert.deepEqual(pair.server.engine.info?.pskIdentity, alice.identity);
    assert.equal(eventsOf(pair.client, 'ticket').length, 0);
    assert.deepEqual(
      eventsOf(pair.server, 'ticket_declined').map((event) => `${event.during} ${event.reason}`),
      ['redeem disabled', 'issue disabled'],
    );
  });
});
