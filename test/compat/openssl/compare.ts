import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import * as ours from '../../../src/openssl/index.ts';
import { loadLibssl } from './libssl.ts';
import type { Log, Scenario } from './scenario.ts';

const libssl = loadLibssl();
const compat = readFileSync(new URL('../../../docs/openssl-compat.md', import.meta.url), 'utf8');
const rows = compat.split('\n').filter((line) => line.startsWith('| '));

/** As JSON, in which nothing of one library can hide. */
function logOf(scenario: Scenario, api: typeof ours): Log {
  api.ERR_clear_error();
  return JSON.parse(JSON.stringify(scenario.run(api))) as Log;
}

/** Runs each scenario against the system's libssl and against ours: what a program sees is the same, or differs as documented. */
export function compare(scenarios: readonly Scenario[]): void {
  for (const scenario of scenarios) {
    const { name, differs } = scenario;
    test(name, (t) => {
      const log = logOf(scenario, ours);
      if (differs !== undefined) {
        assert.deepEqual(log, differs.ours, 'ours');
        const documented = rows.some((row) => row.split('|')[1]!.includes(differs.row));
        assert.ok(documented, `docs/openssl-compat.md has no row about ${JSON.stringify(differs.row)}`);
      }
      if (libssl === undefined) {
        assert.notEqual(
          process.env['TESSERA_REQUIRE_PEERS'],
          '1',
          'there is no libssl.so.3, but TESSERA_REQUIRE_PEERS=1',
        );
        if (differs === undefined) t.skip('there is no libssl.so.3 to compare with');
        return;
      }
      const real = logOf(scenario, libssl.api);
      if (differs === undefined) {
        assert.deepEqual(log, real, `ours, and then OpenSSL ${libssl.version}`);
        return;
      }
      const known = differs.libssl.some((one) => isDeepStrictEqual(one, real));
      assert.ok(known, `OpenSSL ${libssl.version} gives ${JSON.stringify(real)}`);
      assert.notDeepEqual(real, log, 'they do not differ any more: take the difference out');
    });
  }
}
