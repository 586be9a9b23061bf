/** The bounds of every vector, from one below the least to one above the most that fits. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { concat, latin1 } from '../../bytes/index.ts';
import { decodeHandshakeMessage, ExtensionType, HandshakeType, Writer } from '../index.ts';

/** So many different numbers of 16 bits. */
const counted = (count: number): Uint8Array =>
  Uint8Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? 0 : (i - 1) / 2));
const zeros = (length: number): Uint8Array => new Uint8Array(length);
const vector = (lengthBytes: 1 | 2 | 3, ...parts: Uint8Array[]) =>
  new Writer().opaque(lengthBytes, concat(...parts)).finish();
const extension = (type: number, data: Uint8Array) => new Writer().u16(type).opaque(2, data).finish();

interface HelloParts {
  readonly sessionId?: Uint8Array;
  readonly cipherSuites?: Uint8Array;
  readonly compression?: Uint8Array;
  readonly extensions?: Uint8Array;
}

function clientHello({
  sessionId = zeros(0),
  cipherSuites = zeros(2),
  compression = zeros(1),
  extensions,
}: HelloParts) {
  const w = new Writer().u16(0x0303).raw(zeros(32)).opaque(1, sessionId).opaque(2, cipherSuites).opaque(1, compression);
  return [HandshakeType.client_hello, (extensions ? w.opaque(2, extensions) : w).finish()] as const;
}

const inClientHello = (type: number, data: Uint8Array) => clientHello({ extensions: extension(type, data) });
const inEncryptedExtensions = (type: number, data: Uint8Array) =>
  [HandshakeType.encrypted_extensions, vector(2, extension(type, data))] as const;
const serverHello = (sessionId: Uint8Array) =>
  [
    HandshakeType.server_hello,
    new Writer().u16(0x0303).raw(zeros(32)).opaque(1, sessionId).u16(0x1301).u8(0).finish(),
  ] as const;
const ticket = (nonce: Uint8Array, value: Uint8Array, extensions = zeros(0)) =>
  [
    HandshakeType.new_session_ticket,
    new Writer().u32(0).u32(0).opaque(1, nonce).opaque(2, value).opaque(2, extensions).finish(),
  ] as const;
const certificate = (context: Uint8Array, ...entries: Uint8Array[]) =>
  [HandshakeType.certificate, concat(vector(1, context), vector(3, ...entries))] as const;
const compressedCertificate = (compressed: Uint8Array) =>
  [HandshakeType.compressed_certificate, concat(zeros(5), vector(3, compressed))] as const;
const entry = (der: Uint8Array, extensions = zeros(0)) => concat(vector(3, der), vector(2, extensions));
const psk = (identity: Uint8Array) => concat(vector(2, identity), zeros(4));
const offeredPsks = (identities: Uint8Array[], binders: Uint8Array[]) =>
  inClientHello(ExtensionType.pre_shared_key, concat(vector(2, ...identities), vector(2, ...binders)));
const hostName = (name: Uint8Array, nameType = 0) => concat(Uint8Array.of(nameType), vector(2, name));
const serverName = (...names: Uint8Array[]) => inClientHello(ExtensionType.server_name, vector(2, ...names));
const letters = (length: number) => new Uint8Array(length).fill(0x61);

const ALPN = ExtensionType.application_layer_protocol_negotiation;
/** The longest `extension_data` in a block of 2^16-1 bytes. */
const MOST = 0xffff - 4;

type Case = readonly [what: string, message: readonly [number, Uint8Array], accepted: boolean];
const yes = (what: string, message: Case[1]): Case => [what, message, true];
const no = (what: string, message: Case[1]): Case => [what, message, false];

/** Vectors of uint16 in extensions of ClientHello. */
const lists = (['supported_groups', 'signature_algorithms', 'signature_algorithms_cert'] as const).flatMap((name) => [
  no(`${name}: empty`, inClientHello(ExtensionType[name], vector(2))),
  no(`${name}: half an entry`, inClientHello(ExtensionType[name], vector(2, zeros(1)))),
  yes(`${name}: one entry`, inClientHello(ExtensionType[name], vector(2, zeros(2)))),
  no(`${name}: one entry and a half`, inClientHello(ExtensionType[name], vector(2, zeros(3)))),
  yes(`${name}: as many as fit`, inClientHello(ExtensionType[name], vector(2, zeros(MOST - 3)))),
]);

const CASES: readonly Case[] = [
  yes('ClientHello without extensions', clientHello({})),
  yes('ClientHello with an empty extension block', clientHello({ extensions: zeros(0) })),
  no('ClientHello with half an extension', clientHello({ extensions: zeros(3) })),
  yes('legacy_session_id: 32', clientHello({ sessionId: zeros(32) })),
  no('legacy_session_id: 33', clientHello({ sessionId: zeros(33) })),
  no('cipher_suites: 0', clientHello({ cipherSuites: zeros(0) })),
  no('cipher_suites: 1', clientHello({ cipherSuites: zeros(1) })),
  yes('cipher_suites: 2', clientHello({ cipherSuites: zeros(2) })),
  no('cipher_suites: 3', clientHello({ cipherSuites: zeros(3) })),
  yes('cipher_suites: 2^16-2', clientHello({ cipherSuites: zeros(0xfffe) })),
  no('cipher_suites: 2^16-1', clientHello({ cipherSuites: zeros(0xffff) })),
  no('legacy_compression_methods: 0', clientHello({ compression: zeros(0) })),
  yes('legacy_compression_methods: 255', clientHello({ compression: zeros(255) })),
  yes('an extension as long as can be', inClientHello(0x1234, zeros(MOST))),

  no('server_name: empty list', serverName()),
  no('server_name: empty name', serverName(hostName(zeros(0)))),
  yes('server_name: one letter', serverName(hostName(letters(1)))),
  yes('server_name: as long as can be', serverName(hostName(letters(MOST - 5)))),
  no('server_name: two host names', serverName(hostName(letters(1)), hostName(letters(2)))),
  yes('server_name: a name of another type', serverName(hostName(zeros(0), 1))),
  no('server_name: two names of another type', serverName(hostName(zeros(3), 1), hostName(zeros(2), 1))),
  no('server_name: a NUL', serverName(hostName(latin1('a\0b')))),
  no('server_name: not ASCII', serverName(hostName(latin1('é.example')))),
  no('server_name: a line feed', serverName(hostName(latin1('a\nb')))),
  no('server_name: a space', serverName(hostName(latin1('a b')))),

  ...lists,

  no('supported_versions: empty', inClientHello(ExtensionType.supported_versions, vector(1))),
  yes('supported_versions: one', inClientHello(ExtensionType.supported_versions, vector(1, zeros(2)))),
  no('supported_versions: one and a half', inClientHello(ExtensionType.supported_versions, vector(1, zeros(3)))),
  yes('supported_versions: 254', inClientHello(ExtensionType.supported_versions, vector(1, zeros(254)))),
  no('supported_versions: 255', inClientHello(ExtensionType.supported_versions, vector(1, zeros(255)))),

  no('psk_key_exchange_modes: 0', inClientHello(ExtensionType.psk_key_exchange_modes, vector(1))),
  yes('psk_key_exchange_modes: 1', inClientHello(ExtensionType.psk_key_exchange_modes, vector(1, zeros(1)))),
  yes('psk_key_exchange_modes: 255', inClientHello(ExtensionType.psk_key_exchange_modes, vector(1, zeros(255)))),

  no('ALPN: empty list', inClientHello(ALPN, vector(2))),
  no('ALPN: empty name', inClientHello(ALPN, vector(2, vector(1)))),
  no('ALPN: empty name after another', inClientHello(ALPN, vector(2, vector(1, letters(2)), vector(1)))),
  yes('ALPN: 1', inClientHello(ALPN, vector(2, vector(1, letters(1))))),
  yes('ALPN: 255', inClientHello(ALPN, vector(2, vector(1, letters(255))))),
  yes('ALPN selected: one', inEncryptedExtensions(ALPN, vector(2, vector(1, letters(2))))),
  no('ALPN selected: two', inEncryptedExtensions(ALPN, vector(2, vector(1, letters(2)), vector(1, letters(3))))),
  no('ALPN selected: none', inEncryptedExtensions(ALPN, vector(2))),

  no('cookie: 0', inClientHello(ExtensionType.cookie, vector(2))),
  yes('cookie: 1', inClientHello(ExtensionType.cookie, vector(2, zeros(1)))),
  yes('cookie: as long as can be', inClientHello(ExtensionType.cookie, vector(2, zeros(MOST - 2)))),

  yes('key_share: no shares', inClientHello(ExtensionType.key_share, vector(2))),
  no('key_share: key_exchange of 0', inClientHello(ExtensionType.key_share, vector(2, zeros(4)))),
  yes('key_share: key_exchange of 1', inClientHello(ExtensionType.key_share, vector(2, zeros(2), vector(2, zeros(1))))),

  no('certificate_authorities: 0', inClientHello(ExtensionType.certificate_authorities, vector(2))),
  no('certificate_authorities: empty name', inClientHello(ExtensionType.certificate_authorities, vector(2, zeros(2)))),
  yes(
    'certificate_authorities: name of 1',
    inClientHello(ExtensionType.certificate_authorities, vector(2, vector(2, zeros(1)))),
  ),
  no(
    'certificate_authorities: empty name after another',
    inClientHello(ExtensionType.certificate_authorities, vector(2, vector(2, zeros(1)), zeros(2))),
  ),

  no('identities: none', offeredPsks([], [])),
  no('identity: 0', offeredPsks([psk(zeros(0))], [vector(1, zeros(32))])),
  yes('identity: 1', offeredPsks([psk(zeros(1))], [vector(1, zeros(32))])),
  no('identity: 0 after another', offeredPsks([psk(zeros(1)), psk(zeros(0))], Array(2).fill(vector(1, zeros(32))))),
  no('binders: none', offeredPsks([psk(zeros(1))], [])),
  no('binder: 31', offeredPsks([psk(zeros(1))], [vector(1, zeros(31))])),
  no(
    'binder: 31 after another',
    offeredPsks(
      Array(2).fill(psk(zeros(1))),
      [32, 31].map((n) => vector(1, zeros(n))),
    ),
  ),
  yes('binder: 255', offeredPsks([psk(zeros(1))], [vector(1, zeros(255))])),

  yes('legacy_session_id_echo: 32', serverHello(zeros(32))),
  no('legacy_session_id_echo: 33', serverHello(zeros(33))),

  yes('CertificateRequest: context of 255', [
    HandshakeType.certificate_request,
    concat(vector(1, zeros(255)), zeros(2)),
  ]),

  yes('Certificate: no entries', certificate(zeros(0))),
  yes('Certificate: context of 255', certificate(zeros(255))),
  no('cert_data: 0', certificate(zeros(0), entry(zeros(0)))),
  yes('cert_data: 1', certificate(zeros(0), entry(zeros(1)))),
  yes('cert_data: more than 2^16', certificate(zeros(0), entry(zeros(0x10001)))),
  no('OCSP response: 0', certificate(zeros(0), entry(zeros(1), extension(5, Uint8Array.of(1, 0, 0, 0))))),
  yes('OCSP response: 1', certificate(zeros(0), entry(zeros(1), extension(5, Uint8Array.of(1, 0, 0, 1, 0))))),
  no('OCSP response: another type', certificate(zeros(0), entry(zeros(1), extension(5, Uint8Array.of(2, 0, 0, 1, 0))))),

  no('compress_certificate: no algorithm', inClientHello(ExtensionType.compress_certificate, vector(1))),
  no('compress_certificate: half an algorithm', inClientHello(ExtensionType.compress_certificate, vector(1, zeros(3)))),
  yes('compress_certificate: 254', inClientHello(ExtensionType.compress_certificate, vector(1, counted(127)))),
  no('compress_certificate: twice the same', inClientHello(ExtensionType.compress_certificate, vector(1, zeros(4)))),
  no('compressed_certificate_message: 0', compressedCertificate(zeros(0))),
  yes('compressed_certificate_message: 1', compressedCertificate(zeros(1))),
  yes('compressed_certificate_message: more than 2^16', compressedCertificate(zeros(0x10001))),
  no('CompressedCertificate: a byte behind it', [
    HandshakeType.compressed_certificate,
    concat(compressedCertificate(zeros(1))[1], zeros(1)),
  ]),

  yes('signature: 0', [HandshakeType.certificate_verify, concat(zeros(2), vector(2))]),
  yes('signature: 2^16-1', [HandshakeType.certificate_verify, concat(zeros(2), vector(2, zeros(0xffff)))]),

  yes('ticket_nonce: 255', ticket(zeros(255), zeros(1))),
  no('ticket: 0', ticket(zeros(0), zeros(0))),
  yes('ticket: 2^16-1', ticket(zeros(0), zeros(0xffff))),
  // RFC 8446 had 2^16-2 here.
  yes('NewSessionTicket extensions: 2^16-1', ticket(zeros(0), zeros(1), extension(0x1234, zeros(MOST)))),

  yes('EndOfEarlyData', [HandshakeType.end_of_early_data, zeros(0)]),
  no('EndOfEarlyData with a body', [HandshakeType.end_of_early_data, zeros(1)]),
  no('KeyUpdate: empty', [HandshakeType.key_update, zeros(0)]),
  yes('KeyUpdate: 0', [HandshakeType.key_update, Uint8Array.of(0)]),
  yes('KeyUpdate: 1', [HandshakeType.key_update, Uint8Array.of(1)]),
  no('KeyUpdate: two bytes', [HandshakeType.key_update, Uint8Array.of(1, 0)]),
];

describe('limits', () => {
  for (const [what, [handshakeType, body], accepted] of CASES) {
    it(`${what} is ${accepted ? 'accepted' : 'refused'}`, () => {
      const decode = () => decodeHandshakeMessage(handshakeType, body);
      if (accepted) decode();
      else assert.throws(decode, { code: 'handshake.malformed', alert: 'decode_error' });
    });
  }

  it('request_update is 0 or 1', () => {
    for (const value of [2, 255]) {
      assert.throws(() => decodeHandshakeMessage(HandshakeType.key_update, Uint8Array.of(value)), {
        code: 'key_update.bad_value',
        alert: 'illegal_parameter',
      });
    }
  });

  it('there is one binder for each identity', () => {
    const [one, binder] = [psk(zeros(1)), vector(1, zeros(32))];
    for (const [identities, binders] of [
      [1, 2],
      [2, 1],
    ]) {
      assert.throws(
        () => decodeHandshakeMessage(...offeredPsks(Array(identities).fill(one), Array(binders).fill(binder))),
        { code: 'client_hello.psk_binder_count', alert: 'illegal_parameter' },
      );
    }
  });
});
