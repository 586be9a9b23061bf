import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server as NetServer, type Socket } from 'node:net';
import { equalConstantTime, toHex } from '../bytes/index.ts';
import {
  createServer,
  type IssuedTicket,
  type Server,
  type TLSSocket,
  type TlsError,
  type TlsOptions,
} from '../node/index.ts';
import {
  blaming,
  CliError,
  ExitCode,
  externalPsk,
  file,
  integer,
  names,
  parse,
  protocols,
  reason,
  usageError,
} from './options.ts';
import { answer } from './page.ts';
import {
  address,
  createReport,
  keyLogger,
  printable,
  pskIdentityOf,
  type Report,
  roundMs,
  ticketLine,
  timeOfDay,
} from './report.ts';
import {
  openTickets,
  reportEarlyData,
  SERVE_TICKETS_HELP,
  SERVE_TICKETS_OPTIONS,
  serveMetrics,
  ticketsSent,
} from './serve-tickets.ts';
import { throwAway } from './throwaway.ts';

export const SERVE_HELP: string = `tessera serve: a TLS 1.3 server that shows its tickets

  --host H              name or address to listen on (localhost: IPv4 and IPv6)
  --port N              port (8443); 0: any
  --cert F --key F      certificate chain and private key, PEM (a throw-away one for localhost)
  --passphrase P        of the key
  --cert-out F          write the throw-away certificate here, to be given to clients as an authority
  --num-tickets N       tickets after a full handshake (2); a resumption gets at most one
  --ticket-lifetime S   seconds (7200), at most 604800
${SERVE_TICKETS_HELP}  --alpn A,B            protocols in order of preference (--www: http/1.1)
  --request-cert        ask clients for a certificate
  --require-cert        refuse clients without a certificate that --ca trusts
  --psk IDENTITY:HEX    external PSK for SHA-256, a random key of at least 16 bytes: who has it is let in without any certificate;
                        others on this machine can see it in the list of processes
  --ca F                authorities for client certificates, PEM; also those that /secret asks for
  --groups A,B          key exchange groups in order of preference
  --ciphersuites A,B    cipher suites in order of preference
  --keylog F            append the secrets of each connection, for Wireshark
  --www                 answer HTTP/1.1: /, /tickets?n=3, /keyupdate, /secret (default)
  --echo                send back what comes
  --json                one JSON object a line
`;

const OPTIONS = {
  host: 'string',
  port: 'string',
  cert: 'string',
  key: 'string',
  passphrase: 'string',
  'cert-out': 'string',
  'num-tickets': 'string',
  'ticket-lifetime': 'string',
  ...SERVE_TICKETS_OPTIONS,
  alpn: 'string',
  'request-cert': 'boolean',
  'require-cert': 'boolean',
  psk: 'string',
  ca: 'string',
  groups: 'string',
  ciphersuites: 'string',
  keylog: 'string',
  www: 'boolean',
  echo: 'boolean',
  json: 'boolean',
} as const;

/** How long connections get to say goodbye after Ctrl-C. */
const CLOSING_MS = 1_000;

/** Serves until SIGINT or SIGTERM. */
export async function serve(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = parse(args, OPTIONS);
  if (positionals.length > 0) throw usageError(`serve takes no argument '${positionals[0]}' (see --help)`);
  if (values.www && values.echo) throw usageError('--www and --echo exclude each other');
  const asks = values['request-cert'] || values['require-cert'];
  if (values.ca !== undefined && values.echo && !asks) {
    throw usageError('--ca with --echo needs --request-cert or --require-cert');
  }
  if (values['require-cert'] && values.ca === undefined) throw usageError('--require-cert needs --ca');
  const report = createReport(values.json ?? false, process.stdout);
  const psk = externalPsk(values.psk);
  const identity = await identityOf(values);
  const ticketLifetime = integer('ticket-lifetime', values['ticket-lifetime'], 1, 604_800);
  const metricsPort = integer('metrics', values.metrics, 0, 65_535);
  const port = integer('port', values.port, 0, 65_535) ?? 8_443;
  const settings: TlsOptions = {
    cert: identity.cert,
    key: identity.key,
    passphrase: values.passphrase,
    ca: file('ca', values.ca),
    findPsk: psk && ((wanted) => (equalConstantTime(wanted, psk.identity) ? psk : undefined)),
    ALPNProtocols: protocols(values.alpn) ?? (values.echo ? undefined : ['http/1.1']),
    requestCert: asks,
    rejectUnauthorized: values['require-cert'] ?? false, // /secret says what is wrong with a certificate
    numTickets: integer('num-tickets', values['num-tickets'], 0, 1_024),
    ticketLifetime,
    groups: names(values.groups),
    ciphers: names(values.ciphersuites),
    allowHalfOpen: true, // what ends its writing still gets its answer
  };
  const tickets = await openTickets(values, ticketLifetime, report);
  try {
    const server = blaming(values, () => createServer({ ...settings, ...tickets.options }));
    const log = keyLogger(values.keylog);
    if (log !== undefined) server.on('keylog', log);
    const connections = watch(server, report);
    if (values.echo) server.on('secureConnection', (socket: TLSSocket) => socket.pipe(socket));
    else answerHttp(server, tickets.areRemote);

    const { host = 'localhost' } = values;
    const servers = await listen(server, host, port);
    announce(servers, identity, report, host);
    const ring = values['ticket-store'] === undefined ? server.ticketKeyRing : undefined;
    const stopped = signal();
    const metrics = metricsPort === undefined ? undefined : await serveMetrics(metricsPort, ring, report);
    await stopped;
    report.note('closing');
    metrics?.close();
    for (const one of servers) one.close();
    await connections.close();
    return ExitCode.ok;
  } finally {
    await tickets.close();
  }
}

interface Identity {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly origin: string;
}

async function identityOf(values: {
  readonly cert?: string;
  readonly key?: string;
  readonly 'cert-out'?: string;
}): Promise<Identity> {
  const { cert, key, 'cert-out': out } = values;
  if (cert === undefined && key === undefined) {
    const made = await throwAway();
    try {
      if (out !== undefined) writeFileSync(out, made.cert);
    } catch (error) {
      throw usageError(`--cert-out: cannot write ${out}: ${reason(error)}`);
    }
    return { ...made, origin: 'throw-away, self-signed' };
  }
  if (cert === undefined || key === undefined) throw usageError('--cert and --key go together');
  if (out !== undefined) throw usageError('--cert-out is for the throw-away certificate; --cert is given');
  return { cert: file('cert', cert), key: file('key', key), origin: cert };
}

function announce(servers: readonly NetServer[], { cert, origin }: Identity, report: Report, host: string): void {
  const { port } = servers[0]!.address() as AddressInfo;
  const addresses = servers.map((server) => (server.address() as AddressInfo).address);
  const { fingerprint256: fingerprint, subject } = new X509Certificate(cert);
  report.event(
    'listening',
    { port, addresses, certificate: origin, fingerprint, pid: process.pid },
    `${report.style('bold', `tessera listens on https://${host.includes(':') ? `[${host}]` : host}:${port}`)} (${addresses.join(', ')})`,
  );
  report.note(`certificate: ${origin}; ${printable(subject.replaceAll('\n', ', '))}`);
  report.note(`sha256: ${fingerprint}`);
}

/** On `localhost` both loopback addresses, because clients differ in which they try. */
async function listen(server: Server, host: string, port: number): Promise<readonly NetServer[]> {
  await listening(server, host === 'localhost' ? '127.0.0.1' : host, port);
  if (host !== 'localhost') return [server];
  const second = createTcpServer({ allowHalfOpen: true, noDelay: true }, (socket) => server.emit('connection', socket));
  try {
    await listening(second, '::1', (server.address() as AddressInfo).port);
  } catch (error) {
    if (error instanceof CliError && error.code !== 'EADDRINUSE') return [server]; // no IPv6 here
    server.close();
    throw error;
  }
  return [server, second];
}

function listening(server: NetServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const message = `cannot listen on ${address(host, port)}: ${reason(error)}`;
      reject(new CliError(ExitCode.cannotConnect, message, error));
    });
    server.listen({ host, port }, resolve);
  });
}

const ticketsOf = new WeakMap<TLSSocket, IssuedTicket[]>();

function answerHttp(server: Server, awaitTickets: boolean): void {
  const http = createHttpServer((request, response) => {
    const tickets = (): IssuedTicket[] => ticketsOf.get(request.socket as unknown as TLSSocket) ?? [];
    void answer(request, response, tickets, awaitTickets ? ticketsSent : () => Promise.resolve());
  });
  Object.assign(http, { httpAllowHalfOpen: true }); // a property that Node has and its types do not
  http.emit('listening'); // arms its timeouts for headers and requests; it never listens itself
  server.on('secureConnection', (socket: TLSSocket) => http.emit('connection', socket));
}

/** One line for each handshake, ticket and failure. */
function watch(server: Server, report: Report): { close(): Promise<void> } {
  const open = new Set<Socket>();
  const started = new Map<string, number>();
  const secure = new Set<TLSSocket>();
  const peerOf = (socket: TLSSocket | Socket): string => address(socket.remoteAddress, socket.remotePort);
  const prefix = (peer: string): string => `${report.style('dim', timeOfDay())} ${peer}`;
  const tookMs = (peer: string): number => roundMs(performance.now() - (started.get(peer) ?? Number.NaN));

  server.prependListener('connection', (transport: Socket) => {
    const peer = peerOf(transport);
    open.add(transport);
    started.set(peer, performance.now());
    transport.on('close', () => {
      open.delete(transport);
      started.delete(peer);
    });
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    const peer = peerOf(socket);
    secure.add(socket);
    socket.on('close', () => secure.delete(socket));
    socket.on('error', (error: TlsError) => failed('error', error, peer));
    const facts = {
      version: socket.getProtocol(),
      cipherSuite: socket.getCipher()?.name ?? '',
      group: socket.connectionInfo?.group ?? null,
      serverName: socket.servername || null,
      alpn: socket.alpnProtocol || null,
      resumed: socket.isSessionReused(),
      pskIdentity: pskIdentityOf(socket),
      authorized: socket.authorized,
      ms: tookMs(peer),
    };
    const { version, cipherSuite, group, resumed, pskIdentity, ms } = facts;
    const names = `sni=${printable(facts.serverName ?? '-')} alpn=${printable(facts.alpn ?? '-')}`;
    const how = resumed ? report.style('green', 'resumed') : pskIdentity === null ? 'full' : `psk=${pskIdentity}`;
    report.event(
      'handshake',
      { peer, ...facts },
      `${prefix(peer)} ${version} ${cipherSuite} ${group ?? '-'} ${names} ${how} ${ms} ms`,
    );
  });
  reportEarlyData(server, report);
  server.on('ticketIssued', (ticket: IssuedTicket, socket: TLSSocket) => {
    const peer = peerOf(socket);
    ticketsOf.set(socket, [...(ticketsOf.get(socket) ?? []), ticket]);
    const { nonce, ...rest } = ticket;
    report.event(
      'ticket',
      { peer, ...rest, nonce: toHex(nonce) },
      `${prefix(peer)} ticket ${ticketLine(ticket).trim()}`,
    );
  });
  server.on('ticketDeclined', ({ during, reason: why, identityIndex }, socket: TLSSocket) => {
    const peer = peerOf(socket);
    const line = `${prefix(peer)} ${report.style('yellow', 'ticket declined')}: ${why} (${during})`;
    report.event('ticket_declined', { peer, during, reason: why, identityIndex: identityIndex ?? null }, line);
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.on('clientCertificate', (certificate: X509Certificate | undefined) => {
      const peer = peerOf(socket);
      const subject = certificate?.subject.replaceAll('\n', ', ') ?? null;
      const { authorized, authorizationError } = socket;
      const trust = authorized ? report.style('green', 'trusted') : report.style('yellow', 'not trusted');
      const line = `${prefix(peer)} client certificate: ${subject === null ? 'none' : `${printable(subject)} (${trust})`}`;
      report.event('client_certificate', { peer, subject, authorized, authorizationError }, line);
    });
  });
  server.on('tlsClientError', (error: TlsError, socket: TLSSocket) =>
    failed('handshake_failed', error, peerOf(socket)),
  );

  function failed(event: 'error' | 'handshake_failed', error: TlsError, peer: string): void {
    const alert =
      error.alert === undefined ? '' : ` (${error.side === 'remote' ? 'received' : 'sent'} alert ${error.alert})`;
    const what = report.style('red', event === 'error' ? 'connection failed' : 'handshake failed');
    const fields = { peer, code: error.code, alert: error.alert ?? null, message: error.message };
    report.event(event, fields, `${prefix(peer)} ${what}: ${printable(error.message)}${alert}`);
  }

  return {
    close: () =>
      new Promise((resolve) => {
        const done = (): void => {
          if (open.size === 0) resolve();
        };
        for (const socket of secure) socket.destroySoon();
        for (const transport of open) transport.once('close', done);
        setTimeout(() => {
          for (const transport of open) transport.destroy();
        }, CLOSING_MS).unref();
        done();
      }),
  };
}

function signal(): Promise<void> {
  return new Promise((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolve());
  });
}
