import { equal, fromLatin1, toHex } from '../bytes/index.ts';
import type { CryptoProvider } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { signatureAlgorithm, UnsupportedAlgorithm } from './algorithms.ts';
import { describe, isSelfIssued, type ParsedCertificate } from './certificate.ts';
import { distributionPointNames, type ParsedCrl, parseCrl } from './crl.ts';
import { DerError } from './der.ts';
import { describeName } from './distinguished-name.ts';
import { type Refusal, refuse } from './refusal.ts';
import { isSigned, type Steps } from './signature.ts';
import { isoTime } from './time.ts';

/** One list, with what is known of its signature. */
class List {
  readonly crl: ParsedCrl;
  /** By the key (SubjectPublicKeyInfo) that was tried. Only issuers in valid paths come here, so there are few. */
  readonly #valid = new Map<string, boolean>();

  constructor(crl: ParsedCrl) {
    this.crl = crl;
  }

  isCurrent(now: number): boolean {
    return now >= this.crl.thisUpdate && now <= this.crl.nextUpdate;
  }

  covers(certificate: ParsedCertificate): boolean {
    const { kind, names } = this.crl.scope;
    const { basicConstraints, crlDistributionPoints } = certificate.extensions;
    if (kind !== 'all' && (kind === 'authorities') !== (basicConstraints?.ca === true)) return false;
    if (names === undefined) return true;
    const own = crlDistributionPoints === undefined ? [] : tryNames(crlDistributionPoints);
    return own.some((name) => names.some((other) => equal(name, other)));
  }

  /** Whether it is known, from a path that was judged before, that the owner of this key signed it. */
  isKnownSignedBy(spki: Uint8Array): boolean {
    return this.#valid.get(fromLatin1(spki)) === true;
  }

  /** Whether the owner of this key signed it. Asked of the provider once for each key. */
  *isSignedBy(spki: Uint8Array, crypto: CryptoProvider): Steps<boolean> {
    const name = fromLatin1(spki);
    const known = this.#valid.get(name);
    if (known !== undefined) return known;
    const valid = yield isSigned(this.crl, spki, crypto);
    this.#valid.set(name, valid);
    return valid;
  }
}

function tryNames(crlDistributionPoints: Uint8Array): readonly Uint8Array[] {
  try {
    return distributionPointNames(crlDistributionPoints);
  } catch (error) {
    if (error instanceof DerError) return [];
    throw error;
  }
}

/**
 * Certificate revocation lists of a verifier. Where there are any, each certificate of a path must be on none of its issuer, and the
 * issuer must have one that counts now: what is missing, late or forged refuses the path, as `X509_V_FLAG_CRL_CHECK_ALL` does.
 */
export class RevocationLists {
  readonly #crypto: CryptoProvider;
  readonly #byIssuer = new Map<string, List[]>();

  /** Throws {@link TlsUsageError} `verifier.bad_crl` when one cannot be read. */
  constructor(crypto: CryptoProvider, crls: readonly Uint8Array[]) {
    this.#crypto = crypto;
    for (const [index, der] of crls.entries()) {
      const list = new List(readCrl(der, index));
      const name = list.crl.issuerName;
      const others = this.#byIssuer.get(name);
      if (others === undefined) this.#byIssuer.set(name, [list]);
      else others.push(list);
    }
  }

  /** Judges a valid path, leaf first, at `now` (milliseconds since the epoch). */
  *check(path: readonly ParsedCertificate[], now: number): Steps<Refusal | undefined> {
    for (const [depth, certificate] of path.entries()) {
      const fault = yield* this.#checkOne(certificate, path[depth + 1], now);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  *#checkOne(
    certificate: ParsedCertificate,
    above: ParsedCertificate | undefined,
    now: number,
  ): Steps<Refusal | undefined> {
    const issuer = above ?? (isSelfIssued(certificate) ? certificate : undefined);
    const lists = this.#for(certificate, issuer);
    const [newest] = lists;
    if (newest === undefined) return this.#missing(certificate);
    const of = `the CRL of ${describeName(certificate.issuer)}`;
    if (issuer === undefined)
      return refuse('CRL_SIGNATURE_FAILURE', `${of} cannot be verified: its certificate is not in the chain`);
    if (issuer.extensions.keyUsage?.cRLSign === false)
      return refuse('KEYUSAGE_NO_CRL_SIGN', `${describe(issuer)} has a key usage without cRLSign, but issued ${of}`);
    const current = lists.filter((list) => list.isCurrent(now));
    const [best] = current;
    if (best === undefined) return outOfDate(newest.crl, of, now);
    // Of the same moment there may be several: each counts.
    for (const list of current.filter(({ crl }) => crl.thisUpdate === best.crl.thisUpdate)) {
      if (!(yield* list.isSignedBy(issuer.subjectPublicKeyInfo, this.#crypto)))
        return refuse(
          'CRL_SIGNATURE_FAILURE',
          `${of} is not signed by the key in ${describe(issuer)}${weakness(list.crl)}`,
        );
      if (list.crl.revokes(certificate.serial)) return revoked(certificate);
    }
    return undefined;
  }

  /** Lists that can say something about `certificate`, the newest first. */
  #for(certificate: ParsedCertificate, issuer: ParsedCertificate | undefined): List[] {
    const lists = this.#byIssuer.get(certificate.issuerName) ?? [];
    const keyIdentifier = issuer?.extensions.subjectKeyIdentifier;
    return lists
      .filter((list) => {
        const { unusable, authorityKeyIdentifier: wanted } = list.crl;
        // A list of another key of the same name.
        if (keyIdentifier !== undefined && wanted !== undefined && !equal(keyIdentifier, wanted)) return false;
        return unusable === undefined && list.covers(certificate);
      })
      .sort((a, b) => b.crl.thisUpdate - a.crl.thisUpdate);
  }

  #missing(certificate: ParsedCertificate): Refusal {
    const name = describeName(certificate.issuer);
    const unusable = this.#byIssuer.get(certificate.issuerName)?.find(({ crl }) => crl.unusable)?.crl.unusable;
    if (unusable !== undefined)
      return refuse(unusable.code, `${describe(certificate)}: the CRL of its issuer ${name} ${unusable.why}`);
    return refuse(
      'UNABLE_TO_GET_CRL',
      `${describe(certificate)}: there is no CRL of its issuer ${name} that is about it`,
    );
  }

  /**
   * How long a path that was accepted before stays so, as far as the lists tell: `undefined` when one of its certificates is revoked by
   * now, or none counts now. No signature is checked here: a list that no path was judged by since it came may refuse, but not vouch.
   */
  validity(path: readonly ParsedCertificate[], now: number): { notBefore: number; notAfter: number } | undefined {
    let notBefore = Number.NEGATIVE_INFINITY;
    let notAfter = Number.POSITIVE_INFINITY;
    for (const [depth, certificate] of path.entries()) {
      const issuer = path[depth + 1] ?? certificate;
      const current = this.#for(certificate, path[depth + 1]).filter((list) => list.isCurrent(now));
      if (current.some(({ crl }) => crl.revokes(certificate.serial))) return undefined;
      const best = current.find((list) => list.isKnownSignedBy(issuer.subjectPublicKeyInfo));
      if (best === undefined) return undefined;
      notBefore = Math.max(notBefore, best.crl.thisUpdate);
      notAfter = Math.min(notAfter, best.crl.nextUpdate);
    }
    return { notBefore, notAfter };
  }
}

function readCrl(der: Uint8Array, index: number): ParsedCrl {
  try {
    return parseCrl(der);
  } catch (cause) {
    if (!(cause instanceof DerError)) throw cause;
    throw new TlsUsageError('verifier.bad_crl', `crls[${index}] is not a CRL in DER: ${cause.message}`, cause);
  }
}

function outOfDate({ thisUpdate, nextUpdate }: ParsedCrl, of: string, now: number): Refusal {
  // Written so that a time which is not a number is late.
  if (now < thisUpdate)
    return refuse('CRL_NOT_YET_VALID', `${of} is not valid before ${isoTime(thisUpdate)}; it is now ${isoTime(now)}`);
  return refuse(
    'CRL_HAS_EXPIRED',
    `${of} should have been replaced by ${isoTime(nextUpdate)}; it is now ${isoTime(now)}`,
  );
}

function revoked(certificate: ParsedCertificate): Refusal {
  return refuse(
    'CERT_REVOKED',
    `${describe(certificate)} with the serial number ${toHex(certificate.serial)} was revoked`,
  );
}

function weakness({ signatureAlgorithm: identifier }: ParsedCrl): string {
  try {
    signatureAlgorithm(identifier);
    return '';
  } catch (error) {
    return error instanceof UnsupportedAlgorithm ? `: it has ${error.message}; SHA-256 or better is needed` : '';
  }
}
