import { equal, fromLatin1 } from '../bytes/index.ts';
import { readAuthorityKeyIdentifier, readExtensionList } from './certificate.ts';
import { contextTag, DerError, DerReader, Tag } from './der.ts';
import { comparableName } from './distinguished-name.ts';
import { Oid } from './oids.ts';
import type { RefusalCode } from './refusal.ts';

/** A certificate revocation list, taken apart. All byte arrays are views into what it was read from. */
export interface ParsedCrl {
  /** What the issuer signed: the TBSCertList, DER. */
  readonly tbs: Uint8Array;
  /** AlgorithmIdentifier, DER; the same inside and outside of the signed part. */
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
  /** As `subjectName` of a certificate. */
  readonly issuerName: string;
  /** Milliseconds since the epoch. A list that does not say when the next one comes never expires. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly authorityKeyIdentifier: Uint8Array | undefined;
  /** Which certificates of the issuer it is about. */
  readonly scope: Scope;
  /** Why no certificate can be judged by it: it asks for something that this verifier does not do. */
  readonly unusable: { readonly code: RefusalCode; readonly why: string } | undefined;
  /** Whether the certificate with this serial number (content of the INTEGER) is revoked. */
  revokes(serial: Uint8Array): boolean;
}

export interface Scope {
  readonly kind: 'all' | 'end_entities' | 'authorities';
  /** GeneralNames (DER) of the distribution point: only certificates that name one of them are meant. `undefined`: it is for no one point. */
  readonly names: readonly Uint8Array[] | undefined;
}

const EVERYTHING: Scope = { kind: 'all', names: undefined };

/** RFC 5280, section 5.3.1: the entry takes a certificate off the list, which only a delta CRL needs to say. */
const REMOVE_FROM_CRL = 8;

/**
 * Reads a CertificateList (RFC 5280, section 5) strictly, up to 16 MiB. What it cannot act on makes the list unusable, never less strict.
 * Throws `DerError`.
 */
export function parseCrl(der: Uint8Array): ParsedCrl {
  const file = new DerReader(der);
  const outer = file.enter();
  file.end();
  const tbs = outer.value(Tag.sequence).whole;
  const outerAlgorithm = outer.value(Tag.sequence).whole;
  const signature = outer.bitStringBytes();
  outer.end();

  const reader = new DerReader(tbs, 1).enter();
  const isVersion2 = reader.nextTag === Tag.integer;
  if (isVersion2 && reader.smallInteger() !== 1) throw new DerError('a version of a CRL that is not 2');
  const signatureAlgorithm = reader.value(Tag.sequence).whole;
  if (!equal(signatureAlgorithm, outerAlgorithm))
    throw new DerError('the signature algorithm differs inside and outside of the signed part');
  const issuerName = comparableName(reader.value(Tag.sequence).whole);
  const thisUpdate = reader.time();
  const hasNext = reader.nextTag === Tag.utcTime || reader.nextTag === Tag.generalizedTime;
  const nextUpdate = hasNext ? reader.time() : Number.POSITIVE_INFINITY;
  const entries = readEntries(reader.enterOptional(Tag.sequence), isVersion2);
  const { values, critical } = readExtensionList(isVersion2 ? reader.enterOptional(contextTag(0, true)) : undefined);
  reader.end();

  const keyIdentifier = values.get(Oid.authorityKeyIdentifier);
  const distributionPoint = values.get(Oid.issuingDistributionPoint);
  const scope = distributionPoint === undefined ? EVERYTHING : readIssuingDistributionPoint(distributionPoint);
  const unknown = [...critical, ...entries.critical].find((oid) => !UNDERSTOOD.includes(oid));
  return {
    tbs,
    signatureAlgorithm,
    signature,
    issuerName,
    thisUpdate,
    nextUpdate,
    authorityKeyIdentifier: keyIdentifier && readAuthorityKeyIdentifier(new DerReader(keyIdentifier, 4)),
    scope: 'why' in scope ? EVERYTHING : scope,
    unusable: values.has(Oid.deltaCRLIndicator)
      ? { code: 'UNABLE_TO_GET_CRL', why: 'is a delta CRL, which is not supported: use complete ones' }
      : 'why' in scope
        ? { code: 'UNABLE_TO_GET_CRL', why: scope.why }
        : unknown !== undefined
          ? {
              code: 'UNHANDLED_CRITICAL_CRL_EXTENSION',
              why: `has the critical extension ${unknown}, which is not supported`,
            }
          : undefined,
    revokes: (serial) => entries.revoked.has(fromLatin1(serial)),
  };
}

const UNDERSTOOD: readonly string[] = [
  Oid.authorityKeyIdentifier,
  Oid.cRLNumber,
  Oid.issuingDistributionPoint,
  Oid.cRLReasons,
  Oid.invalidityDate,
];

function readEntries(
  list: DerReader | undefined,
  mayExtend: boolean,
): { readonly revoked: ReadonlySet<string>; readonly critical: ReadonlySet<string> } {
  const revoked = new Set<string>();
  const critical = new Set<string>();
  while (list !== undefined && !list.done) {
    const entry = list.enter();
    const serial = entry.integer();
    entry.time();
    let removed = false;
    if (!entry.done && mayExtend) {
      const extensions = readExtensionList(entry);
      for (const oid of extensions.critical) critical.add(oid);
      const reason = extensions.values.get(Oid.cRLReasons);
      removed = reason !== undefined && readReason(reason) === REMOVE_FROM_CRL;
    }
    entry.end();
    if (!removed) revoked.add(fromLatin1(serial));
  }
  return { revoked, critical };
}

function readReason(value: Uint8Array): number {
  const reader = new DerReader(value, 6);
  const { content } = reader.value(Tag.enumerated);
  reader.end();
  if (content.length !== 1) throw new DerError('a reason of a revocation that does not exist');
  return content[0]!;
}

/**
 * ```
 * IssuingDistributionPoint ::= SEQUENCE {
 *      distributionPoint          [0] DistributionPointName OPTIONAL,
 *      onlyContainsUserCerts      [1] BOOLEAN DEFAULT FALSE,
 *      onlyContainsCACerts        [2] BOOLEAN DEFAULT FALSE,
 *      onlySomeReasons            [3] ReasonFlags OPTIONAL,
 *      indirectCRL                [4] BOOLEAN DEFAULT FALSE,
 *      onlyContainsAttributeCerts [5] BOOLEAN DEFAULT FALSE }
 * ```
 * A list for some reasons only says nothing about the others.
 */
function readIssuingDistributionPoint(value: Uint8Array): Scope | { readonly why: string } {
  const outer = new DerReader(value, 4);
  const reader = outer.enter();
  outer.end();
  const point = reader.enterOptional(contextTag(0, true));
  const names = point && readFullName(point);
  const users = flag(reader, 1);
  const authorities = flag(reader, 2);
  const someReasons = reader.optional(contextTag(3, false)) !== undefined;
  const indirect = flag(reader, 4);
  const attributeCerts = flag(reader, 5);
  reader.end();
  if (indirect) return { why: 'is an indirect CRL, which is not supported' };
  if (point !== undefined && names === undefined)
    return { why: 'is for a distribution point with a relative name, which is not supported' };
  if (someReasons) return { why: 'is for some reasons of revocation, which is not supported: use complete ones' };
  if (attributeCerts || (users && authorities)) return { why: 'is for no certificates that a TLS peer may have' };
  return { kind: users ? 'end_entities' : authorities ? 'authorities' : 'all', names };
}

function flag(reader: DerReader, number: number): boolean {
  const content = reader.optional(contextTag(number, false))?.content;
  if (content === undefined) return false;
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw new DerError('a BOOLEAN not 00 or ff');
  return content[0] === 0xff;
}

/** GeneralNames (DER) of a DistributionPointName; `undefined` when its name is relative to the issuer. */
function readFullName(point: DerReader): Uint8Array[] | undefined {
  const list = point.enterOptional(contextTag(0, true));
  if (list === undefined) {
    point.any();
    point.end();
    return undefined;
  }
  point.end();
  const names: Uint8Array[] = [];
  do names.push(list.any().whole);
  while (!list.done);
  return names;
}

/**
 * The GeneralNames (DER) under which a certificate says that its CRLs are found: of those points that have all reasons, and CRLs of the
 * certificate's own issuer. `extension` is the value of cRLDistributionPoints. Throws `DerError`.
 */
export function distributionPointNames(extension: Uint8Array): Uint8Array[] {
  const outer = new DerReader(extension, 4);
  const points = outer.enter();
  outer.end();
  const names: Uint8Array[] = [];
  while (!points.done) {
    const point = points.enter();
    const name = point.enterOptional(contextTag(0, true));
    const own = name && readFullName(name);
    if (point.done) names.push(...(own ?? []));
  }
  return names;
}
