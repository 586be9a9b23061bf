import type { IssuedTicket } from './handle.ts';
import type { DecisionPoint, TicketMoment } from './policy.ts';

/** What a connection remembers at most: of a long one, the last. */
const MOST_HANDLES = 1_024;
const MOST_POINTS = 64;

interface Point {
  readonly point: DecisionPoint;
  why: string;
  readonly handles: IssuedTicket[];
}

/** The tickets of one connection of a server: planned, under way, gone. */
export class ConnectionTickets {
  readonly #points: Point[] = [];
  #handles: IssuedTicket[] = [];
  #sealed: IssuedTicket[] = [];

  get handles(): readonly IssuedTicket[] {
    return this.#handles;
  }

  /** A decision point is reached. */
  reached(point: DecisionPoint, why: string): void {
    this.#points.push({ point, why, handles: [] });
    if (this.#points.length > MOST_POINTS) this.#points.shift();
  }

  /** The policy was asked again at the same point. */
  because(why: string): void {
    this.#points.at(-1)!.why = why;
  }

  add(handle: IssuedTicket): void {
    this.#points.at(-1)!.handles.push(handle);
    this.#handles.push(handle);
    if (this.#handles.length > MOST_HANDLES) {
      const gone = this.#handles.findIndex((h) => !h.isPlanned);
      this.#handles.splice(Math.max(gone, 0), 1);
    }
  }

  /** Planned ones whose moment this is, in order. */
  waitingFor(moment: TicketMoment): readonly IssuedTicket[] {
    return this.#handles.filter((handle) => handle.isPlanned && !handle.generated && handle.when === moment);
  }

  /** Its message is among the outgoing bytes. */
  sealed(handle: IssuedTicket): void {
    this.#sealed.push(handle);
  }

  /** The outgoing bytes were handed over: those that were among them. */
  written(): readonly IssuedTicket[] {
    const written = this.#sealed;
    if (written.length > 0) this.#sealed = [];
    for (const handle of written) handle.written();
    return written;
  }

  /** Whether a ticket is on its way from the sealer. */
  get isSealing(): boolean {
    return this.#handles.some((handle) => handle.generated && handle.isPlanned);
  }

  /** Takes back what is planned. How many. */
  cancel(): number {
    return this.#handles.filter((handle) => handle.cancel()).length;
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
