/** Every limit: what it allows goes through, one more does not, and the peer is told why. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { concat } from '../../src/bytes/index.ts';
import type { Limits, Output } from '../../src/handshake/index.ts';
import { plaintextRecords } from '../../src/record/index.ts';
import {
  type ClientHello,
  ContentType,
  decodeHandshakeMessage,
  encodeHandshakeMessage,
  type HandshakeMessage,
  type NewSessionTicket,
} from '../../src/wire/index.ts';
import { makeIdentity } from '../support/certificates.ts';
import { connect, createWorld, errorOf, eventsOf, Pair, type Side, type WorldOptions } from './pair.ts';

type Limited = { readonly limits: Partial<Limits> };

/** Runs with so much of what is limited, and a limit; gives the side that has the limit. */
type Attempt = (amount: number, limits: Partial<Limits>) => Promise<Side>;

interface Case {
  readonly limit: keyof Limits;
  /** Of the limit; the attempt is made with as much, and with one more. */
  readonly value: number;
  readonly attempt: Attempt;
  /** `undefined`: what is too much is left out, and nothing fails. */
  readonly fault: string | undefined;
  readonly alert?: string;
  /** Where nothing fails: what is there with as much, and is not with one more. */
  readonly worked?: (side: Side) => boolean;
}

const send = (side: Side, message: HandshakeMessage): void =>
  (side.engine as unknown as Output).send(encodeHandshakeMessage(message));
const times = (count: number, act: (i: number) => void): void => {
  for (let i = 0; i < count; i++) act(i);
};
const noTickets = { tickets: 0 };

/** A connection whose `peer` does something so many times. */
const connected =
  (victim: 'client' | 'server', act: (peer: Side, i: number) => void, world: (l: Limited) => WorldOptions): Attempt =>
  async (amount, limits) => {
    const pair = await connect(await createWorld(world({ limits })));
    const peer = victim === 'client' ? pair.server : pair.client;
    times(amount, (i) => {
      act(peer, i);
      pair.carry(peer, pair[victim]);
    });
    return pair[victim];
  };

function helloOf(pair: Pair): ClientHello {
  const hello = decodeHandshakeMessage(1, pair.client.engine.pull()!.subarray(9));
  assert.ok(hello.type === 'client_hello');
  return hello;
}

const withExtensions = (hello: ClientHello, extensions: Partial<ClientHello['extensions']>): Uint8Array =>
  encodeHandshakeMessage({ ...hello, extensions: { ...hello.extensions, ...extensions } });

/** A server that was sent these records first of all. */
async function serverAfter(
  limits: Partial<Limits>,
  records: (hello: ClientHello) => Uint8Array,
  options: WorldOptions['server'] = {},
): Promise<Side> {
  const pair = new Pair(await createWorld({ server: { limits, ...options } }));
  pair.server.engine.receive(records(helloOf(pair)));
  pair.carry(pair.server, pair.client);
  return pair.server;
}

const ticketOf = (length: number): NewSessionTicket => ({
  type: 'new_session_ticket',
  lifetimeSeconds: 7_200,
  ageAdd: 1,
  nonce: Uint8Array.of(0),
  ticket: new Uint8Array(length),
});
/** Of a NewSessionTicket beside its ticket. */
const TICKET_FRAME = encodeHandshakeMessage(ticketOf(1)).length - 4 - 1;

const identity = await makeIdentity();
const { certificate } = identity;

/** A client that was shown this chain, and takes any that it can read. */
async function shown(limits: Partial<Limits>, chain: readonly Uint8Array[]): Promise<Side> {
  const credential = { ...identity.credential, chain };
  const client = { limits, rejectUnauthorized: false };
  return (await connect(await createWorld({ identity: { ...identity, credential }, client }))).client;
}

/** Of a Certificate message beside its certificates: context, length of the list; and length and extensions of an entry. */
const CERTIFICATE_FRAME = 4;
const ENTRY_FRAME = 5;

const CASES: readonly Case[] = [
  {
    limit: 'clientHelloLength',
    value: 2_000,
    fault: 'handshake.too_long',
    alert: 'illegal_parameter',
    attempt: (amount, limits) =>
      serverAfter(limits, (hello) => {
        const length = encodeHandshakeMessage({ ...hello, otherExtensions: [] }).length - 4;
        const padding = { type: 21, data: new Uint8Array(amount - length - 4) };
        return plaintextRecords(
          ContentType.handshake,
          encodeHandshakeMessage({ ...hello, otherExtensions: [padding] }),
        );
      }),
  },
  {
    limit: 'certificateLength',
    value: 1_000,
    fault: 'handshake.too_long',
    alert: 'illegal_parameter',
    attempt: (amount, limits) => {
      const filler = amount - CERTIFICATE_FRAME - certificate.length - 2 * ENTRY_FRAME;
      return shown(limits, [certificate, new Uint8Array(filler)]);
    },
  },
  {
    limit: 'handshakeMessageLength',
    value: 1_000,
    fault: 'handshake.too_long',
    alert: 'illegal_parameter',
    attempt: async (amount, limits) => {
      const act = (peer: Side): void => send(peer, ticketOf(amount - TICKET_FRAME));
      return connected('client', act, (client) => ({ client, server: noTickets }))(1, limits);
    },
  },
  {
    limit: 'certificateChainLength',
    value: 3,
    fault: 'certificate.too_many',
    alert: 'bad_certificate',
    attempt: (amount, limits) => shown(limits, Array<Uint8Array>(amount).fill(certificate)),
  },
  {
    limit: 'pskIdentities',
    value: 2,
    fault: undefined,
    worked: ({ engine }) => engine.info!.resumed,
    attempt: async (amount, limits) => {
      const world = await createWorld({ server: { limits } });
      const [good] = eventsOf((await connect(world)).client, 'ticket');
      const unknown = { ...good!.ticket, ticket: new Uint8Array(100) };
      const tickets = [...Array<typeof unknown>(amount - 1).fill(unknown), good!.ticket];
      return (await connect(world, { tickets })).server;
    },
  },
  {
    limit: 'ticketsReceived',
    value: 3,
    fault: 'new_session_ticket.too_many',
    alert: 'unexpected_message',
    attempt: connected(
      'client',
      (peer) => send(peer, ticketOf(100)),
      (client) => ({ client, server: noTickets }),
    ),
  },
  ...(['client', 'server'] as const).map(
    (victim): Case => ({
      limit: 'keyUpdatesInARow',
      value: 3,
      fault: 'key_update.too_many',
      alert: 'unexpected_message',
      attempt: connected(
        victim,
        ({ engine }) => engine.updateKeys(true),
        (limited) => ({ [victim]: limited }),
      ),
    }),
  ),
  ...(['client', 'server'] as const).map(
    (victim): Case => ({
      limit: 'emptyRecordsInARow',
      value: 3,
      fault: 'record.too_many_empty',
      alert: 'unexpected_message',
      attempt: connected(
        victim,
        ({ engine }) => engine.write(new Uint8Array(0)),
        // Else there is a change_cipher_spec, which counts.
        ({ limits }) => ({
          client: { middleboxCompatibility: false, ...(victim === 'client' && { limits }) },
          server: { ...(victim === 'server' && { limits }) },
        }),
      ),
    }),
  ),
  {
    limit: 'warningAlerts',
    value: 2,
    fault: 'alert.too_many_warnings',
    alert: 'unexpected_message',
    attempt: (amount, limits) => {
      const warning = plaintextRecords(ContentType.alert, Uint8Array.of(1, 90));
      return serverAfter(limits, () => concat(...Array<Uint8Array>(amount).fill(warning)));
    },
  },
  {
    limit: 'skippedEarlyDataLength',
    value: 1_000,
    fault: 'early_data.too_much',
    alert: 'unexpected_message',
    attempt: (amount, limits) =>
      serverAfter(limits, (hello) =>
        concat(
          plaintextRecords(ContentType.handshake, withExtensions(hello, { earlyData: true })),
          // As a record of early data has them: content type and tag.
          plaintextRecords(ContentType.application_data, new Uint8Array(amount + 17)),
        ),
      ),
  },
  {
    limit: 'parkedInputLength',
    value: 1_000,
    fault: 'local.failed',
    alert: 'internal_error',
    attempt: async (amount, limits) => {
      const pair = new Pair(await createWorld({ server: { limits, chooseCredential: () => new Promise(() => {}) } }));
      pair.carry(pair.client, pair.server);
      assert.equal(pair.server.engine.state, 'parked:chooseCredential');
      pair.server.engine.receive(new Uint8Array(amount));
      pair.carry(pair.server, pair.client);
      return pair.server;
    },
  },
  {
    limit: 'ticketsSent',
    value: 3,
    fault: undefined,
    worked: ({ engine }) => engine.requestedTickets > 0,
    attempt: async (amount, limits) => {
      const pair = await connect(await createWorld({ server: { limits, ...noTickets } }));
      pair.server.engine.requestTickets(amount);
      return pair.server;
    },
  },
  ...(['certificateRequestsReceived', 'certificateRequestsPending'] as const).map(
    (limit): Case => ({
      limit,
      value: 2,
      fault: 'certificate_request.too_many',
      alert: 'unexpected_message',
      attempt: connected(
        'client',
        (peer, i) =>
          send(peer, {
            type: 'certificate_request',
            context: Uint8Array.of(i),
            extensions: { signatureAlgorithms: [0x0403] },
          }),
        ({ limits }) => {
          const waits = limit === 'certificateRequestsPending';
          const chooseCredential = waits ? () => new Promise<undefined>(() => {}) : () => undefined;
          return { client: { limits, postHandshakeAuth: true, chooseCredential }, server: noTickets };
        },
      ),
    }),
  ),
];

describe('as much as the limit allows, and one more', () => {
  for (const { limit, value, attempt, fault, alert, worked } of CASES) {
    test(`${limit}${fault === undefined ? '' : `: ${fault}`}`, async () => {
      const limits = { [limit]: value };
      const enough = await attempt(value, limits);
      assert.equal(errorOf(enough), undefined);
      if (worked !== undefined) assert.equal(worked(enough), true);
      const tooMuch = await attempt(value + 1, limits);
      assert.equal(errorOf(tooMuch)?.code, fault, errorOf(tooMuch)?.message);
      assert.equal(errorOf(tooMuch)?.alert, alert);
      if (worked !== undefined) assert.equal(worked(tooMuch), false);
      if (fault !== undefined) {
        assert.equal(tooMuch.engine.state, 'failed');
        assert.ok(tooMuch.engine.hasOutput || tooMuch.sent.length > 0, 'an alert goes out');
      }
    });
  }
});

const { limits: defaults } = (await createWorld()).serverConfig;

test('every limit is tried above', () => {
  assert.deepEqual([...new Set(CASES.map(({ limit }) => limit))].sort(), Object.keys(defaults).sort());
});

test('a limit that is out of range, or none at all, is refused where it is given', async () => {
  for (const limit of Object.keys(defaults)) {
    for (const value of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32, '8' as unknown as number]) {
      for (const role of ['server', 'client'] as const) {
        const made = createWorld({ [role]: { limits: { [limit]: value } } });
        await assert.rejects(made, { code: 'config.out_of_range', message: new RegExp(`^limits\\.${limit} is `) });
      }
    }
  }
  for (const name of ['clientHelloLenght', 'constructor', '__proto__x']) {
    const limits = { [name]: 8 } as Partial<Limits>;
    await assert.rejects(createWorld({ server: { limits } }), { code: 'config.unknown_limit' });
  }
});

test('the documentation has every limit, its default and what happens beyond it', () => {
  const text = readFileSync(new URL('../../docs/limits.md', import.meta.url), 'utf8');
  for (const { limit, fault, alert } of CASES) {
    const row = text.split('\n').find((line) => line.startsWith(`| \`${limit}\``));
    assert.ok(row, `${limit} is not in docs/limits.md`);
    assert.ok(row.includes(`| ${defaults[limit].toLocaleString('en-US')} |`), row);
    if (fault !== undefined) assert.ok(row.includes(`\`${fault}\``) && row.includes(`\`${alert}\``), row);
  }
});

describe('a server name', () => {
  const named = (serverName: string): Promise<Side> =>
    serverAfter({}, (hello) => plaintextRecords(ContentType.handshake, withExtensions(hello, { serverName })));

  test('of 255 bytes is one, a longer one is not kept for as long as the connection', async () => {
    assert.equal(errorOf(await named('a'.repeat(255))), undefined);
    const error = errorOf(await named('a'.repeat(256)));
    assert.equal(error?.code, 'client_hello.unrecognized_name');
    assert.equal(error?.alert, 'unrecognized_name');
  });
});

test("the peer's words in an error are short, and cannot command a terminal", async () => {
  const protocols = ['\x1b[2J\r\nall is well', ...Array<string>(5_000).fill('x'.repeat(10))];
  const server = await serverAfter(
    {},
    (hello) => plaintextRecords(ContentType.handshake, withExtensions(hello, { alpn: protocols })),
    { alpn: ['h2'] },
  );
  const { code, message = '' } = errorOf(server) ?? {};
  assert.equal(code, 'client_hello.no_application_protocol');
  assert.ok(message.includes('[2J'), message);
  assert.ok(message.length < 500, `${message.length} characters`);
  assert.doesNotMatch(message, /\p{Cc}/u);
});
