import { nodeCrypto } from '../providers/node/index.ts';
import { CipherSuite, NamedGroup } from '../wire/registry.ts';
import { Certificates } from './certificates.ts';
import {
  SSL_MODE_AUTO_RETRY,
  SSL_OP_ENABLE_MIDDLEBOX_COMPAT,
  SSL_OP_NO_ANTI_REPLAY,
  SSL_OP_NO_COMPRESSION,
  SSL_OP_NO_TICKET,
  SSL_VERIFY_NONE,
  SSL_VERIFY_PEER,
} from './constants.ts';
import type { SSL, SSL_SESSION } from './types.ts';
import type { VerifyCallback } from './verify.ts';

const DEFAULT_TICKETS = 2;
const MAX_RECORD = 16_384;

export type InfoCallback = (ssl: SSL, where: number, ret: number) => void;

export type PskFindCallback = (ssl: SSL, identity: Uint8Array) => SSL_SESSION | null;
export type PskUseCallback = (ssl: SSL, md: null) => { id: Uint8Array; sess: SSL_SESSION } | null;

/** What a context gives to each connection when that is made; from then on both have their own. */
export class Settings {
  numTickets: number = DEFAULT_TICKETS;
  options: number = SSL_OP_NO_COMPRESSION | SSL_OP_ENABLE_MIDDLEBOX_COMPAT;
  mode: number = SSL_MODE_AUTO_RETRY;
  verifyMode: number = SSL_VERIFY_NONE;
  verifyCallback: VerifyCallback | null = null;
  /** At most 32 bytes. */
  sidContext: Uint8Array = new Uint8Array(0);
  quietShutdown = 0;
  /** Client: the server may ask for a certificate after the handshake. */
  postHandshakeAuth = false;
  /** OpenSSL's order. */
  cipherSuites: readonly string[] = [
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'TLS_AES_128_GCM_SHA256',
  ];
  /** `undefined`: the default of this runtime. */
  groups: readonly string[] | undefined;
  /** Client: what it offers. */
  alpn: readonly string[] = [];
  certificates: Certificates = new Certificates();
  /** Server: bytes of early data that its tickets allow; 0: none. */
  maxEarlyData = 0;
  /** Server: bytes of early data that it takes of one client. */
  recvMaxEarlyData: number = MAX_RECORD;
  /** Server: asked last about early data. */
  allowEarlyData: ((ssl: SSL) => number) | null = null;
  /** Server: finds external PSKs. */
  pskFind: PskFindCallback | null = null;
  /** Client: the external PSK to offer. */
  pskUse: PskUseCallback | null = null;
  /** Server: before a certificate is chosen; 1, 0 (the handshake fails) or less (it waits). */
  certCallback: ((ssl: SSL) => number) | null = null;
  /** Server: whether a session of a full handshake is not to be resumed. */
  notResumable: ((ssl: SSL, isForwardSecure: number) => number) | null = null;
  /** The connection's own; without one the context's counts. */
  info: InfoCallback | null = null;

  clone(): Settings {
    const copy = Object.assign(new Settings(), this);
    copy.certificates = this.certificates.clone();
    return copy;
  }

  /** Server: each ticket is good for one resumption, so that early data is taken once. */
  get antiReplay(): boolean {
    return this.maxEarlyData > 0 && !this.has(SSL_OP_NO_ANTI_REPLAY);
  }

  /** Server: tickets are ids of sessions that are kept here. */
  get stateful(): boolean {
    return this.has(SSL_OP_NO_TICKET) || this.antiReplay;
  }

  has(option: number): boolean {
    return (this.options & option) !== 0;
  }

  /** Sessions that a client certificate may be bound to, without a name for who may resume them: they are neither issued nor taken. */
  get sidContextMissing(): boolean {
    return (this.verifyMode & SSL_VERIFY_PEER) !== 0 && this.sidContext.length === 0;
  }
}

const GROUP_ALIASES: Readonly<Record<string, string>> = {
  'P-256': 'secp256r1',
  PRIME256V1: 'secp256r1',
  'P-384': 'secp384r1',
  'P-521': 'secp521r1',
};
const GROUP_NAMES: ReadonlyMap<string, string> = new Map([
  ...Object.keys(NamedGroup).map((name) => [name.toUpperCase(), name] as const),
  ...Object.entries(GROUP_ALIASES),
]);

/** The groups of a list such as `X25519:P-256` or `?X25519MLKEM768/X25519`; `undefined` when one is unknown and has no `?`. */
export function parseGroups(list: string): string[] | undefined {
  const groups: string[] = [];
  for (const item of list.split(/[:/]/)) {
    const [, flags = '', name = ''] = /^([?*]*)(.*)$/.exec(item) ?? [];
    const group = GROUP_NAMES.get(name.toUpperCase());
    if (group !== undefined && !groups.includes(group)) groups.push(group);
    else if (group === undefined && !flags.includes('?')) return undefined;
  }
  return groups.length > 0 ? groups : undefined;
}

/** The TLS 1.3 suites that a colon-separated list names and that are there; unknown ones are passed over, as in OpenSSL. */
export function parseCipherSuites(list: string): string[] {
  return list.split(':').filter((name) => name in CipherSuite);
}

/** The names in ALPN's wire format, or `undefined` when it is not that. */
export function parseAlpn(wire: Uint8Array): string[] | undefined {
  const names: string[] = [];
  for (let at = 0; at < wire.length; ) {
    const end = at + 1 + wire[at]!;
    if (wire[at] === 0 || end > wire.length) return undefined;
    names.push(Buffer.from(wire.subarray(at + 1, end)).toString('latin1'));
    at = end;
  }
  return names;
}

const HYBRID = 'X25519MLKEM768';
let hybridIsSynchronous: boolean | undefined;

/**
 * The groups of a connection that names none. The hybrid is in front where the runtime has ML-KEM; elsewhere its first use would have
 * to wait for a module, which a C program does not expect. Naming it in a list brings it in everywhere.
 */
export function defaultGroups(): readonly string[] {
  if (hybridIsSynchronous === undefined) {
    const share = nodeCrypto.keyExchange(NamedGroup.X25519MLKEM768)?.generate();
    hybridIsSynchronous = share !== undefined && !(share instanceof Promise);
    if (share instanceof Promise) share.catch(() => {});
  }
  return [...(hybridIsSynchronous ? [HYBRID] : []), 'x25519', 'secp256r1', 'secp384r1', 'secp521r1'];
}

/** One key share, and a classical one beside a hybrid. */
export function keyShareCount(groups: readonly string[]): number {
  return groups[0] === HYBRID && groups.length > 1 ? 2 : 1;
}
