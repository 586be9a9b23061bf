import crypto from 'node:crypto';
import type { Aead, AeadKey, AeadName } from '../../crypto/index.ts';
import { TlsUsageError } from '../../errors/index.ts';
import { plain } from './hash.ts';

/** Up to this many bytes, copying the plaintext in front of its content type is cheaper than a second call into OpenSSL. */
const ASSEMBLE_LIMIT = 2048;

class NodeAead implements Aead {
  readonly name: AeadName;
  readonly keyLength: number;
  readonly nonceLength = 12;
  readonly tagLength: number;
  readonly recordLimit: number;
  /** OpenSSL's name. Typed as GCM, which has the methods of all five; the declarations of Node ask for one overload. */
  readonly cipher: crypto.CipherGCMTypes;
  readonly options: { readonly authTagLength: number };
  /** CCM must know the length before the first byte, and takes its input in one piece. */
  readonly ccm: boolean;

  constructor(name: AeadName, cipher: string, keyLength: number, tagLength: number, recordLimit: number) {
    this.name = name;
    this.cipher = cipher as crypto.CipherGCMTypes;
    this.keyLength = keyLength;
    this.tagLength = tagLength;
    this.recordLimit = recordLimit;
    this.options = { authTagLength: tagLength };
    this.ccm = cipher.endsWith('-ccm');
  }

  withKey(key: Uint8Array): AeadKey {
    if (key.length !== this.keyLength) {
      throw new TlsUsageError(
        'crypto.key_length',
        `a key of ${this.name} has ${this.keyLength} bytes, not ${key.length}`,
      );
    }
    return new NodeAeadKey(this, WANTS_KEY_OBJECT ? crypto.createSecretKey(key) : key.slice());
  }
}

/** On Node 24 handing key bytes to a cipher costs 8 µs a record more than a KeyObject; on 20, 22 and 26 it costs less, and bytes can be wiped. */
const WANTS_KEY_OBJECT = process.versions.node.startsWith('24.');

/**
 * Memory of a KeyObject is out of reach, so that wiping it means dropping it: Node frees it with OPENSSL_clear_free once it is collected.
 */
class NodeAeadKey implements AeadKey {
  readonly aead: NodeAead;
  #key: crypto.KeyObject | Uint8Array | undefined;

  constructor(aead: NodeAead, key: crypto.KeyObject | Uint8Array) {
    this.aead = aead;
    this.#key = key;
  }

  sealRecord(
    nonce: Uint8Array,
    additionalData: Uint8Array,
    plaintext: Uint8Array,
    lastByte: number,
    zeros: number,
    out: Uint8Array,
    offset: number,
  ): void {
    const { length } = plaintext;
    const innerLength = length + 1 + zeros;
    const cipher = this.#cipher(nonce, additionalData, innerLength);
    if (this.aead.ccm || length <= ASSEMBLE_LIMIT) {
      const inner = new Uint8Array(innerLength);
      inner.set(plaintext);
      inner[length] = lastByte;
      out.set(cipher.update(inner), offset);
      inner.fill(0, 0, length);
    } else {
      const trailer = new Uint8Array(1 + zeros);
      trailer[0] = lastByte;
      out.set(cipher.update(plaintext), offset);
      out.set(cipher.update(trailer), offset + length);
    }
    cipher.final();
    out.set(cipher.getAuthTag(), offset + innerLength);
  }

  seal(nonce: Uint8Array, additionalData: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const cipher = this.#cipher(nonce, additionalData, plaintext.length);
    const sealed = new Uint8Array(plaintext.length + this.aead.tagLength);
    sealed.set(cipher.update(plaintext));
    cipher.final();
    sealed.set(cipher.getAuthTag(), plaintext.length);
    return sealed;
  }

  open(nonce: Uint8Array, additionalData: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined {
    const { aead } = this;
    const length = ciphertext.length - aead.tagLength;
    const key = this.#usable(nonce);
    if (length < 0) return undefined;
    const decipher = crypto.createDecipheriv(aead.cipher, key, nonce, aead.options);
    decipher.setAuthTag(ciphertext.subarray(length));
    if (aead.ccm) decipher.setAAD(additionalData, { plaintextLength: length });
    else decipher.setAAD(additionalData);
    let plaintext: Buffer | undefined;
    try {
      plaintext = decipher.update(ciphertext.subarray(0, length));
      decipher.final();
    } catch {
      plaintext?.fill(0);
      return undefined;
    }
    return plain(plaintext);
  }

  wipe(): void {
    if (this.#key instanceof Uint8Array) this.#key.fill(0);
    this.#key = undefined;
  }

  #usable(nonce: Uint8Array): crypto.KeyObject | Uint8Array {
    if (this.#key === undefined)
      throw new TlsUsageError('crypto.key_wiped', `a key of ${this.aead.name} was used after it was wiped`);
    if (nonce.length !== 12)
      throw new TlsUsageError('crypto.nonce_length', `a nonce has 12 bytes, not ${nonce.length}`);
    return this.#key;
  }

  #cipher(nonce: Uint8Array, additionalData: Uint8Array, plaintextLength: number): crypto.CipherGCM {
    const { aead } = this;
    const cipher = crypto.createCipheriv(aead.cipher, this.#usable(nonce), nonce, aead.options);
    if (aead.ccm) cipher.setAAD(additionalData, { plaintextLength });
    else cipher.setAAD(additionalData);
    return cipher;
  }
}

/** @spec rfc9846#section-5.5 2^24.5 full-size records */
const GCM_LIMIT = Math.floor(2 ** 24.5);
/** @spec rfc9147#appendix-B the limit of AEAD_AES_128_CCM, which rfc9846 does not state */
const CCM_LIMIT = 2 ** 23;

const AEADS: Readonly<Record<AeadName, Aead>> = {
  'aes-128-gcm': new NodeAead('aes-128-gcm', 'aes-128-gcm', 16, 16, GCM_LIMIT),
  'aes-256-gcm': new NodeAead('aes-256-gcm', 'aes-256-gcm', 32, 16, GCM_LIMIT),
  'chacha20-poly1305': new NodeAead('chacha20-poly1305', 'chacha20-poly1305', 32, 16, Number.MAX_SAFE_INTEGER),
  'aes-128-ccm': new NodeAead('aes-128-ccm', 'aes-128-ccm', 16, 16, CCM_LIMIT),
  'aes-128-ccm-8': new NodeAead('aes-128-ccm-8', 'aes-128-ccm', 16, 8, CCM_LIMIT),
};

let available: ReadonlySet<string> | undefined;

/** `undefined` when the OpenSSL of this runtime lacks the cipher, as ChaCha20 in FIPS mode. */
export function aead(name: AeadName): Aead | undefined {
  available ??= new Set(crypto.getCiphers());
  const found = AEADS[name];
  return available.has((found as NodeAead).cipher) ? found : undefined;
}
