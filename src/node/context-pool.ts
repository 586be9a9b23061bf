import type { ConnectionOptions } from './connect.ts';
import { createSecureContext, type SecureContext } from './context.ts';

/** Options that {@link createSecureContext} reads, or whose presence means that the program brings keys or trust of its own. */
const CONTEXT_OPTIONS = [
  ...['cert', 'key', 'passphrase', 'pfx', 'ca', 'crl', 'allowPartialTrustChain', 'verifyPeer', 'checkServerIdentity'],
  ...['ciphers', 'groups', 'ecdhCurve', 'sigalgs', 'certificateCompression', 'minVersion', 'maxVersion', 'limits'],
] as const;

/** Contexts remembered; the one not used for the longest time goes first. */
const MAX_CONTEXTS = 32;

/**
 * Secure contexts by the very values they are made from. Parsing keys and authorities once is one reason; the other is that tickets belong to
 * the trust they were got under, and a context that asks a function of the program is known by itself alone: made anew for each
 * connection, none would find the tickets of the one before.
 */
export class ContextPool {
  /** Least recently used first. */
  readonly #entries: { readonly values: readonly unknown[]; readonly context: SecureContext }[] = [];

  /** The context for `options`; `undefined` when they leave everything to the defaults. */
  contextOf(options: ConnectionOptions): SecureContext | undefined {
    if (options.secureContext !== undefined) return options.secureContext;
    const given = { ...options, limits: options.limits && JSON.stringify(options.limits) };
    const values = CONTEXT_OPTIONS.map((name) => (given as Readonly<Record<string, unknown>>)[name]);
    if (values.every((value) => value === undefined)) return undefined;
    const at = this.#entries.findIndex((entry) => entry.values.every((value, i) => value === values[i]));
    const entry = this.#entries.splice(at, at === -1 ? 0 : 1)[0] ?? { values, context: createSecureContext(options) };
    this.#entries.push(entry);
    if (this.#entries.length > MAX_CONTEXTS) this.#entries.shift();
    return entry.context;
  }
}
