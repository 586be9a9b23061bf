import { readExtensions, writeExtensions } from '../extensions/block.ts';
import { CLIENT_HELLO } from '../extensions/table.ts';
import type { Reader } from '../reader.ts';
import { readUint16List, writeUint16List } from '../uint16-list.ts';
import type { Writer } from '../writer.ts';
import type { ClientHello, OfferedPsks } from './types.ts';

/**
 * ```
 * struct {
 *     ProtocolVersion legacy_version = 0x0303;    // TLS v1.2
 *     Random random;
 *     opaque legacy_session_id<0..32>;
 *     CipherSuite cipher_suites<2..2^16-2>;
 *     opaque legacy_compression_methods<1..2^8-1>;
 *     Extension extensions<7..2^16-1>;
 * } ClientHello;
 * ```
 * Clients of TLS 1.2 may leave the extensions out, or send an empty block; the message is readable then, too, so that
 * it can be handed to a stack of that version.
 * @spec rfc9846#section-4.2.2
 */
export function readClientHello(r: Reader): ClientHello {
  const legacyVersion = r.u16();
  const random = r.bytes(32);
  const legacySessionId = r.opaque(1, 0, 32);
  const cipherSuites = readUint16List(r, 2, 2, 0xfffe);
  const legacyCompressionMethods = r.opaque(1, 1, 255);
  const { values, types } = r.left === 0 ? { values: {}, types: [] } : readExtensions(r, CLIENT_HELLO);
  return {
    type: 'client_hello',
    legacyVersion,
    random,
    legacySessionId,
    cipherSuites,
    legacyCompressionMethods,
    extensions: values,
    extensionTypes: types,
  };
}

export function writeClientHello(w: Writer, m: ClientHello): void {
  w.u16(m.legacyVersion).raw(m.random).opaque(1, m.legacySessionId);
  writeUint16List(w, 2, m.cipherSuites);
  w.opaque(1, m.legacyCompressionMethods);
  writeExtensions(w, CLIENT_HELLO, m.extensions, m.otherExtensions);
}

/**
 * Bytes that the binders take at the end of a ClientHello, their 2-byte length included. What comes before them is
 * what the binders are computed over.
 * @spec rfc9846#section-4.3.11.2
 */
export function bindersLength(psks: OfferedPsks): number {
  let length = 2;
  for (const binder of psks.binders) length += 1 + binder.length;
  return length;
}
