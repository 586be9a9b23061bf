import assert from 'node:assert/strict';
import { type EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { type IClientOptions, MqttClient } from 'mqtt';
import { type ConnectionOptions, connect, type TLSSocket } from '../../../src/node/index.ts';
import { needs } from '../../support/peers.ts';
import { startMosquitto } from './servers.ts';
import { own, RecordingCache, WRONG_CA, wrongCa } from './support.ts';

/** mqtt types its clients as emitters of its own kind. */
function event(client: MqttClient, name: string): Promise<unknown[]> {
  return once(client as unknown as EventEmitter, name);
}

test('mqtt', async (t) => {
  if (!needs(t, 'mosquitto')) return;
  const server = await startMosquitto(t);
  const ticketCache = new RecordingCache();
  const sockets: TLSSocket[] = [];
  const clientOf = (more: ConnectionOptions & Pick<IClientOptions, 'reconnectPeriod'> = {}): MqttClient => {
    const { reconnectPeriod = 10, ...options } = more;
    const open = (): TLSSocket => {
      const socket = connect({
        host: 'localhost',
        family: 4,
        port: server.port,
        ca: own.cert,
        ticketCache,
        ...options,
      });
      sockets.push(socket);
      return socket;
    };
    const client = new MqttClient(open, { protocolVersion: 5, reconnectPeriod });
    client.on('error', () => {}); // of a connection that broke: it reconnects
    t.after(() => client.endAsync(true));
    return client;
  };

  const subscriber = clientOf();
  await event(subscriber, 'connect');
  await subscriber.subscribeAsync('news/#', { qos: 1 });
  const publisher = clientOf();
  await event(publisher, 'connect');
  assert.deepEqual(
    sockets.map((socket) => socket.isSessionReused()),
    [false, true],
  );
  const heard = event(subscriber, 'message');
  await publisher.publishAsync('news/today', 'x'.repeat(300_000), { qos: 1 });
  const [topic, payload] = (await heard) as [string, Buffer];
  assert.deepEqual([topic, payload.length], ['news/today', 300_000]);

  const again = [subscriber, publisher].map((client) => new Promise((resolve) => client.once('connect', resolve)));
  await server.down();
  await server.up();
  await Promise.all(again);
  await subscriber.subscribeAsync('news/#');
  const heardAgain = event(subscriber, 'message');
  await publisher.publishAsync('news/later', 'again');
  assert.equal(String((await heardAgain)[1]), 'again');
  assert.equal(new Set(ticketCache.taken).size, ticketCache.taken.length);

  const refused = clientOf({ ca: wrongCa, reconnectPeriod: 0 });
  await assert.rejects(event(refused, 'connect'), WRONG_CA);
});
