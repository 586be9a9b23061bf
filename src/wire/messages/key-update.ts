import { peerFault } from '../../errors/index.ts';
import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';
import type { KeyUpdate } from './types.ts';

/**
 * ```
 * enum {
 *     update_not_requested(0), update_requested(1), (255)
 * } KeyUpdateRequest;
 *
 * struct {
 *     KeyUpdateRequest request_update;
 * } KeyUpdate;
 * ```
 * Throws `key_update.bad_value`.
 * @spec rfc9846#section-4.7.3
 */
export function readKeyUpdate(r: Reader): KeyUpdate {
  const requestUpdate = r.u8();
  if (requestUpdate > 1) throw peerFault('key_update.bad_value', `${requestUpdate}`);
  return { type: 'key_update', requestUpdate: requestUpdate === 1 };
}

export function writeKeyUpdate(w: Writer, m: KeyUpdate): void {
  w.u8(m.requestUpdate ? 1 : 0);
}
