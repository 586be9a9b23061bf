/**
 * One member of a fleet of TLS servers that redeem each other's tickets. Prints one JSON object a line.
 *
 *   npx tsx examples/fleet/member.ts --name a --port 8443 --cert cert.pem --key key.pem --redis redis://127.0.0.1:6379
 *
 * In a program of your own the imports are `tessera-tls`, `tessera-tls/node` and `tessera-tls/stores/redis`.
 */
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { parseArgs } from 'node:util';
import { createClient } from 'redis';
import {
  createServerConfig,
  createServerEngine,
  RecordingGuard,
  type ReplayGuard,
  RingSealer,
  TicketKeyRing,
  type TlsEngine,
  type TlsEvent,
} from '../../src/index.ts';
import { createCredential, nodeCrypto, TLSSocket } from '../../src/node/index.ts';
import { RedisReplayGuard, RedisTicketKeys, redisCommands } from '../../src/stores/redis/index.ts';

const { values } = parseArgs({
  options: {
    name: { type: 'string', default: 'member' },
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '0' },
    cert: { type: 'string' },
    key: { type: 'string' },
    redis: { type: 'string' },
    derive: { type: 'boolean', default: false },
    prefix: { type: 'string', default: 'fleet' },
    'clock-offset-ms': { type: 'string', default: '0' },
    'seal-for': { type: 'string', default: '43200' },
    'open-for': { type: 'string', default: '86400' },
    propagation: { type: 'string' },
    poll: { type: 'string', default: '10' },
    'num-tickets': { type: 'string', default: '2' },
    lifetime: { type: 'string', default: '7200' },
    'early-data': { type: 'string', default: '0' },
    'replay-window': { type: 'string', default: '10' },
    'replay-skew': { type: 'string', default: '10' },
  },
});

const { name } = values;
const print = (event: string, facts: object = {}): void => {
  process.stdout.write(`${JSON.stringify({ event, name, at: clock.now(), ...facts })}\n`);
};
const clock = { now: (): number => Date.now() + Number(values['clock-offset-ms']) };

const windowMs = 1_000 * Number(values['replay-window']);
const periods = { sealForSeconds: Number(values['seal-for']), openForSeconds: Number(values['open-for']) };
const keys = values.redis !== undefined ? sharedKeys(values.redis) : values.derive ? derivedKeys() : ownKeys();
keys.ring.observe(({ type, key }) => print(`ring_${type}`, { id: key.id }));
await keys.start();
const maxEarlyData = Number(values['early-data']);

const config = createServerConfig({
  crypto: nodeCrypto,
  clock,
  credentials: [createCredential({ cert: readFileSync(needed('cert')), key: readFileSync(needed('key')) })],
  tickets: {
    count: Number(values['num-tickets']),
    lifetimeSeconds: Number(values.lifetime),
    sealer: new RingSealer(keys.ring, nodeCrypto),
    label: 'fleet',
  },
  ...(maxEarlyData > 0 && { earlyData: { maxSize: maxEarlyData, guard: keys.guard() } }),
});

const server = createServer({ allowHalfOpen: true, noDelay: true }, (transport) => {
  const engine: TlsEngine = createServerEngine(config, { onEvent: (event) => tell(event, engine) });
  const socket = new TLSSocket(transport, { engine, handshakeTimeout: 10_000 });
  socket.on('error', (error: Error & { code?: string }) =>
    print('error', { code: error.code, message: error.message }),
  );
  socket.on('secure', () => socket.end(`${name}\n`));
  socket.resume();
});
server.listen(Number(values.port), values.host, () => {
  print('listening', { port: (server.address() as AddressInfo).port, pid: process.pid });
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    server.close();
    keys.close();
  });
}

/** What happens on a connection, without anything that is secret. */
function tell(event: TlsEvent, engine: TlsEngine): void {
  if (event.type === 'early_data_status') print(event.type, { accepted: event.accepted, reason: event.reason });
  if (event.type === 'early_data') {
    print(event.type, { length: event.bytes.length });
    // At once, before the client has shown that it is there: what needs that must wait for `secure`.
    engine.write(Buffer.from(`${name} got ${event.bytes.length} early\n`));
  }
  if (event.type === 'secure') print('secure', { resumed: event.info.resumed });
  if (event.type === 'ticket_issued') print('issued', { index: event.index, lifetime: event.state.lifetimeSeconds });
  if (event.type === 'ticket_declined') print('declined', { during: event.during, reason: event.reason });
}

interface Keys {
  readonly ring: TicketKeyRing;
  start(): Promise<unknown>;
  close(): void;
  /** Against early data that is sent again. Asked for once. */
  guard(): ReplayGuard;
}

/** Knows what this process took, and not what the other members did: with shared keys, each of them takes the same early data once. */
function ownGuard(): ReplayGuard {
  return new RecordingGuard({ windowMs, startedAt: clock.now() });
}

/** Shared with all members that have the same Redis, prefix and secret (64 hexadecimal digits in FLEET_SECRET). */
function sharedKeys(url: string): Keys {
  // Without its queue a client that is not connected refuses at once, and nothing is sent late.
  const client = createClient({ url, disableOfflineQueue: true, socket: { reconnectStrategy: 200 } });
  client.on('error', () => {}); // it reconnects; what that means for keys is reported below
  void client.connect().catch(() => {});
  const shared = { client: redisCommands(client), crypto: nodeCrypto, prefix: values.prefix };
  const keys = new RedisTicketKeys({
    ...shared,
    clock,
    secret: Buffer.from(process.env['FLEET_SECRET'] ?? '', 'hex'),
    pollSeconds: Number(values.poll),
    ...(values.propagation !== undefined && { propagationSeconds: Number(values.propagation) }),
    ...periods,
    onReport: ({ type, ...facts }) => print(`key_${type}`, 'error' in facts ? { message: String(facts.error) } : facts),
  });
  const ready = new Promise<void>((resolve) => client.once('ready', () => resolve()));
  return {
    ring: keys.ring,
    // A member whose store is away starts all the same: it gives full handshakes until it has a key.
    start: () => Promise.race([ready, new Promise((resolve) => setTimeout(resolve, 2_000))]).then(() => keys.start()),
    close: () => {
      keys.close();
      client.destroy();
    },
    guard: () => new RedisReplayGuard({ ...shared, windowMs, skewMs: 1_000 * Number(values['replay-skew']) }),
  };
}

/** Shared with all members that have the same secret and the same time, without a word between them. */
function derivedKeys(): Keys {
  const master = Buffer.from(process.env['FLEET_SECRET'] ?? '', 'hex');
  const derive = { master, epochSeconds: periods.sealForSeconds, openForSeconds: periods.openForSeconds };
  return alone(new TicketKeyRing({ crypto: nodeCrypto, derive }));
}

/** For comparison: keys that no other member has. */
function ownKeys(): Keys {
  return alone(new TicketKeyRing({ crypto: nodeCrypto, ...periods }));
}

function alone(ring: TicketKeyRing): Keys {
  return { ring, start: async () => {}, close: () => {}, guard: ownGuard };
}

function needed(option: 'cert' | 'key'): string {
  const value = values[option];
  if (value !== undefined) return value;
  process.stderr.write(`--${option} FILE is needed\n`);
  process.exit(2);
}
