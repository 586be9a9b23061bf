import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

/** `uint16 x<min..max>` with a length field of `lengthBytes` bytes; `min` and `max` are in bytes. An odd length is a {@link DecodeError}. */
export function readUint16List(r: Reader, lengthBytes: 1 | 2, min: number, max: number): number[] {
  const list = r.vector(lengthBytes, min, max);
  const values: number[] = [];
  while (list.left > 0) values.push(list.u16());
  return values;
}

/** The list that {@link readUint16List} reads. */
export function writeUint16List(w: Writer, lengthBytes: 1 | 2, values: readonly number[]): void {
  w.vector(lengthBytes, (w) => {
    for (const value of values) w.u16(value);
  });
}
