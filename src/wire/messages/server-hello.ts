import { fromHex } from '../../bytes/index.ts';
import { hasExtension, readExtensions, writeExtensions } from '../extensions/block.ts';
import { SERVER_HELLO } from '../extensions/table.ts';
import { Reader } from '../reader.ts';
import { ExtensionType } from '../registry.ts';
import type { Writer } from '../writer.ts';
import type { ServerHello, ServerHelloExtensions } from './types.ts';

/**
 * The last 8 bytes of the random of a server that could speak TLS 1.3 but negotiated TLS 1.2.
 * @spec rfc9846#section-4.2.3
 */
export const DOWNGRADE_TLS12: Uint8Array = fromHex('44 4F 57 4E 47 52 44 01');

/**
 * The last 8 bytes of the random of a server that could speak TLS 1.3 but negotiated TLS 1.1 or below.
 * @spec rfc9846#section-4.2.3
 */
export const DOWNGRADE_TLS11: Uint8Array = fromHex('44 4F 57 4E 47 52 44 00');

/**
 * ```
 * struct {
 *     ProtocolVersion legacy_version = 0x0303;    // TLS v1.2
 *     Random random;
 *     opaque legacy_session_id_echo<0..32>;
 *     CipherSuite cipher_suite;
 *     uint8 legacy_compression_method = 0;
 *     Extension extensions<6..2^16-1>;
 * } ServerHello;
 * ```
 * Without "supported_versions" this is the ServerHello of an older version, whose extensions are none of our business:
 * `extensions` is empty then.
 * @spec rfc9846#section-4.2.3
 */
export function readServerHello(r: Reader): ServerHello {
  return {
    type: 'server_hello',
    legacyVersion: r.u16(),
    random: r.bytes(32),
    legacySessionIdEcho: r.opaque(1, 0, 32),
    cipherSuite: r.u16(),
    legacyCompressionMethod: r.u8(),
    extensions: readServerHelloExtensions(r),
  };
}

export function writeServerHello(w: Writer, m: ServerHello): void {
  w.u16(m.legacyVersion).raw(m.random).opaque(1, m.legacySessionIdEcho);
  w.u16(m.cipherSuite).u8(m.legacyCompressionMethod);
  writeExtensions(w, SERVER_HELLO, m.extensions);
}

/** rfc9846#section-4.3.1: "clients MUST check for this extension prior to processing the rest of the ServerHello". */
function readServerHelloExtensions(r: Reader): ServerHelloExtensions {
  const rest = r.rest();
  if (rest.length === 0) return {};
  const block = new Reader(rest);
  if (!hasExtension(block.vector(2, 0, 0xffff), ExtensionType.supported_versions)) {
    block.finish();
    return {};
  }
  const extensions = new Reader(rest);
  const { values } = readExtensions(extensions, SERVER_HELLO);
  extensions.finish();
  return values;
}
