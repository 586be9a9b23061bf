import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { toHex } from '../bytes/index.ts';
import { trustScope } from '../connection/config.ts';
import { certificatesOf, defaultAnchors } from '../node/certificates.ts';
import { decodeSession } from '../node/session.ts';
import { nodeCrypto } from '../providers/node/index.ts';
import { type ClientTicket, RingSealer, type TicketState } from '../tickets/index.ts';
import { CipherSuite, NamedGroup, nameOf } from '../wire/registry.ts';
import { createVerifier } from '../x509/index.ts';
import { ExitCode, file, names, parse, usageError } from './options.ts';
import { createReport, type Fields, printable, type Report } from './report.ts';
import { openTicketKeys, TICKET_KEYS_HELP } from './ticket-keys.ts';

export const TICKET_HELP: string = `tessera ticket inspect [TICKET]: what a ticket of ours holds; never its PSK

TICKET is a file, hexadecimal or base64; stdin when it is missing or -. A session saved by tessera connect --session-out will do.

${TICKET_KEYS_HELP}  --sub-keys            the keys have sub-keys by server name
  --servername NAME     that name (the one in the saved session)
  --request-cert        the server asks clients for a certificate
  --require-cert        the server demands one
  --ca F                its authorities for client certificates, PEM
  --label L             its session id context
  --scope A,B           trust scopes to try, instead of those that the last four say
  --at TIME             look at this time, such as 2026-01-31T12:00:00Z (now)
  --json                one JSON object a line

Exit code 1: the keys do not open it, or it has expired.
`;

const OPTIONS = {
  'ticket-keys': 'string',
  'sub-keys': 'boolean',
  servername: 'string',
  'request-cert': 'boolean',
  'require-cert': 'boolean',
  ca: 'string',
  label: 'string',
  scope: 'string',
  at: 'string',
  json: 'boolean',
} as const;

/** Base64 of the largest ticket, and more. */
const MAX_INPUT_LENGTH = 1_000_000;

export async function ticket(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = parse(args, OPTIONS);
  const [action, given = '-', ...rest] = positionals;
  if (action !== 'inspect' || rest.length > 0)
    throw usageError('ticket needs inspect and at most one TICKET (see --help)');
  const asked = (values['request-cert'] || values['require-cert']) ?? false;
  if (values.ca !== undefined && !asked) throw usageError('--ca needs --request-cert or --require-cert');
  const now = values.at === undefined ? Date.now() : Date.parse(values.at);
  if (!(now >= 0)) throw usageError('--at must be a time, such as 2026-01-31T12:00:00Z');
  const report = createReport(values.json ?? false, process.stdout);
  const input = inputOf(given);
  const session = savedSession(input);
  if (session !== undefined) showSession(session, report);
  const source = values['ticket-keys'];
  if (source === undefined) {
    if (session !== undefined) return ExitCode.ok;
    throw usageError('ticket inspect needs --ticket-keys to open a ticket (see --help)');
  }
  const bytes = session?.ticket ?? decoded(input);
  const keys = await openTicketKeys(source);
  try {
    const subKeys = values['sub-keys'] ? 'server_name' : 'none';
    const serverName = values.servername ?? session?.serverName;
    const scopes = names(values.scope) ?? [scopeOf(values)];
    const state = new RingSealer(keys.ring, nodeCrypto, { subKeys }).open(bytes, now, { scopes, serverName });
    if (typeof state === 'string') {
      const length = bytes.length;
      report.event('declined', { reason: state, length }, `not opened: ${state} (${length} bytes)`);
      return ExitCode.finding;
    }
    state.psk.fill(0);
    showState(state, bytes.length, now, report);
    return ExitCode.ok;
  } finally {
    await keys.close();
  }
}

function scopeOf(values: {
  readonly 'require-cert'?: boolean;
  readonly 'request-cert'?: boolean;
  readonly ca?: string;
  readonly label?: string;
}): string {
  const required = values['require-cert'] ?? false;
  const clientAuth = required ? 'require' : values['request-cert'] ? 'request' : 'none';
  const ca = file('ca', values.ca);
  const anchors = ca === undefined ? defaultAnchors() : certificatesOf(ca, 'ca');
  const verifier = clientAuth === 'none' ? undefined : createVerifier({ crypto: nodeCrypto, anchors });
  return trustScope({ crypto: nodeCrypto, clientAuth, rejectUnauthorized: required, verifier }, values.label ?? '');
}

/** The bytes of the argument, of the file it names, or of stdin. */
function inputOf(given: string): Buffer {
  const input = given === '-' ? readFileSync(0) : existsSync(given) ? file('TICKET', given) : Buffer.from(given);
  if (input.length > 0 && input.length <= MAX_INPUT_LENGTH) return input;
  throw usageError(`the ticket has ${input.length} bytes, allowed are 1 to ${MAX_INPUT_LENGTH}`);
}

function savedSession(input: Uint8Array): ClientTicket | undefined {
  const session = decodeSession(input)?.ticket;
  session?.psk.fill(0);
  return session;
}

/** What a text stands for; bytes that are none are the ticket itself. */
function decoded(input: Buffer): Uint8Array {
  const text = input.toString('latin1').replace(/\s+/g, '');
  if (/^(?:[0-9a-fA-F]{2})+$/.test(text)) return new Uint8Array(Buffer.from(text, 'hex'));
  if (/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) return new Uint8Array(Buffer.from(text, 'base64'));
  return new Uint8Array(input);
}

type Common = Pick<
  TicketState,
  'cipherSuite' | 'lifetimeSeconds' | 'serverName' | 'alpn' | 'group' | 'maxEarlyDataSize'
>;

function common(ticket: Common): Fields {
  return {
    cipherSuite: nameOf(CipherSuite, ticket.cipherSuite),
    lifetimeSeconds: ticket.lifetimeSeconds,
    serverName: ticket.serverName ?? null,
    alpn: ticket.alpn ?? null,
    group: ticket.group === undefined ? null : nameOf(NamedGroup, ticket.group),
    maxEarlyDataSize: ticket.maxEarlyDataSize,
  };
}

function peer(name: string, { chain, authorized, authorizationError, chainTruncated }: TicketState['client']): Fields {
  return {
    [`${name}Certificates`]: chain.map(certificateName),
    [`${name}Authorized`]: authorized,
    [`${name}AuthorizationError`]: authorizationError ?? null,
    ...(chainTruncated === true && { [`${name}ChainTruncated`]: true }),
  };
}

function certificateName(der: Uint8Array): string {
  try {
    const { subject, fingerprint256 } = new X509Certificate(der);
    return `${(subject ?? '').replaceAll('\n', ', ')} sha256:${fingerprint256.replaceAll(':', '').toLowerCase()}`;
  } catch {
    return `${der.length} bytes that are no certificate`;
  }
}

function showSession(session: ClientTicket, report: Report): void {
  show('session', report, {
    ...common(session),
    receivedAt: iso(session.receivedAt),
    authenticatedAt: iso(session.authenticatedAt),
    expiresAt: iso(session.receivedAt + session.lifetimeSeconds * 1_000),
    nonce: toHex(session.nonce),
    ticketLength: session.ticket.length,
    ...peer('server', session.server),
  });
}

function showState(state: TicketState, length: number, now: number, report: Report): void {
  show('ticket', report, {
    id: toHex(state.id),
    identity: state.identity ?? null,
    ...common(state),
    issuedAt: iso(state.issuedAt),
    ageSeconds: Math.round((now - state.issuedAt) / 1_000),
    authenticatedAt: iso(state.authenticatedAt),
    expiresAt: iso(state.issuedAt + state.lifetimeSeconds * 1_000),
    ...peer('client', state.client),
    appData: toHex(state.appData),
    ticketLength: length,
  });
}

function show(event: string, report: Report, fields: Fields): void {
  const lines = Object.entries(fields).map(([name, value]) => {
    const text = Array.isArray(value) ? value.join('; ') : String(value ?? '-');
    return `  ${name.padEnd(24)}${printable(text) || '-'}`;
  });
  report.event(event, fields, [event, ...lines].join('\n'));
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
