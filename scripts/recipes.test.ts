/** The programs of docs/recipes.md run as they stand there, and answer. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { get, h2, h2Get, ofClient, own } from '../test/packages/servers/support.ts';
import { freePort, start } from '../test/support/process.ts';
import { ROOT, snippetsOf, workFolder, writeProgram } from './snippets.ts';

const PORT = 8443;

for (const { heading, code } of snippetsOf('docs/recipes.md').filter(({ section }) => section === 'Servers')) {
  test(`docs/recipes.md: the server of ${heading}`, async (t: TestContext) => {
    const port = await freePort();
    const given = [`const { cert, key } = ${JSON.stringify(own)};`, `const ca = ${JSON.stringify(ofClient.cert)};`];
    assert.match(code, new RegExp(`\\b${PORT}\\b`));
    const folder = workFolder(t);
    const here = code
      .replace(String(PORT), String(port))
      .replace("'keys.log'", JSON.stringify(join(folder, 'keys.log')));
    const program = start(t, process.execPath, writeProgram(folder, here, given, "console.log('begun');"), {
      cwd: ROOT,
    });
    await program.waitFor('begun');
    const probe = tls.connect({
      host: 'localhost',
      port,
      ca: own.cert,
      ...ofClient,
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    await once(probe, 'secureConnect');
    assert.equal(probe.getProtocol(), 'TLSv1.3');
    probe.destroy();
    const { status, text } =
      probe.alpnProtocol === 'h2' ? await h2Get(await h2(t, port, ofClient)) : await get(port, '/', ofClient);
    if (heading.includes('grpc')) {
      assert.equal(status, 415); // it is there, and this was no call
    } else {
      assert.equal(status, 200);
      assert.match(text, /^(hello$|https|subject=|CN=|nobody)/);
    }
    assert.equal(program.stderr, '');
  });
}
