import { peerFault } from '../../errors/index.ts';
import type { Certificate, CertificateRequest, CertificateVerify, CompressedCertificate } from '../../wire/index.ts';
import { unpackCertificate } from '../certificate-compression.ts';
import type { ServerConfig } from '../config.ts';
import type { Next, Received } from '../context.ts';
import { acceptedSchemes } from '../own-certificate.ts';
import { checkCertificateVerify, judgeCertificate } from '../peer-certificate.ts';
import type { ServerContext, ServerState, ServerStateAt } from './states.ts';

/** @spec rfc9846#section-4.4.2 */
export function certificateRequest(config: ServerConfig, context: Uint8Array): CertificateRequest {
  const { signatureSchemes, certificateSignatureSchemes, certificateCompression, verifier } = config;
  return {
    type: 'certificate_request',
    context,
    extensions: {
      signatureAlgorithms: signatureSchemes,
      ...(certificateSignatureSchemes.length > 0 && {
        signatureAlgorithmsCert: acceptedSchemes(config),
      }),
      ...(verifier?.authorities?.length && { certificateAuthorities: verifier.authorities }),
      ...(certificateCompression.length > 0 && { compressCertificate: certificateCompression.map(({ id }) => id) }),
    },
  };
}

/**
 * The client's answer to our CertificateRequest: a chain, or an empty list when it has none to show.
 *
 * @spec rfc9846#section-4.5.1
 */
export function onCertificate(
  { flight }: ServerStateAt<'expect_certificate'>,
  message: Received<Certificate>,
  cx: ServerContext,
): Next<ServerState> {
  const { config } = cx;
  if (message.context.length !== 0) throw peerFault('certificate.bad_context', 'it must be empty during the handshake');
  refuseExtensions(message);
  flight.transcript.add(message.raw);
  if (message.entries.length === 0) {
    if (config.clientAuth === 'require' && config.rejectUnauthorized) throw peerFault('certificate.required');
    return { at: 'expect_finished', flight, client: { chain: [], authorized: false } };
  }
  return judgeCertificate(message, config, config.verifier!, { role: 'client' }, (shown) => ({
    at: 'expect_certificate_verify',
    flight,
    shown,
  }));
}

/** @spec rfc8879#section-4 */
export function onCompressedCertificate(
  state: ServerStateAt<'expect_certificate'>,
  message: Received<CompressedCertificate>,
  cx: ServerContext,
): Next<ServerState> {
  return onCertificate(state, unpackCertificate(message, cx.config), cx);
}

/** We ask for no extension in the Certificate of a client. */
export function refuseExtensions({ entries }: Certificate): void {
  const unasked = entries.find((entry) => entry.extensionTypes.length > 0);
  if (unasked) throw peerFault('extension.not_requested', `type ${unasked.extensionTypes[0]} in a client certificate`);
}

/** The client proves that it holds the key of its certificate. */
export function onCertificateVerify(
  { flight, shown }: ServerStateAt<'expect_certificate_verify'>,
  message: Received<CertificateVerify>,
  { config }: ServerContext,
): Next<ServerState> {
  return checkCertificateVerify(message, 'client', shown.key, flight.transcript.hash(), config, () => {
    flight.transcript.add(message.raw);
    return { at: 'expect_finished', flight, client: shown.identity, clientSignatureScheme: message.algorithm };
  });
}
