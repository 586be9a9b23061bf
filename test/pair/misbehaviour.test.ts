import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat, fromHex, Secret } from '../../src/bytes/index.ts';
import { nodeCrypto } from '../../src/providers/node/index.ts';
import { plaintextRecords, RecordProtector } from '../../src/record/index.ts';
import { trafficKeys } from '../../src/schedule/index.ts';
import {
  type Certificate,
  ContentType,
  decodeHandshakeMessage,
  type EncryptedExtensions,
  encodeHandshakeMessage,
  type HandshakeMessage,
  type ServerHello,
} from '../../src/wire/index.ts';
import { type Change, corrupt } from './corrupt.ts';
import { connect, createWorld, errorOf, Pair, type WorldOptions } from './pair.ts';

/** Peers that break one rule each. The other side must answer with the alert the RFC names, and say which rule it was. */

const on =
  <T extends HandshakeMessage['type']>(
    type: T,
    change: (message: Extract<HandshakeMessage, { type: T }>) => ReturnType<Change>,
  ): Change =>
  (message) =>
    message.type === type ? change(message as Extract<HandshakeMessage, { type: T }>) : message;

/** A handshake message with a body of any bytes. */
const rawMessage = (type: number, body: Uint8Array): Uint8Array =>
  concat(Uint8Array.of(type, 0, body.length >> 8, body.length), body);

/** An EncryptedExtensions with one extension of `type` and `data`. */
const extensionsWith = (type: number, ...data: number[]): Uint8Array =>
  rawMessage(8, Uint8Array.of(0, 4 + data.length, type >> 8, type, 0, data.length, ...data));

describe('a client refuses a server that', () => {
  const serverHello = (change: Partial<ServerHello>): Change => on('server_hello', (m) => ({ ...m, ...change }));
  const serverHelloX = (change: Partial<ServerHello['extensions']>): Change =>
    on('server_hello', (m) => ({ ...m, extensions: { ...m.extensions, ...change } }));
  const cases: [what: string, change: Change, code: string, alert: string, world?: WorldOptions][] = [
    [
      'answers with legacy_version 0x0302',
      serverHello({ legacyVersion: 0x0302 }),
      'server_hello.bad_legacy_version',
      'protocol_version',
    ],
    [
      'echoes another session id',
      serverHello({ legacySessionIdEcho: new Uint8Array(32) }),
      'server_hello.bad_session_id',
      'illegal_parameter',
    ],
    ['compresses', serverHello({ legacyCompressionMethod: 1 }), 'server_hello.bad_compression', 'decode_error'],
    [
      'takes a suite that was not offered',
      serverHello({ cipherSuite: 0x1304 }),
      'server_hello.cipher_suite_not_offered',
      'illegal_parameter',
    ],
    [
      'selects TLS 1.2 by extension',
      serverHelloX({ supportedVersions: 0x0303 }),
      'server_hello.bad_selected_version',
      'illegal_parameter',
    ],
    [
      'selects a PSK that was not offered',
      serverHelloX({ preSharedKey: 0 }),
      'server_hello.psk_not_offered',
      'illegal_parameter',
    ],
    [
      'answers with a group that was not offered',
      serverHelloX({ keyShare: { group: 0x0018, keyExchange: new Uint8Array(97).fill(4) } }),
      'server_hello.group_not_offered',
      'illegal_parameter',
    ],
    [
      'sends an X25519 share of zeros',
      serverHelloX({ keyShare: { group: 0x001d, keyExchange: new Uint8Array(32) } }),
      'handshake.bad_key_share',
      'illegal_parameter',
    ],
    [
      'sends a share of the wrong length',
      serverHelloX({ keyShare: { group: 0x001d, keyExchange: new Uint8Array(31).fill(9) } }),
      'handshake.bad_key_share',
      'illegal_parameter',
    ],
    [
      'sends no key share',
      on('server_hello', (m) => ({ ...m, extensions: { supportedVersions: m.extensions.supportedVersions! } })),
      'server_hello.missing_extension',
      'missing_extension',
    ],
    [
      'speaks TLS 1.2 and says so in its random',
      on('server_hello', (m) => ({
        ...m,
        random: concat(m.random.subarray(0, 24), fromHex('444f574e47524401')),
        extensions: {},
      })),
      'server_hello.downgrade',
      'illegal_parameter',
    ],
    [
      'speaks TLS 1.2',
      on('server_hello', (m) => ({ ...m, extensions: {} })),
      'server_hello.unsupported_version',
      'protocol_version',
    ],
    [
      'asks for a retry that changes nothing',
      on('server_hello', (m) => ({ ...retry(m), extensions: { supportedVersions: 0x0304 } })),
      'hello_retry_request.no_change',
      'illegal_parameter',
    ],
    [
      'asks for a group whose share was there',
      on('server_hello', (m) => ({ ...retry(m), extensions: { supportedVersions: 0x0304, keyShare: 0x001d } })),
      'hello_retry_request.no_change',
      'illegal_parameter',
    ],
    [
      'asks for a group that was not offered',
      on('server_hello', (m) => ({ ...retry(m), extensions: { supportedVersions: 0x0304, keyShare: 0x0019 } })),
      'server_hello.group_not_offered',
      'illegal_parameter',
    ],
    [
      'sends an extension nobody asked for',
      on('encrypted_extensions', () => extensionsWith(0x7777)),
      'extension.not_requested',
      'unsupported_extension',
    ],
    [
      'accepts early data that was not offered',
      on('encrypted_extensions', () => extensionsWith(42)),
      'extension.not_requested',
      'unsupported_extension',
    ],
    [
      'puts key_share into EncryptedExtensions',
      on('encrypted_extensions', () => extensionsWith(51)),
      'extension.not_allowed_here',
      'illegal_parameter',
    ],
    [
      'repeats an extension',
      on('encrypted_extensions', () =>
        rawMessage(8, fromHex('000c 0000 0000 001c 0002 4001 0000 0000'.replace('000c', '000e').concat(''))),
      ),
      'extension.duplicate',
      'illegal_parameter',
    ],
    [
      'selects an ALPN protocol that was not offered',
      on('encrypted_extensions', (m: EncryptedExtensions) => ({ ...m, extensions: { alpn: 'spdy' } })),
      'encrypted_extensions.bad_alpn',
      'illegal_parameter',
      { client: { alpn: ['h2'] }, server: { alpn: ['h2'] } },
    ],
    [
      'sends no certificate',
      on('certificate', (m: Certificate) => ({ ...m, entries: [] })),
      'certificate.empty',
      'decode_error',
    ],
    [
      'gives its certificate a context',
      on('certificate', (m) => ({ ...m, context: Uint8Array.of(1) })),
      'certificate.bad_context',
      'illegal_parameter',
    ],
    [
      'sends something that is no certificate',
      on('certificate', (m) => ({ ...m, entries: [{ certificate: Uint8Array.of(1, 2, 3), extensionTypes: [] }] })),
      'certificate.unparsable',
      'decode_error',
    ],
    [
      'signs with PKCS#1',
      on('certificate_verify', (m) => ({ ...m, algorithm: 0x0401 })),
      'handshake.signature_scheme_not_offered',
      'illegal_parameter',
    ],
    [
      'signs with a scheme of another kind of key',
      on('certificate_verify', (m) => ({ ...m, algorithm: 0x0807 })),
      'handshake.signature_scheme_wrong_for_key',
      'illegal_parameter',
    ],
    [
      'signs something else',
      on('certificate_verify', (m) => ({ ...m, signature: m.signature.map((b, i) => (i === 20 ? b ^ 1 : b)) })),
      'handshake.bad_signature',
      'decrypt_error',
    ],
    [
      'sends a wrong Finished',
      on('finished', (m) => ({ ...m, verifyData: m.verifyData.map((b) => b ^ 1) })),
      'handshake.finished_mismatch',
      'decrypt_error',
    ],
    [
      'sends a short Finished',
      on('finished', (m) => ({ ...m, verifyData: m.verifyData.subarray(1) })),
      'handshake.finished_mismatch',
      'decrypt_error',
    ],
    [
      'goes on in the record of its Finished',
      on('finished', (m) => [m, rawMessage(4, new Uint8Array(0))]),
      'record.not_aligned',
      'unexpected_message',
    ],
    [
      'goes on in the record of its ServerHello',
      on('server_hello', (m) => [m, extensionsWith(0)]),
      'record.not_aligned',
      'unexpected_message',
    ],
    [
      'sends a message of an unknown type',
      on('encrypted_extensions', () => rawMessage(99, new Uint8Array(0))),
      'handshake.unknown_type',
      'unexpected_message',
    ],
    [
      'announces a message of 16 MiB',
      on('encrypted_extensions', () => Uint8Array.of(8, 0xff, 0xff, 0xff)),
      'handshake.too_long',
      'illegal_parameter',
    ],
    [
      'gives a ticket more than seven days',
      on('new_session_ticket', (m) => ({ ...m, lifetimeSeconds: 604_801 })),
      'new_session_ticket.bad_lifetime',
      'illegal_parameter',
    ],
  ];
  for (const [what, change, code, alert, options] of cases) {
    test(what, async () => {
      const pair = new Pair(await createWorld(options));
      corrupt(pair.server, change);
      await pair.run();
      assert.equal(errorOf(pair.client)?.code, code, errorOf(pair.client)?.message);
      assert.equal(errorOf(pair.client)?.alert, alert);
      assert.equal(
        pair.client.events.some((e) => e.type === 'data'),
        false,
        'no data reaches the application',
      );
    });
  }
});

function retry(m: ServerHello): Extract<HandshakeMessage, { type: 'hello_retry_request' }> {
  const { legacyVersion, legacySessionIdEcho, cipherSuite, legacyCompressionMethod } = m;
  return {
    type: 'hello_retry_request',
    legacyVersion,
    legacySessionIdEcho,
    cipherSuite,
    legacyCompressionMethod,
    extensions: {},
  };
}

/** Protects records as `side` would after a handshake without tickets, but with any inner type and content. */
async function withForgedRecords(
  victim: 'client' | 'server',
): Promise<{ pair: Pair; send: (type: number, content: Uint8Array) => void; sendRaw: (bytes: Uint8Array) => void }> {
  const lines: string[] = [];
  const world = await createWorld({ server: { tickets: 0, keyLog: (line) => void lines.push(line) } });
  const pair = await connect(world);
  const label = victim === 'client' ? 'SERVER_TRAFFIC_SECRET_0' : 'CLIENT_TRAFFIC_SECRET_0';
  const secret = new Secret(fromHex(lines.find((line) => line.startsWith(label))!.split(' ')[2]!));
  const kdf = nodeCrypto.kdf('sha256');
  const protector = new RecordProtector(trafficKeys(kdf, secret, nodeCrypto.aead('aes-128-gcm')!), {
    maxFragment: 16_384,
  });
  const sendRaw = (bytes: Uint8Array): void => pair[victim].engine.receive(bytes);
  return { pair, sendRaw, send: (type, content) => sendRaw(protector.protect(type, content)) };
}

describe('after the handshake, either side refuses', () => {
  type Forger = Awaited<ReturnType<typeof withForgedRecords>>;
  const cases: [what: string, act: (f: Forger) => void, code: string, alert: string][] = [
    [
      'KeyUpdate with value 2',
      (f) => f.send(ContentType.handshake, rawMessage(24, Uint8Array.of(2))),
      'key_update.bad_value',
      'illegal_parameter',
    ],
    [
      'bytes behind a KeyUpdate',
      (f) => f.send(ContentType.handshake, concat(rawMessage(24, Uint8Array.of(0)), Uint8Array.of(24))),
      'record.not_aligned',
      'unexpected_message',
    ],
    [
      'an unprotected alert',
      (f) => f.sendRaw(plaintextRecords(ContentType.alert, Uint8Array.of(1, 0))),
      'record.unexpected_type',
      'unexpected_message',
    ],
    [
      'change_cipher_spec',
      (f) => f.sendRaw(plaintextRecords(ContentType.change_cipher_spec, Uint8Array.of(1))),
      'record.unexpected_change_cipher_spec',
      'unexpected_message',
    ],
    [
      'a protected change_cipher_spec',
      (f) => f.send(ContentType.change_cipher_spec, Uint8Array.of(1)),
      'record.unexpected_type',
      'unexpected_message',
    ],
    [
      'a record that does not open',
      (f) => f.sendRaw(concat(Uint8Array.of(23, 3, 3, 0, 40), new Uint8Array(40))),
      'record.bad_mac',
      'bad_record_mac',
    ],
    [
      'a record of 2^14+257 bytes',
      (f) => f.sendRaw(Uint8Array.of(23, 3, 3, 0x41, 0x01)),
      'record.too_long',
      'record_overflow',
    ],
    [
      'a record of unknown type',
      (f) => f.sendRaw(Uint8Array.of(99, 3, 3, 0, 1, 0)),
      'record.unknown_type',
      'unexpected_message',
    ],
    [
      'an alert of three bytes',
      (f) => f.send(ContentType.alert, Uint8Array.of(1, 0, 0)),
      'alert.malformed',
      'decode_error',
    ],
    [
      'an endless row of empty records',
      (f) => repeat(100, () => f.send(ContentType.application_data, new Uint8Array(0))),
      'record.too_many_empty',
      'unexpected_message',
    ],
    [
      'an endless row of user_canceled',
      (f) => repeat(100, () => f.send(ContentType.alert, Uint8Array.of(1, 90))),
      'alert.too_many_warnings',
      'unexpected_message',
    ],
    [
      'data inside a fragmented message',
      (f) => {
        f.send(ContentType.handshake, Uint8Array.of(4));
        f.send(ContentType.application_data, Uint8Array.of(1));
      },
      'record.interleaved',
      'unexpected_message',
    ],
  ];
  for (const victim of ['client', 'server'] as const) {
    for (const [what, act, code, alert] of cases) {
      test(`${victim}: ${what}`, async () => {
        const forger = await withForgedRecords(victim);
        act(forger);
        await forger.pair.run();
        const error = errorOf(forger.pair[victim]);
        assert.equal(error?.code, code, error?.message);
        assert.equal(error?.alert, alert);
        assert.equal(forger.pair[victim].engine.state, 'failed');
      });
    }
  }
});

function repeat(times: number, act: () => void): void {
  for (let i = 0; i < times; i++) act();
}

test('a KeyUpdate storm is stopped', async () => {
  const pair = await connect(await createWorld());
  repeat(50, () => pair.client.engine.updateKeys(true));
  await pair.run();
  assert.equal(errorOf(pair.server)?.code, 'key_update.too_many');
});

describe('a server refuses first bytes that are', () => {
  const cases: [what: string, bytes: Uint8Array, code: string][] = [
    ['plain HTTP', new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'), 'record.not_tls'],
    ['application data', Uint8Array.of(23, 3, 3, 0, 1, 0), 'record.not_tls'],
    ['an SSLv2 hello', Uint8Array.of(0x80, 0x2e, 1, 3, 1), 'record.not_tls'],
    ['an empty handshake record', Uint8Array.of(22, 3, 1, 0, 0), 'record.empty'],
  ];
  for (const [what, bytes, code] of cases) {
    test(what, async () => {
      const pair = new Pair(await createWorld());
      pair.server.engine.receive(bytes);
      await pair.run();
      assert.equal(errorOf(pair.server)?.code, code);
      assert.ok(pair.server.sent.length > 0, 'an alert goes out');
    });
  }
});

describe('a server refuses a client that', () => {
  type Hello = Extract<HandshakeMessage, { type: 'client_hello' }>;
  const helloX = (change: Partial<Hello['extensions']>): Change =>
    on('client_hello', (m) => ({ ...m, extensions: { ...m.extensions, ...change } }));
  const without = (name: keyof Hello['extensions']): Change =>
    on('client_hello', (m) => {
      const { [name]: _gone, ...extensions } = m.extensions;
      return { ...m, extensions };
    });
  const cases: [what: string, change: Change, code: string, alert: string][] = [
    [
      'offers no TLS 1.3',
      helloX({ supportedVersions: [0x0303] }),
      'client_hello.unsupported_version',
      'protocol_version',
    ],
    [
      'sends no supported_versions',
      without('supportedVersions'),
      'client_hello.unsupported_version',
      'protocol_version',
    ],
    [
      'compresses',
      on('client_hello', (m) => ({ ...m, legacyCompressionMethods: Uint8Array.of(1, 0) })),
      'client_hello.bad_compression',
      'illegal_parameter',
    ],
    [
      'offers no suite we have',
      on('client_hello', (m) => ({ ...m, cipherSuites: [0x1399] })),
      'client_hello.no_common_cipher_suite',
      'handshake_failure',
    ],
    [
      'offers no group we have',
      helloX({ supportedGroups: [0x0100], keyShare: [] }),
      'client_hello.no_common_group',
      'handshake_failure',
    ],
    [
      'sends no signature_algorithms',
      without('signatureAlgorithms'),
      'client_hello.missing_extension',
      'missing_extension',
    ],
    ['sends no supported_groups', without('supportedGroups'), 'client_hello.missing_extension', 'missing_extension'],
    ['sends no key_share', without('keyShare'), 'client_hello.missing_extension', 'missing_extension'],
    [
      'accepts no signature we can make',
      helloX({ signatureAlgorithms: [0x0808] }),
      'client_hello.no_usable_certificate',
      'handshake_failure',
    ],
    [
      'shares a key of a group it does not list',
      helloX({ keyShare: [{ group: 0x0018, keyExchange: new Uint8Array(97) }] }),
      'client_hello.bad_key_share',
      'illegal_parameter',
    ],
    [
      'shares two keys of one group',
      on('client_hello', (m) => ({
        ...m,
        extensions: { ...m.extensions, keyShare: [m.extensions.keyShare!.at(-1)!, m.extensions.keyShare!.at(-1)!] },
      })),
      'client_hello.bad_key_share',
      'illegal_parameter',
    ],
    [
      'allows records of 63 bytes',
      helloX({ recordSizeLimit: 63 }),
      'client_hello.bad_record_size_limit',
      'illegal_parameter',
    ],
    [
      'sends a wrong Finished',
      on('finished', (m) => ({ ...m, verifyData: m.verifyData.map((b) => b ^ 1) })),
      'handshake.finished_mismatch',
      'decrypt_error',
    ],
  ];
  for (const [what, change, code, alert] of cases) {
    test(what, async () => {
      const pair = new Pair(await createWorld());
      // The first hello is made with the engine: take it out and send a changed one.
      const hello = pair.client.engine.pull()!;
      const first = decodeHandshakeMessage(hello[5]!, hello.subarray(9));
      corrupt(pair.client, change);
      const changed = change(first);
      const message = changed instanceof Uint8Array ? changed : encodeHandshakeMessage(changed as HandshakeMessage);
      pair.server.engine.receive(changed === first ? hello : plaintextRecords(ContentType.handshake, message));
      await pair.run();
      assert.equal(errorOf(pair.server)?.code, code, errorOf(pair.server)?.message);
      assert.equal(errorOf(pair.server)?.alert, alert);
    });
  }

  test('changes its hello after a HelloRetryRequest', async () => {
    const world = await createWorld({ server: { groups: ['secp256r1'] }, client: { keyShareCount: 1 } });
    const pair = new Pair(world);
    let hellos = 0;
    corrupt(
      pair.client,
      on('client_hello', (m) => (hellos++ === 0 ? { ...m, cipherSuites: [0x1301] } : m)),
    );
    await pair.run();
    assert.equal(errorOf(pair.server)?.code, 'client_hello.changed_after_retry');
  });
});

test('bytes of a peer never make the engine throw, whatever they are', async () => {
  const world = await createWorld();
  const good = await connect(world);
  const flights = [good.client.sent[0]!, good.server.sent[0]!];
  for (const victim of ['server', 'client'] as const) {
    const flight = victim === 'server' ? flights[0]! : flights[1]!;
    for (let at = 0; at < flight.length; at += 7) {
      const pair = new Pair(world);
      pair.carry(pair.client, pair.server);
      const bytes = flight.map((b, i) => (i === at ? b ^ 0xff : b));
      pair[victim].engine.receive(bytes);
      await pair.run();
    }
  }
});
