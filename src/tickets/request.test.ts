import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TlsUsageError } from '../errors/index.ts';
import { ticketsToRequest } from './request.ts';

test('a client asks for what its cache lacks', () => {
  for (const [usable, target, newSessionCount, resumptionCount] of [
    [0, undefined, 2, 2],
    [1, undefined, 2, 1],
    [2, undefined, 2, 0],
    [9, undefined, 2, 0],
    [3, 8, 8, 5],
    [0, 255, 255, 255],
  ] as const)
    assert.deepEqual(ticketsToRequest(usable, target), { newSessionCount, resumptionCount });
});

test('a client that offers no ticket wants none after a resumption', () => {
  assert.deepEqual(ticketsToRequest(0, 3, false), { newSessionCount: 3, resumptionCount: 0 });
});

test('a target that does not fit the extension is refused', () => {
  for (const target of [0, 256, 1.5, Number.NaN]) assert.throws(() => ticketsToRequest(0, target), TlsUsageError);
});
