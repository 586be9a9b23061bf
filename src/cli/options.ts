import { readFileSync } from 'node:fs';
import { type ParseArgsConfig, parseArgs } from 'node:util';

/** What every command ends with. */
export const ExitCode = {
  ok: 0,
  /** Everything worked, and the answer is no: a connection was not resumed. */
  finding: 1,
  usage: 2,
  /** Or cannot listen; also a timeout. */
  cannotConnect: 3,
  handshakeFailed: 4,
  notTrusted: 5,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Ends the program with one line on stderr. */
export class CliError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

export function usageError(message: string): CliError {
  return new CliError(ExitCode.usage, message);
}

type OptionTypes = Record<string, 'string' | 'boolean'>;
export type Values<T extends OptionTypes> = { readonly [K in keyof T]?: T[K] extends 'string' ? string : boolean };

/** `args` against `types`; a bad one is a usage error. */
export function parse<const T extends OptionTypes>(
  args: readonly string[],
  types: T,
): { readonly values: Values<T>; readonly positionals: readonly string[] } {
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const [name, type] of Object.entries(types)) options[name] = { type };
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    return { values: values as Values<T>, positionals };
  } catch (error) {
    throw usageError(`${(error as Error).message.split('. ')[0]} (see --help)`);
  }
}

/** An integer from `min` to `max`, or `undefined` when the option was not given. */
export function integer(option: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw usageError(`--${option} is '${text}', but must be a whole number from ${min} to ${max}`);
}

/** Names with `,` or `:` between them. */
export function names(text: string | undefined): readonly string[] | undefined {
  return text?.split(/[,:]/).filter((name) => name !== '');
}

/** Protocol names with `,` between them. */
export function protocols(text: string | undefined): readonly string[] | undefined {
  return text?.split(',').filter((name) => name !== '');
}

/** The bytes of the file an option names. */
export function file(option: string, path: string): Buffer;
export function file(option: string, path: string | undefined): Buffer | undefined;
export function file(option: string, path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    throw usageError(`--${option}: cannot read ${path}: ${reason(error)}`);
  }
}

/** `HOST`, `HOST:PORT`, `[IPV6]:PORT`, or an IPv6 address by itself. */
export function hostAndPort(text: string, defaultPort: number): { readonly host: string; readonly port: number } {
  const match = /^\[([^[\]]+)\](?::(\d+))?$/.exec(text) ?? /^([^:/[\]]+)(?::(\d+))?$/.exec(text);
  const bareIpv6 = /^[0-9a-fA-F:.]+(?:%\w+)?$/.test(text) && text.split(':').length > 2;
  const host = match?.[1] ?? (bareIpv6 ? text : undefined);
  const port = match?.[2] === undefined ? defaultPort : Number(match[2]);
  if (host === undefined || port < 1 || port > 65_535) {
    throw usageError(`'${text}' is not HOST, HOST:PORT or [IPV6]:PORT with a port from 1 to 65535`);
  }
  return { host, port };
}

/** What went wrong with a file or the network, without the name of the system call. */
export function reason(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message: string };
  return (code !== undefined && REASONS[code]) || message;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'the address is not one of this machine',
  ENOTFOUND: 'the name was not found',
  EAI_AGAIN: 'the name could not be looked up',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
};
