/** Clients that come all the time, each with a ticket where there is one, to whichever member is in service. */
import { ClientTicketCache } from '../../src/index.ts';
import type { Client, Visit } from './client.ts';
import type { Member } from './member.ts';

const PER_SECOND = 25;
/** So that a slow machine gets fewer connections instead of a queue of them. */
const MOST_AT_ONCE = 12;
const ORIGIN = 'fleet';

export class Load {
  /** Whom a load balancer would send clients to. */
  members: readonly Member[];
  readonly #client: Client;
  readonly #cache = new ClientTicketCache();
  readonly #open = new Map<Promise<void>, Member>();
  readonly #phases = new Map<string, Visit[]>();
  readonly #timer: NodeJS.Timeout;
  #phase = 'start';
  #turn = 0;

  constructor(client: Client, members: readonly Member[]) {
    this.#client = client;
    this.members = members;
    this.#timer = setInterval(() => this.#come(), 1_000 / PER_SECOND);
  }

  /** What comes from now on counts for `name`. */
  enter(name: string): void {
    this.#phase = name;
  }

  visits(phase: string): readonly Visit[] {
    return this.#phases.get(phase) ?? [];
  }

  get all(): readonly Visit[] {
    return [...this.#phases.values()].flat();
  }

  /** Takes `member` out of service: resolves when nobody is with it any more. */
  async drain(member: Member): Promise<void> {
    this.members = this.members.filter((other) => other !== member);
    await Promise.all([...this.#open].flatMap(([visit, at]) => (at === member ? [visit] : [])));
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#open.keys());
  }

  /** One line for each phase. */
  get summary(): readonly string[] {
    return [...this.#phases].map(([phase, visits]) => {
      const offered = visits.filter((visit) => visit.offered).length;
      const resumed = visits.filter((visit) => visit.resumed).length;
      const errors = visits.filter((visit) => visit.error !== undefined).length;
      return `${phase}: ${visits.length} handshakes, ${offered} with a ticket, ${resumed} resumed, ${errors} errors`;
    });
  }

  #come(): void {
    const { members } = this;
    if (members.length === 0 || this.#open.size >= MOST_AT_ONCE) return;
    const member = members[this.#turn++ % members.length]!;
    const phase = this.#phase;
    const [ticket] = this.#cache.take(ORIGIN, Date.now());
    const visit = this.#client.visit(member, ticket).then((result) => {
      this.#open.delete(visit);
      for (const fresh of result.tickets) this.#cache.put(ORIGIN, fresh);
      const visits = this.#phases.get(phase);
      if (visits === undefined) this.#phases.set(phase, [result]);
      else visits.push(result);
    });
    this.#open.set(visit, member);
  }
}
