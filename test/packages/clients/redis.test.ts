import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { AbstractConnector, Redis } from 'ioredis';
import { type ConnectionOptions, connect, type TLSSocket } from '../../../src/node/index.ts';
import { needs } from '../../support/peers.ts';
import { startRedis } from './servers.ts';
import { own, RecordingCache, WRONG_CA, wrongCa } from './support.ts';

/** How ioredis calls what it reads and writes. */
type NetStream = Awaited<ReturnType<AbstractConnector['connect']>>;

test('ioredis', async (t) => {
  if (!needs(t, 'redis-server')) return;
  const server = await startRedis(t);
  const ticketCache = new RecordingCache();
  const sockets: TLSSocket[] = [];
  const clientOf = (more: ConnectionOptions = {}): Redis => {
    class Connector extends AbstractConnector {
      constructor(options: unknown) {
        super((options as { readonly disconnectTimeout: number }).disconnectTimeout);
      }

      override async connect(): Promise<NetStream> {
        this.connecting = true;
        const socket = connect({ host: 'localhost', family: 4, port: server.port, ca: own.cert, ticketCache, ...more });
        sockets.push(socket);
        this.stream = socket as unknown as NetStream;
        return this.stream;
      }
    }
    const client = new Redis({ Connector, lazyConnect: true, retryStrategy: () => 10 });
    client.on('error', () => {}); // of a connection that broke: it reconnects
    t.after(() => client.disconnect());
    return client;
  };

  const client = clientOf();
  await client.connect();
  assert.equal(await client.set('name', 'x'.repeat(300_000)), 'OK');
  assert.equal((await client.get('name'))?.length, 300_000);
  const other = clientOf();
  await other.connect();
  assert.deepEqual(
    sockets.map((socket) => socket.isSessionReused()),
    [false, true],
  );

  const subscriber = clientOf();
  await subscriber.subscribe('news');
  const heard = once(subscriber, 'message');
  await client.publish('news', 'by TLS');
  assert.deepEqual(await heard, ['news', 'by TLS']);

  const again = once(client, 'ready');
  await other.client('KILL', 'ID', await client.client('ID'));
  await again;
  assert.equal(await client.exists('name'), 1);
  assert.equal(sockets.at(-1)!.isSessionReused(), true);
  assert.equal(new Set(ticketCache.taken).size, ticketCache.taken.length);

  const refused = clientOf({ ca: wrongCa });
  const [error] = await Promise.all([once(refused, 'error'), refused.connect().catch(() => {})]);
  assert.equal((error[0] as NodeJS.ErrnoException).code, WRONG_CA.code);
});
