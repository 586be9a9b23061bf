import type { KeyShareEntry } from '../messages/types.ts';
import type { Reader } from '../reader.ts';
import { ExtensionType } from '../registry.ts';
import type { Writer } from '../writer.ts';
import type { ExtensionCodec } from './codec.ts';

function readEntry(r: Reader): KeyShareEntry {
  return { group: r.u16(), keyExchange: r.opaque(2, 1, 0xffff) };
}

function writeEntry(w: Writer, entry: KeyShareEntry): void {
  w.u16(entry.group).opaque(2, entry.keyExchange);
}

/**
 * In ClientHello. An empty list asks for a HelloRetryRequest; duplicates are judged by the handshake.
 *
 * ```
 * struct {
 *     NamedGroup group;
 *     opaque key_exchange<1..2^16-1>;
 * } KeyShareEntry;
 *
 * struct {
 *     KeyShareEntry client_shares<0..2^16-1>;
 * } KeyShareClientHello;
 * ```
 * @spec rfc9846#section-4.3.8
 */
export const keyShareList: ExtensionCodec<readonly KeyShareEntry[]> = {
  type: ExtensionType.key_share,

  read(r) {
    const list = r.vector(2, 0, 0xffff);
    const entries: KeyShareEntry[] = [];
    while (list.left > 0) entries.push(readEntry(list));
    return entries;
  },

  write(w, entries) {
    w.vector(2, (w) => {
      for (const entry of entries) writeEntry(w, entry);
    });
  },
};

/**
 * In ServerHello.
 *
 * ```
 * struct {
 *     KeyShareEntry server_share;
 * } KeyShareServerHello;
 * ```
 * @spec rfc9846#section-4.3.8
 */
export const keyShareEntry: ExtensionCodec<KeyShareEntry> = {
  type: ExtensionType.key_share,
  read: readEntry,
  write: writeEntry,
};

/**
 * In HelloRetryRequest.
 *
 * ```
 * struct {
 *     NamedGroup selected_group;
 * } KeyShareHelloRetryRequest;
 * ```
 * @spec rfc9846#section-4.3.8
 */
export const keyShareGroup: ExtensionCodec<number> = {
  type: ExtensionType.key_share,
  read: (r) => r.u16(),
  write: (w, group) => void w.u16(group),
};
