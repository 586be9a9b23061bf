import type { Kdf } from '../crypto/index.ts';
import { deriveSecret } from './expand-label.ts';

/** What the key schedule derives from public constants alone: the same in every handshake. */
export interface KdfConstants {
  /** Hash.length zero bytes, the "0" of the RFC's diagram. */
  readonly zeros: Uint8Array;
  /** Transcript-Hash(""). */
  readonly emptyHash: Uint8Array;
  /** Early Secret without a PSK: HKDF-Extract(0, 0). */
  readonly earlySecret: Uint8Array;
  /** Derive-Secret(Early Secret, "derived", "") of that. */
  readonly derivedSalt: Uint8Array;
}

const KNOWN = new WeakMap<Kdf, KdfConstants>();

/** Computed at the first use of a KDF; saves two HMACs and a hash in every full handshake. */
export function constantsOf(kdf: Kdf): KdfConstants {
  const known = KNOWN.get(kdf);
  if (known !== undefined) return known;
  const zeros = new Uint8Array(kdf.hashLength);
  const emptyHash = kdf.hash(new Uint8Array(0));
  const earlySecret = kdf.hmac(zeros, zeros);
  const constants: KdfConstants = {
    zeros,
    emptyHash,
    earlySecret,
    derivedSalt: deriveSecret(kdf, earlySecret, 'derived', emptyHash),
  };
  KNOWN.set(kdf, constants);
  return constants;
}
