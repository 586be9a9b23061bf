import { peerFault } from '../../errors/index.ts';
import { finishedMac } from '../../schedule/index.ts';
import { type CertificateRequest, encodeHandshakeMessage } from '../../wire/index.ts';
import { isParked, type Next, type Received } from '../context.ts';
import { showCertificate } from './show-certificate.ts';
import type { ClientConnected, ClientContext } from './states.ts';

/**
 * The server asks for a certificate after the handshake. The connection goes on while a signer or the application thinks; several
 * requests may wait at one time, and are answered as their answers get ready.
 *
 * @spec rfc9846#section-4.7.2
 */
export function onPostHandshakeCertificateRequest(
  state: ClientConnected,
  message: Received<CertificateRequest>,
  { config, out }: ClientContext,
): ClientConnected {
  const { postHandshakeAuth: auth } = state;
  if (auth === undefined)
    throw peerFault('handshake.unexpected_message', 'certificate_request, but post_handshake_auth was not offered');
  if (!message.extensions.signatureAlgorithms) throw peerFault('certificate_request.missing_signature_algorithms');
  if (++auth.received > config.limits.certificateRequestsReceived)
    throw peerFault('certificate_request.too_many', `${auth.received} on this connection`);
  if (auth.pending >= config.limits.certificateRequestsPending)
    throw peerFault('certificate_request.too_many', `${auth.pending} wait for an answer`);
  // After our close_notify there can be no answer.
  if (out.writeClosed) return state;

  const transcript = auth.transcript.copy();
  transcript.add(message.raw);
  const answer: Uint8Array[] = [];
  const add = (bytes: Uint8Array): void => {
    transcript.add(bytes);
    answer.push(bytes);
  };
  // "All of the client's messages for a given response MUST appear consecutively on the wire": they leave together, once all are there,
  // and the Finished is made with the secret of that moment, for the keys may have been updated meanwhile.
  const send = (): void => {
    const verifyData = finishedMac(state.kdf, state.writeSecret, transcript.hash());
    for (const bytes of answer) out.send(bytes);
    out.send(encodeHandshakeMessage({ type: 'finished', verifyData }));
    out.endFlight();
  };
  const shown = showCertificate<Shown>(message, config, transcript, add, () => SHOWN);
  if (!isParked(shown)) {
    send();
    return state;
  }
  auth.pending++;
  const failure = settled(shown).then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  out.defer(failure, (failed) => {
    auth.pending--;
    if (failed !== undefined) throw failed.error;
    send();
  });
  return state;
}

/** Certificate and CertificateVerify are there. */
interface Shown {
  readonly at: 'shown';
}
const SHOWN: Shown = { at: 'shown' };

/** What comes after all the waiting. */
async function settled<S>(next: Next<S>): Promise<S> {
  let now = next;
  while (isParked(now)) now = (await now.settled)();
  return now;
}
