/** docs/openssl-compat.md names every function there is, and none that there is not. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as o from '../../../src/openssl/index.ts';

test('the list of functions is complete, and true', () => {
  const text = readFileSync(new URL('../../../docs/openssl-compat.md', import.meta.url), 'utf8');
  const list = text.slice(text.indexOf('## Functions'), text.indexOf('## Deliberate differences'));
  const documented = [...list.matchAll(/`([\w[\]]+)`/g)].flatMap(([, name]) =>
    name!.includes('[_CTX]') ? [name!.replace('[_CTX]', ''), name!.replace('[_CTX]', '_CTX')] : [name!],
  );
  const exported = Object.entries(o).flatMap(([name, value]) => (typeof value === 'function' ? [name] : []));
  assert.deepEqual(documented.sort(), exported.sort());
});

test('NULL is survived by every function that takes a context, a connection or a session first', () => {
  const rest = [null, 'text', 1, new Uint8Array(1), { key: new Uint8Array(1), digest: 'SHA256' }];
  for (const [name, value] of Object.entries(o)) {
    if (typeof value !== 'function' || !/^(SSL|EVP_C|EVP_MAC)_?/.test(name) || value.length === 0) continue;
    if (/^SSL_(alert|select)_/.test(name)) continue; // of numbers and bytes
    const call = value as (...args: unknown[]) => unknown;
    // Each function finds values of its types among these; those of a wrong type are TypeErrors that say so.
    const failures = rest.flatMap((second) =>
      rest.map((third) => {
        try {
          // The one function that begins with a number is told the type of a key.
          if (/PrivateKey_ASN1$/.test(name)) call(408, null, new Uint8Array(1));
          else call(null, second, third, null, null, 1);
          return undefined;
        } catch (error) {
          return error;
        }
      }),
    );
    for (const error of failures) {
      if (error === undefined) continue;
      assert.ok(error instanceof TypeError, `${name}: ${error}`);
      assert.match(error.message, /^\w+ must be /, `${name}: ${error.message}`);
    }
    assert.ok(
      failures.some((error) => error === undefined) || !/^SSL_(CTX_|SESSION_|)[a-z]/.test(name),
      `${name} takes nothing`,
    );
  }
});
