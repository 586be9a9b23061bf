import type { CryptoProvider } from '../crypto/index.ts';

/**
 * A value that a tolerant peer must ignore, for cipher suites, groups, schemes, versions and extensions alike.
 *
 * @spec https://www.rfc-editor.org/rfc/rfc8701#section-2
 */
export function greaseValue(crypto: CryptoProvider): number {
  return ((crypto.random(1)[0]! & 0xf0) | 0x0a) * 0x0101;
}
