import type { Credential } from '../../crypto/index.ts';
import { signatureInput } from '../../peer-auth/index.ts';
import type { Transcript } from '../../schedule/index.ts';
import { type CertificateRequest, encodeHandshakeMessage } from '../../wire/index.ts';
import { packCertificate } from '../certificate-compression.ts';
import type { ClientConfig } from '../config.ts';
import { ask, holding, type Next } from '../context.ts';
import { certificateMessage, checkSignature, chooseScheme, encodeCertificate, fits } from '../own-certificate.ts';

/**
 * Certificate and CertificateVerify with the first certificate whose key the server accepts, or a Certificate without any.
 * `send` must add what it gets to `transcript`; `then` sends Finished. `holds` as in {@link ask}.
 *
 * @spec rfc9846#section-4.5
 */
export function showCertificate<S>(
  request: CertificateRequest,
  config: ClientConfig,
  transcript: Transcript,
  send: (message: Uint8Array) => void,
  then: () => Next<S>,
  holds?: unknown,
): Next<S> {
  const signatureSchemes = request.extensions.signatureAlgorithms!;
  const info = { signatureSchemes, certificateAuthorities: request.extensions.certificateAuthorities ?? [] };
  const show = (chosen: Credential | undefined): Next<S> => {
    const candidates = chosen ? [chosen] : config.credentials;
    const credential = candidates.find((c) => fits('client', c, info));
    const staple = request.extensions.statusRequest ? credential?.ocspResponse : undefined;
    // During the handshake the context is empty, so that the message can be kept; later it is another each time.
    const message =
      credential !== undefined && request.context.length === 0
        ? certificateMessage(credential, staple)
        : encodeCertificate(credential, staple, request.context);
    send(packCertificate(message, request.extensions.compressCertificate, config).message);
    if (credential === undefined) return then();
    const algorithm = chooseScheme('client', credential, signatureSchemes)!;
    const signed = credential.signer.sign(algorithm, signatureInput('client', transcript.hash()));
    const prove = (signature: Uint8Array): Next<S> => {
      send(encodeHandshakeMessage({ type: 'certificate_verify', algorithm, signature: checkSignature(signature) }));
      return then();
    };
    return ask('sign', signed, prove, holds);
  };
  return holding(holds, () => ask('chooseCredential', config.chooseCredential?.(info), show, holds));
}
