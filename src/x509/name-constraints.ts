import { fromLatin1, latin1 } from '../bytes/index.ts';
import { type GeneralName, GeneralNameType, type NameConstraints, type ParsedCertificate } from './certificate.ts';
import { attributes, comparableParts } from './distinguished-name.ts';
import { dnsLabels } from './name-match.ts';
import { Oid } from './oids.ts';

/** `too_complex`: more names and constraints than the budget allows. */
export type NameConstraintFault = 'not_permitted' | 'excluded' | 'not_understood' | 'too_complex';

/** Counts down what names may cost in one verification: see {@link unitsOf}. */
export interface NameBudget {
  units: number;
}

/** The work of looking a name up, or of reading a constraint, in units of less than a microsecond. */
function unitsOf({ content }: GeneralName): number {
  return 1 + (content.length >> 3);
}

/**
 * Checks certificates against the name constraints of authorities above them (RFC 5280, section 4.2.1.10): DNS names, IP addresses, e-mail
 * addresses and directory names. Any other constraint, critical or not, refuses a certificate that has a name of its kind: what is not
 * understood is never ignored.
 *
 * Constraints are put into tables once, so that a name is looked up among thousands of them in one step.
 */
export class NameChecks {
  readonly #budget: NameBudget;
  readonly #tables = new Map<NameConstraints, Tables>();

  constructor(budget: NameBudget) {
    this.#budget = budget;
  }

  check(constraints: NameConstraints, certificate: ParsedCertificate): NameConstraintFault | undefined {
    let tables = this.#tables.get(constraints);
    if (tables === undefined) {
      if (!this.#afford(constraints.permitted) || !this.#afford(constraints.excluded)) return 'too_complex';
      tables = new Tables(constraints);
      this.#tables.set(constraints, tables);
    }
    for (const name of namesOf(certificate)) {
      if (!this.#afford([name])) return 'too_complex';
      const fault = tables.check(name);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #afford(names: readonly GeneralName[]): boolean {
    for (const name of names) this.#budget.units -= unitsOf(name);
    return this.#budget.units >= 0;
  }
}

/** All names the constraints speak about: subjectAltName, the subject, and e-mail addresses in the subject. */
function* namesOf({ subject, extensions }: ParsedCertificate): Generator<GeneralName> {
  const { dnsNames, ipAddresses, others } = extensions.subjectAltName ?? { dnsNames: [], ipAddresses: [], others: [] };
  for (const name of dnsNames) yield { type: GeneralNameType.dNSName, content: latin1(name) };
  for (const content of ipAddresses) yield { type: GeneralNameType.iPAddress, content };
  yield* others;
  const fields = attributes(subject);
  if (fields.length > 0)
    yield { type: GeneralNameType.directoryName, content: subject, parts: comparableParts(subject) };
  for (const { type, value } of fields)
    if (type === Oid.emailAddress) yield { type: GeneralNameType.rfc822Name, content: value.content };
}

/** Subtrees of one kind of name. */
interface Table {
  add(constraint: GeneralName): void;
  /** Whether the whole name lies in one of the subtrees. When in doubt: no. */
  contains(name: GeneralName): boolean;
  /** Whether the name, or something it stands for, lies in one of the subtrees. When in doubt: yes. */
  touches(name: GeneralName): boolean;
}

class Tables {
  readonly #permitted: ReadonlyMap<number, Table | undefined>;
  readonly #excluded: ReadonlyMap<number, Table | undefined>;

  constructor({ permitted, excluded }: NameConstraints) {
    this.#permitted = tablesOf(permitted);
    this.#excluded = tablesOf(excluded);
  }

  check(name: GeneralName): NameConstraintFault | undefined {
    const { type } = name;
    if (!this.#permitted.has(type) && !this.#excluded.has(type)) return undefined;
    if (KINDS[type] === undefined) return 'not_understood';
    if (this.#excluded.get(type)?.touches(name)) return 'excluded';
    return this.#permitted.get(type)?.contains(name) === false ? 'not_permitted' : undefined;
  }
}

/** By kind of name; `undefined`: there are constraints, but of a kind that is not understood. */
function tablesOf(constraints: readonly GeneralName[]): ReadonlyMap<number, Table | undefined> {
  const tables = new Map<number, Table | undefined>();
  for (const constraint of constraints) {
    const { type } = constraint;
    if (!tables.has(type)) tables.set(type, KINDS[type]?.());
    tables.get(type)?.add(constraint);
  }
  return tables;
}

const KINDS: Readonly<Record<number, () => Table>> = {
  [GeneralNameType.dNSName]: () => new DnsTable(),
  [GeneralNameType.iPAddress]: () => new IpTable(),
  [GeneralNameType.rfc822Name]: () => new MailTable(),
  [GeneralNameType.directoryName]: () => new DirectoryTable(),
};

/** DNS names. With a leading dot, the name itself is not meant, only what is below it; an empty one means all names. */
class HostSet {
  readonly #at = new Set<string>();
  readonly #below = new Set<string>();
  /** Of names without a leading dot: what is left when their first label is taken away. */
  readonly #parents = new Set<string>();
  /** Something that is no DNS name was added. */
  isBroken = false;

  add(text: string): void {
    const below = text.startsWith('.');
    const host = text === '' ? '' : hostOf(below ? text.slice(1) : text);
    if (host === undefined) {
      this.isBroken = true;
      return;
    }
    (below ? this.#below : this.#at).add(host);
    const [parent] = ancestors(host);
    if (!below && parent !== undefined) this.#parents.add(parent);
  }

  /** Whether this very name was added. */
  hasExactly(host: string): boolean {
    return this.#at.has(host);
  }

  /** Whether a name was added with a leading dot that this one is below of. */
  hasAbove(host: string): boolean {
    return ancestors(host).some((ancestor) => this.#below.has(ancestor));
  }

  /** Whether a name was added, with a leading dot or not, that this one is in. */
  covers(host: string): boolean {
    return this.#at.has(host) || ancestors(host).some((one) => this.#below.has(one) || this.#at.has(one));
  }

  /** Whether a name was added that is one label longer than this one. */
  hasChild(host: string): boolean {
    return this.#parents.has(host);
  }
}

/** In lower case; `undefined` when it is no DNS name. */
function hostOf(text: string): string | undefined {
  return dnsLabels(text)?.join('.');
}

/** Of `a.b`: `b`, and the root, which is empty. */
function ancestors(host: string): string[] {
  if (host === '') return [];
  const found: string[] = [];
  for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) found.push(host.slice(dot + 1));
  return [...found, ''];
}

class DnsTable implements Table {
  readonly #hosts = new HostSet();

  add({ content }: GeneralName): void {
    this.#hosts.add(fromLatin1(content));
  }

  contains({ content }: GeneralName): boolean {
    const { host, wildcard } = presented(content);
    return host !== undefined && this.#hosts.covers(wildcard ? `*.${host}` : host);
  }

  /** A wildcard touches a subtree also when that begins at one of the names that it stands for. */
  touches({ content }: GeneralName): boolean {
    const { host, wildcard } = presented(content);
    if (host === undefined || this.#hosts.isBroken) return true;
    if (!wildcard) return this.#hosts.covers(host);
    return this.#hosts.covers(`*.${host}`) || this.#hosts.hasChild(host);
  }
}

/** `host`: without the wildcard, and `undefined` when it is no DNS name. */
function presented(content: Uint8Array): { readonly host: string | undefined; readonly wildcard: boolean } {
  const text = fromLatin1(content);
  const wildcard = text.startsWith('*.');
  return { host: hostOf(wildcard ? text.slice(2) : text), wildcard };
}

/** A constraint is one mailbox, all mailboxes at a host, or those at all hosts below a name with a leading dot. */
class MailTable implements Table {
  readonly #mailboxes = new Set<string>();
  readonly #hosts = new HostSet();
  #isBroken = false;

  add({ content }: GeneralName): void {
    const text = fromLatin1(content);
    if (!text.includes('@')) {
      // What an empty one means is nowhere said.
      if (text === '') this.#isBroken = true;
      else this.#hosts.add(text);
      return;
    }
    const mailbox = mailboxOf(text);
    if (mailbox === undefined) this.#isBroken = true;
    else this.#mailboxes.add(mailbox.whole);
  }

  contains({ content }: GeneralName): boolean {
    const mailbox = mailboxOf(fromLatin1(content));
    return mailbox !== undefined && this.#has(mailbox);
  }

  touches({ content }: GeneralName): boolean {
    const mailbox = mailboxOf(fromLatin1(content));
    return mailbox === undefined || this.#isBroken || this.#hosts.isBroken || this.#has(mailbox);
  }

  #has({ whole, host }: Mailbox): boolean {
    return this.#mailboxes.has(whole) || this.#hosts.hasExactly(host) || this.#hosts.hasAbove(host);
  }
}

interface Mailbox {
  readonly whole: string;
  readonly host: string;
}

/** Case counts in front of the `@`, and not behind it (RFC 5280, section 7.5). Quoted local parts are not understood. */
function mailboxOf(text: string): Mailbox | undefined {
  const [local, domain, ...more] = text.split('@');
  const host = domain === undefined ? undefined : hostOf(domain);
  if (!local || host === undefined || more.length > 0 || !/^[\x21-\x7e]+$/.test(local) || local.includes('"'))
    return undefined;
  return { whole: `${local}@${host}`, host };
}

/** A constraint is an address followed by a mask of the same length, whose ones all come first. */
class IpTable implements Table {
  /** Networks by the length of their addresses and masks. */
  readonly #networks = new Map<string, { readonly bytes: number; readonly bits: number; readonly set: Set<string> }>();
  #isBroken = false;

  add({ content }: GeneralName): void {
    const bytes = content.length / 2;
    const bits = bytes === 4 || bytes === 16 ? prefixLength(content.subarray(bytes)) : undefined;
    if (bits === undefined) {
      this.#isBroken = true;
      return;
    }
    const key = `${bytes}/${bits}`;
    const networks = this.#networks.get(key) ?? { bytes, bits, set: new Set() };
    this.#networks.set(key, networks);
    networks.set.add(masked(content.subarray(0, bytes), bits));
  }

  contains({ content }: GeneralName): boolean {
    for (const { bytes, bits, set } of this.#networks.values())
      if (bytes === content.length && set.has(masked(content, bits))) return true;
    return false;
  }

  touches(name: GeneralName): boolean {
    const { length } = name.content;
    return this.#isBroken || (length !== 4 && length !== 16) || this.contains(name);
  }
}

/** `undefined`: a mask with holes. */
function prefixLength(mask: Uint8Array): number | undefined {
  const bits = [...mask].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return /^1*0*$/.test(bits) ? bits.replaceAll('0', '').length : undefined;
}

function masked(address: Uint8Array, bits: number): string {
  return fromLatin1(address.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - 8 * index)))));
}

/** A name is in a subtree when it begins with the same parts. */
class DirectoryTable implements Table {
  /** By how many parts they have. */
  readonly #bases = new Map<number, Set<string>>();

  add({ parts = [] }: GeneralName): void {
    const bases = this.#bases.get(parts.length) ?? new Set();
    this.#bases.set(parts.length, bases);
    bases.add(parts.join(''));
  }

  contains({ parts = [] }: GeneralName): boolean {
    let begin = '';
    for (let length = 0; length <= parts.length; length++) {
      if (this.#bases.get(length)?.has(begin)) return true;
      begin += parts[length];
    }
    return false;
  }

  touches(name: GeneralName): boolean {
    return this.contains(name);
  }
}
