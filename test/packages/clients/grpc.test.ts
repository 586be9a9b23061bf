import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import {
  type CallCredentials,
  ChannelCredentials,
  Client,
  credentials as kinds,
  Metadata,
  status,
} from '@grpc/grpc-js';
import { type ConnectionOptions, connect, http2Socket, type TLSSocket } from '../../../src/node/index.ts';
import { bindGrpc, SAY } from './grpc-server.ts';
import { own, RecordingCache, wrongCa } from './support.ts';

type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>;
type Target = Parameters<ChannelCredentials['_createSecureConnector']>[0];

const sockets: TLSSocket[] = [];

/** The names with an underscore are grpc-js' own, and may change. */
class TlsCredentials extends ChannelCredentials {
  readonly #options: ConnectionOptions;

  constructor(options: ConnectionOptions) {
    super();
    this.#options = options;
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector({ path }: Target, _options: object, calls?: CallCredentials): SecureConnector {
    const { hostname, port } = new URL(`https://${path}`);
    const options = { servername: hostname, port: Number(port), ALPNProtocols: ['h2'], ...this.#options };
    return {
      connect: (tcp) =>
        new Promise((resolve, reject) => {
          const socket = connect({ ...options, socket: tcp });
          sockets.push(socket);
          socket.once('error', reject).once('secureConnect', () => {
            resolve({ socket: http2Socket(socket) as Socket, secure: true });
          });
        }),
      waitForReady: async () => {},
      getCallCredentials: () => calls ?? kinds.createEmpty(),
      destroy() {},
    };
  }
}

const same = (bytes: Buffer): Buffer => bytes;

test('@grpc/grpc-js', async (t) => {
  const ticketCache = new RecordingCache();
  const { server, port } = await bindGrpc(t, 0);

  const clientOf = (options: ConnectionOptions): Client => {
    const limits = { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.use_local_subchannel_pool': 1 };
    const client = new Client(`localhost:${port}`, new TlsCredentials(options), limits);
    t.after(() => client.close());
    return client;
  };
  const say = (client: Client, text: string, waitForReady: boolean = false): Promise<string> =>
    new Promise((resolve, reject) => {
      const metadata = new Metadata({ waitForReady });
      client.makeUnaryRequest(SAY.path, same, same, Buffer.from(text), metadata, (error, value) => {
        if (error === null) resolve(String(value));
        else reject(error);
      });
    });

  const client = clientOf({ ca: own.cert, ticketCache });
  assert.equal(await say(client, 'by TLS'), 'by TLS');
  assert.equal((await say(client, 'x'.repeat(3_000_000))).length, 3_000_000);
  assert.equal(sockets.length, 1);
  assert.equal(await say(clientOf({ ca: own.cert, ticketCache }), 'again'), 'again');
  assert.deepEqual(
    sockets.map((socket) => socket.isSessionReused()),
    [false, true],
  );

  const dropped = sockets.map((socket) => once(socket, 'close'));
  server.forceShutdown();
  await Promise.all(dropped);
  await bindGrpc(t, port);
  assert.equal(await say(client, 'after a drop', true), 'after a drop');

  const refused = say(clientOf({ ca: wrongCa }), 'nobody');
  await assert.rejects(refused, { code: status.UNAVAILABLE, details: /self-signed/ });
});
