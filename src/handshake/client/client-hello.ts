import type { HashName, KeyExchange, KeyShare, MaybePromise } from '../../crypto/index.ts';
import { EarlyStage, finishedMac, Transcript } from '../../schedule/index.ts';
import type { ClientTicket } from '../../tickets/index.ts';
import {
  bindersLength,
  type ClientHello,
  type ClientHelloExtensions,
  encodeHandshakeMessage,
  type OfferedPsks,
  ProtocolVersion,
  PskKeyExchangeMode,
} from '../../wire/index.ts';
import type { ClientConfig } from '../config.ts';
import { ask, isPromise, type Next } from '../context.ts';
import { greaseValue } from '../grease.ts';
import { acceptedSchemes } from '../own-certificate.ts';
import { hashOfSuite } from '../suites.ts';
import { earlyDataSuite, startEarlyData } from './early-data.ts';
import { readyPsks, usableTickets } from './offered-psks.ts';
import type { ClientContext, ClientState, Offer, OfferedShare } from './states.ts';

/** Starts the handshake: makes the key shares and sends the first ClientHello. */
export function startClient(cx: ClientContext): Next<ClientState> {
  const { config } = cx;
  const tickets = usableTickets(cx);
  const psks = readyPsks(cx);
  const make = (shares: readonly OfferedShare[]): ClientState => {
    const grease = config.grease ? greaseValues(config) : undefined;
    const earlySuite = cx.options.earlyData ? earlyDataSuite(tickets[0], config) : undefined;
    const hello: ClientHello = {
      type: 'client_hello',
      legacyVersion: ProtocolVersion.tls12,
      random: config.crypto.random(32),
      legacySessionId: config.middleboxCompatibility ? config.crypto.random(32) : new Uint8Array(0),
      cipherSuites: [...(grease ? [grease.suite] : []), ...config.cipherSuites.map((s) => s.id)],
      legacyCompressionMethods: Uint8Array.of(0),
      extensions: baseExtensions(cx, shares, grease, earlySuite !== undefined),
      extensionTypes: [],
      ...(grease && {
        otherExtensions: [
          { type: grease.extension, data: new Uint8Array(0) },
          { type: grease.lastExtension, data: Uint8Array.of(0) },
        ],
      }),
    };
    const transcript = new Transcript();
    const offer = { hello, shares, tickets, psks, transcript, changedCipherSpec: false, retried: false };
    const sent = sendClientHello(offer, cx);
    return { at: 'expect_server_hello', offer: earlySuite ? startEarlyData(sent, earlySuite, cx) : sent };
  };
  return ask('generateKeyShare', generateShares(sharedGroups(config, tickets)), make, psks);
}

/** The groups to send a share for: our first ones, and the one this server chose last time, which saves a HelloRetryRequest. */
function sharedGroups(config: ClientConfig, tickets: readonly ClientTicket[]): readonly KeyExchange[] {
  if (config.keyShares !== undefined) return config.keyShares;
  const first = config.groups.slice(0, config.keyShareCount);
  const known = config.groups.find((group) => group.id === tickets[0]?.group);
  return known === undefined || first.includes(known) ? first : [...first, known];
}

function generateShares(groups: readonly KeyExchange[]): MaybePromise<readonly OfferedShare[]> {
  const made = groups.map((group) => group.generate());
  const pair = (shares: readonly KeyShare[]): OfferedShare[] =>
    shares.map((share, i) => ({ group: groups[i]!, share }));
  return made.some(isPromise) ? Promise.all(made).then(pair) : pair(made as KeyShare[]);
}

/** Values that a tolerant server must ignore (RFC 8701). The two extensions differ. */
interface Grease {
  readonly suite: number;
  readonly group: number;
  readonly version: number;
  readonly scheme: number;
  readonly extension: number;
  readonly lastExtension: number;
}

function greaseValues(config: ClientConfig): Grease {
  const value = (): number => greaseValue(config.crypto);
  const extension = value();
  const last = value();
  return {
    suite: value(),
    group: value(),
    version: value(),
    scheme: value(),
    extension,
    lastExtension: last === extension ? last ^ 0x1010 : last,
  };
}

function baseExtensions(
  { config, options }: ClientContext,
  shares: readonly OfferedShare[],
  grease: Grease | undefined,
  earlyData: boolean,
): ClientHelloExtensions {
  const greaseShare = grease ? [{ group: grease.group, keyExchange: Uint8Array.of(0) }] : [];
  const greaseScheme = grease ? [grease.scheme] : [];
  return {
    ...(options.serverName !== undefined &&
      options.sendServerName !== false &&
      isDnsName(options.serverName) && { serverName: options.serverName.replace(/\.$/, '') }),
    ...((options.requestOcsp ?? config.requestOcsp) && { statusRequest: true }),
    supportedGroups: [...(grease ? [grease.group] : []), ...config.groups.map((g) => g.id)],
    signatureAlgorithms: [...greaseScheme, ...config.signatureSchemes],
    ...(config.certificateSignatureSchemes.length > 0 && {
      signatureAlgorithmsCert: [...greaseScheme, ...acceptedSchemes(config)],
    }),
    ...(config.alpn.length > 0 && { alpn: config.alpn }),
    ...(config.certificateAuthorities.length > 0 && { certificateAuthorities: config.certificateAuthorities }),
    ...(config.recordSizeLimit !== undefined && { recordSizeLimit: config.recordSizeLimit }),
    ...(config.postHandshakeAuth && { postHandshakeAuth: true }),
    ...(config.certificateCompression.length > 0 && {
      compressCertificate: config.certificateCompression.map(({ id }) => id),
    }),
    ...(options.ticketRequest !== undefined && { ticketRequest: options.ticketRequest }),
    keyShare: [...greaseShare, ...shares.map((s) => ({ group: s.group.id, keyExchange: s.share.publicValue }))],
    pskKeyExchangeModes: config.allowPskOnly
      ? [PskKeyExchangeMode.psk_dhe_ke, PskKeyExchangeMode.psk_ke]
      : [PskKeyExchangeMode.psk_dhe_ke],
    supportedVersions: [...(grease ? [grease.version] : []), ProtocolVersion.tls13],
    ...(earlyData && { earlyData }),
  };
}

/** SNI is for DNS names: "Literal IPv4 and IPv6 addresses are not permitted in HostName" (RFC 6066 section 3). */
function isDnsName(name: string): boolean {
  return !name.includes(':') && !/^\d+(\.\d+){3}$/.test(name);
}

/** Adds pre_shared_key with its binders to the hello, sends it, and adds it to the transcript. */
export function sendClientHello(offer: Offer, { config, out }: ClientContext): Offer {
  const psks = offerPsks(offer, config);
  const hello: ClientHello = psks
    ? { ...offer.hello, extensions: { ...offer.hello.extensions, preSharedKey: psks } }
    : offer.hello;
  const raw = encodeHandshakeMessage(hello);
  if (psks) fillBinders(raw, psks, offer, config);
  offer.transcript.add(raw);
  out.send(raw);
  return offer;
}

/**
 * Identities with their obfuscated age, and binders of zeros in the right length.
 *
 * @spec rfc9846#section-4.3.11.1
 */
function offerPsks({ tickets, psks }: Offer, config: ClientConfig): OfferedPsks | undefined {
  if (tickets.length + psks.length === 0) return undefined;
  const now = config.clock.now();
  const hashes = [...tickets.map((ticket) => hashOfSuite(ticket.cipherSuite)), ...psks.map((psk) => psk.hash)];
  return {
    identities: [
      ...tickets.map((ticket) => ({
        identity: ticket.ticket,
        obfuscatedTicketAge: (now - ticket.receivedAt + ticket.ageAdd) % 0x1_0000_0000,
      })),
      // "For identities established externally, an obfuscated_ticket_age of 0 SHOULD be used".
      ...psks.map((psk) => ({ identity: psk.wireIdentity, obfuscatedTicketAge: 0 })),
    ],
    binders: hashes.map((hash) => new Uint8Array(config.crypto.kdf(hash).hashLength)),
  };
}

/**
 * Each binder is a MAC over the transcript up to, and without, the list of binders.
 *
 * @spec rfc9846#section-4.3.11.2
 */
function fillBinders(raw: Uint8Array, offered: OfferedPsks, offer: Offer, config: ClientConfig): void {
  const { tickets, psks, transcript } = offer;
  const bindersAt = raw.length - bindersLength(offered);
  const truncated = raw.subarray(0, bindersAt);
  let at = bindersAt + 2;
  const fill = (hash: HashName, key: Uint8Array, kind: 'res' | 'ext' | 'imp'): void => {
    const kdf = config.crypto.kdf(hash);
    const early = new EarlyStage(kdf, key);
    const binderKey = early.binderKey(kind);
    const binder = finishedMac(kdf, binderKey, transcript.hashWith(truncated, kdf));
    binderKey.wipe();
    early.wipe();
    raw.set(binder, at + 1);
    at += 1 + binder.length;
  };
  for (const ticket of tickets) fill(hashOfSuite(ticket.cipherSuite), ticket.psk, 'res');
  for (const psk of psks) fill(psk.hash, psk.key.bytes, psk.kind);
}
