import { peerFault } from '../../errors/index.ts';
import type { OfferedPsks, PskIdentity } from '../messages/types.ts';
import { ExtensionType } from '../registry.ts';
import type { ExtensionCodec } from './codec.ts';

/**
 * In ClientHello. Throws `client_hello.psk_binder_count` when there is not one binder for each identity.
 *
 * ```
 * struct {
 *     opaque identity<1..2^16-1>;
 *     uint32 obfuscated_ticket_age;
 * } PskIdentity;
 *
 * opaque PskBinderEntry<32..255>;
 *
 * struct {
 *     PskIdentity identities<7..2^16-1>;
 *     PskBinderEntry binders<33..2^16-1>;
 * } OfferedPsks;
 * ```
 * @spec rfc9846#section-4.3.11
 */
export const offeredPsks: ExtensionCodec<OfferedPsks> = {
  type: ExtensionType.pre_shared_key,

  read(r) {
    const identityList = r.vector(2, 7, 0xffff);
    const identities: PskIdentity[] = [];
    while (identityList.left > 0) {
      identities.push({ identity: identityList.opaque(2, 1, 0xffff), obfuscatedTicketAge: identityList.u32() });
    }
    const binderList = r.vector(2, 33, 0xffff);
    const binders: Uint8Array[] = [];
    while (binderList.left > 0) binders.push(binderList.opaque(1, 32, 255));
    if (identities.length !== binders.length) {
      throw peerFault('client_hello.psk_binder_count', `${identities.length} identities, ${binders.length} binders`);
    }
    return { identities, binders };
  },

  write(w, { identities, binders }) {
    w.vector(2, (w) => {
      for (const { identity, obfuscatedTicketAge } of identities) w.opaque(2, identity).u32(obfuscatedTicketAge);
    });
    w.vector(2, (w) => {
      for (const binder of binders) w.opaque(1, binder);
    });
  },
};

/**
 * In ServerHello: `selected_identity`, the index of the chosen identity.
 *
 * ```
 * struct {
 *     select (Handshake.msg_type) {
 *         case client_hello: OfferedPsks;
 *         case server_hello: uint16 selected_identity;
 *     };
 * } PreSharedKeyExtension;
 * ```
 * @spec rfc9846#section-4.3.11
 */
export const selectedIdentity: ExtensionCodec<number> = {
  type: ExtensionType.pre_shared_key,
  read: (r) => r.u16(),
  write: (w, index) => void w.u16(index),
};
