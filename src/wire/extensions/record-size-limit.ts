import { ExtensionType } from '../registry.ts';
import type { ExtensionCodec } from './codec.ts';

/**
 * In bytes. The lower limit of 64 is judged by the handshake.
 *
 * ```
 * uint16 RecordSizeLimit;
 * ```
 * @spec rfc8449#section-4
 */
export const recordSizeLimit: ExtensionCodec<number> = {
  type: ExtensionType.record_size_limit,
  read: (r) => r.u16(),
  write: (w, limit) => void w.u16(limit),
};
