import type { MaybePromise } from '../crypto/index.ts';
import type { Clock } from './config.ts';
import { isPromise } from './context.ts';

/**
 * What somebody outside says; `fallback` when he throws, rejects, or takes longer than `deadlineMs`, where the clock can tell.
 * An answer that comes later is dropped.
 */
export function answerOr<T>(
  fallback: T,
  question: () => MaybePromise<T>,
  clock: Clock,
  deadlineMs: number,
): MaybePromise<T> {
  let answer: MaybePromise<T>;
  try {
    answer = question();
  } catch {
    return fallback;
  }
  if (!isPromise(answer)) return answer;
  const promise = answer;
  return new Promise((resolve) => {
    const cancel = clock.after?.(deadlineMs, () => resolve(fallback));
    const settle = (value: T): void => {
      cancel?.();
      resolve(value);
    };
    promise.then(settle, () => settle(fallback));
  });
}
