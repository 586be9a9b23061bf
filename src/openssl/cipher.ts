import { CipherSuite } from '../wire/registry.ts';
import { expectBytes, unwrap } from './arguments.ts';
import { Ssl } from './connection.ts';
import { sessionOf } from './session.ts';
import { Opaque, type SSL, type SSL_CIPHER, type SSL_SESSION } from './types.ts';

class Cipher extends Opaque<'SSL_CIPHER'> {
  readonly codePoint: number;
  readonly name: string;

  constructor(name: string, codePoint: number) {
    super();
    this.name = name;
    this.codePoint = codePoint;
  }
}

const CIPHERS: ReadonlyMap<number, Cipher> = new Map(
  Object.entries(CipherSuite).map(([name, codePoint]) => [codePoint, new Cipher(name, codePoint)]),
);

function cipherOf(cipher: SSL_CIPHER | null): Cipher | undefined {
  return unwrap('cipher', cipher, Cipher);
}

/** The suite of the connection, `null` before the handshake. */
export function SSL_get_current_cipher(ssl: SSL | null): SSL_CIPHER | null {
  const suite = unwrap('ssl', ssl, Ssl)?.info?.cipherSuite;
  return (suite !== undefined && CIPHERS.get(suite)) || null;
}

/** The suite of a session. */
export function SSL_SESSION_get0_cipher(session: SSL_SESSION | null): SSL_CIPHER | null {
  const suite = sessionOf(session)?.fields.cipherSuite;
  return (suite !== undefined && CIPHERS.get(suite)) || null;
}

/** The suite with these two bytes. */
export function SSL_CIPHER_find(ssl: SSL | null, twoBytes: Uint8Array): SSL_CIPHER | null {
  unwrap('ssl', ssl, Ssl);
  expectBytes('twoBytes', twoBytes);
  const [high = 0, low = 0] = twoBytes;
  return (twoBytes.length === 2 && CIPHERS.get((high << 8) | low)) || null;
}

/** Such as `TLS_AES_128_GCM_SHA256`; `(NONE)` for NULL. */
export function SSL_CIPHER_get_name(cipher: SSL_CIPHER | null): string {
  return cipherOf(cipher)?.name ?? '(NONE)';
}

export function SSL_CIPHER_standard_name(cipher: SSL_CIPHER | null): string {
  return SSL_CIPHER_get_name(cipher);
}

/** OpenSSL's number: 0x03000000 plus the code point. */
export function SSL_CIPHER_get_id(cipher: SSL_CIPHER | null): number {
  const known = cipherOf(cipher);
  return known === undefined ? 0 : 0x0300_0000 + known.codePoint;
}

/** The code point. */
export function SSL_CIPHER_get_protocol_id(cipher: SSL_CIPHER | null): number {
  return cipherOf(cipher)?.codePoint ?? 0;
}

export function SSL_CIPHER_get_version(cipher: SSL_CIPHER | null): string {
  return cipherOf(cipher) === undefined ? '(NONE)' : 'TLSv1.3';
}
