import type { HandshakeMessage } from './types.ts';

/**
 * Parses one handshake message (RFC 9846 section 4): `handshakeType` from the header, `body` without the 4-byte header.
 * A server_hello with the HelloRetryRequest random becomes `hello_retry_request`.
 * Throws a {@link TlsAlertError}: `handshake.malformed`, `handshake.unknown_type`, `extension.*` or a fault of the message.
 */
export declare function decodeHandshakeMessage(handshakeType: number, body: Uint8Array): HandshakeMessage;

/** The whole message with its 4-byte header. */
export declare function encodeHandshakeMessage(message: HandshakeMessage): Uint8Array;
