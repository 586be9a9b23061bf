/** Records: finding them in a stream, opening and protecting them, and joining the handshake messages in them. */

export { type PlainRecord, RecordDeframer } from './deframer.ts';
export { HandshakeJoiner, type JoinedMessage } from './handshake-joiner.ts';
export { MAX_CIPHERTEXT_LENGTH, MAX_PLAINTEXT_LENGTH, RECORD_HEADER_LENGTH } from './limits.ts';
export { type OpenedRecord, RecordOpener } from './opener.ts';
export { type ProtectorOptions, plaintextRecords, RecordProtector } from './protector.ts';
