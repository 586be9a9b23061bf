/**
 * Runs BoringSSL's test runner against the shim and writes `results.json`.
 *
 *     npm run bogo -- --runner PATH [--test 'GLOB;GLOB'] [--workers N] [--debug]
 *
 * The runner is built from BoringSSL's sources: `go build` in ssl/test/runner. Without `--test` all names of `names.json` are run, and
 * results.json is written.
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
    test: { type: 'string' },
    workers: { type: 'string', default: '2' },
    debug: { type: 'boolean', default: false },
  },
});
if (values.runner === undefined) throw new Error('--runner PATH: the runner, built from ssl/test/runner of BoringSSL');

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
    // Loaded only where the runtime has no ML-KEM; bundled all the same, as the shim runs in another folder.
    banner: { js: `#!${process.execPath}` },
  });
  chmodSync(shim, 0o755);
  const json = join(folder, 'out.json');
  const test = values.test ?? [...names.core, ...names.extra].join(';');
  const { stdout, stderr } = spawnSync(
    values.runner,
    [
      ...['-shim-path', shim, '-shim-config', join(here, 'config.json'), '-num-workers', values.workers],
      ...['-allow-unimplemented', '-pipe', '-json-output', json, '-test', test],
      ...(values.debug ? ['-debug'] : []),
    ],
    { cwd: values.sources, encoding: 'utf8', maxBuffer: 1 << 28 },
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
    const boringssl = execFileSync('strings', ['-n', '8', values.runner], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    }).match(/vcs\.revision=([0-9a-f]{40})/)?.[1];
    writeFileSync(join(here, 'results.json'), `${JSON.stringify({ boringssl, table, results }, null, 1)}\n`);
  }
  process.exitCode = failed.length > 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
