import { ExtensionType } from '../registry.ts';
import { type ExtensionCodec, emptyExtension } from './codec.ts';

/**
 * ```
 * struct {} PostHandshakeAuth;
 * ```
 * @spec rfc9846#section-4.3.6
 */
export const postHandshakeAuth: ExtensionCodec<true> = emptyExtension(ExtensionType.post_handshake_auth);
