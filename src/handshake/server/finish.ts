import { copyOf, equalConstantTime } from '../../bytes/index.ts';
import { peerFault } from '../../errors/index.ts';
import { finishedMac, trafficKeys } from '../../schedule/index.ts';
import type { Finished } from '../../wire/index.ts';
import type { Received } from '../context.ts';
import { certificateIdentity } from './issue.ts';
import type { ServerContext, ServerState, ServerStateAt } from './states.ts';

/**
 * The client's Finished: the handshake is done.
 *
 * @spec rfc9846#section-4.5.3
 */
export function onFinished(
  { flight, client, clientSignatureScheme }: ServerStateAt<'expect_finished'>,
  message: Received<Finished>,
  cx: ServerContext,
): ServerState {
  const { kdf, transcript, suite, resumedFrom } = flight;
  const expected = finishedMac(kdf, flight.clientHandshakeSecret, transcript.hash());
  if (!equalConstantTime(expected, message.verifyData)) throw peerFault('handshake.finished_mismatch');
  transcript.add(message.raw);
  flight.clientHandshakeSecret.wipe();
  cx.out.setReadKeys('application', trafficKeys(kdf, flight.clientApplicationSecret, suite.aead));
  const resumptionSecret = flight.main.resumption(transcript.hash());
  flight.main.wipe();

  if (resumedFrom !== undefined) {
    cx.tickets.appData = resumedFrom.appData;
    // What the application set goes on; a certificate's hash follows from the certificate.
    if (resumedFrom.identity !== certificateIdentity(client, cx.config.crypto))
      cx.tickets.identity ??= resumedFrom.identity;
  }
  return {
    at: 'connected',
    kdf,
    aead: suite.aead,
    readSecret: flight.clientApplicationSecret,
    writeSecret: flight.serverApplicationSecret,
    exporterSecret: flight.exporterSecret,
    resumptionSecret,
    canResume: flight.canResume,
    reissue: flight.reissue,
    group: flight.group?.id ?? resumedFrom?.group,
    postHandshakeAuth: flight.canAuthenticateLater ? { transcript, request: undefined } : undefined,
    info: {
      role: 'server',
      cipherSuite: suite.id,
      cipherSuiteName: suite.name,
      group: flight.group?.name,
      signatureScheme: flight.signatureScheme,
      peerSignatureScheme: clientSignatureScheme,
      serverName: flight.serverName,
      alpn: flight.alpn,
      resumed: resumedFrom !== undefined,
      helloRetried: flight.helloRetried,
      peer: client,
      pskIdentity: flight.pskIdentity,
      authenticatedAt: resumedFrom?.authenticatedAt ?? cx.config.clock.now(),
      ocspResponse: undefined,
      ticketRequest: flight.ticketRequest,
      expectedTickets: flight.expectedTickets,
      finished: flight.finished,
      peerFinished: copyOf(message.verifyData),
      sharedSignatureSchemes: flight.sharedSignatureSchemes,
      certificateCompression: flight.certificateCompression,
    },
  };
}
