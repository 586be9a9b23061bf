import type { Credential, KeyExchange } from '../../crypto/index.ts';
import { peerFault, type TlsAlertError } from '../../errors/index.ts';
import {
  type ClientHello,
  type KeyShareEntry,
  NamedGroup,
  nameOf,
  ProtocolVersion,
  PskKeyExchangeMode,
} from '../../wire/index.ts';
import type { ClientHelloInfo, ServerConfig, Suite } from '../config.ts';
import { chooseScheme } from '../own-certificate.ts';

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
  const wrong = shares.find(
    (share, i) => !groups.includes(share.group) || shares.findIndex((s) => s.group === share.group) !== i,
  );
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

/**
 * The second ClientHello must be the first one but for key_share, cookie, early_data, the binders and padding.
 *
 * @spec rfc9846#section-4.2.2
 */
export function whatChangedAfterRetry(first: ClientHello, second: ClientHello): string | undefined {
  const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
  const a = first.extensions;
  const b = second.extensions;
  if (!same([...first.random], [...second.random])) return 'random';
  if (!same([...first.legacySessionId], [...second.legacySessionId])) return 'legacy_session_id';
  if (!same(first.cipherSuites, second.cipherSuites)) return 'cipher_suites';
  if (!same(a.serverName, b.serverName)) return 'server_name';
  if (!same(a.supportedGroups, b.supportedGroups)) return 'supported_groups';
  if (!same(a.signatureAlgorithms, b.signatureAlgorithms)) return 'signature_algorithms';
  if (!same(a.supportedVersions, b.supportedVersions)) return 'supported_versions';
  if (!same(a.alpn, b.alpn)) return 'application_layer_protocol_negotiation';
  if (!same(a.pskKeyExchangeModes, b.pskKeyExchangeModes)) return 'psk_key_exchange_modes';
  if (b.earlyData) return 'early_data';
  return undefined;
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
  const usable = credentials.filter((c) => chooseScheme(c, info.signatureSchemes) !== undefined);
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
