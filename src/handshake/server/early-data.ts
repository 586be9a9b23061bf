import { copyOf } from '../../bytes/index.ts';
import { type EarlyStage, type Transcript, trafficKeys } from '../../schedule/index.ts';
import type { EarlyDataAttempt, TicketState } from '../../tickets/index.ts';
import type { ClientHello, EndOfEarlyData } from '../../wire/index.ts';

import type { EarlyDataRequest, Suite } from '../config.ts';
import { ask, type Next, type Received } from '../context.ts';
import type { EarlyDataDecline } from '../events.ts';
import { logSecret } from '../key-log.ts';
import { outcomeOf } from '../outcome.ts';
import { helloInfo } from './negotiate.ts';
import type { Redeemed } from './redeem.ts';
import type { ServerContext, ServerState, ServerStateAt } from './states.ts';

/** What can be known of early data without asking anybody. */
export interface EarlyDataFacts {
  /** {@link ReplayGuard.windowMs}, in milliseconds; `undefined`: early data is off. */
  readonly windowMs: number | undefined;
  /** The ticket that was redeemed, its binder verified. */
  readonly ticket: Omit<TicketState, 'psk'> | undefined;
  readonly identityIndex: number;
  readonly obfuscatedTicketAge: number;
  /** What this connection has agreed upon. */
  readonly cipherSuite: number;
  readonly alpn: string | undefined;
  readonly serverName: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * When the client sent its ClientHello, by our clock in milliseconds since the epoch, or why its early data does not count. Pure.
 *
 * @spec rfc9846#section-4.3.10
 */
export function judgeEarlyData(facts: EarlyDataFacts): number | EarlyDataDecline {
  const { windowMs, ticket } = facts;
  if (windowMs === undefined) return 'off';
  if (ticket === undefined) return 'not_resumed';
  if (facts.identityIndex !== 0) return 'not_first_identity';
  if (ticket.maxEarlyDataSize === 0) return 'ticket_without_early_data';
  if (ticket.cipherSuite !== facts.cipherSuite) return 'cipher_suite_mismatch';
  if (ticket.alpn !== facts.alpn) return 'alpn_mismatch';
  if (ticket.serverName?.toLowerCase() !== facts.serverName?.toLowerCase()) return 'server_name_mismatch';
  // rfc9846#section-8.3: the age that the client sees, modulo 2^32, on top of when we issued the ticket.
  const sentAt = ticket.issuedAt + ((facts.obfuscatedTicketAge - ticket.ageAdd) >>> 0);
  return Math.abs(facts.now - sentAt) <= windowMs ? sentAt : 'ticket_age';
}

/**
 * Whether early data is accepted: what is known, then the replay guard, then the application. Whatever fails, the handshake goes on
 * without it. The binder has been verified, so that nobody but a holder of the ticket can fill the guard's memory.
 *
 * @spec rfc9846#section-8.2
 */
export function decideEarlyData(
  hello: Received<ClientHello>,
  redeemed: Redeemed | undefined,
  alpn: string | undefined,
  { config, out }: ServerContext,
  then: (accepted: EarlyDataRequest | undefined) => Next<ServerState>,
): Next<ServerState> {
  if (!hello.extensions.earlyData) return then(undefined);
  const { earlyData, clock } = config;
  const psks = hello.extensions.preSharedKey;
  const refuse = (reason: EarlyDataDecline): Next<ServerState> => {
    out.skipEarlyData(false, Math.max(earlyData?.maxSize ?? 0, redeemed?.ticket.maxEarlyDataSize ?? 0));
    out.earlyDataDecided(reason);
    return then(undefined);
  };
  const now = clock.now();
  const sentAt = judgeEarlyData({
    windowMs: earlyData?.guard.windowMs,
    ticket: redeemed?.ticket,
    identityIndex: redeemed?.identityIndex ?? 0,
    obfuscatedTicketAge: psks?.identities[0]?.obfuscatedTicketAge ?? 0,
    cipherSuite: redeemed?.suite.id ?? 0,
    alpn,
    serverName: hello.extensions.serverName,
    now,
  });
  if (typeof sentAt === 'string') return refuse(sentAt);
  if (redeemed?.earlyDataAllowed === false) return refuse('application');
  // Judged to be on, resumed, and from the first identity.
  const { guard, allow, deadlineMs } = earlyData!;
  const { psk: _wiped, ...ticket } = redeemed!.ticket;
  const attempt: EarlyDataAttempt = {
    ticketId: ticket.id,
    binder: copyOf(psks!.binders[0]!),
    issuedAt: ticket.issuedAt,
    sentAt,
    now,
  };
  const holds = redeemed!.early;
  const wait = { clock, deadlineMs };
  return ask(
    'checkReplay',
    outcomeOf(() => guard.check(attempt), wait),
    (outcome) => {
      const said = outcome.is === 'answer' ? outcome.answer : 'unavailable';
      if (said !== 'fresh') return refuse(said === 'replay' || said === 'quarantine' ? said : 'guard_unavailable');
      const request: EarlyDataRequest = { hello: helloInfo(hello), alpn, ticket, sentAt };
      if (allow === undefined) return then(request);
      return ask(
        'allowEarlyData',
        outcomeOf(() => allow(request), wait),
        (allowed) => (allowed.is === 'answer' && allowed.answer === true ? then(request) : refuse('application')),
        holds,
      );
    },
    holds,
  );
}

/** Reads early data from here on. `transcript` ends with the ClientHello. */
export function acceptEarlyData(
  request: EarlyDataRequest,
  early: EarlyStage,
  transcript: Transcript,
  clientRandom: Uint8Array,
  suite: Suite,
  { config, out }: ServerContext,
): void {
  const kdf = config.crypto.kdf(suite.hash);
  const hash = transcript.hash();
  const trafficSecret = early.clientEarlyTraffic(hash);
  const exporterSecret = early.earlyExporter(hash);
  logSecret(config.keyLog, 'CLIENT_EARLY_TRAFFIC_SECRET', clientRandom, trafficSecret);
  logSecret(config.keyLog, 'EARLY_EXPORTER_SECRET', clientRandom, exporterSecret);
  out.setReadKeys('early', trafficKeys(kdf, trafficSecret, suite.aead));
  trafficSecret.wipe();
  out.openEarlyData({ size: request.ticket.maxEarlyDataSize, kdf, exporterSecret });
  out.earlyDataDecided(undefined, request);
}

/**
 * The client has sent all of its early data.
 *
 * @spec rfc9846#section-4.6
 */
export function onEndOfEarlyData(
  { flight, client }: ServerStateAt<'expect_end_of_early_data'>,
  message: Received<EndOfEarlyData>,
  { out }: ServerContext,
): ServerState {
  flight.transcript.add(message.raw);
  out.setReadKeys('handshake', trafficKeys(flight.kdf, flight.clientHandshakeSecret, flight.suite.aead));
  return { at: 'expect_finished', flight, client };
}
