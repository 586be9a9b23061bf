import { copyOf, fromLatin1, toHex } from '../bytes/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import {
  MAX_TICKET_LIFETIME_SECONDS,
  RingSealer,
  type TicketDecline,
  TicketKeyRing,
  type TicketSealer,
  type TicketState,
} from '../tickets/index.ts';
import { SSL_OP_NO_TICKET, SSL_SESS_CACHE_NO_INTERNAL_STORE, SSL_SESS_CACHE_SERVER } from './constants.ts';
import type { Settings } from './settings.ts';

/** A ticket that is only an id has so many bytes. */
const SESSION_ID_LENGTH = 32;

/** Sessions kept in this process for tickets that are only an id. When there are too many, the oldest goes. */
export class SessionCache {
  limit: number;
  readonly #sessions = new Map<string, { readonly state: TicketState; readonly scope: string }>();

  constructor(limit: number) {
    this.limit = limit;
  }

  get size(): number {
    return this.#sessions.size;
  }

  put(id: Uint8Array, state: TicketState, scope: string): void {
    this.#sessions.set(fromLatin1(id), { state: copyOfState(state), scope });
    while (this.limit > 0 && this.#sessions.size > this.limit) {
      const [oldest] = this.#sessions.keys();
      this.#delete(oldest!);
    }
  }

  /** A copy, whose PSK the caller wipes. Sessions are not used up: a ticket may come again. */
  find(id: Uint8Array, scope: string, now: number): TicketState | TicketDecline {
    const key = fromLatin1(id);
    const found = this.#sessions.get(key);
    if (found === undefined || found.scope !== scope) return 'no_key';
    if (now < found.state.issuedAt + found.state.lifetimeSeconds * 1000) return copyOfState(found.state);
    this.#delete(key);
    return 'expired';
  }

  remove(id: Uint8Array): boolean {
    return this.#delete(fromLatin1(id));
  }

  clear(): void {
    for (const key of [...this.#sessions.keys()]) this.#delete(key);
  }

  #delete(key: string): boolean {
    this.#sessions.get(key)?.state.psk.fill(0);
    return this.#sessions.delete(key);
  }
}

export function copyOfState(state: TicketState): TicketState {
  return { ...state, psk: copyOf(state.psk) };
}

/** The ticket keys of a context. */
export class TicketKeys {
  /** Keys open for seven days after they sealed their last ticket, so that no lifetime is cut short. */
  readonly sealer: RingSealer = new RingSealer(
    new TicketKeyRing({ crypto: nodeCrypto, openForSeconds: MAX_TICKET_LIFETIME_SECONDS }),
    nodeCrypto,
  );
}

/** What a connection's sealer looks at, each time anew: the program may change it between two tickets. */
export interface SealerHost {
  readonly settings: Settings;
  readonly sessionCtx: { readonly cacheMode: number; readonly cache: SessionCache; readonly keys: TicketKeys };
  /** A copy of what is about to become a ticket. */
  onSeal(state: TicketState): void;
  /** A good ticket came, but clients are to be authenticated and no session id context is set. */
  onMissingContext(): void;
}

/** Tickets of one connection: sealed, or with SSL_OP_NO_TICKET an id of a session that is kept here. They open only under the session id context they were made under. */
export function connectionSealer(host: SealerHost): TicketSealer {
  const scope = (): string => toHex(host.settings.sidContext);
  const stateful = (): boolean => host.settings.has(SSL_OP_NO_TICKET);
  const stores = (): boolean =>
    (host.sessionCtx.cacheMode & SSL_SESS_CACHE_SERVER) !== 0 &&
    (host.sessionCtx.cacheMode & SSL_SESS_CACHE_NO_INTERNAL_STORE) === 0;
  const sealed = (): RingSealer => host.sessionCtx.keys.sealer;

  function open(ticket: Uint8Array, now: number): TicketState | TicketDecline {
    if (stateful()) return host.sessionCtx.cache.find(ticket, scope(), now);
    return sealed().open(ticket, now, { scopes: [scope()], serverName: undefined });
  }
  return {
    maxLifetimeSeconds: (now) => (stateful() ? MAX_TICKET_LIFETIME_SECONDS : sealed().maxLifetimeSeconds(now)),
    seal(state, now) {
      host.onSeal(copyOfState(state));
      if (!stateful()) return sealed().seal(state, now, { scope: scope() });
      const id = nodeCrypto.random(SESSION_ID_LENGTH);
      if (stores()) host.sessionCtx.cache.put(id, state, scope());
      return id;
    },
    open(ticket, now) {
      const opened = open(ticket, now);
      if (typeof opened === 'string' || !host.settings.sidContextMissing) return opened;
      opened.psk.fill(0);
      host.onMissingContext();
      return 'disabled';
    },
  };
}
