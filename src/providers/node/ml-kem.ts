import crypto from 'node:crypto';
import { concat, fromHex } from '../../bytes/index.ts';
import { InvalidPublicValue, type MaybePromise } from '../../crypto/index.ts';
import { plain } from './hash.ts';

/** A parameter set of ML-KEM, with sizes in bytes (FIPS 203, table 3). */
export interface MlKemSet {
  readonly name: 'ml-kem-768' | 'ml-kem-1024';
  readonly encapsulationKeyLength: number;
  readonly ciphertextLength: number;
  /** SubjectPublicKeyInfo up to the key itself (RFC 9935). Node before 24.15 reads no raw keys. */
  readonly spkiPrefix: Uint8Array;
}

export const ML_KEM_768: MlKemSet = {
  name: 'ml-kem-768',
  encapsulationKeyLength: 1184,
  ciphertextLength: 1088,
  spkiPrefix: fromHex('308204b2300b0609608648016503040402038204a100'),
};
export const ML_KEM_1024: MlKemSet = {
  name: 'ml-kem-1024',
  encapsulationKeyLength: 1568,
  ciphertextLength: 1568,
  spkiPrefix: fromHex('30820632300b06096086480165030404030382062100'),
};

/** ML-KEM of one parameter set. Callers check the lengths. */
export interface MlKem {
  generate(): MlKemKey;
  /** Throws {@link InvalidPublicValue} when `key` fails the modulus check of FIPS 203, section 7.2. */
  encapsulate(key: Uint8Array): { readonly ciphertext: Uint8Array; readonly sharedSecret: Uint8Array };
}

export interface MlKemKey {
  readonly encapsulationKey: Uint8Array;
  decapsulate(ciphertext: Uint8Array): Uint8Array;
}

/** What Node has from version 24.7 on, and the declarations of version 20 do not know. */
interface NativeMlKem {
  generateKeyPairSync(
    type: MlKemSet['name'],
    options: { readonly publicKeyEncoding: { readonly type: 'spki'; readonly format: 'der' } },
  ): { readonly publicKey: Buffer; readonly privateKey: crypto.KeyObject };
  encapsulate(key: crypto.KeyObject): { readonly ciphertext: Buffer; readonly sharedKey: Buffer };
  decapsulate(key: crypto.KeyObject, ciphertext: Uint8Array): Buffer;
}

/** Encoded as the key is made: exporting it afterwards can hang, as X25519 in key-exchange.ts says. */
const AS_SPKI = { publicKeyEncoding: { type: 'spki', format: 'der' } } as const;

function nativeMlKem({ name, spkiPrefix }: MlKemSet): MlKem | undefined {
  const native = crypto as unknown as NativeMlKem & { readonly encapsulate: unknown };
  if (native.encapsulate === undefined) return undefined;
  try {
    // The functions exist with every OpenSSL; the algorithm only from 3.5 on.
    native.generateKeyPairSync(name, AS_SPKI);
  } catch {
    return undefined;
  }
  return {
    generate() {
      const { publicKey: spki, privateKey } = native.generateKeyPairSync(name, AS_SPKI);
      return {
        encapsulationKey: plain(spki.subarray(spkiPrefix.length)),
        decapsulate: (ciphertext) => plain(native.decapsulate(privateKey, ciphertext)),
      };
    },
    encapsulate(key) {
      let publicKey: crypto.KeyObject;
      try {
        publicKey = crypto.createPublicKey({ key: Buffer.from(concat(spkiPrefix, key)), type: 'spki', format: 'der' });
      } catch {
        throw new InvalidPublicValue(`not a valid encapsulation key of ${name}`);
      }
      const { ciphertext, sharedKey } = native.encapsulate(publicKey);
      return { ciphertext: plain(ciphertext), sharedSecret: plain(sharedKey) };
    },
  };
}

/**
 * ML-KEM of `@noble/post-quantum`.
 * `random`: 64 bytes for a key and 32 for an encapsulation, for tests only; otherwise the runtime's.
 */
export async function portableMlKem({ name }: MlKemSet, random?: (length: number) => Uint8Array): Promise<MlKem> {
  const { ml_kem768, ml_kem1024 } = await import('@noble/post-quantum/ml-kem.js');
  const kem = name === 'ml-kem-768' ? ml_kem768 : ml_kem1024;
  return {
    generate() {
      const { publicKey, secretKey } = kem.keygen(random?.(64));
      return {
        encapsulationKey: publicKey,
        decapsulate: (ciphertext) => kem.decapsulate(ciphertext, secretKey),
      };
    },
    encapsulate(key) {
      try {
        const { cipherText, sharedSecret } = kem.encapsulate(key, random?.(32));
        return { ciphertext: cipherText, sharedSecret };
      } catch {
        throw new InvalidPublicValue(`not a valid encapsulation key of ${name}`);
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
export const mlKem768: () => MaybePromise<MlKem> = loadOnce(() => nativeMlKem(ML_KEM_768) ?? portableMlKem(ML_KEM_768));
export const mlKem1024: () => MaybePromise<MlKem> = loadOnce(
  () => nativeMlKem(ML_KEM_1024) ?? portableMlKem(ML_KEM_1024),
);
