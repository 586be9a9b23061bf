/**
 * What Redis holds of ticket keys: one text, replaced as a whole by compare-and-set. Keys are wrapped, and what is said about them is
 * authenticated, under a secret that Redis never sees.
 */
import { concat, isConstant, Secret } from '../../bytes/index.ts';
import type { Aead, CryptoProvider, Kdf } from '../../crypto/index.ts';
import { TlsUsageError } from '../../errors/index.ts';
import type { TicketKey } from '../../tickets/index.ts';
import { badOption } from './client.ts';

/** When a key seals and opens, milliseconds since the epoch. */
export type KeyTimes = Pick<TicketKey, 'sealFrom' | 'sealUntil' | 'openUntil'>;

/** One key. `box`: its secret, wrapped, in base64; no two are the same. */
export interface KeyRecord extends KeyTimes {
  /** 1 for the first key of a fleet, and one more for each that follows. */
  readonly epoch: number;
  readonly box: string;
}

/** Says that the key with this id was destroyed, until it would have been anyway. */
export interface Tombstone {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
  /** Proves that a host of the fleet wrote it. */
  readonly box: string;
}

export interface KeyDocument {
  readonly keys: readonly KeyRecord[];
  readonly gone: readonly Tombstone[];
  /** The generations of tenants, wrapped as one; `undefined`: no tenant was ever destroyed. */
  readonly tenants?: string | undefined;
}

export const MAX_KEYS = 16;
const MAX_TOMBSTONES = 64;
const MAX_DOCUMENT_LENGTH = 65_536;
const MAX_BOX_LENGTH = 256;
const MAX_TENANTS_LENGTH = 32_768;

/** The parts of `text` that have the right shape, and how many have not. Nothing in it is trusted yet. */
export function parseDocument(text: string): KeyDocument & { readonly malformed: number } {
  const none = { keys: [], gone: [], malformed: 1 };
  if (text.length > MAX_DOCUMENT_LENGTH) return none;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return none;
  }
  const { keys, gone, tenants } = (value ?? {}) as { keys?: unknown; gone?: unknown; tenants?: unknown };
  if (!Array.isArray(keys) || !Array.isArray(gone)) return none;
  const goodKeys = keys.filter(isRecord).slice(0, MAX_KEYS);
  const goodGone = gone.filter(isTombstone).slice(0, MAX_TOMBSTONES);
  return {
    keys: goodKeys,
    gone: goodGone,
    tenants: isBox(tenants, MAX_TENANTS_LENGTH) ? tenants : undefined,
    malformed: keys.length - goodKeys.length + gone.length - goodGone.length,
  };
}

export function formatDocument({ keys, gone, tenants }: KeyDocument): string {
  return JSON.stringify({
    keys: keys.map(({ epoch, sealFrom, sealUntil, openUntil, box }) => ({
      epoch,
      sealFrom,
      sealUntil,
      openUntil,
      box,
    })),
    gone: gone.slice(-MAX_TOMBSTONES).map(({ id, until, box }) => ({ id, until, box })),
    tenants,
  });
}

function isRecord(value: unknown): value is KeyRecord {
  const { epoch, sealFrom, sealUntil, openUntil, box } = (value ?? {}) as Partial<Record<keyof KeyRecord, unknown>>;
  return [epoch, sealFrom, sealUntil, openUntil].every(isTime) && isBox(box);
}

function isTombstone(value: unknown): value is Tombstone {
  const { id, until, box } = (value ?? {}) as Partial<Record<keyof Tombstone, unknown>>;
  return typeof id === 'string' && /^[0-9a-f]{8,64}$/.test(id) && isTime(until) && isBox(box);
}

function isTime(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isBox(value: unknown, maxLength: number = MAX_BOX_LENGTH): value is string {
  return typeof value === 'string' && value.length <= maxLength && /^[A-Za-z0-9+/]+={0,2}$/.test(value);
}

export interface KeySchedule {
  readonly sealForMs: number;
  readonly outageMs: number;
  readonly openForMs: number;
  /** From publishing to sealing, at least. */
  readonly propagationMs: number;
  /** How long before it is its turn a key is published. */
  readonly leadMs: number;
}

/**
 * The times of the key to be published at `now`, or `undefined`: none is due. `live`: the keys that still open. `empty`: nobody has
 * ever published anything, as far as anybody knows, so that there is no host that would have to learn the key first.
 */
export function nextKeyTimes(
  live: readonly KeyTimes[],
  empty: boolean,
  now: number,
  { sealForMs, outageMs, openForMs, propagationMs, leadMs }: KeySchedule,
): KeyTimes | undefined {
  const turn = live.reduce((latest, key) => Math.max(latest, key.sealFrom + sealForMs), 0);
  if (turn - leadMs > now) return undefined;
  const sealFrom = empty ? now : Math.max(now + propagationMs, turn);
  return {
    sealFrom,
    sealUntil: sealFrom + sealForMs + outageMs,
    openUntil: sealFrom + sealForMs + openForMs,
  };
}

const SALT_LENGTH = 32;
const NONCE = new Uint8Array(12);
const NOTHING = new Uint8Array(0);
const EXTRACT_SALT = new TextEncoder().encode('tessera shared key store');
const utf8 = new TextEncoder();

/**
 * Wraps keys under a secret that the hosts share: AES-256-GCM under a key made for one box, HKDF-Expand(secret, label || salt), with
 * all that is said about the key as additional data.
 */
export class KeyWrap {
  readonly #crypto: CryptoProvider;
  readonly #kdf: Kdf;
  readonly #aead: Aead;
  readonly #secrets: readonly Secret[];
  readonly #label: string;

  /** The first of `secrets` wraps, all unwrap. Throws {@link TlsUsageError}: `redis.bad_option`, `ticket.no_aead`. */
  constructor(crypto: CryptoProvider, secrets: readonly Uint8Array[], label: string) {
    const aead = crypto.aead('aes-256-gcm');
    if (aead === undefined) {
      throw new TlsUsageError('ticket.no_aead', `the crypto provider ${crypto.name} has no aes-256-gcm`);
    }
    if (secrets.length < 1 || secrets.length > 4)
      throw badOption('secret', 'must be one secret, or 1 to 4 in an array');
    for (const secret of secrets) {
      if (!(secret instanceof Uint8Array) || secret.length < 32 || secret.length > 1_024) {
        throw badOption('secret', 'must be a Uint8Array of 32 to 1,024 random bytes');
      }
      if (isConstant(secret)) throw badOption('secret', 'must be random, all its bytes are the same');
    }
    this.#crypto = crypto;
    this.#kdf = crypto.kdf('sha256');
    this.#aead = aead;
    this.#label = label;
    this.#secrets = secrets.map((secret) => new Secret(this.#kdf.hmac(EXTRACT_SALT, secret)));
  }

  /** Leaves `secret` to the caller to wipe. */
  wrap(about: Omit<KeyRecord, 'box'>, secret: Uint8Array): KeyRecord {
    return { ...about, box: this.#seal(describe(about), secret) };
  }

  /** The secret, for the caller to wipe; `undefined` when it is not of this fleet, or anything about it was changed. */
  unwrap(record: KeyRecord): Uint8Array | undefined {
    return this.#open(describe(record), record.box);
  }

  bury(about: Omit<Tombstone, 'box'>): Tombstone {
    return { ...about, box: this.#seal(tombstoneText(about), NOTHING) };
  }

  /** Whether a host of this fleet wrote it. */
  isGenuine(tombstone: Tombstone): boolean {
    return this.#open(tombstoneText(tombstone), tombstone.box) !== undefined;
  }

  /** Throws {@link TlsUsageError} `redis.too_many_tenants` when they do not fit. */
  wrapTenants(generations: ReadonlyMap<string, number>): string {
    const box = this.#seal('tenants', utf8.encode(JSON.stringify([...generations])));
    if (box.length <= MAX_TENANTS_LENGTH) return box;
    throw new TlsUsageError('redis.too_many_tenants', 'the generations of all tenants do not fit into the store');
  }

  /** `undefined` when no host of this fleet wrote it. */
  unwrapTenants(box: string): readonly (readonly [tenant: string, generation: number])[] | undefined {
    const bytes = this.#open('tenants', box);
    return bytes && JSON.parse(new TextDecoder().decode(bytes));
  }

  #seal(about: string, plaintext: Uint8Array): string {
    const salt = this.#crypto.random(SALT_LENGTH);
    const key = this.#key(this.#secrets[0]!, salt);
    const box = concat(salt, key.seal(NONCE, utf8.encode(about), plaintext));
    key.wipe();
    return Buffer.from(box).toString('base64');
  }

  #open(about: string, box: string): Uint8Array | undefined {
    const bytes = new Uint8Array(Buffer.from(box, 'base64'));
    if (bytes.length < SALT_LENGTH + this.#aead.tagLength) return undefined;
    for (const secret of this.#secrets) {
      const key = this.#key(secret, bytes.subarray(0, SALT_LENGTH));
      const plaintext = key.open(NONCE, utf8.encode(about), bytes.subarray(SALT_LENGTH));
      key.wipe();
      if (plaintext !== undefined) return plaintext;
    }
    return undefined;
  }

  #key(secret: Secret, salt: Uint8Array): ReturnType<Aead['withKey']> {
    const material = this.#kdf.expand(secret.bytes, concat(utf8.encode(`${this.#label}|`), salt), this.#aead.keyLength);
    const key = this.#aead.withKey(material);
    material.fill(0);
    return key;
  }
}

/** All that is said about a key. */
export function describe({ epoch, sealFrom, sealUntil, openUntil }: Omit<KeyRecord, 'box'>): string {
  return `key|${epoch}|${sealFrom}|${sealUntil}|${openUntil}`;
}

function tombstoneText({ id, until }: Omit<Tombstone, 'box'>): string {
  return `gone|${id}|${until}`;
}
