import { channel, hasSubscribers } from 'node:diagnostics_channel';
import type { TlsEngine, TlsEvent } from '../connection/index.ts';
import type { TicketDecline, TicketKeyEvent, TicketKeyInfo, TicketKeyRing } from '../tickets/index.ts';

/** A connection as observers know it. */
export interface ObservedConnection {
  readonly role: 'client' | 'server';
  /** The name in the ClientHello, as far as it is known. */
  readonly serverName: string | undefined;
}

export interface ObservedHandshake extends ObservedConnection {
  readonly resumed: boolean;
  readonly cipherSuite: string;
  readonly group: string | undefined;
}

export interface ObservedTicket extends ObservedConnection {
  /** Whether the program asked for it. */
  readonly requested: boolean;
  readonly lifetimeSeconds: number;
  /** Of the ticket, in bytes. */
  readonly length: number;
}

export interface ObservedDecline extends ObservedConnection {
  readonly during: 'offer' | 'redeem' | 'issue';
  readonly reason: TicketDecline;
}

export interface ObservedRedeem extends ObservedConnection {
  /** Milliseconds since the ticket was issued. */
  readonly ageMs: number;
}

export interface ObservedEarlyData extends ObservedConnection {
  readonly accepted: boolean;
  /** Why not, when it was not accepted. */
  readonly reason: string | undefined;
}

export interface ObservedKey {
  readonly key: TicketKeyInfo;
  /** What became of it. */
  readonly change: TicketKeyEvent['type'];
}

/** Channels of `node:diagnostics_channel`, and what is published on each. */
export interface DiagnosticMessages {
  /** A handshake is done. */
  readonly 'tessera:handshake': ObservedHandshake;
  /** A server generated a ticket. */
  readonly 'tessera:ticket:issued': ObservedTicket;
  /** A server's ticket was handed to the transport. */
  readonly 'tessera:ticket:written': ObservedConnection;
  /** A client received a ticket. */
  readonly 'tessera:ticket:received': ObservedTicket;
  /** A server took a ticket. */
  readonly 'tessera:ticket:redeemed': ObservedRedeem;
  /** A ticket was not offered, not redeemed or not issued. */
  readonly 'tessera:ticket:declined': ObservedDecline;
  /** Early data was offered, and accepted or not. */
  readonly 'tessera:early_data': ObservedEarlyData;
  /** A ticket key changed its state. */
  readonly 'tessera:ticket:key': ObservedKey;
}

type Name = keyof DiagnosticMessages;

/** Publishes what `describe` gives, and calls it only when somebody listens. */
export function publish<N extends Name>(name: N, describe: () => DiagnosticMessages[N]): void {
  if (hasSubscribers(name)) channel(name).publish(describe());
}

const published = new WeakSet<TicketKeyRing>();

/** Publishes what becomes of the keys of a ring, once however often it is called. */
export function publishKeys(ring: TicketKeyRing): void {
  if (published.has(ring)) return;
  published.add(ring);
  ring.observe(({ type, key }) => publish('tessera:ticket:key', () => ({ change: type, key })));
}

/**
 * Publishes what happened on a connection. No secret, ticket or key byte is in any message.
 */
export function publishEvent(event: TlsEvent, { role, info }: Pick<TlsEngine, 'role' | 'info'>): void {
  switch (event.type) {
    case 'secure':
      publish('tessera:handshake', () => {
        const { resumed, cipherSuiteName: cipherSuite, group, serverName } = event.info;
        return { role, serverName, resumed, cipherSuite, group };
      });
      break;
    case 'early_data_status': {
      const { accepted, reason, request } = event;
      publish('tessera:early_data', () => ({ role, serverName: request?.hello.serverName, accepted, reason }));
      break;
    }
    case 'ticket':
      publish('tessera:ticket:received', () => {
        const { lifetimeSeconds, ticket } = event.ticket;
        return { role, serverName: info?.serverName, requested: false, lifetimeSeconds, length: ticket.length };
      });
      break;
    case 'ticket_issued':
      publish('tessera:ticket:issued', () => {
        const { requested, ticket, state } = event;
        return {
          role,
          serverName: info?.serverName,
          requested,
          lifetimeSeconds: state.lifetimeSeconds,
          length: ticket.length,
        };
      });
      break;
    case 'ticket_redeemed':
      publish('tessera:ticket:redeemed', () => ({ role, serverName: info?.serverName, ageMs: event.ageMs }));
      break;
    case 'ticket_written':
      publish('tessera:ticket:written', () => ({ role, serverName: info?.serverName }));
      break;
    case 'ticket_declined':
      publish('tessera:ticket:declined', () => ({
        role,
        serverName: info?.serverName,
        during: event.during,
        reason: event.reason,
      }));
  }
}
