import type { AeadName, CryptoProvider, HashName } from '../crypto/index.ts';
import { CipherSuite, type CipherSuiteName } from '../wire/index.ts';
import type { Suite } from './config.ts';

/** @spec rfc9846#appendix-B.4 */
const SUITES: Readonly<Record<CipherSuiteName, { readonly aead: AeadName; readonly hash: HashName }>> = {
  TLS_AES_128_GCM_SHA256: { aead: 'aes-128-gcm', hash: 'sha256' },
  TLS_AES_256_GCM_SHA384: { aead: 'aes-256-gcm', hash: 'sha384' },
  TLS_CHACHA20_POLY1305_SHA256: { aead: 'chacha20-poly1305', hash: 'sha256' },
  TLS_AES_128_CCM_SHA256: { aead: 'aes-128-ccm', hash: 'sha256' },
  TLS_AES_128_CCM_8_SHA256: { aead: 'aes-128-ccm-8', hash: 'sha256' },
};

/** The suite with the provider's AEAD, or `undefined` when the provider does not have it. */
export function resolveSuite(name: CipherSuiteName, crypto: CryptoProvider): Suite | undefined {
  const { aead: aeadName, hash } = SUITES[name];
  const aead = crypto.aead(aeadName);
  return aead && { id: CipherSuite[name], name, aead, hash };
}

/** The hash of a cipher suite, which is also the hash of every PSK made with it. */
export function hashOfSuite(id: number): HashName {
  return id === CipherSuite.TLS_AES_256_GCM_SHA384 ? 'sha384' : 'sha256';
}
