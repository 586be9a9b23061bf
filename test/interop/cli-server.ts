/** `tessera serve` from the sources, as a program of its own. */
import { join } from 'node:path';
import { type Running, type Scope, start } from '../support/process.ts';
import { files } from './harness.ts';

let count = 0;

/** Serves on a free port with a throw-away certificate for localhost, which is in the file `cert`. */
export async function tesseraServe(
  t: Scope,
  args: readonly string[] = [],
): Promise<{ readonly program: Running; readonly port: number; readonly cert: string }> {
  const cert = join((await files()).folder, `throw-away-${++count}.crt`);
  const program = start(t, process.execPath, [
    ...['--import', 'tsx', 'src/cli/main.ts', 'serve', '--host', '127.0.0.1', '--port', '0', '--cert-out', cert],
    ...args,
  ]);
  const [, port] = await program.waitFor(/listens on \S+:(\d+)/);
  return { program, port: Number(port), cert };
}
