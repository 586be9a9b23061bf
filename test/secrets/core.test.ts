/** Canaries in the portable core: engines, configs, events, errors, tickets, key rings, stores and caches show no secret, however they are printed. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { copyOf, hidden, latin1, Secret, toHex } from '../../src/bytes/index.ts';
import type { ClientEngineOptions } from '../../src/connection/index.ts';
import type { TlsEvent } from '../../src/handshake/index.ts';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import {
  ClientTicketCache,
  decodeClientTicket,
  encodeClientTicket,
  HybridSealer,
  MemoryTicketStore,
  RecordingGuard,
  RingCookieSealer,
  RingSealer,
  StoreSealer,
  TicketKeyRing,
  ticketKeySchedule,
} from '../../src/tickets/index.ts';
import { connect, createWorld, errorOf, eventsOf, Pair, type World, type WorldOptions } from '../pair/pair.ts';
import { keyPair, makeIdentity, TEST_NOW } from '../support/certificates.ts';
import { Canaries, plantSecretsOf, watched } from './canaries.ts';
import { failures } from './failures.ts';

const identity = await makeIdentity();
const verifier = { verify: () => ({ trusted: true }) as const, policy: 'all' };

/** A world whose every key and secret is planted. */
async function plantedWorld(
  canaries: Canaries,
  options: WorldOptions = {},
): Promise<World & { readonly parts: unknown[] }> {
  const crypto = watched(nodeCrypto, canaries);
  const master = randomBytes(48);
  const ringKey = randomBytes(32);
  const psk = { identity: latin1('canary'), key: new Uint8Array(randomBytes(32)), hash: 'sha256' as const };
  const { privateKey } = keyPair('p256');
  canaries.plant('private key', Buffer.from(privateKey.export({ format: 'jwk' }).d!, 'base64url'));
  canaries.plant('master secret of tickets', master);
  canaries.plant('ticket key', ringKey);
  canaries.plant('external PSK', psk.key);
  const times = { sealFrom: 0, sealUntil: Number.MAX_SAFE_INTEGER, openUntil: Number.MAX_SAFE_INTEGER };
  const ring = new TicketKeyRing({ crypto, keys: [{ secret: ringKey, ...times }] });
  const derived = new TicketKeyRing({ crypto, derive: { master } });
  const store = new MemoryTicketStore();
  const sealed = new RingSealer(ring, crypto, { subKeys: 'server_name' });
  const stored = new StoreSealer({ store, crypto });
  const sealer = new HybridSealer({ sealed, stored });
  const cookieSealer = new RingCookieSealer(derived, crypto);
  const guard = new RecordingGuard({ startedAt: TEST_NOW - 3_600_000 });
  const world = await createWorld({
    identity,
    ...options,
    server: {
      crypto,
      tickets: { sealer, scope: 'canary' },
      findPsk: (name) => (toHex(name) === toHex(psk.identity) ? psk : undefined),
      earlyData: { maxSize: 1_000, guard },
      verifier,
      ...options.server,
    },
    client: { crypto, ...options.client },
  });
  return { ...world, parts: [crypto, ring, derived, store, sealed, stored, sealer, cookieSealer, guard] };
}

/** What an application hears on purpose: plaintext. */
const isPlaintext = ({ type }: TlsEvent): boolean => type === 'data' || type === 'early_data';

function look(canaries: Canaries, what: string, value: unknown): void {
  assert.deepEqual(canaries.seenIn(value), [], what);
}

test('canaries are found in every form', () => {
  const canaries = new Canaries();
  const secret = new Uint8Array(randomBytes(32));
  canaries.plant('it', secret);
  const hex = toHex(secret);
  const forms: readonly unknown[] = [
    secret,
    Buffer.from(secret),
    [...secret],
    { deep: [{ down: { in: new Map([[1, { it: secret }]]) } }] },
    new Error(`it is ${hex}`),
    new Error('no', { cause: Object.assign(new Error('yes'), { detail: Buffer.from(secret).toString('base64') }) }),
    Object.assign(new Error('no'), { it: secret }),
    hex.toUpperCase(),
    hex.replace(/../g, '$&:'),
    `AAA${Buffer.from(secret).toString('base64')}`,
    Buffer.from(secret).toString('latin1'),
    Object.defineProperty({}, 'it', { value: secret, enumerable: false }),
    // Half of it.
    secret.subarray(8),
    hex.slice(0, 32),
  ];
  for (const form of forms) assert.notDeepEqual(canaries.seenIn(form), [], String(form));
  for (const form of [
    new Secret(secret),
    { it: new Secret(secret) },
    hidden(copyOf(secret)),
    { it: hidden(copyOf(secret)) },
  ])
    assert.deepEqual(canaries.seenIn(form), []);
  // Whoever uses hidden bytes has them.
  assert.deepEqual(hidden(copyOf(secret)), secret);
  assert.deepEqual(Buffer.from(hidden(copyOf(secret))), Buffer.from(secret));
});

test('handshakes of every kind show no secret', async () => {
  const canaries = new Canaries();
  const shown: [what: string, value: unknown][] = [];
  const secrets = await plantSecretsOf(canaries, async () => {
    const world = await plantedWorld(canaries, {
      server: { clientAuth: 'request' },
      client: { credentials: [identity.credential] },
    });
    const run = async (what: string, options: ClientEngineOptions = {}, of: World = world): Promise<Pair> => {
      const pair = new Pair(of, options);
      pair.client.engine.onMessage = (...told) => shown.push([`${what}: onMessage`, told]);
      shown.push([`${what}: before`, pair.client.engine]);
      if (options.earlyData) pair.client.engine.write(latin1('an early canary that sings'));
      await pair.run();
      for (const { engine } of [pair.client, pair.server]) {
        if (engine.state === 'connected') {
          engine.exportKeyingMaterial(32, 'canary');
          engine.write(latin1('a canary that sings'));
          engine.updateKeys(true);
        }
      }
      await pair.run();
      for (const [name, side] of [
        ['client', pair.client],
        ['server', pair.server],
      ] as const) {
        shown.push([`${what}: ${name}`, side.engine], [`${what}: info`, side.engine.info]);
        shown.push([
          `${what}: tickets`,
          side.engine.role === 'server' ? [side.engine.tickets, side.engine.explainTickets()] : [],
        ]);
        for (const event of side.events) if (!isPlaintext(event)) shown.push([`${what}: ${event.type}`, event]);
      }
      return pair;
    };
    canaries.plant('early data', latin1('an early canary that sings'));
    canaries.plant('data', latin1('a canary that sings'));
    const full = await run('in full');
    const tickets = eventsOf(full.client, 'ticket').map(({ ticket }) => ticket);
    for (const { psk } of tickets) canaries.plant('PSK of a ticket', psk);
    const resumed = await run('resumed', { tickets: tickets.slice(0, 1), earlyData: true });
    assert.ok(resumed.client.engine.info?.resumed);
    assert.equal(resumed.client.engine.earlyData, 'accepted');
    const psk = {
      identity: latin1('canary'),
      key: (await world.serverConfig.findPsk?.(latin1('canary'), undefined))!.key,
      hash: 'sha256' as const,
    };
    assert.ok((await run('with a PSK', { psks: [psk] })).client.engine.info?.pskIdentity);
    const retried = await plantedWorld(canaries, { server: { groups: ['secp256r1'] }, client: { keyShareCount: 1 } });
    assert.ok((await run('with a retry', {}, retried)).client.engine.info?.helloRetried);
    shown.push(['config of a server', world.serverConfig], ['config of a client', world.clientConfig]);
    for (const part of world.parts) shown.push([(part as object).constructor.name, part]);
    const cache = new ClientTicketCache();
    for (const ticket of tickets) cache.put('canary', ticket);
    shown.push(['cache', cache], ['taken', cache.take('canary', TEST_NOW)]);
    shown.push(['saved and loaded', decodeClientTicket(encodeClientTicket(tickets[1]!))]);
  });
  assert.ok(secrets.length > 60, `${secrets.length} secrets were used`);
  assert.ok(canaries.size > 50, `${canaries.size} canaries`);
  for (const [what, value] of shown) look(canaries, what, value);
});

test('what fails, wherever it fails, shows no secret', async () => {
  const canaries = new Canaries();
  const shown: [what: string, value: unknown][] = [];
  let failed = 0;
  await plantSecretsOf(canaries, async () => {
    const world = await plantedWorld(canaries, {
      server: { clientAuth: 'request' },
      client: { credentials: [identity.credential] },
    });
    const first = await connect(world);
    const tickets = eventsOf(first.client, 'ticket').map(({ ticket }) => ticket);
    for (const { psk } of tickets) canaries.plant('PSK of a ticket', psk);
    for (const options of [{}, { tickets: tickets.slice(0, 1) }]) {
      for (const [what, corrupt] of failures()) {
        const pair = new Pair(world, options);
        await corrupt(pair);
        for (const side of [pair.client, pair.server]) {
          if (errorOf(side) !== undefined) failed++;
          shown.push([what, side.engine], [what, side.events.filter((event) => !isPlaintext(event))]);
          // What Node would print of an uncaught one.
          shown.push([what, errorOf(side)]);
        }
      }
    }
  });
  assert.ok(failed > 20, `${failed} sides failed`);
  for (const [what, value] of shown) look(canaries, what, value);
});

test('what programs get wrong is said without the secret', () => {
  const canaries = new Canaries();
  const crypto = nodeCrypto;
  const secrets = [16, 31, 47, 79, 2_000].map((length) => new Uint8Array(randomBytes(length)));
  for (const secret of secrets) canaries.plant(`${secret.length} bytes`, secret);
  const times = { sealFrom: 0, sealUntil: 1e13, openUntil: 2e13 };
  const ring = new TicketKeyRing({ crypto });
  const cache = new ClientTicketCache();
  const wrong: (() => unknown)[] = secrets.flatMap((secret) => [
    () => ring.add({ secret, ...times }),
    () => new TicketKeyRing({ crypto, keys: [{ secret, ...times }] }),
    () => new TicketKeyRing({ crypto, derive: { master: secret, epochSeconds: -1 } }),
    () => cache.exportEncrypted(secret, crypto, TEST_NOW),
    () => cache.importEncrypted(secret, secret, crypto, TEST_NOW),
    () => decodeClientTicket(secret),
    () => decodeClientTicket(new Uint8Array([1, secret.length & 0xff, ...secret])),
    () => crypto.aead('aes-256-gcm')!.withKey(secret),
    () => crypto.kdf('sha256').expand(secret, secret, 1e6),
    () => new Secret(copyOf(secret)).bytes.at(1e9) ?? assert.fail('not a byte'),
  ]);
  let errors = 0;
  for (const [i, run] of wrong.entries()) {
    try {
      run();
    } catch (error) {
      errors++;
      look(canaries, `error ${i}`, error);
    }
  }
  assert.ok(errors > 25, `${errors} errors`);
});

test('keys that are made for others do not show', () => {
  const canaries = new Canaries();
  const keys = ticketKeySchedule(nodeCrypto, [], TEST_NOW);
  for (const { secret } of keys) canaries.plant('key', secret);
  assert.equal(canaries.size, 1);
  look(canaries, 'schedule', keys);
});
