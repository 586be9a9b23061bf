import { toHex } from '../bytes/index.ts';
import type {
  CertificateCompressionName,
  Compression,
  Credential,
  CryptoProvider,
  KeyExchange,
} from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import type {
  ClientAuth,
  ClientConfig,
  Clock,
  CommonConfig,
  CookieSealer,
  Limits,
  ServerConfig,
  ServerEarlyDataConfig,
  ServerTicketConfig,
  Suite,
} from '../handshake/index.ts';
import { resolveSuite } from '../handshake/index.ts';
import type { CertificateVerifier } from '../peer-auth/index.ts';
import {
  MAX_TICKET_LIFETIME_SECONDS,
  openssl,
  RingSealer,
  TicketKeyRing,
  TicketLedger,
  type TicketPolicy,
  type TicketRevocations,
  type TicketSealer,
} from '../tickets/index.ts';
import {
  CertificateCompressionAlgorithm,
  CipherSuite,
  type CipherSuiteName,
  NamedGroup,
  type NamedGroupName,
  SignatureScheme,
  type SignatureSchemeName,
} from '../wire/index.ts';

/** Options of both roles. What is left out has the default named here or in {@link CommonConfig}. */
export interface CommonOptions {
  readonly crypto: CryptoProvider;
  readonly clock: Clock;
  /** In order of preference. Default: AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305 (what the provider has of them); CCM only when named. */
  readonly cipherSuites?: readonly string[] | undefined;
  /** In order of preference. Default: X25519MLKEM768, x25519, secp256r1, secp384r1, secp521r1. */
  readonly groups?: readonly string[] | undefined;
  /** Accepted from the peer, in order of preference. Default: all of the RFC but PKCS#1, which is for certificates only. */
  readonly signatureSchemes?: readonly string[] | undefined;
  /**
   * `zlib`, `brotli`, `zstd` (what the provider has of them), in order of preference. Default: none. Saves bytes, and where a chain does not fit
   * the first packets a round trip. rfc8879
   */
  readonly certificateCompression?: readonly CertificateCompressionName[] | undefined;
  /** 64 to 16,385 (default), or `false`: extension not sent. */
  readonly recordSizeLimit?: number | false | undefined;
  /** 512 to 16,384 (default). */
  readonly maxSendFragment?: number | undefined;
  readonly padding?: ((contentLength: number) => number) | undefined;
  /** 1 to 31,536,000. Default 86,400: a peer authenticates in full at least every 24 hours, however many resumptions lie between. */
  readonly reauthenticateAfterSeconds?: number | undefined;
  readonly keyLog?: ((line: string) => void) | undefined;
  readonly limits?: Partial<Limits> | undefined;
}

export interface ServerOptions extends CommonOptions {
  readonly chooseConfig?: ServerConfig['chooseConfig'];
  readonly credentials?: readonly Credential[] | undefined;
  readonly chooseCredential?: ServerConfig['chooseCredential'];
  readonly stapleOcsp?: ServerConfig['stapleOcsp'];
  readonly alpn?: readonly string[] | undefined;
  readonly chooseAlpn?: ServerConfig['chooseAlpn'];
  /** Default `none`. */
  readonly clientAuth?: ClientAuth | undefined;
  readonly verifier?: CertificateVerifier | undefined;
  readonly rejectUnauthorized?: boolean | undefined;
  /** A number is shorthand for `{ count }`. Default 2 tickets of 7,200 seconds under keys of this process that rotate. `sealer: false`: no tickets at all. */
  readonly tickets?: number | TicketOptions | undefined;
  /**
   * Accept early data (0-RTT), which is not as safe as other data: it can be replayed, to each of those servers that do not share the
   * guard's memory, and is not forward secret. Default: off. rfc9846#section-8
   */
  readonly earlyData?: EarlyDataOptions | undefined;
  /**
   * Finds the external PSK of an identity (1 to 65,535 bytes, a copy). Asked for each identity a client offers, tickets included. Its
   * holder is let in without a certificate, whatever `clientAuth` says; with it a server may be without credentials.
   */
  readonly findPsk?: ServerConfig['findPsk'];
  readonly allowPskOnly?: boolean | undefined;
  readonly middleboxCompatibility?: boolean | undefined;
  readonly acknowledgeServerName?: boolean | undefined;
  readonly grease?: boolean | undefined;
  readonly cookieSealer?: CookieSealer | undefined;
}

export interface TicketOptions {
  readonly count?: number | undefined;
  readonly lifetimeSeconds?: number | undefined;
  readonly sealer?: TicketSealer | false | undefined;
  /** How many tickets when; a function is a policy too. Default {@link openssl}: `count` after a full handshake, at most one after a resumption. */
  readonly policy?: TicketPolicy | TicketPolicy['plan'] | undefined;
  /**
   * The trust scope: tickets of one scope are not redeemed under another, even with the same keys. Default: a hash of what decides whom
   * this server lets in (`clientAuth`, `rejectUnauthorized`, the verifier's policy) and of `label`.
   */
  readonly scope?: string | undefined;
  /** Other scopes whose tickets are good here too: at most 8. */
  readonly alsoAccept?: readonly string[] | undefined;
  /**
   * The application's part of the default `scope`: a name for each group of virtual hosts that may resume each other's sessions. A group that
   * verifies clients by a policy without a name, or knows external PSKs that others who share the ticket keys do not, needs one.
   */
  readonly label?: string | undefined;
  /** Asked about every ticket before it is redeemed. */
  readonly revocations?: TicketRevocations | undefined;
  /** The application's verdict about a ticket that is good otherwise. A throw or rejection means `full_handshake`, a `TlsAlertError` its alert. */
  readonly onPresented?: ServerTicketConfig['onPresented'];
  /** How long a sealer, `revocations`, `onPresented` or `findPsk` may take, each, in milliseconds: 1 to 60,000, default 1,000. What is late declines. Needs a clock with `after`. */
  readonly deadlineMs?: number | undefined;
  /**
   * Take a ticket also when the client names another server than the ticket was issued for, and tell clients so by the flag of
   * draft-ietf-tls-cross-sni-resumption. Only where one certificate has all those names, and all of them let in the same clients. Early data
   * is for the same name all the same. Default false.
   */
  readonly acrossNames?: boolean | undefined;
  /** Longest ticket that is sent, in bytes, 64 to 65,535 (default). */
  readonly maxLength?: number | undefined;
  /** Share one to let the handles of one config learn of tickets that another redeems. Default: one of 10,000 tickets for each config. */
  readonly ledger?: TicketLedger | undefined;
}

/** See {@link ServerEarlyDataConfig}. */
export interface EarlyDataOptions {
  readonly maxSize: number;
  readonly guard: ServerEarlyDataConfig['guard'];
  readonly allow?: ServerEarlyDataConfig['allow'];
  /** 1 to 60,000. */
  readonly deadlineMs?: number | undefined;
}

export interface ClientOptions extends CommonOptions {
  readonly alpn?: readonly string[] | undefined;
  readonly verifier: CertificateVerifier;
  readonly rejectUnauthorized?: boolean | undefined;
  readonly credentials?: readonly Credential[] | undefined;
  readonly chooseCredential?: ClientConfig['chooseCredential'];
  readonly certificateAuthorities?: readonly Uint8Array[] | undefined;
  readonly keyShareCount?: number | undefined;
  /** Groups to send key shares for, in place of `keyShareCount` first ones; none asks the server to choose, at the price of a round trip. */
  readonly keyShares?: readonly string[] | undefined;
  readonly allowPskOnly?: boolean | undefined;
  readonly grease?: boolean | undefined;
  readonly middleboxCompatibility?: boolean | undefined;
  readonly requestOcsp?: boolean | undefined;
  readonly postHandshakeAuth?: boolean | undefined;
}

const DEFAULT_CIPHER_SUITES: readonly CipherSuiteName[] = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
];
const DEFAULT_GROUPS: readonly NamedGroupName[] = ['X25519MLKEM768', 'x25519', 'secp256r1', 'secp384r1', 'secp521r1'];
const DEFAULT_SIGNATURE_SCHEMES: readonly SignatureSchemeName[] = [
  'ecdsa_secp256r1_sha256',
  'ed25519',
  'rsa_pss_rsae_sha256',
  'ecdsa_secp384r1_sha384',
  'rsa_pss_rsae_sha384',
  'ecdsa_secp521r1_sha512',
  'rsa_pss_rsae_sha512',
  'ed448',
  'rsa_pss_pss_sha256',
  'rsa_pss_pss_sha384',
  'rsa_pss_pss_sha512',
];
/** "These values refer solely to signatures which appear in certificates" (rfc9846#section-4.3.3). */
const CERTIFICATE_ONLY_SCHEMES: readonly SignatureSchemeName[] = [
  'rsa_pkcs1_sha256',
  'rsa_pkcs1_sha384',
  'rsa_pkcs1_sha512',
];

/** What the header of a handshake message can say. */
const MAX_MESSAGE_LENGTH = 0xff_ffff;
const MAX_COUNT = 0xffff_ffff;

/** Of each limit: its default, the least and the most. */
const LIMITS: Readonly<Record<keyof Limits, readonly [number, number, number]>> = {
  clientHelloLength: [65_536, 64, MAX_MESSAGE_LENGTH],
  certificateLength: [131_072, 1, MAX_MESSAGE_LENGTH],
  handshakeMessageLength: [66_560, 64, MAX_MESSAGE_LENGTH],
  certificateChainLength: [16, 1, MAX_COUNT],
  pskIdentities: [8, 0, 0xffff],
  ticketsReceived: [4_096, 0, MAX_COUNT],
  keyUpdatesInARow: [32, 1, MAX_COUNT],
  warningAlerts: [4, 0, MAX_COUNT],
  // Every client may send one change_cipher_spec, which counts as one.
  emptyRecordsInARow: [32, 1, MAX_COUNT],
  skippedEarlyDataLength: [16_384 + 4_096, 0, MAX_COUNT],
  parkedInputLength: [1_048_576, 0, MAX_COUNT],
  ticketsSent: [1_024, 0, MAX_COUNT],
  certificateRequestsReceived: [64, 0, MAX_COUNT],
  certificateRequestsPending: [8, 1, MAX_COUNT],
};

/** A frozen server config, for any number of connections. Throws {@link TlsUsageError} when options contradict each other or name unknown things. */
export function createServerConfig(options: ServerOptions): ServerConfig {
  const credentials = options.credentials ?? [];
  if (credentials.length === 0 && !options.chooseCredential && !options.findPsk) {
    throw new TlsUsageError(
      'config.no_credential',
      'a server needs at least one credential, or chooseCredential, or findPsk',
    );
  }
  const clientAuth = options.clientAuth ?? 'none';
  if (clientAuth !== 'none' && !options.verifier) {
    throw new TlsUsageError('config.no_verifier', `clientAuth is ${clientAuth}, so a verifier is needed`);
  }
  return Object.freeze<ServerConfig>({
    role: 'server',
    ...commonConfig(options),
    chooseConfig: options.chooseConfig,
    credentials: [...credentials],
    chooseCredential: options.chooseCredential,
    stapleOcsp: options.stapleOcsp,
    alpn: checkAlpn(options.alpn),
    chooseAlpn: options.chooseAlpn,
    clientAuth,
    verifier: options.verifier,
    rejectUnauthorized: options.rejectUnauthorized ?? true,
    tickets: ticketConfig(options),
    earlyData: options.earlyData && earlyDataConfig(options.earlyData),
    findPsk: options.findPsk,
    allowPskOnly: options.allowPskOnly ?? false,
    middleboxCompatibility: options.middleboxCompatibility ?? false,
    acknowledgeServerName: options.acknowledgeServerName ?? true,
    grease: options.grease ?? false,
    cookieSealer: options.cookieSealer,
  });
}

/** A frozen client config, for any number of connections. Throws {@link TlsUsageError} when options contradict each other or name unknown things. */
export function createClientConfig(options: ClientOptions): ClientConfig {
  if (!options.verifier) {
    throw new TlsUsageError('config.no_verifier', 'a client needs a verifier for the certificates of servers');
  }
  const common = commonConfig(options);
  return Object.freeze<ClientConfig>({
    role: 'client',
    ...common,
    alpn: checkAlpn(options.alpn),
    verifier: options.verifier,
    rejectUnauthorized: options.rejectUnauthorized ?? true,
    credentials: [...(options.credentials ?? [])],
    chooseCredential: options.chooseCredential,
    certificateAuthorities: [...(options.certificateAuthorities ?? [])],
    keyShareCount: inRange('keyShareCount', options.keyShareCount ?? 2, 1, 16),
    keyShares: options.keyShares && keyShares(options.keyShares, common.groups),
    allowPskOnly: options.allowPskOnly ?? false,
    grease: options.grease ?? true,
    middleboxCompatibility: options.middleboxCompatibility ?? true,
    requestOcsp: options.requestOcsp ?? true,
    postHandshakeAuth: options.postHandshakeAuth ?? false,
  });
}

function keyShares(names: readonly string[], groups: readonly KeyExchange[]): readonly KeyExchange[] {
  for (const name of names) {
    if (!groups.some((group) => group.name === name))
      throw new TlsUsageError(
        'config.bad_keyShares',
        `keyShares: ${name} is not among the groups ${groups.map((group) => group.name).join(', ')}`,
      );
  }
  // In the order of the groups, as the RFC wants it.
  return groups.filter((group) => names.includes(group.name));
}

function commonConfig(options: CommonOptions): CommonConfig {
  const { crypto, clock } = options;
  return {
    crypto,
    clock,
    cipherSuites: resolve(
      'cipherSuites',
      options.cipherSuites,
      DEFAULT_CIPHER_SUITES,
      CipherSuite,
      (_, name): Suite | undefined => resolveSuite(name as CipherSuiteName, crypto),
    ),
    groups: resolve('groups', options.groups, DEFAULT_GROUPS, NamedGroup, (id): KeyExchange | undefined =>
      crypto.keyExchange(id),
    ),
    signatureSchemes: resolve(
      'signatureSchemes',
      options.signatureSchemes,
      DEFAULT_SIGNATURE_SCHEMES,
      SignatureScheme,
      (id) => id,
    ),
    certificateSignatureSchemes: CERTIFICATE_ONLY_SCHEMES.map((name) => SignatureScheme[name]),
    certificateCompression: options.certificateCompression?.length
      ? resolve(
          'certificateCompression',
          options.certificateCompression,
          [],
          CertificateCompressionAlgorithm,
          (id): Compression | undefined => crypto.compression?.(id),
        )
      : [],
    recordSizeLimit:
      options.recordSizeLimit === false
        ? undefined
        : inRange('recordSizeLimit', options.recordSizeLimit ?? 16_385, 64, 16_385),
    maxSendFragment: inRange('maxSendFragment', options.maxSendFragment ?? 16_384, 512, 16_384),
    padding: options.padding,
    reauthenticateAfterSeconds: inRange(
      'reauthenticateAfterSeconds',
      options.reauthenticateAfterSeconds ?? 86_400,
      1,
      31_536_000,
    ),
    keyLog: options.keyLog,
    limits: checkLimits(options.limits),
  };
}

/** Names to what the provider has for them. A default that the provider lacks is left out; one that was asked for is an error. */
function resolve<T>(
  option: string,
  wanted: readonly string[] | undefined,
  defaults: readonly string[],
  table: Readonly<Record<string, number>>,
  find: (id: number, name: string) => T | undefined,
): readonly T[] {
  if (wanted?.length === 0)
    throw new TlsUsageError(
      `config.bad_${option}`,
      `${option} is empty; name at least one of ${Object.keys(table).join(', ')}`,
    );
  const found: T[] = [];
  // Once each: no list of the protocol may have duplicates.
  for (const name of new Set(wanted ?? defaults)) {
    const id = table[name];
    if (id === undefined)
      throw new TlsUsageError(
        `config.bad_${option}`,
        `${option}: there is no ${name}; there are ${Object.keys(table).join(', ')}`,
      );
    const item = find(id, name);
    if (item !== undefined) found.push(item);
    else if (wanted)
      throw new TlsUsageError(`config.bad_${option}`, `${option}: the crypto provider does not have ${name}`);
  }
  return found;
}

function inRange(option: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new TlsUsageError(
      'config.out_of_range',
      `${option} is ${value}, but must be an integer from ${min} to ${max}`,
    );
  }
  return value;
}

function checkLimits(wanted: Partial<Limits> = {}): Limits {
  const unknown = Object.keys(wanted).find((name) => !Object.hasOwn(LIMITS, name));
  if (unknown !== undefined) {
    const known = Object.keys(LIMITS).join(', ');
    throw new TlsUsageError('config.unknown_limit', `limits.${unknown} is no limit: there are ${known}`);
  }
  const names = Object.keys(LIMITS) as (keyof Limits)[];
  const limits = names.map((name) => {
    const [byDefault, min, max] = LIMITS[name];
    return [name, inRange(`limits.${name}`, wanted[name] ?? byDefault, min, max)];
  });
  return Object.fromEntries(limits) as Limits;
}

function checkAlpn(names: readonly string[] = []): readonly string[] {
  for (const name of names) {
    if (typeof name !== 'string' || name.length < 1 || name.length > 255 || /[^\0-\u00ff]/.test(name)) {
      throw new TlsUsageError(
        'config.bad_alpn',
        `an application protocol name must be 1 to 255 Latin-1 characters, not ${JSON.stringify(name)}`,
      );
    }
  }
  const length = names.reduce((sum, name) => sum + 1 + name.length, 0);
  // A ClientHello has room for 65,535 bytes of extensions.
  if (length > 60_000)
    throw new TlsUsageError('config.bad_alpn', `the protocol names take ${length} bytes, allowed are 60,000`);
  return [...names];
}

function ticketConfig(options: ServerOptions): ServerTicketConfig {
  const { crypto } = options;
  const tickets: TicketOptions =
    typeof options.tickets === 'number' ? { count: options.tickets } : (options.tickets ?? {});
  const { sealer, alsoAccept = [] } = tickets;
  const scope = tickets.scope ?? trustScope(options, tickets.label);
  inRange('tickets.alsoAccept.length', alsoAccept.length, 0, 8);
  return {
    count: inRange('tickets.count', tickets.count ?? 2, 0, Number.MAX_SAFE_INTEGER),
    policy: policyOf(tickets.policy ?? openssl()),
    lifetimeSeconds: inRange(
      'tickets.lifetimeSeconds',
      tickets.lifetimeSeconds ?? 7_200,
      1,
      MAX_TICKET_LIFETIME_SECONDS,
    ),
    scope,
    scopes: [scope, ...alsoAccept],
    ledger: tickets.ledger ?? new TicketLedger(),
    acrossNames: tickets.acrossNames ?? false,
    maxLength: inRange('tickets.maxLength', tickets.maxLength ?? 0xffff, 64, 0xffff),
    revocations: tickets.revocations,
    onPresented: tickets.onPresented,
    deadlineMs: inRange('tickets.deadlineMs', tickets.deadlineMs ?? 1_000, 1, 60_000),
    sealer: sealer === false ? undefined : (sealer ?? new RingSealer(new TicketKeyRing({ crypto }), crypto)),
  };
}

function earlyDataConfig({ maxSize, guard, allow, deadlineMs = 250 }: EarlyDataOptions): ServerEarlyDataConfig {
  // From a program without types it may be missing, and without it anybody could replay.
  if (typeof (guard as Partial<typeof guard> | undefined)?.check !== 'function' || !(guard.windowMs > 0)) {
    throw new TlsUsageError(
      'config.no_replay_guard',
      'earlyData needs a guard: a ReplayGuard with a check function and a windowMs above 0',
    );
  }
  return {
    maxSize: inRange('earlyData.maxSize', maxSize, 1, 0xffff_ffff),
    guard,
    allow,
    deadlineMs: inRange('earlyData.deadlineMs', deadlineMs, 1, 60_000),
  };
}

function policyOf(policy: TicketPolicy | TicketPolicy['plan']): TicketPolicy {
  if (typeof policy === 'function') return { name: policy.name || 'function', plan: policy };
  if (typeof policy?.plan === 'function') return policy;
  throw new TlsUsageError('config.bad_policy', 'tickets.policy must be a policy such as openssl(), or a function');
}

/** What decides whom this server lets in. A ticket spares the client that decision, so it must not be spared a stricter one. */
export function trustScope(
  options: Pick<ServerOptions, 'crypto' | 'verifier' | 'clientAuth' | 'rejectUnauthorized'>,
  label?: string,
): string {
  const { crypto, verifier, clientAuth = 'none', rejectUnauthorized = true } = options;
  const authorities = (verifier?.authorities ?? []).map(toHex);
  const isNamed = verifier === undefined || authorities.length > 0 || label !== undefined;
  const policy = verifier?.policy ?? (isNamed ? authorities : unnamedPolicy(verifier, crypto));
  // Where there is a verifier, clients may also be asked for a certificate after the handshake.
  const facts = JSON.stringify([label ?? '', clientAuth, verifier === undefined || rejectUnauthorized, policy]);
  return toHex(crypto.kdf('sha256').hash(new TextEncoder().encode(facts)));
}

const unnamed = new WeakMap<CertificateVerifier, string>();

/** What a verifier without a name trusts cannot be compared: each one stands alone. */
function unnamedPolicy(verifier: CertificateVerifier, crypto: CryptoProvider): string {
  const name = unnamed.get(verifier) ?? toHex(crypto.random(16));
  unnamed.set(verifier, name);
  return name;
}
