import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { PeerVerdict } from '../../src/peer-auth/index.ts';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import { createVerifier } from '../../src/x509/index.ts';
import { needs } from '../support/peers.ts';
import { allChains } from './chains.ts';
import { chain3, cn, NOW } from './forge.ts';
import { judge, opensslAccepts } from './judge.ts';

const cases = allChains();

describe('verdicts', () => {
  for (const one of cases)
    test(`${one.name}: ${one.expected}`, () => {
      const verdict = judge(one);
      assert.equal(verdict.trusted ? 'trusted' : verdict.code, one.expected, verdict.trusted ? '' : verdict.message);
    });
});

describe('openssl verify decides the same', { concurrency: 4 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-chains-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

  for (const [index, one] of cases.entries())
    test(one.name, async (t) => {
      if (!needs(t, 'openssl')) return;
      const accepted = await opensslAccepts(one, join(folder, String(index)));
      const same = accepted === (one.expected === 'trusted');
      assert.equal(same, one.opensslDiffers === undefined, `openssl ${accepted ? 'accepts' : 'refuses'} it`);
    });
});

describe('hostile input', () => {
  test('a chain of hundreds of certificates is refused unread', () => {
    const { root, leaf, intermediate } = chain3();
    const chain = [leaf.der, ...new Array<Uint8Array>(500).fill(intermediate.der)];
    const verdict = createVerifier({ crypto: nodeCrypto, anchors: [root.der] }).verify({
      chain,
      role: 'server',
      now: NOW,
    });
    assert.equal((verdict as { code?: string }).code, 'CERT_CHAIN_TOO_LONG');
  });

  test('no changed byte makes the verifier throw, and none in the leaf goes unnoticed', () => {
    const { root, intermediate, leaf } = chain3();
    const verifier = createVerifier({ crypto: nodeCrypto, anchors: [root.der] });
    const verify = (chain: readonly Uint8Array[]): PeerVerdict =>
      verifier.verify({ chain, role: 'server', now: NOW, serverName: 'www.example.com' }) as PeerVerdict;
    assert.ok(verify([leaf.der, intermediate.der]).trusted);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (which, at, mask) => {
        const chain = [leaf.der.slice(), intermediate.der.slice()];
        const changed = chain[which]!;
        changed[at % changed.length]! ^= mask;
        assert.equal(verify(chain).trusted, false);
      }),
      { numRuns: 1500 },
    );
  });

  test('no message carries control characters of a certificate into a log', () => {
    const { root, intermediate, leaf } = chain3({
      leaf: { subject: cn('a\r\nFAKE LOG LINE \u001b[2J'), notAfter: NOW - 1000 },
    });
    const verdict = createVerifier({ crypto: nodeCrypto, anchors: [root.der] }).verify({
      chain: [leaf.der, intermediate.der],
      role: 'server',
      now: NOW,
    }) as { message: string };
    assert.match(verdict.message, /expired at 2025-12-31T23:59:59Z/);
    assert.doesNotMatch(verdict.message, /\p{C}/u);
  });
});

test('a time that is no number is no time at which certificates are valid', () => {
  const { root, intermediate, leaf } = chain3();
  const verdict = createVerifier({ crypto: nodeCrypto, anchors: [root.der] }).verify({
    chain: [leaf.der, intermediate.der],
    role: 'server',
    now: Number.NaN,
  });
  assert.equal((verdict as PeerVerdict).trusted, false);
});
