import type { TlsEngine } from '../connection/index.ts';
import { Inbox } from './buffers.ts';
import type { Ssl } from './connection.ts';
import { ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED } from './constants.ts';
import { SSL_REASON } from './reasons.ts';

/** Early data of one connection. */
export class EarlyData {
  /** `over`: a client goes on with the handshake, or a server has read all. */
  phase: 'none' | 'writing' | 'reading' | 'over' = 'none';
  /** Inside SSL_read_early_data. */
  reading = false;
  /** Written, but not yet taken by the transport. */
  pending = false;
  /** Never mixed with what SSL_read gives: it may be a replay. */
  readonly inbox: Inbox = new Inbox();
  #received = 0;

  /** Keeps what arrived, or says why the connection must end. */
  take(bytes: Uint8Array, most: number): number | undefined {
    this.#received += bytes.length;
    if (!this.reading) return SSL_REASON.UNEXPECTED_RECORD;
    if (this.#received > most) return SSL_REASON.TOO_MUCH_EARLY_DATA;
    this.inbox.push(bytes);
    return undefined;
  }

  /** Why SSL_write_early_data is not possible now. */
  whyNoWrite({ isServer, engine, session, serverName, settings }: Ssl): number | undefined {
    const { phase } = this;
    if (isServer)
      return engine && canAnswer(engine) && phase !== 'none' ? undefined : ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED;
    if (phase === 'writing') {
      return engine?.earlyData === 'rejected' || engine?.info ? ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED : undefined;
    }
    const { ticket, alpn, hostname } = session?.fields ?? {};
    if (phase === 'over' || engine !== undefined || !ticket?.maxEarlyDataSize) return ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED;
    if (hostname !== serverName) return SSL_REASON.INCONSISTENT_EARLY_DATA_SNI;
    if (alpn !== undefined && !settings.alpn.includes(alpn)) return SSL_REASON.INCONSISTENT_EARLY_DATA_ALPN;
    return undefined;
  }
}

/** A server may write before the client's Finished. */
function canAnswer({ earlyData, state }: TlsEngine): boolean {
  return earlyData === 'accepted' && (state === 'expect_end_of_early_data' || state === 'expect_finished');
}

/** The server has answered the ClientHello, and no early data is to come any more. */
export function earlyDataIsOver({ state }: TlsEngine): boolean {
  return state !== 'expect_client_hello' && state !== 'expect_end_of_early_data' && !state.startsWith('parked:');
}
