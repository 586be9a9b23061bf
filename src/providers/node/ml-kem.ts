import crypto from 'node:crypto';
import { concat, fromHex } from '../../bytes/index.ts';
import { InvalidPublicValue, type MaybePromise } from '../../crypto/index.ts';
import { plain } from './hash.ts';

/** Sizes of ML-KEM-768 in bytes (FIPS 203, table 3). */
export const ENCAPSULATION_KEY_LENGTH = 1184;
export const CIPHERTEXT_LENGTH = 1088;

/** ML-KEM-768. Callers check the lengths. */
export interface MlKem {
  generate(): MlKemKey;
  /** Throws {@link InvalidPublicValue} when `key` fails the modulus check of FIPS 203, section 7.2. */
  encapsulate(key: Uint8Array): { readonly ciphertext: Uint8Array; readonly sharedSecret: Uint8Array };
}

export interface MlKemKey {
  readonly encapsulationKey: Uint8Array;
  decapsulate(ciphertext: Uint8Array): Uint8Array;
}

/** SubjectPublicKeyInfo of ML-KEM-768 up to the key itself (RFC 9935). Node before 24.15 reads no raw keys. */
const SPKI_PREFIX: Uint8Array = fromHex('308204b2300b0609608648016503040402038204a100');

/** What Node has from version 24.7 on, and the declarations of version 20 do not know. */
interface NativeMlKem {
  generateKeyPairSync(
    type: 'ml-kem-768',
    options: { readonly publicKeyEncoding: { readonly type: 'spki'; readonly format: 'der' } },
  ): { readonly publicKey: Buffer; readonly privateKey: crypto.KeyObject };
  encapsulate(key: crypto.KeyObject): { readonly ciphertext: Buffer; readonly sharedKey: Buffer };
  decapsulate(key: crypto.KeyObject, ciphertext: Uint8Array): Buffer;
}

/** Encoded as the key is made: exporting it afterwards can hang, as X25519 in key-exchange.ts says. */
const AS_SPKI = { publicKeyEncoding: { type: 'spki', format: 'der' } } as const;

function nativeMlKem(): MlKem | undefined {
  const native = crypto as unknown as NativeMlKem & { readonly encapsulate: unknown };
  if (native.encapsulate === undefined) return undefined;
  try {
    // The functions exist with every OpenSSL; the algorithm only from 3.5 on.
    native.generateKeyPairSync('ml-kem-768', AS_SPKI);
  } catch {
    return undefined;
  }
  return {
    generate() {
      const { publicKey: spki, privateKey } = native.generateKeyPairSync('ml-kem-768', AS_SPKI);
      return {
        encapsulationKey: plain(spki.subarray(SPKI_PREFIX.length)),
        decapsulate: (ciphertext) => plain(native.decapsulate(privateKey, ciphertext)),
      };
    },
    encapsulate(key) {
      let publicKey: crypto.KeyObject;
      try {
        publicKey = crypto.createPublicKey({ key: Buffer.from(concat(SPKI_PREFIX, key)), type: 'spki', format: 'der' });
      } catch {
        throw new InvalidPublicValue('not a valid ML-KEM-768 encapsulation key');
      }
      const { ciphertext, sharedKey } = native.encapsulate(publicKey);
      return { ciphertext: plain(ciphertext), sharedSecret: plain(sharedKey) };
    },
  };
}

/**
 * ML-KEM-768 of `@noble/post-quantum`.
 * `random`: 64 bytes for a key and 32 for an encapsulation, for tests only; otherwise the runtime's.
 */
export async function portableMlKem(random?: (length: number) => Uint8Array): Promise<MlKem> {
  const { ml_kem768 } = await import('@noble/post-quantum/ml-kem.js');
  return {
    generate() {
      const { publicKey, secretKey } = ml_kem768.keygen(random?.(64));
      return {
        encapsulationKey: publicKey,
        decapsulate: (ciphertext) => ml_kem768.decapsulate(ciphertext, secretKey),
      };
    },
    encapsulate(key) {
      try {
        const { cipherText, sharedSecret } = ml_kem768.encapsulate(key, random?.(32));
        return { ciphertext: cipherText, sharedSecret };
      } catch {
        throw new InvalidPublicValue('not a valid ML-KEM-768 encapsulation key');
      }
    },
  };
}

/** Keeps what `load` answers, so that only the first use waits. A failed load is tried again. */
export function loadOnce(load: () => MaybePromise<MlKem>): () => MaybePromise<MlKem> {
  let loaded: MaybePromise<MlKem> | undefined;
  return () => {
    if (loaded !== undefined) return loaded;
    loaded = load();
    if (loaded instanceof Promise) {
      loaded.then(
        (mlKem) => {
          loaded = mlKem;
        },
        () => {
          loaded = undefined;
        },
      );
    }
    return loaded;
  };
}

/** The runtime's own, else the portable one. */
export const mlKem768: () => MaybePromise<MlKem> = loadOnce(() => nativeMlKem() ?? portableMlKem());
