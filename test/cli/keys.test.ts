import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { keys } from '../../src/cli/keys.ts';
import { CliError } from '../../src/cli/options.ts';
import { optionalPackage } from '../../src/cli/redis.ts';
import { ticket } from '../../src/cli/ticket.ts';
import { openTicketKeys } from '../../src/cli/ticket-keys.ts';
import { trustScope } from '../../src/connection/config.ts';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import { parseKeyFile } from '../../src/stores/key-file.ts';
import {
  encodeClientTicket,
  RingSealer,
  TicketKeyRing,
  type TicketState,
  ticketKeyId,
} from '../../src/tickets/index.ts';
import { run as runProgram } from '../support/process.ts';

const crypto = nodeCrypto;
const MAIN = ['--import', 'tsx', fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))];
const run = (t: TestContext, args: readonly string[], input = '') =>
  runProgram(t, process.execPath, [...MAIN, ...args], { input });

type Row = Readonly<Record<string, unknown>>;
const rows = (text: string): Row[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'tessera-cli-keys-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

const secretsIn = (path: string): string[] =>
  parseKeyFile(readFileSync(path)).keys.map(({ secret }) => Buffer.from(secret).toString('base64'));

test('a key file is made, listed, rotated and destroyed, and never printed', async (t) => {
  const path = join(folder(t), 'keys.json');
  const printed: string[] = [];
  const act = async (code: number, ...args: readonly string[]): Promise<Row[]> => {
    const result = await run(t, ['keys', ...args, '--json']);
    printed.push(result.stdout, result.stderr);
    assert.deepEqual([result.code, result.stderr], [code, ''], args.join(' '));
    return rows(result.stdout);
  };
  const [made] = await act(0, 'gen', path, '--seal-for', '3600', '--open-for', '7200');
  assert.equal(made?.['state'], 'sealing');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const secrets = secretsIn(path);
  const again = await run(t, ['keys', 'gen', path]);
  assert.equal(again.code, 2);
  assert.match(again.stderr, /is there already/);

  const before = Date.now();
  const rotated = await act(0, 'rotate', path, '--propagation', '120');
  assert.deepEqual(
    rotated.map(({ event, state }) => [event, state]),
    [
      ['made', 'pending'],
      ['key', 'sealing'],
    ],
  );
  const [next, first] = rotated;
  const sealFrom = Date.parse(String(next!['sealFrom']));
  assert.ok(sealFrom >= before + 120_000 && sealFrom <= Date.now() + 120_000);
  assert.equal(first!['id'], made!['id']);
  assert.equal(first!['sealUntil'], next!['sealFrom'], 'the old key seals until the new one does');
  secrets.push(...secretsIn(path));

  assert.equal((await act(1, 'destroy', path, 'ffffffff'))[0]?.['event'], 'not_found');
  await act(0, 'destroy', path, String(made!['id']));
  const shown = await act(1, 'show', path); // no key seals for two minutes
  assert.deepEqual(
    shown.map(({ event, id }) => [event, id]),
    [
      ['key', next!['id']],
      ['destroyed', made!['id']],
    ],
  );
  await act(0, 'destroy', path, '--tenant', 'shop');
  assert.deepEqual(parseKeyFile(readFileSync(path)).tenantGenerations, [['shop', 1]]);
  await act(0, 'destroy', path, 'all');
  assert.deepEqual(secretsIn(path), []);
  const [fresh] = await act(0, 'rotate', path);
  assert.equal(fresh?.['state'], 'pending', 'other hosts must see it first');
  secrets.push(...secretsIn(path));
  assert.equal(secrets.length, 4);
  for (const secret of secrets) assert.ok(!printed.join('').includes(secret));
  assert.deepEqual(readdirSync(join(path, '..')), ['keys.json'], 'nothing is left behind');
});

test('a directory and a link stand for the file, and people get lines', async (t) => {
  const path = folder(t);
  await run(t, ['keys', 'gen', path]);
  symlinkSync(join(path, 'ticket-keys.json'), join(path, 'link'));
  await run(t, ['keys', 'rotate', join(path, 'link')]);
  const { code, stdout } = await run(t, ['keys', 'show', path]);
  assert.equal(code, 0);
  assert.match(stdout, /^[0-9a-f]{8} {2}pending {4}seals 2.*Z, opens to 2.*Z\n[0-9a-f]{8} {2}sealing /);
});

test('what is wrong with keys, tickets and sources is said in one line, with its exit code', async (t) => {
  const path = folder(t);
  const at = (name: string): string => join(path, name);
  writeFileSync(at('raw'), crypto.random(48));
  writeFileSync(at('bad'), 'hunter2 hunter2');
  writeFileSync(at('.locked.new'), '');
  const inspect = (...args: string[]): ['ticket', ...string[]] => ['ticket', 'inspect', 'ab12', ...args];
  const cases: [readonly [command: 'keys' | 'ticket', ...args: string[]], number, RegExp][] = [
    [['keys'], 2, /gen, show, rotate or destroy/],
    [['keys', 'make', at('x')], 2, /not 'make'/],
    [['keys', 'gen'], 2, /needs a FILE/],
    [['keys', 'gen', at('no/x')], 2, /cannot write/],
    [['keys', 'gen', at('locked')], 1, /another tessera/],
    [['keys', 'gen', at('x'), '--seal-for', '60'], 2, /--seal-for is 60, it must be more than twice --propagation/],
    [['keys', 'gen', at('x'), '--tenant', 'a'], 2, /--tenant is for/],
    [['keys', 'show', at('nothing')], 2, /there is no such file/],
    [['keys', 'show', at('bad')], 2, /neither base64/],
    [['keys', 'rotate', at('raw')], 2, /not in the JSON format/],
    [['keys', 'destroy', at('raw'), 'x'], 2, /eight hexadecimal digits/],
    [['ticket'], 2, /needs inspect/],
    [inspect(), 2, /needs --ticket-keys/],
    [inspect('--ticket-keys', 'keys.json'), 2, /must begin with file: or derive:/],
    [inspect('--ticket-keys', 'file:'), 2, /name something/],
    [inspect('--ticket-keys', `file:${at('nothing')}`), 2, /ENOENT/],
    [inspect('--ticket-keys', `file:${at('bad')}`), 2, /neither base64/],
    [inspect('--ticket-keys', `derive:${at('nothing')}`), 2, /there is no such file/],
    [inspect('--ticket-keys', `derive:${at('bad')}`), 2, /neither base64/],
    [inspect('--ticket-keys', 'derive:env:TESSERA_NOT_SET'), 2, /NOT_SET is not set/],
    [inspect('--ticket-keys', 'derive:env:TESSERA_TEST_SHORT'), 2, /SHORT: .*must have 32/],
    [inspect('--ticket-keys', `file:${at('raw')}`, '--at', 'noon'), 2, /--at must be a time/],
    [inspect('--ticket-keys', `file:${at('raw')}`, '--ca', 'x'), 2, /--ca needs/],
  ];
  process.env['TESSERA_TEST_SHORT'] = 'c2hvcnQ=';
  t.after(() => void delete process.env['TESSERA_TEST_SHORT']);
  for (const [[command, ...args], exitCode, message] of cases) {
    const wrong = (error: Error): boolean => {
      assert.match(error.message, message);
      assert.ok(!/\n|hunter2/.test(error.message), error.message);
      return error instanceof CliError && error.exitCode === exitCode;
    };
    await assert.rejects(command === 'keys' ? keys(args) : ticket(args), wrong, args.join(' '));
  }
});

test('--ticket-keys derive: hosts with the same secret in a file or the environment have the same keys', async (t) => {
  const path = join(folder(t), 'master');
  const master = Buffer.from(crypto.random(32));
  writeFileSync(path, `${master.toString('base64')}\n`);
  process.env['TESSERA_TEST_MASTER'] = master.toString('hex');
  t.after(() => void delete process.env['TESSERA_TEST_MASTER']);
  const [a, b] = [await openTicketKeys(`derive:${path}`), await openTicketKeys('derive:env:TESSERA_TEST_MASTER')];
  const now = Date.now();
  const expected = new TicketKeyRing({ crypto, derive: { master } }).sealingKey(now)!.id;
  assert.deepEqual([a.ring.sealingKey(now)?.id, b.ring.sealingKey(now)?.id], [expected, expected]);
  const long = await openTicketKeys(`derive:${path}`, { lifetimeSeconds: 604_800 });
  assert.ok(long.ring.sealingKey(now)!.openUntil - now >= 604_800_000);
  await assert.rejects(optionalPackage('no-such-package-of-tessera', '--ticket-keys redis:'), /npm install no-such/);
});

test('ticket inspect shows what a ticket and a saved session hold, and never the PSK', async (t) => {
  const path = folder(t);
  const secret = Buffer.from(crypto.random(80));
  const keyFile = join(path, 'key');
  writeFileSync(keyFile, secret);
  const source = await openTicketKeys(`file:${keyFile}`);
  t.after(() => source.close());
  const now = Date.now();
  assert.equal(source.ring.sealingKey(now)?.id, ticketKeyId(crypto, secret));
  const state: TicketState = {
    id: new Uint8Array(16).fill(0xcd),
    psk: Uint8Array.from({ length: 32 }, (_, i) => 0x61 + (i % 26)),
    cipherSuite: 0x1302,
    issuedAt: now - 5_000,
    authenticatedAt: now - 60_000,
    lifetimeSeconds: 7_200,
    ageAdd: 1,
    serverName: 'shop.example',
    alpn: 'h2',
    group: 29,
    maxEarlyDataSize: 1_024,
    client: { chain: [], authorized: false },
    identity: 'user 7\u001b[31m',
    appData: Uint8Array.of(1, 2, 255),
  };
  const scope = trustScope({ crypto, clientAuth: 'none' }, 'blue');
  const sealed = new RingSealer(source.ring, crypto, { subKeys: 'server_name' }).seal(state, now, { scope })!;
  const bytes = Buffer.from(sealed);
  const session = { ...state, ticket: bytes, nonce: Uint8Array.of(9), receivedAt: now, server: state.client };
  const saved = join(path, 'session');
  writeFileSync(saved, encodeClientTicket(session));
  const options = ['--ticket-keys', `file:${keyFile}`, '--label', 'blue', '--sub-keys'];
  const named = [...options, '--servername', 'shop.example'];
  const outputs: string[] = [];
  const inspect = async (code: number, args: readonly string[], input = ''): Promise<Row[]> => {
    const result = await run(t, ['ticket', 'inspect', ...args, '--json'], input);
    outputs.push(result.stdout, result.stderr);
    assert.deepEqual([result.code, result.stderr], [code, ''], args.join(' '));
    return rows(result.stdout);
  };
  const ways: [readonly string[], string][] = [
    [[bytes.toString('hex'), ...named], ''],
    [['-', ...named], `${bytes.toString('base64').replace(/.{64}/g, '$&\n')}\n`],
    [[saved, ...options], ''],
  ];
  for (const [args, input] of ways) {
    const found = (await inspect(0, args, input)).at(-1)!;
    const { event, id, identity, cipherSuite, serverName, alpn, group, maxEarlyDataSize, appData, issuedAt } = found;
    assert.deepEqual(
      { event, id, identity, cipherSuite, serverName, alpn, group, maxEarlyDataSize, appData, issuedAt },
      {
        event: 'ticket',
        id: 'cd'.repeat(16),
        identity: 'user 7\u001b[31m',
        cipherSuite: 'TLS_AES_256_GCM_SHA384',
        serverName: 'shop.example',
        alpn: 'h2',
        group: 'x25519',
        maxEarlyDataSize: 1_024,
        appData: '0102ff',
        issuedAt: new Date(now - 5_000).toISOString(),
      },
    );
  }
  assert.equal((await inspect(0, [saved]))[0]?.['event'], 'session');
  const declined = async (args: readonly string[]) => (await inspect(1, args)).at(-1)!['reason'];
  const hex = bytes.toString('hex');
  assert.equal(await declined([hex, ...options, '--servername', 'bank.example']), 'no_key');
  assert.equal(await declined([hex, ...named, '--label', 'red']), 'no_key');
  assert.equal(await declined([hex, ...named, '--at', new Date(now + 8_000_000).toISOString()]), 'expired');
  const people = await run(t, ['ticket', 'inspect', hex, ...named, '--scope', scope]);
  assert.match(people.stdout, /serverName +shop\.example\n/);
  assert.ok(!people.stdout.includes('\u001b[31m'), 'a ticket cannot play tricks with the terminal');
  outputs.push(people.stdout);
  const text = outputs.join('');
  for (const form of ['hex', 'base64', 'latin1'] as const) {
    assert.ok(!text.includes(Buffer.from(state.psk).toString(form).slice(0, 16)), form);
    assert.ok(!text.includes(secret.toString(form).slice(0, 16)), form);
  }
});
