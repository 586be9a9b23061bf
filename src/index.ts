/**
 * The portable core: TLS 1.3 without sockets, timers or globals. Give it a crypto provider and a clock.
 *
 * @module
 */
export { Secret } from './bytes/index.ts';
export * from './connection/index.ts';
export * from './crypto/index.ts';
export * from './errors/index.ts';
export type {
  ClientAuth,
  ClientConfig,
  ClientHelloInfo,
  Clock,
  ConnectionInfo,
  CookieSealer,
  EarlyDataDecline,
  EarlyDataRequest,
  Limits,
  ServerConfig,
  ServerEarlyDataConfig,
  ServerTicketConfig,
  TlsEvent,
} from './handshake/index.ts';
export type { CertificateVerifier, PeerIdentity, PeerQuestion, PeerVerdict } from './peer-auth/index.ts';
export * from './tickets/index.ts';
export { CipherSuite, NamedGroup, SignatureScheme } from './wire/index.ts';
export * from './x509/index.ts';
