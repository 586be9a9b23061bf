import { concat, latin1 } from '../bytes/index.ts';
import {
  type ClientHelloInfo,
  createClientConfig,
  createClientEngine,
  createServerConfig,
  createServerEngine,
  type ServerConfig,
  type TlsEngine,
  type TlsEvent,
} from '../connection/index.ts';
import type { Credential } from '../crypto/index.ts';
import { peerFault, TlsAlertError } from '../errors/index.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import type { ClientTicket } from '../tickets/index.ts';
import { earlyDataOptions, usedOnce } from './anti-replay.ts';
import { asksInHandshake } from './client-auth.ts';
import type { Ssl } from './connection.ts';
import * as c from './constants.ts';
import { findPskOption, pskOption } from './external-psk.ts';
import { SSL_REASON } from './reasons.ts';
import type { Session } from './session.ts';
import { connectionSealer } from './session-tickets.ts';
import { defaultGroups, keyShareCount } from './settings.ts';
import { connectionVerifier } from './verify.ts';

/** A C program sets lifetimes and expects no other end of them: what one authentication gives lives for seven days, a moment's delay included. */
const REAUTHENTICATE_AFTER_SECONDS = 604_800 + 60;

/** The engine of a connection whose handshake begins: from now on its settings are those of the engine. */
export function createEngine(ssl: Ssl, onEvent: (event: TlsEvent) => void): TlsEngine {
  if (ssl.role === 'server') return createServerEngine(serverConfig(ssl), { onEvent });
  const { settings } = ssl;
  const groups = settings.groups ?? defaultGroups();
  const config = createClientConfig({
    ...commonOptions(ssl),
    ...(settings.certCallback && { chooseCredential: (request) => afterAsking(ssl, () => pick(ssl, request)) }),
    alpn: settings.alpn,
    keyShareCount: keyShareCount(groups),
    middleboxCompatibility: settings.has(c.SSL_OP_ENABLE_MIDDLEBOX_COMPAT),
    requestOcsp: false,
    postHandshakeAuth: settings.postHandshakeAuth,
  });
  const ticket = ssl.session?.resumable ? usableTicket(ssl.session) : undefined;
  return createClientEngine(config, {
    onEvent,
    ...(ssl.serverName !== undefined && { serverName: ssl.serverName }),
    ...(ticket && { tickets: [ticket] }),
    earlyData: ssl.writingEarlyData,
    ...pskOption(ssl),
  });
}

/** The program may have changed the session's time, which the ticket's age follows. */
function usableTicket({ fields }: Session): ClientTicket | undefined {
  const { ticket, time } = fields;
  return ticket && time + ticket.lifetimeSeconds > Math.floor(Date.now() / 1000) ? ticket : undefined;
}

function commonOptions(ssl: Ssl) {
  const { settings, ctx } = ssl;
  const { keylog } = ctx;
  return {
    crypto: nodeCrypto,
    clock: { now: () => Date.now() },
    cipherSuites: settings.cipherSuites,
    groups: settings.groups ?? defaultGroups(),
    verifier: connectionVerifier(ssl),
    rejectUnauthorized: (settings.verifyMode & c.SSL_VERIFY_PEER) !== 0,
    credentials: settings.certificates.credentials,
    allowPskOnly: settings.has(c.SSL_OP_ALLOW_NO_DHE_KEX),
    reauthenticateAfterSeconds: REAUTHENTICATE_AFTER_SECONDS,
    ...(keylog && { keyLog: (line: string) => ssl.callBack(() => keylog(ssl, line)) }),
  };
}

function serverConfig(ssl: Ssl): ServerConfig {
  const { settings, sessionCtx, ctx } = ssl;
  const { alpnSelect } = ctx;
  return createServerConfig({
    ...commonOptions(ssl),
    // Asked for only when it is to be verified, and that can be switched on later: for a request after the handshake.
    rejectUnauthorized: true,
    chooseConfig: (hello) => onHello(ssl, hello),
    chooseCredential: (hello) => chooseCredential(ssl, hello),
    clientAuth: !asksInHandshake(settings)
      ? 'none'
      : settings.verifyMode & c.SSL_VERIFY_FAIL_IF_NO_PEER_CERT
        ? 'require'
        : 'request',
    tickets: { count: 0, lifetimeSeconds: sessionCtx.ticketLifetime, sealer: usedOnce(ssl, connectionSealer(ssl)) },
    ...earlyDataOptions(ssl),
    ...findPskOption(ssl),
    limits: { skippedEarlyDataLength: Math.max(1, settings.recvMaxEarlyData) },
    ...(alpnSelect && {
      chooseAlpn: ({ alpn }) => {
        const answer = ssl.callBack(() => alpnSelect(ssl, alpnWire(alpn)));
        const { ret, selected } = answer ?? { ret: -1 };
        if (ret === c.SSL_TLSEXT_ERR_NOACK) return null;
        return ret === c.SSL_TLSEXT_ERR_OK && selected ? Buffer.from(selected).toString('latin1') : undefined;
      },
    }),
  });
}

/** The servername callback; what it changes holds for this handshake, and for the ticket that came with it. */
function onHello(ssl: Ssl, hello: ClientHelloInfo): ServerConfig | undefined {
  ssl.serverName = hello.serverName;
  const servername = ssl.ctx.servername ?? ssl.sessionCtx.servername;
  const arg = ssl.ctx.servername ? ssl.ctx.servernameArg : ssl.sessionCtx.servernameArg;
  // The ClientHello callback may have changed anything, too.
  if (servername === null) return ssl.ctx.clientHello === null ? undefined : serverConfig(ssl);
  const answer = ssl.callBack(() => servername(ssl, arg)) ?? c.SSL_TLSEXT_ERR_ALERT_FATAL;
  if (answer === c.SSL_TLSEXT_ERR_ALERT_FATAL) throw peerFault('client_hello.unrecognized_name', hello.serverName);
  return serverConfig(ssl);
}

/** Server: after a ticket was not enough. */
function chooseCredential(ssl: Ssl, hello: ClientHelloInfo): MaybeLater<Credential> {
  return afterAsking(ssl, () => {
    const { notResumable } = ssl.settings;
    if (notResumable && ssl.callBack(() => notResumable(ssl, 0))) ssl.forbidResumption();
    return pick(ssl, hello);
  });
}

/** The first certificate that the peer can verify, of those that are set now. */
function pick(
  { settings }: Ssl,
  { signatureSchemes }: { readonly signatureSchemes: readonly number[] },
): Credential | undefined {
  return settings.certificates.credentials.find(({ signer }) =>
    signer.schemes.some((scheme) => signatureSchemes.includes(scheme)),
  );
}

type MaybeLater<T> = T | undefined | Promise<T | undefined>;

function afterAsking<T>(ssl: Ssl, then: () => T | undefined): MaybeLater<T> {
  const asked = askForCertificate(ssl);
  return asked instanceof Promise ? asked.then(then) : then();
}

/** The certificate callback: 1 goes on with what is set then, 0 ends the connection, less than that waits. */
function askForCertificate(ssl: Ssl): undefined | Promise<undefined> {
  const { certCallback } = ssl.settings;
  if (certCallback === null) return undefined;
  const answer = ssl.callBack(() => certCallback(ssl)) ?? 0;
  if (answer < 0) return ssl.questions.waitForCertificate();
  if (answer > 0) return undefined;
  ssl.failLater(SSL_REASON.CERT_CB_ERROR);
  throw new TlsAlertError('local.failed', 'internal_error', 'the certificate callback failed');
}

/** Names in ALPN's wire format. */
function alpnWire(names: readonly string[]): Uint8Array {
  return concat(...names.flatMap((name) => [Uint8Array.of(name.length), latin1(name)]));
}
