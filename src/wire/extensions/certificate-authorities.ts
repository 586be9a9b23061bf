import { ExtensionType } from '../registry.ts';
import type { ExtensionCodec } from './codec.ts';

/**
 * ```
 * opaque DistinguishedName<1..2^16-1>;
 *
 * struct {
 *     DistinguishedName authorities<3..2^16-1>;
 * } CertificateAuthoritiesExtension;
 * ```
 * @spec rfc9846#section-4.3.4
 */
export const certificateAuthorities: ExtensionCodec<readonly Uint8Array[]> = {
  type: ExtensionType.certificate_authorities,

  read(r) {
    const list = r.vector(2, 3, 0xffff);
    const authorities: Uint8Array[] = [];
    while (list.left > 0) authorities.push(list.opaque(2, 1, 0xffff));
    return authorities;
  },

  write(w, authorities) {
    w.vector(2, (w) => {
      for (const name of authorities) w.opaque(2, name);
    });
  },
};
