import { DecodeError, Reader } from './reader.ts';
import { Writer } from './writer.ts';

/** What stands in the place of a PSK identity when the PSK was imported. */
export interface ImportedIdentity {
  /** 1 to 65,535 bytes. */
  readonly externalIdentity: Uint8Array;
  /** 0 to 65,535 bytes. */
  readonly context: Uint8Array;
  /** Of TLS: 0x0304. */
  readonly targetProtocol: number;
  /** 1: HKDF_SHA256, 2: HKDF_SHA384. */
  readonly targetKdf: number;
}

/**
 * ```
 * struct {
 *     opaque external_identity<1...2^16-1>;
 *     opaque context<0..2^16-1>;
 *     uint16 target_protocol;
 *     uint16 target_kdf;
 * } ImportedIdentity;
 * ```
 * @spec https://www.rfc-editor.org/rfc/rfc9258#section-5.1
 */
export function encodeImportedIdentity(identity: ImportedIdentity): Uint8Array {
  return new Writer()
    .opaque(2, identity.externalIdentity)
    .opaque(2, identity.context)
    .u16(identity.targetProtocol)
    .u16(identity.targetKdf)
    .finish();
}

/** `undefined` when `identity` is not exactly an ImportedIdentity: then it is one of another kind. */
export function decodeImportedIdentity(identity: Uint8Array): ImportedIdentity | undefined {
  try {
    const r = new Reader(identity);
    const externalIdentity = r.opaque(2, 1, 0xffff);
    const context = r.opaque(2, 0, 0xffff);
    const targetProtocol = r.u16();
    const targetKdf = r.u16();
    r.finish();
    return { externalIdentity, context, targetProtocol, targetKdf };
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
