export { decodeHandshakeMessage, encodeHandshakeMessage } from './messages/index.ts';
export type * from './messages/types.ts';
export { DecodeError, Reader } from './reader.ts';
export * from './registry.ts';
export { Writer } from './writer.ts';
