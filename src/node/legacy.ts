/**
 * Clients that do not offer TLS 1.3 are served by node:tls, on the same port and with the same certificates. Which one a client is, its ClientHello says, in
 * supported_versions and nowhere else; until it is there, nothing of ours has been answered, and no one has seen a socket of ours.
 */
import { KeyObject, randomBytes } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import * as nodeTls from 'node:tls';
import { equalConstantTime } from '../bytes/index.ts';
import { crlsOf } from './certificates.ts';
import type { SecureContext } from './context.ts';
import { readKeys } from './credentials.ts';
import { Gathered, HelloReader, helloIn, MAX_HELLO_LENGTH, offersTls13 } from './hello-reader.ts';
import { adopt } from './legacy-socket.ts';
import { ProgramFailure } from './program-answer.ts';
import type { TlsOptions } from './server.ts';
import { andThen, askOcsp, askSni } from './server-questions.ts';
import type { TLSSocket } from './socket.ts';

/** What is served like the server that old clients came to. */
export interface LegacyOwner extends EventEmitter {
  readonly requestCert: boolean;
  readonly rejectUnauthorized: boolean;
  readonly ALPNProtocols?: Buffer;
  /** The context of clients that ask for no name that another one is kept for. */
  readonly _sharedCreds: SecureContext;
  /** Shared as those of tickets are; `undefined`: node:tls makes its own. */
  readonly oldTicketKeys: Buffer | undefined;
  /** Of `addContext`. */
  contextFor(serverName: string): SecureContext | undefined;
  /** node:tls has taken the transport. */
  onHandOver(transport: Duplex): void;
}

/** As much of a ClientHello as is waited for, with all record headers. */
const MAX_HELD_LENGTH = 2 * MAX_HELLO_LENGTH;

/** What node:tls is given of a context, or why it cannot be. */
type NodeOptions = nodeTls.SecureContextOptions | { readonly reason: string };

/** The server of node:tls behind one of ours. It is made with the first old client, and again when something about ours has changed. */
export class LegacyServer {
  readonly #owner: LegacyOwner;
  readonly #options: TlsOptions;
  readonly #handshakeTimeout: number;
  readonly #refused = new WeakMap<TLSSocket, string>();
  #server: nodeTls.Server | undefined;
  /** Sessions of before stay good when the server is made again. */
  #ticketKeys: Buffer = randomBytes(48);

  /** `handshakeTimeout` in milliseconds: from the beginning of a connection, not from the moment that it came here. */
  constructor(owner: LegacyOwner, options: TlsOptions, handshakeTimeout: number) {
    this.#owner = owner;
    this.#options = options;
    this.#handshakeTimeout = handshakeTimeout;
  }

  /** For one connection. */
  gate(): HelloGate {
    return new HelloGate(this);
  }

  /** Something about the owner or its contexts has changed. */
  changed(): void {
    this.#server = undefined;
  }

  /** Why node:tls was not given this client, for the error that it is refused with. */
  reasonFor(socket: TLSSocket): string | undefined {
    return this.#refused.get(socket);
  }

  /** Takes the connection of `socket`, whose client said `hello` first, `startedAt` in milliseconds of `performance.now()`. False when it cannot be served. */
  take(socket: TLSSocket, hello: Uint8Array, startedAt: number): boolean {
    const reason = this.#reason;
    if (reason !== undefined) {
      this.#refused.set(socket, reason);
      return false;
    }
    const keys = this.#owner.oldTicketKeys ?? this.#ticketKeys;
    this.#server ??= this.#makeServer(keys);
    const server = this.#server;
    if (!equalConstantTime(keys, this.#ticketKeys)) server.setTicketKeys(keys);
    this.#ticketKeys = keys;
    this.#passOn(server);
    const transport = socket.handOver();
    transport.unshift(hello);
    // node:tls reads it once for each connection.
    const left = Math.max(1, Math.ceil(this.#handshakeTimeout - (performance.now() - startedAt)));
    Reflect.set(server, handshakeTimeoutOf(server), left);
    this.#owner.onHandOver(transport);
    server.emit('connection', transport);
    return true;
  }

  get #reason(): string | undefined {
    const owner = this.#owner;
    const { pskCallback } = this.#options;
    const options = nodeOptionsOf(owner._sharedCreds, owner.requestCert);
    if ('reason' in options) return options.reason;
    return options.cert === undefined && !pskCallback ? 'the server has no certificate' : undefined;
  }

  #makeServer(ticketKeys: Buffer): nodeTls.Server {
    const owner = this.#owner;
    const { SNICallback, ALPNCallback, pskCallback, pskIdentityHint, sessionIdContext, sessionTimeout } = this.#options;
    const { pauseOnConnect, handshakeTimeout, enableTrace } = this.#options;
    const given = {
      ...nodeOptionsOf(owner._sharedCreds, owner.requestCert),
      requestCert: owner.requestCert,
      rejectUnauthorized: owner.rejectUnauthorized,
      ALPNProtocols: owner.ALPNProtocols,
      ALPNCallback,
      pskCallback,
      pskIdentityHint,
      sessionIdContext,
      sessionTimeout,
      pauseOnConnect,
      enableTrace,
      handshakeTimeout: handshakeTimeout || undefined,
      ticketKeys,
      SNICallback(this: unknown, name: string, done: (error: Error | null, context?: nodeTls.SecureContext) => void) {
        const asked = (): ReturnType<typeof askSni> =>
          SNICallback ? askSni(SNICallback, this as TLSSocket, name) : owner.contextFor(name);
        answer(() => andThen(asked(), (context) => context && nodeContextOf(context, owner.requestCert)), done);
      },
    };
    const server = nodeTls.createServer(Object.fromEntries(Object.entries(given).filter(([, value]) => value != null)));
    server.on('secureConnection', (socket) => {
      Object.assign(socket, { server: owner });
      adopt(socket);
      owner.emit('secureConnection', socket);
    });
    server.on('tlsClientError', (error, socket) => {
      owner.emit('tlsClientError', error, socket);
      // After a timeout node:tls leaves that to whoever listens, and the socket open for as long as the client likes.
      socket.destroy();
    });
    server.on('OCSPRequest', (certificate, issuer: Buffer | null, done) => {
      const asked = (): ReturnType<typeof askOcsp> => askOcsp(owner, [certificate], issuer === null ? [] : [issuer]);
      answer(() => andThen(asked(), (response) => response && Buffer.from(response)), done as Done<Buffer>);
    });
    return server;
  }

  /** node:tls does for these what it does not without a listener. */
  #passOn(server: nodeTls.Server): void {
    for (const event of ['keylog', 'newSession', 'resumeSession']) {
      const listened = server.listenerCount(event) > 0;
      if (this.#owner.listenerCount(event) === 0) server.removeAllListeners(event);
      else if (!listened) server.on(event, (...args: unknown[]) => void this.#owner.emit(event, ...args));
    }
  }
}

type Done<T> = (error: Error | null, answer?: T) => void;

/** Calls back with what `ask` gives, now or later, as node:tls wants it. */
function answer<T>(ask: () => T | undefined | Promise<T | undefined>, done: Done<T>): void {
  const fail = (error: unknown): void => done((error instanceof ProgramFailure ? error.given : error) as Error);
  const give = (value: T | undefined): void => (value === undefined ? done(null) : done(null, value));
  try {
    const given = ask();
    if (given instanceof Promise) given.then(give, fail);
    else give(given);
  } catch (error) {
    fail(error);
  }
}

/** Where node:tls keeps the option `handshakeTimeout` of a server. Where it is kept elsewhere, old clients have the time twice. */
function handshakeTimeoutOf(server: object): symbol {
  timeoutKey ??=
    Object.getOwnPropertySymbols(server).find(({ description }) => description === 'handshake-timeout') ?? Symbol();
  return timeoutKey;
}

let timeoutKey: symbol | undefined;

const contexts = new WeakMap<SecureContext, nodeTls.SecureContext>();
const converted = new WeakMap<SecureContext, NodeOptions>();

/** Throws {@link ProgramFailure} when node:tls cannot have it. */
function nodeContextOf(context: SecureContext, requestCert: boolean): nodeTls.SecureContext {
  const options = nodeOptionsOf(context, requestCert);
  if ('reason' in options) throw new ProgramFailure(new Error(`an old client cannot be served: ${options.reason}`));
  let made = contexts.get(context);
  if (made === undefined) {
    made = nodeTls.createSecureContext(options);
    contexts.set(context, made);
  }
  return made;
}

function nodeOptionsOf(context: SecureContext, requestCert: boolean): NodeOptions {
  // Who would be asked about certificates is not node:tls.
  if (requestCert && context.options.verifyPeer) return { reason: 'node:tls cannot ask verifyPeer about certificates' };
  let options = converted.get(context);
  if (options === undefined) {
    options = nodeOptions(context);
    converted.set(context, options);
  }
  return options;
}

/** Options that mean the same to both, and are given on as they are. */
const SAME = [
  ...(['minVersion', 'maxVersion', 'secureProtocol', 'secureOptions', 'honorCipherOrder'] as const),
  ...(['dhparam', 'minDHSize', 'allowPartialTrustChain'] as const),
] as const;

/** What node:tls is to be given to do as `context` does. It takes PEM only, and knows fewer groups. */
export function nodeOptions(context: SecureContext): NodeOptions {
  const { options, ownAuthorities } = context;
  const { ca, crl, ciphers, groups, ecdhCurve, sigalgs } = options;
  const { keyed } = readKeys(options, ownAuthorities);
  const usable = keyed.flatMap(([chain, key]) => (key instanceof KeyObject ? [{ chain, key }] : []));
  if (usable.length < keyed.length && usable.length === 0) {
    return { reason: 'node:tls cannot sign with the key of this server' };
  }
  const curves = (names(groups) ?? ecdhCurve?.split(/[:/]/) ?? [])
    .map((name) => name.replace(/^[?*]+/, ''))
    .filter((name) => name !== '' && name !== 'auto' && name !== 'DEFAULT' && !/mlkem/i.test(name));
  return {
    ...Object.fromEntries(SAME.flatMap((name) => (options[name] == null ? [] : [[name, options[name]]]))),
    ...(usable.length > 0 && {
      key: usable.map(({ key }) => key.export({ type: 'pkcs8', format: 'pem' }) as string),
      cert: usable.map(({ chain }) => chain.map((der) => pemOf(der, 'CERTIFICATE')).join('')),
    }),
    ...((ca || ownAuthorities.length > 0) && { ca: ownAuthorities.map((der) => pemOf(der, 'CERTIFICATE')) }),
    ...(crl && { crl: crlsOf(crl).map((der) => pemOf(der, 'X509 CRL')) }),
    ...(ciphers && { ciphers: names(ciphers)!.join(':') }),
    ...(curves.length > 0 && { ecdhCurve: curves.join(':') }),
    ...(sigalgs && { sigalgs: names(sigalgs)!.join(':') }),
  } as nodeTls.SecureContextOptions;
}

function names(list: string | readonly string[] | undefined): readonly string[] | undefined {
  return typeof list === 'string' ? list.split(':') : list;
}

function pemOf(der: Uint8Array, label: string): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}

/** Looks at what one client says first, before our engine does, and lets through what is for it. */
export class HelloGate {
  readonly #server: LegacyServer;
  readonly #startedAt = performance.now();
  #reader: HelloReader | undefined;
  #held: Gathered | undefined;

  constructor(server: LegacyServer) {
    this.#server = server;
  }

  /** What the engine is to be given now, after which the gate is of no more use; `undefined`: nothing, as the ClientHello is not whole, or node:tls has taken the client. */
  pass(socket: TLSSocket, bytes: Uint8Array): Uint8Array | undefined {
    // Nearly always it is there in one piece, and nothing is copied.
    const hello = this.#reader === undefined ? helloIn(bytes) : undefined;
    if (hello !== undefined) return offersTls13(hello, 'records') === false ? this.#old(socket, bytes) : bytes;
    this.#reader ??= new HelloReader();
    this.#held ??= new Gathered();
    const reader = this.#reader;
    this.#held.add(bytes);
    const all = this.#held.bytes;
    try {
      reader.push(bytes);
    } catch {
      return all; // for the engine to refuse
    }
    const { message, format } = reader;
    if (format === 'message') return all;
    if (message === undefined) return all.length + reader.needed > MAX_HELD_LENGTH ? all : undefined;
    return offersTls13(message, format!) === false ? this.#old(socket, all) : all;
  }

  #old(socket: TLSSocket, bytes: Uint8Array): Uint8Array | undefined {
    return this.#server.take(socket, Buffer.from(bytes), this.#startedAt) ? undefined : bytes;
  }
}
