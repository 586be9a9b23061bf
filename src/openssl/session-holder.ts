import { copyOf, equal } from '../bytes/index.ts';
import type { ConnectionInfo } from '../connection/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import type { TicketState } from '../tickets/index.ts';
import * as c from './constants.ts';
import type { Context } from './context.ts';
import { Session, type SessionFields } from './session.ts';
import { copyOfState, SESSION_ID_LENGTH, type SealerHost, type TicketAnswer } from './session-tickets.ts';
import type { Settings } from './settings.ts';
import { Opaque } from './types.ts';

type OwnFields = Pick<SessionFields, 'id' | 'ticket' | 'state'>;

/** Expired sessions are flushed once in so many handshakes. */
const HANDSHAKES_PER_FLUSH = 256;

/** The part of a connection that keeps its session: which one it is, who hears of it, and when it is spoilt. */
export abstract class SessionHolder extends Opaque<'SSL'> implements SealerHost {
  /** The context whose certificates and callbacks count; SSL_set_SSL_CTX changes it. */
  ctx: Context;
  /** The context it was made with, whose keys, cache and session callbacks count. */
  readonly sessionCtx: Context;
  readonly settings: Settings;
  role: 'server' | 'client' | undefined;
  session: Session | undefined;
  verifyResult: number = c.X509_V_OK;
  /** SSL_SENT_SHUTDOWN and SSL_RECEIVED_SHUTDOWN. */
  shutdown = 0;
  ticketAnswer: TicketAnswer | undefined;
  /** The program wants no tickets after this full handshake. */
  protected notResumable = false;
  /** Why the connection must end, as soon as the engine is at rest. */
  protected fatalReason: number | undefined;
  /** The handshake is over, and what follows it by itself is written. */
  protected handshakeDone = false;
  #ticketsPrepared = 0;

  abstract readonly info: ConnectionInfo | undefined;
  abstract callBack<T>(run: () => T): T | undefined;

  constructor(ctx: Context, settings: Settings = ctx.settings) {
    super();
    // One for each of `ctx` and `sessionCtx`.
    ctx.references += 2;
    this.ctx = ctx;
    this.sessionCtx = ctx;
    this.settings = settings.clone();
  }

  changeContext(ctx: Context): void {
    const { settings, ctx: before } = this;
    if (ctx === before) return;
    if (equal(settings.sidContext, before.settings.sidContext)) settings.sidContext = ctx.settings.sidContext;
    settings.certificates = ctx.settings.certificates.clone();
    settings.certCallback = ctx.settings.certCallback;
    ctx.references++;
    before.release();
    this.ctx = ctx;
  }

  protected resetSession(): void {
    if (this.spoilSession() || this.role !== 'client') this.setSession(undefined);
    this.#ticketsPrepared = 0;
    this.ticketAnswer = undefined;
    this.notResumable = false;
    this.fatalReason = undefined;
    this.verifyResult = c.X509_V_OK;
  }

  /** "Bad session": one whose connection ended without our close_notify is not resumed. Whether that was so. */
  spoilSession(): boolean {
    const { session } = this;
    if (session === undefined || !this.handshakeDone) return false;
    if ((this.shutdown & c.SSL_SENT_SHUTDOWN) !== 0) return false;
    session.notResumable = true;
    this.sessionCtx.cache.remove(session);
    return true;
  }

  setSession(session: Session | undefined): void {
    if (this.session === session) return;
    if (session !== undefined) session.references++;
    this.session?.release();
    this.session = session;
  }

  failLater(reason: number): void {
    this.fatalReason ??= reason;
  }

  /** Tickets as they follow a handshake by themselves: none where they could never be redeemed, or the program wants none. */
  protected get automaticTickets(): number {
    const { settings, sessionCtx, ticketAnswer } = this;
    const useless = settings.has(c.SSL_OP_NO_TICKET) && (sessionCtx.cacheMode & c.SSL_SESS_CACHE_SERVER) === 0;
    const unwanted = this.info?.resumed ? ticketAnswer === 'use' : ticketAnswer === 'ignore' || this.notResumable;
    return useless || unwanted || settings.sidContextMissing ? 0 : settings.numTickets;
  }

  prepareTicket(state: TicketState): Session | undefined {
    if (this.fatalReason !== undefined) return undefined;
    const isFirst = this.#ticketsPrepared++ === 0 && this.info?.resumed === false;
    // What was not to be resumed stays so; a ticket that was asked for after that is of another session.
    const replaces = !isFirst || this.session === undefined || this.session.notResumable;
    const id = nodeCrypto.random(SESSION_ID_LENGTH);
    if (replaces) this.replaceSession({ id }, this.info!);
    const session = this.session!;
    session.update({ id, state: copyOfState(state), time: Math.floor(state.issuedAt / 1000) });
    const { generateTicket } = this.sessionCtx;
    if (generateTicket === null || this.callBack(() => generateTicket(this))) return session;
    this.failLater(c.ERR_R_INTERNAL_ERROR);
    return undefined;
  }

  /** A ticket was made of the connection's session: it is kept where that is wanted, and the program hears of it. */
  protected ticketIssued(): void {
    const { settings, sessionCtx, session } = this;
    if (session === undefined || session.notResumable || settings.sidContextMissing) return;
    if ((sessionCtx.cacheMode & c.SSL_SESS_CACHE_SERVER) === 0) return;
    // Sealed tickets need no place here, but for a program that wants to hear when their time is over.
    const keeps = settings.stateful || sessionCtx.removeSession !== null;
    this.#announce(session, keeps);
  }

  /** A ticket came to a client: it is the connection's session from now on. */
  protected ticketReceived(own: OwnFields): void {
    this.replaceSession(own, this.info!);
    if ((this.sessionCtx.cacheMode & c.SSL_SESS_CACHE_CLIENT) !== 0) this.#announce(this.session!, true);
  }

  #announce(session: Session, keeps: boolean): void {
    const { sessionCtx } = this;
    const { newSession, cache, cacheMode, statistics } = sessionCtx;
    if (keeps && (cacheMode & c.SSL_SESS_CACHE_NO_INTERNAL_STORE) === 0) this.callBack(() => cache.add(session));
    if (newSession !== null) {
      session.references++;
      if (!(this.callBack(() => newSession(this, session)) ?? 0)) session.references--;
    }
    const handshakes = this.role === 'server' ? statistics.acceptGood : statistics.connectGood;
    if ((cacheMode & c.SSL_SESS_CACHE_NO_AUTO_CLEAR) !== 0) return;
    if (handshakes % HANDSHAKES_PER_FLUSH === HANDSHAKES_PER_FLUSH - 1) {
      this.callBack(() => cache.flush(Math.floor(Date.now() / 1000)));
    }
  }

  /** The session of a handshake that is done. `appData`: what a redeemed ticket brought. */
  protected beginSession(info: ConnectionInfo, appData: Uint8Array): void {
    const { sessionCtx } = this;
    if (info.resumed) sessionCtx.statistics.hits++;
    if (this.role === 'server') {
      this.setSession(undefined);
      this.replaceSession({ id: nodeCrypto.random(SESSION_ID_LENGTH) }, info);
      this.session!.update({ appData: copyOf(appData) });
      this.session!.notResumable = this.notResumable;
      return;
    }
    // A session of a client's cache is offered once.
    const { session } = this;
    if (info.resumed && session && (sessionCtx.cacheMode & c.SSL_SESS_CACHE_CLIENT) !== 0) {
      this.callBack(() => sessionCtx.cache.remove(session));
    }
    if (!info.resumed) this.replaceSession({ id: new Uint8Array(0) }, info);
  }

  protected replaceSession(own: OwnFields, info: ConnectionInfo): void {
    const session = new Session({
      time: Math.floor(Date.now() / 1000),
      timeout: this.sessionCtx.timeout || this.sessionCtx.ticketLifetime,
      sidContext: this.settings.sidContext,
      cipherSuite: info.cipherSuite,
      verifyResult: this.verifyResult,
      peerChain: info.peer.chain,
      hostname: info.serverName,
      alpn: info.alpn,
      appData: this.session?.fields.appData ?? new Uint8Array(0),
      ...own,
    });
    this.setSession(session);
    session.references--;
  }
}
