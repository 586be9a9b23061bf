export {
  ClientTicketCache,
  type ClientTicketCacheOptions,
  originKey,
  type TicketOrigin,
  type TrustFacts,
  trustHash,
} from './client-cache.ts';
export { ConnectionTickets, type ReachedPoint } from './connection-tickets.ts';
export type { DerivedTicketKeys } from './epoch-keys.ts';
export { IssuedTicket, type TicketHandle, type TicketHandleState } from './handle.ts';
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
export { TicketLedger, type TicketLedgerOptions } from './ledger.ts';
export * from './policy.ts';
export * from './replay.ts';
export { RecordingGuard, type RecordingGuardOptions } from './replay-exact.ts';
export { FilterGuard, type FilterGuardOptions } from './replay-filter.ts';
export { ladder } from './replay-ladder.ts';
export { type SingleUseOptions, singleUse } from './replay-single-use.ts';
export type { ReplayWindowOptions } from './replay-window.ts';
export { ticketsToRequest } from './request.ts';
export { MemoryRevocations, type MemoryRevocationsOptions } from './revocations.ts';
export { RingCookieSealer, type RingCookieSealerOptions, RingSealer, type RingSealerOptions } from './sealer.ts';
export {
  decodeClientTicket,
  decodeTicketState,
  encodeClientTicket,
  encodeTicketState,
  TICKET_ID_LENGTH,
  TICKET_STATE_LABEL,
} from './state.ts';
export {
  HybridSealer,
  type HybridSealerOptions,
  MemoryTicketStore,
  type MemoryTicketStoreOptions,
  STORED_TICKET_LENGTH,
  StoreSealer,
  type StoreSealerOptions,
} from './store.ts';
export * from './types.ts';
export * from './verdict.ts';
