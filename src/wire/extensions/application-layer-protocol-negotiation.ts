import { fromLatin1, latin1 } from '../../bytes/index.ts';
import { DecodeError, type Reader } from '../reader.ts';
import { ExtensionType } from '../registry.ts';
import type { Writer } from '../writer.ts';
import type { ExtensionCodec } from './codec.ts';

function readNames(r: Reader): string[] {
  const list = r.vector(2, 2, 0xffff);
  const names: string[] = [];
  while (list.left > 0) names.push(fromLatin1(list.opaque(1, 1, 255)));
  return names;
}

function writeNames(w: Writer, names: readonly string[]): void {
  w.vector(2, (w) => {
    for (const name of names) w.opaque(1, latin1(name));
  });
}

/**
 * In ClientHello: the protocols offered, one Latin-1 character a byte, because names need not be text.
 *
 * ```
 * opaque ProtocolName<1..2^8-1>;
 *
 * struct {
 *     ProtocolName protocol_name_list<2..2^16-1>
 * } ProtocolNameList;
 * ```
 * @spec rfc7301#section-3.1
 */
export const alpn: ExtensionCodec<readonly string[]> = {
  type: ExtensionType.application_layer_protocol_negotiation,
  read: readNames,
  write: writeNames,
};

/**
 * In EncryptedExtensions: the protocol selected. The list "MUST contain exactly one ProtocolName".
 * @spec rfc7301#section-3.1
 */
export const alpnSelected: ExtensionCodec<string> = {
  type: ExtensionType.application_layer_protocol_negotiation,

  read(r) {
    const names = readNames(r);
    if (names.length !== 1) throw new DecodeError(`${names.length} protocols selected`);
    return names[0]!;
  },

  write: (w, name) => writeNames(w, [name]),
};
