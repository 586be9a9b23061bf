import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { toHex } from '../bytes/index.ts';
import { certificatesOf } from '../node/certificates.ts';
import {
  type ConnectionOptions,
  createSecureContext,
  type EarlyDataOutcome,
  type TLSSocket,
  type TlsError,
  connect as tlsConnect,
} from '../node/index.ts';
import { decodeSession } from '../node/session.ts';
import {
  blaming,
  CliError,
  ExitCode,
  externalPsk,
  file,
  hostAndPort,
  integer,
  names,
  parse,
  protocols,
  reason,
  serverName,
  usageError,
} from './options.ts';
import {
  address,
  createReport,
  keyLogger,
  printable,
  pskIdentityOf,
  type Report,
  roundMs,
  TICKET_HEAD,
  ticketLine,
} from './report.ts';

export const CONNECT_HELP = `tessera connect HOST[:PORT]: a TLS 1.3 client that shows its tickets (port 443)

  --servername NAME     name the certificate must have, and SNI (HOST)
  --ca F                authorities to trust instead of the built-in ones, PEM
  --insecure            go on with a server that is not trusted
  --cert F --key F      client certificate chain and private key, PEM; the server may also ask after the handshake
  --passphrase P        of the key
  --psk IDENTITY:HEX    external PSK for SHA-256, a random key of at least 16 bytes that the server has too and needs no certificate with;
                        others on this machine can see it in the list of processes
  --alpn A,B            protocols to offer
  --resume N            connect N more times, each with a fresh ticket; exit code 1 when one is not resumed
  --ticket-request N    ask for N tickets, after a full handshake or a resumption (RFC 9149)
  --session-in F        resume with the ticket in F
  --session-out F       write the newest ticket to F, which is a secret
  --early-data F        send what is in F (-: stdin) before the server has answered, as --session-in or --resume allow (0-RTT); what
                        is not accepted is sent again. Whoever records it can send it to the server again
  --ciphersuites A,B    cipher suites in order of preference
  --groups A,B          key exchange groups in order of preference
  --keylog F            append the secrets of each connection, for Wireshark
  --timeout S           seconds for each connection until it is secure (10)
  --json                one JSON object a line

Without --resume, stdin goes to the server and its answer to stdout; the summary is on stderr.
`;

const OPTIONS = {
  servername: 'string',
  ca: 'string',
  insecure: 'boolean',
  cert: 'string',
  key: 'string',
  passphrase: 'string',
  psk: 'string',
  alpn: 'string',
  resume: 'string',
  'ticket-request': 'string',
  'session-in': 'string',
  'session-out': 'string',
  'early-data': 'string',
  ciphersuites: 'string',
  groups: 'string',
  keylog: 'string',
  timeout: 'string',
  json: 'boolean',
} as const;

/** How long a server may take to close after we did, when only its tickets are wanted. */
const CLOSING_MS = 5_000;

interface Run {
  readonly options: ConnectionOptions;
  readonly report: Report;
  readonly log: ((line: Buffer) => void) | undefined;
  readonly sessionOut: string | undefined;
  /** Tickets not used yet, oldest first. */
  readonly tickets: Buffer[];
}

export async function connect(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = parse(args, OPTIONS);
  const [target, ...rest] = positionals;
  if (target === undefined || rest.length > 0) throw usageError('connect needs exactly one HOST[:PORT] (see --help)');
  const { host, port } = hostAndPort(target, 443);
  const resume = integer('resume', values.resume, 1, 1_000);
  const servername = serverName(values.servername);
  const alpn = protocols(values.alpn);
  const psk = externalPsk(values.psk);
  const tickets = integer('ticket-request', values['ticket-request'], 0, 255);
  const credentials = {
    ca: file('ca', values.ca),
    cert: file('cert', values.cert),
    key: file('key', values.key),
    passphrase: values.passphrase,
    ciphers: names(values.ciphersuites),
    groups: names(values.groups),
  };
  if ((values.cert === undefined) !== (values.key === undefined)) throw usageError('--cert and --key go together');
  const secureContext = blaming(values, () => {
    if (credentials.ca !== undefined) certificatesOf(credentials.ca, 'ca'); // which others are silent about
    const context = createSecureContext(credentials);
    context.clientConfig(alpn ?? [], !values.insecure); // names are checked here, before anything is written or sent
    return context;
  });
  const run: Run = {
    options: {
      host,
      port,
      secureContext,
      servername: servername ?? (isIP(host) === 0 ? host : undefined),
      rejectUnauthorized: !values.insecure,
      postHandshakeAuth: values.cert !== undefined,
      psks: psk && [psk],
      ticketRequest: tickets === undefined ? undefined : { newSessionCount: tickets, resumptionCount: tickets },
      ALPNProtocols: alpn,
      handshakeTimeout: 1_000 * (integer('timeout', values.timeout, 1, 3_600) ?? 10),
      allowHalfOpen: true,
      earlyData: earlyData(values['early-data']),
    },
    report: createReport(values.json ?? false, resume === undefined ? process.stderr : process.stdout),
    log: keyLogger(values.keylog),
    sessionOut: values['session-out'],
    tickets: [],
  };
  const session = sessionIn(values['session-in'], servername ?? host); // before the same file may be emptied
  if (run.sessionOut !== undefined) saveSession(run.sessionOut, new Uint8Array(0));
  try {
    if (resume !== undefined) return await probeAll(run, session, resume);
    await converse(run, session, values.json ?? false);
    return ExitCode.ok;
  } catch (error) {
    if (values.json && error instanceof CliError) {
      const { code = null, alert = null, message } = error;
      run.report.event('error', { code, alert, message }, '');
    }
    throw error;
  }
}

async function probeAll(run: Run, session: Buffer | undefined, resume: number): Promise<ExitCode> {
  await probe(run, 0, session);
  let resumed = 0;
  for (let i = 1; i <= resume; i++) if (await probe(run, i, run.tickets.shift())) resumed++;
  if (run.sessionOut !== undefined) saveSession(run.sessionOut, run.tickets.at(-1) ?? new Uint8Array(0));
  run.report.event('result', { resumed, of: resume }, `${resumed} of ${resume} resumed`);
  return resumed === resume ? ExitCode.ok : ExitCode.finding;
}

function earlyData(path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined;
  return path === '-' ? readFileSync(process.stdin.fd) : file('early-data', path);
}

function sessionIn(path: string | undefined, serverName: string): Buffer | undefined {
  const session = file('session-in', path);
  if (session === undefined) return undefined;
  const saved = decodeSession(session);
  if (saved === undefined) throw usageError(`--session-in: ${path} is not a session saved by --session-out`);
  const savedFor = saved.ticket.serverName;
  if (savedFor?.toLowerCase() === serverName.toLowerCase()) return session;
  throw usageError(
    `--session-in: the session in ${path} is for ${printable(savedFor ?? 'no name')}, not ${serverName}`,
  );
}

function saveSession(path: string, session: Uint8Array): void {
  try {
    writeFileSync(path, session, { mode: 0o600 });
    chmodSync(path, 0o600); // it may have existed before
  } catch (error) {
    throw usageError(`--session-out: cannot write ${path}: ${reason(error)}`);
  }
}

interface Opened {
  readonly socket: TLSSocket;
  /** Address and port of the server. */
  readonly peer: string;
  readonly ms: number;
  /** Of early data, when there was any to send. */
  readonly early: EarlyDataOutcome | undefined;
  /** Settles when the connection is over, with what went wrong. */
  readonly closed: Promise<void>;
}

type Stage = 'connecting' | 'handshake' | 'secure';

/** Connects, and resolves when the connection is secure. */
function open(run: Run, session: Buffer | undefined): Promise<Opened> {
  const started = performance.now();
  let stage: Stage = 'connecting';
  let peer = '?';
  const socket = tlsConnect(session === undefined ? run.options : { ...run.options, session });
  if (run.log !== undefined) socket.on('keylog', run.log);
  socket.once('connect', () => {
    stage = 'handshake';
    peer = address(socket.remoteAddress, socket.remotePort); // an error may take it away before it is shown
  });
  socket.on('session', (ticket: Buffer) => run.tickets.push(ticket));
  let early: EarlyDataOutcome | undefined;
  socket.once('earlyDataStatus', (outcome: EarlyDataOutcome) => {
    early = outcome;
  });
  // Listens from the start: what comes in one flight with the end of the handshake is reported before a promise gets its turn.
  const closed = new Promise<void>((resolve, reject) => {
    socket.once('error', (error: TlsError) => reject(failure(error, stage, run.options)));
    socket.once('close', resolve);
  });
  return new Promise((resolve, reject) => {
    closed.catch(reject);
    socket.once('secureConnect', () => {
      stage = 'secure';
      resolve({ socket, peer, ms: roundMs(performance.now() - started), early, closed });
    });
  });
}

/** What a server says of a client's certificate, or of its lack; with TLS 1.3 the client is done with the handshake by then. */
const REFUSALS: readonly string[] = [
  'certificate_required',
  'bad_certificate',
  'unsupported_certificate',
  'certificate_revoked',
  'certificate_expired',
  'certificate_unknown',
  'unknown_ca',
  'access_denied',
];

function failure(error: TlsError, stage: Stage, { host, port }: ConnectionOptions): CliError {
  const where = address(host, port);
  const is = (exitCode: ExitCode, text: string): CliError => new CliError(exitCode, text, error);
  const message = printable(error.message);
  if (stage === 'connecting' && error.code !== 'ERR_TLS_HANDSHAKE_TIMEOUT') {
    return is(ExitCode.cannotConnect, `cannot connect to ${where}: ${reason(error)}`);
  }
  const remote = error.side === 'remote';
  const alert = error.alert === undefined ? '' : ` (${remote ? 'received' : 'sent'} ${error.alert})`;
  if (stage === 'secure') {
    if (!remote || !REFUSALS.includes(error.alert ?? '')) {
      return is(ExitCode.handshakeFailed, `connection failed after the handshake: ${message}${alert}`);
    }
    const certificate = error.alert === 'certificate_required' ? 'wants a' : 'does not take the';
    return is(ExitCode.handshakeFailed, `the server refused: ${error.alert}, it ${certificate} client certificate`);
  }
  if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') {
    const what = stage === 'connecting' ? `cannot connect to ${where}` : `${where} did not finish the handshake`;
    return is(ExitCode.cannotConnect, `${what} in time`);
  }
  if (error.fault === 'certificate.not_trusted') {
    const hint = 'trust its authority with --ca F, or go on with --insecure';
    return is(ExitCode.notTrusted, `${where} is not trusted: ${message} (${error.code}): ${hint}`);
  }
  if (error.fault === 'record.not_tls') {
    return is(ExitCode.handshakeFailed, `${where} is no TLS server: ${message}`);
  }
  if (error.fault === 'handshake.unexpected_message' && message.includes('client_hello')) {
    return is(ExitCode.handshakeFailed, `${where} is no TLS server: it echoes what it gets`);
  }
  return is(ExitCode.handshakeFailed, `handshake with ${where} failed: ${message}${alert}`);
}

/** One connection for its tickets only: says goodbye at once and reads to the end. True when it was resumed. */
async function probe(run: Run, index: number, session: Buffer | undefined): Promise<boolean> {
  const { report, tickets } = run;
  const opened = await open(run, session);
  const { socket, ms } = opened;
  if (index === 0) summary(report, opened);
  else showEarlyData(report, opened);
  const before = tickets.length;
  const timer = setTimeout(() => socket.destroy(), CLOSING_MS);
  socket.resume().end();
  await opened.closed.finally(() => clearTimeout(timer));
  const resumed = socket.isSessionReused();
  const got = tickets.length - before;
  const { sent, received } = socket.transferred;
  if (index === 0) {
    showTickets(report, tickets.slice(before), 0);
    report.note('');
  }
  const how = resumed ? report.style('green', 'resumed') : report.style('yellow', 'full');
  const why = resumed || session !== undefined ? '' : index === 0 ? '' : '  (no ticket was left)';
  report.event(
    'connection',
    { index, resumed, offered: session !== undefined, ms, sent, received, tickets: got },
    `${index === 0 ? 'first  ' : `again ${index}`}  ${how}  ${ms} ms  sent ${sent} B  received ${received} B  tickets ${got}${why}`,
  );
  return resumed;
}

/** One connection with stdin and stdout at its other end. */
async function converse(run: Run, session: Buffer | undefined, json: boolean): Promise<void> {
  const { report } = run;
  const opened = await open(run, session);
  const { socket } = opened;
  summary(report, opened);
  let shown = 0;
  const onSession = (): void => {
    showTickets(report, run.tickets.slice(shown), shown);
    shown = run.tickets.length;
    if (run.sessionOut !== undefined) saveSession(run.sessionOut, run.tickets.at(-1)!);
  };
  if (run.tickets.length > 0) onSession();
  socket.on('session', onSession);
  if (json) {
    socket.on('data', (bytes: Buffer) => report.event('data', { base64: bytes.toString('base64') }, ''));
  } else {
    socket.pipe(process.stdout, { end: false });
  }
  process.stdin.pipe(socket);
  socket.once('end', () => {
    process.stdin.destroy();
    socket.end();
  });
  await opened.closed.finally(() => process.stdin.destroy());
  const { truncated } = socket;
  const { sent, received } = socket.transferred;
  if (truncated) report.note(report.style('yellow', 'the server ended without close_notify'));
  report.event('closed', { sent, received, truncated, tickets: run.tickets.length }, 'closed');
}

function summary(report: Report, opened: Opened): void {
  const { socket, peer, ms } = opened;
  const certificate = socket.getPeerX509Certificate();
  const cipherSuite = socket.getCipher()?.name ?? '';
  const group = socket.connectionInfo?.group ?? null;
  const { authorized, authorizationError } = socket;
  const subject = printable(certificate?.subject.replaceAll('\n', ', ') ?? '');
  const { expectedTickets } = socket.connectionInfo!;
  const pskIdentity = pskIdentityOf(socket);
  const resumed = socket.isSessionReused();
  const trust = authorized
    ? report.style('green', 'trusted')
    : report.style('red', `not trusted: ${authorizationError}`);
  report.event(
    'handshake',
    {
      peer,
      version: 'TLSv1.3',
      cipherSuite,
      group,
      serverName: socket.servername || null,
      alpn: socket.alpnProtocol || null,
      resumed,
      authorized,
      authorizationError,
      subject,
      fingerprint: certificate?.fingerprint256 ?? null,
      pskIdentity,
      expectedTickets: expectedTickets ?? null,
      ms,
    },
    [
      `${report.style('bold', 'connected')}    ${peer} in ${ms} ms`,
      `handshake    ${resumed ? report.style('green', 'resumed') : 'full'}, TLSv1.3, ${cipherSuite}, ${group ?? 'no key exchange'}`,
      `server       ${pskIdentity === null ? subject : `has the external PSK ${pskIdentity}`} (${trust})`,
      `sni, alpn    ${socket.servername || '-'}, ${printable(socket.alpnProtocol || '-')}`,
      ...(expectedTickets === undefined ? [] : [`tickets      ${expectedTickets} expected`]),
    ].join('\n'),
  );
  showEarlyData(report, opened);
}

function showEarlyData(report: Report, { early }: Opened): void {
  if (early === undefined) return;
  const { accepted, reason: why = null, resent } = early;
  const how = accepted ? report.style('green', 'accepted') : report.style('yellow', `not accepted: ${why}`);
  const line = `early data   ${how}${resent ? ', sent after the handshake' : ''}`;
  report.event('early_data', { accepted, reason: why, resent }, line);
}

function showTickets(report: Report, tickets: readonly Buffer[], from: number): void {
  if (from === 0) report.note(report.style('dim', TICKET_HEAD));
  for (const [i, session] of tickets.entries()) {
    const { lifetimeSeconds, nonce, ticket, maxEarlyDataSize } = decodeSession(session)!.ticket;
    const row = { index: from + i, lifetimeSeconds, nonce, length: ticket.length };
    report.event('ticket', { ...row, nonce: toHex(nonce), maxEarlyDataSize }, ticketLine(row));
  }
}
