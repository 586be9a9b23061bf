import { equal } from '../../bytes/index.ts';
import { peerFault } from '../../errors/index.ts';
import { EarlyStage, trafficKeys } from '../../schedule/index.ts';
import type { ClientTicket } from '../../tickets/index.ts';
import {
  CipherSuite,
  DOWNGRADE_TLS11,
  DOWNGRADE_TLS12,
  type HelloRetryRequest,
  NamedGroup,
  nameOf,
  ProtocolVersion,
  type ServerHello,
} from '../../wire/index.ts';
import type { ClientConfig, Suite } from '../config.ts';
import type { Next, Received } from '../context.ts';
import { ReadyPsk } from '../external-psk.ts';
import { exchangeKeys } from '../key-exchange.ts';
import { logSecret } from '../key-log.ts';
import { hashOfSuite } from '../suites.ts';
import { reportTicket } from './offered-psks.ts';
import type { ClientContext, ClientState, ClientStateAt, Offer, OfferedShare } from './states.ts';

export function onServerHello(
  { offer }: ClientStateAt<'expect_server_hello'>,
  message: Received<ServerHello>,
  cx: ClientContext,
): Next<ClientState> {
  const suite = checkHello(message, message.extensions.supportedVersions, message.random, offer, cx.config);
  offer.transcript.start(cx.config.crypto.kdf(suite.hash));
  return accept(offer, suite, message, cx);
}

/** The ServerHello after a HelloRetryRequest, which must keep its cipher suite. */
export function onSecondServerHello(
  { offer, suite }: ClientStateAt<'expect_second_server_hello'>,
  message: Received<ServerHello>,
  cx: ClientContext,
): Next<ClientState> {
  const again = checkHello(message, message.extensions.supportedVersions, message.random, offer, cx.config);
  if (again.id !== suite.id) throw peerFault('server_hello.cipher_suite_changed', again.name);
  return accept(offer, suite, message, cx);
}

/**
 * What ServerHello and HelloRetryRequest must get right alike. Returns the suite.
 *
 * @spec rfc9846#section-4.2.3
 */
export function checkHello(
  message: ServerHello | HelloRetryRequest,
  selectedVersion: number | undefined,
  random: Uint8Array | undefined,
  offer: Offer,
  config: ClientConfig,
): Suite {
  if (selectedVersion === undefined) {
    const sentinel = random?.subarray(24);
    if (sentinel && (equal(sentinel, DOWNGRADE_TLS12) || equal(sentinel, DOWNGRADE_TLS11)))
      throw peerFault('server_hello.downgrade');
    throw peerFault(
      'server_hello.unsupported_version',
      `it answered with 0x${message.legacyVersion.toString(16).padStart(4, '0')}`,
    );
  }
  if (selectedVersion !== ProtocolVersion.tls13)
    throw peerFault('server_hello.bad_selected_version', `0x${selectedVersion.toString(16)}`);
  if (message.legacyVersion !== ProtocolVersion.tls12) throw peerFault('server_hello.bad_legacy_version');
  if (message.legacyCompressionMethod !== 0) throw peerFault('server_hello.bad_compression');
  if (!equal(message.legacySessionIdEcho, offer.hello.legacySessionId)) throw peerFault('server_hello.bad_session_id');
  const suite = config.cipherSuites.find((s) => s.id === message.cipherSuite);
  if (suite === undefined)
    throw peerFault('server_hello.cipher_suite_not_offered', nameOf(CipherSuite, message.cipherSuite));
  return suite;
}

function accept(offer: Offer, suite: Suite, message: Received<ServerHello>, cx: ClientContext): Next<ClientState> {
  offer.transcript.add(message.raw);
  const psk = chosenPsk(offer, suite, message);
  const share = chosenShare(offer, message);
  if (share === undefined) {
    // psk_ke: allowed only when we offered it, and only together with a PSK.
    if (psk === undefined) throw peerFault('server_hello.missing_extension', 'key_share');
    if (!cx.config.allowPskOnly) throw peerFault('server_hello.psk_without_key_share');
    return deriveHandshakeKeys(offer, suite, psk, undefined, undefined, cx);
  }
  return exchangeKeys(
    () => share.share.derive(message.extensions.keyShare!.keyExchange),
    (sharedSecret) => deriveHandshakeKeys(offer, suite, psk, share, sharedSecret, cx),
  );
}

/** What the server resumes from or agrees to. */
type ChosenPsk = ClientTicket | ReadyPsk;

function chosenPsk({ tickets, psks }: Offer, suite: Suite, { extensions }: ServerHello): ChosenPsk | undefined {
  const index = extensions.preSharedKey;
  if (index === undefined) return undefined;
  const ticket = tickets[index];
  const psk = ticket ?? psks[index - tickets.length];
  if (psk === undefined)
    throw peerFault('server_hello.psk_not_offered', `identity ${index} of ${tickets.length + psks.length}`);
  const hash = psk instanceof ReadyPsk ? psk.hash : hashOfSuite(psk.cipherSuite);
  if (hash !== suite.hash) throw peerFault('server_hello.psk_hash_mismatch');
  return psk;
}

function chosenShare({ shares }: Offer, { extensions }: ServerHello): OfferedShare | undefined {
  const entry = extensions.keyShare;
  if (entry === undefined) return undefined;
  const share = shares.find((s) => s.group.id === entry.group);
  if (share === undefined) throw peerFault('server_hello.group_not_offered', nameOf(NamedGroup, entry.group));
  return share;
}

function deriveHandshakeKeys(
  offer: Offer,
  suite: Suite,
  psk: ChosenPsk | undefined,
  share: OfferedShare | undefined,
  sharedSecret: Uint8Array | undefined,
  { config, out }: ClientContext,
): ClientState {
  const { transcript } = offer;
  const kdf = config.crypto.kdf(suite.hash);
  const external = psk instanceof ReadyPsk ? psk : undefined;
  const resumedFrom = psk instanceof ReadyPsk ? undefined : psk;
  const stage = new EarlyStage(kdf, external?.key.bytes ?? resumedFrom?.psk).next(sharedSecret);
  for (const one of offer.psks) one.wipe();
  for (const [index, ticket] of offer.tickets.entries())
    if (ticket !== resumedFrom) reportTicket(ticket, 'not_taken', index, out);
  sharedSecret?.fill(0);
  const hash = transcript.hash();
  const clientHandshakeSecret = stage.clientTraffic(hash);
  const serverHandshakeSecret = stage.serverTraffic(hash);
  logSecret(config.keyLog, 'CLIENT_HANDSHAKE_TRAFFIC_SECRET', offer.hello.random, clientHandshakeSecret);
  logSecret(config.keyLog, 'SERVER_HANDSHAKE_TRAFFIC_SECRET', offer.hello.random, serverHandshakeSecret);
  out.setReadKeys('handshake', trafficKeys(kdf, serverHandshakeSecret, suite.aead));
  // "Either side can send change_cipher_spec … immediately before its second flight" (rfc9846#appendix-E.4).
  if (offer.hello.legacySessionId.length > 0 && !offer.changedCipherSpec) out.sendChangeCipherSpec();
  out.setWriteKeys('handshake', trafficKeys(kdf, clientHandshakeSecret, suite.aead));
  return {
    at: 'expect_encrypted_extensions',
    handshake: {
      offer,
      suite,
      kdf,
      transcript,
      stage,
      clientHandshakeSecret,
      serverHandshakeSecret,
      resumedFrom,
      pskIdentity: external?.identity,
      group: share && { id: share.group.id, name: share.group.name },
      alpn: undefined,
      earlyDataAccepted: false,
    },
  };
}
