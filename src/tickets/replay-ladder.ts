import type { MaybePromise } from '../crypto/index.ts';
import { andThen } from './maybe-promise.ts';
import type { EarlyDataAttempt, ReplayGuard, ReplayVerdict } from './replay.ts';

const STRENGTH = ['process', 'host', 'fleet'] as const;

/**
 * Asks `guards` in order until one does not say `fresh`: a cheap one in memory keeps repeats away from one across the network.
 * As strong as the strongest of them, and as strict about time as the strictest. The quarantine of each holds.
 */
export function ladder(...guards: readonly [ReplayGuard, ...ReplayGuard[]]): ReplayGuard {
  const climb = (attempt: EarlyDataAttempt, step: number): MaybePromise<ReplayVerdict> => {
    const guard = guards[step];
    if (guard === undefined) return 'fresh';
    return andThen(guard.check(attempt), (verdict) => (verdict === 'fresh' ? climb(attempt, step + 1) : verdict));
  };
  return {
    guarantee: STRENGTH[Math.max(...guards.map(({ guarantee }) => STRENGTH.indexOf(guarantee)))]!,
    windowMs: Math.min(...guards.map(({ windowMs }) => windowMs)),
    check: (attempt) => climb(attempt, 0),
  };
}
