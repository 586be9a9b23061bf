import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { chain3 } from '../../test/x509/forge.ts';
import { fromHex, toHex } from '../bytes/index.ts';
import { keyFacts, signatureAlgorithm, UnsupportedAlgorithm } from './algorithms.ts';
import { parseCertificate, readSubject } from './certificate.ts';
import * as der from './der.ts';
import { DerError, DerReader } from './der.ts';

/** Reads the whole of `hex` with `read`; bytes left over are an error. */
function reading<T>(hex: string, read: (reader: DerReader) => T): T {
  const reader = new DerReader(fromHex(hex));
  const result = read(reader);
  reader.end();
  return result;
}

describe('what is not DER is refused', () => {
  const cases: readonly [string, string, (reader: DerReader) => unknown][] = [
    ['an empty input', '', (r) => r.any()],
    ['a tag without a length', '30', (r) => r.any()],
    ['an indefinite length', '3080 0000', (r) => r.any()],
    ['a long form for a length below 128', '048101 00', (r) => r.any()],
    ['a leading zero in the length', `04820080${'00'.repeat(128)}`, (r) => r.any()],
    ['a length of four bytes', '048401000000', (r) => r.any()],
    ['a value that is cut off', '0403 0000', (r) => r.any()],
    ['a string in pieces', '2c 03 0c01 61', (r) => r.any()],
    ['bytes in pieces', '24 03 0401 61', (r) => r.any()],
    ['a SEQUENCE without parts', '1000', (r) => r.any()],
    ['an end of contents', '0000', (r) => r.any()],
    [
      'a UTCTime where only the longer form may be',
      `170d${toHex(Buffer.from('260101000000Z'))}`,
      (r) => r.generalizedTime(),
    ],
    ['a tag number above 30', '1f8101 00', (r) => r.any()],
    ['bytes left over', '0500 00', (r) => r.null()],
    ['another tag', '0500', (r) => r.integer()],
    ['an empty INTEGER', '0200', (r) => r.integer()],
    ['an INTEGER with a superfluous 00', '0202007f', (r) => r.integer()],
    ['an INTEGER with a superfluous ff', '0202ff80', (r) => r.integer()],
    ['a negative small INTEGER', '0201ff', (r) => r.smallInteger()],
    ['a small INTEGER of five bytes', '02050100000000', (r) => r.smallInteger()],
    ['a BOOLEAN that is 01', '010101', (r) => r.optionalBoolean()],
    ['a BOOLEAN of two bytes', '0102ffff', (r) => r.optionalBoolean()],
    ['a BIT STRING without the count', '0300', (r) => r.bitString()],
    ['a BIT STRING with 8 unused bits', '03020800', (r) => r.bitString()],
    ['unused bits of nothing', '030101', (r) => r.bitString()],
    ['unused bits that are set', '03020101', (r) => r.bitString()],
    ['a key that is not whole bytes', '03020780', (r) => r.bitStringBytes()],
    ['an empty OBJECT IDENTIFIER', '0600', (r) => r.oid()],
    ['an OBJECT IDENTIFIER that is cut off', '0602 5581', (r) => r.oid()],
    ['an OBJECT IDENTIFIER with padding', '0603 558001', (r) => r.oid()],
    ['a NULL with content', '050100', (r) => r.null()],
    ['a UTCTime without seconds', `170b${toHex(Buffer.from('2601010000Z'))}`, (r) => r.time()],
    ['a UTCTime with a zone', `1711${toHex(Buffer.from('260101000000+0100'))}`, (r) => r.time()],
    ['a GeneralizedTime with a fraction', `1811${toHex(Buffer.from('20260101000000.5Z'))}`, (r) => r.time()],
    ['30 February', `170d${toHex(Buffer.from('260230000000Z'))}`, (r) => r.time()],
    ['29 February 2100', `180f${toHex(Buffer.from('21000229000000Z'))}`, (r) => r.time()],
    ['24 o’clock', `170d${toHex(Buffer.from('260101240000Z'))}`, (r) => r.time()],
  ];
  for (const [name, hex, read] of cases)
    test(name, () => {
      assert.throws(() => reading(hex, read), DerError);
    });

  test('17 levels', () => {
    let nested: Uint8Array = new Uint8Array(0);
    for (let i = 0; i < 18; i++) nested = der.sequence(nested);
    const descend = (reader: DerReader): void => {
      if (!reader.done) descend(reader.enter());
    };
    assert.throws(() => descend(new DerReader(nested)), /16 levels/);
  });
});

describe('known encodings', () => {
  const oids = [
    ['2a864886f70d01010b', '1.2.840.113549.1.1.11'],
    ['551d13', '2.5.29.19'],
    ['883703', '2.999.3'],
    ['27', '0.39'],
  ] as const;
  for (const [hex, text] of oids)
    test(text, () => {
      const encoded = `06${toHex(Uint8Array.of(hex.length / 2))}${hex}`;
      assert.equal(
        reading(encoded, (r) => r.oid()),
        text,
      );
      assert.equal(toHex(der.oid(text)), encoded);
    });

  test('identifiers too large for a number stay different', () => {
    const one = reading('060b 6981ffffffffffffffff01', (r) => r.oid());
    const two = reading('060b 6981ffffffffffffffff02', (r) => r.oid());
    assert.notEqual(one, two);
  });
});

describe('times', () => {
  test('agree with the platform in both directions', () => {
    const seconds = fc.integer({ min: Date.UTC(1950, 0, 1) / 1000, max: Date.UTC(2999, 11, 31) / 1000 });
    fc.assert(
      fc.property(seconds, (second) => {
        const encoded = der.time(second * 1000);
        assert.equal(new DerReader(encoded).time(), second * 1000);
        const digits = new Date(second * 1000).toISOString().replace(/[-:T]|\.\d+/g, '');
        const utc = encoded[0] === der.Tag.utcTime;
        assert.equal(Buffer.from(encoded.subarray(2)).toString(), utc ? digits.slice(2) : digits);
        assert.equal(utc, second * 1000 < Date.UTC(2050, 0, 1));
      }),
    );
  });
});

describe('no input makes a reader throw anything but its own error', () => {
  const { leaf, intermediate } = chain3();
  const readers: readonly (readonly [string, (bytes: Uint8Array) => unknown])[] = [
    ['parseCertificate', parseCertificate],
    ['readSubject', readSubject],
    ['keyFacts', keyFacts],
    ['signatureAlgorithm', signatureAlgorithm],
  ];
  const inputs = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.uint8Array({ maxLength: 100 }).map((content) => der.sequence(content)),
    fc
      .tuple(fc.constantFrom(leaf.der, intermediate.der), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }))
      .map(([certificate, changes]) => {
        const changed = certificate.slice();
        for (const [at, byte] of changes) changed[at % changed.length] = byte;
        return changed;
      }),
  );
  for (const [name, read] of readers)
    test(name, () => {
      fc.assert(
        fc.property(inputs, (bytes) => {
          try {
            read(bytes);
          } catch (error) {
            assert.ok(error instanceof DerError || error instanceof UnsupportedAlgorithm, String(error));
          }
        }),
        { numRuns: 1000 },
      );
    });

  test('what is read from a certificate can be written again: it is the only encoding', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (content) => {
        assert.deepEqual(new DerReader(der.octetString(content)).octetString(), content);
        assert.deepEqual(new DerReader(der.bitString(content)).bitStringBytes(), content);
        const number = new DerReader(der.unsignedInteger(content)).integer();
        assert.equal(BigInt(`0x0${toHex(number)}`), BigInt(`0x0${toHex(content)}`));
      }),
    );
  });
});

describe('keys that only make work', () => {
  const rsa = (modulus: Uint8Array, exponent: Uint8Array): Uint8Array =>
    der.sequence(
      der.sequence(der.oid('1.2.840.113549.1.1.1'), der.nullValue()),
      der.bitString(der.sequence(der.unsignedInteger(modulus), der.unsignedInteger(exponent))),
    );
  const modulus = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(0xff);
  const usual = Uint8Array.of(1, 0, 1);

  test('an RSA key of usual size is measured exactly', () => {
    assert.deepEqual(keyFacts(rsa(modulus(256), usual)), { kind: 'rsa', bits: 2048 });
    assert.equal(keyFacts(rsa(Uint8Array.of(0x7f, ...modulus(255)), usual)).bits, 2047);
  });
  for (const [name, key] of [
    ['a modulus of 8200 bits', rsa(modulus(1025), usual)],
    ['an exponent as long as the modulus', rsa(modulus(256), modulus(256))],
    ['an exponent of 1', rsa(modulus(256), Uint8Array.of(1))],
    ['an even exponent', rsa(modulus(256), Uint8Array.of(4))],
  ] as const)
    test(name, () => {
      assert.throws(() => keyFacts(key), UnsupportedAlgorithm);
    });
});
