import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ipBytes, ipText, matchesName } from './name-match.ts';

function matches(presented: string, reference: string): boolean {
  const address = ipBytes(presented);
  const [dnsNames, ipAddresses] = address === undefined ? [[presented], []] : [[], [address]];
  return matchesName({ dnsNames, ipAddresses, others: [] }, reference);
}

describe('DNS names', () => {
  const cases: readonly [string, string, boolean][] = [
    ['example.com', 'example.com', true],
    ['EXAMPLE.com', 'example.COM', true],
    ['example.com', 'example.com.', true],
    ['example.com.', 'example.com', false],
    ['example.com', 'www.example.com', false],
    ['www.example.com', 'example.com', false],
    ['localhost', 'localhost', true],
    ['a_b.example.com', 'a_b.example.com', true],
    ['*.example.com', 'a.example.com', true],
    ['*.example.com', 'A.EXAMPLE.COM.', true],
    ['*.example.com', 'xn--bcher-kva.example.com', true],
    ['*.example.com', 'a.b.example.com', false],
    ['*.example.com', 'example.com', false],
    ['*.example.com', '.example.com', false],
    ['*.com', 'example.com', false],
    ['*', 'localhost', false],
    ['*.*.example.com', 'a.b.example.com', false],
    ['a.*.example.com', 'a.b.example.com', false],
    ['w*.example.com', 'www.example.com', false],
    ['*w.example.com', 'www.example.com', false],
    ['xn--*.example.com', 'xn--a.example.com', false],
    ['*.example.com', '*.example.com', false],
    ['example.com\0.evil.org', 'example.com', false],
    ['bücher.example', 'bücher.example', false],
    ['\u212Aelvin.example', 'kelvin.example', false],
    ['', '', false],
    ['example..com', 'example..com', false],
    ['-a.example.com', '-a.example.com', false],
    [`${'a'.repeat(64)}.com`, `${'a'.repeat(64)}.com`, false],
    [`${'a.'.repeat(127)}com`, `${'a.'.repeat(127)}com`, false],
  ];
  for (const [presented, reference, expected] of cases)
    test(`${JSON.stringify(presented)} ${expected ? 'is' : 'is not'} for ${JSON.stringify(reference)}`, () => {
      assert.equal(matches(presented, reference), expected);
    });
});

describe('IP addresses', () => {
  const cases: readonly [string, string, boolean][] = [
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '192.0.2.2', false],
    ['2001:db8::1', '2001:0DB8:0:0:0::1', true],
    ['::ffff:192.0.2.1', '::ffff:c000:201', true],
    ['::ffff:192.0.2.1', '192.0.2.1', false],
    ['127.0.0.1', '127.1', false],
    ['127.0.0.1', '0x7f.0.0.1', false],
    ['8.0.0.1', '010.0.0.1', false],
    ['127.0.0.1', '2130706433', false],
  ];
  for (const [presented, reference, expected] of cases)
    test(`${presented} ${expected ? 'is' : 'is not'} for ${reference}`, () => {
      assert.equal(matches(presented, reference), expected);
    });

  test('are never matched by DNS entries, not even odd ones', () => {
    for (const text of ['192.0.2.1', '127.1', '2130706433', '1.2.3.4.5'])
      assert.equal(matchesName({ dnsNames: [text, '*.0.2.1'], ipAddresses: [], others: [] }, text), false);
  });

  test('are the same ones that the platform takes', () => {
    const piece = fc.constantFrom(
      '0',
      '1',
      '00',
      'ff',
      '::',
      ':',
      '.',
      '1.2.3.4',
      '256',
      'g',
      '%1',
      '[',
      '2001',
      '12345',
    );
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.array(piece, { maxLength: 10 }).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (address) => {
        if (address.includes('%')) return assert.equal(ipBytes(address), undefined);
        const expected = { 0: undefined, 4: 4, 6: 16 }[isIP(address)];
        assert.equal(ipBytes(address)?.length, expected, address);
        return undefined;
      }),
      { numRuns: 2000 },
    );
  });

  test('survive being written for a message', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 })),
        (bytes) => {
          assert.deepEqual(ipBytes(ipText(bytes)), bytes);
        },
      ),
    );
  });
});
