import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import nodeTls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { integer, parse, protocols, serverName } from '../../src/cli/options.ts';
import { createServer as createTlsServer } from '../../src/node/index.ts';
import { makeIdentity } from '../support/certificates.ts';
import { type Running, run as runProgram, start as startProgram } from '../support/process.ts';

const MAIN = ['--import', 'tsx', fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))];
const run = (t: TestContext, args: readonly string[], input = '') =>
  runProgram(t, process.execPath, [...MAIN, ...args], { input });
const start = (t: TestContext, args: readonly string[]): Running =>
  startProgram(t, process.execPath, [...MAIN, ...args]);

let folder: string;
const path = (name: string): string => join(folder, name);
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tessera-cli-'));
  const [one, other] = [await makeIdentity('p256'), await makeIdentity('p384')];
  writeFileSync(path('cert.pem'), one.certificatePem);
  writeFileSync(path('key.pem'), one.keyPem);
  writeFileSync(path('other-key.pem'), other.keyPem);
  writeFileSync(path('other-cert.pem'), other.certificatePem);
  writeFileSync(path('text.txt'), 'hello');
});
after(() => rmSync(folder, { recursive: true }));

/** A server of ours with the known certificate on a free port. */
async function serve(
  t: TestContext,
  ...more: readonly string[]
): Promise<{ readonly server: Running; readonly port: number }> {
  const server = start(t, ['serve', '--port', '0', '--cert', path('cert.pem'), '--key', path('key.pem'), ...more]);
  const [, port] = await server
    .waitFor(/listens on https:\/\/localhost:(\d+)|"port":(\d+)/)
    .then(([, a, b]) => [0, a ?? b]);
  return { server, port: Number(port) };
}

async function listen(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => void server.close());
  return (server.address() as { port: number }).port;
}

const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('help', () => {
  for (const args of [['--help'], ['serve', '--help'], ['connect', '-h'], ['--version']]) {
    test(args.join(' '), async (t) => {
      const { code, stdout, stderr } = await run(t, args);
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, args[0] === '--version' ? /^\d+\.\d+\.\d+\S*\n$/ : /^tessera/);
    });
  }
});

describe('what is wrong is said in one line', () => {
  const CASES: readonly (readonly [name: string, args: () => readonly string[], code: number, message: RegExp])[] = [
    ['no command', () => [], 2, /command is missing/],
    ['unknown command', () => ['sreve'], 2, /no command 'sreve'/],
    ['unknown option', () => ['serve', '--prot', '1'], 2, /--prot/],
    ['argument to serve', () => ['serve', 'x'], 2, /'x'/],
    [
      'port that is no number',
      () => ['serve', '--port', 'http'],
      2,
      /--port must be an integer from 0 to 65535, not http/,
    ],
    ['too many tickets', () => ['serve', '--num-tickets', '1000000'], 2, /--num-tickets/],
    [
      'unknown suite',
      () => ['serve', '--ciphersuites', 'AES'],
      2,
      /--ciphersuites AES: there is no such cipher suite; .*TLS_AES_128_GCM_SHA256/,
    ],
    [
      'unknown group',
      () => ['connect', 'localhost', '--groups', 'curve'],
      2,
      /--groups curve: there is no such group; .*x25519/,
    ],
    ['cert without key', () => ['serve', '--cert', path('cert.pem')], 2, /go together/],
    [
      'no such file',
      () => ['serve', '--cert', path('none'), '--key', path('key.pem')],
      2,
      /--cert: cannot read .*no such file/,
    ],
    [
      'file that is no certificate',
      () => ['serve', '--cert', path('text.txt'), '--key', path('key.pem')],
      2,
      /--cert \S+text.txt: /,
    ],
    [
      'file that is no key',
      () => ['serve', '--cert', path('cert.pem'), '--key', path('text.txt')],
      2,
      /--key \S+text.txt: (?!.*KeyObject)/,
    ],
    [
      'key of another certificate',
      () => ['serve', '--cert', path('cert.pem'), '--key', path('other-key.pem')],
      2,
      /--key \S+other-key.pem: .*belongs to none/,
    ],
    [
      'ca that is no certificate',
      () => ['connect', 'localhost', '--ca', path('text.txt')],
      2,
      /--ca \S+text.txt: holds no certificate/,
    ],
    ['negative port', () => ['serve', '--port', '-1'], 2, /--port must be an integer from 0 to 65535, not -1\n/],
    ['option without its value', () => ['serve', '--cert', '--echo'], 2, /--cert needs a value/],
    [
      'authorities that nobody is asked about',
      () => ['serve', '--echo', '--ca', path('cert.pem')],
      2,
      /--ca with --echo needs/,
    ],
    ['required certificate, but of whom', () => ['serve', '--require-cert'], 2, /needs --ca/],
    ['no host', () => ['connect'], 2, /exactly one HOST/],
    ['port out of range', () => ['connect', 'localhost:99999'], 2, /'localhost:99999'/],
    ['session file that is none', () => ['connect', 'localhost', '--session-in', path('text.txt')], 2, /not a session/],
    [
      'key log that cannot be written',
      () => ['connect', 'localhost', '--keylog', join(path('none'), 'x')],
      2,
      /--keylog/,
    ],
    [
      'name that does not exist',
      () => ['connect', 'no-such-host.invalid'],
      3,
      /no-such-host.invalid:443.*not found|looked up/,
    ],
    ['address of another machine', () => ['serve', '--host', '192.0.2.1', '--port', '0'], 3, /cannot listen/],
  ];
  for (const [name, args, code, message] of CASES) {
    test(name, async (t) => {
      const result = await run(t, args());
      assert.match(result.stderr, /^tessera: [^\n]+\n$/);
      assert.match(result.stderr, message);
      assert.deepEqual([result.code, result.stdout], [code, '']);
    });
  }

  // In this process, where each case takes no time.
  const REFUSED: readonly (readonly [string, () => unknown, RegExp])[] = [
    ['ALPN name that is empty', () => protocols('h2,,x'), /--alpn: .*empty/],
    ['ALPN list that is empty', () => protocols(''), /--alpn: .*empty/],
    ['ALPN name that is too long', () => protocols('x'.repeat(256)), /--alpn: .*256 bytes/],
    ['ALPN list that is too long', () => protocols(Array(235).fill('x'.repeat(255)).join()), /--alpn: .*60160 bytes/],
    ['ALPN name beyond ASCII', () => protocols('h\u00e9'), /--alpn: .*ASCII/],
    ...['', 'a b', 'a_b', 'a..b', 'a.', '<b>', 'x'.repeat(64), `${'x.'.repeat(126)}xy`, '\u00e9 \u00e9'].map(
      (name) => [`server name ${JSON.stringify(name.slice(0, 10))}`, () => serverName(name), /--servername/] as const,
    ),
    ...['num-tickets', 'ticket-lifetime', 'resume'].map((name): readonly [string, () => unknown, RegExp] => {
      const parsed = (): string | undefined => parse([`--${name}`, '-1'], { [name]: 'string' }).values[name];
      return [`negative ${name}`, () => integer(name, parsed(), 0, 9), RegExp(`--${name} must be .* 0 to 9, not -1$`)];
    }),
  ];
  for (const [name, refused, message] of REFUSED) {
    test(name, () => assert.throws(refused, { name: 'Error', exitCode: 2, message }));
  }

  test('what is at the limit is taken', () => {
    const names = ['x'.repeat(255), 'h2'];
    assert.deepEqual(protocols(names.join()), names);
    for (const name of ['localhost', '::1', '192.0.2.1', `${'x.'.repeat(126)}x`]) assert.equal(serverName(name), name);
    assert.equal(serverName('b\u00fccher.example'), 'xn--bcher-kva.example');
  });

  test('port in use', async (t) => {
    const port = await listen(t, createServer());
    const result = await run(t, ['serve', '--host', '127.0.0.1', '--port', String(port)]);
    assert.deepEqual(
      [result.code, result.stderr],
      [3, `tessera: cannot listen on 127.0.0.1:${port}: the port is in use\n`],
    );
  });

  test('nobody listens', async (t) => {
    const server = createServer();
    const port = await listen(t, server);
    await new Promise((resolve) => server.close(resolve));
    const result = await run(t, ['connect', `127.0.0.1:${port}`, '--json']);
    const message = `cannot connect to 127.0.0.1:${port}: the connection was refused`;
    assert.deepEqual([result.code, result.stderr], [3, `tessera: ${message}\n`]);
    const [{ time: _, ...event } = {}] = jsonLines(result.stdout);
    assert.deepEqual(event, { event: 'error', code: 'ECONNREFUSED', alert: null, message });
  });

  test('a server that speaks no TLS', async (t) => {
    const port = await listen(
      t,
      createServer((socket) => socket.end('220 mail.example ESMTP\r\n')),
    );
    const result = await run(t, ['connect', `127.0.0.1:${port}`]);
    assert.equal(result.code, 4);
    assert.match(result.stderr, /^tessera: 127\.0\.0\.1:\d+ is no TLS server: [^\n]+\n$/);
  });

  test('a server that echoes', async (t) => {
    const port = await listen(
      t,
      createServer((socket) => socket.on('error', () => {}).pipe(socket)),
    );
    const result = await run(t, ['connect', `127.0.0.1:${port}`]);
    assert.equal(result.code, 4);
    assert.match(result.stderr, /^tessera: 127\.0\.0\.1:\d+ is no TLS server: it echoes[^\n]+\n$/);
  });

  for (const more of [[], ['--resume', '1']]) {
    test(`a server that fails after the handshake ${more}`, async (t) => {
      const server = createTlsServer({ cert: readFileSync(path('cert.pem')), key: readFileSync(path('key.pem')) });
      server.on('connection', (transport: Socket) => {
        server.once('secureConnection', () => {
          transport.write(Uint8Array.of(23, 3, 3, 0, 32, ...new Uint8Array(32))); // no record of these keys
        });
      });
      server.on('secureConnection', (socket) => socket.on('error', () => {}));
      const port = await listen(t, server);
      const result = await run(t, ['connect', `localhost:${port}`, '--ca', path('cert.pem'), '--json', ...more]);
      assert.equal(result.code, 4);
      assert.match(result.stderr, /^tessera: connection failed after the handshake: [^\n]+\n$/);
      const events = jsonLines(result.stdout);
      assert.equal(events[0]?.['peer'], `127.0.0.1:${port}`);
      const { event, code, alert } = events.at(-1) ?? {};
      assert.deepEqual(
        [event, code, alert],
        ['error', 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC', 'bad_record_mac'],
      );
    });
  }

  test('a server that hangs up', async (t) => {
    const port = await listen(
      t,
      createServer((socket) => socket.resume().end()),
    );
    const result = await run(t, ['connect', `127.0.0.1:${port}`]);
    assert.equal(result.code, 4);
    assert.match(result.stderr, /^tessera: handshake [^\n]+\n$/);
  });

  test('a server that says nothing', async (t) => {
    const port = await listen(
      t,
      createServer((socket) => socket.resume()),
    );
    const result = await run(t, ['connect', `127.0.0.1:${port}`, '--timeout', '1']);
    assert.equal(result.code, 3);
    assert.match(result.stderr, /^tessera: [^\n]+in time\n$/);
  });

  test('a server without TLS 1.3', async (t) => {
    const server = nodeTls.createServer({
      cert: readFileSync(path('cert.pem')),
      key: readFileSync(path('key.pem')),
      maxVersion: 'TLSv1.2',
    });
    const port = await listen(t, server);
    const result = await run(t, ['connect', `127.0.0.1:${port}`, '--insecure']);
    assert.equal(result.code, 4);
    assert.match(result.stderr, /^tessera: handshake [^\n]*protocol_version[^\n]*\n$/);
  });

  test('a server that is not trusted', async (t) => {
    const { port, server } = await serve(t);
    const result = await run(t, ['connect', `localhost:${port}`]);
    assert.equal(result.code, 5);
    assert.match(
      result.stderr,
      /^tessera: localhost:\d+ is not trusted: [^\n]*DEPTH_ZERO_SELF_SIGNED_CERT\): trust [^\n]*--ca F[^\n]*--insecure\n$/,
    );
    await server.waitFor(/handshake failed: .*received alert/);
  });
});

describe('serve and connect', () => {
  test('an old client is shown with the version it speaks', async (t) => {
    const { port, server } = await serve(t);
    const client = nodeTls.connect({ port, host: 'localhost', rejectUnauthorized: false, maxVersion: 'TLSv1.2' });
    client.on('error', () => {}); // the server ends with the test
    t.after(() => client.destroy());
    await server.waitFor(/ TLSv1\.2 ECDHE-\S+ - sni=/);
  });

  test('a conversation: summary and tickets on stderr, data on stdout', async (t) => {
    const { port, server } = await serve(t, '--echo', '--num-tickets', '3');
    const result = await run(t, ['connect', `localhost:${port}`, '--ca', path('cert.pem')], 'hello\n');
    assert.deepEqual([result.code, result.stdout], [0, 'hello\n']);
    assert.match(result.stderr, /handshake +full, TLSv1\.3/);
    assert.match(result.stderr, /trusted\)/);
    assert.equal(result.stderr.match(/^ +\d+ +7200 s/gm)?.length, 3);
    await server.waitFor(/ticket \d/, { count: 3 });
    assert.match(server.output, /sni=localhost alpn=- full [\d.]+ ms/);
  });

  test('--resume 3 resumes three times, each with one ticket', async (t) => {
    const { port, server } = await serve(t);
    const result = await run(t, ['connect', `localhost:${port}`, '--ca', path('cert.pem'), '--resume', '3', '--json']);
    const events = jsonLines(result.stdout);
    const connections = events.filter(({ event }) => event === 'connection');
    assert.deepEqual(
      connections.map(({ index, resumed, offered, tickets }) => [index, resumed, offered, tickets]),
      [
        [0, false, false, 2],
        [1, true, true, 1],
        [2, true, true, 1],
        [3, true, true, 1],
      ],
    );
    for (const { ms, sent, received } of connections)
      assert.ok(Number(ms) > 0 && Number(sent) > 0 && Number(received) > 0);
    assert.deepEqual([result.code, events.at(-1)?.['resumed'], events.at(-1)?.['of']], [0, 3, 3]);
    await server.waitFor('resumed', { count: 3 });
  });

  test('--resume says when there is no ticket, with exit code 1', async (t) => {
    const { port } = await serve(t, '--num-tickets', '0');
    const result = await run(t, ['connect', `localhost:${port}`, '--ca', path('cert.pem'), '--resume', '1']);
    assert.equal(result.code, 1);
    assert.match(result.stdout, /no ticket was left/);
    assert.match(result.stdout, /0 of 1 resumed/);
  });

  test('a session in a file, for its owner only', async (t) => {
    const { port } = await serve(t, '--echo');
    const args = ['connect', `localhost:${port}`, '--ca', path('cert.pem')];
    const session = path('session');
    assert.equal((await run(t, [...args, '--session-out', session])).code, 0);
    if (process.platform !== 'win32') assert.equal(statSync(session).mode & 0o777, 0o600);
    const again = await run(t, [...args, '--session-in', session]);
    assert.match(again.stderr, /handshake +resumed/);
    const other = await run(t, [...args, '--servername', 'other.example', '--session-in', session]);
    assert.deepEqual([other.code, other.stdout], [2, '']);
  });

  test('JSON of the server', async (t) => {
    const { port, server } = await serve(t, '--json', '--num-tickets', '1');
    await run(t, ['connect', `localhost:${port}`, '--ca', path('cert.pem'), '--alpn', 'http/1.1']);
    await server.waitFor('"event":"ticket"');
    const [listening, handshake, ticket] = jsonLines(server.stdout);
    assert.equal(listening?.['port'], port);
    assert.match(String(listening?.['fingerprint']), /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    const { event, version, serverName, alpn, resumed } = handshake ?? {};
    assert.deepEqual(
      { event, version, serverName, alpn, resumed },
      { event: 'handshake', version: 'TLSv1.3', serverName: 'localhost', alpn: 'http/1.1', resumed: false },
    );
    const { index, lifetimeSeconds, requested } = ticket ?? {};
    assert.deepEqual({ index, lifetimeSeconds, requested }, { index: 0, lifetimeSeconds: 7200, requested: false });
  });

  test('a declined ticket has its reason on the terminal', async (t) => {
    const session = path('foreign');
    const first = await serve(t);
    await run(t, ['connect', `localhost:${first.port}`, '--ca', path('cert.pem'), '--session-out', session]);
    const second = await serve(t);
    await run(t, ['connect', `localhost:${second.port}`, '--ca', path('cert.pem'), '--session-in', session]);
    await second.server.waitFor(/ticket declined: no_key/);
  });

  test('client certificates', async (t) => {
    const { port, server } = await serve(t, '--require-cert', '--ca', path('cert.pem'), '--json');
    const args = ['connect', `localhost:${port}`, '--ca', path('cert.pem')];
    const without = await run(t, args);
    assert.equal(without.code, 4);
    assert.match(without.stderr, /connected +(127\.0\.0\.1|\[::1\]):\d+ in/);
    assert.match(without.stderr, /\ntessera: the server refused: certificate_required[^\n]*\n$/);
    await server.waitFor('"event":"handshake_failed"');
    const identity = ['--cert', path('cert.pem'), '--key', path('key.pem')];
    assert.equal((await run(t, [...args, ...identity])).code, 0);
    await server.waitFor(/"event":"handshake",.*"authorized":true/);
  });

  test('IPv6', async (t) => {
    const { port, server } = await serve(t);
    if (!server.output.includes('::1')) return t.skip('no IPv6 here');
    assert.equal((await run(t, ['connect', `[::1]:${port}`, '--ca', path('cert.pem')])).code, 0);
  });

  test('a key log both sides agree on', async (t) => {
    const { port } = await serve(t, '--keylog', path('server.keys'));
    await run(t, ['connect', `localhost:${port}`, '--ca', path('cert.pem'), '--keylog', path('client.keys')]);
    const lines = (name: string): string[] => readFileSync(path(name), 'utf8').trim().split('\n').sort();
    assert.deepEqual(lines('server.keys'), lines('client.keys'));
    assert.ok(lines('server.keys').some((line) => line.startsWith('CLIENT_TRAFFIC_SECRET_0 ')));
  });

  test('a throw-away certificate can be saved and trusted', async (t) => {
    const server = start(t, ['serve', '--port', '0', '--cert-out', path('throwaway.pem')]);
    const [, port] = await server.waitFor(/listens on https:\/\/localhost:(\d+)/);
    for (const host of ['localhost', '127.0.0.1']) {
      const result = await run(t, ['connect', `${host}:${port}`, '--ca', path('throwaway.pem')]);
      assert.deepEqual([result.code, result.stdout], [0, ''], result.stderr);
    }
  });

  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    test(`${name} ends the server with exit code 0 and its connections with close_notify`, async (t) => {
      const { port, server } = await serve(t);
      const client = nodeTls.connect({
        port,
        host: '127.0.0.1',
        servername: 'localhost',
        ca: readFileSync(path('cert.pem')),
      });
      await once(client, 'secureConnect');
      const ended = once(client.resume(), 'end');
      process.kill(server.pid ?? 0, name);
      await ended;
      assert.equal((await server.waitForExit()).code, 0);
      assert.equal(server.stderr, '');
    });
  }
});

describe('the page', () => {
  interface Answer {
    readonly status: number | undefined;
    readonly type: string | undefined;
    readonly body: string;
  }
  let sessions: Buffer[] = [];

  function get(socket: nodeTls.TLSSocket, target: string, accept = '*/*'): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { createConnection: () => socket, path: target, headers: { accept, connection: 'keep-alive' } },
        (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (text: string) => {
            body += text;
          });
          response.on('end', () =>
            resolve({ status: response.statusCode, type: response.headers['content-type'], body }),
          );
        },
      );
      outgoing.on('error', reject).end();
    });
  }

  async function open(t: TestContext, port: number, session?: Buffer): Promise<nodeTls.TLSSocket> {
    sessions = [];
    const socket = nodeTls.connect({
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: readFileSync(path('cert.pem')),
      session,
    });
    t.after(() => void socket.destroy());
    socket.on('session', (ticket: Buffer) => sessions.push(ticket));
    await once(socket, 'secureConnect');
    return socket;
  }

  test('says resumed when and only when the connection was', async (t) => {
    const { port } = await serve(t);
    for (const accept of ['text/html', '*/*']) {
      const first = await get(await open(t, port), '/', accept);
      assert.equal(first.status, 200);
      assert.match(first.type ?? '', accept === 'text/html' ? /^text\/html/ : /^text\/plain/);
      assert.doesNotMatch(first.body, /resumed/i);
      assert.match(first.body, /7200 s/);
      const second = await get(await open(t, port, sessions[0]), '/', accept);
      assert.match(second.body, /resumed/);
    }
  });

  test('/tickets gives that many more with its response', async (t) => {
    const { port } = await serve(t, '--num-tickets', '1');
    for (const n of [0, 3, 100]) {
      const answer = await get(await open(t, port), `/tickets?n=${n}`);
      assert.deepEqual([answer.status, sessions.length], [200, 1 + n]);
    }
    for (const bad of ['101', '-1', '1.5', 'x', '']) {
      assert.equal((await get(await open(t, port), `/tickets?n=${bad}`)).status, 400, bad);
    }
  });

  test('/keyupdate is answered under new keys, other paths are not found', async (t) => {
    const { port } = await serve(t);
    assert.equal((await get(await open(t, port), '/keyupdate')).status, 200);
    assert.equal((await get(await open(t, port), '/none')).status, 404);
    assert.equal((await get(await open(t, port), '//')).status, 400);
    assert.equal((await get(await open(t, port), '/keyupdate')).status, 200);
  });

  test('/secret is for clients with a trusted certificate, who are asked for it then', async (t) => {
    const { port, server } = await serve(t, '--ca', path('cert.pem'));
    const ask = async (...more: readonly string[]): Promise<string> => {
      const client = start(t, ['connect', `localhost:${port}`, '--ca', path('cert.pem'), ...more]);
      await client.waitFor('connected');
      client.write('GET /secret HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
      await client.waitForExit();
      return client.stdout;
    };
    const known = await ask('--cert', path('cert.pem'), '--key', path('key.pem'));
    assert.match(known, /^HTTP\/1\.1 200 .*welcome, CN=localhost.*\(trusted\)/s);
    await server.waitFor(/client certificate: .*CN=localhost.*trusted/);
    const stranger = await ask('--cert', path('other-cert.pem'), '--key', path('other-key.pem'));
    assert.match(stranger, /^HTTP\/1\.1 403 .*not trusted: \w+/s);
    assert.match(await ask(), /^HTTP\/1\.1 403 .*post_handshake_auth/s);

    const blind = await serve(t);
    const { status, body } = await get(await open(t, blind.port), '/secret');
    assert.equal(status, 403);
    assert.match(body, /start it with --ca/);
  });

  test('a server name cannot write HTML', async (t) => {
    const { port } = await serve(t);
    const socket = nodeTls.connect({ port, host: '127.0.0.1', servername: '<b>x</b>', rejectUnauthorized: false });
    t.after(() => void socket.destroy());
    await once(socket, 'secureConnect');
    assert.doesNotMatch((await get(socket, '/', 'text/html')).body, /<b>x/);
  });
});
