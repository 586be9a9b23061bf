import { Secret } from '../../src/bytes/index.ts';

/** All secrets that are used while `run` runs, but for those that outlive connections. */
export async function secretsUsed(
  run: () => Promise<unknown>,
  outlives: (secret: Secret) => boolean = () => false,
): Promise<Secret[]> {
  const used = new Set<Secret>();
  const real = Object.getOwnPropertyDescriptor(Secret.prototype, 'bytes')!;
  Object.defineProperty(Secret.prototype, 'bytes', {
    configurable: true,
    get(this: Secret) {
      used.add(this);
      return real.get!.call(this) as Uint8Array;
    },
  });
  try {
    await run();
  } finally {
    Object.defineProperty(Secret.prototype, 'bytes', real);
  }
  return [...used].filter((secret) => !outlives(secret));
}
