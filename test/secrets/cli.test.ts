/** Canaries in the command line tool: what it prints and the pages it serves show no secret. The key log, which is asked for, says what to look for. */
import assert from 'node:assert/strict';
import { createPrivateKey, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeIdentity } from '../support/certificates.ts';
import { run, start } from '../support/process.ts';
import { Canaries } from './canaries.ts';

const MAIN = ['--import', 'tsx', fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))];

async function textOf(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(url, (response) => {
      let text = '';
      response.setEncoding('latin1').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve(text));
    });
    asked.on('error', reject).end();
  });
}

for (const format of ['text', 'json'] as const) {
  test(`serve and connect show no secret, as ${format}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'tessera-canary-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const path = (name: string): string => join(folder, name);
    const canaries = new Canaries();
    const { keyPem, certificatePem } = await makeIdentity();
    const passphrase = randomBytes(12).toString('hex');
    const master = randomBytes(32).toString('hex');
    const psk = randomBytes(32).toString('hex');
    canaries.plant('private key', Buffer.from(createPrivateKey(keyPem).export({ format: 'jwk' }).d!, 'base64url'));
    canaries.plant('passphrase', passphrase);
    for (const [name, hex] of Object.entries({ master, psk })) {
      canaries.plant(name, hex);
      canaries.plant(`${name}, as bytes`, Buffer.from(hex, 'hex'));
    }
    const encrypted = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase } as const;
    writeFileSync(path('key.pem'), createPrivateKey(keyPem).export(encrypted));
    writeFileSync(path('cert.pem'), certificatePem);

    const more = format === 'json' ? ['--json'] : [];
    const identity = ['--cert', path('cert.pem'), '--key', path('key.pem'), '--passphrase', passphrase];
    const server = start(
      t,
      process.execPath,
      [...MAIN, 'serve', '--port', '0', '--metrics', '0', '--ticket-keys', 'derive:env:TICKET_MASTER']
        .concat(['--keylog', path('keys.log'), '--request-cert', '--ca', path('cert.pem'), '--psk', `me:${psk}`])
        .concat(identity, more),
      { env: { TICKET_MASTER: master } },
    );
    const portIn = async (pattern: RegExp): Promise<string> => {
      const [, text, json] = await server.waitFor(pattern);
      return text ?? json ?? '';
    };
    const port = await portIn(/https:\/\/localhost:(\d+)|"event":"listening".*"port":(\d+)/);
    const metrics = await portIn(/127\.0\.0\.1:(\d+)\/metrics|"event":"metrics".*"port":(\d+)/);
    const connect = ['connect', `localhost:${port}`, '--ca', path('cert.pem'), '--resume', '2'];
    const printed: string[] = [];
    for (const args of [identity, ['--psk', `me:${psk}`], ['--psk', `me:${'00'.repeat(32)}`]]) {
      const { stdout, stderr } = await run(
        t,
        process.execPath,
        [...MAIN, ...connect, '--session-out', path('session'), ...args, ...more],
        { input: 'GET /tickets?n=2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' },
      );
      printed.push(stdout, stderr);
    }
    printed.push(await textOf(`http://127.0.0.1:${metrics}/metrics`), server.output);

    const log = readFileSync(path('keys.log'), 'latin1').trim().split('\n');
    for (const line of log) canaries.plant('key log', Buffer.from(line.split(' ')[2]!, 'hex'));
    assert.ok(log.length > 20, `${log.length} secrets of connections`);
    assert.match(printed.join(''), /resum/);
    for (const text of printed) assert.deepEqual(canaries.in(text), []);
  });
}
