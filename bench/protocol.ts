/** What the bench says to the processes it measures, and what they answer. */

/** Both stacks get the same suite and the same group. */
export const CIPHERS = 'TLS_AES_128_GCM_SHA256';
export const GROUP = 'X25519';

export interface ServerOptions {
  readonly cert: string;
  readonly key: string;
  /** What the server does with a connection: write one byte; send or take `amount` bytes; send `amount` tickets. */
  readonly task: 'greet' | 'down' | 'up' | 'tickets';
  readonly amount: number;
}

export interface ClientOptions {
  readonly port: number;
  readonly ca: string;
}

export type Command =
  | { readonly command: 'serve'; readonly options: ServerOptions }
  | { readonly command: 'target'; readonly options: ClientOptions }
  | { readonly command: 'usage' }
  | { readonly command: 'memory' }
  /** Handshakes, `concurrency` at a time, for `milliseconds`. */
  | {
      readonly command: 'handshakes';
      readonly resume: boolean;
      readonly milliseconds: number;
      readonly concurrency: number;
    }
  /** Reads all that the server sends, and counts bytes. */
  | { readonly command: 'down' }
  | { readonly command: 'up'; readonly amount: number }
  /** Reads all that the server sends, and counts tickets. */
  | { readonly command: 'tickets' }
  /** Opens `count` connections and keeps them. */
  | { readonly command: 'open'; readonly count: number }
  | { readonly command: 'closeAll' };

export interface Answer {
  readonly port?: number;
  /** CPU time of the process so far, all threads, user and system, in milliseconds. */
  readonly cpuMs?: number;
  /** Bytes in memory after garbage collection. */
  readonly rss?: number;
  readonly heap?: number;
  /** Handshakes, bytes or tickets. */
  readonly count?: number;
  readonly elapsedMs?: number;
  readonly error?: string;
}

export const CHUNK_LENGTH = 65_536;

/** Answers commands until the bench hangs up. */
export function answer(handle: (command: Command) => Promise<Answer> | Answer): void {
  process.on('message', async (command: Command) => {
    try {
      process.send!((await common(command)) ?? (await handle(command)));
    } catch (error) {
      process.send!({ error: error instanceof Error ? error.stack : String(error) });
    }
  });
  process.on('disconnect', () => process.exit(0));
}

async function common({ command }: Command): Promise<Answer | undefined> {
  if (command === 'usage') {
    const { user, system } = process.cpuUsage();
    return { cpuMs: (user + system) / 1000 };
  }
  if (command === 'memory') {
    for (let i = 0; i < 4; i++) {
      global.gc!();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rss, heap: heapUsed + external };
  }
  return undefined;
}
