/** Faults of other stacks with ticket keys, each against whole handshakes. Faults of sources are beside them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { TlsUsageError } from '../../src/errors/index.ts';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import { FileTicketKeys } from '../../src/stores/file-keys.ts';
import { type DerivedTicketKeys, RingSealer, TicketKeyRing, ticketKeyMaterial } from '../../src/tickets/index.ts';
import { connect, createWorld, eventsOf, type World } from '../pair/pair.ts';

const crypto = nodeCrypto;
const HOUR = 3_600_000;

/** The tickets of one full handshake. */
const ticketsOf = async (world: World, serverName = 'localhost') =>
  eventsOf((await connect(world, { serverName })).client, 'ticket').map(({ ticket }) => ticket);

/** Whether a server takes a ticket of another. */
async function resumes(from: World, to: World): Promise<boolean> {
  const [ticket] = await ticketsOf(from);
  const { server } = await connect({ ...to, clientConfig: from.clientConfig }, { tickets: [ticket!] });
  return server.engine.info?.resumed === true;
}

const setTo = ({ clock }: World, time: number): void => clock.advance(time - clock.now());

const worldWith = (ring: TicketKeyRing, more: object = {}) =>
  createWorld({ server: { tickets: { sealer: new RingSealer(ring, crypto), ...more } } });

test('fault 3: no key is ever empty, constant or uninitialised, whatever it comes from', async (t) => {
  const zero = new Uint8Array(48);
  const half = crypto.random(80).fill(0, 32, 64);
  const times = { sealFrom: 0, sealUntil: 4e12, openUntil: 4e12 };
  const refused = (make: () => unknown): void => {
    assert.throws(make, (error) => error instanceof TlsUsageError && error.code === 'ticket_key.constant');
  };
  refused(() => new TicketKeyRing({ crypto, keys: [{ secret: zero, ...times }] }));
  refused(() => new TicketKeyRing({ crypto, derive: { master: zero } }));
  refused(() => ticketKeyMaterial(zero));
  refused(() => ticketKeyMaterial(half));
  refused(() => new TicketKeyRing({ crypto: { ...crypto, random: (n) => new Uint8Array(n) } }).sealingKey(0));
  const ring = new TicketKeyRing({ crypto, keys: [] });
  assert.deepEqual(
    ring.sync([{ secret: zero, ...times }], 0).refused.map(({ code }) => code),
    ['ticket_key.constant'],
  );
  const path = mkdtempSync(join(tmpdir(), 'tessera-zero-'));
  t.after(() => rmSync(path, { recursive: true }));
  writeFileSync(join(path, 'a'), zero);
  writeFileSync(join(path, 'b'), half);
  writeFileSync(join(path, 'c'), zero.toString().replaceAll(/[0,]+/g, 'A').padEnd(64, 'A')); // base64 of zeros
  const errors: string[] = [];
  const onEvent = (event: { readonly type: string; readonly code?: string }): void =>
    void errors.push(event.code ?? '');
  const keys = await FileTicketKeys.watch({ ring, crypto, path, settleMs: 0, onEvent });
  t.after(() => keys.close());
  assert.deepEqual(errors, ['ticket_key.constant', 'ticket_key.constant', 'ticket_key.constant']);
  // A server before its first key: full handshakes and no tickets, not tickets under nothing.
  const world = await worldWith(ring);
  const { server, client } = await connect(world);
  assert.deepEqual([eventsOf(client, 'ticket').length, server.engine.state], [0, 'connected']);
});

test('fault 6: a copied configuration does not share keys in silence: only a ring that is passed on is shared', async () => {
  const options = { groups: ['x25519'] };
  const [one, two] = [await createWorld({ server: options }), await createWorld({ server: options })];
  assert.equal(await resumes(one, one), true);
  assert.equal(await resumes(one, two), false);
  const ring = new TicketKeyRing({ crypto });
  assert.equal(await resumes(await worldWith(ring), await worldWith(ring)), true);
  // And even then not where other clients are let in.
  assert.equal(await resumes(await worldWith(ring), await worldWith(ring, { label: 'other' })), false);
});

test('hosts with one master secret resume each other, clocks 5 s apart at the end of an epoch, and after a restart', async () => {
  const derive: DerivedTicketKeys = { master: crypto.random(32), epochSeconds: 3_600, openForSeconds: 7_200 };
  const host = () => worldWith(new TicketKeyRing({ crypto, derive }));
  const [one, two] = [await host(), await host()];
  for (const [ahead, behind] of [
    [one, two],
    [two, one],
  ] as const) {
    const border = Math.ceil((ahead.clock.now() + 1) / HOUR) * HOUR;
    setTo(ahead, border + 1_000);
    setTo(behind, border - 4_000);
    assert.equal(await resumes(ahead, behind), true);
    assert.equal(await resumes(behind, ahead), true);
  }
  const restarted = await host();
  setTo(restarted, two.clock.now());
  assert.equal(await resumes(two, restarted), true);
});

test('sub-keys by server name resume under the same name, and a destroyed tenant makes a full handshake, no error', async () => {
  const ring = new TicketKeyRing({ crypto });
  const sealer = new RingSealer(ring, crypto, { subKeys: 'server_name' });
  const world = await createWorld({ server: { tickets: { sealer } } });
  const [first, second] = await ticketsOf(world);
  assert.equal((await connect(world, { tickets: [first!] })).server.engine.info?.resumed, true);
  ring.destroyTenant('localhost');
  const after = await connect(world, { tickets: [second!] });
  assert.deepEqual([after.server.engine.info?.resumed, after.server.engine.state], [false, 'connected']);
  assert.deepEqual(
    eventsOf(after.server, 'ticket_declined').map(({ reason }) => reason),
    ['no_key'],
  );
  const [third] = eventsOf(after.client, 'ticket').map(({ ticket }) => ticket);
  assert.equal((await connect(world, { tickets: [third!] })).server.engine.info?.resumed, true);
});
