import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromHex } from '../../bytes/index.ts';
import { decodeHandshakeMessage, ExtensionType, HandshakeType, nameOf, Writer } from '../index.ts';
import { HELLO_RETRY_REQUEST_RANDOM } from '../messages/hello-retry-request.ts';
import { ALLOWED_IN, type ExtensionMessage } from './table.ts';

/** The table of rfc9846#section-4.3 as printed, and the two rows of the IANA registry that it omits. */
const PRINTED = `
  server_name                             CH, EE, CR
  status_request                          CH, CR, CT
  supported_groups                        CH, EE
  signature_algorithms                    CH, CR
  use_srtp                                CH, EE
  heartbeat                               CH, EE
  application_layer_protocol_negotiation  CH, EE
  client_certificate_type                 CH, EE
  server_certificate_type                 CH, EE
  padding                                 CH
  compress_certificate                    CH, CR
  record_size_limit                       CH, EE
  delegated_credential                    CH, CR, CT
  supported_ekt_ciphers                   CH, EE
  pre_shared_key                          CH, SH
  early_data                              CH, EE, NST
  supported_versions                      CH, SH, HRR
  cookie                                  CH, HRR
  psk_key_exchange_modes                  CH
  certificate_authorities                 CH, CR
  oid_filters                             CR
  post_handshake_auth                     CH
  signature_algorithms_cert               CH, CR
  key_share                               CH, SH, HRR
  transparency_info                       CH, CR, CT
  external_id_hash                        CH, EE
  external_session_id                     CH, EE
  quic_transport_parameters               CH, EE
  ticket_request                          CH, EE
  tls_flags                               CH, SH, HRR, EE, CR, CT, NST
  ech_outer_extensions                    CH
  encrypted_client_hello                  CH, HRR, EE
  max_fragment_length                     CH, EE
  signed_certificate_timestamp            CH, CR, CT
`;

const MESSAGES: readonly ExtensionMessage[] = ['CH', 'SH', 'HRR', 'EE', 'CR', 'CT', 'NST'];
/** Messages that may hold extensions nobody has heard of. */
const TOLERANT: ReadonlySet<ExtensionMessage> = new Set(['CH', 'CR', 'NST']);
const UNKNOWN = 0x1234;

interface RawExtension {
  readonly type: number;
  readonly data: Uint8Array;
}

function raw(type: number, hex = ''): RawExtension {
  return { type, data: fromHex(hex) };
}

/** A message that is well-formed but for its extensions, decoded. */
function decodeWith(message: ExtensionMessage, extensions: readonly RawExtension[]): unknown {
  const w = new Writer();
  const block = (w: Writer) =>
    w.vector(2, (w) => {
      for (const { type, data } of extensions) w.u16(type).opaque(2, data);
    });
  switch (message) {
    case 'CH':
      w.u16(0x0303).raw(new Uint8Array(32)).u8(0).u16(2).u16(0x1301).u8(1).u8(0);
      return decodeHandshakeMessage(HandshakeType.client_hello, block(w).finish());
    case 'SH':
    case 'HRR':
      w.u16(0x0303).raw(message === 'HRR' ? HELLO_RETRY_REQUEST_RANDOM : new Uint8Array(32));
      w.u8(0).u16(0x1301).u8(0);
      return decodeHandshakeMessage(HandshakeType.server_hello, block(w).finish());
    case 'EE':
      return decodeHandshakeMessage(HandshakeType.encrypted_extensions, block(w).finish());
    case 'CR':
      return decodeHandshakeMessage(HandshakeType.certificate_request, block(w.u8(0)).finish());
    case 'CT':
      w.u8(0).vector(3, (w) => block(w.opaque(3, new Uint8Array(1))));
      return decodeHandshakeMessage(HandshakeType.certificate, w.finish());
    case 'NST':
      w.u32(0).u32(0).u8(0).opaque(2, new Uint8Array(1));
      return decodeHandshakeMessage(HandshakeType.new_session_ticket, block(w).finish());
  }
}

/** A ServerHello is judged as one of TLS 1.3 only when it has supported_versions. */
function around(message: ExtensionMessage, extension: RawExtension): RawExtension[] {
  if (message !== 'SH' || extension.type === ExtensionType.supported_versions) return [extension];
  return [extension, raw(ExtensionType.supported_versions, '0304')];
}

const BINDER = '11'.repeat(32);

/** Every extension that this stack reads: message, type, `extension_data`, where the value must turn up. */
const READ: readonly [ExtensionMessage, keyof typeof ExtensionType, hex: string, value: unknown][] = [
  ['CH', 'server_name', '0009 00 0006 736572766572', { serverName: 'server' }],
  ['CH', 'status_request', '01 0000 0000', { statusRequest: true }],
  ['CH', 'supported_groups', '0004 001d 0a0a', { supportedGroups: [0x001d, 0x0a0a] }],
  ['CH', 'signature_algorithms', '0004 0804 0403', { signatureAlgorithms: [0x0804, 0x0403] }],
  ['CH', 'signature_algorithms_cert', '0002 0401', { signatureAlgorithmsCert: [0x0401] }],
  ['CH', 'application_layer_protocol_negotiation', '0006 02 6832 02 ff00', { alpn: ['h2', '\xff\0'] }],
  ['CH', 'record_size_limit', '4001', { recordSizeLimit: 0x4001 }],
  [
    'CH',
    'certificate_authorities',
    '0008 0002 3000 0002 3001',
    { certificateAuthorities: ['3000', '3001'].map(fromHex) },
  ],
  ['CH', 'post_handshake_auth', '', { postHandshakeAuth: true }],
  ['CH', 'compress_certificate', '04 0002 0a0a', { compressCertificate: [2, 0x0a0a] }],
  ['CH', 'key_share', '0006 001d 0002 abcd', { keyShare: [{ group: 0x001d, keyExchange: fromHex('abcd') }] }],
  ['CH', 'psk_key_exchange_modes', '02 01 1b', { pskKeyExchangeModes: [1, 0x1b] }],
  ['CH', 'early_data', '', { earlyData: true }],
  ['CH', 'cookie', '0002 abcd', { cookie: fromHex('abcd') }],
  ['CH', 'ticket_request', '0200', { ticketRequest: { newSessionCount: 2, resumptionCount: 0 } }],
  ['CH', 'supported_versions', '04 7a7a 0304', { supportedVersions: [0x7a7a, 0x0304] }],
  [
    'CH',
    'pre_shared_key',
    `0007 0001 aa 01020304 0021 20${BINDER}`,
    {
      preSharedKey: {
        identities: [{ identity: fromHex('aa'), obfuscatedTicketAge: 0x01020304 }],
        binders: [fromHex(BINDER)],
      },
    },
  ],
  ['SH', 'supported_versions', '0304', { supportedVersions: 0x0304 }],
  ['SH', 'key_share', '001d 0002 abcd', { keyShare: { group: 0x001d, keyExchange: fromHex('abcd') } }],
  ['SH', 'pre_shared_key', '0102', { preSharedKey: 0x0102 }],
  ['HRR', 'supported_versions', '0304', { supportedVersions: 0x0304 }],
  ['HRR', 'key_share', '0017', { keyShare: 0x0017 }],
  ['HRR', 'cookie', '0002 abcd', { cookie: fromHex('abcd') }],
  ['EE', 'server_name', '', { serverName: true }],
  ['EE', 'supported_groups', '0002 001d', { supportedGroups: [0x001d] }],
  ['EE', 'application_layer_protocol_negotiation', '0003 02 6832', { alpn: 'h2' }],
  ['EE', 'record_size_limit', '0040', { recordSizeLimit: 64 }],
  ['EE', 'early_data', '', { earlyData: true }],
  ['EE', 'ticket_request', 'ff', { expectedTickets: 255 }],
  ['CR', 'status_request', '', { statusRequest: true }],
  ['CR', 'signature_algorithms', '0002 0804', { signatureAlgorithms: [0x0804] }],
  ['CR', 'signature_algorithms_cert', '0002 0804', { signatureAlgorithmsCert: [0x0804] }],
  ['CR', 'certificate_authorities', '0004 0002 3000', { certificateAuthorities: [fromHex('3000')] }],
  ['CR', 'compress_certificate', '02 0001', { compressCertificate: [1] }],
  ['CT', 'status_request', '01 000002 3000', { ocspResponse: fromHex('3000') }],
  ['NST', 'early_data', 'ffffffff', { maxEarlyDataSize: 0xffffffff }],
  ['NST', 'tls_flags', '02 0001', { acrossNames: true }],
];

function dataFor(message: ExtensionMessage, type: number): string | undefined {
  return READ.find(([m, name]) => m === message && ExtensionType[name] === type)?.[2];
}

/** The part of a decoded message where the values of its extensions are. */
function valuesOf(message: ExtensionMessage, decoded: unknown): object {
  const m = decoded as { extensions: object; entries: object[] };
  return message === 'CT' ? m.entries[0]! : message === 'NST' ? m : m.extensions;
}

describe('which extension in which message', () => {
  it('the table is that of the RFC', () => {
    const printed = new Map(
      PRINTED.trim()
        .split('\n')
        .map((line) => line.trim().split(/\s{2,}/))
        .map(([name, messages]) => [ExtensionType[name as keyof typeof ExtensionType], messages!.split(', ')]),
    );
    const byType = (a: readonly [number, unknown], b: readonly [number, unknown]) => a[0] - b[0];
    assert.deepEqual([...ALLOWED_IN].sort(byType), [...printed].sort(byType));
    assert.equal(ALLOWED_IN.size, Object.keys(ExtensionType).length);
  });

  for (const message of MESSAGES) {
    for (const [type, allowedIn] of ALLOWED_IN) {
      const name = nameOf(ExtensionType, type);
      const data = dataFor(message, type);
      const decode = () => decodeWith(message, around(message, raw(type, data)));
      if (!allowedIn.includes(message)) {
        it(`${name} is refused in ${message}, whatever is in it`, () => {
          assert.throws(decode, { code: 'extension.not_allowed_here', alert: 'illegal_parameter' });
        });
      } else if (data !== undefined || TOLERANT.has(message)) {
        it(`${name} is accepted in ${message}`, () => void decode());
      } else {
        it(`${name} is refused in ${message}, because it was never asked for`, () => {
          assert.throws(decode, { code: 'extension.not_requested', alert: 'unsupported_extension' });
        });
      }
    }

    it(`an unknown extension in ${message} is ${TOLERANT.has(message) ? 'ignored' : 'refused'}`, () => {
      for (const type of [UNKNOWN, 0x2a2a, 0xff01]) {
        const decode = () => decodeWith(message, around(message, raw(type, 'abcdef')));
        if (TOLERANT.has(message)) decode();
        else assert.throws(decode, { code: 'extension.not_requested', alert: 'unsupported_extension' });
      }
    });

    it(`no extension may be twice in ${message}`, () => {
      const [type, data] = READ.filter(([m]) => m === message).map(
        ([, name, hex]) => [ExtensionType[name], hex] as const,
      )[0]!;
      const twice = [raw(type, data), ...around(message, raw(type, data))];
      assert.throws(() => decodeWith(message, twice), { code: 'extension.duplicate', alert: 'illegal_parameter' });
    });
  }

  it('not even an unknown one may be there twice', () => {
    for (const message of TOLERANT) {
      const twice = [raw(UNKNOWN), raw(0x2a2a), raw(UNKNOWN, 'ab')];
      assert.throws(() => decodeWith(message, twice), { code: 'extension.duplicate' });
    }
  });

  it('extensionTypes lists all of them in the order of the wire', () => {
    const types = [0x2a2a, ExtensionType.early_data, UNKNOWN, ExtensionType.post_handshake_auth];
    const hello = decodeWith(
      'CH',
      types.map((type) => raw(type)),
    );
    assert.deepEqual((hello as { extensionTypes: number[] }).extensionTypes, types);
    const encryptedExtensions = decodeWith('EE', [raw(ExtensionType.early_data), raw(ExtensionType.server_name)]);
    assert.deepEqual((encryptedExtensions as { extensionTypes: number[] }).extensionTypes, [42, 0]);
  });
});

describe('extension_data', () => {
  for (const [message, name, hex, expected] of READ) {
    const type = ExtensionType[name];

    it(`${name} in ${message}`, () => {
      const values = valuesOf(message, decodeWith(message, around(message, raw(type, hex))));
      assert.deepEqual({ ...values, ...(expected as object) }, { ...values });
    });

    it(`${name} in ${message}, one byte too long or too short`, () => {
      const malformed = { code: 'handshake.malformed', alert: 'decode_error', message: new RegExp(`: ${name}: `) };
      assert.throws(() => decodeWith(message, around(message, raw(type, `${hex}00`))), malformed);
      const data = fromHex(hex);
      if (data.length === 0) return;
      const shorter = { type, data: data.subarray(0, -1) };
      assert.throws(() => decodeWith(message, around(message, shorter)), malformed);
    });
  }
});
