/**
 * Runs the tests: all of `src`, `test` and `scripts`, or the files given. Options go to `node --test`:
 *
 *   npm test -- src/wire/reader.test.ts --test-name-pattern=vector
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describePeers } from '../test/support/peers.ts';

const FOLDERS = ['src', 'test', 'scripts'];
/** For one test file, in milliseconds: a hanging test must not hang the run. */
const FILE_TIMEOUT_MS = 300_000;

const args = process.argv.slice(2);
const options = args.filter((arg) => arg.startsWith('-'));
const named = args.filter((arg) => !arg.startsWith('-'));
const files = named.length > 0 ? named : FOLDERS.flatMap(testFiles);

console.log(describePeers());
const { status } = spawnSync(
  process.execPath,
  [
    '--import',
    'tsx',
    '--test',
    '--test-concurrency=2',
    '--test-reporter=spec',
    `--test-timeout=${FILE_TIMEOUT_MS}`,
    ...options,
    ...files,
  ],
  { stdio: 'inherit' },
);
process.exitCode = status ?? 1;

function testFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => join(folder, file))
    .sort();
}
