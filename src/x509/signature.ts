import type { CryptoProvider, MaybePromise } from '../crypto/index.ts';
import { keyFacts, signatureAlgorithm } from './algorithms.ts';

/** A question that yields where a signature is to be checked and is resumed with the answer. */
export type Steps<T> = Generator<MaybePromise<boolean>, T, boolean>;

/** What somebody signed, and how. */
export interface Signed {
  readonly tbs: Uint8Array;
  /** AlgorithmIdentifier, DER. */
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
}

/** Whether the owner of the key (SubjectPublicKeyInfo) signed it, not with MD5 or SHA-1. What cannot be read is not valid. */
export function isSigned(signed: Signed, spki: Uint8Array, crypto: CryptoProvider): MaybePromise<boolean> {
  try {
    const scheme = signatureAlgorithm(signed.signatureAlgorithm)[keyFacts(spki).kind];
    if (scheme === undefined) return false;
    const valid = crypto.publicKey(spki).verify(scheme, signed.tbs, signed.signature);
    return typeof valid === 'boolean' ? valid : valid.catch(() => false);
  } catch {
    return false;
  }
}
