import type { CertificateCompressionName } from '../../crypto/index.ts';
import { peerFault } from '../../errors/index.ts';
import {
  type Certificate,
  type CertificateRequest,
  type CertificateVerify,
  type CompressedCertificate,
  ExtensionType,
  nameOf,
} from '../../wire/index.ts';
import { unpackCertificate } from '../certificate-compression.ts';
import type { Next, Received } from '../context.ts';
import { checkCertificateVerify, judgeCertificate } from '../peer-certificate.ts';
import type { ClientContext, ClientState, ClientStateAt } from './states.ts';

/** The server wants to see a certificate of ours. The answer goes out with our Finished. */
export function onCertificateRequest(
  { handshake }: ClientStateAt<'expect_certificate_or_request'>,
  message: Received<CertificateRequest>,
): ClientState {
  // "certificate_request_context … SHALL be zero length unless used for … post-handshake authentication" (rfc9846#section-4.4.2).
  if (message.context.length !== 0) throw peerFault('certificate.bad_context', 'it must be empty during the handshake');
  if (!message.extensions.signatureAlgorithms) throw peerFault('certificate_request.missing_signature_algorithms');
  handshake.transcript.add(message.raw);
  return { at: 'expect_certificate', handshake, request: message };
}

type AwaitingCertificate = ClientStateAt<'expect_certificate_or_request'> | ClientStateAt<'expect_certificate'>;

/** @spec rfc8879#section-4 */
export function onCompressedCertificate(
  state: AwaitingCertificate,
  message: Received<CompressedCertificate>,
  cx: ClientContext,
): Next<ClientState> {
  return onCertificate(state, unpackCertificate(message, cx.config), cx);
}

/** @spec rfc9846#section-4.5.1 */
export function onCertificate(
  state: AwaitingCertificate,
  message: Received<Certificate> & { readonly compression?: CertificateCompressionName },
  { config, options }: ClientContext,
): Next<ClientState> {
  const { handshake } = state;
  const request = state.at === 'expect_certificate' ? state.request : undefined;
  if (message.context.length !== 0)
    throw peerFault('certificate.bad_context', 'it must be empty in a server certificate');
  // "The server's certificate_list MUST always be non-empty" (rfc9846#section-4.5.1).
  if (message.entries.length === 0) throw peerFault('certificate.empty');
  const statusRequested = handshake.offer.hello.extensions.statusRequest === true;
  for (const { extensionTypes } of message.entries) {
    const unasked = extensionTypes.find((type) => type !== ExtensionType.status_request || !statusRequested);
    if (unasked !== undefined)
      throw peerFault('extension.not_requested', `${nameOf(ExtensionType, unasked)} in Certificate`);
  }
  const ocspResponse = message.entries[0]!.ocspResponse;
  handshake.transcript.add(message.raw);
  const question = {
    role: 'server' as const,
    ...(options.serverName !== undefined && { serverName: options.serverName }),
    ocspRequested: statusRequested,
    ...(ocspResponse && { ocspResponse }),
  };
  return judgeCertificate(message, config, config.verifier, question, (shown) => ({
    at: 'expect_certificate_verify',
    handshake,
    request,
    shown,
    ocspResponse,
    compression: message.compression,
  }));
}

/** The server proves that it holds the key of its certificate. */
export function onCertificateVerify(
  { handshake, request, shown, ocspResponse, compression }: ClientStateAt<'expect_certificate_verify'>,
  message: Received<CertificateVerify>,
  { config }: ClientContext,
): Next<ClientState> {
  return checkCertificateVerify(message, 'server', shown.key, handshake.transcript.hash(), config, () => {
    handshake.transcript.add(message.raw);
    const server = { identity: shown.identity, signatureScheme: message.algorithm, ocspResponse, compression };
    return { at: 'expect_finished', handshake, request, server };
  });
}
