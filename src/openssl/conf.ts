/** SSL_CONF_*: settings by name, from configuration files and command lines. */

import { expectInteger, expectString, unwrap } from './arguments.ts';
import * as c from './constants.ts';
import { SSL_CTX_set_max_proto_version, SSL_CTX_set_min_proto_version } from './ctx.ts';
import { pushError } from './error-queue.ts';
import * as options from './options.ts';
import { SSL_REASON } from './reasons.ts';
import { SSL_CTX_set_num_tickets, SSL_set_num_tickets } from './tickets.ts';
import { Opaque, type SSL, type SSL_CONF_CTX, type SSL_CTX } from './types.ts';

const MOST_TICKETS = 0x7fff_ffff;

class ConfContext extends Opaque<'SSL_CONF_CTX'> {
  flags = 0;
  prefix: string | undefined;
  ctx: SSL_CTX | null = null;
  ssl: SSL | null = null;
}

interface Command {
  /** Name in a file, in any case. */
  readonly file?: string;
  /** Name on a command line. */
  readonly line?: string;
  /** SSL_CONF_FLAG_ bits that must be set. */
  readonly needs: number;
  readonly type: number;
  run(target: ConfContext, value: string): boolean;
}

/** Sets the same on whichever there is of a context and a connection. */
function both(
  onContext: (ctx: SSL_CTX, value: string) => number,
  onConnection: (ssl: SSL, value: string) => number,
): Command['run'] {
  return ({ ctx, ssl }, value) => {
    const results = [ctx && onContext(ctx, value), ssl && onConnection(ssl, value)];
    return results.every((result) => result === null || result > 0);
  };
}

function option(bit: number, add: boolean): Command['run'] {
  return ({ ctx, ssl }) => {
    if (ctx !== null) (add ? options.SSL_CTX_set_options : options.SSL_CTX_clear_options)(ctx, bit);
    if (ssl !== null) (add ? options.SSL_set_options : options.SSL_clear_options)(ssl, bit);
    return true;
  };
}

const VERSIONS: Readonly<Record<string, number>> = {
  None: 0,
  SSLv3: 0x0300,
  TLSv1: 0x0301,
  'TLSv1.1': 0x0302,
  'TLSv1.2': 0x0303,
  'TLSv1.3': 0x0304,
};

function version(set: (ctx: SSL_CTX, version: number) => number): Command['run'] {
  return ({ ctx }, value) => {
    const number = VERSIONS[value];
    return number !== undefined && (ctx === null || set(ctx, number) > 0);
  };
}

/** What `Options` switches, with the bit that does it and whether the bit means "off". */
const SWITCHES: Readonly<Record<string, readonly [bit: number, inverted: boolean]>> = {
  sessionticket: [c.SSL_OP_NO_TICKET, true],
  serverpreference: [c.SSL_OP_CIPHER_SERVER_PREFERENCE, false],
  prioritizechacha: [c.SSL_OP_PRIORITIZE_CHACHA, false],
  middleboxcompat: [c.SSL_OP_ENABLE_MIDDLEBOX_COMPAT, false],
  antireplay: [c.SSL_OP_NO_ANTI_REPLAY, true],
  allownodhekex: [c.SSL_OP_ALLOW_NO_DHE_KEX, false],
  ignoreunexpectedeof: [c.SSL_OP_IGNORE_UNEXPECTED_EOF, false],
};

function setSwitches(target: ConfContext, value: string): boolean {
  for (const item of value.split(',')) {
    const [, sign, name = ''] = /^([+-]?)(.*)$/.exec(item.trim()) ?? [];
    const found = SWITCHES[name.toLowerCase()];
    if (found === undefined) return false;
    const [bit, inverted] = found;
    option(bit, (sign !== '-') !== inverted)(target, '');
  }
  return true;
}

function numTickets(value: string): number {
  const number = /^\s*\+?\d+$/.test(value) ? Number(value) : -1;
  return number <= MOST_TICKETS ? number : -1;
}

const { SSL_CONF_FLAG_SERVER: SERVER, SSL_CONF_FLAG_CERTIFICATE: CERTIFICATE } = c;
const { SSL_CONF_TYPE_STRING: STRING, SSL_CONF_TYPE_FILE: FILE, SSL_CONF_TYPE_NONE: NONE } = c;
const PEM = c.SSL_FILETYPE_PEM;

const COMMANDS: readonly Command[] = [
  {
    file: 'NumTickets',
    line: 'num_tickets',
    needs: SERVER,
    type: STRING,
    run: both(
      (ctx, value) => SSL_CTX_set_num_tickets(ctx, numTickets(value)),
      (ssl, value) => SSL_set_num_tickets(ssl, numTickets(value)),
    ),
  },
  {
    file: 'Ciphersuites',
    line: 'ciphersuites',
    needs: 0,
    type: STRING,
    run: both(options.SSL_CTX_set_ciphersuites, options.SSL_set_ciphersuites),
  },
  {
    file: 'Groups',
    line: 'groups',
    needs: 0,
    type: STRING,
    run: both(options.SSL_CTX_set1_groups_list, options.SSL_set1_groups_list),
  },
  {
    file: 'Curves',
    line: 'curves',
    needs: 0,
    type: STRING,
    run: both(options.SSL_CTX_set1_groups_list, options.SSL_set1_groups_list),
  },
  {
    file: 'MinProtocol',
    line: 'min_protocol',
    needs: 0,
    type: STRING,
    run: version(SSL_CTX_set_min_proto_version),
  },
  {
    file: 'MaxProtocol',
    line: 'max_protocol',
    needs: 0,
    type: STRING,
    run: version(SSL_CTX_set_max_proto_version),
  },
  { file: 'Options', needs: 0, type: STRING, run: setSwitches },
  {
    file: 'Certificate',
    line: 'cert',
    needs: CERTIFICATE,
    type: FILE,
    run: both(options.SSL_CTX_use_certificate_chain_file, options.SSL_use_certificate_chain_file),
  },
  {
    file: 'PrivateKey',
    line: 'key',
    needs: CERTIFICATE,
    type: FILE,
    run: both(
      (ctx, file) => options.SSL_CTX_use_PrivateKey_file(ctx, file, PEM),
      (ssl, file) => options.SSL_use_PrivateKey_file(ssl, file, PEM),
    ),
  },
  { line: 'no_ticket', needs: 0, type: NONE, run: option(c.SSL_OP_NO_TICKET, true) },
  { line: 'serverpref', needs: SERVER, type: NONE, run: option(c.SSL_OP_CIPHER_SERVER_PREFERENCE, true) },
  { line: 'prioritize_chacha', needs: SERVER, type: NONE, run: option(c.SSL_OP_PRIORITIZE_CHACHA, true) },
  { line: 'allow_no_dhe_kex', needs: 0, type: NONE, run: option(c.SSL_OP_ALLOW_NO_DHE_KEX, true) },
  { line: 'anti_replay', needs: SERVER, type: NONE, run: option(c.SSL_OP_NO_ANTI_REPLAY, false) },
  { line: 'no_anti_replay', needs: SERVER, type: NONE, run: option(c.SSL_OP_NO_ANTI_REPLAY, true) },
  { line: 'no_middlebox', needs: 0, type: NONE, run: option(c.SSL_OP_ENABLE_MIDDLEBOX_COMPAT, false) },
];

function confOf(cctx: SSL_CONF_CTX | null): ConfContext | undefined {
  return unwrap('cctx', cctx, ConfContext);
}

export function SSL_CONF_CTX_new(): SSL_CONF_CTX {
  return new ConfContext();
}

export function SSL_CONF_CTX_free(cctx: SSL_CONF_CTX | null): void {
  confOf(cctx);
}

/** Everything takes effect at once, so there is nothing to finish. */
export function SSL_CONF_CTX_finish(cctx: SSL_CONF_CTX | null): number {
  return confOf(cctx) === undefined ? 0 : 1;
}

/** Adds SSL_CONF_FLAG_ bits; gives all of them. */
export function SSL_CONF_CTX_set_flags(cctx: SSL_CONF_CTX | null, flags: number): number {
  expectInteger('flags', flags);
  const conf = confOf(cctx);
  if (conf === undefined) return 0;
  conf.flags |= flags;
  return conf.flags;
}

export function SSL_CONF_CTX_clear_flags(cctx: SSL_CONF_CTX | null, flags: number): number {
  expectInteger('flags', flags);
  const conf = confOf(cctx);
  if (conf === undefined) return 0;
  conf.flags &= ~flags;
  return conf.flags;
}

/** What names must begin with, in place of `-` on a command line and nothing in a file. */
export function SSL_CONF_CTX_set1_prefix(cctx: SSL_CONF_CTX | null, prefix: string | null): number {
  if (prefix !== null) expectString('prefix', prefix);
  const conf = confOf(cctx);
  if (conf === undefined) return 0;
  conf.prefix = prefix ?? undefined;
  return 1;
}

/** Settings go to this context from now on; `null`: they are only checked. */
export function SSL_CONF_CTX_set_ssl_ctx(cctx: SSL_CONF_CTX | null, ctx: SSL_CTX | null): void {
  const conf = confOf(cctx);
  if (conf !== undefined) Object.assign(conf, { ctx, ssl: null });
}

/** Settings go to this connection from now on. */
export function SSL_CONF_CTX_set_ssl(cctx: SSL_CONF_CTX | null, ssl: SSL | null): void {
  const conf = confOf(cctx);
  if (conf !== undefined) Object.assign(conf, { ctx: null, ssl });
}

function find(conf: ConfContext, name: string): Command | undefined {
  const onLine = (conf.flags & c.SSL_CONF_FLAG_CMDLINE) !== 0;
  const inFile = (conf.flags & c.SSL_CONF_FLAG_FILE) !== 0;
  const prefix = conf.prefix ?? (onLine ? '-' : '');
  const start = name.slice(0, prefix.length);
  const fits = onLine ? start === prefix : start.toLowerCase() === prefix.toLowerCase();
  if (!fits || name.length <= prefix.length) return undefined;
  const rest = name.slice(prefix.length);
  return COMMANDS.find(
    ({ file, line, needs }) =>
      (conf.flags & needs) === needs &&
      ((onLine && line === rest) || (inFile && file?.toLowerCase() === rest.toLowerCase())),
  );
}

/**
 * Runs one command. 2: done with its value; 1: done, it takes none; 0: the value is wrong; -2: there is no such command here; -3: the
 * value is missing. With SSL_CONF_FLAG_SHOW_ERRORS the queue says why.
 */
export function SSL_CONF_cmd(cctx: SSL_CONF_CTX | null, cmd: string | null, value: string | null): number {
  if (cmd !== null) expectString('cmd', cmd);
  if (value !== null) expectString('value', value);
  const conf = confOf(cctx);
  if (conf === undefined) return 0;
  if (cmd === null) {
    pushError(SSL_REASON.INVALID_NULL_CMD_NAME);
    return 0;
  }
  const show = (reason: number): void => {
    if ((conf.flags & c.SSL_CONF_FLAG_SHOW_ERRORS) !== 0) pushError(reason);
  };
  const command = find(conf, cmd);
  if (command === undefined) {
    show(SSL_REASON.UNKNOWN_CMD_NAME);
    return -2;
  }
  if (command.type === NONE) return command.run(conf, '') ? 1 : 0;
  if (value !== null && command.run(conf, value)) return 2;
  show(SSL_REASON.BAD_VALUE);
  return value === null ? -3 : 0;
}

/** SSL_CONF_TYPE_: what value a command takes. */
export function SSL_CONF_cmd_value_type(cctx: SSL_CONF_CTX | null, cmd: string): number {
  expectString('cmd', cmd);
  const conf = confOf(cctx);
  return (conf && find(conf, cmd)?.type) ?? c.SSL_CONF_TYPE_UNKNOWN;
}
