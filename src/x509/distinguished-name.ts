import { fromLatin1 } from '../bytes/index.ts';
import { DerError, DerReader, type DerValue, Tag } from './der.ts';

/** No honest name has more; each is described in messages, and compared with constraints. */
const MAX_ATTRIBUTES = 64;

interface Attribute {
  readonly type: string;
  readonly value: DerValue;
}

/** The attributes of a Name (DER) by relative distinguished names, most significant first. Throws `DerError`. */
function relativeNames(name: Uint8Array): Attribute[][] {
  const outer = new DerReader(name);
  const reader = outer.enter();
  outer.end();
  const names: Attribute[][] = [];
  let count = 0;
  while (!reader.done) {
    const members = reader.enter(Tag.set);
    const relative: Attribute[] = [];
    do {
      const attribute = members.enter();
      relative.push({ type: attribute.oid(), value: attribute.any() });
      attribute.end();
      if (++count > MAX_ATTRIBUTES) throw new DerError(`a name of more than ${MAX_ATTRIBUTES} attributes`);
    } while (!members.done);
    names.push(relative);
  }
  return names;
}

/** The types of all attributes of a Name (DER) with their values. Throws `DerError`. */
export function attributes(name: Uint8Array): Attribute[] {
  return relativeNames(name).flat();
}

/**
 * A Name (DER) in a form that is equal for equal names, however they are encoded: kinds of string, ASCII case, and spaces at the ends or
 * repeated do not count (RFC 5280, section 7.1). It is one string for each relative distinguished name, in their order, and these in one
 * string stay as different as they are. Throws `DerError`.
 */
export function comparableParts(name: Uint8Array): string[] {
  return relativeNames(name).map((relative) =>
    delimited([delimited(relative.map(({ type, value }) => delimited([type, comparableValue(value)])).sort())]),
  );
}

/** {@link comparableParts} in one string. Throws `DerError`. */
export function comparableName(name: Uint8Array): string {
  return comparableParts(name).join('');
}

/** With the lengths in front, so that no text can pass for the border between two. */
function delimited(parts: readonly string[]): string {
  return parts.map((part) => `${part.length}:${part}`).join('');
}

function comparableValue(value: DerValue): string {
  const text = textOf(value);
  if (text === undefined) return `#${fromLatin1(value.whole)}`;
  const spaced = text.replace(/[ \t\n\v\f\r]+/g, ' ').replace(/^ | $/g, '');
  return `=${spaced.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())}`;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of a string, `undefined` when the value is of another kind. Throws `DerError` when it is not what its kind says. */
function textOf({ tag, content }: DerValue): string | undefined {
  switch (tag) {
    case Tag.utf8String:
      try {
        return UTF8.decode(content);
      } catch {
        throw new DerError('a UTF8String that is not UTF-8');
      }
    case Tag.printableString:
    case Tag.ia5String:
    case Tag.visibleString:
    case Tag.teletexString: // by its definition something else, but what is found in it is Latin-1
      return fromLatin1(content);
    case Tag.bmpString:
      return fromUnits(content, 2);
    case Tag.universalString:
      return fromUnits(content, 4);
    default:
      return undefined;
  }
}

function fromUnits(content: Uint8Array, width: 2 | 4): string {
  if (content.length % width !== 0) throw new DerError('a string cut off within a character');
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  let text = '';
  for (let at = 0; at < content.length; at += width) {
    const code = width === 2 ? view.getUint16(at) : view.getUint32(at);
    if (code > 0x10ffff) throw new DerError('a character that does not exist');
    text += width === 2 ? String.fromCharCode(code) : String.fromCodePoint(code);
  }
  return text;
}

const SHORT_NAMES: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '0.9.2342.19200300.100.1.25': 'DC',
};

const LONGEST_TEXT = 128;

/** A Name for people, such as `CN=example.com, O=Example`: short, and without characters that could disturb a log. */
export function describeName(name: Uint8Array): string {
  const parts = attributes(name).map(({ type, value }) => `${SHORT_NAMES[type] ?? type}=${printable(value.content)}`);
  return parts.length === 0 ? 'an empty name' : shorten(parts.join(', '));
}

/** Bytes from a certificate as text for a message. */
export function printable(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes.subarray(0, LONGEST_TEXT));
  return text.replace(/[\p{C}\u2028\u2029]/gu, '?');
}

function shorten(text: string): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}
