/** Our Go program (`go/main.go`), built once for a test file. */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { peer } from '../support/peers.ts';
import { type Running, type Scope, start } from '../support/process.ts';
import { files } from './harness.ts';

/** One line of its output. */
export interface GoReport {
  readonly event: 'secure' | 'closing' | 'ended' | 'failed';
  readonly resumed: boolean;
  readonly suite: string;
  readonly group: string;
  readonly alpn: string;
  readonly retried: boolean;
  readonly peerCertificates: number;
  readonly exporter: string;
  readonly received: number;
  readonly hash: string;
  readonly error: string;
}

let built: Promise<string> | undefined;

/** The path of the built program. A cold build takes a while, because Go then builds its own library as well. */
function build(): Promise<string> {
  built ??= (async () => {
    const path = join((await files()).folder, 'go-peer');
    const source = join(dirname(fileURLToPath(import.meta.url)), 'go', 'main.go');
    const { status, stderr } = spawnSync(peer('go')!.path, ['build', '-o', path, source], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`go build failed:\n${stderr}`);
    return path;
  })();
  return built;
}

export async function goClient(t: Scope, port: number, args: readonly string[] = []): Promise<Running> {
  const { serverCert } = await files();
  return start(t, await build(), ['-connect', `127.0.0.1:${port}`, '-ca', serverCert, ...args]);
}

export async function goServer(
  t: Scope,
  args: readonly string[] = [],
): Promise<{ readonly program: Running; readonly port: number }> {
  const { serverCert, serverKey } = await files();
  const program = start(t, await build(), ['-listen', '-cert', serverCert, '-key', serverKey, ...args]);
  const [, port] = await program.waitFor(/^listening (\d+)/m);
  return { program, port: Number(port) };
}

/** The `count`-th report of an event. */
export async function report(program: Running, event: GoReport['event'], count = 1): Promise<GoReport> {
  const [line] = await program.waitFor(new RegExp(`^{"event":"${event}".*}$`, 'm'), { count });
  return JSON.parse(line) as GoReport;
}
