import { peerFault } from '../../errors/index.ts';
import { type HelloRetryRequest, NamedGroup, nameOf } from '../../wire/index.ts';
import { ask, type Next, type Received } from '../context.ts';
import { sendClientHello } from './client-hello.ts';
import { keepHash } from './offered-psks.ts';
import { checkHello } from './server-hello.ts';
import type { ClientContext, ClientState, ClientStateAt, Offer, OfferedShare } from './states.ts';

/**
 * The server wants another key share, or a cookie back, or both.
 *
 * @spec rfc9846#section-4.2.4
 */
export function onHelloRetryRequest(
  { offer }: ClientStateAt<'expect_server_hello'>,
  message: Received<HelloRetryRequest>,
  cx: ClientContext,
): Next<ClientState> {
  const { config, out } = cx;
  const suite = checkHello(message, message.extensions.supportedVersions, undefined, offer, config);
  const { keyShare: groupId, cookie } = message.extensions;
  if (groupId === undefined && cookie === undefined) throw peerFault('hello_retry_request.no_change');
  const kdf = config.crypto.kdf(suite.hash);
  offer.transcript.start(kdf);
  offer.transcript.replaceWithMessageHash();
  offer.transcript.add(message.raw);
  // "Early data is not permitted after a HelloRetryRequest" (rfc9846#section-4.2.2), and what was sent is lost.
  if (offer.hello.extensions.earlyData) out.earlyDataDecided('hello_retry_request');
  const changeCipherSpec = offer.hello.legacySessionId.length > 0 && !offer.changedCipherSpec;
  if (changeCipherSpec) out.sendChangeCipherSpec();

  const resend = (shares: readonly OfferedShare[]): ClientState => {
    const { earlyData: _refused, ...kept } = offer.hello.extensions;
    const extensions = {
      ...kept,
      keyShare:
        groupId === undefined
          ? offer.hello.extensions.keyShare!
          : shares.map((s) => ({ group: s.group.id, keyExchange: s.share.publicValue })),
      ...(cookie && { cookie }),
    };
    const second: Offer = {
      ...offer,
      hello: { ...offer.hello, extensions },
      shares,
      ...keepHash(offer, suite.hash, out),
      changedCipherSpec: offer.changedCipherSpec || changeCipherSpec,
      retried: true,
    };
    return { at: 'expect_second_server_hello', offer: sendClientHello(second, cx), suite };
  };

  if (groupId === undefined) return resend(offer.shares);
  const group = config.groups.find((g) => g.id === groupId);
  if (group === undefined) throw peerFault('server_hello.group_not_offered', nameOf(NamedGroup, groupId));
  if (offer.shares.some((s) => s.group.id === groupId))
    throw peerFault('hello_retry_request.no_change', `a share for ${group.name} was there`);
  return ask('generateKeyShare', group.generate(), (share) => resend([{ group, share }]));
}
