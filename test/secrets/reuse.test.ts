import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookForReuse } from './reuse.ts';

/** `npx tsx bench/reuse.ts` does it 100,000 times. */
test('500 connections: no key share, random, nonce, key or ticket comes twice', async () => {
  const reuse = await lookForReuse(500);
  for (const [kind, { again }] of Object.entries(reuse)) assert.equal(again, 0, kind);
  assert.equal(reuse['randoms']?.seen, 1_000);
  assert.ok(reuse['nonces under one key']!.seen >= 5_000);
});
