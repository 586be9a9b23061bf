import type { Coverage } from './coverage.ts';
import { type Material, mutate, replaced } from './mutate.ts';
import { type FuzzTarget, Random } from './target.ts';

const NOTHING = new Uint8Array(0);
/** Inputs between two looks at the coverage. */
const BATCH = 48;
const DEFAULT_MAX_LENGTH = 8_192;
/** Runs that making a finding smaller may cost, and milliseconds. */
const MINIMISE_RUNS = 2_000;
const MINIMISE_MS = 15_000;
/** After so many findings of different kinds it is time to look at them. */
const MAX_FINDINGS = 20;

export interface Finding {
  /** What distinguishes it from others: the error without its numbers, and where it was thrown. */
  readonly kind: string;
  readonly error: string;
  readonly input: Uint8Array;
}

export interface FuzzReport {
  readonly executions: number;
  readonly seconds: number;
  /** Blocks of `src` that ran at least once. */
  readonly blocks: number;
  readonly corpus: readonly Uint8Array[];
  readonly slowestMs: number;
  readonly findings: readonly Finding[];
}

export interface FuzzOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Started before anything of `src` was loaded. */
  readonly coverage: Coverage;
  /** Inputs that earlier runs kept. */
  readonly corpus?: readonly Uint8Array[];
  /** Called before each execution: a watchdog wants to know what to blame. */
  readonly onInput?: (input: Uint8Array) => void;
  readonly onProgress?: (report: FuzzReport) => void;
}

/** Inputs that reach blocks which nothing reached before are kept, and changed further. */
export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzReport> {
  const random = new Random(options.seed);
  const { coverage } = options;
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1_000;
  const corpus: Uint8Array[] = [];
  const findings = new Map<string, Finding>();
  let executions = 0;
  let slowestMs = 0;
  const report = (): FuzzReport => ({
    executions,
    seconds: seconds(),
    blocks: coverage.blocks,
    corpus,
    slowestMs,
    findings: [...findings.values()],
  });

  const execute = async (input: Uint8Array): Promise<void> => {
    options.onInput?.(input);
    executions++;
    const before = performance.now();
    const error = await failureOf(target, input);
    slowestMs = Math.max(slowestMs, performance.now() - before);
    if (error === undefined) return;
    const kind = kindOf(error);
    if (findings.has(kind)) return;
    const small = await minimise(target, input, kind, options.onInput);
    findings.set(kind, { kind, error: textOf(error), input: small });
  };

  const first = [...(await target.seeds()), ...(options.corpus ?? [])];
  coverage.forget();
  for (const input of first) {
    await execute(input);
    if (coverage.look()) corpus.push(input);
  }
  if (corpus.length === 0) corpus.push(...first);

  let reported = seconds();
  while (seconds() < options.seconds && findings.size < MAX_FINDINGS) {
    const batch: Uint8Array[] = [];
    const room = options.seconds - seconds();
    const end = seconds() + Math.min(room, 1);
    while (batch.length < BATCH && seconds() < end) {
      const input = nextInput(target, corpus, random);
      batch.push(input);
      await execute(input);
    }
    if (coverage.look({ peek: true })) {
      for (const input of batch) {
        await execute(input);
        if (coverage.look()) corpus.push(input);
      }
      // What only the whole batch reaches, such as what is compiled or cached once.
    }
    // Async targets must not starve what waits for the event loop.
    await new Promise((resolve) => setImmediate(resolve));
    if (seconds() - reported > 10) {
      reported = seconds();
      options.onProgress?.(report());
    }
  }
  return report();
}

/** The inputs of a run without coverage, from a seed: what `npm test` goes through. */
export async function* slice(target: FuzzTarget, seed: number): AsyncGenerator<Uint8Array> {
  const random = new Random(seed);
  const seeds = await target.seeds();
  yield* seeds;
  for (let i = 0; i < (target.sliceRuns ?? 300); i++) yield nextInput(target, seeds, random);
}

function nextInput(target: FuzzTarget, corpus: readonly Uint8Array[], random: Random): Uint8Array {
  // The newest are the least explored.
  const index = random.chance(2) ? random.below(corpus.length) : corpus.length - 1 - random.below(corpus.length >> 2);
  const input = corpus[index] ?? NOTHING;
  const maxLength = target.maxLength ?? DEFAULT_MAX_LENGTH;
  const own = target.mutate !== undefined && random.chance(2) ? target.mutate(input, random) : input;
  if (own !== input && random.chance(2)) return own.slice(0, maxLength);
  const material: Material = { others: corpus, dictionary: target.dictionary ?? [], maxLength };
  return mutate(own, random, material);
}

/** What a target threw, if it did. */
export async function failureOf(target: FuzzTarget, input: Uint8Array): Promise<unknown> {
  try {
    const promise = target.run(input);
    if (promise !== undefined) await promise;
    return undefined;
  } catch (error) {
    return error ?? new Error('a nothing was thrown');
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const at = /\/((?:src|test)\/[^:)]+:\d+)/.exec(error.stack?.slice(error.message.length) ?? '')?.[1] ?? '';
  return `${error.name}: ${error.message.split('\n')[0]!.replace(/\d+/g, 'N').slice(0, 120)} at ${at}`;
}

/** Takes away what a finding does not need, then makes zeros of what may be zero. */
export async function minimise(
  target: FuzzTarget,
  input: Uint8Array,
  kind: string,
  onInput: (input: Uint8Array) => void = () => {},
): Promise<Uint8Array> {
  const until = performance.now() + MINIMISE_MS;
  let runs = 0;
  const same = async (candidate: Uint8Array): Promise<boolean> => {
    runs++;
    onInput(candidate);
    const error = await failureOf(target, candidate);
    return error !== undefined && kindOf(error) === kind;
  };
  const goesOn = (): boolean => runs < MINIMISE_RUNS && performance.now() < until;
  let best = input;
  for (let size = best.length >> 1; size >= 1 && goesOn(); size >>= 1) {
    for (let at = 0; at < best.length && goesOn(); ) {
      const candidate = replaced(best, at, Math.min(best.length, at + size), NOTHING);
      if (await same(candidate)) best = candidate;
      else at += size;
    }
  }
  for (let at = 0; at < best.length && goesOn(); at++) {
    if (best[at] === 0) continue;
    const candidate = best.slice();
    candidate[at] = 0;
    if (await same(candidate)) best = candidate;
  }
  return best;
}
