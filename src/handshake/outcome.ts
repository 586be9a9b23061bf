import type { MaybePromise } from '../crypto/index.ts';
import { TlsAlertError } from '../errors/index.ts';
import type { Clock } from './config.ts';
import { isPromise } from './context.ts';

/** What became of a question to the application: its answer, an error, or nothing in time. */
export type Outcome<T> =
  | { readonly is: 'answer'; readonly answer: T }
  | { readonly is: 'error'; readonly error: unknown }
  | { readonly is: 'timeout' };

/**
 * Asks, and never throws or rejects. With a clock that can wait, a promise has `deadlineMs`; an answer that comes later goes to `late`.
 */
export function outcomeOf<T>(
  ask: () => MaybePromise<T>,
  { clock, deadlineMs }: { readonly clock: Clock; readonly deadlineMs: number },
  late?: (answer: T) => void,
): MaybePromise<Outcome<T>> {
  let answer: MaybePromise<T>;
  try {
    answer = ask();
  } catch (error) {
    return { is: 'error', error };
  }
  if (!isPromise(answer)) return { is: 'answer', answer };
  const promise = answer;
  return new Promise((resolve) => {
    let over = false;
    const cancel = clock.after?.(deadlineMs, () => {
      over = true;
      resolve({ is: 'timeout' });
    });
    promise.then(
      (value) => {
        cancel?.();
        if (over) late?.(value);
        else resolve({ is: 'answer', answer: value });
      },
      (error: unknown) => {
        cancel?.();
        resolve({ is: 'error', error });
      },
    );
  });
}

/** The answer, or what an error or a timeout counts as. A TlsAlertError is the application's own word that the connection must end. */
export function answerOr<T, F>(outcome: Outcome<T>, error: F, timeout: F): T | F {
  if (outcome.is === 'answer') return outcome.answer;
  if (outcome.is === 'timeout') return timeout;
  if (outcome.error instanceof TlsAlertError) throw outcome.error;
  return error;
}
