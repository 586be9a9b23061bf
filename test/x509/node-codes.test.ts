/** What a client of node:tls says of a chain (`authorizationError`), and what ours says. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import * as nodeTls from 'node:tls';
import * as ours from '../../src/node/index.ts';
import * as der from '../../src/x509/der.ts';
import { Oid } from '../../src/x509/oids.ts';
import {
  bc,
  CA,
  chain3,
  cn,
  dns,
  eku,
  extension,
  ku,
  LEAF,
  type Made,
  make,
  makeCrl,
  nc,
  newKey,
  pem,
} from './forge.ts';

const HOUR = 3_600_000;
const now = Date.now();
const valid = { notBefore: now - HOUR, notAfter: now + HOUR };

interface Case {
  readonly name: string;
  readonly change?: Parameters<typeof chain3>[0];
  /** What the server sends. Default: leaf and intermediate. */
  readonly sent?: (chain: ReturnType<typeof chain3>) => readonly Made[];
  readonly ca?: (chain: ReturnType<typeof chain3>) => readonly Made[];
  readonly crl?: (chain: ReturnType<typeof chain3>) => readonly Uint8Array[];
  readonly servername?: string;
  readonly code: string | null;
  /** What node:tls says, where it is something else, and why. */
  readonly node?: { readonly code: string | null; readonly why: string };
}

const stranger = make({ subject: cn('Stranger'), key: newKey(), extensions: CA, ...valid });
const selfSigned = make({ subject: cn('self'), key: newKey(), extensions: LEAF, ...valid });
const unknown = extension('1.3.6.1.4.1.55555.1', der.nullValue(), true);
const crlOf = (issuer: Made, revoked: readonly Made[] = [], times: object = {}): Uint8Array =>
  makeCrl({ issuer, revoked, thisUpdate: now - HOUR, nextUpdate: now + HOUR, ...times });

const UNNAMED = 'OpenSSL has a code of its own, for which Node has no name';
const LAST = 'it goes on after a fault, and the last one that it finds counts';

const cases: readonly Case[] = [
  { name: 'good', code: null },
  { name: 'expired', change: { leaf: { notAfter: now - 2000 } }, code: 'CERT_HAS_EXPIRED' },
  { name: 'expired intermediate', change: { intermediate: { notAfter: now - 2000 } }, code: 'CERT_HAS_EXPIRED' },
  { name: 'not yet valid', change: { leaf: { notBefore: now + HOUR / 2 } }, code: 'CERT_NOT_YET_VALID' },
  { name: 'self-signed', sent: () => [selfSigned], code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
  {
    name: 'root sent, not trusted',
    sent: (c) => [c.leaf, c.intermediate, c.root],
    ca: () => [stranger],
    code: 'SELF_SIGNED_CERT_IN_CHAIN',
  },
  { name: 'no root', ca: () => [stranger], code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' },
  { name: 'no intermediate', sent: (c) => [c.leaf], code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
  {
    name: 'only the intermediate is trusted',
    ca: (c) => [c.intermediate],
    sent: (c) => [c.leaf],
    code: 'UNABLE_TO_GET_ISSUER_CERT',
  },
  {
    name: 'signature',
    change: {
      leaf: { tamper: (signature) => signature.map((byte, i) => (i === signature.length - 1 ? byte ^ 1 : byte)) },
    },
    code: 'CERT_SIGNATURE_FAILURE',
  },
  {
    name: 'issuer is no CA',
    change: { intermediate: { extensions: [bc(false), ku(5)] } },
    code: 'INVALID_CA',
    node: { code: 'INVALID_PURPOSE', why: LAST },
  },
  { name: 'path length', change: { root: { extensions: [bc(true, 0), ku(5)] } }, code: 'PATH_LENGTH_EXCEEDED' },
  {
    name: 'purpose',
    change: { leaf: { extensions: [bc(false), ku(0), eku(Oid.clientAuth)] } },
    code: 'INVALID_PURPOSE',
  },
  {
    name: 'purpose of the intermediate',
    change: { intermediate: { extensions: [...CA, eku(Oid.clientAuth)] } },
    code: 'INVALID_PURPOSE',
  },
  { name: 'revoked', crl: (c) => [crlOf(c.intermediate, [c.leaf]), crlOf(c.root)], code: 'CERT_REVOKED' },
  { name: 'no list', crl: (c) => [crlOf(c.root)], code: 'UNABLE_TO_GET_CRL' },
  {
    name: 'list expired',
    crl: (c) => [crlOf(c.intermediate, [], { nextUpdate: now - 2000 }), crlOf(c.root)],
    code: 'CRL_HAS_EXPIRED',
  },
  {
    name: 'list not yet valid',
    crl: (c) => [crlOf(c.intermediate, [], { thisUpdate: now + HOUR / 2 }), crlOf(c.root)],
    code: 'CRL_NOT_YET_VALID',
  },
  {
    name: 'list forged',
    crl: (c) => [
      makeCrl({
        issuer: { subject: c.intermediate.subject, key: stranger.key },
        keyIdentifiers: false,
        thisUpdate: now - HOUR,
      }),
      crlOf(c.root),
    ],
    code: 'CRL_SIGNATURE_FAILURE',
  },
  { name: 'another name', servername: 'other.example.com', code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
  {
    name: 'issuer may not sign',
    change: { intermediate: { extensions: [bc(true), ku(6)] } },
    code: 'KEYUSAGE_NO_CERTSIGN',
    node: { code: 'UNSPECIFIED', why: UNNAMED },
  },
  {
    name: 'unknown critical extension',
    change: { leaf: { extensions: [...LEAF, unknown] } },
    code: 'UNHANDLED_CRITICAL_EXTENSION',
    node: { code: 'UNSPECIFIED', why: UNNAMED },
  },
  {
    name: 'name not permitted',
    change: { intermediate: { extensions: [...CA, nc({ permitted: [dns('example.org')] })] } },
    code: 'PERMITTED_VIOLATION',
    node: { code: 'UNSPECIFIED', why: UNNAMED },
  },
  {
    name: 'name excluded',
    change: { intermediate: { extensions: [...CA, nc({ excluded: [dns('example.com')] })] } },
    code: 'EXCLUDED_VIOLATION',
    node: { code: 'UNSPECIFIED', why: UNNAMED },
  },
];

/** The code that a client gives, trusting as the case says. */
async function codeOf(
  tls: typeof nodeTls | typeof ours,
  port: number,
  options: nodeTls.ConnectionOptions,
): Promise<string | null> {
  const socket = (tls as typeof nodeTls).connect({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
    ...options,
  });
  try {
    await once(socket, 'secureConnect');
    const error: unknown = socket.authorizationError;
    return error === null || error === undefined ? null : String((error as { code?: string }).code ?? error);
  } finally {
    socket.destroy();
  }
}

async function serve(t: TestContext, sent: readonly Made[]): Promise<number> {
  const server = nodeTls.createServer({
    cert: sent.map((made) => pem(made.der)).join(''),
    key: sent[0]!.key.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    minVersion: 'TLSv1.3',
    ciphers: 'DEFAULT@SECLEVEL=0',
  });
  server.on('secureConnection', (socket) => socket.on('error', () => {}));
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

describe('codes of verdicts', () => {
  for (const one of cases)
    test(`${one.name}: ${one.code ?? 'trusted'}${one.node ? `, with node:tls ${one.node.code}: ${one.node.why}` : ''}`, async (t) => {
      const { change = {} } = one;
      const chain = chain3({
        root: { ...valid, ...change.root },
        intermediate: { ...valid, ...change.intermediate },
        leaf: { ...valid, ...change.leaf },
      });
      const port = await serve(t, one.sent?.(chain) ?? [chain.leaf, chain.intermediate]);
      const crl = one.crl?.(chain).map((list) => pem(list, 'X509 CRL'));
      const options = {
        ca: (one.ca?.(chain) ?? [chain.root]).map((made) => pem(made.der)),
        servername: one.servername ?? 'www.example.com',
        ...(crl && { crl }),
      };
      assert.equal(await codeOf(ours, port, options), one.code);
      const said = await codeOf(nodeTls, port, { ...options, ciphers: 'DEFAULT@SECLEVEL=2' });
      assert.equal(said, one.node === undefined ? one.code : one.node.code, 'node:tls');
    });
});
