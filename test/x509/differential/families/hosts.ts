import * as der from '../../../../src/x509/der.ts';
import { Oid } from '../../../../src/x509/oids.ts';
import { bc, cn, directory, dn, dns, eku, email, extension, ip, ku, san, uri } from '../../forge.ts';
import { bad, type Case, type Change, EMPTY, type Extra, good, only } from '../case.ts';

const rest = [bc(false), ku(0), eku(Oid.serverAuth)];
const named = (names: readonly Uint8Array[]): Change =>
  only('leaf', ...rest, ...(names.length > 0 ? [san(...names)] : []));
const of = (name: string | Uint8Array): Uint8Array => (typeof name === 'string' ? dns(name) : name);

/** Whether a leaf with these names (texts are DNS names) may speak for `serverName`. */
function match(what: string, serverName: string, names: readonly (string | Uint8Array)[], extra: Extra = {}): Case {
  return good(`${what}: ${serverName}`, named(names.map(of)), { serverName, ...extra });
}

function differ(what: string, serverName: string, names: readonly (string | Uint8Array)[], extra: Extra = {}): Case {
  return bad(`${what}: ${serverName}`, named(names.map(of)), { serverName, ...extra });
}

export function hosts(): Case[] {
  const address = (...content: number[]): Uint8Array => der.contextPrimitive(7, Uint8Array.from(content));
  const www = 'www.example.com';
  const label63 = 'a'.repeat(63);
  return [
    match('the name', www, [www]),
    match('the second name', www, ['example.org', www]),
    match('in capitals', www.toUpperCase(), [www]),
    match('certificate in capitals', www, [www.toUpperCase()]),
    differ('another name', 'ftp.example.com', [www]),
    differ('the domain', 'example.com', [www]),
    differ('below it', 'a.www.example.com', [www]),
    differ('longer', 'www.example.com.au', [www]),
    differ('shorter', 'www.example.co', [www]),
    match('one label', 'localhost', ['localhost']),
    match('with an underscore', 'a_b.example.com', ['a_b.example.com']),
    match('an A-label', 'xn--bcher-kva.example', ['xn--bcher-kva.example']),
    differ('an A-label with a U-label in the certificate', 'xn--bcher-kva.example', [
      der.contextPrimitive(2, Buffer.from('bücher.example')),
    ]),
    match('a dot at the end', 'www.example.com.', [www], { differs: 'dot at the end' }),
    differ('a dot at the end of the certificate', www, ['www.example.com.']),
    differ('a dot at the beginning of the certificate', www, ['.example.com']),
    differ('a dot at the beginning', '.example.com', [www], { differs: 'dot at the beginning' }),
    differ('two dots', 'www..example.com', ['www..example.com'], { differs: 'names that are none' }),
    differ('a space behind the name', www, ['www.example.com ']),
    differ('a zero byte', www, ['www.example.com\0.example.org']),
    differ('a zero byte behind the name', www, ['www.example.com\0']),
    differ('an empty name', www, ['']),
    match('a label of 63 letters', `${label63}.example.com`, [`${label63}.example.com`]),
    differ('a label of 64 letters', `a${label63}.example.com`, [`a${label63}.example.com`], {
      differs: 'names that are none',
    }),
    differ('a hyphen at the beginning', '-a.example.com', ['-a.example.com'], { differs: 'names that are none' }),

    match('wildcard', www, ['*.example.com']),
    match('wildcard, in capitals', 'WWW.Example.Com', ['*.eXample.com']),
    match('wildcard for an A-label', 'xn--bcher-kva.example.com', ['*.example.com']),
    match('wildcard with a dot at the end', 'www.example.com.', ['*.example.com'], { differs: 'dot at the end' }),
    differ('wildcard, the domain', 'example.com', ['*.example.com']),
    differ('wildcard, two labels', 'a.b.example.com', ['*.example.com']),
    differ('wildcard, nothing for the label', '.example.com', ['*.example.com'], { differs: 'dot at the beginning' }),
    differ('wildcard above a top-level domain', 'example.com', ['*.com']),
    differ('wildcard alone', 'localhost', ['*']),
    differ('wildcard and a dot', 'localhost', ['*.']),
    differ('wildcard at the beginning of a label', www, ['*w.example.com'], { differs: 'wildcard in a label' }),
    differ('wildcard at the end of a label', www, ['w*.example.com'], { differs: 'wildcard in a label' }),
    differ('wildcard inside of a label', www, ['w*w.example.com']),
    differ('two wildcards in a label', www, ['**.example.com']),
    differ('two wildcards', 'a.b.example.com', ['*.*.example.com']),
    differ('wildcard in the second label', www, ['www.*.com']),
    differ('wildcard in the last label', 'www.example.com', ['www.example.*']),
    differ('wildcard in an A-label', 'xn--bcher-kva.example.com', ['xn--*.example.com']),
    differ('wildcard for an IP address', '192.0.2.1', ['*.0.2.1']),
    differ('a reference with a wildcard', '*.example.com', ['*.example.com'], { differs: 'names that are none' }),
    match('wildcard for a label with a hyphen', 'a-b.example.com', ['*.example.com']),
    match('wildcard for digits', '12.example.com', ['*.example.com']),
    match('wildcard above two labels', 'a.co.uk', ['*.co.uk']),

    match('IPv4', '192.0.2.1', [ip('192.0.2.1')]),
    match('the second address', '192.0.2.1', [ip('192.0.2.2'), ip('192.0.2.1')]),
    differ('another IPv4', '192.0.2.2', [ip('192.0.2.1')]),
    differ('IPv4 as a DNS name', '192.0.2.1', ['192.0.2.1']),
    differ('IPv4 as a URI', '192.0.2.1', [uri('https://192.0.2.1/')]),
    match('IPv6', '2001:db8::1', [ip('2001:db8::1')]),
    match('IPv6 written otherwise', '2001:0DB8:0:0:0:0:0:1', [ip('2001:db8::1')]),
    match('IPv6 with dots', '::ffff:192.0.2.1', [ip('::ffff:192.0.2.1')]),
    differ('another IPv6', '2001:db8::2', [ip('2001:db8::1')]),
    differ('IPv4 of an IPv6', '192.0.2.1', [ip('::ffff:192.0.2.1')]),
    differ('IPv6 of an IPv4', '::ffff:192.0.2.1', [ip('192.0.2.1')]),
    differ('an address of 5 bytes', '192.0.2.1', [address(192, 0, 2, 1, 0)]),
    differ('an address of 8 bytes', '192.0.2.1', [address(192, 0, 2, 1, 255, 255, 255, 255)]),
    differ('an empty address', '192.0.2.1', [address()]),
    differ('a DNS name whose bytes are the address', '192.0.2.1', [
      der.contextPrimitive(2, Uint8Array.of(192, 0, 2, 1)),
    ]),
    differ('a name whose address is in the certificate', 'localhost', [ip('127.0.0.1')]),
    differ('an address in octal digits', '0300.0.2.1', ['0300.0.2.1'], { differs: 'names that are none' }),
    differ('an address in one number', '3221225985', ['3221225985'], { differs: 'names that are none' }),

    differ('only a mail address', www, [email('a@www.example.com')], { differs: 'common name' }),
    differ('only a URI', www, [uri('https://www.example.com/')], { differs: 'common name' }),
    differ('only a directory name', www, [directory(cn(www))], { differs: 'common name' }),
    differ('only a common name', www, [], { differs: 'common name' }),
    bad('a common name beside other DNS names', {
      leaf: { subject: cn(www), extensions: [...rest, san(dns('example.org'))] },
    }),
    bad(
      'a common name with a wildcard',
      { leaf: { subject: cn('*.example.com'), extensions: rest } },
      { differs: 'common name' },
    ),
    bad(
      'an IP address as the common name',
      { leaf: { subject: cn('192.0.2.1'), extensions: rest } },
      { serverName: '192.0.2.1' },
    ),
    bad(
      'two common names',
      { leaf: { subject: dn([Oid.commonName, 'x'], [Oid.commonName, www]), extensions: rest } },
      { differs: 'common name' },
    ),

    good('an empty subject, names critical', {
      leaf: { subject: dn(), extensions: [...rest, extension(Oid.subjectAltName, der.sequence(dns(www)), true)] },
    }),
    good(
      'an empty subject, names not critical',
      { leaf: { subject: dn(), extensions: [...rest, san(dns(www))] } },
      { differs: 'duties of authorities' },
    ),
    bad('an empty subject and no names', { leaf: { subject: dn(), extensions: rest } }),
    good('names critical', only('leaf', ...rest, extension(Oid.subjectAltName, der.sequence(dns(www)), true))),
    bad('an empty list of names', only('leaf', ...rest, san())),
    bad('an empty list of names, common name', { leaf: { subject: cn(www), extensions: [...rest, san()] } }),
    bad(
      'a name under a tag that no name has',
      only('leaf', ...rest, san(der.contextPrimitive(9, Buffer.from(www)), dns(www))),
    ),
    bad('a DNS name in a universal string', only('leaf', ...rest, san(der.utf8String(www)))),
    bad(
      'a DNS name in a constructed form',
      only('leaf', ...rest, san(der.context(2, der.encode(der.Tag.ia5String, Buffer.from(www))))),
      { differs: 'BER' },
    ),
    bad('a directory name that is none', only('leaf', ...rest, san(dns(www), directory(der.utf8String('x'))))),
    bad(
      'a list of names that is cut off',
      only('leaf', ...rest, extension(Oid.subjectAltName, Uint8Array.of(0x30, 0x10, 0x82, 1))),
    ),
    bad('an empty value for the names', only('leaf', ...rest, extension(Oid.subjectAltName, EMPTY))),
    good('a client without names', only('leaf', bc(false), ku(0), eku(Oid.clientAuth)), { role: 'client' }),
  ];
}
