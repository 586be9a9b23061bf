import { concat, copyOf, equal, hidden, toHex } from '../bytes/index.ts';
import { TlsAlertError } from '../errors/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import {
  decodeTicketState,
  encodeTicketState,
  MAX_TICKET_LIFETIME_SECONDS,
  type TicketDecline,
  type TicketSealer,
  type TicketState,
} from '../tickets/index.ts';
import * as c from './constants.ts';
import type { Context } from './context.ts';
import { CipherContext, MacContext } from './evp.ts';
import { SSL_REASON } from './reasons.ts';
import { Session, sessionOf } from './session.ts';
import type { Settings } from './settings.ts';
import type { SSL } from './types.ts';

/** A ticket that is only an id has so many bytes. */
export const SESSION_ID_LENGTH = 32;
const KEY_NAME_LENGTH = 16;
const IV_LENGTH = 16;

/** What was decided about an offered ticket, and with it whether new ones follow. */
export type TicketAnswer = 'use' | 'use_renew' | 'ignore' | 'ignore_renew';

/** What a connection's sealer looks at, each time anew: the program may change it between two tickets. */
export interface SealerHost extends SSL {
  readonly settings: Settings;
  readonly sessionCtx: Context;
  ticketAnswer: TicketAnswer | undefined;
  callBack<T>(run: () => T): T | undefined;
  /** The session that is about to become a ticket, its callback called; `undefined` when that was fatal. */
  prepareTicket(state: TicketState): Session | undefined;
  /** The connection must end with internal_error, for this reason. */
  failLater(reason: number): void;
}

export function copyOfState(state: TicketState): TicketState {
  return { ...state, psk: hidden(copyOf(state.psk)) };
}

/** A session as a ticket restores it on a server. Takes over `state`. */
export function sessionOfState(state: TicketState, sidContext: Uint8Array): Session {
  return new Session({
    id: nodeCrypto.random(SESSION_ID_LENGTH),
    time: Math.floor(state.issuedAt / 1000),
    timeout: state.lifetimeSeconds,
    sidContext,
    cipherSuite: state.cipherSuite,
    verifyResult: c.X509_V_OK,
    peerChain: state.client.chain,
    hostname: state.serverName,
    alpn: state.alpn,
    appData: state.appData,
    state,
  });
}

/** Tickets of one connection: sealed, or with SSL_OP_NO_TICKET an id of a session that is kept here. They open only under the session id context they were made under. */
export function connectionSealer(host: SealerHost): TicketSealer {
  const scope = (): string => toHex(host.settings.sidContext);
  const stateful = (): boolean => host.settings.stateful;

  return {
    maxLifetimeSeconds: (now) => {
      const { ticketKey, keys } = host.sessionCtx;
      return stateful() || ticketKey ? MAX_TICKET_LIFETIME_SECONDS : keys.maxLifetimeSeconds(now);
    },
    seal(state, now) {
      const session = host.prepareTicket(state);
      if (session === undefined) return undefined;
      const { id, appData, timeout } = session.fields;
      if (stateful()) return copyOf(id);
      const sealed = { ...state, appData, lifetimeSeconds: Math.max(0, Math.min(state.lifetimeSeconds, timeout)) };
      const { ticketKey, keys } = host.sessionCtx;
      return ticketKey ? sealWithCallback(host, sealed) : keys.seal(sealed, now, scope());
    },
    open(ticket, now) {
      host.ticketAnswer = undefined;
      const opened = stateful() ? findSession(host, ticket, now) : unseal(host, ticket, now, scope());
      if (typeof opened === 'string' || !host.settings.sidContextMissing) return opened;
      opened.psk.fill(0);
      return refuse(host, SSL_REASON.SESSION_ID_CONTEXT_UNINITIALIZED);
    },
  };
}

/** An offered ticket ends the connection, for this reason. */
function refuse(host: SealerHost, reason: number): never {
  host.failLater(reason);
  throw new TlsAlertError('local.failed', 'internal_error', 'the program, or its settings, refuse a ticket');
}

// ---- tickets that are ids

/** A copy, whose PSK the caller wipes. Sessions are not used up: a ticket may come again. */
function findSession(host: SealerHost, ticket: Uint8Array, now: number): TicketState | TicketDecline {
  const { sessionCtx, settings } = host;
  const { cache, cacheMode, statistics } = sessionCtx;
  if (ticket.length !== SESSION_ID_LENGTH) return 'no_key';
  const looks = (cacheMode & c.SSL_SESS_CACHE_NO_INTERNAL_LOOKUP) === 0;
  const kept = looks ? cache.find(ticket) : undefined;
  if (looks && kept === undefined) statistics.misses++;
  const session = kept ?? askProgram(host, ticket);
  const state = session?.fields.state;
  if (session === undefined || state === undefined || session.notResumable) return 'not_found';
  if (!equal(session.fields.sidContext, settings.sidContext)) return 'no_key';
  if (now >= (session.fields.time + session.fields.timeout) * 1000) {
    const expired = session;
    host.callBack(() => cache.remove(expired));
    return 'expired';
  }
  return { ...copyOfState(state), appData: session.fields.appData };
}

function askProgram(host: SealerHost, id: Uint8Array): Session | undefined {
  const { getSession, cache, cacheMode, statistics } = host.sessionCtx;
  if (getSession === null) return undefined;
  const session = sessionOf(host.callBack(() => getSession(host, copyOf(id))) ?? null);
  if (session === undefined || session.notResumable) return undefined;
  statistics.callbackHits++;
  if ((cacheMode & c.SSL_SESS_CACHE_NO_INTERNAL_STORE) === 0) host.callBack(() => cache.add(session));
  return session;
}

// ---- tickets that hold everything

function unseal(host: SealerHost, ticket: Uint8Array, now: number, scope: string): TicketState | TicketDecline {
  const { ticketKey, keys } = host.sessionCtx;
  let opened: TicketState | TicketDecline;
  let renew = true;
  if (ticketKey === null) {
    opened = keys.open(ticket, now, scope);
    // A key of ours opened it: the program has nothing to decide.
    if (opened === 'expired') return opened;
  } else {
    ({ opened, renew } = openWithCallback(host, ticket));
  }
  const found = typeof opened === 'string' ? undefined : opened;
  const status = !found ? c.SSL_TICKET_NO_DECRYPT : renew ? c.SSL_TICKET_SUCCESS_RENEW : c.SSL_TICKET_SUCCESS;
  const answer = askAboutTicket(host, ticket, found, status);
  host.ticketAnswer = answer;
  if (found === undefined) return opened;
  if (answer === 'use' || answer === 'use_renew') return found;
  found.psk.fill(0);
  return 'application';
}

/** What the decrypt callback makes of a ticket. */
function askAboutTicket(
  host: SealerHost,
  ticket: Uint8Array,
  found: TicketState | undefined,
  status: number,
): TicketAnswer {
  const { decryptTicket } = host.sessionCtx;
  if (decryptTicket === null) {
    if (found === undefined) return 'ignore_renew';
    return status === c.SSL_TICKET_SUCCESS ? 'use' : 'use_renew';
  }
  const session = found && sessionOfState(copyOfState(found), host.settings.sidContext);
  const keyName = copyOf(ticket.subarray(0, KEY_NAME_LENGTH));
  const answer = host.callBack(() => decryptTicket(host, session ?? null, keyName, status));
  session?.release();
  switch (answer) {
    case c.SSL_TICKET_RETURN_IGNORE:
      return 'ignore';
    case c.SSL_TICKET_RETURN_IGNORE_RENEW:
      return 'ignore_renew';
    case c.SSL_TICKET_RETURN_USE:
      if (found !== undefined) return 'use';
      break;
    case c.SSL_TICKET_RETURN_USE_RENEW:
      if (found !== undefined) return 'use_renew';
      break;
    default:
  }
  found?.psk.fill(0);
  return refuse(host, c.ERR_R_INTERNAL_ERROR);
}

/*
 * Under a key callback a ticket is as RFC 5077, section 4 recommends, so that the callback can know its keys by their names:
 *
 *   opaque key_name[16] | opaque iv[16] | AES-CBC(opaque sid_context<0..255> | state) | HMAC of all before it
 */

function sealWithCallback(host: SealerHost, state: TicketState): Uint8Array | undefined {
  const { ticketKey } = host.sessionCtx;
  const keyName = new Uint8Array(KEY_NAME_LENGTH);
  const iv = nodeCrypto.random(IV_LENGTH);
  const cipher = new CipherContext();
  const mac = new MacContext();
  const encoded = encodeTicketState(state);
  try {
    const answer = host.callBack(() => ticketKey!(host, keyName, iv, cipher, mac, 1)) ?? -1;
    if (answer === 0) return undefined;
    const { sidContext } = host.settings;
    const plaintext = encoded && concat(Uint8Array.of(sidContext.length), sidContext, encoded);
    const ciphertext = answer > 0 && plaintext ? cipher.run(plaintext, true) : undefined;
    plaintext?.fill(0);
    const head = ciphertext && concat(keyName, iv, ciphertext);
    const tag = head && mac.mac(head);
    if (tag) return concat(head, tag);
    host.failLater(SSL_REASON.CALLBACK_FAILED);
    return undefined;
  } finally {
    encoded?.fill(0);
    cipher.wipe();
    mac.wipe();
  }
}

function openWithCallback(
  host: SealerHost,
  ticket: Uint8Array,
): { opened: TicketState | TicketDecline; renew: boolean } {
  const { ticketKey } = host.sessionCtx;
  const unknown = { opened: 'no_key' as const, renew: true };
  if (ticket.length < KEY_NAME_LENGTH + IV_LENGTH) return unknown;
  const keyName = copyOf(ticket.subarray(0, KEY_NAME_LENGTH));
  const iv = copyOf(ticket.subarray(KEY_NAME_LENGTH, KEY_NAME_LENGTH + IV_LENGTH));
  const cipher = new CipherContext();
  const mac = new MacContext();
  try {
    const answer = host.callBack(() => ticketKey!(host, keyName, iv, cipher, mac, 0)) ?? -1;
    if (answer < 0) return refuse(host, c.ERR_R_INTERNAL_ERROR);
    if (answer === 0) return unknown;
    const end = ticket.length - (mac.length ?? 0);
    if (end <= KEY_NAME_LENGTH + IV_LENGTH || !mac.verify(ticket.subarray(0, end), ticket.subarray(end)))
      return unknown;
    const plaintext = cipher.run(ticket.subarray(KEY_NAME_LENGTH + IV_LENGTH, end), false);
    const opened = plaintext && decodePlaintext(plaintext, host.settings.sidContext);
    plaintext?.fill(0);
    return { opened: opened ?? 'malformed', renew: answer === 2 };
  } finally {
    cipher.wipe();
    mac.wipe();
  }
}

function decodePlaintext(plaintext: Uint8Array, sidContext: Uint8Array): TicketState | TicketDecline | undefined {
  const start = 1 + (plaintext[0] ?? 0);
  if (!equal(plaintext.subarray(1, start), sidContext)) return 'no_key';
  return decodeTicketState(plaintext.subarray(start));
}
