import type { Random } from './target.ts';

const INTERESTING: readonly number[] = [0, 1, 2, 3, 4, 8, 16, 22, 23, 32, 64, 100, 127, 128, 129, 192, 254, 255];
const INTERESTING_16: readonly number[] = [
  0, 1, 255, 256, 257, 0x0303, 0x0304, 0x3fff, 0x4000, 0x4001, 0x7fff, 0x8000, 0xffff,
];

/** What makes inputs of inputs. `others` is the corpus, for splices. */
export interface Material {
  readonly others: readonly Uint8Array[];
  readonly dictionary: readonly Uint8Array[];
  readonly maxLength: number;
}

/** One to sixteen changes, most often few. */
export function mutate(input: Uint8Array, random: Random, material: Material): Uint8Array {
  let bytes = input;
  const changes = 1 << random.below(5);
  for (let i = 0; i < changes; i++) bytes = change(bytes, random, material);
  return bytes.length > material.maxLength ? bytes.slice(0, material.maxLength) : bytes;
}

function change(bytes: Uint8Array, random: Random, { others, dictionary }: Material): Uint8Array {
  const { length } = bytes;
  if (length === 0) return random.bytes(random.between(1, 16));
  const at = random.below(length);
  const to = Math.min(length, at + 1 + random.below(1 << random.below(9)));
  switch (random.below(13)) {
    case 0:
      return edited(bytes, (copy) => {
        copy[at]! ^= 1 << random.below(8);
      });
    case 1:
      return edited(bytes, (copy) => {
        copy[at] = random.u32();
      });
    case 2:
      return edited(bytes, (copy) => {
        copy[at] = random.pick(INTERESTING);
      });
    case 3:
      return edited(bytes, (copy) => {
        copy[at]! += random.between(-8, 8);
      });
    case 4:
      return edited(bytes, (copy) => set16(copy, at, random.pick(INTERESTING_16)));
    case 5:
      // What may be a length: a little more, a little less.
      return edited(bytes, (copy) => set16(copy, at, ((copy[at]! << 8) | (copy[at + 1] ?? 0)) + random.between(-4, 4)));
    case 6:
      return replaced(bytes, at, to, NOTHING);
    case 7:
      return replaced(bytes, at, at, random.bytes(random.between(1, 8)));
    case 8:
      return replaced(bytes, at, at, bytes.subarray(at, to));
    case 9: {
      const source = random.below(length);
      return edited(bytes, (copy) => copy.copyWithin(at, source, source + (to - at)));
    }
    case 10:
      return dictionary.length === 0 ? bytes : replaced(bytes, at, random.chance(2) ? at : to, random.pick(dictionary));
    case 11: {
      const other = random.pick(others) ?? NOTHING;
      const from = random.below(other.length);
      return random.chance(2)
        ? replaced(bytes, at, length, other.subarray(from))
        : replaced(bytes, at, to, other.subarray(from, from + random.between(1, 256)));
    }
    default:
      return random.chance(4) ? bytes.slice(0, at) : replaced(bytes, at, at, new Uint8Array(to - at).fill(bytes[at]!));
  }
}

const NOTHING = new Uint8Array(0);

function edited(bytes: Uint8Array, edit: (copy: Uint8Array) => void): Uint8Array {
  const copy = bytes.slice();
  edit(copy);
  return copy;
}

function set16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  if (at + 1 < bytes.length) bytes[at + 1] = value;
}

/** `bytes` with those from `at` to `to` replaced. */
export function replaced(bytes: Uint8Array, at: number, to: number, by: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length - (to - at) + by.length);
  out.set(bytes.subarray(0, at));
  out.set(by, at);
  out.set(bytes.subarray(to), at + by.length);
  return out;
}
