import type { Credential, KeyExchange } from '../../crypto/index.ts';
import { peerFault, type TlsAlertError } from '../../errors/index.ts';
import {
  type ClientHello,
  type ClientHelloExtensions,
  type KeyShareEntry,
  NamedGroup,
  nameOf,
  ProtocolVersion,
  PskKeyExchangeMode,
} from '../../wire/index.ts';
import type { ClientHelloInfo, ServerConfig, Suite } from '../config.ts';
import { fits } from '../own-certificate.ts';

/** What the server makes of a ClientHello, before tickets are opened and certificates chosen. Pure: same offer, same decision. */
export type Decision =
  | { readonly kind: 'refuse'; readonly error: TlsAlertError }
  /** The client must send a share for `group`. */
  | { readonly kind: 'retry'; readonly suite: Suite; readonly group: KeyExchange }
  | {
      readonly kind: 'go';
      /** Suites in common, in order of our preference. */
      readonly suites: readonly [Suite, ...Suite[]];
      /** `undefined`: no key exchange possible, so only a PSK alone can do. */
      readonly exchange: { readonly group: KeyExchange; readonly share: KeyShareEntry } | undefined;
      /** How a PSK may be used, `undefined` when not at all. */
      readonly pskMode: 'psk_dhe_ke' | 'psk_ke' | undefined;
    };

/**
 * Cryptographic negotiation.
 *
 * @spec rfc9846#section-4.2.1
 */
export function negotiate(hello: ClientHello, config: ServerConfig): Decision {
  const x = hello.extensions;
  if (!x.supportedVersions?.includes(ProtocolVersion.tls13)) return refuse('client_hello.unsupported_version');
  if (hello.legacyVersion !== ProtocolVersion.tls12)
    return refuse('client_hello.bad_legacy_version', `0x${hello.legacyVersion.toString(16).padStart(4, '0')}`);
  // "For every TLS 1.3 ClientHello, this vector MUST contain exactly one byte, set to zero" (rfc9846#section-4.2.2).
  if (hello.legacyCompressionMethods.length !== 1 || hello.legacyCompressionMethods[0] !== 0)
    return refuse('client_hello.bad_compression');

  // rfc9846#section-9.2: which extensions must come together.
  if (x.preSharedKey && !x.pskKeyExchangeModes)
    return refuse('client_hello.missing_extension', 'psk_key_exchange_modes');
  if (!x.preSharedKey && !x.signatureAlgorithms)
    return refuse('client_hello.missing_extension', 'signature_algorithms');
  if (!x.preSharedKey && !x.supportedGroups) return refuse('client_hello.missing_extension', 'supported_groups');
  if (x.supportedGroups && !x.keyShare) return refuse('client_hello.missing_extension', 'key_share');
  if (x.keyShare && !x.supportedGroups) return refuse('client_hello.missing_extension', 'supported_groups');
  const shares = x.keyShare ?? [];
  const groups = x.supportedGroups ?? [];
  // Each group may be used up once. A set, for both lists can have thousands of entries.
  const unused = new Set(groups);
  const wrong = shares.find((share) => !unused.delete(share.group));
  if (wrong) return refuse('client_hello.bad_key_share', nameOf(NamedGroup, wrong.group));
  if (x.recordSizeLimit !== undefined && x.recordSizeLimit < 64)
    return refuse('client_hello.bad_record_size_limit', String(x.recordSizeLimit));

  const [suite, ...otherSuites] = config.cipherSuites.filter((s) => hello.cipherSuites.includes(s.id));
  if (suite === undefined) return refuse('client_hello.no_common_cipher_suite');

  const pskMode = choosePskMode(hello, config);
  const common = config.groups.filter((g) => groups.includes(g.id));
  // A share that is there beats a group we like better: it saves the client a round trip.
  const group = common.find((g) => shares.some((s) => s.group === g.id));
  if (group !== undefined) {
    const share = shares.find((s) => s.group === group.id)!;
    return { kind: 'go', suites: [suite, ...otherSuites], exchange: { group, share }, pskMode };
  }
  if (common[0] !== undefined) return { kind: 'retry', suite, group: common[0] };
  // Without a key exchange a PSK alone is all that is left, also for a client that would rather have had both.
  if (x.preSharedKey && config.allowPskOnly && x.pskKeyExchangeModes?.includes(PskKeyExchangeMode.psk_ke))
    return { kind: 'go', suites: [suite, ...otherSuites], exchange: undefined, pskMode: 'psk_ke' };
  return refuse('client_hello.no_common_group');
}

function refuse(...why: Parameters<typeof peerFault>): Decision {
  return { kind: 'refuse', error: peerFault(...why) };
}

function choosePskMode(hello: ClientHello, config: ServerConfig): 'psk_dhe_ke' | 'psk_ke' | undefined {
  const modes = hello.extensions.pskKeyExchangeModes ?? [];
  if (modes.includes(PskKeyExchangeMode.psk_dhe_ke)) return 'psk_dhe_ke';
  if (config.allowPskOnly && modes.includes(PskKeyExchangeMode.psk_ke)) return 'psk_ke';
  return undefined;
}

/** Extensions that a client may change, add or leave out in answer to a HelloRetryRequest. */
const MAY_CHANGE: ReadonlySet<string> = new Set<keyof ClientHelloExtensions>([
  'keyShare',
  'cookie',
  'earlyData',
  'preSharedKey',
]);

/**
 * The second ClientHello must be the first one but for key_share, cookie, early_data, pre_shared_key and padding. Names a part that is not.
 *
 * @spec rfc9846#section-4.2.2
 */
export function whatChangedAfterRetry(first: ClientHello, second: ClientHello): string | undefined {
  const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
  if (!same(first.random, second.random)) return 'random';
  if (!same(first.legacySessionId, second.legacySessionId)) return 'legacy_session_id';
  if (!same(first.cipherSuites, second.cipherSuites)) return 'cipher_suites';
  const a: Readonly<Record<string, unknown>> = { ...first.extensions };
  const b: Readonly<Record<string, unknown>> = { ...second.extensions };
  if (b['preSharedKey'] && !a['preSharedKey']) return 'preSharedKey';
  return Object.keys({ ...a, ...b }).find((name) => !MAY_CHANGE.has(name) && !same(a[name], b[name]));
}

/** The part of a ClientHello that applications decide by. */
export function helloInfo(hello: ClientHello): ClientHelloInfo {
  return {
    serverName: hello.extensions.serverName,
    alpn: hello.extensions.alpn ?? [],
    cipherSuites: hello.cipherSuites,
    signatureSchemes: hello.extensions.signatureAlgorithms ?? [],
    supportedGroups: hello.extensions.supportedGroups ?? [],
    certificateAuthorities: hello.extensions.certificateAuthorities ?? [],
  };
}

/** The first credential for the server name whose key makes a signature the client accepts; without a match by name, any. */
export function chooseCredential(credentials: readonly Credential[], info: ClientHelloInfo): Credential | undefined {
  const usable = credentials.filter((c) => fits('server', c, info));
  const name = info.serverName?.toLowerCase();
  return (name !== undefined && usable.find((c) => c.names.some((pattern) => covers(pattern, name)))) || usable[0];
}

/** Whether a name of a certificate, perhaps with a wildcard as its leftmost label, covers a host name. */
function covers(pattern: string, name: string): boolean {
  if (pattern === name) return true;
  return pattern.startsWith('*.') && name.indexOf('.') > 0 && name.slice(name.indexOf('.')) === pattern.slice(1);
}

/** The first of our protocols that the client offers. */
export function chooseAlpn(ours: readonly string[], offered: readonly string[]): string | undefined {
  return ours.find((protocol) => offered.includes(protocol));
}
