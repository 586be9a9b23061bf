import { EarlyStage, type Transcript } from '../../schedule/index.ts';
import type { TicketDecline, TicketSealer, TicketState } from '../../tickets/index.ts';
import type { ClientHello, PskIdentity } from '../../wire/index.ts';
import type { Suite } from '../config.ts';
import { ask, type Next, type Received } from '../context.ts';
import { answerOr, outcomeOf } from '../outcome.ts';
import { checkBinder } from './binder.ts';
import { confirmTicket } from './confirm.ts';
import { findExternalPsk } from './find-psk.ts';
import { judge, suiteFor } from './judge.ts';
import type { Decision } from './negotiate.ts';
import type { ServerContext, ServerState } from './states.ts';

/** A ticket that was accepted, with the key schedule that starts from it. */
export interface Redeemed {
  readonly ticket: TicketState;
  readonly identityIndex: number;
  readonly suite: Suite;
  readonly early: EarlyStage;
  /** False when the application's verdict was `accept_without_early_data`. */
  readonly earlyDataAllowed: boolean;
  /** The application's verdict was `accept_and_reissue`: tickets follow as after a full handshake. */
  readonly reissue: boolean;
}

/** An external PSK that was accepted, with the key schedule that starts from it. */
export interface AgreedPsk {
  /** As it was agreed on, without what importing put around it. */
  readonly pskIdentity: Uint8Array;
  readonly identityIndex: number;
  readonly suite: Suite;
  readonly early: EarlyStage;
}

/** One identity of a ClientHello on its way to being accepted. */
export interface Attempt {
  readonly hello: Received<ClientHello>;
  readonly decision: Extract<Decision, { kind: 'go' }>;
  readonly transcript: Transcript;
  readonly offered: PskIdentity;
  readonly index: number;
  readonly decline: (reason: TicketDecline) => void;
  /** Goes on with what was accepted; without anything, in full. */
  readonly then: (accepted: Redeemed | AgreedPsk | undefined) => Next<ServerState>;
}

/**
 * Selects the first identity that is good by its content, verifies its binder, and only then asks whatever keeps count or takes a
 * decision (confirm.ts), so that nobody without the PSK can use up, record or probe anything.
 *
 * One binder is verified at most: "Servers SHOULD NOT attempt to validate multiple binders" (rfc9846#section-4.3.11). What is declined
 * after its binder was verified therefore leads to a full handshake, not to the next identity. Each identity refused is reported.
 *
 * For each identity the external PSKs are asked first, as OpenSSL does: what is known there never reaches ticket keys or a KMS.
 *
 * @spec rfc9846#section-4.3.11
 */
export function redeemTicket(
  hello: Received<ClientHello>,
  decision: Attempt['decision'],
  transcript: Transcript,
  cx: ServerContext,
  then: Attempt['then'],
): Next<ServerState> {
  const { config, out } = cx;
  const psks = hello.extensions.preSharedKey;
  if (psks === undefined) return then(undefined);
  const decline = (reason: TicketDecline, identityIndex: number): void =>
    out.emit({ type: 'ticket_declined', during: 'redeem', reason, identityIndex });
  const isOff = config.tickets.sealer === undefined && config.findPsk === undefined;
  if (isOff || decision.pskMode === undefined) {
    decline(isOff ? 'disabled' : 'no_usable_psk_mode', 0);
    return then(undefined);
  }

  const count = Math.min(psks.identities.length, config.limits.pskIdentities);
  const tryIdentity = (index: number): Next<ServerState> => {
    if (index === count) return then(undefined);
    const attempt: Attempt = {
      hello,
      decision,
      transcript,
      index,
      then,
      offered: psks.identities[index]!,
      decline: (reason) => decline(reason, index),
    };
    const refuse = (reason: TicketDecline): Next<ServerState> => {
      decline(reason, index);
      return tryIdentity(index + 1);
    };
    return findExternalPsk(attempt.offered.identity, cx, (psk) => {
      if (psk === 'psk_lookup_failed') decline(psk, index);
      else if (psk !== undefined) {
        const bound = bind(suiteFor(psk.hash, decision), psk.key.bytes, psk.kind, attempt, cx);
        if (typeof bound === 'string') return refuse(bound);
        return then({ pskIdentity: psk.identity, identityIndex: index, ...bound });
      }
      return openTicket(attempt, cx, (ticket) => {
        if (typeof ticket === 'string') return refuse(ticket);
        const bound = bind(judge(ticket, hello, decision, config), ticket.psk, 'res', attempt, cx);
        if (typeof bound === 'string') return refuse(bound);
        return confirmTicket(ticket, bound, attempt, cx);
      });
    });
  };
  return tryIdentity(0);
}

export interface Bound {
  readonly suite: Suite;
  readonly early: EarlyStage;
}

/**
 * Verifies the binder: from here on the client is known to have the PSK. Passes on why there is no suite. Wipes `key` in any case, also
 * when the binder is wrong and the connection ends.
 */
function bind(
  suite: Suite | TicketDecline,
  key: Uint8Array,
  kind: 'ext' | 'imp' | 'res',
  { hello, transcript, index }: Attempt,
  { config }: ServerContext,
): Bound | TicketDecline {
  if (typeof suite === 'string') {
    key.fill(0);
    return suite;
  }
  const kdf = config.crypto.kdf(suite.hash);
  const early = new EarlyStage(kdf, key);
  key.fill(0);
  checkBinder(hello, index, early, kind, kdf, transcript);
  return { suite, early };
}

/** A sealer that fails or is slow costs the ticket, never the connection. */
function openTicket(
  { hello, offered }: Attempt,
  { config }: ServerContext,
  then: (ticket: TicketState | TicketDecline) => Next<ServerState>,
): Next<ServerState> {
  const { sealer, scopes, deadlineMs } = config.tickets;
  if (sealer === undefined) return then('disabled');
  const question = { scopes, serverName: hello.extensions.serverName };
  const opened = outcomeOf<Opened>(
    () => sealer.open(offered.identity, config.clock.now(), question),
    { clock: config.clock, deadlineMs },
    wipePsk,
  );
  // When the connection ends first, what still comes is for nobody.
  const wipe = async (): Promise<void> => {
    const outcome = await opened;
    if (outcome.is === 'answer') wipePsk(outcome.answer);
  };
  return ask(
    'openTicket',
    opened,
    (outcome) => {
      const answer = answerOr(outcome, 'sealer_failed', 'sealer_failed');
      return then(typeof answer === 'string' || isTicket(answer) ? answer : 'sealer_failed');
    },
    { wipe },
  );
}

type Opened = Awaited<ReturnType<TicketSealer['open']>>;

/** A sealer may come from a program without types. */
function isTicket(opened: unknown): opened is TicketState {
  return (opened as Partial<TicketState> | null | undefined)?.psk instanceof Uint8Array;
}

function wipePsk(opened: Opened): void {
  if (isTicket(opened)) opened.psk.fill(0);
}
