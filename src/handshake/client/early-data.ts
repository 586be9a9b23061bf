import { peerFault } from '../../errors/index.ts';
import { EarlyStage, trafficKeys } from '../../schedule/index.ts';
import type { ClientTicket } from '../../tickets/index.ts';
import { encodeHandshakeMessage } from '../../wire/index.ts';
import type { ClientConfig, Suite } from '../config.ts';
import type { Output } from '../context.ts';
import type { EarlyDataDecline } from '../events.ts';
import { logSecret } from '../key-log.ts';
import type { ClientContext, ClientHandshake, Offer } from './states.ts';

/** The suite to protect early data with, when the first ticket allows any and what it belongs to is still on offer. */
export function earlyDataSuite(ticket: ClientTicket | undefined, config: ClientConfig): Suite | undefined {
  if (ticket === undefined || ticket.maxEarlyDataSize === 0) return undefined;
  if (ticket.alpn !== undefined && !config.alpn.includes(ticket.alpn)) return undefined;
  return config.cipherSuites.find((suite) => suite.id === ticket.cipherSuite);
}

/**
 * From here on early data may be written. The ClientHello of `offer` has been sent.
 *
 * @spec rfc9846#section-4.3.10
 */
export function startEarlyData(offer: Offer, suite: Suite, { config, out }: ClientContext): Offer {
  const { hello, transcript, tickets } = offer;
  const ticket = tickets[0]!;
  // "If offering early data, the record is placed immediately after the first ClientHello" (rfc9846#appendix-E.4).
  const changedCipherSpec = hello.legacySessionId.length > 0;
  if (changedCipherSpec) out.sendChangeCipherSpec();
  const kdf = config.crypto.kdf(suite.hash);
  const hash = transcript.hashWith(new Uint8Array(0), kdf);
  const early = new EarlyStage(kdf, ticket.psk);
  const trafficSecret = early.clientEarlyTraffic(hash);
  const exporterSecret = early.earlyExporter(hash);
  early.wipe();
  logSecret(config.keyLog, 'CLIENT_EARLY_TRAFFIC_SECRET', hello.random, trafficSecret);
  logSecret(config.keyLog, 'EARLY_EXPORTER_SECRET', hello.random, exporterSecret);
  out.setWriteKeys('early', trafficKeys(kdf, trafficSecret, suite.aead));
  trafficSecret.wipe();
  out.openEarlyData({ size: ticket.maxEarlyDataSize, kdf, exporterSecret });
  return { ...offer, changedCipherSpec };
}

/**
 * Why the server did not take our early data, as far as can be seen from here; `undefined` when it did. Throws when it must not have.
 *
 * @spec rfc9846#section-4.3.10
 */
export function judgeAnswer(handshake: ClientHandshake, out: Output): EarlyDataDecline | undefined {
  const { offer, resumedFrom, suite, alpn, earlyDataAccepted } = handshake;
  const ticket = offer.tickets[0]!;
  const mismatch: EarlyDataDecline | undefined =
    resumedFrom === undefined
      ? 'not_resumed'
      : resumedFrom !== ticket
        ? 'not_first_identity'
        : suite.id !== ticket.cipherSuite
          ? 'cipher_suite_mismatch'
          : alpn !== ticket.alpn
            ? 'alpn_mismatch'
            : undefined;
  if (!earlyDataAccepted) return mismatch ?? 'declined_by_server';
  // "If the server supplies an early_data extension, the client MUST verify that the server's selected_identity is 0" (rfc9846#section-4.3.11).
  if (mismatch !== undefined) {
    // A server that takes early data reads nothing else, not even our alert, before its end.
    out.send(encodeHandshakeMessage({ type: 'end_of_early_data' }));
    throw peerFault('encrypted_extensions.bad_early_data', mismatch);
  }
  return undefined;
}
