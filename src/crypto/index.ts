/**
 * What the protocol needs from cryptography. Interfaces only: the application chooses a provider.
 *
 * Synchronous by contract: hash, KDF, AEAD, random. Key exchange, signing and verification may answer with a promise.
 */

export type MaybePromise<T> = T | Promise<T>;

export type HashName = 'sha256' | 'sha384';

/** A running hash. */
export interface Hash {
  update(data: Uint8Array): void;
  /** The hash of everything so far; the object can go on being updated. */
  digest(): Uint8Array;
  copy(): Hash;
}

/** A hash with the HMAC and HKDF functions over it (RFC 5869). */
export interface Kdf {
  readonly hashName: HashName;
  /** Output length in bytes. */
  readonly hashLength: number;
  createHash(): Hash;
  /** The hash of `data`. */
  hash(data: Uint8Array): Uint8Array;
  hmac(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** HKDF-Expand: `length` bytes, at most 255 * hashLength. */
  expand(prk: Uint8Array, info: Uint8Array, length: number): Uint8Array;
}

export type AeadName = 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305' | 'aes-128-ccm' | 'aes-128-ccm-8';

export interface Aead {
  readonly name: AeadName;
  readonly keyLength: number;
  readonly nonceLength: 12;
  readonly tagLength: number;
  /** Records that may be protected under one key, rfc9846#section-5.5. */
  readonly recordLimit: number;
  /** Binds a copy of a key of `keyLength` bytes, which {@link AeadKey.wipe} wipes. */
  withKey(key: Uint8Array): AeadKey;
}

export interface AeadKey {
  readonly aead: Aead;
  /**
   * Encrypts `plaintext` followed by the single byte `lastByte` (the inner content type), followed by `zeros` zero bytes (padding),
   * and writes ciphertext and tag into `out` at `offset`: `plaintext.length + 1 + zeros + tagLength` bytes.
   */
  sealRecord(
    nonce: Uint8Array,
    additionalData: Uint8Array,
    plaintext: Uint8Array,
    lastByte: number,
    zeros: number,
    out: Uint8Array,
    offset: number,
  ): void;
  /** Ciphertext followed by the tag. */
  seal(nonce: Uint8Array, additionalData: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** The plaintext in a new array, or `undefined` when the tag is wrong or the input is shorter than a tag. */
  open(nonce: Uint8Array, additionalData: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined;
  wipe(): void;
}

/** A key exchange in the shape of a KEM, which fits (EC)DH and hybrids alike. */
export interface KeyExchange {
  /** The RFC's name, such as `x25519`, `secp256r1`, `X25519MLKEM768`. */
  readonly name: string;
  /** The code point of the NamedGroup. */
  readonly id: number;
  /** The client's half: a fresh key, used for one connection only. */
  generate(): MaybePromise<KeyShare>;
  /**
   * The server's half: answers the client's public value.
   * Throws or rejects with {@link InvalidPublicValue} when it is not valid.
   */
  encapsulate(
    publicValue: Uint8Array,
  ): MaybePromise<{ readonly publicValue: Uint8Array; readonly sharedSecret: Uint8Array }>;
}

export interface KeyShare {
  readonly publicValue: Uint8Array;
  /** Throws or rejects with {@link InvalidPublicValue} when the peer's value is not valid. */
  derive(peerPublicValue: Uint8Array): MaybePromise<Uint8Array>;
}

/** The peer's key share is not a valid public value: wrong length, not on the curve, or an all-zero result. */
export class InvalidPublicValue extends Error {
  override readonly name = 'InvalidPublicValue';
}

/** A private key, wherever it lives: in this process, in an HSM, behind a network call. */
export interface Signer {
  /** Code points of the SignatureSchemes this key can make, in order of preference. */
  readonly schemes: readonly number[];
  /** The signature over `data` (hashing included), in the encoding TLS uses (DER for ECDSA). */
  sign(scheme: number, data: Uint8Array): MaybePromise<Uint8Array>;
}

/** A public key out of a certificate. */
export interface PublicKey {
  /** SignatureSchemes that this key can verify in CertificateVerify, and PKCS#1 schemes for certificates. */
  readonly schemes: readonly number[];
  /** Size of the key: RSA modulus or curve order, in bits. */
  readonly bits: number;
  /**
   * False for a wrong signature and for a scheme that does not fit the key. Of an ECDSA scheme only the hash counts here, as
   * certificates need it; CertificateVerify must keep to `schemes`.
   */
  verify(scheme: number, data: Uint8Array, signature: Uint8Array): MaybePromise<boolean>;
}

/** A public key of a kind that this provider, or TLS 1.3, does not support. */
export class UnsupportedKey extends Error {
  override readonly name = 'UnsupportedKey';
}

/** A way to make certificates smaller on the wire. No secret goes through it. */
export interface Compression {
  /** The RFC's name and code point. */
  readonly name: CertificateCompressionName;
  readonly id: number;
  /** Done once for each certificate and kept, unless its staple changes. */
  compress(data: Uint8Array): Uint8Array;
  /**
   * Exactly `length` bytes, 1 to 2^24-1, out of all of `data`; `undefined` when that is not what comes out. Must not make more than these,
   * whatever `data` says.
   */
  decompress(data: Uint8Array, length: number): Uint8Array | undefined;
}

export type CertificateCompressionName = 'zlib' | 'brotli' | 'zstd';

export interface CryptoProvider {
  readonly name: string;
  /** `length` unpredictable bytes. */
  random(length: number): Uint8Array;
  kdf(hash: HashName): Kdf;
  /**
   * 20 bytes, only to recognise names and keys that others wrote by it (OCSP, RFC 6960), never to trust anything. Without it, stapled
   * responses that name certificates so, as nearly all do, are about none.
   */
  sha1?(data: Uint8Array): Uint8Array;
  /** `undefined` when this provider does not have it. */
  aead(name: AeadName): Aead | undefined;
  /** By code point; `undefined` when this provider does not have it. */
  keyExchange(group: number): KeyExchange | undefined;
  /** By the code point of a CertificateCompressionAlgorithm; `undefined` when this provider does not have it. */
  compression?(algorithm: number): Compression | undefined;
  /** The key in a SubjectPublicKeyInfo (DER). Throws {@link UnsupportedKey}, or another error when it cannot be read. */
  publicKey(spki: Uint8Array): PublicKey;
  /** The key of a certificate (DER). Throws {@link UnsupportedKey}, or another error when it cannot be read. */
  certificateKey(certificate: Uint8Array): PublicKey;
}

/** What a server or client proves its identity with: certificates, leaf first, and the key of the leaf. */
export interface Credential {
  /** DER, leaf first, each certifying the one before. */
  readonly chain: readonly Uint8Array[];
  readonly signer: Signer;
  /** DNS names and IP addresses of the leaf's subjectAltName, lower case, wildcards as in the certificate. */
  readonly names: readonly string[];
  /** A DER OCSP response to staple. */
  readonly ocspResponse?: Uint8Array;
  /** Distinguished names (DER): it is shown only to a peer that names one of them in `certificate_authorities`. Default: to any peer. */
  readonly onlyForAuthorities?: readonly Uint8Array[];
}
