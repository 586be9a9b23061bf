/** Each scenario is run twice: against the system's libssl, and against ours. What a program sees must be the same, or differ as documented. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import * as ours from '../../../src/openssl/index.ts';
import { loadLibssl } from './libssl.ts';
import type { Log, Scenario } from './scenario.ts';
import { certificates } from './scenarios/certificates.ts';
import { configuration } from './scenarios/configuration.ts';
import { counts } from './scenarios/counts.ts';
import { io } from './scenarios/io.ts';
import { keys } from './scenarios/keys.ts';
import { negotiation } from './scenarios/negotiation.ts';
import { requests } from './scenarios/requests.ts';
import { sessionLife } from './scenarios/session-life.ts';
import { sessions } from './scenarios/sessions.ts';

const SCENARIOS: readonly Scenario[] = [
  ...counts,
  ...requests,
  ...sessions,
  ...sessionLife,
  ...keys,
  ...negotiation,
  ...certificates,
  ...configuration,
  ...io,
];

const libssl = loadLibssl();
const compat = readFileSync(new URL('../../../docs/openssl-compat.md', import.meta.url), 'utf8');
const rows = compat.split('\n').filter((line) => line.startsWith('| '));

/** As JSON, in which nothing of one library can hide. */
function logOf(scenario: Scenario, api: typeof ours): Log {
  api.ERR_clear_error();
  return JSON.parse(JSON.stringify(scenario.run(api))) as Log;
}

test('the scenarios have names of their own, and at least 80 of them there are', () => {
  assert.equal(new Set(SCENARIOS.map(({ name }) => name)).size, SCENARIOS.length);
  assert.ok(SCENARIOS.length >= 80, `${SCENARIOS.length}`);
});

for (const scenario of SCENARIOS) {
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
        'there is no libssl.so.3 (TESSERA_REQUIRE_PEERS=1 is set)',
      );
      if (differs === undefined) t.skip('there is no libssl.so.3 to compare with');
      return;
    }
    const real = logOf(scenario, libssl.api);
    if (scenario.olderReleases?.some((one) => isDeepStrictEqual(one, real))) return;
    if (differs === undefined || (differs.endsWithRelease && isDeepStrictEqual(log, real))) {
      assert.deepEqual(log, real, `ours, and then OpenSSL ${libssl.version}`);
      return;
    }
    const known = differs.libssl.some((one) => isDeepStrictEqual(one, real));
    assert.ok(known, `OpenSSL ${libssl.version} gives ${JSON.stringify(real)}`);
    assert.notDeepEqual(real, log, 'they do not differ any more: take the difference out');
  });
}
