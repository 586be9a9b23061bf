import assert from 'node:assert/strict';
import { Inbox } from '../../../src/connection/inbox.ts';
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

/** The longest record, header included; and that of a connection which waits for an answer. */
const MAX_RECORD = 5 + 16_640;
const MAX_PARKED = 1_048_576;

let pushedTo: Inbox | undefined;
const { push } = Inbox.prototype;
Inbox.prototype.push = function (bytes) {
  pushedTo = this;
  push.call(this, bytes);
};

/** Gives bytes to a side, and looks at how many of them it holds afterwards. */
export function give({ engine }: Side, bytes: Uint8Array): void {
  pushedTo = undefined;
  engine.receive(bytes);
  const held = pushedTo as Inbox | undefined;
  const limit = engine.state.startsWith('parked') ? MAX_PARKED : MAX_RECORD;
  if (held !== undefined) assert.ok(held.buffered <= limit, `${held.buffered} bytes are held back in ${engine.state}`);
}

/** What a program may do at any time. */
const CALLS: readonly ((engine: TlsEngine) => void)[] = [
  (e) => e.write(new Uint8Array(3)),
  (e) => e.write(new Uint8Array(0)),
  (e) => e.flush(),
  (e) => e.updateKeys(true),
  (e) => void e.requestTickets(2),
  (e) => void e.exportKeyingMaterial(32, 'x'),
  (e) => void e.exportEarlyKeyingMaterial(32, 'x'),
  (e) => e.requestClientCertificate(),
  (e) => void e.cancelTickets(),
  (e) => void e.explainTickets(),
  (e) => {
    e.maxSendFragment = 512;
  },
  (e) => e.close(),
  (e) => e.transportEnded(),
  (e) => e.abort('internal_error'),
];

/** One of them. */
export function callSomething(engine: TlsEngine, which: number): void {
  perform(CALLS[which % CALLS.length]!, engine);
}

/** Nothing that a program does after the end brings a connection back, or makes it throw. */
export function checkEnd(side: Side): void {
  const { engine } = side;
  takeAll(side);
  const before = side.events.length;
  for (const call of CALLS) perform(call, engine);
  give(side, Uint8Array.of(22, 3, 3, 0, 1, 1));
  takeAll(side);
  assert.match(engine.state, /^(closed|failed)$/);
  const added = side.events.slice(before).map(({ type }) => type);
  assert.ok(!added.includes('secure') && !added.includes('data'), `after the end: ${added}`);
  checkSide(side);
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
    const documented = error.code in PEER_FAULTS || /^(peer\.alert|certificate\.not_trusted)$/.test(error.code);
    assert.ok(documented, `the code ${error.code} is not documented`);
    assert.match(error.alert, /^[a-z][a-z0-9_]*$/, 'an alert of the RFC, or its number');
    assert.doesNotMatch(error.alert, /undefined|NaN/);
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
