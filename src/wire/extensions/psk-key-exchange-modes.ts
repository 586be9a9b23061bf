import { ExtensionType } from '../registry.ts';
import type { ExtensionCodec } from './codec.ts';

/**
 * Unknown modes are kept.
 *
 * ```
 * enum { psk_ke(0), psk_dhe_ke(1), (255) } PskKeyExchangeMode;
 *
 * struct {
 *     PskKeyExchangeMode ke_modes<1..255>;
 * } PskKeyExchangeModes;
 * ```
 * @spec rfc9846#section-4.3.9
 */
export const pskKeyExchangeModes: ExtensionCodec<readonly number[]> = {
  type: ExtensionType.psk_key_exchange_modes,
  read: (r) => Array.from(r.opaque(1, 1, 255)),
  write: (w, modes) => void w.opaque(1, Uint8Array.from(modes)),
};
