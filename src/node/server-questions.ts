import { X509Certificate } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type { ServerConfig } from '../connection/index.ts';
import type { HashName, MaybePromise } from '../crypto/index.ts';
import { bytesOf, typeError, wrongType } from './argument.ts';
import { SecureContext } from './context.ts';
import { answerOf, isThenable, type NodeCallback, ofProgram, ProgramFailure } from './program-answer.ts';
import type { TLSSocket } from './socket.ts';

/** Answers with a context by callback or by promise; with nothing: the context of the server. */
export type SniCallback = (servername: string, callback: NodeCallback<SecureContext | null>) => unknown;

/** One of `protocols`, or `undefined` to refuse the connection with `no_application_protocol`; or a promise of it. */
export type AlpnCallback = (
  this: TLSSocket,
  question: {
    /** `false`: the client did not say. */
    readonly servername: string | false;
    readonly protocols: readonly string[];
  },
) => string | undefined | Promise<string | undefined>;

/** The PSK of an identity, nothing when it is not known, or a promise of it. The hash of a bare key is SHA-256, as in node:tls. */
export type ServerPskCallback = (
  socket: TLSSocket,
  identity: string,
) => MaybePromise<NodeJS.ArrayBufferView | ServerPsk | null | undefined>;

export interface ServerPsk {
  /** 16 to 65,535 random bytes. */
  readonly psk: NodeJS.ArrayBufferView;
  /** The hash that the key was agreed on for. Default `sha256`. */
  readonly hash?: HashName | undefined;
}

/** Answers with the response (DER), or with nothing to staple none, by callback or by promise. */
export type OcspListener = (
  certificate: Buffer,
  issuer: Buffer | null,
  callback: NodeCallback<Uint8Array | null>,
) => unknown;

/** Goes on at once where the answer is there. */
export function andThen<T, R>(answer: MaybePromise<T>, next: (answer: T) => MaybePromise<R>): MaybePromise<R> {
  return answer instanceof Promise ? answer.then(next) : next(answer);
}

/** Asks `SNICallback`. */
export function askSni(
  ask: SniCallback,
  socket: TLSSocket,
  servername: string,
): MaybePromise<SecureContext | undefined> {
  const check = (context: unknown): SecureContext | undefined => {
    if (!context) return undefined;
    if (context instanceof SecureContext) return context;
    // As Node says it, and also of what it takes for nothing: a client must not get another certificate by a mistake in the program.
    throw new ProgramFailure(new TypeError('Invalid SNI context'));
  };
  const answer = answerOf<unknown>(
    (callback) => ask.call(socket, servername, callback as NodeCallback<SecureContext | null>),
    ask.length < 2,
  );
  return andThen(answer, check);
}

/** Asks `ALPNCallback`. */
export function askAlpn(
  ask: AlpnCallback,
  socket: TLSSocket,
  servername: string | undefined,
  offered: readonly string[],
): MaybePromise<string | undefined> {
  const check = (protocol: string | undefined): string | undefined => {
    if (protocol === undefined || offered.includes(protocol)) return protocol;
    throw new ProgramFailure(
      typeError(
        'ERR_TLS_ALPN_CALLBACK_INVALID_RESULT',
        `ALPN callback returned a value (${String(protocol)}) that did not match any of the client's offered protocols (${offered.join(', ')})`,
      ),
    );
  };
  const answer = ofProgram(() => ask.call(socket, { servername: servername ?? false, protocols: [...offered] }));
  return isThenable<string>(answer) ? Promise.resolve(answer).then(check, failed) : check(answer);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

type Psk = Awaited<ReturnType<NonNullable<ServerConfig['findPsk']>>>;

/** Asks `pskCallback`, whose identities are text: what is none, as tickets are, is not known to it. */
export function askPsk(ask: ServerPskCallback, socket: TLSSocket, identity: Uint8Array): MaybePromise<Psk> {
  let name: string;
  try {
    name = utf8.decode(identity);
  } catch {
    return undefined;
  }
  const check = (answer: unknown): Psk =>
    answer === null || answer === undefined ? undefined : ofProgram(() => pskOf(answer, identity));
  const answer = ofProgram(() => ask(socket, name));
  return isThenable<unknown>(answer) ? Promise.resolve(answer).then(check, failed) : check(answer);
}

function pskOf(answer: unknown, identity: Uint8Array): Psk {
  if (ArrayBuffer.isView(answer)) return { identity, key: bytesOf('psk', answer), hash: 'sha256' };
  if (typeof answer !== 'object') {
    throw wrongType('ret', 'an instance of Buffer, TypedArray, DataView, or Object', answer);
  }
  const { psk, hash = 'sha256' } = answer as ServerPsk;
  return { identity, key: bytesOf('psk', psk), hash };
}

/** Asks the listeners of `OCSPRequest`, which are called like those of any event. */
export function askOcsp(
  server: EventEmitter,
  chain: readonly Uint8Array[],
  authorities: readonly Uint8Array[],
): MaybePromise<Uint8Array | undefined> {
  if (server.listenerCount('OCSPRequest') === 0) return undefined;
  const listeners = server.rawListeners('OCSPRequest') as OcspListener[];
  const certificate = Buffer.from(chain[0]!);
  const issuer = issuerOf(chain[0]!, [...chain.slice(1), ...authorities]);
  const answer = answerOf<Uint8Array | null>(
    (callback) => {
      // A server that stands for another one passes the event on to listeners there.
      if (listeners.length === 0) return void server.emit('OCSPRequest', certificate, issuer, callback);
      const answers = listeners.map((listener) => listener.call(server, certificate, issuer, callback));
      return answers.find(isThenable);
    },
    listeners.length > 0 && listeners.every((listener) => listener.length < 3),
  );
  return andThen(answer, (response) => response ?? undefined);
}

/** `null` when nobody has it, as for a certificate that is its own. */
function issuerOf(leaf: Uint8Array, candidates: readonly Uint8Array[]): Buffer | null {
  const certificate = new X509Certificate(leaf);
  const issuer = candidates.find((candidate) => certificate.checkIssued(new X509Certificate(candidate)));
  return issuer === undefined ? null : Buffer.from(issuer);
}

function failed(error: unknown): never {
  throw new ProgramFailure(error);
}
