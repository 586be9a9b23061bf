import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Aead, AeadKey, CryptoProvider } from '../../src/crypto/index.ts';
import { testCrypto } from '../../src/providers/test/index.ts';
import { earlyWorld, offer } from './early.ts';
import { connect, createWorld, errorOf, eventsOf, Pair, type Side } from './pair.ts';

const received = (side: Side): Buffer => Buffer.concat(eventsOf(side, 'data').map((e) => e.bytes));

/** The fragment lengths of all records in some bytes. */
function recordLengths(wire: Uint8Array): number[] {
  const lengths: number[] = [];
  for (let at = 0; at < wire.length; ) {
    const length = (wire[at + 3]! << 8) | wire[at + 4]!;
    lengths.push(length);
    at += 5 + length;
  }
  return lengths;
}

/** The test provider with AEADs that wear out after `recordLimit` records. */
function withRecordLimit(seed: string, recordLimit: number): CryptoProvider {
  const crypto = testCrypto({ seed });
  return {
    ...crypto,
    aead: (name) => {
      const real = crypto.aead(name);
      if (real === undefined) return undefined;
      const limited: Aead = {
        ...real,
        name,
        keyLength: real.keyLength,
        tagLength: real.tagLength,
        nonceLength: 12,
        recordLimit,
        withKey,
      };
      function withKey(key: Uint8Array): AeadKey {
        const k = real!.withKey(key);
        return {
          aead: limited,
          sealRecord: (...args) => k.sealRecord(...args),
          seal: (...args) => k.seal(...args),
          open: (...args) => k.open(...args),
          wipe: () => k.wipe(),
        };
      }
      return limited;
    },
  };
}

test('keys change by themselves before the limit of the cipher, also in the middle of one write', async () => {
  const world = await createWorld({
    server: { crypto: withRecordLimit('a', 40) },
    client: { crypto: withRecordLimit('b', 40) },
  });
  const pair = await connect(world);
  const data = new Uint8Array(100 * 16_384).map((_, i) => i >> 8);
  pair.server.engine.write(data);
  await pair.run();
  assert.equal(errorOf(pair.client)?.message, undefined);
  assert.ok(received(pair.client).equals(data));
  assert.ok(eventsOf(pair.server, 'key_updated').length >= 4, 'a key protects at most 24 of these 100 records');
  for (let i = 0; i < 100; i++) pair.client.engine.write(Uint8Array.of(i));
  await pair.run();
  assert.equal(received(pair.server).length, 100);
  assert.ok(eventsOf(pair.client, 'key_updated').some((e) => e.direction === 'write'));
});

test('early data stops before the limit of its key: there is no KeyUpdate for it (rfc9846#section-5.5)', async () => {
  const world = await earlyWorld({ maxSize: 1_000_000 }, { client: { crypto: withRecordLimit('b', 40) } });
  const pair = await offer(world);
  const { engine } = pair.client;
  assert.equal(engine.earlyDataRoom, 24 * 16_384);
  assert.throws(() => engine.write(new Uint8Array(24 * 16_384 + 1)), { code: 'early_data.room' });
  engine.write(new Uint8Array(24 * 16_384));
  assert.equal(engine.earlyDataRoom, 0);
  await pair.run();
  assert.deepEqual([errorOf(pair.client), errorOf(pair.server)], [undefined, undefined]);
  engine.write(new Uint8Array(10));
  await pair.run();
  assert.equal(received(pair.server).length, 10);
});

test('one byte at a time: a handshake, tickets and data come through', async () => {
  const pair = new Pair(await createWorld());
  const trickle = (from: Side, to: Side): boolean => {
    const bytes = from.engine.pull();
    for (const byte of bytes ?? []) to.engine.receive(Uint8Array.of(byte));
    return bytes !== undefined;
  };
  while (trickle(pair.client, pair.server) || trickle(pair.server, pair.client));
  pair.client.engine.write(new TextEncoder().encode('ping'));
  trickle(pair.client, pair.server);
  await pair.run();
  assert.equal(received(pair.server).toString(), 'ping');
  assert.equal(eventsOf(pair.client, 'ticket').length, 2);
});

test('any writes in any chunks arrive whole and in order', async () => {
  const world = await createWorld();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 40_000 }), { maxLength: 5 }),
      fc.integer({ min: 1, max: 5_000 }),
      async (writes, step) => {
        const pair = await connect(world);
        for (const bytes of writes) pair.client.engine.write(bytes);
        const wire = pair.client.engine.pull() ?? new Uint8Array(0);
        for (let at = 0; at < wire.length; at += step) pair.server.engine.receive(wire.subarray(at, at + step));
        await pair.run();
        assert.ok(received(pair.server).equals(Buffer.concat(writes)));
      },
    ),
    { numRuns: 25 },
  );
});

test('padding hides lengths: records of 1 and of 1,000 bytes look alike', async () => {
  const pair = await connect(await createWorld({ client: { padding: (length) => 1_024 - length } }));
  pair.client.sent.length = 0;
  pair.client.engine.write(new Uint8Array(1));
  pair.client.engine.write(new Uint8Array(1_000));
  await pair.run();
  assert.deepEqual(recordLengths(Buffer.concat(pair.client.sent)), [1_024 + 1 + 16, 1_024 + 1 + 16]);
  assert.equal(received(pair.server).length, 1_001);
});

test('one flight is one write: the server answers a ClientHello in one piece, and sends its tickets in one', async () => {
  const pair = await connect(await createWorld({ server: { tickets: 5 } }));
  assert.equal(pair.server.sent.length, 2);
  assert.equal(pair.client.sent.length, 2, 'ClientHello; change_cipher_spec and Finished');
});

for (const middleboxCompatibility of [true, false]) {
  test(`middlebox compatibility ${middleboxCompatibility ? 'on' : 'off'}: change_cipher_spec ${middleboxCompatibility ? 'once' : 'never'} from each side`, async () => {
    const pair = await connect(await createWorld({ client: { middleboxCompatibility } }));
    const count = (side: Side): number => Buffer.concat(side.sent).toString('hex').split('140303000101').length - 1;
    assert.equal(count(pair.client), middleboxCompatibility ? 1 : 0);
    assert.equal(count(pair.server), middleboxCompatibility ? 1 : 0);
  });
}

test('with a client that never reads, tickets and data only queue', async () => {
  const pair = await connect(await createWorld());
  assert.equal(pair.server.engine.requestTickets(100), true);
  pair.server.engine.write(new Uint8Array(10));
  pair.client.engine.write(new TextEncoder().encode('still talking'));
  pair.carry(pair.client, pair.server);
  assert.equal(received(pair.server).toString(), 'still talking');
  assert.equal(errorOf(pair.server), undefined);
  assert.equal(eventsOf(pair.server, 'ticket_issued').length, 102);
});

test('refused early data is skipped within limits, with and without a retry', async () => {
  for (const groups of [['x25519'], ['secp256r1']]) {
    const world = await createWorld({ server: { groups }, client: { keyShareCount: 1 } });
    const pair = new Pair(world);
    // Our client offers no early data: add the extension to its hello by hand, and send records that no key opens.
    const { decodeHandshakeMessage, encodeHandshakeMessage } = await import('../../src/wire/index.ts');
    const { plaintextRecords } = await import('../../src/record/index.ts');
    const hello = decodeHandshakeMessage(1, pair.client.engine.pull()!.subarray(9));
    assert.ok(hello.type === 'client_hello');
    const early = encodeHandshakeMessage({ ...hello, extensions: { ...hello.extensions, earlyData: true } });
    pair.server.engine.receive(plaintextRecords(22, early));
    const junk = plaintextRecords(23, new Uint8Array(5_000).fill(7));
    pair.server.engine.receive(junk);
    pair.server.engine.receive(junk);
    assert.equal(errorOf(pair.server), undefined, groups[0]);
    for (let i = 0; i < 10; i++) pair.server.engine.receive(junk);
    await pair.run();
    assert.equal(errorOf(pair.server)?.code, 'early_data.too_much');
  }
});
