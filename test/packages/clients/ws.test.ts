import assert from 'node:assert/strict';
import { once } from 'node:events';
import https from 'node:https';
import { test } from 'node:test';
import WebSocket, { WebSocketServer } from 'ws';
import { Agent, attach, connect } from '../../../src/node/index.ts';
import { listening, own, RecordingCache, WRONG_CA, wrongCa } from './support.ts';

for (const tls of ['ours', 'node'] as const) {
  test(`ws over ${tls}`, async (t) => {
    const server = https.createServer(own);
    if (tls === 'ours') attach(server, own);
    const sockets = new WebSocketServer({ server });
    sockets.on('connection', (socket, request) => {
      socket.send(String((request.socket as unknown as { isSessionReused(): boolean }).isSessionReused()));
      socket
        .on('error', () => {})
        .on('message', (data, isBinary) => {
          if (String(data) === 'drop') socket.terminate();
          else socket.send(data, { binary: isBinary });
        });
    });
    const port = await listening(t, server);
    const ticketCache = new RecordingCache();
    const agent = new Agent({ ca: own.cert, ticketCache });
    const open = async (options: WebSocket.ClientOptions): Promise<{ socket: WebSocket; resumed: string }> => {
      const socket = new WebSocket(`wss://localhost:${port}`, { family: 4, ...options });
      t.after(() => socket.terminate());
      const [[resumed]] = await Promise.all([once(socket, 'message'), once(socket, 'open')]);
      return { socket, resumed: String(resumed) };
    };

    const { socket, resumed } = await open({ agent });
    assert.equal(resumed, 'false');
    const echo = once(socket, 'message');
    socket.send('x'.repeat(1_000_000));
    assert.equal(((await echo)[0] as Buffer).length, 1_000_000);
    const closed = once(socket, 'close');
    socket.send('drop');
    assert.equal((await closed)[0], 1006);
    assert.equal((await open({ agent })).resumed, 'true');
    assert.equal(ticketCache.taken.length, 1);

    const without = (ca: string): WebSocket.ClientOptions =>
      ({ createConnection: () => connect({ host: 'localhost', family: 4, port, ca }) }) as object;
    assert.equal((await open(without(own.cert))).resumed, 'false');
    await assert.rejects(open(without(wrongCa)), WRONG_CA);
    await assert.rejects(open({ agent: new Agent({ ca: wrongCa }) }), WRONG_CA);
  });
}
