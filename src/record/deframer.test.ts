import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat, fromHex, latin1, toHex } from '../bytes/index.ts';
import type { PeerFault } from '../errors/index.ts';
import { RecordDeframer } from './index.ts';

function record(type: number, fragment: Uint8Array, version = 0x0303): Uint8Array {
  const header = Uint8Array.of(type, version >> 8, version & 0xff, fragment.length >> 8, fragment.length & 0xff);
  return concat(header, fragment);
}

const HELLO = record(22, Uint8Array.of(1, 0, 0, 0), 0x0301);
const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(5);

function deframe(chunks: readonly Uint8Array[], prepare?: (d: RecordDeframer) => void): string[] {
  const deframer = new RecordDeframer();
  prepare?.(deframer);
  const found: string[] = [];
  for (const chunk of chunks) {
    deframer.push(chunk);
    for (let r = deframer.next(); r !== undefined; r = deframer.next()) {
      found.push(`${r.type} ${toHex(r.header)} ${toHex(r.fragment)}`);
    }
  }
  return found;
}

/** Cuts `whole` at the given places, modulo its length. */
function cut(whole: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((p) => p % (whole.length + 1)).sort((a, b) => a - b), whole.length];
  return at.slice(1).map((end, i) => whole.slice(at[i], end));
}

test('gives the same records however the bytes arrive', () => {
  const anyRecord = fc
    .tuple(fc.constantFrom(20, 21, 22, 23), fc.uint8Array({ minLength: 1, maxLength: 60 }))
    .map(([type, fragment]) => record(type, fragment));
  fc.assert(
    fc.property(fc.array(anyRecord, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 30 }), (records, places) => {
      const all = [HELLO, ...records];
      const expected = all.map((r) => `${r[0]} ${toHex(r.subarray(0, 5))} ${toHex(r.subarray(5))}`);
      const whole = concat(...all);
      assert.deepEqual(deframe(cut(whole, places)), expected);
      assert.deepEqual(deframe(cut(whole, [...whole.keys()])), expected);
    }),
  );
});

test('several chunks may be pushed before the first record is taken', () => {
  const deframer = new RecordDeframer();
  for (const byte of concat(HELLO, HELLO, HELLO)) deframer.push(Uint8Array.of(byte));
  assert.equal(deframer.buffered, 27);
  const sizes: number[] = [];
  for (let r = deframer.next(); r !== undefined; r = deframer.next()) sizes.push(r.fragment.length, deframer.buffered);
  assert.deepEqual(sizes, [4, 18, 4, 9, 4, 0]);
});

test('a record that lies whole in a chunk is not copied, and no chunk is held on to for the rest of one', () => {
  const chunk = concat(HELLO, HELLO, HELLO.subarray(0, 7));
  const deframer = new RecordDeframer();
  deframer.push(chunk);
  for (let i = 0; i < 2; i++) {
    const { header, fragment } = deframer.next()!;
    assert.equal(header.buffer, chunk.buffer);
    assert.equal(fragment.buffer, chunk.buffer);
  }
  assert.equal(deframer.next(), undefined);
  assert.equal(deframer.buffered, 7);
  chunk.fill(0xff);
  deframer.push(HELLO.subarray(7));
  assert.deepEqual(deframer.next()!.fragment, HELLO.subarray(5));
});

test('clear drops a half record', () => {
  const deframer = new RecordDeframer();
  deframer.push(concat(HELLO, HELLO.subarray(0, 7)));
  deframer.next();
  deframer.next();
  deframer.clear();
  assert.equal(deframer.buffered, 0);
  const other = record(21, Uint8Array.of(1, 0));
  deframer.push(other);
  assert.deepEqual(deframer.next()!.fragment, other.subarray(5));
});

const faults: readonly [string, readonly Uint8Array[], PeerFault, RegExp?][] = [
  ['application data first', [record(23, bytes(1))], 'record.not_tls'],
  ['SSL 2.0', [fromHex('802e0103010015')], 'record.not_tls'],
  ['a major version other than 3 first', [record(22, bytes(4), 0x0203)], 'record.not_tls'],
  ['HTTP', [latin1('GET / HTTP/1.1\r\n\r\n')], 'record.not_tls', /HTTP/],
  ['HTTP/2 with prior knowledge', [latin1('PRI * HTTP/2.0\r\n\r\n')], 'record.not_tls', /HTTP/],
  ['an unknown type', [HELLO, record(24, bytes(1))], 'record.unknown_type'],
  ['type 0', [HELLO, record(0, bytes(1))], 'record.unknown_type'],
  ['type 19', [HELLO, record(19, bytes(1))], 'record.unknown_type'],
  ['an empty handshake record', [HELLO, record(22, bytes(0))], 'record.empty'],
  ['an empty alert record', [HELLO, record(21, bytes(0))], 'record.empty'],
  ['one byte over 2^14', [fromHex('1603034001')], 'record.too_long'],
  ['one byte over 2^14 + 256', [HELLO, fromHex('1703034101')], 'record.too_long'],
];

for (const [name, chunks, code, message = /./] of faults) {
  test(`refuses ${name} as soon as the header is there`, () => {
    assert.throws(() => deframe(chunks), { code, message });
    assert.throws(() => deframe([...concat(...chunks)].map((b) => Uint8Array.of(b))), { code, message });
  });
}

test('an error says nothing of HTTP when it is not', () => {
  assert.throws(
    () => deframe([latin1('SSH-2.0-OpenSSH\r\n')]),
    (error) => error instanceof Error && !error.message.includes('HTTP'),
  );
});

test('lengths up to the limit pass: 2^14, and 2^14 + 256 once records are protected or when they can be early data', () => {
  assert.equal(deframe([record(22, bytes(2 ** 14))]).length, 1);
  assert.equal(deframe([HELLO, record(23, bytes(2 ** 14 + 256))]).length, 2);
  const large = [HELLO, record(22, bytes(2 ** 14 + 256))];
  assert.throws(() => deframe(large), { code: 'record.too_long' });
  assert.equal(deframe(large, (d) => d.setProtected(true)).length, 2);
  assert.throws(() => deframe([record(22, bytes(2 ** 14 + 257))], (d) => d.setProtected(true)), {
    code: 'record.too_long',
  });
});

test('after the first record, legacy_record_version is ignored', () => {
  assert.equal(deframe([HELLO, record(22, bytes(4), 0x0000), record(23, bytes(4), 0xffff)]).length, 3);
});

test('a connection may begin with an alert', () => {
  assert.deepEqual(deframe([record(21, Uint8Array.of(2, 40))]), ['21 1503030002 0228']);
});

test('an empty application data record is a record', () => {
  assert.deepEqual(deframe([HELLO, record(23, bytes(0))])[1], '23 1703030000 ');
});
