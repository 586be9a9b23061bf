import assert from 'node:assert/strict';
import { createHash, createHmac, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { concat } from '../../../src/bytes/index.ts';
import { Pkcs12Error, readPkcs12 } from '../../../src/node/pkcs12.ts';
import { context, contextTag, DerReader, integer, octetString, oid, sequence } from '../../../src/x509/der.ts';
import { mutateDer } from '../der-mutate.ts';
import { fixedIdentity } from '../scenarios.ts';
import type { FuzzTarget } from '../target.ts';

const DATA = '1.2.840.113549.1.7.1';
const SHA256 = '2.16.840.1.101.3.4.2.1';
const SALT = new Uint8Array(8);
/** Of an empty password, RFC 7292, appendix B: one round over the diversifier and the salt, each as long as a block. */
const MAC_KEY = createHash('sha256').update(new Uint8Array(64).fill(3)).update(new Uint8Array(64)).digest();

/** A file around `authSafe`, with the right MAC: nothing is looked at under a wrong one. */
function sealed(authSafe: Uint8Array): Uint8Array {
  const digest = createHmac('sha256', MAC_KEY).update(authSafe).digest();
  return sequence(
    integer(3),
    sequence(oid(DATA), context(0, octetString(authSafe))),
    sequence(sequence(sequence(oid(SHA256)), octetString(digest)), octetString(SALT), integer(1)),
  );
}

function authSafeOf(file: Uint8Array): Uint8Array {
  const outer = new DerReader(file).enter();
  outer.smallInteger();
  const info = outer.enter();
  info.oid();
  return info.enter(contextTag(0, true)).octetString();
}

const bag = (type: string, value: Uint8Array): Uint8Array =>
  sequence(oid(`1.2.840.113549.1.12.10.1.${type}`), context(0, value));

/** Nothing in it is encrypted. */
async function inClear(): Promise<Uint8Array> {
  const { certificate, keyPem } = await fixedIdentity();
  const key = Buffer.from(keyPem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const one = sequence(oid('1.2.840.113549.1.9.22.1'), context(0, octetString(certificate)));
  const bags = sequence(bag('1', key), bag('3', one), bag('6', sequence(bag('3', one))));
  return sequence(sequence(oid(DATA), context(0, octetString(bags))));
}

/** In front: whether a file is made around the rest, or the rest is one. */
const WHOLE = 0;
const MAKE = 1;

export const pkcs12: FuzzTarget = {
  name: 'pkcs12',
  about: 'PKCS#12 files, as they are and with a MAC that fits; documented: Pkcs12Error',
  sliceRuns: 100,
  async seeds() {
    const fixture = new URL('../../compat/node/fixtures/server-open.pfx', import.meta.url);
    const file = new Uint8Array(readFileSync(fixture));
    const clear = await inClear();
    return [
      concat(Uint8Array.of(WHOLE), file),
      concat(Uint8Array.of(WHOLE), sealed(clear)),
      concat(Uint8Array.of(MAKE), authSafeOf(file)),
      concat(Uint8Array.of(MAKE), clear),
    ];
  },
  mutate: (input, random) => concat(input.subarray(0, 1), mutateDer(input.subarray(1), random)),
  run(input) {
    const body = input.subarray(1);
    const file = ((input[0] ?? 0) & 1) === MAKE ? sealed(body) : body;
    try {
      const { key, certificates } = readPkcs12(file);
      assert.equal(key.type, 'private');
      for (const certificate of certificates) new X509Certificate(certificate);
    } catch (error) {
      if (!(error instanceof Pkcs12Error)) throw error;
      // The program asked for nothing and got nothing: time is bounded by the count of rounds, not by luck.
      assert.match(error.fault, /^(malformed|mac|limit|unsupported)$/);
    }
  },
};
