import { inspect } from 'node:util';
import type { TlsError } from './errors.ts';

/** As Node throws it: `name` with a dot is a property, without one an argument; `expected` such as `of type function`. */
export function wrongType(name: string, expected: string, value: unknown): TlsError {
  return typeError('ERR_INVALID_ARG_TYPE', `The ${described(name)} must be ${expected}. Received ${kindOf(value)}`);
}

/** A `TypeError` with Node's `code`. */
export function typeError(code: string, message: string): TlsError {
  return Object.assign(new TypeError(message), { code });
}

/** As Node throws it. `range` such as `>= 0 && <= 10`. */
export function outOfRange(name: string, range: string, value: unknown): TlsError {
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${inspect(value)}`;
  return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}

/** Throws Node's error unless it is a function, or left out. */
export function checkFunction(name: string, value: unknown): void {
  if (value && typeof value !== 'function') throw wrongType(name, 'of type function', value);
}

/** Throws Node's error unless it is bytes of some kind. */
export function bytesOf(name: string, value: unknown): Uint8Array {
  if (!ArrayBuffer.isView(value)) {
    throw wrongType(name, 'an instance of Buffer, TypedArray, or DataView', value);
  }
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

function described(name: string): string {
  return `"${name}" ${name.includes('.') ? 'property' : 'argument'}`;
}

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (typeof value === 'function') return `function ${value.name}`;
  if (typeof value !== 'object') {
    const shown = inspect(value);
    return `type ${typeof value} (${shown.length > 28 ? `${shown.slice(0, 25)}...` : shown})`;
  }
  const { name } = (value.constructor ?? {}) as { readonly name?: string };
  return name ? `an instance of ${name}` : inspect(value, { depth: -1 });
}
