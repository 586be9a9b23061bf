import { TlsUsageError } from '../errors/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { type FileKeyEvent, FileTicketKeys } from '../stores/file-keys.ts';
import { parseKeyFile, secretOf, wipeKeys } from '../stores/key-file.ts';
import { RedisTicketKeys, type TicketKeyReport } from '../stores/redis/index.ts';
import { MAX_TICKET_LIFETIME_SECONDS, type TicketKeyEvent, TicketKeyRing } from '../tickets/index.ts';
import { file, usageError } from './options.ts';
import { connectRedis } from './redis.ts';

export const TICKET_KEYS_HELP = `  --ticket-keys SOURCE  file:PATH            a key file or directory, watched (see tessera keys --help)
                        derive:FILE          keys derived from the master secret in FILE and the time
                        derive:env:NAME      the same, the secret in the environment variable NAME
                        redis://HOST:PORT    keys shared through Redis or Valkey, wrapped under the 32 bytes or more
                                             (hexadecimal) of the environment variable TESSERA_TICKET_SECRET
`;

export interface TicketKeySourceOptions {
  /** The longest ticket that will be sealed, in seconds; for keys whose times are chosen here. */
  readonly lifetimeSeconds?: number;
  readonly onChange?: (event: TicketKeyEvent) => void;
  /** What is wrong with a source that worked before. */
  readonly onError?: (message: string) => void;
}

/** Ticket keys from wherever the option says. */
export interface TicketKeySource {
  readonly ring: TicketKeyRing;
  /** Stops watching. */
  close(): void | Promise<void>;
}

type Opener = (rest: string, options: TicketKeySourceOptions, scheme: string) => Promise<TicketKeySource>;

/** By the scheme of the source. Each gets what is behind `scheme:`. */
const OPENERS: ReadonlyMap<string, Opener> = new Map([
  ['file', fromFile],
  ['derive', fromMaster],
  ['redis', fromRedis],
  ['rediss', fromRedis],
]);

/** The ring that `--ticket-keys` asks for, with at least one key in it. A {@link CliError} says what is wrong with the source. */
export async function openTicketKeys(source: string, options: TicketKeySourceOptions = {}): Promise<TicketKeySource> {
  const colon = source.indexOf(':');
  const scheme = source.slice(0, Math.max(colon, 0));
  const opener = OPENERS.get(scheme);
  const rest = source.slice(colon + 1);
  if (opener === undefined || rest === '') {
    const known = [...OPENERS.keys()].map((scheme) => `${scheme}:`).join(' or ');
    throw usageError(`--ticket-keys must begin with ${known}, and name something (see --help)`);
  }
  try {
    return await opener(rest, options, scheme);
  } catch (error) {
    throw error instanceof TlsUsageError ? usageError(`--ticket-keys ${source}: ${error.message}`) : error;
  }
}

async function fromFile(path: string, options: TicketKeySourceOptions): Promise<TicketKeySource> {
  const { onChange, onError } = options;
  const ring = new TicketKeyRing({ crypto: nodeCrypto, keys: [], ...(onChange && { onChange }) });
  let started = false;
  const problems: string[] = [];
  const onEvent = (event: FileKeyEvent): void => {
    const messages =
      event.type === 'error'
        ? [`${event.path}: ${event.message}`]
        : event.report.refused.map(({ message }) => `${event.path}: ${message}`);
    for (const message of messages) {
      if (started) onError?.(message);
      else problems.push(message);
    }
  };
  const keys = await FileTicketKeys.watch({ ring, crypto: nodeCrypto, path, onEvent });
  started = true;
  if (ring.openingKeys(Date.now()).length === 0) {
    keys.close();
    throw usageError(`--ticket-keys file:${path}: ${problems[0] ?? 'all keys in it have run out'}`);
  }
  for (const message of problems) onError?.(message);
  return { ring, close: () => keys.close() };
}

async function fromRedis(rest: string, options: TicketKeySourceOptions, scheme: string): Promise<TicketKeySource> {
  const secret = environment('TESSERA_TICKET_SECRET');
  const { onChange, onError } = options;
  const link = await connectRedis(`${scheme}:${rest}`);
  const ring = new TicketKeyRing({ crypto: nodeCrypto, keys: [], ...(onChange && { onChange }) });
  const keys = new RedisTicketKeys({
    client: link.client,
    crypto: nodeCrypto,
    clock: { now: Date.now },
    secret,
    ring,
    openForSeconds: Math.min(Math.max(options.lifetimeSeconds ?? 0, 86_400), MAX_TICKET_LIFETIME_SECONDS),
    onReport: (report) => {
      const problem = PROBLEMS[report.type];
      if (problem !== undefined) onError?.(problem);
    },
  });
  secret.fill(0);
  await keys.start();
  return {
    ring,
    close: () => {
      keys.close();
      link.close();
    },
  };
}

const PROBLEMS: Partial<Record<TicketKeyReport['type'], string>> = {
  bad_record: 'Redis holds keys that are damaged, or wrapped under another secret',
  foreign: 'no key in Redis opens with TESSERA_TICKET_SECRET: full handshakes only',
  clock_skew: 'the clocks of this host and of Redis lie too far apart',
  too_many: 'a new key is due, but there are 16 already',
  unavailable: 'Redis does not answer; the keys at hand go on until their time is over',
};

async function fromMaster(where: string, options: TicketKeySourceOptions): Promise<TicketKeySource> {
  const master = where.startsWith('env:') ? environment(where.slice(4)) : masterIn(where);
  try {
    const openForSeconds = Math.min(Math.max(options.lifetimeSeconds ?? 0, 86_400), MAX_TICKET_LIFETIME_SECONDS);
    const { onChange } = options;
    const derive = { master, openForSeconds };
    return { ring: new TicketKeyRing({ crypto: nodeCrypto, derive, ...(onChange && { onChange }) }), close: () => {} };
  } finally {
    master.fill(0);
  }
}

function environment(name: string): Uint8Array {
  const value = process.env[name];
  if (value === undefined || value === '') {
    throw usageError(`--ticket-keys: the environment variable ${name} is not set`);
  }
  return secretOf(value.trim(), `the environment variable ${name}`);
}

function masterIn(path: string): Uint8Array {
  const bytes = file('ticket-keys', path);
  try {
    const { keys } = parseKeyFile(bytes);
    if (keys.length === 1 && keys[0]!.times === undefined) return keys[0]!.secret;
    wipeKeys(keys);
    throw usageError(`--ticket-keys: ${path} must hold one master secret, without times`);
  } finally {
    bytes.fill(0);
  }
}
