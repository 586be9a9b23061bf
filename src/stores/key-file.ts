import { isConstant } from '../bytes/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { type TicketKey, ticketKeyMaterial } from '../tickets/index.ts';

/** The longest key file that is read, in bytes. */
export const MAX_KEY_FILE_LENGTH = 65_536;
const MAX_KEYS_IN_FILE = 64;

/** A key as a file has it: without times, the reader chooses them. */
export interface FileKey {
  readonly secret: Uint8Array;
  readonly times?: Omit<TicketKey, 'secret'>;
}

export interface KeyFileContent {
  readonly format: 'json' | 'text' | 'raw';
  /** At least one, in the order of the file. */
  readonly keys: readonly FileKey[];
  /** Ids of keys that must not be used again. JSON only. */
  readonly destroyed: readonly string[];
  /** JSON only. */
  readonly tenantGenerations: readonly (readonly [tenant: string, generation: number])[];
}

/**
 * The keys in the bytes of a key file, in arrays of their own. Three formats, told apart by the content:
 *
 * - JSON: `{ "keys": [{ "secret": "<base64>", "sealFrom": …, "sealUntil": …, "openUntil": … }] }`, as `tessera keys` writes it. Times
 *   are milliseconds since the epoch, or texts such as `2026-01-31T12:00:00Z`. Also `"destroyed": ["<id>"]` and
 *   `"tenantGenerations": { "<tenant>": 1 }`. No key is allowed when something is destroyed.
 * - text: one key a line, base64 or hexadecimal, as HAProxy's `tls-ticket-keys`; empty lines and those that begin with `#` do not count.
 * - raw: one key, all of the file, as nginx's `ssl_session_ticket_key`.
 *
 * A key of 48 or 80 bytes is taken as one of OpenSSL's ({@link ticketKeyMaterial}), any other has 32 to 1,024 bytes.
 * Throws {@link TlsUsageError}: `key_file.malformed`, `key_file.too_large`, `ticket_key.*`; no message holds a part of the file.
 */
export function parseKeyFile(bytes: Uint8Array): KeyFileContent {
  if (bytes.length > MAX_KEY_FILE_LENGTH) {
    throw new TlsUsageError(
      'key_file.too_large',
      `a key file has at most ${MAX_KEY_FILE_LENGTH} bytes, not ${bytes.length}`,
    );
  }
  if (bytes.length === 0) throw malformed('it is empty');
  const text = printableText(bytes);
  if (text === undefined) return { ...NOTHING_ELSE, format: 'raw', keys: [{ secret: material(bytes) }] };
  if (text.trimStart().startsWith('{')) return parseJson(text);
  return { ...NOTHING_ELSE, format: 'text', keys: parseLines(text) };
}

/** Overwrites the secrets. */
export function wipeKeys(keys: readonly { readonly secret: Uint8Array }[]): void {
  for (const { secret } of keys) secret.fill(0);
}

/** The JSON format. A string: it cannot be wiped. */
export function formatKeyFile(
  content: Omit<KeyFileContent, 'format' | 'keys'> & { readonly keys: readonly TicketKey[] },
): string {
  const { keys, destroyed, tenantGenerations } = content;
  const iso = (time: number): string => new Date(time).toISOString();
  const rows = keys.map(({ secret, sealFrom, sealUntil, openUntil }) => ({
    secret: Buffer.from(secret.buffer, secret.byteOffset, secret.length).toString('base64'),
    sealFrom: iso(sealFrom),
    sealUntil: iso(sealUntil),
    openUntil: iso(openUntil),
  }));
  const file = {
    keys: rows,
    ...(destroyed.length > 0 && { destroyed }),
    ...(tenantGenerations.length > 0 && { tenantGenerations: Object.fromEntries(tenantGenerations) }),
  };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

const NOTHING_ELSE = { destroyed: [], tenantGenerations: [] } as const;

function malformed(what: string): TlsUsageError {
  return new TlsUsageError('key_file.malformed', `not a ticket key file: ${what}`);
}

/** `undefined` when a byte is neither printable nor white space: then it is no text. */
function printableText(bytes: Uint8Array): string | undefined {
  const isText = bytes.every(
    (byte) => (byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d || byte === 0x09,
  );
  return isText ? Buffer.from(bytes).toString('latin1') : undefined;
}

function parseLines(text: string): readonly FileKey[] {
  const keys: FileKey[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const word = line.trim();
    if (word === '' || word.startsWith('#')) continue;
    if (keys.length >= MAX_KEYS_IN_FILE) throw malformed(`it has more than ${MAX_KEYS_IN_FILE} keys`);
    keys.push({ secret: secretOf(word, `line ${index + 1}`) });
  }
  if (keys.length === 0) throw malformed('it has no key');
  return keys;
}

/** The bytes that a hexadecimal or base64 word stands for, as a secret. */
export function secretOf(word: string, where: string): Uint8Array {
  // 64 base64 digits of a random key are never all hexadecimal.
  const isHex = word.length >= 64 && word.length % 2 === 0 && /^[0-9a-fA-F]+$/.test(word);
  const isBase64 = /^[A-Za-z0-9+/_-]+={0,2}$/.test(word);
  if (!isHex && !isBase64) throw malformed(`${where} is neither base64 nor hexadecimal`);
  const bytes = Buffer.from(word, isHex ? 'hex' : 'base64');
  try {
    return material(bytes);
  } catch (error) {
    if (!(error instanceof TlsUsageError)) throw error;
    throw new TlsUsageError(error.code, `${where}: ${error.message}`);
  } finally {
    bytes.fill(0);
  }
}

/** A copy. Lengths that no ring takes are said here, before any key of the file is used. */
function material(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 48 || bytes.length === 80) return ticketKeyMaterial(bytes);
  if (bytes.length < 32 || bytes.length > 1_024) {
    throw malformed(`a key has ${bytes.length} bytes, it must have 32 to 1,024`);
  }
  if (isConstant(bytes)) {
    throw new TlsUsageError('ticket_key.constant', 'all bytes of a ticket key are the same; it must be random');
  }
  return new Uint8Array(bytes);
}

function parseJson(text: string): KeyFileContent {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw malformed('its JSON is cut off or wrong'); // the message of JSON.parse would quote the file
  }
  const { keys: rows, destroyed = [], tenantGenerations = {} } = parsed as Record<string, unknown>;
  if (!Array.isArray(rows)) throw malformed('`keys` is not an array');
  if (rows.length > MAX_KEYS_IN_FILE) throw malformed(`it has more than ${MAX_KEYS_IN_FILE} keys`);
  if (!Array.isArray(destroyed) || !destroyed.every((id) => typeof id === 'string' && /^[0-9a-f]{8}$/.test(id))) {
    throw malformed('`destroyed` is not an array of ids of eight hexadecimal digits');
  }
  if (rows.length === 0 && destroyed.length === 0) throw malformed('it has no key');
  return {
    format: 'json',
    keys: rows.map((row: unknown, i) => jsonKey(row, `key ${i + 1}`)),
    destroyed,
    tenantGenerations: generationsOf(tenantGenerations),
  };
}

function jsonKey(row: unknown, where: string): FileKey {
  if (typeof row !== 'object' || row === null) throw malformed(`${where} is no object`);
  const { secret, sealFrom, sealUntil, openUntil } = row as Record<string, unknown>;
  if (typeof secret !== 'string') throw malformed(`${where} has no \`secret\` in base64`);
  const given = [sealFrom, sealUntil, openUntil].filter((time) => time !== undefined).length;
  if (given !== 0 && given !== 3) throw malformed(`${where} needs all of sealFrom, sealUntil and openUntil, or none`);
  if (given === 0) return { secret: secretOf(secret, where) };
  const times = {
    sealFrom: timeOf(sealFrom, `${where}: sealFrom`),
    sealUntil: timeOf(sealUntil, `${where}: sealUntil`),
    openUntil: timeOf(openUntil, `${where}: openUntil`),
  };
  if (!(times.sealFrom < times.sealUntil && times.sealUntil <= times.openUntil)) {
    throw malformed(`${where} needs sealFrom < sealUntil <= openUntil`);
  }
  return { secret: secretOf(secret, where), times };
}

function timeOf(value: unknown, where: string): number {
  const time = typeof value === 'string' ? Date.parse(value) : value;
  if (typeof time === 'number' && time >= 0 && time <= 8.64e15) return time;
  throw malformed(`${where} is neither milliseconds since the epoch nor a time such as 2026-01-31T12:00:00Z`);
}

function generationsOf(value: unknown): readonly (readonly [string, number])[] {
  const entries =
    typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : undefined;
  if (entries?.every((entry): entry is [string, number] => Number.isSafeInteger(entry[1]) && entry[1] >= 0))
    return entries;
  throw malformed('`tenantGenerations` is not an object of whole numbers');
}
