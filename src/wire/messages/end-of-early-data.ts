import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';
import type { EndOfEarlyData } from './types.ts';

/**
 * ```
 * struct {} EndOfEarlyData;
 * ```
 * @spec rfc9846#section-4.6
 */
export function readEndOfEarlyData(_r: Reader): EndOfEarlyData {
  return { type: 'end_of_early_data' };
}

export function writeEndOfEarlyData(_w: Writer, _m: EndOfEarlyData): void {}
