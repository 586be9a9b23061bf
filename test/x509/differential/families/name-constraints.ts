import * as der from '../../../../src/x509/der.ts';
import { Oid } from '../../../../src/x509/oids.ts';
import { bc, CA, cn, directory, dn, dns, eku, email, extension, ip, ipRange, ku, nc, san, uri } from '../../forge.ts';
import {
  authority,
  bad,
  type Case,
  type Change,
  ders,
  EMPTY,
  type Extra,
  endEntity,
  good,
  plus,
  UNKNOWN,
} from '../case.ts';

const ORGANIZATION = '2.5.4.10';
const UNIT = '2.5.4.11';
const www = dns('www.example.com');
const example = dns('example.com');

interface Setting {
  readonly permitted?: readonly Uint8Array[];
  readonly excluded?: readonly Uint8Array[];
  readonly names?: readonly Uint8Array[];
  readonly subject?: Uint8Array;
  readonly critical?: boolean;
}

/** A lower authority with these constraints, and a leaf with these names. */
function setting({ names = [www], subject = cn('www.example.com'), critical = true, ...constraints }: Setting): Change {
  const extensions = [bc(false), ku(0), eku(Oid.serverAuth), ...(names.length > 0 ? [san(...names)] : [])];
  return { ...plus('lower', nc(constraints, critical)), leaf: { subject, extensions } };
}

const allowed = (name: string, one: Setting, extra?: Extra): Case => good(name, setting(one), extra);
const denied = (name: string, one: Setting, extra?: Extra): Case => bad(name, setting(one), extra);

export function dnsConstraints(): Case[] {
  const lower = (...more: Uint8Array[]): Change => plus('lower', ...more);
  const wild = dns('*.example.com');
  const raw = (...fields: Uint8Array[]): Uint8Array => extension(Oid.nameConstraints, der.sequence(...fields), true);
  const permittedOrg = nc({ permitted: [dns('example.org')] });
  const constrained = authority('Constrained', 'constrained', undefined, {
    extensions: [...CA, nc({ permitted: [example] })],
  });
  const selfIssued = authority('Constrained', 'constrained 2', constrained);
  const noName = [bc(false), ku(0), eku(Oid.serverAuth)];
  return [
    allowed('permitted', { permitted: [example] }),
    allowed('permitted, the very name', { permitted: [www] }),
    allowed('permitted, in capitals', { permitted: [dns('EXAMPLE.COM')] }),
    allowed('permitted, the leaf in capitals', { permitted: [example], names: [dns('WWW.EXAMPLE.COM')] }),
    allowed('permitted, deep below', { permitted: [example], names: [www, dns('a.b.c.example.com')] }),
    allowed('permitted, one of two', { permitted: [dns('example.org'), example] }),
    allowed('permitted, another kind', { permitted: [dns('example.com'), email('example.org')] }),
    allowed('permitted everything', { permitted: [dns('')] }),
    allowed('permitted, with a dot before it', { permitted: [dns('.example.com')] }),
    denied('permitted with a dot before it, the name itself', { permitted: [dns('.www.example.com')] }),
    denied('not permitted', { permitted: [dns('example.org')] }),
    denied('not permitted, not critical', { permitted: [dns('example.org')], critical: false }),
    denied('not permitted, one name of two', { permitted: [example], names: [www, dns('www.example.org')] }),
    denied('not permitted, a similar ending', { permitted: [dns('ple.com')] }),
    denied('not permitted, a name below', { permitted: [dns('a.www.example.com')] }),
    denied('not permitted, a name beside', { permitted: [dns('ftp.example.com')] }),
    denied('not permitted, a similar beginning', { permitted: [dns('example.co')] }),
    denied('permitted with a dot behind it', { permitted: [dns('example.com.')] }),
    denied('permitted with an asterisk', { permitted: [wild] }),
    denied('permitted a dot', { permitted: [dns('.')] }),
    denied('excluded', { excluded: [example] }),
    denied('excluded, the very name', { excluded: [www] }),
    denied('excluded, in capitals', { excluded: [dns('EXAMPLE.com')] }),
    denied('excluded everything', { excluded: [dns('')] }),
    denied('excluded, with a dot before it', { excluded: [dns('.example.com')] }),
    allowed('excluded with a dot before it, the name itself', { excluded: [dns('.www.example.com')] }),
    allowed('excluded, another', { excluded: [dns('example.org')] }),
    allowed('excluded, a similar ending', { excluded: [dns('ample.com')] }),
    denied('excluded and permitted', { permitted: [example], excluded: [www] }),
    denied('permitted inside of what is excluded', { permitted: [www], excluded: [example] }),
    denied('excluded, one name of two', { excluded: [dns('example.org')], names: [www, dns('a.example.org')] }),
    denied('excluded, one of two', { excluded: [dns('example.org'), example] }),
    allowed('a wildcard in what is permitted', { permitted: [example], names: [wild] }),
    denied('a wildcard above what is permitted', { permitted: [www], names: [wild] }),
    denied(
      'a wildcard above what is excluded',
      { excluded: [dns('secret.example.com')], names: [wild] },
      { differs: 'wildcard above a constraint' },
    ),
    denied('a wildcard in what is excluded', { excluded: [example], names: [wild] }),
    allowed('a wildcard beside what is excluded', { excluded: [dns('secret.example.org')], names: [wild] }),
    allowed(
      'permitted with an underscore',
      { permitted: [dns('_x.example.com')], names: [dns('a._x.example.com'), dns('_x.example.com')] },
      { serverName: 'a._x.example.com' },
    ),
    denied(
      'a zero byte in the name',
      { permitted: [example], names: [www, dns('www.example.org\0.example.com')] },
      { differs: 'names that are none' },
    ),
    denied('a name with a dot before it', { permitted: [dns('example.org')], names: [www, dns('.example.com')] }),
    bad('no name, the constraint in the lower, a common name of a host', {
      ...lower(permittedOrg),
      leaf: { extensions: noName },
    }),
    allowed(
      'not permitted, a common name of a host',
      { permitted: [example], subject: cn('www.example.org'), names: [ip('192.0.2.1')] },
      { serverName: '192.0.2.1', differs: 'common name' },
    ),
    allowed('a common name of no host', { permitted: [example], subject: cn('Some Thing') }),
    allowed('a common name of another host beside subjectAltName', {
      permitted: [example],
      subject: cn('www.example.org'),
    }),
    ...(['upper', 'root'] as const).flatMap((place) => [
      bad(`not permitted by the ${place}`, plus(place, permittedOrg)),
      good(`permitted by the ${place}`, plus(place, nc({ permitted: [example] }))),
      bad(`excluded by the ${place}`, plus(place, nc({ excluded: [example] }))),
    ]),
    bad('the lower permits what the root does not', {
      ...plus('root', permittedOrg),
      ...lower(nc({ permitted: [example] })),
    }),
    bad('the root permits what the lower does not', {
      ...plus('root', nc({ permitted: [example] })),
      ...lower(permittedOrg),
    }),
    good('both permit', { ...plus('root', nc({ permitted: [dns('com')] })), ...lower(nc({ permitted: [example] })) }),
    good(
      'for a client too',
      {
        ...plus('root', nc({ permitted: [example] })),
        leaf: { extensions: [bc(false), ku(0), eku(Oid.clientAuth), san(www)] },
      },
      { role: 'client' },
    ),
    bad(
      'not permitted for a client',
      { ...plus('root', permittedOrg), leaf: { extensions: [bc(false), ku(0), eku(Oid.clientAuth), san(www)] } },
      { role: 'client' },
    ),
    good(
      'a self-issued intermediate is not asked',
      {},
      { chain: ders(endEntity(selfIssued), selfIssued), anchors: [constrained.der] },
    ),
    bad(
      'a leaf under a self-issued intermediate is asked',
      {},
      {
        chain: ders(endEntity(selfIssued, { extensions: [...noName, san(www, dns('example.org'))] }), selfIssued),
        anchors: [constrained.der],
      },
    ),
    bad('a name in the lower that the root does not permit', {
      ...plus('root', nc({ permitted: [example] })),
      ...lower(san(dns('ca.example.org'))),
    }),
    bad('an empty list', lower(raw()), { differs: 'empty constraints' }),
    bad('an empty list of those permitted', lower(raw(der.context(0))), { differs: 'empty constraints' }),
    bad(
      'a minimum of 0 written out',
      lower(raw(der.context(0, der.sequence(example, der.contextPrimitive(0, Uint8Array.of(0)))))),
      { differs: 'default written out' },
    ),
    bad('a minimum of 1', lower(raw(der.context(0, der.sequence(example, der.contextPrimitive(0, Uint8Array.of(1))))))),
    bad('a maximum', lower(raw(der.context(0, der.sequence(example, der.contextPrimitive(1, Uint8Array.of(9))))))),
    bad('lists in disorder', lower(raw(der.context(1, der.sequence(dns('a'))), der.context(0, der.sequence(example))))),
    bad('a third list', lower(raw(der.context(0, der.sequence(example)), der.context(2, der.sequence(example))))),
    bad('a name that is not in a list', lower(raw(der.context(0, example)))),
    bad('a tag that no name has', lower(raw(der.context(0, der.sequence(der.contextPrimitive(9, EMPTY)))))),
    bad('an empty value', lower(extension(Oid.nameConstraints, EMPTY, true))),
    good('constraints in the leaf', plus('leaf', nc({ permitted: [dns('example.org')] })), {}),
  ];
}

export function otherConstraints(): Case[] {
  const at4 = { serverName: '192.0.2.1' };
  const at6 = { serverName: '2001:db8::1' };
  const four = [ip('192.0.2.1')];
  const six = [ip('2001:db8::1')];
  const bytes = (...content: number[]): Uint8Array => der.contextPrimitive(7, Uint8Array.from(content));
  const mail = (address: string): readonly Uint8Array[] => [www, email(address)];
  const ours = dn([ORGANIZATION, 'Example'], [Oid.commonName, 'www.example.com']);
  const organization = (name: string): Uint8Array => directory(dn([ORGANIZATION, name]));
  const attribute = (tag: number, text: string): Uint8Array =>
    der.sequence(der.oid(ORGANIZATION), der.encode(tag, Buffer.from(text)));
  const printable = (text: string): Uint8Array =>
    directory(der.sequence(der.set(attribute(der.Tag.printableString, text))));
  const mailSubject = der.sequence(
    der.set(der.sequence(der.oid(Oid.emailAddress), der.encode(der.Tag.ia5String, Buffer.from('a@example.org')))),
  );
  const mailInUtf8 = dn([Oid.emailAddress, 'a@example.org']);
  const otherName = (value: string): Uint8Array =>
    der.context(0, der.oid(UNKNOWN), der.context(0, der.utf8String(value)));
  const registered = (...content: number[]): Uint8Array => der.contextPrimitive(8, Uint8Array.from(content));
  return [
    allowed('IPv4 permitted', { permitted: [ipRange('192.0.2.0', '255.255.255.0')], names: four }, at4),
    allowed('IPv4 permitted, one address', { permitted: [ipRange('192.0.2.1', '255.255.255.255')], names: four }, at4),
    allowed('IPv4 permitted, all', { permitted: [ipRange('0.0.0.0', '0.0.0.0')], names: four }, at4),
    allowed(
      'IPv4 permitted, bits of the host set',
      { permitted: [ipRange('192.0.2.77', '255.255.255.0')], names: four },
      at4,
    ),
    denied('IPv4 not permitted', { permitted: [ipRange('10.0.0.0', '255.0.0.0')], names: four }, at4),
    denied(
      'IPv4 not permitted, a bit beside',
      { permitted: [ipRange('192.0.2.2', '255.255.255.254')], names: four },
      at4,
    ),
    denied('IPv4 excluded', { excluded: [ipRange('192.0.2.0', '255.255.255.0')], names: four }, at4),
    denied('IPv4 excluded, all', { excluded: [ipRange('0.0.0.0', '0.0.0.0')], names: four }, at4),
    allowed('IPv4 excluded, another', { excluded: [ipRange('198.51.100.0', '255.255.255.0')], names: four }, at4),
    allowed('IPv6 permitted', { permitted: [ipRange('2001:db8::', 'ffff:ffff::')], names: six }, at6),
    denied('IPv6 not permitted', { permitted: [ipRange('2001:db9::', 'ffff:ffff::')], names: six }, at6),
    denied('IPv6 excluded', { excluded: [ipRange('2001:db8::', 'ffff:ffff::')], names: six }, at6),
    denied('IPv6 where only IPv4 is permitted', { permitted: [ipRange('0.0.0.0', '0.0.0.0')], names: six }, at6),
    denied('IPv4 where only IPv6 is permitted', { permitted: [ipRange('::', '::')], names: four }, at4),
    allowed('IPv6 where IPv4 is excluded', { excluded: [ipRange('0.0.0.0', '0.0.0.0')], names: six }, at6),
    denied(
      'IPv4 mapped into IPv6 where IPv4 is permitted',
      { permitted: [ipRange('192.0.2.0', '255.255.255.0')], names: [ip('::ffff:192.0.2.1')] },
      { serverName: '::ffff:192.0.2.1' },
    ),
    denied(
      'a mask with holes, permitted',
      { permitted: [ipRange('192.0.2.1', '255.0.255.255')], names: four },
      { ...at4, differs: 'masks with holes' },
    ),
    denied(
      'a mask with holes, excluded',
      { excluded: [ipRange('10.0.0.1', '255.0.255.255')], names: four },
      { ...at4, differs: 'masks with holes' },
    ),
    denied('a constraint without a mask', { permitted: [ip('192.0.2.1')], names: four }, at4),
    denied('a constraint of 7 bytes', { permitted: [bytes(192, 0, 2, 0, 255, 255, 255)], names: four }, at4),
    denied('an excluded constraint of 7 bytes', { excluded: [bytes(10, 0, 2, 0, 255, 255, 255)], names: four }, at4),
    denied('an empty constraint', { permitted: [bytes()], names: four }, at4),
    denied(
      'an address of 5 bytes',
      { permitted: [ipRange('0.0.0.0', '0.0.0.0')], names: [...four, bytes(1, 2, 3, 4, 5)] },
      at4,
    ),
    denied(
      'IPv4 excluded, one of two addresses',
      { excluded: [ipRange('10.0.0.0', '255.0.0.0')], names: [...four, ip('10.1.2.3')] },
      at4,
    ),
    allowed('IP addresses constrained, the leaf has none', { permitted: [ipRange('10.0.0.0', '255.0.0.0')] }),
    denied('DNS permitted only, the leaf has an address that is excluded', {
      permitted: [example],
      excluded: [ipRange('0.0.0.0', '0.0.0.0')],
      names: [www, ...four],
    }),

    allowed('mail constrained, the leaf has none', { permitted: [email('example.org')] }),
    allowed('mail permitted at a host', { permitted: [email('example.com')], names: mail('a@example.com') }),
    denied('mail not permitted at a host below', {
      permitted: [email('example.com')],
      names: mail('a@mail.example.com'),
    }),
    allowed('mail permitted in a domain', { permitted: [email('.example.com')], names: mail('a@mail.example.com') }),
    denied('mail not permitted in a domain, at its host', {
      permitted: [email('.example.com')],
      names: mail('a@example.com'),
    }),
    allowed('one mailbox permitted', { permitted: [email('a@example.com')], names: mail('a@example.com') }),
    denied('another mailbox', { permitted: [email('b@example.com')], names: mail('a@example.com') }),
    denied('a mailbox in capitals', { permitted: [email('A@example.com')], names: mail('a@example.com') }),
    allowed('a host in capitals', { permitted: [email('EXAMPLE.com')], names: mail('a@example.COM') }),
    allowed('a mailbox at a host in capitals', { permitted: [email('a@EXAMPLE.com')], names: mail('a@example.com') }),
    denied('mail not permitted', { permitted: [email('example.org')], names: mail('a@example.com') }),
    denied('mail excluded at a host', { excluded: [email('example.com')], names: mail('a@example.com') }),
    denied('mail excluded in a domain', { excluded: [email('.example.com')], names: mail('a@mail.example.com') }),
    denied('one mailbox excluded', { excluded: [email('a@example.com')], names: mail('a@example.com') }),
    allowed('mail excluded elsewhere', { excluded: [email('example.org')], names: mail('a@example.com') }),
    denied('an address without @', { permitted: [email('example.com')], names: mail('example.com') }),
    denied('a quoted mailbox', { permitted: [email('example.com')], names: mail('"a@example.org"@example.org') }),
    denied('mail in the subject not permitted', { permitted: [email('example.com')], subject: mailSubject }),
    denied('mail in the subject excluded', { excluded: [email('example.org')], subject: mailSubject }),
    allowed('mail in the subject permitted', { permitted: [email('example.org')], subject: mailSubject }),
    denied('mail in the subject not permitted, a UTF8String', {
      permitted: [email('example.com')],
      subject: mailInUtf8,
    }),
    allowed(
      'mail in the subject permitted, a UTF8String',
      { permitted: [email('example.org')], subject: mailInUtf8 },
      { differs: 'mail addresses in any string' },
    ),

    allowed('URIs constrained, the leaf has none', { permitted: [uri('example.org')] }),
    denied('URI not permitted', { permitted: [uri('example.org')], names: [www, uri('https://example.com/')] }),
    denied('URI excluded', { excluded: [uri('example.com')], names: [www, uri('https://example.com/')] }),
    denied(
      'URI permitted',
      { permitted: [uri('example.com')], names: [www, uri('https://example.com/')] },
      { differs: 'constraints of URIs' },
    ),
    denied(
      'URI excluded elsewhere',
      { excluded: [uri('example.org')], names: [www, uri('https://example.com/')] },
      { differs: 'constraints of URIs' },
    ),
    denied('URI without a host', { permitted: [uri('example.com')], names: [www, uri('urn:x')] }),

    allowed('directory name permitted', { permitted: [organization('Example')], subject: ours }),
    allowed('directory name permitted, the very name', { permitted: [directory(ours)], subject: ours }),
    allowed('directory name permitted, all', { permitted: [directory(dn())], subject: ours }),
    denied('directory name not permitted', { permitted: [organization('Other')], subject: ours }),
    denied('directory name longer than the subject', {
      permitted: [directory(dn([ORGANIZATION, 'Example'], [Oid.commonName, 'www.example.com'], [UNIT, 'x']))],
      subject: ours,
    }),
    denied('directory name of other attributes', { permitted: [directory(dn([UNIT, 'Example']))], subject: ours }),
    allowed('directory name permitted, another type of string', { permitted: [printable('Example')], subject: ours }),
    allowed('directory name permitted, in capitals', { permitted: [organization('EXAMPLE')], subject: ours }),
    allowed('directory name permitted, more spaces', {
      permitted: [organization(' Exam  ple ')],
      subject: dn([ORGANIZATION, 'Exam ple'], [Oid.commonName, 'x']),
    }),
    denied('directory name excluded', { excluded: [organization('Example')], subject: ours }),
    denied('directory name excluded, in capitals', { excluded: [organization('EXAMPLE')], subject: ours }),
    allowed('directory name excluded, another', { excluded: [organization('Other')], subject: ours }),
    denied('directory name excluded, all', { excluded: [directory(dn())], subject: ours }),
    allowed(
      'directory names constrained, the subject is empty',
      { permitted: [organization('Other')], subject: dn() },
      { differs: 'duties of authorities' },
    ),
    denied('directory name in subjectAltName not permitted', {
      permitted: [organization('Example')],
      subject: ours,
      names: [www, organization('Other')],
    }),
    denied('directory name in subjectAltName excluded', {
      excluded: [organization('Other')],
      subject: ours,
      names: [www, organization('Other')],
    }),
    bad(
      'directory name of the lower not permitted by the root',
      plus('root', nc({ permitted: [organization('Example')] })),
    ),

    allowed('otherName constrained, the leaf has none', { permitted: [otherName('a')] }),
    denied('otherName permitted, the leaf has one', { permitted: [otherName('a')], names: [www, otherName('a')] }),
    denied('otherName excluded, the leaf has another', { excluded: [otherName('a')], names: [www, otherName('b')] }),
    denied('registeredID permitted, the leaf has one', {
      permitted: [registered(0x2a, 3)],
      names: [www, registered(0x2a, 3)],
    }),
    allowed('registeredID in the leaf, nothing constrains it', {
      permitted: [example],
      names: [www, registered(0x2a, 3)],
    }),
    allowed('mail in the leaf, only DNS constrained', { permitted: [example], names: mail('a@example.org') }),
  ];
}
