import { createHash } from 'node:crypto';
import * as nodeTls from 'node:tls';
import {
  type ClientConfig,
  createClientConfig,
  createServerConfig,
  type EarlyDataOptions,
  type ServerConfig,
  type TicketOptions,
} from '../connection/index.ts';
import type { Clock, Limits } from '../handshake/index.ts';
import type { CertificateVerifier, PeerQuestion, PeerVerdict } from '../peer-auth/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { TicketKeyRing, trustHash } from '../tickets/index.ts';
import { createVerifier } from '../x509/index.ts';
import { typeError, wrongType } from './argument.ts';
import { refuseAsNode } from './as-node.ts';
import { authoritiesOf, crlsOf, defaultAnchors, type PemOrDer } from './certificates.ts';
import { type CredentialOptions, credentialsOf, limitedTo } from './credentials.ts';
import { refuseUnsupported } from './options.ts';
import { type ProtocolNames, type ProtocolOptions, protocolNames, wantsNoTickets } from './protocol-options.ts';
import { mastersOf, type TicketKeyInput } from './server-ticket-keys.ts';
import { type ServerTickets, ticketsOf } from './server-tickets.ts';
import { type CheckServerIdentity, clientVerifier } from './trust.ts';

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

export interface SecureContextOptions extends ContextTickets, CredentialOptions, ProtocolOptions {
  /** Authorities to trust instead of Node's, PEM (any number in one text) or DER. An empty array trusts nobody. */
  readonly ca?: PemOrDer | readonly PemOrDer[] | undefined;
  /** Revocation lists, PEM or DER. Where there are any, each certificate of a chain needs one of its issuer that does not have it. */
  readonly crl?: PemOrDer | readonly PemOrDer[] | undefined;
  /** Whether any certificate of `ca` ends a chain, also one that is not self-signed. Default false. */
  readonly allowPartialTrustChain?: boolean | undefined;
  /** What a peer may cost, in bytes and counts; what is left out has its default. Of a server's contexts, the server's count where they say nothing. */
  readonly limits?: Partial<Limits> | undefined;
  /** Those of a server count, also with another context: see {@link TlsOptions.ticketKeys}. */
  readonly ticketKeys?: TicketKeyInput | undefined;
  /** Judges the peer's certificates in place of `ca`, at once or later. Signatures of the handshake are checked all the same. */
  readonly verifyPeer?: ((question: PeerQuestion) => PeerVerdict | Promise<PeerVerdict>) | undefined;
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
  readonly #anchors: readonly Uint8Array[] | undefined;
  readonly #crls: readonly Uint8Array[];
  readonly #allowPartialChain: boolean;
  readonly #names: ProtocolNames;
  readonly #verifyPeer: SecureContextOptions['verifyPeer'];
  readonly #clientConfigs = new Map<string, { readonly base: CertificateVerifier; readonly config: ClientConfig }>();
  /** One object, for it is the name of its own policy. */
  readonly #ownVerifier: CertificateVerifier | undefined;
  readonly #scopes = new Map<string, string>();
  #madeVerifier: { readonly anchors: readonly Uint8Array[]; readonly verifier: CertificateVerifier } | undefined;

  /** What was said about tickets. */
  readonly tickets: ServerTickets;

  readonly #options: SecureContextOptions;

  /** Throws what node:tls throws for its options, and {@link TlsUsageError} for those that are only ours. */
  constructor(given?: SecureContextOptions | null) {
    const options = checkOptions(given);
    this.#options = options;
    this.tickets = ticketsWith(options);
    if (options.ticketKeys) mastersOf('options.ticketKeys', options.ticketKeys);
    const { ca, crl, verifyPeer } = options;
    const authorities = ca ? authoritiesOf(ca) : undefined;
    const { credentials, trusted } = credentialsOf(options, authorities ?? []);
    this.#names = protocolNames(options);
    this.credentials = limitedTo(this.#names.signatureSchemes, credentials);
    this.#anchors = trusted.length > 0 ? [...(authorities ?? defaultAnchors()), ...trusted] : authorities;
    this.#allowPartialChain = options.allowPartialTrustChain === true;
    this.#crls = crl === undefined || crl === null ? [] : crlsOf(crl);
    this.#verifyPeer = verifyPeer;
    this.#ownVerifier = verifyPeer && { verify: verifyPeer };
    if (this.#crls.length > 0) this.#checkLists(options);
  }

  /** What it was made from. Keys and passphrases are among it, so it does not show when the context is printed. */
  get options(): SecureContextOptions {
    return this.#options;
  }

  #checkLists({ crl }: SecureContextOptions): void {
    try {
      void this.#verifier;
    } catch (error) {
      refuseAsNode({ crl }, error);
      throw error;
    }
  }

  /** What this context trusts, DER. */
  get authorities(): readonly Uint8Array[] {
    return this.#anchors ?? defaultAnchors();
  }

  /** Those of them that the program gave. */
  get ownAuthorities(): readonly Uint8Array[] {
    return this.#anchors ?? [];
  }

  /**
   * A hash of what connections with this context trust and show, so that others do not take their tickets. What a function trusts cannot be
   * compared: each stands alone.
   */
  scope(rejectUnauthorized: boolean, check?: CheckServerIdentity): string {
    const policy = [
      ...(this.#verifyPeer === undefined ? [] : [`verifyPeer ${numberOf(this.#verifyPeer)}`]),
      ...(check === undefined ? [] : [`checkServerIdentity ${numberOf(check)}`]),
      ...(this.#allowPartialChain ? ['partial'] : []),
      ...this.#crls.map((der) => `crl ${createHash('sha256').update(der).digest('hex')}`),
    ].join();
    const key = `${rejectUnauthorized} ${policy}`;
    let scope = this.#scopes.get(key);
    if (scope === undefined) {
      scope = trustHash(nodeCrypto, {
        authorities: this.#anchors,
        ...(policy !== '' && { policy }),
        rejectUnauthorized,
        signatureSchemes: this.#names.signatureSchemes,
        credentials: this.credentials.map(({ chain }) => chain),
      });
      if (this.#scopes.size < MAX_CLIENT_CONFIGS) this.#scopes.set(key, scope);
    }
    return scope;
  }

  /** Made again when what Node trusts by default has changed. */
  get #verifier(): CertificateVerifier {
    if (this.#ownVerifier !== undefined) return this.#ownVerifier;
    if (this.#anchors === undefined && this.#crls.length === 0 && !this.#allowPartialChain) return defaultVerifier();
    const anchors = this.authorities;
    if (this.#madeVerifier?.anchors !== anchors) {
      const verifier = createVerifier({
        crypto: nodeCrypto,
        anchors,
        crls: this.#crls,
        allowPartialChain: this.#allowPartialChain,
      });
      this.#madeVerifier = { anchors, verifier };
    }
    return this.#madeVerifier.verifier;
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
    /** Of the server, for what this context leaves out. */
    readonly limits?: Partial<Limits> | undefined;
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
      limits: { ...rest.limits, ...this.options.limits },
      credentials,
      // As in Node, a server without a certificate starts, and refuses clients that need one.
      ...(credentials.length === 0 && rest.findPsk === undefined && { chooseCredential: () => undefined }),
      clientAuth,
      // Without being told whom to trust, a server that asks nobody in the handshake asks nobody later.
      verifier: clientAuth === 'none' && !this.#saysWhom ? undefined : this.#verifier,
    });
  }

  get #saysWhom(): boolean {
    return this.#anchors !== undefined || this.#verifyPeer !== undefined;
  }

  clientConfig(
    alpn: readonly string[],
    rejectUnauthorized: boolean,
    postHandshakeAuth: boolean = false,
    check?: CheckServerIdentity,
  ): ClientConfig {
    const base = this.#verifier;
    const key = JSON.stringify([alpn, rejectUnauthorized, postHandshakeAuth, check && numberOf(check)]);
    const known = this.#clientConfigs.get(key);
    if (known?.base === base) return known.config;
    const judgesItself = this.#ownVerifier !== undefined && check === undefined;
    const config = createClientConfig({
      crypto: nodeCrypto,
      clock,
      ...this.#names,
      alpn,
      rejectUnauthorized,
      postHandshakeAuth,
      limits: this.options.limits,
      credentials: this.credentials,
      verifier: judgesItself ? base : clientVerifier(base, check, () => this.authorities),
    });
    if (known !== undefined || this.#clientConfigs.size < MAX_CLIENT_CONFIGS)
      this.#clientConfigs.set(key, { base, config });
    return config;
  }
}

const numbers = new WeakMap<object, number>();
let lastNumber = 0;

/** A name for a function of the program. */
function numberOf(call: object): number {
  let number = numbers.get(call);
  if (number === undefined) {
    number = ++lastNumber;
    numbers.set(call, number);
  }
  return number;
}

/** Distinct policies of connections that a context remembers a config for. */
const MAX_CLIENT_CONFIGS = 16;

function checkOptions(options: SecureContextOptions | null | undefined): SecureContextOptions {
  if (options === null || options === undefined) return {};
  if (typeof options !== 'object') throw wrongType('options', 'of type object', options);
  const { limits } = options;
  if (limits !== undefined && (typeof limits !== 'object' || limits === null))
    throw wrongType('options.limits', 'of type object', limits);
  refuseUnsupported(options);
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

function defaultVerifier(): CertificateVerifier {
  const anchors = defaultAnchors();
  if (made?.anchors !== anchors) made = { anchors, verifier: createVerifier({ crypto: nodeCrypto, anchors }) };
  return made.verifier;
}

let defaults: SecureContext | undefined;
let made: { readonly anchors: readonly Uint8Array[]; readonly verifier: CertificateVerifier } | undefined;

/** Keys for tickets that live up to `lifetimeSeconds`; they rotate by themselves. */
export function createKeyRing(lifetimeSeconds: number = 0): TicketKeyRing {
  return new TicketKeyRing({ crypto: nodeCrypto, openForSeconds: Math.max(lifetimeSeconds, 86_400) });
}
