import * as nodeTls from 'node:tls';
import {
  type ClientConfig,
  createClientConfig,
  createServerConfig,
  type EarlyDataOptions,
  type ServerConfig,
  type TicketOptions,
} from '../connection/index.ts';
import type { Clock } from '../handshake/index.ts';
import type { CertificateVerifier } from '../peer-auth/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { TicketKeyRing, trustHash } from '../tickets/index.ts';
import { typeError, wrongType } from './argument.ts';
import { authoritiesOf, defaultAnchors } from './certificates.ts';
import { type CredentialOptions, credentialsOf } from './credentials.ts';
import { refuseUnsupported } from './options.ts';
import { type ProtocolNames, type ProtocolOptions, protocolNames, wantsNoTickets } from './protocol-options.ts';
import { mastersOf, type TicketKeyInput } from './server-ticket-keys.ts';
import { type ServerTickets, ticketsOf } from './server-tickets.ts';
import { type ServerIdentityCheck, Trust, type TrustOptions } from './trust.ts';

type Credential = NonNullable<ServerConfig['credentials']>[number];

/** What a context says about the tickets of a server's connections with it. What it leaves out is as the server has it. */
export interface ContextTickets {
  /** Tickets after a full handshake; a resumption gets at most one. 0: none on the wire. Default 2. */
  readonly numTickets?: number | undefined;
  /** Seconds, 1 to 604,800. Default 7,200. */
  readonly ticketLifetime?: number | undefined;
  /** Node's name for `ticketLifetime`: 0 is the default, and more than 604,800 is that. */
  readonly sessionTimeout?: number | undefined;
  /** Tickets issued under one value are not redeemed under another. Default: none. */
  readonly sessionIdContext?: string | undefined;
  /** A number is shorthand for `numTickets`. Everything else about tickets; the options above win over the same ones here. */
  readonly tickets?: number | ServerTickets | undefined;
}

export interface SecureContextOptions extends ContextTickets, CredentialOptions, ProtocolOptions, TrustOptions {
  /** Those of a server count, also with another context: see {@link TlsOptions.ticketKeys}. */
  readonly ticketKeys?: TicketKeyInput | undefined;
}

const clock: Clock = {
  now: Date.now,
  after(milliseconds, run) {
    // No deadline keeps a process alive.
    const timer = setTimeout(run, milliseconds).unref();
    return () => clearTimeout(timer);
  },
};

/** Keys, certificates and trust, parsed once for any number of connections. Made by {@link createSecureContext}. */
export class SecureContext {
  readonly credentials: readonly Credential[];
  readonly #trust: Trust;
  readonly #names: ProtocolNames;
  readonly #clientConfigs = new Map<
    string,
    { readonly verifier: CertificateVerifier; readonly config: ClientConfig }
  >();
  readonly #scopes = new Map<string, string>();

  /** What was said about tickets. */
  readonly tickets: ServerTickets;

  /** Throws what node:tls throws for its options, and {@link TlsUsageError} for those that are only ours. */
  constructor(given?: SecureContextOptions | null) {
    const options = checkOptions(given);
    this.tickets = ticketsWith(options);
    const { ca } = options;
    const authorities = ca ? authoritiesOf(ca) : undefined;
    const { credentials, trusted } = credentialsOf(options, authorities ?? []);
    this.credentials = credentials;
    const anchors = trusted.length > 0 ? [...(authorities ?? defaultAnchors()), ...trusted] : authorities;
    this.#trust = new Trust(options, anchors);
    this.#names = protocolNames(options);
  }

  /** What this context trusts, DER. */
  get authorities(): readonly Uint8Array[] {
    return this.#trust.authorities;
  }

  /** Those of them that the program gave. */
  get ownAuthorities(): readonly Uint8Array[] {
    return this.#trust.anchors ?? [];
  }

  /** A hash of what this context trusts and shows, so that connections with another one do not take its tickets. */
  scope(rejectUnauthorized: boolean, check?: ServerIdentityCheck): string {
    const policy = this.#trust.policy(check);
    const key = `${rejectUnauthorized} ${policy}`;
    let scope = this.#scopes.get(key);
    if (scope === undefined) {
      scope = trustHash(nodeCrypto, {
        authorities: this.#trust.anchors,
        ...(policy !== undefined && { policy }),
        rejectUnauthorized,
        signatureSchemes: this.#names.signatureSchemes,
        credentials: this.credentials.map(({ chain }) => chain),
      });
      if (this.#scopes.size < MAX_CLIENT_CONFIGS) this.#scopes.set(key, scope);
    }
    return scope;
  }

  serverConfig(options: {
    readonly alpn: readonly string[] | undefined;
    readonly clientAuth: ServerConfig['clientAuth'];
    readonly rejectUnauthorized: boolean;
    readonly tickets: TicketOptions;
    readonly earlyData?: EarlyDataOptions | undefined;
    readonly findPsk?: ServerConfig['findPsk'];
    readonly chooseConfig?: ServerConfig['chooseConfig'];
    readonly chooseAlpn?: ServerConfig['chooseAlpn'];
    readonly stapleOcsp?: ServerConfig['stapleOcsp'];
    /** Of the server, for a context that has none of its own. */
    readonly fallback?: readonly Credential[] | undefined;
  }): ServerConfig {
    const { clientAuth, fallback = [], ...rest } = options;
    const credentials = this.credentials.length > 0 ? this.credentials : fallback;
    return createServerConfig({
      crypto: nodeCrypto,
      clock,
      ...this.#names,
      ...rest,
      credentials,
      // As in Node, a server without a certificate starts, and refuses clients that need one.
      ...(credentials.length === 0 && rest.findPsk === undefined && { chooseCredential: () => undefined }),
      clientAuth,
      // Without being told whom to trust, a server that asks nobody in the handshake asks nobody later.
      verifier: clientAuth === 'none' && !this.#trust.isGiven ? undefined : this.#trust.verifier(),
    });
  }

  clientConfig(
    alpn: readonly string[],
    rejectUnauthorized: boolean,
    postHandshakeAuth: boolean = false,
    check?: ServerIdentityCheck,
  ): ClientConfig {
    const verifier = this.#trust.verifier(check);
    const key = JSON.stringify([alpn, rejectUnauthorized, postHandshakeAuth, this.#trust.policy(check)]);
    const known = this.#clientConfigs.get(key);
    if (known?.verifier === verifier) return known.config;
    const config = createClientConfig({
      crypto: nodeCrypto,
      clock,
      ...this.#names,
      alpn,
      rejectUnauthorized,
      postHandshakeAuth,
      credentials: this.credentials,
      verifier,
    });
    if (known !== undefined || this.#clientConfigs.size < MAX_CLIENT_CONFIGS)
      this.#clientConfigs.set(key, { verifier, config });
    return config;
  }
}

/** Distinct policies of connections that a context remembers a config for. */
const MAX_CLIENT_CONFIGS = 16;

function checkOptions(options: SecureContextOptions | null | undefined): SecureContextOptions {
  if (options === null || options === undefined) return {};
  if (typeof options !== 'object') throw wrongType('options', 'of type object', options);
  refuseUnsupported(options);
  if (options.ticketKeys) mastersOf('options.ticketKeys', options.ticketKeys);
  return options;
}

function ticketsWith(options: SecureContextOptions): ServerTickets {
  const tickets = ticketsOf(options);
  return wantsNoTickets(options) && tickets.count === undefined ? { ...tickets, count: 0 } : tickets;
}

/** Of node:tls, where its types have it as an interface. */
const { SecureContext: NodeSecureContext } = nodeTls as unknown as { readonly SecureContext: new () => object };

/** A context that a program gave as one, or options to make it from. Throws `ERR_TLS_INVALID_CONTEXT` for one of node:tls, which nobody can read. */
export function contextFrom(given: unknown): SecureContext {
  if (given instanceof SecureContext) return given;
  if (given instanceof NodeSecureContext) throw invalidContext();
  return new SecureContext(given as SecureContextOptions);
}

/** The option `secureContext`, where it is given. Throws `ERR_TLS_INVALID_CONTEXT`. */
export function givenContext(given: unknown): SecureContext | undefined {
  if (!given) return undefined;
  if (given instanceof SecureContext) return given;
  throw invalidContext();
}

function invalidContext(): Error {
  return typeError(
    'ERR_TLS_INVALID_CONTEXT',
    'context must be a SecureContext of createSecureContext of this module; what one of node:tls holds cannot be read',
  );
}

/** As in node:tls, with its errors when a key or certificate cannot be read or does not match. */
export function createSecureContext(options?: SecureContextOptions | null): SecureContext {
  return new SecureContext(options);
}

/** For clients that bring nothing of their own. */
export function defaultContext(): SecureContext {
  defaults ??= new SecureContext();
  return defaults;
}

let defaults: SecureContext | undefined;

/** Keys for tickets that live up to `lifetimeSeconds`; they rotate by themselves. */
export function createKeyRing(lifetimeSeconds: number = 0): TicketKeyRing {
  return new TicketKeyRing({ crypto: nodeCrypto, openForSeconds: Math.max(lifetimeSeconds, 86_400) });
}
