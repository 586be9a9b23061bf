/** The programs in the guide to tickets run as they stand there, with what they take for granted declared in front. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startRedis } from '../test/stores/redis-server.ts';
import { makeIdentity } from '../test/support/certificates.ts';
import { needs } from '../test/support/peers.ts';
import { run } from '../test/support/process.ts';
import { ROOT, snippetsOf, workFolder, writeProgram } from './snippets.ts';

for (const { heading, code } of snippetsOf('docs/tickets.md')) {
  test(`docs/tickets.md: ${heading}`, async (t: TestContext) => {
    let url = '';
    if (code.includes("'redis'")) {
      if (!needs(t, 'redis-server')) return;
      url = (await startRedis(t)).url;
    }
    const folder = workFolder(t);
    const { certificatePem, keyPem } = await makeIdentity('p256');
    writeFileSync(
      join(folder, 'ticket.key'),
      Uint8Array.from({ length: 80 }, (_, i) => 251 * i + (i >> 3)),
    );
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
    const program = writeProgram(folder, code, given, 'setTimeout(() => process.exit(0), 200).unref();');
    const { code: status, stderr } = await run(t, process.execPath, program, { cwd: ROOT, input: '' });
    assert.equal(stderr, '');
    assert.equal(status, 0);
  });
}
