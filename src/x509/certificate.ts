import { equal, fromLatin1 } from '../bytes/index.ts';
import { type BitString, checkInteger, contextTag, DerError, DerReader, Tag } from './der.ts';
import { comparableName, comparableParts, describeName, printable } from './distinguished-name.ts';
import { Oid } from './oids.ts';

/** A certificate, taken apart. All byte arrays are views into `der`. */
export interface ParsedCertificate {
  readonly der: Uint8Array;
  /** What the issuer signed: the TBSCertificate, DER. */
  readonly tbs: Uint8Array;
  readonly version: 1 | 2 | 3;
  /** Content of the INTEGER. */
  readonly serial: Uint8Array;
  /** AlgorithmIdentifier, DER; the same inside and outside of the signed part. */
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
  /** Names, DER. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** The same names, such that equal ones are equal strings, however they are encoded. */
  readonly issuerName: string;
  readonly subjectName: string;
  /** Milliseconds since the epoch; both ends belong to the validity. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly subjectPublicKeyInfo: Uint8Array;
  readonly extensions: Extensions;
}

/** The extensions that a verifier acts on. */
export interface Extensions {
  readonly basicConstraints: BasicConstraints | undefined;
  readonly keyUsage: KeyUsage | undefined;
  /** Object identifiers of the purposes. */
  readonly extKeyUsage: readonly string[] | undefined;
  readonly subjectAltName: SubjectAltName | undefined;
  readonly nameConstraints: NameConstraints | undefined;
  readonly authorityKeyIdentifier: Uint8Array | undefined;
  readonly subjectKeyIdentifier: Uint8Array | undefined;
  /** Not read yet: only lists for one distribution point ask for it. */
  readonly crlDistributionPoints: Uint8Array | undefined;
  /** TLS extensions that a server with this certificate must answer (RFC 7633). */
  readonly tlsFeatures: readonly number[];
  /** Object identifiers of extensions that are critical and that nobody here acts on. */
  readonly unknownCritical: readonly string[];
}

export interface BasicConstraints {
  readonly ca: boolean;
  /** How many intermediate certificates may stand between this one and the leaf. */
  readonly pathLength: number | undefined;
}

export interface KeyUsage {
  readonly digitalSignature: boolean;
  readonly keyCertSign: boolean;
  readonly cRLSign: boolean;
}

/** A GeneralName: its tag number (RFC 5280, section 4.2.1.6) and the content under it. */
export interface GeneralName {
  readonly type: number;
  readonly content: Uint8Array;
  /** Of a directoryName: its parts, such that equal ones are equal strings. */
  readonly parts?: readonly string[];
}

export const GeneralNameType = { rfc822Name: 1, dNSName: 2, directoryName: 4, iPAddress: 7 } as const;

export interface SubjectAltName {
  readonly dnsNames: readonly string[];
  /** 4 or 16 bytes each, unless the issuer made a mistake. */
  readonly ipAddresses: readonly Uint8Array[];
  readonly others: readonly GeneralName[];
}

export interface NameConstraints {
  readonly permitted: readonly GeneralName[];
  readonly excluded: readonly GeneralName[];
}

/** RFC 5280, section 4.1.2.2. */
const LONGEST_SERIAL = 20;

/**
 * Reads a certificate strictly: DER only, nothing behind it, every extension at most once, the signature algorithm the same inside
 * and outside, no serial number that is negative or longer than 20 bytes. Does not judge it. Throws `DerError`.
 */
export function parseCertificate(der: Uint8Array): ParsedCertificate {
  const file = new DerReader(der);
  const outer = file.enter();
  file.end();
  const tbs = outer.value(Tag.sequence).whole;
  const outerAlgorithm = outer.value(Tag.sequence).whole;
  const signature = outer.bitStringBytes();
  outer.end();

  const reader = new DerReader(tbs, 1).enter();
  const version = readVersion(reader);
  const serial = reader.integer();
  if (serial[0]! >= 0x80 || serial.length > LONGEST_SERIAL)
    throw new DerError(`a serial number that is negative or longer than ${LONGEST_SERIAL} bytes`);
  const signatureAlgorithm = reader.value(Tag.sequence).whole;
  if (!equal(signatureAlgorithm, outerAlgorithm))
    throw new DerError('the signature algorithm differs inside and outside of the signed part');
  const issuer = reader.value(Tag.sequence).whole;
  const issuerName = comparableName(issuer);
  const validity = reader.enter();
  const notBefore = validity.time();
  const notAfter = validity.time();
  validity.end();
  const subject = reader.value(Tag.sequence).whole;
  const subjectName = equal(subject, issuer) ? issuerName : comparableName(subject);
  const subjectPublicKeyInfo = reader.value(Tag.sequence).whole;
  if (version >= 2) {
    reader.optional(contextTag(1, false));
    reader.optional(contextTag(2, false));
  }
  const extensions = readExtensions(version === 3 ? reader.enterOptional(contextTag(3, true)) : undefined);
  reader.end();
  return {
    der,
    tbs,
    version,
    serial,
    signatureAlgorithm,
    signature,
    issuer,
    subject,
    issuerName,
    subjectName,
    notBefore,
    notAfter,
    subjectPublicKeyInfo,
    extensions,
  };
}

/** The subject (a Name, DER) of a certificate, without reading what follows it. Throws `DerError`. */
export function readSubject(der: Uint8Array): Uint8Array {
  const file = new DerReader(der);
  const outer = file.enter();
  file.end();
  const reader = outer.enter();
  reader.optional(contextTag(0, true));
  reader.any(); // serialNumber
  reader.any(); // signature
  reader.any(); // issuer
  reader.any(); // validity
  return reader.value(Tag.sequence).whole;
}

/** A search makes many messages about the same certificates, and shows one of them. */
const descriptions = new WeakMap<ParsedCertificate, string>();

/** How messages call a certificate: its subject, or the first name in subjectAltName when that is empty. */
export function describe(certificate: ParsedCertificate): string {
  const known = descriptions.get(certificate);
  if (known !== undefined) return known;
  const name = certificate.extensions.subjectAltName?.dnsNames[0];
  const useName = certificate.subject.length === 2 && name !== undefined;
  const called = useName ? printable(new TextEncoder().encode(name)) : describeName(certificate.subject);
  const description = `the certificate of ${called}`;
  descriptions.set(certificate, description);
  return description;
}

export function isSelfIssued(certificate: ParsedCertificate): boolean {
  return certificate.subjectName === certificate.issuerName;
}

function readVersion(reader: DerReader): 1 | 2 | 3 {
  const explicit = reader.enterOptional(contextTag(0, true));
  if (explicit === undefined) return 1;
  const value = explicit.smallInteger();
  explicit.end();
  if (value !== 1 && value !== 2) throw new DerError('a version that is neither 2 nor 3');
  return value === 1 ? 2 : 3;
}

/** RFC 5280 asks for more only when a policy is required, and what requires one (policyConstraints) is not understood and so refused. */
const HARMLESS: readonly string[] = [Oid.certificatePolicies, Oid.policyMappings, Oid.inhibitAnyPolicy];

/**
 * Extensions by object identifier, each at most once, and those that are critical. `outer` holds the list and nothing else; without it there
 * are none. Throws `DerError`.
 */
export function readExtensionList(outer: DerReader | undefined): {
  readonly values: ReadonlyMap<string, Uint8Array>;
  readonly critical: readonly string[];
} {
  const values = new Map<string, Uint8Array>();
  const critical: string[] = [];
  const list = outer?.enter();
  outer?.end();
  if (list?.done) throw new DerError('an empty list of extensions');
  while (list !== undefined && !list.done) {
    const extension = list.enter();
    const oid = extension.oid();
    if (extension.nextTag === Tag.boolean) {
      if (!extension.optionalBoolean()) throw new DerError('a default that is written out: critical FALSE');
      critical.push(oid);
    }
    const value = extension.octetString();
    extension.end();
    if (values.has(oid)) throw new DerError(`the extension ${oid} twice`);
    values.set(oid, value);
  }
  return { values, critical };
}

function readExtensions(outer: DerReader | undefined): Extensions {
  const { values, critical } = readExtensionList(outer);
  const take = <T>(oid: string, read: (reader: DerReader) => T): T | undefined => {
    const value = values.get(oid);
    if (value === undefined) return undefined;
    const reader = new DerReader(value, 4);
    const result = read(reader);
    reader.end();
    return result;
  };
  const extensions = {
    basicConstraints: take(Oid.basicConstraints, readBasicConstraints),
    keyUsage: take(Oid.keyUsage, (reader) => readKeyUsage(reader.bitString())),
    extKeyUsage: take(Oid.extKeyUsage, readExtKeyUsage),
    subjectAltName: take(Oid.subjectAltName, readSubjectAltName),
    nameConstraints: take(Oid.nameConstraints, readNameConstraints),
    authorityKeyIdentifier: take(Oid.authorityKeyIdentifier, readAuthorityKeyIdentifier),
    subjectKeyIdentifier: take(Oid.subjectKeyIdentifier, (reader) => reader.octetString()),
    crlDistributionPoints: values.get(Oid.cRLDistributionPoints),
    tlsFeatures: take(Oid.tlsFeature, readTlsFeatures) ?? [],
  };
  return { ...extensions, unknownCritical: critical.filter((oid) => !UNDERSTOOD.includes(oid)) };
}

const UNDERSTOOD: readonly string[] = [
  Oid.basicConstraints,
  Oid.keyUsage,
  Oid.extKeyUsage,
  Oid.subjectAltName,
  Oid.nameConstraints,
  Oid.authorityKeyIdentifier,
  Oid.subjectKeyIdentifier,
  Oid.tlsFeature,
  ...HARMLESS,
];

function readBasicConstraints(outer: DerReader): BasicConstraints {
  const reader = outer.enter();
  const ca = reader.optionalBoolean();
  const pathLength = reader.done ? undefined : reader.smallInteger();
  reader.end();
  if (!ca && pathLength !== undefined) throw new DerError('a path length without being a CA');
  return { ca, pathLength };
}

/** RFC 5280, section 4.2.1.3: bit 0 is digitalSignature, bit 5 keyCertSign, bit 6 cRLSign, counted from the most significant. */
function readKeyUsage({ bytes }: BitString): KeyUsage {
  const first = bytes[0] ?? 0;
  return {
    digitalSignature: (first & 0x80) !== 0,
    keyCertSign: (first & 0x04) !== 0,
    cRLSign: (first & 0x02) !== 0,
  };
}

function readExtKeyUsage(outer: DerReader): string[] {
  const reader = outer.enter();
  const purposes: string[] = [];
  do purposes.push(reader.oid());
  while (!reader.done);
  return purposes;
}

function readTlsFeatures(outer: DerReader): number[] {
  const reader = outer.enter();
  const features: number[] = [];
  while (!reader.done) features.push(reader.smallInteger());
  return features;
}

function readGeneralName(reader: DerReader): GeneralName {
  const { tag, content } = reader.any();
  const type = tag & 0x1f;
  if (tag >> 6 !== 2 || type > 8) throw new DerError('not a GeneralName');
  // otherName, x400Address, directoryName and ediPartyName are constructed, the others are strings.
  const constructed = type === 0 || (type >= 3 && type <= 5);
  if (((tag & 0x20) !== 0) !== constructed) throw new DerError('a GeneralName in the wrong form');
  return type === GeneralNameType.directoryName
    ? { type, content, parts: comparableParts(content) }
    : { type, content };
}

function readSubjectAltName(outer: DerReader): SubjectAltName {
  const reader = outer.enter();
  const dnsNames: string[] = [];
  const ipAddresses: Uint8Array[] = [];
  const others: GeneralName[] = [];
  do {
    const name = readGeneralName(reader);
    if (name.type === GeneralNameType.dNSName) dnsNames.push(fromLatin1(name.content));
    else if (name.type === GeneralNameType.iPAddress) ipAddresses.push(name.content);
    else others.push(name);
  } while (!reader.done);
  return { dnsNames, ipAddresses, others };
}

function readNameConstraints(outer: DerReader): NameConstraints {
  const reader = outer.enter();
  const permitted = readSubtrees(reader.enterOptional(contextTag(0, true)));
  const excluded = readSubtrees(reader.enterOptional(contextTag(1, true)));
  reader.end();
  if (permitted.length + excluded.length === 0) throw new DerError('name constraints that constrain nothing');
  return { permitted, excluded };
}

/** `minimum` and `maximum` must be absent in certificates (RFC 5280, section 4.2.1.10). */
function readSubtrees(reader: DerReader | undefined): GeneralName[] {
  const names: GeneralName[] = [];
  while (reader !== undefined && !reader.done) {
    const subtree = reader.enter();
    names.push(readGeneralName(subtree));
    subtree.end();
  }
  return names;
}

/** The key identifier in an authorityKeyIdentifier. Throws `DerError`. */
export function readAuthorityKeyIdentifier(outer: DerReader): Uint8Array | undefined {
  const reader = outer.enter();
  const keyIdentifier = reader.optional(contextTag(0, false))?.content;
  reader.optional(contextTag(1, true));
  const serial = reader.optional(contextTag(2, false));
  if (serial !== undefined) checkInteger(serial.content);
  reader.end();
  return keyIdentifier;
}
