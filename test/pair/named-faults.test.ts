import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { testCrypto } from '../../src/providers/test/index.ts';
import { RingCookieSealer, TicketKeyRing } from '../../src/tickets/index.ts';
import { createSelfSigned } from '../../src/x509/index.ts';
import { makeIdentity } from '../support/certificates.ts';
import { type Change, corrupt } from './corrupt.ts';
import { connect, createWorld, errorOf, eventsOf, Pair, type WorldOptions } from './pair.ts';

/** Faults that need more of a setting than the tables of misbehaviour.test.ts give them. */

interface Case {
  readonly code: string;
  readonly alert: string;
  /** Who finds the fault. */
  readonly victim: 'client' | 'server';
  readonly world?: WorldOptions;
  /** Offer a ticket of an earlier connection. */
  readonly resume?: boolean;
  /** What the other side does wrong. */
  readonly change?: Change;
}

const RETRY = { server: { groups: ['secp256r1'] }, client: { keyShareCount: 1 } };
const cookieCrypto = testCrypto({ seed: 'cookie' });
const cookieSealer = new RingCookieSealer(new TicketKeyRing({ crypto: cookieCrypto }), cookieCrypto);

/** A certificate for a curve that TLS 1.3 does not have. */
async function secp256k1Certificate(): Promise<Uint8Array> {
  const { credential } = await makeIdentity();
  const { publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'secp256k1',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  });
  return createSelfSigned({
    subjectPublicKeyInfo: publicKey,
    signer: credential.signer,
    names: ['localhost'],
    notBefore: Date.UTC(2020, 0, 1),
    notAfter: Date.UTC(2049, 0, 1),
    serial: randomBytes(16),
  });
}

const strange = await secp256k1Certificate();

const CASES: readonly Case[] = [
  {
    code: 'client_hello.unrecognized_name',
    alert: 'unrecognized_name',
    victim: 'server',
    world: { server: { chooseCredential: () => 'unrecognized_name' } },
  },
  {
    code: 'client_hello.no_application_protocol',
    alert: 'no_application_protocol',
    victim: 'server',
    world: { server: { alpn: ['h2'] }, client: { alpn: ['smtp'] } },
  },
  {
    code: 'client_hello.bad_cookie',
    alert: 'illegal_parameter',
    victim: 'server',
    world: { ...RETRY, server: { ...RETRY.server, cookieSealer } },
    change: (m) => {
      if (m.type !== 'client_hello' || m.extensions.cookie === undefined) return m;
      return {
        ...m,
        extensions: { ...m.extensions, cookie: m.extensions.cookie.map((b, i) => (i === 40 ? b ^ 1 : b)) },
      };
    },
  },
  {
    code: 'server_hello.cipher_suite_changed',
    alert: 'illegal_parameter',
    victim: 'client',
    world: RETRY,
    change: (m) => (m.type === 'server_hello' ? { ...m, cipherSuite: 0x1303 } : m),
  },
  {
    code: 'server_hello.psk_hash_mismatch',
    alert: 'illegal_parameter',
    victim: 'client',
    resume: true,
    change: (m) => (m.type === 'server_hello' ? { ...m, cipherSuite: 0x1302 } : m),
  },
  {
    code: 'encrypted_extensions.bad_record_size_limit',
    alert: 'illegal_parameter',
    victim: 'client',
    change: (m) => (m.type === 'encrypted_extensions' ? { ...m, extensions: { recordSizeLimit: 63 } } : m),
  },
  {
    code: 'certificate.unsupported_key',
    alert: 'unsupported_certificate',
    victim: 'client',
    change: (m) => (m.type === 'certificate' ? { ...m, entries: [{ certificate: strange, extensionTypes: [] }] } : m),
  },
  {
    code: 'certificate_request.missing_signature_algorithms',
    alert: 'missing_extension',
    victim: 'client',
    world: { server: { clientAuth: 'request', verifier: { verify: () => ({ trusted: true }) } } },
    change: (m) => (m.type === 'certificate_request' ? { ...m, extensions: {} } : m),
  },
  {
    code: 'new_session_ticket.too_many',
    alert: 'unexpected_message',
    victim: 'client',
    world: { server: { tickets: 3 }, client: { limits: { ticketsReceived: 2 } } },
  },
];

for (const { code, alert, victim, world: options, resume, change } of CASES) {
  test(`${victim}: ${code}`, async () => {
    const world = await createWorld(options);
    const tickets = resume ? eventsOf((await connect(world)).client, 'ticket').map((e) => e.ticket) : [];
    const pair = new Pair(world, { tickets });
    if (change !== undefined) corrupt(victim === 'client' ? pair.server : pair.client, change);
    await pair.run();
    const other = victim === 'client' ? pair.server : pair.client;
    assert.equal(errorOf(pair[victim])?.code, code, errorOf(pair[victim])?.message);
    assert.equal(errorOf(other)?.alert, alert, 'the other side is told');
  });
}
