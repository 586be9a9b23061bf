/** The few EVP_ functions that a ticket key callback calls: it names a cipher, a digest and their keys; the library does the rest. */

import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { copyOf, equalConstantTime } from '../bytes/index.ts';
import { expectBytes, expectInteger, expectString, unwrap } from './arguments.ts';
import { type EVP_CIPHER, type EVP_CIPHER_CTX, type EVP_MAC_CTX, Opaque } from './types.ts';

const IV_LENGTH = 16;
const DIGESTS: Readonly<Record<string, { readonly name: string; readonly length: number }>> = {
  SHA256: { name: 'sha256', length: 32 },
  SHA384: { name: 'sha384', length: 48 },
  SHA512: { name: 'sha512', length: 64 },
};

class Cipher extends Opaque<'EVP_CIPHER'> {
  readonly name: string;
  readonly keyLength: number;

  constructor(name: string, keyLength: number) {
    super();
    this.name = name;
    this.keyLength = keyLength;
  }
}

const CIPHERS = {
  128: new Cipher('aes-128-cbc', 16),
  192: new Cipher('aes-192-cbc', 24),
  256: new Cipher('aes-256-cbc', 32),
} as const;

export class CipherContext extends Opaque<'EVP_CIPHER_CTX'> {
  cipher: Cipher | undefined;
  key: Uint8Array | undefined;
  iv: Uint8Array | undefined;

  /** `undefined` when the program did not set everything, or the text is not what this key encrypted. */
  run(text: Uint8Array, encrypt: boolean): Uint8Array | undefined {
    const { cipher, key, iv } = this;
    if (cipher === undefined || key === undefined || iv === undefined) return undefined;
    const worker = (encrypt ? createCipheriv : createDecipheriv)(cipher.name, key, iv);
    try {
      return new Uint8Array(Buffer.concat([worker.update(text), worker.final()]));
    } catch {
      return undefined;
    }
  }

  wipe(): void {
    this.key?.fill(0);
    this.key = undefined;
  }
}

export class MacContext extends Opaque<'EVP_MAC_CTX'> {
  digest: string | undefined;
  key: Uint8Array | undefined;

  /** Bytes of the MAC, `undefined` when the program did not set everything. */
  get length(): number | undefined {
    return this.key === undefined ? undefined : DIGESTS[this.digest ?? '']?.length;
  }

  mac(data: Uint8Array): Uint8Array | undefined {
    const digest = DIGESTS[this.digest ?? ''];
    if (digest === undefined || this.key === undefined) return undefined;
    return new Uint8Array(createHmac(digest.name, this.key).update(data).digest());
  }

  verify(data: Uint8Array, mac: Uint8Array): boolean {
    const expected = this.mac(data);
    return expected !== undefined && equalConstantTime(expected, mac);
  }

  wipe(): void {
    this.key?.fill(0);
    this.key = undefined;
  }
}

export function EVP_aes_128_cbc(): EVP_CIPHER {
  return CIPHERS[128];
}

export function EVP_aes_192_cbc(): EVP_CIPHER {
  return CIPHERS[192];
}

export function EVP_aes_256_cbc(): EVP_CIPHER {
  return CIPHERS[256];
}

/**
 * Sets the cipher, key and IV (16 bytes) of the ticket; `null` leaves what was set before. Whether it encrypts is up to the library,
 * which knows. 0 when a length is not the cipher's.
 */
export function EVP_CipherInit_ex(
  cipherCtx: EVP_CIPHER_CTX | null,
  cipher: EVP_CIPHER | null,
  _engine: null,
  key: Uint8Array | null,
  iv: Uint8Array | null,
  enc: number,
): number {
  const context = unwrap('cipherCtx', cipherCtx, CipherContext);
  const known = unwrap('cipher', cipher, Cipher);
  if (key !== null) expectBytes('key', key);
  if (iv !== null) expectBytes('iv', iv);
  expectInteger('enc', enc);
  if (context === undefined) return 0;
  if (known !== undefined) context.cipher = known;
  if (context.cipher === undefined) return 0;
  if (key !== null && key.length < context.cipher.keyLength) return 0;
  if (iv !== null && iv.length < IV_LENGTH) return 0;
  if (key !== null) context.key = copyOf(key.subarray(0, context.cipher.keyLength));
  if (iv !== null) context.iv = copyOf(iv.subarray(0, IV_LENGTH));
  return 1;
}

/** As {@link EVP_CipherInit_ex}. */
export function EVP_EncryptInit_ex(
  cipherCtx: EVP_CIPHER_CTX | null,
  cipher: EVP_CIPHER | null,
  engine: null,
  key: Uint8Array | null,
  iv: Uint8Array | null,
): number {
  return EVP_CipherInit_ex(cipherCtx, cipher, engine, key, iv, 1);
}

/** As {@link EVP_CipherInit_ex}. */
export function EVP_DecryptInit_ex(
  cipherCtx: EVP_CIPHER_CTX | null,
  cipher: EVP_CIPHER | null,
  engine: null,
  key: Uint8Array | null,
  iv: Uint8Array | null,
): number {
  return EVP_CipherInit_ex(cipherCtx, cipher, engine, key, iv, 0);
}

/** Sets the key and digest (`SHA256`, `SHA384`, `SHA512`) of the ticket's HMAC. 0 for another digest, or an empty key. */
export function EVP_MAC_CTX_set_params(
  macCtx: EVP_MAC_CTX | null,
  parameters: { readonly key: Uint8Array; readonly digest: string },
): number {
  const context = unwrap('macCtx', macCtx, MacContext);
  expectBytes('key', parameters.key);
  expectString('digest', parameters.digest);
  const digest = parameters.digest.toUpperCase().replace(/^SHA(?:-2|2)?-/, 'SHA');
  if (context === undefined || !(digest in DIGESTS) || parameters.key.length === 0) return 0;
  context.digest = digest;
  context.key = copyOf(parameters.key);
  return 1;
}
