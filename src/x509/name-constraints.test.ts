import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { chain3, directory, dn, dns, email, ip, make, newKey, san } from '../../test/x509/forge.ts';
import { latin1 } from '../bytes/index.ts';
import { type GeneralName, GeneralNameType, type ParsedCertificate, parseCertificate } from './certificate.ts';
import * as der from './der.ts';
import { comparableName, comparableParts } from './distinguished-name.ts';
import { NameChecks, type NameConstraintFault } from './name-constraints.ts';
import { Oid } from './oids.ts';

const key = newKey();
const { root } = chain3();

/** A certificate with an empty subject and these names. */
function certificateWith(...names: Uint8Array[]): ParsedCertificate {
  return parseCertificate(make({ subject: der.sequence(), key, issuer: root, extensions: [san(...names)] }).der);
}

const { dNSName, iPAddress, rfc822Name } = GeneralNameType;
const textName = (type: number, text: string): GeneralName => ({ type, content: latin1(text) });

function check(
  certificate: ParsedCertificate,
  constraints: { readonly permitted?: readonly GeneralName[]; readonly excluded?: readonly GeneralName[] },
  units = 1_000_000,
): NameConstraintFault | undefined {
  return new NameChecks({ units }).check({ permitted: [], excluded: [], ...constraints }, certificate);
}

describe('DNS names', () => {
  const label = fc.constantFrom('a', 'b', 'c');
  const host = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
  const constraint = fc.oneof(
    { weight: 4, arbitrary: host },
    host.map((name) => `.${name}`),
    fc.constant(''),
  );
  const certificates = new Map<string, ParsedCertificate>();
  const of = (name: string): ParsedCertificate => {
    const known = certificates.get(name) ?? certificateWith(dns(name));
    certificates.set(name, known);
    return known;
  };
  /** By the words of RFC 5280: labels are added to the left. */
  const isIn = (name: string, base: string): boolean =>
    base === '' || (base.startsWith('.') ? name.endsWith(base) : name === base || name.endsWith(`.${base}`));

  test('are in permitted and excluded subtrees as defined', () => {
    fc.assert(
      fc.property(host, fc.array(constraint, { minLength: 1, maxLength: 5 }), (name, bases) => {
        const names = bases.map((base) => textName(dNSName, base));
        const inside = bases.some((base) => isIn(name, base));
        assert.equal(check(of(name), { permitted: names }), inside ? undefined : 'not_permitted');
        assert.equal(check(of(name.toUpperCase()), { excluded: names }), inside ? 'excluded' : undefined);
      }),
      { numRuns: 1000 },
    );
  });

  test('with a wildcard: all that it stands for is permitted, nothing of it excluded', () => {
    fc.assert(
      fc.property(host, fc.array(constraint, { minLength: 1, maxLength: 3 }), (name, bases) => {
        const names = bases.map((base) => textName(dNSName, base));
        const meant = ['a', 'b', 'c', 'other'].map((first) => `${first}.${name}`);
        const excluded = meant.some((one) => bases.some((base) => isIn(one, base)));
        assert.equal(check(of(`*.${name}`), { excluded: names }), excluded ? 'excluded' : undefined);
        // No list of single names permits all names that there are.
        const permitted = bases.some((base) => isIn(`other.${name}`, base));
        assert.equal(check(of(`*.${name}`), { permitted: names }), permitted ? undefined : 'not_permitted');
      }),
      { numRuns: 1000 },
    );
  });

  for (const odd of ['a..b', 'bü.example', '*.*.a', ' a', 'a.', '-a'])
    test(`what is none (${odd}) is not permitted, and excluded`, () => {
      const everything = [textName(dNSName, 'elsewhere.example')];
      assert.equal(check(of(odd), { permitted: everything }), 'not_permitted');
      assert.equal(check(of(odd), { excluded: everything }), 'excluded');
      assert.equal(check(of('a.example'), { permitted: [textName(dNSName, odd)] }), 'not_permitted');
      assert.equal(check(of('a.example'), { excluded: [textName(dNSName, odd)] }), 'excluded');
    });
});

describe('IP addresses', () => {
  const network = (address: Uint8Array, bits: number): GeneralName => {
    const mask = address.map((_, index) => (0xff00 >> Math.min(8, Math.max(0, bits - 8 * index))) & 0xff);
    return { type: iPAddress, content: Uint8Array.of(...address, ...mask) };
  };
  const number = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  const address = (bytes: number) => fc.uint8Array({ minLength: bytes, maxLength: bytes });
  const case_ = fc
    .constantFrom(4, 16)
    .chain((bytes) =>
      fc.tuple(
        address(bytes),
        fc.array(fc.tuple(fc.nat({ max: 8 * bytes }), fc.option(address(bytes))), { minLength: 1, maxLength: 3 }),
      ),
    );

  test('are in networks as numbers are', () => {
    fc.assert(
      fc.property(case_, ([one, networks]) => {
        const certificate = certificateWith(der.contextPrimitive(7, one));
        const names = networks.map(([bits, base]) => network(base ?? one, bits));
        const inside = networks.some(([bits, base]) => {
          const host = BigInt(8 * one.length - bits);
          return number(one) >> host === number(base ?? one) >> host;
        });
        assert.equal(check(certificate, { permitted: names }), inside ? undefined : 'not_permitted');
        assert.equal(check(certificate, { excluded: names }), inside ? 'excluded' : undefined);
      }),
      { numRuns: 300 },
    );
  });

  test('of one family are not in networks of the other', () => {
    const everyIpv4 = [network(new Uint8Array(4), 0)];
    assert.equal(check(certificateWith(ip('2001:db8::1')), { permitted: everyIpv4 }), 'not_permitted');
    assert.equal(check(certificateWith(ip('2001:db8::1')), { excluded: everyIpv4 }), undefined);
    assert.equal(check(certificateWith(ip('::ffff:192.0.2.1')), { permitted: everyIpv4 }), 'not_permitted');
  });

  test('of an odd length are not permitted, and excluded', () => {
    const certificate = certificateWith(der.contextPrimitive(7, new Uint8Array(5)));
    assert.equal(check(certificate, { permitted: [network(new Uint8Array(4), 0)] }), 'not_permitted');
    assert.equal(check(certificate, { excluded: [network(new Uint8Array(4), 32)] }), 'excluded');
    const odd = [{ type: iPAddress, content: new Uint8Array(10) }];
    assert.equal(check(certificateWith(ip('192.0.2.1')), { permitted: odd }), 'not_permitted');
    assert.equal(check(certificateWith(ip('192.0.2.1')), { excluded: odd }), 'excluded');
  });
});

describe('e-mail addresses', () => {
  const cases: readonly [string, string, boolean | 'unclear'][] = [
    ['ann@example.com', 'example.com', true],
    ['ann@EXAMPLE.com', 'example.COM', true],
    ['ann@mail.example.com', 'example.com', false],
    ['ann@mail.example.com', '.example.com', true],
    ['ann@example.com', '.example.com', false],
    ['ann@anexample.com', '.example.com', false],
    ['ann@example.com', 'ann@example.com', true],
    ['ann@example.com', 'ann@Example.com', true],
    ['Ann@example.com', 'ann@example.com', false],
    ['bob@example.com', 'ann@example.com', false],
    ['example.com', 'example.com', 'unclear'],
    ['@example.com', 'example.com', 'unclear'],
    ['a@b@example.com', 'example.com', 'unclear'],
    ['"a@b"@example.com', 'example.com', 'unclear'],
    ['ann@', 'example.com', 'unclear'],
    ['ann@example.com', '', 'unclear'],
    ['ann@example.com', '@example.com', 'unclear'],
    ['ann@example.com', 'example..com', 'unclear'],
  ];
  for (const [address, constraint, expected] of cases)
    test(`${address} ${expected === true ? 'is' : expected === false ? 'is not' : 'may be'} in '${constraint}'`, () => {
      const constraints = [textName(rfc822Name, constraint)];
      const certificate = certificateWith(email(address));
      assert.equal(check(certificate, { permitted: constraints }), expected === true ? undefined : 'not_permitted');
      assert.equal(check(certificate, { excluded: constraints }), expected === false ? undefined : 'excluded');
    });
});

describe('kinds that are not understood', () => {
  const uri = (text: string): Uint8Array => der.contextPrimitive(6, latin1(text));
  test('refuse names of their kind, and no others', () => {
    const constraints = [textName(6, 'example.com')];
    for (const list of [{ permitted: constraints }, { excluded: constraints }]) {
      assert.equal(check(certificateWith(uri('https://example.com/')), list), 'not_understood');
      assert.equal(check(certificateWith(dns('example.com')), list), undefined);
    }
  });
});

describe('names of directories', () => {
  const organization = '2.5.4.10';
  const letters = fc.constantFrom('a', 'B', 'c', ' ', 'é', 'ß', '日', '1');
  const text = fc.array(letters, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(''));
  const folded = (one: string): string =>
    one
      .replace(/ +/g, ' ')
      .trim()
      .replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const attribute = fc.tuple(fc.constantFrom(organization, Oid.commonName), text);
  const encodings: readonly ((one: string) => Uint8Array)[] = [
    (one) => der.utf8String(one),
    (one) => der.encode(der.Tag.bmpString, Buffer.from(one, 'utf16le').swap16()),
    (one) =>
      der.encode(
        der.Tag.universalString,
        Buffer.concat([...one].map((c) => Buffer.from([0, 0, c.charCodeAt(0) >> 8, c.charCodeAt(0) & 255]))),
      ),
    (one) => (/^[\0-\xff]*$/.test(one) ? der.encode(der.Tag.teletexString, latin1(one)) : der.utf8String(one)),
    (one) => (/^[\0-\x7f]*$/.test(one) ? der.encode(der.Tag.printableString, latin1(one)) : der.utf8String(one)),
    (one) => der.utf8String(` ${one.replace(/[a-z]/g, (letter) => letter.toUpperCase()).replaceAll(' ', '  ')} `),
  ];
  const name = (parts: readonly (readonly [string, string])[], encoding: (one: string) => Uint8Array): Uint8Array =>
    der.sequence(...parts.map(([type, one]) => der.set(der.sequence(der.oid(type), encoding(one)))));
  const parts = fc.array(attribute, { maxLength: 4 });

  test('are the same in every encoding', () => {
    fc.assert(
      fc.property(parts, fc.constantFrom(...encodings), fc.constantFrom(...encodings), (list, one, other) => {
        assert.equal(comparableName(name(list, one)), comparableName(name(list, other)));
      }),
      { numRuns: 500 },
    );
  });

  test('differ when a text differs in more than case and spaces, or stands elsewhere', () => {
    const plain = encodings[0]!;
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        const same =
          JSON.stringify(one.map(([t, v]) => [t, folded(v)])) === JSON.stringify(other.map(([t, v]) => [t, folded(v)]));
        assert.equal(comparableName(name(one, plain)) === comparableName(name(other, plain)), same);
      }),
      { numRuns: 1000 },
    );
  });

  test('with several attributes in one part are the same in any order', () => {
    const set = (...texts: string[]): Uint8Array =>
      der.sequence(der.set(...texts.map((one) => der.sequence(der.oid(organization), der.utf8String(one)))));
    assert.equal(comparableName(set('a', 'b')), comparableName(set('b', 'a')));
    assert.notEqual(comparableName(set('a', 'b')), comparableName(dn([organization, 'a'], [organization, 'b'])));
  });

  test('are in subtrees that they begin with', () => {
    fc.assert(
      fc.property(parts, fc.array(parts, { minLength: 1, maxLength: 3 }), (list, bases) => {
        const certificate = certificateWith(directory(dn(...list)));
        const names = bases.map((base) => {
          const content = dn(...base);
          return { type: GeneralNameType.directoryName, content, parts: comparableParts(content) };
        });
        const begins = (base: typeof list): boolean =>
          base.every(([type, one], i) => list[i]?.[0] === type && folded(list[i]![1]) === folded(one));
        const inside = bases.some(begins);
        assert.equal(check(certificate, { permitted: names }), inside ? undefined : 'not_permitted');
        assert.equal(check(certificate, { excluded: names }), inside ? 'excluded' : undefined);
      }),
      { numRuns: 300 },
    );
  });

  test('in the subject count, and so do e-mail addresses there', () => {
    const subject = dn([organization, 'Example'], [Oid.emailAddress, 'a@example.org']);
    const certificate = parseCertificate(make({ subject, key, issuer: root }).der);
    const content = dn([organization, 'EXAMPLE']);
    const excluded = [{ type: GeneralNameType.directoryName, content, parts: comparableParts(content) }];
    assert.equal(check(certificate, { excluded }), 'excluded');
    assert.equal(check(certificate, { excluded: [textName(rfc822Name, 'example.org')] }), 'excluded');
    const nobody = parseCertificate(make({ subject: der.sequence(), key, issuer: root }).der);
    assert.equal(check(nobody, { permitted: excluded }), undefined);
  });
});

describe('the budget', () => {
  const names = Array.from({ length: 2000 }, (_, i) => `n${i}.example.com`);
  const certificate = certificateWith(...names.map(dns));
  const constraints = {
    permitted: [textName(dNSName, 'example.com')],
    excluded: names.map((name) => textName(dNSName, `x${name}`)),
  };

  test('2,000 names and 2,000 constraints take steps for each, not for each pair', () => {
    const budget = { units: 1_000_000 };
    assert.equal(new NameChecks(budget).check({ ...constraints }, certificate), undefined);
    const spent = 1_000_000 - budget.units;
    assert.ok(spent < 20_000, `${spent} units`);
  });

  test('constraints are read once, names each time', () => {
    const budget = { units: 1_000_000 };
    const checks = new NameChecks(budget);
    const first = checks.check(constraints, certificate);
    const spent = 1_000_000 - budget.units;
    assert.equal(checks.check(constraints, certificate), first);
    assert.ok(1_000_000 - budget.units < 2 * spent);
  });

  test('ends the search', () => {
    assert.equal(check(certificate, constraints, 5_000), 'too_complex');
    assert.equal(check(certificate, constraints, 100), 'too_complex');
  });
});
