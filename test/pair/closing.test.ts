import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { TlsUsageError } from '../../src/errors/index.ts';
import type { TicketMoment, TicketSealer } from '../../src/tickets/index.ts';
import { WaitingClock } from './clock.ts';
import { connect, createWorld, eventsOf, type Pair, type Side, TestClock } from './pair.ts';

/** What a client saw, in order. */
const seen = (side: Side): string[] =>
  side.events
    .filter(({ type }) => type !== 'secure')
    .map((event) => (event.type === 'error' ? event.error.alert : event.type));

/** A connection whose tickets are on their way from the sealer until `release`. */
async function sealing(clock: TestClock, ...moments: readonly TicketMoment[]) {
  let release: () => void = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  let sealed = 0;
  const sealer: TicketSealer = {
    maxLifetimeSeconds: () => 10_000,
    open: () => 'no_key',
    seal: async () => {
      await gate;
      return Uint8Array.of(++sealed);
    },
  };
  const tickets = moments.map((when) => ({ when }));
  const policy = { name: 'fixed', plan: () => ({ tickets, why: 'always' }) };
  const pair = await connect(await createWorld({ clock, server: { tickets: { sealer, policy } } }));
  assert.deepEqual(seen(pair.client), []);
  return { pair, release: () => released(pair, release) };
}

async function released(pair: Pair, release: () => void): Promise<void> {
  release();
  await turn();
  await pair.run();
}

describe('a server that closes while its tickets are being sealed', () => {
  test('says so behind the tickets', async () => {
    const clock = new WaitingClock();
    const { pair, release } = await sealing(clock, 'with_handshake', 'with_handshake', 'with_next_write');
    const { engine } = pair.server;
    engine.write(Uint8Array.of(1));
    engine.close();
    assert.deepEqual([engine.closing, engine.writeClosed], [true, true]);
    assert.throws(() => engine.write(Uint8Array.of(2)), TlsUsageError);
    assert.throws(() => engine.issueTickets([{}]), TlsUsageError);
    assert.equal(engine.requestTickets(), false);
    engine.close();
    await pair.run();
    assert.deepEqual(seen(pair.client), ['data']);
    await release();
    assert.deepEqual(seen(pair.client), ['data', 'ticket', 'ticket', 'ticket', 'end']);
    assert.deepEqual([engine.closing, clock.waiting], [false, 0]);
  });

  test('also those that are for before the end', async () => {
    const { pair, release } = await sealing(new WaitingClock(), 'before_close');
    pair.server.engine.close();
    await release();
    assert.deepEqual(seen(pair.client), ['ticket', 'end']);
  });

  test('tickets whose moment does not come are not waited for', async () => {
    const { pair } = await sealing(new WaitingClock(), 'with_next_write', 'after_first_data', { afterIdleMs: 5 });
    pair.server.engine.close();
    await pair.run();
    assert.deepEqual(seen(pair.client), ['end']);
  });

  test('nor is a sealer that takes too long', async () => {
    const clock = new WaitingClock();
    const { pair, release } = await sealing(clock, 'with_handshake');
    pair.server.engine.close();
    clock.advance(999);
    await pair.run();
    assert.deepEqual(seen(pair.client), []);
    clock.advance(1);
    await pair.run();
    assert.deepEqual(seen(pair.client), ['end']);
    await release();
    assert.deepEqual(seen(pair.client), ['end']);
    assert.equal(pair.server.engine.tickets[0]!.state(clock.now()), 'canceled');
  });

  test('nor any, when nothing says how long', async () => {
    const { pair, release } = await sealing(new TestClock(), 'with_handshake');
    pair.server.engine.close();
    assert.equal(pair.server.engine.closing, false);
    await release();
    assert.deepEqual(seen(pair.client), ['end']);
  });

  test('data and the end of the client still come', async () => {
    const { pair, release } = await sealing(new WaitingClock(), 'with_handshake');
    pair.server.engine.close();
    pair.client.engine.write(Uint8Array.of(1));
    pair.client.engine.close();
    await pair.run();
    assert.deepEqual(seen(pair.server), ['data', 'end']);
    assert.equal(pair.server.engine.closing, true);
    await release();
    assert.deepEqual(seen(pair.client), ['ticket', 'end']);
    assert.deepEqual([pair.client.engine.state, pair.server.engine.state], ['closed', 'closed']);
  });

  test('and a failure ends it at once', async () => {
    for (const fails of ['server', 'client'] as const) {
      const clock = new WaitingClock();
      const { pair, release } = await sealing(clock, 'with_handshake');
      pair.server.engine.close();
      pair[fails].engine.abort('internal_error');
      await pair.run();
      await release();
      assert.deepEqual(seen(pair.client), fails === 'server' ? ['internal_error'] : []);
      assert.deepEqual([pair.server.engine.closing, clock.waiting], [false, 0]);
      assert.equal(eventsOf(pair.server, 'ticket_issued').length, 0);
    }
  });
});
