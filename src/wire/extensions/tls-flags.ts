import { peerFault } from '../../errors/index.ts';
import { DecodeError } from '../reader.ts';
import { ExtensionType } from '../registry.ts';
import type { ExtensionCodec } from './codec.ts';

/** The flag of draft-ietf-tls-cross-sni-resumption: the ticket is good for every name that the server's certificate has. */
const RESUMPTION_ACROSS_NAMES = 8;

/**
 * In NewSessionTicket. Bits from the least significant of the first byte on; unknown ones are ignored.
 *
 * ```
 * struct {
 *     opaque flags<1..255>;
 * } FlagExtensions;
 * ```
 * "If the extension has trailing zero bytes, … MUST generate a fatal illegal_parameter alert."
 * @spec draft-ietf-tls-tlsflags#section-2
 */
export const ticketFlags: ExtensionCodec<true> = {
  type: ExtensionType.tls_flags,
  read: (r) => {
    const flags = r.opaque(1, 1, 0xff);
    if (r.left > 0) throw new DecodeError('bytes after the flags');
    if (flags[flags.length - 1] === 0) throw peerFault('extension.bad_flags');
    return ((flags[RESUMPTION_ACROSS_NAMES >> 3] ?? 0) & (1 << (RESUMPTION_ACROSS_NAMES & 7))) !== 0 ? true : undefined;
  },
  write: (w) => void w.opaque(1, Uint8Array.of(0, 1 << (RESUMPTION_ACROSS_NAMES & 7))),
};
