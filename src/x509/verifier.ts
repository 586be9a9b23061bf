import { equal, fromLatin1, latin1, toHex } from '../bytes/index.ts';
import type { CryptoProvider, MaybePromise, PublicKey } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import type { CertificateVerifier, PeerIdentity, PeerQuestion, PeerVerdict } from '../peer-auth/index.ts';
import { describe, isSelfIssued, type ParsedCertificate, parseCertificate, readSubject } from './certificate.ts';
import { DerError } from './der.ts';
import { printable } from './distinguished-name.ts';
import { ipText, matchesName } from './name-match.ts';
import { type Anchor, findPath } from './path.ts';
import { type Refusal, refuse, toVerdict } from './refusal.ts';
import { checkLeaf } from './rules.ts';

export interface VerifierOptions {
  /** Checks the signatures. */
  readonly crypto: CryptoProvider;
  /**
   * The certificates to trust, DER: authorities, or self-signed certificates of single peers. They are checked like all others
   * (validity, basicConstraints, key usage, name constraints), only their own signature is not.
   */
  readonly anchors: readonly Uint8Array[];
}

/** A peer that shows more is refused unread. */
const MAX_CERTIFICATES = 32;

/**
 * A verifier after RFC 5280 and RFC 9525 for TLS 1.3: path building, validity, basicConstraints, key usage, extended key usage, name
 * constraints, and host names. Refused are unknown critical extensions, MD5 and SHA-1, and RSA keys under 2048 bits. It does not
 * ask whether a certificate was revoked.
 *
 * Verdicts are synchronous when the provider's signature checks are. `verify` never throws for what a peer sent.
 * Throws `TlsUsageError('verifier.bad_anchor')` when an anchor is not a certificate.
 */
export function createVerifier(
  options: VerifierOptions,
): CertificateVerifier & Required<Pick<CertificateVerifier, 'stillValid' | 'authorities' | 'policy'>> {
  const anchors = new AnchorStore(options);
  /** The tickets of one connection share its chain. */
  const validities = new WeakMap<readonly Uint8Array[], Validity>();
  return {
    verify: (question) => verify(question, options.crypto, anchors),
    stillValid(identity, now) {
      const known = validities.get(identity.chain);
      if (known !== undefined && holds(known, now)) return true;
      const validity = validityAt(now, identity, anchors);
      if (validity !== undefined) validities.set(identity.chain, validity);
      return validity !== undefined;
    },
    authorities: anchors.subjects,
    policy: policyName(options),
  };
}

/** A hash of the anchors, in whatever order they were given. */
function policyName({ crypto, anchors }: VerifierOptions): string {
  const kdf = crypto.kdf('sha256');
  const hashes = anchors.map((der) => toHex(kdf.hash(der))).sort();
  return `anchors:${toHex(kdf.hash(latin1(hashes.join(','))))}`;
}

/** Trust anchors by subject. Only subjects are read at first: there are often more than a hundred anchors, and one is needed. */
class AnchorStore {
  readonly subjects: readonly Uint8Array[];
  readonly #crypto: CryptoProvider;
  readonly #unread = new Map<string, Uint8Array[]>();
  readonly #read = new Map<string, readonly Anchor[]>();

  constructor({ crypto, anchors }: VerifierOptions) {
    this.#crypto = crypto;
    const subjects = new Map<string, Uint8Array>();
    for (const [index, der] of anchors.entries()) {
      const subject = subjectOfAnchor(der, index);
      const key = fromLatin1(subject);
      const group = this.#unread.get(key);
      if (group === undefined) this.#unread.set(key, [der]);
      else group.push(der);
      subjects.set(key, subject);
    }
    this.subjects = [...subjects.values()];
  }

  bySubject(subject: Uint8Array): readonly Anchor[] {
    const key = fromLatin1(subject);
    let anchors = this.#read.get(key);
    if (anchors === undefined) {
      const unread = this.#unread.get(key);
      if (unread === undefined) return [];
      anchors = unread.flatMap((der) => readAnchor(der, this.#crypto));
      this.#read.set(key, anchors);
    }
    return anchors;
  }

  has(der: Uint8Array, subject: Uint8Array): boolean {
    return this.bySubject(subject).some(({ certificate }) => equal(certificate.der, der));
  }
}

function subjectOfAnchor(der: Uint8Array, index: number): Uint8Array {
  try {
    return readSubject(der);
  } catch (cause) {
    throw new TlsUsageError('verifier.bad_anchor', `anchors[${index}] is not a certificate in DER`, cause);
  }
}

/** An anchor that breaks the rules of DER further in is not used, as if it were not there: nothing can be issued by it. */
function readAnchor(der: Uint8Array, crypto: CryptoProvider): Anchor[] {
  const certificate = tryParse(der);
  if (certificate instanceof DerError) return [];
  let key: PublicKey | undefined;
  return [
    {
      certificate,
      key: () => {
        key ??= crypto.publicKey(certificate.subjectPublicKeyInfo);
        return key;
      },
    },
  ];
}

function tryParse(der: Uint8Array): ParsedCertificate | DerError {
  try {
    return parseCertificate(der);
  } catch (error) {
    if (error instanceof DerError) return error;
    throw error;
  }
}

function verify(question: PeerQuestion, crypto: CryptoProvider, anchors: AnchorStore): MaybePromise<PeerVerdict> {
  const { chain, role, now } = question;
  if (chain.length > MAX_CERTIFICATES)
    return toVerdict(
      refuse('CERT_CHAIN_TOO_LONG', `the peer showed ${chain.length} certificates, more than ${MAX_CERTIFICATES}`),
    );
  const [leaf, ...rest] = chain.map(tryParse);
  if (leaf === undefined) return toVerdict(refuse('MALFORMED_CERTIFICATE', 'the peer showed no certificate'));
  if (leaf instanceof DerError)
    return toVerdict(refuse('MALFORMED_CERTIFICATE', `the peer's certificate cannot be read: ${leaf.message}`));
  const purpose = { role, now };
  const fault = checkLeaf(leaf, purpose);
  if (fault !== undefined) return toVerdict(fault);
  const finish = (refusal: Refusal | undefined): PeerVerdict => {
    const reason = refusal ?? checkName(leaf, question);
    return reason === undefined ? { trusted: true } : toVerdict(reason);
  };
  if (isSelfIssued(leaf) && anchors.has(leaf.der, leaf.subject)) return finish(undefined);
  const found = findPath({
    crypto,
    leaf,
    others: rest.filter((one): one is ParsedCertificate => !(one instanceof DerError)),
    unreadable: rest.flatMap((one, index) =>
      one instanceof DerError ? [`certificate ${index + 2} of the peer cannot be read (${one.message})`] : [],
    ),
    anchors: (subject) => anchors.bySubject(subject),
    purpose,
  });
  return found instanceof Promise ? found.then(finish) : finish(found);
}

function checkName(leaf: ParsedCertificate, { role, serverName }: PeerQuestion): Refusal | undefined {
  const names = leaf.extensions.subjectAltName;
  if (role !== 'server' || serverName === undefined || matchesName(names, serverName)) return undefined;
  const listed = [
    ...(names?.dnsNames ?? []).map((name) => `DNS:${name}`),
    ...(names?.ipAddresses ?? []).map((address) => `IP:${ipText(address)}`),
  ];
  const found =
    listed.length === 0
      ? 'no name in subjectAltName'
      : `the names ${printable(new TextEncoder().encode(listed.join(', ')))}`;
  return refuse('ERR_TLS_CERT_ALTNAME_INVALID', `${describe(leaf)} is not for ${serverName}: it has ${found}`);
}

/** Milliseconds since the epoch, both included. */
type Validity = Pick<ParsedCertificate, 'notBefore' | 'notAfter'>;

function holds({ notBefore, notAfter }: Validity, now: number): boolean {
  return now >= notBefore && now <= notAfter;
}

/**
 * How long a chain that was verified before leads to an anchor over valid certificates, or `undefined` when it does not at `now`. The
 * signatures have been checked; names, keys and rules do not change with time. A truncated chain has the leaf alone.
 */
function validityAt(now: number, { chain, chainTruncated }: PeerIdentity, anchors: AnchorStore): Validity | undefined {
  const [leaf, ...rest] = chain.slice(0, MAX_CERTIFICATES).map(tryParse);
  if (leaf === undefined || leaf instanceof DerError || !holds(leaf, now)) return undefined;
  if (chainTruncated === true || anchors.has(leaf.der, leaf.subject)) return leaf;
  // Each certificate is looked at once, however they point at each other.
  const unseen = new Set(rest.filter((one): one is ParsedCertificate => !(one instanceof DerError)));
  const above = (below: ParsedCertificate): Validity | undefined => {
    const anchor = anchors.bySubject(below.issuer).find(({ certificate }) => holds(certificate, now));
    if (anchor !== undefined) return both(below, anchor.certificate);
    for (const issuer of unseen) {
      if (!equal(issuer.subject, below.issuer) || !holds(issuer, now) || !unseen.delete(issuer)) continue;
      const validity = above(issuer);
      if (validity !== undefined) return both(below, validity);
    }
    return undefined;
  };
  return above(leaf);
}

function both(a: Validity, b: Validity): Validity {
  return { notBefore: Math.max(a.notBefore, b.notBefore), notAfter: Math.min(a.notAfter, b.notAfter) };
}
