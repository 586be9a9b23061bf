import { copyOf, toHex } from '../../bytes/index.ts';
import type { MaybePromise } from '../../crypto/index.ts';
import { AlertDescription, TlsAlertError } from '../../errors/index.ts';
import type { PresentedTicket, TicketDecline, TicketState, TicketVerdict } from '../../tickets/index.ts';
import { ask, type Next, type Question } from '../context.ts';
import { answerOr, outcomeOf } from '../outcome.ts';
import type { Attempt, Bound } from './redeem.ts';
import type { ServerContext, ServerState } from './states.ts';

/**
 * What is left once the binder of a ticket has been verified, in this order: single use, revocation, the client's certificate, the
 * application. Whatever declines it leads to a full handshake; the ticket is used up all the same.
 */
export function confirmTicket(
  ticket: TicketState,
  { suite, early }: Bound,
  attempt: Attempt,
  { config, out }: ServerContext,
): Next<ServerState> {
  const { clock, verifier } = config;
  const { sealer, revocations, onPresented, deadlineMs } = config.tickets;
  const { index, then } = attempt;

  /** Asks, and treats an answer that fails or is late as `error` or `timeout`. */
  const put = <T, F>(
    on: Question,
    question: () => MaybePromise<T>,
    error: F,
    timeout: F,
    next: (answer: T | F) => Next<ServerState>,
  ): Next<ServerState> =>
    ask(on, outcomeOf(question, { clock, deadlineMs }), (outcome) => next(answerOr(outcome, error, timeout)), early);
  const full = (reason: TicketDecline): Next<ServerState> => {
    early.wipe();
    attempt.decline(reason);
    return then(undefined);
  };

  const useUp = (): Next<ServerState> =>
    put<true | TicketDecline, TicketDecline>(
      'useTicket',
      () => sealer?.use?.(ticket, clock.now()) ?? true,
      'sealer_failed',
      'sealer_failed',
      (used) => (used === true ? checkRevocation() : full(used)),
    );
  const checkRevocation = (): Next<ServerState> => {
    if (revocations === undefined) return checkCertificate();
    return put<boolean | TicketDecline, TicketDecline>(
      'checkRevocation',
      () => revocations.isRevoked(ticket, clock.now()),
      'revoked',
      'sealer_failed',
      (revoked) => (revoked === false ? checkCertificate() : full(revoked === true ? 'revoked' : revoked)),
    );
  };
  const checkCertificate = (): Next<ServerState> => {
    const { client } = ticket;
    if (client.authorized && client.chain.length > 0 && verifier?.stillValid?.(client, clock.now()) === false)
      return full('client_certificate_expired');
    return askApplication();
  };
  const askApplication = (): Next<ServerState> => {
    if (onPresented === undefined) return accept('accept');
    const facts = presented(ticket, attempt, clock.now());
    return put<TicketVerdict | 'application' | 'verdict_timeout', 'application' | 'verdict_timeout'>(
      'judgeTicket',
      () => onPresented(facts),
      'application',
      'verdict_timeout',
      (verdict) => {
        switch (verdict) {
          case 'accept':
          case 'accept_without_early_data':
          case 'accept_and_reissue':
            return accept(verdict);
          case 'verdict_timeout':
            return full(verdict);
          default:
            if (typeof verdict === 'object' && verdict !== null) throw refusal(verdict.abort);
            return full('application');
        }
      },
    );
  };
  const accept = (verdict: TicketVerdict): Next<ServerState> => {
    const { ageMs, claimedAgeMs } = ages(ticket, attempt, clock.now());
    config.tickets.ledger.redeemed(toHex(ticket.id));
    out.emit({
      type: 'ticket_redeemed',
      id: toHex(ticket.id),
      identityIndex: index,
      ageMs,
      claimedAgeMs,
      issuedAt: ticket.issuedAt,
    });
    return then({
      ticket,
      identityIndex: index,
      suite,
      early,
      earlyDataAllowed: verdict !== 'accept_without_early_data',
      reissue: verdict === 'accept_and_reissue',
    });
  };
  return useUp();
}

/** Early data is not looked at here: whether it comes is all that the application is told. */
function presented(ticket: TicketState, attempt: Attempt, now: number): PresentedTicket {
  return {
    id: copyOf(ticket.id),
    identity: ticket.identity,
    issuedAt: ticket.issuedAt,
    authenticatedAt: ticket.authenticatedAt,
    ...ages(ticket, attempt, now),
    cipherSuite: ticket.cipherSuite,
    serverName: ticket.serverName,
    alpn: ticket.alpn,
    client: ticket.client,
    appData: copyOf(ticket.appData),
    identityIndex: attempt.index,
    earlyDataAsked: attempt.hello.extensions.earlyData === true,
  };
}

/** The client adds ticket_age_add to its own count, modulo 2^32 (rfc9846#section-4.3.11.1). */
function ages(ticket: TicketState, { offered }: Attempt, now: number): { ageMs: number; claimedAgeMs: number } {
  return { ageMs: now - ticket.issuedAt, claimedAgeMs: (offered.obfuscatedTicketAge - ticket.ageAdd) >>> 0 };
}

/** A name that is no fatal alert must not become a handshake that goes on. */
function refusal(alert: string): TlsAlertError {
  const isFatal = Object.hasOwn(AlertDescription, alert) && alert !== 'close_notify' && alert !== 'user_canceled';
  const name = isFatal ? (alert as keyof typeof AlertDescription) : 'internal_error';
  return new TlsAlertError('ticket.refused', name, 'the application refuses the ticket');
}
