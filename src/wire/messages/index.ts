import { peerFault } from '../../errors/index.ts';
import { DecodeError, Reader } from '../reader.ts';
import { HandshakeType, nameOf } from '../registry.ts';
import { Writer } from '../writer.ts';
import { readCertificate, writeCertificate } from './certificate.ts';
import { readCertificateRequest, writeCertificateRequest } from './certificate-request.ts';
import { readCertificateVerify, writeCertificateVerify } from './certificate-verify.ts';
import { readClientHello, writeClientHello } from './client-hello.ts';
import { readCompressedCertificate, writeCompressedCertificate } from './compressed-certificate.ts';
import { readEncryptedExtensions, writeEncryptedExtensions } from './encrypted-extensions.ts';
import { readEndOfEarlyData, writeEndOfEarlyData } from './end-of-early-data.ts';
import { readFinished, writeFinished } from './finished.ts';
import { isHelloRetryRequest, readHelloRetryRequest, writeHelloRetryRequest } from './hello-retry-request.ts';
import { readKeyUpdate, writeKeyUpdate } from './key-update.ts';
import { readNewSessionTicket, writeNewSessionTicket } from './new-session-ticket.ts';
import { readServerHello, writeServerHello } from './server-hello.ts';
import type { HandshakeMessage } from './types.ts';

/**
 * Parses one handshake message (rfc9846#section-4): `handshakeType` from the header, `body` without the 4-byte header.
 * A server_hello with the HelloRetryRequest random becomes `hello_retry_request`.
 * The byte arrays in the result are views of `body`, not copies.
 * Throws a {@link TlsAlertError}: `handshake.malformed`, `handshake.unknown_type`, `extension.*` or a fault of the message.
 */
export function decodeHandshakeMessage(handshakeType: number, body: Uint8Array): HandshakeMessage {
  const r = new Reader(body);
  try {
    const message = readBody(handshakeType, body, r);
    r.finish();
    return message;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw peerFault('handshake.malformed', `${nameOf(HandshakeType, handshakeType)}: ${error.message}`, error);
  }
}

function readBody(handshakeType: number, body: Uint8Array, r: Reader): HandshakeMessage {
  switch (handshakeType) {
    case HandshakeType.client_hello:
      return readClientHello(r);
    case HandshakeType.server_hello:
      return isHelloRetryRequest(body) ? readHelloRetryRequest(r) : readServerHello(r);
    case HandshakeType.new_session_ticket:
      return readNewSessionTicket(r);
    case HandshakeType.end_of_early_data:
      return readEndOfEarlyData(r);
    case HandshakeType.encrypted_extensions:
      return readEncryptedExtensions(r);
    case HandshakeType.certificate:
      return readCertificate(r);
    case HandshakeType.compressed_certificate:
      return readCompressedCertificate(r);
    case HandshakeType.certificate_request:
      return readCertificateRequest(r);
    case HandshakeType.certificate_verify:
      return readCertificateVerify(r);
    case HandshakeType.finished:
      return readFinished(r);
    case HandshakeType.key_update:
      return readKeyUpdate(r);
    default:
      // Also message_hash, which exists in transcripts only.
      throw peerFault('handshake.unknown_type', `${handshakeType}`);
  }
}

/**
 * The whole message with its 4-byte header.
 *
 * ```
 * struct {
 *     HandshakeType msg_type;    // handshake type
 *     uint24 length;             // remaining bytes in message
 *     select (Handshake.msg_type) { … };
 * } Handshake;
 * ```
 * Extensions come in the order of the table in `extensions/table.ts`. Lengths are not checked against the RFC, only
 * against their length fields: a `RangeError` is a mistake of the caller.
 * @spec rfc9846#section-4
 */
export function encodeHandshakeMessage(message: HandshakeMessage): Uint8Array {
  switch (message.type) {
    case 'client_hello':
      return encode(HandshakeType.client_hello, message, writeClientHello);
    case 'server_hello':
      return encode(HandshakeType.server_hello, message, writeServerHello);
    case 'hello_retry_request':
      return encode(HandshakeType.server_hello, message, writeHelloRetryRequest);
    case 'new_session_ticket':
      return encode(HandshakeType.new_session_ticket, message, writeNewSessionTicket);
    case 'end_of_early_data':
      return encode(HandshakeType.end_of_early_data, message, writeEndOfEarlyData);
    case 'encrypted_extensions':
      return encode(HandshakeType.encrypted_extensions, message, writeEncryptedExtensions);
    case 'certificate':
      return encode(HandshakeType.certificate, message, writeCertificate);
    case 'compressed_certificate':
      return encode(HandshakeType.compressed_certificate, message, writeCompressedCertificate);
    case 'certificate_request':
      return encode(HandshakeType.certificate_request, message, writeCertificateRequest);
    case 'certificate_verify':
      return encode(HandshakeType.certificate_verify, message, writeCertificateVerify);
    case 'finished':
      return encode(HandshakeType.finished, message, writeFinished);
    case 'key_update':
      return encode(HandshakeType.key_update, message, writeKeyUpdate);
  }
}

function encode<M>(handshakeType: number, message: M, write: (w: Writer, message: M) => void): Uint8Array {
  return new Writer()
    .u8(handshakeType)
    .vector(3, (w) => write(w, message))
    .finish();
}
