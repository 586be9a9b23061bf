import { copyOf, equalConstantTime, isConstant, toHex } from '../bytes/index.ts';
import type { CryptoProvider } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import type { TicketKey } from './key-ring.ts';

/** How many live keys a ring holds: each is tried on each ticket. */
export const MAX_KEYS_HELD = 16;
export const MIN_SECRET_LENGTH = 32;
export const MAX_SECRET_LENGTH = 1_024;

/** Bytes of a part of a foreign ticket key: a name, an HMAC key, an AES key, or half of one. */
const BLOCK_LENGTH = 16;
const FINGERPRINT_LABEL = new TextEncoder().encode('tessera ticket key id');

/**
 * A ticket key of Node (48 bytes: `server.getTicketKeys()`) or OpenSSL, nginx and HAProxy (48 or 80 bytes), as the `secret` of a
 * {@link TicketKey}: all of its bytes, the name too, in an array of their own. Wipe it, and yours, after use.
 *
 * The key is material for derivation only: our tickets do not open elsewhere, and theirs not here.
 * Throws {@link TlsUsageError}: `ticket_key.bad_length`; `ticket_key.constant` when a part of the key was never filled in: one of its
 * blocks of 16 bytes is constant, or is the same as another.
 */
export function ticketKeyMaterial(bytes: Uint8Array): Uint8Array {
  if (!(bytes instanceof Uint8Array) || (bytes.length !== 48 && bytes.length !== 80)) {
    const found = bytes instanceof Uint8Array ? `${bytes.length} bytes` : typeof bytes;
    throw new TlsUsageError(
      'ticket_key.bad_length',
      `a ticket key of Node or OpenSSL is a Uint8Array of 48 or 80 bytes, not ${found}`,
    );
  }
  const blocks = Array.from({ length: bytes.length / BLOCK_LENGTH }, (_, i) =>
    bytes.subarray(BLOCK_LENGTH * i, BLOCK_LENGTH * (i + 1)),
  );
  blocks.forEach((block, i) => {
    if (isConstant(block) || blocks.slice(0, i).some((other) => equalConstantTime(other, block))) {
      throw new TlsUsageError(
        'ticket_key.constant',
        `bytes ${BLOCK_LENGTH * i} to ${BLOCK_LENGTH * (i + 1) - 1} of the ticket key are all the same, or repeat others; every part must be random`,
      );
    }
  });
  return copyOf(bytes);
}

/** The `id` that a ring gives a key with this secret: eight hexadecimal digits, derived one way. */
export function ticketKeyId(crypto: CryptoProvider, secret: Uint8Array): string {
  return fingerprintOf(crypto, secret).slice(0, 8);
}

/** The long form of an id: tells keys apart. */
export function fingerprintOf(crypto: CryptoProvider, secret: Uint8Array): string {
  return toHex(crypto.kdf('sha256').hmac(secret, FINGERPRINT_LABEL).subarray(0, 16));
}

/** Throws {@link TlsUsageError}: `ticket_key.short`, `ticket_key.long`, `ticket_key.constant`. `what` starts the message. */
export function checkSecret(what: string, secret: Uint8Array): void {
  if (!(secret instanceof Uint8Array) || secret.length < MIN_SECRET_LENGTH) {
    throw new TlsUsageError(
      'ticket_key.short',
      `${what} must be a Uint8Array of at least ${MIN_SECRET_LENGTH} random bytes`,
    );
  }
  if (secret.length > MAX_SECRET_LENGTH) {
    throw new TlsUsageError('ticket_key.long', `${what} has ${secret.length} bytes, allowed are ${MAX_SECRET_LENGTH}`);
  }
  // An all-zero key is what uninitialised memory looks like (CVE-2020-13777).
  if (isConstant(secret)) {
    throw new TlsUsageError('ticket_key.constant', `all bytes of ${what} are the same; it must be random`);
  }
}

/** Throws {@link TlsUsageError}: `ticket_key.bad_times`. */
export function checkTimes({ sealFrom, sealUntil, openUntil }: TicketKey): void {
  const finite = [sealFrom, sealUntil, openUntil].every(Number.isFinite);
  if (finite && sealFrom < sealUntil && sealUntil <= openUntil) return;
  throw new TlsUsageError(
    'ticket_key.bad_times',
    `a ticket key needs sealFrom < sealUntil <= openUntil (milliseconds), not ${sealFrom}, ${sealUntil}, ${openUntil}`,
  );
}

/** `seconds`, when it is a period. Throws {@link TlsUsageError}: `ticket_key.bad_period`. */
export function period(name: string, seconds: number): number {
  // A year is plainly a mistake in the unit.
  if (Number.isFinite(seconds) && seconds >= 1 && seconds <= 31_536_000) return seconds;
  throw new TlsUsageError('ticket_key.bad_period', `${name} is ${seconds}, it must be from 1 to 31,536,000 seconds`);
}
