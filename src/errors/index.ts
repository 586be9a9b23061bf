import type { AlertName } from './alert.ts';
import { PEER_FAULTS, type PeerFault } from './codes.ts';

export { AlertDescription, type AlertName, alertName } from './alert.ts';
export { PEER_FAULTS, type PeerFault } from './codes.ts';

/**
 * We end the connection and tell the peer why: `alert` goes on the wire, `code` names the cause.
 * Codes and their alerts are in `codes.ts`.
 */
export class TlsAlertError extends Error {
  override readonly name = 'TlsAlertError';
  readonly code: PeerFault;
  readonly alert: AlertName;
  /** For `certificate.not_trusted`: why, as a Node code string such as `CERT_HAS_EXPIRED`. */
  readonly verdict: string | undefined;

  constructor(code: PeerFault, alert: AlertName, message: string, options?: { cause?: unknown; verdict?: string }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.alert = alert;
    this.verdict = options?.verdict;
  }
}

/** The peer ended the connection with a fatal alert. `alert` is the RFC's name, or `unknown_<number>`. */
export class TlsPeerAlertError extends Error {
  override readonly name = 'TlsPeerAlertError';
  readonly code = 'peer.alert';
  readonly alert: string;

  constructor(alert: string) {
    super(`the peer ended the connection with the alert ${alert}`);
    this.alert = alert;
  }
}

/** The program using this library made a mistake. Never caused by bytes from the network. */
export class TlsUsageError extends Error {
  override readonly name = 'TlsUsageError';
  readonly code: string;

  /** `code` is `area.cause` in snake_case; `message` says which value was wrong and what would be right. */
  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** Characters of a detail that are shown. Whatever the peer may choose, it does not fill anybody's log. */
const MAX_DETAIL_LENGTH = 300;

/**
 * The error for a fault of the peer, with the alert that `codes.ts` gives it. `detail` is appended for people and never holds a secret; it is
 * cut to 300 characters, and control characters are replaced, for parts of it may be the peer's words.
 */
export function peerFault(code: keyof typeof PEER_FAULTS, detail?: string, cause?: unknown): TlsAlertError {
  const [alert, sentence] = PEER_FAULTS[code];
  return new TlsAlertError(code, alert, detail === undefined ? sentence : `${sentence}: ${shown(detail)}`, { cause });
}

function shown(detail: string): string {
  const cut = detail.length > MAX_DETAIL_LENGTH ? `${detail.slice(0, MAX_DETAIL_LENGTH)}…` : detail;
  return cut.replace(/\p{Cc}/gu, '\ufffd');
}
