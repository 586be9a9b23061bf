import { concat, latin1 } from '../bytes/index.ts';
import {
  createClientConfig,
  createClientEngine,
  createServerConfig,
  createServerEngine,
  type TlsEngine,
  type TlsEvent,
} from '../connection/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import type { TicketSealer } from '../tickets/index.ts';
import { asksInHandshake } from './client-auth.ts';
import type { Ssl } from './connection.ts';
import {
  SSL_OP_ALLOW_NO_DHE_KEX,
  SSL_OP_ENABLE_MIDDLEBOX_COMPAT,
  SSL_TLSEXT_ERR_OK,
  SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
  SSL_VERIFY_PEER,
} from './constants.ts';
import { defaultGroups, keyShareCount } from './settings.ts';
import { connectionVerifier } from './verify.ts';

/** The engine of a connection whose handshake begins: from now on its settings are those of the engine. */
export function createEngine(ssl: Ssl, sealer: TicketSealer, onEvent: (event: TlsEvent) => void): TlsEngine {
  const { settings, sessionCtx, ctx } = ssl;
  const verifies = (settings.verifyMode & SSL_VERIFY_PEER) !== 0;
  const groups = settings.groups ?? defaultGroups();
  const { keylog } = ctx;
  const common = {
    crypto: nodeCrypto,
    clock: { now: () => Date.now() },
    cipherSuites: settings.cipherSuites,
    groups,
    verifier: connectionVerifier(ssl),
    rejectUnauthorized: verifies,
    credentials: settings.certificates.credentials,
    allowPskOnly: settings.has(SSL_OP_ALLOW_NO_DHE_KEX),
    ...(keylog && { keyLog: (line: string) => ssl.callBack(() => keylog(ssl, line)) }),
  };
  if (ssl.role === 'server') {
    const { alpnSelect } = ctx;
    const config = createServerConfig({
      ...common,
      // Without a certificate the handshake fails, not the setting up: a ticket may do without one.
      chooseCredential: () => undefined,
      // Asked for only when it is to be verified, and that can be switched on later: for a request after the handshake.
      rejectUnauthorized: true,
      clientAuth: !asksInHandshake(settings)
        ? 'none'
        : settings.verifyMode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT
          ? 'require'
          : 'request',
      tickets: { count: 0, lifetimeSeconds: sessionCtx.ticketLifetime, sealer },
      ...(alpnSelect && {
        chooseAlpn: ({ alpn }) => {
          const answer = ssl.callBack(() => alpnSelect(ssl, alpnWire(alpn)));
          const { ret, selected } = answer ?? { ret: -1 };
          return ret === SSL_TLSEXT_ERR_OK && selected ? Buffer.from(selected).toString('latin1') : undefined;
        },
      }),
    });
    return createServerEngine(config, { onEvent });
  }
  const config = createClientConfig({
    ...common,
    alpn: settings.alpn,
    keyShareCount: keyShareCount(groups),
    middleboxCompatibility: settings.has(SSL_OP_ENABLE_MIDDLEBOX_COMPAT),
    requestOcsp: false,
    postHandshakeAuth: settings.postHandshakeAuth,
  });
  const ticket = ssl.session?.resumable ? ssl.session.fields.ticket : undefined;
  return createClientEngine(config, {
    onEvent,
    ...(ssl.serverName !== undefined && { serverName: ssl.serverName }),
    ...(ticket && { tickets: [ticket] }),
  });
}

/** Names in ALPN's wire format. */
function alpnWire(names: readonly string[]): Uint8Array {
  return concat(...names.flatMap((name) => [Uint8Array.of(name.length), latin1(name)]));
}
