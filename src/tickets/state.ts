import { copyOf, hidden } from '../bytes/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import type { PeerIdentity } from '../peer-auth/index.ts';
import { DecodeError, Reader } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';
import { type ClientTicket, MAX_TICKET_LIFETIME_SECONDS, type TicketState } from './types.ts';

/**
 * What the bytes of {@link encodeTicketState} are, for key derivation: a key made with it opens nothing else.
 * It stays the same when the version byte grows, so that a ticket of an unknown version is `malformed` and not `no_key`.
 */
export const TICKET_STATE_LABEL = 'tessera ticket state';

/** Above this many bytes only the leaf of the client's chain is kept: then NewSessionTicket fits one record, which some clients need. */
export const WHOLE_CHAIN_STATE_LENGTH = 16_000;

/** The largest encoded state, in bytes: leaves room for the rest of the ClientHello (at most 65,536 bytes) that brings the ticket back. */
export const MAX_TICKET_STATE_LENGTH = 60_000;

const TICKET_STATE_VERSION = 2;
const CLIENT_TICKET_VERSION = 1;
/** Bytes of {@link TicketState.id}. */
export const TICKET_ID_LENGTH = 16;

/*
 * The PSK is second in both, at a fixed offset.
 *
 *   struct {                               struct {
 *     uint8  version = 2;                    uint8  version = 1;
 *     opaque psk<1..255>;                    opaque psk<1..255>;
 *     uint16 cipher_suite;                   uint16 cipher_suite;
 *     uint32 lifetime_seconds;               uint32 lifetime_seconds;
 *     uint32 age_add;                        uint32 age_add;
 *     uint64 issued_at;                      uint64 received_at;
 *     uint64 authenticated_at;               uint64 authenticated_at;
 *     opaque id[16];                         opaque nonce<0..255>;
 *     Session session;                       opaque ticket<1..2^16-1>;
 *     opaque identity<0..2^16-1>;            Session session;
 *     opaque app_data<0..2^16-1>;          } ClientTicket;
 *   } TicketState;
 *
 *   struct {
 *     uint8  flags;                                // which of the next four are there, and two truths
 *     [ opaque server_name<0..2^16-1>; ]
 *     [ opaque alpn<0..2^16-1>; ]
 *     [ uint16 group; ]
 *     [ opaque authorization_error<0..2^16-1>; ]
 *     uint32 max_early_data_size;
 *     opaque<1..2^24-1> chain<0..2^24-1>;          // DER certificates of the peer, leaf first
 *   } Session;
 */

const FLAG = {
  serverName: 1,
  alpn: 2,
  group: 4,
  authorizationError: 8,
  authorized: 16,
  chainTruncated: 32,
  acrossNames: 64,
} as const;
/** Of both; `acrossNames` is a client's alone. */
const TICKET_FLAGS = 63;
const PSK_OFFSET = 2;

/** What both sides of a session remember alike. */
interface Session {
  readonly serverName?: string;
  readonly alpn?: string;
  readonly group?: number;
  readonly maxEarlyDataSize: number;
  readonly acrossNames?: true;
  readonly peer: PeerIdentity;
}

/**
 * The bytes of a ticket state, version 2. They hold the PSK: seal them, then wipe them.
 *
 * When the client's chain makes the state longer than {@link WHOLE_CHAIN_STATE_LENGTH}, only its leaf is kept and
 * `client.chainTruncated` is set. `undefined` when the state is longer than {@link MAX_TICKET_STATE_LENGTH} even so.
 * Throws {@link TlsUsageError} `ticket.bad_field` when a value is out of its range.
 */
export function encodeTicketState(state: TicketState): Uint8Array | undefined {
  if (state.appData.length > MAX_TICKET_STATE_LENGTH) return undefined;
  const whole = ticketStateBytes(state, state.client);
  if (whole.length <= WHOLE_CHAIN_STATE_LENGTH || state.client.chain.length <= 1) return withinLimit(whole);
  whole.fill(0);
  return withinLimit(
    ticketStateBytes(state, { ...state.client, chain: state.client.chain.slice(0, 1), chainTruncated: true }),
  );
}

function withinLimit(encoded: Uint8Array): Uint8Array | undefined {
  if (encoded.length <= MAX_TICKET_STATE_LENGTH) return encoded;
  encoded.fill(0);
  return undefined;
}

function ticketStateBytes(state: TicketState, peer: PeerIdentity): Uint8Array {
  const w = new Writer();
  writeHead(w, TICKET_STATE_VERSION, state);
  w.u64(time('issuedAt', state.issuedAt));
  w.u64(time('authenticatedAt', state.authenticatedAt));
  w.raw(vector('id', state.id, TICKET_ID_LENGTH, TICKET_ID_LENGTH));
  writeSession(w, { ...state, peer });
  w.opaque(2, text('identity', state.identity ?? ''));
  w.opaque(2, state.appData);
  return finishWithPsk(w, state.psk);
}

/** The state in `encoded`, in arrays of its own; `undefined` when it is not exactly one of a known version. Never throws. */
export function decodeTicketState(encoded: Uint8Array): TicketState | undefined {
  try {
    const r = new Reader(encoded);
    const head = readHead(r, TICKET_STATE_VERSION);
    const issuedAt = r.u64();
    const authenticatedAt = r.u64();
    const id = copyOf(r.bytes(TICKET_ID_LENGTH));
    const { peer, ...session } = readSession(r, TICKET_FLAGS);
    const identity = readText(r);
    const appData = copyOf(r.opaque(2, 0, MAX_TICKET_STATE_LENGTH));
    r.finish();
    const state = { ...head, id, issuedAt, authenticatedAt, ...session, client: peer, appData };
    return { ...state, psk: hidden(copyOf(head.psk)), ...(identity && { identity }) };
  } catch {
    return undefined;
  }
}

/**
 * The bytes of a client's ticket, for a file or a database: whoever has them can resume the session, so store them like a key.
 * Throws {@link TlsUsageError} `ticket.bad_field` when a value is out of its range.
 */
export function encodeClientTicket(ticket: ClientTicket): Uint8Array {
  const w = new Writer();
  writeHead(w, CLIENT_TICKET_VERSION, ticket);
  w.u64(time('receivedAt', ticket.receivedAt));
  w.u64(time('authenticatedAt', ticket.authenticatedAt));
  w.opaque(1, vector('nonce', ticket.nonce, 0, 0xff));
  w.opaque(2, vector('ticket', ticket.ticket, 1, 0xffff));
  writeSession(w, { ...ticket, peer: ticket.server });
  return finishWithPsk(w, ticket.psk);
}

/**
 * The ticket in `encoded`, in arrays of its own.
 * Throws {@link TlsUsageError} `ticket.malformed` when `encoded` is not exactly what {@link encodeClientTicket} made.
 */
export function decodeClientTicket(encoded: Uint8Array): ClientTicket {
  if (!(encoded instanceof Uint8Array)) {
    throw new TlsUsageError(
      'ticket.malformed',
      'a saved ticket must be a Uint8Array, as encodeClientTicket returned it',
    );
  }
  try {
    const r = new Reader(encoded);
    const head = readHead(r, CLIENT_TICKET_VERSION);
    const receivedAt = r.u64();
    const authenticatedAt = r.u64();
    const nonce = copyOf(r.opaque(1, 0, 0xff));
    const ticket = copyOf(r.opaque(2, 1, 0xffff));
    const { peer, ...session } = readSession(r, TICKET_FLAGS | FLAG.acrossNames);
    r.finish();
    const psk = hidden(copyOf(head.psk));
    return { ...head, psk, receivedAt, authenticatedAt, nonce, ticket, ...session, server: peer };
  } catch (error) {
    const reason = error instanceof DecodeError ? error.message : 'a text in it is not UTF-8';
    throw new TlsUsageError(
      'ticket.malformed',
      `these bytes are not a ticket saved by encodeClientTicket: ${reason}`,
      error,
    );
  }
}

type Head = Pick<TicketState, 'psk' | 'cipherSuite' | 'lifetimeSeconds' | 'ageAdd'>;

function writeHead(w: Writer, version: number, head: Head): void {
  w.u8(version);
  w.opaque(1, new Uint8Array(vector('psk', head.psk, 1, 0xff).length));
  w.u16(uint('cipherSuite', head.cipherSuite, 0xffff));
  w.u32(uint('lifetimeSeconds', head.lifetimeSeconds, MAX_TICKET_LIFETIME_SECONDS));
  w.u32(uint('ageAdd', head.ageAdd, 0xffff_ffff));
}

/** Puts the PSK in last: a writer's buffer, which nobody can wipe, never holds it. */
function finishWithPsk(w: Writer, psk: Uint8Array): Uint8Array {
  const encoded = w.finish();
  encoded.set(psk, PSK_OFFSET);
  return encoded;
}

/** The PSK is in the memory of what is read: it is copied once everything else was found good, so that a refusal leaves no copy. */
function readHead(r: Reader, version: number): Head {
  const found = r.u8();
  if (found !== version) throw new DecodeError(`version ${found}, known is ${version}`);
  const psk = r.opaque(1, 1, 0xff);
  const cipherSuite = r.u16();
  const lifetimeSeconds = r.u32();
  if (lifetimeSeconds > MAX_TICKET_LIFETIME_SECONDS) throw new DecodeError('a lifetime of more than seven days');
  return { psk, cipherSuite, lifetimeSeconds, ageAdd: r.u32() };
}

function writeSession(w: Writer, session: Session): void {
  const { serverName, alpn, group, peer } = session;
  w.u8(
    (serverName === undefined ? 0 : FLAG.serverName) |
      (alpn === undefined ? 0 : FLAG.alpn) |
      (group === undefined ? 0 : FLAG.group) |
      (peer.authorizationError === undefined ? 0 : FLAG.authorizationError) |
      (peer.authorized ? FLAG.authorized : 0) |
      (peer.chainTruncated === true ? FLAG.chainTruncated : 0) |
      (session.acrossNames === true ? FLAG.acrossNames : 0),
  );
  if (serverName !== undefined) w.opaque(2, text('serverName', serverName));
  if (alpn !== undefined) w.opaque(2, text('alpn', alpn));
  if (group !== undefined) w.u16(uint('group', group, 0xffff));
  if (peer.authorizationError !== undefined) w.opaque(2, text('authorizationError', peer.authorizationError));
  w.u32(uint('maxEarlyDataSize', session.maxEarlyDataSize, 0xffff_ffff));
  w.vector(3, () => {
    for (const certificate of peer.chain) w.opaque(3, vector('a certificate', certificate, 1, 0xff_ffff));
  });
}

function readSession(r: Reader, known: number): Session {
  const flags = r.u8();
  if ((flags & ~known) !== 0) throw new DecodeError('an unknown flag');
  const has = (flag: number): boolean => (flags & flag) !== 0;
  // The properties are evaluated in the order of the bytes.
  const optional = {
    ...(has(FLAG.serverName) && { serverName: readText(r) }),
    ...(has(FLAG.alpn) && { alpn: readText(r) }),
    ...(has(FLAG.group) && { group: r.u16() }),
    ...(has(FLAG.acrossNames) && ({ acrossNames: true } as const)),
  };
  const error = has(FLAG.authorizationError) && { authorizationError: readText(r) };
  const maxEarlyDataSize = r.u32();
  const chain: Uint8Array[] = [];
  const certificates = r.vector(3, 0, 0xff_ffff);
  while (certificates.left > 0) chain.push(copyOf(certificates.opaque(3, 1, 0xff_ffff)));
  const truncated = has(FLAG.chainTruncated) && { chainTruncated: true };
  return { ...optional, maxEarlyDataSize, peer: { chain, authorized: has(FLAG.authorized), ...error, ...truncated } };
}

function readText(r: Reader): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(r.opaque(2, 0, 0xffff));
}

function text(name: string, value: string): Uint8Array {
  return vector(name, new TextEncoder().encode(value), 0, 0xffff);
}

function vector(name: string, value: Uint8Array, min: number, max: number): Uint8Array {
  if (value.length >= min && value.length <= max) return value;
  throw new TlsUsageError('ticket.bad_field', `${name} has ${value.length} bytes, it must have ${min} to ${max}`);
}

function uint(name: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new TlsUsageError('ticket.bad_field', `${name} is ${value}, it must be an integer from 0 to ${max}`);
}

/** Whole milliseconds since the epoch; a clock may give fractions. */
function time(name: string, value: number): number {
  return uint(name, Math.floor(value), Number.MAX_SAFE_INTEGER);
}
