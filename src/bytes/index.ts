/** Byte helpers that every layer may use. Nothing here knows TLS. */

export { hidden, Secret } from './secret.ts';

/** The parts, one after the other, in one new array. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/**
 * Whether two byte strings are equal, without an early exit, so that the time taken does not tell where secrets differ.
 * Lengths are not secret: unequal lengths return at once.
 */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

/** Whether all bytes are the same, as in memory that was never filled in. No early exit, for it is asked about keys. */
export function isConstant(bytes: Uint8Array): boolean {
  let difference = 0;
  for (const byte of bytes) difference |= byte ^ bytes[0]!;
  return difference === 0;
}

/**
 * The same bytes in an array of their own. Use this, not `slice`: that of a Node `Buffer` gives a view, and wiping one would wipe both.
 */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** Whether two public byte strings are equal. Not for secrets. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

const HEX: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** Bytes of a hexadecimal string; white space is ignored. Throws a `RangeError` when it is not hexadecimal. */
export function fromHex(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, '');
  if (digits.length % 2 !== 0 || /[^0-9a-fA-F]/.test(digits)) throw new RangeError('not a hexadecimal string');
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** The bytes of an ASCII or Latin-1 string, one byte a character. Throws a `RangeError` on a character above U+00FF. */
export function latin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) throw new RangeError(`character U+${code.toString(16)} is not Latin-1`);
    bytes[i] = code;
  }
  return bytes;
}

/** The string of Latin-1 bytes. */
export function fromLatin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
