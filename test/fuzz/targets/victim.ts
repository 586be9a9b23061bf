import assert from 'node:assert/strict';
import type { TlsEngine } from '../../../src/connection/index.ts';
import { PEER_FAULTS, TlsUsageError } from '../../../src/errors/index.ts';
import { eventsOf, type Side } from '../../pair/pair.ts';
import type { Scenario } from '../scenarios.ts';

/** Takes all bytes and events of a side; returns how many bytes. */
export function takeAll({ engine, events, sent }: Side): number {
  let length = 0;
  for (let bytes = engine.pull(); bytes !== undefined; bytes = engine.pull()) {
    assert.ok(bytes.length > 0, 'pull gives bytes, or nothing');
    sent.push(bytes);
    length += bytes.length;
  }
  for (let event = engine.next(); event !== undefined; event = engine.next()) events.push(event);
  return length;
}

/** What is true of one side of a connection whatever the other side does. */
export function checkSide(side: Side): void {
  const { engine } = side;
  const errors = eventsOf(side, 'error');
  assert.ok(errors.length <= 1, 'a connection fails once');
  for (const { error } of errors) {
    assert.equal(engine.state, 'failed');
    // What goes wrong inside is reported as a failure of this side: a fault of ours, and never the peer's doing.
    if (error.code === 'local.failed') throw 'cause' in error && error.cause instanceof Error ? error.cause : error;
    assert.ok(error.code in PEER_FAULTS || error.code === 'peer.alert', `the code ${error.code} is not documented`);
    assert.ok(error.message.length < 2_000, 'a message of bounded length');
  }
  assert.ok(eventsOf(side, 'secure').length <= 1, 'secure once');
  if (eventsOf(side, 'data').length > 0) assert.equal(eventsOf(side, 'secure').length, 1, 'no data before secure');
  for (const { info } of eventsOf(side, 'secure')) {
    if (engine.role === 'client') assert.ok(info.peer.authorized, 'the server was authenticated');
  }
}

/** Everything a program sees, without what depends on the process. */
export function verdictOf(side: Side): string[] {
  return side.events.map((event) =>
    event.type === 'error'
      ? `error ${event.error.code} ${event.error.message}`
      : event.type === 'data' || event.type === 'early_data'
        ? `${event.type} ${event.bytes.length}`
        : event.type,
  );
}

/** Bytes that a side may say for so many that it heard. Certificates, tickets and what the program writes come on top. */
export function outputLimit(heard: number, scenario: Scenario): number {
  return 16_000 + 2 * heard + (scenario.script ?? []).length * 8_000;
}

/** What a program does: at the wrong moment it gets a TlsUsageError, and nothing else. */
export function perform(step: (engine: TlsEngine) => void, engine: TlsEngine): void {
  try {
    step(engine);
  } catch (error) {
    if (!(error instanceof TlsUsageError)) throw error;
  }
}
