import { createHash } from 'node:crypto';
import { checkServerIdentity as nodeCheck, type PeerCertificate } from 'node:tls';
import { concat } from '../bytes/index.ts';
import type { MaybePromise } from '../crypto/index.ts';
import type { CertificateVerifier, PeerQuestion, PeerVerdict } from '../peer-auth/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { createVerifier } from '../x509/index.ts';
import { refuseAsNode } from './as-node.ts';
import { crlsOf, defaultAnchors, type PemOrDer } from './certificates.ts';
import { codedError } from './errors.ts';
import { legacyCertificate, legacyChain } from './legacy-certificate.ts';
import { andThen } from './server-questions.ts';

/** Whom a context trusts. */
export interface TrustOptions {
  /** Authorities to trust instead of Node's, PEM (any number in one text) or DER. An empty array trusts nobody. */
  readonly ca?: PemOrDer | readonly PemOrDer[] | undefined;
  /** Revocation lists, PEM (any number in one text) or DER. With any, each certificate of a chain needs one of its issuer that is valid now. */
  readonly crl?: PemOrDer | readonly PemOrDer[] | undefined;
  /** Whether any certificate of `ca` is trusted for itself, and not only self-signed ones. Default false. */
  readonly allowPartialTrustChain?: boolean | undefined;
  /** Judges the peer's certificates in place of `ca` and `crl`, at once or later. Signatures of the handshake are checked all the same. */
  readonly verifyPeer?: ((question: PeerQuestion) => PeerVerdict | Promise<PeerVerdict>) | undefined;
}

/**
 * Whether a certificate that is trusted is that of `hostname`: an error says that it is not, and is what the socket is destroyed with. As in node:tls,
 * but asked during the handshake, and it may answer later. `certificate` has its issuers, as `getPeerCertificate(true)`.
 */
export type ServerIdentityCheck = (
  hostname: string,
  certificate: PeerCertificate,
) => Error | undefined | Promise<Error | undefined>;

/** Functions cannot be compared but by themselves: a number for each that was ever asked. */
const functions = new WeakMap<object, number>();
let functionCount = 0;

function numberOf(it: object): number {
  let number = functions.get(it);
  if (number === undefined) {
    number = ++functionCount;
    functions.set(it, number);
  }
  return number;
}

/** The part of a context that says who is trusted. */
export class Trust {
  /** `undefined`: Node's. */
  readonly anchors: readonly Uint8Array[] | undefined;
  readonly #crls: readonly Uint8Array[];
  readonly #allowPartialChain: boolean;
  readonly #verifyPeer: TrustOptions['verifyPeer'];
  #verifier: CertificateVerifier | undefined;
  /** The authorities that the verifier was made for: those of Node can change. */
  #madeFor: readonly Uint8Array[] | undefined;
  #checking = new WeakMap<ServerIdentityCheck, CertificateVerifier>();

  /** `anchors`: of `ca`, DER. */
  constructor({ crl, allowPartialTrustChain, verifyPeer }: TrustOptions, anchors: readonly Uint8Array[] | undefined) {
    this.anchors = anchors;
    this.#crls = crl === undefined || crl === null ? [] : crlsOf(crl);
    this.#allowPartialChain = allowPartialTrustChain === true;
    this.#verifyPeer = verifyPeer;
    if (this.#crls.length === 0) return;
    try {
      this.verifier(); // which reads the lists
    } catch (error) {
      refuseAsNode({ crl }, error);
      throw error;
    }
  }

  /** Whether it was said whom to trust. */
  get isGiven(): boolean {
    return this.anchors !== undefined || this.#verifyPeer !== undefined;
  }

  /** Trust anchors, DER. */
  get authorities(): readonly Uint8Array[] {
    return this.anchors ?? defaultAnchors();
  }

  /** Of this context, or with another opinion about names. */
  verifier(check?: ServerIdentityCheck): CertificateVerifier {
    const { authorities } = this;
    if (this.#verifier === undefined || this.#madeFor !== authorities) {
      this.#verifier = this.#make();
      this.#madeFor = authorities;
      this.#checking = new WeakMap();
    }
    if (check === undefined || check === nodeCheck) return this.#verifier;
    let checking = this.#checking.get(check);
    if (checking === undefined) {
      checking = checkedBy(check, this.#verifier, () => this.authorities);
      this.#checking.set(check, checking);
    }
    return checking;
  }

  #make(): CertificateVerifier {
    if (this.#verifyPeer !== undefined) return { verify: this.#verifyPeer };
    const asAnybody = this.anchors === undefined && this.#crls.length === 0 && !this.#allowPartialChain;
    if (asAnybody) return defaultVerifier();
    return asNode(
      createVerifier({
        crypto: nodeCrypto,
        anchors: this.authorities,
        crls: this.#crls,
        allowPartialChain: this.#allowPartialChain,
      }),
    );
  }

  /** What, beside the authorities, tells the policy of a client from others: sessions are kept apart by it. `undefined`: nothing. */
  policy(check?: ServerIdentityCheck): string | undefined {
    const parts: string[] = [];
    if (this.#verifyPeer !== undefined) parts.push(`verifyPeer ${numberOf(this.#verifyPeer)} of ${numberOf(this)}`);
    if (this.#allowPartialChain) parts.push('partial chains');
    if (this.#crls.length > 0)
      parts.push(
        `crls ${createHash('sha256')
          .update(concat(...this.#crls))
          .digest('hex')}`,
      );
    if (check !== undefined && check !== nodeCheck) parts.push(`checkServerIdentity ${numberOf(check)}`);
    return parts.length === 0 ? undefined : parts.join(', ');
  }
}

/** For whoever brings no authorities; made once, for there are more than a hundred, and again when they have changed. */
function defaultVerifier(): CertificateVerifier {
  const anchors = defaultAnchors();
  if (shared?.anchors !== anchors)
    shared = { anchors, verifier: asNode(createVerifier({ crypto: nodeCrypto, anchors })) };
  return shared.verifier;
}

let shared: { readonly anchors: readonly Uint8Array[]; readonly verifier: CertificateVerifier } | undefined;

/** Names are compared by RFC 9525; of one that does not match Node has the last word, which takes a common name where there is no other. */
function asNode(verifier: CertificateVerifier): CertificateVerifier {
  return {
    ...verifier,
    verify: (question) =>
      andThen(verifier.verify(question), (verdict) => {
        if (verdict.trusted || verdict.code !== 'ERR_TLS_CERT_ALTNAME_INVALID') return verdict;
        const error = nodeCheck(question.serverName!, legacyCertificate(question.chain[0]!));
        return error === undefined ? { trusted: true } : { ...verdict, message: error.message, error };
      }),
  };
}

function checkedBy(
  check: ServerIdentityCheck,
  verifier: CertificateVerifier,
  authorities: () => readonly Uint8Array[],
): CertificateVerifier {
  return {
    ...verifier,
    verify({ serverName = '', ...question }): MaybePromise<PeerVerdict> {
      return andThen(verifier.verify(question), (verdict): MaybePromise<PeerVerdict> => {
        if (!verdict.trusted) return verdict;
        const certificate = legacyChain(question.chain, authorities);
        return andThen(askCheck(check, serverName, certificate), verdictOf);
      });
    },
  };
}

/** What a function throws, or rejects with, is as bad as what it returns. */
function askCheck(check: ServerIdentityCheck, name: string, certificate: PeerCertificate): MaybePromise<unknown> {
  try {
    const answer = check(name, certificate);
    return answer instanceof Promise ? answer.catch((error: unknown) => error ?? new Error('rejected')) : answer;
  } catch (error) {
    return error ?? new Error('checkServerIdentity threw');
  }
}

function verdictOf(answer: unknown): PeerVerdict {
  if (!answer) return { trusted: true };
  const error = answer instanceof Error ? answer : codedError('ERR_TLS_CERT_ALTNAME_INVALID', String(answer));
  const { code } = error as { readonly code?: unknown };
  return {
    trusted: false,
    code: typeof code === 'string' ? code : error.message,
    message: error.message,
    alert: 'bad_certificate',
    error,
  };
}

let warned = false;

/** Whether the user of the program has switched verification off, as Node lets him, with a warning. */
export function allowsUnauthorized(): boolean {
  const off = process.env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0';
  if (off && !warned) {
    warned = true;
    process.emitWarning(
      "Setting the NODE_TLS_REJECT_UNAUTHORIZED environment variable to '0' makes TLS connections and HTTPS requests insecure " +
        'by disabling certificate verification.',
    );
  }
  return off;
}
