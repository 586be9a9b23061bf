import { equalConstantTime } from '../../bytes/index.ts';
import type { Kdf } from '../../crypto/index.ts';
import { peerFault } from '../../errors/index.ts';
import { type EarlyStage, finishedMac, type Transcript } from '../../schedule/index.ts';
import { bindersLength, type ClientHello } from '../../wire/index.ts';
import type { Received } from '../context.ts';

/**
 * Verifies the binder of one identity: the client has the PSK that `early` starts from. A wrong one ends the connection; `early` is
 * wiped then.
 *
 * @spec rfc9846#section-4.3.11.2
 */
export function checkBinder(
  hello: Received<ClientHello>,
  index: number,
  early: EarlyStage,
  kind: 'ext' | 'imp' | 'res',
  kdf: Kdf,
  transcript: Transcript,
): void {
  const psks = hello.extensions.preSharedKey!;
  const truncated = hello.raw.subarray(0, hello.raw.length - bindersLength(psks));
  const binderKey = early.binderKey(kind);
  const expected = finishedMac(kdf, binderKey, transcript.hashWith(truncated, kdf));
  binderKey.wipe();
  if (equalConstantTime(expected, psks.binders[index]!)) return;
  early.wipe();
  throw peerFault('client_hello.bad_binder', `identity ${index}`);
}
