import assert from 'node:assert/strict';
import { concat } from '../../../src/bytes/index.ts';
import { TlsAlertError } from '../../../src/errors/index.ts';
import { HandshakeJoiner, MAX_CIPHERTEXT_LENGTH, plaintextRecords, RecordDeframer } from '../../../src/record/index.ts';
import { type FuzzTarget, InputReader } from '../target.ts';
import { RECORD_DICTIONARY } from './dictionary.ts';
import { recordedMessages } from './recorded.ts';

const LONGEST_MESSAGE = 4_000;

/** What comes out of a cutter when it gets these chunks: units, then perhaps a fault. */
function outcome(
  chunks: readonly Uint8Array[],
  cutter: { push(bytes: Uint8Array): void; next(): unknown },
  check: () => void,
): { readonly units: readonly unknown[]; readonly fault: string | undefined } {
  const units: unknown[] = [];
  try {
    for (const chunk of chunks) {
      cutter.push(chunk);
      for (let unit = cutter.next(); unit !== undefined; unit = cutter.next()) units.push(structuredClone(unit));
      check();
    }
  } catch (error) {
    if (!(error instanceof TlsAlertError)) throw error;
    return { units, fault: `${error.code} ${error.message}` };
  }
  return { units, fault: undefined };
}

/** `bytes` in pieces whose lengths `sizes` says, again and again. */
function pieces(bytes: Uint8Array, sizes: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes.length === 0 ? bytes.length : (sizes[i % sizes.length]! % 61) + 1;
    out.push(bytes.slice(at, at + size));
    at += size;
  }
  return out;
}

function readInput(input: Uint8Array): { flag: number; sizes: Uint8Array; bytes: Uint8Array } {
  const r = new InputReader(input);
  return { flag: r.u8(), sizes: r.bytes(4), bytes: r.rest() };
}

const HEAD = Uint8Array.of(0, 1, 7, 0, 60);

export const records: FuzzTarget = {
  name: 'records',
  about: 'the deframer: any split of the bytes gives the same records; documented: TlsAlertError record.*',
  dictionary: RECORD_DICTIONARY,
  maxLength: 40_000,
  sliceRuns: 1_000,
  async seeds() {
    const seeds = (await recordedMessages()).map((message) => concat(HEAD, plaintextRecords(22, message)));
    return [...seeds, concat(HEAD, ...RECORD_DICTIONARY), concat(HEAD, plaintextRecords(23, new Uint8Array(20_000)))];
  },
  run(input) {
    const { flag, sizes, bytes } = readInput(input);
    const cut = (chunks: readonly Uint8Array[]) => {
      const deframer = new RecordDeframer();
      deframer.setProtected((flag & 1) === 1);
      return outcome(chunks, deframer, () => assert.ok(deframer.buffered <= MAX_CIPHERTEXT_LENGTH + 5));
    };
    const whole = cut([bytes]);
    assert.deepEqual(cut(pieces(bytes, sizes)), whole);
  },
};

export const joiner: FuzzTarget = {
  name: 'joiner',
  about: 'the handshake joiner: any split of the bytes gives the same messages; documented: handshake.too_long',
  sliceRuns: 1_000,
  async seeds() {
    const messages = await recordedMessages();
    return [concat(HEAD, ...messages), ...messages.map((message) => concat(HEAD, message, message))];
  },
  run(input) {
    const { sizes, bytes } = readInput(input);
    const cut = (chunks: readonly Uint8Array[]) => {
      const joiner = new HandshakeJoiner((type) => (type < 5 ? LONGEST_MESSAGE : 100));
      const result = outcome(chunks, joiner, () => assert.equal(joiner.pending, !joiner.aligned));
      return { ...result, pending: joiner.pending };
    };
    const whole = cut([bytes]);
    const split = cut(pieces(bytes, sizes));
    assert.deepEqual(split.units, whole.units);
    assert.deepEqual(split.fault, whole.fault);
    if (whole.fault === undefined) assert.equal(split.pending, whole.pending);
  },
};
