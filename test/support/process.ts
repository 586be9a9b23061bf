/** Child processes for tests: wait for what they print, never for time to pass. */
import { type ChildProcess, spawn } from 'node:child_process';
import { type AddressInfo, createServer } from 'node:net';

/** Milliseconds a test waits for something that should come at once. Generous: slow machines must not make tests fail. */
export const DEADLINE_MS = 20_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Part of a `TestContext`: what must be undone when the test ends. */
export interface Scope {
  after(cleanUp: () => Promise<void>): void;
}

/** A running program. stdin stays open until `end()`; many TLS tools quit when it closes. */
export class Running {
  /** Everything printed so far. */
  stdout = '';
  stderr = '';
  /** Both streams, in the order in which they arrived. */
  output = '';
  /** Settles when the program is gone and its output complete. */
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #command: string;
  readonly #waiting: Set<() => void> = new Set();
  #exit: Exit | undefined;

  constructor(command: string, args: readonly string[], options: RunOptions = {}) {
    this.#command = [command, ...args].join(' ');
    this.#child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: 'pipe',
      detached: process.platform !== 'win32', // a group of its own, so that its children can be killed with it
    });
    this.#child.stdout?.setEncoding('latin1').on('data', (text: string) => this.#collect('stdout', text));
    this.#child.stderr?.setEncoding('latin1').on('data', (text: string) => this.#collect('stderr', text));
    this.#child.stdin?.on('error', () => {}); // the program may be gone; `exited` tells
    this.exited = new Promise((resolve) => {
      const settle = (exit: Exit): void => {
        this.#exit = exit;
        running.delete(this);
        resolve(exit);
        for (const look of [...this.#waiting]) look();
      };
      this.#child.once('error', (error) => {
        this.#collect('stderr', `${error.message}\n`);
        if (this.#child.pid === undefined) settle({ code: null, signal: null });
      });
      this.#child.once('close', (code, signal) => settle({ code, signal }));
    });
    running.add(this);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Writes to stdin; a string goes out as UTF-8. */
  write(data: string | Uint8Array): void {
    this.#child.stdin?.write(data);
  }

  /** Closes stdin. */
  end(): void {
    this.#child.stdin?.end();
  }

  /**
   * Resolves with the match of `pattern` in everything printed so far or later; with `count` n, its n-th match. Rejects, showing the
   * output, when the program exits without it or `deadlineMs` pass.
   */
  waitFor(
    pattern: string | RegExp,
    options: { readonly count?: number; readonly deadlineMs?: number } = {},
  ): Promise<RegExpExecArray> {
    const { count = 1, deadlineMs = DEADLINE_MS } = options;
    const source = typeof pattern === 'string' ? pattern.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&') : pattern.source;
    const flags = typeof pattern === 'string' ? 'g' : `${pattern.flags.replace(/[gy]/g, '')}g`;
    const find = (): RegExpExecArray | undefined => [...this.output.matchAll(new RegExp(source, flags))][count - 1];
    return this.#until(find, `${count > 1 ? `${count} times ` : ''}${pattern}`, deadlineMs);
  }

  /** Resolves when the program has exited. Rejects, showing the output, when `deadlineMs` pass before. */
  waitForExit(deadlineMs: number = DEADLINE_MS): Promise<Exit> {
    return this.#until(() => this.#exit, 'its end', deadlineMs);
  }

  /** Kills the program and the processes it started, at once; resolves when it is gone. */
  async kill(): Promise<void> {
    this.killNow();
    await this.exited;
  }

  /** As `kill`, without waiting. */
  killNow(): void {
    const { pid } = this.#child;
    if (pid === undefined || this.#exit !== undefined) return;
    try {
      if (process.platform === 'win32') this.#child.kill('SIGKILL');
      else process.kill(-pid, 'SIGKILL');
    } catch {
      // gone already
    }
  }

  #collect(stream: 'stdout' | 'stderr', text: string): void {
    this[stream] += text;
    this.output += text;
    for (const look of [...this.#waiting]) look();
  }

  #until<T>(find: () => T | undefined, what: string, deadlineMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const fail = (why: string): void => {
        done();
        reject(new Error(`${this.#command}: waited for ${what}, ${why}. Output:\n${this.output}`));
      };
      const look = (): void => {
        const result = find();
        if (result !== undefined) {
          done();
          resolve(result);
        } else if (this.#exit !== undefined) {
          fail(`but it exited (code ${this.#exit.code}, signal ${this.#exit.signal})`);
        }
      };
      const timer = setTimeout(() => fail(`but ${deadlineMs} ms passed`), deadlineMs);
      this.#waiting.add(look);
      look();
    });
  }
}

const running = new Set<Running>();
process.once('exit', () => {
  for (const program of running) program.killNow();
});

/** Starts a program that is killed when the test `t` ends. */
export function start(t: Scope, command: string, args: readonly string[], options: RunOptions = {}): Running {
  const program = new Running(command, args, options);
  t.after(() => program.kill());
  return program;
}

/** Runs a program to its end, with `input` on its stdin, and says what it printed. Rejects when it takes longer than `deadlineMs`. */
export async function run(
  t: Scope,
  command: string,
  args: readonly string[],
  options: RunOptions & { readonly input?: string | Uint8Array; readonly deadlineMs?: number } = {},
): Promise<Exit & { readonly stdout: string; readonly stderr: string; readonly output: string }> {
  const program = start(t, command, args, options);
  if (options.input !== undefined) program.write(options.input);
  program.end();
  const exit = await program.waitForExit(options.deadlineMs);
  const { stdout, stderr, output } = program;
  return { ...exit, stdout, stderr, output };
}

/** A TCP port of 127.0.0.1 that was free a moment ago. For programs that cannot choose one themselves; ours listen on port 0. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
