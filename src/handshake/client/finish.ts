import { copyOf, equalConstantTime, type Secret } from '../../bytes/index.ts';
import { peerFault } from '../../errors/index.ts';
import { finishedMac, type MainStage, trafficKeys } from '../../schedule/index.ts';
import { type CertificateRequest, encodeHandshakeMessage, type Finished } from '../../wire/index.ts';
import type { ClientConfig } from '../config.ts';
import type { Next, Received } from '../context.ts';
import { logSecret } from '../key-log.ts';
import { acceptedSchemes } from '../own-certificate.ts';
import { showCertificate } from './show-certificate.ts';
import type { ClientConnected, ClientContext, ClientState, ClientStateAt } from './states.ts';

/**
 * The server's Finished: answer with [Certificate, CertificateVerify], Finished, and the handshake is done.
 *
 * @spec rfc9846#section-4.5.3
 */
export function onFinished(
  state: ClientStateAt<'expect_finished'>,
  message: Received<Finished>,
  cx: ClientContext,
): Next<ClientState> {
  const { handshake, request } = state;
  const { kdf, transcript, suite } = handshake;
  const { config, out } = cx;
  const expected = finishedMac(kdf, handshake.serverHandshakeSecret, transcript.hash());
  if (!equalConstantTime(expected, message.verifyData)) throw peerFault('handshake.finished_mismatch');
  transcript.add(message.raw);
  handshake.serverHandshakeSecret.wipe();

  const main = handshake.stage.next();
  const hash = transcript.hash();
  const secrets: ApplicationSecrets = {
    main,
    client: main.clientTraffic(hash),
    server: main.serverTraffic(hash),
    exporter: main.exporter(hash),
  };
  const clientRandom = handshake.offer.hello.random;
  logSecret(config.keyLog, 'CLIENT_TRAFFIC_SECRET_0', clientRandom, secrets.client);
  logSecret(config.keyLog, 'SERVER_TRAFFIC_SECRET_0', clientRandom, secrets.server);
  logSecret(config.keyLog, 'EXPORTER_SECRET', clientRandom, secrets.exporter);
  out.setReadKeys('application', trafficKeys(kdf, secrets.server, suite.aead));

  const send = (bytes: Uint8Array): void => {
    transcript.add(bytes);
    out.send(bytes);
  };
  if (handshake.earlyDataAccepted) {
    send(encodeHandshakeMessage({ type: 'end_of_early_data' }));
    out.endEarlyData();
  }
  const finish = (): ClientState => {
    const verifyData = finishedMac(kdf, handshake.clientHandshakeSecret, transcript.hash());
    send(encodeHandshakeMessage({ type: 'finished', verifyData }));
    handshake.clientHandshakeSecret.wipe();
    out.setWriteKeys('application', trafficKeys(kdf, secrets.client, suite.aead));
    return connect(state, secrets, { finished: verifyData, peerFinished: copyOf(message.verifyData) }, cx);
  };
  if (request === undefined) return finish();
  return showCertificate(request, config, transcript, send, finish, secrets);
}

interface ApplicationSecrets {
  readonly main: MainStage;
  readonly client: Secret;
  readonly server: Secret;
  readonly exporter: Secret;
}

function connect(
  { handshake, server, request }: ClientStateAt<'expect_finished'>,
  secrets: ApplicationSecrets,
  proofs: Pick<ClientConnected['info'], 'finished' | 'peerFinished'>,
  { config, options }: ClientContext,
): ClientConnected {
  const { kdf, suite, transcript, resumedFrom, group } = handshake;
  const resumptionSecret = secrets.main.resumption(transcript.hash());
  secrets.main.wipe();
  return {
    at: 'connected',
    kdf,
    aead: suite.aead,
    readSecret: secrets.server,
    writeSecret: secrets.client,
    exporterSecret: secrets.exporter,
    resumptionSecret,
    group: group?.id ?? resumedFrom?.group,
    ticketsReceived: 0,
    postHandshakeAuth:
      config.postHandshakeAuth && handshake.pskIdentity === undefined
        ? { transcript, received: 0, pending: 0 }
        : undefined,
    info: {
      role: 'client',
      cipherSuite: suite.id,
      cipherSuiteName: suite.name,
      group: group?.name,
      signatureScheme: server.signatureScheme,
      peerSignatureScheme: server.signatureScheme,
      serverName: options.serverName,
      alpn: handshake.alpn,
      resumed: resumedFrom !== undefined,
      helloRetried: handshake.offer.retried,
      peer: server.identity,
      pskIdentity: handshake.pskIdentity,
      authenticatedAt: resumedFrom?.authenticatedAt ?? config.clock.now(),
      ocspResponse: server.ocspResponse,
      ticketRequest: options.ticketRequest,
      expectedTickets: handshake.expectedTickets,
      ...proofs,
      sharedSignatureSchemes: request === undefined ? [] : sharedSchemes(request, config),
      certificateCompression: server.compression,
    },
  };
}

function sharedSchemes({ extensions }: CertificateRequest, config: ClientConfig): readonly number[] {
  const accepted = acceptedSchemes(config);
  return extensions.signatureAlgorithms!.filter((scheme) => accepted.includes(scheme));
}
