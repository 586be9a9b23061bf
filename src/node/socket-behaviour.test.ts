import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { before, describe, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { makeIdentity, type TestIdentity } from '../../test/support/certificates.ts';
import { Pipe } from '../../test/support/pipe.ts';
import {
  type ConnectionOptions,
  connect,
  createServer,
  type TLSSocket,
  type TlsError,
  type TlsOptions,
} from './index.ts';

let identity: TestIdentity;
let stranger: TestIdentity;
before(async () => {
  identity = await makeIdentity('p256');
  stranger = await makeIdentity('p384', ['stranger.example']);
});

const credentials = () => ({ cert: identity.certificatePem, key: identity.keyPem });
const trust = () => ({ servername: 'localhost', ca: identity.certificatePem });

/** A client and a server of ours over memory, not secure yet. */
function begin(options: TlsOptions = {}, client: ConnectionOptions = {}) {
  const [near, far] = Pipe.pair();
  const listener = createServer({ ...credentials(), ...options });
  const accepted = once(listener, 'secureConnection') as Promise<[TLSSocket]>;
  accepted.catch(() => {});
  listener.emit('connection', far);
  return { near, far, listener, accepted, client: connect({ ...trust(), socket: near, ...client }) };
}

async function open(t: TestContext, options: TlsOptions = {}, client: ConnectionOptions = {}) {
  const begun = begin(options, client);
  const [[server]] = await Promise.all([begun.accepted, once(begun.client, 'secureConnect')]);
  t.after(() => {
    begun.client.destroy();
    server.destroy();
  });
  return { ...begun, server };
}

/** How many listeners of each event a stream has. */
const listeners = (stream: Duplex): Record<string, number> =>
  Object.fromEntries(stream.eventNames().map((name) => [String(name), stream.listenerCount(name)]));

/** Whether there was an error. */
const closed = (socket: TLSSocket): Promise<boolean> =>
  new Promise((resolve) => {
    socket.once('close', resolve);
  });

/** Turns of the event loop until nothing moves any more. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn();
}

describe('memory stays bounded', () => {
  test('with a reader that does not read: what was not taken waits with the writer', async (t) => {
    const { client, server, near } = await open(t);
    const chunk = Buffer.alloc(64 * 1_024);
    let accepted = 0;
    for (let more = true; more && accepted < 64; accepted++) {
      more = server.write(chunk);
      await settle();
    }
    await settle();
    assert.ok(accepted < 64, 'the writer is told to wait');
    const limit = 2 * client.readableHighWaterMark + 2 * chunk.length;
    assert.ok(client.readableLength <= limit, `${client.readableLength} bytes wait to be read`);
    assert.ok(near.isPaused() && near.readableLength <= limit, `${near.readableLength} bytes wait in the transport`);
    let read = 0;
    client.on('data', (bytes) => {
      read += bytes.length;
    });
    while (read < accepted * chunk.length) await once(client, 'data');
    assert.equal(read, accepted * chunk.length);
  });

  test('with a transport that does not take anything: one write is on its way, the others wait in the socket', async (t) => {
    const { client, server, near } = await open(t);
    server.resume();
    const before = near.writes.length;
    near.stuck = true;
    const chunk = Buffer.alloc(16 * 1_024);
    let taken = 0;
    for (let i = 0; i < 10; i++) client.write(chunk, () => taken++);
    await settle();
    assert.equal(taken, 0);
    assert.equal(client.writableNeedDrain, true);
    assert.equal(client.writableLength, 10 * chunk.length);
    assert.equal(client.bytesWritten, 10 * chunk.length);
    assert.ok(near.writableLength < 2 * chunk.length, `${near.writableLength} bytes were encrypted in advance`);
    near.loosen();
    await once(client, 'drain');
    assert.equal(taken, 10);
    assert.equal(client.bytesWritten, 10 * chunk.length);
    assert.ok(near.writes.length - before <= 10);
  });
});

describe('segments', () => {
  test('what a listener writes leaves with the last flight of the handshake', async (t) => {
    for (const event of ['secure', 'secureConnect']) {
      const begun = begin();
      begun.client.once(event, () => begun.client.write('hello'));
      const [server] = await begun.accepted;
      const [bytes] = (await once(server, 'data')) as [Buffer];
      assert.equal(String(bytes), 'hello');
      assert.equal(begun.near.writes.length, 2, 'ClientHello; Finished and data');
      t.after(() => begun.client.destroy());
    }
  });

  test('what a server says first leaves with its tickets', async (t) => {
    const begun = begin();
    begun.listener.on('secureConnection', (socket: TLSSocket) => socket.write('welcome'));
    const [bytes] = (await once(begun.client, 'data')) as [Buffer];
    assert.equal(String(bytes), 'welcome');
    assert.equal(begun.far.writes.length, 2, 'its flight; tickets and data');
    t.after(() => begun.client.destroy());
  });
});

describe('destroy', () => {
  const STAGES: Readonly<Record<string, (client: TLSSocket) => Promise<unknown>>> = {
    'at once': async () => {},
    'before the answer': async () => await new Promise(process.nextTick),
    ...Object.fromEntries(
      ['secure', 'secureConnect', 'session', 'data', 'end', 'OCSPResponse', 'keylog'].map((event) => [
        `in a listener of ${event}`,
        (client: TLSSocket) => new Promise((resolve) => client.once(event, resolve)),
      ]),
    ),
  };
  for (const [name, reached] of Object.entries(STAGES)) {
    for (const error of [undefined, new Error('enough')]) {
      test(`${name}${error ? ', with an error' : ''}: closed once, and nothing stays on the transport`, async () => {
        const { near, client, listener } = begin({}, { requestOCSP: true });
        near.stuck = name === 'before the answer';
        listener.on('tlsClientError', () => {});
        listener.on('secureConnection', (socket: TLSSocket) => socket.on('error', () => {}).end('bye'));
        const events: unknown[] = [];
        client.on('error', (e) => events.push(e)).on('close', (hadError: boolean) => events.push(hadError));
        // A listener of `end` sees what was read before.
        if (!name.includes('data')) client.resume();
        const untouched = listeners(new Pipe());
        if (name.startsWith('in a listener')) {
          const event = name.slice('in a listener of '.length);
          client.once(event, () => client.destroy(error));
        } else {
          await reached(client);
          client.destroy(error);
        }
        await closed(client);
        await settle();
        assert.deepEqual(events, error ? [error, true] : [false]);
        assert.equal(near.destroyed, true);
        assert.deepEqual(listeners(near), untouched);
      });
    }
  }

  test('an ended connection leaves nothing on its transports either', async (t) => {
    const { near, far, client, server } = await open(t);
    server.end('bye');
    client.resume();
    server.resume();
    await Promise.all([once(client, 'close'), once(server, 'close')]);
    await settle();
    assert.deepEqual([listeners(near), listeners(far)], [listeners(new Pipe()), listeners(new Pipe())]);
  });

  test('listeners of the program stay', async (t) => {
    const { near, client } = await open(t);
    const mine = (): void => {};
    near.on('data', mine);
    client.destroy();
    await once(client, 'close');
    await settle();
    assert.deepEqual(near.listeners('data'), [mine]);
  });
});

describe('abort signals', () => {
  for (const [name, when] of [
    ['aborted already', 'before'],
    ['aborted in the handshake', 'during'],
    ['aborted after it', 'after'],
  ] as const) {
    test(name, async () => {
      const controller = new AbortController();
      if (when === 'before') controller.abort();
      const { client, listener, accepted } = begin({}, { signal: controller.signal });
      listener.on('tlsClientError', () => {});
      const errors: Error[] = [];
      client.on('error', (error) => errors.push(error));
      if (when === 'during') controller.abort();
      if (when === 'after') {
        const [[server]] = await Promise.all([accepted, once(client, 'secureConnect')]);
        server.on('error', () => {});
        controller.abort();
      }
      const hadError = await closed(client);
      assert.equal(hadError, true);
      assert.deepEqual(
        errors.map(({ name: kind }) => kind),
        ['AbortError'],
      );
      controller.abort();
    });
  }
});

describe('errors', () => {
  const tell = ({ code, alert, side, phase }: TlsError): unknown => ({ code, alert, side, phase });

  test('of the handshake: once on each side, with the alert, who sent it, and how far it was', async () => {
    const { client, listener } = begin({}, { ca: stranger.certificatePem });
    const seen: Record<string, unknown[]> = { client: [], server: [] };
    listener.on('tlsClientError', (error) => seen['server']!.push(tell(error)));
    client.on('error', (error) => seen['client']!.push(tell(error as TlsError)));
    await closed(client);
    await settle();
    assert.deepEqual(seen, {
      client: [{ code: 'DEPTH_ZERO_SELF_SIGNED_CERT', alert: 'unknown_ca', side: 'local', phase: 'handshake' }],
      server: [{ code: 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', alert: 'unknown_ca', side: 'remote', phase: 'handshake' }],
    });
  });

  test('of after it: a record that was changed on its way', async (t) => {
    const { client, server, near } = await open(t);
    const seen: Record<string, unknown[]> = { client: [], server: [] };
    server.on('error', (error) => seen['server']!.push(tell(error as TlsError)));
    client.on('error', (error) => seen['client']!.push(tell(error as TlsError)));
    const forged = Buffer.alloc(5 + 40, 1);
    forged.set([23, 3, 3, 0, 40]);
    near.other!.push(forged);
    await Promise.all([closed(client), closed(server)]);
    const code = 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC';
    const told = /^ERR_SSL_(SSLV3|SSL\/TLS)_ALERT_BAD_RECORD_MAC$/; // of which OpenSSL is Node's
    assert.match(String((seen['client']![0] as { code: string }).code), told);
    assert.deepEqual(seen, {
      client: [
        { code: (seen['client']![0] as { code: string }).code, alert: 'bad_record_mac', side: 'remote', phase: 'open' },
      ],
      server: [{ code, alert: 'bad_record_mac', side: 'local', phase: 'open' }],
    });
  });

  test('of the transport, in the handshake and after it', async (t) => {
    const early = begin();
    early.listener.on('tlsClientError', () => {});
    const broken = new Error('cable');
    early.near.destroy(broken);
    assert.equal((await once(early.client, 'error'))[0], broken);
    const late = await open(t);
    late.near.destroy(broken);
    assert.equal((await once(late.client, 'error'))[0], broken);
  });
});

test('idle time begins anew with what is read or written, not with bytes that come to nothing yet', async (t) => {
  const { client, server, far } = await open(t);
  // Those of node:test cannot be refreshed in Node 20.
  let begun = 0;
  let running: (() => void) | undefined;
  const timer = { unref: () => timer, refresh: () => begun++ };
  t.mock.method(globalThis, 'setTimeout', (run: (socket: unknown) => void, _: number, socket: unknown) => {
    begun++;
    running = () => run(socket);
    return timer;
  });
  t.mock.method(globalThis, 'clearTimeout', (given: unknown) => {
    if (given === timer) running = undefined;
  });
  let timeouts = 0;
  client.setTimeout(1_000, () => timeouts++);
  assert.equal(client.timeout, 1_000);
  assert.equal(begun, 1);
  client.resume();
  server.write('x');
  await once(client, 'data');
  assert.equal(begun, 2, 'by what was read');
  client.write('y');
  assert.equal(begun, 3, 'by what was written');
  far.write(Buffer.from([23, 3, 3, 1, 0, 0])); // a record that goes on
  far.write(Buffer.from([0]));
  await settle();
  assert.equal(begun, 3, 'half a record is nothing to be read');
  running!();
  assert.equal(timeouts, 1);
  client.setTimeout(0);
  assert.equal(running, undefined);
  client.setTimeout(1_000).destroy();
  assert.equal(running, undefined);
  t.mock.restoreAll();
});

test('a large write that goes on is no idleness, and one that does not is', async (t) => {
  const { client, near } = await open(t);
  let running: (() => void) | undefined;
  let begun = 0;
  const timer = { unref: () => timer, refresh: () => begun++ };
  t.mock.method(globalThis, 'setTimeout', (run: (socket: unknown) => void, _: number, socket: unknown) => {
    running = () => run(socket);
    return timer;
  });
  let timeouts = 0;
  client.on('timeout', () => timeouts++).setTimeout(1_000);
  t.mock.restoreAll();
  const handle = { writeQueueSize: 10_000 }; // as of net.Socket: what the system has not taken yet
  Object.assign(near, { _handle: handle });
  near.stuck = true;
  client.write(Buffer.alloc(10_000));
  begun = 0;
  handle.writeQueueSize = 4_000;
  running!();
  assert.deepEqual([timeouts, begun], [0, 1], 'much of it went');
  running!();
  assert.deepEqual([timeouts, begun], [1, 1], 'nothing went since');
  client.setTimeout(0);
  near.loosen();
});

test('an alert that a peer does not read keeps the transport for a second, not for ever', async (t) => {
  const { client, near, far } = await open(t);
  near.stuck = true;
  client.write('x'); // less than makes the transport ask for patience
  const ended = closed(client);
  client.on('error', () => {});
  t.mock.timers.enable({ apis: ['setTimeout'] });
  far.write(Buffer.from([23, 3, 3, 0, 17, ...new Uint8Array(17)]));
  await ended;
  await settle();
  assert.equal(near.destroyed, false);
  t.mock.timers.tick(1_000);
  assert.equal(near.destroyed, true);
});
