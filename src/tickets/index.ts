export { ClientTicketCache, type ClientTicketCacheOptions, originKey, type TicketOrigin } from './client-cache.ts';
export {
  type HeldTicketKey,
  type TicketKey,
  type TicketKeyInfo,
  TicketKeyRing,
  type TicketKeyRingOptions,
  type TicketKeyState,
} from './key-ring.ts';
export * from './policy.ts';
export * from './replay.ts';
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
export * from './verdict.ts';
