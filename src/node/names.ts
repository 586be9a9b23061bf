/** The names of `tessera-tls/node`. */

export type {
  Certificate,
  CipherNameAndProtocol,
  DetailedPeerCertificate,
  EphemeralKeyInfo,
  PeerCertificate,
  PSKCallbackNegotation,
} from 'node:tls';
export type { ExternalPsk } from '../connection/index.ts';
export { type CredentialOptions, createCredential, createSigner, nodeCrypto } from '../providers/node/index.ts';
export { ClientTicketCache, type TicketHandle, TicketKeyRing, type TicketSpec } from '../tickets/index.ts';
export { Agent, type AgentOptions } from './agent.ts';
export { type AttachableServer, AttachedServer, type AttachOptions, attach } from './attach.ts';
export {
  type CertificateStore,
  getCACertificates,
  type PemOrDer,
  setDefaultCACertificates,
} from './certificates.ts';
export {
  type IncompleteClientHello,
  type ParsedClientHello,
  type PeekOptions,
  parseClientHello,
  peekClientHello,
  type RawExtension,
} from './client-hello.ts';
export { type ConnectionOptions, connect } from './connect.ts';
export { type ContextTickets, createSecureContext, SecureContext, type SecureContextOptions } from './context.ts';
export type {
  PemWithPassphrase,
  PemWithPassphrase as KeyObject,
  Pfx,
  PfxWithPassphrase,
  PfxWithPassphrase as PxfObject,
  PrivateKey,
} from './credentials.ts';
export type {
  DiagnosticMessages,
  ObservedConnection,
  ObservedDecline,
  ObservedEarlyData,
  ObservedHandshake,
  ObservedKey,
  ObservedRedeem,
  ObservedTicket,
} from './diagnostics.ts';
export { type EarlyDataOutcome, type EarlyDataSource, EarlySender } from './early-data.ts';
export type { TlsError } from './errors.ts';
export { http2Socket } from './http2-facade.ts';
export { type CounterName, Metrics } from './metrics.ts';
export {
  CLIENT_RENEG_LIMIT,
  CLIENT_RENEG_WINDOW,
  checkServerIdentity,
  convertALPNProtocols,
  DEFAULT_ECDH_CURVE,
  DEFAULT_MAX_VERSION,
  DEFAULT_MIN_VERSION,
  getCertificateCompressionAlgorithms,
  getCiphers,
  rootCertificates,
} from './module.ts';
export { DEFAULT_CIPHERS, type SecureVersion } from './protocol-options.ts';
export { type CommonConnectionOptions, createServer, Server, type ServerEarlyData, type TlsOptions } from './server.ts';
export type { AlpnCallback, OcspListener, ServerPsk, ServerPskCallback, SniCallback } from './server-questions.ts';
export type { TicketKeyInput } from './server-ticket-keys.ts';
export type { ServerTickets } from './server-tickets.ts';
export {
  type DeclinedTicket,
  type IssuedTicket,
  type SocketOwner,
  type TicketInfo,
  TLSSocket,
  type TLSSocketOptions,
} from './socket.ts';
export type { CheckServerIdentity } from './trust.ts';
export { type UndiciConnect, type UndiciConnectorOptions, type UndiciTarget, undiciConnector } from './undici.ts';
