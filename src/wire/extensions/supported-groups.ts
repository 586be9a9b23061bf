import { ExtensionType } from '../registry.ts';
import { readUint16List, writeUint16List } from '../uint16-list.ts';
import type { ExtensionCodec } from './codec.ts';

/**
 * ```
 * struct {
 *     NamedGroup named_group_list<2..2^16-1>;
 * } NamedGroupList;
 * ```
 * @spec rfc9846#section-4.3.7
 */
export const supportedGroups: ExtensionCodec<readonly number[]> = {
  type: ExtensionType.supported_groups,
  read: (r) => readUint16List(r, 2, 2, 0xffff),
  write: (w, groups) => writeUint16List(w, 2, groups),
};
