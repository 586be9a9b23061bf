/** What a connection tells of itself, and the little that it lets an application change on the way. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TlsAlertError } from '../../src/errors/index.ts';
import type { ClientTicket } from '../../src/tickets/index.ts';
import { SignatureScheme } from '../../src/wire/index.ts';
import { createVerifier } from '../../src/x509/index.ts';
import { makeIdentity } from '../support/certificates.ts';
import { connect, createWorld, errorOf, eventsOf, Pair, type WorldOptions } from './pair.ts';

const staple = Uint8Array.of(0x30, 3, 0x0a, 1, 0);
const other = Uint8Array.of(0x30, 3, 0x0a, 1, 6);

describe('Finished', () => {
  it('both sides know both, and no two connections have the same', async () => {
    const world = await createWorld();
    const first = await connect(world);
    const [client, server] = [first.client.engine.info!, first.server.engine.info!];
    assert.equal(client.finished.length, 32);
    assert.deepEqual(client.finished, server.peerFinished);
    assert.deepEqual(client.peerFinished, server.finished);
    assert.notDeepEqual(client.finished, client.peerFinished);
    const again = await connect(world);
    assert.notDeepEqual(again.client.engine.info!.finished, client.finished);
  });

  it('is as long as the hash of the suite', async () => {
    const { client } = await connect(await createWorld({ client: { cipherSuites: ['TLS_AES_256_GCM_SHA384'] } }));
    assert.equal(client.engine.info!.peerFinished.length, 48);
  });
});

describe('shared signature schemes', () => {
  const { ed25519, ecdsa_secp256r1_sha256, rsa_pss_rsae_sha256, ...S } = SignatureScheme;
  const names = { server: ['ed25519', 'rsa_pss_rsae_sha256', 'ecdsa_secp256r1_sha256'] };
  const client = ['ecdsa_secp256r1_sha256', 'ecdsa_secp384r1_sha384', 'ed25519'];

  it('of a server: in its own order', async () => {
    const world = await createWorld({
      server: { signatureSchemes: names.server },
      client: { signatureSchemes: client },
    });
    const pair = await connect(world);
    assert.deepEqual(pair.server.engine.info!.sharedSignatureSchemes, [ed25519, ecdsa_secp256r1_sha256]);
    assert.deepEqual(pair.client.engine.info!.sharedSignatureSchemes, []);
  });

  it('of a client that was asked for a certificate: in the order of the server', async () => {
    const identity = await makeIdentity();
    const options: WorldOptions = {
      identity,
      client: { credentials: [identity.credential], signatureSchemes: client },
    };
    const { clientConfig } = await createWorld(options);
    const verifier = createVerifier({ crypto: clientConfig.crypto, anchors: [identity.certificate] });
    const server = { clientAuth: 'require' as const, verifier, signatureSchemes: names.server };
    const pair = await connect(await createWorld({ ...options, server }));
    assert.deepEqual(pair.client.engine.info!.sharedSignatureSchemes, [ed25519, ecdsa_secp256r1_sha256]);
    assert.ok(!pair.server.engine.info!.sharedSignatureSchemes.includes(rsa_pss_rsae_sha256));
    assert.ok(!pair.server.engine.info!.sharedSignatureSchemes.includes(S.rsa_pkcs1_sha256));
  });

  it('of a resumption: none', async () => {
    const world = await createWorld();
    const first = await connect(world);
    const { server } = await connect(world, { tickets: [eventsOf(first.client, 'ticket')[0]!.ticket] });
    assert.equal(server.engine.info!.resumed, true);
    assert.deepEqual(server.engine.info!.sharedSignatureSchemes, []);
  });
});

describe('stapleOcsp', () => {
  it('is asked with the credential and the hello, and the client gets the answer', async () => {
    const asked: unknown[] = [];
    const world = await createWorld({
      server: {
        stapleOcsp: async (credential, hello) => {
          asked.push([credential.names[0], hello.serverName]);
          return staple;
        },
      },
    });
    const { client, server } = await connect(world);
    assert.deepEqual(asked, [['localhost', 'localhost']]);
    assert.deepEqual(client.engine.info!.ocspResponse, staple);
    assert.equal(server.engine.info!.ocspResponse, undefined);
  });

  it('gives each connection its own answer', async () => {
    const answers = [staple, other, undefined, staple, staple];
    let asked = 0;
    const world = await createWorld({ server: { stapleOcsp: () => answers[asked++] } });
    for (const expected of answers) {
      const { client } = await connect(world);
      assert.deepEqual(client.engine.info!.ocspResponse, expected);
    }
  });

  it('is not asked when the client wants none, nor when it resumes', async () => {
    let asked = 0;
    const world = await createWorld({ server: { stapleOcsp: () => void asked++ } });
    const { client } = await connect(world, { requestOcsp: false });
    assert.equal(asked, 0);
    const tickets: ClientTicket[] = [eventsOf(client, 'ticket')[0]!.ticket];
    await connect(world, { tickets });
    assert.equal(asked, 0);
    await connect(world);
    assert.equal(asked, 1);
  });

  it('a client may ask for it on one connection of a config that does not', async () => {
    const world = await createWorld({ client: { requestOcsp: false }, server: { stapleOcsp: () => staple } });
    assert.equal((await connect(world)).client.engine.info!.ocspResponse, undefined);
    const { client } = await connect(world, { requestOcsp: true });
    assert.deepEqual(client.engine.info!.ocspResponse, staple);
  });

  const failures: [string, () => unknown, RegExp][] = [
    ['throws', () => assert.fail('down'), /down/],
    ['rejects', () => Promise.reject(new Error('refused')), /refused/],
    ['gives nothing to send', () => new Uint8Array(0), /fitting size/],
    ['gives too much', () => new Uint8Array(131_073), /fitting size/],
    ['gives something else', () => 'staple', /fitting size/],
  ];
  for (const [name, fail, message] of failures) {
    it(`when it ${name}, the staple of the credential is left`, async () => {
      const identity = await makeIdentity();
      const world = await createWorld({
        identity: { ...identity, credential: { ...identity.credential, ocspResponse: other } },
        server: { stapleOcsp: fail as () => Uint8Array },
      });
      const { client, server } = await connect(world);
      assert.deepEqual(client.engine.info!.ocspResponse, other);
      const [{ error } = assert.fail('nothing was reported')] = eventsOf(server, 'ocsp_failed');
      assert.match((error as Error).message, message);
    });
  }

  it('may refuse the connection with an alert', async () => {
    const stapleOcsp = (): never => {
      throw new TlsAlertError('certificate.not_trusted', 'certificate_unknown', 'revoked');
    };
    const { client } = await connect(await createWorld({ server: { stapleOcsp } }));
    assert.equal(errorOf(client)?.alert, 'certificate_unknown');
  });
});

describe('maxSendFragment', () => {
  const lengths = (bytes: Uint8Array): number[] => {
    const found: number[] = [];
    for (let at = 0; at < bytes.length; at += 5 + found.at(-1)!) found.push((bytes[at + 3]! << 8) | bytes[at + 4]!);
    return found;
  };

  it('counts from the next write on, and may also go up', async () => {
    const { client } = await connect(await createWorld({ client: { maxSendFragment: 1_000 } }));
    assert.equal(client.engine.maxSendFragment, 1_000);
    const write = (): number[] => {
      client.engine.write(new Uint8Array(2_048));
      return lengths(client.engine.pull()!).map((length) => length - 17);
    };
    assert.deepEqual(write(), [1_000, 1_000, 48]);
    client.engine.maxSendFragment = 512;
    assert.deepEqual(write(), [512, 512, 512, 512]);
    client.engine.maxSendFragment = 16_384;
    assert.deepEqual(write(), [2_048]);
  });

  it('does not go beyond what the peer takes, and stays when keys change', async () => {
    const { client } = await connect(await createWorld({ server: { recordSizeLimit: 801 } }));
    client.engine.maxSendFragment = 1_024;
    client.engine.updateKeys();
    client.engine.pull();
    client.engine.write(new Uint8Array(1_000));
    assert.deepEqual(lengths(client.engine.pull()!), [817, 217]);
  });

  it('is from 512 to 16,384', async () => {
    const { engine } = new Pair(await createWorld()).client;
    for (const wrong of [511, 16_385, 0, -1, 600.5, Number.NaN])
      assert.throws(() => Object.assign(engine, { maxSendFragment: wrong }), { code: 'config.out_of_range' });
  });
});

describe('a chosen config', () => {
  it('brings its padding, its record size and its limits', async () => {
    const chosen = await createWorld({
      server: {
        maxSendFragment: 512,
        padding: () => 100,
        recordSizeLimit: 600,
        limits: { certificateLength: 10 },
        clientAuth: 'request',
        verifier: { verify: () => ({ trusted: true }) },
      },
    });
    const identity = await makeIdentity();
    const options = { client: { credentials: [identity.credential] } };
    const world = await createWorld({ ...options, server: { chooseConfig: () => chosen.serverConfig } });
    const { client, server } = await connect(world);
    assert.equal(server.engine.maxSendFragment, 512);
    assert.equal(errorOf(server)?.code, 'handshake.too_long');
    // EncryptedExtensions … Finished: 512 bytes of plaintext with its padding, content type and tag.
    const flight = Buffer.concat(server.sent);
    assert.ok(flight.includes('1703030211', 0, 'hex'));
    assert.ok(!flight.includes('17030303', 0, 'hex'));
    assert.ok(eventsOf(client, 'secure').length > 0);
  });

  it('what the application set on the engine stays', async () => {
    const chosen = await createWorld({ server: { maxSendFragment: 512 } });
    const world = await createWorld({ server: { chooseConfig: () => chosen.serverConfig } });
    const pair = new Pair(world);
    pair.server.engine.maxSendFragment = 2_000;
    await pair.run();
    assert.equal(pair.server.engine.maxSendFragment, 2_000);
  });
});
