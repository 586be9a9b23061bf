import { readExtensions, writeExtensions } from '../extensions/block.ts';
import { ENCRYPTED_EXTENSIONS } from '../extensions/table.ts';
import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';
import type { EncryptedExtensions } from './types.ts';

/**
 * ```
 * struct {
 *     Extension extensions<0..2^16-1>;
 * } EncryptedExtensions;
 * ```
 * @spec rfc9846#section-4.4.1
 */
export function readEncryptedExtensions(r: Reader): EncryptedExtensions {
  const { values, types } = readExtensions(r, ENCRYPTED_EXTENSIONS);
  return { type: 'encrypted_extensions', extensions: values, extensionTypes: types };
}

export function writeEncryptedExtensions(w: Writer, m: EncryptedExtensions): void {
  writeExtensions(w, ENCRYPTED_EXTENSIONS, m.extensions);
}
