/** What is installed with the package, and what it may do: docs/assurance.md, "Supply". */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { makeIdentity } from '../support/certificates.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = <T>(name: string): T => JSON.parse(readFileSync(join(root, name), 'utf8')) as T;

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly dev?: boolean;
  readonly link?: boolean;
}

/** Each is justified in docs/decisions.md. */
const RUNTIME_DEPENDENCIES = ['@noble/post-quantum'];
/** These, and what they bring along. */
const INSTALLED = ['@noble/ciphers', '@noble/curves', '@noble/hashes', '@noble/post-quantum'];
const ENTRIES = [
  'index',
  'node/index',
  'openssl/index',
  'stores/cluster-keys',
  'stores/file-keys',
  'stores/redis/index',
];

test('runtime dependencies are those that were decided on', () => {
  const { dependencies, scripts } = read<Record<string, Record<string, string>>>('package.json');
  assert.deepEqual(Object.keys(dependencies!), RUNTIME_DEPENDENCIES);
  for (const script of ['preinstall', 'install', 'postinstall', 'prepare']) assert.equal(scripts![script], undefined);
});

test('the lock file has the hash of every package, and none that is installed at run time has a script', () => {
  const { packages } = read<{ packages: Record<string, Locked> }>('package-lock.json');
  const installed = Object.entries(packages).filter(([path]) => path !== '');
  for (const [path, { integrity, link }] of installed) assert.ok(link || integrity?.startsWith('sha512-'), path);
  const runtime = installed.filter(([, { dev }]) => !dev);
  const known = INSTALLED.map((name) => `node_modules/${name}`);
  for (const [path, { hasInstallScript }] of runtime) {
    assert.ok(known.includes(path), `${path} is installed with the package`);
    assert.equal(hasInstallScript, undefined, path);
  }
});

/** As it is published, in one folder; nothing outside of it may be read. */
async function bundled(): Promise<string> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'tessera-supply-')));
  await build({
    absWorkingDir: root,
    entryPoints: ENTRIES.map((name) => `src/${name}.ts`),
    outbase: 'src',
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    logLevel: 'error',
  });
  return folder;
}

/** The flags of the runtime's permission model: files of `folder`, and the network where that is a permission. */
function permissions(folder: string): readonly string[] {
  const flags = process.allowedNodeEnvironmentFlags;
  const model = flags.has('--permission') ? '--permission' : '--experimental-permission';
  return [model, `--allow-fs-read=${folder}/*`, ...(flags.has('--allow-net') ? ['--allow-net'] : []), '--no-warnings'];
}

const NOTHING_AT_IMPORT = `
  import { createRequire, syncBuiltinESMExports } from 'node:module';
  const require = createRequire(import.meta.url);
  const touched = [];
  for (const [name, calls] of Object.entries({
    net: ['connect', 'createConnection', 'createServer'],
    tls: ['connect', 'createServer'],
    http: ['request', 'get', 'createServer'],
    https: ['request', 'get'],
    dns: ['lookup', 'resolve'],
    child_process: ['spawn', 'exec', 'execFile', 'fork', 'execFileSync', 'spawnSync'],
    fs: ['readFileSync', 'writeFileSync', 'openSync', 'open', 'readFile', 'writeFile', 'watch', 'readdirSync', 'statSync', 'existsSync'],
  })) {
    const module = require('node:' + name);
    for (const call of calls) {
      const real = module[call];
      module[call] = (...args) => {
        // The loader of some releases reads the modules themselves with it.
        if (name === 'fs' && /\\/tessera-supply-\\w+\\/[\\w./-]*(\\.mjs|package\\.json)$/.test(String(args[0]))) return real.apply(module, args);
        touched.push(name + '.' + call + ' ' + args[0]);
        throw new Error(touched.at(-1));
      };
    }
  }
  syncBuiltinESMExports();
  for (const entry of JSON.parse(process.argv[2])) await import(entry);
  if (touched.length > 0) throw new Error('at import: ' + touched.join(', '));
  console.log('nothing touched');
`;

const CONNECTIONS = `
  import { connect, createServer } from './node/index.mjs';
  const { key, cert } = JSON.parse(process.argv[2]);
  const server = createServer({ key, cert, numTickets: 3 }, (socket) => socket.on('error', () => {}).end('hello'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const visit = (session) => new Promise((resolve, reject) => {
    const tickets = [];
    const socket = connect({ port: server.address().port, host: '127.0.0.1', servername: 'localhost', ca: cert, session });
    let text = '';
    socket.on('session', (one) => tickets.push(one)).on('data', (data) => { text += data; }).on('error', reject);
    socket.on('close', () => resolve({ text, tickets, reused: socket.isSessionReused() }));
  });
  const first = await visit();
  const second = await visit(first.tickets[0]);
  console.log(JSON.stringify([first.text, first.tickets.length, second.text, second.reused]));
  server.close();
`;

test('no file, no network and no process at import; connections and tickets under the permission model', async (t) => {
  const folder = await bundled();
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const run = async (name: string, program: string, argument: unknown): Promise<string> => {
    const path = join(folder, name);
    writeFileSync(path, program);
    const args = [...permissions(folder), path, JSON.stringify(argument)];
    return (await promisify(execFile)(process.execPath, args, { env: {}, timeout: 30_000 })).stdout.trim();
  };
  const entries = ENTRIES.map((name) => join(folder, `${name}.mjs`));
  assert.equal(await run('import.mjs', NOTHING_AT_IMPORT, entries), 'nothing touched');
  const { keyPem, certificatePem } = await makeIdentity();
  const seen = JSON.parse(await run('connections.mjs', CONNECTIONS, { key: keyPem, cert: certificatePem }));
  assert.deepEqual(seen, ['hello', 3, 'hello', true]);
});
