/** Keys, tickets, replay guard and revocations that hosts share through Redis 6.2 or later, or Valkey. */
export {
  type IoRedisLike,
  type NodeRedisLike,
  type RedisCommands,
  type RedisOptions,
  RedisStoreError,
  redisCommands,
  type Timers,
} from './client.ts';
export { RedisTicketKeys, type RedisTicketKeysOptions, type TicketKeyReport } from './keys.ts';
export { RedisReplayGuard, type RedisReplayGuardOptions } from './replay-guard.ts';
export { RedisRevocations, type RedisRevocationsOptions } from './revocations.ts';
export { RedisTicketStore, type RedisTicketStoreOptions } from './ticket-store.ts';
