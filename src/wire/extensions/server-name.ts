import { fromLatin1, latin1 } from '../../bytes/index.ts';
import { DecodeError } from '../reader.ts';
import { ExtensionType } from '../registry.ts';
import { type ExtensionCodec, emptyExtension } from './codec.ts';

const HOST_NAME = 0;

/**
 * In ClientHello: the `host_name`, or `undefined` when the list has other kinds of names only.
 *
 * ```
 * struct {
 *     NameType name_type;
 *     select (name_type) {
 *         case host_name: HostName;
 *     } name;
 * } ServerName;
 *
 * enum { host_name(0), (255) } NameType;
 *
 * opaque HostName<1..2^16-1>;
 *
 * struct {
 *     ServerName server_name_list<1..2^16-1>
 * } ServerNameList;
 * ```
 * @spec rfc6066#section-3
 */
export const serverName: ExtensionCodec<string> = {
  type: ExtensionType.server_name,

  read(r) {
    const list = r.vector(2, 1, 0xffff);
    const seen = new Set<number>();
    let hostName: string | undefined;
    while (list.left > 0) {
      const nameType = list.u8();
      // rfc6066#section-3: "MUST NOT contain more than one name of the same name_type".
      if (seen.has(nameType)) throw new DecodeError(`two names of type ${nameType}`);
      seen.add(nameType);
      // Names of every future type begin with a 16-bit length, so that they can be skipped.
      if (nameType === HOST_NAME) hostName = hostNameText(list.opaque(2, 1, 0xffff));
      else list.opaque(2, 0, 0xffff);
    }
    return hostName;
  },

  write(w, hostName) {
    w.vector(2, (w) => w.u8(HOST_NAME).opaque(2, latin1(hostName)));
  },
};

/** In EncryptedExtensions the server says with an empty extension that it used the name. */
export const serverNameAcknowledgement: ExtensionCodec<true> = emptyExtension(ExtensionType.server_name);

/** A host name is ASCII (rfc6066#section-3). Control characters and spaces would only serve to confuse logs and comparisons. */
function hostNameText(bytes: Uint8Array): string {
  for (const byte of bytes)
    if (byte <= 0x20 || byte >= 0x7f) throw new DecodeError('a host_name that is not printable ASCII');
  return fromLatin1(bytes);
}
