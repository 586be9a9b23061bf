import assert from 'node:assert/strict';
import { constants, createPrivateKey, webcrypto, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as nodeTls from 'node:tls';
import { listen } from '../../test/support/visits.ts';
import { connect, createSecureContext, createServer, type SecureContext, type SecureContextOptions } from './index.ts';

const RELEASE = Number(process.versions.node.split('.')[0]);
const file = (name: string): Buffer =>
  readFileSync(new URL(`../../test/compat/node/fixtures/${name}.pem`, import.meta.url));
const text = (name: string): string => file(name).toString();
const server = { cert: text('server'), key: text('server-key') };
const rsa = { cert: text('rsa'), key: text('rsa-key') };
const encrypted = text('server-key-encrypted');
const der = (name: string): Uint8Array => new X509Certificate(file(name)).raw;

/** The common names of each chain. */
function chainsOf(context: SecureContext): string[][] {
  const nameOf = (one: Uint8Array): string => /CN=(.*)/.exec(new X509Certificate(one).subject)![1]!;
  return context.credentials.map(({ chain }) => chain.map(nameOf));
}

interface Refusal {
  readonly name: string;
  readonly code: string | undefined;
  readonly words: string;
}

/** Which error. Words of node:tls may be followed by more of ours. */
function refusal(make: () => unknown): Refusal | undefined {
  try {
    make();
  } catch (error) {
    const { name, code, message } = error as Error & { code?: string };
    return { name, code, words: message };
  }
  return undefined;
}

function assertAsNode(ours: Refusal | undefined, node: Refusal | undefined): void {
  assert.deepEqual([ours?.name, ours?.code], [node?.name, node?.code]);
  if (node === undefined) return;
  const first = node.words.split(' ').slice(0, 3).join(' ');
  assert.ok(ours!.words.startsWith(first), `${ours!.words}\n${node.words}`);
}

const AS_NODE: Readonly<Record<string, object>> = {
  'options that are a number': 5 as unknown as object,
  'no options': {},
  'a certificate alone': { cert: server.cert },
  'a key alone': { key: server.key },
  'empty ones': { cert: '', key: '', ca: '' },
  null: { cert: null, key: null, ca: null, passphrase: null, ciphers: null, sigalgs: null, minVersion: null },
  'a key of another certificate': { ...server, key: text('other-key') },
  'a key of another kind': { ...server, key: rsa.key },
  'an encrypted key without passphrase': { ...server, key: encrypted },
  'an encrypted key with another passphrase': { ...server, key: encrypted, passphrase: 'wrong' },
  'a passphrase that is a number': { ...server, key: encrypted, passphrase: 5 },
  'a key that is a number': { ...server, key: 5 },
  'a key that is a number, in an array': { ...server, key: [5] },
  'a key that is none': { ...server, key: 'hello' },
  'a certificate that is a number': { ...server, cert: 5 },
  'a certificate that is none': { ...server, cert: 'hello' },
  'the issuer in front of the certificate': { cert: text('intermediate') + text('leaf'), key: text('leaf-key') },
  'an authority that is a number': { ca: 5 },
  'an authority that is none': { ca: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' },
  'a revocation list that is none': { crl: 'hello' },
  'a revocation list that is a certificate': { crl: server.cert },
  'a revocation list that is a number': { crl: 5 },
  'PFX that is none': { pfx: Buffer.from('hello') },
  'PFX that is a number': { pfx: 5 },
  'cipher suites that are a number': { ciphers: 5 },
  'cipher suites that nobody has': { ciphers: 'nonsense' },
  'cipher suites in lower case': { ciphers: 'tls_aes_128_gcm_sha256' },
  'cipher suites, one that nobody has': { ciphers: 'TLS_AES_128_GCM_SHA256:nonsense' },
  'groups that are a number': { ecdhCurve: 5 },
  'groups that are null': { ecdhCurve: null },
  'groups that nobody has': { ecdhCurve: 'nonsense' },
  'groups, one that nobody has': { ecdhCurve: 'P-256:nonsense' },
  'groups of old': { ecdhCurve: 'brainpoolP256r1:x25519:P-384' },
  'signature algorithms that are a number': { sigalgs: 5 },
  'no signature algorithms': { sigalgs: '' },
  'signature algorithms that nobody has': { sigalgs: 'nonsense' },
  'signature algorithms of old': { sigalgs: 'RSA+SHA1:ECDSA+SHA256:rsa_pss_rsae_sha256' },
  'a version that nobody has': { minVersion: 'TLSv9' },
  'a version that is empty': { maxVersion: '' },
  'a version and a method': { secureProtocol: 'TLS_method', minVersion: 'TLSv1.2' },
  'a method': { secureProtocol: 'TLS_method' },
  'a method that nobody has': { secureProtocol: 'TLSv1_3_method' },
  'a method of SSL 3.0': { secureProtocol: 'SSLv3_method' },
  'OpenSSL’s options as text': { secureOptions: 'x' },
  'OpenSSL’s options': { secureOptions: constants.SSL_OP_ALL },
  'parameters of DH that are a number': { dhparam: 5 },
  'parameters of DH': { dhparam: 'auto', minDHSize: 2048 },
  'an engine that is a number': { clientCertEngine: 5 },
  'a key in no engine': { privateKeyIdentifier: 'x' },
  'a session id context that is a number': { sessionIdContext: 5 },
  'a session timeout that is negative': { sessionTimeout: -1 },
  'ticket keys that are text': { ticketKeys: 'x' },
  'ticket keys that are too short': { ticketKeys: Buffer.alloc(5) },
};

for (const [what, options] of Object.entries(AS_NODE)) {
  test(`createSecureContext says of ${what} what node:tls says`, () => {
    assertAsNode(
      refusal(() => createSecureContext(options as SecureContextOptions)),
      refusal(() => nodeTls.createSecureContext(options)),
    );
  });
}

test('certificate compression is checked as Node 24 does it', () => {
  for (const certificateCompression of [['x'], 'zlib', ['zlib', 'zlib'], ['zlib'], []] as never[]) {
    const ours = refusal(() => createSecureContext({ certificateCompression }));
    if (RELEASE >= 24) {
      const options = { certificateCompression } as object;
      assertAsNode(
        ours,
        refusal(() => nodeTls.createSecureContext(options)),
      );
    }
  }
  assert.throws(() => createSecureContext({ certificateCompression: ['x'] as never }), {
    code: 'ERR_INVALID_ARG_VALUE',
  });
});

const OWN: readonly (readonly [what: string, options: object, error: object])[] = [
  ['a highest version below 1.3', { maxVersion: 'TLSv1.2' }, { code: 'ERR_TLS_INVALID_PROTOCOL_VERSION' }],
  [
    'a method of one version below 1.3',
    { secureProtocol: 'TLSv1_2_method' },
    { code: 'ERR_TLS_INVALID_PROTOCOL_METHOD' },
  ],
  ['SSL_OP_NO_TLSv1_3', { secureOptions: constants.SSL_OP_NO_TLSv1_3 }, { code: 'ERR_TLS_INVALID_PROTOCOL_VERSION' }],
  [
    'cipher suites of TLS 1.2 alone',
    { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' },
    { code: 'ERR_SSL_NO_CIPHER_MATCH', message: /TLS_AES_128_GCM_SHA256/ },
  ],
  ['groups of TLS 1.2 alone', { ecdhCurve: 'secp256k1' }, { code: 'ERR_CRYPTO_OPERATION_FAILED', message: /x25519/ }],
  ['signature algorithms of TLS 1.2 alone', { sigalgs: 'RSA+SHA256' }, { code: 'ERR_INVALID_ARG_VALUE' }],
  [
    'an engine',
    { privateKeyEngine: 'x', privateKeyIdentifier: 'y' },
    { code: 'ERR_CRYPTO_CUSTOM_ENGINE_NOT_SUPPORTED', message: /schemes, sign/ },
  ],
];

for (const [what, options, error] of OWN) {
  test(`${what} is refused, for it leaves nothing of TLS 1.3`, () => {
    assert.throws(() => createSecureContext(options), error);
    assert.throws(() => createServer(options), error);
    assert.throws(() => connect({ port: 1, ...options }), error);
  });
}

test('names of TLS 1.2 beside those of TLS 1.3 go unused', async (t) => {
  const { visit } = await listen(t, {
    ...server,
    ciphers: 'ECDHE-RSA-AES128-GCM-SHA256:TLS_CHACHA20_POLY1305_SHA256:!aNULL',
    ecdhCurve: 'secp256k1:P-384',
    sigalgs: 'RSA+SHA256:ECDSA+SHA256',
    minVersion: 'TLSv1',
    secureProtocol: undefined,
  });
  const { client: socket } = await visit({ ca: text('ca') });
  assert.equal(socket.getCipher()?.name, 'TLS_CHACHA20_POLY1305_SHA256');
  assert.equal(socket.connectionInfo?.group, 'secp384r1');
});

test('a context of node:tls is refused by name, wherever one is given', async () => {
  const context = nodeTls.createSecureContext(server) as never;
  const error = { code: 'ERR_TLS_INVALID_CONTEXT', message: /^context must be a SecureContext/ };
  assert.throws(() => connect({ port: 1, secureContext: context }), error);
  assert.throws(() => createServer({ secureContext: context }), error);
  assert.throws(() => createServer(server).addContext('a.test', context), error);
});

test('keys and certificates in all forms are one credential', async () => {
  const key = createPrivateKey(server.key);
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' });
  const usages: webcrypto.KeyUsage[] = ['sign'];
  const cryptoKey = await webcrypto.subtle.importKey(
    'pkcs8',
    pkcs8,
    { name: 'ECDSA', namedCurve: 'P-256' },
    true,
    usages,
  );
  const view = (bytes: Uint8Array): DataView => new DataView(new Uint8Array(bytes).buffer);
  const forms: readonly SecureContextOptions[] = [
    server,
    { cert: Buffer.from(server.cert), key: new Uint8Array(Buffer.from(server.key)) },
    { cert: [server.cert], key: [server.key] },
    { cert: view(file('server')), key: view(file('server-key')) },
    { cert: der('server'), key: pkcs8 },
    { cert: server.cert, key: key.export({ type: 'sec1', format: 'pem' }) as string },
    { cert: server.cert, key },
    { cert: server.cert, key: cryptoKey },
    { cert: server.cert, key: encrypted, passphrase: 'secret' },
    { cert: server.cert, key: { pem: encrypted, passphrase: 'secret' } },
    { cert: server.cert, key: [{ pem: encrypted, passphrase: 'secret' }], passphrase: 'another' },
    { cert: server.cert, key: [{ pem: Buffer.from(encrypted) }], passphrase: 'secret' },
    { cert: `words around it\n${server.cert.replaceAll('\n', '\r\n')}and behind`, key: server.key },
  ];
  for (const form of forms) assert.deepEqual(chainsOf(createSecureContext(form)), [['localhost']]);
});

test('keys find their certificates, in whatever order they come', () => {
  const chains = (options: SecureContextOptions): string[][] => chainsOf(createSecureContext(options));
  // Of two kinds, the one that OpenSSL prefers comes first.
  for (const keys of [
    [server.key, rsa.key],
    [rsa.key, server.key],
  ]) {
    const { credentials } = createSecureContext({ cert: [rsa.cert, server.cert], key: keys });
    assert.deepEqual(
      credentials.map(({ chain }) => Buffer.from(chain[0]!).equals(der('server'))),
      [true, false],
    );
  }
  // Two of one kind, of which OpenSSL takes one only.
  const both = { cert: [server.cert, text('other')], key: [text('other-key'), server.key] };
  assert.deepEqual(chains(both), [['localhost'], ['other.example']]);
  assert.deepEqual(chains({ cert: server.cert, key: rsa.key }), []);
  assert.deepEqual(chains({ cert: [server.cert, rsa.cert], key: server.key }), [['localhost']]);
});

test('a signer is for the chain at its place, or for the one that no key fits', () => {
  const signer = { schemes: [0x0403], sign: () => new Uint8Array(1) };
  const other = { schemes: [0x0403], sign: () => new Uint8Array(2) };
  const signers = (options: SecureContextOptions): unknown[] =>
    createSecureContext(options).credentials.map((credential) => credential.signer);
  assert.deepEqual(signers({ cert: server.cert, key: signer }), [signer]);
  const cert = [server.cert, text('other')];
  assert.deepEqual(signers({ cert, key: [other, signer] }), [other, signer]);
  assert.equal(signers({ cert, key: [server.key, signer] })[1], signer);
  assert.equal(signers({ cert, key: [signer, text('other-key')] })[0], signer);
});

test('what is missing of a chain is found among the authorities', () => {
  const leaf = { cert: text('leaf'), key: text('leaf-key') };
  const whole = ['localhost', 'Intermediate CA', 'Test CA'];
  const authorities = [text('ca2'), text('ca'), text('intermediate')];
  assert.deepEqual(chainsOf(createSecureContext({ ...leaf, ca: authorities })), [whole]);
  assert.deepEqual(chainsOf(createSecureContext({ ...leaf, ca: text('ca') })), [['localhost']]);
  assert.deepEqual(
    chainsOf(createSecureContext({ ...leaf, cert: leaf.cert + text('intermediate'), ca: authorities })),
    [whole.slice(0, 2)],
  );
});

test('SSL_OP_NO_TICKET means no tickets, unless they are asked for', () => {
  const secureOptions = constants.SSL_OP_NO_TICKET;
  assert.equal(createSecureContext({ secureOptions }).tickets.count, 0);
  assert.equal(createSecureContext({ secureOptions, numTickets: 3 }).tickets.count, 3);
});

test('sessions are kept apart by whom the client trusts', () => {
  const crl = text('crl');
  const options: readonly SecureContextOptions[] = [
    {},
    { ca: text('ca') },
    { ca: text('ca'), crl },
    { ca: text('ca'), crl: text('crl-empty') },
    { ca: text('ca'), allowPartialTrustChain: true },
    { ca: text('ca'), verifyPeer: () => ({ trusted: true }) },
    { ca: text('ca'), ...server },
  ];
  const contexts = options.map((one) => createSecureContext(one));
  const check = (): undefined => undefined;
  const scopes = contexts.flatMap((one) => [one.scope(true), one.scope(false), one.scope(true, check)]);
  scopes.push(contexts[0]!.scope(true, () => undefined));
  assert.equal(new Set(scopes).size, scopes.length);
  assert.equal(contexts[0]!.scope(true, check), createSecureContext().scope(true, check));
});
