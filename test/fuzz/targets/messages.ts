import assert from 'node:assert/strict';
import { concat } from '../../../src/bytes/index.ts';
import { TlsAlertError } from '../../../src/errors/index.ts';
import { decodeHandshakeMessage, encodeHandshakeMessage, type HandshakeMessage } from '../../../src/wire/index.ts';
import type { FuzzTarget } from '../target.ts';
import { TLS_DICTIONARY } from './dictionary.ts';
import { recordedMessages } from './recorded.ts';

/** Runs `parse`; a fault of the peer is documented, anything else is not. */
export function orPeerFault<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof TlsAlertError && error.code !== 'local.failed') return undefined;
    throw error;
  }
}

/** Unknown extensions are not kept, and known ones get the order of the table. */
function comparable(message: HandshakeMessage): unknown {
  if (message.type === 'certificate')
    return { ...message, entries: message.entries.map(({ extensionTypes: _, ...entry }) => entry) };
  return { ...message, extensionTypes: undefined };
}

export const messages: FuzzTarget = {
  name: 'messages',
  about: 'every handshake message codec: decode, encode, decode gives the same; documented: TlsAlertError',
  seeds: () => recordedMessages(),
  dictionary: TLS_DICTIONARY,
  sliceRuns: 3_000,
  run(input) {
    const type = input[0] ?? 0;
    const body = input.subarray(4);
    const before = body.slice();
    const message = orPeerFault(() => decodeHandshakeMessage(type, body));
    assert.deepEqual(body, before, 'a decoder changed its input');
    if (message === undefined) return;
    const encoded = encodeHandshakeMessage(message);
    assert.equal(encoded[0], type);
    assert.ok(encoded.length <= input.length + 4, 'an encoding is no longer than what was decoded');
    const again = decodeHandshakeMessage(type, encoded.subarray(4));
    assert.deepEqual(comparable(again), comparable(message));
    assert.deepEqual(encodeHandshakeMessage(again), encoded);
    // Nothing may be left over, and nothing be missing. A Finished has no lengths in it.
    if (message.type === 'finished') return;
    const rejected = (other: Uint8Array): boolean =>
      orPeerFault(() => decodeHandshakeMessage(type, other)) === undefined;
    assert.ok(rejected(concat(body, Uint8Array.of(0))), 'a byte more is accepted');
    assert.ok(body.length === 0 || rejected(body.subarray(0, -1)), 'a byte less is accepted');
  },
};
