import crypto from 'node:crypto';
import { copyOf } from '../../bytes/index.ts';

const POOL_LENGTH = 4_096;
const pool = new Uint8Array(POOL_LENGTH);
let used = POOL_LENGTH;

/**
 * `length` unpredictable bytes. They are drawn 4 KiB at a time, because a call into OpenSSL costs the same for 32 bytes; what was given
 * out is wiped from the pool.
 */
export function random(length: number): Uint8Array {
  if (length > POOL_LENGTH / 4) return crypto.randomFillSync(new Uint8Array(length));
  if (used + length > POOL_LENGTH) {
    crypto.randomFillSync(pool);
    used = 0;
  }
  const taken = pool.subarray(used, used + length);
  used += length;
  const bytes = copyOf(taken);
  taken.fill(0);
  return bytes;
}
