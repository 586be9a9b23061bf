import { equal } from '../bytes/index.ts';
import type { CryptoProvider, MaybePromise, PublicKey } from '../crypto/index.ts';
import { keyFacts, type SchemeByKey, signatureAlgorithm, UnsupportedAlgorithm, verifyCost } from './algorithms.ts';
import { describe, isSelfIssued, type ParsedCertificate } from './certificate.ts';
import { DerError } from './der.ts';
import { describeName } from './distinguished-name.ts';
import { NameChecks } from './name-constraints.ts';
import { type Refusal, type RefusalCode, refuse } from './refusal.ts';
import type { RevocationLists } from './revocation.ts';
import { checkIssuer, type Purpose } from './rules.ts';
import type { Steps } from './signature.ts';
import type { Staple } from './staple.ts';

/** A certificate that is trusted because the application said so. The key is imported when first needed. */
export interface Anchor {
  /** A path may end here. Else it only serves to reach another one. */
  readonly endsPath: boolean;
  readonly certificate: ParsedCertificate;
  readonly key: () => PublicKey;
}

export interface PathQuestion {
  readonly crypto: CryptoProvider;
  readonly leaf: ParsedCertificate;
  /** The peer's other certificates that could be read, in any order. */
  readonly others: readonly ParsedCertificate[];
  /** Why the rest of the peer's certificates could not be read. */
  readonly unreadable: readonly string[];
  /** The anchors with this subject, as in `subjectName`. */
  readonly anchors: (subjectName: string) => readonly Anchor[];
  readonly purpose: Purpose;
  readonly revocation: RevocationLists | undefined;
  readonly staple: Staple;
  /** The leaf itself is trusted, and a path of its own. */
  readonly leafIsTrusted: boolean;
}

/** Certificates in a path, leaf and anchor included. */
const MAX_PATH_LENGTH = 8;
/**
 * What a chain made by an attacker may cost, with its staple and all lists, in units of {@link verifyCost}: 4 to 20 ms of work, far more
 * than any honest chain needs.
 */
const MAX_SIGNATURE_UNITS = 64;
/** Of {@link NameBudget}. A thousand names under a thousand constraints come to about 10,000. */
const MAX_NAME_UNITS = 64_000;

/** Looks for a valid path from the leaf to an anchor: `undefined` when there is one, else the reason of the path that came furthest. */
export function findPath(question: PathQuestion): MaybePromise<Refusal | undefined> {
  const search = new Search(question);
  const steps = question.leafIsTrusted ? search.end([question.leaf]) : search.extend([question.leaf]);
  return run(steps, (found) => (found ? undefined : search.reason));
}

interface Candidate {
  readonly certificate: ParsedCertificate;
  readonly key: () => PublicKey;
  readonly isAnchor: boolean;
}

/** One search, depth first. It yields where a signature is to be checked and is resumed with the answer. */
class Search {
  readonly #question: PathQuestion;
  readonly #budget = { signatures: MAX_SIGNATURE_UNITS, units: MAX_NAME_UNITS };
  readonly #names = new NameChecks(this.#budget);
  #reason: Refusal | undefined;
  #reasonRank = -1;

  constructor(question: PathQuestion) {
    this.#question = question;
  }

  get reason(): Refusal {
    return this.#reason ?? refuse('UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'no path to a trust anchor was found');
  }

  get #exhausted(): boolean {
    return this.#budget.signatures <= 0 || this.#budget.units < 0;
  }

  *extend(path: readonly ParsedCertificate[]): Steps<boolean> {
    const child = path[path.length - 1]!;
    const schemes = this.#schemesOf(child, path.length - 1);
    if (schemes === undefined) return false;
    for (const candidate of this.#candidates(path)) {
      if (this.#exhausted) {
        this.#noteExhausted();
        return false;
      }
      if (yield* this.#try(candidate, path, schemes)) return true;
    }
    this.#deadEnd(path);
    return false;
  }

  *#try(candidate: Candidate, path: readonly ParsedCertificate[], schemes: SchemeByKey): Steps<boolean> {
    const { certificate, isAnchor } = candidate;
    const child = path[path.length - 1]!;
    const position = path.length;
    // Cheap checks come first, so that a hostile chain costs as few signatures as possible.
    const fault =
      position >= MAX_PATH_LENGTH
        ? refuse(
            'CERT_CHAIN_TOO_LONG',
            `the chain of ${describe(path[0]!)} is longer than ${MAX_PATH_LENGTH} certificates`,
          )
        : checkIssuer(certificate, path, this.#question.purpose, isAnchor, this.#names);
    if (fault !== undefined) {
      this.#note(rank(position, 1), fault);
      return false;
    }
    const facts = keyFacts(certificate.subjectPublicKeyInfo);
    const scheme = schemes[facts.kind];
    this.#budget.signatures -= verifyCost(facts);
    if (scheme === undefined || !(yield verifySignature(candidate.key, scheme, child))) {
      if (keyIdentifierFit(child, certificate) >= 0)
        this.#note(
          rank(position, 0),
          refuse('CERT_SIGNATURE_FAILURE', `${describe(child)} is not signed by the key in ${describe(certificate)}`),
        );
      return false;
    }
    return yield* isAnchor ? this.end([...path, certificate]) : this.extend([...path, certificate]);
  }

  /** The last one is trusted: what is left is whether any of them was revoked. */
  *end(path: readonly ParsedCertificate[]): Steps<boolean> {
    const { revocation, staple, purpose } = this.#question;
    const steps = statusFault(path, revocation, staple, purpose.now);
    let step = steps.next(false);
    while (!step.done) {
      if (this.#exhausted) {
        this.#noteExhausted();
        return false;
      }
      this.#budget.signatures--;
      step = steps.next(yield step.value);
    }
    // It came as far as can be.
    if (step.value !== undefined) this.#note(rank(MAX_PATH_LENGTH + 1, 0), step.value);
    return step.value === undefined;
  }

  #noteExhausted(): void {
    const message = `the chain of ${describe(this.#question.leaf)} takes more checks than any honest chain`;
    this.#note(Number.POSITIVE_INFINITY, refuse('TOO_MANY_CHECKS', message));
  }

  /** Possible issuers of the last certificate in the path: anchors first, then those whose key identifier fits. */
  #candidates(path: readonly ParsedCertificate[]): Candidate[] {
    const { crypto, others, anchors } = this.#question;
    const child = path[path.length - 1]!;
    const anchored: Candidate[] = anchors(child.issuerName).map((anchor) => ({ ...anchor, isAnchor: anchor.endsPath }));
    const shown: Candidate[] = others
      .filter(
        ({ subjectName, der }) =>
          subjectName === child.issuerName && !anchored.some((a) => equal(a.certificate.der, der)),
      )
      .map((certificate) => ({
        certificate,
        key: () => crypto.publicKey(certificate.subjectPublicKeyInfo),
        isAnchor: false,
      }));
    return [anchored, shown].flatMap((group) =>
      group
        .filter(({ certificate }) => !path.some((earlier) => isSameEntity(earlier, certificate)))
        .sort((a, b) => keyIdentifierFit(child, b.certificate) - keyIdentifierFit(child, a.certificate)),
    );
  }

  #schemesOf(child: ParsedCertificate, position: number): SchemeByKey | undefined {
    try {
      return signatureAlgorithm(child.signatureAlgorithm);
    } catch (error) {
      const [code, detail] = explain(error);
      this.#note(rank(position, 1), refuse(code, `${describe(child)} cannot be verified: ${detail}`));
      return undefined;
    }
  }

  #deadEnd(path: readonly ParsedCertificate[]): void {
    const child = path[path.length - 1]!;
    const position = path.length - 1;
    const [unreadable] = this.#question.unreadable;
    const missing = `${describe(child)}: no trusted certificate of its issuer ${describeName(child.issuer)} was found`;
    const anchors = this.#question.anchors(child.subjectName);
    // Of the same name as its issuer, and nothing says that another key signed it.
    if (isSelfIssued(child) && keyIdentifierFit(child, child) >= 0) {
      // Such as a root that was renewed, where the trusted one was refused before: what is wrong with that one tells more.
      if (position > 0 && anchors.some(({ certificate }) => isSameEntity(certificate, child))) return;
      const code = position === 0 ? 'DEPTH_ZERO_SELF_SIGNED_CERT' : 'SELF_SIGNED_CERT_IN_CHAIN';
      const message = `${describe(child)} is self-signed and not among the trusted certificates`;
      // Others with its name are unrelated to it, whatever is wrong with them, so that this reason goes before theirs.
      this.#note(rank(position + 1, 2), refuse(code, message));
    } else if (unreadable !== undefined) {
      this.#note(rank(position, 1), refuse('MALFORMED_CERTIFICATE', `${missing}, and ${unreadable}`));
    } else {
      const isTrusted = anchors.some(({ certificate }) => equal(certificate.der, child.der));
      const code =
        position === 0
          ? 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
          : isTrusted
            ? 'UNABLE_TO_GET_ISSUER_CERT'
            : 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY';
      this.#note(rank(position, 1), refuse(code, missing));
    }
  }

  /** Keeps the reason of the path that came furthest; among equals the first. */
  #note(reasonRank: number, reason: Refusal): void {
    if (reasonRank <= this.#reasonRank) return;
    this.#reason = reason;
    this.#reasonRank = reasonRank;
  }
}

/** Whether the lists or the staple say that a certificate of a valid path is revoked, or do not say what they must. */
function* statusFault(
  path: readonly ParsedCertificate[],
  revocation: RevocationLists | undefined,
  staple: Staple,
  now: number,
): Steps<Refusal | undefined> {
  return (revocation && (yield* revocation.check(path, now))) ?? (yield* staple.check(path, now));
}

/** How much a reason tells: by the place in the path of the certificate it is about, then by kind, 0 to 2. */
function rank(position: number, kind: number): number {
  return 3 * position + kind;
}

function explain(error: unknown): [RefusalCode, string] {
  if (error instanceof UnsupportedAlgorithm)
    return error.weakHash
      ? ['CA_MD_TOO_WEAK', `${error.message}; SHA-256 or better is needed`]
      : ['UNSUPPORTED_SIGNATURE_ALGORITHM', error.message];
  if (error instanceof DerError) return ['MALFORMED_CERTIFICATE', error.message];
  throw error;
}

/** The same name and key: going through it twice is a loop, even when the certificates differ. */
function isSameEntity(a: ParsedCertificate, b: ParsedCertificate): boolean {
  return a.subjectName === b.subjectName && equal(a.subjectPublicKeyInfo, b.subjectPublicKeyInfo);
}

/** 1: the issuer's key identifier is the one the child names; -1: it is another; 0: cannot be told. A hint, never a proof. */
function keyIdentifierFit(child: ParsedCertificate, issuer: ParsedCertificate): -1 | 0 | 1 {
  const wanted = child.extensions.authorityKeyIdentifier;
  const found = issuer.extensions.subjectKeyIdentifier;
  if (wanted === undefined || found === undefined) return 0;
  return equal(wanted, found) ? 1 : -1;
}

/** Providers throw for keys and signatures that they cannot read: to us, that is a signature that is not valid. */
function verifySignature(key: () => PublicKey, scheme: number, child: ParsedCertificate): MaybePromise<boolean> {
  try {
    const valid = key().verify(scheme, child.tbs, child.signature);
    return typeof valid === 'boolean' ? valid : valid.catch(() => false);
  } catch {
    return false;
  }
}

/** Runs a search; stays synchronous as long as the provider does. */
function run<T>(steps: Steps<boolean>, finish: (found: boolean) => T, answer = false): MaybePromise<T> {
  let step = steps.next(answer);
  while (!step.done) {
    if (typeof step.value !== 'boolean') return step.value.then((valid) => run(steps, finish, valid));
    step = steps.next(step.value);
  }
  return finish(step.value);
}
