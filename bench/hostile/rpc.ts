import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What another process can be asked: a name and one argument, both as JSON. */
export type Handlers = Readonly<Record<string, (argument: never) => unknown>>;

interface Question {
  readonly id: number;
  readonly ask: string;
  readonly argument: unknown;
}
interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** In the process that answers: until the one that asks hangs up. */
export function answerWith(handlers: Handlers): void {
  process.on('message', async ({ id, ask, argument }: Question) => {
    try {
      process.send!({ id, value: await handlers[ask]!(argument as never) });
    } catch (error) {
      process.send!({ id, error: error instanceof Error ? error.stack : String(error) });
    }
  });
  process.on('disconnect', () => process.exit(0));
}

/** A process that answers. */
export class Asked {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #last = 0;
  /** What it died of, if it did. */
  died: string | undefined;

  constructor(file: string) {
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), [], {
      execArgv: [...process.execArgv, '--expose-gc'],
    });
    this.#process.on('message', (answer: Answer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    this.#process.on('exit', (code, signal) => {
      this.died = `${file} ended: ${signal ?? code}`;
      for (const [id, done] of this.#waiting) done({ id, error: this.died });
    });
  }

  async ask<T = void>(ask: string, argument?: unknown): Promise<T> {
    if (this.died !== undefined) throw new Error(this.died);
    const id = ++this.#last;
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.#process.send({ id, ask, argument: argument ?? null } as Question);
    const { value, error } = await answered;
    if (error !== undefined) throw new Error(error);
    return value as T;
  }

  end(): void {
    if (this.#process.connected) this.#process.disconnect();
  }
}
