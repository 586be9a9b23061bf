/**
 * What BoringSSL's runner found, without the runner. The first part replays what the peer sent, byte by byte, from cases.json, which
 * `RECORD=1 npx tsx --test test/bogo/cases.test.ts` makes anew: keys, clock and randomness are fixed, so that the engine under test says the
 * same each time, and the peer's bytes fit.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fromHex, toHex } from '../../src/bytes/index.ts';
import {
  type ClientOptions,
  createClientEngine,
  createServerEngine,
  type ServerOptions,
} from '../../src/connection/index.ts';
import { PEER_FAULTS } from '../../src/errors/index.ts';
import { encodeHandshakeMessage, type HandshakeMessage, type MessageType, NamedGroup } from '../../src/wire/index.ts';
import { parseCertificate } from '../../src/x509/certificate.ts';
import { fixedIdentity } from '../fuzz/scenarios.ts';
import { corrupt } from '../pair/corrupt.ts';
import { connect, createWorld, errorOf, eventsOf, Pair, type World } from '../pair/pair.ts';

interface Case {
  /** The runner's test, or the first of several. */
  readonly name: string;
  readonly underTest: 'client' | 'server';
  readonly client?: Partial<ClientOptions>;
  readonly server?: Partial<ServerOptions>;
  /** What the peer does to a message of its own. */
  readonly changes?: MessageType;
  readonly to?: (message: HandshakeMessage) => HandshakeMessage | Uint8Array;
  readonly code: string;
  readonly alert: string;
}

function flags(...data: readonly number[]): (message: HandshakeMessage) => HandshakeMessage {
  return (message) =>
    ({ ...message, otherExtensions: [{ type: 62, data: Uint8Array.from(data) }] }) as HandshakeMessage;
}

/** A HelloRetryRequest is needed. */
const RETRIED = { client: { keyShareCount: 1 }, server: { groups: ['secp256r1'] } } as const;

const CASES: readonly Case[] = [
  {
    name: 'Client-Verify-RSA_PKCS1_SHA256-TLS13',
    underTest: 'client',
    client: { signatureSchemes: ['ed25519', 'rsa_pkcs1_sha256'] },
    changes: 'certificate_verify',
    to: (message) => ({ ...message, algorithm: 0x0401 }) as HandshakeMessage,
    code: 'handshake.signature_scheme_not_offered',
    alert: 'illegal_parameter',
  },
  {
    name: 'PartialServerHelloWithHelloRetryRequest',
    underTest: 'client',
    ...RETRIED,
    changes: 'hello_retry_request',
    to: (message) => Uint8Array.of(...encodeHandshakeMessage(message), 2, 0, 0, 44, 3),
    code: 'record.not_aligned',
    alert: 'unexpected_message',
  },
  {
    name: 'TLS13-HRR-InvalidCompressionMethod',
    underTest: 'client',
    ...RETRIED,
    changes: 'hello_retry_request',
    to: (message) => ({ ...message, legacyCompressionMethod: 1 }) as HandshakeMessage,
    code: 'server_hello.bad_compression',
    alert: 'decode_error',
  },
  {
    name: 'GarbageCertificate-Client-TLS13',
    underTest: 'client',
    changes: 'certificate',
    to: (message) =>
      ({ ...message, entries: [{ certificate: fromHex('474152424147'), extensionTypes: [] }] }) as HandshakeMessage,
    code: 'certificate.unparsable',
    alert: 'decode_error',
  },
  {
    name: 'TLS13-Client-EmptyTicketFlags',
    underTest: 'client',
    changes: 'new_session_ticket',
    to: flags(0),
    code: 'handshake.malformed',
    alert: 'decode_error',
  },
  {
    name: 'TLS13-Client-NonminimalTicketFlags',
    underTest: 'client',
    changes: 'new_session_ticket',
    to: flags(2, 1, 0),
    code: 'extension.bad_flags',
    alert: 'illegal_parameter',
  },
  {
    name: 'DuplicateCertCompressionExt-TLS13',
    underTest: 'server',
    // The second ClientHello is the one that changes.
    ...RETRIED,
    changes: 'client_hello',
    to: (message) =>
      message.type === 'client_hello'
        ? { ...message, extensions: { ...message.extensions, compressCertificate: [2, 2] } }
        : message,
    code: 'handshake.malformed',
    alert: 'decode_error',
  },
  {
    name: 'ALPNServer-SelectEmpty-TLS-TLS13',
    underTest: 'server',
    client: { alpn: ['foo', 'bar'] },
    server: { chooseAlpn: () => '' },
    code: 'local.failed',
    alert: 'internal_error',
  },
  {
    name: 'CurveTest-Invalid-TruncateKeyShare-Server-MLKEM1024-TLS13',
    underTest: 'server',
    client: { groups: ['MLKEM1024'] },
    server: { groups: ['MLKEM1024'] },
    changes: 'client_hello',
    to: (message) =>
      message.type === 'client_hello'
        ? {
            ...message,
            extensions: {
              ...message.extensions,
              keyShare: [{ group: NamedGroup.MLKEM1024, keyExchange: new Uint8Array(1_567) }],
            },
          }
        : message,
    code: 'handshake.bad_key_share',
    alert: 'illegal_parameter',
  },
];

async function worldOf({ client = {}, server = {} }: Pick<Case, 'client' | 'server'>): Promise<World> {
  const identity = await fixedIdentity();
  const common = { signatureSchemes: ['ed25519'] };
  return createWorld({ identity, client: { ...common, ...client }, server: { ...common, ...server } });
}

/** What the peer says, in hexadecimal. */
async function record(one: Case): Promise<string[]> {
  const pair = new Pair(await worldOf(one));
  const peer = one.underTest === 'client' ? pair.server : pair.client;
  const { changes, to } = one;
  if (changes !== undefined && to !== undefined)
    corrupt(peer, (message) => (message.type === changes ? to(message) : message));
  await pair.run();
  return peer.sent.map(toHex);
}

const FILE = fileURLToPath(new URL('cases.json', import.meta.url));

describe('recorded peers', async () => {
  if (process.env['RECORD'] === '1') {
    const recorded: Record<string, string[]> = {};
    for (const one of CASES) recorded[one.name] = await record(one);
    writeFileSync(FILE, `${JSON.stringify(recorded, undefined, 2)}\n`);
  }
  const recorded = JSON.parse(readFileSync(FILE, 'utf8')) as Readonly<Record<string, readonly string[]>>;
  for (const one of CASES) {
    test(one.name, async () => {
      const world = await worldOf(one);
      let progress: () => void = () => {};
      const hooks = { onProgress: () => progress() };
      const engine =
        one.underTest === 'client'
          ? createClientEngine(world.clientConfig, { serverName: 'localhost', ...hooks })
          : createServerEngine(world.serverConfig, hooks);
      for (const flight of recorded[one.name]!) {
        engine.pull();
        if (engine.state.startsWith('parked')) await new Promise<void>((resolve) => (progress = resolve));
        engine.pull();
        engine.receive(fromHex(flight));
        if (engine.state.startsWith('parked')) await new Promise<void>((resolve) => (progress = resolve));
      }
      const events = [];
      for (let event = engine.next(); event !== undefined; event = engine.next()) events.push(event);
      const failure = events.find((event) => event.type === 'error');
      assert.ok(failure?.type === 'error', `no error, but ${events.map(({ type }) => type).join(', ')}`);
      assert.equal(failure.error.code, one.code, failure.error.message);
      assert.equal(failure.error.alert, one.alert);
    });
  }
});

describe('connections', () => {
  test('SendBogusAlertType: an alert is a warning or fatal', async () => {
    const pair = new Pair(await worldOf({}));
    pair.client.engine.receive(fromHex('1503030002420a'));
    await pair.run();
    assert.equal(errorOf(pair.client)?.code, 'alert.bad_level');
    assert.equal(errorOf(pair.client)?.alert, 'illegal_parameter');
  });

  test('Resume-Server-OmitAllPSKsOnSecondClientHello: what fits the chosen suite must be offered again', async () => {
    for (const [suite, code] of [
      ['TLS_AES_128_GCM_SHA256', 'client_hello.missing_extension'],
      ['TLS_AES_256_GCM_SHA384', undefined],
    ] as const) {
      const world = await worldOf({
        client: RETRIED.client,
        server: { cipherSuites: ['TLS_AES_128_GCM_SHA256'] },
      });
      const { ticket } = eventsOf((await connect(world)).client, 'ticket')[0]!;
      const server = { groups: ['secp256r1'], cipherSuites: [suite] };
      const other = await worldOf({ server });
      const pair = new Pair({ ...other, clientConfig: world.clientConfig, clock: world.clock }, { tickets: [ticket] });
      corrupt(pair.client, (message) => {
        // The first one has left already.
        if (message.type !== 'client_hello') return message;
        const { preSharedKey: _dropped, ...extensions } = message.extensions;
        return { ...message, extensions };
      });
      await pair.run();
      const error = errorOf(pair.server);
      // Without a fault of the hello, the connection ends at a Finished that the client reckons by another transcript.
      assert.equal(error?.code === 'client_hello.missing_extension' ? error.code : undefined, code, error?.message);
    }
  });

  test('CustomKeyShares-Empty-HRR, CustomKeyShares: exactly these key shares', async () => {
    for (const [keyShares, retried] of [
      [[], true],
      [['secp256r1'], false],
      [['secp256r1', 'x25519'], false],
    ] as const) {
      const pair = await connect(await worldOf({ client: { keyShares } }));
      assert.equal(pair.server.engine.info?.helloRetried, retried);
    }
    await assert.rejects(worldOf({ client: { keyShares: ['secp384r1'] } }), { code: 'config.bad_keyShares' });
  });

  test('CurveTest-Client-MLKEM1024, CurveTest-Server-MLKEM1024', async () => {
    const groups = ['MLKEM1024'];
    const pair = await connect(await worldOf({ client: { groups }, server: { groups } }));
    assert.equal(pair.client.engine.info?.group, 'MLKEM1024');
    assert.equal(pair.server.engine.info?.group, 'MLKEM1024');
  });

  test('ExportKeyingMaterial: an empty label; a server before the client is there, and nobody else', async () => {
    const world = await worldOf({});
    const pair = new Pair(world);
    for (const side of [pair.client, pair.server])
      assert.throws(() => side.engine.exportKeyingMaterial(32, 'x'), { code: 'connection.not_secure' });
    pair.server.engine.receive(pair.client.engine.pull()!);
    const early = pair.server.engine.exportKeyingMaterial(32, '');
    assert.throws(() => pair.client.engine.exportKeyingMaterial(32, ''), { code: 'connection.not_secure' });
    await pair.run();
    assert.deepEqual(pair.client.engine.exportKeyingMaterial(32, ''), early);
    assert.deepEqual(pair.server.engine.exportKeyingMaterial(32, ''), early);
  });

  test('ResumptionAcrossNames: only where the server says so', async () => {
    for (const acrossNames of [true, false]) {
      const world = await worldOf({ server: { tickets: { acrossNames } } });
      const { ticket } = eventsOf((await connect(world)).client, 'ticket')[0]!;
      assert.equal(ticket.acrossNames, acrossNames || undefined);
      // The client itself offers a ticket for its own name only.
      const renamed = { ...ticket, serverName: 'other.localhost' };
      const verifier = { verify: () => ({ trusted: true }) as const };
      const pair = new Pair(
        { ...world, clientConfig: { ...world.clientConfig, verifier } },
        { serverName: 'other.localhost', tickets: [renamed] },
      );
      await pair.run();
      assert.equal(pair.server.engine.info?.resumed, acrossNames);
    }
  });

  test('CertificateSelection-CheckIssuer: a certificate for some authorities only, on both sides', async () => {
    const identity = await fixedIdentity();
    const ownName = parseCertificate(identity.certificate).issuer;
    const choosy = { ...identity.credential, onlyForAuthorities: [ownName] };
    for (const [authorities, code] of [
      [[ownName], undefined],
      [[fromHex('3000')], 'client_hello.no_usable_certificate'],
      [[], 'client_hello.no_usable_certificate'],
    ] as const) {
      const world = await worldOf({
        client: { certificateAuthorities: authorities },
        server: { credentials: [choosy] },
      });
      assert.equal(errorOf((await connect(world)).server)?.code, code);
    }
    const verifier = { verify: () => ({ trusted: true }) as const, policy: 'all' };
    for (const [authorities, shown] of [
      [[ownName], 1],
      [[fromHex('3000')], 0],
    ] as const) {
      const server = { clientAuth: 'request' as const, verifier: { ...verifier, authorities } };
      const pair = await connect(await worldOf({ client: { credentials: [choosy] }, server }));
      assert.equal(pair.server.engine.info?.peer.chain.length, shown);
    }
  });

  test('ServerNameExtensionServer-NoACK, EmptySessionID, GREASE-Server: what a server may leave out or add', async () => {
    const options = { acknowledgeServerName: false, middleboxCompatibility: true, grease: true };
    const world = await worldOf({ server: options, client: { middleboxCompatibility: false } });
    const pair = await connect(world);
    assert.equal(errorOf(pair.client), undefined);
    const records = pair.server.sent.map(toHex).join('');
    assert.match(records, /140303000101/);
    const plain = await connect(await worldOf({ client: { middleboxCompatibility: false } }));
    assert.doesNotMatch(plain.server.sent.map(toHex).join('').slice(0, 400), /140303000101/);
    const length = (one: Pair): number => one.server.sent.reduce((sum, bytes) => sum + bytes.length, 0);
    // server_name is four bytes less, change_cipher_spec six more, and each of two tickets has four bytes of GREASE.
    assert.equal(length(pair) - length(plain), -4 + 6 + 2 * 4);
  });
});

describe('the lists of the runner', () => {
  const read = <T>(name: string): T => JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8')) as T;
  const names = read<{ readonly core: readonly string[]; readonly extra: readonly string[] }>('names.json');
  const config = read<{
    readonly DisabledTests: Readonly<Record<string, string>>;
    readonly ErrorMap: Readonly<Record<string, readonly string[]>>;
  }>('config.json');

  test('each disabled test has its reason, and of the core there are at most 20', () => {
    for (const [name, reason] of Object.entries(config.DisabledTests)) {
      assert.ok([...names.core, ...names.extra].includes(name), name);
      assert.ok(reason.length >= 40, name);
    }
    assert.ok(names.core.filter((name) => name in config.DisabledTests).length <= 20);
  });

  test('the last run has a result for each test, and none failed', () => {
    const { results } = read<{ readonly results: Readonly<Record<string, string>> }>('results.json');
    assert.deepEqual(Object.keys(results).sort(), [...names.core, ...names.extra].sort());
    // MISSING: the runner of that day had it no more.
    for (const [name, result] of Object.entries(results)) assert.match(result, /^(PASS|DISABLED|MISSING)$/, name);
  });

  test('each of our codes that an error of the runner stands for exists', () => {
    const others = ['local.failed', 'certificate.not_trusted', 'connection.not_secure', 'credential.bad_key'];
    for (const text of Object.values(config.ErrorMap).flat()) {
      const code = /^\[(.*)\]$/.exec(text)?.[1];
      if (code === undefined || code.startsWith('peer.alert.')) continue;
      assert.ok(Object.hasOwn(PEER_FAULTS, code) || others.includes(code), code);
    }
  });
});
