import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import test from 'node:test';
import fc from 'fast-check';
import { type ParsedClientHello, parseClientHello, peekClientHello } from './client-hello.ts';
import type { TlsError } from './errors.ts';

/** What real clients sent, and their fingerprints as the package read-tls-client-hello 2.0.0 computes them. */
const captured = JSON.parse(
  readFileSync(new URL('../../test/vectors/client-hellos.json', import.meta.url), 'utf8'),
) as readonly {
  readonly client: string;
  readonly versions: readonly number[];
  readonly serverName: string | null;
  readonly alpn: readonly string[];
  readonly ja3: string;
  readonly ja4: string;
  readonly bytes: string;
}[];
const wires = captured.map(({ bytes }) => new Uint8Array(Buffer.from(bytes, 'base64')));
const wire = wires[0]!;

function whole(bytes: Uint8Array): ParsedClientHello {
  const hello = parseClientHello(bytes);
  assert.equal(hello.incomplete, false);
  return hello as ParsedClientHello;
}

/** `message` in records of these lengths. */
function records(message: Uint8Array, lengths: readonly number[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (let at = 0, i = 0; at < message.length; i++) {
    const piece = message.subarray(at, at + lengths[i % lengths.length]!);
    pieces.push(Uint8Array.of(22, 3, 1, piece.length >> 8, piece.length), piece);
    at += piece.length;
  }
  return new Uint8Array(Buffer.concat(pieces));
}

function message(...body: readonly (number | string | Uint8Array)[]): Uint8Array {
  const bytes = Buffer.concat(
    body.map((part) =>
      typeof part === 'number' ? Uint8Array.of(part) : typeof part === 'string' ? Buffer.from(part, 'hex') : part,
    ),
  );
  return new Uint8Array(Buffer.concat([Uint8Array.of(1, 0, bytes.length >> 8, bytes.length), bytes]));
}

const random = new Uint8Array(32).fill(7);

test('what real clients say, and their fingerprints', async (t) => {
  for (const [i, { client, serverName, ...expected }] of captured.entries()) {
    await t.test(client, () => {
      const hello = whole(wires[i]!);
      assert.equal(hello.format, 'tls');
      assert.equal(hello.length, wires[i]!.length);
      assert.equal(hello.serverName ?? null, serverName);
      for (const name of ['versions', 'alpn', 'ja3', 'ja4'] as const) assert.deepEqual(hello[name], expected[name]);
      assert.equal(hello.offersTls13, expected.versions.includes(0x0304));
      const extensions = hello.extensions.reduce((sum, { data }) => sum + 4 + data.length, 0);
      assert.ok(extensions > 0 && extensions < hello.message.length);
    });
  }
});

test('a ClientHello of before extensions, with a session, and one with an empty block of them', () => {
  const fields = [3, 1, random, 2, 'abcd', '0004', '002f', '00ff', 1, 0] as const;
  for (const body of [fields, [...fields, '0000']] as const) {
    const hello = whole(message(...body));
    assert.deepEqual(
      [hello.legacyVersion, hello.versions, hello.offersTls13, [...hello.sessionId], hello.cipherSuites],
      [0x0301, [0x0301], false, [0xab, 0xcd], [0x2f, 0xff]],
    );
    assert.deepEqual([hello.extensions, hello.serverName, hello.sessionTicket], [[], undefined, 'none']);
    assert.equal(hello.ja3Text, '769,47-255,,,');
    assert.match(hello.ja4, /^t10i020000_[0-9a-f]{12}_000000000000$/);
  }
});

test('the format of SSL 2.0 is read and named', () => {
  const body = `010301 0006 0000 0010 00002f 0700c0 ${'55'.repeat(16)}`.replaceAll(' ', '');
  const bytes = new Uint8Array(Buffer.from(`80${(body.length / 2).toString(16)}${body}`, 'hex'));
  const hello = whole(bytes);
  assert.deepEqual(
    [hello.format, hello.legacyVersion, hello.cipherSuites, hello.random.length, hello.length, hello.offersTls13],
    ['sslv2', 0x0301, [0x2f, 0x0700c0], 16, bytes.length, false],
  );
  for (let length = 0; length < bytes.length; length++) {
    const part = parseClientHello(bytes.subarray(0, length));
    assert.ok(part.incomplete && part.needed > 0 && part.needed <= bytes.length - length);
  }
});

test('tickets, PSKs and early data that are offered', () => {
  const fields = [3, 3, random, 0, '0002', '1301', 1, 0];
  const identities = '000a 0004 aabbccdd 00000000'.replaceAll(' ', '');
  const binders = `0021 20 ${'00'.repeat(32)}`.replaceAll(' ', '');
  const psk = `0029002f${identities}${binders}`;
  const block = `002a0000 00230003010203 002b0003020304 ${psk}`.replaceAll(' ', '');
  const hello = whole(message(...fields, `00${(block.length / 2).toString(16)}`, block));
  assert.deepEqual(
    [hello.sessionTicket, hello.pskCount, hello.earlyData, hello.offersTls13],
    ['offered', 1, true, true],
  );
  assert.deepEqual(
    hello.extensions.map(({ name }) => name),
    ['early_data', 'session_ticket', 'supported_versions', 'pre_shared_key'],
  );
});

test('however it is cut into records, and without any, it says the same', () => {
  const plain = whole(wire);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 }), (lengths) => {
      const cut = records(plain.message, lengths);
      const hello = whole(new Uint8Array(Buffer.concat([cut, Uint8Array.of(20, 3, 3, 0, 1, 1)])));
      assert.deepEqual({ ...hello, length: 0 }, { ...plain, length: 0 });
      assert.equal(hello.length, cut.length);
    }),
  );
  assert.deepEqual({ ...whole(plain.message), length: 0 }, { ...plain, length: 0 });
});

test('of an incomplete one it says how many bytes must come at least', () => {
  const { message: bare } = whole(wire);
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 }),
      fc.boolean(),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (lengths, inRecords, share) => {
        const bytes = inRecords ? records(bare, lengths) : bare;
        const length = Math.floor(share * (bytes.length - 1));
        const part = parseClientHello(bytes.subarray(0, length));
        assert.ok(part.incomplete);
        assert.ok(
          part.needed >= 1 && part.needed <= bytes.length - length,
          `${part.needed} of ${bytes.length - length}`,
        );
        // Whoever reads just so much each time gets there.
        let there = length;
        for (let next = parseClientHello(bytes.subarray(0, there)); next.incomplete; ) {
          there += next.needed;
          next = parseClientHello(bytes.subarray(0, there));
        }
        assert.equal(there, bytes.length);
      },
    ),
  );
});

test('what is no ClientHello is refused by name, and nothing else can happen', () => {
  const faultOf = (bytes: Uint8Array): string | undefined => {
    try {
      parseClientHello(bytes);
      return undefined;
    } catch (error) {
      const { fault, code, alert } = error as TlsError;
      assert.ok(fault !== undefined && code !== undefined && alert !== undefined, String(error));
      return fault;
    }
  };
  const latin1 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
  assert.equal(faultOf(latin1('GET / HTTP/1.1\r\n')), 'record.not_tls');
  assert.equal(faultOf(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff)), 'record.not_tls');
  assert.equal(faultOf(Uint8Array.of(22, 4)), 'record.not_tls');
  assert.equal(faultOf(Uint8Array.of(21, 3, 3, 0, 2, 2, 40)), 'record.unexpected_type');
  assert.equal(faultOf(Uint8Array.of(22, 3, 3, 0x40, 1)), 'record.too_long');
  assert.equal(faultOf(Uint8Array.of(22, 3, 3, 0, 0)), 'record.empty');
  assert.equal(faultOf(Uint8Array.of(22, 3, 3, 0, 4, 2, 0, 0, 4)), 'handshake.unexpected_message');
  assert.equal(faultOf(Uint8Array.of(1, 1, 0, 1)), 'handshake.too_long');
  assert.equal(faultOf(message(3, 3, random, 33)), 'handshake.malformed');
  const twice = message(3, 3, random, 0, '0002', '1301', 1, 0, '0008', '0017000000170000');
  assert.equal(faultOf(twice), 'extension.duplicate');
  // A name that two stacks could read differently.
  assert.equal(faultOf(message(3, 3, random, 0, '0002', '1301', 1, 0, '0006', '000000020000')), 'handshake.malformed');
  for (const value of ['text', undefined, 5, {}]) {
    assert.throws(() => parseClientHello(value as Uint8Array), { code: 'ERR_INVALID_ARG_TYPE' });
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void faultOf(bytes)));
  fc.assert(
    fc.property(
      fc.nat({ max: wires.length - 1 }),
      fc.array(fc.tuple(fc.nat({ max: 400 }), fc.nat({ max: 255 })), { maxLength: 4 }),
      (which, changes) => {
        const bytes = wires[which]!.slice();
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        faultOf(bytes);
      },
    ),
    { numRuns: 1_000 },
  );
});

/** What is left to be read from `stream` now. */
function rest(stream: PassThrough): Uint8Array {
  const chunks: Buffer[] = [];
  for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) chunks.push(chunk as Buffer);
  return new Uint8Array(Buffer.concat(chunks));
}

test('peeking: the bytes are back, and the stream is paused, however they came', async () => {
  const bytes = new Uint8Array(Buffer.concat([records(whole(wire).message, [100]), Buffer.from('what comes behind')]));
  for (const lengths of [[bytes.length], [1], [5], [4, 3, 300]]) {
    const stream = new PassThrough();
    const peeked = peekClientHello(stream);
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const length = lengths[i % lengths.length]!;
      stream.write(bytes.subarray(at, at + length));
      at += length;
    }
    const hello = await peeked;
    assert.equal(hello.serverName, 'localhost');
    assert.equal(stream.isPaused(), true);
    assert.deepEqual(rest(stream), bytes);
    for (const event of ['data', 'end', 'error']) assert.equal(stream.listenerCount(event), 0, event);
  }
});

test('peeking: what fails leaves the bytes where they were', async () => {
  const http = new PassThrough();
  http.write('GET / HTTP/1.1\r\n\r\n');
  await assert.rejects(peekClientHello(http), { fault: 'record.not_tls', code: 'ERR_SSL_WRONG_VERSION_NUMBER' });
  assert.equal(Buffer.from(rest(http)).toString(), 'GET / HTTP/1.1\r\n\r\n');

  const part = wire.subarray(0, 50);
  const slow = new PassThrough();
  slow.write(part);
  await assert.rejects(peekClientHello(slow, { timeoutMs: 1 }), { code: 'ERR_TLS_HANDSHAKE_TIMEOUT' });
  assert.deepEqual([rest(slow), slow.isPaused()], [part, true]);

  const aborted = new PassThrough();
  aborted.write(part);
  const abort = new AbortController();
  const peeked = peekClientHello(aborted, { signal: abort.signal });
  aborted.once('data', () => abort.abort(new Error('enough')));
  await assert.rejects(
    peeked,
    (error: Error) => error.name === 'AbortError' && (error.cause as Error).message === 'enough',
  );
  assert.deepEqual(rest(aborted), part);
  await assert.rejects(peekClientHello(aborted, { signal: abort.signal }), { code: 'ABORT_ERR' });

  const long = new PassThrough();
  long.write(part);
  await assert.rejects(peekClientHello(long, { maxLength: 200 }), { fault: 'handshake.too_long' });
  assert.deepEqual(rest(long), part);
});

test('peeking: a stream that ends, fails or is closed', async () => {
  const ended = new PassThrough();
  ended.end(wire.subarray(0, 50));
  await assert.rejects(peekClientHello(ended), { code: 'ECONNRESET' });

  const failed = new PassThrough();
  const peeked = peekClientHello(failed);
  failed.destroy(new Error('broken'));
  await assert.rejects(peeked, { message: 'broken' });
  await assert.rejects(peekClientHello(failed), { code: 'ECONNRESET' });

  for (const options of [{ timeoutMs: -1 }, { maxLength: 0 }, { maxLength: 1e9 }]) {
    assert.throws(() => void peekClientHello(new PassThrough(), options), { code: 'option.out_of_range' });
  }
});
