/** Sessions and tickets. */
import type { ConnectionOptions, TLSSocket, TlsOptions } from 'node:tls';
import { ca, closed, either, fixture, identity, once, type Scenario, type Server, type World } from '../scenario.ts';

/** One connection: what it says of resumption at both ends, and the sessions it gave. The server's byte comes behind its tickets. */
async function visit(w: World, server: Server, options: ConnectionOptions = {}): Promise<Buffer[]> {
  const sessions: Buffer[] = [];
  const accepted = either(server, 'secureConnection', 'tlsClientError');
  const socket = w.connect(server, { minVersion: 'TLSv1.3', ...options });
  socket.on('session', (session) => sessions.push(session));
  socket.on('secureConnect', () => {
    w.c('reused', socket.isSessionReused());
    w.state(socket);
  });
  socket.resume();
  await closed(socket);
  await accepted;
  w.c(
    'sessions',
    sessions.length,
    sessions.every((session) => Buffer.isBuffer(session)),
  );
  return sessions;
}

function answer(w: World): (socket: TLSSocket) => void {
  return (socket) => {
    w.s('reused', socket.isSessionReused());
    w.state(socket, 'server');
    w.s('peer', socket.getPeerCertificate().subject?.CN);
    socket.end('x');
  };
}

/** Two connections, the second with the session of the first. */
function resumed(
  name: string,
  server: TlsOptions,
  client: ConnectionOptions,
  second: ConnectionOptions = {},
  more: Partial<Scenario> = {},
): Scenario {
  return {
    name: `sessions: ${name}`,
    across: true,
    async run(w) {
      const listener = await w.listen({ minVersion: 'TLSv1.3', ...server }, answer(w));
      const sessions = await visit(w, listener, client);
      await visit(w, listener, { ...client, ...second, session: sessions.at(-1)! });
    },
    ...more,
  };
}

const MORE_TICKETS = {
  reason: 'a resumed connection gets a ticket, so that clients can use each one once',
  lines: /^sessions /,
  ours: /^sessions 1 /,
};

/** Not all bytes the same: ours takes such keys for a mistake. */
const TICKET_KEYS = Buffer.from(Array.from({ length: 48 }, (_, i) => i));

/** A ticket more, and something that newer releases of Node have mended. */
const MORE = (lines: RegExp, reason: string): NonNullable<Scenario['differs']> => ({
  reason: `${MORE_TICKETS.reason}; ${reason}`,
  lines,
  ours: MORE_TICKETS.ours,
});

export const sessions: readonly Scenario[] = [
  resumed('resumption', {}, {}, {}, { differs: MORE_TICKETS }),
  {
    name: 'sessions: without resumption',
    across: true,
    async run(w) {
      const listener = await w.listen({}, answer(w));
      await visit(w, listener);
      await visit(w, listener);
    },
  },
  resumed(
    'the client trusts, then resumes with a client certificate',
    { requestCert: true, ca },
    identity('client'),
    {},
    { differs: MORE_TICKETS },
  ),
  resumed(
    'a client without a certificate is not authorized afterwards either',
    { requestCert: true, rejectUnauthorized: false, ca },
    {},
    {},
    { differs: MORE(/^(sessions|state) /, 'a client without a certificate stays unauthorized, as since Node 24') },
  ),
  resumed(
    'an untrusted client is not authorized afterwards either',
    { requestCert: true, rejectUnauthorized: false, ca },
    identity('stranger'),
    {},
    { differs: MORE_TICKETS },
  ),
  resumed(
    'an untrusted server is not authorized afterwards either',
    {},
    { rejectUnauthorized: false, ca: fixture('ca2.pem') },
    {},
    { differs: MORE_TICKETS },
  ),
  resumed(
    'under another name',
    {},
    {},
    { servername: 'a.wild.example' },
    {
      differs: {
        reason: 'a session is for the name it came from; older releases of Node offered it to any',
        lines: /^(reused|sessions|state)/,
        ours: /^reused false/,
        in: (release) => release < 22,
      },
    },
  ),
  resumed(
    'with a name that is not the certificate’s',
    identity('other'),
    { rejectUnauthorized: false },
    {},
    { differs: MORE(/^(sessions|state) /, 'a name that was wrong stays wrong') },
  ),
  resumed(
    'with a session that a strict client got from a lenient one',
    {},
    { rejectUnauthorized: false, ca: fixture('ca2.pem') },
    { rejectUnauthorized: true },
    {
      differs: {
        reason: 'a client says with an alert why it refuses a server',
        lines: /^tlsClientError/,
        ours: /^tlsClientError Error, ERR_SSL_/,
      },
    },
  ),
  resumed('with ALPN', { ALPNProtocols: ['a'] }, { ALPNProtocols: ['a'] }, {}, { differs: MORE_TICKETS }),
  resumed('by a sessionIdContext', { sessionIdContext: 'mine' }, {}, {}, { differs: MORE_TICKETS }),
  {
    name: 'sessions: getSession, getTLSTicket and setSession',
    across: true,
    async run(w) {
      const listener = await w.listen({ minVersion: 'TLSv1.3' }, answer(w));
      const socket = w.connect(listener);
      const [session] = (await once(socket, 'session')) as [Buffer];
      w.c('getSession', Buffer.isBuffer(socket.getSession()), socket.getSession()!.length > 0);
      w.c('getTLSTicket', Buffer.isBuffer(socket.getTLSTicket()), session.length > 0);
      socket.resume();
      await closed(socket);
      const again = w.connect(listener);
      w.try('setSession', () => again.setSession(session));
      await once(again, 'secureConnect');
      w.c('reused', again.isSessionReused());
      again.resume();
      await closed(again);
    },
  },
  {
    name: 'sessions: wrong values for setSession',
    across: true,
    async run(w) {
      const listener = await w.listen({}, (socket) => socket.end());
      for (const session of ['junk', Buffer.from('junk')]) {
        const socket = w.connect(listener);
        w.try('setSession', () => socket.setSession(session as never));
        socket.resume();
        await closed(socket);
      }
    },
  },
  {
    name: 'sessions: junk as session option',
    async run(w) {
      const listener = await w.listen({}, (socket) => socket.end());
      for (const session of [Buffer.from('junk'), Buffer.alloc(0), null, undefined]) {
        const socket = w.connect(listener, { session: session as never });
        socket.resume();
        await closed(socket);
      }
    },
  },
  {
    name: 'sessions: servers with the same ticketKeys',
    across: true,
    async run(w) {
      const ticketKeys = TICKET_KEYS;
      const first = await w.listen({ ticketKeys }, answer(w));
      const second = await w.listen({ ticketKeys }, answer(w));
      w.s('keys', first.getTicketKeys().equals(ticketKeys));
      const got = await visit(w, first);
      await visit(w, second, { session: got.at(-1)! });
    },
    differs: MORE_TICKETS,
  },
  {
    name: 'sessions: servers with different keys, and setTicketKeys',
    across: true,
    async run(w) {
      const first = await w.listen({}, answer(w));
      const second = await w.listen({}, answer(w));
      const got = await visit(w, first);
      await visit(w, second, { session: got.at(-1)! });
      w.try('setTicketKeys', () => second.setTicketKeys(first.getTicketKeys()), 'server');
      await visit(w, second, { session: got.at(-1)! });
    },
    differs: MORE_TICKETS,
  },
  {
    name: 'sessions: tickets from before setTicketKeys',
    across: true,
    async run(w) {
      const server = await w.listen({ minVersion: 'TLSv1.3' }, answer(w));
      const got = await visit(w, server);
      server.setTicketKeys(TICKET_KEYS);
      w.s('keys', server.getTicketKeys());
      await visit(w, server, { session: got.at(-1)! });
    },
    differs: {
      reason: 'new ticket keys do not cost the tickets that are out there, unless `revoke` says so',
      lines: /^(reused|sessions|end|finish)/,
      ours: /^reused true/,
    },
  },
  {
    name: 'sessions: another sessionIdContext',
    across: true,
    async run(w) {
      const ticketKeys = TICKET_KEYS;
      const first = await w.listen({ ticketKeys, sessionIdContext: 'one' }, answer(w));
      const second = await w.listen({ ticketKeys, sessionIdContext: 'two' }, answer(w));
      const got = await visit(w, first);
      await visit(w, second, { session: got.at(-1)! });
    },
  },
  {
    name: 'sessions: a session from a listener of another certificate',
    across: true,
    async run(w) {
      const server = await w.listen({ ticketKeys: TICKET_KEYS }, answer(w));
      const got = await visit(w, server);
      server.setSecureContext({ ...identity('rsa') });
      await visit(w, server, { session: got.at(-1)! });
    },
    differs: MORE_TICKETS,
  },
  {
    name: 'sessions: newSession and resumeSession',
    async run(w) {
      const store = new Map<string, Buffer>();
      const server = await w.listen({ minVersion: 'TLSv1.3' }, answer(w));
      server.on('newSession', (id, session, done) => {
        w.s('newSession', Buffer.isBuffer(id), Buffer.isBuffer(session), typeof done);
        store.set(id.toString('hex'), session);
        done();
      });
      server.on('resumeSession', (id, done) => {
        w.s('resumeSession', Buffer.isBuffer(id));
        done(null, store.get(id.toString('hex')) ?? null);
      });
      const got = await visit(w, server);
      await visit(w, server, { session: got.at(-1)! });
    },
    differs: {
      reason: 'sessions in the program’s store are found again, which they never are with node:tls and TLS 1.3',
      lines: /^(reused|newSession|resumeSession|sessions|state|peer)/,
      ours: /^reused true/,
    },
  },
];
