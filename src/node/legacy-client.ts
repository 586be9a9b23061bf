/**
 * A client whose server does not speak TLS 1.3 begins anew with node:tls, over a connection of its own, when the program wants that. Its socket stays the same
 * object: the socket of node:tls takes the place of the transport, and what goes over it is the program's bytes as they are.
 */
import type { Duplex } from 'node:stream';
import * as nodeTls from 'node:tls';
import type { ConnectionInfo, TlsEngine, TlsEvent } from '../connection/index.ts';
import { type TlsAlertError, TlsPeerAlertError, TlsUsageError } from '../errors/index.ts';
import type { ClientOwner } from './client.ts';
import type { ConnectionOptions } from './connect.ts';
import { nodeOptions } from './legacy.ts';
import type { TLSSocket } from './socket.ts';
import type { CheckServerIdentity } from './trust.ts';

/** How a connection begins anew. */
export interface SecondAttempt {
  /** On its way, or there. */
  readonly transport: Duplex;
  /** When TLS may begin on it; at once where it is `undefined`. */
  readonly ready: Promise<void> | undefined;
  /** TLS on the transport, by node:tls. */
  secure(socket: TLSSocket): nodeTls.TLSSocket;
}

/** Alerts that servers answer a ClientHello of TLS 1.3 with when they know older versions only. GnuTLS and others say the second. */
const OF_OLD_SERVERS: readonly string[] = ['protocol_version', 'handshake_failure', 'insufficient_security'];

/** `open` makes a new transport. Throws {@link TlsUsageError} `connect.legacy_socket`. */
export function secondAttempt(
  options: ConnectionOptions,
  owner: ClientOwner,
  open: () => Duplex,
): ((error: TlsAlertError | TlsPeerAlertError) => SecondAttempt | undefined) | undefined {
  if (!options.legacy) return undefined;
  if (!owner.opened) {
    throw new TlsUsageError(
      'connect.legacy_socket',
      'legacy needs a second connection to the server, so that it does not go with the option socket',
    );
  }
  return (error) => {
    if (!comesFromOldServer(error)) return undefined;
    const trust = owner.context.options.verifyPeer
      ? { reason: 'node:tls cannot ask verifyPeer about certificates' }
      : nodeOptions(owner.context);
    if ('reason' in trust) {
      error.message += `, and there is no second attempt: ${trust.reason}`;
      return undefined;
    }
    const transport = open();
    return {
      transport,
      ready: options.beforeTls?.(transport),
      secure: (socket) => securedByNode(options, owner, trust, transport, socket),
    };
  };
}

/** Not `server_hello.downgrade`: whoever says that speaks TLS 1.3, and somebody in between has changed what we said. */
function comesFromOldServer(error: TlsAlertError | TlsPeerAlertError): boolean {
  return error instanceof TlsPeerAlertError
    ? OF_OLD_SERVERS.includes(error.alert)
    : error.code === 'server_hello.unsupported_version';
}

function securedByNode(
  options: ConnectionOptions,
  owner: ClientOwner,
  trust: nodeTls.SecureContextOptions,
  transport: Duplex,
  socket: TLSSocket,
): nodeTls.TLSSocket {
  const { ALPNProtocols, requestOCSP, checkServerIdentity } = options;
  const given = {
    // TLS 1.3 is offered, too: whoever forced us here by a forged alert has not made the connection any weaker.
    ...trust,
    socket: transport,
    host: owner.name,
    servername: owner.servername,
    rejectUnauthorized: owner.rejects,
    ALPNProtocols,
    requestOCSP,
    checkServerIdentity: checkServerIdentity && atOnce(checkServerIdentity),
  };
  const secured = nodeTls.connect(Object.fromEntries(Object.entries(given).filter(([, value]) => value != null)));
  if (socket.listenerCount('keylog') > 0) secured.on('keylog', (line) => socket.emit('keylog', line));
  return secured;
}

function atOnce(check: CheckServerIdentity): typeof nodeTls.checkServerIdentity {
  return (host, certificate) => {
    const answer = check(host, certificate as Parameters<CheckServerIdentity>[1]);
    if (answer === undefined || answer instanceof Error) return answer;
    return new Error('checkServerIdentity must answer at once for a server without TLS 1.3, and not by a promise');
  };
}

/** In the place of an engine, where node:tls is the transport: what goes in comes out. It has no tickets, no early data and no keys. */
export class PlainEngine implements TlsEngine {
  readonly role = 'client';
  readonly state = 'connected';
  readonly info: ConnectionInfo;
  readonly readClosed = false;
  writeClosed = false;
  readonly closing = false;
  readonly wantsInput = true;
  onProgress: (() => void) | undefined;
  onMessage: TlsEngine['onMessage'];
  onEvent: TlsEngine['onEvent'];
  credentials: TlsEngine['credentials'];
  readonly postHandshakeAuth = 'not_offered';
  readonly earlyData = 'none';
  readonly earlyDataRoom = 0;
  numTickets = 0;
  readonly requestedTickets = 0;
  ticketAppData: Uint8Array = new Uint8Array(0);
  ticketIdentity: string | undefined;
  readonly tickets: TlsEngine['tickets'] = [];
  /** What node:tls knows of the connection. */
  readonly socket: nodeTls.TLSSocket;
  readonly #events: TlsEvent[] = [];
  #out: Uint8Array[] = [];

  /** `socket` has just become secure. */
  constructor(socket: nodeTls.TLSSocket, credentials: TlsEngine['credentials'], ocspResponse: Uint8Array | undefined) {
    this.socket = socket;
    this.credentials = credentials;
    this.info = infoOf(socket, ocspResponse);
    this.#events.push({ type: 'secure', info: this.info });
  }

  receive(bytes: Uint8Array): void {
    this.#events.push({ type: 'data', bytes });
  }

  transportEnded(): void {}

  pull(): Uint8Array | undefined {
    const out = this.#out;
    if (out.length === 0) return undefined;
    this.#out = [];
    return out.length === 1 ? out[0] : Buffer.concat(out);
  }

  get hasOutput(): boolean {
    return this.#out.length > 0;
  }

  next(): TlsEvent | undefined {
    return this.#events.shift();
  }

  write(plaintext: Uint8Array): void {
    this.#out.push(plaintext);
  }

  close(): void {
    this.writeClosed = true;
  }

  abort(): void {}

  flush(): void {}

  exportKeyingMaterial(length: number, label: string, context?: Uint8Array): Uint8Array {
    // Without a context TLS 1.2 exports something else than with an empty one, which node:tls tells apart.
    return this.socket.exportKeyingMaterial(length, label, context as Buffer);
  }

  get maxSendFragment(): number {
    return 16_384;
  }

  set maxSendFragment(length: number) {
    this.socket.setMaxSendFragment(length);
  }

  requestTickets(): boolean {
    return false;
  }

  cancelTickets(): number {
    return 0;
  }

  explainTickets(): string {
    return 'node:tls has this connection, because the server does not speak TLS 1.3: it has no tickets of ours';
  }

  exportEarlyKeyingMaterial(): never {
    return noTls13('exportEarlyKeyingMaterial');
  }

  updateKeys(): never {
    return noTls13('updateKeys');
  }

  requestClientCertificate(): never {
    return noTls13('requestClientCertificate');
  }

  issueTickets(): never {
    return noTls13('issueTickets');
  }
}

function noTls13(what: string): never {
  throw new TlsUsageError('connection.legacy', `${what} needs TLS 1.3, which the server does not speak`);
}

function infoOf(socket: nodeTls.TLSSocket, ocspResponse: Uint8Array | undefined): ConnectionInfo {
  const { authorized, authorizationError, alpnProtocol } = socket;
  const error: unknown = authorizationError;
  const { name } = socket.getEphemeralKeyInfo() as { readonly name?: string };
  return {
    role: 'client',
    // node:tls tells the name alone.
    cipherSuite: 0,
    cipherSuiteName: socket.getCipher().standardName,
    group: name,
    signatureScheme: undefined,
    peerSignatureScheme: undefined,
    serverName: (socket as { readonly servername?: string | false }).servername || undefined,
    alpn: alpnProtocol || undefined,
    resumed: socket.isSessionReused(),
    helloRetried: false,
    peer: { chain: chainOf(socket), authorized, ...(!authorized && { authorizationError: String(error) }) },
    pskIdentity: undefined,
    authenticatedAt: Date.now(),
    ocspResponse,
    ticketRequest: undefined,
    expectedTickets: undefined,
    finished: socket.getFinished() ?? new Uint8Array(0),
    peerFinished: socket.getPeerFinished() ?? new Uint8Array(0),
    sharedSignatureSchemes: [],
    certificateCompression: undefined,
  };
}

/** As far as node:tls knows it, the authority included. */
function chainOf(socket: nodeTls.TLSSocket): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  const seen = new Set<object>();
  let next: nodeTls.DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (next?.raw !== undefined && !seen.has(next)) {
    seen.add(next);
    chain.push(new Uint8Array(next.raw));
    next = next.issuerCertificate;
  }
  return chain;
}
