/**
 * The flags of a shim for BoringSSL's test runner that this one honours. Whoever gives another is told so (exit code 89), and the runner
 * counts the test as not implemented.
 */

/** `on`: has no argument. `list`: may be repeated. `credential`: begins one, to which the flags of `OF_CREDENTIAL` belong from then on. */
const KINDS = {
  // The connection
  'shim-id': 'text',
  port: 'number',
  ipv6: 'on',
  server: 'on',
  'resume-count': 'number',
  async: 'on',
  'implicit-handshake': 'on',
  'resumption-delay': 'number',
  // What is offered and taken
  'min-version': 'number',
  'max-version': 'number',
  'no-tls1': 'on',
  'no-tls11': 'on',
  'no-tls12': 'on',
  curves: 'list',
  'curves-flags': 'list',
  cipher: 'text',
  'fallback-scsv': 'on',
  'no-server-name-ack': 'on',
  'key-shares': 'list',
  'no-key-shares': 'on',
  'verify-prefs': 'list',
  'host-name': 'text',
  'advertise-alpn': 'text',
  'select-alpn': 'text',
  'decline-alpn': 'on',
  'reject-alpn': 'on',
  'select-empty-alpn': 'on',
  'enable-grease': 'on',
  'max-send-fragment': 'number',
  'max-cert-list': 'number',
  'enable-ocsp-stapling': 'on',
  'install-cert-compression-algs': 'on',
  'install-one-cert-compression-alg': 'number',
  'enable-early-data': 'on',
  'server-supported-groups-hint': 'list',
  'resumption-across-names-enabled': 'on',
  'no-ticket': 'on',
  'skip-ticket': 'on',
  'renew-ticket': 'on',
  'use-ticket-callback': 'on',
  'use-ticket-aead-callback': 'on',
  'server-preference': 'on',
  'no-legacy-server-connect': 'on',
  'renegotiate-freely': 'on',
  'fail-early-callback': 'on',
  'use-early-callback': 'on',
  // Who the peers are
  'trust-cert': 'text',
  'cert-file': 'text',
  'key-file': 'text',
  'signing-prefs': 'list',
  'must-match-issuer': 'on',
  'ocsp-response': 'text',
  'new-x509-credential': 'credential',
  'new-psk-credential': 'credential',
  'psk-importer-identity': 'text',
  'psk-importer-key': 'text',
  'psk-importer-context': 'text',
  'psk-importer-sha256': 'on',
  'psk-importer-sha384': 'on',
  'verify-peer': 'on',
  'require-any-client-certificate': 'on',
  'use-custom-verify-callback': 'on',
  'use-old-client-cert-callback': 'on',
  'verify-fail': 'on',
  'reverify-on-resume': 'on',
  'use-client-ca-list': 'text',
  'fail-cert-callback': 'on',
  'use-ocsp-callback': 'on',
  'set-ocsp-in-callback': 'on',
  'decline-ocsp-callback': 'on',
  'fail-ocsp-callback': 'on',
  // What the program does
  'shim-writes-first': 'on',
  'shim-initial-write': 'text',
  'repeat-shim-initial-write': 'number',
  'shim-shuts-down': 'on',
  'check-close-notify': 'on',
  'send-alert': 'on',
  'key-update': 'on',
  'read-size': 'number',
  'peek-then-read': 'on',
  'read-with-unfinished-write': 'on',
  'early-write-after-message': 'number',
  'no-op-extra-handshake': 'on',
  'export-keying-material': 'number',
  'export-label': 'text',
  'export-context': 'text',
  'use-export-context': 'on',
  'export-traffic-secrets': 'on',
  // What must come out
  'expect-version': 'number',
  'expect-session-miss': 'on',
  'expect-no-session': 'on',
  'expect-no-session-id': 'on',
  'expect-ticket-supports-early-data': 'on',
  'expect-resumable-across-names': 'on',
  'expect-not-resumable-across-names': 'on',
  'expect-accept-early-data': 'on',
  'expect-reject-early-data': 'on',
  'expect-no-offer-early-data': 'on',
  'expect-early-data-reason': 'text',
  'expect-ticket-age-skew': 'number',
  'expect-peer-signature-algorithm': 'number',
  'expect-selected-credential': 'number',
  'expect-verify-result': 'on',
  'expect-curve-id': 'number',
  'expect-hrr': 'on',
  'expect-no-hrr': 'on',
  'expect-alpn': 'text',
  'expect-advertised-alpn': 'text',
  'expect-server-name': 'text',
  'expect-extended-master-secret': 'on',
  'expect-secure-renegotiation': 'on',
  'expect-cipher': 'number',
  'expect-cipher-aes': 'number',
  'expect-cipher-no-aes': 'number',
  'expect-peer-verify-pref': 'list',
  'expect-peer-cert-file': 'text',
  'expect-no-peer-cert': 'on',
  'expect-client-ca-list': 'text',
  'expect-ocsp-response': 'text',
} as const;

export type FlagName = keyof typeof KINDS;

const OF_CREDENTIAL: readonly string[] = [
  'cert-file',
  'key-file',
  'signing-prefs',
  'must-match-issuer',
  'ocsp-response',
  'psk-importer-identity',
  'psk-importer-key',
  'psk-importer-context',
  'psk-importer-sha256',
  'psk-importer-sha384',
];

/** A flag that this shim does not know or cannot honour. */
export class Unimplemented extends Error {}

/** Flags with their values, for one of the connections of a test. */
export class Flags {
  readonly #values = new Map<FlagName, string[]>();
  /** Those begun with `new-x509-credential` and `new-psk-credential`, in order. */
  readonly credentials: Flags[] = [];

  set(name: FlagName, value: string): void {
    const list = this.#values.get(name);
    if (list !== undefined && KINDS[name] === 'list') list.push(value);
    else this.#values.set(name, [value]);
  }

  has(name: FlagName): boolean {
    return this.#values.has(name);
  }

  text(name: FlagName): string | undefined {
    return this.#values.get(name)?.[0];
  }

  number(name: FlagName): number | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : Number(value);
  }

  numbers(name: FlagName): readonly number[] | undefined {
    return this.#values.get(name)?.map(Number);
  }

  /** The bytes of a flag in base64. */
  base64(name: FlagName): Uint8Array | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : new Uint8Array(Buffer.from(value, 'base64'));
  }
}

/** The flags of the first connection, of later ones, and of what follows on rejected early data. */
export interface Phases {
  readonly initial: Flags;
  readonly resume: Flags;
  readonly retry: Flags;
}

const PREFIX = /^on-(initial|resume|retry|shim|handshaker)-/;

/** Throws {@link Unimplemented}. */
export function parseFlags(args: readonly string[]): Phases {
  const phases = { initial: new Flags(), resume: new Flags(), retry: new Flags() };
  const open = { ...phases };
  for (let i = 0; i < args.length; i++) {
    const given = args[i]!.replace(/^-/, '');
    const prefix = PREFIX.exec(given)?.[1];
    const name = given.replace(PREFIX, '');
    if (!Object.hasOwn(KINDS, name)) throw new Unimplemented(`-${given}`);
    const flag = name as FlagName;
    const takesValue = ['text', 'number', 'list'].includes(KINDS[flag]);
    const value = takesValue ? args[++i] : '';
    if (value === undefined) throw new Error(`-${given} wants a value`);
    if (prefix === 'handshaker') continue;
    const wanted =
      prefix === undefined || prefix === 'shim' ? (['initial', 'resume', 'retry'] as const) : [prefix as keyof Phases];
    for (const phase of wanted) {
      if (KINDS[flag] === 'credential') {
        open[phase] = new Flags();
        open[phase].set(flag, '');
        phases[phase].credentials.push(open[phase]);
      } else {
        (OF_CREDENTIAL.includes(flag) ? open : phases)[phase].set(flag, value);
      }
    }
  }
  return phases;
}
