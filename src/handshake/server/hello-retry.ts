import { peerFault } from '../../errors/index.ts';
import { messageHash, Transcript } from '../../schedule/index.ts';
import { type ClientHello, encodeHandshakeMessage, ProtocolVersion, Reader, Writer } from '../../wire/index.ts';
import type { ServerConfig, Suite } from '../config.ts';
import type { Received } from '../context.ts';
import type { Decision } from './negotiate.ts';
import type { Retry, ServerContext, ServerState } from './states.ts';

/**
 * Asks for another key share. With a cookie sealer, everything needed to go on travels in the cookie.
 *
 * @spec rfc9846#section-4.2.4
 */
export function sendHelloRetryRequest(
  hello: Received<ClientHello>,
  { suite, group }: Extract<Decision, { kind: 'retry' }>,
  { config, out }: ServerContext,
): ServerState {
  const kdf = config.crypto.kdf(suite.hash);
  const transcript = new Transcript();
  transcript.add(hello.raw);
  transcript.start(kdf);
  const cookie = config.cookieSealer?.seal(cookieContent(suite, group.id, transcript.hash()), config.clock.now());
  transcript.replaceWithMessageHash();
  const request = encodeHelloRetryRequest(hello, suite.id, group.id, cookie);
  transcript.add(request);
  out.send(request);
  if (wantsChangeCipherSpec(hello, config)) out.sendChangeCipherSpec();
  if (hello.extensions.earlyData) {
    out.skipEarlyData(true, config.earlyData?.maxSize ?? 0);
    out.earlyDataDecided('hello_retry_request');
  }
  return { at: 'expect_second_client_hello', retry: { suite, group: group.id, cookie, transcript, firstHello: hello } };
}

/**
 * The state of a HelloRetryRequest that this or another server sent, out of the cookie of a ClientHello.
 * Without a sealer cookies mean nothing here and are ignored.
 *
 * @spec rfc9846#section-4.3.2
 */
export function openRetryCookie(hello: Received<ClientHello>, { config }: ServerContext): Retry | undefined {
  const cookie = hello.extensions.cookie;
  if (cookie === undefined || config.cookieSealer === undefined) return undefined;
  const content = config.cookieSealer.open(cookie, config.clock.now());
  if (content === undefined) throw peerFault('client_hello.bad_cookie');
  const r = new Reader(content);
  const suiteId = r.u16();
  const group = r.u16();
  const firstHelloHash = r.rest();
  const suite = config.cipherSuites.find((s) => s.id === suiteId);
  if (suite === undefined) throw peerFault('client_hello.bad_cookie', 'its cipher suite is not enabled here');
  const transcript = new Transcript();
  transcript.start(config.crypto.kdf(suite.hash));
  transcript.add(messageHash(firstHelloHash));
  transcript.add(encodeHelloRetryRequest(hello, suite.id, group, cookie));
  return { suite, group, cookie, transcript, firstHello: undefined };
}

/** "If the client sends a non-empty session ID, the server MUST send the change_cipher_spec"; else it may (rfc9846#appendix-E.4). */
export function wantsChangeCipherSpec({ legacySessionId }: ClientHello, config: ServerConfig): boolean {
  return legacySessionId.length > 0 || config.middleboxCompatibility;
}

function cookieContent(suite: Suite, group: number, firstHelloHash: Uint8Array): Uint8Array {
  return new Writer(64).u16(suite.id).u16(group).raw(firstHelloHash).finish();
}

/** Depends on its arguments alone, so that the holder of a cookie can write it again. */
function encodeHelloRetryRequest(
  hello: ClientHello,
  cipherSuite: number,
  group: number,
  cookie: Uint8Array | undefined,
): Uint8Array {
  return encodeHandshakeMessage({
    type: 'hello_retry_request',
    legacyVersion: ProtocolVersion.tls12,
    legacySessionIdEcho: hello.legacySessionId,
    cipherSuite,
    legacyCompressionMethod: 0,
    extensions: { supportedVersions: ProtocolVersion.tls13, keyShare: group, ...(cookie && { cookie }) },
  });
}
