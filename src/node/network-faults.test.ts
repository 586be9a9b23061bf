import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from 'node:net';
import { before, describe, mock, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import * as nodeTls from 'node:tls';
import { makeIdentity, type TestIdentity } from '../../test/support/certificates.ts';
import { type Break, type Fault, Wire } from '../../test/support/wire.ts';
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  createServer,
  type SecureContext,
  type Server,
  type TLSSocket,
} from './index.ts';

let identity: TestIdentity;
let trusting: SecureContext;
before(async () => {
  identity = await makeIdentity('ed25519', ['localhost']);
  // The smallest key share: each byte of a handshake is one more run.
  trusting = createSecureContext({ ca: identity.certificatePem, groups: ['x25519'] });
});

/** What both programs saw of one connection. */
interface Run {
  readonly client: string[];
  readonly server: string[];
  readonly wire: Wire;
}

interface Scene {
  readonly server: Server;
  readonly client?: ConnectionOptions;
}

const serverOf = (options: object = {}): Server =>
  createServer({
    ...{ cert: identity.certificatePem, key: identity.keyPem, groups: ['x25519'], handshakeTimeout: TIMEOUT_MS },
    ...options,
  });

/** A client asks, the server answers, and both part: over a wire that may break. */
async function play({ server, client: options }: Scene, at?: Break): Promise<Run> {
  const wire = new Wire(at);
  const run: Run = { client: [], server: [], wire };
  const onSecure = (socket: TLSSocket): void => {
    run.server.push('secure');
    watch(socket, run.server);
    socket.on('data', (bytes) => socket.write(bytes));
  };
  const onFailure = (error: Error & { code?: string }): void => void run.server.push(`failure ${error.code}`);
  server.on('secureConnection', onSecure).on('tlsClientError', onFailure);
  server.emit('connection', wire.server);
  const socket = connect({ socket: wire.client, servername: 'localhost', secureContext: trusting, ...options });
  socket.on('secureConnect', () => run.client.push('secure'));
  socket.on('data', () => socket.end());
  watch(socket, run.client);
  socket.write('ping', (error) =>
    run.client.push(`written ${(error as { code?: string } | null | undefined)?.code ?? ''}`),
  );
  if (at?.fault === 'stall') await settled();
  if (at?.fault === 'stall') mock.timers.tick(TIMEOUT_MS);
  if (at?.fault === 'stall' && !socket.destroyed) {
    // Secure, and then nothing: that is for the program to find out.
    socket.destroy();
    wire.server.destroy();
  }
  await Promise.all([closed(socket), closed(wire.client), closed(wire.server)]);
  await turn();
  server.off('secureConnection', onSecure).off('tlsClientError', onFailure);
  return run;
}

const TIMEOUT_MS = 10_000;

function watch(socket: TLSSocket, log: string[]): void {
  socket.on('error', (error: Error & { code?: string }) => log.push(`error ${error.code}`));
  socket.on('end', () => log.push('end'));
  socket.on('close', (hadError: boolean) => log.push(`close ${hadError}`));
}

async function closed(stream: { readonly closed: boolean } & NodeJS.EventEmitter): Promise<void> {
  if (!stream.closed) await new Promise((resolve) => stream.once('close', resolve));
}

/** Until nothing happens any more: nothing here waits for anything but the loop. */
async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await turn();
}

/** Judges what was seen: one end, with one reason, and nothing left over. */
function judge({ client, server, wire }: Run, at: Break): void {
  const where = `${at.fault} after ${at.after} bytes of the ${at.from}: client [${client}], server [${server}]`;
  const count = (log: readonly string[], what: string): number => log.filter((line) => line.startsWith(what)).length;
  const codes = [...client, ...server]
    .filter((line) => /^(?:error|failure)/.test(line))
    .map((line) => line.split(' ')[1]);
  for (const code of codes) assert.ok(KNOWN.has(code!), where);
  assert.equal(count(client, 'close'), 1, where);
  assert.match(client.at(-1)!, /^close/, where);
  assert.equal(count(client, 'written'), 1, where);
  if (count(client, 'secure') === 0) assert.equal(count(client, 'error'), 1, where);
  else assert.ok(count(client, 'error') <= 1 && count(client, 'secure') === 1, where);
  assert.equal(client.at(-1), `close ${count(client, 'error') === 1}`, where);
  // A server tells its program of every connection, once, and of those that became something how they ended.
  assert.equal(count(server, 'secure') + count(server, 'failure'), 1, where);
  assert.equal(count(server, 'close'), count(server, 'secure'), where);
  assert.ok(count(server, 'error') <= 1, where);
  for (const end of [wire.client, wire.server]) {
    assert.deepEqual(end.eventNames(), [], where);
    assert.equal(end.writableLength, 0, where);
  }
}

/** docs/node-compat.md */
const KNOWN: ReadonlySet<string> = new Set(['ECONNRESET', 'ERR_TLS_HANDSHAKE_TIMEOUT']);

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

/** Plays `scene` to its end, then breaks it after every `step`th byte of either side. */
async function everywhere(scene: Scene, faults: readonly Fault[], step: number = 1): Promise<void> {
  const whole = await play(scene);
  assert.equal(whole.client.at(-1), 'close false', String(whole.client));
  assert.equal(whole.server.at(-1), 'close false', String(whole.server));
  const before = timers();
  for (const fault of faults) {
    for (const from of ['client', 'server'] as const) {
      for (let after = 0; after < whole.wire.written[from]; after += step) {
        const at: Break = { from, after, fault };
        judge(await play(scene, at), at);
      }
    }
  }
  assert.equal(timers(), before);
}

/** A ticket that allows early data, which is good as often as it is shown. */
async function sessionOf(server: Server): Promise<Buffer> {
  const wire = new Wire();
  server.emit('connection', wire.server);
  const socket = connect({ socket: wire.client, servername: 'localhost', secureContext: trusting });
  const [session] = (await once(socket, 'session')) as [Buffer];
  socket.destroy();
  await closed(wire.server);
  return session;
}

const earlyData = (deliver: 'event' | 'stream'): object => ({
  earlyData: { maxSize: 1_000, deliver, guard: { guarantee: 'process', windowMs: 10_000, check: () => 'fresh' } },
});

/** Every way through a handshake. */
const SCENES: Readonly<Record<string, () => Scene | Promise<Scene>>> = {
  'full handshake': () => ({ server: serverOf() }),
  HelloRetryRequest: () => ({
    server: serverOf({ groups: ['secp256r1'] }),
    client: { secureContext: createSecureContext({ ca: identity.certificatePem, groups: ['x25519', 'secp256r1'] }) },
  }),
  'client certificate': () => ({
    server: serverOf({ ca: identity.certificatePem, requestCert: true }),
    client: {
      secureContext: createSecureContext({
        ca: identity.certificatePem,
        cert: identity.certificatePem,
        key: identity.keyPem,
        groups: ['x25519'],
      }),
    },
  }),
  resumption: async () => {
    const server = serverOf();
    return { server, client: { session: await sessionOf(server) } };
  },
  'early data as events': async () => {
    const server = serverOf(earlyData('event')).on('earlyData', () => {});
    return { server, client: { session: await sessionOf(server), earlyData: 'early' } };
  },
  'early data as a stream': async () => {
    const server = serverOf(earlyData('stream'));
    return { server, client: { session: await sessionOf(server), earlyData: 'early' } };
  },
  'early data refused': async () => {
    const server = serverOf(earlyData('event')); // nobody listens
    return { server, client: { session: await sessionOf(server), earlyData: 'early' } };
  },
};

/** Every byte of a full handshake, a sample of all else; all of them with FAULTS=all. */
const stepOf = (name: string, fault: Fault): number =>
  process.env['FAULTS'] === 'all' || (name === 'full handshake' && (fault === 'reset' || fault === 'fin')) ? 1 : 23;

describe('a connection that breaks after any byte ends once, with one reason, and leaves nothing', () => {
  for (const [name, make] of Object.entries(SCENES)) {
    for (const fault of ['reset', 'fin', 'half'] as const) {
      test(`${name}, ${fault}`, async () => everywhere(await make(), [fault], stepOf(name, fault)));
    }
  }
});

describe('a peer that falls silent after any byte of a handshake has until the timeout', () => {
  for (const [name, make] of Object.entries(SCENES)) {
    test(name, async () => {
      const { server, client } = await make();
      const timed = { server, client: { ...client, handshakeTimeout: TIMEOUT_MS } };
      mock.timers.enable({ apis: ['setTimeout'] });
      try {
        await everywhere(timed, ['stall'], 3 * stepOf(name, 'stall'));
      } finally {
        mock.timers.reset();
      }
    });
  }
});

test('an old client that breaks off after any byte is told of once, whoever serves it', async () => {
  const server = serverOf();
  const visit = async (at?: Break): Promise<{ readonly told: string[]; readonly wire: Wire }> => {
    const wire = new Wire(at);
    const told: string[] = [];
    const onSecure = (socket: TLSSocket): void => {
      told.push('secure');
      socket.on('error', () => {}).resume();
    };
    const onFailure = (error: Error & { code?: string }): void => void told.push(`failure ${error.code}`);
    server.on('secureConnection', onSecure).on('tlsClientError', onFailure);
    server.emit('connection', wire.server);
    const ca = identity.certificatePem;
    const socket = nodeTls.connect({ socket: wire.client, servername: 'localhost', ca, maxVersion: 'TLSv1.2' });
    socket.on('error', () => {}).end('ping');
    socket.resume();
    await Promise.all([closed(socket), closed(wire.client), closed(wire.server)]);
    for (let i = 0; told.length === 0 && i < 100; i++) await turn(); // that of node:tls is told a little later
    server.off('secureConnection', onSecure).off('tlsClientError', onFailure);
    return { told, wire };
  };
  const whole = await visit();
  assert.deepEqual(whole.told, ['secure']);
  for (const fault of ['reset', 'fin'] as const) {
    for (const from of ['client', 'server'] as const) {
      for (let after = 0; after < whole.wire.written[from]; after += 29) {
        const { told } = await visit({ from, after, fault });
        assert.equal(told.length, 1, `${fault} after ${after} of the ${from}: ${told}`);
        assert.match(told[0]!, /^(?:secure|failure ECONNRESET)$/);
      }
    }
  }
});

test('a client that begins anew for an old server ends once, wherever that breaks', async (t) => {
  const old = nodeTls.createServer({ cert: identity.certificatePem, key: identity.keyPem, maxVersion: 'TLSv1.2' });
  old.on('secureConnection', (socket) => socket.on('error', () => {}).on('data', (bytes) => socket.write(bytes)));
  old.on('tlsClientError', () => {});
  await once(old.listen(0, '127.0.0.1'), 'listening');
  let connections = 0;
  let forwarded = 0;
  let at = Number.POSITIVE_INFINITY;
  let fault: 'reset' | 'fin' = 'reset';
  // The first connection passes, the second breaks after so many bytes of the server.
  const relay = createTcpServer((near) => {
    const isSecond = ++connections % 2 === 0;
    const far = connectTcp((old.address() as AddressInfo).port, '127.0.0.1');
    for (const socket of [near, far])
      socket.on('error', () => {}).on('close', () => (socket === near ? far : near).destroy());
    near.pipe(far);
    if (isSecond) forwarded = 0;
    far.on('data', (bytes) => {
      const passed = isSecond ? bytes.subarray(0, Math.max(0, at - forwarded)) : bytes;
      if (isSecond) forwarded += bytes.length;
      const snap = (): unknown => (fault === 'reset' ? near.resetAndDestroy() : near.end());
      if (!isSecond || forwarded < at) near.write(passed);
      else if (passed.length > 0) near.write(passed, snap);
      else snap();
    });
  });
  await once(relay.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    relay.close();
    old.close();
  });
  const { port } = relay.address() as AddressInfo;
  const visit = async (): Promise<readonly string[]> => {
    const log: string[] = [];
    connections = 0;
    const ca = identity.certificatePem;
    const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca, legacy: true });
    socket.on('secureConnect', () => log.push('secure'));
    watch(socket, log);
    socket.on('data', () => socket.end());
    socket.write('ping');
    await closed(socket);
    await turn();
    return log;
  };
  assert.deepEqual(await visit(), ['secure', 'end', 'close false']);
  assert.equal(connections, 2);
  const whole = forwarded;
  for (fault of ['reset', 'fin'] as const) {
    for (at = 0; at < whole; at += 29) {
      const log = await visit();
      const errors = log.filter((line) => line.startsWith('error'));
      const where = `${fault} after ${at} of ${whole}: ${log}`;
      assert.ok(errors.length <= 1 && errors.every((line) => line === 'error ECONNRESET'), where);
      if (!log.includes('secure')) assert.equal(errors.length, 1, where);
      assert.equal(log.at(-1), `close ${errors.length === 1}`, where);
    }
  }
});
