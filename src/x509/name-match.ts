import { equal } from '../bytes/index.ts';
import type { SubjectAltName } from './certificate.ts';

const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;

/** The labels of a DNS name in lower case, or `undefined` when it is not one in ASCII form (RFC 9525: A-labels only). */
export function dnsLabels(name: string): readonly string[] | undefined {
  if (name.length > 253) return undefined;
  const labels = name.toLowerCase().split('.');
  return /^[\x21-\x7e]+$/.test(name) && labels.every((label) => LABEL.test(label)) ? labels : undefined;
}

/** The bytes of an IP address in text, 4 or 16; `undefined` when it is none. No leading zeros, no zone, no brackets. */
export function ipBytes(text: string): Uint8Array | undefined {
  return text.includes(':') ? ipv6Bytes(text) : ipv4Bytes(text);
}

function ipv4Bytes(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return Uint8Array.from(parts, Number);
}

function ipv6Bytes(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = ipv6Groups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? ipv6Groups(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

/** The bytes of groups between colons; the last may be an IPv4 address when these groups end the address. */
function ipv6Groups(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [index, group] of groups.entries()) {
    const ipv4 = last && index === groups.length - 1 ? ipv4Bytes(group) : undefined;
    if (ipv4 !== undefined) bytes.push(...ipv4);
    else if (/^[0-9a-f]{1,4}$/i.test(group))
      bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff);
    else return undefined;
  }
  return bytes;
}

/** For messages: dotted decimal, or eight groups of hexadecimal digits that are not shortened. */
export function ipText(address: Uint8Array): string {
  if (address.length !== 16) return address.join('.');
  return Array.from({ length: 8 }, (_, i) => ((address[2 * i]! << 8) | address[2 * i + 1]!).toString(16)).join(':');
}

/**
 * Whether a certificate with these names may speak for `reference`, a DNS name or an IP address (RFC 9525).
 *
 * Only subjectAltName counts, never a common name. A wildcard stands for exactly the whole leftmost label and needs two labels behind
 * it. A dot at the end of the reference is ignored. IP addresses are compared as bytes with iPAddress entries only.
 */
export function matchesName(names: SubjectAltName | undefined, reference: string): boolean {
  if (names === undefined) return false;
  const address = ipBytes(reference);
  if (address !== undefined) return names.ipAddresses.some((entry) => equal(entry, address));
  const labels = dnsLabels(reference.endsWith('.') ? reference.slice(0, -1) : reference);
  // A name that ends in a number is an IP address to URL parsers, and one of the odd kind that the line above did not take.
  if (labels === undefined || /^\d+$/.test(labels[labels.length - 1]!)) return false;
  return names.dnsNames.some((entry) => matchesDnsName(entry, labels));
}

function matchesDnsName(presented: string, reference: readonly string[]): boolean {
  const wildcard = presented.startsWith('*.');
  const labels = dnsLabels(wildcard ? presented.slice(2) : presented);
  if (labels === undefined || (wildcard && labels.length < 2)) return false;
  return (wildcard ? reference.slice(1) : reference).join('.') === labels.join('.');
}
