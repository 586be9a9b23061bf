import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/** How the `extension_data` of one extension type is read and written in one kind of message. */
export interface ExtensionCodec<V> {
  /** `extension_type`. */
  readonly type: number;
  /**
   * Reads `extension_data`; the caller refuses what is left over. `undefined`: well-formed, but nothing that this stack
   * understands, so the extension counts as absent. Throws a {@link DecodeError}.
   */
  read(r: Reader): V | undefined;
  /** Writes `extension_data`. */
  write(w: Writer, value: V): void;
}

/** An extension whose `extension_data` is empty: being there is all it says. */
export function emptyExtension(type: number): ExtensionCodec<true> {
  return { type, read: () => true, write: () => {} };
}
