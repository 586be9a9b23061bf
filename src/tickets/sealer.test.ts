import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { fromHex, toHex } from '../bytes/index.ts';
import type { CryptoProvider } from '../crypto/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { ClientTicketCache } from './client-cache.ts';
import { TicketKeyRing } from './key-ring.ts';
import { RingCookieSealer, RingSealer } from './sealer.ts';
import { MAX_TICKET_LIFETIME_SECONDS, type TicketQuestion, type TicketState } from './types.ts';

const HOUR = 3_600_000;
const T0 = 1_790_000_000_000;
const SECRET = Uint8Array.from({ length: 32 }, (_, i) => 3 * i + 1);

const state: TicketState = {
  id: Uint8Array.from({ length: 16 }, (_, i) => i),
  psk: Uint8Array.from({ length: 32 }, (_, i) => 0xa0 ^ i),
  cipherSuite: 0x1301,
  issuedAt: T0,
  authenticatedAt: T0 - 5,
  lifetimeSeconds: 7_200,
  ageAdd: 77,
  serverName: 'host.example',
  maxEarlyDataSize: 0,
  client: { chain: [], authorized: false },
  appData: new Uint8Array(0),
};

/**
 * Opened with HMAC and AES-GCM of another library: the ring key is HMAC-SHA256('tessera ticket key', SECRET), and the ticket's key
 * HMAC-SHA256(ring key, 'tessera ticket state|aes-256-gcm|shop' || salt || 0x01).
 */
const GOLDEN_TICKET = [
  '5a'.repeat(32), // salt
  '0b4667361b1bc53f6055b0eca98095cf71b78b0bc8050f6a8cee2108e9cb15fa1be1c815019d2e22233766f04af5db15',
  '523a395037c558e2b1c0028074a3b99a2fbad270e30b14884d44ae1e7ddf9d27139cd532ca400761b36322eed3520ecd',
  '2b3a4bcb570171881aa4c7aef580cda7f1f23548ac27ae524e7ebda6f8f880b9fed7b836e98fa72bb398271c181cdec8',
].join('');

const under = (scope: string): TicketQuestion => ({ scopes: [scope], serverName: undefined });

function staticRing(secret: Uint8Array = SECRET, crypto: CryptoProvider = nodeCrypto): TicketKeyRing {
  const keys = [{ secret, sealFrom: T0 - HOUR, sealUntil: T0 + HOUR, openUntil: T0 + 10 * HOUR }];
  return new TicketKeyRing({ crypto, keys });
}

const withoutGcm: CryptoProvider = {
  ...nodeCrypto,
  aead: (name) => (name === 'chacha20-poly1305' ? nodeCrypto.aead(name) : undefined),
};

for (const crypto of [nodeCrypto, withoutGcm]) {
  test(`what was sealed opens, on another host with the same key too (${crypto === nodeCrypto ? 'GCM' : 'ChaCha20'})`, () => {
    const ticket = new RingSealer(staticRing(), crypto).seal(state, T0)!;
    assert.deepEqual(new RingSealer(staticRing(), crypto).open(ticket, T0 + 1), state);
    assert.equal(new RingSealer(staticRing(SECRET.toReversed()), crypto).open(ticket, T0 + 1), 'no_key');
  });
}

test('the wire format is pinned: tickets survive an upgrade of the server', () => {
  const salt = new Uint8Array(32).fill(0x5a);
  const fixed: CryptoProvider = { ...nodeCrypto, random: () => salt.slice() };
  const ticket = new RingSealer(staticRing(), fixed).seal(state, T0, { scope: 'shop' })!;
  assert.equal(toHex(ticket), GOLDEN_TICKET);
  assert.deepEqual(new RingSealer(staticRing(), nodeCrypto).open(fromHex(GOLDEN_TICKET), T0, under('shop')), state);
});

test('a changed or cut ticket is not ours', () => {
  const sealer = new RingSealer(staticRing(), nodeCrypto);
  const ticket = sealer.seal(state, T0)!;
  for (let i = 0; i < ticket.length; i++) {
    const changed = ticket.slice();
    changed[i]! ^= 1 << (i % 8);
    assert.equal(sealer.open(changed, T0), 'no_key', `byte ${i}`);
  }
  for (let length = 0; length < ticket.length; length++) {
    assert.equal(sealer.open(ticket.subarray(0, length), T0), 'no_key', `cut to ${length}`);
  }
  assert.equal(sealer.open(new Uint8Array([...ticket, ...new Uint8Array(64)]), T0), 'no_key');
  assert.equal(sealer.open(new Uint8Array(48 + 64 * 1_100), T0), 'no_key');
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (junk) => sealer.open(junk, T0) === 'no_key'));
});

test('a trust scope does not open the tickets of another, and a cookie is no ticket', () => {
  const ring = staticRing();
  const ticket = new RingSealer(ring, nodeCrypto).seal(state, T0, { scope: 'a' })!;
  for (const label of ['', 'b', 'a|', 'A']) {
    assert.equal(new RingSealer(ring, nodeCrypto).open(ticket, T0, under(label)), 'no_key', label);
  }
  assert.equal(new RingCookieSealer(ring, nodeCrypto, { label: 'a' }).open(ticket, T0), undefined);
});

test('an opened ticket of unknown content is malformed, not unknown', () => {
  // The first plaintext bytes are a length and the version: flipping a stream cipher needs the key, so seal through a forged AEAD.
  const forge = (change: (plaintext: Uint8Array) => void): CryptoProvider => ({
    ...nodeCrypto,
    aead: (name) => {
      const aead = nodeCrypto.aead(name);
      if (aead === undefined) return undefined;
      return {
        name: aead.name,
        keyLength: aead.keyLength,
        nonceLength: aead.nonceLength,
        tagLength: aead.tagLength,
        recordLimit: aead.recordLimit,
        withKey: (key) => {
          const real = aead.withKey(key);
          return {
            aead,
            sealRecord: real.sealRecord.bind(real),
            open: real.open.bind(real),
            wipe: () => real.wipe(),
            seal: (nonce, additionalData, plaintext) => {
              const copy = plaintext.slice();
              change(copy);
              return real.seal(nonce, additionalData, copy);
            },
          };
        },
      };
    },
  });
  const sealer = new RingSealer(staticRing(), nodeCrypto);
  const changes: [string, (plaintext: Uint8Array) => void][] = [
    ['another version', (p) => p.fill(3, 2, 3)],
    ['a length beyond the end', (p) => p.fill(0xff, 0, 2)],
    ['nothing', (p) => p.fill(0)],
  ];
  for (const [what, change] of changes) {
    // 24 bytes leave no padding: then a length that is too large would find the whole state.
    const ticket = new RingSealer(staticRing(), forge(change)).seal({ ...state, appData: new Uint8Array(24) }, T0)!;
    assert.equal(ticket.length, 48 + 128);
    assert.equal(sealer.open(ticket, T0), 'malformed', what);
  }
});

test('a ticket expires exactly at the end of its lifetime', () => {
  const sealer = new RingSealer(staticRing(), nodeCrypto);
  const ticket = sealer.seal(state, T0)!;
  assert.deepEqual(sealer.open(ticket, T0 + 7_200_000 - 1), state);
  assert.equal(sealer.open(ticket, T0 + 7_200_000), 'expired');
});

test('a ticket survives rotation and dies with its key', () => {
  const ring = new TicketKeyRing({ crypto: nodeCrypto });
  const sealer = new RingSealer(ring, nodeCrypto);
  assert.equal(sealer.maxLifetimeSeconds(T0), 36 * 3_600);
  const longest = { ...state, lifetimeSeconds: 36 * 3_600 };
  const before = sealer.seal(longest, T0)!;
  const later = T0 + 13 * HOUR;
  const after = sealer.seal({ ...longest, issuedAt: later }, later)!;
  assert.equal(ring.openingKeys(later).length, 2);
  assert.deepEqual(sealer.open(before, later), longest);
  assert.deepEqual(sealer.open(after, later), { ...longest, issuedAt: later });
  assert.equal(sealer.open(before, T0 + 36 * HOUR), 'no_key');
  assert.equal(typeof sealer.open(after, T0 + 36 * HOUR), 'object');
  ring.destroy('all');
  assert.equal(sealer.open(after, T0 + 36 * HOUR), 'no_key');
});

test('no ticket may outlive its key, at any time', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(200 * HOUR), { minLength: 1, maxLength: 20 }),
      fc.nat(40 * 3_600),
      (times, lifetime) => {
        const ring = new TicketKeyRing({ crypto: nodeCrypto });
        const sealer = new RingSealer(ring, nodeCrypto);
        for (const now of times.map((offset) => T0 + offset)) {
          const most = sealer.maxLifetimeSeconds(now);
          // A small step back of the clock lets a generated key seal before it was made; never for longer than another period.
          assert.ok(most >= 24 * 3_600 && most <= 48 * 3_600);
          assert.ok(now + most * 1_000 <= ring.sealingKey(now)!.openUntil);
          const ticket = sealer.seal({ ...state, issuedAt: now, lifetimeSeconds: lifetime }, now);
          assert.equal(ticket !== undefined, lifetime <= most);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('the lifetime is at most seven days, and zero without a sealing key', () => {
  const keys = [{ secret: SECRET, sealFrom: T0, sealUntil: T0 + HOUR, openUntil: T0 + 9_000 * HOUR }];
  const sealer = new RingSealer(new TicketKeyRing({ crypto: nodeCrypto, keys }), nodeCrypto);
  assert.equal(sealer.maxLifetimeSeconds(T0), MAX_TICKET_LIFETIME_SECONDS);
  assert.equal(sealer.maxLifetimeSeconds(T0 + HOUR), 0);
  assert.equal(sealer.seal(state, T0 + HOUR), undefined);
  const close = new RingSealer(staticRing(), nodeCrypto);
  assert.equal(close.maxLifetimeSeconds(T0 + 1), 10 * 3_600 - 1);
});

test('no two tickets share a salt, and none names its key', () => {
  const sealer = new RingSealer(staticRing(), nodeCrypto);
  const tickets = Array.from({ length: 500 }, () => sealer.seal(state, T0)!);
  assert.equal(new Set(tickets.map((ticket) => toHex(ticket.subarray(0, 32)))).size, 500);
  // Every byte position varies: nothing constant for an observer to recognise. Chance of a false alarm: below 2^-4000.
  for (let i = 0; i < tickets[0]!.length; i++)
    assert.ok(new Set(tickets.map((ticket) => ticket[i])).size > 1, `byte ${i}`);
});

test('the length of a ticket comes in steps of 64 bytes', () => {
  const sealer = new RingSealer(staticRing(), nodeCrypto);
  for (let length = 0; length < 200; length++) {
    const ticket = sealer.seal({ ...state, appData: new Uint8Array(length) }, T0)!;
    assert.equal((ticket.length - 48) % 64, 0);
    assert.equal((sealer.open(ticket, T0) as TicketState).appData.length, length);
  }
});

test('the largest state makes a ticket that a ClientHello can bring back; a larger one none', () => {
  const sealer = new RingSealer(staticRing(), nodeCrypto);
  const fixed = { ...state, appData: new Uint8Array(59_880) };
  const ticket = sealer.seal(fixed, T0)!;
  assert.ok(ticket.length <= 60_100);
  assert.deepEqual(sealer.open(ticket, T0), fixed);
  assert.equal(sealer.seal({ ...state, appData: new Uint8Array(60_000) }, T0), undefined);
});

test('what a key was derived to is wiped after use', () => {
  const seen: Uint8Array[] = [];
  const watching: CryptoProvider = {
    ...nodeCrypto,
    kdf: (hash) => {
      const kdf = nodeCrypto.kdf(hash);
      const keep = (bytes: Uint8Array) => {
        seen.push(bytes);
        return bytes;
      };
      return {
        hashName: kdf.hashName,
        hashLength: kdf.hashLength,
        createHash: () => kdf.createHash(),
        hash: (data) => kdf.hash(data),
        hmac: (key, data) => keep(kdf.hmac(key, data)),
        expand: (prk, info, length) => keep(kdf.expand(prk, info, length)),
      };
    },
  };
  const sealer = new RingSealer(staticRing(), watching);
  sealer.open(sealer.seal(state, T0)!, T0);
  assert.equal(seen.length, 2, 'one derivation to seal, one to open');
  for (const bytes of seen) assert.ok(bytes.every((byte) => byte === 0));
});

test('a provider without a fit AEAD is refused', () => {
  const none: CryptoProvider = { ...nodeCrypto, aead: () => undefined };
  assert.throws(() => new RingSealer(staticRing(), none), { name: 'TlsUsageError', code: 'ticket.no_aead' });
});

test('nothing that can be logged holds a secret', () => {
  const ring = staticRing();
  const sealer = new RingSealer(ring, nodeCrypto);
  const cookies = new RingCookieSealer(ring, nodeCrypto);
  const cache = new ClientTicketCache();
  cache.put('origin', {
    ...state,
    ticket: sealer.seal(state, T0)!,
    nonce: new Uint8Array(8),
    receivedAt: T0,
    server: state.client,
  });
  for (const thing of [ring, sealer, cookies, cache, ring.keys(T0), ring.openingKeys(T0), ring.sealingKey(T0)]) {
    const printed = [
      inspect(thing, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxArrayLength: null }),
      JSON.stringify(thing),
      String(thing),
    ];
    for (const text of printed) {
      for (const secret of [SECRET, state.psk]) {
        const canaries = [toHex(secret), secret.join(', '), secret.join(','), Buffer.from(secret).toString('base64')];
        // Printed byte arrays may be broken into lines: compare the first eight numbers in any layout.
        const numbers = text.match(/\d+/g)?.join(',') ?? '';
        for (const canary of canaries) assert.ok(!text.includes(canary.slice(0, 24)), text);
        assert.ok(!numbers.includes(secret.subarray(0, 8).join(',')), text);
      }
    }
  }
});

test('a cookie comes back within its time, from any host with the key', () => {
  const content = fromHex('00112233');
  const cookie = new RingCookieSealer(staticRing(), nodeCrypto).seal(content, T0);
  const other = new RingCookieSealer(staticRing(), nodeCrypto);
  for (const [now, opens] of [
    [T0, true],
    [T0 + 30_000, true],
    [T0 + 30_001, false],
    [T0 - 30_000, true],
    [T0 - 30_001, false],
  ] as const) {
    assert.deepEqual(other.open(cookie, now), opens ? content : undefined, String(now - T0));
  }
  const patient = new RingCookieSealer(staticRing(), nodeCrypto, { validForSeconds: 60 });
  assert.deepEqual(patient.open(cookie, T0 + 60_000), content);
});

test('a changed or foreign cookie is refused', () => {
  const sealer = new RingCookieSealer(staticRing(), nodeCrypto);
  const cookie = sealer.seal(fromHex('00112233'), T0);
  for (let i = 0; i < cookie.length; i++) {
    const changed = cookie.slice();
    changed[i]! ^= 0x10;
    assert.equal(sealer.open(changed, T0), undefined);
    assert.equal(sealer.open(cookie.subarray(0, i), T0), undefined);
  }
  assert.equal(new RingCookieSealer(staticRing(), nodeCrypto, { label: 'x' }).open(cookie, T0), undefined);
  assert.equal(new RingSealer(staticRing(), nodeCrypto).open(cookie, T0), 'no_key');
});

test('a cookie that cannot be made is an error of the program', () => {
  const sealer = new RingCookieSealer(staticRing(), nodeCrypto);
  assert.throws(() => sealer.seal(new Uint8Array(0), T0 + HOUR), { code: 'cookie.no_key' });
  assert.throws(() => sealer.seal(new Uint8Array(65_500), T0), { code: 'cookie.too_long' });
  assert.throws(() => new RingCookieSealer(staticRing(), nodeCrypto, { validForSeconds: 0 }), {
    code: 'cookie.bad_option',
  });
});
