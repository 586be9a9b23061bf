import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { TlsUsageError } from '../errors/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { formatKeyFile, type KeyFileContent, parseKeyFile, wipeKeys } from '../stores/key-file.ts';
import { type TicketKey, type TicketKeyState, ticketKeyId, ticketKeySchedule } from '../tickets/index.ts';
import { CliError, ExitCode, file, integer, parse, reason, usageError } from './options.ts';
import { createReport, printable, type Report } from './report.ts';

export const KEYS_HELP = `tessera keys ACTION FILE: ticket keys in a file, for --ticket-keys file:FILE

  gen FILE              make a file with one key, which seals at once; FILE must not exist
  show FILE             list the keys, without their secrets; exit code 1 when none seals
  rotate FILE           add a key that seals when all hosts have had time to read it; drop those that ran out
  destroy FILE ID|all   destroy one key or all, and with them every ticket they sealed
  destroy FILE --tenant NAME   destroy the tickets of one tenant

  --seal-for S          how long a new key seals, seconds (43200)
  --open-for S          how long it opens after that (86400)
  --propagation S       how long before it seals a new key is in the file (60)
  --json                one JSON object a line

FILE holds secrets: it is readable by its owner only, and replaced in one step. A directory stands for ticket-keys.json in it.
`;

const OPTIONS = {
  'seal-for': 'string',
  'open-for': 'string',
  propagation: 'string',
  tenant: 'string',
  json: 'boolean',
} as const;

const YEAR_SECONDS = 31_536_000;
const FILE_NAME = 'ticket-keys.json';
/** Ids of destroyed keys that a file remembers. */
const MAX_DESTROYED = 256;

/** A file in the JSON format, whose keys all have times. */
interface Keys {
  readonly keys: readonly TicketKey[];
  readonly destroyed: readonly string[];
  readonly tenantGenerations: KeyFileContent['tenantGenerations'];
}

interface Periods {
  readonly sealForSeconds: number;
  readonly openForSeconds: number;
  readonly propagationSeconds: number;
}

export async function keys(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = parse(args, OPTIONS);
  const [action = '', given, id, ...rest] = positionals;
  const takesId = action === 'destroy' && values.tenant === undefined;
  if (!['gen', 'show', 'rotate', 'destroy'].includes(action)) {
    throw usageError(`keys needs gen, show, rotate or destroy${action && `, not '${printable(action)}'`} (see --help)`);
  }
  if (given === undefined) throw usageError(`keys ${action} needs a FILE (see --help)`);
  if (rest.length > 0 || (id !== undefined && !takesId))
    throw usageError(`keys ${action}: too many arguments (see --help)`);
  if (values.tenant !== undefined && action !== 'destroy') throw usageError('--tenant is for keys destroy');
  const periods = {
    sealForSeconds: integer('seal-for', values['seal-for'], 1, YEAR_SECONDS) ?? 12 * 3_600,
    openForSeconds: integer('open-for', values['open-for'], 1, YEAR_SECONDS) ?? 24 * 3_600,
    propagationSeconds: integer('propagation', values.propagation, 1, YEAR_SECONDS) ?? 60,
  };
  const report = createReport(values.json ?? false, process.stdout);
  const path = pathOf(given);
  if (action === 'gen') return generate(path, periods, report);
  if (action === 'show') return show(path, report);
  if (action === 'rotate') return rotate(path, periods, report);
  if (values.tenant !== undefined) return destroyTenant(path, values.tenant, report);
  if (id === undefined || !/^(?:[0-9a-f]{8}|all)$/.test(id)) {
    throw usageError(
      'keys destroy needs the ID of a key, eight hexadecimal digits as `keys show` lists them, or `all`',
    );
  }
  return destroy(path, id, report);
}

function generate(path: string, periods: Periods, report: Report): ExitCode {
  return locked(path, (write) => {
    if (existsSync(path))
      throw usageError(`${path} is there already: use \`keys rotate\` for a new key, or remove the file`);
    const now = Date.now();
    const made = scheduled([], now, periods);
    write({ keys: made, destroyed: [], tenantGenerations: [] });
    for (const key of made) list('made', key, now, report);
    wipeKeys(made);
    return ExitCode.ok;
  });
}

function show(path: string, report: Report): ExitCode {
  const content = contentOf(path);
  const now = Date.now();
  const { keys: found, destroyed, tenantGenerations } = content;
  let seals = false;
  for (const { secret, times } of found) {
    // A reader gives a key without times its own: it opens, and the newest seals.
    seals ||= times === undefined || stateOf(times, now) === 'sealing';
    if (times !== undefined) list('key', { secret, ...times }, now, report);
    else {
      const id = ticketKeyId(nodeCrypto, secret);
      report.event('key', { id, state: 'without times' }, `${id}  without times`);
    }
  }
  wipeKeys(found);
  for (const id of destroyed) report.event('destroyed', { id }, `${id}  destroyed`);
  for (const [tenant, generation] of tenantGenerations) {
    report.event('tenant', { tenant, generation }, `tenant ${printable(tenant)}: destroyed ${generation} times`);
  }
  if (!seals) report.note('no key seals now: use `tessera keys rotate`');
  return seals ? ExitCode.ok : ExitCode.finding;
}

function rotate(path: string, periods: Periods, report: Report): ExitCode {
  return change(path, (before) => {
    const now = Date.now();
    const after = scheduled(before.keys, now, { ...periods, rotate: true });
    for (const key of after)
      list(before.keys.some(({ secret }) => secret === key.secret) ? 'key' : 'made', key, now, report);
    return { content: { ...before, keys: after }, code: ExitCode.ok };
  });
}

function destroy(path: string, id: string, report: Report): ExitCode {
  return change(path, (before) => {
    const doomed = before.keys.filter(({ secret }) => id === 'all' || ticketKeyId(nodeCrypto, secret) === id);
    if (doomed.length === 0) {
      report.event('not_found', { id }, id === 'all' ? 'there is no key' : `there is no key ${id}`);
      return { content: undefined, code: ExitCode.finding };
    }
    const ids = doomed.map(({ secret }) => ticketKeyId(nodeCrypto, secret));
    for (const gone of ids) report.event('destroyed', { id: gone }, `${gone}  destroyed`);
    const left = before.keys.filter((key) => !doomed.includes(key));
    const now = Date.now();
    if (!left.some((key) => stateOf(key, now) === 'sealing'))
      report.note('no key seals now: use `tessera keys rotate`');
    const destroyed = [...new Set([...before.destroyed, ...ids])].slice(-MAX_DESTROYED);
    return { content: { ...before, keys: left, destroyed }, code: ExitCode.ok };
  });
}

function destroyTenant(path: string, tenant: string, report: Report): ExitCode {
  return change(path, (before) => {
    const generations = new Map(before.tenantGenerations);
    const generation = (generations.get(tenant) ?? 0) + 1;
    generations.set(tenant, generation);
    report.event('tenant', { tenant, generation }, `tenant ${printable(tenant)}: destroyed ${generation} times`);
    return { content: { ...before, tenantGenerations: [...generations] }, code: ExitCode.ok };
  });
}

function list(event: string, key: TicketKey, now: number, report: Report): void {
  const iso = (time: number): string => new Date(time).toISOString();
  const id = ticketKeyId(nodeCrypto, key.secret);
  const state = stateOf(key, now);
  const times = { sealFrom: iso(key.sealFrom), sealUntil: iso(key.sealUntil), openUntil: iso(key.openUntil) };
  report.event(
    event,
    { id, state, ...times },
    `${id}  ${state.padEnd(9)}  seals ${times.sealFrom} to ${times.sealUntil}, opens to ${times.openUntil}`,
  );
}

function stateOf({ sealFrom, sealUntil, openUntil }: Omit<TicketKey, 'secret'>, now: number): TicketKeyState {
  if (now >= openUntil) return 'destroyed';
  if (now >= sealUntil) return 'opening';
  return now >= sealFrom ? 'sealing' : 'pending';
}

function scheduled(
  before: readonly TicketKey[],
  now: number,
  periods: Periods & { readonly rotate?: boolean },
): readonly TicketKey[] {
  try {
    return ticketKeySchedule(nodeCrypto, before, now, periods);
  } catch (error) {
    if (!(error instanceof TlsUsageError)) throw error;
    const said = error.message
      .replaceAll('sealForSeconds', '--seal-for')
      .replaceAll('openForSeconds', '--open-for')
      .replaceAll('propagationSeconds', '--propagation');
    throw usageError(said);
  }
}

/** Reads the file, and writes what `edit` makes of it; `undefined`: nothing. Wipes all secrets. */
function change(
  path: string,
  edit: (before: Keys) => { readonly content: Keys | undefined; readonly code: ExitCode },
): ExitCode {
  return locked(path, (write) => {
    const { format, keys: found, destroyed, tenantGenerations } = contentOf(path);
    const timed = found.flatMap(({ secret, times }) => (times === undefined ? [] : [{ secret, ...times }]));
    try {
      if (format !== 'json' || timed.length < found.length) {
        throw usageError(`${path} is not in the JSON format with times, which \`tessera keys gen\` makes`);
      }
      const { content, code } = edit({ keys: timed, destroyed, tenantGenerations });
      if (content !== undefined) write(content);
      wipeKeys(content?.keys ?? []);
      return code;
    } finally {
      wipeKeys(found);
    }
  });
}

function contentOf(path: string): KeyFileContent {
  const bytes = file('FILE', path);
  try {
    return parseKeyFile(bytes);
  } catch (error) {
    throw error instanceof TlsUsageError ? usageError(`${path}: ${error.message}`) : error;
  } finally {
    bytes.fill(0);
  }
}

/** Where the file really is: a link to it stays. */
function pathOf(given: string): string {
  try {
    const path = realpathSync(given);
    return statSync(path).isDirectory() ? join(path, FILE_NAME) : path;
  } catch {
    return given;
  }
}

/** The new file, written beside the old one; hidden, so that a server that watches the directory does not read it. */
const draftOf = (path: string): string => join(dirname(path), `.${basename(path)}.new`);

/**
 * Runs `use` while no other `tessera keys` changes the file: whoever makes the draft has the lock. The function that `use` gets
 * replaces the file, once.
 */
function locked(path: string, use: (write: (content: Keys) => void) => ExitCode): ExitCode {
  const draft = draftOf(path);
  let descriptor: number;
  try {
    descriptor = openSync(draft, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw usageError(`cannot write ${path}: ${reason(error)}`);
    throw new CliError(
      ExitCode.finding,
      `${draft} is there: another tessera changes the keys; if none does, remove it`,
    );
  }
  let written = false;
  try {
    return use((content) => {
      try {
        writeSync(descriptor, formatKeyFile(content));
        fsyncSync(descriptor);
        renameSync(draft, path);
      } catch (error) {
        throw usageError(`cannot write ${path}: ${reason(error)}`);
      }
      written = true;
    });
  } finally {
    closeSync(descriptor);
    if (!written) unlinkSync(draft);
  }
}
