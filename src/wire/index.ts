export { decodeImportedIdentity, encodeImportedIdentity, type ImportedIdentity } from './imported-identity.ts';
export { bindersLength } from './messages/client-hello.ts';
export { HELLO_RETRY_REQUEST_RANDOM } from './messages/hello-retry-request.ts';
export { decodeHandshakeMessage, encodeHandshakeMessage } from './messages/index.ts';
export { DOWNGRADE_TLS11, DOWNGRADE_TLS12 } from './messages/server-hello.ts';
export type * from './messages/types.ts';
export { DecodeError, Reader } from './reader.ts';
export * from './registry.ts';
export { Writer } from './writer.ts';
