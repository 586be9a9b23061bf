import type { Ssl } from './connection.ts';
import { SSL_VERIFY_CLIENT_ONCE, SSL_VERIFY_PEER, SSL_VERIFY_POST_HANDSHAKE } from './constants.ts';
import { SSL_REASON } from './reasons.ts';
import type { Settings } from './settings.ts';

/** Server: whether clients are asked for a certificate in the handshake. */
export function asksInHandshake({ verifyMode }: Settings): boolean {
  return (verifyMode & SSL_VERIFY_PEER) !== 0 && (verifyMode & SSL_VERIFY_POST_HANDSHAKE) === 0;
}

/** Until then the version is open. */
const BEFORE_HELLO = new Set(['expect_client_hello', 'expect_server_hello']);

/** Why the client cannot be asked for a certificate now, in OpenSSL's order; `undefined`: it can. `askedBefore`: in the handshake or later. */
export function whyNoRequest(ssl: Ssl, askedBefore: boolean): number | undefined {
  const { engine, settings } = ssl;
  if (engine === undefined || (ssl.info === undefined && BEFORE_HELLO.has(engine.state)))
    return SSL_REASON.WRONG_SSL_VERSION;
  if (!ssl.isServer) return SSL_REASON.NOT_SERVER;
  if (ssl.inInit) return SSL_REASON.STILL_IN_INIT;
  if (engine.writeClosed || engine.readClosed) return SSL_REASON.PROTOCOL_IS_SHUTDOWN;
  if (engine.postHandshakeAuth === 'not_offered') return SSL_REASON.EXTENSION_NOT_RECEIVED;
  if (engine.postHandshakeAuth === 'requested') return SSL_REASON.REQUEST_SENT;
  const onlyOnce = (settings.verifyMode & SSL_VERIFY_CLIENT_ONCE) !== 0;
  if ((settings.verifyMode & SSL_VERIFY_PEER) === 0 || (onlyOnce && askedBefore)) return SSL_REASON.INVALID_CONFIG;
  return undefined;
}
