export { ClientTicketCache, type ClientTicketCacheOptions, originKey, type TicketOrigin } from './client-cache.ts';
export type { DerivedTicketKeys } from './epoch-keys.ts';
export { ticketKeyId, ticketKeyMaterial } from './key-material.ts';
export {
  type HeldTicketKey,
  type TicketKey,
  type TicketKeyEvent,
  type TicketKeyInfo,
  TicketKeyRing,
  type TicketKeyRingOptions,
  type TicketKeyState,
  type TicketKeySyncReport,
} from './key-ring.ts';
export { type TicketKeyPeriods, ticketKeySchedule } from './key-schedule.ts';
export * from './policy.ts';
export * from './replay.ts';
export { RingCookieSealer, type RingCookieSealerOptions, RingSealer, type RingSealerOptions } from './sealer.ts';
export {
  decodeClientTicket,
  decodeTicketState,
  encodeClientTicket,
  encodeTicketState,
  TICKET_ID_LENGTH,
  TICKET_STATE_LABEL,
} from './state.ts';
export * from './types.ts';
