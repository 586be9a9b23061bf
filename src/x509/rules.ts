import { keyFacts, UnsupportedAlgorithm } from './algorithms.ts';
import { describe, isSelfIssued, type ParsedCertificate } from './certificate.ts';
import { DerError } from './der.ts';
import type { NameChecks } from './name-constraints.ts';
import { Oid } from './oids.ts';
import { type Refusal, refuse } from './refusal.ts';
import { isoTime } from './time.ts';

/** What the peer wants to be trusted for. */
export interface Purpose {
  readonly role: 'server' | 'client';
  /** Milliseconds since the epoch. */
  readonly now: number;
}

const SMALLEST_RSA_BITS = 2048;

/**
 * The rules for the peer's own certificate (RFC 5280, section 6.1), the host name excepted.
 *
 * @spec rfc9846#section-4.5.1.2
 */
export function checkLeaf(leaf: ParsedCertificate, purpose: Purpose): Refusal | undefined {
  return (
    checkEach(leaf, purpose) ??
    (leaf.extensions.keyUsage?.digitalSignature === false
      ? refuse(
          'KEYUSAGE_NO_DIGITAL_SIGNATURE',
          `${describe(leaf)} has a key usage without digitalSignature, which TLS 1.3 needs`,
        )
      : undefined) ??
    checkKey(leaf, 'EE_KEY_TOO_SMALL')
  );
}

/**
 * The rules for a certificate that issues: `below` are the certificates under it, from the leaf to the one that it issued.
 * `isAnchor`: a certificate of version 1 or 2 cannot say that it is an authority, so that only a trust anchor may be one.
 */
export function checkIssuer(
  issuer: ParsedCertificate,
  below: readonly ParsedCertificate[],
  purpose: Purpose,
  isAnchor: boolean,
  names: NameChecks,
): Refusal | undefined {
  return (
    checkEach(issuer, purpose) ??
    checkAuthority(issuer, below, isAnchor) ??
    checkKey(issuer, 'CA_KEY_TOO_SMALL') ??
    checkNames(issuer, below, names)
  );
}

function checkEach(certificate: ParsedCertificate, { role, now }: Purpose): Refusal | undefined {
  const { extKeyUsage, unknownCritical } = certificate.extensions;
  const [unknown] = unknownCritical;
  if (unknown !== undefined)
    return refuse(
      'UNHANDLED_CRITICAL_EXTENSION',
      `${describe(certificate)} has the critical extension ${unknown}, which is not supported`,
    );
  const wanted = role === 'server' ? 'serverAuth' : 'clientAuth';
  if (extKeyUsage !== undefined && !extKeyUsage.includes(Oid[wanted]) && !extKeyUsage.includes(Oid.anyExtendedKeyUsage))
    return refuse(
      'INVALID_PURPOSE',
      `${describe(certificate)} has an extended key usage without ${wanted}, which a TLS ${role} needs`,
    );
  // Written so that a time which is not a number passes neither.
  if (!(now <= certificate.notAfter))
    return refuse(
      'CERT_HAS_EXPIRED',
      `${describe(certificate)} expired at ${isoTime(certificate.notAfter)}; it is now ${isoTime(now)}`,
    );
  if (!(now >= certificate.notBefore))
    return refuse(
      'CERT_NOT_YET_VALID',
      `${describe(certificate)} is not valid before ${isoTime(certificate.notBefore)}; it is now ${isoTime(now)}`,
    );
  return undefined;
}

function checkAuthority(
  issuer: ParsedCertificate,
  below: readonly ParsedCertificate[],
  isAnchor: boolean,
): Refusal | undefined {
  const { basicConstraints, keyUsage } = issuer.extensions;
  // RFC 5280, section 4.1.2.4: without a name, nothing could tell one such authority from another.
  if (issuer.subjectName === '')
    return refuse('ISSUER_NAME_EMPTY', `${describe(below[below.length - 1]!)} was issued by one without a name`);
  const mayIssue = issuer.version === 3 ? basicConstraints?.ca === true : isAnchor;
  if (!mayIssue)
    return refuse('INVALID_CA', `${describe(issuer)} issued another one without being a CA (basicConstraints CA:TRUE)`);
  if (keyUsage?.keyCertSign === false)
    return refuse(
      'KEYUSAGE_NO_CERTSIGN',
      `${describe(issuer)} issued another one, but its key usage lacks keyCertSign`,
    );
  // Self-issued certificates do not count (RFC 5280, section 4.2.1.9); the leaf does not either, whoever issued it.
  const intermediates = below.slice(1).filter((certificate) => !isSelfIssued(certificate)).length;
  const allowed = basicConstraints?.pathLength;
  if (allowed !== undefined && intermediates > allowed)
    return refuse(
      'PATH_LENGTH_EXCEEDED',
      `${describe(issuer)} allows ${allowed} intermediate certificates below it, there are ${intermediates}`,
    );
  return undefined;
}

/** Whether the key of a certificate is of a kind and size that counts. */
export function checkKey(
  certificate: ParsedCertificate,
  tooSmall: 'EE_KEY_TOO_SMALL' | 'CA_KEY_TOO_SMALL',
): Refusal | undefined {
  try {
    const { kind, bits } = keyFacts(certificate.subjectPublicKeyInfo);
    if ((kind === 'rsa' || kind === 'rsa-pss') && bits < SMALLEST_RSA_BITS)
      return refuse(
        tooSmall,
        `${describe(certificate)} has an RSA key of ${bits} bits; at least ${SMALLEST_RSA_BITS} are needed`,
      );
    return undefined;
  } catch (error) {
    if (error instanceof UnsupportedAlgorithm)
      return refuse('UNSUPPORTED_PUBLIC_KEY', `${describe(certificate)} has ${error.message}, which is not supported`);
    if (error instanceof DerError)
      return refuse(
        'MALFORMED_CERTIFICATE',
        `${describe(certificate)} has a public key that cannot be read: ${error.message}`,
      );
    throw error;
  }
}

function checkNames(
  issuer: ParsedCertificate,
  below: readonly ParsedCertificate[],
  names: NameChecks,
): Refusal | undefined {
  const constraints = issuer.extensions.nameConstraints;
  if (constraints === undefined) return undefined;
  for (const [index, certificate] of below.entries()) {
    // RFC 5280, section 6.1.3 (b): not for self-issued certificates, unless it is the leaf.
    if (index > 0 && isSelfIssued(certificate)) continue;
    const fault = names.check(constraints, certificate);
    if (fault === 'not_permitted')
      return refuse(
        'PERMITTED_VIOLATION',
        `${describe(certificate)} has a name outside of what ${describe(issuer)} permits`,
      );
    if (fault === 'excluded')
      return refuse('EXCLUDED_VIOLATION', `${describe(certificate)} has a name that ${describe(issuer)} excludes`);
    if (fault === 'not_understood')
      return refuse(
        'UNSUPPORTED_CONSTRAINT_TYPE',
        `${describe(issuer)} constrains names of a kind that ${describe(certificate)} has and that is not supported`,
      );
    if (fault === 'too_complex')
      return refuse('TOO_MANY_CHECKS', `${describe(issuer)} has more name constraints than are reasonable`);
  }
  return undefined;
}
