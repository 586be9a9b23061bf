import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { TlsUsageError } from '../errors/index.ts';
import type { ExternalPsk } from '../node/index.ts';

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

interface Origin {
  readonly code?: string | undefined;
  readonly alert?: string | undefined;
}

/** Ends the program with one line on stderr. */
export class CliError extends Error {
  readonly exitCode: ExitCode;
  /** What Node or this library calls the cause, when it lies outside this program. */
  readonly code: string | undefined;
  /** The alert that ended the connection, when one did. */
  readonly alert: string | undefined;

  constructor(exitCode: ExitCode, message: string, origin: Origin = {}) {
    super(message);
    this.exitCode = exitCode;
    this.code = origin.code;
    this.alert = origin.alert;
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
    const { values, positionals } = parseArgs({ args: joinNegative(args, types), options, allowPositionals: true });
    return { values: values as Values<T>, positionals };
  } catch (error) {
    const [sentence = ''] = (error as Error).message.split(/\.\s/);
    const valueless = /^Option '(--[\w-]+)\b.* argument (?:is ambiguous|missing)/.exec(sentence)?.[1];
    throw usageError(`${valueless === undefined ? sentence : `${valueless} needs a value`} (see --help)`);
  }
}

/** `--port -1` as `--port=-1`: a number that is refused for what it is, not taken for an option. */
function joinNegative(args: readonly string[], types: OptionTypes): string[] {
  const joined: string[] = [];
  for (const arg of args) {
    const option = joined.at(-1);
    if (/^-\d/.test(arg) && option?.startsWith('--') && types[option.slice(2)] === 'string') {
      joined[joined.length - 1] = `${option}=${arg}`;
    } else {
      joined.push(arg);
    }
  }
  return joined;
}

/** An integer from `min` to `max`, or `undefined` when the option was not given. */
export function integer(option: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw usageError(`--${option} must be an integer from ${min} to ${max}, not ${text === '' ? 'empty' : text}`);
}

/** `IDENTITY:HEX`, an external PSK for SHA-256; the identity may have colons of its own. */
export function externalPsk(text: string | undefined): ExternalPsk | undefined {
  if (text === undefined) return undefined;
  const [, name = '', hex = ''] = /^(.*):([^:]*)$/s.exec(text) ?? [];
  const identity = Buffer.from(name);
  if (identity.length < 1 || identity.length > 0xffff) {
    throw usageError('--psk must be IDENTITY:HEX with an identity of 1 to 65535 bytes');
  }
  // What is wrong with a key is said without the key.
  if (!/^(?:[0-9a-f]{2}){16,1024}$/i.test(hex)) {
    throw usageError(
      '--psk must be IDENTITY:HEX with a key of 16 to 1024 bytes, that is 32 to 2048 hexadecimal digits',
    );
  }
  return { identity, key: Buffer.from(hex, 'hex'), hash: 'sha256' };
}

/** Names with `,` or `:` between them. */
export function names(text: string | undefined): readonly string[] | undefined {
  return text?.split(/[,:]/).filter((name) => name !== '');
}

/** All extensions of a hello together have at most 65,535 bytes (rfc9846#section-4.2.2); the others need some of them. */
const MAX_ALPN_LENGTH = 60_000;

/** Protocol names with `,` between them. */
export function protocols(text: string | undefined): readonly string[] | undefined {
  const found = text?.split(',');
  for (const name of found ?? []) {
    if (name === '') throw usageError('--alpn: a protocol name is empty');
    if (name.length > 255)
      throw usageError(`--alpn: a protocol name has ${name.length} bytes, at most 255 are allowed`);
    if (/[^\x20-\x7e]/.test(name)) throw usageError('--alpn: a protocol name must be printable ASCII');
  }
  const length = found?.reduce((sum, name) => sum + 1 + name.length, 0) ?? 0;
  if (length <= MAX_ALPN_LENGTH) return found;
  throw usageError(`--alpn: the protocol names take ${length} bytes, at most ${MAX_ALPN_LENGTH} fit a hello`);
}

/** A host name as it goes on the wire, or an IP address. Labels are those of rfc1123#section-2.1. */
export function serverName(text: string | undefined): string | undefined {
  if (text === undefined || isIP(text) !== 0) return text;
  const ascii = /^[\x20-\x7e]*$/.test(text) ? text : domainToASCII(text);
  if (ascii.length <= 253 && ascii.split('.').every((label) => /^[a-z0-9-]{1,63}$/i.test(label))) return ascii;
  throw usageError('--servername must be a host name: labels of 1 to 63 letters, digits and hyphens, 253 in all');
}

/** Options that keys, certificates and names come from, as they were given. */
interface Sources {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** What `make` returns; what is wrong with a key, certificate or name is said of the option it came from. */
export function blaming<T>(sources: Sources, make: () => T): T {
  try {
    return make();
  } catch (error) {
    // Errors of node:tls have ours as their cause, which knows more.
    const cause = error instanceof TlsUsageError ? error : (error as Error).cause;
    throw cause instanceof TlsUsageError ? usageError(blame(cause, sources)) : error;
  }
}

const OPTION_OF: Readonly<Record<string, keyof Sources>> = {
  'credential.no_certificate': 'cert',
  'credential.bad_certificate': 'cert',
  'credential.bad_key': 'key',
  'credential.key_mismatch': 'key',
  'context.bad_certificate': 'ca',
};

function blame({ code, message }: TlsUsageError, sources: Sources): string {
  const option = message.startsWith('cert:') ? 'cert' : OPTION_OF[code];
  if (option !== undefined && sources[option] !== undefined) {
    const what = message
      .replace(/^(?:ca|cert|key):? /, '')
      .replace(', or a private KeyObject', '')
      .replace('certificate in cert,', 'certificate in --cert,');
    return `--${option} ${sources[option]}: ${what}`;
  }
  return message
    .replace(/^cipherSuites: there is no (.*);/, '--ciphersuites $1: there is no such cipher suite;')
    .replace(/^groups: there is no (.*);/, '--groups $1: there is no such group;')
    .replace(/^cipherSuites\b/, '--ciphersuites')
    .replace(/^groups\b/, '--groups');
}

/** The bytes of the file an option names. */
export function file(option: string, path: string): Buffer;
export function file(option: string, path: string | undefined): Buffer | undefined;
export function file(option: string, path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    // An argument has a name in capitals, and no dashes.
    const name = option === option.toUpperCase() ? option : `--${option}`;
    throw usageError(`${name}: cannot read ${path}: ${reason(error)}`);
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
