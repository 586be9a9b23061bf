import { fromLatin1 } from '../bytes/index.ts';
import type { Session } from './session.ts';

/** Sessions kept in this process, by id. When there are too many, the oldest goes. */
export class SessionCache {
  /** 0: any number. */
  limit: number;
  readonly #sessions = new Map<string, Session>();
  readonly #onRemove: (session: Session) => void;
  readonly #onFull: () => void;

  /** `onRemove` hears of every session that leaves; `onFull` of each that had to make room. */
  constructor(limit: number, onRemove: (session: Session) => void, onFull: () => void) {
    this.limit = limit;
    this.#onRemove = onRemove;
    this.#onFull = onFull;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Takes a reference. False when this very session is there already; another one of the same id is replaced. */
  add(session: Session): boolean {
    const key = fromLatin1(session.fields.id);
    const present = this.#sessions.get(key);
    if (present === session) return false;
    session.references++;
    this.#sessions.delete(key);
    present?.release();
    this.#sessions.set(key, session);
    while (this.limit > 0 && this.#sessions.size > this.limit) {
      const [oldest] = this.#sessions.values();
      this.#onFull();
      this.remove(oldest!);
    }
    return true;
  }

  find(id: Uint8Array): Session | undefined {
    return this.#sessions.get(fromLatin1(id));
  }

  /** Takes a session out, which is not resumed any more. The remove callback hears of it whether it was here or not. True when it was. */
  remove(session: Session): boolean {
    if (session.fields.id.length === 0) return false;
    const key = fromLatin1(session.fields.id);
    const present = this.#sessions.get(key);
    session.notResumable = true;
    this.#sessions.delete(key);
    try {
      this.#onRemove(present ?? session);
    } finally {
      present?.release();
    }
    return present !== undefined;
  }

  /** Removes what has expired at `seconds` since the epoch; `undefined`: everything. */
  flush(seconds: number | undefined): void {
    for (const session of [...this.#sessions.values()]) {
      if (seconds === undefined || seconds > session.fields.time + session.fields.timeout) this.remove(session);
    }
  }
}
