import { concat } from '../bytes/index.ts';
import type { Aead, AeadKey, CryptoProvider, Kdf } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { Reader } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';
import type { TicketKeyRing } from './key-ring.ts';
import { decodeTicketState, encodeTicketState, TICKET_STATE_LABEL } from './state.ts';
import {
  MAX_TICKET_LIFETIME_SECONDS,
  type SealRequest,
  type TicketDecline,
  type TicketQuestion,
  type TicketSealer,
  type TicketState,
} from './types.ts';

const COOKIE_LABEL = 'tessera hello retry cookie';
const SALT_LENGTH = 32;
const PADDING_STEP = 64;
const SUB_KEY_LABEL = 'tessera ticket sub-key|';
const NO_ADDITIONAL_DATA = new Uint8Array(0);
const NONCE = new Uint8Array(12);
const utf8 = new TextEncoder();
/** For programs that use a sealer on their own. */
const UNSCOPED_SEAL: SealRequest = { scope: '' };
const UNSCOPED: TicketQuestion = { scopes: [''], serverName: undefined };
/** The longest ticket and the longest cookie of the protocol, in bytes. */
const MAX_SEALED_LENGTH = 0xffff;

/**
 * `salt || AEAD(plaintext)`, under a key used for this one box: HKDF-Expand(ring key, label || salt).
 *
 * Nothing in it names the ring key, so that an observer sees random bytes only; the key is found by trying each, newest first, of
 * which there are at most 16. A fresh 32-byte salt makes the key unique without any counter that hosts would have to share.
 */
class Box {
  readonly #ring: TicketKeyRing;
  readonly #crypto: CryptoProvider;
  readonly #kdf: Kdf;
  readonly #aead: Aead;
  readonly #label: string;

  constructor(ring: TicketKeyRing, crypto: CryptoProvider, label: string) {
    const aead = crypto.aead('aes-256-gcm') ?? crypto.aead('chacha20-poly1305');
    if (aead === undefined) {
      throw new TlsUsageError(
        'ticket.no_aead',
        `the crypto provider ${crypto.name} has neither aes-256-gcm nor chacha20-poly1305, and tickets need one of them`,
      );
    }
    this.#ring = ring;
    this.#crypto = crypto;
    this.#kdf = crypto.kdf('sha256');
    this.#aead = aead;
    this.#label = `${label}|${aead.name}`;
  }

  /** Bytes added to a plaintext. */
  get overhead(): number {
    return SALT_LENGTH + this.#aead.tagLength;
  }

  /** `undefined` when no key of the ring seals at `now`. Wipes `plaintext`. */
  seal(plaintext: Uint8Array, now: number, scope: string, tenant?: string): Uint8Array | undefined {
    const key = this.#ring.sealingKey(now);
    if (key === undefined) {
      plaintext.fill(0);
      return undefined;
    }
    const salt = this.#crypto.random(SALT_LENGTH);
    const ciphertext = this.#withSecret(key.secret.bytes, tenant, (secret) =>
      this.#withKey(secret, scope, salt, (aeadKey) => aeadKey.seal(NONCE, NO_ADDITIONAL_DATA, plaintext)),
    );
    plaintext.fill(0);
    return concat(salt, ciphertext);
  }

  /** The plaintext, for the caller to wipe; `undefined` when no key of the ring opens it at `now`. */
  open(sealed: Uint8Array, now: number, scopes: readonly string[], tenant?: string): Uint8Array | undefined {
    if (sealed.length < this.overhead || sealed.length > MAX_SEALED_LENGTH) return undefined;
    const salt = sealed.subarray(0, SALT_LENGTH);
    const ciphertext = sealed.subarray(SALT_LENGTH);
    for (const key of this.#ring.openingKeys(now)) {
      const found = this.#withSecret(key.secret.bytes, tenant, (secret) => {
        for (const scope of scopes) {
          const plaintext = this.#withKey(secret, scope, salt, (aeadKey) =>
            aeadKey.open(NONCE, NO_ADDITIONAL_DATA, ciphertext),
          );
          if (plaintext !== undefined) return plaintext;
        }
        return undefined;
      });
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** A tenant's sub-key: HKDF-Expand(ring key, label || generation || name). Without a tenant, the ring key itself. */
  #withSecret<T>(secret: Uint8Array, tenant: string | undefined, use: (secret: Uint8Array) => T): T {
    if (tenant === undefined) return use(secret);
    // The label starts none of the other derivations, and only the name, which is last, has no fixed length.
    const generation = new Writer().u64(this.#ring.tenantGeneration(tenant)).finish();
    const info = concat(utf8.encode(SUB_KEY_LABEL), generation, utf8.encode(tenant));
    const subKey = this.#kdf.expand(secret, info, this.#kdf.hashLength);
    try {
      return use(subKey);
    } finally {
      subKey.fill(0);
    }
  }

  /** One HMAC: ring keys are uniform, so HKDF-Expand takes them as they are, and a key used once needs no nonce of its own. */
  #withKey<T>(secret: Uint8Array, scope: string, salt: Uint8Array, use: (key: AeadKey) => T): T {
    // The salt after `scope` has a fixed length and the parts before it are fixed, so that no two are derived alike.
    const info = concat(utf8.encode(`${this.#label}|${scope}`), salt);
    const material = this.#kdf.expand(secret, info, this.#aead.keyLength);
    const key = this.#aead.withKey(material);
    material.fill(0);
    try {
      return use(key);
    } finally {
      key.wipe();
    }
  }
}

export interface RingSealerOptions {
  /**
   * Which tickets have a key of their own, derived from the ring's: those of each name do not open under another, and
   * {@link TicketKeyRing.destroyTenant} destroys them at once.
   *
   * - `none` (default): all share the ring's key.
   * - `server_name`: each server name (SNI, in lower case; no name is the empty tenant) is a tenant.
   * - a function from the server name, as the client sent it, to the tenant. Names of one tenant share their tickets where the rest of
   *   the server lets them. It must be pure, and the same on all hosts. A throw costs the ticket.
   */
  readonly subKeys?: 'none' | 'server_name' | ((serverName: string | undefined) => string);
}

/**
 * Seals the whole state into the ticket, under the keys of a {@link TicketKeyRing}. Synchronous, and keeps nothing.
 * The scope goes into the derivation of the key of each ticket.
 *
 * The state is padded to a multiple of 64 bytes, so that the length of a ticket says little about what is inside.
 * AES-256-GCM, or ChaCha20-Poly1305 where the provider lacks it: hosts that share keys must agree in this.
 * Throws {@link TlsUsageError} `ticket.no_aead` when the provider has neither, `ticket.bad_sub_keys`.
 */
export class RingSealer implements TicketSealer {
  readonly #ring: TicketKeyRing;
  readonly #box: Box;
  readonly #tenantOf: (serverName: string | undefined) => string | undefined;

  constructor(ring: TicketKeyRing, crypto: CryptoProvider, { subKeys = 'none' }: RingSealerOptions = {}) {
    this.#ring = ring;
    this.#tenantOf = tenantFunction(subKeys);
    this.#box = new Box(ring, crypto, TICKET_STATE_LABEL);
  }

  /** Whole seconds from `now` until the sealing key is destroyed, at most seven days. 0 when no key seals. */
  maxLifetimeSeconds(now: number): number {
    const key = this.#ring.sealingKey(now);
    if (key === undefined) return 0;
    return Math.min(Math.floor((key.openUntil - now) / 1_000), MAX_TICKET_LIFETIME_SECONDS);
  }

  /**
   * The ticket; `undefined` when no key seals at `now`, when the ticket would outlive its key, or when the state is too large.
   * Throws {@link TlsUsageError} `ticket.bad_field` when a value of the state is out of range.
   */
  seal(state: TicketState, now: number, { scope }: SealRequest = UNSCOPED_SEAL): Uint8Array | undefined {
    const key = this.#ring.sealingKey(now);
    if (key === undefined || state.issuedAt + state.lifetimeSeconds * 1_000 > key.openUntil) return undefined;
    const tenant = this.#tenantOf(state.serverName);
    const encoded = encodeTicketState(state);
    if (encoded === undefined) return undefined;
    const plaintext = pad(encoded);
    encoded.fill(0);
    return this.#box.seal(plaintext, now, scope, tenant);
  }

  /** The state, or why not: `no_key` (also for bytes that were changed or are no ticket), `malformed`, `expired`. No ticket makes it throw. */
  open(
    ticket: Uint8Array,
    now: number,
    { scopes, serverName }: TicketQuestion = UNSCOPED,
  ): TicketState | TicketDecline {
    // Every ticket of ours has a padded length; others are not worth the tries.
    if ((ticket.length - this.#box.overhead) % PADDING_STEP !== 0) return 'no_key';
    const plaintext = this.#box.open(ticket, now, scopes, this.#tenantOf(serverName));
    if (plaintext === undefined) return 'no_key';
    const state = unpad(plaintext);
    plaintext.fill(0);
    if (state === undefined) return 'malformed';
    if (now < state.issuedAt + state.lifetimeSeconds * 1_000) return state;
    state.psk.fill(0);
    return 'expired';
  }
}

function tenantFunction(
  subKeys: NonNullable<RingSealerOptions['subKeys']>,
): (serverName: string | undefined) => string | undefined {
  if (subKeys === 'none') return () => undefined;
  if (subKeys === 'server_name') return (serverName) => serverName?.toLowerCase() ?? '';
  if (typeof subKeys !== 'function') {
    throw new TlsUsageError('ticket.bad_sub_keys', "subKeys must be 'none', 'server_name' or a function");
  }
  return (serverName) => {
    const tenant = subKeys(serverName);
    // Anything else would fall back to the key that all share.
    if (typeof tenant === 'string') return tenant;
    throw new TlsUsageError(
      'ticket.bad_sub_keys',
      `the function subKeys returned ${typeof tenant}, it must return a string`,
    );
  };
}

/** `opaque state<0..2^16-1>` and zeros up to a multiple of 64 bytes. */
function pad(encoded: Uint8Array): Uint8Array {
  const length = 2 + encoded.length;
  const padded = new Uint8Array(Math.ceil(length / PADDING_STEP) * PADDING_STEP);
  padded[0] = encoded.length >>> 8;
  padded[1] = encoded.length;
  padded.set(encoded, 2);
  return padded;
}

function unpad(padded: Uint8Array): TicketState | undefined {
  const length = padded.length < 2 ? 0 : (padded[0]! << 8) | padded[1]!;
  return length > padded.length - 2 ? undefined : decodeTicketState(padded.subarray(2, 2 + length));
}

export interface RingCookieSealerOptions {
  /** Cookies sealed with one label do not open with another. Default empty. */
  readonly label?: string;
  /** How far, in seconds, the clocks at sealing and opening may lie apart, either way: 1 to 3,600. Default 30. */
  readonly validForSeconds?: number;
}

/**
 * Seals the content of a HelloRetryRequest cookie under the keys of a {@link TicketKeyRing}, so that any server with the same keys can
 * take the second ClientHello. It does not stop a client from using a cookie twice within its time; nothing without memory can.
 *
 * Throws {@link TlsUsageError}: `ticket.no_aead`, `cookie.bad_option`.
 */
export class RingCookieSealer {
  readonly #box: Box;
  readonly #scope: string;
  readonly #validForMs: number;

  constructor(ring: TicketKeyRing, crypto: CryptoProvider, options: RingCookieSealerOptions = {}) {
    const seconds = options.validForSeconds ?? 30;
    if (!(seconds >= 1 && seconds <= 3_600)) {
      throw new TlsUsageError('cookie.bad_option', `validForSeconds is ${seconds}, it must be from 1 to 3,600`);
    }
    this.#validForMs = seconds * 1_000;
    this.#scope = options.label ?? '';
    this.#box = new Box(ring, crypto, COOKIE_LABEL);
  }

  /** Throws {@link TlsUsageError}: `cookie.no_key` when no key of the ring seals at `now`, `cookie.too_long`. */
  seal(content: Uint8Array, now: number): Uint8Array {
    const plaintext = new Writer().u64(Math.floor(now)).raw(content).finish();
    if (plaintext.length + this.#box.overhead > MAX_SEALED_LENGTH) {
      throw new TlsUsageError('cookie.too_long', `${content.length} bytes do not fit into a cookie`);
    }
    const cookie = this.#box.seal(plaintext, now, this.#scope);
    if (cookie === undefined) {
      throw new TlsUsageError('cookie.no_key', 'no key of the ring seals at this time; add one');
    }
    return cookie;
  }

  /** The content; `undefined` when no key opens it, or it was sealed too long ago or too far ahead. No cookie makes it throw. */
  open(cookie: Uint8Array, now: number): Uint8Array | undefined {
    const plaintext = this.#box.open(cookie, now, [this.#scope]);
    if (plaintext === undefined || plaintext.length < 8) return undefined;
    const reader = new Reader(plaintext);
    return Math.abs(now - reader.u64()) <= this.#validForMs ? reader.rest() : undefined;
  }
}
