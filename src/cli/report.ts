import { appendFileSync } from 'node:fs';
import { styleText } from 'node:util';
import { toHex } from '../bytes/index.ts';
import type { TLSSocket } from '../node/index.ts';
import { reason, usageError } from './options.ts';

type Style = Parameters<typeof styleText>[0];
export type Fields = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/** Prints facts: as lines for people, or with `--json` as one object a line. */
export interface Report {
  /** `line` for people, `{ event, time, ...fields }` for programs. */
  event(event: string, fields: Fields, line: string): void;
  /** Text that only people want. */
  note(line: string): void;
  /** Colours where the terminal has them. */
  style(style: Style, text: string): string;
}

/** Lines for people go to `stream`; JSON always goes to stdout. */
export function createReport(json: boolean, stream: NodeJS.WriteStream): Report {
  const colours = !json && stream.isTTY === true && !process.env['NO_COLOR'];
  return {
    event(event, fields, line) {
      if (json) process.stdout.write(`${JSON.stringify({ event, time: new Date().toISOString(), ...fields })}\n`);
      else stream.write(`${line}\n`);
    },
    note(line) {
      if (!json) stream.write(`${line}\n`);
    },
    style: (style, text) => (colours ? styleText(style, text) : text),
  };
}

/** `12:34:56.789`, local time. */
export function timeOfDay(): string {
  const now = new Date();
  const pad = (value: number, length: number): string => String(value).padStart(length, '0');
  const seconds = `${pad(now.getSeconds(), 2)}.${pad(now.getMilliseconds(), 3)}`;
  return `${pad(now.getHours(), 2)}:${pad(now.getMinutes(), 2)}:${seconds}`;
}

/** Milliseconds with one decimal. */
export function roundMs(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}

/** `127.0.0.1:443`, `[::1]:443`. */
export function address(host: string | undefined, port: number | undefined): string {
  if (host === undefined) return '?';
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export interface TicketRow {
  readonly index: number;
  readonly lifetimeSeconds: number;
  readonly nonce: Uint8Array;
  readonly length: number;
}

/** Columns of a ticket table, under {@link TICKET_HEAD}. */
export function ticketLine({ index, lifetimeSeconds, nonce, length }: TicketRow): string {
  const cells = [String(index), `${lifetimeSeconds} s`, toHex(nonce), `${length} B`];
  return cells.map((cell, i) => cell.padStart(TICKET_COLUMNS[i]!.length)).join('  ');
}

const TICKET_COLUMNS = ['ticket', ' lifetime', '           nonce', ' length'];
export const TICKET_HEAD: string = TICKET_COLUMNS.join('  ');

/** Text of a peer, fit for a terminal: control characters cannot play tricks with it. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The external PSK of a connection, fit for a terminal. */
export function pskIdentityOf(socket: TLSSocket): string | null {
  const identity = socket.connectionInfo?.pskIdentity;
  return identity === undefined ? null : printable(Buffer.from(identity).toString());
}

/** A listener for `keylog` that appends to `path`, readable by its owner only; `undefined` without a path. */
export function keyLogger(path: string | undefined): ((line: Buffer) => void) | undefined {
  if (path === undefined) return undefined;
  const append = (line: string | Buffer): void => appendFileSync(path, line, { mode: 0o600 });
  try {
    append('');
  } catch (error) {
    throw usageError(`--keylog: cannot write ${path}: ${reason(error)}`);
  }
  return append;
}
