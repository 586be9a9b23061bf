import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat, toHex } from '../bytes/index.ts';
import type { Aead, AeadKey, AeadName } from '../crypto/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import {
  type OpenedRecord,
  type PlainRecord,
  plaintextRecords,
  RecordDeframer,
  RecordOpener,
  RecordProtector,
} from './index.ts';

const FULL = 2 ** 14;
const names: readonly AeadName[] = ['aes-128-gcm', 'aes-256-gcm', 'chacha20-poly1305'];
const keysOf = (name: AeadName = 'aes-128-gcm'): { key: AeadKey; iv: Uint8Array } => {
  const aead = nodeCrypto.aead(name)!;
  return { key: aead.withKey(new Uint8Array(aead.keyLength).fill(3)), iv: new Uint8Array(12).fill(0xa5) };
};

function deframe(bytes: Uint8Array): PlainRecord[] {
  const deframer = new RecordDeframer();
  deframer.push(concat(Uint8Array.of(22, 3, 3, 0, 1, 0), bytes));
  const records: PlainRecord[] = [];
  for (let r = deframer.next(); r !== undefined; r = deframer.next()) records.push(r);
  return records.slice(1);
}

/** Keys of an AEAD that may protect few records, so that its limit can be reached. */
function weakKeys(recordLimit: number): { key: AeadKey; iv: Uint8Array } {
  const { key, iv } = keysOf();
  const { name, keyLength, nonceLength, tagLength } = key.aead;
  const withKey = (bytes: Uint8Array): AeadKey => key.aead.withKey(bytes);
  const aead: Aead = { name, keyLength, nonceLength, tagLength, recordLimit, withKey };
  return {
    key: {
      aead,
      sealRecord: (...args) => key.sealRecord(...args),
      seal: (...args) => key.seal(...args),
      open: (...args) => key.open(...args),
      wipe: () => key.wipe(),
    },
    iv,
  };
}

/** One record with this TLSInnerPlaintext, as only a peer that is wrong would send it. */
function forge(key: AeadKey, nonce: Uint8Array, inner: Uint8Array): PlainRecord {
  const length = inner.length + key.aead.tagLength;
  const header = Uint8Array.of(23, 3, 3, length >> 8, length & 0xff);
  return { type: 23, header, fragment: key.seal(nonce, header, inner) };
}

test('what was protected is opened again, for every size, padding and fragment limit', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      fc.constantFrom(21, 22, 23),
      fc.array(fc.oneof(fc.nat(200), fc.nat(40_000)), { minLength: 1, maxLength: 3 }),
      fc.oneof(fc.integer({ min: 63, max: 500 }), fc.constant(FULL)),
      fc.option(fc.nat(FULL), { nil: undefined }),
      (name, type, lengths, maxFragment, zeros) => {
        const options = { maxFragment, ...(zeros !== undefined && { padding: () => zeros }) };
        const protector = new RecordProtector(keysOf(name), options);
        const opener = new RecordOpener(keysOf(name), maxFragment);
        let count = 0;
        for (const length of lengths) {
          const content = new Uint8Array(length).map((_, i) => i * 7);
          const records = deframe(protector.protect(type, content));
          const opened = records.map((r) => opener.open(r));
          assert.ok(opened.every((o) => o.type === type && o.content.length <= maxFragment));
          assert.deepEqual(concat(...opened.map((o) => o.content)), content);
          if (length > 0 || type === 23) assert.equal(records.length, Math.max(1, Math.ceil(length / maxFragment)));
          for (const [i, r] of records.entries()) {
            assert.equal(r.type, 23);
            const inner = r.fragment.length - 16 - 1;
            assert.equal(inner, Math.min(maxFragment, opened[i]!.content.length + (zeros ?? 0)));
          }
          count += records.length;
        }
        assert.equal(protector.sealed, count);
        assert.equal(opener.opened, count);
      },
    ),
    { numRuns: 60 },
  );
});

test('one flipped bit, anywhere in header or fragment, is bad_mac', () => {
  const protectedRecord = new RecordProtector(keysOf(), { maxFragment: FULL }).protect(23, new Uint8Array(40));
  for (let bit = 0; bit < protectedRecord.length * 8; bit++) {
    const wrong = protectedRecord.slice();
    wrong[bit >> 3]! ^= 1 << (bit & 7);
    const record = { type: 23, header: wrong.subarray(0, 5), fragment: wrong.subarray(5) };
    assert.throws(() => new RecordOpener(keysOf(), FULL).open(record), { code: 'record.bad_mac' }, `bit ${bit}`);
  }
});

test('a record that is shorter than a tag is bad_mac', () => {
  for (const length of [0, 1, 15, 16]) {
    const record = { type: 23, header: Uint8Array.of(23, 3, 3, 0, length), fragment: new Uint8Array(length) };
    assert.throws(() => new RecordOpener(keysOf(), FULL).open(record), { code: 'record.bad_mac' });
  }
});

test('records open in their order only', () => {
  const [first, second] = deframe(new RecordProtector(keysOf(), { maxFragment: 8 }).protect(23, new Uint8Array(16)));
  assert.throws(() => new RecordOpener(keysOf(), FULL).open(second!), { code: 'record.bad_mac' });
  const opener = new RecordOpener(keysOf(), FULL);
  opener.open(first!);
  assert.throws(() => opener.open(first!), { code: 'record.bad_mac' });
});

test('tryOpen skips what is under another key without counting it', () => {
  const early = deframe(new RecordProtector(keysOf('aes-256-gcm'), { maxFragment: 8 }).protect(23, new Uint8Array(24)));
  const [finished] = deframe(new RecordProtector(keysOf(), { maxFragment: FULL }).protect(22, new Uint8Array(36)));
  const opener = new RecordOpener(keysOf(), FULL);
  for (const record of early) assert.equal(opener.tryOpen(record), undefined);
  assert.equal(opener.tryOpen(finished!)!.type, 22);
  assert.equal(opener.opened, 1);
});

test('the nonce is the IV xor the 64-bit sequence number', () => {
  const nonces: string[] = [];
  const { key: real, iv } = weakKeys(100_000);
  const key: AeadKey = { ...real, sealRecord: (nonce) => void nonces.push(toHex(nonce)) };
  const protector = new RecordProtector({ key, iv: iv.slice() }, { maxFragment: 1 });
  protector.protect(23, new Uint8Array(70_000));
  const expected = (sequence: number): string =>
    (BigInt(`0x${toHex(iv)}`) ^ BigInt(sequence)).toString(16).padStart(24, '0');
  for (let i = 0; i < 70_000; i++) if (nonces[i] !== expected(i)) assert.fail(`record ${i}: ${nonces[i]}`);
});

const inners: readonly [string, Uint8Array, number, OpenedRecord | string][] = [
  ['padding only', new Uint8Array(20), FULL, 'record.no_content_type'],
  ['nothing at all', new Uint8Array(0), FULL, 'record.no_content_type'],
  ['an empty handshake fragment, padded', Uint8Array.of(22, 0, 0), FULL, 'record.empty'],
  ['an empty alert', Uint8Array.of(21), FULL, 'record.empty'],
  ['empty application data', Uint8Array.of(23, 0, 0), FULL, { type: 23, content: new Uint8Array(0) }],
  ['content that ends with zeros', Uint8Array.of(9, 0, 0, 23), FULL, { type: 23, content: Uint8Array.of(9, 0, 0) }],
  ['an inner type for the caller to judge', Uint8Array.of(1, 99), FULL, { type: 99, content: Uint8Array.of(1) }],
  ['the limit', new Uint8Array(65).fill(23), 64, { type: 23, content: new Uint8Array(64).fill(23) }],
  ['content over the limit', new Uint8Array(66).fill(23), 64, 'record.too_long'],
  ['content and padding over the limit', Uint8Array.of(23, ...new Uint8Array(65)), 64, 'record.too_long'],
];

for (const [name, inner, limit, result] of inners) {
  test(`opens or refuses ${name}`, () => {
    const { key, iv } = keysOf();
    const open = (): OpenedRecord => new RecordOpener(keysOf(), limit).open(forge(key, iv, inner));
    if (typeof result === 'string') assert.throws(open, { code: result });
    else assert.deepEqual(open(), result);
  });
}

test('says that the key must change well before its limit, and refuses to pass it', () => {
  const protector = new RecordProtector(weakKeys(100), { maxFragment: 1 });
  assert.equal(protector.limit, 100);
  assert.equal(protector.room, 84);
  protector.protect(23, new Uint8Array(83));
  assert.equal(protector.room, 1);
  protector.protect(23, new Uint8Array(1));
  assert.equal(protector.room, 0);
  protector.protect(22, new Uint8Array(16));
  assert.throws(() => protector.protect(21, new Uint8Array(1)), /too many for this key/);
  assert.equal(protector.sealed, 100);
  assert.equal(protector.room, 0);
});

test('a peer may pass the limit of its key, but not without end', () => {
  const protector = new RecordProtector(keysOf(), { maxFragment: 1 });
  const records = deframe(protector.protect(23, new Uint8Array(161)));
  const opener = new RecordOpener(weakKeys(10), FULL);
  for (const record of records.slice(0, 160)) opener.open(record);
  assert.throws(() => opener.open(records[160]!), { code: 'record.too_many' });
});

test('empty content makes a record of application data, and nothing of other types', () => {
  const protector = new RecordProtector(keysOf(), { maxFragment: FULL });
  assert.equal(protector.protect(22, new Uint8Array(0)).length, 0);
  assert.equal(protector.protect(21, new Uint8Array(0)).length, 0);
  assert.equal(protector.sealed, 0);
  assert.equal(protector.protect(23, new Uint8Array(0)).length, 5 + 1 + 16);
});

test('a new fragment limit holds from the next record on', () => {
  const protector = new RecordProtector(keysOf(), { maxFragment: FULL });
  assert.equal(deframe(protector.protect(23, new Uint8Array(200))).length, 1);
  protector.setMaxFragment(64);
  assert.equal(protector.maxFragment, 64);
  assert.equal(deframe(protector.protect(23, new Uint8Array(200))).length, 4);
});

test('padding is asked once for each record, with its length', () => {
  const asked: number[] = [];
  const padding = (length: number): number => asked.push(length) * 10;
  const out = new RecordProtector(keysOf(), { maxFragment: 100, padding }).protect(23, new Uint8Array(250));
  assert.deepEqual(asked, [100, 100, 50]);
  assert.deepEqual(
    deframe(out).map((r) => r.fragment.length - 17),
    [100, 100, 80],
  );
});

test('a fragment limit or a padding that is not a length is a mistake of the program', () => {
  for (const maxFragment of [0, -1, 1.5, Number.NaN, FULL + 1]) {
    assert.throws(() => new RecordProtector(keysOf(), { maxFragment }), { code: 'record.bad_max_fragment' });
  }
  for (const zeros of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    const protector = new RecordProtector(keysOf(), { maxFragment: FULL, padding: () => zeros });
    assert.throws(() => protector.protect(23, new Uint8Array(1)), { code: 'record.bad_padding' });
  }
});

test('wiping takes the key and the IV away', () => {
  for (const make of [
    (keys: { key: AeadKey; iv: Uint8Array }) => new RecordProtector(keys, { maxFragment: FULL }),
    (keys: { key: AeadKey; iv: Uint8Array }) => new RecordOpener(keys, FULL),
  ]) {
    const wiped: string[] = [];
    const { key, iv } = weakKeys(100);
    make({ key: { ...key, wipe: () => void wiped.push('key') }, iv }).wipe();
    assert.deepEqual(wiped, ['key']);
    assert.deepEqual(iv, new Uint8Array(12));
  }
});

test('unprotected records carry the legacy version, and are split at the limit', () => {
  assert.equal(toHex(plaintextRecords(22, Uint8Array.of(1, 2, 3))), '1603030003010203');
  assert.equal(toHex(plaintextRecords(22, Uint8Array.of(1, 2, 3), FULL, 0x0301)), '1603010003010203');
  assert.equal(toHex(plaintextRecords(22, Uint8Array.of(1, 2, 3), 2)), '1603030002010216030300' + '0103');
  assert.equal(plaintextRecords(22, new Uint8Array(0)).length, 0);
  assert.equal(plaintextRecords(22, new Uint8Array(FULL + 1)).length, FULL + 1 + 10);
});
