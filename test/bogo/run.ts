/**
 * Runs BoringSSL's test runner against the shim and writes `results.json`.
 *
 *     npm run bogo -- --runner PATH --sources PATH [--test 'GLOB;GLOB'] [--workers N] [--debug]
 *
 * README.md beside it says where the runner comes from. `--sources`: its folder, where it finds its keys. Without `--test` all names of
 * names.json are run, and results.json is written.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildSync } from 'esbuild';

interface Output {
  readonly tests: Readonly<
    Record<string, { readonly actual: string; readonly is_unexpected?: boolean; readonly error?: string }>
  >;
}
interface Config {
  readonly DisabledTests: Readonly<Record<string, string>>;
}

const here = fileURLToPath(new URL('.', import.meta.url));
const read = <T>(name: string): T => JSON.parse(readFileSync(join(here, name), 'utf8')) as T;

const { values } = parseArgs({
  options: {
    runner: { type: 'string' },
    sources: { type: 'string' },
    test: { type: 'string' },
    workers: { type: 'string', default: '2' },
    debug: { type: 'boolean', default: false },
  },
});
const { runner, sources } = values;
if (runner === undefined || sources === undefined)
  throw new Error(
    '--runner PATH: the runner of BoringSSL; --sources PATH: the folder ssl/test/runner that it was built from',
  );

const names = read<{ readonly core: readonly string[]; readonly extra: readonly string[] }>('names.json');
const config = read<Config>('config.json');
const folder = mkdtempSync(join(tmpdir(), 'bogo-'));
try {
  const shim = join(folder, 'shim.mjs');
  buildSync({
    entryPoints: [join(here, 'shim.ts')],
    outfile: shim,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
    banner: { js: `#!${process.execPath}` },
  });
  chmodSync(shim, 0o755);
  const json = join(folder, 'out.json');
  const test = values.test ?? [...names.core, ...names.extra].join(';');
  const { stdout, stderr } = spawnSync(
    runner,
    [
      ...['-shim-path', shim, '-shim-config', join(here, 'config.json'), '-num-workers', values.workers],
      ...['-allow-unimplemented', '-pipe', '-json-output', json, '-test', test],
      ...(values.debug ? ['-debug'] : []),
    ],
    { cwd: sources, encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  const { tests } = JSON.parse(readFileSync(json, 'utf8')) as Output;
  const failed = Object.entries(tests).filter(([, { actual }]) => actual === 'FAIL');
  if (failed.length > 0 || values.test !== undefined) console.log(stdout, stderr);
  const isDisabled = (name: string): boolean => Object.keys(config.DisabledTests).includes(name);
  const summary = (list: readonly string[]): Record<string, number> => {
    const ran = list.filter((name) => !isDisabled(name));
    const count = (actual: string): number => ran.filter((name) => tests[name]?.actual === actual).length;
    return {
      tests: list.length,
      passed: count('PASS'),
      failed: count('FAIL'),
      unimplemented: count('SKIP'),
      disabled: list.length - ran.length,
    };
  };
  const table = { core: summary(names.core), extra: summary(names.extra) };
  console.table(table);
  if (values.test === undefined) {
    const results = Object.fromEntries(
      [...names.core, ...names.extra].map((name) => [
        name,
        isDisabled(name) ? 'DISABLED' : (tests[name]?.actual ?? 'MISSING'),
      ]),
    );
    const boringssl = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: sources, encoding: 'utf8' }).trim();
    writeFileSync(join(here, 'results.json'), `${JSON.stringify({ boringssl, table, results }, null, 1)}\n`);
  }
  process.exitCode = failed.length > 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
