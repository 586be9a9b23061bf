/**
 * Fuzzing by hand, as long as one likes:
 *
 *   npm run fuzz -- list
 *   npm run fuzz -- TARGET --seconds 600 [--seed 1] [--json]
 *   npm run fuzz -- TARGET --input FILE
 *
 * Inputs that reach something new stay in `.fuzz/corpus/TARGET` for the next run; findings, made small, in `.fuzz/findings`.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { Coverage } from './coverage.ts';
import { type FuzzReport, failureOf, fuzz } from './fuzzer.ts';
import type { FuzzTarget } from './target.ts';

/** One execution that takes longer hangs. */
const HANG_MS = 20_000;
/** Of the whole process, in bytes: an input that makes it hold more is a finding. */
const MAX_RSS = 1_500_000_000;
const MAX_INPUT = 1_048_576;
const FOLDER = '.fuzz';
const FINDINGS: string = join(FOLDER, 'findings');

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    input: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const coverage = new Coverage();
coverage.start();
const { TARGETS, targetNamed } = await import('./targets/index.ts');

const [name = 'list'] = positionals;
const target = targetNamed(name);
if (name === 'list') for (const { name, about } of TARGETS) console.log(`${name.padEnd(20)} ${about}`);
else if (target === undefined) fail(`there is no target ${name}; see npm run fuzz -- list`);
else if (values.input !== undefined) await replay(target, readFileSync(values.input));
else await run(target, numberOf('seconds', values.seconds), numberOf('seed', values.seed));

function numberOf(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) fail(`--${option} must be an integer of 0 or more`);
  return value;
}

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

async function replay(target: FuzzTarget, input: Uint8Array): Promise<void> {
  await target.seeds();
  const error = await failureOf(target, new Uint8Array(input));
  if (error === undefined) console.log('nothing wrong');
  else {
    console.error(error);
    process.exitCode = 1;
  }
}

async function run(target: FuzzTarget, seconds: number, seed: number): Promise<void> {
  const corpusFolder = join(FOLDER, 'corpus', target.name);
  mkdirSync(corpusFolder, { recursive: true });
  const corpus = readdirSync(corpusFolder).map((file) => new Uint8Array(readFileSync(join(corpusFolder, file))));
  const current = new SharedArrayBuffer(8 + MAX_INPUT);
  const header = new Int32Array(current, 0, 2);
  const bytes = new Uint8Array(current, 8);
  const watchdog = new Worker(new URL('./watchdog.mjs', import.meta.url), {
    workerData: { current, folder: FINDINGS, target: target.name, hangMs: HANG_MS, maxRss: MAX_RSS },
    execArgv: [],
  });
  // What is thrown where nobody waits for it belongs to the input that runs, or to one shortly before it.
  for (const event of ['uncaughtException', 'unhandledRejection']) {
    process.on(event, (error) => {
      console.error(`${event}: ${save(target, bytes.slice(0, header[1]))}`);
      console.error(error);
      process.exit(1);
    });
  }
  const report = await fuzz(target, {
    seed,
    seconds,
    coverage,
    corpus,
    onInput(input) {
      bytes.set(input.subarray(0, bytes.length));
      Atomics.store(header, 1, Math.min(input.length, bytes.length));
      Atomics.add(header, 0, 1);
    },
    onProgress: (report) => console.error(lineOf(target, report)),
  });
  await watchdog.terminate();
  rmSync(corpusFolder, { recursive: true, force: true });
  mkdirSync(corpusFolder, { recursive: true });
  for (const input of report.corpus) writeFileSync(join(corpusFolder, hashOf(input)), input);
  for (const { error, input } of report.findings) console.error(`${save(target, input)}\n${error}\n`);
  const { corpus: kept, findings, ...figures } = report;
  const summary = { target: target.name, seed, ...figures, corpus: kept.length, findings: findings.length };
  console.log(values.json ? JSON.stringify(summary) : lineOf(target, report));
  process.exit(findings.length > 0 ? 1 : 0);
}

function lineOf(target: FuzzTarget, { executions, seconds, blocks, corpus, slowestMs, findings }: FuzzReport): string {
  const rate = Math.round(executions / seconds);
  return `${target.name}: ${executions} executions in ${Math.round(seconds)} s (${rate}/s), ${blocks} blocks, corpus ${corpus.length}, slowest ${Math.round(slowestMs)} ms, findings ${findings.length}`;
}

function hashOf(input: Uint8Array): string {
  return createHash('sha256').update(input).digest('hex').slice(0, 16);
}

function save(target: FuzzTarget, input: Uint8Array): string {
  mkdirSync(FINDINGS, { recursive: true });
  const file = join(FINDINGS, `${target.name}-${hashOf(input)}`);
  writeFileSync(file, input);
  return `${file} (${input.length} bytes${input.length <= 200 ? `: ${Buffer.from(input).toString('hex')}` : ''})`;
}
