import { equalConstantTime, type Secret } from '../../bytes/index.ts';
import type { Credential } from '../../crypto/index.ts';
import { peerFault } from '../../errors/index.ts';
import { signatureInput } from '../../peer-auth/index.ts';
import { finishedMac, type MainStage, trafficKeys } from '../../schedule/index.ts';
import {
  type CertificateRequest,
  encodeHandshakeMessage,
  type Finished,
  type HandshakeMessage,
} from '../../wire/index.ts';
import { ask, type Next, type Received } from '../context.ts';
import { logSecret } from '../key-log.ts';
import { chooseScheme, encodeCertificate } from '../own-certificate.ts';
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

  const send = (m: HandshakeMessage | Uint8Array): void => {
    const bytes = m instanceof Uint8Array ? m : encodeHandshakeMessage(m);
    transcript.add(bytes);
    out.send(bytes);
  };
  const finish = (): ClientState => {
    send({ type: 'finished', verifyData: finishedMac(kdf, handshake.clientHandshakeSecret, transcript.hash()) });
    handshake.clientHandshakeSecret.wipe();
    out.setWriteKeys('application', trafficKeys(kdf, secrets.client, suite.aead));
    return connect(state, secrets, cx);
  };
  if (request === undefined) return finish();
  return sendCertificate(request, cx, send, () => transcript.hash(), finish, secrets);
}

interface ApplicationSecrets {
  readonly main: MainStage;
  readonly client: Secret;
  readonly server: Secret;
  readonly exporter: Secret;
}

/** Shows the first certificate whose key the server accepts, or none. */
function sendCertificate(
  request: CertificateRequest,
  { config }: ClientContext,
  send: (m: HandshakeMessage | Uint8Array) => void,
  transcriptHash: () => Uint8Array,
  finish: () => ClientState,
  secrets: ApplicationSecrets,
): Next<ClientState> {
  const signatureSchemes = request.extensions.signatureAlgorithms!;
  const info = { signatureSchemes, certificateAuthorities: request.extensions.certificateAuthorities ?? [] };
  const show = (chosen: Credential | undefined): Next<ClientState> => {
    const candidates = chosen ? [chosen] : config.credentials;
    const credential = candidates.find((c) => chooseScheme(c, signatureSchemes) !== undefined);
    send(encodeCertificate(credential, request.extensions.statusRequest === true, request.context));
    if (credential === undefined) return finish();
    const algorithm = chooseScheme(credential, signatureSchemes)!;
    const signature = credential.signer.sign(algorithm, signatureInput('client', transcriptHash()));
    const prove = (bytes: Uint8Array): ClientState => {
      send({ type: 'certificate_verify', algorithm, signature: bytes });
      return finish();
    };
    return ask('sign', signature, prove, secrets);
  };
  return ask('chooseCredential', config.chooseCredential?.(info), show, secrets);
}

function connect(
  { handshake, server }: ClientStateAt<'expect_finished'>,
  secrets: ApplicationSecrets,
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
    info: {
      role: 'client',
      cipherSuite: suite.id,
      cipherSuiteName: suite.name,
      group: group?.name,
      signatureScheme: server.signatureScheme,
      serverName: options.serverName,
      alpn: handshake.alpn,
      resumed: resumedFrom !== undefined,
      helloRetried: handshake.offer.retried,
      peer: server.identity,
      pskIdentity: handshake.pskIdentity,
      authenticatedAt: resumedFrom?.authenticatedAt ?? config.clock.now(),
      ocspResponse: server.ocspResponse,
    },
  };
}
