import { equalConstantTime, toHex } from '../../bytes/index.ts';
import type { MaybePromise } from '../../crypto/index.ts';
import { peerFault, TlsAlertError } from '../../errors/index.ts';
import { EarlyStage, finishedMac, type Transcript } from '../../schedule/index.ts';
import {
  MAX_TICKET_LIFETIME_SECONDS,
  type TicketDecline,
  type TicketQuestion,
  type TicketSealer,
  type TicketState,
} from '../../tickets/index.ts';
import { bindersLength, type ClientHello } from '../../wire/index.ts';
import type { ServerConfig, Suite } from '../config.ts';
import { ask, isPromise, type Next, type Received } from '../context.ts';
import { hashOfSuite } from '../suites.ts';
import type { Decision } from './negotiate.ts';
import type { ServerContext, ServerState } from './states.ts';

/** A ticket that was accepted, with the key schedule that starts from it. */
export interface Redeemed {
  readonly ticket: TicketState;
  readonly identityIndex: number;
  readonly suite: Suite;
  readonly early: EarlyStage;
}

type Go = Extract<Decision, { kind: 'go' }>;

/**
 * Takes the first identity that survives every check, and verifies its binder. Each one refused before it is reported.
 * Order of checks: key, content, times, hash, server name, client identity, binder.
 *
 * @spec rfc9846#section-4.3.11
 */
export function redeemTicket(
  hello: Received<ClientHello>,
  decision: Go,
  transcript: Transcript,
  cx: ServerContext,
  then: (redeemed: Redeemed | undefined) => Next<ServerState>,
): Next<ServerState> {
  const { config } = cx;
  const offered = hello.extensions.preSharedKey;
  const sealer = config.tickets.sealer;
  if (offered === undefined) return then(undefined);
  const decline = (reason: TicketDecline, identityIndex: number): void =>
    cx.out.emit({ type: 'ticket_declined', during: 'redeem', reason, identityIndex });
  if (sealer === undefined || decision.pskMode === undefined) {
    decline(sealer === undefined ? 'disabled' : 'no_usable_psk_mode', 0);
    return then(undefined);
  }

  const count = Math.min(offered.identities.length, config.limits.pskIdentities);
  const tryIdentity = (index: number): Next<ServerState> => {
    if (index === count) return then(undefined);
    const opened = openTicket(sealer, offered.identities[index]!.identity, config.clock.now(), {
      scopes: config.tickets.scopes,
      serverName: hello.extensions.serverName,
    });
    return ask('openTicket', opened, (ticket) => {
      const refuse = (reason: TicketDecline): Next<ServerState> => {
        decline(reason, index);
        return tryIdentity(index + 1);
      };
      if (typeof ticket === 'string') return refuse(ticket);
      const suite = judge(ticket, hello, decision, config);
      if (typeof suite === 'string') {
        ticket.psk.fill(0);
        return refuse(suite);
      }
      const early = new EarlyStage(config.crypto.kdf(suite.hash), ticket.psk);
      ticket.psk.fill(0);
      checkBinder(hello, index, early, suite, transcript, config);
      config.tickets.ledger.redeemed(toHex(ticket.id));
      return then({ ticket, identityIndex: index, suite, early });
    });
  };
  return tryIdentity(0);
}

/** A sealer that fails costs the ticket, never the connection. */
function openTicket(
  sealer: TicketSealer,
  ticket: Uint8Array,
  now: number,
  question: TicketQuestion,
): MaybePromise<TicketState | TicketDecline> {
  try {
    const opened = sealer.open(ticket, now, question);
    return isPromise(opened) ? opened.catch(failed) : opened;
  } catch (error) {
    return failed(error);
  }
}

/** An alert is the sealer's own word that the connection must end. */
function failed(error: unknown): 'sealer_failed' {
  if (error instanceof TlsAlertError) throw error;
  return 'sealer_failed';
}

/** How far the clocks of two servers that share keys may differ. */
const CLOCK_SKEW_MS = 10_000;

/** The suite to resume with, or why not. Pure. */
export function judge(
  ticket: TicketState,
  hello: ClientHello,
  decision: Go,
  config: ServerConfig,
): Suite | TicketDecline {
  const now = config.clock.now();
  const lifetimeMs = Math.min(ticket.lifetimeSeconds, MAX_TICKET_LIFETIME_SECONDS) * 1000;
  if (now - ticket.issuedAt >= lifetimeMs) return 'expired';
  if (now - ticket.authenticatedAt >= config.reauthenticateAfterSeconds * 1000) return 'expired';
  if (ticket.issuedAt > now + CLOCK_SKEW_MS) return 'issued_in_the_future';
  // "The server MUST ensure that it selects a compatible PSK (if any) and cipher suite" (rfc9846#section-4.3.11).
  const suite = decision.suites.find((s) => s.hash === hashOfSuite(ticket.cipherSuite));
  if (suite === undefined) return 'hash_mismatch';
  // Another name may mean another certificate, another tenant: what the ticket authenticated does not hold there.
  if (ticket.serverName?.toLowerCase() !== hello.extensions.serverName?.toLowerCase()) return 'server_name_mismatch';
  if (!isGoodEnough(ticket, config)) return 'client_certificate_required';
  if (decision.pskMode === 'psk_dhe_ke' && decision.exchange === undefined) return 'no_usable_psk_mode';
  return suite;
}

/** Whether a full handshake would let this client in today. */
function isGoodEnough({ client }: TicketState, { clientAuth, rejectUnauthorized }: ServerConfig): boolean {
  if (clientAuth === 'none') return true;
  if (client.chain.length === 0) return clientAuth === 'request';
  return client.authorized || !rejectUnauthorized;
}

/** @spec rfc9846#section-4.3.11.2 */
function checkBinder(
  hello: Received<ClientHello>,
  index: number,
  early: EarlyStage,
  suite: Suite,
  transcript: Transcript,
  config: ServerConfig,
): void {
  const kdf = config.crypto.kdf(suite.hash);
  const psks = hello.extensions.preSharedKey!;
  const truncated = hello.raw.subarray(0, hello.raw.length - bindersLength(psks));
  const binderKey = early.binderKey('res');
  const expected = finishedMac(kdf, binderKey, transcript.hashWith(truncated, kdf));
  binderKey.wipe();
  if (!equalConstantTime(expected, psks.binders[index]!)) {
    early.wipe();
    throw peerFault('client_hello.bad_binder', `identity ${index}`);
  }
}
