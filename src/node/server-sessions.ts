import type { EventEmitter } from 'node:events';
import { toHex } from '../bytes/index.ts';
import type { MaybePromise } from '../crypto/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import type { SealRequest, TicketDecline, TicketQuestion, TicketSealer, TicketState } from '../tickets/index.ts';
import { answerOf } from './program-answer.ts';

/** Of a session's id, in bytes, as in OpenSSL. No sealed ticket is so short. */
const ID_LENGTH = 32;

/**
 * Makes `newSession` and `resumeSession` of a server work in TLS 1.3. While the server has listeners for `resumeSession`, a ticket is only the
 * id of a session whose data the program keeps; without, the ticket carries the data, and `newSession` is for information.
 *
 * The data is what `inner` seals, so it is of use only to servers with the same ticket keys, and only for this id.
 */
export class SessionEvents implements TicketSealer {
  readonly #server: EventEmitter;
  readonly #inner: TicketSealer;
  readonly #deadlineMs: number;

  /** `deadlineMs`: how long the program may take to store a session. */
  constructor(server: EventEmitter, inner: TicketSealer, deadlineMs: number) {
    this.#server = server;
    this.#inner = inner;
    this.#deadlineMs = deadlineMs;
  }

  maxLifetimeSeconds(now: number): number {
    return this.#inner.maxLifetimeSeconds(now);
  }

  async #store(id: Buffer, data: Uint8Array): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, this.#deadlineMs, false).unref();
    });
    const stored = new Promise<boolean>((resolve) => {
      this.#server.emit('newSession', id, Buffer.from(data), () => resolve(true));
    });
    try {
      return await Promise.race([stored, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  seal(state: TicketState, now: number, request: SealRequest): MaybePromise<Uint8Array | undefined> {
    if (this.#server.listenerCount('newSession') === 0) return this.#inner.seal(state, now, request);
    return this.#sealAndStore(state, now, request);
  }

  async #sealAndStore(state: TicketState, now: number, request: SealRequest): Promise<Uint8Array | undefined> {
    const id = Buffer.from(nodeCrypto.random(ID_LENGTH));
    const refers = this.#server.listenerCount('resumeSession') > 0;
    const scope = refers ? scopeOf(request.scope, id) : request.scope;
    const data = await this.#inner.seal(state, now, { ...request, scope });
    if (data === undefined) return undefined;
    if (!refers) {
      this.#server.emit('newSession', id, Buffer.from(data), () => {});
      return data;
    }
    return (await this.#store(id, data)) ? id : undefined;
  }

  /** The state of a session that the program finds, or `not_found`. Throws or rejects with a failure of the program. */
  open(ticket: Uint8Array, now: number, question: TicketQuestion): MaybePromise<TicketState | TicketDecline> {
    if (ticket.length !== ID_LENGTH) return this.#inner.open(ticket, now, question);
    if (this.#server.listenerCount('resumeSession') === 0) return 'not_found';
    const id = Buffer.from(ticket);
    const open = (data: unknown): MaybePromise<TicketState | TicketDecline> => {
      if (!(data instanceof Uint8Array)) return 'not_found';
      const scopes = question.scopes.map((scope) => scopeOf(scope, id));
      return this.#inner.open(data, now, { ...question, scopes });
    };
    const found = answerOf<unknown>((callback) => this.#server.emit('resumeSession', id, callback), false);
    return found instanceof Promise ? found.then(open) : open(found);
  }

  use(state: TicketState, now: number): MaybePromise<true | TicketDecline> {
    return this.#inner.use?.(state, now) ?? true;
  }
}

function scopeOf(scope: string, id: Uint8Array): string {
  return `${scope}|session ${toHex(id)}`;
}
