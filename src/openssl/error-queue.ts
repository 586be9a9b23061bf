import { getSystemErrorMap } from 'node:util';
import { expectInteger } from './arguments.ts';
import { ERR_LIB_SSL, ERR_LIB_SYS } from './constants.ts';
import { reasonText } from './reasons.ts';

const SYSTEM_FLAG = 0x8000_0000;
const REASON_MASK = 0x7f_ffff;
const MOST_ERRORS = 16;

const LIBRARIES: Readonly<Record<number, string>> = {
  2: 'system library',
  6: 'digital envelope routines',
  9: 'PEM routines',
  11: 'x509 certificate routines',
  13: 'asn1 encoding routines',
  20: 'SSL routines',
  32: 'BIO routines',
};

/** One per thread, as in OpenSSL: each worker loads a module of its own. Holds the last 16. */
const queue: number[] = [];

/** Adds an error; the oldest of more than 16 is dropped. */
export function pushError(reason: number, library: number = ERR_LIB_SSL): void {
  queue.push(((library & 0xff) << 23) | (reason & REASON_MASK));
  if (queue.length > MOST_ERRORS) queue.shift();
}

/** Adds an error of the operating system, such as 2 for ENOENT. */
export function pushSystemError(errno: number): void {
  queue.push(SYSTEM_FLAG + errno);
  if (queue.length > MOST_ERRORS) queue.shift();
}

/** Takes the oldest error out of the queue. 0: there is none. */
export function ERR_get_error(): number {
  return queue.shift() ?? 0;
}

/** The oldest error, left in the queue. 0: there is none. */
export function ERR_peek_error(): number {
  return queue[0] ?? 0;
}

/** The newest error, left in the queue. 0: there is none. */
export function ERR_peek_last_error(): number {
  return queue.at(-1) ?? 0;
}

export function ERR_clear_error(): void {
  queue.length = 0;
}

export function ERR_GET_LIB(code: number): number {
  expectInteger('code', code);
  return code >= SYSTEM_FLAG ? ERR_LIB_SYS : (code >>> 23) & 0xff;
}

export function ERR_GET_REASON(code: number): number {
  expectInteger('code', code);
  return code >= SYSTEM_FLAG ? code - SYSTEM_FLAG : code & REASON_MASK;
}

/** The text of the reason, such as `shutdown while in init`; `null` when it is unknown. */
export function ERR_reason_error_string(code: number): string | null {
  expectInteger('code', code);
  if (code >= SYSTEM_FLAG) return getSystemErrorMap().get(SYSTEM_FLAG - code)?.[1] ?? null;
  return reasonText(ERR_GET_LIB(code), ERR_GET_REASON(code)) ?? null;
}

/** The name of the library, such as `SSL routines`; `null` when it is unknown. */
export function ERR_lib_error_string(code: number): string | null {
  return LIBRARIES[ERR_GET_LIB(code)] ?? null;
}

/** `error:0A000197:SSL routines::shutdown while in init`. */
export function ERR_error_string(code: number): string {
  expectInteger('code', code);
  const library = ERR_lib_error_string(code) ?? `lib(${ERR_GET_LIB(code)})`;
  const reason = ERR_reason_error_string(code) ?? `reason(${ERR_GET_REASON(code)})`;
  return `error:${code.toString(16).toUpperCase().padStart(8, '0')}:${library}::${reason}`;
}
