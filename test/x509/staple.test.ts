/** Stapled OCSP responses: forged ones, those of `openssl ocsp`, and certificates that must be stapled. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { CryptoProvider } from '../../src/crypto/index.ts';
import type { PeerVerdict } from '../../src/peer-auth/index.ts';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import * as der from '../../src/x509/der.ts';
import { createVerifier } from '../../src/x509/index.ts';
import { parseOcspResponse } from '../../src/x509/ocsp.ts';
import { Oid } from '../../src/x509/oids.ts';
import { needs, peer } from '../support/peers.ts';
import {
  ALGORITHMS,
  bc,
  CA,
  chain3,
  cn,
  eku,
  extension,
  ku,
  LEAF,
  type Made,
  make,
  makeCrl,
  NOW,
  newKey,
  pem,
  type Recipe,
} from './forge.ts';
import {
  type AnswerRecipe,
  byKey,
  byName,
  errorResponse,
  HOUR,
  makeResponse,
  type ResponseRecipe,
  successful,
} from './ocsp.ts';

const MUST_STAPLE = extension(Oid.tlsFeature, der.sequence(der.integer(5)));
const UNKNOWN = extension('1.3.6.1.4.1.55555.1', der.nullValue(), true);

const { root, intermediate, leaf } = chain3();
const must = make({ subject: cn('must'), key: newKey(), issuer: intermediate, extensions: [...LEAF, MUST_STAPLE] });
const other = make({ subject: cn('other'), key: newKey(), issuer: intermediate, extensions: LEAF });
const stranger = make({ subject: intermediate.subject, key: newKey(), extensions: CA });
const rsa = chain3({ intermediate: { key: newKey('rsa2048') } });

interface Question {
  readonly chain?: readonly Made[];
  readonly anchors?: readonly Made[];
  readonly staple?: Uint8Array | undefined;
  /** Default true. */
  readonly asked?: boolean;
  readonly now?: number;
  readonly crls?: readonly Uint8Array[];
  readonly crypto?: CryptoProvider;
}

function judge(question: Question): PeerVerdict {
  const { chain = [leaf, intermediate], anchors = [root], staple, asked = true, now = NOW, crls = [] } = question;
  const { crypto = nodeCrypto } = question;
  const verifier = createVerifier({ crypto, anchors: anchors.map((made) => made.der), crls });
  return verifier.verify({
    chain: chain.map((made) => made.der),
    role: 'server',
    serverName: 'www.example.com',
    now,
    ocspRequested: asked,
    ...(staple && { ocspResponse: staple }),
  }) as PeerVerdict;
}

function codeOf(question: Question): string {
  const verdict = judge(question);
  return verdict.trusted ? 'trusted' : verdict.code;
}

/** A response of the intermediate about the leaf. */
function response(answer: Partial<AnswerRecipe> = {}, recipe: Partial<ResponseRecipe> = {}): Uint8Array {
  return makeResponse({ answers: [{ of: leaf, issuer: intermediate, ...answer }], signer: intermediate, ...recipe });
}

/** A response about the leaf of somebody whom `issuer` certified with these changes. */
function delegated(change: Partial<Recipe> = {}, recipe: Partial<ResponseRecipe> = {}): Uint8Array {
  const responder = make({
    subject: cn('Responder'),
    key: newKey(),
    issuer: intermediate,
    extensions: [bc(false), ku(0), eku(Oid.ocspSigning)],
    ...change,
  });
  return response({}, { signer: responder, certificates: [responder.der], ...recipe });
}

function flip(signature: Uint8Array): Uint8Array {
  signature[signature.length - 1]! ^= 1;
  return signature;
}

const MINUTE = 60_000;
const cases: readonly (readonly [string, string, Question])[] = [
  ['none', 'trusted', {}],
  ['good', 'trusted', { staple: response() }],
  ['good, though nobody asked', 'trusted', { staple: response(), asked: false }],
  ['good, the responder by name', 'trusted', { staple: response({}, { responder: byName(intermediate.subject) }) }],
  ['good, named by SHA-256', 'trusted', { staple: response({ hash: 'sha256' }) }],
  ['good, named by SHA-384', 'trusted', { staple: response({ hash: 'sha384' }) }],
  ['named by a hash that is not supported', 'OCSP_VERIFY_FAILED', { staple: response({ hash: 'sha512' }) }],
  [
    'good, signed by RSA',
    'trusted',
    {
      chain: [rsa.leaf, rsa.intermediate],
      anchors: [rsa.root],
      staple: makeResponse({
        answers: [{ of: rsa.leaf, issuer: rsa.intermediate }],
        signer: rsa.intermediate,
        algorithm: ALGORITHMS.rsaSha256,
      }),
    },
  ],
  [
    'good, among answers about others',
    'trusted',
    {
      staple: makeResponse({
        answers: [
          { of: other, issuer: intermediate, status: 'revoked' },
          { of: leaf, issuer: stranger, status: 'revoked' },
          { of: leaf, issuer: intermediate },
        ],
        signer: intermediate,
      }),
    },
  ],
  ['revoked', 'CERT_REVOKED', { staple: response({ status: 'revoked' }) }],
  ['revoked, though nobody asked', 'CERT_REVOKED', { staple: response({ status: 'revoked' }), asked: false }],
  [
    'revoked, in an old answer',
    'CERT_REVOKED',
    { staple: response({ status: 'revoked', nextUpdate: NOW - 2 * HOUR }) },
  ],
  [
    'good and revoked',
    'CERT_REVOKED',
    {
      staple: makeResponse({
        answers: [
          { of: leaf, issuer: intermediate },
          { of: leaf, issuer: intermediate, status: 'revoked' },
        ],
        signer: intermediate,
      }),
    },
  ],
  ['unknown', 'OCSP_CERT_UNKNOWN', { staple: response({ status: 'unknown' }) }],
  ['about another certificate', 'OCSP_VERIFY_FAILED', { staple: response({ of: other }) }],
  ['about the serial number of another issuer', 'OCSP_VERIFY_FAILED', { staple: response({ issuer: stranger }) }],
  [
    'about an issuer of the same key and another name',
    'OCSP_VERIFY_FAILED',
    { staple: response({ issuer: { subject: cn('Other'), key: intermediate.key } }) },
  ],
  ['about nothing', 'OCSP_VERIFY_FAILED', { staple: makeResponse({ answers: [], signer: intermediate }) }],

  ['now is thisUpdate', 'trusted', { staple: response({ thisUpdate: NOW }) }],
  ['thisUpdate in 5 minutes', 'trusted', { staple: response({ thisUpdate: NOW + 5 * MINUTE }) }],
  ['thisUpdate in 6 minutes', 'OCSP_NOT_YET_VALID', { staple: response({ thisUpdate: NOW + 6 * MINUTE }) }],
  ['nextUpdate 5 minutes ago', 'trusted', { staple: response({ nextUpdate: NOW - 5 * MINUTE }) }],
  ['nextUpdate 6 minutes ago', 'OCSP_HAS_EXPIRED', { staple: response({ nextUpdate: NOW - 6 * MINUTE }) }],
  ['no nextUpdate, of today', 'trusted', { staple: response({ thisUpdate: NOW - 23 * HOUR, nextUpdate: null }) }],
  [
    'no nextUpdate, of yesterday',
    'OCSP_HAS_EXPIRED',
    { staple: response({ thisUpdate: NOW - 25 * HOUR, nextUpdate: null }) },
  ],

  ['a broken signature', 'OCSP_SIGNATURE_FAILURE', { staple: response({}, { tamper: flip }) }],
  ['signed by the root', 'OCSP_SIGNATURE_FAILURE', { staple: response({}, { signer: root }) }],
  [
    'signed by the leaf',
    'OCSP_SIGNATURE_FAILURE',
    { staple: response({}, { signer: leaf, certificates: [leaf.der] }) },
  ],
  [
    'signed by another key of the name of the issuer',
    'OCSP_SIGNATURE_FAILURE',
    {
      staple: response({}, { signer: stranger, responder: byName(intermediate.subject), certificates: [stranger.der] }),
    },
  ],
  [
    'signed by the issuer in the name of another',
    'OCSP_SIGNATURE_FAILURE',
    { staple: response({}, { responder: byName(cn('Other')) }) },
  ],
  [
    'signed by the issuer with the key hash of another',
    'OCSP_SIGNATURE_FAILURE',
    { staple: response({}, { responder: byKey(root.key) }) },
  ],
  ['signed with SHA-1', 'OCSP_SIGNATURE_FAILURE', { staple: response({}, { algorithm: ALGORITHMS.ecdsaSha1 }) }],

  ['of a delegated responder', 'trusted', { staple: delegated() }],
  ['of a delegated responder by name', 'trusted', { staple: delegated({}, { responder: byName(cn('Responder')) }) }],
  [
    'of a delegated responder, revoked',
    'CERT_REVOKED',
    { staple: delegated({}, { answers: [{ of: leaf, issuer: intermediate, status: 'revoked' }] }) },
  ],
  [
    'of a delegated responder, its certificate missing',
    'OCSP_SIGNATURE_FAILURE',
    { staple: delegated({}, { certificates: [] }) },
  ],
  [
    'of one without id-kp-OCSPSigning',
    'OCSP_SIGNATURE_FAILURE',
    { staple: delegated({ extensions: [bc(false), ku(0), eku(Oid.serverAuth)] }) },
  ],
  [
    'of one with anyExtendedKeyUsage',
    'OCSP_SIGNATURE_FAILURE',
    { staple: delegated({ extensions: [bc(false), ku(0), eku(Oid.anyExtendedKeyUsage)] }) },
  ],
  [
    'of one without extended key usage',
    'OCSP_SIGNATURE_FAILURE',
    { staple: delegated({ extensions: [bc(false), ku(0)] }) },
  ],
  [
    'of one that may not sign',
    'OCSP_SIGNATURE_FAILURE',
    { staple: delegated({ extensions: [bc(false), ku(2), eku(Oid.ocspSigning)] }) },
  ],
  [
    'of one that is an authority',
    'OCSP_SIGNATURE_FAILURE',
    { staple: delegated({ extensions: [bc(true), ku(0, 5), eku(Oid.ocspSigning)] }) },
  ],
  [
    'of one with an unknown critical extension',
    'OCSP_SIGNATURE_FAILURE',
    { staple: delegated({ extensions: [bc(false), ku(0), eku(Oid.ocspSigning), UNKNOWN] }) },
  ],
  ['of one that is expired', 'OCSP_SIGNATURE_FAILURE', { staple: delegated({ notAfter: NOW - 1000 }) }],
  ['of one that is not yet valid', 'OCSP_SIGNATURE_FAILURE', { staple: delegated({ notBefore: NOW + 1000 }) }],
  ['of one whom the root certified', 'OCSP_SIGNATURE_FAILURE', { staple: delegated({ issuer: root }) }],
  [
    'of one whom the key of the issuer certified under another name',
    'OCSP_SIGNATURE_FAILURE',
    { staple: delegated({ issuer: { subject: cn('Other'), key: intermediate.key } }) },
  ],
  [
    'of one whom a stranger of the name of the issuer certified',
    'OCSP_SIGNATURE_FAILURE',
    { staple: delegated({ issuer: stranger }) },
  ],
  [
    'of one whose certificate has a broken signature',
    'OCSP_SIGNATURE_FAILURE',
    { staple: delegated({ tamper: flip }) },
  ],
  [
    'of one with a small key',
    'OCSP_SIGNATURE_FAILURE',
    { staple: delegated({ key: newKey('rsa1024') }, { algorithm: ALGORITHMS.rsaSha256 }) },
  ],

  ['a critical extension in the response', 'OCSP_VERIFY_FAILED', { staple: response({}, { extensions: [UNKNOWN] }) }],
  ['a critical extension in the answer', 'OCSP_VERIFY_FAILED', { staple: response({ extensions: [UNKNOWN] }) }],
  [
    'a nonce',
    'trusted',
    { staple: response({}, { extensions: [extension(Oid.ocspNonce, der.octetString(Uint8Array.of(1)))] }) },
  ],
  ['nothing', 'OCSP_RESP_INVALID', { staple: Uint8Array.of(0) }],
  ['bytes behind it', 'OCSP_RESP_INVALID', { staple: Uint8Array.of(...response(), 0) }],
  ['cut off', 'OCSP_RESP_INVALID', { staple: response().subarray(0, -1) }],
  ['a status that does not exist', 'OCSP_RESP_INVALID', { staple: errorResponse(4) }],
  ['success without a response', 'OCSP_RESP_INVALID', { staple: errorResponse(0) }],
  ['a response of another kind', 'OCSP_RESP_INVALID', { staple: successful(der.sequence(), '1.2.3') }],

  ['an error, which is no answer', 'trusted', { staple: errorResponse(3) }],
  ['must-staple, good', 'trusted', { chain: [must, intermediate], staple: response({ of: must }) }],
  ['must-staple, none', 'OCSP_VERIFY_NEEDED', { chain: [must, intermediate] }],
  ['must-staple, none, and nobody asked', 'trusted', { chain: [must, intermediate], asked: false }],
  ['must-staple, an error', 'OCSP_NO_RESPONSE', { chain: [must, intermediate], staple: errorResponse(3) }],
  [
    'must-staple, of the certificate of another',
    'OCSP_VERIFY_FAILED',
    { chain: [must, intermediate], staple: response() },
  ],
];

/** An authority that says so for all that it issues. */
const strict = chain3({ intermediate: { extensions: [...CA, MUST_STAPLE] } });
/** RFC 7633 lets other features be named, which a client that does not offer them has no use for. */
const otherFeature = chain3({
  leaf: { extensions: [...LEAF, extension(Oid.tlsFeature, der.sequence(der.integer(17)))] },
});
const trustedItself = make({ subject: cn('self'), key: newKey(), extensions: [...LEAF, MUST_STAPLE] });

describe('verdicts about staples', () => {
  const more: typeof cases = [
    [
      'must-staple by the intermediate, none',
      'OCSP_VERIFY_NEEDED',
      { chain: [strict.leaf, strict.intermediate], anchors: [strict.root] },
    ],
    [
      'another TLS feature',
      'trusted',
      { chain: [otherFeature.leaf, otherFeature.intermediate], anchors: [otherFeature.root] },
    ],
    ['must-staple in a leaf that is trusted itself', 'trusted', { chain: [trustedItself], anchors: [trustedItself] }],
    [
      'an untrusted chain has no use for staples',
      'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
      { anchors: [stranger], staple: response() },
    ],
    [
      'good, and revoked by a list',
      'CERT_REVOKED',
      { staple: response(), crls: [makeCrl({ issuer: intermediate, revoked: [leaf] }), makeCrl({ issuer: root })] },
    ],
    [
      'a provider without SHA-1: SHA-256 works',
      'trusted',
      { staple: response({ hash: 'sha256' }), crypto: withoutSha1() },
    ],
    [
      'a provider without SHA-1: SHA-1 is about nothing',
      'OCSP_VERIFY_FAILED',
      { staple: response(), crypto: withoutSha1() },
    ],
  ];
  for (const [name, expected, question] of [...cases, ...more])
    test(`${name}: ${expected}`, () => {
      assert.equal(codeOf(question), expected);
    });

  test('alerts: certificate_revoked, else bad_certificate_status_response', () => {
    for (const [, expected, question] of cases) {
      const verdict = judge(question);
      if (verdict.trusted) continue;
      const alert = expected === 'CERT_REVOKED' ? 'certificate_revoked' : 'bad_certificate_status_response';
      assert.equal(verdict.alert, alert, expected);
    }
  });
});

function withoutSha1(): CryptoProvider {
  const { sha1: _, ...rest } = nodeCrypto;
  return rest;
}

describe('the path and its staple', () => {
  /** Two issuers of one name: both sign the leaf's key, so that both paths are valid, but only one knows its responder. */
  test('another path is tried when the response does not fit the issuer of the first', () => {
    const key = intermediate.key;
    const second = make({ subject: cn('Second'), key: newKey(), extensions: CA });
    const renamed = make({ subject: cn('INTERMEDIATE'), key, issuer: second, extensions: CA });
    const staple = makeResponse({
      answers: [{ of: leaf, issuer: { subject: renamed.subject, key } }],
      signer: renamed,
    });
    assert.equal(codeOf({ chain: [leaf, intermediate, renamed], anchors: [root], staple }), 'OCSP_VERIFY_FAILED');
    assert.equal(codeOf({ chain: [leaf, intermediate, renamed], anchors: [root, second], staple }), 'trusted');
  });

  test('a staple makes no untrusted chain trusted, nor does its certificate serve as an issuer', () => {
    assert.equal(
      codeOf({ chain: [leaf], anchors: [root], staple: response({}, { certificates: [intermediate.der] }) }),
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    );
  });
});

describe('hostile staples', () => {
  /** A provider that counts signature checks, which may come later. */
  function counting(later: boolean): { readonly crypto: CryptoProvider; count: () => number } {
    let count = 0;
    const crypto: CryptoProvider = {
      ...nodeCrypto,
      publicKey(spki) {
        const key = nodeCrypto.publicKey(spki);
        const verify: typeof key.verify = (...args) => {
          count++;
          const valid = key.verify(...args);
          return later ? Promise.resolve(valid) : valid;
        };
        return { schemes: key.schemes, bits: key.bits, verify };
      },
    };
    return { crypto, count: () => count };
  }

  for (const later of [false, true])
    test(`100 responders${later ? ', by a provider that answers later' : ''}: 3 are tried`, async () => {
      const responder = newKey();
      const certificates = Array.from({ length: 100 }, () =>
        make({
          subject: cn('Responder'),
          key: responder,
          issuer: intermediate,
          extensions: [bc(false), eku(Oid.ocspSigning)],
        }),
      );
      const staple = response(
        {},
        { signer: certificates[0]!, certificates: certificates.map((made) => made.der), tamper: flip },
      );
      const { crypto, count } = counting(later);
      const verifier = createVerifier({ crypto, anchors: [root.der] });
      const verdict = await verifier.verify({
        chain: [leaf.der, intermediate.der],
        role: 'server',
        now: NOW,
        ocspResponse: staple,
      });
      assert.equal(verdict.trusted ? '' : verdict.code, 'OCSP_SIGNATURE_FAILURE');
      assert.equal(count(), 2 + 2 * 3);
    });

  test('many paths, each with a response that does not hold: all signatures count together', () => {
    const issuers = Array.from({ length: 30 }, () =>
      make({ subject: intermediate.subject, key: intermediate.key, issuer: root, extensions: CA }),
    );
    const roots = Array.from({ length: 20 }, () => make({ subject: root.subject, key: root.key, extensions: CA }));
    const { crypto, count } = counting(false);
    const code = codeOf({ chain: [leaf, ...issuers], anchors: roots, staple: response({}, { tamper: flip }), crypto });
    assert.equal(code, 'TOO_MANY_CHECKS');
    assert.ok(count() <= 64, `${count()} signatures`);
  });

  test('no changed byte goes unnoticed, nor makes anything throw', () => {
    const good = response();
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const changed = good.slice();
        changed[at % changed.length]! ^= mask;
        // What says that it is an error is no answer, as if there were none.
        const code = codeOf({ staple: changed });
        assert.ok(code !== 'trusted' || 'error' in parseOcspResponse(changed));
      }),
      { numRuns: 500 },
    );
  });

  test('no input makes the parser throw anything but its own error', () => {
    const inputs = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.uint8Array({ maxLength: 100 }).map((content) => successful(content)),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }).map((changes) => {
        const changed = delegatedOnce.slice();
        for (const [at, byte] of changes) changed[at % changed.length] = byte;
        return changed;
      }),
    );
    fc.assert(
      fc.property(inputs, (bytes) => {
        try {
          parseOcspResponse(bytes);
        } catch (error) {
          assert.ok(error instanceof der.DerError, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });
});

const delegatedOnce = delegated();

describe('responses of openssl ocsp', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-ocsp-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string): string => join(folder, name);
  const write = (name: string, made: Made): void => {
    writeFileSync(file(`${name}.pem`), pem(made.der));
    writeFileSync(file(`${name}.key`), made.key.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  };
  const hex = (serial: Uint8Array): string => Buffer.from(serial).toString('hex').toUpperCase();
  const responder = make({
    subject: cn('Responder'),
    key: newKey(),
    issuer: intermediate,
    extensions: [bc(false), ku(0), eku(Oid.ocspSigning)],
    notAfter: Date.UTC(2040, 0, 1),
  });

  /** A response made today, by `signer`, about the leaf. */
  function respond(signer: string, ...more: string[]): Uint8Array {
    const args = ['ocsp', '-index', file('index.txt'), '-CA', file('ca.pem'), '-rsigner', file(`${signer}.pem`)];
    args.push('-rkey', file(`${signer}.key`), '-issuer', file('ca.pem'), '-cert', file('leaf.pem'));
    args.push('-ndays', '7', '-noverify', '-respout', file('out.der'), ...more);
    execFileSync(peer('openssl')!.path, args, { stdio: 'ignore' });
    return new Uint8Array(readFileSync(file('out.der')));
  }

  for (const signer of ['ca', 'responder'] as const)
    for (const [status, expected] of [
      ['V', 'trusted'],
      ['R', 'CERT_REVOKED'],
      ['', 'OCSP_CERT_UNKNOWN'],
    ] as const)
      for (const more of [[], ['-resp_key_id'], ['-rmd', 'sha384', '-resp_no_certs']])
        test(`${status || 'not in the index'}, signed by ${signer} ${more.join(' ')}: ${expected}`, (t) => {
          if (!needs(t, 'openssl')) return;
          write('ca', intermediate);
          write('leaf', leaf);
          write('responder', responder);
          const revokedAt = status === 'R' ? '260101000000Z,keyCompromise' : '';
          const line = `${status}\t400101000000Z\t${revokedAt}\t${hex(leaf.serial)}\tunknown\t/CN=www.example.com\n`;
          writeFileSync(file('index.txt'), status === '' ? '' : line);
          const staple = respond(signer, ...more);
          const withoutCertificate = signer === 'responder' && more.includes('-resp_no_certs');
          const wholeChain = chain3Long();
          const code = codeOf({ chain: wholeChain, anchors: [longRoot], staple, now: Date.now() });
          assert.equal(code, withoutCertificate ? 'OCSP_SIGNATURE_FAILURE' : expected);
        });

  const longRoot = make({ ...lasting(root), subject: root.subject, key: root.key, extensions: CA });
  /** The chain again, valid today whenever that is. */
  function chain3Long(): readonly Made[] {
    const issuer = make({ ...lasting(intermediate), issuer: root, extensions: CA });
    return [make({ ...lasting(leaf), issuer: intermediate, extensions: LEAF }), issuer];
  }
  function lasting({ subject, key, serial }: Made): Pick<Recipe, 'subject' | 'key' | 'serial' | 'notAfter'> {
    return { subject, key, serial, notAfter: Date.UTC(2040, 0, 1) };
  }
});
