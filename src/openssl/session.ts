import { copyOf, equal } from '../bytes/index.ts';
import {
  type ClientTicket,
  decodeClientTicket,
  decodeTicketState,
  encodeClientTicket,
  encodeTicketState,
  type TicketState,
} from '../tickets/index.ts';
import { expectBytes, unwrap } from './arguments.ts';
import { ERR_LIB_ASN1 } from './constants.ts';
import { pushError } from './error-queue.ts';
import { ASN1_REASON } from './reasons.ts';
import { Opaque, type SSL_SESSION } from './types.ts';

const NOTHING = new Uint8Array(0);

export interface SessionFields {
  /** Empty on a client before the first ticket. */
  readonly id: Uint8Array;
  /** Seconds since the epoch. */
  readonly time: number;
  /** Seconds. */
  readonly timeout: number;
  readonly sidContext: Uint8Array;
  readonly cipherSuite: number;
  readonly verifyResult: number;
  /** DER of the peer's certificates, leaf first. */
  readonly peerChain: readonly Uint8Array[];
  readonly hostname: string | undefined;
  readonly alpn: string | undefined;
  /** Server: what the program put into the ticket. */
  readonly appData: Uint8Array;
  /** 0 until the program has set it; `undefined`: TLS 1.3. */
  readonly protocolVersion?: number;
  /** Key of an external PSK. Gone once the keys were wiped: a key of zeros must never be taken for one. */
  readonly masterKey?: Uint8Array | undefined;
  /** Client: what resumes the session. */
  readonly ticket?: ClientTicket | undefined;
  /** Server: what was sealed into the ticket, or is kept for it. */
  readonly state?: TicketState | undefined;
}

/** One session: of a connection, or of one of its tickets. */
export class Session extends Opaque<'SSL_SESSION'> {
  fields: SessionFields;
  references = 1;
  notResumable = false;

  constructor(fields: SessionFields) {
    super();
    this.fields = fields;
  }

  get resumable(): boolean {
    return !this.notResumable && (this.fields.id.length > 0 || this.fields.ticket !== undefined);
  }

  /** Changes what the program may change. */
  update(fields: Partial<SessionFields>): void {
    this.fields = { ...this.fields, ...fields };
  }

  /** Gives back a reference. With the last one nobody may use the keys any more. */
  release(): void {
    if (--this.references === 0) this.wipe();
  }

  wipe(): void {
    this.notResumable = true;
    this.fields.ticket?.psk.fill(0);
    this.fields.masterKey?.fill(0);
    this.update({ masterKey: undefined });
    this.fields.state?.psk.fill(0);
  }
}

export function sessionOf(session: SSL_SESSION | null): Session | undefined {
  return unwrap('session', session, Session);
}

export function SSL_SESSION_up_ref(session: SSL_SESSION | null): number {
  const known = sessionOf(session);
  if (known === undefined) return 0;
  known.references++;
  return 1;
}

/** Gives back a reference. With the last one the keys are wiped. */
export function SSL_SESSION_free(session: SSL_SESSION | null): void {
  sessionOf(session)?.release();
}

/*
 *   magic "TSES" | version 1 | kind | time u64 | timeout u32 | verify result u32
 *   | id<0..255> | sid context<0..255> | cipher suite u16 | ticket or state (of its kind), to the end
 */
const MAGIC = Uint8Array.of(0x54, 0x53, 0x45, 0x53, 1);
const KIND = { none: 0, client: 1, server: 2 } as const;
const HEAD_LENGTH = MAGIC.length + 1 + 8 + 4 + 4;

/**
 * The bytes of a session, for a file or a store; {@link d2i_SSL_SESSION} reads them. Not OpenSSL's encoding. They hold keys: whoever has
 * them can resume the session. `null` for NULL, and for one that is too large.
 */
export function i2d_SSL_SESSION(session: SSL_SESSION | null): Uint8Array | null {
  const known = sessionOf(session);
  if (known === undefined) return null;
  const { fields } = known;
  const kind = fields.ticket ? KIND.client : fields.state ? KIND.server : KIND.none;
  const body = fields.ticket
    ? encodeClientTicket(fields.ticket)
    : fields.state
      ? encodeTicketState({ ...fields.state, appData: fields.appData })
      : new Uint8Array(0);
  if (body === undefined) return null;
  const out = new Uint8Array(HEAD_LENGTH + 1 + fields.id.length + 1 + fields.sidContext.length + 2 + body.length);
  const view = new DataView(out.buffer);
  out.set(MAGIC);
  out[5] = kind;
  view.setBigUint64(6, BigInt(fields.time));
  view.setUint32(14, fields.timeout);
  view.setUint32(18, fields.verifyResult);
  let at = HEAD_LENGTH;
  for (const bytes of [fields.id, fields.sidContext]) {
    out[at++] = bytes.length;
    out.set(bytes, at);
    at += bytes.length;
  }
  view.setUint16(at, fields.cipherSuite);
  out.set(body, at + 2);
  body.fill(0);
  return out;
}

/** The session in `bytes`, all of them; `null`, with an error in the queue, when they are not what {@link i2d_SSL_SESSION} gives. */
export function d2i_SSL_SESSION(bytes: Uint8Array): SSL_SESSION | null {
  expectBytes('bytes', bytes);
  const fields = decode(copyOf(bytes));
  if (fields !== undefined) return new Session(fields);
  pushError(ASN1_REASON.BAD_OBJECT_HEADER, ERR_LIB_ASN1);
  return null;
}

function decode(bytes: Uint8Array): SessionFields | undefined {
  if (bytes.length < HEAD_LENGTH || !equal(bytes.subarray(0, MAGIC.length), MAGIC)) return undefined;
  const view = new DataView(bytes.buffer);
  const time = Number(view.getBigUint64(6));
  let at = HEAD_LENGTH;
  const opaque = (): Uint8Array | undefined => {
    const length = bytes[at];
    if (length === undefined || at + 1 + length > bytes.length) return undefined;
    at += 1 + length;
    return bytes.slice(at - length, at);
  };
  const id = opaque();
  const sidContext = id && opaque();
  if (sidContext === undefined || !Number.isSafeInteger(time) || at + 2 > bytes.length) return undefined;
  const common = {
    id: id!,
    time,
    timeout: view.getUint32(14),
    sidContext,
    cipherSuite: view.getUint16(at),
    verifyResult: view.getUint32(18),
  };
  const body = bytes.subarray(at + 2);
  if (bytes[5] === KIND.client) {
    const ticket = clientTicket(body);
    if (ticket === undefined) return undefined;
    const { serverName: hostname, alpn, server } = ticket;
    return { ...common, peerChain: server.chain, hostname, alpn, appData: NOTHING, ticket };
  }
  if (bytes[5] === KIND.server) {
    const state = decodeTicketState(body);
    if (state === undefined) return undefined;
    const { serverName: hostname, alpn, client } = state;
    return { ...common, peerChain: client.chain, hostname, alpn, appData: state.appData, state };
  }
  if (bytes[5] !== KIND.none || body.length > 0) return undefined;
  return { ...common, peerChain: [], hostname: undefined, alpn: undefined, appData: NOTHING };
}

function clientTicket(body: Uint8Array): ClientTicket | undefined {
  try {
    return decodeClientTicket(body);
  } catch {
    return undefined;
  }
}
