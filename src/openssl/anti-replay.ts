import type { ServerOptions } from '../connection/index.ts';
import type { ReplayGuard, TicketSealer, TicketState } from '../tickets/index.ts';
import type { Ssl } from './connection.ts';
import type { SealerHost } from './session-tickets.ts';

/**
 * OpenSSL's replay protection: a session is taken out of the cache by whoever resumes it, with early data or without, and what is not in
 * the cache is not resumed. The binder has been verified by then, so that nobody but the ticket's owner can use it up.
 */
export function usedOnce(host: SealerHost, sealer: TicketSealer): TicketSealer {
  const ids = new WeakMap<TicketState, Uint8Array>();
  return {
    maxLifetimeSeconds: (now) => sealer.maxLifetimeSeconds(now),
    seal: (state, now, request) => sealer.seal(state, now, request),
    open(ticket, now, question) {
      const opened = sealer.open(ticket, now, question);
      if (typeof opened === 'object' && !(opened instanceof Promise)) ids.set(opened, ticket);
      return opened;
    },
    use(state) {
      const { settings, sessionCtx } = host;
      if (!settings.antiReplay) return true;
      const id = ids.get(state);
      const session = id && sessionCtx.cache.find(id);
      if (session === undefined) return 'already_used';
      host.callBack(() => sessionCtx.cache.remove(session));
      return true;
    },
  };
}

/** How far the age that the client says its ticket has may be off, in milliseconds. */
const WINDOW_MS = 10_000;

/**
 * With anti-replay the ticket itself is used once, which is before the guard is asked. Without, the program has said by
 * SSL_OP_NO_ANTI_REPLAY that it takes care of replays itself.
 */
const takesAll: ReplayGuard = { guarantee: 'process', windowMs: WINDOW_MS, check: () => 'fresh' };

/** Early data as the server takes it: inside SSL_read_early_data only, and when the program's callback, asked last, allows it. */
export function earlyDataOptions(ssl: Ssl): Pick<ServerOptions, 'earlyData'> {
  const { maxEarlyData } = ssl.settings;
  if (maxEarlyData === 0) return {};
  const allow = (): boolean => {
    const { allowEarlyData, maxEarlyData: now } = ssl.settings;
    if (!ssl.readingEarlyData || now === 0) return false;
    return allowEarlyData === null || (ssl.callBack(() => allowEarlyData(ssl)) ?? 0) !== 0;
  };
  return { earlyData: { maxSize: maxEarlyData, guard: takesAll, allow } };
}
