import { concat } from '../bytes/index.ts';
import type { Aead, AeadKey, CryptoProvider, Kdf } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';

const NONCE = new Uint8Array(12);
const NO_ADDITIONAL_DATA = new Uint8Array(0);
const utf8 = new TextEncoder();

/**
 * AES-256-GCM, or ChaCha20-Poly1305 where the provider lacks it, under keys that seal one message each: HKDF-Expand(secret, label || salt).
 * A key used once needs no nonce. Throws {@link TlsUsageError} `ticket.no_aead` when the provider has neither.
 */
export class OnceAead {
  readonly #kdf: Kdf;
  readonly #aead: Aead;

  constructor(crypto: CryptoProvider) {
    const aead = crypto.aead('aes-256-gcm') ?? crypto.aead('chacha20-poly1305');
    if (aead === undefined) {
      throw new TlsUsageError(
        'ticket.no_aead',
        `the crypto provider ${crypto.name} has neither aes-256-gcm nor chacha20-poly1305, and tickets need one of them`,
      );
    }
    this.#aead = aead;
    this.#kdf = crypto.kdf('sha256');
  }

  /** Ciphertext and tag. `secret`: uniform, at least 32 bytes; `salt`: of a length that is always the same for this label, never used twice with `secret`. */
  seal(secret: Uint8Array, label: string, salt: Uint8Array, plaintext: Uint8Array): Uint8Array {
    return this.#withKey(secret, label, salt, (key) => key.seal(NONCE, NO_ADDITIONAL_DATA, plaintext));
  }

  /** The plaintext, for the caller to wipe, or `undefined` when any of it was sealed otherwise. */
  open(secret: Uint8Array, label: string, salt: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined {
    return this.#withKey(secret, label, salt, (key) => key.open(NONCE, NO_ADDITIONAL_DATA, ciphertext));
  }

  #withKey<T>(secret: Uint8Array, label: string, salt: Uint8Array, use: (key: AeadKey) => T): T {
    // The name of the AEAD: one key must not serve two.
    const info = concat(utf8.encode(`${this.#aead.name}|${label}|`), salt);
    const material = this.#kdf.expand(secret, info, this.#aead.keyLength);
    const key = this.#aead.withKey(material);
    material.fill(0);
    try {
      return use(key);
    } finally {
      key.wipe();
    }
  }
}
