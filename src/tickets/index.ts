export { ClientTicketCache, type ClientTicketCacheOptions } from './client-cache.ts';
export { TicketKeyRing, type TicketKeyRingOptions } from './key-ring.ts';
export { RingSealer } from './sealer.ts';
export { decodeClientTicket, decodeTicketState, encodeClientTicket, encodeTicketState } from './state.ts';
export * from './types.ts';
