/** RFC 8879: certificates in fewer bytes, of servers and clients, in the handshake and after it. */
import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import * as zlib from 'node:zlib';
import type { CertificateCompressionName, Compression, CryptoProvider } from '../../src/crypto/index.ts';
import type { Output } from '../../src/handshake/index.ts';
import { testCrypto } from '../../src/providers/test/index.ts';
import {
  type CompressedCertificate,
  decodeHandshakeMessage,
  encodeHandshakeMessage,
  type HandshakeMessage,
} from '../../src/wire/index.ts';
import { makeIdentity } from '../support/certificates.ts';
import { type Change, corrupt } from './corrupt.ts';
import { connect, createWorld, errorOf, eventsOf, Pair, type Side, type WorldOptions } from './pair.ts';

type Names = readonly CertificateCompressionName[];
const trusting = { verify: () => ({ trusted: true as const }) };

/** What `side` sends of certificates: type and length. */
function watch(side: Side): HandshakeMessage[] {
  const output = side.engine as unknown as Output;
  const real = Object.getPrototypeOf(output) as Output;
  const sent: HandshakeMessage[] = [];
  output.send = (raw) => {
    sent.push(decodeHandshakeMessage(raw[0]!, raw.subarray(4)));
    real.send.call(output, raw);
  };
  return sent;
}

const certificatesOf = (sent: readonly HandshakeMessage[]): string[] =>
  sent.map(({ type }) => type).filter((type) => type === 'certificate' || type === 'compressed_certificate');

/** A chain that compresses well: the same certificate again and again. */
async function longChain(): Promise<NonNullable<WorldOptions['identity']>> {
  const identity = await makeIdentity();
  const { certificate, credential } = identity;
  return { ...identity, credential: { ...credential, chain: [certificate, certificate, certificate] } };
}

async function worldOf(server: Names | undefined, client: Names | undefined, more: WorldOptions = {}) {
  return createWorld({
    identity: await longChain(),
    ...more,
    server: { certificateCompression: server, ...more.server },
    client: { certificateCompression: client, ...more.client },
  });
}

describe('which algorithm', () => {
  const cases: [server: Names | undefined, client: Names | undefined, used: CertificateCompressionName | undefined][] =
    [
      [undefined, undefined, undefined],
      [['zlib'], undefined, undefined],
      [undefined, ['zlib'], undefined],
      [[], ['zlib'], undefined],
      [['zlib'], ['brotli'], undefined],
      [['zlib'], ['zlib'], 'zlib'],
      [['brotli'], ['brotli'], 'brotli'],
      [['zlib', 'brotli'], ['brotli', 'zlib'], 'zlib'],
      [['brotli', 'zlib'], ['zlib', 'brotli'], 'brotli'],
      [['brotli', 'zlib'], ['zlib'], 'zlib'],
      ...(!('zstdCompressSync' in zlib) ? [] : ([[['zstd'], ['brotli', 'zstd'], 'zstd']] as const)),
    ] as typeof cases;
  for (const [server, client, used] of cases) {
    it(`server ${server ?? '-'}, client ${client ?? '-'}: ${used ?? 'not compressed'}`, async () => {
      const pair = new Pair(await worldOf(server, client));
      const sent = watch(pair.server);
      await pair.run();
      assert.deepEqual(certificatesOf(sent), [used ? 'compressed_certificate' : 'certificate']);
      for (const side of [pair.client, pair.server]) assert.equal(side.engine.info?.certificateCompression, used);
      assert.equal(pair.client.engine.info!.peer.chain.length, 3);
    });
  }

  it('a HelloRetryRequest changes nothing', async () => {
    const retried = { server: { groups: ['secp256r1'] }, client: { keyShareCount: 1 } };
    const { client } = await connect(await worldOf(['brotli'], ['brotli'], retried));
    assert.equal(client.engine.info?.helloRetried, true);
    assert.equal(client.engine.info?.certificateCompression, 'brotli');
  });

  it('a resumption has no certificate', async () => {
    const world = await worldOf(['brotli'], ['brotli']);
    const tickets = eventsOf((await connect(world)).client, 'ticket').map(({ ticket }) => ticket);
    const { client, server } = await connect(world, { tickets });
    assert.equal(client.engine.info?.resumed, true);
    assert.equal(client.engine.info?.certificateCompression, undefined);
    assert.equal(server.engine.info?.certificateCompression, undefined);
  });

  it('what does not get shorter is sent as it is', async () => {
    const stupid = provider((c) => ({ ...c, compress: (data) => new Uint8Array(data.length).fill(1) }));
    const pair = new Pair(await worldOf(['zlib'], ['zlib'], { server: { crypto: stupid } }));
    const sent = watch(pair.server);
    await pair.run();
    assert.deepEqual(certificatesOf(sent), ['certificate']);
    assert.equal(pair.server.engine.info?.certificateCompression, undefined);
  });

  it('an algorithm must be known, and one that is asked for must be there', async () => {
    const bad = { code: 'config.bad_certificateCompression' };
    await assert.rejects(worldOf(['gzip' as 'zlib'], undefined), bad);
    const { compression: _none, ...without } = testCrypto({ seed: 'none' });
    await assert.rejects(worldOf(['zlib'], undefined, { server: { crypto: without } }), bad);
  });
});

/** The test provider with another compression. */
function provider(change: (compression: Compression) => Compression): CryptoProvider {
  const crypto = testCrypto({ seed: 'compression' });
  const known = new Map<number, Compression>();
  return {
    ...crypto,
    compression(algorithm) {
      const found = crypto.compression?.(algorithm);
      if (found !== undefined && !known.has(algorithm)) known.set(algorithm, change(found));
      return known.get(algorithm);
    },
  };
}

describe('work', () => {
  it('a certificate is compressed once for each algorithm and staple', async () => {
    let count = 0;
    const counting = provider((c) => ({
      ...c,
      compress(data) {
        count++;
        return c.compress(data);
      },
    }));
    let staple: Uint8Array | undefined;
    const server = { crypto: counting, stapleOcsp: () => staple };
    const world = await worldOf(['brotli', 'zlib'], ['brotli'], { server });
    for (let i = 0; i < 3; i++) await connect(world);
    assert.equal(count, 1);
    staple = Uint8Array.of(0x30, 0);
    for (let i = 0; i < 3; i++) {
      const { client } = await connect(world);
      assert.deepEqual(client.engine.info?.ocspResponse, staple);
    }
    assert.equal(count, 2);
    await connect({ ...(await worldOf(undefined, ['zlib'])), serverConfig: world.serverConfig });
    assert.equal(count, 3);
  });

  it('nothing is decompressed that says it is too long, nor what nobody asked for', async () => {
    let asked = 0;
    const counting = provider((c) => ({
      ...c,
      decompress(data, length) {
        asked++;
        return c.decompress(data, length);
      },
    }));
    const tooLong = await worldOf(['zlib'], ['zlib'], {
      client: { crypto: counting, limits: { certificateLength: 1_000 } },
    });
    assert.equal(errorOf((await connect(tooLong)).client)?.code, 'certificate.too_long_uncompressed');
    const { server } = await unasked(await worldOf(['zlib'], ['zlib'], { server: { crypto: counting } }));
    assert.equal(errorOf(server)?.code, 'handshake.unexpected_message');
    assert.equal(asked, 0);
  });
});

describe('limits', () => {
  const taken = async (limits: { readonly certificateLength?: number; readonly handshakeMessageLength?: number }) => {
    const { client } = await connect(await worldOf(['zlib'], ['zlib'], { client: { limits } }));
    return errorOf(client)?.code ?? client.engine.info?.certificateCompression;
  };

  it('of a certificate count for it, compressed and uncompressed', async () => {
    // The compressed message has more than 250 bytes, and uncompressed more than 1,000.
    assert.equal(await taken({ handshakeMessageLength: 250 }), 'zlib');
    assert.equal(await taken({ certificateLength: 250 }), 'handshake.too_long');
    assert.equal(await taken({ certificateLength: 1_000 }), 'certificate.too_long_uncompressed');
  });

  it('count, whatever a provider says', async () => {
    const lying = provider((c) => ({
      ...c,
      decompress: (data, length) => new Uint8Array(length + 1).fill(data.length),
    }));
    const { client } = await connect(await worldOf(['zlib'], ['zlib'], { client: { crypto: lying } }));
    assert.equal(errorOf(client)?.code, 'certificate.bad_compression');
  });
});

/** A client that sends a certificate after the handshake, without having been asked. */
async function unasked(world: Awaited<ReturnType<typeof createWorld>>): Promise<Pair> {
  const pair = await connect(world);
  const message = {
    type: 'compressed_certificate' as const,
    algorithm: 1,
    uncompressedLength: 4,
    compressed: zlib.deflateSync(Buffer.alloc(4)),
  };
  (pair.client.engine as unknown as Output).send(encodeHandshakeMessage(message));
  return pair.run();
}

describe('certificates of clients', () => {
  const mutual = async (server: Names | undefined, client: Names | undefined): Promise<WorldOptions> => ({
    server: { certificateCompression: server, clientAuth: 'require', verifier: trusting },
    client: { certificateCompression: client, credentials: [(await longChain()).credential] },
  });

  for (const name of ['zlib', 'brotli'] as const) {
    it(`in the handshake: ${name}`, async () => {
      const pair = new Pair(await createWorld(await mutual([name], ['brotli', 'zlib'])));
      const sent = watch(pair.client);
      await pair.run();
      assert.deepEqual(certificatesOf(sent), ['compressed_certificate']);
      assert.equal(pair.server.engine.info?.peer.authorized, true);
      assert.equal(pair.server.engine.info?.peer.chain.length, 3);
    });
  }

  it('not compressed when the server does not say that it may be', async () => {
    const pair = new Pair(await createWorld(await mutual(undefined, ['brotli', 'zlib'])));
    const sent = watch(pair.client);
    await pair.run();
    assert.deepEqual(certificatesOf(sent), ['certificate']);
    assert.equal(pair.server.engine.info?.peer.authorized, true);
  });

  it('after the handshake, again and again', async () => {
    const options = await mutual(['brotli'], ['brotli']);
    const pair = await connect(
      await createWorld({
        server: { ...options.server, clientAuth: 'none' },
        client: { ...options.client, postHandshakeAuth: true },
      }),
    );
    const sent = watch(pair.client);
    for (let i = 0; i < 2; i++) {
      pair.server.engine.requestClientCertificate({ required: true });
      await pair.run();
    }
    assert.deepEqual(certificatesOf(sent), ['compressed_certificate', 'compressed_certificate']);
    assert.deepEqual(
      eventsOf(pair.server, 'client_certificate').map(({ peer }) => [peer.authorized, peer.chain.length]),
      [
        [true, 3],
        [true, 3],
      ],
    );
  });

  it('an empty one stays as it is', async () => {
    const options = await mutual(['zlib'], ['zlib']);
    const world = await createWorld({
      ...options,
      server: { ...options.server, clientAuth: 'request' },
      client: { certificateCompression: ['zlib'] },
    });
    const pair = new Pair(world);
    const sent = watch(pair.client);
    await pair.run();
    assert.deepEqual(certificatesOf(sent), ['certificate']);
    assert.equal(pair.server.engine.info?.peer.authorized, false);
  });
});

/** Each way a CompressedCertificate can be wrong. The client finds it in a server's, and the server in a client's. */
const WRONG: readonly {
  readonly name: string;
  readonly code: string;
  readonly alert: string;
  readonly change: (message: CompressedCertificate) => HandshakeMessage | Uint8Array;
}[] = [
  {
    name: 'by an algorithm that was not offered',
    code: 'certificate.compression_not_offered',
    alert: 'illegal_parameter',
    change: (m) => ({ ...m, algorithm: 2 }),
  },
  {
    name: 'by an algorithm that nobody has heard of',
    code: 'certificate.compression_not_offered',
    alert: 'illegal_parameter',
    change: (m) => ({ ...m, algorithm: 0x4000 }),
  },
  {
    name: 'one byte longer than it says',
    code: 'certificate.bad_compression',
    alert: 'bad_certificate',
    change: (m) => ({ ...m, uncompressedLength: m.uncompressedLength - 1 }),
  },
  {
    name: 'one byte shorter than it says',
    code: 'certificate.bad_compression',
    alert: 'bad_certificate',
    change: (m) => ({ ...m, uncompressedLength: m.uncompressedLength + 1 }),
  },
  {
    name: 'of a length of 0',
    code: 'certificate.bad_compression',
    alert: 'bad_certificate',
    change: (m) => ({ ...m, uncompressedLength: 0, compressed: zlib.deflateSync(Buffer.alloc(0)) }),
  },
  {
    name: 'longer than the limit',
    code: 'certificate.too_long_uncompressed',
    alert: 'bad_certificate',
    change: (m) => ({ ...m, uncompressedLength: 131_073, compressed: zlib.deflateSync(Buffer.alloc(131_073)) }),
  },
  {
    name: 'a bomb that says it is small',
    code: 'certificate.bad_compression',
    alert: 'bad_certificate',
    change: (m) => ({ ...m, compressed: zlib.deflateSync(Buffer.alloc(16 << 20)) }),
  },
  {
    name: 'not compressed at all',
    code: 'certificate.bad_compression',
    alert: 'bad_certificate',
    change: (m) => ({ ...m, compressed: new Uint8Array(m.uncompressedLength).fill(0x30) }),
  },
  {
    name: 'cut off',
    code: 'certificate.bad_compression',
    alert: 'bad_certificate',
    change: (m) => ({ ...m, compressed: m.compressed.subarray(0, -1) }),
  },
  {
    name: 'with a byte behind the end of the compressed data',
    code: 'certificate.bad_compression',
    alert: 'bad_certificate',
    change: (m) => ({ ...m, compressed: Buffer.concat([m.compressed, Buffer.alloc(1)]) }),
  },
  {
    name: 'with a flipped bit',
    code: 'certificate.bad_compression',
    alert: 'bad_certificate',
    change: (m) => ({ ...m, compressed: m.compressed.map((b, i) => (i === m.compressed.length - 1 ? b ^ 1 : b)) }),
  },
  {
    name: 'of something that is no Certificate',
    code: 'handshake.malformed',
    alert: 'decode_error',
    change: (m) => ({ ...m, uncompressedLength: 10, compressed: zlib.deflateSync(Buffer.alloc(10, 0xff)) }),
  },
  {
    name: 'of a Certificate with its header',
    code: 'handshake.malformed',
    alert: 'decode_error',
    change: (m) => {
      const whole = encodeHandshakeMessage({
        type: 'certificate',
        context: new Uint8Array(0),
        entries: [{ certificate: new Uint8Array(400), extensionTypes: [] }],
      });
      return { ...m, uncompressedLength: whole.length, compressed: zlib.deflateSync(whole) };
    },
  },
  {
    name: 'with a context, where there must be none',
    code: 'certificate.bad_context',
    alert: 'illegal_parameter',
    change: (m) => repacked(m, { context: Uint8Array.of(1) }),
  },
  {
    name: 'without compressed data',
    code: 'handshake.malformed',
    alert: 'decode_error',
    change: (m) => ({ ...m, compressed: new Uint8Array(0) }),
  },
];

function repacked(m: CompressedCertificate, change: { readonly context: Uint8Array }): HandshakeMessage {
  const whole = encodeHandshakeMessage({
    type: 'certificate',
    entries: [{ certificate: new Uint8Array(400), extensionTypes: [] }],
    ...change,
  });
  return { ...m, uncompressedLength: whole.length - 4, compressed: zlib.deflateSync(whole.subarray(4)) };
}

for (const { name, code, alert, change } of WRONG) {
  const compressedOnly: Change = (m) => (m.type === 'compressed_certificate' ? change(m) : m);
  test(`the client refuses a certificate ${name}`, async () => {
    const pair = new Pair(await worldOf(['zlib'], ['zlib']));
    corrupt(pair.server, compressedOnly);
    await pair.run();
    const error = errorOf(pair.client);
    assert.deepEqual([error?.code, error?.alert], [code, alert], error?.message);
  });
  test(`the server refuses a certificate ${name}`, async () => {
    const server = { clientAuth: 'require' as const, verifier: trusting };
    const client = { credentials: [(await longChain()).credential] };
    const pair = new Pair(await worldOf(['zlib'], ['zlib'], { server, client }));
    corrupt(pair.client, compressedOnly);
    await pair.run();
    const error = errorOf(pair.server);
    assert.deepEqual([error?.code, error?.alert], [code, alert], error?.message);
  });
}

test('what nobody said may be compressed is unexpected', async () => {
  const pair = new Pair(await worldOf(undefined, undefined));
  corrupt(pair.server, (m) => {
    if (m.type !== 'certificate') return m;
    const structure = encodeHandshakeMessage(m).subarray(4);
    return {
      type: 'compressed_certificate',
      algorithm: 1,
      uncompressedLength: structure.length,
      compressed: zlib.deflateSync(structure),
    };
  });
  await pair.run();
  assert.equal(errorOf(pair.client)?.code, 'handshake.unexpected_message');
  assert.equal(errorOf(pair.client)?.alert, 'unexpected_message');
});

test('the chain in a compressed certificate is judged like any other', async () => {
  const pair = await connect(await worldOf(['zlib'], ['zlib'], { client: { limits: { certificateChainLength: 2 } } }));
  assert.equal(errorOf(pair.client)?.code, 'certificate.too_many');
});

test('the transcript has the compressed message: a Finished over the other one is refused', async () => {
  const world = await worldOf(['zlib'], ['zlib']);
  const pair = new Pair(world);
  // Same certificate, compressed in another way: only the transcript can tell.
  corrupt(pair.server, (m) => {
    if (m.type !== 'compressed_certificate') return m;
    return { ...m, compressed: zlib.deflateSync(plainOf(m), { level: 0 }) };
  });
  await pair.run();
  assert.equal(errorOf(pair.client)?.code, 'handshake.bad_signature');
});

function plainOf(m: CompressedCertificate): Uint8Array {
  return testCrypto({ seed: '' }).compression!(m.algorithm)!.decompress(m.compressed, m.uncompressedLength)!;
}
