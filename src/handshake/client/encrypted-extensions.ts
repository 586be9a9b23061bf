import { peerFault } from '../../errors/index.ts';
import { type EncryptedExtensions, ExtensionType, nameOf } from '../../wire/index.ts';
import type { Received } from '../context.ts';
import { judgeAnswer } from './early-data.ts';
import type { ClientContext, ClientState, ClientStateAt, Offer } from './states.ts';

/** @spec rfc9846#section-4.4.1 */
export function onEncryptedExtensions(
  { handshake }: ClientStateAt<'expect_encrypted_extensions'>,
  message: Received<EncryptedExtensions>,
  { config, out }: ClientContext,
): ClientState {
  const asked = requestedTypes(handshake.offer);
  const unasked = message.extensionTypes.find((type) => !asked.has(type));
  if (unasked !== undefined) throw peerFault('extension.not_requested', nameOf(ExtensionType, unasked));
  const { alpn, recordSizeLimit, expectedTickets } = message.extensions;
  if (alpn !== undefined && !handshake.offer.hello.extensions.alpn?.includes(alpn))
    throw peerFault('encrypted_extensions.bad_alpn', alpn);
  if (recordSizeLimit !== undefined) {
    if (recordSizeLimit < 64) throw peerFault('encrypted_extensions.bad_record_size_limit', String(recordSizeLimit));
    out.setPeerRecordSizeLimit(recordSizeLimit);
  }
  handshake.transcript.add(message.raw);
  const { resumedFrom, pskIdentity, offer } = handshake;
  const earlyDataAccepted = message.extensions.earlyData === true;
  const next = { ...handshake, alpn, expectedTickets, earlyDataAccepted };
  if (offer.hello.extensions.earlyData) out.earlyDataDecided(judgeAnswer(next, out));
  if (resumedFrom === undefined && pskIdentity === undefined)
    return { at: 'expect_certificate_or_request', handshake: next };
  const identity = resumedFrom?.server ?? { chain: [], authorized: true };
  const server = { identity, signatureScheme: undefined, ocspResponse: undefined, compression: undefined };
  return { at: 'expect_finished', handshake: next, request: undefined, server };

  function requestedTypes({ hello: { extensions: x } }: Offer): ReadonlySet<number> {
    const types = new Set<number>([ExtensionType.supported_groups]);
    if (x.serverName !== undefined) types.add(ExtensionType.server_name);
    if (x.alpn !== undefined) types.add(ExtensionType.application_layer_protocol_negotiation);
    if (config.recordSizeLimit !== undefined) types.add(ExtensionType.record_size_limit);
    if (x.earlyData) types.add(ExtensionType.early_data);
    if (x.ticketRequest !== undefined) types.add(ExtensionType.ticket_request);
    return types;
  }
}
