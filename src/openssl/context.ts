import { SSL_SESS_CACHE_SERVER, SSL_SESSION_CACHE_MAX_SIZE_DEFAULT } from './constants.ts';
import { SessionCache, TicketKeys } from './session-tickets.ts';
import { Settings } from './settings.ts';
import { Opaque, type SSL, type SSL_SESSION } from './types.ts';
import { TrustStore } from './verify.ts';

const DEFAULT_TIMEOUT_SECONDS = 7_200;

export type NewSessionCallback = (ssl: SSL, session: SSL_SESSION) => number;
export type KeylogCallback = (ssl: SSL, line: string) => void;
export type InfoCallback = (ssl: SSL, where: number, ret: number) => void;
export type AlpnSelectCallback = (ssl: SSL, offered: Uint8Array) => { ret: number; selected?: Uint8Array };

export class Method extends Opaque<'SSL_METHOD'> {
  /** `undefined`: either. */
  readonly role: 'server' | 'client' | undefined;

  constructor(role?: 'server' | 'client') {
    super();
    this.role = role;
  }
}

/** A context: settings for connections to come, and what connections share. */
export class Context extends Opaque<'SSL_CTX'> {
  readonly method: Method;
  references = 1;
  readonly settings: Settings = new Settings();
  readonly trust: TrustStore = new TrustStore();
  readonly keys: TicketKeys = new TicketKeys();
  readonly cache: SessionCache = new SessionCache(SSL_SESSION_CACHE_MAX_SIZE_DEFAULT);
  readonly exData: Map<number, unknown> = new Map();
  cacheMode: number = SSL_SESS_CACHE_SERVER;
  /** Seconds, as it was set: 0 means the default, and the wire has its own maximum. */
  timeout: number = DEFAULT_TIMEOUT_SECONDS;
  newSession: NewSessionCallback | null = null;
  keylog: KeylogCallback | null = null;
  info: InfoCallback | null = null;
  alpnSelect: AlpnSelectCallback | null = null;

  constructor(method: Method) {
    super();
    this.method = method;
  }

  /** The lifetime of a ticket of this context, in seconds. */
  get ticketLifetime(): number {
    const longest = 604_800;
    if (this.timeout < 0) return longest;
    return Math.min(this.timeout || DEFAULT_TIMEOUT_SECONDS, longest);
  }

  release(): void {
    if (--this.references === 0) this.cache.clear();
  }
}
