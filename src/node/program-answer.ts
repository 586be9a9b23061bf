import type { MaybePromise } from '../crypto/index.ts';
import { TlsAlertError } from '../errors/index.ts';
import { codedError } from './errors.ts';

/**
 * A function of the program failed. As in node:tls the connection ends with what it threw or gave, and without an alert: the peer sees it break.
 */
export class ProgramFailure extends TlsAlertError {
  /** What the program threw or gave. */
  readonly given: Error;

  constructor(given: unknown) {
    super('local.failed', 'internal_error', 'a function of the program failed', { cause: given });
    this.given = errorOf(given);
  }
}

/** What a function of the program threw or gave as its error: without one, nobody would hear of it. */
export function errorOf(thrown: unknown): Error {
  return (thrown ?? new Error('a function of the program failed, and gave no error')) as Error;
}

export type NodeCallback<T> = (error?: unknown, answer?: T) => void;

interface Answer<T> {
  readonly error?: unknown;
  readonly answer?: T | undefined;
}

/**
 * What a function of the program answers, by callback or by promise; at once when it does. A promise of nothing answers only where the
 * function `takesNoCallback`: an async function may use the callback too.
 * Throws or rejects with {@link ProgramFailure}: for what the function throws or gives as error, and `ERR_MULTIPLE_CALLBACK`.
 */
export function answerOf<T>(
  call: (callback: NodeCallback<T>) => unknown,
  takesNoCallback: boolean,
): MaybePromise<T | undefined> {
  let given: Answer<T> | undefined;
  let settle: ((answer: Answer<T>) => void) | undefined;
  const returned = ofProgram(() =>
    call((error, answer) => {
      given = given === undefined ? { error, answer } : { error: multipleCallback() };
      settle?.(given);
    }),
  );
  if (given !== undefined) {
    if (isThenable(returned)) returned.then(undefined, ignore); // too late to count
    return answered(given);
  }
  return new Promise<Answer<T>>((resolve) => {
    settle = resolve;
    if (!isThenable<T>(returned)) return;
    returned.then(
      (answer) => {
        if (answer !== undefined || takesNoCallback) resolve({ answer });
      },
      (error: unknown) => resolve({ error: errorOf(error) }),
    );
  }).then(answered);
}

/** What `call` gives; what it throws becomes a {@link ProgramFailure}. */
export function ofProgram<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw new ProgramFailure(error);
  }
}

export function isThenable<T>(value: unknown): value is PromiseLike<T | undefined> {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === 'function';
}

function answered<T>({ error, answer }: Answer<T>): T | undefined {
  if (error) throw new ProgramFailure(error);
  return answer;
}

function ignore(): void {}

function multipleCallback(): Error {
  return codedError('ERR_MULTIPLE_CALLBACK', 'Callback called multiple times');
}
