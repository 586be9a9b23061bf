import { Secret } from '../../src/bytes/index.ts';

/** All secrets that are used while `run` runs, but for those that outlive connections. `seen` gets the bytes of each, whenever they are used. */
export async function secretsUsed(
  run: () => Promise<unknown>,
  outlives: (secret: Secret) => boolean = () => false,
  seen?: (bytes: Uint8Array) => void,
): Promise<Secret[]> {
  const used = new Set<Secret>();
  const real = Object.getOwnPropertyDescriptor(Secret.prototype, 'bytes')!;
  Object.defineProperty(Secret.prototype, 'bytes', {
    configurable: true,
    get(this: Secret) {
      const bytes = real.get!.call(this) as Uint8Array;
      if (!used.has(this)) seen?.(bytes);
      used.add(this);
      return bytes;
    },
  });
  try {
    await run();
  } finally {
    Object.defineProperty(Secret.prototype, 'bytes', real);
  }
  return [...used].filter((secret) => !outlives(secret));
}
