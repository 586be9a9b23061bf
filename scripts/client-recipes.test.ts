/** The clients of docs/recipes.md run as they stand there, against real servers. */
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { type TestContext, test } from 'node:test';
import { WebSocketServer } from 'ws';
import { startGrpc } from '../test/packages/clients/grpc-server.ts';
import { MailServer } from '../test/packages/clients/mail-server.ts';
import { startMariadb, startMosquitto, startPostgres, startRedis } from '../test/packages/clients/servers.ts';
import { listening, own } from '../test/packages/clients/support.ts';
import { needs, type PeerName } from '../test/support/peers.ts';
import { start } from '../test/support/process.ts';
import { ROOT, snippetsOf, workFolder, writeProgram } from './snippets.ts';

interface Place {
  readonly needs?: PeerName;
  /** Starts the server; the answer is its port. */
  serve(t: TestContext): Promise<number>;
  readonly prints: RegExp;
}

/** Says hello by HTTP/1.1 and HTTP/2, and echoes what comes by WebSocket. */
async function serveWeb(t: TestContext): Promise<number> {
  const server = http2.createSecureServer({ ...own, allowHTTP1: true }, (_request, response) => response.end('hello'));
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (client) => client.on('message', (data) => client.send(data)));
  });
  return listening(t, server);
}

/** By the port that a program of the documentation connects to. */
const PLACES: Readonly<Record<string, Place>> = {
  8443: { serve: serveWeb, prints: /^hello$/ },
  5432: { needs: 'postgres', serve: async (t) => (await startPostgres(t)).port, prints: /^PostgreSQL \d/ },
  3306: { needs: 'mariadbd', serve: async (t) => (await startMariadb(t)).port, prints: /MariaDB/ },
  6379: { needs: 'redis-server', serve: async (t) => (await startRedis(t)).port, prints: /^PONG$/ },
  465: { serve: (t) => new MailServer().listen(t, 'tls'), prints: /^b@mail\.example$/ },
  8883: { needs: 'mosquitto', serve: async (t) => (await startMosquitto(t)).port, prints: /^hello$/ },
  50051: { serve: startGrpc, prints: /^hello$/ },
};

for (const { heading, code } of snippetsOf('docs/recipes.md').filter(({ section }) => section === 'Clients')) {
  test(`docs/recipes.md: the client ${heading}`, async (t: TestContext) => {
    const at = Object.keys(PLACES).find((port) => new RegExp(`\\b${port}\\b`).test(code));
    assert.ok(at !== undefined, 'it connects to one of the ports above');
    const place = PLACES[at]!;
    if (place.needs !== undefined && !needs(t, place.needs)) return;
    const here = code.replaceAll(new RegExp(`\\b${at}\\b`, 'g'), String(await place.serve(t)));
    const given = [`const ca = ${JSON.stringify(own.cert)};`, "const user = 'tessera', password = 'secret';"];
    const program = start(t, process.execPath, writeProgram(workFolder(t), here, given), { cwd: ROOT });
    const exit = await program.waitForExit();
    assert.equal(program.stderr, '');
    assert.match(program.stdout.trim(), place.prints);
    assert.equal(exit.code, 0);
  });
}
