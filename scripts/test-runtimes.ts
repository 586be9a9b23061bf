/**
 * Runs the tests of `tessera-tls/node` on several releases of Node, which come from the npm package `node`.
 *
 *     npm run test:runtimes [-- RELEASE …] [FILE …]      such as: npm run test:runtimes -- 22 26
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const RELEASES: readonly string[] = ['20', '22', '24', '26'];
const FOLDERS: readonly string[] = ['src/node', 'test/compat/node', 'test/packages'];

const args = process.argv.slice(2);
const releases = args.filter((arg) => /^\d+$/.test(arg));
const named = args.filter((arg) => !/^\d+$/.test(arg));
const files = named.length > 0 ? named : FOLDERS.flatMap(testFiles);

for (const release of releases.length > 0 ? releases : RELEASES) {
  const node = execFileSync('npx', ['--yes', `node@${release}`, '-p', 'process.execPath'], { encoding: 'utf8' }).trim();
  const { status, stdout } = spawnSync(
    node,
    ['--import', 'tsx', '--test', '--test-concurrency=2', '--test-timeout=300000', '--test-reporter=tap', ...files],
    { encoding: 'utf8', maxBuffer: 1 << 30 },
  );
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
  const counts = ['tests', 'pass', 'fail', 'skipped'].map((what) => `${what} ${total(stdout, what)}`);
  console.log(`${version}: ${counts.join(', ')}`);
  for (const [line] of stdout.matchAll(/^ *not ok .*$/gm)) console.log(`  ${line.trim()}`);
  if (status !== 0) process.exitCode = 1;
}

function total(tap: string, what: string): string {
  return new RegExp(`^# ${what} (\\d+)$`, 'm').exec(tap)?.[1] ?? '?';
}

function testFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => join(folder, file))
    .sort();
}
