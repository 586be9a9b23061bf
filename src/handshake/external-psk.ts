import { copyOf, Secret } from '../bytes/index.ts';
import type { CryptoProvider, HashName } from '../crypto/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import { importPsk } from '../schedule/index.ts';
import { encodeImportedIdentity, ProtocolVersion } from '../wire/index.ts';

/**
 * A key that both sides got by other means than TLS. It authenticates both: there are no certificates in a handshake that uses it.
 *
 * Who can guess the key can be either side, so it must be random, never a password; and whoever records handshakes can try guesses
 * (RFC 9257).
 */
export interface ExternalPsk {
  /** 1 to 65,535 bytes; with `import` at most 61,440, the context included; a client's must fit into its ClientHello. Goes over the wire in the clear. */
  readonly identity: Uint8Array;
  /** 16 to 65,535 bytes, uniformly random. Never used with any other hash, nor with and without `import`. */
  readonly key: Uint8Array;
  /** "For externally established PSKs, the Hash algorithm MUST be set when the PSK is established or default to SHA-256" (rfc9846#section-4.3.11). */
  readonly hash: HashName;
  /**
   * Derive a PSK for TLS 1.3 and each hash from it (RFC 9258). `context` is what both sides know about the key, such as who is the client
   * and who the server, so that nobody's messages can be turned against himself; default empty.
   */
  readonly import?: { readonly context?: Uint8Array };
}

/** An external PSK, or what was imported of it, ready for one hash. */
export class ReadyPsk {
  /** As it goes over the wire. */
  readonly wireIdentity: Uint8Array;
  /** As it was agreed on. */
  readonly identity: Uint8Array;
  /** Of the cipher suites that it may be used with. */
  readonly hash: HashName;
  /** Of the label of its binder. */
  readonly kind: 'ext' | 'imp';
  readonly key: Secret;

  constructor(psk: ExternalPsk, wireIdentity: Uint8Array, hash: HashName, kind: 'ext' | 'imp', key: Uint8Array) {
    this.wireIdentity = wireIdentity;
    this.identity = copyOf(psk.identity);
    this.hash = hash;
    this.kind = kind;
    this.key = new Secret(key);
  }

  wipe(): void {
    this.key.wipe();
  }
}

/** Code points of the KDFs that external PSKs can be imported for. */
export const TARGET_KDFS: Readonly<Record<HashName, number>> = { sha256: 1, sha384: 2 };

/** The PSK as it is, with a copy of its key. */
export function plainPsk(psk: ExternalPsk): ReadyPsk {
  return new ReadyPsk(psk, copyOf(psk.identity), psk.hash, 'ext', copyOf(psk.key));
}

/**
 * What is imported of the PSK for TLS 1.3 with `hash`.
 *
 * @spec https://www.rfc-editor.org/rfc/rfc9258#section-5
 */
export function importedPsk(psk: ExternalPsk, hash: HashName, crypto: CryptoProvider): ReadyPsk {
  const wireIdentity = encodeImportedIdentity({
    externalIdentity: psk.identity,
    context: psk.import?.context ?? new Uint8Array(0),
    targetProtocol: ProtocolVersion.tls13,
    targetKdf: TARGET_KDFS[hash],
  });
  const key = importPsk(crypto.kdf(psk.hash), psk.key, wireIdentity, crypto.kdf(hash).hashLength);
  return new ReadyPsk(psk, wireIdentity, hash, 'imp', key);
}

const MOST_IMPORTED = 61_440;
/** Room for external PSKs in a ClientHello, in bytes: identities, ages and the longest binders. */
const MOST_OFFERED = 61_600;

/** What a client may offer. Throws {@link TlsUsageError}, as {@link checkPsk}, and `psk.too_many` when they do not fit into a ClientHello. */
export function checkPsks(psks: readonly ExternalPsk[]): void {
  for (const [index, psk] of psks.entries()) checkPsk(`psks[${index}]`, psk);
  const length = psks.reduce((sum, psk) => sum + offeredLength(psk), 0);
  if (length > MOST_OFFERED)
    throw new TlsUsageError(
      'psk.too_many',
      `psks take ${length} bytes of the ClientHello, allowed are ${MOST_OFFERED}`,
    );
}

/** Bytes in pre_shared_key, at most. */
export function offeredLength({ identity, import: imported }: ExternalPsk): number {
  if (imported === undefined) return identity.length + 64;
  return 2 * (identity.length + (imported.context?.length ?? 0) + 72);
}

/** Throws {@link TlsUsageError} `psk.bad_identity`, `psk.bad_key` or `psk.bad_hash`. `name` says which one. */
export function checkPsk(name: string, psk: ExternalPsk): void {
  const { identity, key, hash } = psk;
  const length = identity.length + (psk.import?.context?.length ?? 0);
  const most = psk.import === undefined ? 0xffff : MOST_IMPORTED;
  if (identity.length < 1 || length > most)
    throw new TlsUsageError('psk.bad_identity', `${name}.identity has ${length} bytes, it must have 1 to ${most}`);
  if (key.length < 16 || key.length > 0xffff)
    throw new TlsUsageError('psk.bad_key', `${name}.key has ${key.length} bytes, it must have 16 to 65,535`);
  if (!Object.hasOwn(TARGET_KDFS, hash))
    throw new TlsUsageError('psk.bad_hash', `${name}.hash is ${String(hash)}, it must be sha256 or sha384`);
}
