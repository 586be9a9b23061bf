/** Makes OCSP responses, right ones and wrong ones. */
import { createHash, sign as nodeSign } from 'node:crypto';
import * as der from '../../src/x509/der.ts';
import { Oid } from '../../src/x509/oids.ts';
import { msToCivil, two } from '../../src/x509/time.ts';
import { ALGORITHMS, type Algorithm, type KeyPair, type Made, NOW, spki } from './forge.ts';

export interface AnswerRecipe {
  readonly of: { readonly serial: Uint8Array };
  readonly issuer: Pick<Made, 'subject' | 'key'>;
  readonly hash?: 'sha1' | 'sha256' | 'sha384' | 'sha512';
  readonly status?: 'good' | 'revoked' | 'unknown';
  readonly thisUpdate?: number;
  /** `null`: absent. Default: in a day. */
  readonly nextUpdate?: number | null;
  readonly extensions?: readonly Uint8Array[];
}

export interface ResponseRecipe {
  readonly answers: readonly AnswerRecipe[];
  readonly signer: { readonly subject: Uint8Array; readonly key: KeyPair };
  /** Default: by the hash of the key. */
  readonly responder?: Uint8Array;
  readonly certificates?: readonly Uint8Array[];
  readonly extensions?: readonly Uint8Array[];
  readonly algorithm?: Algorithm;
  readonly tamper?: (signature: Uint8Array) => Uint8Array;
}

export const HOUR = 3_600_000;
const nothing = new Uint8Array(0);

export function generalizedTime(ms: number): Uint8Array {
  const { year, month, day, hour, minute, second } = msToCivil(ms);
  const text = `${year}${[month, day, hour, minute, second].map(two).join('')}Z`;
  return der.encode(der.Tag.generalizedTime, Buffer.from(text));
}

/** The bits of the public key, without its algorithm. */
export function keyBits(key: KeyPair): Uint8Array {
  const reader = new der.DerReader(spki(key)).enter();
  reader.any();
  return reader.bitStringBytes();
}

export function keyHash(key: KeyPair): Uint8Array {
  return createHash('sha1').update(keyBits(key)).digest();
}

export const byKey = (key: KeyPair): Uint8Array => der.context(2, der.octetString(keyHash(key)));
export const byName = (name: Uint8Array): Uint8Array => der.context(1, name);

const HASHES = { sha1: Oid.sha1, sha256: Oid.sha256, sha384: Oid.sha384, sha512: Oid.sha512 };

export function makeAnswer(recipe: AnswerRecipe): Uint8Array {
  const { of, issuer, hash = 'sha1', status = 'good', thisUpdate = NOW - HOUR, nextUpdate = NOW + 24 * HOUR } = recipe;
  const digest = (data: Uint8Array): Uint8Array => createHash(hash).update(data).digest();
  const revoked = der.context(
    1,
    generalizedTime(NOW - HOUR),
    der.context(0, der.encode(der.Tag.enumerated, Uint8Array.of(1))),
  );
  return der.sequence(
    der.sequence(
      der.sequence(der.oid(HASHES[hash]), der.nullValue()),
      der.octetString(digest(issuer.subject)),
      der.octetString(digest(keyBits(issuer.key))),
      der.encode(der.Tag.integer, of.serial),
    ),
    status === 'revoked' ? revoked : der.contextPrimitive(status === 'good' ? 0 : 2, nothing),
    generalizedTime(thisUpdate),
    nextUpdate === null ? nothing : der.context(0, generalizedTime(nextUpdate)),
    recipe.extensions === undefined ? nothing : der.context(1, der.sequence(...recipe.extensions)),
  );
}

/** An OCSPResponse, DER. */
export function makeResponse(recipe: ResponseRecipe): Uint8Array {
  const {
    answers,
    signer,
    responder = byKey(signer.key),
    certificates = [],
    algorithm = ALGORITHMS.ecdsaSha256,
  } = recipe;
  const data = der.sequence(
    responder,
    generalizedTime(NOW - HOUR),
    der.sequence(...answers.map(makeAnswer)),
    recipe.extensions === undefined ? nothing : der.context(1, der.sequence(...recipe.extensions)),
  );
  const signature = nodeSign(algorithm.hash, data, { key: signer.key.privateKey, ...algorithm.options });
  return successful(
    der.sequence(
      data,
      algorithm.identifier,
      der.bitString(recipe.tamper?.(new Uint8Array(signature)) ?? signature),
      certificates.length === 0 ? nothing : der.context(0, der.sequence(...certificates)),
    ),
  );
}

/** A response with a BasicOCSPResponse, or what passes for one. */
export function successful(basic: Uint8Array, type: string = Oid.ocspBasic): Uint8Array {
  return der.sequence(
    der.encode(der.Tag.enumerated, Uint8Array.of(0)),
    der.context(0, der.sequence(der.oid(type), der.octetString(basic))),
  );
}

/** An unsigned response, such as 3: `tryLater`. */
export function errorResponse(status: number): Uint8Array {
  return der.sequence(der.encode(der.Tag.enumerated, Uint8Array.of(status)));
}
