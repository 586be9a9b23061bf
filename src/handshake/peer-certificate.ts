import { type MaybePromise, type PublicKey, UnsupportedKey } from '../crypto/index.ts';
import { peerFault, TlsAlertError } from '../errors/index.ts';
import type { CertificateVerifier, PeerIdentity, PeerQuestion, PeerVerdict } from '../peer-auth/index.ts';
import { signatureInput } from '../peer-auth/index.ts';
import {
  type Certificate,
  type CertificateVerify,
  isForCertificatesOnly,
  isForClientsOnly,
  nameOf,
  SignatureScheme,
} from '../wire/index.ts';
import type { CommonConfig } from './config.ts';
import { ask, type Next } from './context.ts';

/** A peer's certificates with the key of the first, whose possession CertificateVerify is to prove. */
export interface ShownCertificate {
  readonly key: PublicKey;
  readonly identity: PeerIdentity;
}

/** Reads a non-empty chain and asks the verifier about it. `then` gets the identity, unless an untrusted one ends the connection. */
export function judgeCertificate<S>(
  message: Certificate,
  config: CommonConfig & { readonly rejectUnauthorized: boolean },
  verifier: CertificateVerifier,
  question: Omit<PeerQuestion, 'chain' | 'now'>,
  then: (shown: ShownCertificate) => Next<S>,
): Next<S> {
  const chain = message.entries.map((entry) => entry.certificate);
  if (chain.length > config.limits.certificateChainLength) {
    throw peerFault(
      'certificate.too_many',
      `${chain.length} certificates, allowed are ${config.limits.certificateChainLength}`,
    );
  }
  const key = readLeafKey(config, chain[0]!);
  return ask('verifyPeer', verifier.verify({ ...question, chain, now: config.clock.now() }), (given) => {
    const verdict = checkedVerdict(given);
    // Nothing else counts as trust, whatever a program without types may give.
    if (verdict.trusted === true) return then({ key, identity: { chain, authorized: true } });
    if (config.rejectUnauthorized) {
      const { alert, message, code, error } = verdict;
      throw new TlsAlertError('certificate.not_trusted', alert, message, { verdict: code, cause: error });
    }
    return then({ key, identity: { chain, authorized: false, authorizationError: verdict.code } });
  });
}

/** What programs without types answer: only `trusted: true` is trust, and what is not said is filled in. */
function checkedVerdict(given: PeerVerdict | undefined): PeerVerdict {
  if (given?.trusted === true) return given;
  const message =
    given?.trusted === false
      ? 'the verifier does not trust it'
      : 'the verifier answered neither { trusted: true } nor { trusted: false, code, message, alert }';
  return { code: 'CERT_REJECTED', message, alert: 'bad_certificate', ...given, trusted: false };
}

function readLeafKey(config: CommonConfig, certificate: Uint8Array): PublicKey {
  try {
    return config.crypto.certificateKey(certificate);
  } catch (cause) {
    if (cause instanceof UnsupportedKey) throw peerFault('certificate.unsupported_key', cause.message, cause);
    throw peerFault('certificate.unparsable', 'the first one', cause);
  }
}

/**
 * Checks the signature of a CertificateVerify over the transcript up to the Certificate.
 *
 * @spec rfc9846#section-4.5.2
 */
export function checkCertificateVerify<S>(
  message: CertificateVerify,
  role: 'server' | 'client',
  key: PublicKey,
  transcriptHash: Uint8Array,
  config: CommonConfig,
  then: () => Next<S>,
): Next<S> {
  const scheme = message.algorithm;
  // Whatever the config says: PKCS#1 signs certificates, and of clients that can do no other.
  const isAllowed = !isForCertificatesOnly(scheme) && (role === 'client' || !isForClientsOnly(scheme));
  if (!isAllowed || !config.signatureSchemes.includes(scheme))
    throw peerFault('handshake.signature_scheme_not_offered', nameOf(SignatureScheme, scheme));
  if (!key.schemes.includes(scheme))
    throw peerFault('handshake.signature_scheme_wrong_for_key', nameOf(SignatureScheme, scheme));
  const valid: MaybePromise<boolean> = key.verify(scheme, signatureInput(role, transcriptHash), message.signature);
  return ask('verifySignature', valid, (good) => {
    if (!good) throw peerFault('handshake.bad_signature', nameOf(SignatureScheme, scheme));
    return then();
  });
}
