import type { Secret } from '../bytes/index.ts';
import type { Kdf } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { constantsOf } from './constants.ts';
import { deriveSecret, expandLabel } from './expand-label.ts';

/**
 * TLS-Exporter: keying material for the application out of exporter_secret or early_exporter_secret.
 *
 * `label` has at most 249 printable ASCII characters (the RFC wants one at least, other implementations take none), `length` is 1 to 255 times the hash length (8160 or 12240 bytes); an absent
 * `context` equals an empty one. Throws a {@link TlsUsageError} `exporter.bad_label` or `exporter.bad_length`.
 *
 * @spec rfc9846#section-7.5
 */
export function exportKeyingMaterial(
  kdf: Kdf,
  exporterSecret: Secret,
  label: string,
  context: Uint8Array | undefined,
  length: number,
): Uint8Array {
  if (!/^[ -~]{0,249}$/.test(label)) {
    throw new TlsUsageError('exporter.bad_label', 'an exporter label has at most 249 printable ASCII characters');
  }
  const most = 255 * kdf.hashLength;
  if (!Number.isInteger(length) || length < 1 || length > most) {
    throw new TlsUsageError('exporter.bad_length', `length is ${length}, it must be an integer from 1 to ${most}`);
  }
  const { emptyHash } = constantsOf(kdf);
  const contextHash = context === undefined || context.length === 0 ? emptyHash : kdf.hash(context);
  const secret = deriveSecret(kdf, exporterSecret.bytes, label, emptyHash);
  const material = expandLabel(kdf, secret, 'exporter', contextHash, length);
  secret.fill(0);
  return material;
}
