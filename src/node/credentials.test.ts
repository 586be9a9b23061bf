import assert from 'node:assert/strict';
import { test } from 'node:test';
import { identity } from '../../test/compat/node/scenario.ts';
import { SignatureScheme } from '../wire/registry.ts';
import { createSecureContext } from './context.ts';

test('sigalgs, in Node’s spellings, limit what is signed', () => {
  const [ec, rsa] = [identity('server'), identity('rsa')];
  const schemes = (sigalgs: string): readonly (readonly number[])[] =>
    createSecureContext({ cert: [rsa.cert, ec.cert], key: [rsa.key, ec.key], sigalgs }).credentials.map(
      ({ signer }) => signer.schemes,
    );
  assert.deepEqual(schemes('RSA-PSS+SHA256:ECDSA+SHA256'), [
    [SignatureScheme.ecdsa_secp256r1_sha256],
    [SignatureScheme.rsa_pss_rsae_sha256],
  ]);
  assert.deepEqual(schemes('RSA+SHA1:rsa_pss_rsae_sha512:ed25519'), [[], [SignatureScheme.rsa_pss_rsae_sha512]]);
});
