/** Everything that must hold before a change is merged, quickest first. Stops at the first failure. */
import { spawnSync } from 'node:child_process';

const STEPS = ['format:check', 'lint', 'types', 'layers', 'docs:check', 'package', 'test'];

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1).padStart(6)} s`;
const start = performance.now();
const timings: string[] = [];
let failed: string | undefined;

for (const step of STEPS) {
  console.log(`\n== ${step}`);
  const stepStart = performance.now();
  const { status } = spawnSync('npm', ['run', '--silent', step], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  timings.push(`${seconds(stepStart)}  ${step}${status === 0 ? '' : '  FAILED'}`);
  if (status !== 0) {
    failed = step;
    break;
  }
}

console.log(`\n${timings.join('\n')}\n${seconds(start)}  total`);
if (failed === undefined) console.log('check passed');
else console.error(`check failed: npm run ${failed}`);
process.exitCode = failed === undefined ? 0 : 1;
