import assert from 'node:assert/strict';
import { connect } from 'node:net';
import test from 'node:test';
import { needs, PEERS, type PeerName, peer } from './peers.ts';
import { freePort, run, start } from './process.ts';

const node = process.execPath;

test('waits for output, counts matches, and answers on stdin', async (t) => {
  const program = start(t, node, [
    '-e',
    "process.stdin.on('data', (d) => console.log('got ' + d)); console.error('ready 1')",
  ]);
  assert.equal((await program.waitFor(/ready (\d)/))[1], '1');
  program.write('a\n');
  await program.waitFor('got a');
  program.write('b\n');
  assert.equal((await program.waitFor(/got (.)/, { count: 2 }))[1], 'b');
  program.end();
  assert.deepEqual(await program.waitForExit(), { code: 0, signal: null });
  assert.match(program.stdout, /^got a/);
  assert.equal(program.stderr, 'ready 1\n');
});

test('a wait fails with the output when the program exits, cannot start, or is too slow', async (t) => {
  const gone = start(t, node, ['-e', "console.log('last words'); process.exit(3)"]);
  await assert.rejects(gone.waitFor('hello'), /exited \(code 3, signal null\).*last words/s);
  await assert.rejects(start(t, '/no/such/program', []).waitFor('hello'), /ENOENT/);
  const slow = start(t, node, ['-e', 'setInterval(() => {}, 1000)']);
  await assert.rejects(slow.waitFor('hello', { deadlineMs: 1 }), /1 ms passed/);
});

test('kills the program and its children', async (t) => {
  const port = await freePort();
  const server = `require('net').createServer().listen(${port}, '127.0.0.1', () => console.log('listening'))`;
  const parent = start(t, node, [
    '-e',
    `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(server)}], { stdio: 'inherit' })`,
  ]);
  await parent.waitFor('listening');
  await parent.kill();
  await new Promise<void>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => reject(new Error('the child still listens')));
    socket.once('error', () => resolve());
  });
});

test('runs a program to its end', async (t) => {
  const script = "process.stdin.on('data', (d) => process.stdout.write(d)).on('end', () => process.exit(2))";
  const result = await run(t, node, ['-e', script], { input: 'echo' });
  assert.deepEqual([result.code, result.stdout], [2, 'echo']);
});

test('a missing peer skips its test, or fails it where peers are required', () => {
  const skipped: string[] = [];
  const t = { skip: (message?: string) => void skipped.push(message ?? '') };
  const missing = PEERS.filter((name) => peer(name) === undefined);
  const before = process.env['TESSERA_REQUIRE_PEERS'];
  try {
    for (const name of PEERS) {
      const isMissing = missing.includes(name);
      process.env['TESSERA_REQUIRE_PEERS'] = '';
      assert.equal(needs(t, name), !isMissing);
      process.env['TESSERA_REQUIRE_PEERS'] = '1';
      const optional: PeerName = 'go';
      if (isMissing && name !== optional) assert.throws(() => needs(t, name), new RegExp(`peer missing: ${name}`));
    }
    assert.deepEqual(
      skipped,
      missing.map((name) => `peer missing: ${name}`),
    );
  } finally {
    if (before === undefined) delete process.env['TESSERA_REQUIRE_PEERS'];
    else process.env['TESSERA_REQUIRE_PEERS'] = before;
  }
});
