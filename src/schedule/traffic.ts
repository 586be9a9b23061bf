import { Secret } from '../bytes/index.ts';
import type { Aead, AeadKey, Kdf } from '../crypto/index.ts';
import { expandLabel } from './expand-label.ts';

const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * The key and the 12-byte IV that protect records under a traffic secret.
 *
 * @spec rfc9846#section-7.3
 */
export function trafficKeys(kdf: Kdf, secret: Secret, aead: Aead): { key: AeadKey; iv: Uint8Array } {
  const { bytes } = secret;
  const key = expandLabel(kdf, bytes, 'key', NOTHING, aead.keyLength);
  const keys = { key: aead.withKey(key), iv: expandLabel(kdf, bytes, 'iv', NOTHING, aead.nonceLength) };
  key.fill(0);
  return keys;
}

/**
 * application_traffic_secret_N+1. Wiping the old secret is left to the caller.
 *
 * @spec rfc9846#section-7.2
 */
export function nextTrafficSecret(kdf: Kdf, secret: Secret): Secret {
  return new Secret(expandLabel(kdf, secret.bytes, 'traffic upd', NOTHING, kdf.hashLength));
}

/**
 * The verify_data of Finished, and, with a binder key and the hash of a truncated ClientHello, a PSK binder.
 *
 * @spec rfc9846#section-4.5.3
 */
export function finishedMac(kdf: Kdf, baseKey: Secret, transcriptHash: Uint8Array): Uint8Array {
  const finishedKey = expandLabel(kdf, baseKey.bytes, 'finished', NOTHING, kdf.hashLength);
  const mac = kdf.hmac(finishedKey, transcriptHash);
  finishedKey.fill(0);
  return mac;
}
