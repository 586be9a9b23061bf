/** A thread that ends a process which hangs or grows without end, and leaves the input that did it. Plain JavaScript: no loader runs in threads everywhere. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';

const { current, folder, target, hangMs, maxRss } = workerData;
/** Count of executions, length of the input; then the input. */
const header = new Int32Array(current, 0, 2);

function blame(what) {
  const input = new Uint8Array(current, 8, header[1]).slice();
  const file = join(folder, `${target}-${createHash('sha256').update(input).digest('hex').slice(0, 16)}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, input);
  writeSync(2, `${what}: ${file}\n`);
  process.kill(process.pid, 'SIGKILL');
}

let last = -1;
let since = Date.now();
setInterval(() => {
  const count = Atomics.load(header, 0);
  if (count !== last) {
    last = count;
    since = Date.now();
  } else if (count > 0 && Date.now() - since > hangMs) blame(`hangs for more than ${hangMs} ms`);
  const rss = process.memoryUsage.rss();
  if (rss > maxRss) blame(`the process holds ${rss} bytes`);
}, 500);
