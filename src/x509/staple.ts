import { equal } from '../bytes/index.ts';
import type { CryptoProvider } from '../crypto/index.ts';
import { describe, type ParsedCertificate, parseCertificate } from './certificate.ts';
import { DerError, DerReader, Tag } from './der.ts';
import { type BasicResponse, type CertificateId, parseOcspResponse, type SingleResponse } from './ocsp.ts';
import { Oid } from './oids.ts';
import { type Refusal, refuse } from './refusal.ts';
import { checkKey } from './rules.ts';
import { isSigned, type Steps } from './signature.ts';
import { isoTime } from './time.ts';

/** How far the clocks of a responder and of us may be apart. */
const SKEW_MS = 5 * 60_000;
/** How long a response counts that does not say when the next one comes. */
const DEFAULT_LIFETIME_MS = 24 * 3_600_000;
/** Certificates in a response that are read, and of those that may answer, how many are tried: two signatures are checked for each. */
const MAX_CERTIFICATES = 8;
const MAX_RESPONDERS = 3;
/** The TLS extension `status_request`, as it stands in a certificate that must be stapled (RFC 7633). */
const STATUS_REQUEST = 5;

interface ReadResponse extends BasicResponse {
  /** Those of its certificates that can be read. */
  readonly delegates: readonly ParsedCertificate[];
}

/** What the peer stapled to its certificate: read once, and not before there is a path; judged for each path that is found. */
export class Staple {
  readonly #crypto: CryptoProvider;
  readonly #der: Uint8Array | undefined;
  readonly #wasAskedFor: boolean;
  #read: ReadResponse | 'none' | 'error' | Refusal | undefined;

  /** `wasAskedFor`: only then a peer can be blamed for not having one. */
  constructor(crypto: CryptoProvider, der: Uint8Array | undefined, wasAskedFor: boolean) {
    this.#crypto = crypto;
    this.#der = der;
    this.#wasAskedFor = wasAskedFor;
  }

  /** Judges a valid path, leaf first, at `now` (milliseconds since the epoch). A leaf that is itself trusted is beyond all issuers. */
  *check(path: readonly ParsedCertificate[], now: number): Steps<Refusal | undefined> {
    const [leaf, issuer] = path as [ParsedCertificate, ...ParsedCertificate[]];
    if (issuer === undefined) return undefined;
    this.#read ??= read(this.#der);
    const response = this.#read;
    if (response === 'none' || response === 'error') {
      const must = path.some(({ extensions }) => extensions.tlsFeatures.includes(STATUS_REQUEST));
      if (!must || !this.#wasAskedFor) return undefined;
      return response === 'none'
        ? refuse('OCSP_VERIFY_NEEDED', `${describe(leaf)} must come with a stapled OCSP response, and came without`)
        : refuse('OCSP_NO_RESPONSE', `${describe(leaf)} must come with a stapled OCSP response, and it is an error`);
    }
    if ('code' in response) return response;
    const unknown = response.unknownCritical;
    if (unknown !== undefined) return unsupported(`has the critical extension ${unknown}, which is not supported`);
    const answers = response.answers.filter(({ certificate }) => this.#isAbout(certificate, leaf, issuer));
    if (answers.length === 0)
      return refuse('OCSP_VERIFY_FAILED', `the stapled OCSP response is not about ${describe(leaf)}`);
    if (!(yield* this.#isSignedFor(response, issuer, now)))
      return refuse(
        'OCSP_SIGNATURE_FAILURE',
        `the stapled OCSP response is signed neither by ${describe(issuer)} nor by a responder that it certified`,
      );
    for (const answer of answers) {
      const fault = judge(answer, leaf, now);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  /** Cheap questions first: the serial number tells nearly all apart. */
  #isAbout(
    { hash, serial, issuerNameHash, issuerKeyHash }: CertificateId,
    leaf: ParsedCertificate,
    issuer: ParsedCertificate,
  ): boolean {
    if (!equal(serial, leaf.serial)) return false;
    const digest = this.#digest(hash);
    return (
      digest !== undefined &&
      equal(issuerKeyHash, digest(keyBits(issuer))) &&
      // As the leaf writes it, or as the issuer does: equal names can be encoded differently.
      (equal(issuerNameHash, digest(leaf.issuer)) || equal(issuerNameHash, digest(issuer.subject)))
    );
  }

  #digest(oid: string): ((data: Uint8Array) => Uint8Array) | undefined {
    const crypto = this.#crypto;
    if (oid === Oid.sha1) return crypto.sha1 && ((data) => crypto.sha1!(data));
    if (oid !== Oid.sha256 && oid !== Oid.sha384) return undefined;
    const kdf = crypto.kdf(oid === Oid.sha256 ? 'sha256' : 'sha384');
    return (data) => kdf.hash(data);
  }

  /** By the issuer, or by one whom it certified to answer in its place (RFC 6960, section 4.2.2.2). */
  *#isSignedFor(response: ReadResponse, issuer: ParsedCertificate, now: number): Steps<boolean> {
    if (this.#isResponder(response, issuer))
      if (yield isSigned(response, issuer.subjectPublicKeyInfo, this.#crypto)) return true;
    let tried = 0;
    for (const delegate of response.delegates) {
      if (!this.#isResponder(response, delegate) || !mayAnswer(delegate, issuer, now)) continue;
      if (++tried > MAX_RESPONDERS) return false;
      if (!(yield isSigned(delegate, issuer.subjectPublicKeyInfo, this.#crypto))) continue;
      if (yield isSigned(response, delegate.subjectPublicKeyInfo, this.#crypto)) return true;
    }
    return false;
  }

  #isResponder({ responder }: BasicResponse, certificate: ParsedCertificate): boolean {
    if ('name' in responder) return responder.name === certificate.subjectName;
    // Without SHA-1 the signature alone tells, as it does in the end anyway.
    const hash = this.#crypto.sha1?.(keyBits(certificate));
    return hash === undefined || equal(responder.keyHash, hash);
  }
}

function read(der: Uint8Array | undefined): ReadResponse | 'none' | 'error' | Refusal {
  if (der === undefined) return 'none';
  try {
    const response = parseOcspResponse(der);
    if ('error' in response) return 'error';
    const certificates = response.certificates.slice(0, MAX_CERTIFICATES).map(tryParse);
    return { ...response, delegates: certificates.filter((one): one is ParsedCertificate => one !== undefined) };
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    return refuse('OCSP_RESP_INVALID', `the stapled OCSP response cannot be read: ${error.message}`);
  }
}

function unsupported(why: string): Refusal {
  return refuse('OCSP_VERIFY_FAILED', `the stapled OCSP response ${why}`);
}

/** What is revoked stays so, however old the answer is. */
function judge(answer: SingleResponse, leaf: ParsedCertificate, now: number): Refusal | undefined {
  const { status, thisUpdate, nextUpdate = thisUpdate + DEFAULT_LIFETIME_MS, unknownCritical } = answer;
  if (unknownCritical !== undefined)
    return unsupported(`has the critical extension ${unknownCritical}, which is not supported`);
  // Written so that a time which is not a number passes neither.
  if (!(now >= thisUpdate - SKEW_MS))
    return refuse(
      'OCSP_NOT_YET_VALID',
      `the stapled OCSP response is not valid before ${isoTime(thisUpdate)}; it is now ${isoTime(now)}`,
    );
  if (status === 'revoked')
    return refuse('CERT_REVOKED', `${describe(leaf)} was revoked, says the OCSP response that is stapled to it`);
  if (!(now <= nextUpdate + SKEW_MS))
    return refuse(
      'OCSP_HAS_EXPIRED',
      `the stapled OCSP response should have been replaced by ${isoTime(nextUpdate)}; it is now ${isoTime(now)}`,
    );
  return status === 'unknown'
    ? refuse('OCSP_CERT_UNKNOWN', `the OCSP responder does not know ${describe(leaf)}`)
    : undefined;
}

/**
 * The issuer itself must have issued the certificate, and for this: id-kp-OCSPSigning counts where it is written, not as part of
 * anyExtendedKeyUsage. Authorities do not answer for each other.
 */
function mayAnswer(delegate: ParsedCertificate, issuer: ParsedCertificate, now: number): boolean {
  const { extKeyUsage, keyUsage, basicConstraints, unknownCritical } = delegate.extensions;
  return (
    delegate.issuerName === issuer.subjectName &&
    extKeyUsage?.includes(Oid.ocspSigning) === true &&
    keyUsage?.digitalSignature !== false &&
    basicConstraints?.ca !== true &&
    unknownCritical.length === 0 &&
    now >= delegate.notBefore &&
    now <= delegate.notAfter &&
    checkKey(delegate, 'EE_KEY_TOO_SMALL') === undefined
  );
}

function tryParse(der: Uint8Array): ParsedCertificate | undefined {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

/** The subjectPublicKey without its algorithm: what key hashes are made of. */
function keyBits({ subjectPublicKeyInfo }: ParsedCertificate): Uint8Array {
  const reader = new DerReader(subjectPublicKeyInfo).enter();
  reader.value(Tag.sequence);
  return reader.bitStringBytes();
}
