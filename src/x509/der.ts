import { concat, fromLatin1, latin1, toHex } from '../bytes/index.ts';
import { type CivilTime, civilToMs, msToCivil, two } from './time.ts';

/** Bytes that are not DER, or not what the schema asks for at this place. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

/** Identifier octets of the universal types used in certificates. */
export const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The identifier octet of a context-specific tag, 0 to 30. */
export function contextTag(number: number, constructed: boolean): number {
  return (constructed ? 0xa0 : 0x80) | number;
}

export interface DerValue {
  readonly tag: number;
  /** Identifier, length and content. */
  readonly whole: Uint8Array;
  readonly content: Uint8Array;
}

const MAX_DEPTH = 16;
/** EXTERNAL, EMBEDDED PDV, SEQUENCE, SET and CHARACTER STRING have parts; in DER nothing else has, strings included. */
const CONSTRUCTED: readonly number[] = [8, 11, 16, 17, 29];

/**
 * Reads DER and nothing else: definite lengths in their shortest form, one-byte tags, strings in one piece, no more than 16 levels. Every fault is a
 * {@link DerError}; the arrays it returns are views into the input.
 */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #depth: number;
  #offset = 0;

  constructor(bytes: Uint8Array, depth = 0) {
    if (depth > MAX_DEPTH) throw new DerError(`nested deeper than ${MAX_DEPTH} levels`);
    this.#bytes = bytes;
    this.#depth = depth;
  }

  get done(): boolean {
    return this.#offset === this.#bytes.length;
  }

  /** The tag of the next value, `undefined` at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#offset];
  }

  /** The next value, whatever it is. */
  any(): DerValue {
    const start = this.#offset;
    const tag = this.#byte();
    if ((tag & 0x1f) === 0x1f) throw new DerError('a tag number above 30');
    // Universal tags; those of a context are for who knows it.
    if (tag === 0 || (tag < 0x40 && ((tag & 0x20) !== 0) !== CONSTRUCTED.includes(tag & 0x1f)))
      throw new DerError(`a value with the tag ${toHex(Uint8Array.of(tag))}, which DER does not have`);
    const length = this.#length();
    const contentStart = this.#offset;
    if (length > this.#bytes.length - contentStart) throw new DerError('a value longer than what contains it');
    this.#offset = contentStart + length;
    return {
      tag,
      whole: this.#bytes.subarray(start, this.#offset),
      content: this.#bytes.subarray(contentStart, this.#offset),
    };
  }

  /** The next value, which must have this tag. */
  value(tag: number): DerValue {
    if (this.nextTag !== tag) {
      const found = this.nextTag === undefined ? 'the end' : `tag ${toHex(Uint8Array.of(this.nextTag))}`;
      throw new DerError(`expected tag ${toHex(Uint8Array.of(tag))}, found ${found}`);
    }
    return this.any();
  }

  /** The next value if it has this tag. */
  optional(tag: number): DerValue | undefined {
    return this.nextTag === tag ? this.any() : undefined;
  }

  /** A reader of what is inside the next value, which must have this constructed tag. */
  enter(tag: number = Tag.sequence): DerReader {
    return new DerReader(this.value(tag).content, this.#depth + 1);
  }

  /** As {@link DerReader.enter}, if the next value has this tag. */
  enterOptional(tag: number): DerReader | undefined {
    return this.nextTag === tag ? this.enter(tag) : undefined;
  }

  /** To be called when the schema has no more fields. */
  end(): void {
    if (!this.done) throw new DerError('bytes after the last field');
  }

  /** BOOLEAN, or `false` when the next value is none. An encoded FALSE is let pass although DER omits a default: many certificates have it. */
  optionalBoolean(): boolean {
    const content = this.optional(Tag.boolean)?.content;
    if (content === undefined) return false;
    if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw new DerError('a BOOLEAN not 00 or ff');
    return content[0] === 0xff;
  }

  /** The two's-complement content of an INTEGER, checked to be in its shortest form. */
  integer(): Uint8Array {
    return checkInteger(this.value(Tag.integer).content);
  }

  /** A non-negative INTEGER below 2^31. */
  smallInteger(): number {
    return integerToNumber(this.integer());
  }

  oid(): string {
    return oidToText(this.value(Tag.oid).content);
  }

  octetString(): Uint8Array {
    return this.value(Tag.octetString).content;
  }

  bitString(): BitString {
    const content = this.value(Tag.bitString).content;
    const unused = content[0];
    if (unused === undefined || unused > 7 || (content.length === 1 && unused !== 0))
      throw new DerError('a BIT STRING with an impossible count of unused bits');
    if ((content[content.length - 1]! & ((1 << unused) - 1)) !== 0 && content.length > 1)
      throw new DerError('a BIT STRING whose unused bits are not zero');
    return { unused, bytes: content.subarray(1) };
  }

  /** A BIT STRING of whole bytes: a key or a signature. */
  bitStringBytes(): Uint8Array {
    const { unused, bytes } = this.bitString();
    if (unused !== 0) throw new DerError('a BIT STRING that is not whole bytes');
    return bytes;
  }

  null(): void {
    if (this.value(Tag.null).content.length !== 0) throw new DerError('a NULL with content');
  }

  /** As {@link DerReader.time}, of which it must be the longer form. */
  generalizedTime(): number {
    if (this.nextTag === Tag.utcTime) throw new DerError('a UTCTime where a GeneralizedTime belongs');
    return this.time();
  }

  /** UTCTime or GeneralizedTime as RFC 5280 restricts them (seconds given, no fraction, Z), in milliseconds since the epoch. */
  time(): number {
    const short = this.nextTag === Tag.utcTime;
    const text = fromLatin1(this.value(short ? Tag.utcTime : Tag.generalizedTime).content);
    if (!(short ? /^\d{12}Z$/ : /^\d{14}Z$/).test(text)) throw new DerError('a time not in the form RFC 5280 asks for');
    const year = Number(text.slice(0, short ? 2 : 4));
    const rest = text.slice(short ? 2 : 4);
    const field = (index: number): number => Number(rest.slice(2 * index, 2 * index + 2));
    const civil: CivilTime = {
      year: short ? year + (year < 50 ? 2000 : 1900) : year,
      month: field(0),
      day: field(1),
      hour: field(2),
      minute: field(3),
      second: field(4),
    };
    const ms = civilToMs(civil);
    if (ms === undefined) throw new DerError('a time that does not exist');
    return ms;
  }

  #byte(): number {
    const byte = this.#bytes[this.#offset];
    if (byte === undefined) throw new DerError('a value is cut off');
    this.#offset++;
    return byte;
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0) throw new DerError('an indefinite length');
    if (count > 3) throw new DerError('a length above 16 MiB');
    let length = 0;
    for (let i = 0; i < count; i++) length = (length << 8) | this.#byte();
    if (length < 0x80 || length < 2 ** (8 * (count - 1))) throw new DerError('a length not in its shortest form');
    return length;
  }
}

export interface BitString {
  /** Bits of the last byte that do not count, 0 to 7. */
  readonly unused: number;
  readonly bytes: Uint8Array;
}

/** Checks the content of an INTEGER, as it also stands under implicit tags, and returns it. */
export function checkInteger(content: Uint8Array): Uint8Array {
  const first = content[0];
  if (first === undefined) throw new DerError('an empty INTEGER');
  const second = content[1];
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)))
    throw new DerError('an INTEGER not in its shortest form');
  return content;
}

function integerToNumber(content: Uint8Array): number {
  if (content.length > 4 || content[0]! >= 0x80) throw new DerError('an INTEGER below 0 or above 2^31 - 1');
  return content.reduce((value, byte) => value * 256 + byte, 0);
}

function oidToText(content: Uint8Array): string {
  if (content.length === 0 || content[content.length - 1]! >= 0x80) throw new DerError('an OBJECT IDENTIFIER cut off');
  const arcs: number[] = [];
  let arc = 0;
  let fresh = true;
  for (const byte of content) {
    if (fresh && byte === 0x80) throw new DerError('an OBJECT IDENTIFIER not in its shortest form');
    arc = arc * 128 + (byte & 0x7f);
    fresh = byte < 0x80;
    if (!fresh) continue;
    // Arcs made of UUIDs do not fit a number; the hexadecimal form names the identifier just as uniquely.
    if (arc > Number.MAX_SAFE_INTEGER) return `0x${toHex(content)}`;
    arcs.push(arc);
    arc = 0;
  }
  const [first, ...others] = arcs as [number, ...number[]];
  const root = Math.min(Math.floor(first / 40), 2);
  return [root, first - 40 * root, ...others].join('.');
}

/** Writes one value; `parts` are its content. */
export function encode(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(...parts);
  const { length } = content;
  if (length < 0x80) return concat(Uint8Array.of(tag, length), content);
  if (length < 0x100) return concat(Uint8Array.of(tag, 0x81, length), content);
  if (length < 0x10000) return concat(Uint8Array.of(tag, 0x82, length >> 8, length & 0xff), content);
  return concat(Uint8Array.of(tag, 0x83, length >> 16, (length >> 8) & 0xff, length & 0xff), content);
}

export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return encode(Tag.sequence, ...parts);
}

export function set(...parts: readonly Uint8Array[]): Uint8Array {
  return encode(Tag.set, ...parts);
}

/** A context-specific constructed tag around `parts`: EXPLICIT, or an IMPLICIT SEQUENCE. */
export function context(number: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return encode(contextTag(number, true), ...parts);
}

/** A context-specific primitive tag with `content`: an IMPLICIT string or integer. */
export function contextPrimitive(number: number, content: Uint8Array): Uint8Array {
  return encode(contextTag(number, false), content);
}

/** The INTEGER of an unsigned big-endian number. */
export function unsignedInteger(bytes: Uint8Array): Uint8Array {
  const start = bytes.findIndex((byte) => byte !== 0);
  const digits = start < 0 ? new Uint8Array(1) : bytes.subarray(start);
  return encode(Tag.integer, digits[0]! >= 0x80 ? concat(new Uint8Array(1), digits) : digits);
}

/** The INTEGER of `value`, 0 to 2^31 - 1. */
export function integer(value: number): Uint8Array {
  return unsignedInteger(Uint8Array.of(value >>> 24, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff));
}

export function boolean(value: boolean): Uint8Array {
  return encode(Tag.boolean, Uint8Array.of(value ? 0xff : 0));
}

export function bitString(bytes: Uint8Array, unused = 0): Uint8Array {
  return encode(Tag.bitString, Uint8Array.of(unused), bytes);
}

export function octetString(...parts: readonly Uint8Array[]): Uint8Array {
  return encode(Tag.octetString, ...parts);
}

export function nullValue(): Uint8Array {
  return encode(Tag.null);
}

/** `text` is dotted decimal, with arcs below 2^31. */
export function oid(text: string): Uint8Array {
  const [root, second, ...others] = text.split('.').map(Number) as [number, number, ...number[]];
  const bytes: number[] = [];
  for (const arc of [40 * root + second, ...others]) {
    const septets = [arc & 0x7f];
    for (let rest = arc >>> 7; rest > 0; rest >>>= 7) septets.unshift((rest & 0x7f) | 0x80);
    bytes.push(...septets);
  }
  return encode(Tag.oid, Uint8Array.from(bytes));
}

export function utf8String(text: string): Uint8Array {
  return encode(Tag.utf8String, new TextEncoder().encode(text));
}

/** UTCTime through 2049, GeneralizedTime after it, as RFC 5280 wants; `ms` since the epoch, fractions of a second dropped. */
export function time(ms: number): Uint8Array {
  const { year, month, day, hour, minute, second } = msToCivil(ms);
  const rest = `${[month, day, hour, minute, second].map(two).join('')}Z`;
  if (year >= 1950 && year < 2050) return encode(Tag.utcTime, latin1(two(year % 100) + rest));
  return encode(Tag.generalizedTime, latin1(String(year).padStart(4, '0') + rest));
}
