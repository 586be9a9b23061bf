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
    const { format, message } = whole as { format: string; message: Uint8Array };
    if (format !== 'tls') return;
    // A byte behind the extensions; a hello without any has room for their length there.
    const { extensions } = whole as { extensions: readonly unknown[] };
    if (extensions.length > 0) assert.equal(outcome(longer(message)), 'handshake.malformed', 'a byte more is accepted');
  },
};

/** With a byte more inside. */
function longer(message: Uint8Array): Uint8Array {
  const out = concat(message, Uint8Array.of(0));
  const length = out.length - 4;
  out.set([length >> 16, length >> 8, length], 1);
  return out;
}
