import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { peerFault, TlsAlertError } from '../errors/index.ts';
import { alpn } from '../wire/extensions/application-layer-protocol-negotiation.ts';
import type { ExtensionCodec } from '../wire/extensions/codec.ts';
import { CLIENT_HELLO } from '../wire/extensions/table.ts';
import { DecodeError, Reader } from '../wire/index.ts';
import { ExtensionType, nameOf, ProtocolVersion } from '../wire/registry.ts';
import { wrongType } from './argument.ts';
import { codedError, toNodeError } from './errors.ts';
import { Gathered, HelloReader, MAX_HELLO_LENGTH } from './hello-reader.ts';
import { checkRange, MAX_TIMEOUT } from './options.ts';

/** One extension, as it came. */
export interface RawExtension {
  readonly type: number;
  /** As the IANA registry has it, such as `server_name`; `0x….` where it is not known here. */
  readonly name: string;
  /** `extension_data`. */
  readonly data: Uint8Array;
}

/** Everything that a client says first. Bytes are views on what was parsed, where that was in one piece. */
export interface ParsedClientHello {
  readonly incomplete: false;
  /** `sslv2`: sent by clients that could speak SSL 2.0 too, without extensions. rfc5246#appendix-E.2 */
  readonly format: 'tls' | 'sslv2';
  /** Bytes of the input that it took, record headers included. */
  readonly length: number;
  /** The handshake message with its own header, without records. */
  readonly message: Uint8Array;
  /** 0x0303 for TLS 1.2 and everything after it. 0x0002 is SSL 2.0. */
  readonly legacyVersion: number;
  /** The versions offered, in the client's order, GREASE included; of clients without supported_versions, `legacyVersion`: that one or an older. */
  readonly versions: readonly number[];
  readonly offersTls13: boolean;
  /** 32 bytes; of `sslv2` the challenge, 16 to 32. */
  readonly random: Uint8Array;
  /** 0 to 32 bytes. Clients of TLS 1.2 that have a session without a ticket offer it here. */
  readonly sessionId: Uint8Array;
  /** In the client's order, GREASE included. Above 0xffff: of SSL 2.0. */
  readonly cipherSuites: readonly number[];
  readonly compressionMethods: readonly number[];
  /** The name asked for (SNI), as sent: letters may be of either case. */
  readonly serverName: string | undefined;
  /** Protocols offered, one Latin-1 character a byte. */
  readonly alpn: readonly string[];
  /** supported_groups in the client's order, GREASE included. */
  readonly groups: readonly number[];
  /** Groups of which a key share came along. */
  readonly keyShares: readonly number[];
  readonly signatureSchemes: readonly number[];
  /** ec_point_formats, of TLS 1.2. */
  readonly pointFormats: readonly number[];
  /** In the client's order. */
  readonly extensions: readonly RawExtension[];
  /** Of TLS 1.2 (RFC 5077): `asked`, the client takes tickets; `offered`, it brings one. */
  readonly sessionTicket: 'none' | 'asked' | 'offered';
  /** Of TLS 1.3: how many PSKs, of tickets or external, are offered. */
  readonly pskCount: number;
  /** The client has sent, or is about to send, early data (0-RTT). */
  readonly earlyData: boolean;
  /** Fingerprint of the client's software: MD5 of what JA3 looks at, in hexadecimal. */
  readonly ja3: string;
  /** What `ja3` is the hash of. */
  readonly ja3Text: string;
  /** Fingerprint of the client's software that a shuffled order of extensions does not change, such as `t13d1516h2_8daaf6152771_e5627efa2ab1`. */
  readonly ja4: string;
}

export interface IncompleteClientHello {
  readonly incomplete: true;
  /** Bytes that must come at least, behind those there are. 1 or more. */
  readonly needed: number;
}

/**
 * Reads a ClientHello of any version without answering it, from the bytes that a client sent first: one TLS record or several, a bare handshake message, or
 * the format of SSL 2.0. What comes behind it does not matter.
 *
 * Throws `ERR_INVALID_ARG_TYPE` for what is no bytes; and for bytes that are no ClientHello a {@link TlsError}, whose `alert` is what to tell the client, and
 * whose `fault` is one of `record.not_tls`, `record.unexpected_type`, `record.too_long`, `record.empty`, `handshake.unexpected_message`, `handshake.too_long`
 * (more than 65,536 bytes), `handshake.malformed`, `extension.duplicate`.
 */
export function parseClientHello(bytes: Uint8Array): ParsedClientHello | IncompleteClientHello {
  if (!(bytes instanceof Uint8Array)) throw wrongType('bytes', 'an instance of Buffer or Uint8Array', bytes);
  return asTlsError(() => {
    const reader = new HelloReader();
    reader.push(bytes);
    return helloOf(reader) ?? { incomplete: true, needed: reader.needed };
  });
}

function asTlsError<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const fault = error instanceof DecodeError ? peerFault('handshake.malformed', error.message) : error;
    throw fault instanceof TlsAlertError ? toNodeError(fault, 'handshake') : fault;
  }
}

function helloOf(reader: HelloReader): ParsedClientHello | undefined {
  const { message, taken } = reader;
  if (message === undefined) return undefined;
  return reader.format === 'sslv2' ? sslv2Hello(message, taken) : tlsHello(message, taken);
}

function tlsHello(message: Uint8Array, length: number): ParsedClientHello {
  const r = new Reader(message, 4);
  const legacyVersion = r.u16();
  const random = r.bytes(32);
  const sessionId = r.opaque(1, 0, 32);
  const cipherSuites = uint16s(r.vector(2, 2, 0xfffe));
  const compressionMethods = [...r.opaque(1, 1, 255)];
  // Before RFC 3546 there were none.
  const extensions = r.left === 0 ? [] : extensionsOf(r.vector(2, 0, 0xffff));
  r.finish();
  const { supportedVersions, supportedGroups, signatureAlgorithms, keyShare, preSharedKey } = CLIENT_HELLO.fields;
  const value = <T>(codec: ExtensionCodec<T>): T | undefined => bodyOf(extensions, codec);
  const data = (type: number): Uint8Array | undefined => extensions.find((extension) => extension.type === type)?.data;
  const versions = value(supportedVersions);
  const ticket = data(SESSION_TICKET);
  const formats = data(EC_POINT_FORMATS);
  return fingerprinted({
    incomplete: false,
    format: 'tls',
    length,
    message,
    legacyVersion,
    versions: versions ?? [legacyVersion],
    offersTls13: versions?.includes(ProtocolVersion.tls13) ?? false,
    random,
    sessionId,
    cipherSuites,
    compressionMethods,
    serverName: value(CLIENT_HELLO.fields.serverName),
    alpn: value(alpn) ?? [],
    groups: value(supportedGroups) ?? [],
    keyShares: (value(keyShare) ?? []).map(({ group }) => group),
    signatureSchemes: value(signatureAlgorithms) ?? [],
    pointFormats: formats === undefined ? [] : [...whole(formats, (r) => r.opaque(1, 1, 255))],
    extensions,
    sessionTicket: ticket === undefined ? 'none' : ticket.length === 0 ? 'asked' : 'offered',
    pskCount: value(preSharedKey)?.identities.length ?? 0,
    earlyData: data(ExtensionType.early_data) !== undefined,
  });
}

/** Of TLS 1.2 and before: not in the registry of what this stack speaks. */
const EC_POINT_FORMATS = 11;
const SESSION_TICKET = 35;
const OLD_EXTENSIONS: Readonly<Record<string, number>> = {
  ...ExtensionType,
  ec_point_formats: EC_POINT_FORMATS,
  encrypt_then_mac: 22,
  extended_master_secret: 23,
  session_ticket: SESSION_TICKET,
  renegotiation_info: 0xff01,
};

function extensionsOf(list: Reader): readonly RawExtension[] {
  const extensions: RawExtension[] = [];
  const seen = new Set<number>();
  while (list.left > 0) {
    const type = list.u16();
    const name = nameOf(OLD_EXTENSIONS, type);
    // Two stacks that read one ClientHello must not see two things in it.
    if (seen.has(type)) throw peerFault('extension.duplicate', name);
    seen.add(type);
    extensions.push({ type, name, data: list.opaque(2, 0, 0xffff) });
  }
  return extensions;
}

function bodyOf<T>(extensions: readonly RawExtension[], codec: ExtensionCodec<T>): T | undefined {
  const found = extensions.find(({ type }) => type === codec.type);
  return found && whole(found.data, (r) => codec.read(r));
}

function whole<T>(data: Uint8Array, read: (r: Reader) => T): T {
  const r = new Reader(data);
  const value = read(r);
  r.finish();
  return value;
}

function uint16s(list: Reader): number[] {
  const values: number[] = [];
  while (list.left > 0) values.push(list.u16());
  return values;
}

/** @spec rfc5246#appendix-E.2 */
function sslv2Hello(message: Uint8Array, length: number): ParsedClientHello {
  const r = new Reader(message, 3);
  const legacyVersion = r.u16();
  const specsLength = r.u16();
  const sessionIdLength = r.u16();
  const challengeLength = r.u16();
  const specs = new Reader(r.bytes(specsLength));
  const cipherSuites: number[] = [];
  while (specs.left > 0) cipherSuites.push(specs.u24());
  const sessionId = r.bytes(sessionIdLength);
  const random = r.bytes(challengeLength);
  r.finish();
  return fingerprinted({
    incomplete: false,
    format: 'sslv2',
    length,
    message,
    legacyVersion,
    versions: [legacyVersion],
    offersTls13: false,
    random,
    sessionId,
    cipherSuites,
    compressionMethods: [0],
    serverName: undefined,
    alpn: [],
    groups: [],
    keyShares: [],
    signatureSchemes: [],
    pointFormats: [],
    extensions: [],
    sessionTicket: 'none',
    pskCount: 0,
    earlyData: false,
  });
}

type Facts = Omit<ParsedClientHello, 'ja3' | 'ja3Text' | 'ja4'>;

/** Fingerprints cost hashes, and many who read a ClientHello want none. */
function fingerprinted(facts: Facts): ParsedClientHello {
  return {
    ...facts,
    get ja3Text() {
      return ja3Text(facts);
    },
    get ja3() {
      return createHash('md5').update(ja3Text(facts)).digest('hex');
    },
    get ja4() {
      return ja4(facts);
    },
  };
}

/** Values that mean nothing and are there to be ignored. RFC 8701 */
const isMeant = (value: number): boolean => (value & 0x0f0f) !== 0x0a0a || value >> 8 !== (value & 0xff);

function ja3Text({ legacyVersion, cipherSuites, extensions, groups, pointFormats }: Facts): string {
  const types = extensions.map(({ type }) => type);
  const lists = [cipherSuites, types, groups].map((list) => list.filter(isMeant));
  return [legacyVersion, ...[...lists, pointFormats].map((list) => list.join('-'))].join(',');
}

const JA4_VERSIONS: Readonly<Record<number, string>> = {
  772: '13',
  771: '12',
  770: '11',
  769: '10',
  768: 's3',
  2: 's2',
};

/** As its authors describe it, FoxIO's `technical_details/JA4.md`. */
function ja4({ versions, cipherSuites, extensions, serverName, alpn, signatureSchemes }: Facts): string {
  const suites = cipherSuites.filter(isMeant);
  const types = extensions.map(({ type }) => type).filter(isMeant);
  const version = JA4_VERSIONS[Math.max(...versions.filter(isMeant))] ?? '00';
  const count = (list: readonly number[]): string => String(Math.min(list.length, 99)).padStart(2, '0');
  const head = `t${version}${serverName === undefined ? 'i' : 'd'}${count(suites)}${count(types)}${ends(alpn[0])}`;
  const others = types.filter(
    (type) => type !== ExtensionType.server_name && type !== ExtensionType.application_layer_protocol_negotiation,
  );
  const schemes = hexList(signatureSchemes.filter(isMeant));
  const tail = hexList([...others].sort((a, b) => a - b)) + (schemes && `_${schemes}`);
  return `${head}_${shortHash(hexList([...suites].sort((a, b) => a - b)))}_${shortHash(types.length === 0 ? '' : tail)}`;
}

/** First and last character of a protocol's name; of one that does not have letters or digits there, of its hexadecimal. */
function ends(name: string | undefined): string {
  if (!name) return '00';
  const text = /^[0-9A-Za-z](.*[0-9A-Za-z])?$/s.test(name) ? name : Buffer.from(name, 'latin1').toString('hex');
  return `${text[0]}${text.at(-1)}`;
}

function hexList(values: readonly number[]): string {
  return values.map((value) => value.toString(16).padStart(4, '0')).join(',');
}

function shortHash(text: string): string {
  return text === '' ? '000000000000' : createHash('sha256').update(text).digest('hex').slice(0, 12);
}

export interface PeekOptions {
  /** Milliseconds that the client may take. 0: any. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** Bytes that are held for it at most, 1 to 131,072. Default 65,536. */
  readonly maxLength?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const MAX_HELD_LENGTH = 131_072;

/**
 * Reads what a client says first and puts it back, so that any TLS stack, or a connection to another server, can take the socket as if nothing had been
 * read. The socket is paused afterwards, also when this fails.
 *
 * Rejects with what {@link parseClientHello} throws; with `ERR_TLS_HANDSHAKE_TIMEOUT`; with `ECONNRESET` when the socket is closed, or ends, before all is
 * there; with the error of the socket; with `AbortError`. Then, too, all bytes are back, unless the socket is destroyed or at its end. Listen to `error` of
 * the socket yourself: here it is listened to only until the promise settles.
 */
export function peekClientHello(socket: Duplex, options: PeekOptions = {}): Promise<ParsedClientHello> {
  const { timeoutMs = 10_000, maxLength = MAX_HELLO_LENGTH, signal } = options;
  checkRange('timeoutMs', timeoutMs, 0, MAX_TIMEOUT);
  checkRange('maxLength', maxLength, 1, MAX_HELD_LENGTH);
  return new Promise((resolve, reject) => {
    const reader = new HelloReader();
    const held = new Gathered();
    let timer: NodeJS.Timeout | undefined;

    const settle = (done: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.off('data', onData).off('end', onEnd).off('error', fail).off('close', onEnd);
      socket.pause();
      if (held.length > 0 && !socket.destroyed && !socket.readableEnded) socket.unshift(Buffer.from(held.bytes));
      done();
    };
    const fail = (error: unknown): void => settle(() => reject(error));
    const onEnd = (): void => fail(codedError('ECONNRESET', 'the client was gone before its ClientHello was there'));
    const onAbort = (): void => fail(aborted(signal));
    const onData = (bytes: Uint8Array): void => {
      held.add(bytes);
      try {
        const hello = asTlsError(() => {
          reader.push(bytes);
          return helloOf(reader);
        });
        if (reader.taken + reader.needed > maxLength) fail(tooLong(maxLength));
        else if (hello !== undefined) settle(() => resolve(hello));
      } catch (error) {
        fail(error);
      }
    };

    if (signal?.aborted) {
      socket.pause();
      reject(aborted(signal));
      return;
    }
    if (socket.destroyed || socket.readableEnded) {
      onEnd();
      return;
    }
    if (timeoutMs > 0) {
      timer = setTimeout(
        () => fail(codedError('ERR_TLS_HANDSHAKE_TIMEOUT', `no ClientHello within ${timeoutMs} ms`)),
        timeoutMs,
      );
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.on('data', onData).on('end', onEnd).on('error', fail).on('close', onEnd);
    socket.resume();
  });
}

function aborted(signal: AbortSignal | undefined): Error {
  const error = codedError('ABORT_ERR', 'The operation was aborted', signal?.reason);
  error.name = 'AbortError';
  return error;
}

function tooLong(maxLength: number): Error {
  return toNodeError(
    peerFault('handshake.too_long', `a ClientHello longer than the ${maxLength} bytes of maxLength`),
    'handshake',
  );
}
