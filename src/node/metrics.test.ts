import assert from 'node:assert/strict';
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { makeIdentity } from '../../test/support/certificates.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { TicketKeyRing } from '../tickets/index.ts';
import { ClientTicketCache, connect, createServer, Metrics, type TlsOptions } from './index.ts';

const NAMES = ['handshake', 'ticket:issued', 'ticket:received', 'ticket:redeemed', 'ticket:declined', 'early_data'].map(
  (name) => `tessera:${name}`,
);

/** A server that answers each connection with a byte, and a client that comes `visits` times with the tickets it got. */
async function visit(t: TestContext, visits: number, options: TlsOptions = {}): Promise<void> {
  const identity = await makeIdentity('p256');
  const server = createServer({ cert: identity.certificatePem, key: identity.keyPem, ...options });
  server.on('secureConnection', (socket) => socket.end('x'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const ticketCache = new ClientTicketCache();
  for (let i = 0; i < visits; i++) {
    const socket = connect({
      host: '127.0.0.1',
      port,
      servername: 'localhost',
      ca: identity.certificatePem,
      ticketCache,
    });
    socket.resume();
    await once(socket, 'close');
  }
}

test('handshakes and tickets are counted by what became of them', async (t) => {
  const metrics = new Metrics().start();
  t.after(() => metrics.stop());
  await visit(t, 3);
  assert.equal(metrics.count('tessera_handshakes_total', { role: 'server', resumed: 'false' }), 1);
  assert.equal(metrics.count('tessera_handshakes_total', { role: 'server', resumed: 'true' }), 2);
  assert.equal(metrics.count('tessera_tickets_issued_total', { requested: 'false' }), 4);
  assert.equal(metrics.count('tessera_tickets_written_total'), 4);
  assert.equal(metrics.count('tessera_tickets_received_total'), 4);
  assert.equal(metrics.count('tessera_tickets_redeemed_total'), 2);
  const text = metrics.prometheus();
  assert.match(text, /^tessera_handshakes_total\{role="client",resumed="true"\} 2$/m);
  assert.match(text, /^# TYPE tessera_tickets_declined_total counter$/m);
  assert.ok(text.endsWith('\n'));
  metrics.stop();
  await visit(t, 1);
  assert.equal(metrics.count('tessera_handshakes_total'), 6, 'nothing is counted any more');
});

test('declined tickets are counted by reason', async (t) => {
  const metrics = new Metrics().start();
  t.after(() => metrics.stop());
  const identity = await makeIdentity('p256');
  const ticketCache = new ClientTicketCache();
  const ports: number[] = [];
  for (let i = 0; i < 2; i++) {
    const server = createServer({ cert: identity.certificatePem, key: identity.keyPem });
    server.on('secureConnection', (socket) => socket.end('x'));
    server.listen(ports[0] ?? 0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    ports.push(port);
    const target = { host: '127.0.0.1', port, servername: 'localhost', ca: identity.certificatePem, ticketCache };
    const socket = connect(target);
    socket.resume();
    await once(socket, 'close');
    server.close();
    await once(server, 'close');
  }
  // The second server has the same port, and keys of its own.
  assert.equal(
    metrics.count('tessera_tickets_declined_total', { role: 'server', during: 'redeem', reason: 'no_key' }),
    1,
  );
});

test('keys are reported by state and age, without anything of them', () => {
  const secret = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
  const ring = new TicketKeyRing({
    crypto: nodeCrypto,
    keys: [
      { secret, sealFrom: 1_000_000, sealUntil: 2_000_000, openUntil: 3_000_000 },
      { secret: secret.toReversed(), sealFrom: 1_600_000, sealUntil: 2_000_000, openUntil: 3_000_000 },
    ],
  });
  const metrics = new Metrics({ now: () => 1_500_000 }).start().watchKeys(ring);
  const text = metrics.prometheus();
  assert.match(text, /^tessera_ticket_keys\{state="pending"\} 1$/m);
  assert.match(text, /^tessera_ticket_keys\{state="sealing"\} 1$/m);
  assert.match(text, /^tessera_ticket_key_age_seconds 500$/m);
  ring.destroy('all');
  metrics.stop();
  assert.equal(metrics.count('tessera_ticket_key_changes_total', { change: 'destroyed' }), 2);
});

test('nothing is published to nobody, and what is holds no bytes', async (t) => {
  for (const name of NAMES) assert.equal(channel(name).hasSubscribers, false, name);
  const messages: unknown[] = [];
  const listener = (message: unknown): void => void messages.push(message);
  for (const name of NAMES) subscribe(name, listener);
  t.after(() => {
    for (const name of NAMES) unsubscribe(name, listener);
  });
  await visit(t, 2);
  assert.ok(messages.length >= 8);
  const plain = (value: unknown): boolean =>
    value === undefined || ['string', 'number', 'boolean'].includes(typeof value);
  for (const message of messages) assert.ok(Object.values(message as object).every(plain), JSON.stringify(message));
});
