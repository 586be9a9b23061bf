import { equal, fromHex } from '../../bytes/index.ts';
import { readExtensions, writeExtensions } from '../extensions/block.ts';
import { HELLO_RETRY_REQUEST } from '../extensions/table.ts';
import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';
import type { HelloRetryRequest } from './types.ts';

/**
 * SHA-256 of "HelloRetryRequest": the random that makes a ServerHello a HelloRetryRequest. 32 bytes.
 * @spec rfc9846#section-4.2.3
 */
export const HELLO_RETRY_REQUEST_RANDOM: Uint8Array = fromHex(`
  CF 21 AD 74 E5 9A 61 11 BE 1D 8C 02 1E 65 B8 91
  C2 A2 11 16 7A BB 8C 5E 07 9E 09 E2 C8 A8 33 9C
`);

/** Whether the body of a server_hello message is a HelloRetryRequest: the random comes after the two bytes of the version. */
export function isHelloRetryRequest(body: Uint8Array): boolean {
  return equal(body.subarray(2, 34), HELLO_RETRY_REQUEST_RANDOM);
}

/**
 * A HelloRetryRequest "uses the same structure as the ServerHello", with other extensions.
 *
 * ```
 * struct {
 *     ProtocolVersion legacy_version = 0x0303;    // TLS v1.2
 *     Random random;                              // HELLO_RETRY_REQUEST_RANDOM
 *     opaque legacy_session_id_echo<0..32>;
 *     CipherSuite cipher_suite;
 *     uint8 legacy_compression_method = 0;
 *     Extension extensions<6..2^16-1>;
 * } ServerHello;
 * ```
 * @spec rfc9846#section-4.2.4
 */
export function readHelloRetryRequest(r: Reader): HelloRetryRequest {
  const legacyVersion = r.u16();
  r.bytes(32);
  return {
    type: 'hello_retry_request',
    legacyVersion,
    legacySessionIdEcho: r.opaque(1, 0, 32),
    cipherSuite: r.u16(),
    legacyCompressionMethod: r.u8(),
    extensions: readExtensions(r, HELLO_RETRY_REQUEST).values,
  };
}

export function writeHelloRetryRequest(w: Writer, m: HelloRetryRequest): void {
  w.u16(m.legacyVersion).raw(HELLO_RETRY_REQUEST_RANDOM).opaque(1, m.legacySessionIdEcho);
  w.u16(m.cipherSuite).u8(m.legacyCompressionMethod);
  writeExtensions(w, HELLO_RETRY_REQUEST, m.extensions);
}
