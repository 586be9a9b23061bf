/**
 * Packs what would be published and looks at it from outside: publint, attw, the list of files, no install scripts, and every
 * entry loaded by `import` and by `require()` in a folder that has only the package and its dependencies.
 * `require()` of an ES module fails if there is a top-level await anywhere below it.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix, resolve } from 'node:path';

interface Manifest {
  readonly name: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly bin: Readonly<Record<string, string>>;
}

const root = resolve(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'tessera-package-'));
try {
  main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function main(): void {
  const [packed] = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root),
  ) as [{ filename: string; size: number; files: { path: string }[] }];
  const tarball = join(folder, packed.filename);
  const tool = (name: string): string => join(root, 'node_modules', '.bin', name);
  run(tool('publint'), ['--strict', tarball], root);
  run(tool('attw'), ['--profile', 'esm-only', '--quiet', tarball], root);
  console.log('publint, attw: ok');

  for (const { path } of packed.files)
    assert.doesNotMatch(path, /\.test\.|(?<!\.d)\.ts$/, `${path} must not be published`);
  for (const needed of ['README.md', 'CHANGELOG.md', 'LICENSE', 'SECURITY.md'])
    assert.ok(
      packed.files.some(({ path }) => path === needed),
      `${needed} is missing`,
    );

  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
  for (const script of ['preinstall', 'install', 'postinstall'])
    assert.ok(!(script in manifest.scripts), `no ${script} script`);

  const installed = join(folder, 'node_modules', manifest.name);
  mkdirSync(installed, { recursive: true });
  run('tar', ['-xzf', tarball, '--strip-components=1', '-C', installed], folder);
  for (const dependency of Object.keys(manifest.dependencies)) link(dependency);

  const entries = Object.keys(manifest.exports).map((entry) => posix.join(manifest.name, entry));
  for (const entry of entries) {
    const json = entry.endsWith('.json');
    const name = JSON.stringify(entry);
    const names = json
      ? load('commonjs', `Object.keys(require(${name})).length`)
      : load('module', `Object.keys(await import(${name})).length`);
    assert.ok(names > 0, `${entry} exports nothing`);
    if (!json)
      assert.equal(
        load('commonjs', `Object.keys(require(${name})).filter((key) => key !== '__esModule').length`),
        names,
      );
    console.log(`${entry}: ${names} names by import and by require()`);
  }
  checkTypes(entries.filter((entry) => !entry.endsWith('.json')));

  for (const [command, path] of Object.entries(manifest.bin)) {
    run(process.execPath, [join(installed, path), '--help'], folder);
    console.log(`${command} --help: ok`);
  }
  console.log(`package: ${packed.files.length} files, ${(packed.size / 1024).toFixed(0)} KiB packed`);
}

/** The declarations stand alone: a strict program that looks into every library's declarations compiles against them. */
function checkTypes(entries: readonly string[]): void {
  link('@types/node');
  link('undici-types');
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(
    join(folder, 'user.ts'),
    entries.map((entry, i) => `export * as entry${i} from '${entry}';\n`).join(''),
  );
  const options = [
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--lib',
    'es2023',
    '--types',
    'node',
    '--strict',
    '--noEmit',
  ];
  run(join(root, 'node_modules', '.bin', 'tsc'), [...options, '--ignoreConfig', 'user.ts'], folder);
  console.log('declarations: compile without skipLibCheck');
}

function link(dependency: string): void {
  const target = join(folder, 'node_modules', dependency);
  mkdirSync(dirname(target), { recursive: true });
  symlinkSync(join(root, 'node_modules', dependency), target, 'junction');
}

function load(type: 'module' | 'commonjs', expression: string): number {
  return Number(
    run(process.execPath, ['--no-warnings', `--input-type=${type}`, '--eval', `console.log(${expression})`], folder),
  );
}

function run(command: string, args: readonly string[], cwd: string): string {
  try {
    return execFileSync(command, args, {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
    });
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    console.error(`${stdout}${stderr}\npackage check failed: ${command} ${args.join(' ')}`);
    process.exit(1);
  }
}
