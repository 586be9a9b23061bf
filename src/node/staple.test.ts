/** `requestOCSP`: what a server staples is checked, and missed where the certificate must have it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { listen } from '../../test/support/visits.ts';
import { bc, CA, cn, dns, eku, extension, ku, type Made, make, newKey, pem, san } from '../../test/x509/forge.ts';
import { HOUR, makeResponse } from '../../test/x509/ocsp.ts';
import * as der from '../x509/der.ts';
import { Oid } from '../x509/oids.ts';
import type { ConnectionOptions } from './index.ts';

const notAfter = Date.now() + 24 * HOUR;
const root = make({ subject: cn('Root'), key: newKey(), extensions: CA, notAfter });
const issued = (...more: Uint8Array[]): Made =>
  make({
    subject: cn('localhost'),
    key: newKey(),
    issuer: root,
    extensions: [bc(false), ku(0), eku(Oid.serverAuth), san(dns('localhost')), ...more],
    notAfter,
  });
const plain = issued();
const must = issued(extension(Oid.tlsFeature, der.sequence(der.integer(5))));
const ca = pem(root.der);

function staple(of: Made, status: 'good' | 'revoked' = 'good'): Uint8Array {
  const times = { thisUpdate: Date.now() - HOUR, nextUpdate: Date.now() + HOUR };
  return makeResponse({ answers: [{ of, issuer: root, status, ...times }], signer: root });
}

/** A server with this certificate that staples `answer`. */
async function server(t: TestContext, made: Made, answer?: Uint8Array) {
  const key = made.key.privateKey.export({ type: 'pkcs8', format: 'pem' });
  const { server: listening, visit } = await listen(t, { cert: pem(made.der), key });
  listening.on('OCSPRequest', (_certificate, _issuer, done) =>
    done(null, answer === undefined ? null : Buffer.from(answer)),
  );
  return (options: ConnectionOptions = {}) => visit({ ca, servername: 'localhost', requestOCSP: true, ...options });
}

test('a good staple is told and trusted', async (t) => {
  for (const made of [plain, must]) {
    const visit = await server(t, made, staple(made));
    const { client } = await visit();
    assert.equal(client.authorized, true);
  }
});

test('a staple that says revoked ends the handshake, unless the program decides', async (t) => {
  const visit = await server(t, plain, staple(plain, 'revoked'));
  await assert.rejects(visit(), {
    code: 'CERT_REVOKED',
    alert: 'certificate_revoked',
    message: /^certificate revoked: /,
  });
  const { client } = await visit({ rejectUnauthorized: false });
  assert.deepEqual([client.authorized, client.authorizationError], [false, 'CERT_REVOKED']);
  assert.equal((await visit({ requestOCSP: false })).client.authorized, true);
});

test('a staple for another certificate ends the handshake', async (t) => {
  const visit = await server(t, plain, staple(must));
  await assert.rejects(visit(), { code: 'OCSP_VERIFY_FAILED', alert: 'bad_certificate_status_response' });
});

test('a certificate that must be stapled comes with a staple, to who asked for one', async (t) => {
  for (const answer of [undefined, Uint8Array.of(1, 2, 3)]) {
    const visit = await server(t, must, answer);
    await assert.rejects(visit(), { code: 'OCSP_VERIFY_NEEDED', alert: 'bad_certificate_status_response' });
    await assert.rejects(visit({ checkServerIdentity: () => undefined }), { code: 'OCSP_VERIFY_NEEDED' });
    assert.equal((await visit({ requestOCSP: false })).client.authorized, true);
  }
});

test('what is no OCSP response at all is for the program, as in node:tls', async (t) => {
  const visit = await server(t, plain, Buffer.from('the answer'));
  assert.equal((await visit()).client.authorized, true);
});

test('a session that began without a staple is not resumed by who asks for one', async (t) => {
  const key = plain.key.privateKey.export({ type: 'pkcs8', format: 'pem' });
  const { tickets, redeems } = await listen(t, { cert: pem(plain.der), key });
  const [session] = await tickets(1, { ca });
  const [stapled] = await tickets(1, { ca, requestOCSP: true });
  assert.equal(await redeems(session, { ca, requestOCSP: true }), false);
  assert.equal(await redeems(stapled, { ca, requestOCSP: true }), true);
});
