export type {
  ClientConfig,
  ClientHelloInfo,
  ConnectionInfo,
  ExternalPsk,
  ServerConfig,
  TlsEvent,
} from '../handshake/index.ts';
export {
  type ClientOptions,
  type CommonOptions,
  createClientConfig,
  createServerConfig,
  type EarlyDataOptions,
  type ServerOptions,
  type TicketOptions,
} from './config.ts';
export { createClientEngine, createServerEngine } from './engine.ts';
export type { ClientEngineOptions, EarlyDataStatus, EngineHooks, TlsEngine } from './types.ts';
