import assert from 'node:assert/strict';
import { latin1 } from '../../../src/bytes/index.ts';
import { TlsUsageError } from '../../../src/errors/index.ts';
import { formatKeyFile, parseKeyFile } from '../../../src/stores/key-file.ts';
import { formatDocument, parseDocument } from '../../../src/stores/redis/key-document.ts';
import type { FuzzTarget } from '../target.ts';

const times = { sealFrom: 1, sealUntil: 2, openUntil: 3 };
const keyBytes = Uint8Array.from({ length: 48 }, (_, i) => i);
const json = JSON.stringify({
  keys: [{ epoch: 1, ...times, box: 'QUJD' }],
  gone: [{ id: '00'.repeat(8), until: 5, box: 'QUJD' }],
  tenants: 'QUJD',
});

export const keyFiles: FuzzTarget = {
  name: 'key-files',
  about: 'ticket keys in files and in Redis: parsed, written, parsed again; documented: key_file.*, ticket_key.*',
  dictionary: ['"keys":', '[]', '{}', 'null', '1e400', '-0', '"__proto__":', '"box":', '\\ud800', '#', '\n'].map(
    latin1,
  ),
  sliceRuns: 500,
  seeds: () => [
    latin1(json),
    latin1(`# keys\n${'ab'.repeat(32)}\n${Buffer.alloc(48, 1).toString('base64')}\n`),
    keyBytes,
    latin1(
      formatKeyFile({
        keys: [{ secret: keyBytes, ...times }],
        destroyed: ['ab'.repeat(8)],
        tenantGenerations: [['a', 2]],
      }),
    ),
  ],
  run(input) {
    try {
      parseKeyFile(input.slice());
    } catch (error) {
      if (!(error instanceof TlsUsageError) || !/^(key_file|ticket_key)\./.test(error.code)) throw error;
    }
    const written = formatDocument(parseDocument(Buffer.from(input).toString('utf8')));
    const again = parseDocument(written);
    assert.equal(again.malformed, 0, 'what was taken is well-formed when it is written again');
    assert.equal(formatDocument(again), written);
  },
};
