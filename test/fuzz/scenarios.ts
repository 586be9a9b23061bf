import { createPrivateKey, createPublicKey } from 'node:crypto';
import { concat, fromHex, latin1 } from '../../src/bytes/index.ts';
import type {
  ClientEngineOptions,
  ClientOptions,
  ExternalPsk,
  ServerOptions,
  TlsEngine,
} from '../../src/connection/index.ts';
import type { MaybePromise } from '../../src/crypto/index.ts';
import type { CertificateVerifier } from '../../src/peer-auth/index.ts';
import { createSigner } from '../../src/providers/node/index.ts';
import { testCrypto } from '../../src/providers/test/index.ts';
import {
  decodeClientTicket,
  encodeClientTicket,
  RingCookieSealer,
  RingSealer,
  TicketKeyRing,
} from '../../src/tickets/index.ts';
import { createSelfSigned } from '../../src/x509/index.ts';
import { TestGuard } from '../pair/early.ts';
import { connect, createWorld, eventsOf, Pair, type World } from '../pair/pair.ts';
import type { TestIdentity } from '../support/certificates.ts';

/** A kind of connection, as it is when nobody interferes. */
export interface Scenario {
  readonly name: string;
  readonly server?: Partial<ServerOptions>;
  readonly client?: Partial<ClientOptions>;
  readonly engine?: ClientEngineOptions;
  /** The client has a ticket: of a server of these options, or of this one. */
  readonly ticket?: 'plain' | 'early';
  /** The server puts its state into a cookie. */
  readonly cookie?: boolean;
  /** What the client writes before anything came. */
  readonly early?: Uint8Array;
  /** What each side does once it is secure, in turns. */
  readonly script?: readonly (readonly ['client' | 'server', (engine: TlsEngine) => void])[];
}

/** Always the same key, certificate and Ed25519 signatures, so that one input means one run in every process. */
export async function fixedIdentity(): Promise<TestIdentity> {
  identity ??= makeFixedIdentity();
  return identity;
}

let identity: Promise<TestIdentity> | undefined;

async function makeFixedIdentity(): Promise<TestIdentity> {
  const pkcs8 = concat(fromHex('302e020100300506032b657004220420'), new Uint8Array(32).fill(0x42));
  const privateKey = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  const signer = createSigner(privateKey);
  const certificate = await createSelfSigned({
    subjectPublicKeyInfo: createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    signer,
    names: ['localhost'],
    notBefore: Date.UTC(2020, 0, 1),
    notAfter: Date.UTC(2049, 0, 1),
    serial: new Uint8Array(16).fill(0x11),
  });
  return {
    certificate,
    certificatePem: `-----BEGIN CERTIFICATE-----\n${Buffer.from(certificate).toString('base64')}\n-----END CERTIFICATE-----\n`,
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    credential: { chain: [certificate], signer, names: ['localhost'] },
  };
}

const hello = latin1('hello');
const later = <T>(value: MaybePromise<T>): Promise<T> => Promise.resolve(value);
const trusting: CertificateVerifier = { verify: () => ({ trusted: true }), policy: 'all' };
const slowVerifier: CertificateVerifier = { verify: () => later({ trusted: true } as const), policy: 'all' };

const psk: ExternalPsk = { identity: latin1('alice'), key: new Uint8Array(32).fill(0xa1), hash: 'sha256' };
const importedPsk: ExternalPsk = {
  identity: latin1('carol'),
  key: new Uint8Array(16).fill(0xca),
  hash: 'sha256',
  import: { context: latin1('context') },
};
const EARLY = { maxSize: 1_000, deadlineMs: 250 };

export const SCENARIOS: readonly Scenario[] = [
  { name: 'full' },
  {
    name: 'data, key updates and tickets',
    script: [
      ['client', (e) => e.write(hello)],
      ['server', (e) => e.write(hello)],
      ['client', (e) => e.updateKeys(true)],
      ['server', (e) => e.write(new Uint8Array(3_000))],
      ['server', (e) => void e.requestTickets(3)],
      ['server', (e) => e.updateKeys()],
      ['client', (e) => e.write(hello)],
      ['server', (e) => e.flush()],
      ['client', (e) => e.close()],
      ['server', (e) => e.close()],
    ],
  },
  { name: 'retry', server: { groups: ['secp256r1'] }, client: { groups: ['x25519', 'secp256r1'], keyShareCount: 1 } },
  {
    name: 'retry with cookie',
    server: { groups: ['secp256r1'] },
    cookie: true,
    client: { groups: ['x25519', 'secp256r1'], keyShareCount: 1, middleboxCompatibility: false },
  },
  { name: 'resumption', ticket: 'plain', script: [['server', (e) => e.write(hello)]] },
  {
    name: 'early data',
    ticket: 'early',
    early: latin1('early data'),
    script: [
      ['client', (e) => e.write(hello)],
      ['server', (e) => e.write(hello)],
    ],
  },
  { name: 'early data refused', ticket: 'early', early: latin1('early data'), server: { earlyData: undefined } },
  {
    name: 'early data refused by a retry',
    ticket: 'early',
    early: new Uint8Array(900),
    server: { groups: ['secp256r1'] },
    client: { groups: ['x25519', 'secp256r1'], keyShareCount: 1 },
  },
  {
    name: 'client certificate',
    server: { clientAuth: 'require', verifier: trusting },
    script: [['client', (e) => e.write(hello)]],
  },
  {
    name: 'certificate after the handshake',
    server: { verifier: trusting },
    client: { postHandshakeAuth: true },
    script: [
      ['server', (e) => e.requestClientCertificate()],
      ['client', (e) => e.write(hello)],
      ['server', (e) => e.requestClientCertificate({ required: true })],
      ['client', (e) => e.updateKeys(true)],
    ],
  },
  { name: 'external psk', engine: { psks: [psk] }, server: { findPsk: findPsk, credentials: [] } },
  {
    name: 'imported psk, psk_ke',
    engine: { psks: [importedPsk, psk] },
    server: { findPsk, allowPskOnly: true },
    client: { allowPskOnly: true },
  },
  {
    name: 'compressed certificates',
    server: { certificateCompression: ['zlib', 'brotli'], clientAuth: 'request', verifier: trusting },
    client: { certificateCompression: ['zlib'] },
  },
  {
    name: 'everything small',
    server: { recordSizeLimit: 64, alpn: ['h2', 'http/1.1'], tickets: { count: 5 } },
    client: { recordSizeLimit: 80, alpn: ['http/1.1'], grease: false, keyShareCount: 1 },
    engine: { ticketRequest: { newSessionCount: 4, resumptionCount: 1 }, requestOcsp: false },
    script: [['server', (e) => e.write(new Uint8Array(500))]],
  },
  {
    name: 'everything waits',
    server: {
      clientAuth: 'request',
      verifier: slowVerifier,
      chooseAlpn: () => later(null),
      chooseConfig: () => later(undefined),
    },
    client: { verifier: slowVerifier },
    script: [
      ['client', (e) => e.write(hello)],
      ['server', (e) => e.close()],
    ],
  },
];

function findPsk(identity: Uint8Array): ExternalPsk | undefined {
  return [psk, importedPsk].find((one) => latin1Of(one.identity) === latin1Of(identity));
}

function latin1Of(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

function sealerOf(seed: string): RingSealer {
  const crypto = testCrypto({ seed });
  return new RingSealer(new TicketKeyRing({ crypto }), crypto);
}

function cookies(): RingCookieSealer {
  const crypto = testCrypto({ seed: 'cookies' });
  return new RingCookieSealer(new TicketKeyRing({ crypto }), crypto);
}

/** A world of its own for one run: randomness, clock and guard begin anew, so two runs of one input are the same. */
export async function worldOf(scenario: Scenario): Promise<World> {
  const identity = await fixedIdentity();
  const { tickets, ...server } = scenario.server ?? {};
  return createWorld({
    identity,
    server: {
      tickets: { sealer: sealerOf('tickets'), label: 'fuzz', ...(typeof tickets === 'object' && tickets) },
      earlyData: { ...EARLY, guard: new TestGuard() },
      ...(scenario.cookie && { cookieSealer: cookies() }),
      ...server,
    },
    client: { credentials: [identity.credential], ...scenario.client },
  });
}

const saved = new Map<string, Promise<readonly Uint8Array[]>>();

/** A fresh copy of the ticket that the scenario begins with. */
async function ticketsFor({ ticket }: Scenario): Promise<NonNullable<ClientEngineOptions['tickets']>> {
  if (ticket === undefined) return [];
  let encoded = saved.get(ticket);
  if (encoded === undefined) {
    const before = worldOf({ name: 'before', ...(ticket === 'plain' && { server: { earlyData: undefined } }) });
    encoded = before
      .then((world) => connect(world))
      .then(({ client }) => eventsOf(client, 'ticket').map((event) => encodeClientTicket(event.ticket)));
    saved.set(ticket, encoded);
  }
  return (await encoded).slice(0, 1).map((bytes) => decodeClientTicket(bytes));
}

/** Client and server of a scenario, before a byte was carried. */
export async function pairOf(scenario: Scenario): Promise<Pair> {
  const tickets = await ticketsFor(scenario);
  const world = await worldOf(scenario);
  const pair = new Pair(world, { tickets, earlyData: scenario.ticket === 'early', ...scenario.engine });
  if (scenario.early !== undefined) pair.client.engine.write(scenario.early);
  return pair;
}

/** Carries a scenario through to its end. */
export async function play(scenario: Scenario): Promise<Pair> {
  const pair = await pairOf(scenario);
  await pair.run();
  for (const [side, step] of scenario.script ?? []) {
    step(pair[side].engine);
    await pair.run();
  }
  return pair;
}
