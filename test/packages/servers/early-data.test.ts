/** Requests in early data to attached servers: what may be done twice is done, the rest is told to come again. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import test, { type TestContext } from 'node:test';
import { attach, connect, type TLSSocket } from '../../../src/node/index.ts';
import type { ReplayGuard } from '../../../src/tickets/index.ts';
import { listening, own } from './support.ts';

const guard: ReplayGuard = { guarantee: 'process', windowMs: 10_000, check: () => 'fresh' };
const earlyData = { maxSize: 10_000, guard };

/** Sends `text` in early data, and `later` once the handshake is done. Answers everything that came back. */
async function send(t: TestContext, port: number, text: string, later: string = ''): Promise<string> {
  const open = (options: { session?: Buffer; earlyData?: string }): TLSSocket => {
    const socket = connect({
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: own.cert,
      ALPNProtocols: ['http/1.1'],
      ...options,
    });
    t.after(() => socket.destroy());
    return socket;
  };
  const first = open({});
  const [session] = await once(first, 'session');
  const socket = open({ session, earlyData: text });
  const decided = once(socket, 'earlyDataStatus');
  await once(socket, 'secureConnect');
  assert.equal((await decided)[0].accepted, true);
  if (later !== '') socket.write(later);
  let answer = '';
  for await (const chunk of socket) answer += chunk.toString();
  return answer;
}

const asking = (line: string, ...headers: string[]): string =>
  [`${line} HTTP/1.1`, 'Host: localhost', ...headers, '', ''].join('\r\n');

for (const [name, make] of [
  ['http', http.createServer],
  ['https', https.createServer as typeof http.createServer],
] as const) {
  const serve = async (t: TestContext): Promise<{ readonly port: number; readonly seen: string[] }> => {
    const seen: string[] = [];
    const server = make((request: IncomingMessage, response: ServerResponse) => {
      seen.push(`${request.method} ${request.headers['early-data']}`);
      request.resume().on('end', () => response.end('done'));
    });
    server.on('upgrade', () => seen.push('upgrade')).on('checkContinue', () => seen.push('checkContinue'));
    attach(server, { ...own, earlyData });
    return { port: await listening(t, server), seen };
  };

  test(`${name}: a safe request is served before the handshake is done, and marked`, async (t) => {
    const { port, seen } = await serve(t);
    const answer = await send(t, port, asking('GET /', 'Connection: close'));
    assert.match(answer, /^HTTP\/1.1 200 .*done/s);
    assert.deepEqual(seen, ['GET 1']);
  });

  test(`${name}: any other is too early, and is served when it comes again`, async (t) => {
    const { port, seen } = await serve(t);
    const post = asking('POST /', 'Content-Length: 4', 'Connection: keep-alive');
    const answer = await send(t, port, `${post}data`, `${post.replace('keep-alive', 'close')}data`);
    assert.match(answer, /^HTTP\/1.1 425 .*HTTP\/1.1 200 .*done/s);
    assert.deepEqual(seen, ['POST undefined']);
  });

  test(`${name}: nor is a protocol changed early, or a body asked for`, async (t) => {
    const { port, seen } = await serve(t);
    const upgrade = await send(t, port, asking('GET /', 'Connection: Upgrade', 'Upgrade: websocket'));
    assert.match(upgrade, /^HTTP\/1.1 425 /);
    const expect = await send(
      t,
      port,
      asking('PUT /', 'Content-Length: 0', 'Expect: 100-continue', 'Connection: close'),
    );
    assert.match(expect, /^HTTP\/1.1 425 /);
    assert.deepEqual(seen, []);
  });
}

test('HTTP/2 servers take no early data', () => {
  for (const server of [http2.createServer(), http2.createSecureServer({ allowHTTP1: true })])
    assert.throws(() => attach(server, { ...own, earlyData }), { code: 'attach.early_data' });
});
