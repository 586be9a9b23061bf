import { ExtensionType } from '../registry.ts';
import { readUint16List, writeUint16List } from '../uint16-list.ts';
import type { ExtensionCodec } from './codec.ts';

/**
 * In ClientHello. Unknown versions are kept.
 *
 * ```
 * struct {
 *     select (Handshake.msg_type) {
 *         case client_hello:
 *              ProtocolVersion versions<2..254>;
 *
 *         case server_hello: // and HelloRetryRequest
 *              ProtocolVersion selected_version;
 *     };
 * } SupportedVersions;
 * ```
 * @spec rfc9846#section-4.3.1
 */
export const supportedVersions: ExtensionCodec<readonly number[]> = {
  type: ExtensionType.supported_versions,
  read: (r) => readUint16List(r, 1, 2, 254),
  write: (w, versions) => writeUint16List(w, 1, versions),
};

/** In ServerHello and HelloRetryRequest. */
export const selectedVersion: ExtensionCodec<number> = {
  type: ExtensionType.supported_versions,
  read: (r) => r.u16(),
  write: (w, version) => void w.u16(version),
};
