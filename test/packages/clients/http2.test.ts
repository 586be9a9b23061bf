import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2, { type ClientHttp2Session } from 'node:http2';
import { type TestContext, test } from 'node:test';
import { attach, type ConnectionOptions, connect, http2Socket } from '../../../src/node/index.ts';
import { listening, own, RecordingCache, WRONG_CA, wrongCa } from './support.ts';

for (const tls of ['ours', 'node'] as const) {
  test(`http2.connect over ${tls}`, async (t: TestContext) => {
    const server = http2.createSecureServer(own);
    if (tls === 'ours') attach(server, own);
    const sessions = new Set<http2.ServerHttp2Session>();
    server.on('session', (session) => void sessions.add(session));
    server.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      const { socket } = stream.session!;
      stream.respond({ resumed: String((socket as unknown as { isSessionReused(): boolean }).isSessionReused()) });
      if (headers[':method'] === 'POST') stream.pipe(stream);
      else stream.end(headers[':authority']);
    });
    const port = await listening(t, server);
    const ticketCache = new RecordingCache();
    const open = (options: ConnectionOptions = {}): ClientHttp2Session => {
      const session = http2.connect(`https://localhost:${port}`, {
        createConnection: ({ hostname, port }) =>
          http2Socket(
            connect({
              ...{ host: hostname, family: 4, port: Number(port), ca: own.cert },
              ...{ ALPNProtocols: ['h2'], ticketCache, ...options },
            }),
          ),
      });
      t.after(() => session.destroy());
      return session;
    };
    const request = async (session: ClientHttp2Session, body?: string): Promise<{ resumed: string; text: string }> => {
      const stream = session.request({ ':path': '/', ':method': body === undefined ? 'GET' : 'POST' });
      stream.end(body);
      const [[headers], text] = await Promise.all([
        once(stream, 'response') as Promise<[http2.IncomingHttpHeaders]>,
        (async () => {
          let text = '';
          for await (const chunk of stream.setEncoding('latin1')) text += chunk;
          return text;
        })(),
      ]);
      return { resumed: String(headers['resumed']), text };
    };

    const first = open();
    // Before the handshake is done, and many at once.
    const answers = await Promise.all([request(first), request(first, 'x'.repeat(1_000_000)), request(first)]);
    assert.deepEqual(answers[0], { resumed: 'false', text: `localhost:${port}` });
    assert.equal(answers[1]!.text.length, 1_000_000);
    assert.deepEqual([first.encrypted, first.alpnProtocol], [true, 'h2']);
    assert.equal((first.socket as unknown as { authorized: boolean }).authorized, true);

    const second = open();
    assert.equal((await request(second)).resumed, 'true');
    const gone = once(second, 'close');
    for (const session of sessions) session.destroy();
    await gone;
    assert.equal((await request(open())).resumed, 'true');
    assert.equal(new Set(ticketCache.taken).size, 2);

    const refused = open({ ca: wrongCa });
    await assert.rejects(once(refused, 'connect'), WRONG_CA);
  });
}
