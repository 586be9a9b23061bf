import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { STORED_TICKET_LENGTH } from '../../src/tickets/index.ts';
import { startRedis } from '../stores/redis-server.ts';
import { makeIdentity } from '../support/certificates.ts';
import { needs } from '../support/peers.ts';
import { type Exit, type Running, run as runProgram, start as startProgram } from '../support/process.ts';

const MAIN = ['--import', 'tsx', fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))];
const SECRET = { TESSERA_TICKET_SECRET: Buffer.from(Array.from({ length: 32 }, (_, i) => i)).toString('hex') };

let folder: string;
const path = (name: string): string => join(folder, name);
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tessera-cli-tickets-'));
  const identity = await makeIdentity('p256');
  writeFileSync(path('cert.pem'), identity.certificatePem);
  writeFileSync(path('key.pem'), identity.keyPem);
  writeFileSync(path('get.txt'), 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  writeFileSync(path('tickets.txt'), 'GET /keyupdate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  writeFileSync(
    path('post.txt'),
    'POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
  );
});
after(() => rmSync(folder, { recursive: true }));

type Row = Readonly<Record<string, unknown>>;
const rows = (text: string): Row[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);

async function serve(
  t: TestContext,
  ...more: readonly string[]
): Promise<{ readonly server: Running; readonly port: number }> {
  const args = ['serve', '--port', '0', '--cert', path('cert.pem'), '--key', path('key.pem'), '--json', ...more];
  const server = startProgram(t, process.execPath, [...MAIN, ...args], { env: { ...process.env, ...SECRET } });
  const [, port] = await server.waitFor(/"port":(\d+)/);
  return { server, port: Number(port) };
}

/** A conversation with nothing on stdin: what the server said and what happened. */
async function visit(
  t: TestContext,
  port: number,
  ...more: readonly string[]
): Promise<Exit & { readonly events: Row[]; readonly text: string; readonly resumed: unknown; readonly early: Row }> {
  const args = ['connect', `localhost:${port}`, '--ca', path('cert.pem'), '--json', ...more];
  const { stdout, stderr, ...exit } = await runProgram(t, process.execPath, [...MAIN, ...args], { input: '' });
  assert.deepEqual([exit.code, stderr], [0, ''], stdout);
  const events = rows(stdout);
  const find = (name: string): Row => events.find(({ event }) => event === name) ?? {};
  const text = events
    .filter(({ event }) => event === 'data')
    .map(({ base64 }) => Buffer.from(String(base64), 'base64').toString())
    .join('');
  return { ...exit, events, text, resumed: find('handshake')['resumed'], early: find('early_data') };
}

/** Takes a ticket into a file. */
const firstVisit = (t: TestContext, port: number, session: string) =>
  visit(t, port, '--early-data', path('get.txt'), '--session-out', path(session));

const EARLY = ['--early-data', '16384'];
const accepted = { accepted: true, reason: null, resent: false };
const pick = ({ accepted, reason, resent }: Row): Row => ({ accepted, reason, resent });

test('a page is asked for in early data, again and again', async (t) => {
  const { server, port } = await serve(t, ...EARLY);
  const first = await firstVisit(t, port, 'again');
  assert.deepEqual(pick(first.early), { accepted: false, reason: 'not_offered', resent: true });
  assert.match(first.text, /^HTTP\/1.1 200 .*Early data: +none\n/s);
  for (let i = 0; i < 2; i++) {
    const { early, resumed, text } = await visit(
      t,
      port,
      ...['--early-data', path('get.txt'), '--session-in', path('again'), '--session-out', path('again')],
    );
    assert.deepEqual([pick(early), resumed], [accepted, true]);
    assert.match(text, /^HTTP\/1.1 200 .*Early data: +accepted, and answered at once\n/s);
  }
  const outcomes = rows(server.stdout).filter(({ event }) => event === 'early_data');
  assert.deepEqual(
    outcomes.map(({ accepted, reason }) => [accepted, reason]),
    [
      [true, null],
      [true, null],
    ],
  );
});

test('of early data only harmless requests are answered, and what must wait waits', async (t) => {
  const { port } = await serve(t, ...EARLY);
  const ask = async (file: string): Promise<string> => {
    await firstVisit(t, port, 'harmless');
    const { early, text } = await visit(t, port, '--early-data', path(file), '--session-in', path('harmless'));
    assert.deepEqual(pick(early), accepted);
    return text;
  };
  assert.match(await ask('post.txt'), /^HTTP\/1.1 425 Too Early/);
  assert.match(await ask('tickets.txt'), /^HTTP\/1.1 200 .*changed its keys/s);
});

test('tickets of a store in memory', async (t) => {
  const { server, port } = await serve(t, ...EARLY, '--ticket-store', 'memory');
  await firstVisit(t, port, 'used');
  const args = ['--early-data', path('get.txt'), '--session-in', path('used')];
  const first = await visit(t, port, ...args);
  assert.deepEqual([first.resumed, pick(first.early)], [true, accepted]);
  const { length } = first.events.find(({ event }) => event === 'ticket')!;
  assert.equal(length, STORED_TICKET_LENGTH);
  const again = await visit(t, port, ...args);
  assert.deepEqual([again.resumed, again.early['accepted'], again.early['resent']], [false, false, true]);
  assert.match(again.text, /^HTTP\/1.1 200 /);
  const declined = rows(server.stdout).filter(({ event }) => event === 'ticket_declined');
  assert.deepEqual(
    declined.map(({ during, reason }) => [during, reason]),
    [['redeem', 'not_found']],
  );
});

describe('external PSKs', () => {
  const HEX = '000102030405060708090a0b0c0d0e0f';

  test('who has the key needs no certificate and gets tickets', async (t) => {
    const { server, port } = await serve(
      t,
      '--psk',
      `alice:of:wonderland:${HEX}`,
      '--require-cert',
      '--ca',
      path('cert.pem'),
    );
    const { stdout, stderr, code } = await runProgram(
      t,
      process.execPath,
      [...MAIN, 'connect', `localhost:${port}`, '--psk', `alice:of:wonderland:${HEX}`, '--resume', '1'],
      { input: '' },
    );
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /server +has the external PSK alice:of:wonderland \(trusted\)\n/);
    assert.match(stdout, /\n1 of 1 resumed\n/);
    const handshakes = rows(server.stdout).filter(({ event }) => event === 'handshake');
    assert.deepEqual(
      handshakes.map(({ pskIdentity, resumed }) => [pskIdentity, resumed]),
      [
        ['alice:of:wonderland', false],
        [null, true],
      ],
    );
    assert.ok(!server.stdout.includes(HEX));
  });

  test('others see the certificate', async (t) => {
    const { port } = await serve(t, '--psk', `alice:${HEX}`);
    const stranger = await visit(t, port, '--psk', `bob:${HEX}`);
    const { pskIdentity, subject } = stranger.events.find(({ event }) => event === 'handshake')!;
    assert.deepEqual([pskIdentity, typeof subject], [null, 'string']);
  });

  test('openssl s_client', async (t) => {
    if (!needs(t, 'openssl')) return;
    const { port } = await serve(t, '--psk', `alice:${HEX}`);
    const args = ['s_client', '-connect', `localhost:${port}`, '-tls1_3', '-ign_eof'];
    const psk = ['-psk', HEX, '-psk_identity', 'alice', '-ciphersuites', 'TLS_AES_128_GCM_SHA256'];
    const { stdout } = await runProgram(t, 'openssl', [...args, ...psk], {
      input: 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n',
    });
    assert.match(stdout, /no peer certificate available/);
    assert.match(stdout, /HTTP\/1.1 200 .*Handshake: +external PSK alice\n/s);
  });
});

test('a client gets as many tickets as it asks for and the server allows', async (t) => {
  const { port } = await serve(t, '--ticket-request-max', '5');
  const ask = async (...more: readonly string[]): Promise<unknown[]> => {
    const { events } = await visit(t, port, '--early-data', path('get.txt'), ...more);
    const { expectedTickets } = events.find(({ event }) => event === 'handshake')!;
    return [expectedTickets, events.filter(({ event }) => event === 'ticket').length];
  };
  assert.deepEqual(await ask('--ticket-request', '3'), [3, 3]);
  assert.deepEqual(await ask('--ticket-request', '0', '--session-out', path('none')), [0, 0]);
  assert.deepEqual(await ask('--ticket-request', '200'), [5, 5]);
  assert.deepEqual(await ask(), [null, 2]);
});

test('echo, with early data from stdin', async (t) => {
  const { port } = await serve(t, '--echo', ...EARLY);
  const session = ['--session-out', path('echo')];
  const connect = ['connect', `localhost:${port}`, '--ca', path('cert.pem'), '--early-data', '-'];
  const run = (...more: readonly string[]) =>
    runProgram(t, process.execPath, [...MAIN, ...connect, ...more], { input: 'hello' });
  const first = await run(...session);
  assert.deepEqual([first.code, first.stdout], [0, 'hello']);
  assert.match(first.stderr, /early data +not accepted: not_offered, sent after the handshake\n/);
  const second = await run('--session-in', path('echo'));
  assert.deepEqual([second.code, second.stdout], [0, 'hello']);
  assert.match(second.stderr, /early data +accepted\n/);
});

describe('servers that share keys or a store', () => {
  const SOURCES: readonly (readonly [name: string, option: (redis: string) => readonly string[], early: unknown])[] = [
    // The guard of a process that has just started cannot know what others took before.
    ['a secret', () => ['--ticket-keys', 'derive:env:TESSERA_TICKET_SECRET'], 'quarantine'],
    ['keys in Redis', (redis) => ['--ticket-keys', redis], 'quarantine'],
    ['a store in Redis', (redis) => ['--ticket-store', redis], 'quarantine'],
  ];
  for (const [name, option, reason] of SOURCES) {
    test(`redeem each other's tickets: ${name}`, async (t) => {
      const needsRedis = option('redis:').includes('redis:');
      if (needsRedis && !needs(t, 'redis-server')) return;
      const args = [...option(needsRedis ? (await startRedis(t)).url : ''), ...EARLY];
      const [one, other] = await Promise.all([serve(t, ...args), serve(t, ...args)]);
      await firstVisit(t, one.port, 'shared');
      const { early, resumed, text } = await visit(
        t,
        other.port,
        ...['--early-data', path('get.txt'), '--session-in', path('shared')],
      );
      assert.deepEqual([resumed, early['accepted'], early['resent']], [true, false, true]);
      assert.match(text, /Handshake: +resumed\n/);
      const outcome = rows(other.server.stdout).find(({ event }) => event === 'early_data');
      assert.equal(outcome?.['reason'], reason);
      const warned = rows(one.server.stdout).some(({ message }) => /not Redis/.test(String(message)));
      assert.equal(warned, !needsRedis, 'it is said when nothing keeps two servers from taking the same early data');
    });
  }

  test('a Redis that went away costs a round trip', async (t) => {
    if (!needs(t, 'redis-server')) return;
    const redis = await startRedis(t);
    const { server, port } = await serve(t, ...EARLY, '--ticket-keys', redis.url);
    await firstVisit(t, port, 'away');
    await redis.down();
    const { early, resumed, text } = await visit(
      t,
      port,
      ...['--early-data', path('get.txt'), '--session-in', path('away')],
    );
    assert.deepEqual([resumed, early['accepted'], early['resent']], [true, false, true]);
    assert.match(text, /^HTTP\/1.1 200 /);
    assert.ok(
      rows(server.stdout).some(({ event, reason }) => event === 'early_data' && reason === 'guard_unavailable'),
    );
  });
});

test('metrics on a port of their own', async (t) => {
  const { server, port } = await serve(t, '--metrics', '0', ...EARLY);
  const [, metricsPort] = await server.waitFor(/"event":"metrics".*"port":(\d+)/);
  await firstVisit(t, port, 'metrics');
  await visit(t, port, '--early-data', path('get.txt'), '--session-in', path('metrics'));
  const fetched = await new Promise<string>((resolve, reject) => {
    get(`http://127.0.0.1:${metricsPort}/metrics`, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve(`${response.headers['content-type']}\n${text}`));
    }).on('error', reject);
  });
  assert.match(fetched, /^text\/plain; version=0.0.4/);
  assert.match(fetched, /^tessera_handshakes_total\{role="server",resumed="true"\} 1$/m);
  assert.match(fetched, /^tessera_early_data_total\{role="server",accepted="true"\} 1$/m);
  assert.match(fetched, /^tessera_ticket_keys\{state="sealing"\} 1$/m);
});

describe('what is wrong is said in one line', () => {
  const CASES: readonly (readonly [name: string, args: () => readonly string[], code: number, message: RegExp])[] = [
    ['keys and a store', () => ['--ticket-store', 'memory', '--ticket-keys', 'file:x'], 2, /exclude each other/],
    ['unknown store', () => ['--ticket-store', 'disk'], 2, /--ticket-store must be memory or redis:/],
    ['store without address', () => ['--ticket-store', 'redis://['], 2, /--ticket-store must be memory or redis:/],
    ['no early data', () => ['--early-data', '0'], 2, /--early-data must be an integer from 1/],
    ['unknown source of keys', () => ['--ticket-keys', 'vault:x'], 2, /--ticket-keys must begin with file:/],
    ['no Redis there', () => ['--ticket-store', 'redis://127.0.0.1:1'], 3, /cannot reach Redis at 127.0.0.1:1/],
    ['PSK without key', () => ['--psk', 'alice'], 2, /--psk must be IDENTITY:HEX with an identity/],
    ['PSK without identity', () => ['--psk', `:${'ab'.repeat(16)}`], 2, /--psk must be IDENTITY:HEX with an identity/],
    ['short PSK', () => ['--psk', `alice:${'ab'.repeat(15)}`], 2, /with a key of 16 to 1024 bytes, that is (?!.*abab)/],
    ['PSK that is no key', () => ['--psk', `alice:${'xy'.repeat(16)}`], 2, /hexadecimal digits\n$/],
    ['no tickets', () => ['--ticket-request-max', '0'], 2, /--ticket-request-max must be an integer from 1 to 255/],
    ['metrics port', () => ['--metrics', '70000'], 2, /--metrics must be an integer/],
  ];
  for (const [name, args, code, message] of CASES) {
    test(name, async (t) => {
      const result = await runProgram(t, process.execPath, [...MAIN, 'serve', '--port', '0', ...args()], { input: '' });
      assert.deepEqual([result.code, result.stdout], [code, '']);
      assert.match(result.stderr, message);
      assert.equal(result.stderr.trim().split('\n').length, 1);
    });
  }
});
