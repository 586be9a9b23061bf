import { hidden } from '../bytes/index.ts';
import type { CryptoProvider } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { MAX_KEYS_HELD, period } from './key-material.ts';
import type { TicketKey } from './key-ring.ts';

/** When the keys that one host makes for others seal and open. */
export interface TicketKeyPeriods {
  /** How long a key seals, in seconds. Default 12 hours, and more than twice `propagationSeconds`. */
  readonly sealForSeconds?: number;
  /** How long it opens after that, in seconds. Default 24 hours, at most 13 times `sealForSeconds`. */
  readonly openForSeconds?: number;
  /** How long before it seals a key is there, in seconds, for all others to learn it. Default 60. */
  readonly propagationSeconds?: number;
}

/**
 * The keys that one host should share with the others at `now`, given those it shares already: for whoever makes keys for many.
 *
 * Drops keys that ran out (and wipes their secrets), and adds what is missing: the first key, which seals at once, for there is
 * nobody yet whom it could surprise; the follower of the newest, twice `propagationSeconds` before that one stops sealing; and one when
 * `rotate` asks for it. A new key never seals before `propagationSeconds` have passed, and then the one before stops.
 *
 * Pure but for the randomness. Throws {@link TlsUsageError}: `ticket_key.bad_period`; `ticket_key.too_many` when `rotate` is asked for
 * with 16 keys alive.
 */
export function ticketKeySchedule(
  crypto: CryptoProvider,
  keys: readonly TicketKey[],
  now: number,
  periods: TicketKeyPeriods & { readonly rotate?: boolean } = {},
): readonly TicketKey[] {
  const { sealForMs, openForMs, propagationMs } = checkedPeriods(periods);
  const alive = keys.filter((key) => key.openUntil > now).sort((a, b) => b.sealFrom - a.sealFrom);
  for (const key of keys) if (key.openUntil <= now) key.secret.fill(0);
  const newest = alive[0];
  const rotates = periods.rotate === true;
  if (newest !== undefined && !rotates && newest.sealUntil - now > 2 * propagationMs) return alive;
  if (alive.length >= MAX_KEYS_HELD) {
    if (!rotates) return alive;
    throw new TlsUsageError(
      'ticket_key.too_many',
      `there are ${alive.length} keys, and a ring holds at most ${MAX_KEYS_HELD}`,
    );
  }
  let sealFrom = now;
  if (rotates) sealFrom = now + propagationMs;
  else if (newest !== undefined) sealFrom = Math.max(newest.sealUntil, now + propagationMs);
  const sealUntil = sealFrom + sealForMs;
  const next = { secret: hidden(crypto.random(32)), sealFrom, sealUntil, openUntil: sealUntil + openForMs };
  return [next, ...alive.map((key) => (key.sealFrom < sealFrom ? retired(key, sealFrom, openForMs) : key))];
}

/** `key` when it stops sealing at `time` at the latest, and opens for as long after that as any. */
function retired(key: TicketKey, time: number, openForMs: number): TicketKey {
  if (key.sealUntil <= time) return key;
  return { ...key, sealUntil: time, openUntil: Math.min(key.openUntil, time + openForMs) };
}

function checkedPeriods(periods: TicketKeyPeriods): { sealForMs: number; openForMs: number; propagationMs: number } {
  const sealFor = period('sealForSeconds', periods.sealForSeconds ?? 12 * 3_600);
  const openFor = period('openForSeconds', periods.openForSeconds ?? 24 * 3_600);
  const propagation = period('propagationSeconds', periods.propagationSeconds ?? 60);
  if (2 * propagation >= sealFor) {
    throw new TlsUsageError(
      'ticket_key.bad_period',
      `sealForSeconds is ${sealFor}, it must be more than twice propagationSeconds, which is ${propagation}`,
    );
  }
  if (openFor > (MAX_KEYS_HELD - 3) * sealFor) {
    throw new TlsUsageError(
      'ticket_key.bad_period',
      `openForSeconds may be at most ${MAX_KEYS_HELD - 3} times sealForSeconds: a ring holds at most ${MAX_KEYS_HELD} keys`,
    );
  }
  return { sealForMs: 1_000 * sealFor, openForMs: 1_000 * openFor, propagationMs: 1_000 * propagation };
}
