/** Generated chains, each with one rule broken: our verifier against `openssl verify -x509_strict`. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { needs, peer } from '../../support/peers.ts';
import { ourVerdict } from './compare.ts';
import { allFamilies } from './families/index.ts';
import { type FamilyReport, runFamily, summary, unusedDifferences } from './report.ts';

const families = allFamilies();
/** The lists of differences were made with it. Other releases are stricter here and laxer there: they are reported, not judged. */
const KNOWN_RELEASE = /^3\.0\./;
const isKnown = (): boolean => KNOWN_RELEASE.test(peer('openssl')?.version ?? '');

test('no two cases have one name, and there are enough of them', () => {
  const names = families.flatMap(({ name, cases }) => cases.map((one) => `${name}: ${one.name}`));
  assert.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  );
  assert.ok(names.length >= 1000, `${names.length} cases`);
});

describe('our verdicts', () => {
  for (const { name, cases } of families)
    test(`${name}: ${cases.length} chains`, () => {
      const wrong = cases.flatMap((one) => {
        const { code, message } = ourVerdict(one);
        return (code === 'trusted') === (one.expected === 'trusted') ? [] : [`${one.name}: ${code} ${message}`];
      });
      assert.deepEqual(wrong, []);
    });
});

describe('openssl verify says the same, or differs for a reason', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-differential-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const reports: FamilyReport[] = [];

  for (const family of families)
    test(family.name, async (t) => {
      if (!needs(t, 'openssl')) return;
      const report = await runFamily(family, folder);
      reports.push(report);
      if (isKnown()) assert.deepEqual(report.faults, []);
      else for (const fault of report.faults) t.diagnostic(fault);
    });

  test('every difference that is listed is there', (t) => {
    if (!needs(t, 'openssl')) return;
    t.diagnostic(summary(reports));
    if (isKnown()) assert.deepEqual(unusedDifferences(reports), []);
  });
});
