import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { latin1 } from '../../src/bytes/index.ts';
import type { Credential, Signer } from '../../src/crypto/index.ts';
import { TlsUsageError } from '../../src/errors/index.ts';
import type { Output } from '../../src/handshake/index.ts';
import type { PeerVerdict } from '../../src/peer-auth/index.ts';
import { testCrypto } from '../../src/providers/test/index.ts';
import { decodeHandshakeMessage, encodeHandshakeMessage, type HandshakeMessage } from '../../src/wire/index.ts';
import { createVerifier } from '../../src/x509/index.ts';
import { makeIdentity, type TestIdentity } from '../support/certificates.ts';
import { type Change, corrupt } from './corrupt.ts';
import { connect, createWorld, errorOf, eventsOf, Pair, type Side, type World, type WorldOptions } from './pair.ts';

/** Certificates asked for after the handshake (rfc9846#section-4.7.2). */

const alice = await makeIdentity('p256', ['alice.example']);
const mallory = await makeIdentity('p256', ['mallory.example']);
const trustsAlice = createVerifier({ crypto: testCrypto({ seed: 'alice' }), anchors: [alice.certificate] });

/** A server that may ask, and a client that shows `who`. */
function world(who: TestIdentity | undefined, more: WorldOptions = {}): Promise<World> {
  const { server, client, ...rest } = more;
  return createWorld({
    ...rest,
    server: { verifier: trustsAlice, ...server },
    client: { postHandshakeAuth: true, credentials: who === undefined ? [] : [who.credential], ...client },
  });
}

const textOf = (side: Side): string =>
  eventsOf(side, 'data')
    .map(({ bytes }) => Buffer.from(bytes).toString())
    .join('');

const usage = (code: string) => (error: unknown) => error instanceof TlsUsageError && error.code === code;

/** What `side` sends from now on, by type. */
function messagesOf(side: Side): HandshakeMessage[] {
  const messages: HandshakeMessage[] = [];
  corrupt(side, (message) => {
    messages.push(message);
    return message;
  });
  return messages;
}

/** A promise that is settled from outside. */
function later<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** A credential whose signatures are let out one by one, oldest first. */
function slowCredential({ credential }: TestIdentity): {
  readonly slow: Credential;
  readonly letOut: (index?: number) => void;
} {
  const waiting: (() => void)[] = [];
  const signer: Signer = {
    ...credential.signer,
    schemes: credential.signer.schemes,
    sign: async (scheme, content) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return credential.signer.sign(scheme, content);
    },
  };
  return { slow: { ...credential, signer }, letOut: (index = 0) => waiting.splice(index, 1)[0]!() };
}

describe('a client that is asked for its certificate', () => {
  test('shows it, and is somebody from then on', async () => {
    const w = await world(alice);
    const pair = await connect(w);
    assert.deepEqual(pair.server.engine.info?.peer.chain, []);
    const { authenticatedAt } = pair.server.engine.info!;
    w.clock.advance(5_000);
    pair.server.engine.requestClientCertificate();
    await pair.run();
    const [event, ...others] = eventsOf(pair.server, 'client_certificate');
    assert.deepEqual(others, []);
    assert.deepEqual(event?.peer, { chain: [alice.certificate], authorized: true });
    assert.deepEqual(pair.server.engine.info?.peer, event?.peer);
    assert.equal(pair.server.engine.info?.authenticatedAt, authenticatedAt + 5_000);
    assert.equal(pair.server.engine.state, 'connected');
    pair.client.engine.write(latin1('ping'));
    pair.server.engine.write(latin1('pong'));
    await pair.run();
    assert.deepEqual([textOf(pair.server), textOf(pair.client)], ['ping', 'pong']);
  });

  test('without one says so, and the server knows nobody', async () => {
    const w = await world(undefined);
    const pair = await connect(w);
    const sent = messagesOf(pair.client);
    const { authenticatedAt } = pair.server.engine.info!;
    w.clock.advance(5_000);
    pair.server.engine.requestClientCertificate();
    await pair.run();
    assert.equal(pair.server.engine.info?.authenticatedAt, authenticatedAt, 'nothing was proved');
    assert.deepEqual(
      sent.map(({ type }) => type),
      ['certificate', 'finished'],
    );
    assert.deepEqual(eventsOf(pair.server, 'client_certificate')[0]?.peer, { chain: [], authorized: false });
    assert.equal(errorOf(pair.server), undefined);
  });

  test('shows none when no key of its own makes a signature that the server accepts', async () => {
    const options = { server: { signatureSchemes: ['ed25519'] }, identity: await makeIdentity('ed25519') };
    const pair = await connect(await world(alice, options));
    pair.server.engine.requestClientCertificate();
    await pair.run();
    assert.deepEqual(eventsOf(pair.server, 'client_certificate')[0]?.peer.chain, []);
  });

  test('chooses by what the server accepts', async () => {
    let asked = 0;
    const w = await world(undefined, {
      client: {
        chooseCredential: async ({ signatureSchemes }) => {
          asked++;
          assert.ok(signatureSchemes.includes(0x0403));
          return alice.credential;
        },
      },
    });
    const pair = await connect(w);
    pair.server.engine.requestClientCertificate();
    while (eventsOf(pair.server, 'client_certificate').length === 0) {
      await new Promise((resolve) => setImmediate(resolve));
      await pair.run();
    }
    assert.equal(asked, 1);
    assert.deepEqual(pair.server.engine.info?.peer.chain, [alice.certificate]);
  });

  test('answers again and again, each request with a context of its own', async () => {
    const pair = await connect(await world(alice));
    const contexts = new Set<string>();
    corrupt(pair.server, (message) => {
      if (message.type === 'certificate_request') {
        assert.equal(message.context.length, 32);
        contexts.add(Buffer.from(message.context).toString('hex'));
      }
      return message;
    });
    for (let i = 0; i < 20; i++) {
      pair.server.engine.requestClientCertificate();
      await pair.run();
    }
    assert.equal(eventsOf(pair.server, 'client_certificate').length, 20);
    assert.equal(contexts.size, 20);
  });

  test('answers on a resumed connection, over the transcript of that one', async () => {
    const w = await world(alice);
    const first = await connect(w);
    const tickets = eventsOf(first.client, 'ticket').map(({ ticket }) => ticket);
    const pair = await connect(w, { tickets });
    assert.equal(pair.server.engine.info?.resumed, true);
    pair.server.engine.requestClientCertificate();
    await pair.run();
    assert.deepEqual(pair.server.engine.info?.peer.chain, [alice.certificate]);
    assert.equal(pair.server.engine.info?.resumed, true);
  });

  test('answers after a HelloRetryRequest, and with every hash', async () => {
    for (const cipherSuites of [['TLS_AES_256_GCM_SHA384'], ['TLS_CHACHA20_POLY1305_SHA256']]) {
      const w = await world(alice, {
        server: { groups: ['secp256r1'], cipherSuites },
        client: { keyShareCount: 1 },
      });
      const pair = await connect(w);
      assert.equal(pair.server.engine.info?.helloRetried, true);
      pair.server.engine.requestClientCertificate();
      await pair.run();
      assert.deepEqual(pair.server.engine.info?.peer.chain, [alice.certificate]);
    }
  });

  test('that did not offer it refuses the request', async () => {
    const pair = await connect(await world(alice, { client: { postHandshakeAuth: false } }));
    // A server that asks all the same.
    const request = { signatureAlgorithms: [0x0403] };
    const output = pair.server.engine as unknown as Output;
    output.send(
      encodeHandshakeMessage({ type: 'certificate_request', context: new Uint8Array(32), extensions: request }),
    );
    await pair.run();
    assert.equal(errorOf(pair.client)?.code, 'handshake.unexpected_message');
    assert.equal(errorOf(pair.client)?.alert, 'unexpected_message');
  });

  test('that did not offer it has not said so in its ClientHello, and one that did has', async () => {
    for (const offers of [false, true]) {
      const { client } = new Pair(await world(alice, { client: { postHandshakeAuth: offers } }));
      const hello = decodeHandshakeMessage(1, client.engine.pull()!.subarray(9));
      assert.equal(hello.type === 'client_hello' && hello.extensions.postHandshakeAuth, offers ? true : undefined);
    }
  });

  test('refuses a request without signature_algorithms', async () => {
    const pair = await connect(await world(alice));
    corrupt(pair.server, (message) =>
      message.type === 'certificate_request' ? { ...message, extensions: {} } : message,
    );
    pair.server.engine.requestClientCertificate();
    await pair.run();
    assert.equal(errorOf(pair.client)?.code, 'certificate_request.missing_signature_algorithms');
    assert.equal(errorOf(pair.client)?.alert, 'missing_extension');
  });

  test('ignores it after its close_notify', async () => {
    const pair = await connect(await world(alice));
    pair.server.engine.requestClientCertificate();
    const sent = messagesOf(pair.client);
    pair.client.engine.close();
    pair.server.engine.write(latin1('last words'));
    await pair.run();
    assert.deepEqual(sent, []);
    assert.equal(textOf(pair.client), 'last words');
    assert.equal(errorOf(pair.client) ?? errorOf(pair.server), undefined);
    assert.throws(() => pair.server.engine.requestClientCertificate(), usage('post_handshake_auth.read_closed'));
  });
});

describe('while a signer works', () => {
  test('data flows both ways, keys change, and the answer is still whole and under the keys of its moment', async () => {
    const { slow, letOut } = slowCredential(alice);
    const pair = await connect(await world(undefined, { client: { credentials: [slow] } }));
    pair.server.engine.requestClientCertificate();
    await pair.run();
    assert.equal(pair.client.engine.state, 'connected');
    assert.equal(pair.client.engine.wantsInput, true);
    for (let i = 0; i < 3; i++) {
      pair.client.engine.write(latin1(`up${i} `));
      pair.server.engine.write(latin1(`down${i} `));
      pair.client.engine.updateKeys(true);
      pair.server.engine.updateKeys(true);
      await pair.run();
    }
    assert.deepEqual([textOf(pair.server), textOf(pair.client)], ['up0 up1 up2 ', 'down0 down1 down2 ']);
    assert.deepEqual(eventsOf(pair.server, 'client_certificate'), []);
    const sent = messagesOf(pair.client);
    letOut();
    await new Promise((resolve) => setImmediate(resolve));
    pair.client.engine.updateKeys();
    await pair.run();
    assert.deepEqual(
      sent.map(({ type }) => type),
      ['certificate', 'certificate_verify', 'finished', 'key_update'],
    );
    assert.deepEqual(pair.server.engine.info?.peer.chain, [alice.certificate]);
    assert.equal(errorOf(pair.server), undefined);
  });

  test('a KeyUpdate that the server asked for does not split the answer', async () => {
    const pair = await connect(await world(alice));
    pair.server.engine.updateKeys(true);
    pair.server.engine.requestClientCertificate();
    pair.server.engine.updateKeys(false);
    await pair.run();
    assert.equal(errorOf(pair.client) ?? errorOf(pair.server), undefined);
    pair.client.engine.write(latin1('after'));
    await pair.run();
    assert.deepEqual(pair.server.engine.info?.peer.chain, [alice.certificate]);
    assert.equal(textOf(pair.server), 'after');
  });

  test('several requests wait, and are answered as they get ready', async () => {
    const { slow, letOut } = slowCredential(alice);
    const pair = await connect(await world(undefined, { client: { credentials: [slow] } }));
    const send = (context: number): void =>
      (pair.server.engine as unknown as Output).send(
        encodeHandshakeMessage({
          type: 'certificate_request',
          context: Uint8Array.of(context),
          extensions: { signatureAlgorithms: [0x0403] },
        }),
      );
    const sent = messagesOf(pair.client);
    for (const context of [1, 2, 3]) send(context);
    await pair.run();
    // The client answers all of them; it is our server that wants one at a time, so look at the client alone.
    for (const index of [2, 0, 0]) letOut(index);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      sent.map(({ type }) => type),
      [3, 1, 2].flatMap(() => ['certificate', 'certificate_verify', 'finished']),
    );
    assert.deepEqual(
      sent.flatMap((message) => (message.type === 'certificate' ? [...message.context] : [])),
      [3, 1, 2],
    );
  });

  test('closing drops the answer', async () => {
    const { slow, letOut } = slowCredential(alice);
    const pair = await connect(await world(undefined, { client: { credentials: [slow] } }));
    pair.server.engine.requestClientCertificate();
    await pair.run();
    const sent = messagesOf(pair.client);
    pair.client.engine.close();
    letOut();
    await new Promise((resolve) => setImmediate(resolve));
    await pair.run();
    assert.deepEqual(sent, []);
    assert.equal(errorOf(pair.client) ?? errorOf(pair.server), undefined);
    assert.equal(eventsOf(pair.server, 'end').length, 1);
  });

  test('a signer that fails ends the connection', async () => {
    for (const sign of [() => Promise.reject(new Error('no token')), () => assert.fail('no token')]) {
      const credential = { ...alice.credential, signer: { schemes: [0x0403], sign } as Signer };
      const pair = await connect(await world(undefined, { client: { credentials: [credential] } }));
      pair.server.engine.requestClientCertificate();
      await pair.run();
      await new Promise((resolve) => setImmediate(resolve));
      await pair.run();
      assert.equal(errorOf(pair.client)?.alert, 'internal_error');
      assert.match(errorOf(pair.client)!.message, /no token/);
      assert.equal(errorOf(pair.server)?.alert, 'internal_error');
    }
  });
});

describe('a flood of requests', () => {
  const flood = async (pair: Pair, count: number): Promise<void> => {
    for (let i = 0; i < count; i++)
      (pair.server.engine as unknown as Output).send(
        encodeHandshakeMessage({
          type: 'certificate_request',
          context: Uint8Array.of(i),
          extensions: { signatureAlgorithms: [0x0403] },
        }),
      );
    pair.carry(pair.server, pair.client);
  };

  test('ends at certificateRequestsReceived', async () => {
    const limits = { certificateRequestsReceived: 5 };
    const pair = await connect(await world(undefined, { client: { limits } }));
    await flood(pair, 5);
    assert.equal(errorOf(pair.client), undefined);
    await flood(pair, 1);
    assert.equal(errorOf(pair.client)?.code, 'certificate_request.too_many');
    assert.equal(errorOf(pair.client)?.alert, 'unexpected_message');
  });

  test('ends at certificateRequestsPending while answers wait', async () => {
    const { slow, letOut } = slowCredential(alice);
    const limits = { certificateRequestsPending: 2 };
    const pair = await connect(await world(undefined, { client: { credentials: [slow], limits } }));
    await flood(pair, 2);
    letOut();
    await new Promise((resolve) => setImmediate(resolve));
    await flood(pair, 1);
    assert.equal(errorOf(pair.client), undefined);
    await flood(pair, 1);
    assert.equal(errorOf(pair.client)?.code, 'certificate_request.too_many');
  });
});

describe('a server asks', () => {
  test('only when it can, and says why not', async () => {
    const early = new Pair(await world(alice));
    assert.throws(() => early.server.engine.requestClientCertificate(), usage('connection.not_secure'));
    const pair = await connect(await world(alice));
    assert.throws(() => pair.client.engine.requestClientCertificate(), usage('post_handshake_auth.client'));
    pair.server.engine.requestClientCertificate();
    assert.throws(() => pair.server.engine.requestClientCertificate(), usage('post_handshake_auth.outstanding'));
    await pair.run();
    pair.server.engine.requestClientCertificate();
    await pair.run();
    pair.server.engine.close();
    assert.throws(() => pair.server.engine.requestClientCertificate(), usage('connection.write_closed'));
    const silent = await connect(await world(alice, { client: { postHandshakeAuth: false } }));
    assert.throws(() => silent.server.engine.requestClientCertificate(), usage('post_handshake_auth.not_offered'));
    const blind = await connect(await world(alice, { server: { verifier: undefined } }));
    assert.throws(() => blind.server.engine.requestClientCertificate(), usage('post_handshake_auth.no_verifier'));
    // None of these mistakes costs the connection anything.
    blind.server.engine.write(latin1('fine'));
    await blind.run();
    assert.equal(textOf(blind.client), 'fine');
  });

  test('from inside the secure event', async () => {
    const pair = new Pair(await world(alice));
    pair.server.engine.onEvent = ({ type }) => {
      if (type === 'secure') pair.server.engine.requestClientCertificate();
    };
    await pair.run();
    assert.deepEqual(pair.server.engine.info?.peer.chain, [alice.certificate]);
  });

  test('again as soon as it has the answer', async () => {
    const pair = await connect(await world(alice));
    let times = 0;
    pair.server.engine.onEvent = ({ type }) => {
      if (type === 'client_certificate' && ++times < 5) pair.server.engine.requestClientCertificate();
    };
    pair.server.engine.requestClientCertificate();
    await pair.run();
    assert.equal(eventsOf(pair.server, 'client_certificate').length, 5);
    assert.equal(eventsOf(pair.client, 'ticket').length, 2 * 6);
    assert.equal(errorOf(pair.server), undefined);
  });

  test('and hears of the new identity before the data that follows it', async () => {
    const verdict = later<PeerVerdict>();
    const verifier = { verify: () => verdict.promise };
    const pair = await connect(await world(alice, { server: { verifier } }));
    pair.server.engine.requestClientCertificate();
    pair.client.engine.write(latin1('before '));
    pair.carry(pair.client, pair.server);
    pair.carry(pair.server, pair.client);
    pair.client.engine.write(latin1('after'));
    pair.carry(pair.client, pair.server);
    assert.equal(pair.server.engine.state, 'parked:verifyPeer');
    // The server still writes while its verifier thinks.
    pair.server.engine.write(latin1('patience'));
    pair.server.engine.updateKeys();
    pair.carry(pair.server, pair.client);
    assert.equal(textOf(pair.client), 'patience');
    assert.equal(textOf(pair.server), 'before ');
    verdict.resolve({ trusted: true });
    await pair.run();
    const order = pair.server.events.map(({ type }) => type).filter((type) => type.startsWith('c') || type === 'data');
    assert.deepEqual(order, ['data', 'client_certificate', 'data']);
    assert.equal(textOf(pair.server), 'before after');
  });

  test('and may close or fail while its verifier thinks', async () => {
    for (const end of ['close', 'abort'] as const) {
      const verdict = later<PeerVerdict>();
      const pair = await connect(await world(alice, { server: { verifier: { verify: () => verdict.promise } } }));
      pair.server.engine.requestClientCertificate();
      pair.carry(pair.server, pair.client);
      pair.carry(pair.client, pair.server);
      if (end === 'close') pair.server.engine.close();
      else pair.server.engine.abort('access_denied');
      const tickets = eventsOf(pair.server, 'ticket_issued').length;
      verdict.resolve({ trusted: true });
      await pair.run();
      assert.equal(errorOf(pair.server), undefined);
      assert.equal(eventsOf(pair.server, 'client_certificate').length, end === 'close' ? 1 : 0);
      assert.equal(eventsOf(pair.server, 'ticket_issued').length, tickets, 'no ticket after close');
    }
  });

  test('and refuses a client that shows nothing when it must', async () => {
    const optional = await connect(await world(undefined));
    optional.server.engine.requestClientCertificate({ required: true });
    await optional.run();
    assert.equal(errorOf(optional.server)?.code, 'certificate.required');
    assert.equal(errorOf(optional.client)?.alert, 'certificate_required');

    let shown = 0;
    const chooseCredential = (): Credential | undefined => (shown++ === 0 ? alice.credential : undefined);
    const strict = { server: { clientAuth: 'require' as const }, client: { chooseCredential } };
    const required = await connect(await world(undefined, strict));
    required.server.engine.requestClientCertificate();
    await required.run();
    assert.equal(errorOf(required.server)?.code, 'certificate.required');

    shown = 0;
    const mild = await connect(await world(undefined, strict));
    mild.server.engine.requestClientCertificate({ required: false });
    await mild.run();
    assert.deepEqual(eventsOf(mild.server, 'client_certificate')[0]?.peer.chain, []);
  });

  test('and refuses a certificate it does not trust with the alert of its verdict, or goes on and says so', async () => {
    const strict = await connect(await world(mallory));
    const before = eventsOf(strict.server, 'ticket_issued').length;
    strict.server.engine.requestClientCertificate();
    await strict.run();
    assert.equal(errorOf(strict.server)?.code, 'certificate.not_trusted');
    assert.equal(errorOf(strict.client)?.alert, errorOf(strict.server)?.alert);
    assert.deepEqual(eventsOf(strict.server, 'client_certificate'), []);
    assert.equal(eventsOf(strict.server, 'ticket_issued').length, before);

    const mild = await connect(await world(mallory, { server: { rejectUnauthorized: false } }));
    mild.server.engine.requestClientCertificate();
    await mild.run();
    const { peer } = eventsOf(mild.server, 'client_certificate')[0]!;
    assert.deepEqual([peer.chain, peer.authorized], [[mallory.certificate], false]);
    assert.equal(typeof peer.authorizationError, 'string');
  });
});

describe('a server refuses a client that', () => {
  const flip = (bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte));
  const keyUpdate: HandshakeMessage = { type: 'key_update', requestUpdate: false };
  const cases: readonly (readonly [what: string, change: Change, code: string, alert: string])[] = [
    [
      'answers with another context',
      (m) => (m.type === 'certificate' ? { ...m, context: flip(m.context) } : m),
      'certificate.bad_context',
      'illegal_parameter',
    ],
    [
      'answers with an empty context',
      (m) => (m.type === 'certificate' ? { ...m, context: new Uint8Array(0) } : m),
      'certificate.bad_context',
      'illegal_parameter',
    ],
    [
      'leaves out CertificateVerify',
      (m) => (m.type === 'certificate_verify' ? [] : m),
      'handshake.unexpected_message',
      'unexpected_message',
    ],
    [
      'leaves out Certificate',
      (m) => (m.type === 'certificate' ? [] : m),
      'handshake.unexpected_message',
      'unexpected_message',
    ],
    [
      'signs wrongly',
      (m) => (m.type === 'certificate_verify' ? { ...m, signature: flip(m.signature) } : m),
      'handshake.bad_signature',
      'decrypt_error',
    ],
    [
      'signs with a scheme that was not offered',
      (m) => (m.type === 'certificate_verify' ? { ...m, algorithm: 0x0401 } : m),
      'handshake.signature_scheme_not_offered',
      'illegal_parameter',
    ],
    [
      'shows another certificate than it signed with',
      (m) =>
        m.type === 'certificate'
          ? { ...m, entries: [{ certificate: alice.certificate, extensionTypes: [] }, ...m.entries] }
          : m,
      'handshake.bad_signature',
      'decrypt_error',
    ],
    [
      'finishes wrongly',
      (m) => (m.type === 'finished' ? { ...m, verifyData: flip(m.verifyData) } : m),
      'handshake.finished_mismatch',
      'decrypt_error',
    ],
    [
      'takes the certificate back',
      (m) => (m.type === 'certificate' ? { ...m, entries: [] } : m.type === 'certificate_verify' ? [] : m),
      'handshake.finished_mismatch',
      'decrypt_error',
    ],
    [
      'sends an empty Certificate and signs',
      (m) => (m.type === 'certificate' ? { ...m, entries: [] } : m),
      'handshake.unexpected_message',
      'unexpected_message',
    ],
    [
      'adds an extension to its certificate',
      (m) =>
        m.type === 'certificate'
          ? { ...m, entries: m.entries.map((entry) => ({ ...entry, ocspResponse: Uint8Array.of(1) })) }
          : m,
      'extension.not_requested',
      'unsupported_extension',
    ],
    [
      'puts a KeyUpdate between Certificate and CertificateVerify',
      (m) => (m.type === 'certificate_verify' ? [keyUpdate, m] : m),
      'record.not_aligned',
      'unexpected_message',
    ],
    [
      'answers twice',
      (m) => (m.type === 'certificate' ? [m, m] : m),
      'handshake.unexpected_message',
      'unexpected_message',
    ],
  ];
  for (const [what, change, code, alert] of cases) {
    test(what, async () => {
      const pair = await connect(await world(alice));
      const before = eventsOf(pair.server, 'ticket_issued').length;
      corrupt(pair.client, change);
      pair.server.engine.requestClientCertificate();
      await pair.run();
      assert.equal(errorOf(pair.server)?.code, code);
      assert.equal(errorOf(pair.server)?.alert, alert);
      assert.equal(errorOf(pair.client)?.alert, alert);
      assert.deepEqual(eventsOf(pair.server, 'client_certificate'), []);
      assert.deepEqual(pair.server.engine.info?.peer.chain, [], 'nobody');
      assert.equal(eventsOf(pair.server, 'ticket_issued').length, before);
    });
  }

  test('answers without being asked, also a second time', async () => {
    const answers: Uint8Array[] = [];
    const pair = await connect(await world(alice));
    const output = pair.client.engine as unknown as Output;
    corrupt(pair.client, (message) => {
      answers.push(encodeHandshakeMessage(message));
      return message;
    });
    pair.server.engine.requestClientCertificate();
    await pair.run();
    assert.equal(errorOf(pair.server), undefined);
    assert.equal(answers.length, 3);
    for (const message of [...answers]) output.send(message);
    await pair.run();
    assert.equal(errorOf(pair.server)?.code, 'handshake.unexpected_message');
    assert.match(errorOf(pair.server)!.message, /not asked for/);

    const unasked = await connect(await world(alice));
    const certificate: HandshakeMessage = { type: 'certificate', context: new Uint8Array(0), entries: [] };
    (unasked.client.engine as unknown as Output).send(encodeHandshakeMessage(certificate));
    await unasked.run();
    assert.equal(errorOf(unasked.server)?.code, 'handshake.unexpected_message');
  });

  test('repeats an old answer to a new request', async () => {
    const pair = await connect(await world(alice));
    const old: HandshakeMessage[] = [];
    corrupt(pair.client, (message) => {
      old.push(message);
      return message;
    });
    pair.server.engine.requestClientCertificate();
    await pair.run();
    corrupt(pair.client, (message) => old.find(({ type }) => type === message.type) ?? message);
    pair.server.engine.requestClientCertificate();
    await pair.run();
    assert.equal(errorOf(pair.server)?.code, 'certificate.bad_context');
  });

  test('interrupts its answer with data, an empty record, or a KeyUpdate in a record of its own', async () => {
    const interruptions: readonly (readonly [(client: Side) => void, string])[] = [
      [({ engine }) => engine.write(latin1('x')), 'record.unexpected_type'],
      [({ engine }) => engine.write(new Uint8Array(0)), 'record.unexpected_type'],
      [({ engine }) => engine.updateKeys(), 'handshake.unexpected_message'],
    ];
    for (const [interrupt, code] of interruptions) {
      const pair = await connect(await world(alice));
      corrupt(pair.client, (message) => {
        if (message.type !== 'certificate_verify') return message;
        (pair.client.engine as unknown as Output).endFlight();
        interrupt(pair.client);
        return message;
      });
      pair.server.engine.requestClientCertificate();
      await pair.run();
      assert.equal(errorOf(pair.server)?.code, code);
      assert.equal(errorOf(pair.server)?.alert, 'unexpected_message');
    }
  });
});

describe('tickets', () => {
  test('come again, as many as the number says now, and one on a resumed connection', async () => {
    const w = await world(alice, { server: { tickets: 3 } });
    const pair = await connect(w);
    assert.equal(eventsOf(pair.client, 'ticket').length, 3);
    const ask = async (): Promise<number> => {
      const before = eventsOf(pair.client, 'ticket').length;
      pair.server.engine.requestClientCertificate();
      await pair.run();
      return eventsOf(pair.client, 'ticket').length - before;
    };
    assert.equal(await ask(), 3);
    pair.server.engine.numTickets = 4;
    assert.equal(await ask(), 4);
    pair.server.engine.numTickets = 0;
    assert.equal(await ask(), 0);
    const psks = eventsOf(pair.client, 'ticket').map(({ ticket }) => Buffer.from(ticket.psk).toString('hex'));
    assert.equal(new Set(psks).size, 10);

    const resumed = await connect(w, { tickets: [eventsOf(pair.client, 'ticket')[0]!.ticket] });
    resumed.server.engine.numTickets = 5;
    const before = eventsOf(resumed.client, 'ticket').length;
    resumed.server.engine.requestClientCertificate();
    await resumed.run();
    assert.equal(eventsOf(resumed.client, 'ticket').length - before, 1);
  });

  test('come also after an empty answer', async () => {
    const pair = await connect(await world(undefined));
    pair.server.engine.requestClientCertificate();
    await pair.run();
    assert.equal(eventsOf(pair.client, 'ticket').length, 4);
  });

  test('may be told apart in number by the listener of the event', async () => {
    const pair = await connect(await world(alice));
    pair.server.engine.onEvent = ({ type }) => {
      if (type === 'client_certificate') pair.server.engine.numTickets = 7;
    };
    pair.server.engine.requestClientCertificate();
    await pair.run();
    assert.equal(eventsOf(pair.client, 'ticket').length, 2 + 7);
  });

  test('of before keep the old identity, those of after restore the new one', async () => {
    const w = await world(alice);
    const pair = await connect(w);
    pair.server.engine.requestClientCertificate();
    await pair.run();
    const tickets = eventsOf(pair.client, 'ticket').map(({ ticket }) => ticket);
    assert.equal(tickets.length, 4);
    for (const [i, ticket] of tickets.entries()) {
      const again = await connect(w, { tickets: [ticket] });
      assert.equal(again.server.engine.info?.resumed, true);
      const expected = i < 2 ? { chain: [], authorized: false } : { chain: [alice.certificate], authorized: true };
      assert.deepEqual(again.server.engine.info?.peer, expected);
    }
  });
});
