import type { EarlyDataOptions, TicketOptions } from '../connection/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import {
  MAX_TICKET_LIFETIME_SECONDS,
  RingSealer,
  StoreSealer,
  type TicketKeyRing,
  type TicketSealer,
  type TicketStore,
} from '../tickets/index.ts';
import { outOfRange, wrongType } from './argument.ts';
import type { ContextTickets } from './context.ts';
import { checkRange } from './options.ts';

/** Everything about the tickets of a server, or of one of its contexts. */
export interface ServerTickets extends TicketOptions {
  /** The keys that seal tickets. Default: those of the server. Not with `sealer` or `store`. */
  readonly keys?: TicketKeyRing | undefined;
  /** Keeps tickets here; clients get references, good once. Not with `sealer` or `keys`. */
  readonly store?: TicketStore | undefined;
  /** Keeps early data from being replayed, unless `earlyData` brings its own. */
  readonly replayGuard?: EarlyDataOptions['guard'] | undefined;
}

/** All that `options` say about tickets, in one place. Throws Node's errors for its options, and {@link TlsUsageError}. */
export function ticketsOf(options: ContextTickets): ServerTickets {
  const { numTickets, ticketLifetime, sessionTimeout, sessionIdContext } = options;
  const tickets = typeof options.tickets === 'number' ? { count: options.tickets } : (options.tickets ?? {});
  if (typeof tickets !== 'object') throw wrongType('options.tickets', 'of type number or object', tickets);
  checkRange('ticketLifetime', ticketLifetime, 1, MAX_TICKET_LIFETIME_SECONDS);
  if (sessionIdContext && typeof sessionIdContext !== 'string') {
    throw wrongType('options.sessionIdContext', 'of type string', sessionIdContext);
  }
  const { sealer, store, keys }: ServerTickets = tickets;
  if ([sealer, store, keys].filter((given) => given !== undefined).length > 1) {
    throw new TlsUsageError('ticket_key.two_owners', 'tickets takes one of sealer, store and keys, not more');
  }
  const timeout = sessionTimeout === undefined || sessionTimeout === null ? undefined : lifetimeOf(sessionTimeout);
  return {
    ...tickets,
    count: numTickets ?? tickets.count,
    lifetimeSeconds: ticketLifetime ?? timeout ?? tickets.lifetimeSeconds,
    label: sessionIdContext || tickets.label,
  };
}

function lifetimeOf(sessionTimeout: number): number | undefined {
  if (typeof sessionTimeout !== 'number') throw wrongType('options.sessionTimeout', 'of type number', sessionTimeout);
  if (!Number.isInteger(sessionTimeout)) throw outOfRange('options.sessionTimeout', 'an integer', sessionTimeout);
  if (sessionTimeout < 0 || sessionTimeout > 2_147_483_647) {
    throw outOfRange('options.sessionTimeout', '>= 0 && <= 2147483647', sessionTimeout);
  }
  return sessionTimeout === 0 ? undefined : Math.min(sessionTimeout, MAX_TICKET_LIFETIME_SECONDS);
}

/** What the server says, and what its context says instead. */
export function mergeTickets(server: ServerTickets, context: ServerTickets): ServerTickets {
  const { sealer, store, keys, ...rest } = server;
  const own = Object.fromEntries(Object.entries(context).filter(([, value]) => value !== undefined)) as ServerTickets;
  const makesItsOwn = [own.sealer, own.store, own.keys].some((given) => given !== undefined);
  return { ...rest, ...(makesItsOwn ? {} : { sealer, store, keys }), ...own };
}

/** For the engine. `own`: the keys of the server; `around` wraps whatever makes the tickets. */
export function engineTickets(
  { keys, store, replayGuard: _guard, ...tickets }: ServerTickets,
  own: TicketSealer,
  around: (sealer: TicketSealer, deadlineMs: number) => TicketSealer,
): TicketOptions {
  const deadlineMs = tickets.deadlineMs ?? 1_000;
  const sealer = tickets.sealer ?? sealerOf(keys, store) ?? own;
  return { ...tickets, deadlineMs, sealer: sealer === false ? false : around(sealer, deadlineMs) };
}

function sealerOf(keys: TicketKeyRing | undefined, store: TicketStore | undefined): TicketSealer | undefined {
  if (store !== undefined) return new StoreSealer({ store, crypto: nodeCrypto });
  return keys && new RingSealer(keys, nodeCrypto);
}
