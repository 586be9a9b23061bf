/** Compares all chains and writes the section about it in `docs/assurance.md`, between its two marks. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
const page = fileURLToPath(new URL('../../../docs/assurance.md', import.meta.url));
const [before, , after] = readFileSync(page, 'utf8').split(
  /(?<=<!-- differential: begin -->\n)|(?=<!-- differential: end -->)/,
);
if (before === undefined || after === undefined) throw new Error(`${page} has no place for this section`);
writeFileSync(page, `${before}\n${markdown(reports, `OpenSSL ${openssl.version}`)}\n${after}`);
console.log(summary(reports));
