/** Every handshake message of RFC 8448, "Example Handshake Traces for TLS 1.3". */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fromHex, toHex } from '../../bytes/index.ts';
import {
  bindersLength,
  type ClientHello,
  decodeHandshakeMessage,
  encodeHandshakeMessage,
  type HandshakeMessage,
  NamedGroup,
  ProtocolVersion,
  PskKeyExchangeMode,
} from '../index.ts';

interface Trace {
  readonly n: number;
  readonly title: string;
  readonly steps: readonly {
    readonly who: string;
    readonly action: string;
    readonly fields: readonly { readonly name: string; readonly len: number | null; readonly hex?: string }[];
  }[];
}

const traces: readonly Trace[] = JSON.parse(
  readFileSync(new URL('../../../test/vectors/rfc8448.json', import.meta.url), 'utf8'),
);

interface Constructed {
  readonly section: number;
  readonly name: string;
  readonly bytes: Uint8Array;
}

const constructed: Constructed[] = [];
for (const { n, steps } of traces) {
  for (const [i, { action, fields }] of steps.entries()) {
    if (!action.startsWith('construct')) continue;
    const { name, hex } = fields[0]!;
    let bytes = fromHex(hex!);
    // The ClientHello with a PSK is printed without its binders; the record that follows has the whole of it.
    if (name === 'ClientHello' && bytes.length < 4 + ((bytes[2]! << 8) | bytes[3]!)) {
      const record = steps.slice(i).find((step) => step.action === 'send handshake record:');
      bytes = fromHex(record!.fields.find((field) => field.name === 'payload')!.hex!);
    }
    constructed.push({ section: n, name, bytes });
  }
}

function decode({ bytes }: Constructed): HandshakeMessage {
  assert.equal((bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!, bytes.length - 4);
  return decodeHandshakeMessage(bytes[0]!, bytes.subarray(4));
}

function clientHellos(section: number): ClientHello[] {
  return constructed
    .filter((m) => m.section === section && m.name === 'ClientHello')
    .map((m) => {
      const message = decode(m);
      assert(message.type === 'client_hello');
      return message;
    });
}

describe('messages of RFC 8448', () => {
  it('has all forty of them', () => {
    const count = (name: string) => constructed.filter((m) => m.name === name).length;
    assert.equal(constructed.length, 40);
    assert.deepEqual(
      ['ClientHello', 'ServerHello', 'EncryptedExtensions', 'Certificate', 'Finished', 'NewSessionTicket'].map(count),
      [6, 6, 5, 5, 10, 1],
    );
  });

  for (const message of constructed.filter((m) => m.name !== 'ClientHello')) {
    it(`section ${message.section}: ${message.name} is read and written back to the same bytes`, () => {
      assert.equal(toHex(encodeHandshakeMessage(decode(message))), toHex(message.bytes));
    });
  }

  it('section 3: the ClientHello has the values that the RFC prints', () => {
    const [hello] = clientHellos(3);
    const groups = [0x001d, 0x0017, 0x0018, 0x0019, 0x0100, 0x0101, 0x0102, 0x0103, 0x0104];
    assert.deepEqual(hello, {
      type: 'client_hello',
      legacyVersion: ProtocolVersion.tls12,
      random: fromHex('cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7'),
      legacySessionId: new Uint8Array(0),
      cipherSuites: [0x1301, 0x1303, 0x1302],
      legacyCompressionMethods: fromHex('00'),
      extensions: {
        serverName: 'server',
        supportedGroups: groups,
        keyShare: [
          {
            group: NamedGroup.x25519,
            keyExchange: fromHex('99381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c'),
          },
        ],
        supportedVersions: [ProtocolVersion.tls13],
        signatureAlgorithms: [
          0x0403, 0x0503, 0x0603, 0x0203, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0201, 0x0402, 0x0502,
          0x0602, 0x0202,
        ],
        pskKeyExchangeModes: [PskKeyExchangeMode.psk_dhe_ke],
        recordSizeLimit: 0x4001,
      },
      extensionTypes: [0, 0xff01, 10, 35, 51, 43, 13, 45, 28],
    });
  });

  it('section 4: the ClientHello offers the ticket of section 3, and its binders are where the RFC cuts it', () => {
    const [hello] = clientHellos(4);
    const ticket = constructed.find((m) => m.name === 'NewSessionTicket')!;
    const newSessionTicket = decode(ticket);
    assert(newSessionTicket.type === 'new_session_ticket');
    assert.equal(newSessionTicket.lifetimeSeconds, 30);
    assert.equal(newSessionTicket.ageAdd, 0xfad6aac5);
    assert.equal(newSessionTicket.maxEarlyDataSize, 1024);

    const psks = hello!.extensions.preSharedKey!;
    assert.deepEqual(psks.identities, [{ identity: newSessionTicket.ticket, obfuscatedTicketAge: 0xfad6aacb }]);
    assert.deepEqual(
      psks.binders.map((binder) => binder.length),
      [32],
    );
    assert.equal(hello!.extensions.earlyData, true);
    assert.equal(hello!.extensionTypes.at(-1), 41);

    const prefix = traces.find((t) => t.n === 4)!.steps.find((s) => s.action === 'calculate PSK binder:')!.fields[0]!;
    assert.equal(bindersLength(psks), 512 - fromHex(prefix.hex!).length);
  });

  it('section 5: the second ClientHello answers the HelloRetryRequest', () => {
    const retry = constructed.filter((m) => m.section === 5 && m.name === 'ServerHello').map(decode)[0]!;
    assert(retry.type === 'hello_retry_request');
    assert.equal(retry.extensions.keyShare, NamedGroup.secp256r1);
    assert.equal(retry.extensions.supportedVersions, ProtocolVersion.tls13);

    const [first, second] = clientHellos(5);
    assert.equal(first!.extensions.cookie, undefined);
    assert.deepEqual(second!.extensions.cookie, retry.extensions.cookie);
    assert.deepEqual(
      second!.extensions.keyShare!.map(({ group, keyExchange }) => [group, keyExchange.length]),
      [[NamedGroup.secp256r1, 65]],
    );
    assert.deepEqual(second!.random, first!.random);
  });

  it('section 7: the server echoes the session id of compatibility mode', () => {
    const [hello] = clientHellos(7);
    const serverHello = constructed.filter((m) => m.section === 7 && m.name === 'ServerHello').map(decode)[0]!;
    assert(serverHello.type === 'server_hello');
    assert.equal(hello!.legacySessionId.length, 32);
    assert.deepEqual(serverHello.legacySessionIdEcho, hello!.legacySessionId);
  });
});
