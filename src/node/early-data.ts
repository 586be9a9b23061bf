import type { ConnectionInfo, TlsEngine } from '../connection/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import type { EarlyDataDecline, EarlyDataRequest } from '../handshake/index.ts';
import { CipherSuite, nameOf } from '../wire/registry.ts';

/**
 * What a client says before the server has answered. A function is asked once, for at most `room` bytes; 0: no early data can be sent, and
 * what it gives leaves as ordinary data.
 */
export type EarlyDataSource = Uint8Array | string | ((room: number) => Uint8Array | string | undefined);

/** What an `earlyDataStatus` event tells. */
export interface EarlyDataOutcome {
  readonly accepted: boolean;
  /** `undefined` when accepted. Client: `not_offered`, because no ticket allowed it; `too_large`, because the ticket allows less. */
  readonly reason: EarlyDataDecline | 'not_offered' | 'too_large' | undefined;
  /** Client: whether the bytes left again, or for the first time, as ordinary data. */
  readonly resent: boolean;
  /** Server, when accepted: what the early data came with. */
  readonly request: EarlyDataRequest | undefined;
}

/** Throws {@link TlsUsageError} `option.bad_early_data`. */
export function checkSource(source: EarlyDataSource | undefined): void {
  if (source === undefined || typeof source === 'function' || isBytes(source)) return;
  throw new TlsUsageError('option.bad_early_data', 'earlyData must be bytes, a string, or a function that gives one');
}

function isBytes(given: unknown): given is Uint8Array | string {
  return typeof given === 'string' || given instanceof Uint8Array;
}

/** A client's early data, until it is known how it went. */
export class EarlySender {
  readonly #source: EarlyDataSource;
  readonly #retry: boolean;
  /** The protocol that the bytes are meant for. */
  readonly #alpn: string | undefined;
  #bytes: Uint8Array | undefined;
  #asked = false;
  #sent = false;
  #declined: EarlyDataDecline | undefined;

  constructor(source: EarlyDataSource, retry: boolean, alpn: string | undefined) {
    this.#source = source;
    this.#retry = retry;
    this.#alpn = alpn;
  }

  /** Whether anything left as early data. */
  get sent(): boolean {
    return this.#sent;
  }

  /** Writes the early data as soon as the engine offers it, and not in part: half a request is none. */
  offer(engine: TlsEngine): void {
    if (this.#asked || engine.earlyData !== 'offered') return;
    const room = engine.earlyDataRoom;
    const bytes = this.#ask(room);
    if (bytes === undefined || bytes.length > room) return;
    engine.write(bytes);
    this.#sent = true;
  }

  declined(reason: EarlyDataDecline): void {
    this.#declined = reason;
  }

  /**
   * The handshake is done, with the protocol `alpn`: what became of it, and the bytes to send now.
   * Bytes for one protocol make no sense in another one, so they are not sent then.
   */
  settle(alpn: string | undefined): { readonly outcome: EarlyDataOutcome | undefined; readonly bytes?: Uint8Array } {
    const offered = this.#asked;
    if (!offered && this.#retry) this.#ask(0);
    const bytes = this.#bytes;
    this.#bytes = undefined;
    const request = undefined;
    if (this.#sent && this.#declined === undefined) {
      return { outcome: { accepted: true, reason: undefined, resent: false, request } };
    }
    // A function that had nothing to say.
    if (bytes === undefined && this.#asked) return { outcome: undefined };
    const reason = this.#sent ? this.#declined : offered ? 'too_large' : 'not_offered';
    const fits = alpn === this.#alpn || (!this.#sent && alpn === undefined);
    const resent = this.#retry && fits;
    const outcome: EarlyDataOutcome = { accepted: false, reason, resent, request };
    return resent && bytes !== undefined ? { outcome, bytes } : { outcome };
  }

  /** A copy: the program may use its buffer for other things meanwhile. */
  #ask(room: number): Uint8Array | undefined {
    this.#asked = true;
    const given = typeof this.#source === 'function' ? this.#source(room) : this.#source;
    if (given === undefined) return undefined;
    if (!isBytes(given))
      throw new TlsUsageError('option.bad_early_data', 'the function earlyData must give bytes, a string, or nothing');
    if (given.length === 0) return undefined;
    this.#bytes = typeof given === 'string' ? Buffer.from(given) : Uint8Array.from(given);
    return this.#bytes;
  }
}

/**
 * What a server knows of a connection when its early data comes: who the client was when it got the ticket, not that it is there now. The
 * cipher suite and the protocol are those of the ticket, or the early data would not have been accepted.
 */
export function earlyInfo({ hello, alpn, ticket }: EarlyDataRequest, { info }: TlsEngine): ConnectionInfo {
  return (
    info ?? {
      role: 'server',
      cipherSuite: ticket.cipherSuite,
      cipherSuiteName: nameOf(CipherSuite, ticket.cipherSuite),
      group: undefined,
      signatureScheme: undefined,
      peerSignatureScheme: undefined,
      serverName: hello.serverName,
      alpn,
      resumed: true,
      helloRetried: false,
      peer: ticket.client,
      pskIdentity: undefined,
      ticketRequest: undefined,
      expectedTickets: undefined,
      authenticatedAt: ticket.authenticatedAt,
      ocspResponse: undefined,
      finished: new Uint8Array(0),
      peerFinished: new Uint8Array(0),
      sharedSignatureSchemes: [],
      certificateCompression: undefined,
    }
  );
}
