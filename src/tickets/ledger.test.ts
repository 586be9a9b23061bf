import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TlsUsageError } from '../errors/index.ts';
import { IssuedTicket } from './handle.ts';
import { TicketLedger } from './ledger.ts';

function issued(n: number): IssuedTicket {
  const handle = new IssuedTicket(new Uint8Array(16).fill(n), {}, 'full_handshake', 'with_handshake');
  handle.sealed(1_000, 60);
  return handle;
}

test('a ledger tells the handle of a ticket that it was redeemed, and forgets the oldest', () => {
  const ledger = new TicketLedger({ size: 2 });
  const [a, b, c] = [issued(1), issued(2), issued(3)];
  for (const handle of [a!, b!, c!]) ledger.add(handle);
  assert.equal(ledger.size, 2);
  assert.equal(ledger.redeemed(a!.id), false);
  assert.equal(ledger.redeemed(c!.id), true);
  assert.deepEqual(
    [a!, b!, c!].map((h) => h.state(2_000)),
    ['sealed', 'sealed', 'redeemed'],
  );
  assert.equal(c!.state(61_000), 'redeemed');
  assert.equal(b!.state(61_000), 'expired');
});

test('a size that is none is refused', () => {
  for (const size of [0, -1, 1.5, 2 ** 24 + 1]) assert.throws(() => new TicketLedger({ size }), TlsUsageError);
});
