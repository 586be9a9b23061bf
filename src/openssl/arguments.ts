/**
 * Checks of argument types. A value of the wrong type is a mistake that C's compiler would have found, so it throws; what C reports by
 * its result never does.
 */

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'object') return `an object of type ${value.constructor?.name ?? 'Object'}`;
  return `${typeof value === 'undefined' ? '' : 'a '}${typeof value}`;
}

/** The error for an argument of the wrong type. */
export function wrongType(name: string, expected: string, value: unknown): TypeError {
  return new TypeError(`${name} must be ${expected}, not ${describe(value)}`);
}

type Class<T> = abstract new (...args: never[]) => T;

/** The object behind a handle, or `undefined` for NULL. */
export function unwrap<T>(name: string, handle: unknown, type: Class<T>): T | undefined {
  if (handle === null) return undefined;
  if (handle instanceof type) return handle;
  throw wrongType(name, `an ${type.name} or null`, handle);
}

export function expectBytes(name: string, value: unknown): asserts value is Uint8Array {
  if (!(value instanceof Uint8Array)) throw wrongType(name, 'a Uint8Array', value);
}

export function expectString(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value);
}

/** Any number: whether its value is allowed is for the function to say. */
export function expectNumber(name: string, value: unknown): asserts value is number {
  if (typeof value !== 'number') throw wrongType(name, 'a number', value);
}

export function expectInteger(name: string, value: unknown): asserts value is number {
  if (!Number.isInteger(value)) throw wrongType(name, 'an integer', value);
}

export function expectCallback(name: string, value: unknown): void {
  if (value !== null && typeof value !== 'function') throw wrongType(name, 'a function or null', value);
}
