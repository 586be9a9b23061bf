import { DerReader, type DerValue, Tag } from './der.ts';

/** The relative distinguished names of a Name (DER), most significant first, each as DER. Throws `DerError`. */
export function relativeNames(name: Uint8Array): Uint8Array[] {
  const outer = new DerReader(name);
  const reader = outer.enter();
  outer.end();
  const names: Uint8Array[] = [];
  while (!reader.done) names.push(reader.value(Tag.set).whole);
  return names;
}

/** The types of all attributes of a Name (DER) with their values. Throws `DerError`. */
export function attributes(name: Uint8Array): { readonly type: string; readonly value: DerValue }[] {
  const found: { readonly type: string; readonly value: DerValue }[] = [];
  for (const relative of relativeNames(name)) {
    const members = new DerReader(relative).enter(Tag.set);
    do {
      const attribute = members.enter();
      found.push({ type: attribute.oid(), value: attribute.any() });
      attribute.end();
    } while (!members.done);
  }
  return found;
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
