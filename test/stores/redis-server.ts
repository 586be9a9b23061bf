/** A real Redis (or Valkey) that keeps nothing on disk, and clients of both packages. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { type RedisCommands, redisCommands } from '../../src/stores/redis/index.ts';
import { peer } from '../support/peers.ts';
import { freePort, Running, type Scope } from '../support/process.ts';

export type ClientPackage = 'redis' | 'ioredis';
export const CLIENT_PACKAGES: readonly ClientPackage[] = ['redis', 'ioredis'];

export class RedisServer {
  readonly port: number;
  readonly #folder: string;
  readonly #args: readonly string[];
  #process: Running | undefined;

  constructor(port: number, args: readonly string[]) {
    this.port = port;
    this.#args = args;
    this.#folder = mkdtempSync(join(tmpdir(), 'tessera-redis-'));
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Empty, whatever was in it before. */
  async up(): Promise<void> {
    const args = [
      '--port',
      String(this.port),
      '--bind',
      '127.0.0.1',
      '--dir',
      this.#folder,
      '--save',
      '',
      '--appendonly',
      'no',
    ];
    this.#process = new Running(peer('redis-server')!.path, [...args, ...this.#args]);
    await this.#process.waitFor(/Ready to accept connections/);
  }

  async down(): Promise<void> {
    await this.#process?.kill();
    this.#process = undefined;
  }

  async remove(): Promise<void> {
    await this.down();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A server that is gone when the test ends. Ask `needs(t, 'redis-server')` first. */
export async function startRedis(t: Scope, args: readonly string[] = []): Promise<RedisServer> {
  const server = new RedisServer(await freePort(), args);
  t.after(() => server.remove());
  await server.up();
  return server;
}

/** A connected client, closed when the test ends. */
export async function connectTo(t: Scope, server: RedisServer, name: ClientPackage): Promise<RedisCommands> {
  if (name === 'ioredis') {
    const client = new Redis(server.port, '127.0.0.1', { retryStrategy: () => 20, lazyConnect: true });
    client.on('error', () => {}); // it reconnects
    t.after(async () => client.disconnect());
    await client.connect();
    return redisCommands(client);
  }
  const client = createClient({ url: server.url, socket: { reconnectStrategy: 20 } });
  client.on('error', () => {});
  t.after(async () => client.destroy());
  await client.connect();
  return redisCommands(client);
}
