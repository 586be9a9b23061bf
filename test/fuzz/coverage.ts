import { type Profiler, Session } from 'node:inspector';

/** One function: which of its characters belong to code that ran, and where V8 has seen blocks begin. */
interface Covered {
  readonly characters: Uint8Array;
  readonly blocks: Set<number>;
}

/**
 * Which blocks of `src` have run, by V8's own counters. A look costs milliseconds, so it is taken once for a batch of
 * inputs, and again for each of them only when the batch reached something new.
 */
export class Coverage {
  readonly #session: Session = new Session();
  readonly #functions: Map<string, Covered> = new Map();

  /** To be called before `src` is loaded: functions that were compiled earlier count as one block each. */
  start(): void {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** What ran since the last look does not count: loading, and making seeds. */
  forget(): void {
    this.#take();
  }

  /** Blocks that were ever reached. */
  get blocks(): number {
    let count = 0;
    for (const { characters, blocks } of this.#functions.values())
      for (const start of blocks) if (characters[start] === 1) count++;
    return count;
  }

  /** Whether code ran since the last look that never ran before. It counts as seen from now on, unless `peek`. */
  look({ peek = false }: { readonly peek?: boolean } = {}): boolean {
    let fresh = false;
    for (const script of this.#take()) {
      if (!script.url.includes('/src/') || script.url.includes('/node_modules/')) continue;
      for (const { ranges } of script.functions) {
        const [whole] = ranges;
        if (whole === undefined || whole.count === 0) continue;
        if (this.#add(`${script.scriptId}:${whole.startOffset}-${whole.endOffset}`, ranges, peek)) fresh = true;
      }
    }
    return fresh;
  }

  /** A range without one of its own has the count of the one around it, so only characters can be compared. */
  #add(name: string, ranges: readonly Profiler.CoverageRange[], peek: boolean): boolean {
    const { startOffset: from, endOffset: to } = ranges[0]!;
    const known = this.#functions.get(name);
    if (known === undefined && peek) return true;
    const covered = known ?? { characters: new Uint8Array(to - from), blocks: new Set() };
    if (known === undefined) this.#functions.set(name, covered);
    const ran = new Uint8Array(to - from);
    for (const { startOffset, endOffset, count } of ranges) {
      ran.fill(count > 0 ? 1 : 0, startOffset - from, endOffset - from);
      covered.blocks.add(startOffset - from);
    }
    let fresh = known === undefined;
    for (let at = 0; at < ran.length; at++) {
      if (ran[at] === 0 || covered.characters[at] === 1) continue;
      fresh = true;
      if (peek) break;
      covered.characters[at] = 1;
    }
    return fresh;
  }

  #take(): readonly Profiler.ScriptCoverage[] {
    let result: readonly Profiler.ScriptCoverage[] = [];
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw error;
      result = answer.result;
    });
    return result;
  }
}
