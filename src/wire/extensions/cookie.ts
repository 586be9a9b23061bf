import { ExtensionType } from '../registry.ts';
import type { ExtensionCodec } from './codec.ts';

/**
 * ```
 * struct {
 *     opaque cookie<1..2^16-1>;
 * } Cookie;
 * ```
 * @spec rfc9846#section-4.3.2
 */
export const cookie: ExtensionCodec<Uint8Array> = {
  type: ExtensionType.cookie,
  read: (r) => r.opaque(2, 1, 0xffff),
  write: (w, value) => void w.opaque(2, value),
};
