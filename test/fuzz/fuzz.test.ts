import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Coverage } from './coverage.ts';
import { failureOf, fuzz, minimise, slice } from './fuzzer.ts';
import { type FuzzTarget, Random } from './target.ts';
import { TARGETS } from './targets/index.ts';

/** The same inputs in every run of the tests; `npm run fuzz` goes on from there. */
const SEED = 20_260_101;
/** No single input may take longer, in milliseconds, on a machine that does other things too. */
const SLOW_MS = 5_000;

describe('a slice of each target', { timeout: 120_000 }, () => {
  for (const target of TARGETS) {
    test(target.name, async () => {
      for await (const input of slice(target, SEED)) {
        const before = performance.now();
        const error = await failureOf(target, input);
        if (error !== undefined) {
          const hex = Buffer.from(input).toString('hex');
          assert.fail(new Error(`${target.name} fails for ${hex}`, { cause: error }));
        }
        assert.ok(performance.now() - before < SLOW_MS, `slow for ${Buffer.from(input).toString('hex')}`);
      }
    });
  }
});

describe('the fuzzer itself', () => {
  /** Fails for inputs that hold 42 behind 7. */
  const faulty: FuzzTarget = {
    name: 'faulty',
    about: '',
    seeds: () => [new Uint8Array(40)],
    run(input) {
      const seven = input.indexOf(7);
      if (seven >= 0 && input.indexOf(42, seven) > 0) throw new Error(`found at ${seven}`);
    },
  };

  test('finds a fault, names it once, and makes its input small', async () => {
    const coverage = new Coverage();
    coverage.start();
    const { findings, executions } = await fuzz(faulty, {
      seed: 3,
      seconds: 1,
      coverage,
      corpus: [new Uint8Array(40).fill(7)],
    });
    assert.ok(executions > 300);
    assert.deepEqual(
      findings.map(({ input }) => [...input]),
      [[7, 42]],
    );
  });

  test('the smaller input fails in the same way', async () => {
    const input = Uint8Array.of(1, 2, 7, 3, 42, 9);
    const kind = 'none of these';
    assert.deepEqual(await minimise(faulty, input, kind), input);
  });

  test('one seed, one series of inputs', async () => {
    const inputs = async (seed: number): Promise<string> => {
      let all = '';
      for await (const input of slice({ ...faulty, sliceRuns: 50 }, seed))
        all += `${Buffer.from(input).toString('hex')},`;
      return all;
    };
    assert.equal(await inputs(1), await inputs(1));
    assert.notEqual(await inputs(1), await inputs(2));
  });

  test('random numbers are spread', () => {
    const random = new Random(1);
    const counts = new Array<number>(16).fill(0);
    for (let i = 0; i < 16_000; i++) counts[random.below(16)]!++;
    for (const count of counts) assert.ok(count > 800 && count < 1_200, String(counts));
  });
});
