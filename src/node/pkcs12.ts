/**
 * Keys and certificates in PKCS#12 files (RFC 7292): sealed by a password, as OpenSSL, Windows, Java and Firefox write them. node:tls reads such
 * files, but does not give out what it reads. Nothing in a file is looked at before its MAC is found to be right.
 */
import {
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  type KeyObject,
  pbkdf2Sync,
  X509Certificate,
} from 'node:crypto';
import { equalConstantTime } from '../bytes/index.ts';
import { contextTag, DerError, DerReader, Tag } from '../x509/der.ts';

export interface Pkcs12 {
  readonly key: KeyObject;
  /** DER, in the order of the file; each can be read. */
  readonly certificates: readonly Uint8Array[];
}

/**
 * `malformed`: not DER, or not the structure. `mac`: the password is wrong, or the file was changed. `limit`: it asks for too much.
 * `unsupported`: everything else that is right in itself, such as other ciphers, no MAC, no key.
 */
export type Pkcs12Fault = 'malformed' | 'mac' | 'limit' | 'unsupported';

/** The only thing that {@link readPkcs12} throws. Has nothing of the file or the password in its message. */
export class Pkcs12Error extends Error {
  override readonly name = 'Pkcs12Error';
  readonly fault: Pkcs12Fault;

  constructor(fault: Pkcs12Fault, message: string) {
    super(message);
    this.fault = fault;
  }
}

const MAX_BYTES = 4 << 20;
const MAX_BAGS = 256;
/** Rounds of key derivation for the whole file: some seconds. OpenSSL's default is 2,048 for each of three keys, Firefox's 600,000. */
const MAX_ITERATIONS = 10_000_000;
/** What a round of the derivation of RFC 7292 costs, which is done here, in rounds of PBKDF2, which is OpenSSL's. */
const OLD_ROUND = 3;

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
const HMAC_SHA1 = '1.2.840.113549.2.7';

interface Cipher {
  readonly name: string;
  readonly keyLength: number;
}

/** Encryption schemes of PBES2 (RFC 8018, appendix B.2). */
const CIPHERS: Readonly<Record<string, Cipher>> = {
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyLength: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyLength: 24 },
  '2.16.840.1.101.3.4.1.42': { name: 'aes-256-cbc', keyLength: 32 },
  '1.2.840.113549.3.7': { name: 'des-ede3-cbc', keyLength: 24 },
};
/** Those of RFC 7292, appendix C, with SHA-1. RC2 works only in a Node with OpenSSL's legacy provider. */
const OLD_CIPHERS: Readonly<Record<string, Cipher>> = {
  '1.2.840.113549.1.12.1.3': { name: 'des-ede3-cbc', keyLength: 24 },
  '1.2.840.113549.1.12.1.6': { name: 'rc2-40-cbc', keyLength: 5 },
};
/** Pseudorandom functions of PBKDF2. */
const HMACS: Readonly<Record<string, string>> = {
  [HMAC_SHA1]: 'sha1',
  '1.2.840.113549.2.8': 'sha224',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
};

interface Hash {
  readonly name: string;
  /** Bytes that it takes at a time. */
  readonly block: number;
}

const SHA1: Hash = { name: 'sha1', block: 64 };
const SHA1_LENGTH = 20;
/** Of the MAC. */
const HASHES: Readonly<Record<string, Hash>> = {
  '1.3.14.3.2.26': SHA1,
  '2.16.840.1.101.3.4.2.4': { name: 'sha224', block: 64 },
  '2.16.840.1.101.3.4.2.1': { name: 'sha256', block: 64 },
  '2.16.840.1.101.3.4.2.2': { name: 'sha384', block: 128 },
  '2.16.840.1.101.3.4.2.3': { name: 'sha512', block: 128 },
};

/**
 * The first private key of a PKCS#12 file in DER, of up to 4 MiB, and all its certificates. A missing `passphrase` is an empty one.
 *
 * Ciphers: AES-128, -192 and -256 and triple DES of PBES2 with PBKDF2, and triple DES of RFC 7292. Throws {@link Pkcs12Error}.
 */
export function readPkcs12(bytes: Uint8Array, passphrase: string = ''): Pkcs12 {
  if (bytes.length > MAX_BYTES) throw new Pkcs12Error('limit', `the file has more than ${MAX_BYTES} bytes`);
  try {
    return new File(passphrase).read(bytes);
  } catch (cause) {
    if (cause instanceof Pkcs12Error) throw cause;
    const why = cause instanceof DerError ? cause.message : 'a key or certificate that cannot be read';
    throw new Pkcs12Error('malformed', `the file has ${why}`);
  }
}

/** One reading of one file. */
class File {
  readonly #passphrase: string;
  /** As RFC 7292 has it. Which of the candidates it is, the MAC tells. */
  #password: Buffer;
  readonly #certificates: Uint8Array[] = [];
  #key: KeyObject | undefined;
  #bags = 0;
  #iterations = 0;

  constructor(passphrase: string) {
    this.#passphrase = passphrase;
    // RFC 7292, appendix B.1: two bytes for each character, and two for the end.
    this.#password = Buffer.from(`${passphrase}\0`, 'utf16le').swap16();
  }

  read(bytes: Uint8Array): Pkcs12 {
    const outer = new DerReader(bytes);
    const file = outer.enter();
    outer.end();
    if (file.smallInteger() !== 3) throw new Pkcs12Error('unsupported', 'its version is not 3');
    const authSafe = file.enter();
    if (authSafe.oid() !== DATA) throw new Pkcs12Error('unsupported', 'it has a signature in place of a MAC');
    const contents = authSafe.enter(contextTag(0, true)).octetString();
    if (file.done) throw new Pkcs12Error('unsupported', 'it has no MAC');
    this.#checkMac(file.enter(), contents);
    const safes = new DerReader(contents).enter();
    while (!safes.done) this.#readSafe(safes.enter());
    this.#password.fill(0);
    if (this.#key === undefined) throw new Pkcs12Error('unsupported', 'it has no private key');
    return { key: this.#key, certificates: this.#certificates };
  }

  /** RFC 7292, section 4 (MacData) and appendix A. */
  #checkMac(mac: DerReader, contents: Uint8Array): void {
    const digestInfo = mac.enter();
    const algorithm = digestInfo.enter().oid();
    const expected = digestInfo.octetString();
    const salt = mac.octetString();
    const iterations = mac.done ? 1 : mac.smallInteger();
    const hash = HASHES[algorithm];
    if (hash === undefined) throw new Pkcs12Error('unsupported', `its MAC has the algorithm ${algorithm}`);
    const length = createHash(hash.name).digest().length;
    // Before any work: no key makes it right.
    if (expected.length !== length)
      throw new Pkcs12Error('malformed', 'its MAC does not have the length of its algorithm');
    // Some programs leave out the two bytes of the end when there is nothing before.
    const candidates = this.#passphrase === '' ? [Buffer.alloc(0), this.#password] : [this.#password];
    for (const password of candidates) {
      this.#spend(iterations, OLD_ROUND);
      const key = deriveKey(hash, 3, password, salt, iterations, length);
      const actual = createHmac(hash.name, key).update(contents).digest();
      key.fill(0);
      if (equalConstantTime(actual, expected)) {
        this.#password = password;
        return;
      }
    }
    throw new Pkcs12Error('mac', 'the passphrase is wrong, or the file is damaged');
  }

  #spend(iterations: number, cost = 1): void {
    this.#iterations += iterations * cost;
    if (iterations < 1) throw new Pkcs12Error('malformed', 'it has an iteration count of 0');
    if (this.#iterations <= MAX_ITERATIONS) return;
    throw new Pkcs12Error('limit', `it asks for more than ${MAX_ITERATIONS} iterations of key derivation`);
  }

  #readSafe(info: DerReader): void {
    const type = info.oid();
    if (type === DATA) {
      this.#readBags(info.enter(contextTag(0, true)).octetString());
      return;
    }
    if (type !== ENCRYPTED_DATA) throw new Pkcs12Error('unsupported', 'it is encrypted for a public key');
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
    if (++this.#bags > MAX_BAGS) throw new Pkcs12Error('limit', `there are more than ${MAX_BAGS} things in it`);
    const type = bag.oid();
    const value = bag.value(contextTag(0, true)).content;
    switch (type) {
      case BAG.key:
        this.#key ??= privateKey(value);
        break;
      case BAG.shroudedKey: {
        const encrypted = new DerReader(value).enter();
        const algorithm = encrypted.enter();
        this.#key ??= privateKey(this.#decrypt(algorithm, encrypted.octetString()));
        break;
      }
      case BAG.certificate: {
        const certificate = new DerReader(value).enter();
        if (certificate.oid() === X509_CERTIFICATE) {
          const der = certificate.enter(contextTag(0, true)).octetString();
          this.#certificates.push(new Uint8Array(new X509Certificate(der).raw));
        }
        break;
      }
      case BAG.safeContents:
        this.#readBags(value);
    }
  }

  #decrypt(algorithm: DerReader, content: Uint8Array): Buffer {
    const type = algorithm.oid();
    const parameters = algorithm.enter();
    if (type === PBES2) return this.#decryptPbes2(parameters, content);
    const cipher = OLD_CIPHERS[type];
    if (cipher === undefined) throw new Pkcs12Error('unsupported', `its cipher is ${type}`);
    const salt = parameters.octetString();
    const iterations = parameters.smallInteger();
    const derive = (id: 1 | 2, length: number): Buffer => {
      this.#spend(iterations, OLD_ROUND * Math.ceil(length / SHA1_LENGTH));
      return deriveKey(SHA1, id, this.#password, salt, iterations, length);
    };
    return decipher(cipher, derive(1, cipher.keyLength), derive(2, 8), content);
  }

  /** RFC 8018, section 6.2. */
  #decryptPbes2(parameters: DerReader, content: Uint8Array): Buffer {
    const derivation = parameters.enter();
    const kdf = derivation.oid();
    if (kdf !== PBKDF2) throw new Pkcs12Error('unsupported', `its key derivation is ${kdf}`);
    const values = derivation.enter();
    const salt = values.octetString();
    const iterations = values.smallInteger();
    values.optional(Tag.integer); // the length, which the cipher tells
    const prf = values.done ? HMAC_SHA1 : values.enter().oid();
    const scheme = parameters.enter();
    const encryption = scheme.oid();
    const cipher = CIPHERS[encryption];
    const hash = HMACS[prf];
    if (cipher === undefined || hash === undefined) {
      throw new Pkcs12Error('unsupported', `its cipher is ${encryption}, with the pseudorandom function ${prf}`);
    }
    this.#spend(iterations);
    const key = pbkdf2Sync(this.#passphrase, salt, iterations, cipher.keyLength, hash);
    return decipher(cipher, key, scheme.octetString(), content);
  }
}

function privateKey(pkcs8: Uint8Array): KeyObject {
  const key = Buffer.from(pkcs8);
  try {
    return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  } finally {
    key.fill(0);
  }
}

/** Wipes `key`. */
function decipher({ name }: Cipher, key: Buffer, iv: Uint8Array, content: Uint8Array): Buffer {
  try {
    const cipher = createDecipheriv(name, key, iv);
    return Buffer.concat([cipher.update(content), cipher.final()]);
  } catch {
    // The passphrase was right, for so was the MAC.
    throw new Pkcs12Error('unsupported', `what it has encrypted with ${name} cannot be decrypted here`);
  } finally {
    key.fill(0);
  }
}

/** RFC 7292, appendix B.2: `id` is 1 for keys, 2 for initialization vectors, 3 for the MAC. */
function deriveKey(
  { name, block }: Hash,
  id: 1 | 2 | 3,
  password: Uint8Array,
  salt: Uint8Array,
  iterations: number,
  length: number,
): Buffer {
  const diversifier = Buffer.alloc(block, id);
  const input = Buffer.concat([repeated(salt, block), repeated(password, block)]);
  const chunks: Buffer[] = [];
  for (let have = 0; have < length; have += chunks[0]!.length) {
    let digest = createHash(name).update(diversifier).update(input).digest();
    for (let i = 1; i < iterations; i++) digest = createHash(name).update(digest).digest();
    chunks.push(digest);
    const addend = Buffer.alloc(block).fill(digest);
    for (let at = 0; at < input.length; at += block) addOneMore(input.subarray(at, at + block), addend);
  }
  input.fill(0);
  return Buffer.concat(chunks, length);
}

/** As often as it fits, in whole blocks. */
function repeated(bytes: Uint8Array, block: number): Buffer {
  const filled = Buffer.alloc(block * Math.ceil(bytes.length / block));
  return bytes.length === 0 ? filled : filled.fill(bytes);
}

/** `number` + `addend` + 1, big-endian, modulo its length. */
function addOneMore(number: Uint8Array, addend: Uint8Array): void {
  let carry = 1;
  for (let i = number.length - 1; i >= 0; i--) {
    carry += number[i]! + addend[i]!;
    number[i] = carry & 0xff;
    carry >>= 8;
  }
}
