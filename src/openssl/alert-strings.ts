/** SSL_alert_…_string: names of alerts, for info callbacks. */

import { AlertDescription } from '../errors/index.ts';
import { expectInteger } from './arguments.ts';

const LEVELS: Readonly<Record<number, readonly [short: string, long: string]>> = {
  1: ['W', 'warning'],
  2: ['F', 'fatal'],
};
const SHORT: Readonly<Record<number, string>> = {
  0: 'CN',
  10: 'UM',
  20: 'BM',
  22: 'RO',
  30: 'DF',
  40: 'HF',
  41: 'NC',
  42: 'BC',
  43: 'UC',
  44: 'CR',
  45: 'CE',
  46: 'CU',
  47: 'IP',
  48: 'CA',
  49: 'AD',
  50: 'DE',
  51: 'CY',
  60: 'ER',
  70: 'PV',
  71: 'IS',
  80: 'IE',
  90: 'US',
  100: 'NR',
  110: 'UE',
  111: 'CO',
  112: 'UN',
  113: 'BR',
  114: 'BH',
  115: 'UP',
};
const LONG_EXCEPTIONS: Readonly<Record<number, string>> = {
  42: 'bad certificate',
  48: 'unknown CA',
  90: 'user canceled',
  115: 'unknown PSK identity',
};

const unknown = ['U', 'unknown'] as const;

/** `W` or `F`, from the third argument of an info callback. */
export function SSL_alert_type_string(value: number): string {
  expectInteger('value', value);
  return (LEVELS[value >> 8] ?? unknown)[0];
}

/** `warning` or `fatal`. */
export function SSL_alert_type_string_long(value: number): string {
  expectInteger('value', value);
  return (LEVELS[value >> 8] ?? unknown)[1];
}

/** Two letters, such as `HF`; `UK` for those that OpenSSL has no letters for. */
export function SSL_alert_desc_string(value: number): string {
  expectInteger('value', value);
  return SHORT[value & 0xff] ?? 'UK';
}

/** Such as `handshake failure`. */
export function SSL_alert_desc_string_long(value: number): string {
  expectInteger('value', value);
  const description = value & 0xff;
  const name = Object.entries(AlertDescription).find(([, number]) => number === description)?.[0];
  return LONG_EXCEPTIONS[description] ?? name?.replaceAll('_', ' ') ?? 'unknown';
}
