import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MemoryRevocations } from './revocations.ts';

const T0 = 1_790_000_000_000;
const WEEK = 604_800_000;
const ticket = (issuedAt: number, identity?: string, name = 1) => ({
  id: new Uint8Array(16).fill(name),
  issuedAt,
  ...(identity !== undefined && { identity }),
});

test('an identity, a ticket, a time', () => {
  const revoked = new MemoryRevocations({ clockSkewMs: 100 });
  revoked.revoke({ identity: 'alice' }, T0);
  assert.equal(revoked.isRevoked(ticket(T0, 'alice'), T0), true);
  assert.equal(revoked.isRevoked(ticket(T0, 'bob'), T0), false);
  assert.equal(revoked.isRevoked(ticket(T0), T0), false, 'speaks for nobody');
  assert.equal(revoked.isRevoked(ticket(T0 + 100, 'alice'), T0 + 100), true, 'of a host whose clock is ahead');
  assert.equal(revoked.isRevoked(ticket(T0 + 101, 'alice'), T0 + 101), false, 'issued afterwards');

  revoked.revoke({ ticket: new Uint8Array(16).fill(7) }, T0);
  assert.equal(revoked.isRevoked(ticket(T0 - 5, 'bob', 7), T0), true);
  assert.equal(revoked.isRevoked(ticket(T0 - 5, 'bob', 8), T0), false);

  revoked.revoke({ before: T0 - 1_000 }, T0);
  assert.equal(revoked.isRevoked(ticket(T0 - 901, 'bob'), T0), true);
  assert.equal(revoked.isRevoked(ticket(T0 - 900, 'bob'), T0), false);
  revoked.revoke({ before: T0 - 2_000 }, T0);
  assert.equal(revoked.isRevoked(ticket(T0 - 901, 'bob'), T0), true, 'an earlier time takes nothing back');
});

test('an identity that looks like a ticket is another entry', () => {
  const revoked = new MemoryRevocations();
  revoked.revoke({ identity: '07'.repeat(16) }, T0);
  assert.equal(revoked.isRevoked(ticket(T0, undefined, 7), T0), false);
});

test('fault 5: whatever happens, nothing revoked comes back while a ticket of it lives', () => {
  const operation = fc.oneof(
    fc.record({ do: fc.constant('revoke' as const), identity: fc.constantFrom('a', 'b', 'c') }),
    fc.record({ do: fc.constant('ticket' as const), name: fc.nat(2) }),
    fc.record({ do: fc.constant('before' as const), ago: fc.nat(WEEK) }),
    // Also backwards: clocks are set.
    fc.record({
      do: fc.constant('wait' as const),
      ms: fc.oneof(fc.integer({ min: -WEEK / 4, max: WEEK }), fc.integer({ min: -50, max: 50 })),
    }),
    fc.record({
      do: fc.constant('issue' as const),
      identity: fc.constantFrom('a', 'b', 'c'),
      name: fc.nat(2),
    }),
  );
  fc.assert(
    fc.property(fc.nat(4), fc.array(operation, { maxLength: 60 }), (maxEntries, operations) => {
      const revocations = new MemoryRevocations({ maxEntries, clockSkewMs: 0 });
      const issued: { id: Uint8Array; identity: string; issuedAt: number; revoked: boolean; name: number }[] = [];
      let now = T0;
      for (const op of operations) {
        if (op.do === 'wait') now += op.ms;
        else if (op.do === 'issue') {
          issued.push({ ...ticket(now, op.identity, op.name), identity: op.identity, revoked: false, name: op.name });
        } else if (op.do === 'revoke') {
          revocations.revoke({ identity: op.identity }, now);
          for (const it of issued) if (it.identity === op.identity && it.issuedAt <= now) it.revoked = true;
        } else if (op.do === 'ticket') {
          revocations.revoke({ ticket: new Uint8Array(16).fill(op.name) }, now);
          for (const it of issued) if (it.name === op.name && it.issuedAt <= now) it.revoked = true;
        } else {
          revocations.revoke({ before: now - op.ago }, now);
          for (const it of issued) if (it.issuedAt < now - op.ago) it.revoked = true;
        }
        assert.ok(revocations.size <= maxEntries);
        for (const it of issued) if (it.revoked) assert.equal(revocations.isRevoked(it, now), true);
      }
    }),
    { numRuns: 1_000 },
  );
});

test('an entry is forgotten after seven days, and nobody notices', () => {
  const revoked = new MemoryRevocations({ clockSkewMs: 0 });
  revoked.revoke({ identity: 'alice' }, T0);
  const justBefore = T0 + WEEK;
  assert.equal(revoked.isRevoked(ticket(justBefore - 1, 'bob'), justBefore), false);
  assert.equal(revoked.size, 1);
  assert.equal(revoked.isRevoked(ticket(T0 + 1, 'bob'), justBefore + 1), false);
  assert.deepEqual([revoked.size, revoked.before], [0, T0 + 1]);
});

test('a full table revokes too much, the oldest first, never too little', () => {
  const revoked = new MemoryRevocations({ maxEntries: 2, clockSkewMs: 0 });
  revoked.revoke({ identity: 'a' }, T0);
  revoked.revoke({ identity: 'b' }, T0 + 10);
  assert.equal(revoked.isRevoked(ticket(T0 - 5, 'bystander'), T0 + 10), false);
  revoked.revoke({ identity: 'c' }, T0 + 20);
  assert.equal(revoked.isRevoked(ticket(T0, 'a'), T0 + 20), true);
  assert.equal(revoked.isRevoked(ticket(T0 - 5, 'bystander'), T0 + 20), true);
  assert.equal(revoked.isRevoked(ticket(T0 + 1, 'bystander'), T0 + 20), false);
  const none = new MemoryRevocations({ maxEntries: 0, clockSkewMs: 0 });
  none.revoke({ ticket: new Uint8Array(16).fill(1) }, T0);
  assert.equal(none.isRevoked(ticket(T0), T0), true);
});

test('what was issued before the start can be revoked from the start', () => {
  const revoked = new MemoryRevocations({ before: T0 });
  assert.equal(revoked.isRevoked(ticket(T0 - 1), T0 + 5), true);
  assert.equal(revoked.isRevoked(ticket(T0), T0 + 5), false);
  assert.equal(revoked.isRevoked(ticket(Number.NaN), T0 + 5), true);
});

test('times and options that make no sense are refused', () => {
  const revoked = new MemoryRevocations();
  for (const before of [T0 + 1, -1, Number.NaN]) {
    assert.throws(() => revoked.revoke({ before }, T0), { code: 'revocation.bad_time' });
  }
  for (const now of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => revoked.revoke({ identity: 'a' }, now), { code: 'revocation.bad_time' });
  }
  assert.equal(revoked.isRevoked(ticket(T0, 'a'), T0), false, 'nothing happened');
  for (const bad of [
    { maxEntries: -1 },
    { maxEntries: 0.5 },
    { clockSkewMs: -1 },
    { clockSkewMs: Number.NaN },
    { before: -1 },
  ]) {
    assert.throws(() => new MemoryRevocations(bad), { code: 'revocation.bad_option' });
  }
});
