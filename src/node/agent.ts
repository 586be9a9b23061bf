import { Agent as HttpsAgent, type AgentOptions as HttpsAgentOptions, type RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { checkServerIdentity as nodeCheck } from 'node:tls';
import { type InspectOptions, inspect } from 'node:util';
import { TlsUsageError } from '../errors/index.ts';
import { ClientTicketCache } from '../tickets/index.ts';
import { type ConnectionOptions, connect } from './connect.ts';
import { ContextPool } from './context-pool.ts';

/** Options of `https.Agent` and of {@link connect}: where both have one of the same name, it is that of {@link connect}. */
export type AgentOptions = Omit<HttpsAgentOptions, keyof ConnectionOptions | 'maxCachedSessions'> & ConnectionOptions;

/** Options that decide who is trusted and who we are, and of which `https.Agent` knows nothing, or reads `[object Object]`. */
const OBJECT_OPTIONS = [
  'secureContext',
  'verifyPeer',
  'checkServerIdentity',
  'psks',
  'pskCallback',
  'key',
  'cert',
  'pfx',
] as const;
const LIST_OPTIONS = ['ALPNProtocols', 'groups', 'allowPartialTrustChain'] as const;

/** What does not show when an agent is printed. */
const SECRET_OPTIONS: readonly string[] = ['key', 'pfx', 'passphrase', 'ticketKeys', 'session', 'pskCallback'];

function withoutSecrets(options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !SECRET_OPTIONS.includes(name)));
}

/**
 * An `https.Agent` whose connections are made by {@link connect}: for `https.request`, got, axios and whatever else takes an agent. Options
 * such as `ca` and `servername` may also be those of a request; those of the agent count before them, as ever.
 *
 * It keeps a pool of session tickets: each connection takes one of its own, parallel ones too, none is used twice, and what the server gives
 * goes back into the pool. When a handshake fails, the tickets of the session that was offered are dropped. `ticketCache`: another pool than the
 * agent's own, or `false`.
 */
export class Agent extends HttpsAgent {
  readonly #ticketCache: ClientTicketCache | false;
  readonly #contexts: ContextPool = new ContextPool();

  /** Throws {@link TlsUsageError} `option.unsupported` for `proxyEnv`: the proxy would be passed by in silence. */
  constructor(options: AgentOptions = {}) {
    super(options as HttpsAgentOptions);
    if ('proxyEnv' in options && options.proxyEnv !== undefined)
      throw new TlsUsageError('option.unsupported', 'this Agent does not know proxies; leave the option proxyEnv out');
    const { ticketCache = true } = options;
    this.#ticketCache = ticketCache === true ? new ClientTicketCache() : ticketCache;
  }

  /** What is shown of an agent, in JSON and on the console: its options are without the keys and passphrases that Node's own agent shows. */
  toJSON(): object {
    return { ...this, options: withoutSecrets(this.options) };
  }

  /** As in `https.Agent`: connections with the same name are interchangeable. */
  override getName(options: RequestOptions = {}): string {
    const given = options as Readonly<Record<string, unknown>>;
    const objects = OBJECT_OPTIONS.map((name) => identityOf(given[name])).join(':');
    const lists = LIST_OPTIONS.map((name) => String(given[name] ?? '')).join(':');
    const name = super.getName(options);
    return /^:*$/.test(objects + lists) ? name : `${name}:${objects}:${lists}`;
  }

  /** Called by `https` for each new connection. */
  override createConnection(options: RequestOptions): Duplex {
    const { session, path, port, checkServerIdentity, ...others } = options as Given;
    // got names Node's own check when it has no other: that is what happens anyway, and needs no context of its own.
    const rest = checkServerIdentity === nodeCheck ? others : { ...others, checkServerIdentity };
    return connect({
      ...rest,
      ...(port !== undefined && { port: Number(port) }),
      ...(path && { path }),
      ...(session && { session }),
      secureContext: this.#contexts.contextOf(rest),
      ticketCache: this.#ticketCache,
    });
  }
}

Object.defineProperty(Agent.prototype, inspect.custom, {
  value(this: Agent, _depth: number, options: InspectOptions): string {
    return `Agent ${inspect(this.toJSON(), options)}`;
  },
});

/** https says null of what is not there: the path of a pipe, a session. */
type Given = Omit<ConnectionOptions, 'session' | 'path'> & {
  readonly session?: Uint8Array | null;
  readonly path?: string | null;
  readonly checkServerIdentity?: unknown;
};

const identities = new WeakMap<object, number>();
let lastIdentity = 0;

/** A number for each object or function there is; nothing for what `https.Agent` can tell apart, or is not there. */
function identityOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(identityOf).join(',');
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null || value instanceof Uint8Array)
    return '';
  let identity = identities.get(value);
  if (identity === undefined) {
    lastIdentity += 1;
    identity = lastIdentity;
    identities.set(value, identity);
  }
  return String(identity);
}
