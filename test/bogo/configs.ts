import { readFileSync } from 'node:fs';
import { fromHex } from '../../src/bytes/index.ts';
import {
  type CertificateVerifier,
  type ClientConfig,
  type ClientHelloInfo,
  type Clock,
  type Credential,
  createClientConfig,
  createServerConfig,
  type ExternalPsk,
  NamedGroup,
  RecordingGuard,
  RingSealer,
  type ServerConfig,
  SignatureScheme,
  TicketKeyRing,
  TlsAlertError,
} from '../../src/index.ts';
import { createCredential, nodeCrypto } from '../../src/providers/node/index.ts';
import { type Flags, Unimplemented } from './flags.ts';

const crypto = nodeCrypto;

/** What all connections of a process share, and what the last one has left behind. */
export class Memory {
  /** Moved on by `-resumption-delay`, in milliseconds. */
  skew = 0;
  readonly clock: Clock = {
    now: () => Date.now() + this.skew,
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
  authorities?: readonly Uint8Array[];
  ocspResponse?: Uint8Array | undefined;
  /** The place of the credential in the test's list, -1 for the one outside of it. */
  signedWith?: number;
  keyLog: string[];
}

function nameIn(table: Readonly<Record<string, number>>, id: number): string | undefined {
  return Object.entries(table).find(([, value]) => value === id)?.[0];
}

/** Names of what of `ids` this library has. */
function namesOf(table: Readonly<Record<string, number>>, ids: readonly number[] | undefined): string[] | undefined {
  return ids?.map((id) => nameIn(table, id)).filter((name) => name !== undefined);
}

/** `value` at once, or later with `-async`. */
function answer<T>(flags: Flags, value: T): T | Promise<T> {
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
  const { signer } = credential;
  const wanted = of.numbers('signing-prefs');
  const schemes = wanted === undefined ? signer.schemes : wanted.filter((scheme) => signer.schemes.includes(scheme));
  return {
    ...credential,
    ...(of.has('must-match-issuer') && { mustMatchIssuer: true }),
    signer: {
      schemes,
      sign: (scheme, data) => {
        seen.signedWith = flags.credentials.indexOf(of);
        return answer(flags, signer.sign(scheme, data)) as Promise<Uint8Array>;
      },
    },
  };
}

/** The external PSKs of a list of credentials. */
export function psksOf(flags: Flags): readonly ExternalPsk[] {
  return flags.credentials
    .filter((one) => one.has('new-psk-credential'))
    .map((one) => ({
      identity: one.base64('psk-importer-identity') ?? new Uint8Array(0),
      key: one.base64('psk-importer-key') ?? new Uint8Array(0),
      hash: one.has('psk-importer-sha384') ? 'sha384' : 'sha256',
      import: { context: one.base64('psk-importer-context') ?? new Uint8Array(0) },
    }));
}

function verifierOf(flags: Flags, seen: Seen): CertificateVerifier {
  const fails = flags.has('verify-fail');
  const names = flags.text('use-client-ca-list');
  const list = names === undefined || names.startsWith('<') ? [] : names.split(',').map(fromHex);
  return {
    verify: (question) => {
      seen.ocspResponse = question.ocspResponse;
      if (!fails) return answer(flags, { trusted: true });
      return answer(flags, {
        trusted: false,
        code: 'CERT_REJECTED',
        message: 'the test wants it so',
        alert: flags.has('use-custom-verify-callback') ? 'certificate_unknown' : 'handshake_failure',
      });
    },
    ...(flags.has('reverify-on-resume') && { stillValid: () => !fails }),
    authorities: list,
    policy: 'shim',
  };
}

/** Three toy algorithms of the runner, by their code points. */
const TOYS = {
  65281: {
    compress: (data: Uint8Array) => new Uint8Array([1, 2, 3, 4, ...data]),
    decompress: (data: Uint8Array) => data.slice(4),
  },
  65282: {
    compress: (data: Uint8Array) => data.map((byte) => byte ^ 0x55),
    decompress: (data: Uint8Array) => data.map((byte) => byte ^ 0x55),
  },
  65283: {
    compress: (data: Uint8Array) => new Uint8Array([...data, crypto.random(1)[0]!]),
    decompress: (data: Uint8Array) => data.slice(0, -1),
  },
} as const;

function toyCompressions(flags: Flags): ClientConfig['certificateCompression'] {
  const one = flags.number('install-one-cert-compression-alg');
  const ids = flags.has('install-cert-compression-algs') ? [65_282, 65_281, 65_283] : one === undefined ? [] : [one];
  return ids.map((id) => ({ name: 'zlib', id, ...TOYS[id as keyof typeof TOYS] }));
}

function common(flags: Flags, memory: Memory, seen: Seen): Parameters<typeof createServerConfig>[0] {
  if ((flags.number('min-version') ?? 0) > 0x0304 || (flags.number('max-version') ?? 0xffff) < 0x0304)
    throw new Unimplemented('a version other than TLS 1.3');
  const certificateLength = flags.number('max-cert-list');
  return {
    crypto,
    clock: memory.clock,
    credentials: credentialsOf(flags, seen),
    verifier: verifierOf(flags, seen),
    groups: namesOf(NamedGroup, flags.numbers('curves')) ?? ['X25519MLKEM768', 'x25519', 'secp256r1', 'secp384r1'],
    signatureSchemes: namesOf(
      SignatureScheme,
      flags.numbers('verify-prefs')?.filter((id) => (id & 0xff) !== 1),
    ),
    maxSendFragment: flags.number('max-send-fragment'),
    limits: { ...(certificateLength !== undefined && { certificateLength }) },
    keyLog: (line) => seen.keyLog.push(line),
  };
}

export function serverConfig(flags: Flags, memory: Memory, seen: Seen): ServerConfig {
  const ring = new RingSealer(memory.keys, crypto);
  const sealer = flags.has('skip-ticket')
    ? { maxLifetimeSeconds: () => 7_200, seal: () => undefined, open: () => 'no_key' as const }
    : ring;
  const psks = psksOf(flags);
  const staple = flags.base64('ocsp-response');
  const config = createServerConfig({
    ...common(flags, memory, seen),
    chooseConfig: (hello) => {
      seen.hello = hello;
      if (flags.has('fail-early-callback'))
        throw new TlsAlertError('local.failed', 'handshake_failure', 'the program refuses this ClientHello');
      return answer(flags, undefined);
    },
    chooseCredential: () => {
      if (flags.has('fail-cert-callback')) throw new Error('the certificate callback fails');
      return answer(flags, undefined);
    },
    ...(flags.has('use-ocsp-callback') && {
      stapleOcsp: () => {
        if (flags.has('fail-ocsp-callback')) throw new TlsAlertError('local.failed', 'internal_error', 'no staple');
        return answer(flags, flags.has('decline-ocsp-callback') ? undefined : staple);
      },
    }),
    chooseAlpn: () => {
      if (flags.has('reject-alpn')) return undefined;
      if (flags.has('select-empty-alpn')) return '';
      return answer(flags, flags.text('select-alpn') || null);
    },
    clientAuth: flags.has('require-any-client-certificate') ? 'require' : flags.has('verify-peer') ? 'request' : 'none',
    tickets: { sealer: flags.has('no-ticket') ? false : sealer, scope: 'shim' },
    ...(flags.has('enable-early-data') && { earlyData: { maxSize: 14_336, guard: memory.guard } }),
    ...(psks.length > 0 && {
      findPsk: (identity) => psks.find((psk) => Buffer.compare(psk.identity, identity) === 0),
    }),
  });
  return { ...config, certificateCompression: toyCompressions(flags) };
}

export function clientConfig(flags: Flags, memory: Memory, seen: Seen): ClientConfig {
  const { credentials = [], ...options } = common(flags, memory, seen);
  const config = createClientConfig({
    ...options,
    verifier: verifierOf(flags, seen),
    credentials,
    chooseCredential: (request) => {
      seen.authorities = request.certificateAuthorities;
      if (flags.has('fail-cert-callback')) throw new Error('the certificate callback fails');
      return answer(flags, undefined);
    },
    alpn: alpnList(flags.text('advertise-alpn') ?? ''),
    rejectUnauthorized: flags.has('verify-peer') || !flags.has('verify-fail'),
    grease: flags.has('enable-grease'),
    requestOcsp: flags.has('enable-ocsp-stapling'),
    ...(flags.has('no-key-shares') && { keyShareCount: 0 }),
  });
  return { ...config, certificateCompression: toyCompressions(flags) };
}

/** Names with a byte of length in front of each. */
function alpnList(wire: string): string[] {
  const names: string[] = [];
  for (let at = 0; at < wire.length; at += 1 + wire.charCodeAt(at)) {
    names.push(wire.slice(at + 1, at + 1 + wire.charCodeAt(at)));
  }
  return names;
}
