import { readFileSync } from 'node:fs';
import { equal, fromHex } from '../../src/bytes/index.ts';
import type { CertificateRequestInfo } from '../../src/handshake/index.ts';
import {
  type AlertName,
  type CertificateVerifier,
  CipherSuite,
  type ClientConfig,
  type ClientHelloInfo,
  type Clock,
  type CommonOptions,
  type Credential,
  createClientConfig,
  createServerConfig,
  type ExternalPsk,
  NamedGroup,
  type PeerQuestion,
  type PeerVerdict,
  RecordingGuard,
  RingSealer,
  type ServerConfig,
  SignatureScheme,
  TicketKeyRing,
  TlsAlertError,
} from '../../src/index.ts';
import { createCredential, nodeCrypto } from '../../src/providers/node/index.ts';
import { parseCertificate } from '../../src/x509/certificate.ts';
import { type Flags, Unimplemented } from './flags.ts';

const crypto = nodeCrypto;

/** What the runner expects of a shim that was not told. */
const DEFAULT_GROUPS: readonly string[] = ['X25519MLKEM768', 'x25519', 'secp256r1', 'secp384r1'];
const DEFAULT_SCHEMES: readonly number[] = [
  SignatureScheme.ecdsa_secp256r1_sha256,
  SignatureScheme.rsa_pss_rsae_sha256,
  SignatureScheme.ecdsa_secp384r1_sha384,
  SignatureScheme.rsa_pss_rsae_sha384,
  SignatureScheme.rsa_pss_rsae_sha512,
];

/** What all connections of a process share. */
export class Memory {
  /** Moved on by `-resumption-delay`, in milliseconds. */
  skew = 0;
  /** Time stands still otherwise, so that ages come out to the second. */
  readonly #start = Date.now();
  readonly clock: Clock = {
    now: () => this.#start + this.skew,
    after: (milliseconds, run) => {
      const timer = setTimeout(run, milliseconds);
      return () => clearTimeout(timer);
    },
  };
  readonly keys: TicketKeyRing = new TicketKeyRing({ crypto });
  readonly guard: RecordingGuard = new RecordingGuard({ windowMs: 60_000, startedAt: 0 });
}

/** What callbacks were told on one connection. */
export interface Seen {
  hello?: ClientHelloInfo;
  request?: CertificateRequestInfo;
  /** The place of the credential in the test's list, -1 for the one outside of it. */
  signedWith?: number;
  /** Of what follows on rejected early data. */
  flags?: Flags;
  keyLog: string[];
}

/** Names of what of `ids` this library has. */
function namesOf(table: Readonly<Record<string, number>>, ids: readonly number[] | undefined): string[] | undefined {
  return ids?.flatMap((id) => Object.keys(table).filter((name) => table[name] === id));
}

/** `value` at once, or later with `-async`. */
function answer<T>(flags: Flags, value: T | Promise<T>): T | Promise<T> {
  return flags.has('async') ? new Promise((resolve) => setImmediate(() => resolve(value))) : value;
}

/** All credentials: first those with a place in the list, last the one without. */
function credentialsOf(flags: Flags, seen: Seen): readonly Credential[] {
  return [...flags.credentials, flags]
    .filter((one) => one.has('cert-file') && one.has('key-file'))
    .map((one) => credentialOf(one, flags, seen));
}

function credentialOf(of: Flags, flags: Flags, seen: Seen): Credential {
  const ocspResponse = of.base64('ocsp-response');
  const credential = createCredential({
    cert: readFileSync(of.text('cert-file')!, 'utf8'),
    key: readFileSync(of.text('key-file')!, 'utf8'),
    ...(ocspResponse !== undefined && !flags.has('use-ocsp-callback') && { ocspResponse }),
  });
  const { signer, chain } = credential;
  const wanted = of.numbers('signing-prefs');
  const isRsa = signer.schemes.includes(SignatureScheme.rsa_pss_rsae_sha256);
  const able = isRsa ? [...signer.schemes, SignatureScheme.rsa_pkcs1_sha256_legacy] : signer.schemes;
  return {
    ...credential,
    ...(of.has('must-match-issuer') && { onlyForAuthorities: chain.map((der) => parseCertificate(der).issuer) }),
    signer: {
      schemes: wanted === undefined ? signer.schemes : wanted.filter((scheme) => able.includes(scheme)),
      sign: (scheme, data) => {
        seen.signedWith = flags.credentials.indexOf(of);
        return answer(flags, signer.sign(scheme, data));
      },
    },
  };
}

/** The external PSKs of a list of credentials. */
export function psksOf(flags: Flags): readonly ExternalPsk[] {
  const empty = new Uint8Array(0);
  return flags.credentials
    .filter((one) => one.has('new-psk-credential'))
    .map((one) => ({
      identity: one.base64('psk-importer-identity') ?? empty,
      key: one.base64('psk-importer-key') ?? empty,
      hash: one.has('psk-importer-sha384') ? 'sha384' : 'sha256',
      import: { context: one.base64('psk-importer-context') ?? empty },
    }));
}

/** A client with PSKs that is not told to verify certificates takes none. */
function isPskRequired(flags: Flags): boolean {
  return psksOf(flags).length > 0 && !flags.has('verify-peer');
}

/**
 * The program's verdict, as the test wants it. The chains of the runner are made for other things than to be valid, so that of
 * all rules of X.509 only the one about the use of the key is looked at.
 */
export function judge({ chain, role }: PeerQuestion, flags: Flags): PeerVerdict {
  const refuse = (message: string, alert: AlertName): PeerVerdict => {
    return { trusted: false, code: 'CERT_REJECTED', message, alert };
  };
  if (parseCertificate(chain[0]!).extensions.keyUsage?.digitalSignature === false)
    return refuse('a key that is not for signatures', 'unsupported_certificate');
  if (role === 'server' && isPskRequired(flags)) return refuse('a certificate in place of a PSK', 'bad_certificate');
  if (flags.has('fail-ocsp-callback')) return refuse('the OCSP callback fails', 'bad_certificate_status_response');
  if (!flags.has('verify-fail')) return { trusted: true };
  const alert = flags.has('use-custom-verify-callback') ? 'certificate_unknown' : 'handshake_failure';
  return refuse('the test wants it so', alert);
}

function verifierOf(flags: Flags, seen: Seen): CertificateVerifier {
  const names = flags.text('use-client-ca-list');
  return {
    verify: (question) => answer(flags, judge(question, seen.flags ?? flags)),
    ...(flags.has('reverify-on-resume') && { stillValid: () => !flags.has('verify-fail') }),
    authorities: names === undefined || names.startsWith('<') ? [] : names.split(',').map(fromHex),
    policy: 'shim',
  };
}

/** Three toy algorithms of the runner, by their code points. */
const TOYS = {
  65281: {
    compress: (data: Uint8Array) => data.slice(2),
    decompress: (data: Uint8Array) => new Uint8Array([0, 0, ...data]),
  },
  65282: {
    compress: (data: Uint8Array) => new Uint8Array([1, 2, 3, 4, ...data]),
    decompress: (data: Uint8Array) => data.slice(4),
  },
  65283: {
    compress: (data: Uint8Array) => new Uint8Array([crypto.random(1)[0]!, ...data]),
    decompress: (data: Uint8Array) => data.slice(1),
  },
} as const;

/** What only a test wants: compression of its own, schemes that are none. */
function special(flags: Flags): Pick<ClientConfig, 'certificateCompression' | 'signatureSchemes'> {
  const one = flags.number('install-one-cert-compression-alg');
  const ids = flags.has('install-cert-compression-algs') ? [65_282, 65_281, 65_283] : one === undefined ? [] : [one];
  return {
    certificateCompression: ids.map((id) => ({ name: 'zlib', id, ...TOYS[id as keyof typeof TOYS] })),
    // 0xff01 is BoringSSL's own number for what TLS 1.0 did, and never sent.
    signatureSchemes: flags.numbers('verify-prefs')?.filter((scheme) => scheme !== 0xff01) ?? DEFAULT_SCHEMES,
  };
}

function common(flags: Flags, memory: Memory, seen: Seen): CommonOptions {
  if ((flags.number('min-version') ?? 0) > 0x0304 || (flags.number('max-version') ?? 0xffff) < 0x0304)
    throw new Unimplemented('a version other than TLS 1.3');
  const certificateLength = flags.number('max-cert-list');
  return {
    crypto,
    clock: memory.clock,
    groups: namesOf(NamedGroup, flags.numbers('curves')) ?? DEFAULT_GROUPS,
    maxSendFragment: flags.number('max-send-fragment'),
    limits: {
      certificateChainLength: 100,
      // The runner counts the content type and the tag of its one record, too.
      skippedEarlyDataLength: 16_384 - 17,
      ...(certificateLength !== undefined && { certificateLength }),
    },
    keyLog: (line) => seen.keyLog.push(line),
  };
}

export function serverConfig(flags: Flags, memory: Memory, seen: Seen): ServerConfig {
  const credentials = credentialsOf(flags, seen);
  const ring = new RingSealer(memory.keys, crypto);
  const sealer = flags.has('skip-ticket')
    ? { maxLifetimeSeconds: () => 7_200, seal: () => undefined, open: () => 'no_key' as const }
    : ring;
  const psks = psksOf(flags);
  let chosen: ServerConfig;
  const config: ServerConfig = createServerConfig({
    ...common(flags, memory, seen),
    credentials,
    verifier: verifierOf(flags, seen),
    chooseConfig: (hello) => {
      seen.hello = hello;
      if (flags.has('fail-early-callback'))
        throw new TlsAlertError('local.failed', 'handshake_failure', 'the program refuses this ClientHello');
      chosen = asBoringSsl({ ...config, ...special(flags) }, hello, flags);
      return answer(flags, chosen);
    },
    ...((credentials.length > 0 || flags.has('fail-cert-callback')) && {
      chooseCredential: () => {
        if (flags.has('fail-cert-callback')) throw new Error('the certificate callback fails');
        return answer(flags, undefined);
      },
    }),
    ...(flags.has('use-ocsp-callback') && {
      stapleOcsp: () => {
        if (flags.has('fail-ocsp-callback'))
          throw new TlsAlertError('local.failed', 'internal_error', 'the OCSP callback fails');
        return answer(flags, flags.has('decline-ocsp-callback') ? undefined : flags.base64('ocsp-response'));
      },
    }),
    chooseAlpn: () => {
      if (flags.has('reject-alpn')) return undefined;
      if (flags.has('select-empty-alpn')) return '';
      return answer(flags, flags.has('decline-alpn') ? null : flags.text('select-alpn') || null);
    },
    clientAuth: flags.has('require-any-client-certificate') ? 'require' : flags.has('verify-peer') ? 'request' : 'none',
    tickets: {
      sealer: flags.has('no-ticket') ? false : sealer,
      scope: 'shim',
      // BoringSSL declines a ticket of another suite than the one it would choose.
      onPresented: ({ cipherSuite }) => {
        const best = chosen.cipherSuites.find(({ id }) => seen.hello?.cipherSuites.includes(id));
        return cipherSuite === best?.id ? 'accept' : 'full_handshake';
      },
      acrossNames: flags.has('resumption-across-names-enabled'),
    },
    acknowledgeServerName: !flags.has('no-server-name-ack'),
    middleboxCompatibility: true,
    grease: true,
    ...(flags.has('enable-early-data') && { earlyData: { maxSize: 14_336, guard: memory.guard } }),
    ...(psks.length > 0 && { findPsk: (identity) => psks.find((psk) => equal(psk.identity, identity)) }),
  });
  return { ...config, ...special(flags) };
}

/**
 * Choices that BoringSSL makes and this library leaves to the program: ChaCha20 for a client without AES in hardware, which likes it best; and
 * the best group of all, also when it costs a round trip.
 */
function asBoringSsl(
  config: ServerConfig,
  { cipherSuites, supportedGroups }: ClientHelloInfo,
  flags: Flags,
): ServerConfig {
  const isSlow = cipherSuites[0] === CipherSuite.TLS_CHACHA20_POLY1305_SHA256;
  const equals = flags.numbers('curves-flags')?.[0] === 1 ? config.groups.slice(0, 2).map((group) => group.id) : [];
  const rank = (id: number): number => (equals.includes(id) ? supportedGroups.indexOf(id) - supportedGroups.length : 0);
  const groups = config.groups.filter(({ id }) => supportedGroups.includes(id)).sort((a, b) => rank(a.id) - rank(b.id));
  return {
    ...config,
    ...(isSlow && { cipherSuites: [...config.cipherSuites].reverse() }),
    ...(groups.length > 0 && { groups: groups.slice(0, 1) }),
  };
}

export function clientConfig(flags: Flags, memory: Memory, seen: Seen): ClientConfig {
  const credentials = credentialsOf(flags, seen);
  const config = createClientConfig({
    ...common(flags, memory, seen),
    verifier: verifierOf(flags, seen),
    credentials,
    chooseCredential: (request) => {
      seen.request = request;
      if (flags.has('fail-cert-callback')) throw new Error('the certificate callback fails');
      if (!hasOneFor(request, credentials))
        throw new TlsAlertError('local.failed', 'handshake_failure', 'no credential fits what the server wants');
      return answer(flags, undefined);
    },
    alpn: alpnList(flags.text('advertise-alpn') ?? ''),
    rejectUnauthorized: flags.has('verify-peer') || !flags.has('verify-fail'),
    grease: flags.has('enable-grease'),
    requestOcsp: flags.has('enable-ocsp-stapling'),
    keyShares: keySharesOf(flags),
  });
  const scsv = flags.has('fallback-scsv')
    ? [{ ...config.cipherSuites[0]!, id: 0x5600, name: 'TLS_FALLBACK_SCSV' }]
    : [];
  return { ...config, ...special(flags), cipherSuites: [...config.cipherSuites, ...scsv] };
}

/** A program that has credentials may rather have none than no connection; this one is as BoringSSL is. */
function hasOneFor(request: CertificateRequestInfo, credentials: readonly Credential[]): boolean {
  const isNamed = (name: Uint8Array): boolean => request.certificateAuthorities.some((other) => equal(name, other));
  return (
    credentials.length === 0 ||
    credentials.some(
      ({ signer, onlyForAuthorities }) =>
        signer.schemes.some((scheme) => request.signatureSchemes.includes(scheme)) &&
        (onlyForAuthorities?.some(isNamed) ?? true),
    )
  );
}

/** As a program would choose that knows what its server takes, or wants these and no others; else one with ML-KEM and one without. */
function keySharesOf(flags: Flags): readonly string[] | undefined {
  const ours = namesOf(NamedGroup, flags.numbers('curves')) ?? DEFAULT_GROUPS;
  const hint = namesOf(NamedGroup, flags.numbers('server-supported-groups-hint')) ?? [];
  const hinted = ours.find((name) => hint.includes(name));
  if (hinted !== undefined) return [hinted];
  if (flags.has('no-key-shares')) return [];
  const isHybrid = (name: string): boolean => name.includes('MLKEM');
  const other = ours.find((name) => isHybrid(name) !== isHybrid(ours[0]!));
  return namesOf(NamedGroup, flags.numbers('key-shares')) ?? [ours[0]!, ...(other === undefined ? [] : [other])];
}

/** Names with a byte of length in front of each. */
function alpnList(wire: string): string[] {
  const names: string[] = [];
  for (let at = 0; at < wire.length; at += 1 + wire.charCodeAt(at)) {
    names.push(wire.slice(at + 1, at + 1 + wire.charCodeAt(at)));
  }
  return names;
}
