import { TlsUsageError } from '../errors/index.ts';

const MAX_TENANTS = 10_000;

/**
 * How often the tickets of each tenant were destroyed. The number goes into the derivation of the tenant's sub-keys, and only grows:
 * raising it kills every ticket sealed before, and nobody else's.
 */
export class TenantGenerations {
  readonly #generations: Map<string, number> = new Map();

  /** 0 for a tenant that was never destroyed. */
  of(tenant: string): number {
    return this.#generations.get(tenant) ?? 0;
  }

  /** A copy, of the tenants above 0. */
  all(): ReadonlyMap<string, number> {
    return new Map(this.#generations);
  }

  /**
   * Raises a generation to at least `generation`; never lowers it, so that hosts may exchange theirs in any order.
   * Throws {@link TlsUsageError}: `ticket_key.bad_generation`, `ticket_key.too_many_tenants`.
   */
  raise(tenant: string, generation: number): void {
    if (typeof tenant !== 'string' || !Number.isSafeInteger(generation) || generation < 0) {
      throw new TlsUsageError(
        'ticket_key.bad_generation',
        `a tenant's generation is ${generation}, it must be an integer`,
      );
    }
    if (generation <= this.of(tenant)) return;
    if (this.#generations.size >= MAX_TENANTS && !this.#generations.has(tenant)) {
      throw new TlsUsageError(
        'ticket_key.too_many_tenants',
        `the ring keeps the generations of at most ${MAX_TENANTS} tenants, and forgetting one would revive its tickets; destroy all keys and begin with a new ring`,
      );
    }
    this.#generations.set(tenant, generation);
  }
}
