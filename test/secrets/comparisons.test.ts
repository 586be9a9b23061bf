/**
 * Secrets are compared in constant time. Every comparison of bytes in the sources is either `equalConstantTime`, or stands in the list
 * below with the reason why its bytes are no secret. A new one fails this test until somebody has thought about it.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { equalConstantTime, isConstant } from '../../src/bytes/index.ts';

const PUBLIC: Readonly<Record<string, string>> = {
  'src/cli/keys.ts: secret === key.secret': 'whether two are the same array, not the same bytes',
  'src/handshake/client/server-hello.ts: equal(sentinel, DOWNGRADE_TLS12)': 'of a ServerHello in the clear',
  'src/handshake/client/server-hello.ts: equal(sentinel, DOWNGRADE_TLS11)': 'of a ServerHello in the clear',
  'src/handshake/client/server-hello.ts: equal(message.legacySessionIdEcho, offer.hello.legacySessionId)':
    'went over the wire in the clear, both times',
  'src/handshake/own-certificate.ts: equal(name, wanted)': 'names of authorities',
  'src/handshake/server/post-handshake-auth.ts: equal(message.context, request.context)':
    'a number that names a request',
  'src/node/credentials.ts: raw.equals(last.raw)': 'certificates',
  'src/node/legacy-certificate.ts: raw.equals(certificate.raw)': 'certificates',
  'src/node/legacy-certificate.ts: raw.equals(der)': 'certificates',
  'src/node/server-socket.ts: [name] === other[name]': 'whether two options are the same object',
  'src/node/session.ts: .equals(MAGIC)': 'the name of a format',
  'src/openssl/session.ts: equal(bytes.subarray(0, MAGIC.length), MAGIC)': 'the name of a format',
  'src/openssl/session-holder.ts: equal(settings.sidContext, before.settings.sidContext)':
    'a name that the program chose',
  'src/openssl/session-tickets.ts: equal(session.fields.sidContext, settings.sidContext)':
    'a name that the program chose',
  'src/openssl/session-tickets.ts: equal(plaintext.subarray(1, start), sidContext)':
    'the same, after the MAC was checked',
  'src/wire/messages/hello-retry-request.ts: equal(body.subarray(2, 34), HELLO_RETRY_REQUEST_RANDOM)':
    'of a ServerHello in the clear',
};

/** Certificates, names and revocation lists are public. */
const PUBLIC_FOLDERS: readonly string[] = ['src/x509/'];

/** Where a secret is compared today, so that none of these becomes something else unseen. */
const SECRET: Readonly<Record<string, string>> = {
  'src/handshake/client/finish.ts': 'Finished of the server',
  'src/handshake/server/finish.ts': 'Finished of the client',
  'src/handshake/server/post-handshake-auth.ts': 'Finished after the handshake',
  'src/handshake/server/binder.ts': 'PSK binders',
  'src/handshake/server/client-hello.ts': 'cookies',
  'src/handshake/server/find-psk.ts': 'context of imported PSKs',
  'src/cli/serve.ts': 'identities of PSKs',
  'src/node/legacy.ts': 'ticket keys',
  'src/node/pkcs12.ts': 'MAC of PKCS#12',
  'src/node/server-ticket-keys.ts': 'ticket keys',
  'src/openssl/evp.ts': 'MAC of tickets',
  'src/tickets/client-cache.ts': 'tickets',
  'src/tickets/key-material.ts': 'parts of ticket keys',
};

/** Ways to compare bytes, or what was made of them. `(` and what follows is looked at by hand, for arguments may be nested. */
const CALLS = /(?<![\w.])equal\(|\.equals\(|\bBuffer\.compare\(|\.compare\(|\bisDeepStrictEqual\(|\.localeCompare\(/g;
/** Bytes by index, a loop over bytes, encoded bytes. */
const BY_HAND: readonly RegExp[] = [
  /\[\w+\]!? [!=]==? \w[\w.]*\[\w+\]/g,
  /\.every\(\(byte[^)]*\) => byte [!=]==?/g,
  /(?:toHex|fromLatin1|toString)\([^)]*\) [!=]==? (?!['"`\d])/g,
  /[!=]==? (?:toHex|fromLatin1)\(/g,
  // Variables whose names say that they hold a secret; comparisons with literals say nothing about secrets.
  /\b[\w.]*(?:[mM]ac|[bB]inder|verifyData|[sS]ecret|[pP]assphrase|[pP]assword|[cC]ookie|\.psk|\.key|sessionId|masterKey)(?:\.bytes)? [!=]==? (?!undefined\b|null\b|true\b|false\b|['"`\d])[\w.]+/g,
];

test('every comparison of bytes is in constant time, or of what is public', () => {
  const found = new Set<string>();
  const unknown: string[] = [];
  for (const file of sources()) {
    if (PUBLIC_FOLDERS.some((folder) => file.startsWith(folder)) || file === 'src/bytes/index.ts') continue;
    for (const { line, text } of comparisons(readFileSync(file, 'utf8'))) {
      const key = Object.keys(PUBLIC).find((known) => `${file}: ${text}` === known);
      if (key === undefined) unknown.push(`${file}:${line}: ${text}`);
      else found.add(key);
    }
  }
  assert.deepEqual(unknown, [], 'use equalConstantTime, or say in this test why these bytes are public');
  assert.deepEqual(
    Object.keys(PUBLIC).filter((key) => !found.has(key)),
    [],
    'no such comparison any more: take it off the list',
  );
});

test('what must be compared in constant time is', () => {
  for (const [file, what] of Object.entries(SECRET)) {
    const calls = readFileSync(file, 'utf8').match(/\bequalConstantTime\(/g) ?? [];
    assert.ok(calls.length > 0, `${what}: ${file} compares it in another way`);
  }
});

test('the check finds the ways in which people compare bytes', () => {
  for (const text of [
    'if (equal(expected, message.verifyData)) return;',
    'if (mac.equals(expected)) return;',
    'if (Buffer.compare(a, b) === 0) return;',
    'for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;',
    'for (let i = 0; i < a.length; i++) if (a[i]! !== b[i]!) return false;',
    'if (toHex(mac) === toHex(expected)) return;',
    'if (mac.toString() === expected) return;',
    'if (options.passphrase === other.passphrase) return;',
    'if (key.every((byte, i) => byte === other[i])) return;',
  ])
    assert.notDeepEqual(comparisons(text), [], text);
  for (const text of [
    'if (equalConstantTime(expected, message.verifyData)) return;',
    'if (options.passphrase === undefined) return;',
    "if (typeof secret === 'string') return;",
  ])
    assert.deepEqual(comparisons(text), [], text);
});

test('comparing takes as long wherever the bytes differ', () => {
  // Not a measurement, which would be noise here: every byte must be looked at, wherever the first difference is.
  for (const compare of [
    (bytes: Uint8Array) => equalConstantTime(bytes, new Uint8Array(bytes.length)),
    (bytes: Uint8Array) => equalConstantTime(new Uint8Array(bytes.length), bytes),
  ]) {
    const reads = [0, 15, 31].map((at) => {
      const bytes = new Uint8Array(32);
      bytes[at] = 1;
      const seen: PropertyKey[] = [];
      const watched = new Proxy(bytes, {
        get(target, name) {
          if (typeof name === 'string' && /^\d+$/.test(name)) seen.push(name);
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === 'function' ? value.bind(watched) : value;
        },
      });
      assert.equal(compare(watched), false);
      return seen.length;
    });
    assert.ok(reads[0]! >= 32, `${reads[0]} bytes read of 32`);
    assert.equal(new Set(reads).size, 1, `${reads}`);
  }
});

test('a key whose bytes are all the same is found, and no other', () => {
  for (const at of [0, 1, 30, 31]) assert.equal(isConstant(new Uint8Array(32).fill(7).fill(8, at, at + 1)), false);
  for (const value of [0, 7, 255]) assert.equal(isConstant(new Uint8Array(32).fill(value)), true);
});

function sources(): string[] {
  return readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => `src/${file.replaceAll('\\', '/')}`)
    .sort();
}

function comparisons(source: string): { readonly line: number; readonly text: string }[] {
  const found: { line: number; text: string }[] = [];
  const code = source.replace(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, ' '));
  const add = (from: number, to: number): void => {
    found.push({ line: code.slice(0, from).split('\n').length, text: code.slice(from, to).replace(/\s+/g, ' ') });
  };
  for (const { index, 0: call } of code.matchAll(CALLS)) {
    // A method with what it is called on.
    const from = call.startsWith('.') ? index - (/[\w$]*$/.exec(code.slice(0, index))?.[0].length ?? 0) : index;
    add(from, endOfCall(code, index + call.length));
  }
  for (const pattern of BY_HAND)
    for (const { index, 0: text } of code.matchAll(pattern)) add(index, index + text.length);
  return found;
}

function endOfCall(code: string, at: number): number {
  let depth = 1;
  let end = at;
  while (depth > 0 && end < code.length) {
    if (code[end] === '(') depth++;
    if (code[end] === ')') depth--;
    end++;
  }
  return end;
}
