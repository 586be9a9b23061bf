/** The programs in the guide to tickets run as they stand there, with what they take for granted declared in front. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { startRedis } from '../test/stores/redis-server.ts';
import { makeIdentity } from '../test/support/certificates.ts';
import { needs } from '../test/support/peers.ts';
import { run } from '../test/support/process.ts';

const ROOT = join(import.meta.dirname, '..');
const GUIDE = readFileSync(join(ROOT, 'docs/tickets.md'), 'utf8');

const ENTRIES: Readonly<Record<string, string>> = {
  'tessera-tls': 'src/index.ts',
  'tessera-tls/node': 'src/node/index.ts',
  'tessera-tls/stores/cluster': 'src/stores/cluster-keys.ts',
  'tessera-tls/stores/file': 'src/stores/file-keys.ts',
  'tessera-tls/stores/redis': 'src/stores/redis/index.ts',
};

/** The code blocks with their headings. */
function snippets(): { readonly heading: string; readonly code: string }[] {
  let heading = '';
  const found: { heading: string; code: string }[] = [];
  for (const [, title, code] of GUIDE.matchAll(/^#+ (.+)$|^```[jt]s\n([\s\S]*?)^```$/gm)) {
    if (title !== undefined) heading = title;
    else if (code !== undefined) found.push({ heading, code });
  }
  return found;
}

/** Imports name the sources, and packages those of this repository. */
function resolved(code: string): string {
  return code.replace(/from '([^']+)'/g, (whole, name: string) => {
    const entry = ENTRIES[name];
    if (entry !== undefined) return `from '${pathToFileURL(join(ROOT, entry)).href}'`;
    return name.startsWith('node:')
      ? whole
      : `from '${pathToFileURL(join(ROOT, 'node_modules', name, 'dist/index.js')).href}'`;
  });
}

for (const { heading, code } of snippets()) {
  test(`docs/tickets.md: ${heading}`, async (t: TestContext) => {
    let url = '';
    if (code.includes("'redis'")) {
      if (!needs(t, 'redis-server')) return;
      url = (await startRedis(t)).url;
    }
    const folder = mkdtempSync(join(tmpdir(), 'tessera-docs-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const { certificatePem, keyPem } = await makeIdentity('p256');
    writeFileSync(
      join(folder, 'ticket.key'),
      Uint8Array.from({ length: 80 }, (_, i) => 251 * i + (i >> 3)),
    );
    const imports = code.split('\n').filter((line) => line.startsWith('import '));
    const body = code.split('\n').filter((line) => !line.startsWith('import '));
    const usesServer = /^server\./m.test(code) && !/const server\b/.test(code);
    const given = [
      `import { randomBytes } from 'node:crypto';`,
      usesServer ? `import { createServer as makeServer } from 'tessera-tls/node';` : '',
      `const cert = ${JSON.stringify(certificatePem)};`,
      `const key = ${JSON.stringify(keyPem)};`,
      /\bconst secret\b/.test(code) ? '' : 'const secret = randomBytes(32);',
      `const master = randomBytes(32), url = ${JSON.stringify(url)}, directory = ${JSON.stringify(folder)};`,
      'const isLockedOut = async () => false;',
      usesServer ? 'const server = makeServer({ cert, key });' : '',
    ];
    const program = resolved(
      [...imports, ...given, ...body, 'setTimeout(() => process.exit(0), 200).unref();'].join('\n'),
    );
    writeFileSync(join(folder, 'program.mts'), program);
    const { code: status, stderr } = await run(t, process.execPath, ['--import', 'tsx', join(folder, 'program.mts')], {
      cwd: ROOT,
      input: '',
    });
    assert.equal(stderr, '');
    assert.equal(status, 0);
  });
}
