/** Whom a client believes: the name in the certificate, and what the environment says. */
import { X509Certificate } from 'node:crypto';
import * as nodeTls from 'node:tls';
import type { MaybePromise } from '../crypto/index.ts';
import type { CertificateVerifier, PeerQuestion, PeerVerdict } from '../peer-auth/index.ts';
import { type LegacyCertificate, legacyCertificate, legacyChain } from './legacy-certificate.ts';
import { isThenable, ofProgram, ProgramFailure } from './program-answer.ts';

/**
 * Judges whether a certificate, which is good as such, is that of `host`: gives what is wrong, or nothing; at once, or by a promise. It is asked
 * before the server has shown that it has the certificate's key, without which the handshake fails, and not for resumed sessions, nor where
 * the chain is not trusted.
 */
export type CheckServerIdentity = (
  host: string,
  certificate: LegacyCertificate,
) => Error | undefined | PromiseLike<Error | undefined>;

/**
 * As a client of node:tls judges servers. `check`: of the program; by default names are compared by RFC 9525, for which a common name is none, and
 * `checkServerIdentity` of this Node says in its words what is wrong.
 */
export function clientVerifier(
  base: CertificateVerifier,
  check: CheckServerIdentity | undefined,
  anchors: () => readonly Uint8Array[],
): CertificateVerifier {
  return {
    ...base,
    verify(question) {
      if (check === undefined) {
        return andThen(verifyWithStaple(base, question), (verdict) =>
          !verdict.trusted && verdict.code === 'ERR_TLS_CERT_ALTNAME_INVALID'
            ? nodeVerdict(question, verdict)
            : verdict,
        );
      }
      const { serverName = '', ...unnamed } = question;
      return andThen(verifyWithStaple(base, unnamed), (verdict) => {
        if (verdict.trusted !== true) return verdict;
        const certificate = legacyChain(question.chain, anchors);
        const answer = ofProgram(() => check(serverName, certificate));
        if (!isThenable<Error>(answer)) return verdictOf(answer);
        return Promise.resolve(answer).then(verdictOf, (error: unknown) => {
          throw new ProgramFailure(error);
        });
      });
    },
  };
}

/** The event `OCSPResponse` of node:tls gives programs whatever a server sends: what is no OCSP response at all counts as none. */
function verifyWithStaple(base: CertificateVerifier, question: PeerQuestion): MaybePromise<PeerVerdict> {
  return andThen(base.verify(question), (verdict) => {
    if (verdict.trusted === true || verdict.code !== 'OCSP_RESP_INVALID') return verdict;
    const { ocspResponse: _, ...without } = question;
    return base.verify(without);
  });
}

function nodeVerdict({ serverName = '', chain }: PeerQuestion, verdict: PeerVerdict): PeerVerdict {
  const certificate = legacyCertificate(new X509Certificate(chain[0]!));
  const error = nodeTls.checkServerIdentity(serverName, certificate);
  return error === undefined || verdict.trusted ? verdict : { ...verdict, message: error.message, error };
}

function verdictOf(answer: unknown): PeerVerdict {
  if (!answer) return { trusted: true };
  const error: Error & { readonly code?: string } = answer instanceof Error ? answer : new Error(String(answer));
  const { code, message } = error;
  return { trusted: false, code: code || message, message, alert: 'certificate_unknown', error };
}

function andThen(verdict: MaybePromise<PeerVerdict>, then: (verdict: PeerVerdict) => MaybePromise<PeerVerdict>) {
  return verdict instanceof Promise ? verdict.then(then) : then(verdict);
}

let warned = false;

/** Whether a client ends handshakes with servers it does not trust: as it says, else as `NODE_TLS_REJECT_UNAUTHORIZED` does. */
export function rejectsUnauthorized(options: { readonly rejectUnauthorized?: boolean | undefined }): boolean {
  // As in node:tls, `undefined` that is written out is none.
  if (Object.hasOwn(options, 'rejectUnauthorized') || process.env.NODE_TLS_REJECT_UNAUTHORIZED !== '0') {
    return options.rejectUnauthorized !== false;
  }
  if (!warned) {
    warned = true;
    process.emitWarning(
      "Setting the NODE_TLS_REJECT_UNAUTHORIZED environment variable to '0' makes TLS connections and HTTPS requests insecure by disabling certificate verification.",
    );
  }
  return false;
}
