import { type ClientTicket, decodeClientTicket, encodeClientTicket } from '../tickets/index.ts';

/** A ticket as a program keeps it: with the policy of the connection that it came from, so that no other connection offers it. */
export interface Session {
  readonly ticket: ClientTicket;
  /** Of the context, see `SecureContext.scope`; `undefined`: not known, of `encodeClientTicket`. */
  readonly scope: string | undefined;
}

/** In front of a session of ours: no ticket of `encodeClientTicket` begins like it, nor one of node:tls. */
const MAGIC = Buffer.from('\0tessera\x01', 'latin1');

/** A secret, like the ticket in it. */
export function encodeSession(ticket: ClientTicket, scope: string): Buffer {
  const name = Buffer.from(scope);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(name.length);
  return Buffer.concat([MAGIC, length, name, encodeClientTicket(ticket)]);
}

/** `undefined` when it is none of ours: that of another library, or of another version. */
export function decodeSession(bytes: Uint8Array): Session | undefined {
  try {
    const given = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    if (!given.subarray(0, MAGIC.length).equals(MAGIC)) {
      return { ticket: decodeClientTicket(bytes), scope: undefined };
    }
    const at = MAGIC.length + 2;
    const end = at + given.readUInt16BE(MAGIC.length);
    return { ticket: decodeClientTicket(given.subarray(end)), scope: given.toString('utf8', at, end) };
  } catch {
    return undefined;
  }
}

/** Throws what node:tls throws unless it is bytes, or text whose characters are bytes. */
export function checkSession(session: unknown): void {
  if (typeof session === 'string' || session instanceof Uint8Array) return;
  throw Object.assign(new TypeError('Session must be a buffer'), { code: 'ERR_INVALID_ARG_TYPE' });
}
