/** The default provider: `node:crypto`, and `@noble/post-quantum` for ML-KEM where Node lacks it. */

import type { CryptoProvider } from '../../crypto/index.ts';
import { aead } from './aead.ts';
import { certificateCompression } from './compression.ts';
import { kdf, sha1 } from './hash.ts';
import { keyExchange } from './key-exchange.ts';
import { random } from './random.ts';
import { certificateKey, publicKey } from './signature.ts';

export { type CredentialOptions, createCredential } from './credential.ts';
export { createSigner, type PrivateKeyInput, parsePrivateKey } from './signature.ts';

/**
 * Cryptography of Node 20.19 and later. Holds no keys.
 *
 * The first use of X25519MLKEM768 answers with a promise on a Node without ML-KEM (before 24.7); all later ones answer at once.
 */
export const nodeCrypto: CryptoProvider = {
  name: 'node',
  random,
  kdf,
  sha1,
  aead,
  keyExchange,
  compression: certificateCompression,
  publicKey,
  certificateKey,
};
