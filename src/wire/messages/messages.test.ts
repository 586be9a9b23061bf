/** Properties that hold for every handshake message. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concat, equal, toHex } from '../../bytes/index.ts';
import { TlsAlertError } from '../../errors/index.ts';
import {
  type ClientHello,
  DecodeError,
  decodeHandshakeMessage,
  encodeHandshakeMessage,
  type HandshakeMessage,
  HandshakeType,
  HELLO_RETRY_REQUEST_RANDOM,
  type MessageType,
} from '../index.ts';

const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const yes = fc.constant(true as const);
const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });
const some = <T>(item: fc.Arbitrary<T>, minLength = 1) => fc.array(item, { minLength, maxLength: 4 });
const random = bytes(32, 32).filter((value) => !equal(value, HELLO_RETRY_REQUEST_RANDOM));
const hostName = fc
  .array(fc.integer({ min: 0x21, max: 0x7e }), { minLength: 1, maxLength: 20 })
  .map((codes) => String.fromCharCode(...codes));
const protocol = fc.array(u8, { minLength: 1, maxLength: 12 }).map((codes) => String.fromCharCode(...codes));
const keyShare = fc.record({ group: u16, keyExchange: bytes(1, 40) });
const optional: { requiredKeys: [] } = { requiredKeys: [] };

const preSharedKey = some(fc.record({ identity: bytes(1, 40), obfuscatedTicketAge: u32, binder: bytes(32, 64) })).map(
  (psks) => ({
    identities: psks.map(({ identity, obfuscatedTicketAge }) => ({ identity, obfuscatedTicketAge })),
    binders: psks.map(({ binder }) => binder),
  }),
);

const clientHello: fc.Arbitrary<ClientHello> = fc.record({
  type: fc.constant('client_hello' as const),
  legacyVersion: u16,
  random,
  legacySessionId: bytes(0, 32),
  cipherSuites: some(u16),
  legacyCompressionMethods: bytes(1, 3),
  extensionTypes: fc.constant([]),
  extensions: fc.record(
    {
      serverName: hostName,
      statusRequest: yes,
      supportedGroups: some(u16),
      signatureAlgorithms: some(u16),
      signatureAlgorithmsCert: some(u16),
      alpn: some(protocol),
      recordSizeLimit: u16,
      certificateAuthorities: some(bytes(1, 12)),
      postHandshakeAuth: yes,
      compressCertificate: fc.uniqueArray(u16, { minLength: 1, maxLength: 4 }),
      keyShare: some(keyShare, 0),
      pskKeyExchangeModes: some(u8),
      earlyData: yes,
      ticketRequest: fc.record({ newSessionCount: u8, resumptionCount: u8 }),
      cookie: bytes(1, 40),
      supportedVersions: some(u16),
      preSharedKey,
    },
    optional,
  ),
});

const messages: { [T in MessageType]: fc.Arbitrary<Extract<HandshakeMessage, { type: T }>> } = {
  client_hello: clientHello,
  server_hello: fc.record({
    type: fc.constant('server_hello' as const),
    legacyVersion: u16,
    random,
    legacySessionIdEcho: bytes(0, 32),
    cipherSuite: u16,
    legacyCompressionMethod: u8,
    // Without supportedVersions nothing is read: see server-hello.test.ts.
    extensions: fc.record(
      { supportedVersions: u16, keyShare, preSharedKey: u16 },
      { requiredKeys: ['supportedVersions'] },
    ),
  }),
  hello_retry_request: fc.record({
    type: fc.constant('hello_retry_request' as const),
    legacyVersion: u16,
    legacySessionIdEcho: bytes(0, 32),
    cipherSuite: u16,
    legacyCompressionMethod: u8,
    extensions: fc.record({ supportedVersions: u16, keyShare: u16, cookie: bytes(1, 40) }, optional),
  }),
  encrypted_extensions: fc.record({
    type: fc.constant('encrypted_extensions' as const),
    extensionTypes: fc.constant([]),
    extensions: fc.record(
      {
        serverName: yes,
        supportedGroups: some(u16),
        alpn: protocol,
        recordSizeLimit: u16,
        earlyData: yes,
        expectedTickets: u8,
      },
      optional,
    ),
  }),
  certificate_request: fc.record({
    type: fc.constant('certificate_request' as const),
    context: bytes(0, 32),
    extensions: fc.record(
      {
        statusRequest: yes,
        signatureAlgorithms: some(u16),
        signatureAlgorithmsCert: some(u16),
        certificateAuthorities: some(bytes(1, 12)),
        compressCertificate: fc.uniqueArray(u16, { minLength: 1, maxLength: 4 }),
      },
      optional,
    ),
  }),
  certificate: fc.record({
    type: fc.constant('certificate' as const),
    context: bytes(0, 32),
    entries: fc.array(
      fc.record(
        { certificate: bytes(1, 60), ocspResponse: bytes(1, 40), extensionTypes: fc.constant([]) },
        { requiredKeys: ['certificate', 'extensionTypes'] },
      ),
      { maxLength: 3 },
    ),
  }),
  compressed_certificate: fc.record({
    type: fc.constant('compressed_certificate' as const),
    algorithm: u16,
    uncompressedLength: fc.integer({ min: 0, max: 0xffffff }),
    compressed: bytes(1, 80),
  }),
  certificate_verify: fc.record({
    type: fc.constant('certificate_verify' as const),
    algorithm: u16,
    signature: bytes(0, 80),
  }),
  finished: fc.record({ type: fc.constant('finished' as const), verifyData: bytes(0, 64) }),
  new_session_ticket: fc.record(
    {
      type: fc.constant('new_session_ticket' as const),
      lifetimeSeconds: u32,
      ageAdd: u32,
      nonce: bytes(0, 20),
      ticket: bytes(1, 60),
      maxEarlyDataSize: u32,
    },
    { requiredKeys: ['type', 'lifetimeSeconds', 'ageAdd', 'nonce', 'ticket'] },
  ),
  key_update: fc.record({ type: fc.constant('key_update' as const), requestUpdate: fc.boolean() }),
  end_of_early_data: fc.record({ type: fc.constant('end_of_early_data' as const) }),
};

const options = { numRuns: 150 };

/** `msg_type` and body of an encoded message. */
function split(message: HandshakeMessage): [handshakeType: number, body: Uint8Array] {
  const whole = encodeHandshakeMessage(message);
  assert.equal((whole[1]! << 16) | (whole[2]! << 8) | whole[3]!, whole.length - 4);
  return [whole[0]!, whole.subarray(4)];
}

/** `extensionTypes` says what was on the wire, so it is not compared with what was to be written. */
function withoutTypes(message: HandshakeMessage): unknown {
  if (message.type === 'certificate') {
    return { ...message, entries: message.entries.map((entry) => ({ ...entry, extensionTypes: [] })) };
  }
  return 'extensionTypes' in message ? { ...message, extensionTypes: [] } : message;
}

function malformed(handshakeType: number, body: Uint8Array): void {
  assert.throws(
    () => decodeHandshakeMessage(handshakeType, body),
    (error) =>
      error instanceof TlsAlertError &&
      error.code === 'handshake.malformed' &&
      error.alert === 'decode_error' &&
      error.cause instanceof DecodeError,
    toHex(body),
  );
}

/** Decodes what a peer might send: the one error it may cause is a `TlsAlertError`. */
function decodeAnything(handshakeType: number, body: Uint8Array): void {
  try {
    decodeHandshakeMessage(handshakeType, body);
  } catch (error) {
    if (!(error instanceof TlsAlertError)) throw error;
  }
}

for (const [type, arbitrary] of Object.entries<fc.Arbitrary<HandshakeMessage>>(messages)) {
  describe(type, () => {
    it('is read as it was written', () => {
      fc.assert(
        fc.property(arbitrary, (message) => {
          const decoded = decodeHandshakeMessage(...split(message));
          // fast-check makes records without a prototype; structuredClone gives them one.
          assert.deepEqual(withoutTypes(decoded), structuredClone(withoutTypes(message)));
          assert.deepEqual(encodeHandshakeMessage(decoded), encodeHandshakeMessage(message));
        }),
        options,
      );
    });

    // A Finished has no structure of its own.
    if (type !== 'finished') {
      it('no proper prefix can be read', () => {
        fc.assert(
          fc.property(arbitrary, (message) => {
            const [handshakeType, body] = split(message);
            // The one exception: TLS 1.2 allows hellos without extensions.
            const withoutExtensions =
              message.type === 'client_hello'
                ? 2 +
                  32 +
                  1 +
                  message.legacySessionId.length +
                  2 +
                  2 * message.cipherSuites.length +
                  1 +
                  message.legacyCompressionMethods.length
                : message.type === 'server_hello'
                  ? 2 + 32 + 1 + message.legacySessionIdEcho.length + 2 + 1
                  : undefined;
            for (let length = 0; length < body.length; length++) {
              if (length !== withoutExtensions) malformed(handshakeType, body.subarray(0, length));
            }
          }),
          { numRuns: 40 },
        );
      });

      it('refuses a byte too many', () => {
        fc.assert(
          fc.property(arbitrary, bytes(1, 3), (message, extra) => {
            const [handshakeType, body] = split(message);
            malformed(handshakeType, concat(body, extra));
          }),
          options,
        );
      });
    }

    it('with one byte changed is read, or refused with an alert', () => {
      fc.assert(
        fc.property(arbitrary, fc.nat(), u8, (message, at, value) => {
          const [handshakeType, body] = split(message);
          if (body.length > 0) body[at % body.length] = value;
          decodeAnything(handshakeType, body);
        }),
        { numRuns: 500 },
      );
    });
  });
}

describe('any handshake message', () => {
  it('made of noise is read, or refused with an alert', () => {
    fc.assert(fc.property(fc.constantFrom(...Object.values(HandshakeType)), bytes(0, 120), decodeAnything), {
      numRuns: 3000,
    });
  });

  it('of an unknown type is refused, and so is message_hash', () => {
    const known = new Set<number>(Object.values(HandshakeType));
    known.delete(HandshakeType.message_hash);
    for (let type = 0; type <= 255; type++) {
      if (known.has(type)) continue;
      assert.throws(() => decodeHandshakeMessage(type, new Uint8Array(32)), {
        code: 'handshake.unknown_type',
        alert: 'unexpected_message',
      });
    }
  });

  it('is not copied', () => {
    const body = new Uint8Array(48);
    const message = decodeHandshakeMessage(HandshakeType.finished, body);
    assert(message.type === 'finished');
    assert.equal(message.verifyData.buffer, body.buffer);
  });
});
