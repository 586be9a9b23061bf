/** The README's table of what node:tls gives and what this library gives is what `npm run compare` measures. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { asMarkdown, compareTickets } from './compare-tickets.ts';

const README = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
/** The release that the README's column of node:tls is about; others may be better. */
const MEASURED_ON = 'v20.';

test('the table in the README is measured', async () => {
  const rows = await compareTickets();
  const known = README.split('\n').filter((line) => line.startsWith('| '));
  for (const line of asMarkdown(rows).split('\n').slice(2)) {
    const cells = line.split('|').map((cell) => cell.trim());
    const row = known.map((text) => text.split('|').map((cell) => cell.trim())).find((one) => one[1] === cells[1]);
    assert.ok(row, `no row for: ${cells[1]}`);
    assert.equal(row[3], cells[3], line);
    if (process.version.startsWith(MEASURED_ON)) assert.equal(row[2], cells[2], line);
  }
});
