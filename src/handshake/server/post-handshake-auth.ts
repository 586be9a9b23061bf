import { equal, equalConstantTime } from '../../bytes/index.ts';
import { peerFault, TlsUsageError } from '../../errors/index.ts';
import type { PeerIdentity } from '../../peer-auth/index.ts';
import { finishedMac } from '../../schedule/index.ts';
import {
  type Certificate,
  type CertificateVerify,
  type CompressedCertificate,
  encodeHandshakeMessage,
  type Finished,
} from '../../wire/index.ts';
import { unpackCertificate } from '../certificate-compression.ts';
import type { Next, Received } from '../context.ts';
import { checkCertificateVerify, judgeCertificate } from '../peer-certificate.ts';
import { certificateRequest, refuseExtensions } from './client-auth.ts';
import { PSK_IDENTITY_PREFIX } from './issue.ts';
import type { ServerConnected, ServerContext, ServerState, ServerStateAt } from './states.ts';

/** "… the server SHOULD make the context unpredictable to the client" (rfc9846#section-4.4.2). */
const CONTEXT_LENGTH = 32;

/**
 * Asks the client for a certificate after the handshake. `required`: refuse a client that shows none; default as in the handshake.
 * Throws {@link TlsUsageError} `post_handshake_auth.no_verifier`, `.not_offered`, `.outstanding`.
 *
 * @spec rfc9846#section-4.7.2
 */
export function requestClientCertificate(
  state: ServerConnected,
  required: boolean | undefined,
  { config, out }: ServerContext,
): void {
  const { postHandshakeAuth: auth } = state;
  if (config.verifier === undefined)
    throw new TlsUsageError('post_handshake_auth.no_verifier', 'the config has no verifier for client certificates');
  if (auth === undefined)
    throw new TlsUsageError('post_handshake_auth.not_offered', 'the client does not offer post_handshake_auth');
  if (auth.request !== undefined)
    throw new TlsUsageError('post_handshake_auth.outstanding', 'the client has not answered the last request yet');
  const context = config.crypto.random(CONTEXT_LENGTH);
  const message = encodeHandshakeMessage(certificateRequest(config, context));
  const transcript = auth.transcript.copy();
  transcript.add(message);
  auth.request = { context, transcript, required: required ?? mustShow(config) };
  out.send(message);
}

function mustShow({ clientAuth, rejectUnauthorized }: ServerContext['config']): boolean {
  return clientAuth === 'require' && rejectUnauthorized;
}

/** The client begins its answer: a chain, or an empty list when it has none to show. */
export function onPostHandshakeCertificate(
  connected: ServerConnected,
  message: Received<Certificate>,
  { config }: ServerContext,
): Next<ServerState> {
  const request = connected.postHandshakeAuth?.request;
  if (request === undefined) throw notAskedFor();
  if (!equal(message.context, request.context)) throw peerFault('certificate.bad_context', 'not that of the request');
  refuseExtensions(message);
  request.transcript.add(message.raw);
  if (message.entries.length === 0) {
    if (request.required) throw peerFault('certificate.required');
    const client: PeerIdentity = { chain: [], authorized: false };
    return { at: 'expect_post_handshake_finished', connected, request, client };
  }
  return judgeCertificate(message, config, config.verifier!, { role: 'client' }, (shown) => ({
    at: 'expect_post_handshake_certificate_verify',
    connected,
    request,
    shown,
  }));
}

/** @spec rfc8879#section-4 */
export function onPostHandshakeCompressedCertificate(
  connected: ServerConnected,
  message: Received<CompressedCertificate>,
  cx: ServerContext,
): Next<ServerState> {
  // Before the work of decompressing it.
  if (connected.postHandshakeAuth?.request === undefined) throw notAskedFor();
  return onPostHandshakeCertificate(connected, unpackCertificate(message, cx.config), cx);
}

function notAskedFor(): Error {
  return peerFault('handshake.unexpected_message', 'a certificate that was not asked for');
}

/** The client proves that it holds the key of its certificate. */
export function onPostHandshakeCertificateVerify(
  { connected, request, shown }: ServerStateAt<'expect_post_handshake_certificate_verify'>,
  message: Received<CertificateVerify>,
  { config }: ServerContext,
): Next<ServerState> {
  return checkCertificateVerify(message, 'client', shown.key, request.transcript.hash(), config, () => {
    request.transcript.add(message.raw);
    return { at: 'expect_post_handshake_finished', connected, request, client: shown.identity };
  });
}

/**
 * The end of the answer: from here on the client is who it has shown to be, or nobody. Its Finished is made with the secret it writes
 * under: "[sender]_application_traffic_secret_N".
 *
 * @spec rfc9846#section-4.5.3
 */
export function onPostHandshakeFinished(
  { connected, request, client }: ServerStateAt<'expect_post_handshake_finished'>,
  message: Received<Finished>,
  { config, tickets }: ServerContext,
): ServerState {
  const expected = finishedMac(connected.kdf, connected.readSecret, request.transcript.hash());
  if (!equalConstantTime(expected, message.verifyData)) throw peerFault('handshake.finished_mismatch');
  connected.postHandshakeAuth!.request = undefined;
  const { info } = connected;
  // A redeemed ticket may have brought it here. Whoever answers now is to be revoked by his certificate.
  if (tickets.identity?.startsWith(PSK_IDENTITY_PREFIX)) tickets.identity = undefined;
  // A trusted proof of today starts the chain of resumptions anew; an empty answer proves nothing.
  const authenticatedAt = client.authorized ? config.clock.now() : info.authenticatedAt;
  connected.info = { ...info, peer: client, authenticatedAt };
  return connected;
}
