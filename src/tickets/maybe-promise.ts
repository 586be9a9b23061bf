import type { MaybePromise } from '../crypto/index.ts';

/** Goes on with `value`: at once when it is there, later when it is a promise, so that what is synchronous stays so. */
export function andThen<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return isPromise(value) ? value.then(next) : next(value);
}

/** Any thenable: clients of stores bring promises of their own. */
export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
