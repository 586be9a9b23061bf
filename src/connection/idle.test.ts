import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IdleTimers } from './idle.ts';

test('a clock that is set back puts idleness off by one more wait, not until the clock has caught up', () => {
  let now = 1_000_000_000;
  let due: (() => void) | undefined;
  const waits: number[] = [];
  const clock = {
    now: () => now,
    after: (milliseconds: number, run: () => void) => {
      waits.push(milliseconds);
      due = run;
      return () => {};
    },
  };
  let ran = 0;
  new IdleTimers(clock).start(500, () => ran++);
  now -= 86_400_000;
  due!();
  assert.deepEqual([ran, waits], [0, [500, 500]]);
  now += 500;
  due!();
  assert.deepEqual([ran, waits], [1, [500, 500]]);
});
