export { exportKeyingMaterial } from '../schedule/index.ts';
export { startClient } from './client/client-hello.ts';
export { type ClientConnected, type ClientContext, type ClientState, clientHandlers } from './client/states.ts';
export * from './config.ts';
export { type Connected, sendKeyUpdate } from './connected.ts';
export * from './context.ts';
export * from './events.ts';
export { checkPsks, type ExternalPsk } from './external-psk.ts';
export { identityOf, ticketMoment, ticketsDue, ticketsSpecified } from './server/issue.ts';
export { pointOf } from './server/plan.ts';
export { requestClientCertificate } from './server/post-handshake-auth.ts';
export {
  type ServerConnected,
  type ServerContext,
  type ServerState,
  serverHandlers,
  type TicketControl,
} from './server/states.ts';
export { resolveSuite } from './suites.ts';
export { wipeSecrets } from './wipe.ts';
