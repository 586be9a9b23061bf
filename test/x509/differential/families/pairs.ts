import { bad, type Case, type Change, type Family, good, PLACES } from '../case.ts';

const PAIRS = 300;

/** The changes of two cases at once, at different places of the chain; which, a generator with a fixed start says. */
export function pairs(families: readonly Family[]): Case[] {
  const single = families.flatMap(({ name, cases }) =>
    cases.flatMap(({ name: what, expected, change }) =>
      change === undefined || Object.keys(change).length !== 1 ? [] : [{ name: `${name}: ${what}`, expected, change }],
    ),
  );
  const random = generator(1);
  const found = new Map<string, Case>();
  while (found.size < PAIRS) {
    const a = single[random() % single.length]!;
    const b = single[random() % single.length]!;
    if (!areIndependent(a.change, b.change)) continue;
    const name = `${a.name}, and ${b.name}`;
    const faults = [a, b].filter(({ expected }) => expected === 'refused').length;
    const make = faults === 0 ? good : bad;
    found.set(name, make(name, { ...a.change, ...b.change }, faults === 2 ? { severalFaults: true } : {}));
  }
  return [...found.values()];
}

/** At different places, and not one with a new key where the other has something that goes with the old one. */
function areIndependent(a: Change, b: Change): boolean {
  if (PLACES.some((place) => a[place] !== undefined && b[place] !== undefined)) return false;
  const fields = [a, b].map((change) => new Set(Object.values(change).flatMap((recipe) => Object.keys(recipe))));
  const [one, other] = fields as [Set<string>, Set<string>];
  const bound = ['key', 'algorithm', 'innerAlgorithm', 'tamper', 'signer', 'raw'];
  return (
    !(one.has('key') && bound.some((field) => other.has(field))) &&
    !(other.has('key') && bound.some((field) => one.has(field)))
  );
}

/** A linear congruential generator: the same pairs in every run. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return state >>> 8;
  };
}
