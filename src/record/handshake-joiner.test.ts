import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { concat, toHex } from '../bytes/index.ts';
import { HandshakeJoiner } from './index.ts';

const limits = (type: number): number => (type === 11 ? 200_000 : 300);

function message(type: number, body: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(type, body.length >> 16, (body.length >> 8) & 0xff, body.length & 0xff), body);
}

test('gives the same messages however they are spread over records', () => {
  const anyMessage = fc
    .tuple(fc.nat(255), fc.uint8Array({ maxLength: 300 }))
    .map(([type, body]) => ({ type, body, raw: message(type, body) }));
  fc.assert(
    fc.property(fc.array(anyMessage, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 20 }), (messages, places) => {
      const whole = concat(...messages.map((m) => m.raw));
      const at = [0, ...places.map((p) => p % (whole.length + 1)).sort((a, b) => a - b), whole.length];
      const ends = new Set<number>([0]);
      let end = 0;
      for (const { raw } of messages) {
        end += raw.length;
        ends.add(end);
      }

      const joiner = new HandshakeJoiner(limits);
      const found: string[] = [];
      for (let i = 1; i < at.length; i++) {
        joiner.push(whole.slice(at[i - 1], at[i]));
        for (let m = joiner.next(); m !== undefined; m = joiner.next()) {
          found.push(`${m.type} ${toHex(m.body)} ${toHex(m.raw)}`);
        }
        assert.equal(joiner.aligned, ends.has(at[i]!));
        assert.equal(joiner.pending, !ends.has(at[i]!));
      }
      assert.deepEqual(
        found,
        messages.map((m) => `${m.type} ${toHex(m.body)} ${toHex(m.raw)}`),
      );
    }),
  );
});

test('a message that lies whole in a fragment is not copied', () => {
  const fragment = concat(message(8, new Uint8Array(3)), message(20, new Uint8Array(32).fill(7)));
  const joiner = new HandshakeJoiner(limits);
  joiner.push(fragment);
  assert.equal(joiner.next()!.raw.buffer, fragment.buffer);
  assert.equal(joiner.aligned, false);
  assert.equal(joiner.next()!.body.buffer, fragment.buffer);
  assert.equal(joiner.aligned, true);
});

test('a message over the limit of its type is refused when its header is seen', () => {
  const over = Uint8Array.of(20, 0, 1, 45);
  for (const fragments of [[over], [...over].map((b) => Uint8Array.of(b))]) {
    const joiner = new HandshakeJoiner(limits);
    const push = (): void => {
      for (const fragment of fragments) {
        joiner.push(fragment);
        joiner.next();
      }
    };
    assert.throws(push, { code: 'handshake.too_long', message: /finished of 301 bytes, allowed are 300/ });
  }
  const joiner = new HandshakeJoiner(limits);
  joiner.push(message(20, new Uint8Array(300)));
  assert.equal(joiner.next()!.body.length, 300);
  joiner.push(message(11, new Uint8Array(200_000)));
  assert.equal(joiner.next()!.body.length, 200_000);
  joiner.push(Uint8Array.of(11, 0xff, 0xff, 0xff));
  assert.throws(() => joiner.next(), { code: 'handshake.too_long' });
});

test('every byte is handed on a bounded number of times, in fragments of one byte too', () => {
  const raw = message(11, new Uint8Array(200_000).fill(3));
  const joiner = new HandshakeJoiner(limits);
  const set = Uint8Array.prototype.set;
  let copied = 0;
  Uint8Array.prototype.set = function (source: ArrayLike<number>, offset?: number): void {
    copied += source.length;
    set.call(this, source, offset);
  };
  try {
    for (const byte of raw) {
      joiner.push(Uint8Array.of(byte));
      if (joiner.next() !== undefined) break;
    }
  } finally {
    Uint8Array.prototype.set = set;
  }
  assert.equal(joiner.aligned, true);
  assert.ok(copied >= raw.length && copied <= 2 * raw.length, `${copied} bytes copied`);
});

test('a message that is announced only holds no memory for all of it', () => {
  const real = Uint8Array;
  let largest = 0;
  const counting = new Proxy(real, {
    construct(target, args: [number]) {
      if (typeof args[0] === 'number') largest = Math.max(largest, args[0]);
      return Reflect.construct(target, args);
    },
  });
  const joiner = new HandshakeJoiner(limits);
  const header = Uint8Array.of(11, 0x03, 0x0d, 0x40, 1); // 200,000 bytes
  globalThis.Uint8Array = counting;
  try {
    joiner.push(header);
    assert.equal(joiner.next(), undefined);
  } finally {
    globalThis.Uint8Array = real;
  }
  assert.ok(largest > 0 && largest < 20_000, `${largest} bytes`);
  joiner.push(new Uint8Array(199_999));
  assert.equal(joiner.next()!.body.length, 200_000);
});
