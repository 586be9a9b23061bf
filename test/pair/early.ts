import { toHex } from '../../src/bytes/index.ts';
import type { ClientEngineOptions, ServerOptions } from '../../src/connection/index.ts';
import type { MaybePromise } from '../../src/crypto/index.ts';
import { testCrypto } from '../../src/providers/test/index.ts';
import {
  type ClientTicket,
  type EarlyDataAttempt,
  type ReplayGuard,
  type ReplayVerdict,
  RingSealer,
  TicketKeyRing,
} from '../../src/tickets/index.ts';
import { connect, createWorld, eventsOf, Pair, type Side, TestClock, type World, type WorldOptions } from './pair.ts';

/** Remembers binders for ever, and what it was asked. */
export class TestGuard implements ReplayGuard {
  readonly guarantee: ReplayGuard['guarantee'] = 'process';
  readonly windowMs: number = 10_000;
  readonly attempts: EarlyDataAttempt[] = [];
  readonly #seen = new Set<string>();
  readonly #answer: ((attempt: EarlyDataAttempt) => MaybePromise<ReplayVerdict>) | undefined;

  constructor(answer?: (attempt: EarlyDataAttempt) => MaybePromise<ReplayVerdict>) {
    this.#answer = answer;
  }

  check(attempt: EarlyDataAttempt): MaybePromise<ReplayVerdict> {
    this.attempts.push(attempt);
    if (this.#answer !== undefined) return this.#answer(attempt);
    const key = toHex(attempt.binder);
    if (this.#seen.has(key)) return 'replay';
    this.#seen.add(key);
    return 'fresh';
  }
}

/** A clock with timers that go off when it is told so. */
export class TimerClock extends TestClock {
  readonly timers: Set<{ readonly milliseconds: number; readonly run: () => void }> = new Set<{
    readonly milliseconds: number;
    readonly run: () => void;
  }>();
  after = (milliseconds: number, run: () => void): (() => void) => {
    const timer = { milliseconds, run };
    this.timers.add(timer);
    return () => void this.timers.delete(timer);
  };
  fire(): void {
    const due = [...this.timers];
    this.timers.clear();
    for (const { run } of due) run();
  }
}

const ringCrypto = testCrypto({ seed: 'early data keys' });

/** The server takes 1,000 bytes of early data unless told otherwise. Worlds with one `sealer` open each other's tickets. */
export async function earlyWorld(
  early: Partial<NonNullable<ServerOptions['earlyData']>> | false = {},
  options: WorldOptions = {},
): Promise<World & { readonly guard: TestGuard }> {
  const guard = new TestGuard();
  const earlyData = early === false ? undefined : { maxSize: 1_000, guard, ...early };
  const world = await createWorld({ ...options, server: { earlyData, ...options.server } });
  return { ...world, guard: (earlyData?.guard as TestGuard | undefined) ?? guard };
}

export function newSealer(): RingSealer {
  return new RingSealer(new TicketKeyRing({ crypto: ringCrypto }), ringCrypto);
}

/** The tickets of a new connection. */
export async function ticketsOf(world: World): Promise<ClientTicket[]> {
  return eventsOf((await connect(world)).client, 'ticket').map(({ ticket }) => ticket);
}

/** A pair whose client offers early data and has written `early`, before anything was carried. */
export async function offer(
  world: World,
  early: string | readonly (string | Uint8Array)[] = [],
  options: ClientEngineOptions = {},
): Promise<Pair> {
  const pair = new Pair(world, { earlyData: true, tickets: options.tickets ?? (await ticketsOf(world)), ...options });
  for (const piece of typeof early === 'string' ? [early] : early) pair.client.engine.write(bytesOf(piece));
  return pair;
}

export const bytesOf = (data: string | Uint8Array): Uint8Array =>
  typeof data === 'string' ? new TextEncoder().encode(data) : data;

/** What arrived, by kind. */
export function received(side: Side, type: 'data' | 'early_data'): Buffer {
  return Buffer.concat(eventsOf(side, type).map(({ bytes }) => bytes));
}

/** `accepted`, or the reason; one for each event. */
export function statusOf(side: Side): string[] {
  return eventsOf(side, 'early_data_status').map(({ accepted, reason }) => (accepted ? 'accepted' : String(reason)));
}
