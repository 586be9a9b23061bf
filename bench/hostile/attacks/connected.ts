import { concat } from '../../../src/bytes/index.ts';
import { ContentType, encodeHandshakeMessage } from '../../../src/wire/index.ts';
import type { Attack, Peer } from '../attack.ts';
import { Liar } from '../liar.ts';

/** What a peer can do once the handshake is done. Each attack is on servers and on clients. */
type Kind = Omit<Attack, 'side' | 'run'> & {
  readonly act: (liar: Liar, peer: Peer) => Promise<void>;
};

const ONE = Uint8Array.of(120);

const KINDS: readonly Kind[] = [
  {
    name: 'records of 1 byte',
    counted: 'nothing: each costs its sender as much',
    limit: 'what the program reads',
    async act(liar) {
      while (await liar.sendMany(ContentType.application_data, ONE, 500));
    },
  },
  {
    name: 'records of 1 byte that nobody reads',
    counted: 'bytes that the program has not read',
    limit: 'highWaterMark, 16,384 (Node 22: 65,536); then the transport is paused',
    victim: { deaf: true },
    async act(liar) {
      while (await liar.sendMany(ContentType.application_data, ONE, 500));
    },
  },
  {
    name: 'empty records',
    counted: 'empty records in a row',
    limit: 'limits.emptyRecordsInARow, 32',
    fault: 'record.too_many_empty',
    async act(liar) {
      while (await liar.sendMany(ContentType.application_data, new Uint8Array(0), 100));
    },
  },
  ...[false, true].map(
    (requested): Kind => ({
      name: `KeyUpdate storm, ${requested ? 'ours requested' : 'nothing requested'}, and never reads`,
      counted: 'KeyUpdates without data between them',
      limit: 'limits.keyUpdatesInARow, 32',
      fault: 'key_update.too_many',
      async act(liar, peer) {
        peer.socket.pause();
        while (await peer.write(concat(...Array.from({ length: 40 }, () => liar.keyUpdate(requested))), 40));
      },
    }),
  ),
  {
    name: 'KeyUpdate storm with a byte of data between, ours requested, and never reads',
    counted: 'nothing: ours goes out with the next write, once',
    limit: 'each costs its sender as much',
    async act(liar, peer) {
      peer.socket.pause();
      const pair = (): Uint8Array => concat(liar.keyUpdate(true), liar.protect(ContentType.application_data, ONE));
      while (await peer.write(concat(...Array.from({ length: 40 }, pair)), 40));
    },
  },
  {
    name: 'warning alerts',
    counted: 'warning alerts on a connection',
    limit: 'limits.warningAlerts, 4',
    fault: 'alert.too_many_warnings',
    async act(liar) {
      while (await liar.sendMany(ContentType.alert, Uint8Array.of(1, 90), 50));
    },
  },
  {
    name: 'fatal alerts',
    counted: 'nothing: the first one ends the connection',
    limit: 'the RFC',
    fault: 'peer.alert',
    async act(liar) {
      while (await liar.sendMany(ContentType.alert, Uint8Array.of(2, 80), 50));
    },
  },
  {
    name: 'a handshake message in records of 1 byte',
    counted: 'bytes of the message',
    limit: 'limits.handshakeMessageLength, 66,560',
    async act(liar) {
      await liar.send(ContentType.handshake, Uint8Array.of(4, 0, 0xff, 0xff));
      while (await liar.sendMany(ContentType.handshake, ONE, 200));
    },
  },
];

function on(side: 'server' | 'client', { act, name, ...kind }: Kind): Attack {
  return {
    ...kind,
    name: `${name} (to a ${side})`,
    side,
    async run(peer) {
      const liar = await Liar.handshake(peer, { role: side === 'server' ? 'client' : 'server' });
      if (liar === undefined) return;
      await act(liar, peer);
      await peer.hold();
    },
  };
}

const ticket = (length: number): Uint8Array =>
  encodeHandshakeMessage({
    type: 'new_session_ticket',
    lifetimeSeconds: 7_200,
    ageAdd: 1,
    nonce: new Uint8Array(8),
    ticket: new Uint8Array(length),
  });

const ticketFlood = (length: number, perWrite: number, fault?: string): Attack => ({
  name: `NewSessionTickets of ${length.toLocaleString('en-US')} bytes`,
  side: 'client',
  counted: 'tickets on a connection; 16 are kept',
  limit: 'limits.ticketsReceived, 4,096',
  ...(fault !== undefined && { fault }),
  parallel: 2,
  async run(peer) {
    const liar = await Liar.handshake(peer, { role: 'server' });
    const message = ticket(length);
    while (await liar?.sendMany(ContentType.handshake, message, perWrite));
    await peer.hold();
  },
});

export const attacks: readonly Attack[] = [
  ...KINDS.flatMap((kind) => [on('server', kind), on('client', kind)]),
  ticketFlood(200, 100, 'new_session_ticket.too_many'),
  ticketFlood(65_535, 4),
  {
    name: 'CertificateRequests after the handshake, and never reads',
    side: 'client',
    counted: 'requests on a connection',
    limit: 'limits.certificateRequestsReceived, 64',
    fault: 'certificate_request.too_many',
    parallel: 2,
    victim: { postHandshakeAuth: true },
    async run(peer) {
      const liar = await Liar.handshake(peer, { role: 'server' });
      peer.socket.pause();
      let sent = 0;
      const request = (): Uint8Array => {
        sent++;
        const context = Uint8Array.of(sent >> 16, (sent >> 8) & 0xff, sent & 0xff);
        return encodeHandshakeMessage({
          type: 'certificate_request',
          context,
          extensions: { signatureAlgorithms: [0x0403] },
        });
      };
      if (liar === undefined) return;
      while (
        await peer.write(
          concat(...Array.from({ length: 50 }, () => liar.protect(ContentType.handshake, request()))),
          50,
        )
      );
      await peer.hold();
    },
  },
  {
    name: 'never reads while tickets wait, and asks for KeyUpdates',
    side: 'server',
    counted: 'tickets that are due; KeyUpdates that are owed: one',
    limit: 'limits.ticketsSent, 1,024 (here as many)',
    parallel: 20,
    victim: { numTickets: 1_024 },
    async run(peer) {
      const liar = await Liar.handshake(peer, { role: 'client' });
      peer.socket.pause();
      if (liar === undefined) return;
      const ping = new TextEncoder().encode('ping');
      const pair = (): Uint8Array => concat(liar.keyUpdate(true), liar.protect(ContentType.application_data, ping));
      while (await peer.write(concat(...Array.from({ length: 40 }, pair)), 40));
      await peer.hold(false);
    },
  },
];
