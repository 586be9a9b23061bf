/** The other TLS implementations and the servers that tests talk to, where this machine has them. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';

export type PeerName = 'openssl' | 'gnutls-cli' | 'gnutls-serv' | 'curl' | 'chromium' | 'go' | ServerName;
/** Servers whose clients run on our sockets. */
type ServerName = 'redis-server' | 'postgres' | 'mariadbd' | 'mosquitto';

export interface Peer {
  /** Absolute path of the program. */
  readonly path: string;
  /** Such as `3.0.15`. */
  readonly version: string;
}

interface Known {
  readonly commands: readonly string[];
  readonly args: readonly string[];
  /** What the first line of the version output must look like; the group is the version. */
  readonly version: RegExp;
  /** Where a distribution puts it besides PATH. */
  readonly folders?: readonly string[];
  /** What a test needs on PATH to start it. */
  readonly starters?: readonly string[];
}

const SBIN: readonly string[] = ['/usr/sbin', '/usr/local/sbin'];

/** LibreSSL also calls itself `openssl`; it is another program with other options, so it does not count. */
const KNOWN: Readonly<Record<PeerName, Known>> = {
  openssl: { commands: ['openssl'], args: ['version'], version: /^OpenSSL (\S+)/ },
  'gnutls-cli': { commands: ['gnutls-cli'], args: ['--version'], version: /^gnutls-cli (\S+)/ },
  'gnutls-serv': { commands: ['gnutls-serv'], args: ['--version'], version: /^gnutls-serv (\S+)/ },
  curl: { commands: ['curl'], args: ['--version'], version: /^curl (\S+)/ },
  chromium: {
    commands: ['chromium', 'chromium-browser', 'google-chrome'],
    args: ['--version'],
    version: /^(?:Chromium|Google Chrome) (\S+)/m,
  },
  'redis-server': {
    commands: ['redis-server', 'valkey-server'],
    args: ['--version'],
    version: /^(?:Redis|Valkey) server v=(\S+)/,
  },
  postgres: {
    commands: ['postgres'],
    args: ['--version'],
    version: /^postgres \(PostgreSQL\) (\S+)/,
    folders: ['18', '17', '16', '15'].map((release) => `/usr/lib/postgresql/${release}/bin`),
    starters: process.getuid?.() === 0 ? ['setpriv', 'id'] : [],
  },
  mariadbd: {
    commands: ['mariadbd'],
    args: ['--no-defaults', '--version'],
    version: /Ver (\S+)-MariaDB/,
    folders: SBIN,
    starters: ['mariadb-install-db'],
  },
  mosquitto: { commands: ['mosquitto'], args: ['-h'], version: /^mosquitto version (\S+)/, folders: SBIN },
  go: { commands: ['go'], args: ['version'], version: /^go version go(\S+)/ },
};

export const PEERS: readonly PeerName[] = Object.keys(KNOWN) as PeerName[];

/** No package manager step of ours brings a Go toolchain: a machine without one skips its tests even in CI. */
const OPTIONAL: readonly PeerName[] = ['go'];

const found = new Map<PeerName, Peer | undefined>();

/** Where the peer is and which version, or `undefined` when this machine has none. Looked up once. */
export function peer(name: PeerName): Peer | undefined {
  if (!found.has(name)) found.set(name, look(KNOWN[name]));
  return found.get(name);
}

/**
 * Whether all `names` are here. If not, the test is skipped and says which is missing; with TESSERA_REQUIRE_PEERS=1 in the
 * environment it fails instead, except for `go`.
 *
 *   test('openssl connects', (t) => { if (!needs(t, 'openssl')) return; … })
 */
export function needs(t: Pick<TestContext, 'skip'>, ...names: PeerName[]): boolean {
  const missing = names.filter((name) => peer(name) === undefined);
  if (missing.length === 0) return true;
  const message = `peer missing: ${missing.join(', ')}`;
  if (process.env['TESSERA_REQUIRE_PEERS'] === '1' && missing.some((name) => !OPTIONAL.includes(name)))
    throw new Error(`${message} (TESSERA_REQUIRE_PEERS=1 is set)`);
  t.skip(message);
  return false;
}

/** One line for the head of a test run: which peers are here, and which are missing. */
export function describePeers(): string {
  const here = PEERS.flatMap((name) => peer(name)?.version.replace(/^/, `${name} `) ?? []);
  const missing = PEERS.filter((name) => peer(name) === undefined);
  const skipped = missing.length > 0 ? `; missing, their tests are skipped: ${missing.join(', ')}` : '';
  return `peers: node ${process.versions.node}${here.map((text) => `, ${text}`).join('')}${skipped}`;
}

function look({ commands, args, version, folders = [], starters = [] }: Known): Peer | undefined {
  if (starters.some((command) => which(command, []) === undefined)) return undefined;
  for (const command of commands) {
    const path = which(command, folders);
    if (path === undefined) continue;
    const { stdout } = spawnSync(path, args, {
      encoding: 'utf8',
      timeout: 20_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const match = version.exec(stdout ?? '');
    if (match?.[1] !== undefined) return { path, version: match[1] };
  }
  return undefined;
}

function which(command: string, folders: readonly string[]): string | undefined {
  const file = process.platform === 'win32' ? `${command}.exe` : command;
  return [...(process.env['PATH'] ?? '').split(delimiter), ...folders]
    .map((folder) => join(folder, file))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
