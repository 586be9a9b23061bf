import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import * as nodeTls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { listen } from '../../test/support/visits.ts';
import { type ConnectionOptions, createSecureContext, getCACertificates, setDefaultCACertificates } from './index.ts';

const path = (name: string): string =>
  fileURLToPath(new URL(`../../test/compat/node/fixtures/${name}.pem`, import.meta.url));
const text = (name: string): string => readFileSync(path(name), 'latin1');
const server = { cert: text('server'), key: text('server-key') };
const ca = text('ca');
const visitable = async (t: TestContext) => (await listen(t, server)).visit;

test('checkServerIdentity gets the name and the chain, as in node:tls', async (t) => {
  const visit = await visitable(t);
  const asked: unknown[] = [];
  const check: ConnectionOptions['checkServerIdentity'] = (host, certificate) => {
    asked.push([host, certificate.subject.CN, certificate.issuerCertificate?.subject.CN]);
    return undefined;
  };
  const { client } = await visit({ ca, servername: 'other.example', checkServerIdentity: check });
  assert.deepEqual([client.authorized, client.authorizationError], [true, null]);
  const secureContext = createSecureContext({ ca });
  await visit({ secureContext, servername: 'a.test', checkServerIdentity: async (...args) => check(...args) });
  assert.deepEqual(asked, [
    ['other.example', 'localhost', 'Test CA'],
    ['a.test', 'localhost', 'Test CA'],
  ]);
});

test('what checkServerIdentity answers, throws or rejects with is the error of the socket', async (t) => {
  const visit = await visitable(t);
  const mine = Object.assign(new Error('I do not like it'), { code: 'EMINE' });
  const answers: readonly ConnectionOptions['checkServerIdentity'][] = [
    () => mine,
    async () => mine,
    () => {
      throw mine;
    },
    async () => {
      throw mine;
    },
  ];
  for (const checkServerIdentity of answers) {
    await assert.rejects(visit({ ca, checkServerIdentity }), (error) => error === mine);
  }
  await assert.rejects(visit({ ca, checkServerIdentity: () => 'no' as never }), { message: 'no' });

  const lenient = { ca, rejectUnauthorized: false };
  const { client } = await visit({ ...lenient, checkServerIdentity: () => mine });
  assert.deepEqual([client.authorized, client.authorizationError], [false, 'EMINE']);
  const unnamed = await visit({ ...lenient, checkServerIdentity: async () => new Error('no code') });
  assert.deepEqual([unnamed.client.authorized, unnamed.client.authorizationError], [false, 'no code']);
});

test('checkServerIdentity is not asked about who is not trusted, nor about a session that is resumed', async (t) => {
  const site = await listen(t, server);
  let asked = 0;
  const checkServerIdentity = (): undefined => {
    asked++;
  };
  const stranger = { ca: text('ca2'), rejectUnauthorized: false, checkServerIdentity };
  const { client } = await site.visit(stranger);
  assert.deepEqual([asked, client.authorized], [0, false]);
  const options = { ca, checkServerIdentity };
  const [session] = await site.tickets(1, options);
  assert.equal(asked, 1);
  assert.equal((await site.visit({ ...options, session })).resumed, true);
  assert.equal(asked, 1);
  assert.equal((await site.visit({ ...options, session, checkServerIdentity: () => undefined })).resumed, false);
  assert.equal((await site.visit({ ca, session })).resumed, false);
});

test('a name that does not match is the error that node:tls has for it', async (t) => {
  const visit = await visitable(t);
  const failed = visit({ ca, servername: 'a.test' }).catch((error: unknown) => error);
  const { code, reason, host, cert, message } = (await failed) as Record<string, unknown>;
  const legacy = cert as nodeTls.PeerCertificate;
  const expected = nodeTls.checkServerIdentity('a.test', legacy) as Error & { reason?: string };
  assert.deepEqual([code, host, legacy.subject.CN], ['ERR_TLS_CERT_ALTNAME_INVALID', 'a.test', 'localhost']);
  assert.deepEqual([message, reason], [expected.message, expected.reason]);
});

test('NODE_TLS_REJECT_UNAUTHORIZED=0 is obeyed where the program says nothing, with one warning', async (t) => {
  const visit = await visitable(t);
  const stranger = { ca: text('ca2') };
  await assert.rejects(visit(stranger), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  t.after(() => {
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  });
  const warned = once(process, 'warning') as Promise<[Error]>;
  const { client } = await visit(stranger);
  assert.deepEqual([client.authorized, client.authorizationError], [false, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE']);
  assert.match((await warned)[0].message, /^Setting the NODE_TLS_REJECT_UNAUTHORIZED environment variable to '0'/);
  for (const rejectUnauthorized of [true, undefined]) {
    await assert.rejects(visit({ ...stranger, rejectUnauthorized }), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
  }
});

test('NODE_EXTRA_CA_CERTS is trusted beside what Node has', () => {
  const module = new URL('./index.ts', import.meta.url).href;
  const program = `import('${module}').then(({ createSecureContext, getCACertificates }) => console.log(JSON.stringify(
    [getCACertificates('extra').length, getCACertificates().length, createSecureContext().authorities.length])))`;
  const run = (env: NodeJS.ProcessEnv): number[] =>
    JSON.parse(execFileSync(process.execPath, ['--import', 'tsx', '-e', program], { env }).toString()) as number[];
  const [none, bundled, trusted] = run({ ...process.env, NODE_EXTRA_CA_CERTS: '' });
  assert.deepEqual([none, bundled], [0, trusted]);
  assert.deepEqual(run({ ...process.env, NODE_EXTRA_CA_CERTS: path('ca') }), [1, bundled! + 1, bundled! + 1]);
});

test('setDefaultCACertificates changes whom clients without ca trust, at once', async (t) => {
  const visit = await visitable(t);
  const before = getCACertificates();
  t.after(() => setDefaultCACertificates(before));
  const refused = { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' };
  await assert.rejects(visit({ ca: undefined }), refused);
  setDefaultCACertificates([ca, ca]);
  assert.equal(getCACertificates().length, 1);
  await visit({ ca: undefined });
  await visit({ secureContext: createSecureContext() });
  setDefaultCACertificates([]);
  await assert.rejects(visit({ ca: undefined }), refused);
  assert.throws(() => setDefaultCACertificates(['hello']), { code: 'ERR_CRYPTO_OPERATION_FAILED' });
  assert.throws(() => setDefaultCACertificates(5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(() => getCACertificates('nobody' as never), { code: 'ERR_INVALID_ARG_VALUE' });
});
