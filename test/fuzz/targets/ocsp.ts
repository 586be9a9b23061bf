import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { latin1 } from '../../../src/bytes/index.ts';
import { parseCertificate } from '../../../src/x509/certificate.ts';
import * as der from '../../../src/x509/der.ts';
import { createVerifier } from '../../../src/x509/index.ts';
import { chain3, type Made, NOW, spki } from '../../x509/forge.ts';
import { mutateDer } from '../der-mutate.ts';
import type { FuzzTarget } from '../target.ts';
import { checkVerdict, signaturesAreRight } from './x509.ts';

const SHA1 = '1.3.14.3.2.26';
const BASIC = '1.3.6.1.5.5.7.48.1.1';

const { root, intermediate, leaf } = chain3();
const sha1 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha1').update(bytes).digest());
const time = (text: string): Uint8Array => der.encode(der.Tag.generalizedTime, latin1(text));

function keyHash({ key }: Made): Uint8Array {
  const reader = new der.DerReader(spki(key)).enter();
  reader.any();
  return sha1(reader.bitStringBytes());
}

function answer(status: Uint8Array): Uint8Array {
  const { serial } = parseCertificate(leaf.der);
  const id = der.sequence(
    der.sequence(der.oid(SHA1), der.nullValue()),
    der.octetString(sha1(intermediate.subject)),
    der.octetString(keyHash(intermediate)),
    der.encode(der.Tag.integer, serial),
  );
  return der.sequence(id, status, time('20251231230000Z'), der.context(0, time('20260102000000Z')));
}

/** A response that counts, if it were signed. */
function response(
  responder: Uint8Array,
  answers: readonly Uint8Array[],
  ...certificates: readonly Uint8Array[]
): Uint8Array {
  const { signatureAlgorithm } = parseCertificate(leaf.der);
  const data = der.sequence(responder, time('20251231233000Z'), der.sequence(...answers));
  const extra = certificates.length > 0 ? der.context(0, der.sequence(...certificates)) : new Uint8Array(0);
  const basic = der.sequence(data, signatureAlgorithm, der.bitString(new Uint8Array(70)), extra);
  return der.sequence(
    der.encode(der.Tag.enumerated, Uint8Array.of(0)),
    der.context(0, der.sequence(der.oid(BASIC), der.octetString(basic))),
  );
}

export const ocsp: FuzzTarget = {
  name: 'ocsp',
  about:
    'stapled OCSP responses of a chain that is good otherwise, signatures taken as right: a verdict, the same twice; no error is documented',
  mutate: mutateDer,
  sliceRuns: 80,
  seeds: () => {
    const good = answer(der.contextPrimitive(0, new Uint8Array(0)));
    const revoked = answer(der.context(1, time('20251201000000Z')));
    const unknown = answer(der.contextPrimitive(2, new Uint8Array(0)));
    const byKey = der.context(2, der.octetString(keyHash(intermediate)));
    const byName = der.context(1, intermediate.subject);
    return [
      response(byKey, [good]),
      response(byName, [good]),
      response(byKey, [unknown, good]),
      response(byKey, [revoked]),
      response(der.context(1, leaf.subject), [good], leaf.der, intermediate.der),
      der.sequence(der.encode(der.Tag.enumerated, Uint8Array.of(3))),
    ];
  },
  run(input) {
    const verdict = () => {
      const verifier = createVerifier({ crypto: signaturesAreRight, anchors: [root.der] });
      const question = {
        chain: [leaf.der, intermediate.der],
        role: 'server',
        now: NOW,
        serverName: 'www.example.com',
      } as const;
      return checkVerdict(verifier.verify({ ...question, ocspResponse: input, ...{ ocspRequested: true } }));
    };
    const first = verdict();
    assert.deepEqual(verdict(), first);
  },
};
