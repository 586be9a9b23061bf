/** SSL_SESSION_get… and …set…: what is in a session. */

import { copyOf, hidden } from '../bytes/index.ts';
import { expectBytes, expectInteger, expectString } from './arguments.ts';
import { SSL_MAX_SID_CTX_LENGTH, TLS1_3_VERSION } from './constants.ts';
import { pushError } from './error-queue.ts';
import { SSL_REASON } from './reasons.ts';
import { Session, sessionOf } from './session.ts';
import type { SSL_SESSION, X509 } from './types.ts';
import { Certificate } from './x509.ts';

const MOST_EARLY_DATA = 0xffff_ffff;
/** What a ticket has room for. */
const MOST_APP_DATA = 32_768;

/** Client: whether a ticket belongs to it. */
export function SSL_SESSION_has_ticket(session: SSL_SESSION | null): number {
  return sessionOf(session)?.fields.ticket === undefined ? 0 : 1;
}

/** Client: the ticket's lifetime in seconds, as the server sent it. */
export function SSL_SESSION_get_ticket_lifetime_hint(session: SSL_SESSION | null): number {
  return sessionOf(session)?.fields.ticket?.lifetimeSeconds ?? 0;
}

/** Client: the ticket itself. */
export function SSL_SESSION_get0_ticket(session: SSL_SESSION | null): Uint8Array | null {
  const ticket = sessionOf(session)?.fields.ticket;
  return ticket === undefined ? null : copyOf(ticket.ticket);
}

/** Whether a ticket allows early data: bytes, 0 for none. */
export function SSL_SESSION_get_max_early_data(session: SSL_SESSION | null): number {
  const fields = sessionOf(session)?.fields;
  return (fields?.ticket ?? fields?.state)?.maxEarlyDataSize ?? 0;
}

/** Whether the session may be resumed: not used up or spoilt, and with a ticket or an id. */
export function SSL_SESSION_is_resumable(session: SSL_SESSION | null): number {
  return sessionOf(session)?.resumable ? 1 : 0;
}

export function SSL_SESSION_get_id(session: SSL_SESSION | null): Uint8Array | null {
  const known = sessionOf(session);
  return known === undefined ? null : copyOf(known.fields.id);
}

export function SSL_SESSION_get0_id_context(session: SSL_SESSION | null): Uint8Array | null {
  const known = sessionOf(session);
  return known === undefined ? null : copyOf(known.fields.sidContext);
}

/** When the session was made, in seconds since the epoch. */
export function SSL_SESSION_get_time(session: SSL_SESSION | null): number {
  return sessionOf(session)?.fields.time ?? 0;
}

/** How long the session lives, in seconds. */
export function SSL_SESSION_get_timeout(session: SSL_SESSION | null): number {
  return sessionOf(session)?.fields.timeout ?? 0;
}

export function SSL_SESSION_set_timeout(session: SSL_SESSION | null, seconds: number): number {
  expectInteger('seconds', seconds);
  const known = sessionOf(session);
  known?.update({ timeout: seconds });
  return known === undefined ? 0 : 1;
}

/** The server name of the connection, `null` without one. */
export function SSL_SESSION_get0_hostname(session: SSL_SESSION | null): string | null {
  return sessionOf(session)?.fields.hostname ?? null;
}

export function SSL_SESSION_get0_alpn_selected(session: SSL_SESSION | null): Uint8Array | null {
  const alpn = sessionOf(session)?.fields.alpn;
  return alpn === undefined ? null : Uint8Array.from(Buffer.from(alpn, 'latin1'));
}

export function SSL_SESSION_get_protocol_version(session: SSL_SESSION | null): number {
  const known = sessionOf(session);
  return known === undefined ? 0 : (known.fields.protocolVersion ?? TLS1_3_VERSION);
}

/** When the session was made, in seconds since the epoch: it lives for its timeout from then on. Gives that time; 0 for NULL. */
export function SSL_SESSION_set_time(session: SSL_SESSION | null, seconds: number): number {
  expectInteger('seconds', seconds);
  const known = sessionOf(session);
  known?.update({ time: seconds });
  return known === undefined ? 0 : seconds;
}

/** As {@link SSL_SESSION_get_time}. */
export function SSL_SESSION_get_time_ex(session: SSL_SESSION | null): number {
  return SSL_SESSION_get_time(session);
}

/** As {@link SSL_SESSION_set_time}. */
export function SSL_SESSION_set_time_ex(session: SSL_SESSION | null, seconds: number): number {
  return SSL_SESSION_set_time(session, seconds);
}

/** How many bytes of early data its ticket allows, 0 to 2^32-1. */
export function SSL_SESSION_set_max_early_data(session: SSL_SESSION | null, bytes: number): number {
  expectInteger('bytes', bytes);
  const known = sessionOf(session);
  if (known === undefined || bytes < 0 || bytes > MOST_EARLY_DATA) return 0;
  const { ticket, state } = known.fields;
  known.update({
    ...(ticket && { ticket: { ...ticket, maxEarlyDataSize: bytes } }),
    ...(state && { state: { ...state, maxEarlyDataSize: bytes } }),
  });
  return 1;
}

/** Server: bytes for the ticket, to be found again when it comes back. At most 32,768. */
export function SSL_SESSION_set1_ticket_appdata(session: SSL_SESSION | null, data: Uint8Array | null): number {
  if (data !== null) expectBytes('data', data);
  const known = sessionOf(session);
  if (known === undefined || (data?.length ?? 0) > MOST_APP_DATA) return 0;
  known.update({ appData: copyOf(data ?? new Uint8Array(0)) });
  return 1;
}

/** Server: the bytes of {@link SSL_SESSION_set1_ticket_appdata}, empty without any. A client never sees them. */
export function SSL_SESSION_get0_ticket_appdata(session: SSL_SESSION | null): Uint8Array | null {
  const known = sessionOf(session);
  return known === undefined ? null : copyOf(known.fields.appData);
}

/** Another id, at most 32 bytes. */
export function SSL_SESSION_set1_id(session: SSL_SESSION | null, id: Uint8Array): number {
  expectBytes('id', id);
  const known = sessionOf(session);
  if (known === undefined) return 0;
  if (id.length > 32) {
    pushError(SSL_REASON.SSL_SESSION_ID_TOO_LONG);
    return 0;
  }
  known.update({ id: copyOf(id) });
  return 1;
}

/** Who may resume the session, at most 32 bytes. */
export function SSL_SESSION_set1_id_context(session: SSL_SESSION | null, sidContext: Uint8Array): number {
  expectBytes('sidContext', sidContext);
  const known = sessionOf(session);
  if (known === undefined) return 0;
  if (sidContext.length > SSL_MAX_SID_CTX_LENGTH) {
    pushError(SSL_REASON.SSL_SESSION_ID_CONTEXT_TOO_LONG);
    return 0;
  }
  known.update({ sidContext: copyOf(sidContext) });
  return 1;
}

/** The server name of the session; it does not change which name the ticket is good for. */
export function SSL_SESSION_set1_hostname(session: SSL_SESSION | null, name: string | null): number {
  if (name !== null) expectString('name', name);
  const known = sessionOf(session);
  known?.update({ hostname: name ?? undefined });
  return known === undefined ? 0 : 1;
}

export function SSL_SESSION_set1_alpn_selected(session: SSL_SESSION | null, alpn: Uint8Array | null): number {
  if (alpn !== null) expectBytes('alpn', alpn);
  const known = sessionOf(session);
  known?.update({ alpn: alpn?.length ? Buffer.from(alpn).toString('latin1') : undefined });
  return known === undefined ? 0 : 1;
}

/** There is no compression: 0. */
export function SSL_SESSION_get_compress_id(session: SSL_SESSION | null): number {
  sessionOf(session);
  return 0;
}

/** The peer's certificate, `null` when it showed none. */
export function SSL_SESSION_get0_peer(session: SSL_SESSION | null): X509 | null {
  const leaf = sessionOf(session)?.fields.peerChain[0];
  return leaf === undefined ? null : new Certificate(leaf);
}

/** A copy with references of its own. */
export function SSL_SESSION_dup(session: SSL_SESSION | null): SSL_SESSION | null {
  const known = sessionOf(session);
  if (known === undefined) return null;
  const { ticket, state } = known.fields;
  const copy = new Session({
    ...known.fields,
    ...(ticket && { ticket: { ...ticket, psk: hidden(copyOf(ticket.psk)) } }),
    ...(state && { state: { ...state, psk: hidden(copyOf(state.psk)) } }),
    masterKey: known.fields.masterKey && copyOf(known.fields.masterKey),
  });
  copy.notResumable = known.notResumable;
  return copy;
}
