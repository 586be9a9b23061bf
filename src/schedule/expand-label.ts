import { latin1 } from '../bytes/index.ts';
import type { Kdf } from '../crypto/index.ts';

const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * The key schedule's own labels, encoded once as the vector `label` of HkdfLabel. Labels of applications (exporters) are not kept,
 * so that they cannot fill the memory.
 */
const LABELS: ReadonlyMap<string, Uint8Array> = new Map(
  [
    'ext binder',
    'res binder',
    'imp binder',
    'c e traffic',
    'e exp master',
    'derived',
    'derived psk',
    'c hs traffic',
    's hs traffic',
    'c ap traffic',
    's ap traffic',
    'exp master',
    'res master',
    'exporter',
    'resumption',
    'key',
    'iv',
    'finished',
    'traffic upd',
  ].map((label) => [label, labelVector(label)]),
);

/** HkdfLabels with an empty context depend on nothing secret and are asked for again and again: by label, then by length. */
const WITHOUT_CONTEXT: ReadonlyMap<string, Map<number, Uint8Array>> = new Map(
  ['key', 'iv', 'finished', 'traffic upd'].map((label) => [label, new Map()]),
);

/**
 * HKDF-Expand-Label.
 *
 * `label` comes without "tls13 " and has 1 to 249 Latin-1 characters, `context` has 0 to 255 bytes, `length` is 1 to 255 times the
 * hash length of `kdf`.
 *
 * @spec rfc9846#section-7.1
 */
export function expandLabel(
  kdf: Kdf,
  secret: Uint8Array,
  label: string,
  context: Uint8Array,
  length: number,
): Uint8Array {
  const kept = context.length === 0 ? WITHOUT_CONTEXT.get(label) : undefined;
  if (kept === undefined) return kdf.expand(secret, hkdfLabel(label, context, length), length);
  let info = kept.get(length);
  if (info === undefined) {
    info = hkdfLabel(label, NOTHING, length);
    kept.set(length, info);
  }
  return kdf.expand(secret, info, length);
}

/** Derive-Secret, given the hash of the messages. */
export function deriveSecret(kdf: Kdf, secret: Uint8Array, label: string, transcriptHash: Uint8Array): Uint8Array {
  return expandLabel(kdf, secret, label, transcriptHash, kdf.hashLength);
}

/**
 * ```
 * struct {
 *     uint16 length = Length;
 *     opaque label<7..255> = "tls13 " + Label;
 *     opaque context<0..255> = Context;
 * } HkdfLabel;
 * ```
 */
function hkdfLabel(label: string, context: Uint8Array, length: number): Uint8Array {
  const vector = LABELS.get(label) ?? labelVector(label);
  if (context.length > 255) throw new RangeError(`a context of ${context.length} bytes, at most 255 are allowed`);
  const info = new Uint8Array(2 + vector.length + 1 + context.length);
  info[0] = length >>> 8;
  info[1] = length;
  info.set(vector, 2);
  info[2 + vector.length] = context.length;
  info.set(context, 3 + vector.length);
  return info;
}

function labelVector(label: string): Uint8Array {
  const bytes = latin1(`?tls13 ${label}`);
  const length = bytes.length - 1;
  if (length > 255) throw new RangeError(`a label of ${label.length} characters, allowed are up to 249`);
  bytes[0] = length;
  return bytes;
}
