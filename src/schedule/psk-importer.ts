import type { Kdf } from '../crypto/index.ts';
import { constantsOf } from './constants.ts';
import { expandLabel } from './expand-label.ts';

/**
 * The PSK that is derived from an external one for one protocol version and one hash: `ipskx`, in bytes of its own, `length` of them.
 *
 * `kdf` is that of the external PSK, not of the cipher suite; `importedIdentity` is the encoded ImportedIdentity. Neither `key` nor
 * the result is kept.
 *
 * @spec https://www.rfc-editor.org/rfc/rfc9258#section-5.1
 */
export function importPsk(kdf: Kdf, key: Uint8Array, importedIdentity: Uint8Array, length: number): Uint8Array {
  const extracted = kdf.hmac(constantsOf(kdf).zeros, key);
  const imported = expandLabel(kdf, extracted, 'derived psk', kdf.hash(importedIdentity), length);
  extracted.fill(0);
  return imported;
}
