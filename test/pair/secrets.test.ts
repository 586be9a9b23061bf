/** A handshake that fails, at whatever point and for whatever reason, leaves no secret behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { latin1 } from '../../src/bytes/index.ts';
import type { ClientEngineOptions } from '../../src/connection/index.ts';
import type { Credential, KeyExchange } from '../../src/crypto/index.ts';
import { InvalidPublicValue } from '../../src/crypto/index.ts';
import { TlsAlertError } from '../../src/errors/index.ts';
import { testCrypto } from '../../src/providers/test/index.ts';
import { RingSealer, TicketKeyRing } from '../../src/tickets/index.ts';
import { makeIdentity, TEST_NOW } from '../support/certificates.ts';
import { connect, createWorld, errorOf, eventsOf, type World, type WorldOptions } from './pair.ts';
import { secretsUsed } from './secrets.ts';

const crypto = testCrypto({ seed: 'secrets' });
const ring = new TicketKeyRing({ crypto });
const sealer = new RingSealer(ring, crypto);
const identity = await makeIdentity();
const psk = { identity: latin1('alice'), key: new Uint8Array(32).fill(7), hash: 'sha256' as const };
const findPsk = (name: Uint8Array): typeof psk | undefined => (name.length === psk.identity.length ? psk : undefined);

const now = (): never => {
  throw new Error('broken');
};
const later = (): Promise<never> => Promise.reject(new Error('broken'));
const refuse = (): never => {
  throw new TlsAlertError('local.failed', 'access_denied', 'no');
};

function signing(sign: () => never | Promise<never>): Credential {
  const { signer } = identity.credential;
  return { ...identity.credential, signer: { ...signer, schemes: signer.schemes, sign } };
}

/** A crypto provider whose server side does not like the share of the client. */
function picky(encapsulate: () => never | Promise<never>): typeof crypto {
  return Object.assign(Object.create(crypto) as typeof crypto, {
    keyExchange: (id: number): KeyExchange | undefined => {
      const group = crypto.keyExchange(id);
      return group && Object.assign(Object.create(group) as KeyExchange, { encapsulate });
    },
  });
}
const badShare = (): never => {
  throw new InvalidPublicValue('bad');
};

const scope = 'one';
const verifier = { verify: () => ({ trusted: true }) as const, policy: 'all' };
const cases: readonly [what: string, with_: 'ticket' | 'psk' | 'nothing', options: WorldOptions][] = [
  ...(['ticket', 'psk'] as const).flatMap((with_): (typeof cases)[number][] => [
    ['no common protocol', with_, { server: { alpn: ['b'] }, client: { alpn: ['a'] } }],
    ['chooseAlpn throws', with_, { server: { chooseAlpn: now }, client: { alpn: ['a'] } }],
    ['chooseAlpn rejects', with_, { server: { chooseAlpn: later }, client: { alpn: ['a'] } }],
    ['a bad key share', with_, { server: { crypto: picky(badShare) } }],
    ['a bad key share, heard of later', with_, { server: { crypto: picky(async () => badShare()) } }],
  ]),
  ['an alert of the application', 'ticket', { server: { tickets: { sealer, scope, onPresented: refuse } } }],
  ['the same, later', 'ticket', { server: { tickets: { sealer, scope, onPresented: async () => refuse() } } }],
  ['a signer of the server throws', 'nothing', { server: { credentials: [signing(now)] } }],
  ['a signer of the server rejects', 'nothing', { server: { credentials: [signing(later)] } }],
  ...(['chooseCredential throws', 'chooseCredential rejects'] as const).map((what): (typeof cases)[number] => [
    `${what} on the client`,
    'nothing',
    {
      server: { clientAuth: 'request', verifier },
      client: { chooseCredential: what.endsWith('s throws') ? now : later },
    },
  ]),
  ...[now, later].map((sign): (typeof cases)[number] => [
    `a signer of the client ${sign === now ? 'throws' : 'rejects'}`,
    'nothing',
    { server: { clientAuth: 'request', verifier }, client: { credentials: [signing(sign)] } },
  ]),
];

for (const [what, with_, options] of cases) {
  test(`${what}, with ${with_}`, async () => {
    const worldOf = ({ server, client = {} }: WorldOptions): Promise<World> =>
      createWorld({ identity, server: { tickets: { sealer, scope }, findPsk, ...server }, client });
    const tickets = eventsOf((await connect(await worldOf({}))).client, 'ticket').map(({ ticket }) => ticket);
    const offer: ClientEngineOptions = with_ === 'ticket' ? { tickets } : with_ === 'psk' ? { psks: [psk] } : {};
    const world = await worldOf(options);
    const secrets = await secretsUsed(
      async () => {
        const pair = await connect(world, offer);
        assert.ok(errorOf(pair.server) ?? errorOf(pair.client), 'it must fail');
      },
      (secret) => ring.openingKeys(TEST_NOW).some((key) => key.secret === secret),
    );
    assert.ok(secrets.length > 0);
    assert.equal(
      secrets.filter((secret) => !secret.wiped && secret.bytes.some((byte) => byte !== 0)).length,
      0,
      `of ${secrets.length}`,
    );
  });
}
