import assert from 'node:assert/strict';
import { concat } from '../../../src/bytes/index.ts';
import type { ExtensionCodec } from '../../../src/wire/extensions/codec.ts';
import * as table from '../../../src/wire/extensions/table.ts';
import {
  DecodeError,
  decodeImportedIdentity,
  encodeImportedIdentity,
  Reader,
  Writer,
} from '../../../src/wire/index.ts';
import type { FuzzTarget } from '../target.ts';
import { TLS_DICTIONARY } from './dictionary.ts';
import { orPeerFault } from './messages.ts';
import { recordedMessages } from './recorded.ts';

const TABLES = [
  table.CLIENT_HELLO,
  table.SERVER_HELLO,
  table.HELLO_RETRY_REQUEST,
  table.ENCRYPTED_EXTENSIONS,
  table.CERTIFICATE_REQUEST,
  table.CERTIFICATE_ENTRY,
  table.NEW_SESSION_TICKET,
];

/** Each codec of each message that has extensions. */
const CODECS = TABLES.flatMap(({ fields }) => Object.values(fields) as readonly ExtensionCodec<unknown>[]);

function read(codec: ExtensionCodec<unknown>, data: Uint8Array): unknown {
  return orPeerFault(() => {
    try {
      const r = new Reader(data);
      const value = codec.read(r);
      r.finish();
      return value;
    } catch (error) {
      if (error instanceof DecodeError) return undefined;
      throw error;
    }
  });
}

export const extensions: FuzzTarget = {
  name: 'extensions',
  about:
    'each extension codec by itself, and imported PSK identities: read, write, read gives the same; documented: DecodeError, TlsAlertError',
  dictionary: TLS_DICTIONARY,
  sliceRuns: 3_000,
  async seeds() {
    const hello = (await recordedMessages())[0]!;
    return CODECS.flatMap((_, index) => [
      Uint8Array.of(index),
      Uint8Array.of(index, 0, 2, 0, 1),
      Uint8Array.of(index, 0, 6, 0, 4, 3, 4, 3, 3),
      concat(Uint8Array.of(index), hello.subarray(60, 160)),
    ]);
  },
  run(input) {
    const codec = CODECS[(input[0] ?? 0) % CODECS.length]!;
    const data = input.subarray(1);
    const value = read(codec, data);
    if (value !== undefined) {
      const writer = new Writer();
      codec.write(writer, value);
      assert.deepEqual(read(codec, writer.finish()), value);
    }
    const identity = decodeImportedIdentity(data);
    if (identity !== undefined) assert.deepEqual(encodeImportedIdentity(identity), data.slice());
  },
};
