import { equal, latin1, toHex } from '../bytes/index.ts';
import type { CryptoProvider, MaybePromise, PublicKey } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import type { CertificateVerifier, PeerIdentity, PeerQuestion, PeerVerdict } from '../peer-auth/index.ts';
import { describe, isSelfIssued, type ParsedCertificate, parseCertificate, readSubject } from './certificate.ts';
import { DerError } from './der.ts';
import { comparableName, printable } from './distinguished-name.ts';
import { ipText, matchesName } from './name-match.ts';
import { type Anchor, findPath } from './path.ts';
import { type Refusal, refuse, toVerdict } from './refusal.ts';
import { RevocationLists } from './revocation.ts';
import { checkLeaf } from './rules.ts';
import { Staple } from './staple.ts';

export interface VerifierOptions {
  /** Checks the signatures. */
  readonly crypto: CryptoProvider;
  /**
   * The certificates to trust, DER: authorities, or self-signed certificates of single peers. They are checked like all others
   * (validity, basicConstraints, key usage, name constraints), only their own signature is not.
   */
  readonly anchors: readonly Uint8Array[];
  /**
   * Whether any certificate among the anchors ends a path, also the peer's own. Default false: only self-signed ones do, as with OpenSSL;
   * others help to reach them.
   */
  readonly allowPartialChain?: boolean;
  /**
   * Certificate revocation lists, DER, up to 16 MiB each. Where there are any, each certificate of a path, roots included, needs one of its
   * issuer that is valid now and does not list it. Indirect and delta CRLs, and those for some reasons only, count as missing.
   */
  readonly crls?: readonly Uint8Array[];
}

/** A peer that shows more is refused unread. */
const MAX_CERTIFICATES = 32;

/**
 * A verifier after RFC 5280 and RFC 9525 for TLS 1.3: path building, validity, basicConstraints, key usage, extended key usage, name
 * constraints, host names, revocation by the CRLs it was given and by a stapled OCSP response (RFC 6960), which a certificate may make a
 * duty (RFC 7633). Refused are unknown critical extensions, MD5 and SHA-1, and RSA keys under 2048 bits. It asks nobody over the network.
 * All rules, limits and codes: docs/x509.md.
 *
 * Verdicts are synchronous when the provider's signature checks are. `verify` never throws for what a peer sent.
 * Throws `TlsUsageError` `verifier.bad_anchor` when an anchor is not a certificate, and `verifier.bad_crl`.
 */
export function createVerifier(
  options: VerifierOptions,
): CertificateVerifier & Required<Pick<CertificateVerifier, 'stillValid' | 'authorities' | 'policy'>> {
  const anchors = new AnchorStore(options);
  const { crypto, crls = [] } = options;
  const revocation = crls.length === 0 ? undefined : new RevocationLists(crypto, crls);
  /** The tickets of one connection share its chain. */
  const validities = new WeakMap<readonly Uint8Array[], Validity>();
  return {
    verify: (question) => verify(question, crypto, anchors, revocation),
    stillValid(identity, now) {
      const known = validities.get(identity.chain);
      if (known !== undefined && holds(known, now)) return true;
      const validity = validityAt(now, identity, anchors, revocation);
      if (validity !== undefined) validities.set(identity.chain, validity);
      return validity !== undefined;
    },
    authorities: anchors.subjects,
    policy: policyName(options),
  };
}

/**
 * A hash of the anchors, in whatever order they were given. Revocation lists come and go: that there are any is part of the policy, and
 * `stillValid` asks the present ones.
 */
function policyName({ crypto, anchors, allowPartialChain = false, crls = [] }: VerifierOptions): string {
  const kdf = crypto.kdf('sha256');
  const hashes = anchors.map((der) => toHex(kdf.hash(der))).sort();
  const more = `${allowPartialChain ? ' partial' : ''}${crls.length > 0 ? ' crls' : ''}`;
  return `anchors:${toHex(kdf.hash(latin1(hashes.join(','))))}${more}`;
}

/** Trust anchors by subject. Only subjects are read at first: there are often more than a hundred anchors, and one is needed. */
class AnchorStore {
  readonly subjects: readonly Uint8Array[];
  readonly #crypto: CryptoProvider;
  readonly #allowPartialChain: boolean;
  readonly #unread = new Map<string, Uint8Array[]>();
  readonly #read = new Map<string, readonly Anchor[]>();

  constructor({ crypto, anchors, allowPartialChain = false }: VerifierOptions) {
    this.#crypto = crypto;
    this.#allowPartialChain = allowPartialChain;
    const subjects = new Map<string, Uint8Array>();
    for (const [index, der] of anchors.entries()) {
      const subject = subjectOfAnchor(der, index);
      const key = tryComparable(subject);
      if (key === undefined) continue;
      const group = this.#unread.get(key);
      if (group === undefined) this.#unread.set(key, [der]);
      else group.push(der);
      subjects.set(key, subject);
    }
    this.subjects = [...subjects.values()];
  }

  /** `key`: as in `subjectName`. */
  bySubject(key: string): readonly Anchor[] {
    let anchors = this.#read.get(key);
    if (anchors === undefined) {
      const unread = this.#unread.get(key);
      if (unread === undefined) return [];
      anchors = unread.flatMap((der) => readAnchor(der, this.#crypto, this.#allowPartialChain));
      this.#read.set(key, anchors);
    }
    return anchors;
  }

  /** Whether a path may end at this very certificate. */
  endsAt({ der, subjectName }: ParsedCertificate): boolean {
    return this.bySubject(subjectName).some(({ certificate, endsPath }) => endsPath && equal(certificate.der, der));
  }
}

function subjectOfAnchor(der: Uint8Array, index: number): Uint8Array {
  try {
    return readSubject(der);
  } catch (cause) {
    throw new TlsUsageError('verifier.bad_anchor', `anchors[${index}] is not a certificate in DER`, cause);
  }
}

/** `undefined`: a name that breaks the rules, so that nothing can be issued by it. */
function tryComparable(name: Uint8Array): string | undefined {
  try {
    return comparableName(name);
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

/** An anchor that breaks the rules of DER further in is not used, as if it were not there: nothing can be issued by it. */
function readAnchor(der: Uint8Array, crypto: CryptoProvider, allowPartialChain: boolean): Anchor[] {
  const certificate = tryParse(der);
  if (certificate instanceof DerError) return [];
  let key: PublicKey | undefined;
  return [
    {
      endsPath: allowPartialChain || isSelfIssued(certificate),
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

function verify(
  question: PeerQuestion,
  crypto: CryptoProvider,
  anchors: AnchorStore,
  revocation: RevocationLists | undefined,
): MaybePromise<PeerVerdict> {
  const { chain, role, now, ocspResponse, ocspRequested = false } = question;
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
  const found = findPath({
    crypto,
    leaf,
    others: rest.filter((one): one is ParsedCertificate => !(one instanceof DerError)),
    unreadable: rest.flatMap((one, index) =>
      one instanceof DerError ? [`certificate ${index + 2} of the peer cannot be read (${one.message})`] : [],
    ),
    anchors: (subjectName) => anchors.bySubject(subjectName),
    purpose,
    revocation,
    staple: new Staple(crypto, ocspResponse, ocspRequested),
    leafIsTrusted: anchors.endsAt(leaf),
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
 * How long a chain that was verified before leads to an anchor over valid certificates that are not revoked, or `undefined` when it does
 * not at `now`. The signatures have been checked; names, keys and rules do not change with time. A truncated chain has the leaf alone,
 * so that nothing can be said about the revocation of those above it.
 */
function validityAt(
  now: number,
  { chain, chainTruncated }: PeerIdentity,
  anchors: AnchorStore,
  revocation: RevocationLists | undefined,
): Validity | undefined {
  const [leaf, ...rest] = chain.slice(0, MAX_CERTIFICATES).map(tryParse);
  if (leaf === undefined || leaf instanceof DerError || !holds(leaf, now)) return undefined;
  if (chainTruncated === true) return revocation === undefined ? leaf : undefined;
  /** Of a path that is whole, leaf first. */
  const ofPath = (path: readonly ParsedCertificate[]): Validity | undefined => {
    const lists = revocation === undefined ? FOREVER : revocation.validity(path, now);
    return lists && path.reduce<Validity>(both, lists);
  };
  if (anchors.endsAt(leaf)) return ofPath([leaf]);
  // Each certificate is looked at once, however they point at each other.
  const seen = new Set<ParsedCertificate>();
  const above = (path: readonly ParsedCertificate[]): Validity | undefined => {
    const { issuerName } = path[path.length - 1]!;
    const trusted = anchors.bySubject(issuerName).filter(({ certificate }) => holds(certificate, now));
    for (const { certificate } of trusted.filter(({ endsPath }) => endsPath)) {
      const validity = ofPath([...path, certificate]);
      if (validity !== undefined) return validity;
    }
    const helpers = trusted.filter(({ endsPath }) => !endsPath).map(({ certificate }) => certificate);
    const shown = rest.filter(
      (one): one is ParsedCertificate => !(one instanceof DerError) && one.subjectName === issuerName,
    );
    for (const next of [...helpers, ...shown]) {
      if (seen.has(next) || !holds(next, now)) continue;
      seen.add(next);
      const validity = above([...path, next]);
      if (validity !== undefined) return validity;
    }
    return undefined;
  };
  return above([leaf]);
}

const FOREVER: Validity = { notBefore: Number.NEGATIVE_INFINITY, notAfter: Number.POSITIVE_INFINITY };

function both(a: Validity, b: Validity): Validity {
  return { notBefore: Math.max(a.notBefore, b.notBefore), notAfter: Math.min(a.notAfter, b.notAfter) };
}
