import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inspect } from 'node:util';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import {
  type FileKeyEvent,
  type FileKeyOptions,
  FileTicketKeys,
  type KeyFileSystem,
} from '../../src/stores/file-keys.ts';
import { formatKeyFile, parseKeyFile } from '../../src/stores/key-file.ts';
import { TicketKeyRing, ticketKeyId } from '../../src/tickets/index.ts';
import { DEADLINE_MS } from '../support/process.ts';

const crypto = nodeCrypto;
const MINUTE = 60_000;
const key = (seed: number, length = 32): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (seed * 31 + i * 7 + (i >> 4) * 13) & 0xff);
const base64 = (seed: number, length = 32): string => Buffer.from(key(seed, length)).toString('base64');
const id = (seed: number, length = 32): string => ticketKeyId(crypto, key(seed, length));

interface Watched {
  readonly ring: TicketKeyRing;
  readonly keys: FileTicketKeys;
  readonly events: FileKeyEvent[];
  readonly clock: { now: number };
  /** Ids that open, newest first, and the one that seals. */
  state(): { readonly opens: readonly string[]; readonly seals: string | undefined };
  /** Resolves with the next event that fits, or with one that came already. */
  event(fits: (event: FileKeyEvent) => boolean): Promise<FileKeyEvent>;
}

async function watchKeys(t: TestContext, path: string, options: Partial<FileKeyOptions> = {}): Promise<Watched> {
  const ring = new TicketKeyRing({ crypto, keys: [] });
  const events: FileKeyEvent[] = [];
  const waiting = new Set<() => void>();
  const clock = { now: Date.now() };
  const keys = await FileTicketKeys.watch({
    ring,
    crypto,
    path,
    settleMs: 0,
    pollSeconds: 3_600,
    now: () => clock.now,
    onEvent: (event) => {
      events.push(event);
      for (const look of waiting) look();
    },
    ...options,
  });
  t.after(() => keys.close());
  return {
    ring,
    keys,
    events,
    clock,
    state: () => ({
      opens: ring.openingKeys(clock.now).map((held) => held.id),
      seals: ring.sealingKey(clock.now)?.id,
    }),
    event: (fits) =>
      new Promise((resolve, reject) => {
        const deadline = setTimeout(() => reject(new Error('no such event')), DEADLINE_MS);
        const look = (): void => {
          const found = events.find(fits);
          if (found === undefined) return;
          waiting.delete(look);
          clearTimeout(deadline);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
  };
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'tessera-keys-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** As a file that has been there for a long time. */
function writeOld(path: string, content: string | Uint8Array): void {
  writeFileSync(path, content);
  utimesSync(path, 1_000_000_000, 1_000_000_000);
}

test('formats are told apart, and each says what is wrong without a byte of the file', () => {
  const secrets = (content: string | Uint8Array) =>
    parseKeyFile(Buffer.from(content)).keys.map(({ secret }) => Buffer.from(secret).toString('hex'));
  const hex = (seed: number, length = 32) => Buffer.from(key(seed, length)).toString('hex');
  assert.deepEqual(secrets(key(1, 48)), [hex(1, 48)]);
  assert.deepEqual(secrets(key(1, 80)), [hex(1, 80)]);
  assert.deepEqual(secrets(key(1, 333)), [hex(1, 333)]);
  assert.deepEqual(secrets(`# HAProxy\n${base64(1, 80)}\r\n\n${base64(2, 80)}`), [hex(1, 80), hex(2, 80)]);
  assert.deepEqual(secrets(`${hex(3)}\n`), [hex(3)]);
  const times = { sealFrom: 1_000, sealUntil: 2_000, openUntil: 3_000 };
  const whole = {
    keys: [{ secret: key(4), ...times }],
    destroyed: ['0123abcd'],
    tenantGenerations: [['a', 2]] as const,
  };
  const parsed = parseKeyFile(Buffer.from(formatKeyFile(whole)));
  assert.deepEqual(parsed, { ...whole, format: 'json', keys: [{ secret: key(4), times }] });

  const json = (row: object) => JSON.stringify({ keys: [{ secret: base64(1), ...row }] });
  const bad: [string, string | Uint8Array, RegExp][] = [
    ['empty', '', /empty/],
    ['short raw', key(1, 31), /31 bytes/],
    ['long raw', key(1, 1_025), /1025 bytes/],
    ['huge', new Uint8Array(65_537).fill(0xee), /at most 65536/],
    ['constant', new Uint8Array(64).fill(0xee), /same/],
    ['AES part not filled in', key(1, 80).fill(0, 48), /bytes 48 to 63/],
    ['short line', `${base64(1)}\n${base64(2, 16)}`, /a key has 16 bytes/],
    ['words', 'hunter2 is the secret', /line 1 is neither/],
    ['comments only', '# nothing\n', /no key/],
    ['cut JSON', json({}).slice(0, -2), /JSON is cut off or wrong/],
    ['no keys', '{"keys": []}', /no key/],
    ['keys is no array', '{"keys": {}}', /not an array/],
    ['times in part', json({ sealFrom: 1 }), /all of sealFrom/],
    ['times in the wrong order', json({ sealFrom: 3, sealUntil: 2, openUntil: 4 }), /sealFrom < sealUntil/],
    ['no time', json({ sealFrom: 'soon', sealUntil: 2, openUntil: 4 }), /sealFrom is neither/],
    ['bad generation', '{"keys": [{}], "tenantGenerations": {"a": -1}}', /key 1 has no|whole numbers/],
    ['bad id', '{"keys": [], "destroyed": ["zz"]}', /eight hexadecimal/],
  ];
  for (const [name, content, message] of bad) {
    const check = (error: Error): boolean => {
      assert.match(error.message, message, name);
      assert.ok(!/hunter2/.test(inspect(error)) && !inspect(error).includes(base64(1).slice(0, 12)), name);
      return error.name === 'TlsUsageError';
    };
    assert.throws(() => parseKeyFile(Buffer.from(content)), check, name);
  }
});

test('fault 17: a new key in a file opens at once and seals only when the others have had time to see it', async (t) => {
  const path = join(folder(t), 'keys');
  writeFileSync(path, base64(1));
  const w = await watchKeys(t, path, { propagationSeconds: 60 });
  assert.deepEqual(w.state(), { opens: [id(1)], seals: id(1) }, 'the first key waits for nobody');
  writeFileSync(path, `${base64(1)}\n${base64(2)}\n`);
  await w.keys.refresh();
  assert.deepEqual(w.state(), { opens: [id(2), id(1)], seals: id(1) });
  w.clock.now += MINUTE - 1;
  assert.equal(w.state().seals, id(1));
  w.clock.now += 1;
  assert.equal(w.state().seals, id(2));
  // The next change does not make it wait again; and the old key may go.
  writeFileSync(path, `${base64(2)}\n${base64(3)}\n`);
  await w.keys.refresh();
  assert.deepEqual(w.state(), { opens: [id(3), id(2)], seals: id(2) });
  // The new one is taken back before its time.
  writeFileSync(path, `${base64(2)}\n`);
  await w.keys.refresh();
  assert.deepEqual(w.state(), { opens: [id(2)], seals: id(2) });
});

test('fault 17: a host that starts just after a rotation does not seal with the new key before its time', async (t) => {
  const path = folder(t);
  writeOld(join(path, 'a'), key(1, 80));
  writeOld(join(path, 'b'), key(2, 80));
  writeFileSync(join(path, 'c'), key(3, 80));
  const w = await watchKeys(t, path, { propagationSeconds: 300 });
  assert.deepEqual(w.state(), { opens: [id(3, 80), id(2, 80), id(1, 80)], seals: id(2, 80) });
  w.clock.now += 5 * MINUTE;
  assert.equal(w.state().seals, id(3, 80));
  const nginx = await watchKeys(t, path, { propagationSeconds: 300, newest: 'first' });
  assert.deepEqual(nginx.state(), { opens: [id(1, 80), id(2, 80), id(3, 80)], seals: id(1, 80) });
});

test('times in a file are obeyed, and so is what it says was destroyed', async (t) => {
  const path = join(folder(t), 'keys.json');
  const now = Date.now();
  const timed = (seed: number, from: number) => ({
    secret: key(seed),
    sealFrom: now + from,
    sealUntil: now + from + 10 * MINUTE,
    openUntil: now + from + 20 * MINUTE,
  });
  const nothing = { destroyed: [], tenantGenerations: [] };
  writeFileSync(path, formatKeyFile({ ...nothing, keys: [timed(1, -5 * MINUTE), timed(2, 5 * MINUTE)] }));
  const w = await watchKeys(t, path);
  w.clock.now = now;
  assert.deepEqual(w.state(), { opens: [id(2), id(1)], seals: id(1) });
  w.clock.now = now + 5 * MINUTE;
  assert.equal(w.state().seals, id(2));
  const told = { destroyed: [id(2)], tenantGenerations: [['shop', 4]] as const };
  writeFileSync(path, formatKeyFile({ ...told, keys: [timed(1, 0), timed(2, 5 * MINUTE)] }));
  await w.keys.refresh();
  assert.deepEqual(w.state(), { opens: [id(1)], seals: id(1) });
  assert.equal(w.ring.tenantGeneration('shop'), 4);
  writeFileSync(path, formatKeyFile({ ...told, keys: [] }));
  await w.keys.refresh();
  assert.deepEqual(w.state(), { opens: [], seals: undefined });
});

test('a key destroyed by hand stays destroyed while its file still has it, and the one before seals', async (t) => {
  const path = folder(t);
  writeOld(join(path, '1'), base64(1));
  writeOld(join(path, '2'), base64(2));
  const w = await watchKeys(t, path);
  assert.equal(w.state().seals, id(2));
  w.ring.destroy(id(2));
  assert.deepEqual(w.state(), { opens: [id(1)], seals: id(1) });
  writeOld(join(path, '0'), base64(7));
  await w.keys.refresh();
  assert.deepEqual(w.state().opens.toSorted(), [id(1), id(7)].toSorted());
});

test('fault 16: nothing bad on the disk takes a working key away, each is said once, and good news is taken', async (t) => {
  const path = folder(t);
  const one = join(path, 'one');
  const two = join(path, 'two');
  writeOld(one, base64(1));
  writeOld(two, base64(2));
  const w = await watchKeys(t, path);
  const both = { opens: [id(2), id(1)], seals: id(2) };
  const stays = async (what: string, message: RegExp): Promise<void> => {
    w.events.length = 0;
    await w.keys.refresh();
    await w.keys.refresh();
    assert.deepEqual(w.state(), both, what);
    assert.deepEqual(
      w.events.map(({ type }) => type),
      ['error'],
      what,
    );
    const [event] = w.events;
    assert.match(event?.type === 'error' ? event.message : '', message, what);
  };
  truncateSync(two, 10);
  await stays('half-written', /7 bytes|32 to 1,024|neither/);
  truncateSync(two, 0);
  await stays('empty', /empty/);
  rmSync(two);
  mkdirSync(two);
  await stays('a directory in its place', /directory|regular file/i);
  rmSync(two, { recursive: true });
  symlinkSync(join(path, 'nowhere'), two);
  await stays('a dangling link', /ENOENT/);
  renameSync(path, `${path}-away`);
  await stays('the directory is gone', /ENOENT/);
  mkdirSync(path);
  await stays('the directory is empty', /no key file/);
  rmSync(path, { recursive: true });
  renameSync(`${path}-away`, path);
  unlinkSync(two);
  writeFileSync(two, `${base64(2)}\n${base64(3)}`);
  await w.keys.refresh();
  assert.deepEqual(w.state(), { opens: [id(3), id(2), id(1)], seals: id(2) });
});

/** A file system in memory, that fails when told to. */
function fakeFiles(files: Map<string, Uint8Array>): KeyFileSystem & { fails: string | undefined; watchers: number } {
  const fake = {
    fails: undefined as string | undefined,
    watchers: 0,
    read: async (path: string) => {
      const bytes = files.get(path);
      if (fake.fails !== undefined || bytes === undefined) {
        throw Object.assign(new Error(`${fake.fails ?? 'ENOENT'}: ${path}`), { code: fake.fails ?? 'ENOENT' });
      }
      return { bytes: bytes.slice(), modifiedAt: 0 };
    },
    list: async () => undefined,
    link: async () => undefined,
    watch: () => {
      if (fake.fails !== undefined) throw new Error('ENOSPC: no watchers left');
      fake.watchers++;
      return () => void fake.watchers--;
    },
  };
  return fake;
}

test('fault 16: the watch goes on after errors of the disk, of the watcher, of the listener and of the clock', async (t) => {
  const files = new Map([['/keys', key(1, 48)]]);
  const fake = fakeFiles(files);
  const ring = new TicketKeyRing({ crypto, keys: [] });
  let now = Date.now();
  let thrown = 0;
  const onEvent = (): void => {
    thrown++;
    throw new Error('the log is full');
  };
  const options = { ring, crypto, path: '/keys', fileSystem: fake, settleMs: 0, now: () => now, onEvent };
  const keys = await FileTicketKeys.watch(options);
  t.after(() => keys.close());
  const good = now;
  for (const code of ['EMFILE', 'EIO', 'EACCES']) {
    fake.fails = code;
    await keys.refresh();
  }
  assert.equal(thrown, 4);
  assert.equal(ring.sealingKey(good)?.id, id(1, 48));
  fake.fails = undefined;
  files.set('/keys', key(2, 48));
  now = Number.NaN;
  await keys.refresh();
  now = good;
  await keys.refresh();
  assert.deepEqual(
    ring.openingKeys(good).map((held) => held.id),
    [id(2, 48)],
  );
  assert.equal(fake.watchers, 1, 'watching again');
  keys.close();
  assert.equal(fake.watchers, 0);
});

test('a change counts when it reads the same twice: half a raw key is never used', async () => {
  const files = new Map([['/keys', key(1, 80)]]);
  const fake = fakeFiles(files);
  const ring = new TicketKeyRing({ crypto, keys: [] });
  const keys = await FileTicketKeys.watch({ ring, crypto, path: '/keys', fileSystem: fake, settleMs: 0 });
  const seen: string[] = [];
  ring.observe(({ type, key: info }) => void (type === 'added' && seen.push(info.id)));
  // Somebody writes 16 bytes between any two readings.
  let length = 32;
  const read = fake.read;
  fake.read = async (path) => {
    files.set('/keys', key(2, 80).slice(0, length));
    length = Math.min(length + 16, 80);
    return read(path, 99_999);
  };
  await keys.refresh();
  ring.openingKeys(Date.now());
  // The listener heard of the first key too: it came late.
  assert.deepEqual(seen, [id(1, 80), id(2, 80)]);
  keys.close();
});

test('a Kubernetes secret: the swap of ..data is seen at once, and read as a whole', async (t) => {
  const path = folder(t);
  const version = (name: string, keys: Record<string, string>): void => {
    mkdirSync(join(path, name));
    for (const [file, content] of Object.entries(keys)) writeOld(join(path, name, file), content);
  };
  const swap = (name: string): void => {
    symlinkSync(name, join(path, '..data_tmp'));
    renameSync(join(path, '..data_tmp'), join(path, '..data'));
  };
  version('..2026_01', { 'key-1': base64(1), 'key-2': base64(2) });
  swap('..2026_01');
  for (const file of ['key-1', 'key-2']) symlinkSync(join('..data', file), join(path, file));
  const w = await watchKeys(t, path, { propagationSeconds: 0, settleMs: 1 });
  assert.deepEqual(w.state(), { opens: [id(2), id(1)], seals: id(2) });
  // The kubelet writes a new directory, moves the link, and removes the old directory.
  w.events.length = 0;
  version('..2026_02', { 'key-1': base64(2), 'key-2': base64(3) });
  swap('..2026_02');
  rmSync(join(path, '..2026_01'), { recursive: true });
  const event = await w.event(({ type }) => type === 'changed');
  assert.deepEqual(event.type === 'changed' && event.report, { added: [id(3)], destroyed: [id(1)], refused: [] });
  assert.deepEqual(w.state().opens.toSorted(), [id(2), id(3)].toSorted());
});

test('an editor that writes beside and renames is seen at once, and again after that', async (t) => {
  const path = join(folder(t), 'keys');
  writeOld(path, base64(1));
  const w = await watchKeys(t, path, { settleMs: 1 });
  for (const seed of [2, 3]) {
    w.events.length = 0;
    writeFileSync(`${path}.swp`, `${base64(seed - 1)}\n${base64(seed)}\n`);
    renameSync(`${path}.swp`, path);
    const event = await w.event(({ type }) => type === 'changed');
    assert.deepEqual(event.type === 'changed' && event.report.added, [id(seed)]);
  }
});

test('a file that appears later is taken, and the ring belongs to its watcher until it is closed', async (t) => {
  const path = join(folder(t), 'keys');
  const w = await watchKeys(t, path, { settleMs: 1 });
  assert.equal(w.events[0]?.type, 'error');
  assert.deepEqual(w.state(), { opens: [], seals: undefined });
  writeFileSync(path, base64(1));
  await w.event(({ type }) => type === 'changed');
  assert.deepEqual(w.state(), { opens: [id(1)], seals: id(1) });
  await assert.rejects(FileTicketKeys.watch({ ring: w.ring, crypto, path }), { code: 'ticket_key.two_owners' });
  w.keys.close();
  assert.deepEqual(w.state(), { opens: [id(1)], seals: id(1) }, 'the ring keeps its keys');
  const again = await FileTicketKeys.watch({ ring: w.ring, crypto, path, settleMs: 0 });
  again.close();
  for (const bad of [
    { pollSeconds: 0 },
    { propagationSeconds: -1 },
    { settleMs: Number.NaN },
    { newest: 'x' as 'last' },
  ]) {
    const options = { ring: new TicketKeyRing({ crypto, keys: [] }), crypto, path, ...bad };
    await assert.rejects(FileTicketKeys.watch(options), { code: 'key_file.bad_option' });
  }
});

test('nothing that can be logged holds a secret, and what was read is wiped', async (t) => {
  const given: Uint8Array[] = [];
  const fake = fakeFiles(new Map([['/keys', key(1, 80)]]));
  const read = fake.read;
  fake.read = async (path) => {
    const result = await read(path, 99_999);
    given.push(result.bytes);
    return result;
  };
  const w = await watchKeys(t, '/keys', { fileSystem: fake });
  assert.ok(given.length >= 2 && given.every((bytes) => bytes.every((byte) => byte === 0)));
  const text = inspect([w.keys, w.ring, w.events], { depth: 9, showHidden: true, maxArrayLength: null });
  assert.ok(!text.includes(key(1, 80).slice(0, 8).join(', ')));
});
