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
  type ServerOptions,
  type TicketOptions,
} from './config.ts';
export { createClientEngine, createServerEngine } from './engine.ts';
export type { ClientEngineOptions, EngineHooks, TlsEngine } from './types.ts';
