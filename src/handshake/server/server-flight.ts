import type { CertificateCompressionName, Kdf } from '../../crypto/index.ts';
import { signatureInput } from '../../peer-auth/index.ts';
import { EarlyStage, finishedMac, type HandshakeStage, type Transcript, trafficKeys } from '../../schedule/index.ts';
import { type ClientHello, encodeHandshakeMessage, type HandshakeMessage, ProtocolVersion } from '../../wire/index.ts';
import { packCertificate } from '../certificate-compression.ts';
import type { EarlyDataRequest, ServerConfig } from '../config.ts';
import { ask, holding, type Next, type Received } from '../context.ts';
import { exchangeKeys } from '../key-exchange.ts';
import { logSecret } from '../key-log.ts';
import { acceptedSchemes, certificateMessage, checkSignature, chooseScheme } from '../own-certificate.ts';
import { certificateRequest } from './client-auth.ts';
import type { Authentication } from './client-hello.ts';
import { acceptEarlyData } from './early-data.ts';
import { wantsChangeCipherSpec } from './hello-retry.ts';
import type { Decision } from './negotiate.ts';
import { ticketsToExpect } from './plan.ts';
import type { Retry, ServerContext, ServerFlight, ServerState } from './states.ts';

/** Everything that was decided about a ClientHello. */
export interface Plan {
  readonly hello: Received<ClientHello>;
  readonly decision: Extract<Decision, { kind: 'go' }>;
  readonly retry: Retry | undefined;
  readonly transcript: Transcript;
  readonly alpn: string | undefined;
  readonly authentication: Authentication;
  /** Early data to accept. */
  readonly earlyData: EarlyDataRequest | undefined;
}

interface KeyExchanged {
  readonly publicValue: Uint8Array | undefined;
  readonly sharedSecret: Uint8Array | undefined;
}

/** ServerHello, EncryptedExtensions, [CertificateRequest, Certificate, CertificateVerify], Finished. */
export function sendServerFlight(plan: Plan, cx: ServerContext): Next<ServerState> {
  const exchange = usedExchange(plan);
  if (exchange === undefined) return sendHello(plan, { publicValue: undefined, sharedSecret: undefined }, cx);
  return exchangeKeys(
    () => exchange.group.encapsulate(exchange.share.keyExchange),
    (result) => sendHello(plan, result, cx),
    'early' in plan.authentication && plan.authentication.early,
  );
}

/** With psk_ke there is no key exchange, whatever shares came. */
function usedExchange({ decision, authentication }: Plan): Plan['decision']['exchange'] {
  return 'early' in authentication && decision.pskMode === 'psk_ke' ? undefined : decision.exchange;
}

function sendHello(plan: Plan, { publicValue, sharedSecret }: KeyExchanged, cx: ServerContext): Next<ServerState> {
  const { config, out } = cx;
  const { hello, authentication, transcript } = plan;
  const redeemed = 'ticket' in authentication ? authentication : undefined;
  /** Of a ticket or agreed on: there are no certificates then. */
  const psk = 'early' in authentication ? authentication : undefined;
  const suite = psk?.suite ?? plan.decision.suites[0];
  const kdf = config.crypto.kdf(suite.hash);
  if (plan.retry === undefined) transcript.start(kdf);
  transcript.add(hello.raw);
  const early = psk?.early ?? new EarlyStage(kdf);
  const { earlyData } = plan;
  if (earlyData !== undefined) acceptEarlyData(earlyData, early, transcript, hello.random, suite, cx);
  const send = (message: HandshakeMessage | Uint8Array): void => {
    const bytes = message instanceof Uint8Array ? message : encodeHandshakeMessage(message);
    transcript.add(bytes);
    out.send(bytes);
  };

  const group = usedExchange(plan)?.group;
  send({
    type: 'server_hello',
    legacyVersion: ProtocolVersion.tls12,
    random: config.crypto.random(32),
    legacySessionIdEcho: hello.legacySessionId,
    cipherSuite: suite.id,
    legacyCompressionMethod: 0,
    extensions: {
      supportedVersions: ProtocolVersion.tls13,
      ...(group && publicValue && { keyShare: { group: group.id, keyExchange: publicValue } }),
      ...(psk && { preSharedKey: psk.identityIndex }),
    },
  });
  // "The server's dummy change_cipher_spec follows its first handshake message" (rfc9846#appendix-E.4).
  if (wantsChangeCipherSpec(hello, config) && plan.retry === undefined) out.sendChangeCipherSpec();

  const stage = early.next(sharedSecret);
  sharedSecret?.fill(0);
  const hash = transcript.hash();
  const clientHandshakeSecret = stage.clientTraffic(hash);
  const serverHandshakeSecret = stage.serverTraffic(hash);
  logSecret(config.keyLog, 'CLIENT_HANDSHAKE_TRAFFIC_SECRET', hello.random, clientHandshakeSecret);
  logSecret(config.keyLog, 'SERVER_HANDSHAKE_TRAFFIC_SECRET', hello.random, serverHandshakeSecret);
  out.setWriteKeys('handshake', trafficKeys(kdf, serverHandshakeSecret, suite.aead));
  // Early data comes first, under its own keys.
  if (earlyData === undefined) out.setReadKeys('handshake', trafficKeys(kdf, clientHandshakeSecret, suite.aead));

  const expectedTickets = ticketsToExpect(
    {
      resumed: redeemed !== undefined,
      ticketRequest: hello.extensions.ticketRequest,
      peer: redeemed?.ticket.client ?? { chain: [], authorized: false },
      serverName: hello.extensions.serverName,
      alpn: plan.alpn,
      authenticatedAt: redeemed?.ticket.authenticatedAt ?? config.clock.now(),
      pskIdentity: 'pskIdentity' in authentication ? authentication.pskIdentity : undefined,
    },
    redeemed?.reissue === true,
    plan.decision.pskMode !== undefined,
    cx,
  );
  send({
    type: 'encrypted_extensions',
    extensionTypes: [],
    extensions: {
      ...(hello.extensions.serverName !== undefined &&
        !redeemed &&
        config.acknowledgeServerName && { serverName: true }),
      ...(plan.alpn !== undefined && { alpn: plan.alpn }),
      ...(hello.extensions.recordSizeLimit !== undefined &&
        config.recordSizeLimit !== undefined && { recordSizeLimit: config.recordSizeLimit }),
      ...(earlyData !== undefined && { earlyData: true as const }),
      ...(expectedTickets !== undefined && { expectedTickets }),
    },
  });

  const finish = (signatureScheme?: number, certificateCompression?: CertificateCompressionName): ServerState => {
    const verifyData = finishedMac(kdf, serverHandshakeSecret, transcript.hash());
    send({ type: 'finished', verifyData });
    serverHandshakeSecret.wipe();
    const flight = startApplicationKeys(plan, stage, kdf, cx, {
      suite,
      kdf,
      transcript,
      clientRandom: hello.random,
      clientHandshakeSecret,
      resumedFrom: redeemed?.ticket,
      pskIdentity: 'pskIdentity' in authentication ? authentication.pskIdentity : undefined,
      reissue: redeemed?.reissue ?? false,
      serverName: hello.extensions.serverName,
      alpn: plan.alpn,
      group: group && { id: group.id, name: group.name },
      signatureScheme,
      helloRetried: plan.retry !== undefined,
      canResume: plan.decision.pskMode !== undefined,
      // "servers which are authenticating with an external PSK MUST NOT … request post-handshake authentication" (rfc9846#section-4.4.2).
      canAuthenticateLater:
        hello.extensions.postHandshakeAuth === true &&
        config.verifier !== undefined &&
        !('pskIdentity' in authentication),
      ticketRequest: hello.extensions.ticketRequest,
      expectedTickets,
      certificateCompression,
      finished: verifyData,
      sharedSignatureSchemes: 'early' in authentication ? [] : sharedSchemes(hello, config),
    });
    const asked = psk === undefined && config.clientAuth !== 'none';
    if (asked) return { at: 'expect_certificate', flight };
    // Whoever has the external PSK is authenticated by it.
    const client = redeemed?.ticket.client ?? { chain: [], authorized: psk !== undefined };
    return { at: earlyData === undefined ? 'expect_finished' : 'expect_end_of_early_data', flight, client };
  };

  if ('early' in authentication) return finish();
  if (config.clientAuth !== 'none') {
    send(certificateRequest(config, new Uint8Array(0)));
  }
  const { credential, ocspResponse } = authentication;
  const certificate = certificateMessage(credential, ocspResponse);
  const { message, compression } = packCertificate(certificate, hello.extensions.compressCertificate, config);
  send(message);
  const algorithm = chooseScheme('server', credential, hello.extensions.signatureAlgorithms!)!;
  const secrets = [stage, clientHandshakeSecret, serverHandshakeSecret];
  const prove = (signature: Uint8Array): ServerState => {
    send({ type: 'certificate_verify', algorithm, signature: checkSignature(signature) });
    return finish(algorithm, compression);
  };
  return holding(secrets, () =>
    ask('sign', credential.signer.sign(algorithm, signatureInput('server', transcript.hash())), prove, secrets),
  );
}

function sharedSchemes({ extensions }: ClientHello, config: ServerConfig): readonly number[] {
  return acceptedSchemes(config).filter((scheme) => extensions.signatureAlgorithms?.includes(scheme));
}

/** From here on the server writes under application keys; it still reads under the client's handshake keys. */
function startApplicationKeys(
  plan: Plan,
  stage: HandshakeStage,
  kdf: Kdf,
  { config, out }: ServerContext,
  facts: Omit<ServerFlight, 'clientApplicationSecret' | 'serverApplicationSecret' | 'exporterSecret' | 'main'>,
): ServerFlight {
  const main = stage.next();
  const hash = plan.transcript.hash();
  const clientApplicationSecret = main.clientTraffic(hash);
  const serverApplicationSecret = main.serverTraffic(hash);
  const exporterSecret = main.exporter(hash);
  logSecret(config.keyLog, 'CLIENT_TRAFFIC_SECRET_0', facts.clientRandom, clientApplicationSecret);
  logSecret(config.keyLog, 'SERVER_TRAFFIC_SECRET_0', facts.clientRandom, serverApplicationSecret);
  logSecret(config.keyLog, 'EXPORTER_SECRET', facts.clientRandom, exporterSecret);
  out.setWriteKeys('application', trafficKeys(kdf, serverApplicationSecret, facts.suite.aead));
  return { ...facts, clientApplicationSecret, serverApplicationSecret, exporterSecret, main };
}
