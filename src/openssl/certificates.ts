import { constants, sign as signData } from 'node:crypto';
import type { Credential, Signer } from '../crypto/index.ts';
import { createCredential, createSigner } from '../providers/node/index.ts';
import { SignatureScheme } from '../wire/registry.ts';
import { ERR_LIB_X509 } from './constants.ts';
import { pushError } from './error-queue.ts';
import { SSL_REASON, X509_REASON } from './reasons.ts';
import type { Certificate, PrivateKey } from './x509.ts';

interface Slot {
  readonly leaf?: Certificate | undefined;
  readonly chain: readonly Certificate[];
  readonly key?: PrivateKey | undefined;
}

const RSA_HASHES: ReadonlyMap<number, string> = new Map([
  [SignatureScheme.rsa_pss_rsae_sha256, 'sha256'],
  [SignatureScheme.rsa_pss_rsae_sha384, 'sha384'],
  [SignatureScheme.rsa_pss_rsae_sha512, 'sha512'],
  [SignatureScheme.rsa_pss_pss_sha256, 'sha256'],
  [SignatureScheme.rsa_pss_pss_sha384, 'sha384'],
  [SignatureScheme.rsa_pss_pss_sha512, 'sha512'],
]);

/** A signer that never answers with a promise: what works at once in C works at once here. */
function synchronousSigner({ key }: PrivateKey): Signer {
  const signer = createSigner(key);
  return {
    schemes: signer.schemes,
    sign(scheme, data) {
      const hash = RSA_HASHES.get(scheme);
      if (hash === undefined) return signer.sign(scheme, data);
      const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
      return new Uint8Array(signData(hash, data, { key, ...pss }));
    },
  };
}

/** Certificates and keys of a context or connection, at most one pair of each key type. */
export class Certificates {
  #slots: ReadonlyMap<string, Slot> = new Map();
  #current: string | undefined;
  #credentials: readonly Credential[] | undefined;

  clone(): Certificates {
    const copy = new Certificates();
    copy.#slots = this.#slots;
    copy.#current = this.#current;
    copy.#credentials = this.#credentials;
    return copy;
  }

  /** A key that does not fit the new certificate is dropped, as in OpenSSL: certificates are set first. */
  setCertificate(leaf: Certificate, chain: readonly Certificate[] = []): void {
    const type = leaf.parsed.publicKey.asymmetricKeyType ?? 'unknown';
    const key = this.#slots.get(type)?.key;
    this.#put(type, { leaf, chain, key: key && leaf.parsed.checkPrivateKey(key.key) ? key : undefined });
  }

  setKey(key: PrivateKey): boolean {
    try {
      createSigner(key.key);
    } catch {
      pushError(SSL_REASON.UNKNOWN_CERTIFICATE_TYPE);
      return false;
    }
    const type = key.key.asymmetricKeyType ?? 'unknown';
    const slot = this.#slots.get(type);
    if (slot?.leaf && !slot.leaf.parsed.checkPrivateKey(key.key)) {
      pushError(X509_REASON.KEY_VALUES_MISMATCH, ERR_LIB_X509);
      return false;
    }
    this.#put(type, { leaf: slot?.leaf, chain: slot?.chain ?? [], key });
    return true;
  }

  addChain(certificate: Certificate): boolean {
    const slot = this.#currentSlot;
    if (slot?.leaf === undefined) {
      pushError(SSL_REASON.NO_CERTIFICATE_ASSIGNED);
      return false;
    }
    this.#put(this.#current!, { ...slot, chain: [...slot.chain, certificate] });
    return true;
  }

  /** Whether the certificate set last has its key. */
  check(): boolean {
    const slot = this.#currentSlot;
    if (slot?.leaf && slot.key) return true;
    pushError(slot?.leaf ? SSL_REASON.NO_PRIVATE_KEY_ASSIGNED : SSL_REASON.NO_CERTIFICATE_ASSIGNED);
    return false;
  }

  get current(): Certificate | undefined {
    return this.#currentSlot?.leaf;
  }

  /** The pairs that are complete, in the order they were set. Made once for all connections that share them. */
  get credentials(): readonly Credential[] {
    this.#credentials ??= [...this.#slots.values()].flatMap(({ leaf, chain, key }) =>
      leaf && key
        ? [createCredential({ cert: [leaf, ...chain].map((one) => one.der), key: synchronousSigner(key) })]
        : [],
    );
    return this.#credentials;
  }

  get #currentSlot(): Slot | undefined {
    return this.#current === undefined ? undefined : this.#slots.get(this.#current);
  }

  #put(type: string, slot: Slot): void {
    this.#slots = new Map(this.#slots).set(type, slot);
    this.#current = type;
    this.#credentials = undefined;
  }
}
