/** A provider for tests: the one of Node, with random values and key shares that are the same on every run. Never for real traffic. */

import crypto from 'node:crypto';
import { concat, copyOf, fromHex, latin1 } from '../../bytes/index.ts';
import type { CryptoProvider, KeyExchange } from '../../crypto/index.ts';
import { TlsUsageError } from '../../errors/index.ts';
import { NamedGroup } from '../../wire/registry.ts';
import { nodeCrypto } from '../node/index.ts';
import { hybrid, mlKem1024Alone, nistCurve, type X25519Key, x25519 } from '../node/key-exchange.ts';
import { loadOnce, ML_KEM_768, ML_KEM_1024, portableMlKem } from '../node/ml-kem.ts';

export interface TestCryptoOptions {
  /** Everything random follows from this. A string is taken as Latin-1. */
  readonly seed: string | Uint8Array;
  /** Answers to the first calls of `random`, in order; each must have the length asked for. The stream of the seed follows. */
  readonly randoms?: readonly Uint8Array[];
  /**
   * Private keys of the first key shares of each group, in order: 32 bytes for X25519, a big-endian scalar for the NIST curves.
   * X25519MLKEM768 takes two entries: 64 bytes (client: d and z of FIPS 203) or 32 bytes (server: m), then 32 bytes for X25519.
   */
  readonly keyShares?: readonly { readonly group: number; readonly privateKey: Uint8Array }[];
}

/**
 * The node provider, deterministic: two providers of the same options, asked the same, give the same bytes.
 * Signatures are the exception: OpenSSL salts RSA-PSS and ECDSA itself. Ed25519 and Ed448 are deterministic.
 *
 * The first X25519MLKEM768 answers with a promise.
 */
export function testCrypto(options: TestCryptoOptions): CryptoProvider {
  const seed = typeof options.seed === 'string' ? latin1(options.seed) : options.seed;
  const randomStream = stream(seed, 'random');
  const keyStream = stream(seed, 'key share');
  const randoms = [...(options.randoms ?? [])];
  const presets = [...(options.keyShares ?? [])];

  function random(length: number): Uint8Array {
    const preset = randoms.shift();
    if (preset === undefined) return randomStream(length);
    expectLength('randoms', preset, length);
    return copyOf(preset);
  }

  /** The next preset private key of a group, or `undefined`. */
  function preset(group: number): Uint8Array | undefined {
    const index = presets.findIndex((entry) => entry.group === group);
    return index < 0 ? undefined : presets.splice(index, 1)[0]?.privateKey;
  }

  function keyBytes(group: number, length: number): Uint8Array {
    const given = preset(group);
    if (given === undefined) return keyStream(length);
    expectLength('keyShares', given, length);
    return given;
  }

  function fill(group: number, length: number): (ecdh: crypto.ECDH) => void {
    return (ecdh) => {
      const given = preset(group);
      if (given !== undefined) {
        expectLength('keyShares', given, length);
        ecdh.setPrivateKey(given);
        return;
      }
      for (;;) {
        const scalar = keyStream(length);
        if (length === 66) scalar[0] = (scalar[0] ?? 0) & 1;
        try {
          ecdh.setPrivateKey(scalar);
          return;
        } catch {
          // Zero, or not below the order: the next bytes of the stream.
        }
      }
    };
  }

  const hybridGroup = NamedGroup.X25519MLKEM768;
  const exchanges: readonly KeyExchange[] = [
    x25519(() => x25519Key(keyBytes(NamedGroup.x25519, 32))),
    nistCurve('secp256r1', fill(NamedGroup.secp256r1, 32)),
    nistCurve('secp384r1', fill(NamedGroup.secp384r1, 48)),
    nistCurve('secp521r1', fill(NamedGroup.secp521r1, 66)),
    hybrid(
      x25519(() => x25519Key(keyBytes(hybridGroup, 32))),
      loadOnce(() => portableMlKem(ML_KEM_768, (length) => keyBytes(hybridGroup, length))),
    ),
    mlKem1024Alone(loadOnce(() => portableMlKem(ML_KEM_1024, (length) => keyBytes(NamedGroup.MLKEM1024, length)))),
  ];

  return {
    ...nodeCrypto,
    name: 'test',
    random,
    keyExchange: (group) => exchanges.find((exchange) => exchange.id === group),
  };
}

function expectLength(option: string, value: Uint8Array, length: number): void {
  if (value.length === length) return;
  throw new TlsUsageError(
    'test_crypto.preset',
    `${option}: ${length} bytes are asked for, but the next value has ${value.length}`,
  );
}

/** SHA-256 of seed, label and a counter, one block after the other. */
function stream(seed: Uint8Array, label: string): (length: number) => Uint8Array {
  const key = crypto.createHmac('sha256', seed).update(label).digest();
  let block = new Uint8Array(0);
  let counter = 0;
  return (length) => {
    const parts = [block];
    for (let have = block.length; have < length; have += 32) {
      const count = new DataView(new ArrayBuffer(8));
      count.setBigUint64(0, BigInt(counter++));
      parts.push(new Uint8Array(crypto.createHash('sha256').update(key).update(count).digest()));
    }
    const bytes = concat(...parts);
    block = bytes.slice(length);
    return bytes.slice(0, length);
  };
}

/** PKCS#8 of X25519 up to the key itself (RFC 8410). */
const PKCS8_PREFIX: Uint8Array = fromHex('302e020100300506032b656e04220420');

function x25519Key(privateBytes: Uint8Array): X25519Key {
  const der = Buffer.from(concat(PKCS8_PREFIX, privateBytes));
  const privateKey = crypto.createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const spki = crypto.createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  return { publicValue: new Uint8Array(spki.subarray(-32)), privateKey };
}
