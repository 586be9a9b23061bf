/** The server's choice by name. */
import type { ConnectionOptions, SecureContext, TlsOptions } from 'node:tls';
import {
  ca,
  closed,
  duplexPair,
  either,
  fixture,
  identity,
  once,
  type Scenario,
  type Server,
  type World,
} from '../scenario.ts';

/** Which certificate a client gets, and what both ends say of the name. */
async function visit(w: World, server: Server, options: ConnectionOptions): Promise<void> {
  const served = either(server, 'secureConnection', 'tlsClientError');
  const socket = w.connect(server, { rejectUnauthorized: false, ...options });
  socket.on('secureConnect', () => {
    w.state(socket);
    w.c('subject', socket.getPeerCertificate().subject?.CN);
    socket.end();
  });
  socket.resume();
  await closed(socket);
  await served;
}

/** Node 26 takes the first answer of a callback, as it does of others. */
const TWICE: Partial<Scenario> = {
  differs: {
    reason: 'a callback that answers twice ends the connection, as in Node before 26',
    lines: /./,
    ours: /^error Error, ECONNRESET/,
    in: (release) => release >= 26,
  },
};

type SniCallback = (w: World, name: string, done: (error: Error | null, context?: SecureContext) => void) => unknown;

function withCallback(
  name: string,
  callback: SniCallback,
  client: ConnectionOptions = { servername: 'other.example' },
  more: Partial<Scenario> = {},
): Scenario {
  return {
    ...more,
    name: `SNI: SNICallback ${name}`,
    across: true,
    async run(w) {
      const options: TlsOptions = {
        SNICallback(this: unknown, asked: string, done: unknown, ...more: unknown[]) {
          w.s('SNICallback', asked, this instanceof w.server.TLSSocket, more.length);
          return callback(w, asked, done as never) as undefined;
        },
      };
      const server = await w.listen(options, (socket) => w.state(socket, 'server'));
      await visit(w, server, client);
    },
  };
}

export const sni: readonly Scenario[] = [
  withCallback('gives a context', (w, _, done) => done(null, w.server.createSecureContext(identity('other')))),
  withCallback('gives a context later', (w, _, done) =>
    setImmediate(() => done(null, w.server.createSecureContext(identity('other')))),
  ),
  withCallback('gives an error', (_w, _name, done) =>
    done(Object.assign(new Error('not here, go away'), { code: 'EMINE' })),
  ),
  withCallback('gives null', (_w, _name, done) => done(null, null as never)),
  withCallback('gives nothing', (_w, _name, done) => done(null)),
  withCallback('gives what is no context', (_w, _name, done) => done(null, {} as never)),
  withCallback('without a name', (_w, _name, done) => done(null), { servername: '' }),
  withCallback(
    'twice',
    (_w, _name, done) => {
      done(null);
      done(null);
    },
    undefined,
    TWICE,
  ),
  withCallback('with an authority of its own', (w, _name, done) =>
    done(null, w.server.createSecureContext({ ...identity('other'), ca })),
  ),
  {
    name: 'SNI: addContext, wildcards and case',
    across: true,
    async run(w) {
      const server = await w.listen({}, (socket) =>
        w.s('name', (socket as unknown as { servername: unknown }).servername),
      );
      server.addContext('other.example', identity('other'));
      server.addContext('*.wild.example', identity('ip'));
      server.addContext('last.example', w.server.createSecureContext(identity('named')));
      for (const servername of [
        'other.example',
        'a.wild.example',
        'wild.example',
        'a.b.wild.example',
        'last.example',
        'none.example',
      ]) {
        await visit(w, server, { servername });
      }
    },
  },
  {
    name: 'SNI: the newest context of a name wins',
    across: true,
    async run(w) {
      const server = await w.listen();
      server.addContext('other.example', identity('other'));
      server.addContext('other.example', identity('named'));
      await visit(w, server, { servername: 'other.example' });
    },
  },
  {
    name: 'SNI: no name, and an address as host',
    across: true,
    async run(w) {
      const server = await w.listen({}, (socket) => w.state(socket, 'server'));
      const port = w.port(server);
      const served = once(server, 'secureConnection');
      const socket = w.watch(w.keep(w.client.connect({ port, host: '127.0.0.1', ca })), 'c');
      socket.on('secureConnect', () => {
        w.state(socket);
        socket.end();
      });
      await closed(socket);
      await served;
    },
  },
  {
    name: 'SNI: setSecureContext changes what new connections get',
    across: true,
    async run(w) {
      const server = await w.listen();
      await visit(w, server, {});
      server.setSecureContext(identity('other'));
      await visit(w, server, {});
    },
  },
  {
    name: 'SNI: setServername of a connection',
    across: true,
    async run(w) {
      const server = await w.listen({}, (socket) => w.state(socket, 'server'));
      const served = once(server, 'secureConnection');
      const socket = w.connect(server, { servername: '', checkServerIdentity: () => undefined });
      w.try('number', () => socket.setServername(5 as never));
      w.try('name', () => socket.setServername('set.example'));
      socket.on('secureConnect', () => socket.end());
      await closed(socket);
      await served;
    },
  },
  {
    name: 'SNI: an address as servername',
    run(w) {
      w.try(
        'connect',
        () => void w.keep(w.client.connect({ socket: duplexPair()[0], servername: '127.0.0.1' })).on('error', () => {}),
      );
    },
    releases: { from: 26, reason: 'an address was sent as a name, with a deprecation warning' },
  },
  {
    name: 'SNI: which authorities a client certificate is judged by',
    across: true,
    async run(w) {
      const server = await w.listen(
        { requestCert: true, rejectUnauthorized: false, ca: fixture('ca2.pem') },
        (socket) => w.state(socket, 'server'),
      );
      server.addContext('other.example', { ...identity('other'), ca });
      await visit(w, server, { servername: 'other.example', ...identity('client') });
      await visit(w, server, { servername: 'localhost', ...identity('client') });
    },
  },
];
