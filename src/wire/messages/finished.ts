import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';
import type { Finished } from './types.ts';

/**
 * The length depends on the cipher suite, so the key schedule judges it.
 *
 * ```
 * struct {
 *     opaque verify_data[Hash.length];
 * } Finished;
 * ```
 * @spec rfc9846#section-4.5.3
 */
export function readFinished(r: Reader): Finished {
  return { type: 'finished', verifyData: r.rest() };
}

export function writeFinished(w: Writer, m: Finished): void {
  w.raw(m.verifyData);
}
