/** Real servers with TLS, each on a free port, with its files in a folder of its own that is gone when the test ends. */
import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { peer } from '../../support/peers.ts';
import { freePort, Running } from '../../support/process.ts';
import { own } from './support.ts';

export interface RealServer {
  readonly port: number;
  /** Ends it, and with it all connections. */
  down(): Promise<void>;
  /** Starts it again, with what it had. */
  up(): Promise<void>;
}

interface Program {
  readonly command: string;
  readonly args: readonly string[];
  /** What it prints when it can be connected to. */
  readonly ready: RegExp;
  /** Default SIGKILL. */
  readonly signal?: NodeJS.Signals;
}

async function serve(t: TestContext, port: number, program: Program): Promise<RealServer> {
  let running: Running | undefined;
  const server: RealServer = {
    port,
    async up() {
      running = new Running(program.command, program.args);
      await running.waitFor(program.ready);
    },
    async down() {
      if (program.signal !== undefined && running?.pid !== undefined) {
        process.kill(running.pid, program.signal);
        await running.waitForExit();
      } else {
        await running?.kill();
      }
      running = undefined;
    },
  };
  t.after(() => (running === undefined ? undefined : server.down()));
  await server.up();
  return server;
}

/** A folder with the server's certificate and key. */
function folderOf(t: TestContext, owner?: number): { folder: string; cert: string; key: string } {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-server-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [cert, key] = [join(folder, 'server.crt'), join(folder, 'server.key')];
  writeFileSync(cert, own.cert);
  writeFileSync(key, own.key, { mode: 0o600 });
  if (owner !== undefined) for (const path of [folder, cert, key]) chownSync(path, owner, owner);
  return { folder, cert, key };
}

/** PostgreSQL with a user `tessera`, whose password is `secret`, and TLS after its SSLRequest. It does not run as root. */
export async function startPostgres(t: TestContext): Promise<RealServer> {
  const { path } = peer('postgres')!;
  const isRoot = process.getuid?.() === 0;
  const as: readonly string[] = isRoot
    ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups', '--reset-env']
    : ['env'];
  const owner = isRoot ? Number(execFileSync('id', ['-u', 'postgres'], { encoding: 'utf8' })) : undefined;
  const { folder, cert, key } = folderOf(t, owner);
  const data = join(folder, 'data');
  const password = join(folder, 'password');
  writeFileSync(password, 'secret\n', { mode: 0o644 });
  const initdb = [
    join(dirname(path), 'initdb'),
    '-D',
    data,
    '-U',
    'tessera',
    '-A',
    'scram-sha-256',
    `--pwfile=${password}`,
  ];
  execFileSync(as[0]!, [...as.slice(1), ...initdb, '--no-sync', '--no-locale', '-E', 'UTF8'], { stdio: 'pipe' });
  const port = await freePort();
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    ssl: 'on',
    ssl_cert_file: cert,
    ssl_key_file: key,
    ssl_min_protocol_version: 'TLSv1.3',
    fsync: 'off',
  };
  const given = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return serve(t, port, {
    command: as[0]!,
    args: [...as.slice(1), path, '-D', data, ...given],
    ready: /database system is ready to accept connections/,
    signal: 'SIGQUIT',
  });
}

/** MariaDB with a user `tessera`, whose password is `secret` and who must use TLS. */
export async function startMariadb(t: TestContext): Promise<RealServer> {
  const { folder, cert, key } = folderOf(t);
  const data = join(folder, 'data');
  mkdirSync(data);
  const user = process.getuid?.() === 0 ? ['--user=root'] : [];
  execFileSync(
    'mariadb-install-db',
    ['--no-defaults', `--datadir=${data}`, '--skip-test-db', '--auth-root-authentication-method=normal', ...user],
    { stdio: 'pipe' },
  );
  const init = join(folder, 'init.sql');
  writeFileSync(
    init,
    // One statement on each line.
    [
      "CREATE USER IF NOT EXISTS tessera@'%' IDENTIFIED BY 'secret' REQUIRE SSL;",
      "GRANT ALL ON *.* TO tessera@'%';",
      "CREATE USER IF NOT EXISTS inside@'%' IDENTIFIED BY 'secret';",
      '',
    ].join('\n'),
  );
  const port = await freePort();
  return serve(t, port, {
    command: peer('mariadbd')!.path,
    args: [
      ...['--no-defaults', ...user, `--datadir=${data}`, `--port=${port}`, '--bind-address=127.0.0.1'],
      ...[
        `--socket=${join(folder, 'mariadb.sock')}`,
        `--ssl-cert=${cert}`,
        `--ssl-key=${key}`,
        '--tls-version=TLSv1.3',
      ],
      ...[`--init-file=${init}`, '--innodb-flush-log-at-trx-commit=0', '--skip-name-resolve'],
    ],
    ready: /ready for connections/,
  });
}

/** Redis that speaks TLS and nothing else. */
export async function startRedis(t: TestContext): Promise<RealServer> {
  const { folder, cert, key } = folderOf(t);
  const port = await freePort();
  return serve(t, port, {
    command: peer('redis-server')!.path,
    args: [
      ...['--port', '0', '--tls-port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''],
      ...['--tls-cert-file', cert, '--tls-key-file', key, '--tls-auth-clients', 'no', '--tls-protocols', 'TLSv1.3'],
    ],
    ready: /Ready to accept connections/,
  });
}

/** Mosquitto that lets everybody in, by TLS 1.3. */
export async function startMosquitto(t: TestContext): Promise<RealServer> {
  const { folder, cert, key } = folderOf(t);
  const port = await freePort();
  const config = join(folder, 'mosquitto.conf');
  const lines = [
    `listener ${port} 127.0.0.1`,
    `certfile ${cert}`,
    `keyfile ${key}`,
    'tls_version tlsv1.3',
    'allow_anonymous true',
    'persistence false',
    ...(process.getuid?.() === 0 ? ['user root'] : []),
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  return serve(t, port, {
    command: peer('mosquitto')!.path,
    args: ['-v', '-c', config],
    ready: /mosquitto version \S+ running/,
  });
}
