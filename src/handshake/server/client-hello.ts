import { equalConstantTime } from '../../bytes/index.ts';
import type { Credential } from '../../crypto/index.ts';
import { peerFault, TlsUsageError } from '../../errors/index.ts';
import { type EarlyStage, Transcript } from '../../schedule/index.ts';
import { type ClientHello, NamedGroup, nameOf } from '../../wire/index.ts';
import { ask, holding, type Next, type Received } from '../context.ts';
import { answerOr, type Outcome, outcomeOf } from '../outcome.ts';
import { decideEarlyData } from './early-data.ts';
import { openRetryCookie, sendHelloRetryRequest } from './hello-retry.ts';
import {
  chooseAlpn,
  chooseCredential,
  type Decision,
  helloInfo,
  negotiate,
  whatChangedAfterRetry,
} from './negotiate.ts';
import { type AgreedPsk, type Redeemed, redeemTicket } from './redeem.ts';
import { sendServerFlight } from './server-flight.ts';
import type { Retry, ServerContext, ServerState, ServerStateAt } from './states.ts';

/** How long `stapleOcsp` may keep a client waiting: an OCSP responder is asked over the network. Needs a clock with `after`. */
const OCSP_DEADLINE_MS = 5_000;

/** Of DNS (rfc1035#section-2.3.4). What is longer names nobody, and would be kept as long as the connection. */
const MAX_SERVER_NAME_LENGTH = 255;

type Go = Extract<Decision, { kind: 'go' }>;

/** The first ClientHello: whose is it? */
export function onClientHello(
  _state: ServerStateAt<'expect_client_hello'>,
  hello: Received<ClientHello>,
  cx: ServerContext,
): Next<ServerState> {
  const { chooseConfig } = cx.config;
  const { serverName = '' } = hello.extensions;
  if (serverName.length > MAX_SERVER_NAME_LENGTH)
    throw peerFault('client_hello.unrecognized_name', `a name of ${serverName.length} bytes`);
  if (chooseConfig === undefined) return onFirstHello(hello, cx);
  return ask('chooseConfig', chooseConfig(helloInfo(hello)), (config) => {
    if (config !== undefined) {
      cx.config = config;
      cx.out.useConfig(config);
    }
    return onFirstHello(hello, cx);
  });
}

/** Decide, then act. */
function onFirstHello(hello: Received<ClientHello>, cx: ServerContext): Next<ServerState> {
  const decision = negotiate(hello, cx.config);
  if (decision.kind === 'refuse') throw decision.error;
  const retry = openRetryCookie(hello, cx);
  if (retry !== undefined) return onSecondClientHello({ at: 'expect_second_client_hello', retry }, hello, cx);
  if (decision.kind === 'retry') return sendHelloRetryRequest(hello, decision, cx);
  return proceed(hello, decision, undefined, cx);
}

/** The ClientHello that answers a HelloRetryRequest. */
export function onSecondClientHello(
  { retry }: ServerStateAt<'expect_second_client_hello'>,
  hello: Received<ClientHello>,
  cx: ServerContext,
): Next<ServerState> {
  const decision = negotiate(hello, cx.config);
  if (decision.kind === 'refuse') throw decision.error;
  const changed = retry.firstHello && whatChangedAfterRetry(retry.firstHello, hello);
  if (changed !== undefined) throw peerFault('client_hello.changed_after_retry', changed);
  // Also when the first ClientHello went to another engine and only its hash is known.
  if (hello.extensions.earlyData) throw peerFault('client_hello.changed_after_retry', 'early_data');
  if (!hello.cipherSuites.includes(retry.suite.id))
    throw peerFault('client_hello.changed_after_retry', `${retry.suite.name} is not offered any more`);
  // "Optionally removing any PSKs which are incompatible with the server's indicated cipher suite": those have binders of another length.
  const { hashLength } = cx.config.crypto.kdf(retry.suite.hash);
  const mustStay = retry.firstHello?.extensions.preSharedKey?.binders.some(({ length }) => length === hashLength);
  if (mustStay && !hello.extensions.preSharedKey) throw peerFault('client_hello.missing_extension', 'pre_shared_key');
  const cookie = hello.extensions.cookie;
  if (retry.cookie !== undefined && !(cookie && equalConstantTime(cookie, retry.cookie)))
    throw peerFault('client_hello.bad_cookie');
  const shares = hello.extensions.keyShare ?? [];
  if (decision.kind === 'retry' || shares.length !== 1 || shares[0]!.group !== retry.group) {
    throw peerFault(
      'client_hello.changed_after_retry',
      `key_share must hold exactly ${nameOf(NamedGroup, retry.group)}`,
    );
  }
  // The suite of the HelloRetryRequest is binding (rfc9846#section-4.2.4).
  return proceed(hello, { ...decision, suites: [retry.suite] }, retry, cx);
}

/** Resume, or choose a certificate; then send ServerHello … Finished. */
function proceed(
  hello: Received<ClientHello>,
  decision: Go,
  retry: Retry | undefined,
  cx: ServerContext,
): Next<ServerState> {
  const transcript = retry?.transcript ?? new Transcript();
  const limit = hello.extensions.recordSizeLimit;
  if (limit !== undefined && cx.config.recordSizeLimit !== undefined) cx.out.setPeerRecordSizeLimit(limit);
  return redeemTicket(hello, decision, transcript, cx, (psk) =>
    holding(psk?.early, () =>
      withAlpn(hello, cx, psk?.early, (alpn) => {
        const common = { hello, decision, retry, transcript, alpn };
        const redeemed = psk !== undefined && 'ticket' in psk ? psk : undefined;
        return decideEarlyData(hello, redeemed, alpn, cx, (earlyData) => {
          if (psk !== undefined) return sendServerFlight({ ...common, authentication: psk, earlyData }, cx);
          return withCredential(hello, decision, cx, (credential) =>
            withStaple(hello, credential, cx, (ocspResponse) =>
              sendServerFlight({ ...common, authentication: { credential, ocspResponse }, earlyData }, cx),
            ),
          );
        });
      }),
    ),
  );
}

/** @spec RFC 7301 section 3.2 */
function withAlpn(
  hello: ClientHello,
  { config }: ServerContext,
  holds: EarlyStage | undefined,
  then: (alpn: string | undefined) => Next<ServerState>,
): Next<ServerState> {
  const offered = hello.extensions.alpn;
  if (offered === undefined || (config.alpn.length === 0 && !config.chooseAlpn)) return then(undefined);
  const choice = config.chooseAlpn ? config.chooseAlpn(helloInfo(hello)) : chooseAlpn(config.alpn, offered);
  const check = (alpn: string | null | undefined): Next<ServerState> => {
    if (alpn === null) return then(undefined);
    if (alpn !== undefined && !offered.includes(alpn))
      throw new TlsUsageError(
        'alpn.not_offered',
        `chooseAlpn answered ${JSON.stringify(alpn)}, which the client does not offer`,
      );
    if (alpn === undefined)
      throw peerFault('client_hello.no_application_protocol', `the client offers ${offered.join(', ')}`);
    return then(alpn);
  };
  return ask('chooseAlpn', choice, check, holds);
}

function withCredential(
  hello: ClientHello,
  decision: Go,
  { config }: ServerContext,
  then: (credential: Credential) => Next<ServerState>,
): Next<ServerState> {
  // The same alert as for a wrong binder, so that nobody can try out which identities there are (rfc9846#appendix-F.6).
  const hasNone = config.credentials.length === 0 && config.chooseCredential === undefined;
  if (hasNone && hello.extensions.preSharedKey) throw peerFault('client_hello.unknown_psk');
  if (hasNone) throw peerFault('client_hello.no_usable_certificate', 'there is none, only external PSKs');
  // A client that offered a PSK alone, and the PSK is of no use.
  if (!hello.extensions.signatureAlgorithms) throw peerFault('client_hello.missing_extension', 'signature_algorithms');
  if (decision.exchange === undefined) throw peerFault('client_hello.no_common_group');
  const info = helloInfo(hello);
  return ask('chooseCredential', config.chooseCredential?.(info), (chosen) => {
    if (chosen === 'unrecognized_name') throw peerFault('client_hello.unrecognized_name', info.serverName);
    const credential = chooseCredential(chosen ? [chosen] : config.credentials, info);
    if (credential === undefined) {
      const hasAny = chosen !== undefined || config.credentials.length > 0;
      throw peerFault('client_hello.no_usable_certificate', hasAny ? undefined : 'the server has none');
    }
    return then(credential);
  });
}

/** @spec rfc9846#section-4.5.1.1 */
function withStaple(
  hello: ClientHello,
  credential: Credential,
  { config, out }: ServerContext,
  then: (ocspResponse: Uint8Array | undefined) => Next<ServerState>,
): Next<ServerState> {
  if (!hello.extensions.statusRequest) return then(undefined);
  const { clock, stapleOcsp } = config;
  if (stapleOcsp === undefined) return then(credential.ocspResponse);
  const question = outcomeOf(() => stapleOcsp(credential, helloInfo(hello)), { clock, deadlineMs: OCSP_DEADLINE_MS });
  return ask('stapleOcsp', question, (outcome) => {
    const fresh = answerOr(outcome, undefined, undefined);
    const usable = fresh instanceof Uint8Array && fresh.length > 0 && fresh.length <= config.limits.certificateLength;
    if (outcome.is !== 'answer' || (fresh !== undefined && !usable))
      out.emit({ type: 'ocsp_failed', error: whyUnusable(outcome) });
    return then(usable ? fresh : credential.ocspResponse);
  });
}

function whyUnusable(outcome: Outcome<unknown>): unknown {
  if (outcome.is === 'error') return outcome.error;
  const why =
    outcome.is === 'timeout' ? `did not answer within ${OCSP_DEADLINE_MS} ms` : 'gave no response of a fitting size';
  return new TlsUsageError('ocsp.no_staple', `stapleOcsp ${why}`);
}

export type Authentication =
  | Redeemed
  | AgreedPsk
  | { readonly credential: Credential; readonly ocspResponse: Uint8Array | undefined };
