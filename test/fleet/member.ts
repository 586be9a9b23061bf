/** A process of `examples/fleet/member.ts`, and what it says. */
import { fileURLToPath } from 'node:url';
import { Running } from '../support/process.ts';

const PROGRAM = fileURLToPath(new URL('../../examples/fleet/member.ts', import.meta.url));

/** A line that a member printed. */
export interface Line {
  readonly event: string;
  /** By the clock of the member, milliseconds since the epoch. */
  readonly at: number;
  readonly [fact: string]: unknown;
}

export class Member {
  readonly name: string;
  readonly #process: Running;
  #port = 0;

  private constructor(name: string, process: Running) {
    this.name = name;
    this.#process = process;
  }

  /** Resolves when it listens. */
  static async start(name: string, args: readonly string[], secret: string): Promise<Member> {
    const command = ['--import', 'tsx', PROGRAM, '--name', name, ...args];
    const member = new Member(name, new Running(process.execPath, command, { env: { FLEET_SECRET: secret } }));
    const [, port] = await member.#process.waitFor(/"listening".*"port":(\d+)/);
    member.#port = Number(port);
    return member;
  }

  get port(): number {
    return this.#port;
  }

  /** What it printed of this event so far. */
  lines(event: string): Line[] {
    const { stdout } = this.#process;
    const whole = stdout.slice(0, stdout.lastIndexOf('\n') + 1).split('\n');
    return whole.filter((line) => line.startsWith(`{"event":"${event}"`)).map((line) => JSON.parse(line) as Line);
  }

  count(event: string): number {
    return this.#process.stdout.split(`{"event":"${event}"`).length - 1;
  }

  /** Resolves when it has printed this event so many times. */
  async printed(event: string, count: number = 1): Promise<void> {
    await this.#process.waitFor(`{"event":"${event}"`, { count });
  }

  /** What came on stderr: warnings, and the reason of a crash. */
  get complaints(): string {
    return this.#process.stderr;
  }

  /** As an operator does it: what is open is finished first. Resolves with the exit code. */
  async stop(): Promise<number | null> {
    if (this.#process.pid !== undefined) process.kill(this.#process.pid, 'SIGTERM');
    return (await this.#process.waitForExit()).code;
  }

  kill(): Promise<void> {
    return this.#process.kill();
  }
}
