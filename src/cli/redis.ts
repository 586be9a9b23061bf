import { type NodeRedisLike, type RedisCommands, redisCommands } from '../stores/redis/index.ts';
import { CliError, ExitCode, reason, usageError } from './options.ts';

/** What is used here of a client of the package `redis`. */
interface Client extends NodeRedisLike {
  on(event: 'error', listener: (error: Error) => void): unknown;
  connect(): Promise<unknown>;
  destroy(): void;
}

/** How long the first connection may take. Later ones are made again and again in the background. */
const CONNECT_TIMEOUT_MS = 2_000;

/**
 * A connection to Redis or Valkey at `url`, through the package `redis`, which is used only here and which the user installs.
 * A {@link CliError} when the package is missing or nobody answers.
 */
export async function connectRedis(url: string): Promise<{ readonly client: RedisCommands; close(): void }> {
  const { createClient } = (await optionalPackage('redis', 'Redis')) as RedisPackage;
  // Without its queue a client that is not connected refuses at once, and nothing is sent late.
  const client = createClient({
    url,
    disableOfflineQueue: true,
    socket: { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy: (tries: number) => Math.min(tries * 100, 2_000) },
  });
  let firstError: Error | undefined;
  client.on('error', (error) => {
    firstError ??= error;
  });
  const timeout = new Promise<'timeout'>((resolve) => setTimeout(resolve, CONNECT_TIMEOUT_MS, 'timeout').unref());
  const connected = await Promise.race([client.connect(), timeout]).catch((error: Error) => {
    firstError ??= error;
    return 'timeout';
  });
  if (connected === 'timeout') {
    client.destroy();
    throw new CliError(
      ExitCode.cannotConnect,
      `cannot reach Redis at ${new URL(url).host}: ${reason(firstError ?? new Error('no answer'))}`,
    );
  }
  return { client: redisCommands(client), close: () => client.destroy() };
}

interface RedisPackage {
  createClient(options: object): Client;
}

/**
 * The package `name`, which this program uses only when asked to, and which the user installs: a {@link CliError} when it is missing.
 */
export async function optionalPackage(name: string, purpose: string): Promise<unknown> {
  try {
    return await import(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw usageError(`${purpose} needs the package ${name}: npm install ${name}`);
  }
}
