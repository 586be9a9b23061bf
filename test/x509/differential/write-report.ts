/** Compares all chains and writes `docs/assurance-parts/x509-differential.md`. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { peer } from '../../support/peers.ts';
import { allFamilies } from './families/index.ts';
import { type FamilyReport, markdown, runFamily, summary, unusedDifferences } from './report.ts';

const openssl = peer('openssl');
if (openssl === undefined) throw new Error('openssl is not here');
const folder = mkdtempSync(join(tmpdir(), 'tessera-differential-'));
const reports: FamilyReport[] = [];
try {
  for (const family of allFamilies()) reports.push(await runFamily(family, folder));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const faults = [
  ...reports.flatMap((report) => report.faults),
  ...unusedDifferences(reports).map((one) => `gone: ${one}`),
];
if (faults.length > 0) throw new Error(faults.join('\n'));
const target = fileURLToPath(new URL('../../../docs/assurance-parts/', import.meta.url));
mkdirSync(target, { recursive: true });
writeFileSync(join(target, 'x509-differential.md'), markdown(reports, `OpenSSL ${openssl.version}`));
console.log(summary(reports));
