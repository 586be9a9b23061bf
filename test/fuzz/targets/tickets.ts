import assert from 'node:assert/strict';
import { concat, copyOf, latin1 } from '../../../src/bytes/index.ts';
import { TlsUsageError } from '../../../src/errors/index.ts';
import { decodeSession } from '../../../src/node/session.ts';
import { d2i_SSL_SESSION, ERR_clear_error, i2d_SSL_SESSION } from '../../../src/openssl/index.ts';
import { testCrypto } from '../../../src/providers/test/index.ts';
import {
  type ClientTicket,
  ClientTicketCache,
  decodeClientTicket,
  encodeClientTicket,
  HybridSealer,
  MemoryTicketStore,
  RingCookieSealer,
  RingSealer,
  StoreSealer,
  TicketKeyRing,
  type TicketState,
} from '../../../src/tickets/index.ts';
import { decodeTicketState, encodeTicketState } from '../../../src/tickets/state.ts';
import { DecodeError } from '../../../src/wire/index.ts';
import { TEST_NOW } from '../../support/certificates.ts';
import type { FuzzTarget } from '../target.ts';

const psk = (): Uint8Array => new Uint8Array(32).fill(7);
const chain = [new Uint8Array(300).fill(0x30), new Uint8Array(20).fill(1)];

function states(): TicketState[] {
  const least: TicketState = {
    id: new Uint8Array(16).fill(3),
    psk: psk(),
    cipherSuite: 0x1301,
    issuedAt: TEST_NOW - 1_000,
    authenticatedAt: TEST_NOW - 5_000,
    lifetimeSeconds: 7_200,
    ageAdd: 0xdeadbeef,
    maxEarlyDataSize: 0,
    client: { chain: [], authorized: false },
    appData: new Uint8Array(0),
  };
  const most: TicketState = {
    ...least,
    serverName: 'localhost',
    alpn: 'h2',
    group: 0x1d,
    maxEarlyDataSize: 16_384,
    client: { chain, authorized: true },
    identity: 'alice',
    appData: latin1('what the application put in'),
  };
  return [least, most, { ...most, client: { chain, authorized: false, verdict: 'CERT_HAS_EXPIRED' } as never }];
}

function clientTickets(): ClientTicket[] {
  return states().map(({ client, id: _, issuedAt, identity: __, appData: ___, ...head }) => ({
    ...head,
    receivedAt: issuedAt,
    nonce: Uint8Array.of(1, 2),
    ticket: new Uint8Array(80).fill(9),
    server: client,
  }));
}

export const ticketState: FuzzTarget = {
  name: 'ticket-state',
  about: 'the content of a ticket of a server: decode, encode, decode gives the same; no error is documented',
  sliceRuns: 1_000,
  seeds: () => states().map((state) => encodeTicketState(state)!),
  run(input) {
    const state = decodeTicketState(input);
    if (state === undefined) return;
    const encoded = encodeTicketState(state);
    assert.ok(encoded !== undefined, 'what was decoded can be encoded');
    assert.deepEqual(decodeTicketState(encoded), state);
    assert.equal(decodeTicketState(concat(input, Uint8Array.of(0))), undefined, 'a byte more is accepted');
    assert.equal(decodeTicketState(input.subarray(0, -1)), undefined, 'a byte less is accepted');
  },
};

/** The ticket in `bytes`; `undefined` after the documented error, whose cause is looked at: a fault in our code must not hide there. */
function clientTicketOf(bytes: Uint8Array): ClientTicket | undefined {
  try {
    return decodeClientTicket(bytes);
  } catch (error) {
    if (!(error instanceof TlsUsageError) || error.code !== 'ticket.malformed') throw error;
    const { cause } = error;
    const notUtf8 = cause instanceof TypeError && 'code' in cause && cause.code === 'ERR_ENCODING_INVALID_ENCODED_DATA';
    if (!(cause instanceof DecodeError) && !notUtf8) throw cause;
    return undefined;
  }
}

export const clientTicket: FuzzTarget = {
  name: 'client-ticket',
  about:
    'saved tickets and sessions (decodeClientTicket, node sessions, d2i_SSL_SESSION); documented: ticket.malformed',
  sliceRuns: 1_000,
  seeds: () => {
    const tickets = clientTickets().map((ticket) => encodeClientTicket(ticket));
    const named = tickets.map((ticket) => concat(latin1('\0tessera\x01'), Uint8Array.of(0, 3), latin1('abc'), ticket));
    return [...tickets, ...named, ...tickets.map(savedSession)];
  },
  run(input) {
    const ticket = clientTicketOf(input);
    if (ticket !== undefined) {
      assert.deepEqual(clientTicketOf(encodeClientTicket(ticket)), ticket);
      assert.equal(clientTicketOf(concat(input, Uint8Array.of(0))), undefined, 'a byte more is accepted');
    }
    decodeSession(input);
    const session = d2i_SSL_SESSION(input);
    ERR_clear_error();
    if (session === null) return;
    const again = i2d_SSL_SESSION(session);
    assert.ok(again !== null && d2i_SSL_SESSION(again) !== null, 'what was read can be written, and read again');
  },
};

/** As the facade writes a session of a client: magic, kind, time, timeout, verify result, id, context, suite, ticket. */
function savedSession(ticket: Uint8Array): Uint8Array {
  const head = new Uint8Array(22);
  head.set([...latin1('TSES'), 1, 1]);
  return concat(head, Uint8Array.of(2, 1, 1, 0, 0x13, 1), ticket);
}

/** A cache of tickets as a client exports it: it must be opened with the right key only, so the content is made here. */
const cacheKey = (): Uint8Array => Uint8Array.from({ length: 32 }, (_, i) => i);

export const sealedTicket: FuzzTarget = {
  name: 'sealed-ticket',
  about:
    'what clients present as tickets and cookies, sealed and stored, and exported caches; no error is documented for the first two',
  sliceRuns: 150,
  maxLength: 4_096,
  seeds: () => {
    const { ring, stored, cookies } = sealers();
    const request = { scope: '', serverName: undefined } as never;
    const tickets = states().flatMap((state) => [
      ring.seal(state, TEST_NOW, request),
      stored.seal({ ...state, psk: psk() }, TEST_NOW, request),
    ]);
    const cookie = cookies.seal(new Uint8Array(40), TEST_NOW);
    return [...tickets.filter((one): one is Uint8Array => one instanceof Uint8Array), cookie, exported()];
  },
  async run(input) {
    const { ring, stored, hybrid, cookies } = sealers();
    const question = { scopes: ['', 'other'], serverName: 'localhost' };
    for (const sealer of [ring, stored, hybrid]) {
      const opened = await sealer.open(copyOf(input), TEST_NOW, question);
      if (typeof opened === 'string') assert.match(opened, /^(no_key|not_found|malformed|expired)$/);
      else assert.ok(opened.psk.length > 0);
    }
    cookies.open(input, TEST_NOW);
    const cache = new ClientTicketCache();
    try {
      cache.importEncrypted(input, cacheKey(), crypto(), TEST_NOW);
    } catch (error) {
      if (!(error instanceof TlsUsageError)) throw error;
    }
  },
};

function crypto(): ReturnType<typeof testCrypto> {
  return testCrypto({ seed: 'fuzz tickets' });
}

function exported(): Uint8Array {
  const cache = new ClientTicketCache();
  for (const ticket of clientTickets()) cache.put('localhost:443', ticket);
  return cache.exportEncrypted(cacheKey(), crypto(), TEST_NOW);
}

const store = new MemoryTicketStore();

function sealers() {
  const ours = crypto();
  const keyRing = new TicketKeyRing({ crypto: ours });
  const ring = new RingSealer(keyRing, ours);
  const stored = new StoreSealer({ store, crypto: ours });
  const hybrid = new HybridSealer({ sealed: ring, stored });
  return { ring, stored, hybrid, cookies: new RingCookieSealer(keyRing, ours) };
}
