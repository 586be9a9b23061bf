import { SSL_SESS_CACHE_SERVER, SSL_SESSION_CACHE_MAX_SIZE_DEFAULT } from './constants.ts';
import { SessionCache } from './session-cache.ts';
import { type InfoCallback, Settings } from './settings.ts';
import { TicketKeys } from './ticket-keys.ts';
import { type EVP_CIPHER_CTX, type EVP_MAC_CTX, Opaque, type SSL, type SSL_CTX, type SSL_SESSION } from './types.ts';
import { TrustStore } from './verify.ts';

const DEFAULT_TIMEOUT_SECONDS = 7_200;

export type NewSessionCallback = (ssl: SSL, session: SSL_SESSION) => number;
export type RemoveSessionCallback = (ctx: SSL_CTX, session: SSL_SESSION) => void;
export type GetSessionCallback = (ssl: SSL, id: Uint8Array) => SSL_SESSION | null;
export type KeylogCallback = (ssl: SSL, line: string) => void;
export type AlpnSelectCallback = (ssl: SSL, offered: Uint8Array) => { ret: number; selected?: Uint8Array };
/** SSL_TLSEXT_ERR_ */
export type ServernameCallback = (ssl: SSL, arg: unknown) => number;
/** SSL_CLIENT_HELLO_ */
export type ClientHelloCallback = (ssl: SSL) => number;
/** 1, or 0: the connection ends. */
export type GenerateTicketCallback = (ssl: SSL) => number;
/** `status`: SSL_TICKET_SUCCESS and others; gives SSL_TICKET_RETURN_. */
export type DecryptTicketCallback = (
  ssl: SSL,
  session: SSL_SESSION | null,
  keyName: Uint8Array,
  status: number,
) => number;
/** `keyName` and `iv` have 16 bytes each, to write when `enc` is 1 and to read when it is 0. */
export type TicketKeyCallback = (
  ssl: SSL,
  keyName: Uint8Array,
  iv: Uint8Array,
  cipherCtx: EVP_CIPHER_CTX,
  macCtx: EVP_MAC_CTX,
  enc: number,
) => number;

export class Method extends Opaque<'SSL_METHOD'> {
  /** `undefined`: either. */
  readonly role: 'server' | 'client' | undefined;

  constructor(role?: 'server' | 'client') {
    super();
    this.role = role;
  }
}

/** What SSL_CTX_sess_* count. */
export class Statistics {
  connect = 0;
  connectGood = 0;
  accept = 0;
  acceptGood = 0;
  hits = 0;
  callbackHits = 0;
  misses = 0;
  timeouts = 0;
  cacheFull = 0;
}

/** A context: settings for connections to come, and what connections share. */
export class Context extends Opaque<'SSL_CTX'> {
  readonly method: Method;
  references = 1;
  readonly settings: Settings = new Settings();
  readonly trust: TrustStore = new TrustStore();
  readonly keys: TicketKeys = new TicketKeys();
  readonly statistics: Statistics = new Statistics();
  readonly cache: SessionCache;
  readonly exData: Map<number, unknown> = new Map();
  cacheMode: number = SSL_SESS_CACHE_SERVER;
  /** Seconds, as it was set: 0 means the default, and the wire has its own maximum. */
  timeout: number = DEFAULT_TIMEOUT_SECONDS;
  newSession: NewSessionCallback | null = null;
  removeSession: RemoveSessionCallback | null = null;
  getSession: GetSessionCallback | null = null;
  keylog: KeylogCallback | null = null;
  info: InfoCallback | null = null;
  alpnSelect: AlpnSelectCallback | null = null;
  servername: ServernameCallback | null = null;
  servernameArg: unknown = null;
  clientHello: ClientHelloCallback | null = null;
  generateTicket: GenerateTicketCallback | null = null;
  decryptTicket: DecryptTicketCallback | null = null;
  ticketKey: TicketKeyCallback | null = null;

  constructor(method: Method) {
    super();
    this.method = method;
    this.cache = new SessionCache(
      SSL_SESSION_CACHE_MAX_SIZE_DEFAULT,
      (session) => this.removeSession?.(this, session),
      () => this.statistics.cacheFull++,
    );
  }

  /** The lifetime of a ticket of this context, in seconds. */
  get ticketLifetime(): number {
    const longest = 604_800;
    if (this.timeout < 0) return longest;
    return Math.min(this.timeout || DEFAULT_TIMEOUT_SECONDS, longest);
  }

  release(): void {
    if (--this.references === 0) this.cache.flush(undefined);
  }
}
