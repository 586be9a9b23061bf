import assert from 'node:assert/strict';
import { concat } from '../../../src/bytes/index.ts';
import { parseClientHello } from '../../../src/node/client-hello.ts';
import { plaintextRecords } from '../../../src/record/index.ts';
import type { FuzzTarget } from '../target.ts';
import { RECORD_DICTIONARY, TLS_DICTIONARY } from './dictionary.ts';
import { recordedMessages } from './recorded.ts';

const FAULTS =
  /^(record\.(not_tls|unexpected_type|unknown_type|too_long|empty)|handshake\.(unexpected_message|too_long|malformed)|extension\.duplicate)$/;

/** As SSL 2.0 sent it. */
const SSL2 = Uint8Array.of(0x80, 0x2e, 1, 3, 3, 0, 0x15, 0, 0, 0, 0x10, ...new Uint8Array(37).fill(0x13));

function outcome(bytes: Uint8Array): unknown {
  try {
    return parseClientHello(bytes);
  } catch (error) {
    const { fault, alert } = error as { fault?: string; alert?: string };
    if (typeof fault !== 'string' || !FAULTS.test(fault)) throw error;
    assert.equal(typeof alert, 'string');
    return fault;
  }
}

export const clientHello: FuzzTarget = {
  name: 'client-hello',
  about: 'parseClientHello: whole, and cut off anywhere; documented: a TlsError with one of nine faults',
  dictionary: [...TLS_DICTIONARY, ...RECORD_DICTIONARY],
  sliceRuns: 1_500,
  async seeds() {
    const hellos = (await recordedMessages()).filter((message) => message[0] === 1);
    return [...hellos.flatMap((hello) => [hello, plaintextRecords(22, hello), plaintextRecords(22, hello, 50)]), SSL2];
  },
  run(input) {
    const whole = outcome(input);
    assert.deepEqual(outcome(input.slice()), whole);
    if (typeof whole !== 'object') return;
    // What is whole stays so whatever follows, and is not whole one byte before its end.
    const hello = whole as { incomplete: boolean; length?: number; needed?: number };
    if (hello.incomplete) {
      assert.ok(hello.needed! > 0, 'says how many bytes are needed');
      return;
    }
    const { length } = hello;
    assert.ok(length! <= input.length);
    assert.deepEqual(outcome(concat(input.subarray(0, length), Uint8Array.of(255))), whole);
    const cut = outcome(input.subarray(0, length! - 1)) as { incomplete: boolean };
    assert.equal(cut.incomplete, true);
  },
};
