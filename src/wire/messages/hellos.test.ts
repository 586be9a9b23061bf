/** What ClientHello and ServerHello do beyond plain reading and writing. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { concat, fromHex, fromLatin1, toHex } from '../../bytes/index.ts';
import {
  bindersLength,
  type ClientHello,
  type ClientHelloExtensions,
  DOWNGRADE_TLS11,
  DOWNGRADE_TLS12,
  decodeHandshakeMessage,
  ExtensionType,
  encodeHandshakeMessage,
  HandshakeType,
  HELLO_RETRY_REQUEST_RANDOM,
  type OfferedPsks,
} from '../index.ts';

const psks: OfferedPsks = {
  identities: [
    { identity: fromHex('aa'), obfuscatedTicketAge: 1 },
    { identity: fromHex('bbbb'), obfuscatedTicketAge: 2 },
  ],
  binders: [new Uint8Array(32).fill(0x11), new Uint8Array(48).fill(0x22)],
};

function clientHello(extensions: ClientHelloExtensions, others: readonly number[] = []): ClientHello {
  return {
    type: 'client_hello',
    legacyVersion: 0x0303,
    random: new Uint8Array(32),
    legacySessionId: new Uint8Array(32),
    cipherSuites: [0x1301],
    legacyCompressionMethods: new Uint8Array(1),
    extensions,
    extensionTypes: [],
    otherExtensions: others.map((type, i) => ({ type, data: new Uint8Array(i) })),
  };
}

function typesWritten(hello: ClientHello): readonly number[] {
  const whole = encodeHandshakeMessage(hello);
  const decoded = decodeHandshakeMessage(whole[0]!, whole.subarray(4));
  assert(decoded.type === 'client_hello');
  return decoded.extensionTypes;
}

describe('ClientHello', () => {
  it('pre_shared_key is written last, whatever the order of the fields', () => {
    const types = typesWritten(
      clientHello({ preSharedKey: psks, earlyData: true, serverName: 'a', cookie: fromHex('00') }),
    );
    assert.equal(types.length, 4);
    assert.equal(types.at(-1), ExtensionType.pre_shared_key);
  });

  it('the first of the other extensions goes to the front, the rest to the end but before pre_shared_key', () => {
    const extensions = { serverName: 'a', supportedVersions: [0x0304] };
    const [front, back, back2] = [0x2a2a, 0x3a3a, 0x4a4a];
    const middle = typesWritten(clientHello(extensions));
    assert.deepEqual(typesWritten(clientHello(extensions, [front])), [front, ...middle]);
    assert.deepEqual(typesWritten(clientHello(extensions, [front, back, back2])), [front, ...middle, back, back2]);
    assert.deepEqual(typesWritten(clientHello({ ...extensions, preSharedKey: psks }, [front, back])), [
      front,
      ...middle,
      back,
      ExtensionType.pre_shared_key,
    ]);
  });

  it('pre_shared_key is refused when it is not last', () => {
    const last = encodeHandshakeMessage(clientHello({ preSharedKey: psks }));
    // One more extension at the end, and the length of the block corrected.
    const body = concat(last.subarray(4), fromHex('1234 0000'));
    const blockAt = 2 + 32 + 33 + 4 + 2;
    const length = body.length - blockAt - 2;
    body[blockAt] = length >> 8;
    body[blockAt + 1] = length;
    assert.throws(() => decodeHandshakeMessage(HandshakeType.client_hello, body), {
      code: 'client_hello.psk_not_last',
      alert: 'illegal_parameter',
    });
  });

  it('bindersLength cuts the message in front of the length of the binders', () => {
    const whole = encodeHandshakeMessage(clientHello({ serverName: 'a', preSharedKey: psks }));
    const binders = `0052 20${'11'.repeat(32)} 30${'22'.repeat(48)}`.replaceAll(' ', '');
    assert.equal(toHex(whole.subarray(whole.length - bindersLength(psks))), binders);
  });

  it('of TLS 1.2 may do without extensions', () => {
    const body = concat(fromHex('0303'), new Uint8Array(32), fromHex('00 0002 c02f 01 00'));
    const hello = decodeHandshakeMessage(HandshakeType.client_hello, body);
    assert(hello.type === 'client_hello');
    assert.deepEqual(hello.extensions, {});
    assert.deepEqual(hello.extensionTypes, []);
  });

  it('a server_name or status_request of another type counts as absent', () => {
    const body = concat(
      fromHex('0303'),
      new Uint8Array(32),
      fromHex('00 0002 1301 01 00 0011 0000 0006 0004 07 0001 ff 0005 0003 02 abcd'),
    );
    const hello = decodeHandshakeMessage(HandshakeType.client_hello, body);
    assert(hello.type === 'client_hello');
    assert.deepEqual(hello.extensions, {});
    assert.deepEqual(hello.extensionTypes, [ExtensionType.server_name, ExtensionType.status_request]);
  });
});

describe('ServerHello', () => {
  const start = concat(fromHex('0303'), new Uint8Array(32), fromHex('00 c02f 00'));
  const decode = (extensions: string) =>
    decodeHandshakeMessage(HandshakeType.server_hello, concat(start, fromHex(extensions)));

  it('of TLS 1.2 is read without judging its extensions', () => {
    for (const extensions of [
      '',
      '0000',
      '0005 ff01 0001 00',
      // server_name, application_layer_protocol_negotiation, session_ticket, extended_master_secret
      '0019 0000 0000 0010 0005 0003 02 6832 0023 0000 0017 0000 000b 0000',
    ]) {
      const hello = decode(extensions);
      assert(hello.type === 'server_hello');
      assert.deepEqual(hello.extensions, {});
      assert.equal(hello.cipherSuite, 0xc02f);
    }
  });

  it('of TLS 1.2 must still be well-formed', () => {
    for (const extensions of ['00', '0001', '0000 00', '0005 ff01 0002 00', '0004 ff01 0000 00']) {
      assert.throws(() => decode(extensions), { code: 'handshake.malformed' }, extensions);
    }
  });

  it('of TLS 1.3 may have what belongs there only, before or after supported_versions', () => {
    for (const extensions of ['000b ff01 0001 00 002b 0002 0304', '000b 002b 0002 0304 ff01 0001 00']) {
      assert.throws(() => decode(extensions), { code: 'extension.not_requested' });
    }
    assert.throws(() => decode('000a 0000 0000 002b 0002 0304'), { code: 'extension.not_allowed_here' });
  });

  it('with the special random is a HelloRetryRequest', () => {
    assert.deepEqual(
      HELLO_RETRY_REQUEST_RANDOM,
      new Uint8Array(createHash('sha256').update('HelloRetryRequest').digest()),
    );
    const body = concat(fromHex('0303'), HELLO_RETRY_REQUEST_RANDOM, fromHex('00 1301 00 0006 002b 0002 0304'));
    assert.equal(decodeHandshakeMessage(HandshakeType.server_hello, body).type, 'hello_retry_request');
    body[33]! ^= 1;
    assert.equal(decodeHandshakeMessage(HandshakeType.server_hello, body).type, 'server_hello');
  });

  it('the marks of a downgrade spell "DOWNGRD"', () => {
    assert.equal(fromLatin1(DOWNGRADE_TLS12), 'DOWNGRD\x01');
    assert.equal(fromLatin1(DOWNGRADE_TLS11), 'DOWNGRD\x00');
  });
});
