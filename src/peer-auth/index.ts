import type { MaybePromise } from '../crypto/index.ts';
import type { AlertName } from '../errors/index.ts';

export { signatureInput } from './signature-input.ts';

/** What a verifier is asked: may this chain speak for this peer, now? */
export interface PeerQuestion {
  /** DER, in the order of the peer's Certificate message; never empty. */
  readonly chain: readonly Uint8Array[];
  /** The role of the peer: a `server` certificate is checked against `serverName` and for serverAuth, a `client` one for clientAuth. */
  readonly role: 'server' | 'client';
  /** DNS name or IP address the client wants to reach. `undefined` for clients, or when no name is to be checked. */
  readonly serverName?: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The stapled OCSP response of the leaf, DER. */
  readonly ocspResponse?: Uint8Array;
  /** Whether the peer was asked for one, so that a certificate which must be stapled (RFC 7633) needs it. Default false. */
  readonly ocspRequested?: boolean;
}

export type PeerVerdict =
  | { readonly trusted: true }
  | {
      readonly trusted: false;
      /** Node's code string, such as `CERT_HAS_EXPIRED`, `DEPTH_ZERO_SELF_SIGNED_CERT`, `ERR_TLS_CERT_ALTNAME_INVALID`. */
      readonly code: string;
      /** For people: what was wrong with which certificate, and what would be right. */
      readonly message: string;
      readonly alert: AlertName;
      /** Where it comes from: the `cause` of the error that ends the connection. */
      readonly error?: unknown;
    };

export interface CertificateVerifier {
  verify(question: PeerQuestion): MaybePromise<PeerVerdict>;
  /**
   * Whether the certificates of an identity that was authorized before are still valid at `now` (milliseconds since the epoch), so that
   * a ticket may restore it. Without it tickets outlive the certificates they were issued for.
   */
  stillValid?(identity: PeerIdentity, now: number): boolean;
  /** Distinguished names (DER) of the authorities, for `certificate_authorities`. */
  readonly authorities?: readonly Uint8Array[];
  /**
   * Names the policy: verifiers with the same name accept the same peers. Part of the trust scope of tickets.
   * Without it `authorities` stand for the policy, so a policy of your own wants a name of its own. Without both, a server redeems only
   * tickets of configs with the very same verifier object, or with the same `tickets.label`.
   */
  readonly policy?: string;
}

/** What is known of the peer after it was authenticated, in this handshake or in the one its ticket came from. */
export interface PeerIdentity {
  /** DER, leaf first; empty when the peer showed no certificate. */
  readonly chain: readonly Uint8Array[];
  readonly authorized: boolean;
  /** Why not, when `authorized` is false: a Node code string. */
  readonly authorizationError?: string;
  /** True: only the leaf of the chain is left, because the whole did not fit into a ticket. */
  readonly chainTruncated?: boolean;
}
