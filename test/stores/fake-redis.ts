/** One key of Redis in this process, with a clock and with faults, for time travel. It knows the two scripts of the key source. */
import { type RedisCommands, RedisStoreError } from '../../src/stores/redis/index.ts';

export class FakeRedis implements RedisCommands {
  /** Milliseconds since the epoch. */
  now: number;
  text = '';
  expiresAt = 0;
  down = false;
  /** The next write is done, but its answer lost. */
  loseAnswer = false;
  commands = 0;
  /** Everything that was ever stored. */
  readonly history: string[] = [];

  constructor(now: number) {
    this.now = now;
  }

  async send([name, script, , , ...args]: readonly string[]): Promise<unknown> {
    this.commands++;
    if (this.down) throw new Error('connect ECONNREFUSED');
    if (name !== 'EVAL' || script === undefined) throw new Error(`ERR unknown command ${name}`);
    if (this.now >= this.expiresAt) this.text = '';
    if (!script.includes("'SET'")) return [this.text, String(this.now)];
    const [expected, text, time, freshFor, expiresIn] = args as [string, string, string, string, string];
    const age = this.now - Number(time);
    if (this.text !== expected || age < 0 || age > Number(freshFor)) return 0;
    this.text = text;
    this.history.push(text);
    this.expiresAt = this.now + Number(expiresIn);
    if (this.loseAnswer) {
      this.loseAnswer = false;
      throw new RedisStoreError('redis.failed', 'the connection broke');
    }
    return 1;
  }

  flush(): void {
    this.text = '';
  }
}
