import type { KeyObject } from 'node:crypto';
import {
  type ClientConfig,
  createClientConfig,
  createServerConfig,
  type EarlyDataOptions,
  type ServerConfig,
  type TicketOptions,
} from '../connection/index.ts';
import type { CertificateCompressionName, Signer } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import type { Clock } from '../handshake/index.ts';
import { createCredential, nodeCrypto } from '../providers/node/index.ts';
import { TicketKeyRing, trustHash } from '../tickets/index.ts';
import type { PemOrDer } from './certificates.ts';
import { refuseUnsupported } from './options.ts';
import { type ServerTickets, ticketsOf } from './server-tickets.ts';
import { type ServerIdentityCheck, Trust, type TrustOptions } from './trust.ts';

type Credential = NonNullable<ServerConfig['credentials']>[number];

type PrivateKey = PemOrDer | KeyObject | Signer;

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

export interface SecureContextOptions extends ContextTickets, TrustOptions {
  /** Certificate chains, leaf first, PEM or DER: one, or one for each of `key`. */
  readonly cert?: PemOrDer | readonly PemOrDer[] | undefined;
  /** The private key of each chain: PEM, DER, a `KeyObject`, or a {@link Signer} that has it, in an HSM or behind a network call. */
  readonly key?: PrivateKey | readonly PrivateKey[] | undefined;
  readonly passphrase?: string | undefined;
  /** Cipher suites in order of preference, `:` between them or as an array. */
  readonly ciphers?: string | readonly string[] | undefined;
  /** Key exchange groups in order of preference, `:` between them or as an array. */
  readonly groups?: string | readonly string[] | undefined;
  /** Node's name for `groups`. */
  readonly ecdhCurve?: string | undefined;
  /** Signature schemes accepted from the peer, `:` between them or as an array. */
  readonly sigalgs?: string | readonly string[] | undefined;
  /** How certificates may be compressed, the peer's and ours, best first: `zlib`, `brotli`, `zstd` where this Node has it. Default: not at all. */
  readonly certificateCompression?: readonly CertificateCompressionName[] | undefined;
}

/** Node's and OpenSSL's spellings of groups. */
const GROUP_ALIASES: Readonly<Record<string, string>> = {
  prime256v1: 'secp256r1',
  'P-256': 'secp256r1',
  'P-384': 'secp384r1',
  'P-521': 'secp521r1',
  X25519: 'x25519',
};

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
  readonly #names: {
    readonly cipherSuites: readonly string[] | undefined;
    readonly groups: readonly string[] | undefined;
    readonly signatureSchemes: readonly string[] | undefined;
    readonly certificateCompression: readonly CertificateCompressionName[] | undefined;
  };
  readonly #clientConfigs = new Map<string, ClientConfig>();
  readonly #scopes = new Map<string, string>();

  /** What was said about tickets. */
  readonly tickets: ServerTickets;

  /** What it was made from. */
  readonly options: SecureContextOptions;

  constructor(options: SecureContextOptions = {}) {
    refuseUnsupported(options);
    this.options = options;
    this.tickets = ticketsOf(options);
    this.credentials = credentialsOf(options);
    this.#trust = new Trust(options);
    const groups = options.groups ?? (options.ecdhCurve === 'auto' ? undefined : options.ecdhCurve);
    this.#names = {
      cipherSuites: list(options.ciphers),
      groups: list(groups)?.map((name) => GROUP_ALIASES[name] ?? name),
      signatureSchemes: list(options.sigalgs),
      certificateCompression: options.certificateCompression,
    };
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
    const key = JSON.stringify([alpn, rejectUnauthorized, postHandshakeAuth, this.#trust.policy(check)]);
    let config = this.#clientConfigs.get(key);
    if (config === undefined) {
      const { credentials } = this;
      const verifier = this.#trust.verifier(check);
      config = createClientConfig({
        crypto: nodeCrypto,
        clock,
        ...this.#names,
        alpn,
        rejectUnauthorized,
        postHandshakeAuth,
        credentials,
        verifier,
      });
      if (this.#clientConfigs.size < MAX_CLIENT_CONFIGS) this.#clientConfigs.set(key, config);
    }
    return config;
  }
}

/** Distinct lists of protocols, and policies, that a context remembers a config for. */
const MAX_CLIENT_CONFIGS = 16;

/** As in node:tls. Throws {@link TlsUsageError} when a key or certificate cannot be read or does not match. */
export function createSecureContext(options: SecureContextOptions = {}): SecureContext {
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

function credentialsOf({ cert, key, passphrase }: SecureContextOptions): readonly Credential[] {
  if (cert === undefined && key === undefined) return [];
  if (cert === undefined || key === undefined) {
    const [given, missing] = cert === undefined ? ['key', 'cert'] : ['cert', 'key'];
    throw new TlsUsageError('context.incomplete', `${given} is given without ${missing}`);
  }
  const certs = Array.isArray(cert) ? cert : [cert];
  const keys = Array.isArray(key) ? key : [key];
  if (certs.length !== keys.length) {
    throw new TlsUsageError(
      'context.incomplete',
      `there are ${certs.length} certificate chains and ${keys.length} keys, one for each is needed`,
    );
  }
  return certs.map((chain, i) =>
    createCredential({ cert: chain, key: keys[i], ...(passphrase !== undefined && { passphrase }) }),
  );
}

function list(names: string | readonly string[] | undefined): readonly string[] | undefined {
  return typeof names === 'string' ? names.split(':').filter((name) => name !== '') : names;
}
