import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { concat } from '../../../src/bytes/index.ts';
import type { Side } from '../../pair/pair.ts';
import { pairOf, SCENARIOS } from '../scenarios.ts';
import { type FuzzTarget, InputReader, type Random } from '../target.ts';
import { RECORD_DICTIONARY, TLS_DICTIONARY } from './dictionary.ts';
import { recorded } from './recorded.ts';
import { checkEnd, checkSide, give, outputLimit, perform, takeAll, verdictOf } from './victim.ts';

/** Scenario, role, size of the chunks; then what the peer says. */
const HEAD = 3;

interface Outcome {
  readonly verdict: readonly string[];
  readonly sent: number;
}

async function feed(input: Uint8Array): Promise<Outcome> {
  const r = new InputReader(input);
  const scenario = SCENARIOS[r.u8() % SCENARIOS.length]!;
  const isServer = (r.u8() & 1) === 1;
  const size = r.u8() * 16 || Number.POSITIVE_INFINITY;
  const bytes = r.rest().slice();
  const pair = await pairOf(scenario);
  const victim: Side = isServer ? pair.server : pair.client;
  const steps = (scenario.script ?? []).filter(([role]) => role === victim.engine.role).map(([, step]) => step);
  let sent = takeAll(victim);
  for (let at = 0; at < bytes.length; at += size) {
    const chunk = bytes.subarray(at, Math.min(bytes.length, at + size));
    give(victim, chunk);
    sent += takeAll(victim);
    await settle(victim);
    sent += takeAll(victim);
    // The program has its say between chunks, once it may.
    const step = victim.engine.info === undefined ? undefined : steps.shift();
    if (step !== undefined) perform(step, victim.engine);
    checkSide(victim);
  }
  for (const step of steps) perform(step, victim.engine);
  sent += takeAll(victim);
  victim.engine.transportEnded();
  sent += takeAll(victim);
  checkSide(victim);
  assert.ok(
    /^(closed|failed)$/.test(victim.engine.state) || victim.engine.readClosed,
    `ends, but in ${victim.engine.state}`,
  );
  assert.ok(sent <= outputLimit(bytes.length, scenario), `${sent} bytes out for ${bytes.length} in`);
  const verdict = verdictOf(victim);
  checkEnd(victim);
  return { verdict, sent };
}

/** Lets answers that the engine waits for come in. All of ours come within a turn. */
async function settle({ engine }: Side): Promise<void> {
  for (let i = 0; engine.state.startsWith('parked'); i++) {
    assert.ok(i < 200, `${engine.state} without end`);
    await turn();
  }
}

export const engineBytes: FuzzTarget = {
  name: 'engine-bytes',
  about:
    'the engine, both roles, every scenario: changed bytes of the peer; documented: TlsUsageError of the program only, faults as one event',
  dictionary: [...RECORD_DICTIONARY, ...TLS_DICTIONARY],
  maxLength: 12_000,
  sliceRuns: 60,
  async seeds() {
    return (await recorded()).flatMap(({ client, server }, i) => [
      concat(Uint8Array.of(i, 1, 0), client),
      concat(Uint8Array.of(i, 0, 0), server),
      concat(Uint8Array.of(i, 1, 3), client),
      concat(Uint8Array.of(i, 0, 5), server),
    ]);
  },
  /** Whole records: away, twice, in another order, in the middle of another one. */
  mutate(input, random: Random) {
    const records = recordsOf(input.subarray(HEAD));
    if (records.length === 0) return input;
    const at = random.below(records.length);
    const [record] = records.splice(at, 1);
    const again = random.below(records.length + 1);
    switch (random.below(4)) {
      case 0:
        break;
      case 1:
        records.splice(at, 0, record!, record!);
        break;
      case 2:
        records.splice(again, 0, record!);
        break;
      default:
        records.splice(at, 0, random.pick(RECORD_DICTIONARY), record!);
    }
    return concat(input.subarray(0, HEAD), ...records);
  },
  async run(input) {
    const first = await feed(input);
    if (((input[5] ?? 0) & 7) === 0) assert.deepEqual(await feed(input), first, 'the same bytes, another verdict');
  },
};

function recordsOf(bytes: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = 5 + (((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0));
    records.push(bytes.slice(at, at + length));
    at += length;
  }
  return records;
}
