import type { IssuedTicket } from './handle.ts';
import type { DecisionPoint, TicketMoment } from './policy.ts';

/** What a connection remembers at most: of a long one, the last. */
const MOST_POINTS = 64;

/** A decision point that was reached, and the tickets it gave. */
export interface ReachedPoint {
  readonly point: DecisionPoint;
  /** Replaced when the policy is asked again. */
  why: string;
  readonly handles: IssuedTicket[];
}

/** The tickets of one connection of a server: planned, under way, gone. */
export class ConnectionTickets {
  readonly #most: number;
  #points: ReachedPoint[] = [];
  #count = 0;
  /** All that are planned, and some that were. */
  #planned: IssuedTicket[] = [];
  /** Not handed over yet. */
  #sealed: IssuedTicket[] | undefined;

  /** `most`: tickets to remember. As many may be planned at one time; the caller sees to it that there are no more. */
  constructor(most: number) {
    this.#most = most;
  }

  get handles(): readonly IssuedTicket[] {
    return this.#points.flatMap(({ handles }) => handles);
  }

  /** Tickets that wait for their moment, or for a slow sealer. */
  get planned(): number {
    if (this.#planned.length > 0) this.#planned = this.#planned.filter(isPlanned);
    return this.#planned.length;
  }

  reached(point: DecisionPoint, why: string): ReachedPoint {
    const reached: ReachedPoint = { point, why, handles: [] };
    this.#points.push(reached);
    if (this.#points.length > MOST_POINTS) this.#forget(this.#points.find(({ handles }) => !handles.some(isPlanned)));
    return reached;
  }

  add(at: ReachedPoint, handle: IssuedTicket): void {
    at.handles.push(handle);
    this.#planned.push(handle);
    if (++this.#count <= this.#most) return;
    // What is planned is not forgotten: its moment is still to come.
    for (const { handles } of this.#points) {
      const past = handles.findIndex((other) => other !== handle && !other.isPlanned);
      if (past === -1) continue;
      handles.splice(past, 1);
      this.#count--;
      return;
    }
  }

  #forget(point: ReachedPoint | undefined): void {
    if (point === undefined || point === this.#points.at(-1)) return;
    this.#count -= point.handles.length;
    this.#points = this.#points.filter((other) => other !== point);
  }

  /** Planned ones whose moment this is, in order. */
  waitingFor(moment: TicketMoment): readonly IssuedTicket[] {
    if (this.planned === 0) return NONE;
    return this.#planned.filter((handle) => !handle.generated && handle.when === moment);
  }

  /** Its message is among the outgoing bytes. */
  sealed(handle: IssuedTicket): void {
    this.#sealed ??= [];
    this.#sealed.push(handle);
  }

  /** The outgoing bytes were handed over: those that were among them. */
  written(): readonly IssuedTicket[] {
    const written = this.#sealed;
    if (written === undefined) return NONE;
    this.#sealed = undefined;
    for (const handle of written) handle.written();
    return written;
  }

  /** Whether a ticket is on its way from the sealer. */
  get isSealing(): boolean {
    return this.handles.some((handle) => handle.generated && handle.isPlanned);
  }

  /** Takes back what is planned. How many. */
  cancel(): number {
    return this.handles.filter((handle) => handle.cancel()).length;
  }

  /** One line for each point and each ticket. */
  explain(now: number): string {
    return this.#points
      .map(({ point, why, handles }) => {
        const head = `${point}: ${why}`;
        return [head, ...handles.map((handle) => `  ${describe(handle, now)}`)].join('\n');
      })
      .join('\n');
  }
}

const NONE: readonly IssuedTicket[] = [];

const isPlanned = (handle: IssuedTicket): boolean => handle.isPlanned;

function describe(handle: IssuedTicket, now: number): string {
  const state = handle.state(now);
  const name = `ticket ${handle.id.slice(0, 8)}: ${state}`;
  if (state === 'declined') return `${name} (${handle.reason})`;
  if (state === 'planned')
    return `${name}, ${typeof handle.when === 'string' ? handle.when : `after ${handle.when.afterIdleMs} ms idle`}`;
  if (state === 'sealed' || state === 'written')
    return `${name}, ${Math.ceil((handle.expiresAt! - now) / 1000)} s left`;
  return name;
}
