#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { TlsUsageError } from '../errors/index.ts';
import { CONNECT_HELP, connect } from './connect.ts';
import { KEYS_HELP, keys } from './keys.ts';
import { CliError, ExitCode, usageError } from './options.ts';
import { printable } from './report.ts';
import { SERVE_HELP, serve } from './serve.ts';
import { TICKET_HELP, ticket } from './ticket.ts';

const HELP = `tessera: TLS 1.3 with full control over session tickets

  tessera serve              a server that shows each handshake and each ticket
  tessera connect HOST       a client that shows the tickets it gets, and resumes with them
  tessera keys ACTION FILE   makes, lists, rotates and destroys ticket keys in a file
  tessera ticket inspect     shows what a ticket of ours holds, given the keys
  tessera COMMAND --help     the options of a command
  tessera --version

Exit codes: 0 ok, 1 not resumed, not found or not opened, 2 bad arguments, 3 cannot connect or listen, 4 handshake failed, 5 certificate not trusted.
`;

const COMMANDS: Readonly<
  Record<string, { readonly help: string; readonly run: (args: readonly string[]) => Promise<ExitCode> }>
> = {
  serve: { help: SERVE_HELP, run: serve },
  connect: { help: CONNECT_HELP, run: connect },
  keys: { help: KEYS_HELP, run: keys },
  ticket: { help: TICKET_HELP, run: ticket },
};

async function run([name, ...args]: readonly string[]): Promise<ExitCode> {
  if (name === '--version') return print(`${version()}\n`);
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    if (name !== undefined) return print(HELP);
    throw usageError('a command is missing: serve, connect, keys or ticket (see --help)');
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined)
    throw usageError(`there is no command '${printable(name)}': serve, connect, keys or ticket (see --help)`);
  if (args.includes('--help') || args.includes('-h')) return print(command.help);
  return command.run(args);
}

function print(text: string): ExitCode {
  process.stdout.write(text);
  return ExitCode.ok;
}

function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { readonly version: string }).version;
}

/** Ends with one line on stderr, whatever happened. */
function fail(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`tessera: ${message.replace(/\p{Cc}+/gu, ' ')}\n`);
  if (error instanceof CliError) process.exitCode = error.exitCode;
  else process.exitCode = error instanceof TlsUsageError ? ExitCode.usage : ExitCode.finding;
}

// A reader that goes away, as in `tessera serve | head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
run(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
}, fail);
