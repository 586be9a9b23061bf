import type { IncomingMessage, ServerResponse } from 'node:http';
import { toHex } from '../bytes/index.ts';
import { TlsUsageError } from '../errors/index.ts';
import type { IssuedTicket, TLSSocket } from '../node/index.ts';
import { pskIdentityOf, TICKET_HEAD, ticketLine } from './report.ts';

const MAX_TICKETS = 100;
const BASE = 'https://server.invalid';

/**
 * Answers HTTP about the connection that the request came over. `tickets` are those given on it so far; `ticketsSent` resolves when those
 * of the handshake are among them.
 */
export async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  tickets: () => readonly IssuedTicket[],
  ticketsSent: (socket: TLSSocket) => Promise<void>,
): Promise<ServerResponse> {
  const socket = request.socket as unknown as TLSSocket;
  const target = request.url ?? '/';
  if (!URL.canParse(target, BASE)) return text(response, 400, 'this is no path\n');
  const url = new URL(target, BASE);
  if (socket.secureConnecting) {
    // Early data, perhaps a replay. rfc8470#section-3: what could do harm is refused, what had better wait waits.
    if (!isSafe(request)) return text(response, 425, 'this is for after the handshake: send it again\n');
    if (url.pathname !== '/' && !(await secured(socket))) return response.destroy();
  }
  if (!isSafe(request)) {
    response.setHeader('allow', 'GET, HEAD');
    return text(response, 405, 'only GET and HEAD are answered here\n');
  }
  switch (url.pathname) {
    case '/':
      // A page that is loaded again should show a new handshake.
      response.setHeader('connection', 'close');
      if (!socket.secureConnecting) {
        await ticketsSent(socket);
        return statusPage(request, response, socket, tickets()).end();
      }
      // The answer leaves now, and the end behind the tickets.
      statusPage(request, response, socket, tickets());
      await ticketsSent(socket);
      return response.end();
    case '/tickets': {
      const wanted = url.searchParams.get('n') ?? '1';
      const count = /^\d{1,3}$/.test(wanted) ? Number(wanted) : MAX_TICKETS + 1;
      if (count > MAX_TICKETS) return text(response, 400, `n must be a whole number from 0 to ${MAX_TICKETS}\n`);
      if (!socket.newSessionTicket(count)) return text(response, 409, 'this connection cannot have more tickets\n');
      return text(response, 200, `${count} more ${count === 1 ? 'ticket comes' : 'tickets come'} with this response\n`);
    }
    case '/keyupdate':
      socket.updateKeys();
      return text(response, 200, 'the server changed its keys in front of this response\n');
    case '/secret':
      return secretPage(response, socket);
    default:
      return text(response, 404, 'there are /, /tickets?n=3, /keyupdate and /secret\n');
  }
}

function isSafe({ method }: IncomingMessage): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** False when the connection ends before its handshake is done. */
function secured(socket: TLSSocket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('secure', () => resolve(true));
    socket.once('close', () => resolve(false));
  });
}

function text(response: ServerResponse, status: number, body: string): ServerResponse {
  return response
    .writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
    .end(body);
}

/** For clients with a trusted certificate: asks for one now, unless the client has shown one. */
async function secretPage(response: ServerResponse, socket: TLSSocket): Promise<ServerResponse> {
  const shown = socket.authorized && socket.getPeerX509Certificate() !== undefined;
  try {
    if (!shown) await socket.requestClientCertificate();
  } catch (error) {
    const why = error instanceof TlsUsageError ? NOT_ASKED[error.code] : undefined;
    if (why === undefined) return response.destroy(); // the connection is over, and its own error says why
    return text(response, 403, `this page is for clients with a trusted certificate, and ${why}\n`);
  }
  if (socket.authorized && socket.getPeerX509Certificate() !== undefined)
    return text(response, 200, `welcome, ${clientCertificate(socket)}\n`);
  return text(
    response,
    403,
    `this page is for clients with a trusted certificate; yours: ${clientCertificate(socket)}\n`,
  );
}

const NOT_ASKED: Readonly<Record<string, string>> = {
  'post_handshake_auth.no_verifier': 'this server trusts none: start it with --ca',
  'post_handshake_auth.not_offered': 'yours does not let itself be asked for one (post_handshake_auth)',
  'post_handshake_auth.outstanding': 'yours is still being asked for one',
};

/** All but the end of the response. */
function statusPage(
  request: IncomingMessage,
  response: ServerResponse,
  socket: TLSSocket,
  tickets: readonly IssuedTicket[],
): ServerResponse {
  const identity = pskIdentityOf(socket);
  const rows: readonly (readonly [string, string])[] = [
    ['Protocol', 'TLS 1.3'],
    ['Handshake', socket.isSessionReused() ? 'resumed' : identity === null ? 'full' : `external PSK ${identity}`],
    ['Cipher suite', socket.getCipher()?.name ?? ''],
    ['Group', socket.connectionInfo?.group ?? 'none (PSK alone)'],
    ['Server name', socket.servername || 'none'],
    ['ALPN', socket.alpnProtocol || 'none'],
    ['Client certificate', clientCertificate(socket)],
    ['Early data', `${socket.earlyDataState}${socket.secureConnecting ? ', and answered at once' : ''}`],
  ];
  response.setHeader('vary', 'accept');
  const facts = rows.map(([name, value]) => `${`${name}:`.padEnd(20)}${value}`);
  const table = tickets.length === 0 ? ['No tickets on this connection.'] : [TICKET_HEAD, ...tickets.map(ticketLine)];
  const wantsHtml = request.headers.accept?.includes('text/html') ?? false;
  const body = wantsHtml ? html(rows, tickets) : `${[...facts, '', ...table].join('\n')}\n`;
  response.writeHead(200, {
    'content-type': `text/${wantsHtml ? 'html' : 'plain'}; charset=utf-8`,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...(wantsHtml && {
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    }),
  });
  response.write(body);
  return response;
}

function clientCertificate(socket: TLSSocket): string {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return 'none';
  const subject = certificate.subject.replaceAll('\n', ', ');
  return `${subject} (${socket.authorized ? 'trusted' : `not trusted: ${socket.authorizationError}`})`;
}

function html(rows: readonly (readonly [string, string])[], tickets: readonly IssuedTicket[]): string {
  const facts = rows.map(
    ([name, value]) => `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  const lines = tickets.map(
    ({ index, lifetimeSeconds, nonce, length }) =>
      `<tr><td>${index}</td><td>${lifetimeSeconds} s</td><td><code>${toHex(nonce)}</code></td><td>${length} bytes</td></tr>`,
  );
  const table =
    lines.length === 0
      ? '<p>None.</p>'
      : `<table><thead><tr><th>Index</th><th>Lifetime</th><th>Nonce</th><th>Length</th></tr></thead><tbody>${lines.join('')}</tbody></table>`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Tessera</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; --line: light-dark(#d8d8dd, #3a3a42); --soft: light-dark(#5a5a66, #a4a4b2); }
body { max-width: 42rem; margin: 3rem auto; padding: 0 1rem; }
h1 { margin: 0; font-weight: 600; }
h2 { margin: 2rem 0 .5rem; font-size: 1.1rem; }
p { color: var(--soft); margin: .25rem 0 1rem; }
table { width: 100%; border-collapse: collapse; }
th, td { text-align: left; padding: .4rem .5rem .4rem 0; border-bottom: 1px solid var(--line); font-weight: 400; overflow-wrap: anywhere; }
th { color: var(--soft); }
</style>
<h1>Tessera</h1>
<p>About the very connection this page came over. It closes now: load again for a new one.</p>
<table><tbody>${facts.join('')}</tbody></table>
<h2>Tickets given on this connection</h2>
${table}
<p>More: <a href="/tickets?n=3">three tickets</a>, <a href="/keyupdate">a key update</a>, <a href="/secret">a page for clients with a certificate</a>.</p>
</html>
`;
}

function escapeHtml(value: string): string {
  return value.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
