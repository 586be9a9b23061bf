/**
 * Keys and certificates in PKCS#12 (RFC 7292), as far as OpenSSL 3 writes it. node:tls reads the same bytes first: it checks the MAC and the
 * passphrase, and says what is wrong with them; but it does not give out what it read. Here the container is only taken apart.
 */
import { createDecipheriv, createHash, createPrivateKey, type KeyObject, pbkdf2Sync } from 'node:crypto';
import { TlsUsageError } from '../errors/index.ts';
import { contextTag, DerError, DerReader, Tag } from '../x509/der.ts';
import { refuseAsNode } from './as-node.ts';

export interface Pkcs12 {
  readonly key: KeyObject;
  /** DER, in the order of the file. */
  readonly certificates: readonly Uint8Array[];
}

const DATA = '1.2.840.113549.1.7.1';
const ENCRYPTED_DATA = '1.2.840.113549.1.7.6';
const BAG = {
  key: '1.2.840.113549.1.12.10.1.1',
  shroudedKey: '1.2.840.113549.1.12.10.1.2',
  certificate: '1.2.840.113549.1.12.10.1.3',
  safeContents: '1.2.840.113549.1.12.10.1.6',
} as const;
const X509_CERTIFICATE = '1.2.840.113549.1.9.22.1';
const PBES2 = '1.2.840.113549.1.5.13';
const PBKDF2 = '1.2.840.113549.1.5.12';

/** Encryption schemes of PBES2, RFC 8018, and of AES. */
const CIPHERS: Readonly<Record<string, readonly [name: string, keyLength: number]>> = {
  '2.16.840.1.101.3.4.1.2': ['aes-128-cbc', 16],
  '2.16.840.1.101.3.4.1.22': ['aes-192-cbc', 24],
  '2.16.840.1.101.3.4.1.42': ['aes-256-cbc', 32],
  '1.2.840.113549.3.7': ['des-ede3-cbc', 24],
};
/** Pseudorandom functions of PBKDF2. */
const HASHES: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.8': 'sha224',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
};
/** RFC 7292, appendix C: with SHA-1. RC2 only where Node was told to have it. */
const OLD_CIPHERS: Readonly<Record<string, readonly [name: string, keyLength: number]>> = {
  '1.2.840.113549.1.12.1.3': ['des-ede3-cbc', 24],
  '1.2.840.113549.1.12.1.6': ['rc2-40-cbc', 5],
};

const MAX_ITERATIONS = 10_000_000;
const MAX_BAGS = 256;

/**
 * Reads a PKCS#12 file. Throws what node:tls throws for bytes that are none, and for a wrong passphrase; and {@link TlsUsageError}
 * `context.bad_pfx` for what it reads and we do not: BER that is not DER, and other ciphers.
 */
export function readPkcs12(bytes: Uint8Array, passphrase: string | undefined): Pkcs12 {
  refuseAsNode({ pfx: Buffer.from(bytes), passphrase });
  try {
    return new Safe(passphrase ?? '').read(bytes);
  } catch (cause) {
    if (cause instanceof TlsUsageError) throw cause;
    throw badPfx(cause instanceof DerError ? `it has ${cause.message}` : 'it cannot be decrypted');
  }
}

function badPfx(why: string): TlsUsageError {
  return new TlsUsageError(
    'context.bad_pfx',
    `pfx: ${why}; write it anew with "openssl pkcs12 -export", or give key and cert`,
  );
}

class Safe {
  readonly #passphrase: string;
  readonly #certificates: Uint8Array[] = [];
  #key: KeyObject | undefined;
  #bags = 0;

  constructor(passphrase: string) {
    this.#passphrase = passphrase;
  }

  read(bytes: Uint8Array): Pkcs12 {
    const file = new DerReader(bytes).enter();
    if (file.smallInteger() !== 3) throw badPfx('its version is not 3');
    const safes = new DerReader(contentOf(file.enter(), DATA).octetString()).enter();
    while (!safes.done) this.#readSafe(safes.enter());
    if (this.#key === undefined) throw badPfx('there is no private key in it');
    return { key: this.#key, certificates: this.#certificates };
  }

  #readSafe(info: DerReader): void {
    const type = info.oid();
    if (type === DATA) {
      this.#readBags(info.enter(contextTag(0, true)).octetString());
      return;
    }
    if (type !== ENCRYPTED_DATA) return; // for a public key, which nobody has here
    const encrypted = info.enter(contextTag(0, true)).enter();
    encrypted.smallInteger();
    const content = encrypted.enter();
    content.oid();
    const algorithm = content.enter();
    this.#readBags(this.#decrypt(algorithm, content.value(contextTag(0, false)).content));
  }

  #readBags(contents: Uint8Array): void {
    const bags = new DerReader(contents).enter();
    while (!bags.done) this.#readBag(bags.enter());
  }

  #readBag(bag: DerReader): void {
    if (++this.#bags > MAX_BAGS) throw badPfx(`there are more than ${MAX_BAGS} things in it`);
    const type = bag.oid();
    const value = bag.value(contextTag(0, true)).content;
    switch (type) {
      case BAG.key:
        this.#key ??= createPrivateKey({ key: Buffer.from(value), format: 'der', type: 'pkcs8' });
        break;
      case BAG.shroudedKey: {
        const { whole } = new DerReader(value).any();
        const key = Buffer.from(whole);
        this.#key ??= createPrivateKey({ key, format: 'der', type: 'pkcs8', passphrase: this.#passphrase });
        break;
      }
      case BAG.certificate: {
        const certificate = new DerReader(value).enter();
        if (certificate.oid() === X509_CERTIFICATE) {
          this.#certificates.push(certificate.enter(contextTag(0, true)).octetString());
        }
        break;
      }
      case BAG.safeContents:
        this.#readBags(value);
    }
  }

  #decrypt(algorithm: DerReader, content: Uint8Array): Uint8Array {
    const type = algorithm.oid();
    if (type === PBES2) return decryptPbes2(algorithm.enter(), Buffer.from(this.#passphrase), content);
    const old = OLD_CIPHERS[type];
    if (old === undefined) throw badPfx(`its cipher is ${type}`);
    const parameters = algorithm.enter();
    const salt = parameters.octetString();
    const iterations = checkIterations(parameters.smallInteger());
    // RFC 7292, appendix B.1: two bytes for each character, and two for the end; some programs leave out that of an empty one.
    const password = Buffer.from(`${this.#passphrase}\0`, 'utf16le').swap16();
    const candidates = this.#passphrase === '' ? [password, Buffer.alloc(0)] : [password];
    for (const candidate of candidates) {
      const derive = (id: number, length: number): Buffer => oldKey(id, candidate, salt, iterations, length);
      const [name, keyLength] = old;
      try {
        return decipher(name, derive(1, keyLength), derive(2, 8), content);
      } catch {
        // Wrong padding.
      }
    }
    throw badPfx('it cannot be decrypted');
  }
}

function contentOf(info: DerReader, type: string): DerReader {
  if (info.oid() !== type) throw badPfx('it is signed, instead of having a MAC');
  return info.enter(contextTag(0, true));
}

function checkIterations(count: number): number {
  if (count > 0 && count <= MAX_ITERATIONS) return count;
  throw badPfx(`its iteration count is ${count}, allowed are 1 to ${MAX_ITERATIONS}`);
}

/** RFC 8018, section 6.2. */
function decryptPbes2(parameters: DerReader, password: Buffer, content: Uint8Array): Uint8Array {
  const derivation = parameters.enter();
  const kdf = derivation.oid();
  if (kdf !== PBKDF2) throw badPfx(`its key derivation is ${kdf}`);
  const values = derivation.enter();
  const salt = values.octetString();
  const iterations = checkIterations(values.smallInteger());
  values.optional(Tag.integer); // the length, which the cipher tells
  const prf = values.done ? '1.2.840.113549.2.7' : values.enter().oid();
  const scheme = parameters.enter();
  const encryption = scheme.oid();
  const cipher = CIPHERS[encryption];
  const hash = HASHES[prf];
  if (cipher === undefined || hash === undefined) throw badPfx(`its cipher is ${encryption}, with the hash ${prf}`);
  const [name, keyLength] = cipher;
  return decipher(name, pbkdf2Sync(password, salt, iterations, keyLength, hash), scheme.octetString(), content);
}

function decipher(name: string, key: Buffer, iv: Uint8Array, content: Uint8Array): Uint8Array {
  const cipher = createDecipheriv(name, key, iv);
  key.fill(0);
  return Buffer.concat([cipher.update(content), cipher.final()]);
}

/** Bytes that SHA-1 takes at a time, and gives. */
const BLOCK = 64;
const DIGEST = 20;

/** RFC 7292, appendix B.2, with SHA-1: `id` 1 for keys, 2 for initialization vectors. */
function oldKey(id: number, password: Buffer, salt: Uint8Array, iterations: number, length: number): Buffer {
  const fill = (bytes: Uint8Array): Buffer => {
    const filled = Buffer.alloc(BLOCK * Math.ceil(bytes.length / BLOCK));
    return bytes.length === 0 ? filled : filled.fill(bytes);
  };
  const diversifier = Buffer.alloc(BLOCK, id);
  const input = Buffer.concat([fill(salt), fill(password)]);
  const output = Buffer.alloc(DIGEST * Math.ceil(length / DIGEST));
  for (let at = 0; at < output.length; at += DIGEST) {
    let digest = createHash('sha1').update(diversifier).update(input).digest();
    for (let i = 1; i < iterations; i++) digest = createHash('sha1').update(digest).digest();
    digest.copy(output, at);
    const addend = Buffer.alloc(BLOCK).fill(digest);
    for (let block = 0; block < input.length; block += BLOCK) {
      // Block + addend + 1, modulo 2^512.
      let carry = 1;
      for (let i = BLOCK - 1; i >= 0; i--) {
        carry += input[block + i]! + addend[i]!;
        input[block + i] = carry & 0xff;
        carry >>= 8;
      }
    }
  }
  input.fill(0);
  return output.subarray(0, length);
}
