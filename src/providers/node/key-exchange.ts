import crypto from 'node:crypto';
import { concat } from '../../bytes/index.ts';
import { InvalidPublicValue, type KeyExchange, type MaybePromise } from '../../crypto/index.ts';
import { NamedGroup } from '../../wire/registry.ts';
import { plain } from './hash.ts';
import { ML_KEM_768, ML_KEM_1024, type MlKem, mlKem768, mlKem1024 } from './ml-kem.ts';

const X25519_LENGTH = 32;

/** An X25519 key for one connection. */
export interface X25519Key {
  /** 32 bytes. */
  readonly publicValue: Uint8Array;
  readonly privateKey: crypto.KeyObject;
}

/** A key exchange that never answers with a promise. */
export interface SyncKeyExchange extends KeyExchange {
  generate(): { readonly publicValue: Uint8Array; derive(peerPublicValue: Uint8Array): Uint8Array };
  encapsulate(publicValue: Uint8Array): { readonly publicValue: Uint8Array; readonly sharedSecret: Uint8Array };
}

function checkLength(name: string, value: Uint8Array, length: number): void {
  if (value.length !== length) {
    throw new InvalidPublicValue(`a public value of ${name} has ${length} bytes, not ${value.length}`);
  }
}

/** As a JWK: importing the same key as SubjectPublicKeyInfo takes ten times as long. */
function importX25519(value: Uint8Array): crypto.KeyObject {
  const x = Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64url');
  return crypto.createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
}

/** `generateKeyPairSync` as the declarations of version 20 do not know it: with the public key as a JWK. */
type NewX25519 = (
  type: 'x25519',
  options: { readonly publicKeyEncoding: { readonly format: 'jwk' } },
) => { readonly publicKey: { readonly x?: string }; readonly privateKey: crypto.KeyObject };

/**
 * The public key is encoded as it is made, not exported afterwards: `KeyObject.export` holds the lock of the key, and when the garbage
 * collector runs inside of it and frees the job that made the key, Node waits for that lock for ever. It is also faster.
 */
function newX25519(): X25519Key {
  const generate = crypto.generateKeyPairSync as unknown as NewX25519;
  const { publicKey, privateKey } = generate('x25519', { publicKeyEncoding: { format: 'jwk' } });
  if (publicKey.x === undefined) throw new Error('the runtime exported an X25519 key without its value');
  return { publicValue: plain(Buffer.from(publicKey.x, 'base64url')), privateKey };
}

/** X25519 over keys of `newKey`, each of which is used once. */
export function x25519(newKey: () => X25519Key): SyncKeyExchange {
  function derive(privateKey: crypto.KeyObject, peer: Uint8Array): Uint8Array {
    checkLength('x25519', peer, X25519_LENGTH);
    const publicKey = importX25519(peer);
    try {
      const secret = crypto.diffieHellman({ privateKey, publicKey });
      // OpenSSL refuses an all-zero result itself; other libraries under Node's interface may not (RFC 7748, section 6.1).
      if (secret.some((byte) => byte !== 0)) return plain(secret);
    } catch {
      // falls through: with well-formed keys the only failure is an all-zero result
    }
    throw new InvalidPublicValue('an x25519 public value of small order');
  }
  return {
    name: 'x25519',
    id: NamedGroup.x25519,
    generate() {
      const { publicValue, privateKey } = newKey();
      return { publicValue, derive: (peer) => derive(privateKey, peer) };
    },
    encapsulate(peer) {
      checkLength('x25519', peer, X25519_LENGTH);
      const { publicValue, privateKey } = newKey();
      return { publicValue, sharedSecret: derive(privateKey, peer) };
    },
  };
}

/** A NIST curve with uncompressed points. `fill` puts a fresh private key into a new ECDH object. */
export function nistCurve(
  name: 'secp256r1' | 'secp384r1' | 'secp521r1',
  fill: (ecdh: crypto.ECDH) => void = (ecdh) => {
    ecdh.generateKeys();
  },
): KeyExchange {
  // createECDH costs two thirds of KeyObjects on these curves, and reads points directly.
  const curve = name === 'secp256r1' ? 'prime256v1' : name;
  const pointLength = { secp256r1: 65, secp384r1: 97, secp521r1: 133 }[name];

  function newKey(): crypto.ECDH {
    const ecdh = crypto.createECDH(curve);
    fill(ecdh);
    return ecdh;
  }
  /** @spec rfc9846#section-4.3.8.2 */
  function derive(ecdh: crypto.ECDH, peer: Uint8Array): Uint8Array {
    checkLength(name, peer, pointLength);
    if (peer[0] !== 4) throw new InvalidPublicValue(`a public value of ${name} is not an uncompressed point`);
    try {
      return plain(ecdh.computeSecret(peer));
    } catch {
      throw new InvalidPublicValue(`a public value of ${name} is not a point on the curve`);
    }
  }
  return {
    name,
    id: NamedGroup[name],
    generate() {
      const ecdh = newKey();
      return { publicValue: plain(ecdh.getPublicKey()), derive: (peer) => derive(ecdh, peer) };
    },
    encapsulate(peer) {
      checkLength(name, peer, pointLength);
      const ecdh = newKey();
      return { publicValue: plain(ecdh.getPublicKey()), sharedSecret: derive(ecdh, peer) };
    },
  };
}

function then<A, B>(value: MaybePromise<A>, use: (value: A) => B): MaybePromise<B> {
  return value instanceof Promise ? value.then(use) : use(value);
}

/**
 * X25519MLKEM768: the ML-KEM part comes first in both shares and in the secret (draft-ietf-tls-ecdhe-mlkem).
 */
export function hybrid(ecdh: SyncKeyExchange, mlKem: () => MaybePromise<MlKem>): KeyExchange {
  const name = 'X25519MLKEM768';
  const { ciphertextLength, encapsulationKeyLength } = ML_KEM_768;
  return {
    name,
    id: NamedGroup.X25519MLKEM768,
    generate() {
      return then(mlKem(), (kem) => {
        const kemKey = kem.generate();
        const ecdhShare = ecdh.generate();
        return {
          publicValue: concat(kemKey.encapsulationKey, ecdhShare.publicValue),
          derive(peer: Uint8Array) {
            checkLength(name, peer, ciphertextLength + X25519_LENGTH);
            const ecdhSecret = ecdhShare.derive(peer.subarray(ciphertextLength));
            return joined(kemKey.decapsulate(peer.subarray(0, ciphertextLength)), ecdhSecret);
          },
        };
      });
    },
    encapsulate(peer) {
      checkLength(name, peer, encapsulationKeyLength + X25519_LENGTH);
      return then(mlKem(), (kem) => {
        const { ciphertext, sharedSecret } = kem.encapsulate(peer.subarray(0, encapsulationKeyLength));
        const answer = ecdh.encapsulate(peer.subarray(encapsulationKeyLength));
        return {
          publicValue: concat(ciphertext, answer.publicValue),
          sharedSecret: joined(sharedSecret, answer.sharedSecret),
        };
      });
    },
  };
}

/** MLKEM1024 alone (draft-ietf-tls-mlkem). Not among the defaults: should ML-KEM fall, nothing else protects the connection. */
export function mlKem1024Alone(mlKem: () => MaybePromise<MlKem>): KeyExchange {
  const name = 'MLKEM1024';
  const { ciphertextLength, encapsulationKeyLength } = ML_KEM_1024;
  return {
    name,
    id: NamedGroup.MLKEM1024,
    generate() {
      return then(mlKem(), (kem) => {
        const { encapsulationKey, decapsulate } = kem.generate();
        return {
          publicValue: encapsulationKey,
          derive(peer: Uint8Array) {
            checkLength(name, peer, ciphertextLength);
            return decapsulate(peer);
          },
        };
      });
    },
    encapsulate(peer) {
      checkLength(name, peer, encapsulationKeyLength);
      return then(mlKem(), (kem) => {
        const { ciphertext, sharedSecret } = kem.encapsulate(peer);
        return { publicValue: ciphertext, sharedSecret };
      });
    },
  };
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const secret = concat(first, second);
  first.fill(0);
  second.fill(0);
  return secret;
}

// Key pairs made ahead on the thread pool would save nothing: handing one over costs the main thread what making it does.
const nodeX25519 = x25519(newX25519);

const EXCHANGES: ReadonlyMap<number, KeyExchange> = new Map(
  [
    nodeX25519,
    nistCurve('secp256r1'),
    nistCurve('secp384r1'),
    nistCurve('secp521r1'),
    hybrid(nodeX25519, mlKem768),
    mlKem1024Alone(mlKem1024),
  ].map((exchange) => [exchange.id, exchange]),
);

export function keyExchange(group: number): KeyExchange | undefined {
  return EXCHANGES.get(group);
}
