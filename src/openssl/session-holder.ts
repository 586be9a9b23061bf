import type { ConnectionInfo } from '../connection/index.ts';
import * as c from './constants.ts';
import type { Context } from './context.ts';
import { Session, type SessionFields } from './session.ts';
import type { Settings } from './settings.ts';
import { Opaque } from './types.ts';

type OwnFields = Pick<SessionFields, 'id' | 'ticket' | 'state'>;

/** The part of a connection that keeps its session: which one it is, who hears of it, and when it is spoilt. */
export abstract class SessionHolder extends Opaque<'SSL'> {
  readonly ctx: Context;
  readonly settings: Settings;
  role: 'server' | 'client' | undefined;
  session: Session | undefined;
  verifyResult: number = c.X509_V_OK;
  /** SSL_SENT_SHUTDOWN and SSL_RECEIVED_SHUTDOWN. */
  shutdown = 0;
  /** The handshake is over, and what follows it by itself is written. */
  protected handshakeDone = false;

  abstract readonly info: ConnectionInfo | undefined;
  abstract callBack<T>(run: () => T): T | undefined;

  constructor(ctx: Context) {
    super();
    ctx.references++;
    this.ctx = ctx;
    this.settings = ctx.settings.clone();
  }

  /** The context whose keys, cache and session callbacks count. */
  get sessionCtx(): Context {
    return this.ctx;
  }

  /** "Bad session": one whose connection ended without our close_notify is not resumed. Whether that was so. */
  spoilSession(): boolean {
    if (this.session === undefined || !this.handshakeDone) return false;
    if ((this.shutdown & c.SSL_SENT_SHUTDOWN) !== 0) return false;
    this.session.notResumable = true;
    this.sessionCtx.cache.remove(this.session.fields.id);
    return true;
  }

  setSession(session: Session | undefined): void {
    if (this.session === session) return;
    if (session !== undefined) session.references++;
    if (this.session !== undefined) this.session.references--;
    this.session = session;
  }

  /** A ticket is there: it is the connection's session from now on, and the program hears of it. */
  protected issue(own: OwnFields, cacheMode: number, replaces: boolean): void {
    const { sessionCtx, settings, session } = this;
    if (replaces || session === undefined) this.replaceSession(own, this.info!);
    else session.fields = { ...session.fields, ...own };
    const { newSession } = sessionCtx;
    if ((sessionCtx.cacheMode & cacheMode) === 0 || newSession === null) return;
    if (this.role === 'server' && settings.sidContextMissing) return;
    const issued = this.session!;
    issued.references++;
    if (!(this.callBack(() => newSession(this, issued)) ?? 0)) issued.references--;
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
      ...own,
    });
    this.setSession(session);
    session.references--;
  }
}
