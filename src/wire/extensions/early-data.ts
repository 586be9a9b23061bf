import { ExtensionType } from '../registry.ts';
import { type ExtensionCodec, emptyExtension } from './codec.ts';

/**
 * In ClientHello and EncryptedExtensions.
 *
 * ```
 * struct {
 *     select (Handshake.msg_type) {
 *         case new_session_ticket:   uint32 max_early_data_size;
 *         case client_hello:         Empty;
 *         case encrypted_extensions: Empty;
 *     };
 * } EarlyDataIndication;
 * ```
 * @spec rfc9846#section-4.3.10
 */
export const earlyData: ExtensionCodec<true> = emptyExtension(ExtensionType.early_data);

/** In NewSessionTicket: `max_early_data_size` in bytes. */
export const maxEarlyDataSize: ExtensionCodec<number> = {
  type: ExtensionType.early_data,
  read: (r) => r.u32(),
  write: (w, size) => void w.u32(size),
};
