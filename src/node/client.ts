import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { checkServerIdentity as nodeCheck } from 'node:tls';
import { toHex } from '../bytes/index.ts';
import { type ClientEngineOptions, createClientEngine, type ExternalPsk, type TlsEngine } from '../connection/index.ts';
import { type ClientTicket, ClientTicketCache, originKey, ticketsToRequest } from '../tickets/index.ts';
import { bytesOf, checkFunction, typeError, wrongType } from './argument.ts';
import { defaultContext, givenContext, SecureContext, type SecureContextOptions } from './context.ts';
import { checkSource, type EarlyDataSource, EarlySender } from './early-data.ts';
import { alpnNames, checkRange, hostName, MAX_TIMEOUT, refuseUnsupported } from './options.ts';
import { checkSession, decodeSession } from './session.ts';
import type { SocketOwner, TLSSocket } from './socket.ts';
import { type CheckServerIdentity, rejectsUnauthorized } from './trust.ts';

/** What a client can say about TLS, however its bytes travel. */
export interface ClientOptions extends SecureContextOptions {
  /** Used instead of the options it is made from. Making it once saves parsing keys and authorities for each connection. */
  readonly secureContext?: SecureContext | undefined;
  /**
   * The name to ask the server for (SNI), which its certificate must have. Without it, or with `''`, no name is sent, and the certificate must
   * have `host`, or the host that `socket` was connected to. An address is not sent (RFC 6066), but looked for in the certificate.
   */
  readonly servername?: string | undefined;
  /** End the handshake when the server is not trusted. Default true; `false` leaves the decision to who reads `authorized`. */
  readonly rejectUnauthorized?: boolean | undefined;
  /**
   * Judges whether the server's certificate, which is good as such, is that of the host. As in node:tls, but it may answer by a promise, and is
   * asked before the server has shown that it has the certificate's key. Each function is a policy of its own: sessions that were got
   * under another are not offered. Default: {@link checkServerIdentity}.
   */
  readonly checkServerIdentity?: CheckServerIdentity | undefined;
  /** Let the server ask for `cert` after the handshake, any time. Default false. */
  readonly postHandshakeAuth?: boolean | undefined;
  /** Offered, in order of preference. */
  readonly ALPNProtocols?: readonly string[] | Uint8Array | undefined;
  /**
   * What `getSession`, `takeSession` or a `session` event gave. Offered only to the name it came from, and only by connections that trust and
   * show the same: with any other, as with a session of node:tls, there is a full handshake, and a `ticketDeclined` event.
   */
  readonly session?: Uint8Array | string | undefined;
  /** Where tickets are taken from and put into, each used once. `true`: one cache for the whole process. Default: none. */
  readonly ticketCache?: ClientTicketCache | boolean | undefined;
  /**
   * How many tickets to ask the server for (RFC 9149), 0 to 255 each. `auto`: what the `ticketCache` lacks of two for this origin.
   * Default: `auto` with a `ticketCache`, else `false`: nothing is said, and the server gives as many as it likes.
   */
  readonly ticketRequest?:
    | 'auto'
    | { readonly newSessionCount: number; readonly resumptionCount: number }
    | false
    | undefined;
  /**
   * External PSKs to offer, best first, behind the tickets. A server that knows one is authenticated by it and shows no certificate; one that
   * knows none shows its certificate as ever. One that cannot be used is an `error` of the socket, a {@link TlsUsageError} `psk.…`.
   */
  readonly psks?: readonly ExternalPsk[] | undefined;
  /**
   * As in node:tls: gives the external PSK to offer, or nothing. TLS 1.3 has no hint, so it gets `null`. The hash is SHA-256. Asked when the
   * handshake begins.
   */
  readonly pskCallback?: ClientPskCallback | undefined;
  /**
   * Sent before the server has answered, when a ticket allows so much (0-RTT). Whoever records it can send it again, so let it ask only for
   * what may be done twice. What was not offered, or was rejected, leaves as the first ordinary data; the event `earlyDataStatus` tells.
   */
  readonly earlyData?: EarlyDataSource | undefined;
  /** `false`: what was not offered, or was rejected, is not sent. Nor is it, whatever this says, when the server chose another protocol. Default true. */
  readonly earlyDataRetry?: boolean | undefined;
  /**
   * Ask the server for an OCSP response to its certificate; the event `OCSPResponse` tells it, or `null`. Other than in node:tls it is also
   * checked: one that does not say that the certificate is good refuses the server, and so does a missing one where the certificate must be
   * stapled (RFC 7633). Default false.
   */
  readonly requestOCSP?: boolean | undefined;
  /** Milliseconds from now until a connection that is not secure fails. Default 0: never. */
  readonly handshakeTimeout?: number | undefined;
}

export type ClientPskCallback = (
  hint: null,
) => { readonly psk: NodeJS.ArrayBufferView; readonly identity: string } | null | undefined;

/** Where the bytes go, as far as it is known. */
export interface Target {
  readonly host?: string | undefined;
  readonly port?: number | string | undefined;
  readonly path?: string | undefined;
}

/** Tickets to hold for one origin: one for the next connection, one for another beside it. */
const TARGET = 2;

let processCache: ClientTicketCache | undefined;

/** A client's side of one connection: what it wants, until its handshake begins, and what it does with tickets. */
export class ClientOwner implements SocketOwner {
  readonly #options: ClientOptions & Target;
  readonly #alpn: readonly string[];
  /** Whether servers that are not trusted end the handshake. */
  readonly rejects: boolean;
  readonly #cache: ClientTicketCache | undefined;
  readonly #host: string | undefined;
  #origin = '';
  #ticket: ClientTicket | undefined;
  earlySender: EarlySender | undefined;
  /** When the handshake began, milliseconds since the epoch. */
  startedAt = 0;
  readonly context: SecureContext;
  /** Whose certificates and keys are shown instead of those of `context`, which goes on to say who is trusted. */
  shown: SecureContext | undefined;
  session: Uint8Array | string | undefined;
  servername: string | undefined;
  /** Whether `secureConnect` tells the program, as after `connect`. */
  readonly announces: boolean;
  /** Whether the transport is not the program's. */
  readonly opened: boolean;

  /** `stream`: of the program. Throws what is wrong with options. */
  constructor(options: ClientOptions & Target, stream: Duplex | undefined, announces: boolean) {
    refuseUnsupported(options);
    checkRange('handshakeTimeout', options.handshakeTimeout, 0, MAX_TIMEOUT);
    checkSource(options.earlyData);
    checkFunction('pskCallback', options.pskCallback);
    checkFunction('options.checkServerIdentity', options.checkServerIdentity);
    this.#options = options;
    this.rejects = rejectsUnauthorized(options);
    this.context = givenContext(options.secureContext) ?? contextOf(options);
    this.#alpn = alpnNames(options.ALPNProtocols ?? undefined) ?? [];
    this.#cache = cacheOf(options.ticketCache);
    // What net.Socket was told, also when the program did so before.
    this.#host = options.host || (stream as { readonly _host?: string } | undefined)?._host;
    this.servername = serverNameOf(options.servername);
    if (options.session) checkSession(options.session);
    this.session = options.session;
    this.announces = announces;
    this.opened = stream === undefined;
    // What cannot be makes no socket.
    this.context.clientConfig(this.#alpn, this.rejects, options.postHandshakeAuth, this.#check);
    if (typeof this.name === 'string') hostName(this.name); // else net.connect says so
  }

  get asksForOcsp(): boolean {
    return this.#options.requestOCSP === true;
  }

  /** Node's own is what happens anyway. */
  get #check(): CheckServerIdentity | undefined {
    const { checkServerIdentity } = this.#options;
    return checkServerIdentity === nodeCheck ? undefined : (checkServerIdentity ?? undefined);
  }

  /** What the certificate must have. */
  get name(): string {
    return this.servername || this.#host || 'localhost';
  }

  /** Whom tickets of this connection are for. */
  scope(): string {
    const { psks = [] } = this.#options;
    const certified = this.context.scope(this.rejects, this.#check);
    // Who wants to see a staple does not resume what began without.
    const trusts = this.asksForOcsp ? JSON.stringify([certified, 'staple']) : certified;
    const scope = this.shown === undefined ? trusts : JSON.stringify([trusts, this.shown.scope(this.rejects)]);
    // A ticket may come from a server that showed no certificate, but knew a PSK: it is for whoever would take that PSK again.
    return psks.length === 0 ? scope : JSON.stringify([scope, ...psks.map(({ identity }) => toHex(identity))]);
  }

  /** The ticket that the connection may have been resumed from. */
  get resumedFrom(): ClientTicket | undefined {
    return this.#ticket;
  }

  engine(socket: TLSSocket): TlsEngine {
    const { postHandshakeAuth, requestOCSP, verifyPeer } = this.#options;
    const trusting = this.context.clientConfig(this.#alpn, this.rejects, postHandshakeAuth, this.#check);
    const config = this.shown === undefined ? trusting : { ...trusting, credentials: this.shown.credentials };
    const serverName = hostName(this.name);
    const now = config.clock.now();
    const cache = this.#cache;
    this.startedAt = now;
    const { port = 0 } = this.#options;
    this.#origin = originKey({ serverName, port: Number(port), alpn: config.alpn, scope: this.scope() });
    const tickets = this.#given(socket);
    if (tickets.length === 0 && cache !== undefined) tickets.push(...cache.take(this.#origin, now));
    this.#ticket = tickets[0];
    const left = cache && TARGET - cache.lacks(this.#origin, TARGET, now);
    this.earlySender = earlySenderOf(this.#options, tickets.length > 0 ? tickets[0]!.alpn : config.alpn[0]);
    const listens = socket.listenerCount('keylog') > 0;
    return createClientEngine(
      listens ? { ...config, keyLog: (line) => void socket.emit('keylog', Buffer.from(`${line}\n`)) } : config,
      {
        serverName,
        sendServerName: Boolean(this.servername),
        tickets,
        psks: [...this.#askedPsks(), ...(this.#options.psks ?? [])],
        ticketRequest: requestOf(this.#options.ticketRequest, left, tickets.length > 0),
        earlyData: this.earlySender !== undefined,
        // Whoever judges certificates himself may want to see it.
        requestOcsp: requestOCSP ?? verifyPeer !== undefined,
      },
    );
  }

  /** The session that the program gave, when it is for this connection. */
  #given(socket: TLSSocket): ClientTicket[] {
    const { session } = this;
    this.session = undefined;
    if (!session) return [];
    const found = decodeSession(typeof session === 'string' ? Buffer.from(session, 'latin1') : session);
    if (found === undefined || (found.scope ?? this.scope()) !== this.scope()) {
      const reason = found === undefined ? 'malformed' : 'server_not_trusted';
      socket.emit('ticketDeclined', { during: 'offer', reason, identityIndex: undefined });
      return [];
    }
    return [found.ticket];
  }

  #askedPsks(): ExternalPsk[] {
    const { pskCallback } = this.#options;
    const answer: unknown = pskCallback?.(null);
    if (answer === undefined || answer === null) return [];
    if (typeof answer !== 'object') throw wrongType('ret', 'of type object', answer);
    const { psk, identity } = answer as { readonly psk?: unknown; readonly identity?: unknown };
    if (typeof identity !== 'string') throw wrongType('identity', 'of type string', identity);
    return [{ identity: Buffer.from(identity), key: bytesOf('psk', psk), hash: 'sha256' }];
  }

  onResumption(resumed: boolean): void {
    // The others of that session are of no more use.
    if (!resumed && this.#ticket !== undefined) {
      this.#cache?.dropSession(this.#origin, this.#ticket.authenticatedAt);
    }
    if (!resumed) this.#ticket = undefined;
  }

  onTicket(socket: TLSSocket, ticket: ClientTicket): boolean {
    this.#cache?.put(this.#origin, ticket, { connection: socket });
    return this.#cache !== undefined;
  }

  /** Says of a lost connection where it was going, as Node does. */
  onFailure(socket: TLSSocket, error: Error): Error {
    // Whatever it was that the server, or we, did not like: the next attempt is to be another one.
    if (this.#ticket !== undefined && !('syscall' in error)) {
      this.#cache?.dropSession(this.#origin, this.#ticket.authenticatedAt);
    }
    if ('syscall' in error || !('code' in error && error.code === 'ECONNRESET')) return error;
    const { host, port, path } = this.#options;
    return Object.assign(error, { host, port, path, localAddress: socket.localAddress });
  }
}

/** Node 26 refuses what older releases warn of. */
const NODE_RELEASE: number = Number.parseInt(process.versions.node, 10);
let warned = false;

function serverNameOf(name: string | undefined): string | undefined {
  if (!name) return undefined;
  if (typeof name !== 'string') throw wrongType('name', 'of type string', name);
  if (isIP(name) !== 0 && NODE_RELEASE >= 26) {
    throw typeError(
      'ERR_INVALID_ARG_VALUE',
      `The property 'options.servername' is invalid. Setting the TLS ServerName to an IP address is not permitted. Received '${name}'`,
    );
  }
  if (isIP(name) !== 0 && !warned) {
    warned = true;
    process.emitWarning(
      'Setting the TLS ServerName to an IP address is not permitted by RFC 6066. This will be ignored in a future version.',
      'DeprecationWarning',
      'DEP0123',
    );
  }
  return name;
}

/** `alpn`: the protocol that the program must have in mind. */
function earlySenderOf(
  { earlyData, earlyDataRetry = true }: ClientOptions,
  alpn: string | undefined,
): EarlySender | undefined {
  return earlyData === undefined || (earlyData.length === 0 && typeof earlyData !== 'function')
    ? undefined
    : new EarlySender(earlyData, earlyDataRetry, alpn);
}

/** What a context is made from. */
const CONTEXT_OPTIONS = [
  ...['cert', 'key', 'pfx', 'ca', 'crl', 'allowPartialTrustChain', 'verifyPeer', 'ciphers', 'groups', 'ecdhCurve'],
  ...['sigalgs', 'certificateCompression', 'secureProtocol', 'secureOptions'],
];

function contextOf(options: ClientOptions): SecureContext {
  const given = options as Readonly<Record<string, unknown>>;
  return CONTEXT_OPTIONS.some((name) => given[name] !== undefined) ? new SecureContext(options) : defaultContext();
}

function cacheOf(option: ClientOptions['ticketCache']): ClientTicketCache | undefined {
  if (typeof option === 'object') return option;
  if (!option) return undefined;
  processCache ??= new ClientTicketCache();
  return processCache;
}

/** `left`: tickets that the cache holds still, beside the one taken out. */
function requestOf(
  option: ClientOptions['ticketRequest'],
  left: number | undefined,
  offers: boolean,
): ClientEngineOptions['ticketRequest'] {
  if (typeof option === 'object') return option;
  return option === false || left === undefined ? undefined : ticketsToRequest(left, TARGET, offers);
}
