import { equal, fromLatin1, latin1 } from '../bytes/index.ts';
import { type GeneralName, GeneralNameType, type NameConstraints, type ParsedCertificate } from './certificate.ts';
import { attributes, relativeNames } from './distinguished-name.ts';
import { dnsLabels } from './name-match.ts';
import { Oid } from './oids.ts';

/** `too_complex`: more comparisons than the budget allows. */
export type NameConstraintFault = 'not_permitted' | 'excluded' | 'not_understood' | 'too_complex';

/** Counts down what one verification may cost. */
export interface ComparisonBudget {
  comparisons: number;
}

/**
 * Checks one certificate against the name constraints of an authority above it (RFC 5280, section 4.2.1.10).
 *
 * DNS names and IP addresses are checked in full; directory names against permitted subtrees by the bytes of their parts. Any other
 * constraint refuses a certificate that has a name of its kind: what is not understood is never ignored.
 */
export function checkNameConstraints(
  constraints: NameConstraints,
  certificate: ParsedCertificate,
  budget: ComparisonBudget,
): NameConstraintFault | undefined {
  for (const name of namesOf(certificate)) {
    budget.comparisons -= constraints.permitted.length + constraints.excluded.length;
    if (budget.comparisons < 0) return 'too_complex';
    const fault = checkName(constraints, name);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function checkName({ permitted, excluded }: NameConstraints, name: GeneralName): NameConstraintFault | undefined {
  const permittedOfType = permitted.filter(({ type }) => type === name.type);
  const excludedOfType = excluded.filter(({ type }) => type === name.type);
  if (permittedOfType.length + excludedOfType.length === 0) return undefined;
  const kind = KINDS[name.type];
  if (kind === undefined || (excludedOfType.length > 0 && kind.touches === undefined)) return 'not_understood';
  if (excludedOfType.some((constraint) => kind.touches?.(constraint.content, name.content))) return 'excluded';
  if (
    permittedOfType.length > 0 &&
    !permittedOfType.some((constraint) => kind.contains(constraint.content, name.content))
  )
    return 'not_permitted';
  return undefined;
}

/** All names the constraints speak about: subjectAltName, the subject, and e-mail addresses in the subject. */
function* namesOf({ subject, extensions }: ParsedCertificate): Generator<GeneralName> {
  const { dnsNames, ipAddresses, others } = extensions.subjectAltName ?? { dnsNames: [], ipAddresses: [], others: [] };
  for (const name of dnsNames) yield { type: GeneralNameType.dNSName, content: latin1(name) };
  for (const content of ipAddresses) yield { type: GeneralNameType.iPAddress, content };
  yield* others;
  const fields = attributes(subject);
  if (fields.length > 0) yield { type: GeneralNameType.directoryName, content: subject };
  for (const { type, value } of fields)
    if (type === Oid.emailAddress) yield { type: GeneralNameType.rfc822Name, content: value.content };
}

interface Kind {
  /** Whether the whole name lies in a permitted subtree. When in doubt: no. */
  contains(constraint: Uint8Array, name: Uint8Array): boolean;
  /** Whether the name, or something it stands for, lies in an excluded subtree. When in doubt: yes. Absent: cannot be told. */
  touches?(constraint: Uint8Array, name: Uint8Array): boolean;
}

const KINDS: Readonly<Record<number, Kind>> = {
  [GeneralNameType.dNSName]: {
    contains: dnsContains,
    touches: dnsTouches,
  },
  [GeneralNameType.iPAddress]: {
    contains: (constraint, name) => ipContains(constraint, name) ?? false,
    touches: (constraint, name) => ipContains(constraint, name) ?? true,
  },
  // Equal names can be encoded differently, so that only presence in a subtree can be told by bytes, not absence.
  [GeneralNameType.directoryName]: { contains: directoryContains },
};

interface DnsSubtree {
  readonly labels: readonly string[];
  /** Written with a leading dot: the name itself is not meant, only what is below it. */
  readonly below: boolean;
}

/** An empty constraint means all names. `undefined`: not a DNS name. */
function dnsSubtree(constraint: Uint8Array): DnsSubtree | undefined {
  const text = fromLatin1(constraint);
  if (text === '') return { labels: [], below: false };
  const below = text.startsWith('.');
  const labels = dnsLabels(below ? text.slice(1) : text);
  return labels === undefined ? undefined : { labels, below };
}

function isUnder(labels: readonly string[], { labels: base, below }: DnsSubtree): boolean {
  if (labels.length < base.length + (below ? 1 : 0)) return false;
  return base.every((label, index) => label === labels[labels.length - base.length + index]);
}

function dnsContains(constraint: Uint8Array, name: Uint8Array): boolean {
  const subtree = dnsSubtree(constraint);
  const text = fromLatin1(name);
  const wildcard = text.startsWith('*.');
  const labels = dnsLabels(wildcard ? text.slice(2) : text);
  if (subtree === undefined || labels === undefined) return false;
  return isUnder(wildcard ? ['*', ...labels] : labels, subtree);
}

/** A wildcard touches a subtree also when that lies below the wildcard's own name. */
function dnsTouches(constraint: Uint8Array, name: Uint8Array): boolean {
  const subtree = dnsSubtree(constraint);
  const text = fromLatin1(name);
  const wildcard = text.startsWith('*.');
  const labels = dnsLabels(wildcard ? text.slice(2) : text);
  if (subtree === undefined || labels === undefined) return true;
  if (!wildcard) return isUnder(labels, subtree);
  return isUnder(['*', ...labels], subtree) || isUnder(subtree.labels, { labels, below: true });
}

/** The constraint is an address followed by a mask of the same length. `undefined`: one of the two is malformed. */
function ipContains(constraint: Uint8Array, address: Uint8Array): boolean | undefined {
  if (address.length !== 4 && address.length !== 16) return undefined;
  if ((constraint.length !== 8 && constraint.length !== 32) || !isPrefixMask(constraint)) return undefined;
  const half = constraint.length / 2;
  if (half !== address.length) return false;
  return address.every((byte, index) => ((byte ^ constraint[index]!) & constraint[half + index]!) === 0);
}

function isPrefixMask(constraint: Uint8Array): boolean {
  const bits = [...constraint.subarray(constraint.length / 2)]
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('');
  return /^1*0*$/.test(bits);
}

function directoryContains(constraint: Uint8Array, name: Uint8Array): boolean {
  const base = relativeNames(constraint);
  const full = relativeNames(name);
  return base.length <= full.length && base.every((part, index) => equal(part, full[index]!));
}
