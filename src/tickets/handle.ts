import { toHex } from '../bytes/index.ts';
import type { DecisionPoint, TicketMoment, TicketSpec } from './policy.ts';
import type { TicketDecline } from './types.ts';

export type TicketHandleState =
  /** Waits for its moment, or for a slow sealer. */
  | 'planned'
  /** Queued behind what is to be written: cannot be taken back any more. */
  | 'sealed'
  /** Handed to the transport. */
  | 'written'
  /** Came back and was accepted, here or on another connection of the same config. */
  | 'redeemed'
  | 'expired'
  /** Could not be issued: see `reason`. */
  | 'declined'
  | 'canceled';

/** One ticket of a server, from its plan to its end. */
export interface TicketHandle {
  /** 32 hexadecimal digits: `TicketState.id`. */
  readonly id: string;
  readonly spec: TicketSpec;
  readonly point: DecisionPoint;
  /** When it was generated, milliseconds since the epoch; `undefined` while it is planned. */
  readonly issuedAt: number | undefined;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number | undefined;
  /** Why it was declined or canceled. */
  readonly reason: TicketDecline | undefined;
  /** `now`: milliseconds since the epoch. */
  state(now: number): TicketHandleState;
  /** Takes a planned ticket back: true. False when it is not `planned`. A ticket that has left is taken back by revocation. */
  cancel(): boolean;
}

/** The server's side of a handle. */
export class IssuedTicket implements TicketHandle {
  readonly id: string;
  readonly spec: TicketSpec;
  readonly point: DecisionPoint;
  readonly when: TicketMoment;
  issuedAt: number | undefined;
  expiresAt: number | undefined;
  reason: TicketDecline | undefined;
  /** It is with the sealer, and no moment will come for it again. */
  generated = false;
  #progress: Exclude<TicketHandleState, 'expired'> = 'planned';

  constructor(id: Uint8Array, spec: TicketSpec, point: DecisionPoint, when: TicketMoment) {
    this.id = toHex(id);
    this.spec = spec;
    this.point = point;
    this.when = when;
  }

  get isPlanned(): boolean {
    return this.#progress === 'planned';
  }

  state(now: number): TicketHandleState {
    const lives = this.#progress === 'sealed' || this.#progress === 'written';
    return lives && now >= this.expiresAt! ? 'expired' : this.#progress;
  }

  cancel(): boolean {
    if (this.#progress !== 'planned') return false;
    this.#progress = 'canceled';
    this.reason = 'canceled';
    return true;
  }

  sealed(issuedAt: number, lifetimeSeconds: number): void {
    this.#progress = 'sealed';
    this.issuedAt = issuedAt;
    this.expiresAt = issuedAt + lifetimeSeconds * 1000;
  }

  written(): void {
    if (this.#progress === 'sealed') this.#progress = 'written';
  }

  redeemed(): void {
    this.#progress = 'redeemed';
  }

  declined(reason: TicketDecline): void {
    this.#progress = 'declined';
    this.reason = reason;
  }
}
