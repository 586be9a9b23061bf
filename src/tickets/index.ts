export { ClientTicketCache, type ClientTicketCacheOptions, originKey, type TicketOrigin } from './client-cache.ts';
export { ConnectionTickets } from './connection-tickets.ts';
export { IssuedTicket, type TicketHandle, type TicketHandleState } from './handle.ts';
export {
  type HeldTicketKey,
  type TicketKey,
  type TicketKeyInfo,
  TicketKeyRing,
  type TicketKeyRingOptions,
  type TicketKeyState,
} from './key-ring.ts';
export { TicketLedger, type TicketLedgerOptions } from './ledger.ts';
export * from './policy.ts';
export * from './replay.ts';
export { ticketsToRequest } from './request.ts';
export { RingCookieSealer, type RingCookieSealerOptions, RingSealer } from './sealer.ts';
export {
  decodeClientTicket,
  decodeTicketState,
  encodeClientTicket,
  encodeTicketState,
  TICKET_ID_LENGTH,
  TICKET_STATE_LABEL,
} from './state.ts';
export * from './types.ts';
